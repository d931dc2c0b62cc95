"""People: who they are, their role and their site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from county import sites
from county.access import Role
from county.errors import NameTaken, SiteNeeded, UnknownPerson, UnknownRole
from county.names import checked
from county.passwords import PasswordHash, hash_password
from ledger import schema
from ledger.database import Ledger, Transaction
from ledger.ids import new_id

_P, _N = schema.person.c, schema.session.c
_FIELDS = (_P.id, _P.name, _P.role, _P.site_id, _P.phone)
_ADD = insert(schema.person)
# One person who has not left.
_ONE = select(*_FIELDS).where(
    _P.county_id == bindparam("county"), _P.id == bindparam("person"), _P.disabled_at.is_(None)
)
# Everybody who has not left, by name.
_ALL = select(*_FIELDS).where(_P.county_id == bindparam("county"), _P.disabled_at.is_(None)).order_by(_P.name)
_DISABLE = (
    update(schema.person)
    .where(_P.county_id == bindparam("county"), _P.id == bindparam("person"), _P.disabled_at.is_(None))
    .values(disabled_at=bindparam("at"))
)
# All sessions of one person end at once.
_END_SESSIONS = (
    update(schema.session)
    .where(_N.county_id == bindparam("county"), _N.person_id == bindparam("person"), _N.ended_at.is_(None))
    .values(ended_at=bindparam("at"))
)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in; ``site``: ``None`` for the whole county."""

    id: str
    name: str
    role: Role
    site: str | None
    phone: str

    @property
    def sites(self) -> list[str]:
        """The sites that they are bound to; none for the whole county."""
        return [] if self.site is None else [self.site]


def create(
    ledger: Ledger,
    county: str,
    name: str,
    role: str,
    password: str,
    site: str | None = None,
    phone: str = "",
    *,
    actor: str = "operator",
) -> str:
    """Hash the password in this thread, then :func:`add`; for callers outside the event loop."""
    kept = hash_password(password)
    return ledger.write(lambda tx: add(tx, county, name, role, kept, site, phone, actor=actor))


def add(
    tx: Transaction,
    county: str,
    name: str,
    role: str,
    password: PasswordHash,
    site: str | None = None,
    phone: str = "",
    *,
    actor: str = "operator",
) -> str:
    """A new person; their id.

    :class:`BadName`, :class:`UnknownRole`, :class:`SiteNeeded`, :class:`UnknownSite`, :class:`NameTaken`.
    """
    name, role = checked(name), _role(role)
    if site is not None:
        sites.need(tx.connection, county, site)
    elif role is Role.CLINIC:
        raise SiteNeeded("角色 clinic 要有站点（--site）。", "Role clinic works at one site: give --site.")
    person = new_id()
    row = {"county_id": county, "id": person, "name": name, "role": role.value, "site_id": site}
    kept = {"phone": phone.strip(), "password_hash": password.encoded, "created_at": tx.now, "disabled_at": None}
    try:
        tx.connection.execute(_ADD, {**row, **kept})
    except IntegrityError as error:
        raise NameTaken(f"已有名为“{name}”的人员。", f"There is a person “{name}” already.") from error
    tx.audit(county, actor, "person.add", site or county, detail={"person": person, "name": name, "role": role.value})
    return person


def disable(tx: Transaction, county: str, person: str, *, actor: str = "operator", reason: str | None = None) -> None:
    """They cannot sign in any more, and every session of theirs has ended. :class:`UnknownPerson`."""
    if not tx.connection.execute(_DISABLE, {"county": county, "person": person, "at": tx.now}).rowcount:
        raise unknown(person)
    end_sessions(tx, county, person)
    tx.audit(county, actor, "person.disable", person, reason=reason)


def end_sessions(tx: Transaction, county: str, person: str) -> None:
    """End every session of one person."""
    tx.connection.execute(_END_SESSIONS, {"county": county, "person": person, "at": tx.now})


def get(connection: Connection, county: str, person: str) -> Person | None:
    """The person with this id who has not left."""
    row = connection.execute(_ONE, {"county": county, "person": person}).one_or_none()
    return None if row is None else Person(row.id, row.name, Role(row.role), row.site_id, row.phone)


def all_people(connection: Connection, county: str) -> Sequence[Person]:
    """Everybody who has not left, by name."""
    rows = connection.execute(_ALL, {"county": county})
    return [Person(row.id, row.name, Role(row.role), row.site_id, row.phone) for row in rows]


def unknown(person: str) -> UnknownPerson:
    """The error for an id that is nobody's."""
    return UnknownPerson(f"没有编号为“{person}”的在岗人员。", f"There is no person “{person}” at work here.")


def _role(role: str) -> Role:
    try:
        return Role(role)
    except ValueError:
        known = ", ".join(Role)
        raise UnknownRole(
            f"没有“{role}”这个角色；可用：{known}。", f"“{role}” is no role; there are: {known}."
        ) from None
