"""From a rated exam to a case that a human must answer, and the alert that calls for one.

:func:`rate_due` takes exams whose rating is due (newly analysed, unreadable, failed, unread after 20 s, or with new
facts), rates them, and opens or joins a case with its alert and events in one commit. A case is an episode of one
patient: it is joined only on an identity that :mod:`ingest.identity` holds to be sure, within 30 minutes, and only
while nobody has decided it: a tracing that comes after the decision is a new case, for nobody has seen it. A join never
moves a deadline later or lowers a colour; a higher colour raises a new alert. A decided case is opened again when its
own exam is rated higher, or when facts that came after the decision ask for more than the answer gave.

Two promises hold whatever fails. A rating that fails is the rating of a tracing that nothing has read; a commit that
fails is tried again, behind the others. And a clock set back delays nothing: ``rate_at`` is due as soon as it is there,
``unread_at`` also when it lies further ahead than it was ever set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, Row, and_, bindparam, insert, or_, select, update

from ledger import schema
from ledger.clock import SECOND, iso
from ledger.database import Ledger, Transaction
from ledger.ids import new_id
from triage import (
    analyser,
    duplicates,
    escalation,
    merging,
    paging,
    policies,
    rating,
    rating_table,
    states,
    wrong_patient,
)
from triage.actions import asking
from triage.actions.common import UNNUMBERED
from triage.rating import RANK, Colour, Facts, Rating
from triage.rating_floor import usable

log = structlog.get_logger("cases")

EPISODE_US = 30 * 60 * SECOND
UNREAD_AFTER_US = 20 * SECOND  # what ingest sets; further ahead it can only lie after the clock was set back
RETAKE_US = 24 * 3600 * SECOND  # a clinic that was asked to record again does it within a day, or not at all
AGAIN_US = 5 * SECOND  # a rating whose commit failed is tried again then
BATCH = 16
ALERTED = (Colour.RED, Colour.ORANGE)
_OF_OWNER = ("acknowledged_at", "owner_id", "owner_at", "owner_until_at")
_OF_ANSWER = ("closed_at", "answer", "answered_at", "answered_by", "read_back_at")

_KEY = and_(schema.exam.c.county_id == bindparam("county"), schema.exam.c.id == bindparam("exam"))
_IS_DUE = or_(
    schema.exam.c.rate_at.is_not(None),
    schema.exam.c.unread_at <= bindparam("now"),
    schema.exam.c.unread_at > bindparam("now") + UNREAD_AFTER_US,
)
# Exams to rate: newly finished or with new facts, and those that a human must have unread by now.
_DUE = (
    select(schema.exam.c.county_id, schema.exam.c.id)
    .where(_IS_DUE)
    .order_by(schema.exam.c.urgent.desc(), schema.exam.c.received_at)
    .limit(BATCH)
)
# One of them, unless another server has it or has rated it meanwhile.
_TAKE = select(schema.exam).where(_KEY, _IS_DUE).with_for_update(skip_locked=True)
# One whose commit failed waits behind the others.
_LATER = update(schema.exam).where(_KEY, _IS_DUE)
_PATIENT = select(schema.patient).where(
    schema.patient.c.county_id == bindparam("county"), schema.patient.c.id == bindparam("patient")
)
# The same, locked: of two servers that rate two of one patient's exams the second joins the first one's case.
_PATIENT_FIRST = _PATIENT.with_for_update(key_share=True)
_SITE = select(schema.site).where(schema.site.c.county_id == bindparam("county"), schema.site.c.id == bindparam("site"))
# The case of this patient's running episode that nobody has decided.
_EPISODE = (
    select(schema.case)
    .where(
        schema.case.c.county_id == bindparam("county"),
        schema.case.c.patient_id == bindparam("patient"),
        schema.case.c.opened_at > bindparam("since"),
        schema.case.c.closed_at.is_(None),
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
# The other exams of a case.
_SIBLINGS = select(schema.exam.c.id, schema.exam.c.colour, schema.exam.c.reason).where(
    schema.exam.c.county_id == bindparam("county"),
    schema.exam.c.case_id == bindparam("case"),
    schema.exam.c.id != bindparam("exam"),
)
_ALERTS = select(schema.alert).where(
    schema.alert.c.county_id == bindparam("county"), schema.alert.c.case_id == bindparam("case")
)
_ALERT = insert(schema.alert)
_ALERT_AGAIN = update(schema.alert).where(
    schema.alert.c.county_id == bindparam("county"), schema.alert.c.id == bindparam("which")
)
_OPEN = insert(schema.case)


@dataclass(frozen=True, slots=True)
class Rated:
    """An exam with the colour it was just given."""

    exam: Row[Any]
    site: Row[Any]
    rating: Rating
    analysis: Row[Any] | None
    twins: Sequence[str] = ()
    """Exams with the same tracing under another identity, which nobody has resolved."""
    copies: Sequence[Mapping[str, Any]] = ()
    """Exams with the same tracing of the same clinic or patient (:mod:`triage.duplicates`), the oldest first."""


_LINKED = select(schema.exam_link.c.exam_id).where(
    schema.exam_link.c.county_id == bindparam("county"),
    schema.exam_link.c.exam_id == bindparam("exam"),
    schema.exam_link.c.how == duplicates.RETAKE,
)
_LINK = insert(schema.exam_link)
# The exams of this patient's last case, whose clinic may have been asked to record again.
_ASKED = (
    select(schema.exam.c.id, schema.exam.c.advice)
    .join(
        schema.case, (schema.case.c.county_id == schema.exam.c.county_id) & (schema.case.c.id == schema.exam.c.case_id)
    )
    .where(
        schema.case.c.county_id == bindparam("county"),
        schema.case.c.patient_id == bindparam("patient"),
        schema.case.c.opened_at > bindparam("since"),
    )
    .order_by(schema.exam.c.received_at.desc())
    .limit(20)
)
# The county's own table of colours that is in force.
_TABLE = (
    select(schema.county_file.c.text)
    .where(
        schema.county_file.c.county_id == bindparam("county"),
        schema.county_file.c.kind == rating_table.KIND,
        schema.county_file.c.active_from_at <= bindparam("now"),
    )
    .order_by(schema.county_file.c.active_from_at.desc(), schema.county_file.c.version.desc())
    .limit(1)
)


def rate_due(ledger: Ledger, recent: wrong_patient.Recent | None = None) -> int:
    """Rate what is due, each exam in a commit of its own; how many were rated. One that fails is tried again, behind
    the others.
    """
    now = ledger.clock.now()
    due = ledger.read(lambda connection: [tuple(row) for row in connection.execute(_DUE, {"now": now})])
    done = 0
    for county, exam in due:
        try:
            twins = _twins(ledger, recent, county, exam)
            done += ledger.write(partial(rate_one, county=county, exam=exam, twins=twins))
        except Exception as error:  # noqa: BLE001 (it stays due; the others go on)
            log.error("rating.failed", exam=exam, error=repr(error))
            ledger.write(partial(_later, county=county, exam=exam))
    return done


def _later(transaction: Transaction, county: str, exam: str) -> None:
    key = {"county": county, "exam": exam, "now": transaction.now}
    transaction.connection.execute(_LATER.values(rate_at=None, unread_at=transaction.now + AGAIN_US), key)


def _twins(ledger: Ledger, recent: wrong_patient.Recent | None, county: str, exam: str) -> list[str]:
    """Exams with the same tracing; that they could not be looked for keeps no exam from its rating."""
    try:
        return [] if recent is None else recent.twins(ledger, county, exam)
    except Exception as error:  # noqa: BLE001 (CLINICAL.md §6: nothing delays an alert)
        log.error("rating.fingerprints-not-compared", exam=exam, error=repr(error))
        return []


def rate_one(transaction: Transaction, county: str, exam: str, twins: Sequence[str] = ()) -> int:
    """Rate one exam and open or join its case; 0 if another did it. ``twins``: exams that hold the same tracing."""
    key = {"county": county, "exam": exam, "now": transaction.now}
    row = transaction.connection.execute(_TAKE, key).one_or_none()
    if row is None:
        return 0
    others = wrong_patient.link(transaction, county, exam, twins)
    copies = duplicates.link(transaction, county, exam, [one for one in twins if one not in others])
    rated = replace(_rated(transaction, row, others), copies=copies)
    case = _open_or_join(transaction, rated)
    colour = _higher(row.colour, rated.rating.colour)
    values: dict[str, Any] = {"case_id": case, "rate_at": None, "unread_at": None, "colour": colour}
    if colour == rated.rating.colour or row.reason is None:
        values["reason"] = rated.rating.reason
    transaction.connection.execute(update(schema.exam).where(_KEY).values(**values), key)
    return 1


def _rated(transaction: Transaction, exam: Row[Any], twins: Sequence[str]) -> Rated:
    connection = transaction.connection
    site = connection.execute(_SITE, {"county": exam.county_id, "site": exam.site_id}).one()
    analysis = analyser.stored(connection, exam.county_id, exam.id)
    if exam.patient_id is not None:
        connection.execute(_PATIENT_FIRST, {"county": exam.county_id, "patient": exam.patient_id}).one()
    facts = facts_of(connection, exam, bool(twins))
    try:
        document = None if analysis is None else analyser.unpacked(analysis.document)
        rated = rating.rate(document, facts, table_of(connection, exam.county_id, transaction.now))
    except Exception as error:  # noqa: BLE001 (fail-open, CLINICAL.md §6: a human has it as unread)
        log.error("rating.analysis-not-understood", exam=exam.id, error=repr(error))
        rated = rating.unread(facts)
    if exam.drill:
        rated = replace(rated, reason=paging.marked_reason(rated.reason))
    return Rated(exam, site, rated, analysis, twins)


def table_of(connection: Connection, county: str, now: int) -> rating_table.Table | None:
    """The county's own table in force; ``None`` (the default) where there is none, or where this version cannot take
    it.
    """
    text = connection.execute(_TABLE, {"county": county, "now": now}).scalar_one_or_none()
    return None if text is None else usable(text)


def facts_of(connection: Connection, exam: Row[Any], is_held: bool = False) -> Facts:
    """What is known beside the tracing, as of its receipt: that it waits for us makes no symptom old."""
    age: float | None = exam.facts.get("age_years") if exam.facts else None
    if exam.patient_id is not None:
        patient = connection.execute(_PATIENT, {"county": exam.county_id, "patient": exam.patient_id}).one()
        age = rating.age_years(patient.birth_date, exam.received_at) or age
    identities = 1 + len(exam.conflicts)
    return Facts(exam.urgent, tuple(exam.symptoms), exam.onset_at, exam.received_at, age, identities, is_held)


def _higher(before: str | None, now: Colour | None) -> Colour | None:
    """The more urgent of two colours: nothing automated lowers a colour once it is stored."""
    if before is None:
        return now
    return min(Colour(before), now, key=lambda colour: RANK[colour])


def _open_or_join(transaction: Transaction, rated: Rated) -> str:
    _link_retake(transaction, rated)
    case = _running(transaction, rated)
    if case is None and not rated.twins:
        case = duplicates.open_case(transaction.connection, rated.exam.county_id, rated.copies)
    if case is None:
        answered = None if rated.twins else _answered(transaction, rated)
        return _open(transaction, rated) if answered is None else _attach(transaction, rated, answered)
    _join(transaction, rated, case)
    return case.id


def _answered(transaction: Transaction, rated: Rated) -> Row[Any] | None:
    """The answered case of which this exam is only another file."""
    connection, exam = transaction.connection, rated.exam
    case = duplicates.answered_case(connection, exam, rated.rating.colour, rated.copies)
    if case is None or rated.rating.colour not in ALERTED:
        return case
    raised = connection.execute(_ALERTS, {"county": case.county_id, "case": case.id}).all()
    return case if _covered(rated, raised) else None


def _attach(transaction: Transaction, rated: Rated, case: Row[Any]) -> str:
    """It belongs to the case and changes nothing of it: the clinic sees the answer that was given, and nobody is called
    a second time.
    """
    exam = rated.exam
    told = {**_told(rated), "duplicate": True}
    transaction.connection.execute(_UPDATE_CASE.values(seq=UNNUMBERED), {"county": exam.county_id, "which": case.id})
    transaction.event(exam.county_id, "case.changed", told, site=case.site_id, case=case.id)
    if exam.site_id != case.site_id:
        transaction.event(exam.county_id, "exam.changed", told, site=exam.site_id)
    return case.id


def _running(transaction: Transaction, rated: Rated) -> Row[Any] | None:
    exam, connection = rated.exam, transaction.connection
    if exam.case_id is not None:
        return connection.execute(_CASE, {"county": exam.county_id, "case": exam.case_id}).one()
    if exam.patient_id is None:
        return None
    since = transaction.now - EPISODE_US
    key = {"county": exam.county_id, "patient": _patient(connection, exam), "since": since}
    return connection.execute(_EPISODE, key).one_or_none()


def _patient(connection: Connection, exam: Row[Any]) -> str | None:
    """The exam's patient: the record that its own was merged into."""
    return None if exam.patient_id is None else merging.of(connection, exam.county_id, exam.patient_id)


