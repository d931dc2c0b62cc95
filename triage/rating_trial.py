"""A county's own table of colours, tried on what the county recorded before it goes live.

Kept as a version of the county's files; activated only after a trial, by a decision that is on record. Each version
stays, so that every rating of the past can be explained.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from county.errors import CountyError
from ledger import schema
from ledger.clock import SECOND, iso
from ledger.database import Transaction
from triage import analyser, cases, rating, rating_floor, rating_table
from triage.colours import Colour
from triage.rating_table import KIND

DAYS = 30
MOST_EXAMPLES = 20

_F, _E = schema.county_file.c, schema.exam.c
_EXAMS = (
    select(schema.exam)
    .where(_E.county_id == bindparam("county"), _E.received_at >= bindparam("since"), _E.analysed_at.is_not(None))
    .order_by(_E.received_at)
)
_LAST = select(func.max(_F.version)).where(_F.county_id == bindparam("county"), _F.kind == KIND)
_ONE = select(schema.county_file).where(
    _F.county_id == bindparam("county"), _F.kind == KIND, _F.version == bindparam("version")
)
_IN_FORCE = select(schema.county_file).where(_F.kind == KIND, _F.active_from_at <= bindparam("now"))
_INSERT = insert(schema.county_file)
_ACTIVATE = update(schema.county_file).where(
    _F.county_id == bindparam("county"), _F.kind == KIND, _F.version == bindparam("which")
)


class UnknownVersion(CountyError):
    """No such version of the county's table."""

    code = "unknown-version"


class NotTried(CountyError):
    """A table goes live only after it was tried."""

    code = "not-tried"


def trial(connection: Connection, county: str, text: str, now: int) -> dict[str, Any]:
    """How the table would have coloured the county's last month, beside the one in force: ``{exams, changed: {"GREEN →
    YELLOW": n}, red: [before, after], examples}``. :class:`rating_table.BadTable` if it is none.
    """
    table = rating_floor.checked(text)
    current = cases.table_of(connection, county, now)
    changed: Counter[str] = Counter()
    red = [0, 0]
    examples: list[dict[str, str]] = []
    count = 0
    for exam in connection.execute(_EXAMS, {"county": county, "since": now - DAYS * 86400 * SECOND}).all():
        stored = analyser.stored(connection, county, exam.id)
        if stored is None:
            continue
        document = analyser.unpacked(stored.document)
        facts = cases.facts_of(connection, exam)
        before, after = (rating.rate(document, facts, one).colour for one in (current, table))
        count += 1
        red = [red[0] + (before is Colour.RED), red[1] + (after is Colour.RED)]
        if before is not after:
            what = f"{before or 'UNREAD'} → {after or 'UNREAD'}"
            changed[what] += 1
            if len(examples) < MOST_EXAMPLES:
                examples.append({"exam": exam.id, "change": what})
    ordered = sorted(changed.items(), key=lambda one: -one[1])
    return {"exams": count, "days": DAYS, "red": red, "changed": dict(ordered), "examples": examples}


def unusable(connection: Connection, now: int) -> list[tuple[str, int, str]]:
    """Tables in force that this version cannot take, or that lower what it makes RED: county, version, why. Such a
    county is rated by the default; whoever starts the server is told.
    """
    found: list[tuple[str, int, str]] = []
    for row in connection.execute(_IN_FORCE, {"now": now}).all():
        try:
            rating_floor.checked(row.text)
        except rating_table.BadTable as error:
            found.append((row.county_id, row.version, str(error)))
    return found


def keep(tx: Transaction, county: str, text: str, tried: dict[str, Any], actor: str) -> int:
    """Keep a table that was tried; its version."""
    version = (tx.connection.execute(_LAST, {"county": county}).scalar_one() or 0) + 1
    row = {"county_id": county, "kind": KIND, "version": version, "text": text, "tried": tried}
    digest = hashlib.sha256(text.encode()).hexdigest()
    kept = {"sha256": digest, "created_at": tx.now, "created_by": actor, "active_from_at": None}
    tx.connection.execute(_INSERT, {**row, **kept})
    tx.audit(county, actor, "rating.try", f"rating/{version}", detail={"sha256": digest, "exams": tried["exams"]})
    return version


def activate(tx: Transaction, county: str, version: int, actor: str) -> None:
    """From now on the county's exams are rated by this version. :class:`UnknownVersion`, :class:`NotTried`."""
    row = tx.connection.execute(_ONE, {"county": county, "version": version}).one_or_none()
    if row is None:
        raise UnknownVersion(f"没有第 {version} 版评级表。", f"There is no version {version} of the rating table.")
    if row.tried is None:
        raise NotTried("评级表要先试算（try）。", "The table must be tried first.")
    rating_floor.checked(row.text)
    tx.connection.execute(_ACTIVATE.values(active_from_at=tx.now), {"county": county, "which": version})
    tx.audit(county, actor, "rating.activate", f"rating/{version}", detail={"sha256": row.sha256, "from": iso(tx.now)})
