"""Durable uploads a second, memory of an open upload, and an ECG over a thin line.

(a) Clients on keep-alive connections upload 60 KB each, no two alike, by tus creation-with-upload, as fast as the
answers come: 1, 32, 384 of them, SQLite and PostgreSQL, both with synchronous commits. The server is one process with
the whole application of ``ecgnet serve``; its desk is not started, so **the analyser is paused**. An upload counts once
its answer names the exam, which is after the commit. Beside it in turn, on the same machine in the same run, one
process of ``tuspyserver``, which syncs nothing. It is no dependency of ours; this puts it where the bench looks:

    .venv/bin/uv venv .make/tuspyserver        (make bench does both)
    .venv/bin/uv pip install -p .make/tuspyserver/bin/python tuspyserver uvicorn uvloop

Clients and server share the cores; what the clients themselves take is printed. Aim: 800/s on SQLite with 32 clients on
two cores.
(b) Memory: how much larger the process is with many uploads open, each in the middle of a PATCH that hangs.
(c) Ten seconds of eight leads at 500 Hz as a WFDB pair, packed as the clinic program packs them and sent by its sender
over lines of 30 kbit/s that are cut every few seconds: how long until the county can read it, and whether it reads the
very files. Aim: 20 s.

    python bench/ingest.py [--parts uploads memory line] [--engines sqlite postgresql] [--clients 1 32 384]
                           [--seconds 6] [--rounds 2] [--open 300] [--lines 20]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import itertools
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx

from bench.ledger import Figures, databases, figures
from bench.speed import machine
from ecg.formats.wfdb_write import wfdb_zip
from ecg.synthesis import Heart, Noise, synthesise
from ingest.clinic.pack import small_of
from ingest.clinic.send import send
from ingest.tus import BYTES
from ledger import schema
from tests.promises.ingest_house import Nursery, nodes
from tests.support.flaky_line import Lines, Weather
from tests.support.serving import World, free_port, make_world, wait_until

SIZE = 60_000
BASE = random.Random(1).randbytes(SIZE)
PEER = Path(__file__).resolve().parents[1] / ".make" / "tuspyserver" / "bin" / "python"
PEER_CODE = """
import sys, uvicorn
from fastapi import FastAPI
from tuspyserver import create_tus_router
app = FastAPI()
app.include_router(create_tus_router(prefix="files", files_dir=sys.argv[1], max_size=1 << 30))
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
"""
THIN = Weather(bits_per_s=30_000, calm_s=(3.0, 7.0), events=("reset", "reset", "stall", "half-close"))
LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
READABLE_S = 20.0


@dataclass(frozen=True, slots=True)
class Target:
    """A tus server: where an upload is begun, what is sent with every request, and its process."""

    name: str
    port: int
    path: str
    headers: str
    pid: int
    is_finished: bytes
    """What the answer to a whole upload holds."""


@contextlib.contextmanager
def ours(engine: str, url: str, nursery: Nursery) -> Iterator[tuple[Target, World]]:
    """The application on a county of its own."""
    with tempfile.TemporaryDirectory(prefix="ecgnet-bench-") as folder:
        world, port = make_world(url, Path(folder)), free_port()
        with nodes(nursery, world, port) as servers:
            bearer = f"Authorization: Bearer {world.key}\r\n"
            yield Target(f"ours, {engine}", port, "/v1/uploads", bearer, servers.pids[port], b"ecgnet-exam"), world
        world.close()


@contextlib.contextmanager
def peer() -> Iterator[Target | None]:
    """``tuspyserver``, if it is there."""
    if not PEER.exists():
        print("tuspyserver is not installed (see the head of this file): no peer\n")
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="ecgnet-bench-peer-") as folder:
        port = free_port()
        command = [str(PEER), "-c", PEER_CODE, folder, str(port)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                wait_until(lambda: _answers(port), 30, "tuspyserver")
                done = f"upload-offset: {SIZE}".encode()
                yield Target("tuspyserver", port, "/files", "", process.pid, done)
            finally:
                process.send_signal(signal.SIGKILL)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


# --- (a) uploads a second --------------------------------------------------------------------------------------------

_numbers = itertools.count(random.randrange(1 << 60))


def upload_head(target: Target) -> bytes:
    """Creation-with-upload of :data:`SIZE` bytes."""
    return (
        f"POST {target.path} HTTP/1.1\r\nHost: bench\r\nTus-Resumable: 1.0.0\r\nUpload-Length: {SIZE}\r\n"
        f"Upload-Metadata: filename YS5kYXQ=\r\n{target.headers}Content-Type: {BYTES}\r\n"
        f"Content-Length: {SIZE}\r\n\r\n"
    ).encode()


async def _client(target: Target, until: float, taken: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    head = upload_head(target)
    while (began := time.perf_counter()) < until:
        writer.write(head + next(_numbers).to_bytes(16, "big") + BASE[16:])
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = next((line for line in answer.split(b"\r\n") if line.startswith(b"content-length:")), b":0")
        await reader.readexactly(int(length.partition(b":")[2]))
        if not answer.startswith(b"http/1.1 201") or target.is_finished not in answer:
            raise SystemExit(f"{target.name}: {answer[:300]!r}")
        taken.append(time.perf_counter() - began)
    writer.close()


async def _clients(target: Target, clients: int, seconds: float) -> list[float]:
    taken: list[float] = []
    until = time.perf_counter() + seconds
    await asyncio.gather(*(_client(target, until, taken) for _ in range(clients)))
    return taken


def uploads(targets: Sequence[Target], clients: int, seconds: float, rounds: int) -> list[tuple[Figures, int]]:
    """Figures and answers of each target, in turn several times, so that a busy moment of the machine hits all.

    A second counts until the last answer has come: who is slow gains nothing by answering afterwards.
    """
    taken: dict[str, list[float]] = {target.name: [] for target in targets}
    passed = dict.fromkeys(taken, 0.0)
    for _ in range(rounds):
        for target in targets:
            began = time.perf_counter()
            taken[target.name] += asyncio.run(_clients(target, clients, seconds / rounds))
            passed[target.name] += time.perf_counter() - began
    return [(figures(name, clients, times, passed[name]), len(times)) for name, times in taken.items()]


def bench_uploads(options: argparse.Namespace, nursery: Nursery) -> None:
    """Print the table."""
    print("| clients | server | uploads a second | median / p99 ms |\n|---|---|---|---|")
    with contextlib.ExitStack() as stack:
        targets: list[Target] = []
        worlds: dict[str, World] = {}
        for engine in options.engines:
            url = stack.enter_context(databases(engine))()
            target, world = stack.enter_context(ours(engine, url, nursery))
            targets.append(target)
            worlds[target.name] = world
        other = stack.enter_context(peer())
        targets += [other] if other else []
        counted = dict.fromkeys(worlds, 0)
        own_ms: dict[int, float] = {}
        for clients in options.clients:
            before = time.process_time()
            measured = uploads(targets, clients, options.seconds, options.rounds)
            own_ms[clients] = (time.process_time() - before) * 1000 / sum(answers for _, answers in measured)
            for one, answers in measured:
                print(
                    f"| {clients} | {one.name} | {one.per_second:.0f} | {one.median_ms:.1f} / {one.p99_ms:.1f} |",
                    flush=True,
                )
                if one.name in counted:
                    counted[one.name] += answers
        shares = ", ".join(f"{taken:.2f} ms with {clients}" for clients, taken in own_ms.items())
        print(f"\nprocessor time of the clients themselves, of one upload: {shares}")
        for name, world in worlds.items():
            kept = len(world.rows(schema.exam))
            print(f"\n{name}: {counted[name]} answers, {kept} exams")
            if kept != counted[name]:
                raise SystemExit("uploads were lost, or doubled")
    print()


# --- (b) memory ------------------------------------------------------------------------------------------------------


def resident_kib(pid: int) -> int:
    """``VmRSS`` of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def hanging(target: Target) -> socket.socket:
    """A PATCH that has sent half of a megabyte's first 100 KB and hangs."""
    begun = httpx.post(
        f"http://127.0.0.1:{target.port}{target.path}",
        headers={
            "Tus-Resumable": "1.0.0",
            "Upload-Length": "1000000",
            **dict(line.split(": ", 1) for line in target.headers.split("\r\n") if line),
        },
        trust_env=False,
    )
    begun.raise_for_status()
    where = begun.headers["Location"].partition(f":{target.port}")[2] or begun.headers["Location"]
    line = socket.create_connection(("127.0.0.1", target.port), timeout=20)
    line.sendall(
        f"PATCH {where} HTTP/1.1\r\nHost: bench\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n{target.headers}"
        f"Content-Type: {BYTES}\r\nContent-Length: 1000000\r\n\r\n".encode()
        + BASE[:50_000]
    )
    return line