def _link_retake(transaction: Transaction, rated: Rated) -> None:
    """A patient's next exam after its clinic was asked to record again, or soon after a poor one, is that retake."""
    exam, connection = rated.exam, transaction.connection
    if exam.patient_id is None or exam.case_id is not None:
        return
    patient, since = _patient(connection, exam), transaction.now - RETAKE_US
    rows = connection.execute(_ASKED, {"county": exam.county_id, "patient": patient, "since": since})
    asked = next((row.id for row in rows if any(one["code"] == asking.RETAKE for one in row.advice)), None)
    before = asked or duplicates.poor_before(connection, exam, patient or exam.patient_id, rated.copies)
    if before is None or before == exam.id:
        return
    if connection.execute(_LINKED, {"county": exam.county_id, "exam": exam.id}).first() is None:
        row = {"county_id": exam.county_id, "exam_id": exam.id, "other_id": before, "how": duplicates.RETAKE}
        connection.execute(_LINK, {**row, "at": transaction.now, "detail": {}})


def _open(transaction: Transaction, rated: Rated) -> str:
    exam, colour = rated.exam, rated.rating.colour
    case = new_id()
    row = {
        "county_id": exam.county_id,
        "id": case,
        "site_id": exam.site_id,
        "patient_id": _patient(transaction.connection, exam),
        "exam_id": exam.id,
        "held": _hold(rated),
        "state": states.CASE.start,
        "colour": colour,
        "rank": RANK[colour],
        "reason": rated.rating.reason,
        "seq": 0,
        "opened_at": transaction.now,
        "due_at": exam.received_at + rating.due_after_us(colour),
        "drill": exam.drill,
    }
    transaction.connection.execute(_OPEN, row)
    transaction.event(exam.county_id, "case.opened", _told(rated), site=exam.site_id, case=case)
    _alert(transaction, rated, case, exam.site_id)
    return case


