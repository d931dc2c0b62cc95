"""Reading the numbered events of a county: the feed is this table, filtered by who may see what."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from ledger import schema

_COUNTY = select(schema.county.c.last_seq, schema.county.c.epoch).where(schema.county.c.id == bindparam("county"))
_AFTER = (
    select(schema.event)
    .where(schema.event.c.county_id == bindparam("county"), schema.event.c.seq > bindparam("after"))
    .order_by(schema.event.c.seq)
    .limit(bindparam("most"))
)
_OF_CASE = (
    select(schema.event)
    .where(
        schema.event.c.county_id == bindparam("county"),
        schema.event.c.case_id == bindparam("case"),
        schema.event.c.seq > bindparam("after"),
    )
    .order_by(schema.event.c.seq)
)
_LAST_OF_SITE = select(func.max(schema.event.c.seq)).where(
    schema.event.c.county_id == bindparam("county"), schema.event.c.site_id == bindparam("site")
)


def epoch(connection: Connection, county: str) -> str:
    """The county's epoch; only a restore begins a new one."""
    return connection.execute(_COUNTY, {"county": county}).one().epoch


def last(connection: Connection, county: str, site: str | None = None) -> int:
    """The number of the last event of the county, or of one site in it (0 if there is none)."""
    if site is None:
        return connection.execute(_COUNTY, {"county": county}).one().last_seq
    return connection.execute(_LAST_OF_SITE, {"county": county, "site": site}).scalar_one() or 0


def after(connection: Connection, county: str, seq: int, most: int = 500) -> list[dict[str, Any]]:
    """At most ``most`` events beyond ``seq``, in order."""
    key = {"county": county, "after": seq, "most": most}
    return [dict(row) for row in connection.execute(_AFTER, key).mappings()]


def of_case(connection: Connection, county: str, case: str, after: int = 0) -> list[dict[str, Any]]:
    """The events of one case beyond ``after``, in order."""
    key = {"county": county, "case": case, "after": after}
    return [dict(row) for row in connection.execute(_OF_CASE, key).mappings()]
