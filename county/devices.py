"""Devices: the ECG machine or PC of a site, known by its key; what each last said of itself.

A key is given once, at :func:`add` or by a one-time code (:mod:`county.enrolment`), replaced by :func:`rotate`, ended
by :func:`revoke`. One that opens nothing any more is on record when it is tried (:mod:`county.refusals`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Connection, Text, bindparam, insert, select, update

from county import secrets, sites
from county.clocks import Estimate, Sample, estimate
from county.errors import UnknownDevice
from county.names import checked
from ledger import schema
from ledger.database import Transaction
from ledger.ids import new_id

_D, _F, _S = schema.device.c, schema.former_key.c, schema.site.c
_ADD = insert(schema.device)
# The device whose key this is, with its site's name; a revoked key opens nothing.
_BY_KEY = (
    select(_D.county_id, _D.id, _D.site_id, _S.name)
    .join_from(schema.device, schema.site, (_S.county_id == _D.county_id) & (_S.id == _D.site_id))
    .where(_D.key_hash == bindparam("key_hash"), _D.revoked_at.is_(None))
)
# Revoke once: the first instant stays.
_REVOKE = (
    update(schema.device)
    .where(_D.county_id == bindparam("county"), _D.id == bindparam("device"), _D.revoked_at.is_(None))
    .values(revoked_at=bindparam("at"))
)
# The key that a device has: kept before it is given another, so that it is known again when it is tried.
_KEEP_KEY = insert(schema.former_key).from_select(
    ["county_id", "id", "device_id", "key_hash", "ended_at"],
    select(_D.county_id, bindparam("former", type_=Text), _D.id, _D.key_hash, bindparam("at", type_=BigInteger)).where(
        _D.county_id == bindparam("county"), _D.id == bindparam("device"), _D.revoked_at.is_(None)
    ),
)
# Another key: the one before opens nothing from this commit on.
_SET_KEY = (
    update(schema.device)
    .where(_D.county_id == bindparam("county"), _D.id == bindparam("device"), _D.revoked_at.is_(None))
    .values(key_hash=bindparam("to_hash"))
)
_KNOWN = (
    _D.id,
    _D.site_id,
    _S.name.label("site_name"),
    _S.township,
    _D.name,
    _D.created_at,
    _D.revoked_at,
    _D.seen_at,
    _D.version,
    _D.waiting,
    _D.waiting_since_at,
    _D.clock_offset_us,
    _D.clock_uncertainty_us,
    _D.clock_at,
)
_OF_COUNTY = (
    select(*_KNOWN)
    .join_from(schema.device, schema.site, (_S.county_id == _D.county_id) & (_S.id == _D.site_id))
    .where(_D.county_id == bindparam("county"))
)
# Every device of a county, by township and clinic, also those that were revoked.
_ALL = _OF_COUNTY.order_by(_S.township, _S.name, _S.id, _D.created_at, _D.id)
# One device by its id.
_ONE = _OF_COUNTY.where(_D.id == bindparam("device"))
# Whose key this was, before it was revoked or replaced.
_ENDED = (
    select(_D.county_id, _D.id, _D.site_id)
    .where(_D.key_hash == bindparam("key_hash"), _D.revoked_at.is_not(None))
    .union_all(
        select(_D.county_id, _D.id, _D.site_id)
        .join_from(schema.former_key, schema.device, (_D.county_id == _F.county_id) & (_D.id == _F.device_id))
        .where(_F.key_hash == bindparam("key_hash"))
    )
)
# What a device says of itself.
_BEAT = (
    update(schema.device)
    .where(_D.county_id == bindparam("county"), _D.id == bindparam("device"), _D.revoked_at.is_(None))
    .values(
        seen_at=bindparam("to_seen"),
        version=bindparam("to_version"),
        waiting=bindparam("to_waiting"),
        waiting_since_at=bindparam("to_since"),
        clock_offset_us=bindparam("to_offset"),
        clock_uncertainty_us=bindparam("to_uncertainty"),
        clock_at=bindparam("to_clock_at"),
    )
)
# What is known of a device's clock.
_CLOCK = select(_D.clock_offset_us, _D.clock_uncertainty_us, _D.clock_at).where(
    _D.county_id == bindparam("county"), _D.id == bindparam("device")
)
# The same, locked: two beats may come at once.
_CLOCK_LOCKED = _CLOCK.with_for_update()


@dataclass(frozen=True, slots=True)
class Device:
    """A device whose key is valid."""

    county: str
    id: str
    site: str
    site_name: str


@dataclass(frozen=True, slots=True)
class Beat:
    """What a device says of itself: its program's version, ECGs in its spool, the oldest of them by its own clock, and
    its clock's samples, the oldest first.
    """

    version: str
    waiting: int
    oldest_waiting_at: int | None
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """A device as the county knows it, revoked or not. ``*_at``: UTC µs; ``clock_offset_us``: its clock less ours."""

    id: str
    site: str
    site_name: str
    township: str
    name: str | None
    created_at: int
    revoked_at: int | None
    seen_at: int | None
    version: str | None
    waiting: int | None
    waiting_since_at: int | None
    clock_offset_us: int | None
    clock_uncertainty_us: int | None
    clock_at: int | None


def add(
    tx: Transaction, county: str, site: str, name: str | None = None, *, actor: str = "operator"
) -> tuple[str, str]:
    """A new device of a site: its id, and its key, which is shown this once. :class:`UnknownSite`."""
    sites.need(tx.connection, county, site)
    key = secrets.new(secrets.Kind.DEVICE)
    device = put(tx, county, site, secrets.fingerprint(key), None if name is None else checked(name))
    tx.audit(county, actor, "device.add", site, detail={"device": device})
    return device, key


def put(tx: Transaction, county: str, site: str, key_hash: str, name: str | None) -> str:
    """The row of a new device; its id. Nothing of it is on record yet: that is the caller's."""
    device = new_id()
    row = {"county_id": county, "id": device, "site_id": site, "key_hash": key_hash, "name": name}
    tx.connection.execute(_ADD, {**row, "created_at": tx.now, "revoked_at": None})
    return device


