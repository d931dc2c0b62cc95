"""Devices: the ECG machine or PC of a site, known by its key."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select, update

from county import secrets, sites
from county.errors import UnknownDevice
from ledger import schema
from ledger.database import Transaction
from ledger.ids import new_id

_D, _S = schema.device.c, schema.site.c
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


@dataclass(frozen=True, slots=True)
class Device:
    """A device whose key is valid."""

    county: str
    id: str
    site: str
    site_name: str


def add(tx: Transaction, county: str, site: str, *, actor: str = "operator") -> tuple[str, str]:
    """A new device of a site: its id, and its key, which is shown this once. :class:`UnknownSite`."""
    sites.need(tx.connection, county, site)
    device, key = new_id(), secrets.new(secrets.Kind.DEVICE)
    row = {"county_id": county, "id": device, "site_id": site, "key_hash": secrets.fingerprint(key)}
    tx.connection.execute(_ADD, {**row, "created_at": tx.now, "revoked_at": None})
    tx.audit(county, actor, "device.add", site, detail={"device": device})
    return device, key


def revoke(tx: Transaction, county: str, device: str, *, actor: str = "operator", reason: str | None = None) -> None:
    """The key opens nothing from this commit on. :class:`UnknownDevice` if there is none, or it was revoked."""
    done = tx.connection.execute(_REVOKE, {"county": county, "device": device, "at": tx.now})
    if not done.rowcount:
        raise UnknownDevice(f"没有在用的设备“{device}”。", f"There is no device “{device}” in use.")
    tx.audit(county, actor, "device.revoke", device, reason=reason)


def by_key(connection: Connection, key: str) -> Device | None:
    """The device whose key this is."""
    row = connection.execute(_BY_KEY, {"key_hash": secrets.fingerprint(key)}).first()
    return None if row is None else Device(*row)
