"""Signing in, and who is asking.

A person trades name and password for a session: an opaque token whose hash is a row, so that it can be ended at once
and means nothing to whoever steals the database. A device has a key. :func:`actor` turns either into an
:class:`~county.access.Actor` by one indexed read and keeps nothing in memory: what was revoked is refused by the next
request, in every process.

An unknown name takes the same steps as a wrong password (the same reads, one argon2 verification, one commit) and is
answered after the same time, with the same bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from starlette.requests import HTTPConnection

from county import counties, devices, guesses, passwords, people, refusals, secrets
from county.access import Actor, Role
from county.errors import ManyCounties, NoCounty, UnknownCounty
from county.names import is_usable, tidy
from county.people import Person
from county.problem import Problem, not_signed_in
from ledger import schema
from ledger.clock import SECOND
from ledger.database import Ledger, Transaction
from ledger.ids import new_id

COOKIE = "ecgnet_session"
SESSION_S = 12 * 3600  # a shift
FEED_S = 30 * 60  # how long a session lasts at least after its feed was last open
KEPT_S = 30 * 86400  # sessions that ended are rows that long
ASKED_AT_ONCE = 500  # sessions of one read
WRONG_AFTER_S = 0.3  # a wrong name or password is answered then: argon2 takes about a third of it, commits the rest
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # RFC 9110 §9.2.1
DEFAULT_PORTS = {"http": ":80", "https": ":443"}
MISTYPED = "somebody"  # the audit's actor of a failure: no name, it may be a password in the wrong field

# Two at a time: argon2 takes 64 MiB each, and so at most two guesses can pass the limit together.
_DESK = ThreadPoolExecutor(2, thread_name_prefix="sign-in")

_N, _P = schema.session.c, schema.person.c
_PERSON = (_P.id, _P.name, _P.role, _P.site_id, _P.phone)
_OF_PERSON = schema.session.join(schema.person, (_P.county_id == _N.county_id) & (_P.id == _N.person_id))
_IS_LIVE = (_N.ended_at.is_(None), _N.expires_at > bindparam("now"), _P.disabled_at.is_(None))
# The person whose live session this token is.
_BY_TOKEN = (
    select(_N.county_id, _N.id.label("session"), *_PERSON)
    .select_from(_OF_PERSON)
    .where(_N.token_hash == bindparam("token_hash"), *_IS_LIVE)
)
# A live session and its person.
_SESSION = (
    select(_N.expires_at, *_PERSON)
    .select_from(_OF_PERSON)
    .where(_N.county_id == bindparam("county"), _N.id == bindparam("session"), *_IS_LIVE)
)
# Which of some sessions are live, until when, and whose.
_LIVE_SESSIONS = (
    select(_N.id, _N.expires_at, *_PERSON)
    .select_from(_OF_PERSON)
    .where(_N.county_id == bindparam("county"), _N.id.in_(bindparam("ids", expanding=True)), *_IS_LIVE)
)
_D = schema.device.c
# Which of some devices have a key that is not revoked.
_LIVE_DEVICES = select(_D.id).where(
    _D.county_id == bindparam("county"), _D.id.in_(bindparam("ids", expanding=True)), _D.revoked_at.is_(None)
)
# Who has this name, and their password's hash.
_BY_NAME = select(*_PERSON, _P.password_hash).where(
    _P.county_id == bindparam("county"), _P.name == bindparam("name"), _P.disabled_at.is_(None)
)
_BEGIN = insert(schema.session)
# Rows of sessions that ended long ago.
_FORGET = delete(schema.session).where(
    _N.county_id == bindparam("county"), _N.person_id == bindparam("person"), _N.expires_at < bindparam("old")
)
# Move a live session's end further away; never nearer.
_EXTEND = (
    update(schema.session)
    .where(
        _N.county_id == bindparam("county"),
        _N.id == bindparam("session"),
        _N.ended_at.is_(None),
        _N.expires_at > bindparam("now"),
        _N.expires_at < bindparam("until"),
    )
    .values(expires_at=bindparam("until"))
)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that has just begun; the token is nowhere else."""

    token: str
    expires_at: int
    person: Person


@dataclass(frozen=True, slots=True)
class Session:
    """A live session."""

    expires_at: int
    person: Person


# --- who is asking ---------------------------------------------------------------------------------------------------


async def actor(request: HTTPConnection, ledger: Ledger) -> Actor:
    """Who asks, over HTTP or by a websocket.

    :func:`~county.problem.not_signed_in` for missing, wrong, expired or revoked credentials; the problem
    ``wrong-origin`` (403) for an unsafe request by cookie that another site's page may have sent. A bearer token goes
    before the cookie: no page of another site can send one.
    """
    header = request.headers.get("authorization")
    if header is not None:
        secret = _bearer(header)
    else:
        secret = request.cookies.get(COOKIE, "")
        if not secret.startswith(secrets.Kind.SESSION):  # a device key is no cookie
            raise not_signed_in()
        if is_unsafe(request):
            check_origin(request)
    now = ledger.clock.now()
    found = await ledger.aread(lambda connection: by_secret(connection, secret, now))
    if found is None:
        refusals.note(ledger, secret, request.client.host if request.client else "")
        raise not_signed_in()
    return found