def bench_memory(options: argparse.Namespace, nursery: Nursery) -> None:
    """Print a line for each server."""
    print("| server | uploads open | KiB an open upload |\n|---|---|---|")
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(databases("sqlite"))()
        target, _ = stack.enter_context(ours("sqlite", url, nursery))
        other = stack.enter_context(peer())
        for one in [target, *([other] if other else [])]:
            warm = [hanging(one) for _ in range(20)]
            time.sleep(2)  # a second brings what is held to the disk
            before = resident_kib(one.pid)
            lines = [hanging(one) for _ in range(options.open)]
            time.sleep(3)
            print(
                f"| {one.name} | {options.open} | {(resident_kib(one.pid) - before) / options.open:.0f} |", flush=True
            )
            for line in [*warm, *lines]:
                line.close()
    print()


# --- (c) a thin line -------------------------------------------------------------------------------------------------


def a_pair(seed: int) -> dict[str, bytes]:
    """Ten seconds of eight leads at 500 Hz: header and signal file."""
    heart = Heart(rate_bpm=60 + seed % 40, individual=0.3)
    whole = synthesise(heart, Noise(0.01, 0.02, 50.0, 0.1), seed=seed).recording
    rows = [whole.leads.index(lead) for lead in LEADS]
    recording = type(whole)(LEADS, whole.millivolts[rows], whole.rate_hz, whole.format)
    with zipfile.ZipFile(io.BytesIO(wfdb_zip(recording, f"e{seed}"))) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def unpacked(data: bytes) -> dict[str, bytes]:
    """The files of a zip."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def bench_line(options: argparse.Namespace, nursery: Nursery) -> None:
    """Print how long it took, and what happened on the lines."""
    taken: list[float] = []
    sent: list[int] = []
    wrong: list[str] = []
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(databases("sqlite"))()
        target, world = stack.enter_context(ours("sqlite", url, nursery))
        lines = stack.enter_context(Lines())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ecgnet-bench-")))
        bearer = {"Authorization": f"Bearer {world.key}"}

        def village(number: int, files: dict[str, bytes], port: int) -> None:
            began = time.monotonic()
            name, packed = small_of(f"{number}", files.items())  # as the clinic's program keeps it in its spool
            (folder / name).write_bytes(packed)
            (receipt,) = send([folder / name], f"http://127.0.0.1:{port}", world.key)
            there = f"http://127.0.0.1:{target.port}/v1/exams/{receipt['exam']}/original"
            original = httpx.get(there, headers=bearer, trust_env=False, timeout=20).content
            taken.append(time.monotonic() - began)
            sent.append(len(original))
            if unpacked(original) != files:
                wrong.append(f"line {number}")

        pairs = [a_pair(number) for number in range(options.lines)]
        ports = [lines.open(target.port, 100 + number, THIN).port for number in range(options.lines)]
        threads = [
            threading.Thread(target=village, args=(number, files, port))
            for number, (files, port) in enumerate(zip(pairs, ports, strict=True))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        happened = lines.happened
    raw = sum(map(len, pairs[0].values()))
    ordered = sorted(taken)
    within = sum(one <= READABLE_S for one in ordered)
    print(
        f"{len(ordered)} of {options.lines} lines of 30 kbit/s, {raw:,} bytes of WFDB sent as {max(sent):,}: "
        f"readable after {ordered[len(ordered) // 2]:.1f} s (median), {ordered[-1]:.1f} s (longest); "
        f"{within} within {READABLE_S:.0f} s; {dict(happened)}; {len(wrong)} differ"
    )
    if wrong or len(ordered) < options.lines:
        raise SystemExit(f"not the very files, or lost: {wrong}")


def main() -> None:
    """Run it and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"uploads": bench_uploads, "memory": bench_memory, "line": bench_line}
    parser.add_argument("--parts", nargs="+", default=list(parts), choices=list(parts))
    parser.add_argument("--engines", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 32, 384])
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--open", type=int, default=300)
    parser.add_argument("--lines", type=int, default=20)
    options = parser.parse_args()
    print(machine(), "\n")
    nursery = Nursery()
    try:
        for part in options.parts:
            parts[part](options, nursery)
    finally:
        nursery.close()


if __name__ == "__main__":
    main()
