"""A power cut behind each write of a real server: what it wrote and synced, taken down by ``strace``, is played back.

The disk's promise is POSIX's and no more: what a file held when a sync of it began is there afterwards; of what was
written since, anything may be there or not, in any order, in sectors; a new file's name is there once its folder was
synced. SQLite's shared memory is not on the disk: it is made anew by the first that opens the database.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

from ledger import chain
from ledger.engines import sqlite_module
from tests.promises.ingest_house import Line, create_headers, form, patch_headers
from tests.promises.soaking import SOAK_S
from tests.support.serving import REPOSITORY, World, free_port, wait_until

SECTOR = 512
DATABASE, WAL = "ecgnet.db", "ecgnet.db-wal"
CALLS = "write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,ftruncate,fallocate,fsync,fdatasync,unlink,unlinkat"
TORN_EVERY = 1 if SOAK_S else 3
"""Behind every how many-th write some of what is not synced is tried too."""


# --- the traced server -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Traced:
    """A server under ``strace``; ``before``: the database as it was when the trace began."""

    port: int
    before: bytes
    tracer: subprocess.Popen[str]


@contextlib.contextmanager
def traced(world: World, log: Path) -> Iterator[Traced]:
    """A real server whose writes and syncs go into ``log``; ended by SIGTERM, so that its last checkpoint is there."""
    port, before = free_port(), (world.folder / DATABASE).read_bytes()
    assert not (world.folder / WAL).exists()
    tracer = ["strace", "-f", "--seccomp-bpf", "-y", "-xx", "-s", "200000", "-e", f"trace={CALLS}", "-o", str(log)]
    child = [sys.executable, str(Path(__file__).with_name("ingest_child.py")), "--once"]
    with (
        (world.folder / "traced.log").open("w") as errors,
        subprocess.Popen(
            [*tracer, *child],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"},
        ) as running,
    ):
        assert running.stdin is not None
        assert running.stdout is not None
        asked = {"url": world.url, "folder": str(world.folder), "port": port}
        running.stdin.write(json.dumps(asked) + "\n")
        running.stdin.flush()
        pid = running.stdout.readline().strip()
        assert pid.isdecimal(), (world.folder / "traced.log").read_text()
        try:
            yield Traced(port, before, running)
        finally:
            subprocess.run(["kill", "-TERM", pid], check=False)
            running.wait(20)


@dataclass(frozen=True, slots=True)
class Trace:
    """What a server did. ``before``: its database when it began; ``told``: what each request id stands for."""

    before: bytes
    told: dict[str, Told]
    steps: list[Operation]


def trace_of(world: World, log: Path, seed: int) -> Trace:
    """Some uploads to a traced server, from its start to its orderly end."""
    with traced(world, log) as server:
        told = some_uploads(world, server.port, seed)
    return Trace(server.before, told, read_trace(log, world.folder))


@dataclass(frozen=True, slots=True)
class Told:
    """What a request brought, by the id that its answer carries."""

    sha256: str
    upload: str | None = None


def some_uploads(world: World, port: int, seed: int) -> dict[str, Told]:
    """Three clinics at once: files by POST, in one tus request, in pieces; what each request id stands for."""
    told: dict[str, Told] = {}
    errors: list[BaseException] = []

    def clinic(number: int) -> None:
        dice = random.Random(seed + number)
        try:
            with Line(port, world.key) as line:
                for round_ in range(12 if SOAK_S else 2):
                    _send(line, f"r{number}-{round_}", ("post", "whole", "pieces")[(number + round_) % 3], dice, told)
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    threads = [threading.Thread(target=clinic, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors, errors
    wal = world.folder / WAL
    wait_until(lambda: not wal.exists() or wal.stat().st_size == 0, 10, "a checkpoint of everything")
    with Line(port, world.key) as line:  # the next ones are in a log that begins anew
        dice = random.Random(seed + 3)
        for way in ("post", "pieces"):
            _send(line, f"last-{way}", way, dice, told)
    return told


def _send(line: Line, name: str, way: str, dice: random.Random, told: dict[str, Told]) -> None:
    """One file; ``told`` learns what each request brings before it leaves."""
    data = dice.randbytes(dice.randint(300, 9_000))
    sha256 = hashlib.sha256(data).hexdigest()

    def ask(part: str, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> dict[str, str]:
        upload = path.rpartition("/")[2] if method == "PATCH" else None
        told[f"{name}-{part}"] = Told(sha256, upload)
        answer = line.ask(method, path, {**headers, "X-Request-ID": f"{name}-{part}"}, body)
        assert answer.status in (201, 204), answer
        return answer.headers

    if way == "post":
        headers, body = form(data, {"urgent": True, "patient": {"name": "王建国", "card": name}})
        ask("post", "POST", "/v1/exams", headers, body)
    elif way == "whole":
        ask("whole", "POST", "/v1/uploads", create_headers(len(data), whole=True), data)
    else:
        where = ask("new", "POST", "/v1/uploads", create_headers(len(data)))["location"]
        edges = [0, len(data) // 3, 2 * len(data) // 3, len(data)]
        for begin, end in zip(edges, edges[1:], strict=False):
            ask(f"at{begin}", "PATCH", where, patch_headers(begin), data[begin:end])


# --- the trace -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Operation:
    """One step of the trace. ``kind``: ``write`` (``data`` at ``at``), ``cut`` (to the length ``at``), ``gone``,
    ``sync-begins``, ``synced``; ``answer`` (``data`` left on a socket).
    """

    kind: str
    file: str = ""
    data: bytes = b""
    at: int = 0


_LINE = re.compile(r"(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)")
_HEX = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_NUMBERS = re.compile(r", (-?\d+)(?=[,)]| *<unfinished| *$)")
_ANSWERS = ("write", "writev", "sendto", "sendmsg")


def read_trace(log: Path, folder: Path) -> list[Operation]:
    """The operations on files of ``folder``, and what went to sockets, in the order of time."""
    operations: list[Operation] = []
    waiting: dict[str, str] = {}
    for line in log.read_text().splitlines():
        if (found := _LINE.fullmatch(line)) is None:
            continue
        thread, resumed, call, rest = found.groups()
        if resumed is not None:
            if (file := waiting.pop(thread, None)) is not None:
                operations.append(Operation("synced", file))
            continue
        operations += _operations(call, rest, folder)
        if call in ("fsync", "fdatasync") and operations and operations[-1].kind == "sync-begins":
            if "<unfinished" in rest:
                waiting[thread] = operations[-1].file
            else:
                operations.append(Operation("synced", operations[-1].file))
    return operations


def _operations(call: str, rest: str, folder: Path) -> Iterator[Operation]:
    place = _place(rest)
    if place.startswith(("TCP:", "socket:")):
        if call in _ANSWERS:
            yield Operation("answer", data=b"".join(_bytes(part) for part in _HEX.findall(rest)))
        return
    if call in ("unlink", "unlinkat"):
        path = Path(_bytes(_HEX.findall(rest)[0]).decode())
        if path.parent == folder and path.name in (DATABASE, WAL):
            yield Operation("gone", path.name)
        return
    path = Path(place)
    if path == folder:
        if call in ("fsync", "fdatasync"):
            yield Operation("sync-begins", ".")
        return
    if path.parent != folder or path.name not in (DATABASE, WAL):
        return
    numbers = [int(number) for number in _NUMBERS.findall(rest)]
    if call == "pwrite64":
        yield Operation("write", path.name, _bytes(_HEX.findall(rest)[0]), numbers[-1])
    elif call == "ftruncate":
        yield Operation("cut", path.name, at=numbers[-1])
    elif call in ("fsync", "fdatasync"):
        yield Operation("sync-begins", path.name)
    else:
        raise AssertionError(f"{call} of {path.name} is not understood: {rest[:80]}")


def _place(rest: str) -> str:
    """What the file descriptor stands for: ``12</path>``, whose characters ``-xx`` writes as hex too."""
    found = re.match(r"\d+<(.*?)>(?:[,)]| <unfinished|$)", rest)
    return "" if found is None else re.sub(r"\\x([0-9a-f]{2})", lambda m: chr(int(m[1], 16)), found[1])


def _bytes(hexed: str) -> bytes:
    return bytes.fromhex(hexed.replace("\\x", ""))


# --- the disk --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class File:
    """``has_name``: whether its folder knows it."""

    held: bytearray
    has_name: bool


Disk = dict[str, File]


@dataclass(slots=True)
class Replay:
    """Plays the trace; behind each step the disk as it may be is opened, and held against what was answered by then."""

    before: bytes
    told: dict[str, Told]
    dice: random.Random
    receipts: int = 0
    offsets: int = 0
    checkpoints: int = 0
    states: int = 0
    _durable: Disk = field(default_factory=Disk)
    _latest: Disk = field(default_factory=Disk)
    _pending: list[Operation] = field(default_factory=list[Operation])
    _syncing: dict[str, list[Operation]] = field(default_factory=dict[str, list[Operation]])
    _owed: dict[str, str] = field(default_factory=dict[str, str])
    _reached: dict[str, int] = field(default_factory=dict[str, int])

    def __post_init__(self) -> None:
        for disk in (self._durable, self._latest):
            disk |= {DATABASE: File(bytearray(self.before), True), WAL: File(bytearray(), False)}

    def play(self, trace: Sequence[Operation]) -> None:
        """The whole trace; ``AssertionError`` at the first step behind which a power cut would lose something."""
        for operation in trace:
            self._on(operation)

    def _on(self, operation: Operation) -> None:
        if operation.kind == "answer":
            self._answered(operation.data)
        elif operation.kind == "sync-begins":
            covered = [one for one in self._pending if _folder_of(one) == operation.file]
            self._syncing[operation.file] = covered
        elif operation.kind == "synced":
            covered = self._syncing.pop(operation.file)
            for one in covered:
                _apply(self._durable, one)
            self._pending = [one for one in self._pending if not any(one is done for done in covered)]
            self._look(self._durable)
        else:
            self._wrote(operation)

    def _wrote(self, operation: Operation) -> None:
        if operation.kind == "write" and operation.file == DATABASE:
            self.checkpoints += 1
        if operation.kind == "write" and not self._latest[operation.file].has_name:
            made = Operation("made", operation.file)
            self._pending.append(made)
            _apply(self._latest, made)
        self._pending.append(operation)
        _apply(self._latest, operation)
        self._look(self._latest)
        if self.states % TORN_EVERY == 0:
            self._look(self._torn())

    def _torn(self) -> Disk:
        """What was synced, and of the rest some, in sectors."""
        disk = {name: File(bytearray(file.held), file.has_name) for name, file in self._durable.items()}
        for one in self._pending:
            if self.dice.random() < 0.5:
                continue
            if one.kind == "write":
                for at in range(0, len(one.data), SECTOR):
                    if self.dice.random() < 0.8:
                        part = Operation("write", one.file, one.data[at : at + SECTOR], one.at + at)
                        _apply(disk, part)
            else:
                _apply(disk, one)
        return disk

    def _answered(self, data: bytes) -> None:
        """Note what the server has promised with an answer that begins here."""
        head = data.partition(b"\r\n\r\n")[0].decode("latin-1")
        headers = {}
        if head.startswith("HTTP/1.1 "):
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head.split("\r\n")[1:])}
        told = self.told.get(headers.get("x-request-id", ""))
        if told is None or head[9:12] not in ("201", "204"):
            return
        if "ecgnet-exam" in headers or "upload-offset" not in headers:  # what ends an upload, or answers a form
            self._owed[told.sha256] = headers.get("ecgnet-exam", "")
            self.receipts = len(self._owed)
            if told.upload is not None:
                self._reached.pop(told.upload, None)
        elif told.upload is not None:
            self._reached[told.upload] = int(headers["upload-offset"])
            self.offsets += 1
        self._look(self._durable)

    def _look(self, disk: Disk) -> None:
        self.states += 1
        with tempfile.TemporaryDirectory(prefix="ecgnet-cut-") as folder:
            for name, file in disk.items():
                if file.has_name:
                    (Path(folder) / name).write_bytes(file.held)
            check_disk(Path(folder) / DATABASE, self._owed, self._reached)


def _folder_of(operation: Operation) -> str:
    """Whose sync makes it durable: a file's for its bytes, the folder's for its name."""
    return "." if operation.kind in ("made", "gone") else operation.file


def _apply(disk: Disk, operation: Operation) -> None:
    file = disk[operation.file]
    if operation.kind in ("made", "gone"):
        file.has_name = operation.kind == "made"
    elif operation.kind == "cut":
        del file.held[operation.at :]
        file.held.extend(bytes(operation.at - len(file.held)))
    else:
        file.held.extend(bytes(max(0, operation.at - len(file.held))))
        file.held[operation.at : operation.at + len(operation.data)] = operation.data


# --- what must be on it ----------------------------------------------------------------------------------------------


def check_disk(database: Path, owed: dict[str, str], reached: dict[str, int]) -> None:
    """SQLite recovers it; every receipt's exam has its bytes, every acknowledged offset its pieces, nothing is half."""
    connection = sqlite_module().connect(str(database), isolation_level=None)
    try:
        ask = lambda statement: connection.execute(statement).fetchall()  # noqa: E731
        ask("PRAGMA synchronous=OFF")  # the copy need not outlive this
        assert ask("PRAGMA quick_check") == [("ok",)]
        exams = dict(ask("SELECT sha256, id FROM exam"))
        for sha256, exam in owed.items():
            assert sha256 in exams, "a receipt without an exam"
            assert exam in ("", exams[sha256])
        _check_originals(ask, exams)
        told = ask("SELECT seq, json_extract(data, '$.exam') FROM event ORDER BY seq")
        assert [seq for seq, _ in told] == list(range(1, len(told) + 1))
        assert sorted(exam for _, exam in told) == sorted(exams.values())
        for upload, offset in reached.items():
            ((at, kept),) = ask(
                "SELECT u.offset, sum(length(p.data)) FROM upload u JOIN upload_piece p ON p.upload_id = u.id "
                f"WHERE u.id = '{upload}' AND u.exam_id IS NULL"
            )
            if at is None:  # it has become an exam that nobody was told of yet
                ((found,),) = ask(f"SELECT exam_id FROM upload WHERE id = '{upload}'")
                assert found in exams.values()
            else:
                assert at == kept >= offset, "an acknowledged offset went back"
        _check_audit(connection)
    finally:
        connection.close()


def _check_originals(ask: Any, exams: dict[str, str]) -> None:
    for sha256 in exams:
        ((encoding, data),) = ask(
            "SELECT encoding, data FROM original JOIN original_piece USING (county_id, sha256) "
            f"WHERE sha256 = '{sha256}'"
        )
        data = zstandard.ZstdDecompressor().decompress(data) if encoding == "zstd" else data
        assert hashlib.sha256(data).hexdigest() == sha256, "an exam without its bytes"


def _check_audit(connection: Any) -> None:
    cursor = connection.execute("SELECT * FROM audit ORDER BY seq")
    names: Sequence[str] = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for row in rows:
        row["detail"] = json.loads(row["detail"])
    ((head, seq),) = connection.execute("SELECT audit_head, audit_seq FROM county").fetchall()
    assert chain.first_break(rows, head, seq) is None
