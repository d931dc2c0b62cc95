"""HTTP of an escalation: every call of a case's alerts, and what became of each message; never an address."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import Connection, bindparam, select

from county.access import Action, Actor, Place, may
from county.http import CurrentActor, CurrentLedger, permit
from county.problem import not_found, problems
from ledger import schema
from ledger.clock import iso
from triage.requests import known_form

router = APIRouter(tags=["desk"])

_A, _L, _D, _P = schema.alert.c, schema.ladder_step.c, schema.delivery.c, schema.person.c
_SITE = select(schema.case.c.site_id).where(
    schema.case.c.county_id == bindparam("county"), schema.case.c.id == bindparam("case")
)
_ALERTS = (
    select(schema.alert)
    .where(_A.county_id == bindparam("county"), _A.case_id == bindparam("case"))
    .order_by(_A.raised_at, _A.id)
)
# The calls of a case's alerts, in order.
_CALLS = (
    select(schema.ladder_step)
    .join(schema.alert, (_A.county_id == _L.county_id) & (_A.id == _L.alert_id))
    .where(_A.county_id == bindparam("county"), _A.case_id == bindparam("case"))
    .order_by(_L.alert_id, _L.number)
)
# The messages of a case, with the name of whom they reached.
_SENT = (
    select(schema.delivery, _P.name.label("person_name"))
    .join(schema.alert, (_A.county_id == _D.county_id) & (_A.id == _D.alert_id))
    .outerjoin(schema.person, (_P.county_id == _D.county_id) & (_P.id == _D.person_id))
    .where(_A.county_id == bindparam("county"), _A.case_id == bindparam("case"))
    .order_by(_D.created_at, _D.id)
)


class MessageDocument(BaseModel):
    """One message of a call; ``person`` is null for a group's."""

    person: dict[str, str] | None
    channel: str
    state: str
    tried_at: str | None
    delivered_at: str | None
    seen_at: str | None
    receipt: str | None
    problem: str | None


class CallDocument(BaseModel):
    """One rung as it was called: whom, by what, why."""

    number: int
    step: int
    at: str
    why: str
    called: list[dict[str, Any]]
    messages: list[MessageDocument]


class LadderDocument(BaseModel):
    """One alert's escalation; ``next_step_at``: null once it has ended."""

    alert: str
    colour: str
    state: str
    raised_at: str
    next_step_at: str | None
    stopped_at: str | None
    stop_reason: str | None
    drill: bool
    calls: list[CallDocument]


class LaddersDocument(BaseModel):
    """The alerts of a case, the oldest first."""

    items: list[LadderDocument] = Field(default_factory=list[LadderDocument])


@router.get("/v1/cases/{case}/ladder", dependencies=[permit(Action.SEE_CASES)], responses=problems(401, 403, 404, 503))
async def ladder(case: str, actor: CurrentActor, ledger: CurrentLedger) -> LaddersDocument:
    """Who was called when, by what, and whether it went through."""
    which = known_form(case)
    found = await ledger.aread(lambda connection: ladders(connection, actor, which))
    if found is None:
        raise not_found()
    return found


def ladders(connection: Connection, actor: Actor, case: str) -> LaddersDocument | None:
    """The escalations of a case that the actor may see."""
    key = {"county": actor.county, "case": case}
    site = connection.execute(_SITE, key).scalar_one_or_none()
    if site is None or not may(actor, Action.SEE_CASES, Place(actor.county, site)):
        return None
    sent: dict[str, list[MessageDocument]] = {}
    for row in connection.execute(_SENT, key):
        sent.setdefault(row.key.rpartition(":")[0], []).append(_message(row))
    calls: dict[str, list[CallDocument]] = {}
    for row in connection.execute(_CALLS, key):
        calls.setdefault(row.alert_id, []).append(_call(row, sent.get(f"alert/{row.alert_id}/{row.number}", [])))
    return LaddersDocument(items=[_ladder(row, calls.get(row.id, [])) for row in connection.execute(_ALERTS, key)])


def _ladder(row: Any, calls: list[CallDocument]) -> LadderDocument:
    return LadderDocument(
        alert=row.id,
        colour=row.colour,
        state=row.state,
        raised_at=iso(row.raised_at) or "",
        next_step_at=iso(row.next_step_at),
        stopped_at=iso(row.stopped_at),
        stop_reason=row.stop_reason,
        drill=row.drill,
        calls=calls,
    )


def _call(row: Any, messages: list[MessageDocument]) -> CallDocument:
    return CallDocument(
        number=row.number, step=row.step, at=iso(row.at) or "", why=row.why, called=row.called, messages=messages
    )


def _message(row: Any) -> MessageDocument:
    return MessageDocument(
        person=None if row.person_id is None else {"id": row.person_id, "name": row.person_name or ""},
        channel=row.channel,
        state=row.state,
        tried_at=iso(row.tried_at),
        delivered_at=iso(row.delivered_at),
        seen_at=iso(row.seen_at),
        receipt=row.receipt,
        problem=row.problem,
    )
