"""Deciding: a cardiologist confirms, downgrades or stands down, and the village has its answer in the same commit."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from county.problem import Problem
from triage import states, wrong_patient
from triage.actions.common import UPDATE_ALERT, Doing, owned, rated
from triage.rating import RANK, VILLAGE, Colour

REASONS: dict[str, tuple[str, str]] = {
    "artefact": ("伪差或干扰", "artefact"),
    "lead_reversal": ("导联接反", "electrodes reversed"),
    "known_unchanged": ("已知，与旧图相同", "known, unchanged from an earlier ECG"),
    "early_repolarisation": ("早期复极", "early repolarisation"),
    "old_infarction": ("陈旧性改变", "old infarction"),
    "wrong_patient": ("图不是这位病人的", "another patient's tracing"),
    "other": ("其他", "other"),
}

_AGAIN = {"zh": "请处理好电极后马上重做一次", "en": "Mend the electrodes and record again at once"}
_WHO = {"zh": "请核对病人后马上重做一次", "en": "Check who the patient is and record again at once"}
_WATCH = VILLAGE[Colour.YELLOW]["action"]
_NOTHING_NEW = {"zh": "心电图有旧的改变，未见新的急性改变", "en": "The ECG shows an old change and no new acute one"}
_NOT_JUDGED = {"zh": "这张图不能用来判断", "en": "This tracing cannot be judged"}
_NOT_THEIRS = {"zh": "这张图不是这位病人的，不能用来判断", "en": "This tracing is another patient's: it says nothing"}

Words = dict[str, dict[str, str]]

# What a stood-down case tells the village where "nothing abnormal" would be untrue (CLINICAL.md §5.6, §6): a tracing
# that cannot be judged, and a change that is there but old, are YELLOW; the others GREEN.
_STOOD_DOWN: dict[str | None, tuple[Colour, Words]] = {
    "artefact": (Colour.YELLOW, {"answer": _NOT_JUDGED, "action": _AGAIN}),
    "lead_reversal": (Colour.YELLOW, {"answer": _NOT_JUDGED, "action": _AGAIN}),
    "known_unchanged": (Colour.YELLOW, {"answer": _NOTHING_NEW, "action": _WATCH}),
    "old_infarction": (Colour.YELLOW, {"answer": _NOTHING_NEW, "action": _WATCH}),
    wrong_patient.REASON: (Colour.YELLOW, {"answer": _NOT_THEIRS, "action": _WHO}),
}


def confirm(doing: Doing) -> None:
    """The case's colour, or a more urgent one that the cardiologist sees; an unread tracing may be given any."""
    doing.moved()
    not_held(doing)
    doing.must_have_seen(rated, owned)
    decide(doing, confirmed_colour(doing))


def confirmed_colour(doing: Doing) -> Colour:
    """The colour that is confirmed: the case's own, or ``upgrade`` if that is more urgent."""
    case, request = doing.case, doing.request
    own = Colour(case.colour) if case.colour else None
    target = next((colour for colour in Colour if colour == request.upgrade), None)
    if request.upgrade is not None and (target is None or (own is not None and RANK[target] > RANK[own])):
        known = [colour.value for colour in Colour if own is None or RANK[colour] <= RANK[own]]
        zh = f"确认可用的颜色：{'、'.join(known)}；更低的请用降级"
        en = f"To confirm, the colour is one of {', '.join(known)}; a less urgent one is a downgrade"
        raise Problem(422, "colour-needed", zh, en, colours=known)
    return target or own or Colour.YELLOW


def downgrade(doing: Doing) -> None:
    """A less urgent colour, with a coded reason."""
    doing.moved()
    not_held(doing)
    case = doing.case
    target = next((colour for colour in Colour if colour == doing.request.colour), None)
    if target is None or RANK[target] <= case.rank:
        lower = [colour.value for colour in Colour if RANK[colour] > case.rank]
        zh = f"降级需要更低的颜色：{'、'.join(lower) or '没有'}"
        en = f"A less urgent colour is needed: {', '.join(lower) or 'none'}"
        raise Problem(422, "colour-needed", zh, en, colours=lower)
    _needs_reason(doing)
    doing.must_have_seen(rated, owned)
    decide(doing, target)


