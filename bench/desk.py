"""The desk under load, on both engines: file to alert at a county's rates, feed fan-out, the worklist over the years.

(a) Device files posted at fixed instants (1, 20, 60 a second) to one ``ecgnet serve``; counted is from the instant a
POST was due until ``alert.raised`` is in a doctor's hands (the machinery is that of ``bench/speed.py``). Aim: p99 under
250 ms at 20/s.
(b) One event to 1,000 and 5,000 websockets (``bench/feed.py``). Aim: the last within 200 and 400 ms.
(c) The first page of the worklist, with 60 open cases, over 10 thousand and 1 million past exams. Aim: flat, p99 under
20 ms; the engine's own plan is printed at both sizes.

    python bench/desk.py [--parts alerts feed worklist] [--engines sqlite postgresql] [--rates 1 20 60] [--seconds 20]
                         [--clients 1000 5000] [--past 10000 1000000]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx
from sqlalchemy import Connection, text

from bench import feed, speed
from bench.ledger import databases
from county.access import Actor, Role
from ledger.database import Ledger
from tests.support.serving import Clinic, Doctor, Server, World, make_world, wait_until
from triage import views

OPEN = 60
#: One device stands here for a county of them: it may send what it likes.
UNMEASURED = {
    f"ECGNET_{who}_{what}": str(10**6)
    for who in ("DEVICE", "SITE")
    for what in ("UPLOADS_PER_HOUR", "MIB_PER_HOUR", "OPEN_UPLOADS")
}
QUERIES = 200

# --- (a) file to alert, (b) feed --------------------------------------------------------------------------------------


@contextlib.contextmanager
def served(url: str) -> Any:
    """A county on one server."""
    with tempfile.TemporaryDirectory(prefix="ecgnet-bench-") as folder, contextlib.ExitStack() as stack:
        world = make_world(url, Path(folder))
        stack.callback(world.close)
        workers = max(1, min(2, (os.cpu_count() or 2) - 1))
        server = Server(world, environment={"ECGNET_WORKERS": str(workers), **UNMEASURED}).start()
        stack.callback(server.stop)
        wait_until(lambda: httpx.get(f"{server.address}/readyz").status_code == 200, 60, "a ready server")
        yield world, server


def alerts(engine: str, url: str, rates: list[float], seconds: float) -> int:
    """Print a line a rate; how many ECGs had no alert, or two."""
    lost = 0
    with served(url) as (world, server):
        clinic, doctor = Clinic(server.address, world.key), Doctor(server.address, "周敏")
        clinic.send(speed.infarction(0), symptoms=["chest_pain"])  # the first one pays for what is loaded late
        doctor.event("alert.raised", 60)
        seed = 1
        for rate in rates:
            uploads = max(20, round(rate * seconds))
            files = [speed.infarction(seed + number) for number in range(uploads)]
            seed += uploads
            with httpx.Client(base_url=server.address, timeout=60, limits=httpx.Limits(max_connections=256)) as client:
                sent, listener = speed._measure(speed.Uploads(clinic, client), doctor, files, rate)
            print(
                speed.row(f"{engine}: file → alert at {rate:g}/s", [listener.came[one.exam] - one.due for one in sent])
            )
            lost += listener.wrong(uploads)
            if unread := listener.alerted_twice():
                print(f"{unread} waited 20 s for their analysis: alerted unread, and again in RED when they were read")
        doctor.close()
    return lost


def fan_out(engine: str, url: str, clients: list[int], events: int) -> None:
    """Print a line for each number of websockets."""
    with served(url) as (world, server):
        clinic = Clinic(server.address, world.key)
        exam = clinic.send(speed.infarction(1))["exam"]
        wait_until(lambda: clinic.exam(exam)["case"], 60, "a case")
        for count in clients:
            taken = asyncio.run(feed.fan_out(server.address, feed.sessions(world, count), clinic, exam, events))
            print(speed.row(f"{engine}: event → last of {count} websockets", [times[-1] for times in taken]))


# --- (c) the worklist -------------------------------------------------------------------------------------------------

_NUMBERS = "WITH RECURSIVE n(i) AS (SELECT CAST(:first AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < :last)"
_FILL = (
    f"""
    INSERT INTO original (county_id, sha256, bytes, encoding, created_at)
    {_NUMBERS} SELECT :county, 'h' || i, 60000, 'plain', i FROM n
    """,
    f"""
    INSERT INTO exam (county_id, id, site_id, sender, sha256, bytes, files, status, received_at, urgent, symptoms,
                      conflicts, context_problem, advice, attempts, colour, drill)
    {_NUMBERS} SELECT :county, 'e' || i, :site, 'd', 'h' || i, 60000, '[]', 'analysed', i * 1000000, 0, '[]',
                      '[]', 0, '[]', 1, 'YELLOW', 0 FROM n
    """,
    f"""
    INSERT INTO case_ (county_id, id, site_id, exam_id, state, colour, rank, reason, seq, opened_at, due_at,
                       closed_at, drill)
    {_NUMBERS} SELECT :county, 'c' || i, :site, 'e' || i, CASE WHEN i % :every = 0 THEN 'open' ELSE 'confirmed' END,
                      'YELLOW', 5, '{{}}', i, i * 1000000, i * 1000000,
                      CASE WHEN i % :every = 0 THEN NULL ELSE i * 1000000 END, 0 FROM n
    """,
)


def worklist(engine: str, world: World, past: list[int]) -> None:
    """Print a line and the plan at each size."""
    with world.ledger() as ledger:
        actor = Actor(world.county, world.people["周敏"], "周敏", Role.CARDIOLOGIST, None)
        filled = 0
        for size in sorted(past):
            fill(ledger, world, filled + 1, size)
            filled = size
            times: list[float] = []
            for _ in range(QUERIES):
                began = time.perf_counter()
                found = ledger.read(lambda connection: views.worklist(connection, actor, None))
                times.append(time.perf_counter() - began)
                assert found["items"]
            print(speed.row(f"{engine}: worklist, {OPEN} open over {size} past exams", times))
            for line in ledger.read(lambda connection: plan(connection, world.county)):
                print(f"    {line}")


def fill(ledger: Ledger, world: World, first: int, last: int) -> None:
    """Exams and their cases from ``first`` to ``last``; :data:`OPEN` of all are open."""
    values = {"county": world.county, "site": world.site, "first": first, "last": last, "every": max(last // OPEN, 1)}
    closed = text("UPDATE case_ SET closed_at = due_at, state = 'confirmed' WHERE closed_at IS NULL")

    def work(transaction: Any) -> None:
        transaction.connection.execute(closed)
        for statement in _FILL:
            named = {name: value for name, value in values.items() if f":{name}" in statement}
            transaction.connection.execute(text(statement), named)

    ledger.write(work)
    with ledger.engine.connect().execution_options(ledger_writer=True) as connection, connection.begin():
        connection.execute(text("ANALYZE"))


def plan(connection: Connection, county: str) -> list[str]:
    """How the engine finds the first page."""
    statement = views._OPEN.order_by(*views._ORDER).limit(views.PAGE + 1)
    sql = statement.params(county=county).compile(connection.engine, compile_kwargs={"literal_binds": True})
    word = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    rows = connection.exec_driver_sql(f"{word} {sql}".replace("%", "%%"))
    lines = [str(row[-1]).rstrip() for row in rows]
    return [line for line in lines if any(part in line for part in ("case_", "Limit", "SORT", "Sort", "B-TREE"))]


def main() -> None:
    """Run it and print the tables; exit code 1 if an alert was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", default=["alerts", "feed", "worklist"])
    parser.add_argument("--engines", nargs="+", default=["sqlite", "postgresql"])
    parser.add_argument("--rates", type=float, nargs="+", default=[1, 20, 60])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clients", type=int, nargs="+", default=[1000, 5000])
    parser.add_argument("--events", type=int, default=20)
    parser.add_argument("--past", type=int, nargs="+", default=[10_000, 1_000_000])
    options = parser.parse_args()
    print(speed.machine())
    lost = 0
    for engine in options.engines:
        with databases(engine) as fresh, speed.table():
            parts: dict[str, Callable[[], int | None]] = {
                "alerts": lambda engine=engine, fresh=fresh: alerts(engine, fresh(), options.rates, options.seconds),
                "feed": lambda engine=engine, fresh=fresh: fan_out(engine, fresh(), options.clients, options.events),
                "worklist": lambda engine=engine, fresh=fresh: _worklist(engine, fresh(), options.past),
            }
            for part in options.parts:
                lost += parts[part]() or 0
    if lost:
        print(f"lost or doubled: {lost}")
        raise SystemExit(1)


def _worklist(engine: str, url: str, past: list[int]) -> None:
    with tempfile.TemporaryDirectory(prefix="ecgnet-bench-") as folder:
        world = make_world(url, Path(folder))
        try:
            worklist(engine, world, past)
        finally:
            world.close()


if __name__ == "__main__":
    main()
