"""Clinics that have fallen silent: a device that broke tells nobody, so its silence must.

Only a clinic that is live counts (trained, with a test ECG through). It is expected to send at least every
``expected_every_s``: set for it, or learned from what it sent, with a floor of a day, because a village clinic sleeps
and has Sundays. ``site.silent`` is told once, to the coordinators too; ``site.heard`` once when it sends again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, bindparam, or_, select, update

from county import rosters
from ledger import schema
from ledger.clock import SECOND, iso
from ledger.database import Ledger, Transaction
from triage import orders, paging, policies
from triage.orders import Order

log = structlog.get_logger("silence")

FLOOR_S = 24 * 3600
CEILING_S = 14 * 24 * 3600
UNLEARNED_S = 7 * 24 * 3600  # of a clinic that has sent too little to know
LEARN_FROM = 50  # its newest ECGs
LEAST_GAPS = 10
TIMES_LONGEST = 2  # so much longer than the longest pause it ever made (but for one in ten)
TENTH = 10

_S, _E = schema.site.c, schema.exam.c
_FIELDS = (_S.county_id, _S.id, _S.name, _S.township, _S.last_exam_at, _S.live_at, _S.expected_every_s, _S.silent_at)
# Live clinics that have sent nothing for the shortest time that can be silence, and are not held to be silent.
_QUIET = select(*_FIELDS).where(
    _S.live_at <= bindparam("floor"),
    or_(_S.last_exam_at.is_(None), _S.last_exam_at <= bindparam("floor")),
    _S.silent_at.is_(None),
)
# Live clinics whose own interval is shorter than the floor: set by a person, so it holds.
_BRISK = select(*_FIELDS).where(
    _S.live_at.is_not(None), _S.expected_every_s < FLOOR_S, _S.expected_every_s.is_not(None), _S.silent_at.is_(None)
)
# Clinics that are held to be silent and have sent since, or count no longer.
_HEARD = select(*_FIELDS).where(_S.silent_at.is_not(None), or_(_S.last_exam_at > _S.silent_at, _S.live_at.is_(None)))
# When a clinic's newest ECGs came, the newest first; a drill is none.
_CAME = (
    select(_E.received_at)
    .where(_E.county_id == bindparam("county"), _E.site_id == bindparam("site"), _E.drill.in_([False]))
    .order_by(_E.received_at.desc())
    .limit(LEARN_FROM)
)
_SET = update(schema.site).where(_S.county_id == bindparam("county"), _S.id == bindparam("which"))


def learned_s(came: Sequence[int]) -> int:
    """How long a clinic may be silent, from the instants of its ECGs (newest first).

    Twice the pause that nine in ten of its pauses stay under, at least a day, at most a fortnight.
    """
    gaps = sorted(later - earlier for later, earlier in zip(came, came[1:], strict=False))
    if len(gaps) < LEAST_GAPS:
        return UNLEARNED_S
    usual = gaps[len(gaps) - 1 - len(gaps) // TENTH]
    return min(max(TIMES_LONGEST * usual // SECOND, FLOOR_S), CEILING_S)


def expected_s(connection: Connection, site: Any) -> int:
    """The interval in force for a site: the one that was set, or the learned one."""
    if site.expected_every_s is not None:
        return site.expected_every_s
    came = connection.execute(_CAME, {"county": site.county_id, "site": site.id}).scalars().all()
    return learned_s(came)


def check(ledger: Ledger) -> int:
    """Tell who fell silent and who is heard again; how many."""
    now = ledger.clock.now()
    done = 0
    for work in ledger.read(partial(_changes, now)):
        try:
            done += ledger.write(work)
        except Exception as error:  # noqa: BLE001 (it stays to be told; the others go on)
            log.error("silence.failed", error=repr(error))
    return done


def _changes(now: int, connection: Connection) -> list[partial[int]]:
    quiet = [*connection.execute(_QUIET, {"floor": now - FLOOR_S * SECOND}), *connection.execute(_BRISK)]
    found: list[partial[int]] = []
    for site in {(one.county_id, one.id): one for one in quiet}.values():
        every_s = expected_s(connection, site)
        if now - max(site.last_exam_at or 0, site.live_at) >= every_s * SECOND:
            found.append(partial(_tell_silent, site=site, every_s=every_s))
    return [*found, *(partial(_tell_heard, site=site) for site in connection.execute(_HEARD))]


def _tell_silent(transaction: Transaction, site: Any, every_s: int) -> int:
    key = {"county": site.county_id, "which": site.id}
    # only if it has sent nothing since we looked, and no other server was first
    same = _S.last_exam_at.is_(None) if site.last_exam_at is None else _S.last_exam_at == site.last_exam_at
    silent = _SET.where(_S.silent_at.is_(None), same).values(silent_at=transaction.now)
    if not transaction.connection.execute(silent, key).rowcount:
        return 0
    since = max(site.last_exam_at or 0, site.live_at)
    data = {"site": site.id, "since": iso(since), "expected_every_s": every_s}
    transaction.event(site.county_id, "site.silent", data, site=site.id)
    policy = policies.of(transaction.connection, site.county_id, transaction.now)
    hours = (transaction.now - since) // (3600 * SECOND)
    words = paging.of_silence(site.name, site.township, hours, policy.language)
    order = Order(site.county_id, f"site.silent/{site.id}/{transaction.now}", words, site=site.id)
    people = [one.id for one in rosters.coordinators(transaction.connection, site.county_id)]
    orders.put_to(transaction, order, people)
    return 1


def _tell_heard(transaction: Transaction, site: Any) -> int:
    key = {"county": site.county_id, "which": site.id}
    heard = _SET.where(_S.silent_at == site.silent_at).values(silent_at=None)
    if not transaction.connection.execute(heard, key).rowcount:
        return 0
    data = {"site": site.id, "silent_since": iso(site.silent_at)}
    transaction.event(site.county_id, "site.heard", data, site=site.id)
    return 1
