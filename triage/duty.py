"""Whether somebody will answer: gaps of the roster told beforehand, and people on call who cannot be reached.

An hour with nobody is told a day and an hour before it begins, and when it has begun, once each: as ``roster.gap`` and
to every coordinator by the best contact that they have. A doctor on call without a living feed for 60 s (the backup and
the others: and without any contact) is ``duty.unreachable``, once for each time; the ladder of a RED alert whose called
people are all out of reach takes its next step at once (CLINICAL.md §5.7).

What was told is a row of ``action`` under the engine's name: several servers, and one that was killed, tell it once.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import structlog
from sqlalchemy import Connection, bindparam, insert, select
from sqlalchemy.exc import IntegrityError

from county import contacts, duty, rosters
from county.rosters import Shift, Slot
from ledger import database, schema
from ledger.clock import SECOND, iso
from ledger.database import Ledger, Transaction
from triage import escalation, orders, paging, policies, states
from triage.orders import Order
from triage.policies import Policy
from triage.rating import Colour

log = structlog.get_logger("duty")

AHEAD_S = (24 * 3600, 3600, 0)  # a gap is told so long before it begins
LEAST_GAP_US = 60 * SECOND  # two shifts that miss each other by seconds are no gap
ENGINE = "engine"

_A = schema.action.c
_TOLD = select(_A.key).where(_A.county_id == bindparam("county"), _A.actor == ENGINE, _A.key == bindparam("key"))
_TELL = insert(schema.action)
# RED alerts that nobody has answered and that still climb.
_RINGING = select(schema.alert.c.county_id, schema.alert.c.id).where(
    schema.alert.c.next_step_at.is_not(None),
    schema.alert.c.colour == Colour.RED,
    schema.alert.c.state == states.Alert.RAISED.value,
)


def check_rosters(ledger: Ledger) -> int:
    """Tell the gaps that are near, each in a commit of its own; how many were told."""
    now = ledger.clock.now()
    return _each(ledger, [one for county in _counties(ledger) for one in ledger.read(partial(_near, county, now))])


def _near(county: str, now: int, connection: Connection) -> list[partial[int]]:
    policy = policies.of(connection, county, now)
    watched = [Slot(slot) for slot in policy.watched]
    found: list[partial[int]] = []
    for gap in rosters.gaps(connection, county, watched, now, now + AHEAD_S[0] * SECOND + 1):
        if gap.to_at is not None and gap.to_at - max(gap.from_at, now) < LEAST_GAP_US:
            continue
        ahead_s = min(ahead for ahead in AHEAD_S if gap.from_at - now <= ahead * SECOND)
        if not _is_told(connection, county, _gap_key(gap, ahead_s)):
            found.append(partial(_tell_gap, county=county, gap=gap, ahead_s=ahead_s))
    return found


def _gap_key(gap: rosters.Gap, ahead_s: int) -> str:
    return f"roster.gap/{gap.slot}/{gap.from_at}/{ahead_s}"


def _tell_gap(transaction: Transaction, county: str, gap: rosters.Gap, ahead_s: int) -> int:
    key = _gap_key(gap, ahead_s)
    if not _once(transaction, county, key):
        return 0
    data = {"slots": [gap.slot.value], "from_at": iso(gap.from_at), "to_at": iso(gap.to_at), "ahead_s": ahead_s}
    transaction.event(county, "roster.gap", data)
    policy = policies.of(transaction.connection, county, transaction.now)
    words = paging.of_gap(gap.slot, gap.from_at - transaction.now, policy.language)
    _tell_coordinators(transaction, Order(county, key, words))
    return 1


# --- who is on call and out of reach ----------------------------------------------------------------------------------


def check_reach(ledger: Ledger) -> int:
    """Tell who on call cannot be reached, and hurry the RED alerts that wait for them; how many were told or hurried.

    Not to be asked before a server has run for a minute: feeds that it cut by its own start come back first.
    """
    now = ledger.clock.now()
    work = [one for county in _counties(ledger) for one in ledger.read(partial(_out_of_reach, county, now))]
    ringing = ledger.read(lambda connection: [tuple(row) for row in connection.execute(_RINGING)])
    work += [partial(escalation.hurry, county=county, alert_id=alert) for county, alert in ringing]
    return _each(ledger, work)


def _out_of_reach(county: str, now: int, connection: Connection) -> list[partial[int]]:
    policy = policies.of(connection, county, now)
    shifts = [one for one in rosters.shifts_at(connection, county, now) if one.slot in policy.watched]
    people = {one.person.id for one in shifts}
    last = duty.last_feed(connection, county, people)
    called = {one.person for one in contacts.of(connection, county, people)}
    found: list[partial[int]] = []
    for shift in shifts:
        silent_since = max(last.get(shift.person.id, 0), shift.from_at)
        if now - silent_since < duty.GONE_US or (shift.slot is not Slot.FIRST and shift.person.id in called):
            continue
        if not _is_told(connection, county, _reach_key(shift, silent_since)):
            found.append(partial(_tell_unreachable, county=county, shift=shift, since=silent_since))
    return found


def _reach_key(shift: Shift, since: int) -> str:
    return f"duty.unreachable/{shift.id}/{since}"


def _tell_unreachable(transaction: Transaction, county: str, shift: Shift, since: int) -> int:
    key = _reach_key(shift, since)
    if not _once(transaction, county, key):
        return 0
    who = {"id": shift.person.id, "name": shift.person.name}
    transaction.event(county, "duty.unreachable", {"slot": shift.slot.value, "person": who, "since": iso(since)})
    policy: Policy = policies.of(transaction.connection, county, transaction.now)
    words = paging.of_unreachable(shift.slot, shift.person.name, policy.language)
    _tell_coordinators(transaction, Order(county, key, words))
    return 1


# --- once -------------------------------------------------------------------------------------------------------------


def _tell_coordinators(transaction: Transaction, order: Order) -> None:
    people = [one.id for one in rosters.coordinators(transaction.connection, order.county)]
    orders.put_to(transaction, order, people)


def _is_told(connection: Connection, county: str, key: str) -> bool:
    return connection.execute(_TOLD, {"county": county, "key": key}).first() is not None


def _once(transaction: Transaction, county: str, key: str) -> bool:
    """Whether this is the first time; ``IntegrityError`` where another server is first at this moment."""
    if _is_told(transaction.connection, county, key):
        return False
    row = {"county_id": county, "actor": ENGINE, "key": key, "at": transaction.now, "what": key}
    transaction.connection.execute(_TELL, {**row, "answer": {"told": True}})
    return True


def _counties(ledger: Ledger) -> list[str]:
    return ledger.read(lambda connection: list(database.counties(connection)))


def _each(ledger: Ledger, work: Iterable[partial[int]]) -> int:
    done = 0
    for one in work:
        try:
            done += ledger.write(one)
        except IntegrityError:  # another server told it in the same moment
            continue
        except Exception as error:  # noqa: BLE001 (it stays to be told; the others go on)
            log.error("duty.failed", error=repr(error))
    return done
