"""Reports of a case: a draft from the machine's findings, signed versions, amendments; none is ever overwritten.

One row is one version. A draft is changed until it is signed; a signed one is not, and an amendment is a row of its own
that names the one it replaces. ``statements`` holds what is said, in order: each the machine's finding, accepted,
rejected or still open (``accepted`` null), or the physician's own from the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from county.problem import Problem
from ledger import schema
from ledger.clock import iso
from ledger.database import Transaction
from ledger.ids import new_id
from triage import analyser, states
from triage import statements as catalogue

_R = schema.report.c
_OF_CASE = (
    select(schema.report, schema.person.c.name.label("author_name"))
    .outerjoin(schema.person, (schema.person.c.county_id == _R.county_id) & (schema.person.c.id == _R.author_id))
    .where(_R.county_id == bindparam("county"), _R.case_id == bindparam("case"))
    .order_by(_R.number.desc())
)
_NEWEST = (
    select(schema.report)
    .where(_R.county_id == bindparam("county"), _R.case_id == bindparam("case"))
    .order_by(_R.number.desc())
    .limit(1)
)
_INSERT = insert(schema.report)
_CHANGE = update(schema.report).where(_R.county_id == bindparam("county"), _R.id == bindparam("which"))

FINDING, DOCTOR = "finding", "doctor"
MAX_STATEMENTS = 60
Statement = dict[str, Any]


def newest(connection: Connection, key: Mapping[str, str]) -> Row[Any] | None:
    """The newest report of a case, draft or signed."""
    return connection.execute(_NEWEST, key).one_or_none()


def drafted(connection: Connection, county: str, exam: str) -> tuple[list[Statement], Any]:
    """The statements that an exam's analysis proposes, all open, and the analysis row (or ``None``)."""
    row = analyser.stored(connection, county, exam)
    if row is None:
        return [], None
    try:
        findings = analyser.unpacked(row.document)["findings"]
        proposed = [_proposed(one) for one in findings if one.get("state") in (None, "true")]
    except Exception:  # noqa: BLE001 (an analysis that cannot be understood proposes nothing; the physician writes)
        return [], row
    return list({one["code"]: one for one in proposed}.values()), row


def _proposed(finding: Mapping[str, Any]) -> Statement:
    code = finding["code"]
    name = finding.get("name") or {"zh": code, "en": code}
    return {"code": code, "name": {"zh": name["zh"], "en": name["en"]}, "from": FINDING, "accepted": None, "text": None}


def stated(
    connection: Connection, case: Row[Any], said: Sequence[Mapping[str, Any]] | None, last: Row[Any] | None
) -> list[Statement]:
    """The statements of a report: the machine's, as far as they were decided, then the physician's own.

    ``said``: ``[{code, accepted?, text?}]`` from the client, the whole list; ``None`` keeps what was said before. The
    problem ``unknown-statement`` (422) for a code that is neither found nor in the catalogue.
    """
    before: list[Statement] = [] if last is None or last.exam_id != case.exam_id else list(last.statements)
    if said is None:
        said = before
    by_code = {one["code"]: one for one in said}
    proposed, _ = drafted(connection, case.county_id, case.exam_id)
    machine = [_decided(one, by_code.pop(one["code"], None)) for one in proposed]
    return [*machine, *(_own(code, one) for code, one in by_code.items())]


def _decided(proposed: Statement, said: Mapping[str, Any] | None) -> Statement:
    if said is None:
        return proposed
    return {**proposed, "accepted": said.get("accepted"), "text": said.get("text")}


def _own(code: str, said: Mapping[str, Any]) -> Statement:
    known = catalogue.by_code(code)
    if known is None:
        raise Problem(422, "unknown-statement", f"没有这条结论：{code}", f"There is no statement {code}", code=code)
    name = {"zh": known.zh, "en": known.en}
    return {"code": code, "name": name, "from": DOCTOR, "accepted": True, "text": said.get("text")}