def rotate(tx: Transaction, county: str, device: str, *, actor: str = "operator", reason: str | None = None) -> str:
    """A new key for a device, shown this once; the one before opens nothing. :class:`UnknownDevice`."""
    known, key = need(tx.connection, county, device), secrets.new(secrets.Kind.DEVICE)
    if not set_key(tx, county, device, secrets.fingerprint(key)):
        raise _not_in_use(device)
    tx.audit(county, actor, "device.rotate", known.site, reason=reason, detail={"device": device})
    return key


def set_key(tx: Transaction, county: str, device: str, key_hash: str) -> bool:
    """Give a device another key; ``False`` if it is not in use."""
    which = {"county": county, "device": device}
    tx.connection.execute(_KEEP_KEY, {**which, "former": new_id(), "at": tx.now})
    return tx.connection.execute(_SET_KEY, {**which, "to_hash": key_hash}).rowcount == 1


def revoke(tx: Transaction, county: str, device: str, *, actor: str = "operator", reason: str | None = None) -> None:
    """The key opens nothing from this commit on. :class:`UnknownDevice` if there is none, or it was revoked."""
    done = tx.connection.execute(_REVOKE, {"county": county, "device": device, "at": tx.now})
    if not done.rowcount:
        raise _not_in_use(device)
    tx.audit(county, actor, "device.revoke", device, reason=reason)


def beat(tx: Transaction, county: str, device: str, said: Beat) -> Estimate | None:
    """Keep what a device said of itself; its clock as it is known then."""
    clock = _clock(tx.connection.execute(_CLOCK_LOCKED, {"county": county, "device": device}).one_or_none())
    for sample in said.samples:
        clock = estimate(clock, sample)
    since = said.oldest_waiting_at
    if since is not None and clock is not None:
        since = min(clock.ours(since), tx.now)  # by our clock, and never in the time to come
    values = {"to_seen": tx.now, "to_version": said.version, "to_waiting": said.waiting, "to_since": since}
    known = (None, None, None) if clock is None else (clock.offset_us, clock.uncertainty_us, clock.at)
    values |= dict(zip(("to_offset", "to_uncertainty", "to_clock_at"), known, strict=True))
    tx.connection.execute(_BEAT, {"county": county, "device": device, **values})
    return clock


def clock_of(connection: Connection, county: str, device: str) -> Estimate | None:
    """What is known of a device's clock; ``None`` if nothing is, or there is no such device."""
    return _clock(connection.execute(_CLOCK, {"county": county, "device": device}).one_or_none())


def _clock(row: Any) -> Estimate | None:
    return None if row is None or row.clock_offset_us is None else Estimate(*row)


def all_devices(connection: Connection, county: str) -> list[Known]:
    """Every device of the county, by township and clinic, also those that were revoked."""
    return [Known(*row) for row in connection.execute(_ALL, {"county": county})]


def get(connection: Connection, county: str, device: str) -> Known | None:
    """The device with this id, revoked or not."""
    row = connection.execute(_ONE, {"county": county, "device": device}).one_or_none()
    return None if row is None else Known(*row)


def need(connection: Connection, county: str, device: str) -> Known:
    """The device with this id, in use; :class:`UnknownDevice` otherwise."""
    found = get(connection, county, device)
    if found is None or found.revoked_at is not None:
        raise _not_in_use(device)
    return found


def _not_in_use(device: str) -> UnknownDevice:
    return UnknownDevice(f"没有在用的设备“{device}”。", f"There is no device “{device}” in use.")


def by_key(connection: Connection, key: str) -> Device | None:
    """The device whose key this is."""
    row = connection.execute(_BY_KEY, {"key_hash": secrets.fingerprint(key)}).first()
    return None if row is None else Device(*row)


def by_ended_key(connection: Connection, key: str) -> tuple[str, str, str] | None:
    """County, id and site of the device whose key this was before it was revoked or replaced."""
    row = connection.execute(_ENDED, {"key_hash": secrets.fingerprint(key)}).first()
    return None if row is None else (row.county_id, row.id, row.site_id)
