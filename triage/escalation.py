"""The ladder on the ledger: an alert that nobody answers climbs until somebody does (CLINICAL.md §5.7).

What a rung is and when it is due is said by :mod:`triage.policies` and :mod:`triage.ladder`; here is the thin shell.
:func:`climb_due` takes alerts whose ``next_step_at`` has passed. Each rung is one row, one event and its deliveries, in
one commit, so that a crash neither loses nor doubles it. A rung with nobody on the roster is passed at once to the next
that has somebody, at the last to every coordinator, and ``roster.gap`` is raised; the rungs after it keep their times.
An acknowledgement without a decision for 420 s goes on at the rung of 120 s. Where nobody whom a rung called can be
reached, the next is taken at once (:func:`hurry`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, RowMapping, bindparam, func, insert, select, update

from county import duty, rosters
from ledger import schema
from ledger.clock import Deadlines, iso
from ledger.database import Ledger, Transaction
from triage import ladder, orders, paging, policies, states
from triage.ladder import LONGEST_US, UNDECIDED_S, after_raise
from triage.orders import Order
from triage.policies import Policy

__all__ = ["LONGEST_US", "UNDECIDED_S", "Place", "Watch", "after_raise", "call_step", "climb", "climb_due", "hurry"]

log = structlog.get_logger("escalation")


# CLINICAL.md §5.7, 300 s: what the village is told while everybody on the list is being called
VILLAGE_ALONE = {
    "zh": "尚未接通，请立即拨打120并转运。",
    "en": "Nobody has answered yet: ring 120 now and take the patient to hospital.",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Which alert of which case, exam and site."""

    county: str
    alert: str
    case: str
    exam: str
    site: str


# How often an alert has called; the number of the next call.
_CALLS = (
    select(func.count())
    .select_from(schema.ladder_step)
    .where(schema.ladder_step.c.county_id == bindparam("county"), schema.ladder_step.c.alert_id == bindparam("alert"))
)


# What a page says of an alert: the tracing's reason, the clinic, and the patient where names may be sent.
_PAGE = (
    select(
        schema.alert.c.colour,
        schema.alert.c.reason,
        schema.alert.c.drill,
        schema.alert.c.acknowledged_at,
        schema.site.c.name,
        schema.site.c.township,
        schema.site.c.phone,
        schema.patient.c.name.label("patient"),
    )
    .select_from(
        schema.alert.join(
            schema.case,
            (schema.case.c.county_id == schema.alert.c.county_id) & (schema.case.c.id == schema.alert.c.case_id),
        )
        .join(
            schema.site,
            (schema.site.c.county_id == schema.case.c.county_id) & (schema.site.c.id == schema.case.c.site_id),
        )
        .outerjoin(
            schema.patient,
            (schema.patient.c.county_id == schema.case.c.county_id) & (schema.patient.c.id == schema.case.c.patient_id),
        )
    )
    .where(schema.alert.c.county_id == bindparam("county"), schema.alert.c.id == bindparam("alert"))
)


def call_step(transaction: Transaction, place: Place, colour: str, step: int, why: str) -> list[dict[str, Any]]:
    """Write one rung: whom it calls, once, with the deliveries to them; ``roster.gap`` where a slot has nobody."""
    connection = transaction.connection
    policy = policies.of(connection, place.county, transaction.now)
    rung = ladder.rung_at(colour, step, policy)
    on_duty = {slot.value: who for slot, who in rosters.on_duty(connection, place.county, transaction.now).items()}
    called, gaps = ladder.whom(rung, on_duty, rosters.coordinators(connection, place.county), policy)
    number = connection.execute(_CALLS, {"county": place.county, "alert": place.alert}).scalar_one()
    row = {"county_id": place.county, "alert_id": place.alert, "number": number, "step": step}
    connection.execute(insert(schema.ladder_step), {**row, "at": transaction.now, "called": called, "why": why})
    orders.put_call(transaction, _order(connection, place, policy, number), called, rung.channels)
    if gaps:
        data = {"exam": place.exam, "site": place.site, "alert": place.alert, "step": step, "slots": gaps}
        transaction.event(place.county, "roster.gap", data, site=place.site, case=place.case)
    return called


def _order(connection: Connection, place: Place, policy: Policy, number: int) -> Order:
    row = connection.execute(_PAGE, {"county": place.county, "alert": place.alert}).one()
    page = paging.Page(
        colour=row.colour,
        site=row.name,
        township=row.township,
        phone=row.phone,
        reason=row.reason,
        call=number + 1,
        undecided=row.acknowledged_at is not None,
        drill=row.drill,
        patient=row.patient if policy.names_in_messages else None,
    )
    words = paging.of_alert(page, policy.language)
    what = f"alert/{place.alert}/{number}"
    return Order(place.county, what, words, place.alert, place.case, place.site, row.drill)


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
    _climb(transaction, alert)
    return 1


