"""The ladder of CLINICAL.md §5.7: its rungs and times, written here by hand, and whom a rung calls. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.clock import SECOND, Deadlines, ManualClock
from triage.escalation import LONGEST_US, Watch
from triage.ladder import after_raise, next_step, rung_at, whom
from triage.policies import Rung

T = 1_790_000_000 * SECOND
SLOTS = ("first", "backup", "coordinator", "chief", "director")
RED = [(0, 1), (60, 2), (120, 3), (180, 4), (300, 5), (420, 5), (540, 5), (660, 5)]  # seconds, how many slots
ORANGE = [(0, 1), (300, 2), (600, 3), (900, 3), (1200, 3), (1500, 3)]
ORANGE += [(1800 + at, slots) for at, slots in RED]  # after 30 minutes the RED ladder, for "unread"


@pytest.mark.parametrize(("colour", "expected"), [("RED", RED), ("ORANGE", ORANGE)])
def test_rungs_and_times(colour: str, expected: list[tuple[int, int]]) -> None:
    rungs = [rung_at(colour, step) for step in range(len(expected))]
    assert [(rung.at_s, len(rung.slots)) for rung in rungs] == expected
    assert all(rung.slots == SLOTS[: len(rung.slots)] for rung in rungs)
    assert rung_at("RED", 1000).at_s == 300 + 996 * 120


def test_the_phone_rings_from_the_third_rung_of_red() -> None:
    assert ["call" in rung_at("RED", step).channels for step in range(6)] == [False, False, True, True, True, True]
    assert rung_at("RED", 0).channels == ("screen", "sound")


def alert(colour: str = "RED", step: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "colour": colour,
        "state": "raised",
        "step": step,
        "raised_at": T,
        "acknowledged_at": None,
        "why": None,
    } | more


def climbed(first: dict[str, Any], seconds: float) -> list[tuple[float, int, str]]:
    """When an alert whose step is always taken in time climbs, for so long: seconds, step, why."""
    now, done, known = after_raise(first["colour"], T), [], dict(first)
    if known["acknowledged_at"] is not None:
        now = known["acknowledged_at"] + 420 * SECOND
    while now <= T + seconds * SECOND:
        step = next_step(known, now)
        done.append(((now - T) / SECOND, step.step, step.why))
        known |= {"step": step.step, "why": step.why}
        now = step.next_step_at
    return done


def test_unanswered_it_climbs_every_rung_once() -> None:
    assert [at for at, _, _ in climbed(alert(), 700)] == [60, 120, 180, 300, 420, 540, 660]
    assert [step for _, step, _ in climbed(alert(), 700)] == [1, 2, 3, 4, 5, 6, 7]
    assert [at for at, _, _ in climbed(alert("ORANGE"), 2300)] == [at for at, _ in ORANGE if 0 < at <= 2300]


def test_undecided_for_420_seconds_it_goes_on_at_the_rung_of_120() -> None:
    acknowledged = alert(state="acknowledged", acknowledged_at=T + 30 * SECOND, step=0)
    assert climbed(acknowledged, 900) == [
        (450, 2, "undecided"), (510, 3, "undecided"), (630, 4, "undecided"), (750, 5, "undecided"),
        (870, 6, "undecided"),
    ]  # fmt: skip
    late = alert(state="acknowledged", acknowledged_at=T + 500 * SECOND, step=5, why="unanswered")
    assert climbed(late, 1000)[:2] == [(920, 2, "undecided"), (980, 3, "undecided")]


def test_undecided_orange_goes_on_at_its_next_rung_and_keeps_its_pace() -> None:
    acknowledged = alert("ORANGE", state="acknowledged", acknowledged_at=T + 10 * SECOND)
    assert climbed(acknowledged, 1100) == [(430, 1, "undecided"), (730, 2, "undecided"), (1030, 3, "undecided")]


@pytest.mark.parametrize(
    ("down_until_s", "step", "next_s"),
    [(61, 1, 120), (119, 1, 120), (120, 2, 180), (299, 3, 300), (301, 4, 420), (7000, 59, 7020)],
)  # fmt: skip
def test_after_a_downtime_the_latest_rung_is_called_not_each(down_until_s: int, step: int, next_s: int) -> None:
    found = next_step(alert(), T + down_until_s * SECOND)
    assert (found.step, found.next_step_at) == (step, T + next_s * SECOND)


def test_a_downtime_over_the_half_hour_goes_on_in_the_red_ladder() -> None:
    found = next_step(alert("ORANGE"), T + 1985 * SECOND)
    assert rung_at("ORANGE", found.step) == Rung(1980, SLOTS[:4], ("screen", "call", "group"))


_alerts = st.builds(
    lambda colour, step, answered, why: alert(
        colour,
        step,
        why=why,
        **({} if answered is None else {"state": "acknowledged", "acknowledged_at": T + answered}),
    ),
    st.sampled_from(["RED", "ORANGE"]),
    st.integers(0, 60),
    st.none() | st.integers(0, 3600 * SECOND),
    st.sampled_from([None, "unanswered", "undecided"]),
)


@given(_alerts, st.integers(-400 * 24 * 3600 * SECOND, 24 * 3600 * SECOND))
@settings(max_examples=300, deadline=None)
def test_the_next_step_is_in_the_future_and_no_further_than_the_longest_gap(known: dict[str, Any], after: int) -> None:
    """Also with a clock that was set back by a year, or that stands a day late."""
    now = T + after
    found = next_step(known, now)
    gap = (rung_at(known["colour"], found.step + 1).at_s - rung_at(known["colour"], found.step).at_s) * SECOND
    assert now < found.next_step_at <= now + gap <= now + 300 * SECOND
    reopens = known["state"] == "acknowledged" and known["why"] != "undecided"
    assert found.step > known["step"] or reopens
    assert found.why == ("undecided" if known["state"] == "acknowledged" else "unanswered")


# --- whom a rung calls -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Person:
    id: str
    name: str


COORDINATORS = [Person("c1", "甲"), Person("c2", "乙")]


@pytest.mark.parametrize(("count", "there"), list(product(range(1, 6), product([False, True], repeat=5))))
def test_whom_with_every_combination_of_empty_slots(count: int, there: tuple[bool, ...]) -> None:
    rung = Rung(0, SLOTS[:count], ("screen",))
    on_duty = {slot: [Person(slot, slot)] for slot, is_there in zip(SLOTS, there, strict=True) if is_there}
    called, gaps = whom(rung, on_duty, COORDINATORS)
    assert gaps == [slot for slot in rung.slots if slot not in on_duty]
    own = [slot for slot in rung.slots if slot in on_duty]
    beyond = [slot for slot in SLOTS[count:] if slot in on_duty]
    if own:
        assert [call["slot"] for call in called] == own
    elif beyond:
        assert [call["slot"] for call in called] == beyond[:1]
    else:
        assert [call["person"]["id"] for call in called] == ["c1", "c2"]
    assert called
    assert all(call["channels"] == ["screen"] for call in called)


def test_everybody_of_a_slot_is_called_and_nobody_is_invented() -> None:
    two = {"first": [Person("a", "A"), Person("b", "B")]}
    assert [call["person"]["id"] for call in whom(rung_at("RED", 0), two, [])[0]] == ["a", "b"]
    assert whom(rung_at("RED", 0), {}, []) == ([], ["first"])


# --- what is due -----------------------------------------------------------------------------------------------------


def test_a_step_is_due_by_either_clock_and_not_before() -> None:
    clock = ManualClock(T)
    watch = Watch(Deadlines(clock))
    step = ("c", "a", T + 60 * SECOND)
    assert watch.overdue([step]) == []
    clock.set_back(3600)
    clock.advance(59)
    assert watch.overdue([step]) == []
    clock.advance(1)
    assert watch.overdue([step]) == [step]


def test_a_step_that_no_process_saw_nearer_is_due_when_it_lies_impossibly_far_ahead() -> None:
    clock = ManualClock(T)
    far, near = ("c", "far", T + LONGEST_US + 1), ("c", "near", T + LONGEST_US)
    assert Watch(Deadlines(clock)).overdue([far, near]) == [far]
