"""Real processes killed with SIGKILL: what was acknowledged is there, whole, and the numbers have no gap."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable

from sqlalchemy import select, text

from ledger import chain, originals, schema
from ledger.database import Ledger, LedgerUnavailable

from .conftest import numbers, tell, values
from .processes import WORKER, go, said, workers

KILLS = 10


def test_what_a_killed_process_acknowledged_is_there(url: str, opened: Callable[[], Ledger]) -> None:
    command = [sys.executable, str(WORKER), "killed", url, str(KILLS)]
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=60).stdout
    acknowledged = {int(line) for line in output.split()}
    assert len({n // 100_000 for n in acknowledged}) >= KILLS // 2
    ledger = opened()
    there = values(ledger)
    assert len(there) == len(set(there))
    assert acknowledged <= set(there)
    assert numbers(ledger) == list(range(1, len(there) + 1))
    sites = ledger.read(lambda connection: set(connection.execute(select(schema.site.c.id)).scalars()))
    assert sites == {"s", *(f"s{n}" for n in there)}  # each request whole: its row and its event
    for n in there:
        prepared = originals.Prepared(f"{n} ".encode() * 500)
        assert ledger.read(lambda connection, p=prepared: originals.get(connection, "c", p.sha256))
    rows = ledger.read(lambda connection: connection.execute(select(schema.audit).order_by("seq")).mappings().all())
    county = ledger.read(lambda connection: connection.execute(select(schema.county)).mappings().one())
    assert len(rows) == len(there)
    assert chain.first_break(rows, county["audit_head"], county["audit_seq"]) is None


# --- hints ---


def listened(ledger: Ledger, count: int = 1) -> None:
    """Return once so many listeners listen and their first hint is over; on SQLite nobody listens."""
    if ledger.engine.dialect.name == "sqlite":
        return
    listening = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE query LIKE 'LISTEN%' AND state = 'idle' AND datname = current_database()"
    )
    until = time.monotonic() + 30
    while ledger.read(lambda connection: connection.execute(listening).scalar_one()) < count:
        assert time.monotonic() < until, "nobody listens"
        time.sleep(0.01)
    time.sleep(0.1)


def test_a_commit_with_events_is_hinted_and_one_without_is_not(ledger: Ledger) -> None:
    told = threading.Event()
    end = ledger.on_commit(told.set)
    listened(ledger)
    told.clear()  # a listener's first hint
    ledger.write(lambda tx: None)
    assert not told.wait(0.05)
    ledger.write(tell)
    assert told.wait(30)
    end()
    end()
    time.sleep(0.05)
    told.clear()
    ledger.write(tell)
    assert not told.wait(0.05)


def test_a_hint_that_fails_costs_nothing(ledger: Ledger) -> None:
    def fail() -> None:
        raise RuntimeError

    told = threading.Event()
    ledger.on_commit(fail)
    ledger.on_commit(told.set)
    assert ledger.write(lambda tx: tell(tx, 4)) == 4
    assert told.wait(30)
    assert values(ledger) == [4]


def test_another_processs_commit_is_hinted(shared_postgres_url: str) -> None:
    ledger = Ledger.open(shared_postgres_url)
    with workers(("tell", shared_postgres_url)) as [other]:
        listened(ledger)
        told = threading.Event()
        ledger.on_commit(told.set)
        go(other)
        assert told.wait(30)
        assert values(ledger) == [1]
        said(other)
    ledger.close()


def test_a_listener_whose_line_broke_listens_again(shared_postgres_url: str) -> None:
    first, second = Ledger.open(shared_postgres_url), Ledger.open(shared_postgres_url)
    listened(first, 2)
    kill = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE query LIKE 'LISTEN%' AND datname = current_database()"
    )
    assert first.read(lambda connection: len(connection.execute(kill).all())) == 2
    told = threading.Event()
    first.on_commit(told.set)
    assert told.wait(30)  # it looks for what it missed
    told.clear()
    second.write(tell)
    assert told.wait(30)
    first.close()
    second.close()


def test_closing_ends_the_listener_at_once(opened: Callable[[], Ledger]) -> None:
    before = set(threading.enumerate())
    ledger = opened()
    ledger.write(tell)
    ours = [thread for thread in threading.enumerate() if thread not in before]
    assert {"ledger-writer"} <= {thread.name for thread in ours}
    began = time.monotonic()
    ledger.close()
    assert time.monotonic() - began < 5  # a listener asks every 15 s
    assert not [thread.name for thread in ours if thread.is_alive() and thread.name.startswith("ledger")]
    try:
        ledger.write(tell)
    except LedgerUnavailable:
        return
    raise AssertionError("a closed ledger took a request")
