"""Whether somebody on call can be reached at their screen: an open feed says so every few seconds.

The stamp is one column of the session, written at most every 20 s and only for people of the whole county: the clinics'
hundreds of feeds cost nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import Connection, bindparam, select, update

from county.access import Actor
from ledger import schema
from ledger.clock import SECOND
from ledger.database import Ledger

FEED_EVERY_US = 20 * SECOND  # how often an open feed says that it lives
GONE_US = 60 * SECOND  # CLINICAL.md §5.7 counts seconds: a feed that was silent for so long is none

_S = schema.session.c
_ALIVE = (
    update(schema.session)
    .where(_S.county_id == bindparam("county"), _S.id == bindparam("session"))
    .values(feed_at=bindparam("at"))
)
# Which of these people had a living feed since an instant.
_ON_FEED = select(_S.person_id).where(
    _S.county_id == bindparam("county"),
    _S.person_id.in_(bindparam("people", expanding=True)),
    _S.feed_at > bindparam("since"),
    _S.ended_at.is_(None),
)
# When each of these people last had one.
_LAST = select(_S.person_id, _S.feed_at).where(
    _S.county_id == bindparam("county"),
    _S.person_id.in_(bindparam("people", expanding=True)),
    _S.feed_at.is_not(None),
)


def counts(actor: Actor) -> bool:
    """Whether an open feed of theirs is anybody's on call."""
    return not actor.is_device and actor.site is None and actor.session is not None


async def feeds_live(ledger: Ledger, actors: Iterable[Actor]) -> None:
    """An open feed of each of these people is alive now."""
    keys = [{"county": actor.county, "session": actor.session} for actor in actors if counts(actor)]
    if keys:
        await ledger.awrite(lambda tx: tx.connection.execute(_ALIVE, [{**key, "at": tx.now} for key in keys]) and None)


def on_feed(connection: Connection, county: str, people: Collection[str], now: int) -> set[str]:
    """Which of ``people`` have a living feed."""
    if not people:
        return set()
    key = {"county": county, "people": list(people), "since": now - GONE_US}
    return set(connection.execute(_ON_FEED, key).scalars())


def last_feed(connection: Connection, county: str, people: Collection[str]) -> dict[str, int]:
    """When each of ``people`` last had a living feed (UTC microseconds); who never had one is missing."""
    if not people:
        return {}
    found: dict[str, int] = {}
    for person, at in connection.execute(_LAST, {"county": county, "people": list(people)}):
        found[person] = max(at, found.get(person, at))
    return found
