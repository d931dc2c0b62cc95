"""Drills (演练): a made-up ECG, marked through and through, that goes the whole way of a real one, and is measured.

The mark is a column of exam, case, alert and delivery. It is in no figure and no count; its reason and its messages
begin and end with 演练 (CLINICAL.md §5.7). It never joins a patient's case: it has no patient.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select, update

from ledger import schema
from ledger.clock import SECOND
from ledger.database import Transaction

_E, _A, _D, _C = schema.exam.c, schema.alert.c, schema.delivery.c, schema.case.c
_MARK = update(schema.exam).where(_E.county_id == bindparam("county"), _E.id == bindparam("exam")).values(drill=True)
_STAGES = (
    select(
        _E.received_at,
        _E.analysed_at,
        _C.id.label("case_id"),
        _C.answered_at,
        func.min(_A.raised_at).label("raised_at"),
        func.min(_A.acknowledged_at).label("acknowledged_at"),
        func.max(_A.step).label("step"),
    )
    .select_from(
        schema.exam.outerjoin(schema.case, (_C.county_id == _E.county_id) & (_C.id == _E.case_id)).outerjoin(
            schema.alert, (_A.county_id == _E.county_id) & (_A.exam_id == _E.id)
        )
    )
    .where(_E.county_id == bindparam("county"), _E.id == bindparam("exam"))
    .group_by(_E.received_at, _E.analysed_at, _C.id, _C.answered_at)
)
_DELIVERED = select(func.min(_D.delivered_at), func.count(_D.delivered_at), func.count()).where(
    _D.county_id == bindparam("county"), _D.case_id == bindparam("case")
)


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds from receipt to each stage, ``None`` where it has not come; rungs climbed; messages delivered of sent."""

    analysed_s: float | None
    alerted_s: float | None
    delivered_s: float | None
    acknowledged_s: float | None
    decided_s: float | None
    rungs: int
    delivered: int
    sent: int


def mark(transaction: Transaction, county: str, exam: str) -> None:
    """The exam of this very transaction is a drill, and its event says so."""
    transaction.connection.execute(_MARK, {"county": county, "exam": exam})
    for event in transaction.events:
        if event["data"].get("exam") == exam:
            event["data"]["drill"] = True
    transaction.audit(county, "operator", "drill", f"exam/{exam}")


def measured(connection: Connection, county: str, exam: str) -> Measured:
    """How far a drill is, and how quickly; ``NoResultFound`` for an unknown exam."""
    row = connection.execute(_STAGES, {"county": county, "exam": exam}).one()
    key = {"county": county, "case": row.case_id or ""}
    first, delivered, sent = connection.execute(_DELIVERED, key).one()

    def after(at: int | None) -> float | None:
        return None if at is None else round((at - row.received_at) / SECOND, 3)

    return Measured(
        after(row.analysed_at),
        after(row.raised_at),
        after(first),
        after(row.acknowledged_at),
        after(row.answered_at),
        row.step or 0,
        delivered,
        sent,
    )
