"""Two records that turn out to be one patient: proposed by one person, confirmed by another, undone exactly.

Merging moves the exams and cases of one record to the other and writes down which (``merge.moved``); undoing moves
just those back. It joins no case and touches no colour, deadline or alert: what waits for an answer waits as it did
before. A record that was merged stays, and exams that still come under it belong to the kept one (:func:`of`), until
the merge is undone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from county.access import Action, Actor, Place, has_role, may
from county.problem import Problem, not_found, not_permitted
from ledger import schema
from ledger.clock import iso
from ledger.database import Transaction
from ledger.ids import new_id
from triage import states

LISTED = 100
"""So many merges a list shows: what waits comes first."""
MAX_CHAIN = 8
"""Records merged into one that was merged itself; a chain longer than this is no patient."""

_P, _M, _E, _C = schema.patient.c, schema.merge.c, schema.exam.c, schema.case.c
_PATIENT = (
    select(schema.patient).where(_P.county_id == bindparam("county"), _P.id == bindparam("patient")).with_for_update()
)
_INTO = select(_P.merged_into).where(_P.county_id == bindparam("county"), _P.id == bindparam("patient"))
# A merge of this record that is not undone.
_RUNNING = (
    select(schema.merge)
    .where(
        _M.county_id == bindparam("county"),
        _M.merged_id == bindparam("patient"),
        _M.state != states.Merge.UNDONE.value,
    )
    .with_for_update()
)
_proposer, _confirmer, _undoer = (schema.person.alias(name) for name in ("proposer", "confirmer", "undoer"))


def _is(alias: Any, column: Any) -> Any:
    return (alias.c.county_id == _M.county_id) & (alias.c.id == column)


_OF = (
    select(
        schema.merge,
        _proposer.c.name.label("proposer_name"),
        _confirmer.c.name.label("confirmer_name"),
        _undoer.c.name.label("undoer_name"),
    )
    .outerjoin(_proposer, _is(_proposer, _M.proposed_by))
    .outerjoin(_confirmer, _is(_confirmer, _M.confirmed_by))
    .outerjoin(_undoer, _is(_undoer, _M.undone_by))
    .where(
        _M.county_id == bindparam("county"),
        (_M.kept_id == bindparam("patient")) | (_M.merged_id == bindparam("patient")),
    )
    .order_by(_M.proposed_at)
)
_kept, _merged = (schema.patient.alias(name) for name in ("kept", "merged"))
# The merges that are not undone, the waiting ones first, then the newest; with both records and their sites.
_LISTED = (
    select(
        schema.merge,
        _proposer.c.name.label("proposer_name"),
        _confirmer.c.name.label("confirmer_name"),
        _undoer.c.name.label("undoer_name"),
        *(
            getattr(alias.c, column).label(f"{which}_{column}")
            for which, alias in (("kept", _kept), ("merged", _merged))
            for column in ("name", "number", "sex", "birth_date", "id_number", "site_id")
        ),
    )
    .join(_kept, _is(_kept, _M.kept_id))
    .join(_merged, _is(_merged, _M.merged_id))
    .outerjoin(_proposer, _is(_proposer, _M.proposed_by))
    .outerjoin(_confirmer, _is(_confirmer, _M.confirmed_by))
    .outerjoin(_undoer, _is(_undoer, _M.undone_by))
    .where(_M.county_id == bindparam("county"), _M.state != states.Merge.UNDONE.value)
    .order_by(_M.confirmed_at.is_not(None), _M.proposed_at.desc())
    .limit(bindparam("most"))
)
_EXAMS = select(_E.id).where(_E.county_id == bindparam("county"), _E.patient_id == bindparam("patient"))
_CASES = select(schema.case).where(_C.county_id == bindparam("county"), _C.patient_id == bindparam("patient"))
_LEADING = (
    select(_C.id)
    .join(schema.exam, (_E.county_id == _C.county_id) & (_E.id == _C.exam_id))
    .where(
        _C.county_id == bindparam("county"),
        _C.patient_id == bindparam("kept"),
        _E.patient_id == bindparam("merged"),
    )
)
_SITES = select(schema.site.c.id, schema.site.c.name).where(schema.site.c.county_id == bindparam("county"))
_INSERT = insert(schema.merge)
_CHANGE = update(schema.merge).where(_M.county_id == bindparam("county"), _M.id == bindparam("which"))
_SET_PATIENT = update(schema.patient).where(_P.county_id == bindparam("county"), _P.id == bindparam("which"))
_MOVE_EXAM = update(schema.exam).where(_E.county_id == bindparam("county"), _E.id == bindparam("which"))
_MOVE_CASE = update(schema.case).where(_C.county_id == bindparam("county"), _C.id == bindparam("which"))


def of(connection: Connection, county: str, patient: str) -> str:
    """The record that this one was merged into, or itself."""
    for _ in range(MAX_CHAIN):
        into = connection.execute(_INTO, {"county": county, "patient": patient}).scalar_one_or_none()
        if into is None:
            return patient
        patient = into
    return patient


def of_patient(connection: Connection, actor: Actor, patient: str | None) -> list[dict[str, Any]]:
    """The merges of a patient's record, for those who may merge."""
    if patient is None or not has_role(actor, Action.MERGE):
        return []
    return [_document(row) for row in connection.execute(_OF, {"county": actor.county, "patient": patient})]


