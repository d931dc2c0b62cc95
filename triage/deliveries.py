"""Deliveries: each message to a telephone, a group, a mailbox, as a row that is due until somebody has it.

A rung writes its deliveries in its own commit (:mod:`triage.orders`). A worker takes a row, commits *tried*, sends,
commits what came of it::

    waiting ──try──▶ tried ──deliver──▶ delivered ──see──▶ seen
       ▲               │ fail
       └──── again ── failed                 waiting, failed ──withdraw──▶ withdrawn (answered meanwhile)

A failure is no end: the person's next contact is called at once, and where nobody of the rung can be reached the ladder
takes its next step at once (CLINICAL.md §5.7); the same contact is tried again with growing pauses. A worker that died
after *tried* leaves it unknown whether the telephone rang: it is tried again only where a repeat cannot ring it twice
(``channels.repeats_safely``), else it counts as failed.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Row, bindparam, select, update

from county import contacts
from ledger import due, schema
from ledger.clock import SECOND
from ledger.database import Ledger, Transaction
from ledger.due import Claim, Queue
from triage import channels, escalation, states
from triage.channels import Outcome, Words
from triage.orders import Order, best, put
from triage.states import DELIVERY, Delivery

log = structlog.get_logger("deliveries")

AT_ONCE = 16  # messages under way in one process
AGAIN_S = (5, 15, 45, 120, 300)  # pauses between tries
_D, _A = schema.delivery.c, schema.alert.c

QUEUE = Queue(
    schema.delivery,
    first=(),
    turn=(_D.county_id, _D.contact_id),  # one dead channel with many rows holds up no other
    max_attempts=len(AGAIN_S) + 1,
    lease_us=20 * SECOND,  # connect and answer take 4 s each, Apprise some more
)

_ROW = select(schema.delivery).where(_D.county_id == bindparam("county"), _D.id == bindparam("which"))
# Whether anything is due at all: a poll that finds nothing writes nothing.
_IS_DUE = select(_D.id).where(_D.work_at <= bindparam("now")).limit(1)
_CONTACT = select(schema.contact).where(
    schema.contact.c.county_id == bindparam("county"), schema.contact.c.id == bindparam("contact")
)
_ALERT = select(_A.state, _A.acknowledged_at, _A.stopped_at).where(
    _A.county_id == bindparam("county"), _A.id == bindparam("alert")
)
_UPDATE = update(schema.delivery).where(_D.county_id == bindparam("county"), _D.id == bindparam("which"))
# The contacts that were used for one thing already.
_USED = select(_D.contact_id).where(_D.county_id == bindparam("county"), _D.key.in_(bindparam("keys", expanding=True)))


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed delivery, ready to be sent."""

    claim: Claim
    address: str
    words: Words


def take(transaction: Transaction, most: int) -> list[Job]:
    """Claim what is due and note that it is tried; what was answered meanwhile is withdrawn."""
    for county, which in due.spent(transaction, QUEUE, most):
        row = transaction.connection.execute(_ROW, {"county": county, "which": which}).one()
        _set(transaction, row, "fail", problem="unknown", work_at=None)
    jobs = [_taken(transaction, claim) for claim in due.claim(transaction, QUEUE, most)]
    return [job for job in jobs if job is not None]


def _taken(transaction: Transaction, claim: Claim) -> Job | None:
    row = transaction.connection.execute(_ROW, {"county": claim.county, "which": claim.id}).one()
    contact = _contact(transaction, row)
    if row.state == Delivery.TRIED:  # a worker died in between: did it ring?
        if contact is None or not channels.repeats_safely(contact.address):
            failed(transaction, row, Outcome(False, problem="unknown", known=False))
            return None
        _set(transaction, row, "fail", problem="unknown", work_at=row.work_at)
        row = transaction.connection.execute(_ROW, {"county": claim.county, "which": claim.id}).one()
    if contact is None or _is_answered(transaction, row):
        _set(transaction, row, "withdraw", work_at=None)
        return None
    _set(transaction, row, "try", tried_at=transaction.now)
    return Job(claim, contact.address, Words(row.words["title"], row.words["body"]))


def _contact(transaction: Transaction, row: Row[Any]) -> Row[Any] | None:
    key = {"county": row.county_id, "contact": row.contact_id}
    found = transaction.connection.execute(_CONTACT, key).one_or_none()
    return None if found is None or found.disabled_at is not None else found