def _hold(rated: Rated) -> dict[str, Any] | None:
    return wrong_patient.held(rated.twins[0]) if rated.twins else None


def _join(transaction: Transaction, rated: Rated, case: Row[Any]) -> None:
    exam, colour = rated.exam, rated.rating.colour
    calls = RANK[colour] < case.rank or _asks_for_more(rated, case) or _is_elsewhere(transaction, rated, case)
    patient = case.patient_id
    if patient is None or exam.id == case.exam_id:  # a stranger's exam whose name came later
        patient = _patient(transaction.connection, exam)
    # until the batch gives the event its number, nobody can have seen this
    values: dict[str, Any] = {"seq": UNNUMBERED, "patient_id": patient}
    if rated.twins and case.held is None and case.closed_at is None:
        values["held"] = _hold(rated)
    if calls:
        values |= _leading(rated) | _called(transaction, rated, case)
    elif RANK[colour] == case.rank and (exam.case_id is None or exam.id == case.exam_id):
        values |= {"exam_id": exam.id, "reason": rated.rating.reason}
    elif case.colour is None and colour is not None:
        values |= _all_read(transaction, rated, case)
    key = {"county": exam.county_id, "which": case.id}
    transaction.connection.execute(_UPDATE_CASE.values(**values), key)
    # a case is where it was opened, whoever's exam joins it: there it is heard of, and nowhere else
    transaction.event(exam.county_id, "case.changed", _told(rated), site=case.site_id, case=case.id)
    if exam.site_id != case.site_id:
        transaction.event(exam.county_id, "exam.changed", _told(rated), site=exam.site_id)
    if calls:
        _alert(transaction, rated, case.id, case.site_id)


