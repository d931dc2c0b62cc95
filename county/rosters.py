"""Rosters: who is on call, slot by slot (`CLINICAL.md` §5.7 calls them in this order)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, bindparam, insert, select

from county import people
from county.access import Action, Actor, Role, has_role
from county.errors import BadShift
from ledger import schema
from ledger.database import Transaction
from ledger.ids import new_id


class Slot(StrEnum):
    """A place in the ladder."""

    FIRST = "first"
    """The cardiologist on duty (一线)."""
    BACKUP = "backup"
    """The cardiologist behind the first (二线)."""
    COORDINATOR = "coordinator"
    """The coordinator of the chest pain centre (胸痛协调员)."""
    CHIEF = "chief"
    """The chief of the chest pain centre, or the department on duty (胸痛中心主任)."""
    DIRECTOR = "director"
    """The medical director, or the emergency department on duty (医务值班)."""


# What somebody in a slot must be able to do; the director is told, and need not sign in.
_NEEDS = {
    Slot.FIRST: Action.DECIDE,
    Slot.BACKUP: Action.DECIDE,
    Slot.COORDINATOR: Action.ACKNOWLEDGE,
    Slot.CHIEF: Action.DECIDE,
}

_F, _P = schema.shift.c, schema.person.c
_ADD = insert(schema.shift)
_ON = schema.shift.join(schema.person, (_P.county_id == _F.county_id) & (_P.id == _F.person_id))
_FIELDS = (_F.slot, _P.id, _P.name, _P.phone, _F.from_at, _F.to_at)
# Whose shift it is at an instant; somebody who has left is on no shift.
_NOW = (
    select(*_FIELDS)
    .select_from(_ON)
    .where(
        _F.county_id == bindparam("county"),
        _F.to_at > bindparam("now"),
        _F.from_at <= bindparam("now"),
        _P.disabled_at.is_(None),
    )
    .order_by(_F.from_at, _F.id)
)
# The shifts that begin within a time, the earliest first.
_NEXT = (
    select(*_FIELDS)
    .select_from(_ON)
    .where(
        _F.county_id == bindparam("county"),
        _F.from_at > bindparam("now"),
        _F.from_at <= bindparam("until"),
        _P.disabled_at.is_(None),
    )
    .order_by(_F.from_at, _F.id)
)
# Everybody of one role who sees the whole county.
_OF_ROLE = (
    select(_P.id, _P.name, _P.phone)
    .where(
        _P.county_id == bindparam("county"),
        _P.role == bindparam("role"),
        _P.site_id.is_(None),
        _P.disabled_at.is_(None),
    )
    .order_by(_P.id)
)


@dataclass(frozen=True, slots=True)
class Reachable:
    """Somebody to call."""

    id: str
    name: str
    phone: str


@dataclass(frozen=True, slots=True)
class Shift:
    """Somebody's time in a slot, from ``from_at`` up to, not at, ``to_at``."""

    slot: Slot
    person: Reachable
    from_at: int
    to_at: int


def add(
    tx: Transaction, county: str, slot: str, person: str, from_at: int, to_at: int, *, actor: str = "operator"
) -> str:
    """A new shift (UTC microseconds); its id. :class:`BadShift`, :class:`UnknownPerson`."""
    where = _slot(slot)
    if from_at >= to_at:
        raise BadShift("班次要先开始后结束。", "A shift begins before it ends.")
    who = people.get(tx.connection, county, person)
    if who is None:
        raise people.unknown(person)
    _check_can(who, county, where)
    shift = new_id()
    row = {"county_id": county, "id": shift, "slot": where.value, "person_id": person}
    tx.connection.execute(_ADD, {**row, "from_at": from_at, "to_at": to_at})
    detail = {"shift": shift, "slot": where.value, "person": person, "from_at": from_at, "to_at": to_at}
    tx.audit(county, actor, "roster.add", county, detail=detail)
    return shift


def on_duty(connection: Connection, county: str, now: int) -> dict[Slot, list[Reachable]]:
    """Who is on call at ``now``; every slot is there, an empty one with nobody."""
    found: dict[Slot, list[Reachable]] = {slot: [] for slot in Slot}
    for shift in _shifts(connection, county, now):
        if shift.person not in found[shift.slot]:
            found[shift.slot].append(shift.person)
    return found


def next_shifts(connection: Connection, county: str, now: int, until: int) -> list[Shift]:
    """The shifts that begin after ``now`` and not after ``until``, the earliest first."""
    rows = connection.execute(_NEXT, {"county": county, "now": now, "until": until})
    return [Shift(Slot(row.slot), Reachable(row.id, row.name, row.phone), row.from_at, row.to_at) for row in rows]


def coordinators(connection: Connection, county: str) -> list[Reachable]:
    """Every coordinator of the county, on duty or not: whom the ladder calls when no rung has anybody."""
    rows = connection.execute(_OF_ROLE, {"county": county, "role": Role.COORDINATOR.value})
    return [Reachable(*row) for row in rows]


def _shifts(connection: Connection, county: str, now: int) -> list[Shift]:
    rows = connection.execute(_NOW, {"county": county, "now": now})
    return [Shift(Slot(row.slot), Reachable(row.id, row.name, row.phone), row.from_at, row.to_at) for row in rows]


def _slot(slot: str) -> Slot:
    try:
        return Slot(slot)
    except ValueError:
        known = ", ".join(Slot)
        raise BadShift(f"没有“{slot}”这个班次；可用：{known}。", f"“{slot}” is no slot; there are: {known}.") from None


def _check_can(who: people.Person, county: str, slot: Slot) -> None:
    need = _NEEDS.get(slot)
    if need is None:
        return
    if who.site is not None or not has_role(Actor(county, who.id, who.name, who.role, who.site), need):
        raise BadShift(
            f"{who.name} 的角色({who.role})或站点不能承担“{slot}”班。",
            f"{who.name}, {who.role}, cannot take the slot {slot}: it needs a county-wide role that may {need}.",
        )
