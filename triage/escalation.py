"""The ladder: an alert that nobody answers climbs until somebody does (CLINICAL.md §5.7).

The ladders are data; :func:`next_step` is a pure function of the alert and the time; :func:`climb_due` is the thin
shell that takes alerts whose ``next_step_at`` has passed. Each rung is one row, one event, in one commit, so that a
crash neither loses nor doubles it. A rung with nobody on the roster is passed at once to the next that has somebody, at
the last to every coordinator, and ``roster.gap`` is raised; the rungs after it keep their times. An acknowledgement
without a decision for 420 s goes on at the rung of 120 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from sqlalchemy import RowMapping, bindparam, func, insert, select, update

from county import rosters
from ledger import schema
from ledger.clock import SECOND, Deadlines, iso
from ledger.database import Ledger, Transaction
from triage import states
from triage.rating import Colour

log = structlog.get_logger("escalation")

UNDECIDED_S = 420
REOPENS_AT_S = 120
LONGEST_US = UNDECIDED_S * SECOND  # no step is ever set further ahead


@dataclass(frozen=True, slots=True)
class Rung:
    """At ``at_s`` after the alert these slots of the roster are called, by these channels."""

    at_s: int
    slots: tuple[str, ...]
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ladder:
    """Rungs in order, then a repeat; ``then`` is the ladder that takes over at ``ends_s``."""

    rungs: tuple[Rung, ...]
    repeat_s: int
    ends_s: int | None = None
    then: str | None = None


LADDERS: Mapping[str, Ladder] = {
    Colour.RED: Ladder(
        (
            Rung(0, ("first",), ("screen", "sound")),
            Rung(60, ("first", "backup"), ("screen", "sms")),
            Rung(120, ("first", "backup", "coordinator"), ("screen", "call")),
            Rung(180, ("first", "backup", "coordinator", "chief"), ("screen", "call", "group")),
            Rung(300, ("first", "backup", "coordinator", "chief", "director"), ("screen", "call", "conference")),
        ),
        repeat_s=120,
    ),
    Colour.ORANGE: Ladder(
        (
            Rung(0, ("first",), ("screen", "sound")),
            Rung(300, ("first", "backup"), ("screen", "sms")),
            Rung(600, ("first", "backup", "coordinator"), ("screen", "sms")),
        ),
        repeat_s=300,
        ends_s=1800,
        then=Colour.RED,
    ),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Which alert of which case, exam and site."""

    county: str
    alert: str
    case: str
    exam: str
    site: str


def rung_at(colour: str, step: int) -> Rung:
    """The rung of a step; beyond the last it repeats, and an ORANGE ladder that ended goes on as RED."""
    ladder = LADDERS[colour]
    start_s = 0
    while ladder.ends_s is not None and ladder.then is not None:
        own = _steps_before_end(ladder)
        if step < own:
            break
        step, start_s, ladder = step - own, start_s + ladder.ends_s, LADDERS[ladder.then]
    last = len(ladder.rungs) - 1
    rung = ladder.rungs[min(step, last)]
    beyond = max(step - last, 0)
    return Rung(start_s + rung.at_s + beyond * ladder.repeat_s, rung.slots, rung.channels)


def _steps_before_end(ladder: Ladder) -> int:
    last = ladder.rungs[-1].at_s
    if ladder.ends_s is None:
        return len(ladder.rungs)
    return len(ladder.rungs) + (ladder.ends_s - last - 1) // ladder.repeat_s


def after_raise(colour: str, raised_at: int) -> int:
    """When the rung after the first is due."""
    return raised_at + rung_at(colour, 1).at_s * SECOND


@dataclass(frozen=True, slots=True)
class Step:
    """What the ladder does now: which rung, when the next is due, and why it climbs."""

    step: int
    next_step_at: int
    why: str


