"""Enrolment: a one-time code that a device exchanges for its key, once.

The county makes the code and gives it to the clinic on paper, as a QR or by telephone; whoever installs the device
types it once. Sixteen letters of Crockford's base 32 are 80 bits, so that a hash of the code may lie in a stolen
database for the days that it lives. The exchange is one compare-and-set on ``used_at``: of two that come at once one
gets the key. Over a village's line the answer may be lost, and the code would be too: so whoever sends a long random
``Idempotency-Key`` gets a key that is made of it and of the code, and by the same again the same key. A wrong, an
expired and a used code get the same answer after the same time, and guessing is limited like that of passwords
(:mod:`county.guesses`).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets as chance
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select, update

from county import counties, devices, guesses, secrets, signin, sites
from county.errors import BadHours, UnknownDevice
from county.names import is_usable, tidy
from county.problem import Problem
from ledger import schema
from ledger.clock import SECOND
from ledger.database import Ledger, Transaction
from ledger.ids import new_id

LASTS_H = 72  # a weekend between the office and the village
MOST_H = 720
LETTERS = 16
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford: no I, L, O, U
_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1", " ": None, "-": None})
LEAST_NONCE = 32  # letters; a shorter one is no secret, and is let pass
_ANYWHERE = ""  # guesses are counted here: a code does not say of which county it is

_N = schema.enrolment.c
_ADD = insert(schema.enrolment)
# Use a code, if nobody has and it still counts.
_TAKE = (
    update(schema.enrolment)
    .where(
        _N.code_hash == bindparam("hashed"),
        _N.used_at.is_(None),
        _N.expires_at > bindparam("now", type_=schema.Instant),
    )
    .values(used_at=bindparam("now", type_=schema.Instant))
    .returning(_N.county_id, _N.id, _N.site_id, _N.device_id)
)
# Which device it was exchanged for.
_GIVEN = (
    update(schema.enrolment)
    .where(_N.county_id == bindparam("county"), _N.id == bindparam("which"))
    .values(device_id=bindparam("device"))
)
# A device's newer code ends the older ones.
_END = (
    update(schema.enrolment)
    .where(
        _N.county_id == bindparam("county"),
        _N.device_id == bindparam("device"),
        _N.used_at.is_(None),
        _N.expires_at > bindparam("now", type_=schema.Instant),
    )
    .values(expires_at=bindparam("now", type_=schema.Instant))
)
# Which device a code was exchanged for that is not expired yet.
_USED = select(_N.county_id, _N.device_id).where(
    _N.code_hash == bindparam("hashed"),
    _N.used_at.is_not(None),
    _N.expires_at > bindparam("now", type_=schema.Instant),
)
# Whose code this is, whatever became of it.
_WHOSE = select(_N.county_id, _N.site_id, _N.used_at).where(_N.code_hash == bindparam("hashed"))


@dataclass(frozen=True, slots=True)
class Code:
    """A code that was just made; it is not kept, so this is the only time it is seen. ``expires_at``: UTC µs."""

    code: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What a device gets for its code."""

    device: str
    key: str
    site: sites.Site
    county: counties.County


def begin(
    tx: Transaction,
    county: str,
    site: str,
    *,
    device: str | None = None,
    hours: int = LASTS_H,
    actor: str = "operator",
) -> Code:
    """A new one-time code of a site: for a device that is not known yet, or for ``device``, whose key it will replace.

    :class:`UnknownSite`, :class:`UnknownDevice`, :class:`BadHours`.
    """
    if not 1 <= hours <= MOST_H:
        raise BadHours(f"有效期为 1 到 {MOST_H} 小时。", f"A code is valid for 1 to {MOST_H} hours.")
    sites.need(tx.connection, county, site)
    if device is not None:
        if devices.need(tx.connection, county, device).site != site:
            raise UnknownDevice(f"这个站点没有设备“{device}”。", f"This site has no device “{device}”.")
        tx.connection.execute(_END, {"county": county, "device": device, "now": tx.now})
    made = Code(new_code(), tx.now + hours * 3600 * SECOND)
    row = {"county_id": county, "id": new_id(), "site_id": site, "code_hash": secrets.fingerprint(plain(made.code))}
    row |= {"created_at": tx.now, "created_by": actor, "expires_at": made.expires_at, "used_at": None}
    tx.connection.execute(_ADD, {**row, "device_id": device})
    detail = {"enrolment": row["id"], "device": device, "hours": hours}
    tx.audit(county, actor, "enrolment.begin", site, detail=detail)
    return made