def _asks_for_more(rated: Rated, case: Row[Any]) -> bool:
    """Whether facts came after the decision that ask for more than its answer gave."""
    if case.closed_at is None or case.answer is None or rated.rating.colour not in ALERTED:
        return False
    is_newer = rated.exam.rate_at is not None and rated.exam.rate_at > case.closed_at
    return is_newer and RANK[rated.rating.colour] < RANK[Colour(case.answer["colour"])]


def _is_elsewhere(transaction: Transaction, rated: Rated, case: Row[Any]) -> bool:
    """Whether it calls for another territory than any alert of the case did, in the case's own colour."""
    if rated.rating.colour not in ALERTED or RANK[rated.rating.colour] != case.rank or case.closed_at is not None:
        return False
    raised = transaction.connection.execute(_ALERTS, {"county": case.county_id, "case": case.id}).all()
    return bool(raised) and not _covered(rated, raised)


def _covered(rated: Rated, alerts: Sequence[Row[Any]]) -> bool:
    """Whether alerts at least as urgent have called for every territory of the rating."""
    urgent = [alert for alert in alerts if RANK[Colour(alert.colour)] <= RANK[rated.rating.colour]]
    called = {part for alert in urgent for part in alert.topic.split("+") if part}
    asked = {part for part in rated.rating.topic.split("+") if part}
    return bool(urgent) and (not called or asked <= called)  # the first territory belongs to the call before it


