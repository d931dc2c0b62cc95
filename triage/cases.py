"""From a rated exam to a case that a human must answer, and the alert that calls for one.

:func:`rate_due` takes exams whose rating is due (newly analysed, unreadable, failed, unread after 20 s, or with new
facts), rates them, and opens or joins a case with its alert and events in one commit. A case is an episode of one
patient: it is joined only on an identity that :mod:`ingest.identity` holds to be sure, within 30 minutes. A join never
moves a deadline later or lowers a colour; a higher colour raises a new alert.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Row, and_, bindparam, insert, or_, select, update

from ledger import schema
from ledger.clock import SECOND, iso
from ledger.database import Ledger, Transaction
from ledger.ids import new_id
from triage import analyser, escalation, rating, states
from triage.rating import RANK, Colour, Facts, Rating

log = structlog.get_logger("cases")

EPISODE_US = 30 * 60 * SECOND
BATCH = 16
ALERTED = (Colour.RED, Colour.ORANGE)

_KEY = and_(schema.exam.c.county_id == bindparam("county"), schema.exam.c.id == bindparam("exam"))
# Exams to rate: newly finished or with new facts, and those that a human must have unread by now.
_DUE = (
    select(schema.exam.c.county_id, schema.exam.c.id)
    .where(or_(schema.exam.c.rate_at <= bindparam("now"), schema.exam.c.unread_at <= bindparam("now")))
    .order_by(schema.exam.c.urgent.desc(), schema.exam.c.received_at)
    .limit(BATCH)
)
# One of them, unless another server has it or has rated it meanwhile.
_TAKE = (
    select(schema.exam)
    .where(_KEY, or_(schema.exam.c.rate_at <= bindparam("now"), schema.exam.c.unread_at <= bindparam("now")))
    .with_for_update(skip_locked=True)
)
_SITE = select(schema.site).where(schema.site.c.county_id == bindparam("county"), schema.site.c.id == bindparam("site"))
# The case of this patient's running episode.
_EPISODE = (
    select(schema.case)
    .where(
        schema.case.c.county_id == bindparam("county"),
        schema.case.c.patient_id == bindparam("patient"),
        schema.case.c.opened_at > bindparam("since"),
    )
    .order_by(schema.case.c.opened_at.desc())
    .limit(1)
    .with_for_update()
)
_CASE = (
    select(schema.case)
    .where(schema.case.c.county_id == bindparam("county"), schema.case.c.id == bindparam("case"))
    .with_for_update()
)
_UPDATE_CASE = update(schema.case).where(
    schema.case.c.county_id == bindparam("county"), schema.case.c.id == bindparam("which")
)
_RANKS_RAISED = select(schema.alert.c.colour, schema.alert.c.state).where(
    schema.alert.c.county_id == bindparam("county"), schema.alert.c.case_id == bindparam("case")
)
_ALERT = insert(schema.alert)
_OPEN = insert(schema.case)


@dataclass(frozen=True, slots=True)
class Rated:
    """An exam with the colour it was just given."""

    exam: Row[Any]
    site: Row[Any]
    rating: Rating
    analysis: Row[Any] | None


def rate_due(ledger: Ledger) -> int:
    """Rate what is due, each exam in a commit of its own; how many were rated. One that fails is tried at the next
    poll.
    """
    now = ledger.clock.now()
    due = ledger.read(lambda connection: [tuple(row) for row in connection.execute(_DUE, {"now": now})])
    done = 0
    for county, exam in due:
        try:
            done += ledger.write(partial(rate_one, county=county, exam=exam))
        except Exception as error:  # noqa: BLE001 (it stays due; the others go on)
            log.error("rating.failed", exam=exam, error=str(error))
    return done


def rate_one(transaction: Transaction, county: str, exam: str) -> int:
    """Rate one exam and open or join its case; 0 if another did it."""
    key = {"county": county, "exam": exam, "now": transaction.now}
    row = transaction.connection.execute(_TAKE, key).one_or_none()
    if row is None:
        return 0
    rated = _rated(transaction, row)
    case = _open_or_join(transaction, rated)
    colour = _higher(row.colour, rated.rating.colour)
    values: dict[str, Any] = {"case_id": case, "rate_at": None, "unread_at": None, "colour": colour}
    if colour == rated.rating.colour or row.reason is None:
        values["reason"] = rated.rating.reason
    transaction.connection.execute(update(schema.exam).where(_KEY).values(**values), key)
    return 1


def _rated(transaction: Transaction, exam: Row[Any]) -> Rated:
    connection = transaction.connection
    site = connection.execute(_SITE, {"county": exam.county_id, "site": exam.site_id}).one()
    analysis = analyser.stored(connection, exam.county_id, exam.id)
    document = None if analysis is None else analyser.unpacked(analysis.document)
    facts = Facts(exam.urgent, tuple(exam.symptoms), exam.onset_at, transaction.now)
    return Rated(exam, site, rating.rate(document, facts), analysis)


def _higher(before: str | None, now: Colour | None) -> Colour | None:
    """The more urgent of two colours: nothing automated lowers a colour once it is stored."""
    if before is None:
        return now
    return min(Colour(before), now, key=lambda colour: RANK[colour])


def _open_or_join(transaction: Transaction, rated: Rated) -> str:
    case = _running(transaction, rated)
    if case is None:
        return _open(transaction, rated)
    _join(transaction, rated, case)
    return case.id


def _running(transaction: Transaction, rated: Rated) -> Row[Any] | None:
    exam, connection = rated.exam, transaction.connection
    if exam.case_id is not None:
        return connection.execute(_CASE, {"county": exam.county_id, "case": exam.case_id}).one()
    if exam.patient_id is None:
        return None
    since = transaction.now - EPISODE_US
    key = {"county": exam.county_id, "patient": exam.patient_id, "since": since}
    return connection.execute(_EPISODE, key).one_or_none()


def _open(transaction: Transaction, rated: Rated) -> str:
    exam, colour = rated.exam, rated.rating.colour
    case = new_id()
    row = {
        "county_id": exam.county_id,
        "id": case,
        "site_id": exam.site_id,
        "patient_id": exam.patient_id,
        "exam_id": exam.id,
        "state": states.CASE.start,
        "colour": colour,
        "rank": RANK[colour],
        "reason": rated.rating.reason,
        "seq": 0,
        "opened_at": transaction.now,
        "due_at": exam.received_at + rating.due_after_us(colour),
    }
    transaction.connection.execute(_OPEN, row)
    transaction.event(exam.county_id, "case.opened", _told(rated), site=exam.site_id, case=case)
    _alert(transaction, rated, case)
    return case


def _join(transaction: Transaction, rated: Rated, case: Row[Any]) -> None:
    exam, colour = rated.exam, rated.rating.colour
    values: dict[str, Any] = {}
    raises = RANK[colour] < case.rank or (case.colour is None and colour is not None)
    if raises:
        due_at = min(case.due_at, transaction.now + rating.due_after_us(colour)) if colour else case.due_at
        values = {
            "colour": colour,
            "rank": RANK[colour],
            "reason": rated.rating.reason,
            "exam_id": exam.id,
            "due_at": due_at,
        }
        if case.state != states.CASE.start:
            reopened = states.CASE.move(case.state, "raise").target
            values |= {"state": reopened, "closed_at": None, "acknowledged_at": None}
    elif exam.case_id is None and RANK[colour] == case.rank:
        values = {"exam_id": exam.id}
    if values:
        key = {"county": exam.county_id, "which": case.id}
        transaction.connection.execute(_UPDATE_CASE.values(**values), key)
    transaction.event(exam.county_id, "case.changed", _told(rated), site=exam.site_id, case=case.id)
    if raises:
        _alert(transaction, rated, case.id)


def _told(rated: Rated) -> dict[str, Any]:
    return {
        "exam": rated.exam.id,
        "site": rated.exam.site_id,
        "colour": rated.rating.colour,
        "reason": rated.rating.reason,
        "rated": True,
    }


def _alert(transaction: Transaction, rated: Rated, case: str) -> None:
    """Raise an alert where the colour asks for one and this case has none as urgent."""
    exam, colour = rated.exam, rated.rating.colour
    if colour is None or colour not in ALERTED:
        return
    key = {"county": exam.county_id, "case": case}
    raised = [row.colour for row in transaction.connection.execute(_RANKS_RAISED, key)]
    if any(RANK[Colour(other)] <= RANK[colour] for other in raised):
        return
    alert = new_id()
    next_step_at = escalation.after_raise(colour, transaction.now)
    analysis = rated.analysis
    row = {
        "county_id": exam.county_id,
        "id": alert,
        "case_id": case,
        "exam_id": exam.id,
        "ruleset": None if analysis is None else analysis.ruleset,
        "software": None if analysis is None else analysis.software,
        "colour": colour,
        "reason": rated.rating.reason,
        "evidence": rated.rating.evidence,
        "state": states.ALERT.start,
        "step": 0,
        "next_step_at": next_step_at,
        "raised_at": transaction.now,
    }
    transaction.connection.execute(_ALERT, row)
    transaction.event(exam.county_id, "alert.raised", _raised(rated, alert, next_step_at), site=exam.site_id, case=case)
    place = escalation.Place(exam.county_id, alert, case, exam.id, exam.site_id)
    escalation.call_step(transaction, place, colour, 0, "raised")


def _raised(rated: Rated, alert: str, next_step_at: int | None) -> dict[str, Any]:
    return {
        **_told(rated),
        "alert": alert,
        "evidence": rated.rating.evidence,
        "site_name": rated.site.name,
        "township": rated.site.township,
        "phone": rated.site.phone,
        "symptoms": rated.exam.symptoms,
        "next_step_at": iso(next_step_at),
    }


def decided_alerts(transaction: Transaction, county: str, case: str) -> Iterator[Row[Any]]:
    """The alerts of a case that have not ended, locked."""
    open_alerts = (
        select(schema.alert)
        .where(
            schema.alert.c.county_id == county,
            schema.alert.c.case_id == case,
            schema.alert.c.state.in_([states.Alert.RAISED.value, states.Alert.ACKNOWLEDGED.value]),
        )
        .order_by(schema.alert.c.raised_at)
        .with_for_update()
    )
    yield from transaction.connection.execute(open_alerts).all()
