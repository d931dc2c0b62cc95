"""The same ECG in another file, and an ECG recorded again: recognised and linked, so that nobody reads one thing twice.

A *duplicate* (重复) holds the same curve (:mod:`ecg.fingerprint`) as an exam of the same clinic or the same patient
within a day, and says nothing that contradicts it: a cart that exports two formats, a phone's second try. It belongs to
its copy's case. A copy whose case was answered calls nobody again, if it is a *pure* one: no more urgent than what the
doctor answered, no symptom and no emergency button that the answered one had not, no other territory. Anything more is
a case of its own, with its alert, as if the copy were not there: a join never lowers a colour or moves a deadline
(CLINICAL.md §6). Where the identities contradict each other, :mod:`triage.wrong_patient` holds both instead.

A *retake* (重做) is a patient's next ECG after the clinic was asked to record again, or within half an hour of one that
was graded D or E.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select

from ledger import schema
from ledger.clock import SECOND
from ledger.database import Transaction
from triage import wrong_patient
from triage.rating import RANK, Colour

DUPLICATE, RETAKE = "duplicate", "retake"
WITHIN_US = 86400 * SECOND
"""A second file of one recording comes within minutes, from a clinic without a line within a day [project]."""
AGAIN_US = 30 * 60 * SECOND
"""A poor tracing is recorded again while the patient lies there; the desk's episode is as long."""
POOR = ("D", "E")

_E, _P, _L = schema.exam.c, schema.patient.c, schema.exam_link.c
_NAMED = ("name", "id_number", "card", "birth_date", "sex")
# Exams with what is known of their patients, nobody's too.
_WHOSE = (
    select(
        _E.id, _E.site_id, _E.case_id, _E.patient_id, _E.received_at, _E.urgent, _E.symptoms, _E.colour,
        _P.merged_into, *(_P[name] for name in _NAMED),
    )
    .outerjoin(schema.patient, (_P.county_id == _E.county_id) & (_P.id == _E.patient_id))
    .where(_E.county_id == bindparam("county"), _E.id.in_(bindparam("ids", expanding=True)))
    .order_by(_E.received_at, _E.id)
)  # fmt: skip
_LINKED = select(_L.other_id).where(
    _L.county_id == bindparam("county"), _L.exam_id == bindparam("exam"), _L.how == bindparam("kind")
)
_REVERSED = select(_L.exam_id).where(
    _L.county_id == bindparam("county"), _L.other_id == bindparam("exam"), _L.how == bindparam("kind")
)
_LINK = insert(schema.exam_link)
_CASE = (
    select(schema.case)
    .where(schema.case.c.county_id == bindparam("county"), schema.case.c.id == bindparam("case"))
    .with_for_update()
)
# The patient's newest poor ECG before this one, of a moment ago.
_POOR = (
    select(_E.id)
    .where(
        _E.county_id == bindparam("county"),
        _E.patient_id == bindparam("patient"),
        _E.id != bindparam("exam"),
        _E.grade.in_(POOR),
        _E.received_at >= bindparam("since"),
        _E.received_at <= bindparam("until"),
    )
    .order_by(_E.received_at.desc())
    .limit(1)
)


def link(transaction: Transaction, county: str, exam: str, twins: Sequence[str]) -> Sequence[Mapping[str, Any]]:
    """Link an exam with its copies among ``twins`` (exams that hold the same curve); the copies, the oldest first."""
    if not twins:
        return []
    connection = transaction.connection
    found = connection.execute(_WHOSE, {"county": county, "ids": [exam, *twins]}).mappings()
    rows: list[dict[str, Any]] = [dict(row) for row in found]
    mine = next((row for row in rows if row["id"] == exam), None)
    copies = [row for row in rows if mine is not None and row["id"] != exam and _is_copy(mine, row)]
    key = {"county": county, "exam": exam, "kind": DUPLICATE}
    known = {*connection.execute(_LINKED, key).scalars(), *connection.execute(_REVERSED, key).scalars()}
    for copy in copies:
        if copy["id"] not in known:
            row = {"county_id": county, "exam_id": exam, "other_id": copy["id"], "how": DUPLICATE}
            connection.execute(_LINK, {**row, "at": transaction.now, "detail": {}})
    return copies


def _is_copy(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    person = one["merged_into"] or one["patient_id"]
    same_person = person is not None and person == (other["merged_into"] or other["patient_id"])
    if abs(one["received_at"] - other["received_at"]) > WITHIN_US:
        return False
    return same_person or (one["site_id"] == other["site_id"] and not wrong_patient.contradict(one, other))


def open_case(connection: Connection, county: str, copies: Sequence[Mapping[str, Any]]) -> Row[Any] | None:
    """The case of a copy that nobody has decided yet."""
    cases = (_case_of(connection, county, copy) for copy in copies)
    return next((case for case in cases if case is not None and case.closed_at is None), None)


def answered_case(
    connection: Connection, exam: Row[Any], colour: Colour | None, copies: Sequence[Mapping[str, Any]]
) -> Row[Any] | None:
    """The case of a copy that a doctor has answered, if ``exam`` adds nothing to what was answered there."""
    for copy in copies:
        if not _is_pure(exam, colour, copy):
            continue
        case = _case_of(connection, exam.county_id, copy)
        if case is not None and case.closed_at is not None and case.answer is not None and case.held is None:
            return case
    return None


def _is_pure(exam: Row[Any], colour: Colour | None, copy: Mapping[str, Any]) -> bool:
    """Nothing in it is more than in the copy."""
    if colour is None or copy["colour"] is None or RANK[colour] < RANK[Colour(copy["colour"])]:
        return False
    more = {*exam.symptoms} - {*copy["symptoms"], "none"}
    return not more and (copy["urgent"] or not exam.urgent) and not exam.conflicts


def _case_of(connection: Connection, county: str, copy: Mapping[str, Any]) -> Row[Any] | None:
    if copy["case_id"] is None:
        return None
    return connection.execute(_CASE, {"county": county, "case": copy["case_id"]}).one_or_none()


def poor_before(
    connection: Connection, exam: Row[Any], patient: str, copies: Sequence[Mapping[str, Any]]
) -> str | None:
    """The patient's poor ECG of the last half hour, of which ``exam`` is the retake."""
    key = {"county": exam.county_id, "patient": patient, "exam": exam.id, "until": exam.received_at}
    found = connection.execute(_POOR, {**key, "since": exam.received_at - AGAIN_US}).scalar_one_or_none()
    return None if found is None or any(copy["id"] == found for copy in copies) else found
