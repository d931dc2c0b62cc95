"""Counties: each has its own numbers, audit chain and people; one ledger holds one, or a province of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select

from county.errors import ManyCounties, NameTaken, NoCounty, UnknownCounty
from county.names import checked, tidy
from ledger import schema
from ledger.chain import GENESIS
from ledger.database import Transaction
from ledger.ids import new_id

_C = schema.county.c
_FIELDS = (_C.id, _C.name, _C.phone)
# Every county, oldest first (ids sort by time).
_ALL = select(*_FIELDS).order_by(_C.id)
# One county by its id.
_ONE = select(*_FIELDS).where(_C.id == bindparam("county"))
_ADD = insert(schema.county)


@dataclass(frozen=True, slots=True)
class County:
    """A county; ``phone`` is the number that its clinics ring when nothing else works."""

    id: str
    name: str
    phone: str


def add_county(tx: Transaction, name: str, phone: str = "") -> str:
    """A new county with its own epoch and an empty audit chain; its id. :class:`NameTaken`."""
    name = checked(name)
    if any(other.name == name for other in all_counties(tx.connection)):
        raise NameTaken(f"已有名为“{name}”的县。", f"There is a county “{name}” already.")
    county = new_id()
    row = {"id": county, "name": name, "phone": phone.strip(), "epoch": new_id(), "created_at": tx.now}
    tx.connection.execute(_ADD, {**row, "last_seq": 0, "audit_seq": 0, "audit_head": GENESIS})
    tx.audit(county, "operator", "county.add", county, detail={"name": name})
    return county


def all_counties(connection: Connection) -> list[County]:
    """Every county of the ledger, oldest first."""
    return [County(*row) for row in connection.execute(_ALL)]


def get(connection: Connection, county: str) -> County | None:
    """The county with this id."""
    row = connection.execute(_ONE, {"county": county}).one_or_none()
    return None if row is None else County(*row)


def only_county(connection: Connection, name_or_id: str | None = None) -> County:
    """The county that is meant: the one named, or the only one.

    :class:`NoCounty`, :class:`ManyCounties` or :class:`UnknownCounty` otherwise; the latter two list what exists.
    """
    known = all_counties(connection)
    if not known:
        raise NoCounty(
            "还没有县：先运行 ecgnet admin county add --name 县名。",
            "There is no county yet: first run ecgnet admin county add --name NAME.",
        )
    if name_or_id is None:
        if len(known) == 1:
            return known[0]
        zh, en = _listed(known)
        raise ManyCounties(f"有多个县，请用 --county 指明：{zh}。", f"Say which county with --county: {en}.")
    for county in known:
        if name_or_id in (county.id, county.name) or tidy(name_or_id) == county.name:
            return county
    zh, en = _listed(known)
    raise UnknownCounty(
        f"没有“{name_or_id}”这个县；现有：{zh}。", f"There is no county “{name_or_id}”; there are: {en}."
    )


def _listed(known: Sequence[County]) -> tuple[str, str]:
    names = [f"{county.name} ({county.id})" for county in known]
    return "、".join(names), ", ".join(names)
