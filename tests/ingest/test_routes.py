"""One POST: what is taken, what is refused before it is read, and who gets what back."""

from __future__ import annotations

import io
import json
import socket
import time
import tracemalloc
import zipfile
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from county import people, secrets
from county.http import check_routes
from ingest.form import Form, FormError
from ledger import schema
from tests.ingest.kit import MAX_BODY_BYTES, World, make_app

CUT = b"7 12 500 5000\n7.dat 16 1000/mV 16 0 \x00\xff"


@pytest.fixture
def app(world: World) -> FastAPI:
    return make_app(world.ledger)


@pytest.fixture
def client(world: World, address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, headers=world.bearer, trust_env=False, timeout=20) as opened:
        yield opened


def token(world: World, role: str, site: str | None) -> dict[str, str]:
    """The bearer of a signed-in person of this role; no password is hashed for it."""
    from ledger.ids import new_id

    made, session = secrets.new(secrets.Kind.SESSION), new_id()

    def add(tx: Any) -> None:
        person = people.add(tx, world.county, f"{role} {session}", role, people.PasswordHash("x"), site)
        row = {"county_id": world.county, "id": session, "person_id": person, "created_at": tx.now}
        kept = {"token_hash": secrets.fingerprint(made), "expires_at": tx.now + 10**9, "ended_at": None}
        tx.connection.execute(schema.session.insert().values(**row, **kept))

    world.ledger.write(add)
    return {"Authorization": f"Bearer {made}"}


def test_an_unknown_or_cut_file_gets_its_receipt_and_is_kept(world: World, client: httpx.Client) -> None:
    answer = client.post("/v1/exams", files={"file": ("心电.hea", CUT)})
    assert answer.status_code == 201
    receipt = answer.json()
    assert receipt.keys() == {"exam", "sha256", "bytes", "received_at", "status"}
    assert (receipt["bytes"], receipt["status"]) == (len(CUT), "received")
    assert receipt["received_at"].endswith("Z")
    original = client.get(f"/v1/exams/{receipt['exam']}/original")
    assert (original.content, original.headers["content-type"]) == (CUT, "application/octet-stream")
    assert original.headers["content-disposition"] == "attachment; filename*=UTF-8''%E5%BF%83%E7%94%B5.hea"
    assert world.rows(schema.audit)[-1]["action"] == "original.read"


def test_the_same_bytes_again_are_200_with_the_same_exam_and_what_they_add(world: World, client: httpx.Client) -> None:
    first = client.post("/v1/exams", files={"file": ("a", CUT)})
    said = json.dumps({"urgent": True, "symptoms": ["syncope"]})
    again = client.post("/v1/exams", files={"file": ("b", CUT)}, data={"context": said})
    assert (again.status_code, again.json()["exam"]) == (200, first.json()["exam"])
    assert (world.only_exam()["urgent"], world.only_exam()["symptoms"]) == (True, ["syncope"])


def test_a_pair_is_two_parts_in_any_order_and_original_is_their_zip(client: httpx.Client) -> None:
    parts = [("file", ("x.hea", b"header")), ("file", ("x.dat", b"samples"))]
    one = client.post("/v1/exams", files=parts)
    two = client.post("/v1/exams", files=parts[::-1])
    assert (one.status_code, two.status_code, two.json()["exam"]) == (201, 200, one.json()["exam"])
    assert [part["name"] for part in one.json()["files"]] == ["x.dat", "x.hea"]
    zipped = client.get(f"/v1/exams/{one.json()['exam']}/original").content
    assert zipfile.ZipFile(io.BytesIO(zipped)).read("x.dat") == b"samples"


@pytest.mark.parametrize("bad", ["{", "[]", '{"symptoms": ["fever"]}', "\x00"])
def test_a_bad_context_never_loses_the_ecg(client: httpx.Client, bad: str) -> None:
    answer = client.post("/v1/exams", files={"file": ("a", CUT)}, data={"context": bad})
    assert answer.status_code == 201
    assert [one["code"] for one in answer.json()["advice"]] == ["CONTEXT"]