async def exchange(ledger: Ledger, code: str, name: str = "", address: str = "", nonce: str | None = None) -> Enrolled:
    """The key for a code; ``name``: what the device calls itself; ``nonce``: the client's own, by which a repeat gets
    the same key.

    The problem ``wrong-code`` (401) after :data:`county.signin.WRONG_AFTER_S`; ``too-often`` (429) with
    ``Retry-After``.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    letters, keys = plain(code), guesses.buckets(plain(code), address)
    now = ledger.clock.now()
    if wait := await ledger.aread(lambda connection: guesses.wait_s(connection, _ANYWHERE, keys, now)):
        raise signin.too_often(wait)
    is_repeatable = nonce is not None and len(nonce) >= LEAST_NONCE
    key = _derived(letters, nonce or "") if is_repeatable else secrets.new(secrets.Kind.DEVICE)
    known = tidy(name) if is_usable(tidy(name)) else None
    done = await ledger.awrite(lambda tx: _exchange(tx, letters, key, known, address))
    if done is None and is_repeatable:
        done = await ledger.aread(lambda connection: _again(connection, letters, key, now))
    if done is None:
        await ledger.awrite(lambda tx: _refused(tx, letters, keys, address))
        await asyncio.sleep(max(0.0, began + signin.WRONG_AFTER_S - loop.time()))
        raise wrong()
    return done


def new_code() -> str:
    """Sixteen letters in groups of four, which a telephone carries."""
    letters = "".join(chance.choice(ALPHABET) for _ in range(LETTERS))
    return "-".join(letters[at : at + 4] for at in range(0, LETTERS, 4))


def plain(code: str) -> str:
    """The letters of a code as somebody typed it: without dashes and spaces, in capitals, misread ones put right."""
    return code.upper().translate(_MISREAD)


def wrong() -> Problem:
    """The answer to a wrong, an expired and a used code: the same bytes."""
    return Problem(
        401,
        "wrong-code",
        "开通码不对、已过期或已用过，请核对，或向县管理员要新的开通码。",
        "The code is wrong, expired or used: check it, or ask the county's administrator for a new one.",
    )


def _exchange(tx: Transaction, letters: str, key: str, name: str | None, address: str) -> Enrolled | None:
    taken = tx.connection.execute(_TAKE, {"hashed": secrets.fingerprint(letters), "now": tx.now}).first()
    if taken is None:
        return None
    county, site = taken.county_id, taken.site_id
    if taken.device_id is None:
        device = devices.put(tx, county, site, secrets.fingerprint(key), name)
    else:
        device = taken.device_id
        if not devices.set_key(tx, county, device, secrets.fingerprint(key)):
            return None  # revoked since: the code opens nothing, and is used up
    tx.connection.execute(_GIVEN, {"county": county, "which": taken.id, "device": device})
    tx.audit(county, device, "device.enrol", site, detail={"enrolment": taken.id, "address": address})
    return _enrolled(tx.connection, county, device, key, site)


def _derived(letters: str, nonce: str) -> str:
    """A key that only who has both can make: HMAC-SHA-256 of the nonce by the code."""
    made = hmac.new(letters.encode("utf-8", "surrogatepass"), nonce.encode("utf-8", "surrogatepass"), hashlib.sha256)
    return secrets.Kind.DEVICE + base64.urlsafe_b64encode(made.digest()).decode().rstrip("=")


def _again(connection: Connection, letters: str, key: str, now: int) -> Enrolled | None:
    """The answer to an exchange that was made by the same nonce, as long as the code is not expired."""
    used = connection.execute(_USED, {"hashed": secrets.fingerprint(letters), "now": now}).first()
    found = None if used is None else devices.by_key(connection, key)
    if used is None or found is None or (found.county, found.id) != (used.county_id, used.device_id):
        return None
    return _enrolled(connection, found.county, found.id, key, found.site)


def _enrolled(connection: Connection, county: str, device: str, key: str, site: str) -> Enrolled:
    named = counties.get(connection, county)
    assert named is not None
    return Enrolled(device, key, sites.need(connection, county, site), named)


def _refused(tx: Transaction, letters: str, keys: dict[str, str], address: str) -> None:
    """On record in the county whose code it was, else in the only one there is."""
    guesses.count(tx, _ANYWHERE, keys)
    whose = tx.connection.execute(_WHOSE, {"hashed": secrets.fingerprint(letters)}).first()
    if whose is not None:
        why = "expired" if whose.used_at is None else "used"
        detail = {"address": address, "why": why}
        tx.audit(whose.county_id, signin.MISTYPED, "enrolment.refused", whose.site_id, detail=detail)
        return
    known = counties.all_counties(tx.connection)
    if len(known) == 1:
        detail = {"address": address, "why": "unknown"}
        tx.audit(known[0].id, signin.MISTYPED, "enrolment.refused", known[0].id, detail=detail)
