"""Events are numbered without a gap, in the order of commits, whoever writes; nobody sees n + 1 before n."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, insert, select

from ledger import chain, events, schema
from ledger.database import Ledger, Transaction

from .conftest import add_county, add_exam, numbers, tell, values
from .processes import go, said, workers
from .worker import hammer


class Watcher:
    """Reads a county's numbers again and again, as a feed does, and notes what no feed may see."""

    def __init__(self, ledger: Ledger, county: str) -> None:
        self._ledger, self._county = ledger, county
        self._ended = threading.Event()
        self.seen = 0
        self.wrong: list[str] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.is_set():
            last, rows = self._ledger.read(
                lambda connection: (
                    events.last(connection, self._county),
                    events.after(connection, self._county, self.seen),
                )
            )
            got = [row["seq"] for row in rows]
            if got != list(range(self.seen + 1, self.seen + 1 + len(got))):
                self.wrong.append(f"after {self.seen}: {got}")
            if len(got) < 500 and last != self.seen + len(got):
                self.wrong.append(f"last is {last}, seen {self.seen + len(got)}")
            self.seen += len(got)
            time.sleep(0.002)

    def end(self) -> None:
        """Stop reading."""
        self._ended.set()
        self._thread.join()


def test_two_processes_number_one_countys_events_without_a_gap(url: str, opened: Callable[[], Ledger]) -> None:
    ledger = opened()
    ledger.write(lambda tx: add_county(tx, "d"))
    watchers = [Watcher(opened(), county) for county in "cd"]
    with workers(("hammer", url, 1, 120)) as [other]:
        go(other)
        hammer(ledger, 0, 120)
        said(other)
    for watcher in watchers:
        watcher.end()
        assert watcher.wrong == []
    expected = [who * 100_000 + n for who in (0, 1) for n in range(120) if n % 10]
    assert sorted(values(ledger) + values(ledger, "d")) == sorted(expected)
    for county in "cd":
        assert numbers(ledger, county) == list(range(1, len(values(ledger, county)) + 1))
    row = ledger.read(lambda connection: connection.execute(select(schema.county).order_by("id")).mappings().first())
    rows = ledger.read(lambda connection: connection.execute(select(schema.audit).order_by("seq")).mappings().all())
    assert row is not None
    assert len(rows) == len(expected)
    assert chain.first_break(rows, row["audit_head"], row["audit_seq"]) is None


def test_a_request_that_fails_leaves_no_gap(ledger: Ledger) -> None:
    def fail(tx: Transaction) -> None:
        tell(tx)
        raise LookupError

    ledger.write(tell)
    with pytest.raises(LookupError):
        ledger.write(fail)
    ledger.write(tell)
    assert numbers(ledger) == [1, 2]


def test_each_county_has_its_own_numbers_and_a_site_its_last(ledger: Ledger) -> None:
    ledger.write(lambda tx: add_county(tx, "d"))

    def both(tx: Transaction) -> None:
        tell(tx, county="d")
        tx.event("c", "site.silent", {}, site="s")
        tx.event("c", "site.silent", {})

    ledger.write(both)
    ledger.write(both)
    assert (numbers(ledger, "c"), numbers(ledger, "d")) == ([1, 2, 3, 4], [1, 2])

    def read(connection: Connection) -> tuple[int, int, int, str]:
        return (
            events.last(connection, "c"),
            events.last(connection, "c", "s"),
            events.last(connection, "c", "x"),
            events.epoch(connection, "d"),
        )

    assert ledger.read(read) == (4, 3, 0, "e")


def test_a_case_and_its_alert_know_their_numbers(ledger: Ledger) -> None:
    def opening(tx: Transaction) -> None:
        add_exam(tx, "e")
        case = {
            "county_id": "c", "id": "k", "site_id": "s", "exam_id": "e", "state": "open", "rank": 0, "reason": {},
            "seq": 0, "opened_at": 0, "due_at": 0,
        }  # fmt: skip
        alert = {
            "county_id": "c", "id": "a", "case_id": "k", "exam_id": "e", "colour": "RED", "reason": {}, "evidence": [],
            "state": "raised", "step": 0, "raised_at": 0,
        }  # fmt: skip
        tx.connection.execute(insert(schema.case), case)
        tx.connection.execute(insert(schema.alert), alert)
        tx.event("c", "case.opened", {}, case="k")
        tx.event("c", "alert.raised", {"alert": "a"}, case="k")
        tx.event("c", "case.changed", {}, case="k")

    ledger.write(opening)
    assert ledger.read(lambda connection: connection.execute(select(schema.case.c.seq)).scalar_one()) == 3
    assert ledger.read(lambda connection: connection.execute(select(schema.alert.c.seq)).scalar_one()) == 2
    kinds = ledger.read(lambda connection: [row["kind"] for row in events.of_case(connection, "c", "k")])
    assert kinds == ["case.opened", "alert.raised", "case.changed"]