def listed(connection: Connection, actor: Actor) -> list[dict[str, Any]]:
    """What waits for a second person, then what was merged; each with both records, where one may see both."""
    names = {row.id: row.name for row in connection.execute(_SITES, {"county": actor.county})}
    rows = connection.execute(_LISTED, {"county": actor.county, "most": LISTED}).all()
    return [
        {**_document(row), "records": {"kept": _record(row, "kept", names), "merged": _record(row, "merged", names)}}
        for row in rows
        if all(may(actor, Action.MERGE, Place(actor.county, site)) for site in (row.kept_site_id, row.merged_site_id))
    ]


def stranger(number: str | None) -> str | None:
    """What somebody is called whose name nobody knows: 无名氏 and the temporary number (:mod:`ingest.identity`)."""
    return None if number is None else f"无名氏 {number}"


def _record(row: Row[Any], which: str, sites: dict[str, str]) -> dict[str, Any]:
    known = {column: getattr(row, f"{which}_{column}") for column in ("name", "sex", "birth_date")}
    known["name"] = known["name"] or stranger(getattr(row, f"{which}_number"))
    number = getattr(row, f"{which}_id_number")
    return {**known, "id_tail": number[-4:] if number else None, "site_name": sites[getattr(row, f"{which}_site_id")]}


def merge(transaction: Transaction, actor: Actor, merged: str, kept: str, reason: str) -> dict[str, Any]:
    """Propose that ``merged`` is ``kept``; where another person has proposed just that, it is done.

    404 unseen or unknown; 409 ``two-people`` for the same person again, ``merged-already``; 422 ``reason-needed``.
    """
    _needs_reason(reason)
    if merged == kept:
        raise Problem(422, "same-patient", "两个编号是同一位病人。", "Both are the same record.")
    rows = {which: _visible(transaction.connection, actor, which) for which in sorted((merged, kept))}
    running = transaction.connection.execute(_RUNNING, {"county": actor.county, "patient": merged}).one_or_none()
    if rows[merged].merged_into is not None or rows[kept].merged_into is not None:
        raise Problem(409, "merged-already", "这位病人已经合并过。", "One of them was merged before.")
    if running is None:
        which = _proposed(transaction, actor, merged, kept, reason)
    elif running.kept_id != kept:
        raise Problem(409, "merged-already", "已有另一项合并待确认。", "Another merge of this patient waits.")
    elif running.proposed_by == actor.id:
        zh, en = "合并需要另一个人确认。", "Another person must confirm the merge."
        raise Problem(409, "two-people", zh, en)
    else:
        which = _confirmed(transaction, actor, running)
    return _one(transaction.connection, actor, kept, which)


def _proposed(transaction: Transaction, actor: Actor, merged: str, kept: str, reason: str) -> str:
    which = new_id()
    row = {"county_id": actor.county, "id": which, "kept_id": kept, "merged_id": merged}
    said: dict[str, Any] = {"state": states.MERGE.start, "reason": reason, "moved": {}, "proposed_at": transaction.now}
    transaction.connection.execute(_INSERT, {**row, **said, "proposed_by": actor.id})
    _on_record(transaction, actor, "propose", which, reason, {"kept": kept, "merged": merged})
    _told(transaction, actor.county, _cases(transaction.connection, actor.county, (merged, kept)))
    return which


def _confirmed(transaction: Transaction, actor: Actor, row: Row[Any]) -> str:
    connection, county = transaction.connection, actor.county
    cases = connection.execute(_CASES, {"county": county, "patient": row.merged_id}).all()
    exams = list(connection.execute(_EXAMS, {"county": county, "patient": row.merged_id}).scalars())
    moved = {"exams": exams, "cases": [case.id for case in cases]}
    _moves(transaction, county, moved, row.kept_id)
    connection.execute(_SET_PATIENT.values(merged_into=row.kept_id), {"county": county, "which": row.merged_id})
    values = {"state": states.MERGE.move(row.state, "confirm").target, "moved": moved}
    done = {"confirmed_at": transaction.now, "confirmed_by": actor.id}
    connection.execute(_CHANGE.values(**values, **done), {"county": county, "which": row.id})
    detail = {"kept": row.kept_id, "merged": row.merged_id, "exams": len(exams), "cases": len(cases)}
    _on_record(transaction, actor, "confirm", row.id, row.reason, detail)
    _told(transaction, county, _cases(connection, county, (row.kept_id,)))
    return row.id


