"""The one clock, and deadlines that nobody can delay by setting it back."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import clock as clocks
from ledger.clock import SECOND, Deadlines, ManualClock, SystemClock, instant, iso
from ledger.database import Ledger

from .conftest import tell

YEAR_9999 = 253_402_300_799_999_999


@given(st.integers(-62_135_596_800_000_000, YEAR_9999))
def test_an_instant_is_the_same_after_the_contracts_text(at: int) -> None:
    written = iso(at)
    assert written is not None
    assert instant(written) == at


def test_an_instant_is_written_as_the_contract_says() -> None:
    assert iso(1_795_489_805_000_000) == "2026-11-24T03:10:05.000000Z"
    assert iso(None) is None
    assert instant("2026-11-24T11:10:05+08:00") == instant("2026-11-24T03:10:05Z") == 1_795_489_805_000_000


@given(st.integers(0, YEAR_9999 // 2), st.integers(-14 * 60, 14 * 60))
def test_a_zone_changes_the_text_and_not_the_instant(at: int, minutes: int) -> None:
    written = iso(at)
    assert written is not None
    there = datetime.fromisoformat(written).astimezone(timezone(timedelta(minutes=minutes)))
    assert instant(there.isoformat()) == at


@pytest.mark.parametrize("text", ["2026-11-24T03:10:05", "2026-11-24", "soon"])
def test_a_time_without_a_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=text):
        instant(text)


def test_a_deadline_is_due_when_the_clock_says_so() -> None:
    clock = ManualClock()
    deadlines = Deadlines(clock)
    pending = {"a": clock.now() + 10 * SECOND, "b": clock.now() + 20 * SECOND}
    assert deadlines.overdue(pending) == set()
    clock.advance(10)
    assert deadlines.overdue(pending) == {"a"}
    clock.advance(10)
    assert deadlines.overdue(pending) == {"a", "b"}


def test_a_clock_set_back_delays_no_ladder() -> None:
    clock = ManualClock()
    deadlines = Deadlines(clock)
    pending = {"a": clock.now() + 10 * SECOND}
    assert deadlines.overdue(pending) == set()
    clock.advance(4)
    clock.set_back(3_600)
    assert deadlines.overdue(pending) == set()
    clock.advance(5.999)
    assert deadlines.overdue(pending) == set()
    clock.advance(0.001)
    assert deadlines.overdue(pending) == {"a"}


def test_a_clock_set_forward_is_believed() -> None:
    clock = ManualClock()
    deadlines = Deadlines(clock)
    pending = {"a": clock.now() + 10 * SECOND}
    assert deadlines.overdue(pending) == set()
    clock.set_back(-60)
    assert deadlines.overdue(pending) == {"a"}


def test_a_deadline_that_moved_is_seen_anew_and_one_that_went_is_forgotten() -> None:
    clock = ManualClock()
    deadlines = Deadlines(clock)
    assert deadlines.overdue({"a": clock.now() + 10 * SECOND, "b": clock.now()}) == {"b"}
    clock.advance(5)
    clock.set_back(100)
    moved = {"a": clock.now() + 30 * SECOND}
    assert deadlines.overdue(moved) == set()
    clock.advance(29)
    assert deadlines.overdue(moved) == set()
    clock.advance(1)
    assert deadlines.overdue(moved) == {"a"}
    assert deadlines.overdue({}) == set()


@given(st.lists(st.tuples(st.sampled_from(["advance", "set_back"]), st.floats(0, 100)), max_size=12))
def test_whatever_happens_to_the_clock_no_deadline_is_late(moves: list[tuple[str, float]]) -> None:
    clock = ManualClock()
    deadlines = Deadlines(clock)
    pending = {"a": clock.now() + 60 * SECOND}
    deadlines.overdue(pending)
    for move, seconds in moves:
        getattr(clock, move)(seconds)
        overdue = deadlines.overdue(pending)
        if clock.monotonic() >= 60 * SECOND:
            assert overdue == {"a"}


def test_a_machine_that_is_an_hour_slow_uses_the_databases_time(
    opened: Callable[[], Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SimpleNamespace(time_ns=lambda: time.time_ns() - 3_600 * 10**9, monotonic_ns=time.monotonic_ns)
    monkeypatch.setattr(clocks, "time", slow)
    ledger = opened()
    behind = time.time_ns() // 1000 - ledger.clock.now()
    if ledger.is_postgresql:
        assert abs(behind) < SECOND // 2
    else:
        assert abs(behind - 3_600 * SECOND) < SECOND // 2


def test_a_clock_that_drifts_is_measured_again(opened: Callable[[], Ledger], monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = opened()
    assert isinstance(ledger.clock, SystemClock)
    ledger.clock.offset_us = 5 * SECOND
    monkeypatch.setattr("ledger.writer.MEASURE_S", -1)
    ledger.write(tell)
    assert abs(ledger.clock.offset_us - (0 if ledger.is_postgresql else 5 * SECOND)) < SECOND // 2
