"""Uploads: the accidents of the known tus server (each a test of that name), and any interleaving of requests.

The known server (`tuspyserver` 4.4.3) built a 450,000-byte file of a 300,000-byte upload after a kill, froze for 30 s
when a second PATCH came while the first hung, wrote the bytes of requests that it answered with 401, never synced, and
knew no checksum.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from tusclient.client import TusClient

from ingest import tus, uploads
from ingest.body import Body
from ingest.tus import BYTES, Mark, Receiving, Refuse
from ledger import schema
from ledger.database import Ledger
from tests.ingest.kit import MAX_BODY_BYTES, World

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = random.Random(9).randbytes(300_000)
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def client(world: World, address: str) -> Iterator[httpx.Client]:
    headers = {**world.bearer, "Tus-Resumable": "1.0.0"}
    with httpx.Client(base_url=address, headers=headers, trust_env=False, timeout=20) as opened:
        yield opened


def create(client: httpx.Client, length: int = len(DATA), **headers: str) -> str:
    answer = client.post("/v1/uploads", headers={"Upload-Length": str(length), **headers})
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"]


def patch(client: httpx.Client, where: str, offset: int, data: bytes, **headers: str) -> httpx.Response:
    sent = {"Upload-Offset": str(offset), "Content-Type": BYTES, **headers}
    return client.patch(where, headers=sent, content=data)


def offset_of(client: httpx.Client, where: str) -> int:
    answer = client.head(where)
    assert answer.status_code == 200
    return int(answer.headers["Upload-Offset"])


def wait_for_offset(client: httpx.Client, where: str, offset: int, within_s: float = 10) -> None:
    until = time.monotonic() + within_s
    while offset_of(client, where) != offset:
        assert time.monotonic() < until, f"{offset_of(client, where)} instead of {offset} after {within_s} s"
        time.sleep(0.02)


def hanging_patch(address: str, where: str, key: str, offset: int, sent: bytes, declared: int) -> socket.socket:
    """A PATCH that has sent only ``sent`` of what it declared, and hangs."""
    at = urlsplit(address)
    line = socket.create_connection((at.hostname, at.port), timeout=20)
    head = (
        f"PATCH {where} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nTus-Resumable: 1.0.0\r\n"
        f"Content-Type: {BYTES}\r\nUpload-Offset: {offset}\r\nContent-Length: {declared}\r\n\r\n"
    )
    line.sendall(head.encode() + sent)
    return line


# --- the accidents ---------------------------------------------------------------------------------------------------


@pytest.fixture
def killed_server(database_url: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process of its own on the same database, to be killed; what goes on then is another node."""
    code = (
        "import sys\n"
        "from ledger.database import Ledger\n"
        "from tests.ingest.kit import make_app, serving\n"
        "with serving(make_app(Ledger.open(sys.argv[1]))) as address:\n"
        "    print(address, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, database_url]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        process.kill()


def test_killed_in_mid_patch_and_resumed_is_exactly_what_was_sent_and_what_was_acknowledged_is_still_there(
    world: World, client: httpx.Client, killed_server: tuple[subprocess.Popen[str], str]
) -> None:
    process, address = killed_server
    with httpx.Client(base_url=address, headers=client.headers, trust_env=False, timeout=20) as doomed:
        where = create(doomed)
        assert patch(doomed, where, 0, DATA[:150_000]).headers["Upload-Offset"] == "150000"
        line = hanging_patch(address, where, world.key, 150_000, DATA[150_000:250_000], 150_000)
        until = time.monotonic() + 30
        while offset_of(doomed, where) < 200_000 and time.monotonic() < until:
            time.sleep(0.01)
        acknowledged = offset_of(doomed, where)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    line.close()
    assert 200_000 <= acknowledged <= offset_of(client, where) <= 250_000
    offset = offset_of(client, where)
    answer = patch(client, where, offset, DATA[offset:])
    assert (answer.status_code, answer.headers["Ecgnet-Sha256"]) == (204, SHA256)
    assert world.original(SHA256) == DATA


def test_tuspy_as_it_comes_goes_on_at_another_node_after_its_server_was_killed(
    world: World, address: str, killed_server: tuple[subprocess.Popen[str], str]
) -> None:
    process, doomed = killed_server
    first = TusClient(f"{doomed}/v1/uploads", headers=world.bearer).uploader(
        file_stream=io.BytesIO(DATA), chunk_size=100_000
    )
    first.upload(stop_at=200_000)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert first.url is not None
    there = address + urlsplit(first.url).path
    second = TusClient(f"{address}/v1/uploads", headers=world.bearer).uploader(
        file_stream=io.BytesIO(DATA), url=there, chunk_size=100_000
    )
    assert second.offset == 200_000
    second.upload()
    assert world.only_exam()["sha256"] == SHA256
    assert world.original(SHA256) == DATA


def test_a_second_patch_while_the_first_hangs_takes_the_upload_over_and_nothing_freezes(
    world: World, client: httpx.Client, address: str
) -> None:
    where = create(client)
    first = hanging_patch(address, where, world.key, 0, DATA[:1000], len(DATA))
    wait_for_offset(client, where, 1000)  # committed after a second, though the connection brings nothing more
    began = time.monotonic()
    second = hanging_patch(address, where, world.key, 1000, b"", len(DATA) - 1000)
    while world.rows(schema.upload)[0]["fence"] < 2:
        assert time.monotonic() - began < 30, "the second PATCH waits for the first"
    first.sendall(DATA[1000:90_000])  # the old one wakes up: it writes nothing and is told so
    assert b" 409 " in first.recv(100)
    assert offset_of(client, where) == 1000
    second.sendall(DATA[1000:])
    assert SHA256.encode() in second.recv(2000)
    assert world.original(SHA256) == DATA
    first.close()
    second.close()


@pytest.mark.parametrize("key", [None, "wrong", "ecgd_" + "x" * 40])
def test_bytes_without_credentials_are_neither_read_nor_stored(
    world: World, client: httpx.Client, address: str, key: str | None
) -> None:
    where = create(client)
    del client.headers["Authorization"]
    if key is not None:
        client.headers["Authorization"] = f"Bearer {key}"
    line = hanging_patch(address, where, key or "", 0, b"", len(DATA))  # no byte of the body: the answer comes
    assert b" 401 " in line.recv(100)
    line.close()
    answers = [
        patch(client, where, 0, DATA),
        patch(client, where, 0, DATA[:100]),
        client.post("/v1/uploads", headers={"Upload-Length": "3", "Content-Type": BYTES}, content=b"abc"),
        client.post("/v1/exams", files={"file": ("a", b"abc")}),
        client.head(where),
        client.delete(where),
    ]
    assert [answer.status_code for answer in answers] == [401] * 6
    assert {answer.headers["Tus-Resumable"] for answer in answers if "/uploads" in str(answer.url)} == {"1.0.0"}
    (upload,) = world.rows(schema.upload)
    assert upload["offset"] == 0
    assert not world.rows(schema.upload_piece) + world.rows(schema.original) + world.rows(schema.exam)


def test_a_checksum_that_does_not_match_is_460_and_keeps_nothing(world: World, client: httpx.Client) -> None:
    where = create(client)
    half = len(DATA) // 2

    def checked(algorithm: str, data: bytes) -> str:
        return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}"

    wrong = patch(client, where, 0, DATA[:half], **{"Upload-Checksum": checked("sha1", b"other")})
    assert (wrong.status_code, offset_of(client, where)) == (460, 0)
    right = patch(client, where, 0, DATA[:half], **{"Upload-Checksum": checked("sha1", DATA[:half])})
    assert (right.status_code, right.headers["Upload-Offset"]) == (204, str(half))
    last = patch(client, where, half, DATA[half:], **{"Upload-Checksum": checked("sha256", DATA[half:])})
    assert last.headers["Ecgnet-Sha256"] == SHA256
    assert world.original(SHA256) == DATA


