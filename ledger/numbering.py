"""The last statements of a batch: events get their numbers, the audit its hashes.

The county's row is locked from here to the commit, so numbers are given in the order of commits, without a gap, and
nobody sees n + 1 before n. Cases come first, then counties in the order of their ids: two processes then cannot wait
for each other here.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, text, update

from ledger import chain, schema

Row = dict[str, Any]

HINT_CHANNEL = "ecgnet"

# Take the numbers of this batch; the row's lock keeps numbers and commits in the same order.
_TAKE = (
    update(schema.county)
    .where(schema.county.c.id == bindparam("county"))
    .values(last_seq=schema.county.c.last_seq + bindparam("count"))
    .returning(schema.county.c.last_seq, schema.county.c.audit_seq, schema.county.c.audit_head)
)
# Advance the audit's head; the last statement of a batch.
_ADVANCE = (
    update(schema.county)
    .where(schema.county.c.id == bindparam("county"))
    .values(audit_seq=bindparam("to_seq"), audit_head=bindparam("to_head"))
)
_EVENT = insert(schema.event)
_AUDIT = insert(schema.audit)
# Lock the cases that get a number, before any county: who holds a case may wait for the county, not the other way.
_LOCK_CASES = (
    select(schema.case.c.id)
    .where(schema.case.c.county_id == bindparam("county"), schema.case.c.id.in_(bindparam("which", expanding=True)))
    .order_by(schema.case.c.id)
    .with_for_update(key_share=True)
)
# A case knows the number of its last event, which a client says it has seen.
_CASE_SEQ = (
    update(schema.case)
    .where(schema.case.c.county_id == bindparam("county"), schema.case.c.id == bindparam("which"))
    .values(seq=bindparam("to_seq"))
)
# An alert knows the number of the event that raised it.
_ALERT_SEQ = (
    update(schema.alert)
    .where(schema.alert.c.county_id == bindparam("county"), schema.alert.c.id == bindparam("which"))
    .values(seq=bindparam("to_seq"))
)
_NOTIFY = text(f"NOTIFY {HINT_CHANNEL}")


def number(connection: Connection, events: list[Row], audits: list[Row]) -> None:
    """Write the events and audit rows of a batch; ``KeyError`` for a county that does not exist."""
    by_county: dict[str, tuple[list[Row], list[Row]]] = defaultdict(lambda: ([], []))
    for row in events:
        by_county[row["county_id"]][0].append(row)
    for row in audits:
        by_county[row["county_id"]][1].append(row)
    several = connection.dialect.name == "postgresql"
    if several:
        for county in sorted(by_county):
            _lock_cases(connection, county, by_county[county][0])
    for county in sorted(by_county):
        told, audited = by_county[county]
        taken = connection.execute(_TAKE, {"county": county, "count": len(told)}).one_or_none()
        if taken is None:
            raise KeyError(f"no county {county}")
        if told:
            _insert_events(connection, county, told, taken.last_seq - len(told))
        if audited:
            _insert_audit(connection, county, audited, taken.audit_seq, taken.audit_head)
    if several and events:
        connection.execute(_NOTIFY)


def _lock_cases(connection: Connection, county: str, rows: list[Row]) -> None:
    which = sorted({row["case_id"] for row in rows if row["case_id"] is not None})
    if which:
        connection.execute(_LOCK_CASES, {"county": county, "which": which})


def _insert_events(connection: Connection, county: str, rows: list[Row], seq: int) -> None:
    for number, row in enumerate(rows, seq + 1):
        row["seq"] = number
    connection.execute(_EVENT, rows)
    last = {row["case_id"]: row["seq"] for row in rows if row["case_id"] is not None}
    if last:
        cases = [{"county": county, "which": which, "to_seq": number} for which, number in sorted(last.items())]
        connection.execute(_CASE_SEQ, cases)
    raised = [(row["data"]["alert"], row["seq"]) for row in rows if row["kind"] == "alert.raised"]
    if raised:
        alerts = [{"county": county, "which": which, "to_seq": number} for which, number in sorted(raised)]
        connection.execute(_ALERT_SEQ, alerts)


def _insert_audit(connection: Connection, county: str, rows: list[Row], seq: int, head: str) -> None:
    for number, row in enumerate(rows, seq + 1):
        row["seq"] = number
        head = row["hash"] = chain.link(head, row)
    connection.execute(_AUDIT, rows)
    connection.execute(_ADVANCE, {"county": county, "to_seq": seq + len(rows), "to_head": head})
