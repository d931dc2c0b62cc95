"""Each normative clause of tus 1.0.0 as a test of its name: core, creation (with upload, with deferred length),
expiration, checksum, termination. Concatenation is not offered, and the machine says so.

The text is https://tus.io/protocols/resumable-upload (1.0.0, 2016-03-25). What needs rows or a socket (what was
kept of a broken PATCH, 404 after termination or expiry, the ``Location``) is in ``test_uploads``.
"""

from __future__ import annotations

import base64
import hashlib
from email.utils import parsedate_to_datetime

import pytest

from ingest import tus
from ingest.tus import Answer, Append, Create, Mark, Receiving, Refuse, State, Terminate, Write

MOST = 1000
V = {"tus-resumable": "1.0.0"}
EXPIRES_AT = 1_790_000_000_000_000  # 2026-09-21T14:13:20Z
OPEN = State(offset=70, length=100, metadata="filename dw==,is_confidential", expires_at=EXPIRES_AT)
DEFERRED = State(offset=70, length=None)
TYPE = {"content-type": "application/offset+octet-stream"}


def patch(state: State = OPEN, **headers: str) -> Append | Answer | Refuse:
    sent = {**V, **TYPE, "upload-offset": "70", "content-length": "30"}
    return tus.patch(sent | {name.replace("_", "-"): value for name, value in headers.items()}, state, MOST)


def create(**headers: str) -> Create | Refuse:
    return tus.create({**V, **{name.replace("_", "-"): value for name, value in headers.items()}}, MOST)


def assert_refused(decision: object, status: int) -> Refuse:
    assert isinstance(decision, Refuse)
    assert decision.status == status
    return decision


def head(state: State = OPEN) -> dict[str, str]:
    told = tus.head(V, state)
    assert isinstance(told, Answer)
    assert told.status in (200, 204)
    return told.headers


# --- core protocol ---------------------------------------------------------------------------------------------------


def test_core_head_must_always_include_upload_offset_even_if_it_is_0() -> None:
    assert head()["Upload-Offset"] == "70"
    assert head(State(0, 100))["Upload-Offset"] == "0"


def test_core_head_must_include_upload_length_if_the_size_is_known() -> None:
    assert head()["Upload-Length"] == "100"


def test_core_head_must_prevent_caching_by_cache_control_no_store() -> None:
    assert head()["Cache-Control"] == "no-store"


def test_core_patch_must_have_the_offset_content_type_else_415() -> None:
    assert_refused(patch(content_type="application/octet-stream"), 415)
    assert_refused(patch(content_type=""), 415)
    assert isinstance(patch(), Append)


@pytest.mark.parametrize("offset", ["69", "71", "0", "100"])
def test_core_patch_whose_offset_is_not_the_resources_is_409_without_a_change(offset: str) -> None:
    refused = assert_refused(patch(upload_offset=offset), 409)
    assert refused.headers["Upload-Offset"] == "70"


@pytest.mark.parametrize("offset", ["-1", "+70", "7e1", "", "70.0"])
def test_core_upload_offset_and_upload_length_must_be_non_negative_integers(offset: str) -> None:
    assert_refused(patch(upload_offset=offset), 400)
    assert_refused(create(upload_length=offset), 400)


def test_core_an_acknowledged_patch_is_204_with_tus_resumable_and_the_new_upload_offset() -> None:
    told = tus.reached(State(100, 100, expires_at=EXPIRES_AT))
    assert (told["Tus-Resumable"], told["Upload-Offset"]) == ("1.0.0", "100")


def test_core_as_much_as_possible_of_a_broken_patch_should_be_stored() -> None:
    receiving = Receiving(70, 100)
    assert receiving.on(b"x" * 10) is None
    assert receiving.on(Mark.CUT) == Write(70, b"x" * 10, finishes=False)


def test_core_options_should_be_204_or_200_and_must_tell_tus_version_also_without_tus_resumable() -> None:
    told = tus.options(MOST)
    assert told.status in (200, 204)
    assert told.headers["Tus-Version"].split(",")[0] == "1.0.0"
    assert told.headers["Tus-Max-Size"] == str(MOST)


