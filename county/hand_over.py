"""The hand-over note of the shift (交班记录): what the next one on call must know, kept with who wrote it and when.

It may name a patient, so it is in no event, no log and no notification: it is read where the roster is read, by those
who may see it. Every note stays, as a version of the county's file ``hand-over``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select

from ledger import schema
from ledger.database import Transaction

KIND = "hand-over"
MOST_LETTERS = 2_000

_F, _P = schema.county_file.c, schema.person.c
# The newest note, and who wrote it.
_LATEST = (
    select(_F.version, _F.text, _F.created_at, _F.created_by, _P.name)
    .select_from(schema.county_file.outerjoin(schema.person, (_P.county_id == _F.county_id) & (_P.id == _F.created_by)))
    .where(_F.county_id == bindparam("county"), _F.kind == KIND)
    .order_by(_F.version.desc())
    .limit(1)
)
_ADD = insert(schema.county_file)


@dataclass(frozen=True, slots=True)
class Note:
    """A note; ``by`` is the person's id."""

    number: int
    text: str
    at: int
    by: str
    name: str


def latest(connection: Connection, county: str) -> Note | None:
    """The newest note of the county."""
    row = connection.execute(_LATEST, {"county": county}).one_or_none()
    return None if row is None else Note(row.version, row.text, row.created_at, row.created_by, row.name or "")


def write(tx: Transaction, county: str, text: str, *, actor: str) -> int:
    """A new note; its number. ``IntegrityError`` where another server was first: repeat."""
    before = latest(tx.connection, county)
    number = 1 if before is None else before.number + 1
    row = {"county_id": county, "kind": KIND, "version": number, "text": text, "created_at": tx.now}
    kept = {"sha256": hashlib.sha256(text.encode()).hexdigest(), "created_by": actor, "active_from_at": tx.now}
    tx.connection.execute(_ADD, {**row, **kept})
    tx.audit(county, actor, "roster.hand-over", county, detail={"number": number, "sha256": kept["sha256"]})
    return number