def stand_down(doing: Doing) -> None:
    """Nothing to do, with a coded reason; of a held case, only that it is another patient's."""
    doing.moved()
    _needs_reason(doing)
    if doing.request.reason != wrong_patient.REASON:
        not_held(doing)
    doing.must_have_seen(rated, owned)
    colour, words = _STOOD_DOWN.get(doing.request.reason, (Colour.GREEN, VILLAGE[Colour.GREEN]))
    if doing.request.reason == wrong_patient.REASON:
        wrong_patient.resolved(doing.transaction, doing.case, doing.actor.id, doing.request.reason)
    decide(doing, colour, words)


def _needs_reason(doing: Doing) -> None:
    if doing.request.reason not in REASONS:
        known = ", ".join(REASONS)
        zh, en = f"需要原因代码：{known}", f"A reason code is needed: {known}"
        raise Problem(422, "reason-needed", zh, en, reasons=list(REASONS))


def not_held(doing: Doing) -> None:
    """Nobody decides a case that is held until a human has looked who the patient is (CLINICAL.md §6)."""
    if doing.case.held is not None:
        zh = "同一份图登记在两位病人名下：先核对病人，再解除暂停（release），或按“图不是这位病人的”处理（stand-down）。"
        en = (
            "The same tracing stands under two names and is held: check who it is, then lift the hold (release), "
            "or stand down as another patient's."
        )
        raise doing.refused(zh, en, held=doing.case.held)


def decide(doing: Doing, colour: Colour, words: Words | None = None, kind: str = "case.changed", **told: Any) -> None:
    """The answer of a cardiologist: the case closes, its alerts end, the village reads it."""
    case, target = doing.case, doing.moved()
    values: dict[str, Any] = {
        "state": target,
        "answer": answer(doing, colour, words),
        "answered_at": doing.now,
        "answered_by": doing.actor.id,
        "closed_at": doing.now,
        "read_back_at": None,
        "held": None,
        "owner_until_at": None,  # it is read: nobody's hand keeps others from a second look
    }
    if case.owner_id is None:
        values |= {"owner_id": doing.actor.id, "owner_at": doing.now}
    if case.acknowledged_at is None:
        values["acknowledged_at"] = doing.now
    if case.seen_at is None:
        values |= {"seen_at": doing.now, "seen_by": doing.actor.id}
    doing.change(**values)
    for alert in doing.alerts():
        _decide_alert(doing, alert)
    data = {"state": target, "colour": colour, "decision": doing.request.action}
    doing.tell(kind, **data, reason_code=doing.request.reason, **told)


def answer(doing: Doing, colour: Colour, words: Words | None = None) -> dict[str, Any]:
    """What the village reads: one sentence, one action, what was decided."""
    said, request = words or VILLAGE[colour], doing.request
    found: dict[str, Any] = {
        "colour": colour,
        **said["answer"],
        "action": said["action"],
        "decision": request.action,
    }
    if request.reason in REASONS:
        zh, en = REASONS[request.reason]
        found["reason"] = {"code": request.reason, "zh": zh, "en": en}
    if request.note:
        found["note"] = request.note[:500]
    return found


def _decide_alert(doing: Doing, alert: Row[Any]) -> None:
    target = states.ALERT.move(alert.state, "decide").target
    values: dict[str, Any] = {"state": target, "next_step_at": None}
    if alert.acknowledged_at is None:
        values |= {"acknowledged_at": doing.now, "acknowledged_by": doing.actor.id}
    doing.transaction.connection.execute(UPDATE_ALERT.values(**values), {"county": alert.county_id, "which": alert.id})
