"""The report: what a named physician states of a case.

It begins from the machine's findings, each of which the physician accepts or rejects; what they state beside them comes
from the catalogue (:mod:`triage.statements`) or is free text. Signing takes the password once more, is a decision where
there is none yet, and ends all change: a later insight is an amendment that says why, and the earlier one stays.
"""

from __future__ import annotations

from typing import Any

from county.problem import Problem
from triage import legal, report, states
from triage.actions.common import Changed, Doing, owned, rated, reported
from triage.actions.deciding import answer, confirmed_colour, decide, not_held
from triage.rating import Colour


def statements(doing: Doing) -> None:
    """Keep the draft: each of the machine's findings accepted, rejected or still open, and what else is stated."""
    target = doing.moved()
    _in_hand(doing)
    doing.must_have_seen(rated, owned, reported)
    last = report.newest(doing.transaction.connection, doing.key)
    if last is not None and last.state != states.REPORT.start:
        raise doing.refused("报告已签发，请用更正（amend）。", "The report is signed: amend it.")
    said = report.stated(doing.transaction.connection, doing.case, doing.request.statements, last)
    text = last.text if doing.request.text is None and last is not None else doing.free_text(doing.request.text)
    kept = report.keep_draft(doing.transaction, doing.case, doing.actor.id, said, text, last)
    doing.change(**doing.kept())
    doing.tell("case.changed", report={"id": kept, "state": states.REPORT.start}, state=target)


def sign(doing: Doing) -> None:
    """Sign the draft; an undecided case is decided by it, in its colour or a more urgent one."""
    doing.moved()
    not_held(doing)
    _in_hand(doing)
    doing.must_have_seen(rated, owned, reported)
    last = report.newest(doing.transaction.connection, doing.key)
    if last is None or last.state != states.REPORT.start:
        raise doing.refused("没有可签发的草稿。", "There is no draft to sign.")
    if last.exam_id != doing.case.exam_id:
        raise Changed(doing.legal())
    report.must_be_complete(last.statements, last.text)
    report.sign(doing.transaction, last, doing.actor.id)
    told = {"id": last.id, "state": states.Report.SIGNED}
    if doing.case.closed_at is None:
        decide(doing, confirmed_colour(doing), kind="case.signed", report=told)
        return
    doing.change(owner_until_at=None)
    doing.tell("case.signed", state=doing.case.state, report=told)


def amend(doing: Doing) -> None:
    """A signed report is replaced by a new one that says why; the village reads the new answer back."""
    target = doing.moved()
    not_held(doing)
    _in_hand(doing)
    why = doing.free_text(doing.request.note, 500)
    if not why:
        raise Problem(422, "note-needed", "请写明更正的原因（note）。", "Say why it is amended (note).")
    doing.must_have_seen(rated, owned, reported)
    last = report.newest(doing.transaction.connection, doing.key)
    if last is None or last.state != states.Report.SIGNED:
        raise doing.refused("没有已签发的报告。", "There is no signed report.")
    said = report.stated(doing.transaction.connection, doing.case, doing.request.statements, last)
    text = last.text if doing.request.text is None else doing.free_text(doing.request.text)
    report.must_be_complete(said, text)
    kept = report.amend(doing.transaction, doing.case, doing.actor.id, said, text, last, why)
    colour = _amended_colour(doing)
    values: dict[str, Any] = {"owner_until_at": None, "read_back_at": None, "answered_at": doing.now}
    values |= {"answered_by": doing.actor.id, "answer": _amended_answer(doing, colour, why)}
    doing.change(**values)
    told = {"id": kept, "state": states.Report.SIGNED, "amends": last.id}
    doing.tell("case.signed", report=told, state=target, colour=colour, decision="amend")


def _in_hand(doing: Doing) -> None:
    if legal.is_anothers(doing.case, doing.actor, doing.now):
        zh, en = "这个病例正由另一位医生判读。", "Another doctor is reading this case."
        raise doing.refused(zh, en)


def _amended_colour(doing: Doing) -> Colour:
    before = Colour(doing.case.answer["colour"])
    if doing.request.colour is None:
        return before
    found = next((colour for colour in Colour if colour == doing.request.colour), None)
    if found is None:
        known = [colour.value for colour in Colour]
        zh, en = f"可用的颜色：{'、'.join(known)}", f"The colour is one of {', '.join(known)}"
        raise Problem(422, "colour-needed", zh, en, colours=known)
    return found


def _amended_answer(doing: Doing, colour: Colour, why: str) -> dict[str, Any]:
    """The village's sentence: the colour's own where it changed, else as it was; and that it was amended."""
    if colour == doing.case.answer["colour"]:
        kept = {key: value for key, value in doing.case.answer.items() if key != "read_back"}
        return {**kept, "decision": "amend", "note": why}
    return {**answer(doing, colour), "note": why}
