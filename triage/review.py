"""What humans do with a case: acknowledge, confirm, downgrade, stand down, read back.

Every action is one row of ``states.CASE`` and one commit; it carries the client's own id (a repeat gets the first
answer) and ``seen``, the number of the last event that was on the screen: an acknowledgement covers only alerts up to
it, a decision on a case that has changed since is refused with the case as it now is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from county.access import Action, Actor, Place, Role, has_role, may
from county.problem import Problem, not_found, not_permitted
from ledger import events, schema
from ledger.clock import SECOND, iso
from ledger.database import Ledger, Transaction
from triage import states, views
from triage.cases import UNNUMBERED, decided_alerts
from triage.escalation import UNDECIDED_S
from triage.rating import RANK, VILLAGE, Colour

STAND_DOWN_REASONS: dict[str, tuple[str, str]] = {
    "artefact": ("伪差或干扰", "artefact"),
    "lead_reversal": ("导联接反", "electrodes reversed"),
    "known_unchanged": ("已知，与旧图相同", "known, unchanged from an earlier ECG"),
    "early_repolarisation": ("早期复极", "early repolarisation"),
    "old_infarction": ("陈旧性改变", "old infarction"),
    "other": ("其他", "other"),
}

_AGAIN = {"zh": "请处理好电极后马上重做一次", "en": "Mend the electrodes and record again at once"}
_WATCH = VILLAGE[Colour.YELLOW]["action"]
_NOTHING_NEW = {"zh": "心电图有旧的改变，未见新的急性改变", "en": "The ECG shows an old change and no new acute one"}
_NOT_JUDGED = {"zh": "这张图不能用来判断", "en": "This tracing cannot be judged"}
# What a stood-down case tells the village where "nothing abnormal" would be untrue (CLINICAL.md §5.6, §6): a tracing
# that cannot be judged, and a change that is there but old, are YELLOW; the others GREEN.
_STOOD_DOWN: dict[str | None, tuple[Colour, dict[str, dict[str, str]]]] = {
    "artefact": (Colour.YELLOW, {"answer": _NOT_JUDGED, "action": _AGAIN}),
    "lead_reversal": (Colour.YELLOW, {"answer": _NOT_JUDGED, "action": _AGAIN}),
    "known_unchanged": (Colour.YELLOW, {"answer": _NOTHING_NEW, "action": _WATCH}),
    "old_infarction": (Colour.YELLOW, {"answer": _NOTHING_NEW, "action": _WATCH}),
}

_RACES = 3  # repeats after another server kept the same id first

_MATTERS = frozenset({"case.opened", "alert.raised", "exam.analysed"})


@dataclass(frozen=True, slots=True)
class Request:
    """One action of a person: what, on which case, what was on the screen, and the client's own id for it."""

    action: str
    case: str
    seen: int
    id: str | None = None
    colour: str | None = None
    """Of a downgrade: the less urgent colour."""
    upgrade: str | None = None
    """Of a confirmation: the more urgent colour that the doctor sees."""
    reason: str | None = None
    note: str | None = None