@pytest.mark.parametrize("sent", [{}, {"tus-resumable": "0.2.2"}, {"tus-resumable": "1.0"}, {"tus-resumable": "2.0.0"}])
def test_core_an_unsupported_version_must_be_412_with_tus_version_and_must_not_be_processed(
    sent: dict[str, str],
) -> None:
    whole = {**TYPE, "upload-length": "30", "upload-offset": "70", "content-length": "30", **sent}
    for decision in (
        tus.create(whole, MOST),
        tus.head(whole, OPEN),
        tus.patch(whole, OPEN, MOST),
        tus.delete(whole),
    ):
        assert assert_refused(decision, 412).headers["Tus-Version"] == "1.0.0"


def test_core_tus_resumable_must_be_in_every_response() -> None:
    refusals = (
        patch(upload_offset="1"),
        patch(upload_offset="x"),
        patch(content_type="a/b"),
        patch(content_length="31"),
        create(),
        create(upload_length="1001"),
        Receiving(0, 1).on(b"ab"),
        tus.delete({}),
    )
    for decision in refusals:
        assert isinstance(decision, Refuse)
        assert decision.headers["Tus-Resumable"] == "1.0.0"
    assert head()["Tus-Resumable"] == "1.0.0"


@pytest.mark.parametrize(("sent", "meant"), [("POST", "PATCH"), ("POST", "DELETE"), ("GET", "HEAD")])
def test_core_x_http_method_override_must_be_the_method_and_the_actual_one_must_be_ignored(
    sent: str, meant: str
) -> None:
    assert tus.method(sent, {"x-http-method-override": meant}) == meant
    assert tus.method(sent, {}) == sent


# --- creation --------------------------------------------------------------------------------------------------------


def test_creation_must_be_announced_with_the_others_and_concatenation_is_not() -> None:
    announced = set(tus.options(MOST).headers["Tus-Extension"].split(","))
    with_body = {"creation", "creation-with-upload", "creation-defer-length"}
    assert announced == with_body | {"expiration", "checksum", "termination"}


@pytest.mark.parametrize("concat", ["partial", "final;/v1/uploads/a /v1/uploads/b"])
def test_concatenation_is_refused_in_words_and_not_taken_for_a_whole_file(concat: str) -> None:
    assert_refused(create(upload_length="10", upload_concat=concat), 400)


def test_creation_must_have_upload_length_or_upload_defer_length() -> None:
    assert_refused(create(), 400)
    assert isinstance(create(upload_length="10"), Create)


def test_creation_beyond_tus_max_size_must_be_413_and_at_it_is_taken() -> None:
    assert_refused(create(upload_length=str(MOST + 1)), 413)
    assert isinstance(create(upload_length=str(MOST)), Create)


def test_creation_of_an_empty_file_has_upload_length_0() -> None:
    found = create(upload_length="0")
    assert isinstance(found, Create)
    assert found.length == 0


def test_creation_upload_metadata_is_pairs_of_key_and_base64_and_a_value_may_be_missing() -> None:
    name = base64.b64encode("心电.xml".encode()).decode()
    found = create(upload_length="10", upload_metadata=f"filename {name},is_confidential")
    assert isinstance(found, Create)
    assert found.metadata.filename == "心电.xml"


def test_creation_head_must_give_upload_metadata_back_as_the_client_specified_it() -> None:
    assert head()["Upload-Metadata"] == OPEN.metadata
    assert "Upload-Metadata" not in head(State(0, 10))


# --- creation with upload --------------------------------------------------------------------------------------------


def test_creation_with_upload_must_have_the_content_type_of_patch() -> None:
    assert_refused(create(upload_length="10", content_length="10", content_type="text/plain"), 415)
    found = create(upload_length="10", content_length="10", content_type=TYPE["content-type"])
    assert isinstance(found, Create)
    assert found.receiving is not None