def test_context_comes_later(world: World, client: httpx.Client) -> None:
    exam = client.post("/v1/exams", files={"file": ("a", CUT)}).json()["exam"]
    said = {"symptoms": ["chest_pain"], "patient": {"name": "张三"}}
    answer = client.post(f"/v1/exams/{exam}/context", json=said)
    assert (answer.status_code, answer.json()["exam"]) == (200, exam)
    assert world.only_exam()["symptoms"] == ["chest_pain"]
    assert client.post(f"/v1/exams/{exam}/context", content=b"{").json()["advice"][0]["code"] == "CONTEXT"
    assert client.post(f"/v1/exams/{exam}/context", content=b"x" * 70_000).status_code == 413


def test_who_may_send_and_see(world: World, client: httpx.Client) -> None:
    exam = client.post("/v1/exams", files={"file": ("a", CUT)}).json()["exam"]

    def tried(headers: dict[str, str]) -> tuple[int, int, int]:
        client.headers.pop("Authorization", None)
        answers = (
            client.post("/v1/exams", files={"file": ("a", CUT)}, headers=headers),
            client.post(f"/v1/exams/{exam}/context", json={}, headers=headers),
            client.get(f"/v1/exams/{exam}/original", headers=headers),
        )
        return answers[0].status_code, answers[1].status_code, answers[2].status_code

    assert tried(token(world, "clinic", world.site)) == (200, 200, 200)
    assert tried(token(world, "clinic", world.other_site)) == (201, 404, 404)
    assert tried(token(world, "cardiologist", None)) == (403, 403, 200)
    assert tried(token(world, "coordinator", None)) == (403, 403, 200)
    assert tried(token(world, "administrator", None)) == (403, 403, 403)
    assert tried({"Authorization": "Bearer wrong"}) == (401, 401, 401)
    assert tried({}) == (401, 401, 401)
    stranger = {"Authorization": f"Bearer {world.other_key}"}
    hidden, absent = (client.get(f"/v1/exams/{which}/original", headers=stranger) for which in (exam, "none"))
    assert (hidden.status_code, hidden.content) == (404, absent.content)


def _raw(address: str, head: str, body: bytes = b"") -> bytes:
    """The whole answer to bytes that are sent as they are."""
    at = urlsplit(address)
    with socket.create_connection((at.hostname, at.port), timeout=30) as line:
        line.sendall(head.replace("\n", "\r\n").encode() + b"\r\n" + body)
        answer = b""
        while b"\r\n\r\n" not in answer and (more := line.recv(65536)):
            answer += more
    return answer.lower()


def test_a_body_above_the_limit_is_413_before_a_byte_of_it_is_read(world: World, address: str) -> None:
    head = (
        f"POST /v1/exams HTTP/1.1\nHost: x\nAuthorization: Bearer {world.key}\nContent-Length: {MAX_BODY_BYTES + 1}\n"
    )
    answer = _raw(address, head + "Content-Type: multipart/form-data; boundary=b\n")
    assert b" 413 " in answer
    assert b"connection: close" in answer
    assert b"application/problem+json" in answer


def test_who_sends_a_body_above_the_limit_at_once_still_reads_why_it_was_refused(world: World, address: str) -> None:
    """A client that writes all it has before it reads: without lingering its kernel would drop the answer."""
    at = urlsplit(address)
    common = f"Host: x\r\nAuthorization: Bearer {world.key}\r\nTus-Resumable: 1.0.0\r\n"
    size = MAX_BODY_BYTES + 1
    for path, kind in (("/v1/exams", "Content-Type: multipart/form-data; boundary=b"), ("/v1/uploads", "X-Tus: yes")):
        head = f"POST {path} HTTP/1.1\r\n{common}{kind}\r\nUpload-Length: {size}\r\nContent-Length: {size}\r\n\r\n"
        with socket.create_connection((at.hostname, at.port), timeout=30) as line:
            line.sendall(head.encode() + bytes(900_000))
            time.sleep(0.05)  # a slow line: the server has answered by now, and these bytes are under way
            line.sendall(bytes(100_000))
            line.shutdown(socket.SHUT_WR)
            answer = line.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert answer.count(b'"status":413') == 1
    assert not world.rows(schema.upload) + world.rows(schema.upload_piece) + world.rows(schema.exam)