_CASE = (
    select(schema.case)
    .where(schema.case.c.county_id == bindparam("county"), schema.case.c.id == bindparam("case"))
    .with_for_update()
)
_UPDATE = update(schema.case).where(
    schema.case.c.county_id == bindparam("county"), schema.case.c.id == bindparam("which")
)
_UPDATE_ALERT = update(schema.alert).where(
    schema.alert.c.county_id == bindparam("county"), schema.alert.c.id == bindparam("which")
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


class _Changed(Exception):
    """The case has changed since what was on the screen; ``legal``: what would be possible now."""

    def __init__(self, legal: list[str]) -> None:
        self.legal = legal
        super().__init__("changed since")


async def act(ledger: Ledger, actor: Actor, request: Request) -> dict[str, Any]:
    """Do it and return the case; a repeat with the same id returns the first answer.

    :class:`county.problem.Problem`: 404 unseen or unknown, 403 role, 409 with ``legal``, 422 what is missing.
    """
    try:
        first = await _committed(ledger, actor, request)
    except _Changed as changed:
        now = await ledger.aread(lambda connection: views.case(connection, actor, request.case))
        zh, en = "这个病例有了新的情况，请看过再操作。", "The case has changed since: look at it, then decide."
        raise refused(changed.legal, zh, en, case=now) from None
    if first is not None:
        return first
    answer = await ledger.aread(lambda connection: views.case(connection, actor, request.case))
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
    perform(transaction, actor, request, case)
    transaction.audit(
        actor.county,
        actor.id,
        f"case.{request.action}",
        f"case/{case.id}",
        reason=request.reason,
        detail={"seen": request.seen, "colour": request.colour, "upgrade": request.upgrade},
    )
    return None


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
    right = _right(request.action)
    if not has_role(actor, right):
        raise not_permitted()
    case = transaction.connection.execute(_CASE, {"county": actor.county, "case": request.case}).one_or_none()
    if case is None or not may(actor, right, Place(actor.county, case.site_id)):
        raise not_found()
    return case


def _right(action: str) -> Action:
    return next(move.who for move in states.CASE.moves if move.action == action and move.who is not None)


def _moved(case: Row[Any], actor: Actor, action: str) -> states.Case:
    try:
        return states.Case(states.CASE.move(case.state, action).target)
    except states.Illegal:
        legal = states.CASE.legal_for(case.state, actor, Place(case.county_id, case.site_id))
        raise refused(
            legal, "这个病例现在不能这样操作。", "This is not possible in the case's present state."
        ) from None


def refused(legal: list[str], zh: str, en: str, **more: Any) -> Problem:
    """409, with what would be legal."""
    return Problem(409, "not-legal-now", zh, en, legal=legal, **more)


def _changed(case: Row[Any], actor: Actor) -> _Changed:
    return _Changed(states.CASE.legal_for(case.state, actor, Place(case.county_id, case.site_id)))


# --- the actions -----------------------------------------------------------------------------------------------------


def _acknowledge(transaction: Transaction, actor: Actor, request: Request, case: Row[Any]) -> None:
    target = _moved(case, actor, "acknowledge")
    covered = [
        alert for alert in decided_alerts(transaction, case.county_id, case.id) if alert.state == states.Alert.RAISED
    ]
    # an alert without a number is of this very batch: nobody has seen it
    if any(alert.seq is None or alert.seq > request.seen for alert in covered):
        raise _changed(case, actor)
    values = {"state": target, "owner_id": actor.id, "owner_at": transaction.now, "acknowledged_at": transaction.now}
    if actor.role is Role.CARDIOLOGIST and case.seen_at is None:
        values |= {"seen_at": transaction.now, "seen_by": actor.id}
    _change(transaction, case, values)
    owner = {"id": actor.id, "name": actor.name}
    data = {"exam": case.exam_id, "site": case.site_id, "owner": owner, "at": iso(transaction.now)}
    for alert in covered:
        _acknowledge_alert(transaction, actor, alert)
        transaction.event(
            case.county_id,
            "alert.acknowledged",
            {
                **data,
                "alert": alert.id,
                "colour": alert.colour,
                "seconds": (transaction.now - alert.raised_at) / SECOND,
            },
            site=case.site_id,
            case=case.id,
        )
    if not covered:
        transaction.event(case.county_id, "case.changed", {**data, "state": target}, site=case.site_id, case=case.id)


def _acknowledge_alert(transaction: Transaction, actor: Actor, alert: Row[Any]) -> None:
    target = states.ALERT.move(alert.state, "acknowledge").target
    # no decision for 420 s: the ladder goes on as if at its rung of 120 s
    next_step_at = transaction.now + UNDECIDED_S * SECOND
    values = {"state": target, "acknowledged_at": transaction.now, "acknowledged_by": actor.id}
    key = {"county": alert.county_id, "which": alert.id}
    transaction.connection.execute(_UPDATE_ALERT.values(**values, next_step_at=next_step_at), key)


def _confirm(transaction: Transaction, actor: Actor, request: Request, case: Row[Any]) -> None:
    """The case's colour, or a more urgent one that the cardiologist sees; an unread tracing may be given any."""
    _as_seen(transaction, actor, request, case)
    own = Colour(case.colour) if case.colour else None
    target = next((colour for colour in Colour if colour == request.upgrade), None)
    if request.upgrade is not None and (target is None or (own is not None and RANK[target] > RANK[own])):
        known = [colour.value for colour in Colour if own is None or RANK[colour] <= RANK[own]]
        zh = f"确认可用的颜色：{'、'.join(known)}；更低的请用降级"
        en = f"To confirm, the colour is one of {', '.join(known)}; a less urgent one is a downgrade"
        raise Problem(422, "colour-needed", zh, en, colours=known)
    _decide(transaction, actor, request, case, target or own or Colour.YELLOW)


def _downgrade(transaction: Transaction, actor: Actor, request: Request, case: Row[Any]) -> None:
    _moved(case, actor, request.action)
    target = next((colour for colour in Colour if colour == request.colour), None)
    if target is None or RANK[target] <= case.rank:
        lower = [colour.value for colour in Colour if RANK[colour] > case.rank]
        zh = f"降级需要更低的颜色：{'、'.join(lower) or '没有'}"
        raise Problem(
            422, "colour-needed", zh, f"A less urgent colour is needed: {', '.join(lower) or 'none'}", colours=lower
        )
    _needs_reason(request)
    _decide(transaction, actor, request, case, target)


def _stand_down(transaction: Transaction, actor: Actor, request: Request, case: Row[Any]) -> None:
    _moved(case, actor, request.action)
    _needs_reason(request)
    colour, words = _STOOD_DOWN.get(request.reason, (Colour.GREEN, VILLAGE[Colour.GREEN]))
    _decide(transaction, actor, request, case, colour, words)


def _needs_reason(request: Request) -> None:
    if request.reason not in STAND_DOWN_REASONS:
        known = ", ".join(STAND_DOWN_REASONS)
        raise Problem(
            422,
            "reason-needed",
            f"需要原因代码：{known}",
            f"A reason code is needed: {known}",
            reasons=list(STAND_DOWN_REASONS),
        )


def _as_seen(transaction: Transaction, actor: Actor, request: Request, case: Row[Any]) -> states.Case:
    """The state that the action leads to, unless the case has changed since it was on the screen."""
    target = _moved(case, actor, request.action)
    if _matters_since(transaction, case, request.seen):
        raise _changed(case, actor)
    return target


def _decide(
    transaction: Transaction,
    actor: Actor,
    request: Request,
    case: Row[Any],
    colour: Colour,
    words: dict[str, dict[str, str]] | None = None,
) -> None:
    target = _as_seen(transaction, actor, request, case)
    values: dict[str, Any] = {
        "state": target,
        "answer": _answer(request, colour, words or VILLAGE[colour]),
        "answered_at": transaction.now,
        "answered_by": actor.id,
        "closed_at": transaction.now,
        "read_back_at": None,
    }
    if case.owner_id is None:
        values |= {"owner_id": actor.id, "owner_at": transaction.now}
    if case.acknowledged_at is None:
        values["acknowledged_at"] = transaction.now
    if case.seen_at is None:
        values |= {"seen_at": transaction.now, "seen_by": actor.id}
    _change(transaction, case, values)
    for alert in decided_alerts(transaction, case.county_id, case.id):
        _decide_alert(transaction, actor, alert)
    data = {"exam": case.exam_id, "site": case.site_id, "state": target, "colour": colour, "decision": request.action}
    by = {"id": actor.id, "name": actor.name}
    transaction.event(
        case.county_id,
        "case.changed",
        {**data, "reason_code": request.reason, "by": by, "at": iso(transaction.now)},
        site=case.site_id,
        case=case.id,
    )


def _matters_since(transaction: Transaction, case: Row[Any], seen: int) -> bool:
    """Whether a newer exam or a raised colour came after ``seen``; a climbed ladder or another's look does not
    matter. A change in this very batch has no number yet: it may matter.
    """
    if case.seq == UNNUMBERED:
        return True
    if case.seq <= seen:
        return False
    newer = events.of_case(transaction.connection, case.county_id, case.id, after=seen)
    return any(event["kind"] in _MATTERS or "rated" in event["data"] for event in newer)


def _answer(request: Request, colour: Colour, words: dict[str, dict[str, str]]) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "colour": colour,
        **words["answer"],
        "action": words["action"],
        "decision": request.action,
    }
    if request.reason is not None:
        zh, en = STAND_DOWN_REASONS[request.reason]
        answer["reason"] = {"code": request.reason, "zh": zh, "en": en}
    if request.note:
        answer["note"] = request.note[:500]
    return answer


