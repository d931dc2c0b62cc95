"""The clinic's sender, and a foreign client, against the real server: through cuts, wrong keys and closed doors."""

from __future__ import annotations

import contextlib
import hashlib
import io
import random
import socket
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tusclient.client import TusClient

from ingest.clinic import send as sending
from ingest.clinic.send import (
    LocalFileError,
    RefusedError,
    TooLargeError,
    UnreachableError,
    WrongKeyError,
    groups,
    pack,
    send,
)
from ingest.clinic.upload import Upload
from ledger import schema
from tests.ingest.kit import MAX_BODY_BYTES, World

BIG = random.Random(4).randbytes(700_000)
RECEIPT = {"exam", "sha256", "bytes", "received_at", "status"}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(sending, "LONGEST_WAIT_S", 0.05)


class CuttingLine:
    """A line to the server that breaks each connection after some bytes, in either direction; it counts its breaks."""

    def __init__(self, address: str, seed: int) -> None:
        self.breaks = 0
        self._chance = random.Random(seed)
        self._server = urlsplit(address)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lines: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection((self._server.hostname, self._server.port))
                self._lines += [client, server]
                up, down = self._chance.randrange(500, 200_000), self._chance.randrange(50, 1500)
                for ends in ((client, server, up), (server, client, down)):
                    self._threads.append(threading.Thread(target=self._carry, args=ends))
                    self._threads[-1].start()

    def _carry(self, source: socket.socket, target: socket.socket, budget: int) -> None:
        with contextlib.suppress(OSError):
            while budget > 0 and (data := source.recv(min(16384, budget))):
                budget -= len(data)
                target.sendall(data)
        self.breaks += budget <= 0
        _shut(source, target)

    def close(self) -> None:
        _shut(self._listener, *self._lines)
        for thread in self._threads:
            thread.join(10)
        for line in (self._listener, *self._lines):
            line.close()


def _shut(*lines: socket.socket) -> None:
    for line in lines:
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_a_small_file_and_a_large_one_get_their_receipts(world: World, address: str, tmp_path: Path) -> None:
    files = [written(tmp_path, "心电.xml", b"small"), written(tmp_path, "big.dcm", BIG)]
    receipts = send(files, address, world.key, urgent=True, symptoms=["chest_pain"])
    assert [receipt.keys() for receipt in receipts] == [RECEIPT, RECEIPT]
    exams = {row["id"]: row for row in world.rows(schema.exam)}
    for path, receipt in zip(files, receipts, strict=True):
        data, exam = path.read_bytes(), exams[receipt["exam"]]
        assert world.original(receipt["sha256"]) == data
        assert (receipt["bytes"], receipt["status"]) == (len(data), "received")
        assert (exam["urgent"], exam["symptoms"], exam["files"][0]["name"]) == (True, ["chest_pain"], path.name)


@pytest.mark.parametrize("seed", range(3))
def test_over_a_line_that_keeps_breaking_every_ecg_arrives_once(
    world: World, address: str, tmp_path: Path, seed: int
) -> None:
    files = [written(tmp_path, f"{n}.xml", BIG[n : n + 20_000 * n * n + 10]) for n in range(6)]
    with contextlib.closing(CuttingLine(address, seed)) as line:
        receipts = send(files, line.address, world.key, limit_s=30)
    assert [receipt["sha256"] for receipt in receipts] == [
        hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    ]
    assert len(world.rows(schema.exam)) == len(world.events("exam.received")) == len(files)
    assert line.breaks, f"seed {seed} broke nothing"


def test_a_pair_is_one_exam_however_it_is_named(world: World, address: str, tmp_path: Path) -> None:
    header = written(tmp_path, "100.hea", b"100 1 360 10\nsignals.dat 16\n")
    named, same = written(tmp_path, "signals.dat", b"ss"), written(tmp_path, "100.dat", b"dd")
    receipts = [send(files, address, world.key) for files in ([header, same], [same, header], [header], [same])]
    assert [len(receipt) for receipt in receipts] == [1, 1, 1, 1]
    assert len({receipt[0]["exam"] for receipt in receipts}) == 1
    assert groups([named, header]) == groups(groups([header])[0]) == [[header, same, named]]
    packed = zipfile.ZipFile(io.BytesIO(world.original(receipts[0][0]["sha256"])))
    assert packed.namelist() == sorted([header.name, named.name, same.name])


