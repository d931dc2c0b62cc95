"""Talking with the clinic: a message, the request to record again, and that what was said was read back."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, insert, select, update

from county.problem import Problem, not_found
from ledger import schema
from ledger.clock import iso
from ledger.ids import new_id
from triage.actions.common import UNNUMBERED, Changed, Doing, Event, decided, rated

MAX_MESSAGE = 500

ELECTRODES: dict[str, tuple[str, str]] = {
    "RA": ("右臂（红）", "right arm (red)"),
    "LA": ("左臂（黄）", "left arm (yellow)"),
    "LL": ("左腿（绿）", "left leg (green)"),
    "RL": ("右腿（黑）", "right leg (black)"),
    **{f"V{n}": (f"V{n}", f"V{n}") for n in range(1, 10)},
    **{f"V{n}R": (f"V{n}R", f"V{n}R") for n in range(3, 6)},
}
"""The electrodes that a retake may name, in the colours of IEC 60601-2-25."""

RETAKE = "RETAKE"
"""The code of the advice that asks the clinic to record again."""

RETAKE_REASONS: dict[str, tuple[str, str]] = {
    "off": ("请检查{where}电极是否脱落或接触不良", "check the {where} electrode: it is off or makes poor contact"),
    "reversed": ("{where}电极可能接反，请核对", "the {where} electrodes may be reversed: check them"),
    "misplaced": ("{where}电极位置可能不对，请重新定位", "the {where} electrode may be misplaced: place it again"),
    "noise": ("干扰太大，请让病人放松、远离电源{at}", "too much interference: let the patient relax, away from mains"),
    "extra_leads": ("请加做{where}导联", "record {where} as well"),
    "compare": ("请复查一次，以便前后对比", "record once more, to compare"),
}
_NAMES_ELECTRODES = frozenset({"off", "reversed", "misplaced", "extra_leads"})

_M = schema.message.c
_MESSAGE = insert(schema.message)
_ONE = (
    select(schema.message)
    .where(_M.county_id == bindparam("county"), _M.case_id == bindparam("case"), _M.id == bindparam("message"))
    .with_for_update()
)
_READ = update(schema.message).where(_M.county_id == bindparam("county"), _M.id == bindparam("which"))
_ADVICE = select(schema.exam.c.advice).where(
    schema.exam.c.county_id == bindparam("county"), schema.exam.c.id == bindparam("exam")
)
_ADVISE = update(schema.exam).where(
    schema.exam.c.county_id == bindparam("county"), schema.exam.c.id == bindparam("which")
)


def message(doing: Doing) -> None:
    """A message to the clinic, which reads it back. The feed tells that there is one, not what it says."""
    doing.moved()
    text = doing.free_text(doing.request.text, MAX_MESSAGE)
    if not text:
        raise Problem(422, "text-needed", "请填写内容（text）。", "The message is empty (text).")
    doing.must_have_seen(rated, decided)
    identity = new_id()
    row = {"county_id": doing.case.county_id, "id": identity, "case_id": doing.case.id, "site_id": doing.case.site_id}
    said = {"from_id": doing.actor.id, "text": text, "at": doing.now}
    doing.transaction.connection.execute(_MESSAGE, {**row, **said})
    doing.change(**_renewed(doing))
    doing.tell("message.sent", message=identity)


def retake(doing: Doing) -> None:
    """Ask the clinic to record again: the electrode to see to stands in the exam's advice."""
    target = doing.moved()
    request = doing.request
    if request.reason not in RETAKE_REASONS:
        known = ", ".join(RETAKE_REASONS)
        zh, en = f"重做需要原因：{known}", f"A retake needs a reason: {known}"
        raise Problem(422, "reason-needed", zh, en, reasons=list(RETAKE_REASONS))
    unknown = [name for name in request.electrodes if name not in ELECTRODES]
    if unknown or (request.reason in _NAMES_ELECTRODES and not request.electrodes):
        known = ", ".join(ELECTRODES)
        zh, en = f"请指明电极（electrodes）：{known}", f"Name the electrodes (electrodes): {known}"
        raise Problem(422, "electrodes-needed", zh, en, electrodes=list(ELECTRODES))
    doing.must_have_seen(rated, decided)
    key = {"county": doing.case.county_id, "exam": doing.case.exam_id}
    before = doing.transaction.connection.execute(_ADVICE, key).scalar_one()
    advice = [*(one for one in before if one["code"] != RETAKE), retake_advice(request.reason, request.electrodes)]
    which = {"county": doing.case.county_id, "which": doing.case.exam_id}
    doing.transaction.connection.execute(_ADVISE.values(advice=advice), which)
    doing.change(**_renewed(doing))
    asked = {"reason_code": request.reason, "electrodes": list(request.electrodes)}
    doing.tell("case.changed", retake=asked, reason_code=request.reason, state=target)


def retake_advice(reason: str, electrodes: tuple[str, ...]) -> dict[str, str]:
    """The clinic's sentence."""
    zh, en = RETAKE_REASONS[reason]
    where_zh = "、".join(ELECTRODES[name][0] for name in electrodes)
    where_en = " and ".join(ELECTRODES[name][1] for name in electrodes)
    at = f"（{where_zh}）" if where_zh else ""
    said = en.format(where=where_en)
    return {
        "code": RETAKE,
        "zh": f"医生请您重做一次心电图：{zh.format(where=where_zh, at=at)}。",
        "en": f"The doctor asks you to record again: {said}.",
    }


def _renewed(doing: Doing) -> dict[str, Any]:
    """Writing to the clinic is a cardiologist's work on the case: the lease goes on."""
    return {"owner_until_at": doing.kept()["owner_until_at"]} if doing.case.owner_id == doing.actor.id else {}


def read_back(doing: Doing) -> None:
    """The clinic has read the answer, or the message that it names; what it read back is kept."""
    doing.moved()
    if doing.request.message is not None:
        _read_message(doing, doing.request.message)
        return
    if doing.case.answer is None or doing.case.read_back_at is not None:
        raise doing.refused("没有待回读的答复。", "There is no answer to read back.")
    doing.must_have_seen(decided)
    values: dict[str, Any] = {"read_back_at": doing.now}
    text = doing.free_text(doing.request.text, MAX_MESSAGE)
    if text:
        values["answer"] = {**doing.case.answer, "read_back": text}
    doing.change(**values)
    doing.tell("message.read_back")


def _read_message(doing: Doing, which: str) -> None:
    row = doing.transaction.connection.execute(_ONE, {**doing.key, "message": which}).one_or_none()
    if row is None:
        raise not_found()
    if row.read_back_at is not None:
        raise doing.refused("这条消息已经回读过。", "The message was read back before.")
    if doing.case.seq == UNNUMBERED:
        raise Changed(doing.legal())

    def is_it(_doing: Doing, event: Event) -> bool:
        return event["data"].get("message") == which

    doing.must_have_seen(is_it)
    text = doing.free_text(doing.request.text, MAX_MESSAGE)
    values = {"read_back_at": doing.now, "read_back_by": doing.actor.id, "read_back_text": text or None}
    doing.transaction.connection.execute(_READ.values(**values), {"county": row.county_id, "which": row.id})
    doing.change()
    doing.tell("message.read_back", message=which, at=iso(doing.now))
