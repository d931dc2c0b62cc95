"""The limit on guessing passwords.

Failures are counted three ways, each in a window that begins with its first failure: for a name from one address, for
a name from anywhere, and for an address whatever the name. The first is the tight one. A name's own limit is wider, so
that one outsider alone cannot lock the cardiologist on duty out; an address's is wider too, because a whole hospital
may stand behind one address at the change of shift. Names and addresses are kept as hashes: what was typed into the
name field is sometimes a password.
"""

from __future__ import annotations

import hashlib
import ipaddress
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, case, delete, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from ledger import schema
from ledger.clock import SECOND
from ledger.database import Transaction

WINDOW_S = 300
MOST = {"pair": 10, "name": 30, "address": 20}  # failures in a window; NIST SP 800-63B §5.2.2 allows 100 in a row

_G = schema.signin_failure.c


def _count(insert: Any) -> Any:
    """Count a failure, in a new window if the old one has passed; the two engines spell the same statement."""
    row: dict[str, Any] = {
        "county_id": bindparam("county"),
        "bucket": bindparam("which"),
        "failures": 1,
        "since_at": bindparam("now"),
    }
    is_old = _G.since_at <= bindparam("old")
    now: ColumnElement[int] = bindparam("now", type_=schema.Instant)
    fresh = {
        "failures": case((is_old, 1), else_=_G.failures + 1),
        "since_at": case((is_old, now), else_=_G.since_at),
    }
    return insert(schema.signin_failure).values(row).on_conflict_do_update(index_elements=list(row)[:2], set_=fresh)


_COUNT = {"sqlite": _count(sqlite.insert), "postgresql": _count(postgresql.insert)}
# Windows that have passed are nobody's business any more.
_FORGET = delete(schema.signin_failure).where(_G.county_id == bindparam("county"), _G.since_at <= bindparam("old"))
# The counters of one attempt that have reached their limit.
_FULL = select(func.max(_G.since_at)).where(
    _G.county_id == bindparam("county"),
    _G.since_at > bindparam("old"),
    or_(*(((_G.bucket == bindparam(kind)) & (_G.failures >= most)) for kind, most in MOST.items())),
)
_PARDON = delete(schema.signin_failure).where(_G.county_id == bindparam("county"), _G.bucket == bindparam("which"))


def buckets(name: str, address: str) -> dict[str, str]:
    """The counters of an attempt: kind → key."""
    where = _network(address)
    return {
        "pair": f"pair:{_hash(name + chr(0) + where)}",
        "name": f"name:{_hash(name)}",
        "address": f"address:{_hash(where)}",
    }


def wait_s(connection: Connection, county: str, keys: dict[str, str], now: int) -> int:
    """Seconds until another attempt is heard; 0 if it may be made now."""
    old = now - WINDOW_S * SECOND
    since = connection.execute(_FULL, {"county": county, "old": old, **keys}).scalar_one()
    return 0 if since is None else max(1, -((old - since) // SECOND))


def count(tx: Transaction, county: str, keys: dict[str, str]) -> None:
    """Count a failure."""
    old = tx.now - WINDOW_S * SECOND
    tx.connection.execute(_FORGET, {"county": county, "old": old})
    statement = _COUNT[tx.connection.dialect.name]
    for key in sorted(keys.values()):  # in one order everywhere: no two processes wait for each other
        tx.connection.execute(statement, {"county": county, "which": key, "now": tx.now, "old": old})


def pardon(tx: Transaction, county: str, keys: dict[str, str]) -> None:
    """Whoever got in mistyped before; what others tried with the name, or from the address, still counts."""
    tx.connection.execute(_PARDON, {"county": county, "which": keys["pair"]})


def _network(address: str) -> str:
    """The address; of IPv6 the /64, within which one machine may have any number of addresses."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if known.version == 6:
        return str(ipaddress.ip_network((known, 64), strict=False))
    return str(known)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