def test_a_stream_without_length_is_cut_at_the_limit_and_closed(world: World, client: httpx.Client) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        while sent < 16 * MAX_BODY_BYTES:
            sent += 65536
            yield b"x" * 65536

    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = client.post("/v1/exams", content=endless(), headers=kind)
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")
    assert sent < 8 * MAX_BODY_BYTES
    assert not world.rows(schema.exam)


def test_what_is_no_form_or_has_no_file_is_refused_in_words(client: httpx.Client) -> None:
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    assert client.post("/v1/exams", content=b"x", headers={"Content-Type": "text/plain"}).status_code == 415
    assert client.post("/v1/exams", content=b"x" * 100, headers=kind).status_code == 400
    assert client.post("/v1/exams", content=b"--b\r\n", headers=kind).status_code == 400
    nothing = client.post("/v1/exams", files={"context": (None, b"{}")})
    assert (nothing.status_code, nothing.json()["type"]) == (422, "no-file")
    english = client.post("/v1/exams", content=b"--b\r\n", headers={**kind, "Accept-Language": "en"})
    assert english.json()["detail"].startswith("The form cannot be read")


def test_every_route_names_its_action(app: FastAPI) -> None:
    check_routes(app)
    assert {"/v1/exams", "/v1/exams/{exam}/context", "/v1/uploads/{upload}"} <= app.openapi()["paths"].keys()


def test_reading_a_form_takes_its_bodys_memory_once(world: World, app: FastAPI) -> None:
    """A body of 4 MiB, in the application itself: the form keeps each byte once (and the ledger packs it after)."""
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    size = MAX_BODY_BYTES - 1000
    form = Form("multipart/form-data; boundary=b")
    tracemalloc.start()
    try:
        form.feed(head)
        for _ in range(0, size, 65536):
            form.feed(bytes(65536))
        form.feed(b"\r\n--b--\r\n")
        form.end()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(form.files[0][1]) >= size
    assert peak < 1.3 * size


@given(st.lists(st.tuples(st.text("abc.心 ", min_size=1), st.binary(max_size=200)), min_size=1, max_size=4), st.data())
def test_a_form_is_the_same_however_it_is_cut(parts: list[tuple[str, bytes]], data: st.DataObject) -> None:
    request = httpx.Request("POST", "http://x", files=[("file", (name, body)) for name, body in parts])
    sent = request.read()
    cut = data.draw(st.integers(0, len(sent)))
    form = Form(request.headers["Content-Type"])
    form.feed(sent[:cut])
    form.feed(sent[cut:])
    form.end()
    assert form.files == parts


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_but_a_form_error(sent: bytes) -> None:
    form = Form("multipart/form-data; boundary=b")
    try:
        form.feed(b"--b\r\n" + sent)
        form.end()
    except FormError:
        pass


def test_a_full_queue_is_503_with_when_to_come_back(
    world: World, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ledger.database import Ledger, LedgerBusy

    async def full(self: Ledger, work: Any) -> Any:
        raise LedgerBusy("full")

    monkeypatch.setattr(Ledger, "awrite", full)
    answer = client.post("/v1/exams", files={"file": ("a", CUT)})
    assert answer.status_code == 503
    assert "retry-after" in answer.headers


def test_a_client_that_goes_away_in_its_body_leaves_nothing(world: World, address: str) -> None:
    at = urlsplit(address)
    with socket.create_connection((at.hostname, at.port), timeout=30) as line:
        head = f"POST /v1/exams HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.key}\r\nContent-Length: 1000\r\n"
        line.sendall(f"{head}Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n".encode())
    httpx.options(f"{address}/v1/uploads", trust_env=False)
    assert not world.rows(schema.exam) + world.rows(schema.original)
