"""Contacts: how somebody is reached beside the screen, person by person, or one for whoever has a slot.

An address is a URL as Apprise writes it (`wecombotkey://`, `dingtalk://`, `feishu://`, `mailto://`, `ntfy://`, …), or
`gateway+https://…` for an SMS gateway of one's own (``triage.channels``). It holds keys and telephone numbers, so it is
shown to nobody and written to no log, event or audit: what one sees of it is its scheme.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, bindparam, insert, or_, select, update

from county import people
from county.errors import BadContact
from county.rosters import Slot
from ledger import schema
from ledger.database import Transaction
from ledger.ids import new_id


class Channel(StrEnum):
    """By what a rung of the ladder calls."""

    PUSH = "push"
    """A message to the phone's screen: rings wherever the ladder says ``screen``."""
    SMS = "sms"
    """A text message (短信)."""
    CALL = "call"
    """An automatic telephone call (语音电话)."""
    GROUP = "group"
    """A message to a group chat (工作群)."""
    CONFERENCE = "conference"
    """A conference call (电话会议)."""
    MAIL = "mail"
    """E-mail; no rung calls by it alone, so it serves where nothing else is left."""


_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{1,31}://\S{1,2000}")
_C, _P = schema.contact.c, schema.person.c
_FIELDS = (_C.id, _C.person_id, _C.slot, _C.channel, _C.address)
_ADD = insert(schema.contact)
# Every contact of these people and slots that is in use, the oldest first.
_OF = (
    select(*_FIELDS)
    .where(
        _C.county_id == bindparam("county"),
        _C.disabled_at.is_(None),
        or_(
            _C.person_id.in_(bindparam("people", expanding=True)),
            _C.slot.in_(bindparam("slots", expanding=True)),
        ),
    )
    .order_by(_C.created_at, _C.id)
)
# Every contact of the county that is in use, with whose it is.
_ALL = (
    select(*_FIELDS, _P.name)
    .select_from(schema.contact.outerjoin(schema.person, (_P.county_id == _C.county_id) & (_P.id == _C.person_id)))
    .where(_C.county_id == bindparam("county"), _C.disabled_at.is_(None))
    .order_by(_P.name, _C.slot, _C.created_at, _C.id)
)
_DISABLE = (
    update(schema.contact)
    .where(_C.county_id == bindparam("county"), _C.id == bindparam("contact"), _C.disabled_at.is_(None))
    .values(disabled_at=bindparam("at"))
)


@dataclass(frozen=True, slots=True)
class Contact:
    """One way to reach a person, or whoever has a slot; ``address`` is a secret and hides itself when printed."""

    id: str
    person: str | None
    slot: str | None
    channel: str
    address: str

    def __repr__(self) -> str:
        return f"Contact({self.id}, {self.channel}, {self.scheme})"

    @property
    def scheme(self) -> str:
        """What may be shown of the address."""
        return self.address.partition("://")[0]


def add(
    tx: Transaction,
    county: str,
    channel: str,
    address: str,
    *,
    person: str | None = None,
    slot: str | None = None,
    actor: str = "operator",
) -> str:
    """A new contact of a person or of a slot; its id. :class:`BadContact`, :class:`UnknownPerson`."""
    if channel not in set(Channel):
        known = ", ".join(Channel)
        raise BadContact(f"没有“{channel}”这种渠道；可用：{known}。", f"“{channel}” is no channel; there are: {known}.")
    if (person is None) == (slot is None):
        raise BadContact(
            "联系方式要么属于一个人，要么属于一个岗位。", "A contact is a person's or a slot's: give one of them."
        )
    if slot is not None and slot not in set(Slot):
        raise BadContact(f"没有“{slot}”这个班次。", f"“{slot}” is no slot.")
    if not _ADDRESS.fullmatch(address):
        raise BadContact(
            "地址要写成 scheme://…，例如 ntfy://主题。", "An address is written scheme://…, like ntfy://topic."
        )
    if person is not None and people.get(tx.connection, county, person) is None:
        raise people.unknown(person)
    contact = new_id()
    row = {"county_id": county, "id": contact, "person_id": person, "slot": slot, "channel": channel}
    tx.connection.execute(_ADD, {**row, "address": address, "created_at": tx.now})
    detail = {"contact": contact, "person": person, "slot": slot, "channel": channel}
    tx.audit(county, actor, "contact.add", county, detail=detail)
    return contact


def remove(tx: Transaction, county: str, contact: str, *, actor: str = "operator") -> None:
    """It is used no more. :class:`BadContact` if there is none."""
    if not tx.connection.execute(_DISABLE, {"county": county, "contact": contact, "at": tx.now}).rowcount:
        raise BadContact(f"没有编号为“{contact}”的联系方式。", f"There is no contact “{contact}”.")
    tx.audit(county, actor, "contact.remove", county, detail={"contact": contact})


def of(connection: Connection, county: str, persons: Collection[str], slots: Collection[str] = ()) -> Sequence[Contact]:
    """The contacts of these people and slots, the oldest first."""
    if not persons and not slots:
        return []
    rows = connection.execute(_OF, {"county": county, "people": list(persons), "slots": list(slots)})
    return [Contact(*row) for row in rows]


def all_contacts(connection: Connection, county: str) -> Sequence[tuple[Contact, str | None]]:
    """Every contact in use, with the name of its person (``None``: a slot's)."""
    rows = connection.execute(_ALL, {"county": county})
    return [(Contact(*row[:5]), row.name) for row in rows]
