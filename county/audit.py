"""The audit: is its chain whole, and where does it stand (`ledger.chain` says how it is made)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from ledger import chain, schema

PAGE = 1000  # rows that are held at a time: a county's chain is read as a stream

_A, _C = schema.audit.c, schema.county.c
# A county's whole chain, in order.
_ROWS = (
    select(schema.audit).where(_A.county_id == bindparam("county")).order_by(_A.seq).execution_options(yield_per=PAGE)
)
# Where a county's chain must end.
_HEAD = select(_C.audit_seq, _C.audit_head).where(_C.id == bindparam("county"))
# Where every county's chain ends.
_HEADS = select(_C.id, _C.name, _C.audit_seq, _C.audit_head).order_by(_C.id)


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a county's chain; kept elsewhere too, it shows when a tail was cut."""

    county: str
    name: str
    seq: int
    hash: str


def verify(connection: Connection, county: str) -> str | None:
    """Where the county's chain is broken, in words; ``None`` if it is whole. ``KeyError`` for an unknown county."""
    head = connection.execute(_HEAD, {"county": county}).one_or_none()
    if head is None:
        raise KeyError(county)
    with connection.execute(_ROWS, {"county": county}) as rows:  # a break ends the stream early
        return chain.first_break((dict(row) for row in rows.mappings()), head.audit_head, head.audit_seq)


def heads(connection: Connection) -> list[Head]:
    """The end of every county's chain, for the operator's log and the backup."""
    return [Head(*row) for row in connection.execute(_HEADS)]
