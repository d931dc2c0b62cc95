"""A disk that is quite full, in earnest: the kernel refuses the server's writes, and nothing with a receipt is lost."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from ingest.tus import BYTES
from ledger import schema
from ledger.database import Ledger, sqlite_module
from tests.ingest.kit import make_world, prepare_database
from tests.support.needs import REPOSITORY

# A server whose files may not grow (RLIMIT_FSIZE: a write beyond it is cut short or fails, as on a full disk) once it
# reads "full", until it reads "room".
SERVER = """
import os, resource, sys
from ledger.database import Ledger
from tests.ingest.kit import make_app, serving

folder = os.path.dirname(sys.argv[1].removeprefix("sqlite:///"))
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
with serving(make_app(Ledger.open(sys.argv[1]))) as address:
    print(address, flush=True)
    for line in sys.stdin:
        now = max(os.path.getsize(os.path.join(folder, name)) for name in os.listdir(folder))
        resource.setrlimit(resource.RLIMIT_FSIZE, (now + 300_000 if line.strip() == "full" else most, most))
        print("done", flush=True)
"""


class Server:
    """The process, and what it is told."""

    def __init__(self, url: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER, url],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.address = self._line()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tell(self, what: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        assert self._line() == "done"

    def kill(self) -> None:
        with self.process as process, contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


@pytest.mark.skipif(sys.platform == "win32", reason="a limit on the size of files is POSIX's")
def test_a_full_disk_refuses_corrupts_nothing_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ecgnet.db'}"
    prepare_database(url)
    ledger = Ledger.open(url)
    world = make_world(ledger)
    ledger.close()
    chance = random.Random(3)
    receipts: dict[str, bytes] = {}
    server = Server(url)
    headers = {**world.bearer, "Tus-Resumable": "1.0.0"}
    try:
        with httpx.Client(base_url=server.address, headers=headers, trust_env=False, timeout=30) as client:

            def post(data: bytes) -> int:
                answer = client.post("/v1/exams", files={"file": ("a", data)})
                if answer.status_code == 201:
                    receipts[answer.json()["exam"]] = data
                else:
                    assert (answer.status_code, answer.json()["type"]) == (503, "unavailable")
                    assert answer.headers["retry-after"]
                return answer.status_code

            whole = chance.randbytes(200_000)
            for _ in range(3):
                assert post(chance.randbytes(60_000)) == 201
            where = client.post("/v1/uploads", headers={"Upload-Length": str(len(whole))}).headers["Location"]
            first = {"Upload-Offset": "0", "Content-Type": BYTES}
            assert client.patch(where, headers=first, content=whole[:100_000]).status_code == 204
            server.tell("full")
            statuses = [post(chance.randbytes(60_000)) for _ in range(14)]
            assert statuses.count(503) >= 8, statuses
            then = {"Upload-Offset": "100000", "Content-Type": BYTES}
            assert client.patch(where, headers=then, content=whole[100_000:]).status_code == 503
            assert client.head(where).headers["Upload-Offset"] == "100000"
            server.tell("room")
            done = client.patch(where, headers=then, content=whole[100_000:])
            assert done.headers["Ecgnet-Sha256"] == hashlib.sha256(whole).hexdigest()
            assert post(chance.randbytes(60_000)) == 201
            receipts[done.headers["Ecgnet-Exam"]] = whole
    finally:
        server.kill()
    with sqlite_module().connect(tmp_path / "ecgnet.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
    database.close()
    world.ledger = Ledger.open(url)
    try:
        kept = {row["id"]: row["sha256"] for row in world.rows(schema.exam)}
        assert receipts.keys() <= kept.keys()
        for exam, data in receipts.items():
            assert world.original(kept[exam]) == data
    finally:
        world.ledger.close()
