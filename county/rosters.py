"""Rosters: who is on call, slot by slot (`CLINICAL.md` §5.7 calls them in this order).

A shift is never changed or deleted: a swap or a withdrawal ends the row (`cancelled_at`), and whoever takes it over has
a row of their own that names the one it replaces. So the record always says who was to answer at any instant.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from county import people
from county.access import Action, Actor, Role, has_role
from county.errors import BadShift, UnknownShift
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
_FIELDS = (_F.slot, _P.id, _P.name, _P.phone, _F.from_at, _F.to_at, _F.id.label("shift"))
# Whose shift it is at an instant; somebody who has left is on no shift.
_NOW = (
    select(*_FIELDS)
    .select_from(_ON)
    .where(
        _F.county_id == bindparam("county"),
        _F.to_at > bindparam("now"),
        _F.from_at <= bindparam("now"),
        _F.cancelled_at.is_(None),
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
        _F.cancelled_at.is_(None),
        _P.disabled_at.is_(None),
    )
    .order_by(_F.from_at, _F.id)
)
# The shifts of one slot that end after an instant, the earliest first: what covers the time to come.
_COVER = (
    select(_F.from_at, _F.to_at)
    .select_from(_ON)
    .where(
        _F.county_id == bindparam("county"),
        _F.slot == bindparam("slot"),
        _F.to_at > bindparam("since"),
        _F.cancelled_at.is_(None),
        _P.disabled_at.is_(None),
    )
    .order_by(_F.from_at)
)
# When the last shift of a slot ended before an instant.
_LAST_END = (
    select(_F.to_at)
    .where(
        _F.county_id == bindparam("county"),
        _F.slot == bindparam("slot"),
        _F.to_at <= bindparam("until"),
        _F.cancelled_at.is_(None),
    )
    .order_by(_F.to_at.desc())
    .limit(1)
)
_BEGAN = select(schema.county.c.created_at).where(schema.county.c.id == bindparam("county"))
# One shift that was not given up, locked.
_ONE = (
    select(schema.shift)
    .where(_F.county_id == bindparam("county"), _F.id == bindparam("shift"), _F.cancelled_at.is_(None))
    .with_for_update()
)
_KNOWN = select(_F.id).where(_F.county_id == bindparam("county"), _F.id == bindparam("shift"))
_CANCEL = update(schema.shift).where(_F.county_id == bindparam("county"), _F.id == bindparam("shift"))
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
    id: str


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which a slot has nobody; ``to_at``: ``None`` if nobody ever comes."""

    slot: Slot
    from_at: int
    to_at: int | None


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
    shift = _put(tx, county, where, person, from_at, to_at)
    detail = {"shift": shift, "slot": where.value, "person": person, "from_at": from_at, "to_at": to_at}
    tx.audit(county, actor, "roster.add", county, detail=detail)
    return shift


def withdraw(tx: Transaction, county: str, shift: str, reason: str, *, actor: str = "operator") -> None:
    """Somebody gives up a shift and nobody takes it. :class:`UnknownShift`, :class:`BadShift` once it is over."""
    row = _current(tx, county, shift)
    _end(tx, county, shift)
    tx.audit(county, actor, "roster.withdraw", county, reason=reason, detail={"shift": shift, "slot": row.slot})


def swap(
    tx: Transaction, county: str, shift: str, person: str, *, reason: str | None = None, actor: str = "operator"
) -> str:
    """Another person takes the shift over, from now on if it has begun; the new shift's id.

    :class:`UnknownShift`, :class:`BadShift` once it is over, :class:`UnknownPerson`.
    """
    row = _current(tx, county, shift)
    who = people.get(tx.connection, county, person)
    if who is None:
        raise people.unknown(person)
    _check_can(who, county, Slot(row.slot))
    return _hand_over(tx, row, person, reason, actor)


def exchange(
    tx: Transaction, county: str, one: str, other: str, *, reason: str | None = None, actor: str = "operator"
) -> tuple[str, str]:
    """Two people take each other's shift; the ids of the new ones. Errors as :func:`swap`."""
    first, second = _current(tx, county, one), _current(tx, county, other)
    for row, person in ((first, second.person_id), (second, first.person_id)):
        who = people.get(tx.connection, county, person)
        if who is None:
            raise people.unknown(person)
        _check_can(who, county, Slot(row.slot))
    return (
        _hand_over(tx, first, second.person_id, reason, actor),
        _hand_over(tx, second, first.person_id, reason, actor),
    )


def _hand_over(tx: Transaction, row: Row[Any], person: str, reason: str | None, actor: str) -> str:
    county, shift = str(row.county_id), str(row.id)
    _end(tx, county, shift)
    begins = max(row.from_at, tx.now)
    taken = _put(tx, county, Slot(row.slot), person, begins, row.to_at, replaces=shift)
    detail = {"shift": taken, "replaces": shift, "slot": row.slot, "person": person, "from_at": begins}
    tx.audit(county, actor, "roster.swap", county, reason=reason, detail={**detail, "to_at": row.to_at})
    return taken


def _put(
    tx: Transaction, county: str, slot: Slot, person: str, from_at: int, to_at: int, replaces: str | None = None
) -> str:
    shift = new_id()
    row = {"county_id": county, "id": shift, "slot": slot.value, "person_id": person, "replaces_id": replaces}
    tx.connection.execute(_ADD, {**row, "from_at": from_at, "to_at": to_at})
    return shift