def _leading(rated: Rated) -> dict[str, Any]:
    """The exam that gives the case its colour."""
    colour = rated.rating.colour
    return {"exam_id": rated.exam.id, "colour": colour, "rank": RANK[colour], "reason": rated.rating.reason}


def _called(transaction: Transaction, rated: Rated, case: Row[Any]) -> dict[str, Any]:
    """What becomes of a case that calls again: its answer no longer holds, its history keeps it."""
    due_at = transaction.now + rating.due_after_us(rated.rating.colour)
    if case.closed_at is None:
        due_at = min(case.due_at, due_at)
    if case.state == states.CASE.start:
        return {"due_at": due_at}
    reopened = dict.fromkeys((*_OF_OWNER, *_OF_ANSWER))
    return {"due_at": due_at, "state": states.CASE.move(case.state, "raise").target, **reopened}


def _all_read(transaction: Transaction, rated: Rated, case: Row[Any]) -> dict[str, Any]:
    """The colour of a case whose last unread exam was read; unread it stays while another one is."""
    key = {"county": case.county_id, "case": case.id, "exam": rated.exam.id}
    others = transaction.connection.execute(_SIBLINGS, key).all()
    if any(other.colour is None for other in others):
        return {}
    urgent = min(others, key=lambda other: RANK[Colour(other.colour)], default=None)
    if urgent is None or RANK[rated.rating.colour] <= RANK[Colour(urgent.colour)]:
        return _leading(rated)
    colour = Colour(urgent.colour)
    return {"exam_id": urgent.id, "colour": colour, "rank": RANK[colour], "reason": urgent.reason}