def must_be_complete(statements: Sequence[Statement], text: str) -> None:
    """A signature stands for something, and for nothing unread: each of the machine's findings is decided."""
    undecided = [one["code"] for one in statements if one["accepted"] is None]
    if undecided:
        known = ", ".join(undecided)
        zh, en = f"请逐条接受或否定机器所见：{known}", f"Accept or reject each of the machine's findings: {known}"
        raise Problem(422, "findings-undecided", zh, en, codes=undecided)
    if not text and not any(one["accepted"] for one in statements):
        raise Problem(422, "nothing-stated", "报告没有任何结论。", "The report states nothing.")


def keep_draft(
    transaction: Transaction,
    case: Row[Any],
    author: str,
    statements: list[Statement],
    text: str,
    last: Row[Any] | None,
) -> str:
    """Write the draft; its id."""
    values = {"statements": statements, "text": text, "author_id": author, "changed_at": transaction.now}
    if last is None:
        return _insert(transaction, case, 1, states.REPORT.start, values)
    transaction.connection.execute(
        _CHANGE.values(**values, exam_id=case.exam_id), {"county": last.county_id, "which": last.id}
    )
    return last.id


def sign(transaction: Transaction, draft: Row[Any], signer: str) -> None:
    """The draft becomes a signed report."""
    target = states.REPORT.move(draft.state, "sign").target
    values = {"state": target, "signed_at": transaction.now, "signed_by": signer, "author_id": signer}
    transaction.connection.execute(_CHANGE.values(**values), {"county": draft.county_id, "which": draft.id})


def amend(
    transaction: Transaction,
    case: Row[Any],
    signer: str,
    statements: list[Statement],
    text: str,
    last: Row[Any],
    why: str,
) -> str:
    """A new signed report that replaces ``last``, which stays; the new one's id."""
    target = states.REPORT.move(last.state, "amend").target
    transaction.connection.execute(_CHANGE.values(state=target), {"county": last.county_id, "which": last.id})
    values = {"statements": statements, "text": text, "author_id": signer, "changed_at": transaction.now}
    signed = {"signed_at": transaction.now, "signed_by": signer, "amends_id": last.id, "reason": why}
    return _insert(transaction, case, last.number + 1, states.Report.SIGNED, {**values, **signed})


def _insert(transaction: Transaction, case: Row[Any], number: int, state: str, values: Mapping[str, Any]) -> str:
    analysis = analyser.stored(transaction.connection, case.county_id, case.exam_id)
    identity = new_id()
    row = {
        "county_id": case.county_id,
        "id": identity,
        "case_id": case.id,
        "exam_id": case.exam_id,
        "number": number,
        "state": state,
        "ruleset": None if analysis is None else analysis.ruleset,
        "software": None if analysis is None else analysis.software,
        "created_at": transaction.now,
        **values,
    }
    transaction.connection.execute(_INSERT, row)
    return identity


# --- showing ---------------------------------------------------------------------------------------------------------


def shown(connection: Connection, case: Row[Any]) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """The newest report as the contract's JSON, and the earlier ones. Where there is none yet, the draft that the
    machine's findings propose (``state`` null).
    """
    rows = connection.execute(_OF_CASE, {"county": case.county_id, "case": case.id}).all()
    if rows:
        return _document(rows[0]), [_document(row) for row in rows[1:]]
    proposed, analysis = drafted(connection, case.county_id, case.exam_id)
    if analysis is None:
        return None, []
    nobody = dict.fromkeys(("id", "state", "author", "changed_at", "signed_at", "signed_by", "amends", "reason"))
    return {
        **nobody,
        "number": 0,
        "exam": case.exam_id,
        "statements": proposed,
        "text": "",
        "ruleset": analysis.ruleset,
        "software": analysis.software,
    }, []


def _document(row: Row[Any]) -> dict[str, Any]:
    author = {"id": row.author_id, "name": row.author_name or ""}
    return {
        "id": row.id,
        "number": row.number,
        "state": row.state,
        "exam": row.exam_id,
        "statements": row.statements,
        "text": row.text,
        "ruleset": row.ruleset,
        "software": row.software,
        "author": author,
        "changed_at": iso(row.changed_at),
        "signed_at": iso(row.signed_at),
        "signed_by": author if row.signed_by is not None else None,
        "amends": row.amends_id,
        "reason": row.reason,
    }