def test_creation_with_upload_begins_at_offset_0_and_may_bring_a_part() -> None:
    found = create(upload_length="10", content_length="4", content_type=TYPE["content-type"])
    assert isinstance(found, Create)
    assert found.receiving is not None
    assert found.receiving.on(b"abcd") is None
    assert found.receiving.on(Mark.ENDED) == Write(0, b"abcd", finishes=False)


# --- creation with a deferred length ---------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["0", "2", "true", ""])
def test_defer_length_must_be_1_else_400(value: str) -> None:
    assert_refused(create(upload_defer_length=value), 400)
    found = create(upload_defer_length="1")
    assert isinstance(found, Create)
    assert found.length is None


def test_defer_length_head_must_say_so_until_the_length_is_known() -> None:
    assert head(DEFERRED)["Upload-Defer-Length"] == "1"
    assert "Upload-Length" not in head(DEFERRED)
    assert "Upload-Defer-Length" not in head()


def test_defer_length_the_length_is_set_by_the_next_patch_and_once_set_must_not_be_changed() -> None:
    found = patch(DEFERRED, upload_length="100")
    assert isinstance(found, Append)
    assert found.length == 100
    assert_refused(patch(OPEN, upload_length="101"), 400)


def test_defer_length_beyond_tus_max_size_is_413_whenever_it_is_told() -> None:
    assert_refused(patch(DEFERRED, upload_length=str(MOST + 1)), 413)
    assert_refused(patch(DEFERRED, content_length=str(MOST - 70 + 1)), 413)


# --- expiration ------------------------------------------------------------------------------------------------------


def test_expiration_every_patch_answer_of_an_unfinished_upload_must_have_upload_expires_as_an_http_date() -> None:
    told = tus.reached(OPEN)["Upload-Expires"]
    assert told == "Mon, 21 Sep 2026 14:13:20 GMT"
    assert parsedate_to_datetime(told).timestamp() == EXPIRES_AT / 1e6


# --- checksum --------------------------------------------------------------------------------------------------------


def checksum(algorithm: str, data: bytes) -> str:
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}"


def test_checksum_algorithms_must_be_announced_and_sha1_among_them() -> None:
    assert "sha1" in tus.options(MOST).headers["Tus-Checksum-Algorithm"].split(",")


def test_checksum_of_an_algorithm_that_is_not_supported_must_be_400() -> None:
    assert_refused(patch(upload_checksum=checksum("md5", b"x" * 30)), 400)


def test_checksum_the_published_example_of_sha1_matches() -> None:
    """``Kq5sNclPz7QV2+lfQIuc6R7oRu0=`` is the SHA-1 of ``hello world``: the value that the standard prints."""
    found = patch(State(70, 81), content_length="11", upload_checksum="sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=")
    assert isinstance(found, Append)
    assert found.receiving.on(b"hello world") is None
    assert found.receiving.on(Mark.ENDED) == Write(70, b"hello world", finishes=True)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_checksum_mismatch_must_be_460_and_the_chunk_must_be_discarded(algorithm: str) -> None:
    found = patch(upload_checksum=checksum(algorithm, b"y" * 30))
    assert isinstance(found, Append)
    assert found.receiving.on(b"x" * 30) is None
    assert_refused(found.receiving.on(Mark.ENDED), 460)
    assert found.receiving.offset == 70
    assert found.receiving.on(Mark.CUT) is None


def test_checksum_nothing_unverified_is_committed_when_the_connection_breaks() -> None:
    found = patch(upload_checksum=checksum("sha1", b"x" * 30))
    assert isinstance(found, Append)
    found.receiving.on(b"x" * 20)
    assert found.receiving.on(Mark.WAITED) is None
    assert found.receiving.on(Mark.CUT) is None


# --- termination -----------------------------------------------------------------------------------------------------


def test_termination_is_asked_for_by_delete_with_the_version() -> None:
    assert tus.delete(V) == Terminate()
    assert_refused(tus.delete({}), 412)