def _end(tx: Transaction, county: str, shift: str) -> None:
    tx.connection.execute(_CANCEL.values(cancelled_at=tx.now), {"county": county, "shift": shift})


def _current(tx: Transaction, county: str, shift: str) -> Row[Any]:
    """The shift, locked; :class:`UnknownShift` if there is none, :class:`BadShift` if it is over."""
    row = tx.connection.execute(_ONE, {"county": county, "shift": shift}).one_or_none()
    if row is None:
        raise UnknownShift(
            f"没有编号为“{shift}”的班次，或已换走、已取消。",
            f"There is no shift “{shift}”, or it was swapped or withdrawn.",
        )
    if row.to_at <= tx.now:
        raise BadShift("这个班次已经结束。", "This shift is over.")
    return row


def is_known(connection: Connection, county: str, shift: str) -> bool:
    """Whether the county has, or had, a shift of this id."""
    return connection.execute(_KNOWN, {"county": county, "shift": shift}).first() is not None


def tell(tx: Transaction, county: str) -> None:
    """``roster.changed``: screens that show the roster read it anew."""
    tx.event(county, "roster.changed", {})


def gaps(connection: Connection, county: str, slots: Collection[Slot], now: int, until: int) -> list[Gap]:
    """The times from ``now`` to ``until`` in which one of ``slots`` has nobody, the earliest first.

    A gap that is running began when the last shift ended (or the county was made), so that the same gap has the same
    ``from_at`` however often one asks.
    """
    found = [gap for slot in slots for gap in _gaps_of(connection, county, slot, now) if gap.from_at < until]
    return sorted(found, key=lambda gap: (gap.from_at, list(Slot).index(gap.slot)))


def _gaps_of(connection: Connection, county: str, slot: Slot, now: int) -> list[Gap]:
    key = {"county": county, "slot": slot.value}
    covered_to: int | None = None
    found: list[Gap] = []
    for from_at, to_at in connection.execute(_COVER, key | {"since": now}):
        if covered_to is None and from_at > now:
            covered_to = _uncovered_since(connection, key, now)
        if covered_to is not None and from_at > covered_to:
            found.append(Gap(slot, covered_to, from_at))
        covered_to = to_at if covered_to is None else max(covered_to, to_at)
    return [*found, Gap(slot, _uncovered_since(connection, key, now) if covered_to is None else covered_to, None)]


def _uncovered_since(connection: Connection, key: dict[str, str], now: int) -> int:
    last = connection.execute(_LAST_END, key | {"until": now}).scalar_one_or_none()
    return connection.execute(_BEGAN, {"county": key["county"]}).scalar_one() if last is None else last


def on_duty(connection: Connection, county: str, now: int) -> dict[Slot, list[Reachable]]:
    """Who is on call at ``now``; every slot is there, an empty one with nobody."""
    found: dict[Slot, list[Reachable]] = {slot: [] for slot in Slot}
    for shift in shifts_at(connection, county, now):
        if shift.person not in found[shift.slot]:
            found[shift.slot].append(shift.person)
    return found


def next_shifts(connection: Connection, county: str, now: int, until: int) -> list[Shift]:
    """The shifts that begin after ``now`` and not after ``until``, the earliest first."""
    rows = connection.execute(_NEXT, {"county": county, "now": now, "until": until})
    return [_shift(row) for row in rows]


def coordinators(connection: Connection, county: str) -> list[Reachable]:
    """Every coordinator of the county, on duty or not: whom the ladder calls when no rung has anybody."""
    rows = connection.execute(_OF_ROLE, {"county": county, "role": Role.COORDINATOR.value})
    return [Reachable(*row) for row in rows]


def shifts_at(connection: Connection, county: str, now: int) -> list[Shift]:
    """The shifts that run at ``now``, the earliest first."""
    return [_shift(row) for row in connection.execute(_NOW, {"county": county, "now": now})]


def _shift(row: Any) -> Shift:
    return Shift(Slot(row.slot), Reachable(row.id, row.name, row.phone), row.from_at, row.to_at, row.shift)


def _slot(slot: str) -> Slot:
    try:
        return Slot(slot)
    except ValueError:
        known = ", ".join(Slot)
        raise BadShift(f"没有“{slot}”这个班次；可用：{known}。", f"“{slot}” is no slot; there are: {known}.") from None


def candidates(connection: Connection, county: str) -> list[tuple[Reachable, list[Slot]]]:
    """Everybody of the whole county, by name, and the slots that each can take."""
    known = [who for who in people.all_people(connection, county) if who.site is None]
    return [
        (Reachable(who.id, who.name, who.phone), [slot for slot in Slot if _can(who, county, slot)]) for who in known
    ]


def _can(who: people.Person, county: str, slot: Slot) -> bool:
    need = _NEEDS.get(slot)
    if need is None:
        return True
    return who.site is None and has_role(Actor(county, who.id, who.name, who.role, who.site), need)


def _check_can(who: people.Person, county: str, slot: Slot) -> None:
    if not _can(who, county, slot):
        need = _NEEDS[slot]
        raise BadShift(
            f"{who.name} 的角色({who.role})或站点不能承担“{slot}”班。",
            f"{who.name}, {who.role}, cannot take the slot {slot}: it needs a county-wide role that may {need}.",
        )
