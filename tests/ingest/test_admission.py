"""At the door over HTTP: who is beyond its measure, and what a disk that fills up still takes."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from ingest.limits import Gate, Limits, Measure
from ingest.space import MIB, Space
from ingest.tus import BYTES
from ledger import schema
from tests.ingest.kit import World, make_app, serving

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

PAIN = json.dumps({"symptoms": ["chest_pain"]})
NONE = json.dumps({"symptoms": ["none"]})


class Room:
    """A disk with as much room as the test says."""

    mib = 10_000

    def __call__(self, _folder: Path) -> int:
        return self.mib * MIB


@pytest.fixture
def room() -> Room:
    return Room()


@pytest.fixture
def gate() -> Gate:
    return Gate(Limits(Measure(8, 4 * MIB, 4), Measure(8, 64 * MIB, 4), 8))


@pytest.fixture
def client(world: World, gate: Gate, room: Room, tmp_path: Path) -> Iterator[httpx.Client]:
    app = make_app(world.ledger, gate=gate, space=Space(tmp_path, probe=room))
    headers = {**world.bearer, "Tus-Resumable": "1.0.0"}
    with serving(app) as url, httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=20) as opened:
        yield opened


def post(client: httpx.Client, data: bytes, said: str = "", **headers: str) -> httpx.Response:
    return client.post("/v1/exams", files={"file": ("a", data), "context": (None, said)}, headers=headers)


def create(client: httpx.Client, length: int, said: str = "", data: bytes = b"", **more: str) -> httpx.Response:
    sent = {
        "Upload-Length": str(length),
        "Upload-Metadata": f"context {base64.b64encode(said.encode()).decode()}".strip(),
    }
    return client.post("/v1/uploads", headers={**sent, "Content-Type": BYTES, **more}, content=data)


def patch(client: httpx.Client, where: str, offset: int, data: bytes, **more: str) -> httpx.Response:
    headers = {"Upload-Offset": str(offset), "Content-Type": BYTES, **more}
    return client.patch(where, headers=headers, content=data)


def assert_refused(answer: httpx.Response, status: int, kind: str) -> None:
    assert (answer.status_code, answer.json()["type"]) == (status, kind)
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["content-type"] == "application/problem+json"


def exams(world: World) -> int:
    return len(world.rows(schema.exam))


def test_a_device_beyond_its_measure_is_told_when_to_come_back_and_its_chest_pain_is_taken(
    world: World, client: httpx.Client
) -> None:
    taken = [post(client, bytes([k]), NONE) for k in range(6)]
    assert {answer.status_code for answer in taken} == {201}
    assert_refused(post(client, b"7", NONE), 429, "too-many-uploads")
    assert_refused(create(client, 3, NONE, b"abc"), 429, "too-many-uploads")
    assert create(client, 3, NONE).headers["Tus-Resumable"] == "1.0.0"
    assert exams(world) == 6
    assert world.rows(schema.upload) == []
    assert post(client, b"8", PAIN).status_code == 201
    assert create(client, 3, PAIN, b"abc").status_code == 201
    assert_refused(post(client, b"9", PAIN), 429, "too-many-uploads")
    other = {"Authorization": f"Bearer {world.other_key}"}
    assert post(client, b"7", NONE, **other).status_code == 201, "another site's device has its own"


def test_an_upload_that_was_begun_goes_on_whatever_was_sent_after_it(world: World, client: httpx.Client) -> None:
    where = create(client, 6).headers["Location"]
    while post(client, str(exams(world)).encode()).status_code == 201:
        pass
    for at in range(6):
        assert patch(client, where, at, b"x").status_code == 204
    assert client.head(where).headers["Ecgnet-Exam"]


def test_bytes_are_counted_also_where_their_number_comes_last(client: httpx.Client, gate: Gate) -> None:
    where = client.post("/v1/uploads", headers={"Upload-Defer-Length": "1"}).headers["Location"]
    size = 3 * MIB + 1000
    assert patch(client, where, 0, bytes(size), **{"Upload-Length": str(size)}).status_code == 204
    assert_refused(create(client, 100_000, NONE), 429, "too-many-uploads")
    assert create(client, 100_000, PAIN).status_code == 201
    assert gate.refused == 1


def test_a_disk_that_fills_up_refuses_routine_first_then_everything_and_takes_it_all_up_again(
    world: World, client: httpx.Client, room: Room
) -> None:
    begun = create(client, 6).headers["Location"]
    room.mib = 1000  # low: said, nothing more
    assert post(client, b"1", NONE).status_code == 201
    room.mib = 300
    assert_refused(post(client, b"2", NONE), 507, "disk-nearly-full")
    assert_refused(create(client, 3), 507, "disk-nearly-full")
    assert post(client, b"3", PAIN).status_code == 201
    pain = create(client, 6, PAIN).headers["Location"]
    assert patch(client, begun, 0, b"abc").status_code == 204
    room.mib = 100
    kept = exams(world)
    for answer in (post(client, b"4", PAIN), create(client, 3, PAIN), patch(client, pain, 0, b"abc")):
        assert_refused(answer, 507, "disk-nearly-full")
    assert exams(world) == kept
    assert client.head(begun).headers["Upload-Offset"] == "3", "what was acknowledged is still there"
    room.mib = 3000
    assert patch(client, begun, 3, b"def").headers["Ecgnet-Exam"]
    assert patch(client, pain, 0, b"uvwxyz").headers["Ecgnet-Exam"]


def test_bodies_under_way_are_limited_and_a_pressing_one_is_let_in(
    world: World, client: httpx.Client, gate: Gate
) -> None:
    gate.limits = Limits(Measure(100, 64 * MIB, 4), Measure(100, 64 * MIB, 4), 8)
    at = urlsplit(str(client.base_url))
    hanging: list[socket.socket] = []
    for count in range(1, 4):  # three quarters of four
        where = create(client, 10).headers["Location"]
        line = socket.create_connection((at.hostname, at.port), timeout=20)
        head = f"PATCH {where} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.key}\r\nTus-Resumable: 1.0.0\r\n"
        line.sendall(f"{head}Content-Type: {BYTES}\r\nUpload-Offset: 0\r\nContent-Length: 10\r\n\r\nabc".encode())
        hanging.append(line)
        for _ in range(2000):
            if gate.under_way >= count:
                break
            client.options("/v1/uploads")
    assert_refused(create(client, 10, NONE), 429, "too-many-uploads")
    assert create(client, 3, PAIN, b"abc").status_code == 201
    for line in hanging:
        line.close()


def test_forms_that_would_fill_the_memory_wait_outside_and_an_upload_in_pieces_does_not(
    client: httpx.Client, gate: Gate
) -> None:
    gate.limits = Limits(held_bytes=2 * MIB)
    at = urlsplit(str(client.base_url))
    with socket.create_connection((at.hostname, at.port), timeout=20) as line:
        head = f"POST /v1/exams HTTP/1.1\r\nHost: x\r\nAuthorization: {client.headers['authorization']}\r\n"
        line.sendall(f"{head}Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 500000\r\n\r\n".encode())
        for _ in range(2000):
            if gate.held:
                break
            client.options("/v1/uploads")
        assert_refused(post(client, bytes(100_000)), 429, "too-many-uploads")
        assert create(client, 3, NONE, b"abc").status_code == 201
    for _ in range(2000):
        if not gate.held:
            break
        client.options("/v1/uploads")
    assert post(client, bytes(100_000)).status_code == 201