def by_secret(connection: Connection, secret: str, now: int) -> Actor | None:
    """The device whose key, or the person whose live session's token, ``secret`` is."""
    if secret.startswith(secrets.Kind.DEVICE):
        device = devices.by_key(connection, secret)
        if device is None:
            return None
        return Actor(device.county, device.id, device.site_name, Role.CLINIC, device.site, is_device=True)
    if not secret.startswith(secrets.Kind.SESSION):
        return None
    row = connection.execute(_BY_TOKEN, {"token_hash": secrets.fingerprint(secret), "now": now}).first()
    if row is None:
        return None
    return Actor(row.county_id, row.id, row.name, Role(row.role), row.site_id, session=row.session)


def is_unsafe(request: HTTPConnection) -> bool:
    """Whether the request may change something: an unsafe method, or a websocket, which acts later."""
    return request.scope["type"] == "websocket" or request.scope["method"] not in SAFE_METHODS


def check_origin(request: HTTPConnection) -> None:
    """The problem ``wrong-origin`` unless the page that asks is one of ours (or of ``settings.trusted_origins``).

    Browsers send ``Origin`` with every unsafe request and every websocket; a program without one uses a bearer token.
    """
    origin = request.headers.get("origin", "")
    is_tls = request.url.scheme in {"https", "wss"}
    if not is_ours(origin, request.headers.get("host", ""), is_tls, trusted_origins(request)):
        raise Problem(
            403,
            "wrong-origin",
            "这个请求来自别的网站，已拒绝；请在本系统的页面上操作。",
            "This request came from another site and was refused: use this system's own pages.",
        )


def is_ours(origin: str, host: str, is_tls: bool, trusted: Collection[str] = ()) -> bool:
    """Whether ``origin`` names the host and port that were asked (by TLS, if we were), or is one of ``trusted``."""
    if origin in trusted:
        return True
    scheme, _, place = origin.partition("://")
    port = DEFAULT_PORTS.get(scheme)
    if port is None or not host or (is_tls and scheme != "https"):
        return False
    return place.lower().removesuffix(port) == host.lower().removesuffix(port)


def trusted_origins(request: HTTPConnection) -> Collection[str]:
    """Origins beside our own that the operator trusts."""
    return getattr(getattr(request.app.state, "settings", None), "trusted_origins", ())


def _bearer(header: str) -> str:
    scheme, _, secret = header.partition(" ")
    if scheme.lower() != "bearer":
        raise not_signed_in()
    return secret.strip()


# --- signing in and out ----------------------------------------------------------------------------------------------


