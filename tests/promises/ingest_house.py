"""What ingest's promises share: a server that can be killed many times a second, a plain client, and what must be true
of a county whatever was killed.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from county import audit
from ingest.tus import BYTES
from ledger import originals, schema
from tests.support.nursery import nursery
from tests.support.serving import World

# --- servers to be killed --------------------------------------------------------------------------------------------


class Nursery:
    """The process whose forks are the servers; made once, for it takes two seconds to load everything."""

    def __init__(self) -> None:
        self._one_at_a_time = threading.Lock()
        self._process = nursery(Path(__file__).with_name("ingest_child.py"))

    def fork(self, world: World, port: int, *, desk: bool = False, **settings: float) -> int:
        """A new server's pid; it listens when this returns. ``desk``: with its analyser and all the loops."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        log = world.folder / "nodes.log"
        asked = {"url": world.url, "folder": str(world.folder), "port": port, "log": str(log), "desk": desk}
        asked |= {"settings": settings}
        with self._one_at_a_time:
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
            said = self._process.stdout.readline().strip()
        assert said.isdecimal(), f"no server on {port}: {log.read_text() if log.exists() else said}"
        return int(said)

    def close(self) -> None:
        """No more servers."""
        with self._process:
            self._process.kill()


@dataclass(slots=True)
class Nodes:
    """Servers on one database; each has its port for life, and is killed with SIGKILL."""

    world: World
    nursery: Nursery
    desk: bool = False
    settings: dict[str, float] = field(default_factory=dict[str, float])
    pids: dict[int, int] = field(default_factory=dict[int, int])
    kills: int = 0

    def start(self, port: int) -> None:
        """A server on ``port``; it listens when this returns."""
        self.pids[port] = self.nursery.fork(self.world, port, desk=self.desk, **self.settings)

    def kill(self, port: int) -> None:
        """SIGKILL; it is gone when this returns."""
        pid = self.pids.pop(port)
        os.kill(pid, signal.SIGKILL)
        until = time.monotonic() + 30
        while _lives(pid):
            assert time.monotonic() < until, "SIGKILL did not end it"
            time.sleep(0.001)
        self.kills += 1

    def kill_analyser(self, port: int) -> bool:
        """SIGKILL to a server's analyser, if it has one by now."""
        tasks = Path(f"/proc/{self.pids[port]}/task").glob("*/children")
        children = [int(pid) for listed in tasks for pid in listed.read_text().split()]
        analysers = [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        for pid in analysers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.kills += len(analysers)
        return bool(analysers)

    def log(self) -> str:
        """What the servers wrote."""
        return (self.world.folder / "nodes.log").read_text()


@contextlib.contextmanager
def nodes(nursery: Nursery, world: World, *ports: int, desk: bool = False) -> Iterator[Nodes]:
    """Servers on ``ports``, all ended with the block."""
    made = Nodes(world, nursery, desk)
    try:
        for port in ports:
            made.start(port)
        yield made
    finally:
        for pid in made.pids.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


# --- a plain client --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; header names are small."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def offset(self) -> int | None:
        """``Upload-Offset``, if it says one."""
        told = self.headers.get("upload-offset")
        return None if told is None else int(told)


class CutError(Exception):
    """No answer came."""


class Line:
    """A connection that is made anew after each cut; ``trusts`` nobody and repeats nothing by itself."""

    def __init__(self, port: int, key: str | None, timeout_s: float = 10) -> None:
        self.port, self.timeout_s = port, timeout_s
        self._open: http.client.HTTPConnection | None = None
        self.headers = {"Tus-Resumable": "1.0.0"} | ({"Authorization": f"Bearer {key}"} if key is not None else {})

    def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: Any = b"") -> Answer:
        """One request; :class:`CutError` if no whole answer came."""
        if self._open is None:
            self._open = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout_s)
        try:
            self._open.request(method, path, body or None, {**self.headers, **(headers or {})})
            found = self._open.getresponse()
            told = {name.lower(): value for name, value in found.getheaders()}
            return Answer(found.status, told, found.read())
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise CutError from error

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def create_headers(length: int, *, whole: bool = False) -> dict[str, str]:
    """Of a POST to ``/v1/uploads``."""
    return {"Upload-Length": str(length)} | ({"Content-Type": BYTES} if whole else {})


