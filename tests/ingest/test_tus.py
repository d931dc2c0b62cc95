"""The protocol machine, clause by clause, and each byte of a body."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import tus
from ingest.tus import (
    BYTES,
    PIECE_BYTES,
    Answer,
    Append,
    Create,
    Mark,
    Receiving,
    Refuse,
    State,
    Terminate,
    Write,
    parse_metadata,
)

V = {"tus-resumable": "1.0.0"}
OPEN = State(offset=10, length=100, metadata="filename YQ==", expires_at=1_790_000_000_000_000)
DONE = State(100, 100, exam="e1", sha256="ab", facts={"Ecgnet-Status": "received"})


def _patch(**headers: str) -> dict[str, str]:
    sent = {"content-type": BYTES, "upload-offset": "10", "content-length": "90", **V}
    return sent | {name.replace("_", "-"): value for name, value in headers.items()}


def _refused(decision: object) -> int:
    assert isinstance(decision, Refuse)
    assert decision.headers["Tus-Resumable"] == "1.0.0"
    assert decision.zh
    assert decision.en
    return decision.status


def test_options_says_version_extensions_size_and_checksums_and_asks_for_no_version() -> None:
    told = tus.options(1000)
    assert told.status == 204
    assert told.headers["Tus-Version"] == "1.0.0"
    assert told.headers["Tus-Max-Size"] == "1000"
    assert told.headers["Tus-Extension"].split(",") == [
        "creation",
        "creation-with-upload",
        "creation-defer-length",
        "expiration",
        "termination",
        "checksum",
    ]
    assert told.headers["Tus-Checksum-Algorithm"] == "sha1,sha256"


@pytest.mark.parametrize("version", [{}, {"tus-resumable": "0.2.2"}])
def test_another_version_is_412_with_ours_and_nothing_happens(version: dict[str, str]) -> None:
    decisions = [tus.create(version, 9), tus.head(version, OPEN), tus.patch(version, OPEN, 1000), tus.delete(version)]
    for decision in decisions:
        assert _refused(decision) == 412
        assert isinstance(decision, Refuse)
        assert decision.headers["Tus-Version"] == "1.0.0"


def test_head_says_offset_length_metadata_and_is_not_cached() -> None:
    told = tus.head(V, OPEN)
    assert isinstance(told, Answer)
    assert told.headers == {
        "Upload-Length": "100",
        "Cache-Control": "no-store",
        "Upload-Metadata": "filename YQ==",
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": "10",
        "Upload-Expires": "Mon, 21 Sep 2026 14:13:20 GMT",
    }


def test_every_later_head_of_a_finished_upload_names_its_exam() -> None:
    told = tus.head(V, DONE)
    assert isinstance(told, Answer)
    assert (told.headers["Ecgnet-Exam"], told.headers["Ecgnet-Sha256"]) == ("e1", "ab")
    assert told.headers["Ecgnet-Status"] == "received"


@pytest.mark.parametrize("length", ["", "-1", "+1", "1_0", " 1", "１", "1.0", "9" * 16, "0x10"])
def test_a_length_is_a_whole_number_and_nothing_else(length: str) -> None:
    assert _refused(tus.create({**V, "upload-length": length}, 1000)) == 400


def test_creation_needs_a_length_within_the_limit() -> None:
    assert _refused(tus.create(V, 1000)) == 400
    assert _refused(tus.create({**V, "upload-length": "9", "upload-concat": "partial"}, 1000)) == 400
    assert _refused(tus.create({**V, "upload-length": "1001"}, 1000)) == 413
    found = tus.create({**V, "upload-length": "1000", "content-length": "0"}, 1000)
    assert found == Create(1000, parse_metadata(""), None, is_whole=False)


LATER = State(offset=10, length=None)


def test_a_length_may_be_deferred_by_1_and_by_nothing_else_and_not_beside_a_length() -> None:
    assert tus.create({**V, "upload-defer-length": "1"}, 1000) == Create(None, parse_metadata(""), None, is_whole=False)
    for wrong in ({"upload-defer-length": "0"}, {"upload-defer-length": "1", "upload-length": "9"}):
        assert _refused(tus.create({**V, **wrong}, 1000)) == 400


def test_head_says_defer_length_while_it_is_not_known() -> None:
    told = tus.head(V, LATER)
    assert isinstance(told, Answer)
    assert told.headers["Upload-Defer-Length"] == "1"
    assert "Upload-Length" not in told.headers


def test_a_patch_may_tell_the_length_once_and_none_may_change_it() -> None:
    untold = tus.patch(_patch(), LATER, 1000)
    assert isinstance(untold, Append)
    assert (untold.length, untold.is_whole) == (None, False)
    told = tus.patch(_patch(upload_length="100"), LATER, 1000)
    assert isinstance(told, Append)
    assert (told.length, told.is_whole) == (100, True)
    assert isinstance(tus.patch(_patch(upload_length="100"), OPEN, 1000), Append)
    for state, length in ((OPEN, "99"), (LATER, "9"), (LATER, "x")):
        assert _refused(tus.patch(_patch(upload_length=length), state, 1000)) == 400
    assert _refused(tus.patch(_patch(upload_length="1001"), LATER, 1000)) == 413
    assert _refused(tus.patch(_patch(content_length="991"), LATER, 1000)) == 413


def test_bytes_of_an_unknown_length_finish_nothing_and_end_at_the_servers_limit() -> None:
    receiving = Receiving(0, None, most=5)
    assert receiving.on(b"abcd") is None
    assert receiving.on(Mark.ENDED) == Write(0, b"abcd", finishes=False)
    assert _refused(Receiving(4, None, most=5).on(b"ef")) == 413


def test_a_length_that_is_already_reached_finishes_without_a_byte() -> None:
    assert Receiving(4, 4).on(Mark.ENDED) == Write(4, b"", finishes=True)


def test_creation_with_upload_needs_the_type_and_knows_when_it_is_all() -> None:
    sent = {**V, "upload-length": "50", "content-length": "50"}
    assert _refused(tus.create(sent, 1000)) == 415
    sent["content-type"] = BYTES
    whole = tus.create(sent, 1000)
    assert isinstance(whole, Create)
    assert whole.is_whole
    part = tus.create({**sent, "content-length": "20"}, 1000)
    assert isinstance(part, Create)
    assert not part.is_whole
    assert _refused(tus.create({**sent, "content-length": "51"}, 1000)) == 413


def test_patch_needs_type_and_the_offset_that_is_ours() -> None:
    assert _refused(tus.patch(_patch(content_type="application/octet-stream"), OPEN, 1000)) == 415
    assert _refused(tus.patch(_patch(upload_offset="x"), OPEN, 1000)) == 400
    assert _refused(tus.patch(_patch(upload_offset="9"), OPEN, 1000)) == 409
    assert _refused(tus.patch(_patch(upload_offset="11"), OPEN, 1000)) == 409
    assert _refused(tus.patch(_patch(content_length="91"), OPEN, 1000)) == 413
    whole = tus.patch(_patch(), OPEN, 1000)
    assert isinstance(whole, Append)
    assert whole.is_whole
    chunked = _patch(transfer_encoding="chunked")
    del chunked["content-length"]
    part = tus.patch(chunked, OPEN, 1000)
    assert isinstance(part, Append)
    assert not part.is_whole


def test_an_empty_patch_of_a_finished_upload_is_answered_like_the_one_that_finished_it() -> None:
    told = tus.patch(_patch(upload_offset="100", content_length="0"), DONE, 1000)
    assert isinstance(told, Answer)
    assert (told.status, told.headers["Ecgnet-Exam"]) == (204, "e1")
    assert _refused(tus.patch(_patch(upload_offset="100", content_length="1"), DONE, 1000)) == 413


def test_delete_and_the_override_of_the_method() -> None:
    assert tus.delete(V) == Terminate()
    assert tus.method("POST", {"x-http-method-override": "patch"}) == "PATCH"
    assert tus.method("HEAD", {}) == "HEAD"


@pytest.mark.parametrize("checksum", ["md5 1B2M2Y8AsgTpgAmY7PhCfg==", "sha1", "sha1 ?", "sha1 YQ=="])
def test_a_checksum_that_we_cannot_check_is_400(checksum: str) -> None:
    assert _refused(tus.patch(_patch(upload_checksum=checksum), OPEN, 1000)) == 400


@given(st.text(), st.text())
def test_a_filename_may_have_any_letters_and_the_context_comes_as_it_was(name: str, said: str) -> None:
    def encoded(text: str) -> str:
        return base64.b64encode(text.encode("utf-8", "replace")).decode()

    header = f"filename {encoded(name)},context {encoded(said)},empty"
    found = parse_metadata(header)
    assert found.header == header
    assert found.filename == name.encode("utf-8", "replace").decode()
    assert found.context == said.encode("utf-8", "replace")


@given(st.text())
def test_no_metadata_can_raise(header: str) -> None:
    assert parse_metadata(header).header == header


def test_a_context_that_is_no_base64_is_handed_on_to_be_complained_about() -> None:
    assert parse_metadata("context {bad}").context == b"{bad}"


# --- bytes -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.one_of(st.binary(max_size=PIECE_BYTES // 2), st.just(Mark.WAITED)), max_size=12), st.booleans())
def test_what_is_written_is_what_came_each_byte_once_and_in_order(events: list[bytes | Mark], is_cut: bool) -> None:
    data = b"".join(event for event in events if isinstance(event, bytes))
    receiving = Receiving(5, 5 + len(data) + 1)
    written = b""
    for event in [*events, Mark.CUT if is_cut else Mark.ENDED]:
        found = receiving.on(event)
        if found is not None:
            assert isinstance(found, Write)
            assert found.offset == 5 + len(written)
            assert not found.finishes
            written += found.data
    assert written == data


def test_a_piece_is_64_kib_or_a_second_and_the_last_bytes_wait_for_the_end() -> None:
    receiving = Receiving(0, PIECE_BYTES + 10)
    assert receiving.on(b"x" * (PIECE_BYTES - 1)) is None
    assert receiving.on(b"xx") == Write(0, b"x" * (PIECE_BYTES + 1), finishes=False)
    assert receiving.on(Mark.WAITED) is None
    assert receiving.on(b"y") is None
    assert receiving.holds
    assert receiving.on(Mark.WAITED) == Write(PIECE_BYTES + 1, b"y", finishes=False)
    assert receiving.on(b"z" * 8) is None
    assert receiving.on(Mark.ENDED) == Write(PIECE_BYTES + 2, b"z" * 8, finishes=True)


def test_a_byte_beyond_the_length_is_refused_and_nothing_of_its_chunk_is_kept() -> None:
    receiving = Receiving(0, 4)
    assert receiving.on(b"abc") is None
    assert _refused(receiving.on(b"de")) == 413
    assert receiving.on(Mark.CUT) is None


def test_a_checked_body_is_kept_whole_or_not_at_all() -> None:
    good = ("sha1", hashlib.sha1(b"abcdef").digest())
    receiving = Receiving(0, 6, good)
    assert receiving.on(b"abc") is None
    assert receiving.on(Mark.WAITED) is None
    assert receiving.on(b"def") is None
    assert receiving.on(Mark.ENDED) == Write(0, b"abcdef", finishes=True)
    broken = Receiving(0, 6, good)
    broken.on(b"abcdeX")
    assert _refused(broken.on(Mark.ENDED)) == 460
    cut = Receiving(0, 6, good)
    cut.on(b"abc")
    assert cut.on(Mark.CUT) is None