def test_the_pair_sent_as_two_parts_of_a_post_is_the_same_exam(world: World, address: str, tmp_path: Path) -> None:
    import httpx

    pair = [written(tmp_path, "1.hea", b"header"), written(tmp_path, "1.dat", b"samples")]
    (receipt,) = send(pair, address, world.key)
    parts = [("file", (path.name, path.read_bytes())) for path in pair]
    posted = httpx.post(f"{address}/v1/exams", files=parts, headers=world.bearer, trust_env=False)
    assert posted.json()["exam"] == receipt["exam"]


def test_a_header_cannot_name_a_file_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    secret = written(tmp_path, "secret", b"x")
    header = written(tmp_path / "sub", "a.hea", b"a 1 360 10\n../secret 16\n/etc/passwd 16\n\n")
    assert groups([header]) == [[header]]
    assert secret.exists()
    assert pack([header]).name == "a.hea"


def test_a_wrong_key_is_said_at_once_and_not_repeated(address: str, tmp_path: Path) -> None:
    with pytest.raises(WrongKeyError) as told:
        send([written(tmp_path, "a", b"x")], address, "ek_wrong", limit_s=60)
    assert (told.value.code, "密钥" in told.value.zh, "key" in told.value.en) == ("KEY", True, True)
    assert "ek_wrong" not in str(told.value)


def test_too_large_unreachable_refused_and_unreadable_are_told_apart(
    world: World, address: str, tmp_path: Path
) -> None:
    small = written(tmp_path, "a", b"x")
    with pytest.raises(TooLargeError):
        send([written(tmp_path, "b", bytes(MAX_BODY_BYTES + 1))], address, world.key)
    with pytest.raises(RefusedError):
        send([small], "ftp://county", world.key)
    with pytest.raises(RefusedError):
        send([small], f"{address}/elsewhere", world.key)
    with pytest.raises(LocalFileError):
        send([tmp_path / "absent"], address, world.key)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(UnreachableError) as told:
        send([small], f"http://127.0.0.1:{port}", world.key, limit_s=0.2)
    assert "telephone" in told.value.en


def test_an_upload_that_the_county_forgot_is_begun_anew(
    world: World, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgot = []
    continued = Upload._continue

    def forget_once(self: Upload):
        if not forgot:
            mine = schema.upload.delete().where(schema.upload.c.county_id == world.county)
            forgot.append(world.ledger.write(lambda tx: tx.connection.execute(mine).rowcount))
        return continued(self)

    monkeypatch.setattr(Upload, "_continue", forget_once)
    (receipt,) = send([written(tmp_path, "big", BIG)], address, world.key)
    assert forgot == [1]
    assert world.original(receipt["sha256"]) == BIG


def test_the_bar_is_on_standard_error_only(
    world: World, address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    send([written(tmp_path, "big.xml", BIG)], address, world.key, progress=True)
    said = capsys.readouterr()
    assert said.out == ""
    assert "big.xml" in said.err


def test_the_sender_needs_nothing_of_the_server() -> None:
    code = (
        "import sys; import ingest.clinic.send; "
        "bad = {'fastapi', 'sqlalchemy', 'zstandard', 'uvicorn', 'numpy', 'ledger', 'county'} & set(sys.modules); "
        "sys.exit(repr(bad) if bad else 0)"
    )
    repository = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", code], cwd=repository, check=True)


def test_tuspy_as_it_comes_uploads_resumes_and_checks(world: World, address: str) -> None:
    client = TusClient(f"{address}/v1/uploads", headers=world.bearer)
    metadata = {"filename": "外来.dcm", "context": '{"symptoms": ["none"]}'}
    first = client.uploader(file_stream=io.BytesIO(BIG), chunk_size=150_000, metadata=metadata)
    first.upload(stop_at=300_000)
    assert first.offset == 300_000
    second = client.uploader(file_stream=io.BytesIO(BIG), url=first.url, chunk_size=90_000, upload_checksum=True)
    assert second.offset == 300_000
    second.upload()
    exam = world.only_exam()
    assert second.request.response_headers["ecgnet-exam"] == exam["id"]
    assert (exam["files"][0]["name"], exam["symptoms"]) == ("外来.dcm", ["none"])
    assert world.original(exam["sha256"]) == BIG