# --- the life of an upload -------------------------------------------------------------------------------------------


def test_the_bytes_of_a_broken_patch_are_kept(world: World, client: httpx.Client, address: str) -> None:
    where = create(client)
    hanging_patch(address, where, world.key, 0, DATA[:70_000], len(DATA)).close()
    wait_for_offset(client, where, 70_000)
    assert patch(client, where, 70_000, DATA[70_000:]).headers["Ecgnet-Sha256"] == SHA256


def test_a_small_file_whole_in_one_request_is_one_commit_without_piece_rows(
    world: World, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits = 0
    awrite = Ledger.awrite

    async def counted(self: Ledger, work: Any) -> Any:
        nonlocal commits
        commits += 1
        return await awrite(self, work)

    monkeypatch.setattr(Ledger, "awrite", counted)
    small = DATA[:60_000]
    sent = {"Upload-Length": str(len(small)), "Content-Type": BYTES}
    answer = client.post("/v1/uploads", headers=sent, content=small)
    assert (answer.status_code, answer.headers["Upload-Offset"], commits) == (201, "60000", 1)
    assert client.head(answer.headers["Location"]).headers["Ecgnet-Exam"] == answer.headers["Ecgnet-Exam"]
    where = create(client, 59_999)
    assert patch(client, where, 0, small[:-1]).status_code == 204
    assert commits == 3
    assert len(world.rows(schema.exam)) == 2
    assert not world.rows(schema.upload_piece)


def test_the_answer_that_completes_and_every_later_head_name_the_exam(world: World, client: httpx.Client) -> None:
    name, said = "心电图 1.hea", '{"urgent": true, "symptoms": ["chest_pain"]}'
    pairs = ",".join(
        f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in {"filename": name, "context": said}.items()
    )
    where = create(client, len(DATA), **{"Upload-Metadata": pairs})
    assert "Upload-Expires" in client.head(where).headers
    assert client.head(where).headers["Upload-Metadata"] == pairs
    assert patch(client, where, 0, DATA[:100_000]).headers.get("Ecgnet-Exam") is None
    done = patch(client, where, 100_000, DATA[100_000:])
    exam = world.only_exam()
    assert (exam["urgent"], exam["symptoms"], exam["files"][0]["name"]) == (True, ["chest_pain"], name)
    for answer in (done, client.head(where), client.head(where), patch(client, where, len(DATA), b"")):
        assert answer.headers["Ecgnet-Exam"] == exam["id"]
        assert answer.headers["Ecgnet-Sha256"] == SHA256
        assert answer.headers["Ecgnet-Status"] == "received"
        assert answer.headers["Upload-Offset"] == str(len(DATA))
    assert not world.rows(schema.upload_piece)
    assert patch(client, where, 0, DATA).status_code == 409


def test_the_same_file_by_tus_and_by_post_is_one_exam(world: World, client: httpx.Client) -> None:
    posted = client.post("/v1/exams", files={"file": ("a", DATA)})
    done = patch(client, create(client), 0, DATA)
    assert done.headers["Ecgnet-Exam"] == posted.json()["exam"] == world.only_exam()["id"]


def test_an_empty_file_is_finished_by_its_creation(world: World, client: httpx.Client) -> None:
    answer = client.post("/v1/uploads", headers={"Upload-Length": "0"})
    assert answer.headers["Ecgnet-Exam"] == world.only_exam()["id"]


def test_refusals(world: World, client: httpx.Client) -> None:
    where = create(client)
    too_long = client.post("/v1/uploads", headers={"Upload-Length": str(MAX_BODY_BYTES + 1)})
    assert (too_long.status_code, too_long.headers["content-type"]) == (413, "application/problem+json")
    assert patch(client, where, 1, b"x").status_code == 409
    assert patch(client, where, 0, b"x", **{"Tus-Resumable": "0.2.1"}).status_code == 412
    assert patch(client, where, 0, b"x", **{"Content-Type": "text/plain"}).status_code == 415
    assert patch(client, where, 0, DATA + b"x").status_code == 413
    no_method = client.post(where)
    assert (no_method.status_code, no_method.headers["Allow"]) == (405, "OPTIONS, HEAD, PATCH, DELETE")
    assert client.head("/v1/uploads/none").status_code == 404
    assert offset_of(client, where) == 0
    stranger = {"Authorization": f"Bearer {world.other_key}"}
    assert client.head(where, headers=stranger).status_code == 404
    hidden, absent = (client.delete(url, headers=stranger) for url in (where, "/v1/uploads/none"))
    assert (hidden.status_code, hidden.content) == (404, absent.content)


def test_an_overrun_of_a_chunked_body_keeps_only_whole_pieces_before_it(client: httpx.Client) -> None:
    where = create(client, 100_000)
    answer = patch(client, where, 0, (DATA[at : at + 50_000] for at in range(0, 200_000, 50_000)))  # type: ignore[arg-type]
    assert answer.status_code == 413
    offset = offset_of(client, where)
    assert patch(client, where, offset, DATA[offset:100_000]).headers["Ecgnet-Sha256"] == (
        hashlib.sha256(DATA[:100_000]).hexdigest()
    )


def test_an_upload_whose_length_comes_last_is_one_exam(world: World, client: httpx.Client) -> None:
    data = DATA[:10_240]
    where = client.post("/v1/uploads", headers={"Upload-Defer-Length": "1"}).headers["Location"]
    for at in (0, 6_000):
        assert patch(client, where, at, data[at : at + 6_000]).status_code == 204
    told = client.head(where).headers
    assert (told["Upload-Defer-Length"], told["Upload-Offset"]) == ("1", "10240")
    assert world.rows(schema.exam) == []
    done = patch(client, where, 10_240, b"", **{"Upload-Length": "10240"})
    assert done.headers["Ecgnet-Exam"] == world.only_exam()["id"]
    assert world.original(world.only_exam()["sha256"]) == data
    assert client.head(where).headers["Upload-Length"] == "10240"


def test_termination_and_expiry_forget_the_upload_and_never_the_exam(world: World, client: httpx.Client) -> None:
    gone, done, old = create(client), create(client), create(client)
    patch(client, gone, 0, DATA[:70_000])
    patch(client, old, 0, DATA[:70_000])
    patch(client, done, 0, DATA)
    assert client.delete(gone).status_code == 204
    assert client.request("POST", done, headers={"X-HTTP-Method-Override": "DELETE"}).status_code == 204
    expire = schema.upload.update().where(schema.upload.c.id == old.rsplit("/", 1)[1]).values(expires_at=1)
    world.ledger.write(lambda tx: tx.connection.execute(expire).rowcount)
    assert [client.head(where).status_code for where in (gone, done, old)] == [404, 404, 404]
    assert asyncio.run(uploads.sweep(world.ledger)) == 1
    assert not world.rows(schema.upload) + world.rows(schema.upload_piece)
    assert world.only_exam()["sha256"] == SHA256


def test_options_needs_no_key(client: httpx.Client) -> None:
    del client.headers["Authorization"]
    told = client.options("/v1/uploads")
    assert (told.status_code, told.headers["Tus-Max-Size"]) == (204, str(MAX_BODY_BYTES))


# --- any interleaving ------------------------------------------------------------------------------------------------


class ScriptedBody(Body):
    """A body whose bytes and marks the test hands over, also later."""

    def __init__(self, *events: bytes | Mark) -> None:
        self.events: asyncio.Queue[bytes | Mark] = asyncio.Queue()
        for event in events:
            self.events.put_nowait(event)

    async def next(self, patience_s: float = 0) -> bytes | Mark:
        return await self.events.get()


class Interleaved(RuleBasedStateMachine):
    """Requests of one upload in any order, against the bytes that the client has."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.data = random.Random(self.world.rows(schema.upload).__len__()).randbytes(200_000)
        self.acknowledged = 0
        self.hanging: list[tuple[ScriptedBody, asyncio.Task[Any], int]] = []
        self.newest: asyncio.Task[Any] | None = None  # the request that has the upload
        decided = tus.Create(len(self.data), tus.parse_metadata(""), None, is_whole=False)
        self.upload = self.do(
            uploads.create(self.world.ledger, self.world.county, self.world.site, "d", decided, ScriptedBody())
        ).id

    def do(self, work: Any) -> Any:
        return self.runner.run(asyncio.wait_for(work, 20))

    def now(self) -> uploads.Upload:
        return self.do(uploads.find(self.world.ledger, self.world.county, self.upload))

    def append(self, found: uploads.Upload, size: int, body: ScriptedBody) -> Any:
        is_whole = size <= tus.PIECE_BYTES and found.offset + size == found.length
        decided = tus.Append(Receiving(found.offset, found.length), is_whole)
        return uploads.append(self.world.ledger, found, decided, body)

    @precondition(lambda self: self.now().exam is None)
    @rule(size=st.integers(1, 90_000), cuts=st.lists(st.integers(0, 90_000), max_size=3), end=st.sampled_from(Mark))
    def patch(self, size: int, cuts: list[int], end: Mark) -> None:
        found = self.now()
        size = min(size, len(self.data) - found.offset)
        edges = sorted({0, size, *(cut for cut in cuts if cut < size)})
        chunks = [self.data[found.offset + a : found.offset + b] for a, b in zip(edges, edges[1:], strict=False)]
        last = [Mark.WAITED, Mark.ENDED] if end is Mark.WAITED else [end]
        done = self.do(self.append(found, size, ScriptedBody(*chunks, *last)))
        assert isinstance(done, uploads.Upload)
        assert done.offset == found.offset + size == self.now().offset
        self.acknowledged = done.offset
        self.newest = None

    @precondition(lambda self: self.now().exam is None)
    @rule(size=st.integers(1, 90_000))
    def begin_a_patch_that_hangs(self, size: int) -> None:
        found = self.now()
        sent = self.data[found.offset : found.offset + size]
        body = ScriptedBody(sent)

        async def begin() -> asyncio.Task[Any]:
            task = asyncio.create_task(self.append(found, len(sent) + 1, body))
            is_piece = len(sent) >= tus.PIECE_BYTES and found.offset + len(sent) < len(self.data)
            settled = (found.offset + len(sent) if is_piece else found.offset, found.fence + 1)
            while not body.events.empty() or await position() != settled:
                await asyncio.sleep(0.001)
            return task

        async def position() -> tuple[int, int]:
            now = await uploads.find(self.world.ledger, self.world.county, self.upload)
            return now.offset, now.fence

        task: asyncio.Task[Any] = self.do(begin())
        self.newest = task
        self.hanging.append((body, task, found.offset + len(sent)))

    @precondition(lambda self: self.hanging)
    @rule(which=st.integers(0, 9), mark=st.sampled_from([Mark.ENDED, Mark.CUT, Mark.WAITED]))
    def wake_a_hanging_patch(self, which: int, mark: Mark) -> None:
        body, task, reached = self.hanging.pop(which % len(self.hanging))
        body.events.put_nowait(mark)
        body.events.put_nowait(Mark.ENDED)

        async def end() -> Any:
            return await task

        before = self.now().offset
        done = self.do(end())
        was_all_committed = before >= reached  # then its answer is true, whoever has the upload now
        assert was_all_committed or isinstance(done, Refuse) == (task is not self.newest)
        if isinstance(done, Refuse):
            assert done.status == 409
            assert self.now().offset == before
        else:
            assert done.offset == reached <= self.now().offset
            self.acknowledged = max(self.acknowledged, reached)

    @rule(size=st.integers(1, 1000), back=st.integers(1, 300_000))
    def repeat_or_jump(self, size: int, back: int) -> None:
        found = self.now()
        headers = {"tus-resumable": "1.0.0", "content-type": BYTES, "content-length": str(size)}
        decided = tus.patch({**headers, "upload-offset": str(abs(found.offset - back))}, found.state, MAX_BODY_BYTES)
        if abs(found.offset - back) != found.offset:
            assert isinstance(decided, Refuse)
            assert decided.status == 409

    @invariant()
    def an_acknowledged_offset_never_goes_back(self) -> None:
        assert self.now().offset >= self.acknowledged

    def teardown(self) -> None:
        while self.hanging:
            self.wake_a_hanging_patch(0, Mark.CUT)
        while self.now().exam is None:
            self.patch(90_000, [], Mark.ENDED)
        done = self.now()
        assert done.sha256 is not None
        assert self.world.original(done.sha256) == self.data
        assert [row["id"] for row in self.world.rows(schema.exam) if row["sha256"] == done.sha256] == [done.exam]
        assert not world_pieces(self.world, self.upload)
        self.runner.close()


def world_pieces(world: World, upload: str) -> list[dict[str, Any]]:
    return [row for row in world.rows(schema.upload_piece) if row["upload_id"] == upload]


def test_any_split_repeat_reorder_or_interleaving_gives_the_same_bytes(world: World) -> None:
    machine = type("Machine", (Interleaved,), {"world": world})
    few = settings(
        max_examples=15,
        stateful_step_count=10,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        derandomize=True,
    )
    run_state_machine_as_test(machine, settings=few)
