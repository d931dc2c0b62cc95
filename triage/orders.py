"""Orders: what is to be sent, written as rows of ``delivery`` in the commit that orders it (:mod:`triage.deliveries`).

A rung of the ladder, a gap of the roster, a silent clinic: each writes one row a contact, with a key that is never used
twice (what for, and which contact), so that a repeat after a crash pages nobody again. Nothing here sends.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, update
from sqlalchemy.dialects import postgresql, sqlite

from county import contacts
from county.contacts import Channel, Contact
from ledger import schema
from ledger.database import Transaction
from ledger.ids import new_id
from triage.channels import Words
from triage.states import DELIVERY, Delivery

_D = schema.delivery.c

# what is tried first where a person has none of the channels that the rung asks for, and next when one failed
_ORDER = (Channel.SMS, Channel.CALL, Channel.PUSH, Channel.GROUP, Channel.CONFERENCE, Channel.MAIL)

# The deliveries of an alert to one person that were at least tried.
_REACHED = update(schema.delivery).where(
    _D.county_id == bindparam("county"),
    _D.alert_id == bindparam("alert"),
    _D.person_id == bindparam("person"),
    _D.state.in_([Delivery.TRIED.value, Delivery.DELIVERED.value]),
)


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be sent: ``what`` names it for good (an alert's call, a gap of the roster); ``words`` says it."""

    county: str
    what: str
    words: Words
    alert: str | None = None
    case: str | None = None
    site: str | None = None
    drill: bool = False


def put_call(
    transaction: Transaction, order: Order, called: Sequence[Mapping[str, Any]], on_channels: Collection[str]
) -> int:
    """The deliveries of one call, in its own commit: each called person's contacts of these channels, and the slots'
    own; how many.
    """
    people = [call["person"]["id"] for call in called]
    slots = {call["slot"] for call in called}
    known = contacts.of(transaction.connection, order.county, people, slots)
    wanted = {*on_channels, Channel.PUSH} if "screen" in on_channels else {*on_channels}
    chosen = [one for one in known if one.channel in wanted]
    loud = wanted & {Channel.SMS, Channel.CALL, Channel.CONFERENCE}
    reached = {one.person for one in chosen}
    if loud:  # somebody without the channel that is asked for is called by what they have
        chosen += [one for person in people if person not in reached for one in best(known, person)[:1]]
    return sum(put(transaction, order, one) for one in dict.fromkeys(chosen))


def put_to(transaction: Transaction, order: Order, people: Collection[str]) -> int:
    """One delivery to each of these people, by the best contact that they have; how many."""
    known = contacts.of(transaction.connection, order.county, people)
    return sum(put(transaction, order, one) for person in people for one in best(known, person)[:1])


def best(known: Sequence[Contact], person: str) -> list[Contact]:
    """A person's contacts, what rings first before what may wait."""
    return sorted((one for one in known if one.person == person), key=lambda one: _ORDER.index(Channel(one.channel)))


def put(transaction: Transaction, order: Order, contact: Contact) -> int:
    """One row to one contact, unless there is one of this key; how many."""
    dialect = postgresql if transaction.connection.dialect.name == "postgresql" else sqlite
    row = {
        "county_id": order.county,
        "id": new_id(),
        "key": f"{order.what}:{contact.id}",
        "alert_id": order.alert,
        "case_id": order.case,
        "site_id": order.site,
        "contact_id": contact.id,
        "person_id": contact.person,
        "channel": contact.channel,
        "words": {"title": order.words.title, "body": order.words.body},
        "state": DELIVERY.start,
        "created_at": transaction.now,
        "work_at": transaction.now,
        "attempts": 0,
        "drill": order.drill,
    }
    statement = dialect.insert(schema.delivery).on_conflict_do_nothing(index_elements=["county_id", "key"])
    return transaction.connection.execute(statement, row).rowcount


def seen(transaction: Transaction, county: str, alert: str, person: str) -> None:
    """The person has acknowledged: what was sent to them was seen."""
    key = {"county": county, "alert": alert, "person": person}
    transaction.connection.execute(_REACHED.values(state=Delivery.SEEN, seen_at=transaction.now, work_at=None), key)