def next_step(alert: Mapping[str, Any], now: int) -> Step:
    """The next step of an alert whose ``next_step_at`` has passed.

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
        reopen = _step_at(colour, REOPENS_AT_S)
        base = alert["acknowledged_at"] + (UNDECIDED_S - rung_at(colour, reopen).at_s) * SECOND
        step = step if alert["why"] == "undecided" else reopen
    while base + rung_at(colour, step + 1).at_s * SECOND <= now:
        step += 1
    at_s, next_s = rung_at(colour, step).at_s, rung_at(colour, step + 1).at_s
    next_step_at = min(base + next_s * SECOND, now + (next_s - at_s) * SECOND)
    return Step(step, next_step_at, "undecided" if undecided else "unanswered")


def _step_at(colour: str, at_s: int) -> int:
    step = 0
    while rung_at(colour, step).at_s < at_s:
        step += 1
    return step


# --- whom a rung calls -----------------------------------------------------------------------------------------------


def whom(
    rung: Rung, on_duty: Mapping[str, Sequence[Any]], coordinators: Sequence[Any]
) -> tuple[list[dict[str, Any]], list[str]]:
    """The people that a rung calls and the slots that have nobody.

    ``on_duty``: slot → people with ``id`` and ``name``. If none of the rung's slots has somebody, the next one of the
    longest ladder is called at once, at the last every coordinator.
    """
    gaps = [slot for slot in rung.slots if not on_duty.get(slot)]
    called = [_call(slot, person, rung) for slot in rung.slots for person in on_duty.get(slot, ())]
    if called:
        return called, gaps
    order = LADDERS[Colour.RED].rungs[-1].slots
    for slot in order[order.index(rung.slots[-1]) + 1 :]:
        if on_duty.get(slot):
            return [_call(slot, person, rung) for person in on_duty[slot]], gaps
    return [_call("coordinator", person, rung) for person in coordinators], gaps


def _call(slot: str, person: Any, rung: Rung) -> dict[str, Any]:
    return {"slot": slot, "person": {"id": person.id, "name": person.name}, "channels": list(rung.channels)}


# How often an alert has called; the number of the next call.
_CALLS = (
    select(func.count())
    .select_from(schema.ladder_step)
    .where(schema.ladder_step.c.county_id == bindparam("county"), schema.ladder_step.c.alert_id == bindparam("alert"))
)


def call_step(transaction: Transaction, place: Place, colour: str, step: int, why: str) -> list[dict[str, Any]]:
    """Write one rung: whom it calls, once; and ``roster.gap`` where a slot has nobody."""
    connection = transaction.connection
    on_duty = {slot.value: who for slot, who in rosters.on_duty(connection, place.county, transaction.now).items()}
    called, gaps = whom(rung_at(colour, step), on_duty, rosters.coordinators(connection, place.county))
    number = connection.execute(_CALLS, {"county": place.county, "alert": place.alert}).scalar_one()
    row = {"county_id": place.county, "alert_id": place.alert, "number": number, "step": step}
    connection.execute(insert(schema.ladder_step), {**row, "at": transaction.now, "called": called, "why": why})
    if gaps:
        data = {"exam": place.exam, "site": place.site, "alert": place.alert, "step": step, "slots": gaps}
        transaction.event(place.county, "roster.gap", data, site=place.site, case=place.case)
    return called


# --- the shell -------------------------------------------------------------------------------------------------------

# Every alert whose ladder goes on: by the wall clock alone one could lie far ahead that is due.
_PENDING = select(schema.alert.c.county_id, schema.alert.c.id, schema.alert.c.next_step_at).where(
    schema.alert.c.next_step_at.is_not(None)
)
_TAKE = (
    select(schema.alert)
    .where(
        schema.alert.c.county_id == bindparam("county"),
        schema.alert.c.id == bindparam("alert"),
        schema.alert.c.next_step_at == bindparam("deadline"),
    )
    .with_for_update(skip_locked=True)
)
_SITE_OF = select(schema.case.c.site_id).where(
    schema.case.c.county_id == bindparam("county"), schema.case.c.id == bindparam("case")
)


@dataclass(slots=True)
class Watch:
    """Which steps are due, by the wall clock or by the monotonic one (:class:`ledger.clock.Deadlines`).

    A step that lies further ahead than any was ever set, and that this process never saw nearer, is due too: the clock
    was set back while no server ran. Early by minutes is harmless, late by an hour is not.
    """

    deadlines: Deadlines
    _seen: frozenset[tuple[str, str, int]] = frozenset()

    def overdue(self, steps: Iterable[tuple[str, str, int]]) -> list[tuple[str, str, int]]:
        """Of (county, alert, next_step_at) those that are due."""
        pending = {step: step[2] for step in steps}
        due = self.deadlines.overdue(pending)
        until = self.deadlines.clock.now() + LONGEST_US
        far = {step for step, at in pending.items() if at > until and step not in self._seen}
        self._seen = frozenset(pending)
        return sorted(due | far)


def climb_due(ledger: Ledger, watch: Watch) -> int:
    """Climb every alert that is due, each in a commit of its own; how many climbed."""
    rows = ledger.read(lambda connection: [tuple(row) for row in connection.execute(_PENDING)])
    climbed = 0
    for county, alert, deadline in watch.overdue(rows):
        try:
            climbed += ledger.write(partial(climb, county=county, alert_id=alert, deadline=deadline))
        except Exception as error:  # noqa: BLE001 (it stays due; the others go on)
            log.error("ladder.failed", alert=alert, error=repr(error))
    return climbed


def climb(transaction: Transaction, county: str, alert_id: str, deadline: int) -> int:
    """One step of one alert, if nobody answered or climbed it meanwhile."""
    key = {"county": county, "alert": alert_id, "deadline": deadline}
    alert = transaction.connection.execute(_TAKE, key).mappings().one_or_none()
    if alert is None:
        return 0
    states.ALERT.move(alert["state"], "climb")
    step = next_step({**alert}, transaction.now)
    place = _place(transaction, alert)
    called = call_step(transaction, place, alert["colour"], step.step, step.why)
    row = update(schema.alert).where(schema.alert.c.county_id == county, schema.alert.c.id == alert_id)
    values = {"step": step.step, "next_step_at": step.next_step_at, "why": step.why}
    transaction.connection.execute(row.values(**values))
    data = {
        "exam": alert["exam_id"],
        "site": place.site,
        "alert": alert_id,
        "colour": alert["colour"],
        "step": step.step,
        "next_step_at": iso(step.next_step_at),
        "why": step.why,
        "called": [{"slot": call["slot"], "person": call["person"]} for call in called],
    }
    transaction.event(county, "alert.climbed", data, site=place.site, case=alert["case_id"])
    return 1


def _place(transaction: Transaction, alert: RowMapping) -> Place:
    key = {"county": alert["county_id"], "case": alert["case_id"]}
    site = transaction.connection.execute(_SITE_OF, key).scalar_one()
    return Place(alert["county_id"], alert["id"], alert["case_id"], alert["exam_id"], site)