def _is_answered(transaction: Transaction, row: Row[Any]) -> bool:
    """Whether the alert that it calls for was answered since it was written."""
    if row.alert_id is None:
        return False
    alert = transaction.connection.execute(_ALERT, {"county": row.county_id, "alert": row.alert_id}).one()
    if alert.state not in (states.Alert.RAISED, states.Alert.ACKNOWLEDGED) or alert.stopped_at is not None:
        return True
    return alert.acknowledged_at is not None and alert.acknowledged_at >= row.created_at


def finish(transaction: Transaction, job: Job, outcome: Outcome) -> bool:
    """Keep what came of an attempt; ``False`` if the claim was given up meanwhile."""
    if not due.holds(transaction, QUEUE, job.claim):
        return False
    row = transaction.connection.execute(_ROW, {"county": job.claim.county, "which": job.claim.id}).one()
    if outcome.delivered:
        _set(transaction, row, "deliver", delivered_at=transaction.now, receipt=outcome.receipt, work_at=None)
    else:
        failed(transaction, row, outcome, again=outcome.known or channels.repeats_safely(job.address))
    return True


def failed(transaction: Transaction, row: Row[Any], outcome: Outcome, *, again: bool = False) -> None:
    """It did not go through: try again later if that is safe, and reach the person, or the next, at once."""
    attempts: int = row.attempts
    work_at: int | None = None
    if again and attempts < QUEUE.max_attempts:
        work_at = transaction.now + AGAIN_S[min(attempts, len(AGAIN_S)) - 1] * SECOND
    _set(transaction, row, "fail", problem=outcome.problem, work_at=work_at)
    if not _next_contact(transaction, row) and row.alert_id is not None:
        escalation.hurry_unreached(transaction, row.county_id, row.alert_id, row.key.rsplit(":", 1)[0])


def _next_contact(transaction: Transaction, row: Row[Any]) -> bool:
    """Write a delivery to the same person's next contact, if there is one that was not used for this."""
    if row.person_id is None:
        return False
    what = row.key.rsplit(":", 1)[0]
    known = best(contacts.of(transaction.connection, row.county_id, [row.person_id]), row.person_id)
    keys = [f"{what}:{one.id}" for one in known]
    used = set(transaction.connection.execute(_USED, {"county": row.county_id, "keys": keys}).scalars())
    words = Words(row.words["title"], row.words["body"])
    order = Order(row.county_id, what, words, row.alert_id, row.case_id, row.site_id, row.drill)
    left = [one for one in known if one.id not in used]
    return bool(left) and bool(put(transaction, order, left[0]))


def _set(transaction: Transaction, row: Row[Any], action: str, **values: Any) -> None:
    state = DELIVERY.move(row.state, action).target
    transaction.connection.execute(_UPDATE.values(state=state, **values), {"county": row.county_id, "which": row.id})


# --- the worker -------------------------------------------------------------------------------------------------------


class Deliverer:
    """Sends what is due from a few threads: one slow gateway holds up nobody else's message."""

    def __init__(self, ledger: Ledger, woken: threading.Event) -> None:
        self._ledger = ledger
        self._woken = woken
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="desk-send")
        self._free = AT_ONCE
        self._counting = threading.Lock()

    def send_due(self) -> int:
        """Begin to send what is due, as far as there are threads; how many were begun."""
        with self._counting:
            free = self._free
        now = self._ledger.clock.now()
        if not free or not self._ledger.read(lambda connection: connection.execute(_IS_DUE, {"now": now}).first()):
            return 0
        jobs = self._ledger.write(lambda tx: take(tx, free))
        for job in jobs:
            with self._counting:
                self._free -= 1
            self._pool.submit(self._send, job)
        return len(jobs)

    def _send(self, job: Job) -> None:
        try:
            outcome = channels.send(job.address, job.words, job.claim.id)
            self._ledger.write(lambda tx: finish(tx, job, outcome))
            if not outcome.delivered:
                log.warning("delivery.failed", delivery=job.claim.id, problem=outcome.problem)
        except Exception as error:  # noqa: BLE001 (the database is away: the lease ends and it is due again)
            log.error("delivery.waits", delivery=job.claim.id, error=type(error).__name__)
        finally:
            with self._counting:
                self._free += 1
            self._woken.set()

    def close(self) -> None:
        """Wait for what is under way."""
        self._pool.shutdown(wait=True, cancel_futures=True)