def _climb(transaction: Transaction, alert: RowMapping, why: str | None = None) -> None:
    """The next rung of a locked alert: call it, set when the one after is due, say so."""
    county, alert_id = alert["county_id"], alert["id"]
    policy = policies.of(transaction.connection, county, transaction.now)
    step = ladder.next_step({**alert}, transaction.now, policy)
    place = _place(transaction, alert)
    called = call_step(transaction, place, alert["colour"], step.step, why or step.why)
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
        "why": why or step.why,
        "policy": policy.version,
        "called": [{"slot": call["slot"], "person": call["person"]} for call in called],
    }
    if ladder.tells_village(alert["colour"], step.step, policy):
        data["village"] = VILLAGE_ALONE
    if alert["drill"]:
        data["drill"] = True
    transaction.event(county, "alert.climbed", data, site=place.site, case=alert["case_id"])


def _place(transaction: Transaction, alert: RowMapping) -> Place:
    key = {"county": alert["county_id"], "case": alert["case_id"]}
    site = transaction.connection.execute(_SITE_OF, key).scalar_one()
    return Place(alert["county_id"], alert["id"], alert["case_id"], alert["exam_id"], site)


# --- nobody can be reached: the next rung at once ---------------------------------------------------------------------

# An alert that nobody has answered, locked.
_RAISED = (
    select(schema.alert)
    .where(
        schema.alert.c.county_id == bindparam("county"),
        schema.alert.c.id == bindparam("alert"),
        schema.alert.c.next_step_at.is_not(None),
    )
    .with_for_update()
)
# Whom its last call called.
_LAST_CALL = (
    select(schema.ladder_step.c.number, schema.ladder_step.c.called)
    .where(schema.ladder_step.c.county_id == bindparam("county"), schema.ladder_step.c.alert_id == bindparam("alert"))
    .order_by(schema.ladder_step.c.number.desc())
    .limit(1)
)
# Messages of one call that may still reach somebody: on their way, or with the channel. A push is a screen, not a ring.
_ON_THEIR_WAY = select(func.count()).where(
    schema.delivery.c.county_id == bindparam("county"),
    schema.delivery.c.alert_id == bindparam("alert"),
    schema.delivery.c.key.like(bindparam("what")),
    schema.delivery.c.channel.in_(["sms", "call", "conference"]),
    schema.delivery.c.state.in_(
        [states.Delivery.WAITING.value, states.Delivery.TRIED.value, states.Delivery.DELIVERED.value]
    ),
)


def hurry(transaction: Transaction, county: str, alert_id: str) -> int:
    """Climb at once if nobody whom the last rung called can be reached; 0 if somebody can, or there is nobody more.

    Reached is who has a living feed, or a message on its way. An alert that was acknowledged is not hurried, nor one
    that has called everybody on the list.
    """
    key = {"county": county, "alert": alert_id}
    alert = transaction.connection.execute(_RAISED, key).mappings().one_or_none()
    if alert is None or alert["state"] != states.Alert.RAISED:
        return 0
    policy = policies.of(transaction.connection, county, transaction.now)
    if alert["step"] >= ladder.steps_until_repeat(alert["colour"], policy):
        return 0
    last = transaction.connection.execute(_LAST_CALL, key).one()
    if _is_reached(transaction, key, last.number, [call["person"]["id"] for call in last.called]):
        return 0
    _climb(transaction, alert, "unreachable")
    return 1


def hurry_unreached(transaction: Transaction, county: str, alert_id: str, what: str) -> int:
    """:func:`hurry`, asked by a delivery of the call ``what`` that failed; 0 if the ladder has called again since."""
    last = transaction.connection.execute(_LAST_CALL, {"county": county, "alert": alert_id}).one()
    return hurry(transaction, county, alert_id) if what == f"alert/{alert_id}/{last.number}" else 0


def _is_reached(transaction: Transaction, key: dict[str, str], number: int, people: list[str]) -> bool:
    if duty.on_feed(transaction.connection, key["county"], people, transaction.now):
        return True
    what = f"alert/{key['alert']}/{number}:%"  # an id holds neither % nor _
    return transaction.connection.execute(_ON_THEIR_WAY, {**key, "what": what}).scalar_one() > 0