def unmerge(transaction: Transaction, actor: Actor, merged: str, reason: str) -> dict[str, Any]:
    """Undo the merge of ``merged``, or withdraw its proposal: every exam and case is where it was.

    404 unseen or unknown; 409 ``not-merged``; 422 ``reason-needed``.
    """
    _needs_reason(reason)
    connection, county = transaction.connection, actor.county
    _visible(connection, actor, merged)
    row = connection.execute(_RUNNING, {"county": county, "patient": merged}).one_or_none()
    if row is None:
        raise Problem(409, "not-merged", "这位病人没有合并。", "The patient is not merged.")
    _visible(connection, actor, row.kept_id)
    came = connection.execute(_LEADING, {"county": county, "kept": row.kept_id, "merged": merged}).scalars()
    back = {"exams": row.moved.get("exams", []), "cases": list({*row.moved.get("cases", []), *came})}
    _moves(transaction, county, back, merged)
    connection.execute(_SET_PATIENT.values(merged_into=None), {"county": county, "which": merged})
    values = {"state": states.MERGE.move(row.state, "undo").target, "undone_at": transaction.now}
    connection.execute(_CHANGE.values(**values, undone_by=actor.id), {"county": county, "which": row.id})
    _on_record(transaction, actor, "undo", row.id, reason, {"kept": row.kept_id, "merged": merged})
    _told(transaction, county, _cases(connection, county, (merged, row.kept_id)))
    return _one(connection, actor, row.kept_id, row.id)


def _moves(transaction: Transaction, county: str, moved: dict[str, list[str]], to: str) -> None:
    for statement, ids in ((_MOVE_EXAM, moved["exams"]), (_MOVE_CASE, moved["cases"])):
        for which in sorted(ids):
            transaction.connection.execute(statement.values(patient_id=to), {"county": county, "which": which})


def _visible(connection: Connection, actor: Actor, patient: str) -> Row[Any]:
    if not has_role(actor, Action.MERGE):
        raise not_permitted()
    row = connection.execute(_PATIENT, {"county": actor.county, "patient": patient}).one_or_none()
    if row is None or not may(actor, Action.MERGE, Place(actor.county, row.site_id)):
        raise not_found()
    return row


def _needs_reason(reason: str) -> None:
    if not reason.strip():
        raise Problem(422, "reason-needed", "请写明原因（reason）。", "Say why (reason).")


def _cases(connection: Connection, county: str, patients: Sequence[str]) -> list[Row[Any]]:
    return [row for patient in patients for row in connection.execute(_CASES, {"county": county, "patient": patient})]


def _told(transaction: Transaction, county: str, cases: Sequence[Row[Any]]) -> None:
    """Who stands in a case may have changed: each open one says so in the feed."""
    for case in cases:
        if case.closed_at is None:
            data = {"exam": case.exam_id, "site": case.site_id, "merged": True}
            transaction.event(county, "case.changed", data, site=case.site_id, case=case.id)


def _on_record(
    transaction: Transaction, actor: Actor, what: str, which: str, reason: str, detail: dict[str, Any]
) -> None:
    place = f"merge/{which}"
    transaction.audit(actor.county, actor.id, f"patient.merge.{what}", place, reason=reason, detail=detail)


def _one(connection: Connection, actor: Actor, patient: str, which: str) -> dict[str, Any]:
    return next(one for one in of_patient(connection, actor, patient) if one["id"] == which)


def _document(row: Row[Any]) -> dict[str, Any]:
    def who(person: str | None, name: str | None) -> dict[str, str] | None:
        return None if person is None else {"id": person, "name": name or ""}

    return {
        "id": row.id,
        "kept": row.kept_id,
        "merged": row.merged_id,
        "state": row.state,
        "reason": row.reason,
        "proposed_at": iso(row.proposed_at),
        "proposed_by": who(row.proposed_by, row.proposer_name),
        "confirmed_at": iso(row.confirmed_at),
        "confirmed_by": who(row.confirmed_by, row.confirmer_name),
        "undone_at": iso(row.undone_at),
        "undone_by": who(row.undone_by, row.undoer_name),
    }
