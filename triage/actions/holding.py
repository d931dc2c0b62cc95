"""Whose hand is on a case: acknowledging, claiming and releasing it, and ending its call without a decision."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row

from county.access import Role
from county.problem import Problem
from ledger.clock import SECOND, iso
from triage import legal, orders, states, wrong_patient
from triage.actions.common import UPDATE_ALERT, Changed, Doing, owned, rated
from triage.escalation import UNDECIDED_S

TAKE_OVER = "take_over"
"""The reason with which one takes a case out of another's hand."""

STOP_REASONS: dict[str, tuple[str, str]] = {
    "handled_by_phone": ("已电话处理", "handled by telephone"),
    "patient_transferred": ("病人已转运", "patient on the way"),
    "drill_over": ("演练结束", "the drill is over"),
    "raised_in_error": ("误报", "raised in error"),
    "other": ("其他", "other"),
}


def acknowledge(doing: Doing) -> None:
    """I am looking at it: covers the alerts that were on the screen, and no other."""
    case = doing.case
    target = doing.moved()
    covered = [alert for alert in doing.alerts() if alert.state == states.Alert.RAISED]
    _only_seen(doing, covered)
    if legal.is_anothers(case, doing.actor, doing.now):
        doing.must_have_seen(owned)
    values: dict[str, Any] = {"state": target, **doing.held(), "acknowledged_at": doing.now}
    if doing.actor.role is Role.CARDIOLOGIST and case.seen_at is None:
        values |= {"seen_at": doing.now, "seen_by": doing.actor.id}
    doing.change(**values)
    until = iso(values["owner_until_at"])
    for alert in covered:
        _acknowledge_alert(doing, alert)
        seconds = (doing.now - alert.raised_at) / SECOND
        told = {"alert": alert.id, "colour": alert.colour, "seconds": seconds}
        doing.tell("alert.acknowledged", owner=doing.by, owner_until_at=until, **told)
    if not covered:
        doing.tell("case.changed", owner=doing.by, owner_until_at=until, state=target)


def _only_seen(doing: Doing, alerts: list[Row[Any]]) -> None:
    # an alert without a number is of this very batch: nobody has seen it
    if any(alert.seq is None or alert.seq > doing.request.seen for alert in alerts):
        raise Changed(doing.legal())


def _acknowledge_alert(doing: Doing, alert: Row[Any]) -> None:
    target = states.ALERT.move(alert.state, "acknowledge").target
    # no decision for 420 s: the ladder goes on as if at its rung of 120 s
    next_step_at = doing.now + UNDECIDED_S * SECOND
    values = {"state": target, "acknowledged_at": doing.now, "acknowledged_by": doing.actor.id}
    key = {"county": alert.county_id, "which": alert.id}
    doing.transaction.connection.execute(UPDATE_ALERT.values(**values, next_step_at=next_step_at), key)
    orders.seen(doing.transaction, alert.county_id, alert.id, doing.actor.id)


def claim(doing: Doing) -> None:
    """I am reading it; again, to go on reading it. Out of another's hand only in so many words."""
    target = doing.moved()
    if legal.is_anothers(doing.case, doing.actor, doing.now):
        doing.must_have_seen(owned)
        if doing.request.reason != TAKE_OVER:
            zh = "这个病例正由另一位医生判读；要接手请说明（take_over）。"
            en = f"Another doctor is reading this case; to take it over, say so (reason {TAKE_OVER})."
            raise doing.refused(zh, en, reasons=[TAKE_OVER])
    values = doing.held()
    doing.change(**values)
    doing.tell("case.changed", owner=doing.by, owner_until_at=iso(values["owner_until_at"]), state=target)


def release(doing: Doing) -> None:
    """I read it no longer; of a held case, with a reason: a human has looked who the patient is."""
    target = doing.moved()
    if doing.case.held is not None and doing.request.reason is not None:
        _lift(doing)
        return
    if doing.case.owner_id != doing.actor.id:
        raise doing.refused("这个病例不在您手中。", "The case is not in your hand.")
    doing.change(owner_id=None, owner_at=None, owner_until_at=None)
    # whoever answered does so no longer: the ladder takes its next step at once, not after 420 s
    for alert in doing.alerts():
        if alert.state == states.Alert.ACKNOWLEDGED and alert.next_step_at is not None:
            key = {"county": alert.county_id, "which": alert.id}
            doing.transaction.connection.execute(UPDATE_ALERT.values(next_step_at=doing.now), key)
    doing.tell("case.changed", released=True, state=target)


def _lift(doing: Doing) -> None:
    """The hold ends: a human says that the tracing is this patient's."""
    if doing.request.reason not in wrong_patient.RELEASE_REASONS:
        known = ", ".join(wrong_patient.RELEASE_REASONS)
        zh, en = f"需要解除原因：{known}", f"A reason to lift the hold is needed: {known}"
        raise Problem(422, "reason-needed", zh, en, reasons=list(wrong_patient.RELEASE_REASONS))
    doing.must_have_seen(rated)
    doing.change(held=None, **doing.kept())
    wrong_patient.resolved(doing.transaction, doing.case, doing.actor.id, doing.request.reason)
    doing.tell("case.changed", held=None, reason_code=doing.request.reason)


def stop(doing: Doing) -> None:
    """A coordinator ends the calling of the alerts that were on the screen; the case still waits for its decision."""
    target = doing.moved()
    if doing.request.reason not in STOP_REASONS:
        known = ", ".join(STOP_REASONS)
        zh, en = f"停止呼叫需要原因：{known}", f"A reason to stop the ladder is needed: {known}"
        raise Problem(422, "reason-needed", zh, en, reasons=list(STOP_REASONS))
    calling = [alert for alert in doing.alerts() if alert.next_step_at is not None]
    if not calling:
        raise doing.refused("没有正在呼叫的警报。", "No alert is calling.")
    _only_seen(doing, calling)
    doing.change()
    for alert in calling:
        values = {
            "state": states.ALERT.move(alert.state, "stop").target,
            "next_step_at": None,
            "stopped_at": doing.now,
            "stopped_by": doing.actor.id,
            "stop_reason": doing.request.reason,
        }
        key = {"county": alert.county_id, "which": alert.id}
        doing.transaction.connection.execute(UPDATE_ALERT.values(**values), key)
    stopped = [alert.id for alert in calling]
    doing.tell("case.changed", stopped=stopped, reason_code=doing.request.reason, state=target)