def patch_headers(offset: int) -> dict[str, str]:
    """Of a PATCH."""
    return {"Upload-Offset": str(offset), "Content-Type": BYTES}


def form(data: bytes, context: Mapping[str, Any] | None = None) -> tuple[dict[str, str], bytes]:
    """Headers and body of a POST to ``/v1/exams``."""
    parts = [b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.dat"\r\n\r\n' + data + b"\r\n"]
    if context is not None:
        said = json.dumps(context).encode()
        parts.append(b'--x\r\nContent-Disposition: form-data; name="context"\r\n\r\n' + said + b"\r\n")
    return {"Content-Type": "multipart/form-data; boundary=x"}, b"".join(parts) + b"--x--\r\n"


@dataclass
class Parcel:
    """One file that a clinic has to send, and the receipts that it got for it."""

    data: bytes
    receipts: list[str] = field(default_factory=list[str])
    address: str | None = None

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def send(self, line: Line, way: str, dice: random.Random) -> None:
        """Send it one of three ways until there is a receipt; :class:`CutError` where the line or the server ends."""
        while True:
            answer = self._step(line, way, dice)
            assert answer.status in (200, 201, 204, 409, 503), answer
            if answer.status == 503:
                time.sleep(0.05)
            receipt = json.loads(answer.body)["exam"] if way == "post" and answer.body else None
            receipt = receipt or answer.headers.get("ecgnet-exam")
            if receipt is not None:
                self.receipts.append(receipt)
                return

    def _step(self, line: Line, way: str, dice: random.Random) -> Answer:
        if way == "post":
            headers, body = form(self.data)
            return line.ask("POST", "/v1/exams", headers, body)
        if way == "whole":
            headers = create_headers(len(self.data), whole=True)
            return line.ask("POST", "/v1/uploads", headers, self.data)
        if self.address is None:
            answer = line.ask("POST", "/v1/uploads", create_headers(len(self.data)))
            self.address = answer.headers.get("location")
            return answer
        told = line.ask("HEAD", self.address)
        assert told.status in (200, 503), f"an upload that was acknowledged is gone: {told}"
        if told.offset is None or "ecgnet-exam" in told.headers:
            return told
        size = dice.randint(1, len(self.data))
        piece = self.data[told.offset : told.offset + size]
        return line.ask("PATCH", self.address, patch_headers(told.offset), piece)


# --- what must be true -----------------------------------------------------------------------------------------------


def assert_nothing_lost_or_doubled(world: World, parcels: Iterator[Parcel] | list[Parcel]) -> int:
    """Every receipt has its exam with exactly those bytes; no file has two; numbers have no gap, the audit is whole.

    How many receipts there were.
    """
    known = [parcel for parcel in parcels if parcel.receipts]
    exams = {row["id"]: row for row in world.rows(schema.exam)}
    told = Counter(event["data"]["exam"] for event in world.events() if event["kind"] == "exam.received")
    assert set(told) == set(exams)
    assert set(told.values()) <= {1}, "an exam was told twice"
    kept = Counter((row["site_id"], row["sha256"]) for row in exams.values())
    assert set(kept.values()) <= {1}, "one file became two exams"
    with world.ledger() as ledger:
        for parcel in known:
            assert len(set(parcel.receipts)) == 1, "a repeat got another exam"
            assert parcel.receipts[0] in exams, "a receipt without an exam"
            assert exams[parcel.receipts[0]]["sha256"] == parcel.sha256
            data = ledger.read(lambda connection, p=parcel: originals.get(connection, world.county, p.sha256))
            assert data == parcel.data
        assert ledger.read(lambda connection: audit.verify(connection, world.county)) is None
    seqs = [row["seq"] for row in world.events()]
    assert seqs == list(range(1, len(seqs) + 1))
    return len(known)
