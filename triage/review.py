"""People's actions on a case: each is one commit, done once, and kept on record.

Every action is one row of ``states.CASE`` and one function of :mod:`triage.actions`; it carries the client's own id (a
repeat gets the first answer) and ``seen``, the number of the last event that was on the screen: what came after it and
matters to the action refuses it, with the case as it now is.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from county import again
from county.access import Action, Actor, Place, Role, has_role, may
from county.problem import Problem, not_found, not_permitted
from ledger import schema
from ledger.clock import iso
from ledger.database import Ledger, Transaction
from triage import states, views
from triage.actions import ACTIONS, RE_AUTHENTICATED
from triage.actions.common import Changed, Doing, Request, refused

__all__ = ["ACTIONS", "Request", "act", "open_case"]

_RACES = 3  # repeats after another server kept the same id first

_CASE = (
    select(schema.case)
    .where(schema.case.c.county_id == bindparam("county"), schema.case.c.id == bindparam("case"))
    .with_for_update()
)
_DONE = select(schema.action).where(
    schema.action.c.county_id == bindparam("county"),
    schema.action.c.actor == bindparam("who"),
    schema.action.c.key == bindparam("id"),
)
_KEEP = insert(schema.action)
_KEEP_ANSWER = update(schema.action).where(
    schema.action.c.county_id == bindparam("county"),
    schema.action.c.actor == bindparam("who"),
    schema.action.c.key == bindparam("id"),
)


async def act(ledger: Ledger, actor: Actor, request: Request) -> dict[str, Any]:
    """Do it and return the case; a repeat with the same id returns the first answer.

    :class:`county.problem.Problem`: 404 unseen or unknown, 403 role, 409 with ``legal``, 422 what is missing.
    """
    if request.action in RE_AUTHENTICATED:
        right = _permitted(actor, request.action)
        if not await ledger.aread(lambda connection: views.is_there(connection, actor, right, request.case)):
            raise not_found()
        await again.authenticate(ledger, actor, request.password)
    try:
        first = await _committed(ledger, actor, request)
    except Changed as changed:
        now = await ledger.aread(lambda connection: views.case(connection, actor, request.case, ledger.clock.now()))
        zh, en = "这个病例有了新的情况，请看过再操作。", "The case has changed since: look at it, then decide."
        raise refused(changed.legal, zh, en, case=now) from None
    if first is not None:
        return first
    answer = await ledger.aread(lambda connection: views.case(connection, actor, request.case, ledger.clock.now()))
    if answer is None:
        raise not_found()
    if request.id is None:
        return answer
    return await ledger.awrite(lambda transaction: _kept(transaction, actor, request, answer))


async def _committed(ledger: Ledger, actor: Actor, request: Request) -> dict[str, Any] | None:
    for _ in range(_RACES):
        try:
            return await ledger.awrite(lambda transaction: _act(transaction, actor, request))
        except IntegrityError:  # another server has just kept this id: now it is there to be found
            continue
    return await ledger.awrite(lambda transaction: _act(transaction, actor, request))


def _act(transaction: Transaction, actor: Actor, request: Request) -> dict[str, Any] | None:
    """The change itself; the first answer if it was done before."""
    perform = ACTIONS.get(request.action)
    if perform is None:
        raise Problem(422, "unknown-action", f"没有这个操作：{request.action}", f"There is no action {request.action}")
    case = _locked(transaction, actor, request)
    if request.id is not None:  # asked with the case locked: of two at once, the second finds the first
        done = transaction.connection.execute(_DONE, _key(actor, request)).one_or_none()
        if done is not None:
            return _first_answer(done, request)
        kept = {"county_id": actor.county, "actor": actor.id, "key": request.id, "at": transaction.now}
        transaction.connection.execute(_KEEP, {**kept, "what": _what(request), "answer": {}})
    perform(Doing(transaction, actor, request, case))
    transaction.audit(
        actor.county,
        actor.id,
        f"case.{request.action}",
        f"case/{case.id}",
        reason=request.reason,
        detail=_detail(request),
    )
    return None


def _detail(request: Request) -> dict[str, Any]:
    """What the audit keeps beside action and reason: what was asked, and never a password or what a message says."""
    said = {"seen": request.seen, "colour": request.colour, "upgrade": request.upgrade}
    more = {"electrodes": list(request.electrodes), "message": request.message}
    return said | {name: value for name, value in more.items() if value}


def _kept(transaction: Transaction, actor: Actor, request: Request, answer: dict[str, Any]) -> dict[str, Any]:
    """Keep the answer unless one was kept; the one that counts."""
    done = transaction.connection.execute(_DONE.with_for_update(), _key(actor, request)).one()
    if done.answer:
        return done.answer
    transaction.connection.execute(_KEEP_ANSWER.values(answer=answer), _key(actor, request))
    return answer


def _key(actor: Actor, request: Request) -> dict[str, Any]:
    return {"county": actor.county, "who": actor.id, "id": request.id}


def _what(request: Request) -> str:
    return f"{request.action} {request.case}"


def _first_answer(done: Row[Any], request: Request) -> dict[str, Any] | None:
    if done.what != _what(request):
        raise Problem(422, "id-used", "这个操作编号已用于另一操作。", "This id was used for another action.")
    return done.answer or None  # committed, but the answer was never sent: the case as it is now


def _locked(transaction: Transaction, actor: Actor, request: Request) -> Row[Any]:
    right = _permitted(actor, request.action)
    case = transaction.connection.execute(_CASE, {"county": actor.county, "case": request.case}).one_or_none()
    if case is None or not may(actor, right, Place(actor.county, case.site_id)):
        raise not_found()
    return case


def _permitted(actor: Actor, action: str) -> Action:
    """The right that the action needs; 403 if the role has it nowhere."""
    right = next(move.who for move in states.CASE.moves if move.action == action and move.who is not None)
    if not has_role(actor, right):
        raise not_permitted()
    return right


# --- looking ---------------------------------------------------------------------------------------------------------


async def open_case(ledger: Ledger, actor: Actor, case_id: str) -> dict[str, Any]:
    """The case as this actor sees it; the read is on record before the answer leaves, and a cardiologist's is
    *seen*.
    """

    def opened(transaction: Transaction) -> bool:
        case = transaction.connection.execute(_CASE, {"county": actor.county, "case": case_id}).one_or_none()
        if case is None or not may(actor, Action.SEE_CASES, Place(actor.county, case.site_id)):
            return False
        transaction.audit(actor.county, actor.id, "case.read", f"case/{case_id}")
        if actor.role is Role.CARDIOLOGIST and case.seen_at is None:
            doing = Doing(transaction, actor, Request("read", case_id, 0), case)
            doing.change(seen_at=transaction.now, seen_by=actor.id)
            doing.tell("case.changed", seen_at=iso(transaction.now), seen_by=doing.by)
        return True

    if not await ledger.awrite(opened):
        raise not_found()
    found = await ledger.aread(lambda connection: views.case(connection, actor, case_id, ledger.clock.now()))
    if found is None:
        raise not_found()
    return found