def _told(rated: Rated) -> dict[str, Any]:
    return {
        "exam": rated.exam.id,
        "site": rated.exam.site_id,
        "colour": rated.rating.colour,
        "reason": rated.rating.reason,
        "rated": True,
        **({"drill": True} if rated.exam.drill else {}),
    }


def _alert(transaction: Transaction, rated: Rated, case: str, site: str) -> None:
    """Raise an alert where the colour asks for one and no alert of this case that still runs is as urgent."""
    exam, colour = rated.exam, rated.rating.colour
    if colour is None or colour not in ALERTED:
        return
    raised = transaction.connection.execute(_ALERTS, {"county": exam.county_id, "case": case}).all()
    running = [alert for alert in raised if alert.state not in (states.Alert.DECIDED, states.Alert.STOPPED)]
    if _covered(rated, running):
        return
    policy = policies.of(transaction.connection, exam.county_id, transaction.now)
    next_step_at = escalation.after_raise(colour, transaction.now, policy)
    key = (exam.id, colour, rated.rating.topic)
    same = next((alert for alert in raised if (alert.exam_id, alert.colour, alert.topic) == key), None)
    alert = _insert_alert(transaction, rated, case, next_step_at) if same is None else same.id
    if same is not None:
        _raise_again(transaction, rated, same, next_step_at)
    transaction.event(exam.county_id, "alert.raised", _raised(rated, alert, next_step_at), site=site, case=case)
    place = escalation.Place(exam.county_id, alert, case, exam.id, site)
    escalation.call_step(transaction, place, colour, 0, "raised")


def _insert_alert(transaction: Transaction, rated: Rated, case: str, next_step_at: int) -> str:
    alert = new_id()
    row = {
        "county_id": rated.exam.county_id,
        "id": alert,
        "case_id": case,
        "exam_id": rated.exam.id,
        "colour": rated.rating.colour,
        "topic": rated.rating.topic,
        "state": states.ALERT.start,
        **_resting_on(rated),
        "step": 0,
        "next_step_at": next_step_at,
        "raised_at": transaction.now,
        "drill": rated.exam.drill,
    }
    transaction.connection.execute(_ALERT, row)
    return alert


def _raise_again(transaction: Transaction, rated: Rated, alert: Row[Any], next_step_at: int) -> None:
    """A decided alert of the same exam and colour rings anew; its calls so far stay on record."""
    values = {
        "state": states.ALERT.move(alert.state, "raise").target,
        **_resting_on(rated),
        "step": 0,
        "next_step_at": next_step_at,
        "raised_at": transaction.now,
        "why": None,
        "seq": None,
        "acknowledged_at": None,
        "acknowledged_by": None,
    }
    transaction.connection.execute(_ALERT_AGAIN.values(**values), {"county": alert.county_id, "which": alert.id})


def _resting_on(rated: Rated) -> dict[str, Any]:
    analysis = rated.analysis
    return {
        "ruleset": None if analysis is None else analysis.ruleset,
        "software": None if analysis is None else analysis.software,
        "reason": rated.rating.reason,
        "evidence": rated.rating.evidence,
    }


def _raised(rated: Rated, alert: str, next_step_at: int | None) -> dict[str, Any]:
    return {
        **_told(rated),
        "alert": alert,
        "evidence": rated.rating.evidence,
        "topic": rated.rating.topic,
        "site_name": rated.site.name,
        "township": rated.site.township,
        "phone": rated.site.phone,
        "symptoms": rated.exam.symptoms,
        "next_step_at": iso(next_step_at),
    }