def _decide_alert(transaction: Transaction, actor: Actor, alert: Row[Any]) -> None:
    target = states.ALERT.move(alert.state, "decide").target
    values: dict[str, Any] = {"state": target, "next_step_at": None}
    if alert.acknowledged_at is None:
        values |= {"acknowledged_at": transaction.now, "acknowledged_by": actor.id}
    transaction.connection.execute(_UPDATE_ALERT.values(**values), {"county": alert.county_id, "which": alert.id})


def _read_back(transaction: Transaction, actor: Actor, request: Request, case: Row[Any]) -> None:
    _moved(case, actor, "read-back")
    if case.read_back_at is not None:
        raise refused([], "已经回读过。", "It was read back before.")
    if _answered_since(transaction, case, request.seen):
        raise _changed(case, actor)
    _change(transaction, case, {"read_back_at": transaction.now})
    data = {"exam": case.exam_id, "site": case.site_id, "at": iso(transaction.now)}
    transaction.event(case.county_id, "message.read_back", data, site=case.site_id, case=case.id)


def _answered_since(transaction: Transaction, case: Row[Any], seen: int) -> bool:
    """Whether the answer came after ``seen``: one reads back only what was on the screen."""
    if case.seq == UNNUMBERED:
        return True
    newer = events.of_case(transaction.connection, case.county_id, case.id, after=seen) if case.seq > seen else []
    return any("decision" in event["data"] for event in newer)


def _change(transaction: Transaction, case: Row[Any], values: dict[str, Any]) -> None:
    """Every change of a case comes with an event, which gets its number at the end of the batch."""
    key = {"county": case.county_id, "which": case.id}
    transaction.connection.execute(_UPDATE.values(**values, seq=UNNUMBERED), key)


ACTIONS: dict[str, Callable[[Transaction, Actor, Request, Row[Any]], None]] = {
    "acknowledge": _acknowledge,
    "confirm": _confirm,
    "downgrade": _downgrade,
    "stand-down": _stand_down,
    "read-back": _read_back,
}


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
            _change(transaction, case, {"seen_at": transaction.now, "seen_by": actor.id})
            by = {"id": actor.id, "name": actor.name}
            data = {"exam": case.exam_id, "site": case.site_id, "seen_at": iso(transaction.now), "seen_by": by}
            transaction.event(case.county_id, "case.changed", data, site=case.site_id, case=case.id)
        return True

    if not await ledger.awrite(opened):
        raise not_found()
    found = await ledger.aread(lambda connection: views.case(connection, actor, case_id))
    if found is None:
        raise not_found()
    return found
