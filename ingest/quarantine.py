"""The quarantine (隔离区): ECGs that no analyser could finish, with the reason, until an operator has dealt with them.

Two kinds come in: a file that cannot be read as an ECG, and one on which the analyser died or stood still three times
(what :mod:`ledger.due` parks). It holds nothing back from a doctor: such an exam is in the worklist as unread. There
are two ways out. *Retry* makes it due again: for a file that a newer software can read, or after the cause is gone; its
colour may then only rise. *Release* leaves it as it is, with a reason: it was looked at, and nothing more can be done.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, RowMapping, and_, bindparam, literal, select, tuple_, update

from county.problem import Problem, not_found
from ingest.receive import RECEIVED
from ledger import schema
from ledger.clock import iso
from ledger.database import Transaction

PAGE = 50
MAX_REASON = 500

_E, _S = schema.exam.c, schema.site.c
_IN = and_(_E.quarantined_at.is_not(None), _E.released_at.is_(None))
_ROWS = (
    select(
        _E.id, _E.site_id, _E.case_id, _E.files, _E.bytes, _E.received_at, _E.quarantine, _E.quarantined_at,
        _E.released_at, _E.attempts, _S.name.label("site_name"),
    )
    .join(schema.site, and_(_S.county_id == _E.county_id, _S.id == _E.site_id))
    .where(_E.county_id == bindparam("county"), _E.quarantined_at.is_not(None))
)  # fmt: skip
# What is in it, the oldest first.
_ORDER = (_E.quarantined_at, _E.id)
_LISTED = _ROWS.where(_IN).order_by(*_ORDER)
_ONE = _ROWS.where(_E.id == bindparam("which"))
_LOCK = (
    select(_E.id, _E.site_id, _E.case_id, _E.quarantine)
    .where(_E.county_id == bindparam("county"), _E.id == bindparam("which"), _IN)
    .with_for_update()
)
_SET = update(schema.exam).where(_E.county_id == bindparam("county"), _E.id == bindparam("which"))
_AGAIN: dict[str, Any] = {"status": RECEIVED, "lease": None, "attempts": 0, "problem": None}
_OUT: dict[str, Any] = {"quarantine": None, "quarantined_at": None}


def listed(connection: Connection, county: str, cursor: str | None, most: int = PAGE) -> dict[str, Any]:
    """A page of what is in it, the oldest first; ``ValueError`` for a cursor that is none of ours."""
    statement = _LISTED.limit(most + 1)
    if cursor is not None:
        at, _, last = cursor.partition(".")
        if not (at.isascii() and at.isdecimal() and len(at) < 19 and last.isalnum()):
            raise ValueError(cursor)
        statement = statement.where(tuple_(*_ORDER) > tuple_(literal(int(at)), literal(last)))
    rows = connection.execute(statement, {"county": county}).mappings().all()
    shown = rows[:most]
    following = f"{shown[-1]['quarantined_at']}.{shown[-1]['id']}" if len(rows) > most else None
    return {"items": [_item(row) for row in shown], "next": following}


def shown(connection: Connection, county: str, exam: str) -> dict[str, Any]:
    """One exam that is, or was, in it; 404 otherwise."""
    row = connection.execute(_ONE, {"county": county, "which": exam}).mappings().one_or_none()
    if row is None:
        raise not_found()
    return _item(row)


def _item(row: RowMapping) -> dict[str, Any]:
    """Without a patient's name: an operator looks at files, not at people."""
    why: dict[str, Any] = row["quarantine"] or {}
    return {
        "exam": row["id"],
        "site": row["site_id"],
        "site_name": row["site_name"],
        "case": row["case_id"],
        "filename": row["files"][0]["name"] if row["files"] else None,
        "bytes": row["bytes"],
        "received_at": iso(row["received_at"]),
        "quarantined_at": iso(row["quarantined_at"]),
        "released_at": iso(row["released_at"]),
        "reason": {name: why.get(name) for name in ("code", "zh", "en")},
        "software": why.get("software"),
        "attempts": row["attempts"],
    }


def retry(transaction: Transaction, county: str, exam: str, actor: str) -> dict[str, Any]:
    """Make it due for the analyser at once; 404, or 409 ``not-in-quarantine``."""
    row = _held(transaction, county, exam)
    values = {**_AGAIN, **_OUT, "work_at": transaction.now}
    transaction.connection.execute(_SET.values(**values), {"county": county, "which": exam})
    return _done(transaction, county, row, actor, "retry", None)


def release(transaction: Transaction, county: str, exam: str, actor: str, reason: str) -> dict[str, Any]:
    """Leave it as it is; 404, 409 ``not-in-quarantine``, 422 ``reason-needed``."""
    if not reason.strip():
        raise Problem(422, "reason-needed", "请写明原因（reason）。", "Say why (reason).")
    row = _held(transaction, county, exam)
    transaction.connection.execute(_SET.values(released_at=transaction.now), {"county": county, "which": exam})
    return _done(transaction, county, row, actor, "release", reason.strip()[:MAX_REASON])


def _held(transaction: Transaction, county: str, exam: str) -> RowMapping:
    """The exam's row, locked, while it is in quarantine."""
    key = {"county": county, "which": exam}
    row = transaction.connection.execute(_LOCK, key).mappings().one_or_none()
    if row is not None:
        return row
    if transaction.connection.execute(select(_E.id).where(_E.county_id == county, _E.id == exam)).first() is None:
        raise not_found()
    raise Problem(409, "not-in-quarantine", "这份图不在隔离区（或已处理）。", "It is not in quarantine (any more).")


def _done(
    transaction: Transaction, county: str, row: RowMapping, actor: str, what: str, reason: str | None
) -> dict[str, Any]:
    """Said in the feed, and on record with what the reason of the quarantine was."""
    told = {"exam": row["id"], "site": row["site_id"], "quarantine": what}
    transaction.event(county, "exam.changed", told, site=row["site_id"], case=row["case_id"])
    why: dict[str, Any] = row["quarantine"] or {}
    detail = {"exam": row["id"], "why": why.get("code")}
    transaction.audit(county, actor, f"quarantine.{what}", row["site_id"], reason=reason, detail=detail)
    return {"exam": row["id"], "done": what}
