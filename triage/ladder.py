"""The ladder as pure functions of an alert, a policy and the time: which rung, when the next, whom it calls.

Steps count from 0; beyond the last rung they repeat it. Nothing here reads a clock or a table, so every order of
crashes is tested without one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.clock import SECOND
from triage import states
from triage.policies import CLINICAL, Ladder, Policy, Rung
from triage.rating import Colour

UNDECIDED_S = 420
REOPENS_AT_S = 120
LONGEST_US = UNDECIDED_S * SECOND  # no step is ever set further ahead


def rung_at(colour: str, step: int, policy: Policy = CLINICAL) -> Rung:
    """The rung of a step; beyond the last it repeats, and an ORANGE ladder that ended goes on as RED."""
    ladder = policy.ladders[colour]
    start_s = 0
    while ladder.ends_s is not None and ladder.then is not None:
        own = _steps_before_end(ladder)
        if step < own:
            break
        step, start_s, ladder = step - own, start_s + ladder.ends_s, policy.ladders[ladder.then]
    last = len(ladder.rungs) - 1
    rung = ladder.rungs[min(step, last)]
    beyond = max(step - last, 0)
    return Rung(start_s + rung.at_s + beyond * ladder.repeat_s, rung.slots, rung.channels)


def _steps_before_end(ladder: Ladder) -> int:
    last = ladder.rungs[-1].at_s
    if ladder.ends_s is None:
        return len(ladder.rungs)
    return len(ladder.rungs) + (ladder.ends_s - last - 1) // ladder.repeat_s


def after_raise(colour: str, raised_at: int, policy: Policy = CLINICAL) -> int:
    """When the rung after the first is due."""
    return raised_at + rung_at(colour, 1, policy).at_s * SECOND


@dataclass(frozen=True, slots=True)
class Step:
    """What the ladder does now: which rung, when the next is due, and why it climbs."""

    step: int
    next_step_at: int
    why: str


def next_step(alert: Mapping[str, Any], now: int, policy: Policy = CLINICAL) -> Step:
    """The next step of an alert whose ``next_step_at`` has passed, or that is hurried.

    ``alert`` has ``colour``, ``state``, ``step``, ``raised_at``, ``acknowledged_at``, ``why``. The times of rungs count
    from the alert; once it climbs again because nobody decided they count from the acknowledgement plus 420 s, taken as
    120 s (or the next rung of that ladder). Rungs that were due while the server was down are not called one after
    another: the latest one is. The next step is never further away than this rung is from it, so that a clock set back
    delays nothing.
    """
    colour = alert["colour"]
    undecided = alert["state"] == states.Alert.ACKNOWLEDGED
    base = alert["raised_at"]
    step = alert["step"] + 1
    if undecided:
        reopen = _step_at(colour, REOPENS_AT_S, policy)
        base = alert["acknowledged_at"] + (UNDECIDED_S - rung_at(colour, reopen, policy).at_s) * SECOND
        step = step if alert["why"] == "undecided" else reopen
    while base + rung_at(colour, step + 1, policy).at_s * SECOND <= now:
        step += 1
    at_s, next_s = rung_at(colour, step, policy).at_s, rung_at(colour, step + 1, policy).at_s
    next_step_at = min(base + next_s * SECOND, now + (next_s - at_s) * SECOND)
    return Step(step, next_step_at, "undecided" if undecided else "unanswered")


def _step_at(colour: str, at_s: int, policy: Policy) -> int:
    step = 0
    while rung_at(colour, step, policy).at_s < at_s:
        step += 1
    return step


def steps_until_repeat(colour: str, policy: Policy = CLINICAL) -> int:
    """The step from which the ladder only repeats: hurrying beyond it would call the same people again and again."""
    ladder = policy.ladders[colour]
    own = _steps_before_end(ladder) if ladder.then is not None else 0
    last = policy.ladders[ladder.then] if ladder.then is not None else ladder
    return own + len(last.rungs) - 1


def tells_village(colour: str, step: int, policy: Policy = CLINICAL) -> bool:
    """Whether the village is told to ring 120 itself: everybody on the list was called and nobody has answered."""
    return step >= steps_until_repeat(colour, policy)


# --- whom a rung calls -----------------------------------------------------------------------------------------------


def whom(
    rung: Rung, on_duty: Mapping[str, Sequence[Any]], coordinators: Sequence[Any], policy: Policy = CLINICAL
) -> tuple[list[dict[str, Any]], list[str]]:
    """The people that a rung calls and the slots that have nobody.

    ``on_duty``: slot → people with ``id`` and ``name``. If none of the rung's slots has somebody, the next one of the
    longest ladder is called at once, at the last every coordinator.
    """
    gaps = [slot for slot in rung.slots if not on_duty.get(slot)]
    called = [_call(slot, person, rung) for slot in rung.slots for person in on_duty.get(slot, ())]
    if called:
        return called, gaps
    order = policy.ladders[Colour.RED].rungs[-1].slots
    for slot in (one for one in order if one not in rung.slots):
        if on_duty.get(slot):
            return [_call(slot, person, rung) for person in on_duty[slot]], gaps
    return [_call("coordinator", person, rung) for person in coordinators], gaps


def _call(slot: str, person: Any, rung: Rung) -> dict[str, Any]:
    return {"slot": slot, "person": {"id": person.id, "name": person.name}, "channels": list(rung.channels)}