async def sign_in(
    ledger: Ledger, name: str, password: str, county: str | None = None, address: str = "", lasts_s: int = SESSION_S
) -> SignedIn:
    """A new session for who knows the password; ``county`` (name or id) only where there are several.

    The problem ``wrong-name-or-password`` (401) after :data:`WRONG_AFTER_S`; ``too-often`` (429) with ``Retry-After``;
    ``which-county`` (422).
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    answer = await loop.run_in_executor(_DESK, _at_the_desk, ledger, tidy(name), password, county, address, lasts_s)
    if answer is None:
        await asyncio.sleep(max(0.0, began + WRONG_AFTER_S - loop.time()))
        raise wrong()
    return answer


def wrong() -> Problem:
    """The answer to an unknown name and to a wrong password: the same bytes."""
    return Problem(
        401,
        "wrong-name-or-password",
        "姓名或密码不对。忘记密码请找县管理员。",
        "The name or the password is wrong. If you forgot it, ask the county's administrator.",
    )


def _at_the_desk(
    ledger: Ledger, name: str, password: str, county: str | None, address: str, lasts_s: int
) -> SignedIn | None:
    """One attempt, in a thread of its own: limit, look up, verify, record."""
    nobody = passwords.nobodys_hash()
    keys = guesses.buckets(name, address)
    now = ledger.clock.now()

    def look_up(connection: Connection) -> tuple[str | None, Person | None, passwords.PasswordHash, int]:
        where = _which_county(connection, county)
        wait = guesses.wait_s(connection, where or "", keys, now)
        person, kept = _by_name(connection, where or "", name)
        return where, person, kept or nobody, wait

    where, person, kept, wait = ledger.read(look_up)
    if wait:
        raise too_often(wait)
    if not passwords.verify(kept, password) or person is None or where is None:
        ledger.write(lambda tx: _failed(tx, where, person, keys, address))
        return None
    return ledger.write(lambda tx: _begin(tx, where, person, keys, address, lasts_s))


def _by_name(
    connection: Connection, county: str, name: str
) -> tuple[Person, passwords.PasswordHash] | tuple[None, None]:
    row = connection.execute(_BY_NAME, {"county": county, "name": name if is_usable(name) else ""}).one_or_none()
    if row is None:
        return None, None
    return _person(tuple(row)), passwords.PasswordHash(row.password_hash)


def _which_county(connection: Connection, named: str | None) -> str | None:
    try:
        return counties.only_county(connection, named).id
    except (NoCounty, UnknownCounty):
        return None  # the same answer as for an unknown name
    except ManyCounties:
        # whoever has no account is not told which counties there are
        raise Problem(
            422, ManyCounties.code, "请填写您的县。", "Say which county you belong to: the field county."
        ) from None


def _begin(tx: Transaction, county: str, person: Person, keys: dict[str, str], address: str, lasts_s: int) -> SignedIn:
    token, session = secrets.new(secrets.Kind.SESSION), new_id()
    expires_at = tx.now + lasts_s * SECOND
    row = {"county_id": county, "id": session, "person_id": person.id, "token_hash": secrets.fingerprint(token)}
    tx.connection.execute(_FORGET, {"county": county, "person": person.id, "old": tx.now - KEPT_S * SECOND})
    tx.connection.execute(_BEGIN, {**row, "created_at": tx.now, "expires_at": expires_at, "ended_at": None})
    guesses.pardon(tx, county, keys)
    tx.audit(county, person.id, "session.begin", county, detail={"session": session, "address": address})
    return SignedIn(token, expires_at, person)


def _failed(tx: Transaction, county: str | None, person: Person | None, keys: dict[str, str], address: str) -> None:
    guesses.count(tx, county or "", keys)
    if county is not None:
        by = MISTYPED if person is None else person.id
        tx.audit(county, by, "session.refused", county, detail={"address": address})


def too_often(wait_s: int) -> Problem:
    """The answer once too many guesses have failed."""
    return Problem(
        429,
        "too-often",
        f"失败次数太多，请 {wait_s} 秒后再试。",
        f"Too many failures: try again in {wait_s} seconds.",
        headers={"Retry-After": str(wait_s)},
    )


async def sign_out(ledger: Ledger, who: Actor) -> None:
    """End every session of the person at once; their feeds see it by :func:`going_on`."""

    def end(tx: Transaction) -> None:
        people.end_sessions(tx, who.county, who.id)
        tx.audit(who.county, who.id, "session.end", who.county, detail={"session": who.session})

    await ledger.awrite(end)


# --- sessions that go on ---------------------------------------------------------------------------------------------


def session(connection: Connection, who: Actor, now: int) -> Session | None:
    """The actor's session; ``None`` if it is not live any more, and for a device."""
    row = connection.execute(_SESSION, {"county": who.county, "session": who.session or "", "now": now}).one_or_none()
    return None if row is None else Session(row.expires_at, _person(tuple(row)[1:]))


@dataclass(frozen=True, slots=True)
class Going:
    """Somebody whose session or key goes on, as they are now; until when (UTC µs; ``None``: a device's key)."""

    who: Actor
    expires_at: int | None


def going_on(connection: Connection, actors: Iterable[Actor], now: int) -> dict[Actor, Going]:
    """Who of ``actors`` may go on: session not ended or expired, key not revoked. Two reads a county and 500 of them.

    The feed asks for all its open sockets at once and closes the others (4401).
    """
    counted: dict[tuple[str, bool], dict[str, list[Actor]]] = {}
    for who in actors:
        which = who.id if who.is_device else who.session or ""
        counted.setdefault((who.county, who.is_device), {}).setdefault(which, []).append(who)
    found: dict[Actor, Going] = {}
    for (county, is_device), ids in counted.items():
        every = list(ids)
        for first in range(0, len(every), ASKED_AT_ONCE):
            values: dict[str, Any] = {"county": county, "ids": every[first : first + ASKED_AT_ONCE]}
            if is_device:
                live = connection.execute(_LIVE_DEVICES, values).scalars()
                found |= {who: Going(who, None) for which in live for who in ids[which]}
                continue
            for row in connection.execute(_LIVE_SESSIONS, {**values, "now": now}):
                person = _person(tuple(row)[2:])
                for who in ids[row.id]:
                    as_now = replace(who, name=person.name, role=person.role, site=person.site)
                    found[who] = Going(as_now, row.expires_at)
    return found


def is_live(connection: Connection, who: Actor, now: int) -> bool:
    """Whether the actor's session or key is still valid."""
    return who in going_on(connection, (who,), now)


async def extend(ledger: Ledger, going: Iterable[Going]) -> None:
    """Called by open feeds: their sessions do not expire during the shift. A row is written when less than half of
    :data:`FEED_S` is left.
    """
    until = ledger.clock.now() + FEED_S * SECOND
    soon = until - FEED_S * SECOND // 2
    due = [one.who for one in going if one.expires_at is not None and one.expires_at < soon]
    if due:
        await ledger.awrite(lambda tx: _extend(tx, due))


def _extend(tx: Transaction, due: Sequence[Actor]) -> None:
    until = tx.now + FEED_S * SECOND
    tx.connection.execute(
        _EXTEND, [{"county": who.county, "session": who.session, "now": tx.now, "until": until} for who in due]
    )


def _person(columns: Sequence[Any]) -> Person:
    """A person from the columns of :data:`_PERSON`; what follows them is left."""
    person, name, role, site, phone = columns[: len(_PERSON)]
    return Person(person, name, Role(role), site, phone)
