"""What the desk shows: worklist rows, cases and exams as the contract's JSON. Reading only; one snapshot each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, literal, or_, select, tuple_

from county import advice
from county.access import Action, Actor, Place, may
from ledger import events, schema
from ledger.clock import iso
from triage import analyser, doubt, legal, merging, report, states
from triage.rating import Colour, age_years, village

PAGE = 100

_owner = schema.person.alias("owner")
_seer = schema.person.alias("seer")
_answerer = schema.person.alias("answerer")


def _person(alias: Any, column: Any) -> Any:
    return and_(alias.c.county_id == schema.case.c.county_id, alias.c.id == column)


# A case with its site, its exam, its patient and the people who touched it, in one row.
_CASES = (
    select(
        schema.case,
        schema.site.c.name.label("site_name"),
        schema.site.c.township,
        schema.site.c.phone,
        schema.exam.c.symptoms,
        schema.exam.c.grade,
        schema.exam.c.facts,
        schema.exam.c.urgent,
        schema.exam.c.conflicts,
        schema.exam.c.status.label("exam_status"),
        schema.exam.c.onset_at,
        schema.exam.c.fmc_at,
        schema.exam.c.received_at,
        schema.patient.c.name.label("patient_name"),
        schema.patient.c.sex,
        schema.patient.c.birth_date,
        schema.patient.c.id_number,
        schema.patient.c.number,
        _owner.c.name.label("owner_name"),
        _seer.c.name.label("seer_name"),
        _answerer.c.name.label("answerer_name"),
    )
    .select_from(schema.case)
    .join(
        schema.site, and_(schema.site.c.county_id == schema.case.c.county_id, schema.site.c.id == schema.case.c.site_id)
    )
    .join(
        schema.exam, and_(schema.exam.c.county_id == schema.case.c.county_id, schema.exam.c.id == schema.case.c.exam_id)
    )
    .outerjoin(
        schema.patient,
        and_(schema.patient.c.county_id == schema.case.c.county_id, schema.patient.c.id == schema.case.c.patient_id),
    )
    .outerjoin(_owner, _person(_owner, schema.case.c.owner_id))
    .outerjoin(_seer, _person(_seer, schema.case.c.seen_by))
    .outerjoin(_answerer, _person(_answerer, schema.case.c.answered_by))
    .where(schema.case.c.county_id == bindparam("county"))
)
_ONE = _CASES.where(schema.case.c.id == bindparam("case"))
_OPEN = _CASES.where(schema.case.c.closed_at.is_(None))
_ORDER = (schema.case.c.rank, schema.case.c.due_at, schema.case.c.id)
_ALERTS = (
    select(schema.alert)
    .where(
        schema.alert.c.county_id == bindparam("county"), schema.alert.c.case_id.in_(bindparam("cases", expanding=True))
    )
    .order_by(schema.alert.c.raised_at)
)
_sender = schema.person.alias("sender")
_reader = schema.person.alias("reader")
# What the desk told the clinics of these cases, in order.
_MESSAGES = (
    select(schema.message, _sender.c.name.label("sender_name"), _reader.c.name.label("reader_name"))
    .outerjoin(
        _sender,
        and_(_sender.c.county_id == schema.message.c.county_id, _sender.c.id == schema.message.c.from_id),
    )
    .outerjoin(
        _reader,
        and_(_reader.c.county_id == schema.message.c.county_id, _reader.c.id == schema.message.c.read_back_by),
    )
    .where(
        schema.message.c.county_id == bindparam("county"),
        schema.message.c.case_id.in_(bindparam("cases", expanding=True)),
    )
    .order_by(schema.message.c.at, schema.message.c.id)
)
# How the exams of a case belong to others: a repeat, the same file again, another patient's name on it.
_LINKS = (
    select(schema.exam_link, schema.exam.c.case_id.label("of_case"))
    .join(
        schema.exam,
        and_(
            schema.exam.c.county_id == schema.exam_link.c.county_id,
            schema.exam.c.id.in_((schema.exam_link.c.exam_id, schema.exam_link.c.other_id)),
        ),
    )
    .where(schema.exam_link.c.county_id == bindparam("county"), schema.exam.c.case_id == bindparam("case"))
    .order_by(schema.exam_link.c.at)
)
_one, _other = schema.exam.alias("one"), schema.exam.alias("other")
# How these exams belong to others, and where both are.
_LINKS_OF = (
    select(schema.exam_link, _one.c.site_id.label("one_site"), _other.c.site_id.label("other_site"))
    .join(_one, and_(_one.c.county_id == schema.exam_link.c.county_id, _one.c.id == schema.exam_link.c.exam_id))
    .join(_other, and_(_other.c.county_id == schema.exam_link.c.county_id, _other.c.id == schema.exam_link.c.other_id))
    .where(
        schema.exam_link.c.county_id == bindparam("county"),
        or_(
            schema.exam_link.c.exam_id.in_(bindparam("exams", expanding=True)),
            schema.exam_link.c.other_id.in_(bindparam("exams", expanding=True)),
        ),
    )
    .order_by(schema.exam_link.c.at)
)
_PLACE_OF_CASE = select(schema.case.c.site_id).where(
    schema.case.c.county_id == bindparam("county"), schema.case.c.id == bindparam("case")
)
_EXAMS_OF_CASE = (
    select(schema.exam.c.id)
    .where(schema.exam.c.county_id == bindparam("county"), schema.exam.c.case_id == bindparam("case"))
    .order_by(schema.exam.c.received_at)
)


# --- worklist --------------------------------------------------------------------------------------------------------


def worklist(connection: Connection, actor: Actor, cursor: str | None, most: int = PAGE) -> dict[str, Any]:
    """The open cases that the actor may see, most urgent first, and the number of the last event, in one snapshot."""
    seq = events.last(connection, actor.county, actor.site)
    statement = _OPEN.order_by(*_ORDER).limit(most + 1)
    key: dict[str, Any] = {"county": actor.county}
    if actor.site is not None:
        statement = statement.where(schema.case.c.site_id == actor.site)
    if cursor is not None:
        rank, due_at, case_id = _cursor(cursor, 3)
        statement = statement.where(tuple_(*_ORDER) > tuple_(literal(rank), literal(due_at), literal(case_id)))
    rows = connection.execute(statement, key).all()
    shown = rows[:most]
    last = shown[-1] if len(rows) > most else None
    following = None if last is None else f"{last.rank}.{last.due_at}.{last.id}"
    return {"seq": seq, "items": items(connection, actor, shown), "next": following}


def _cursor(cursor: str, parts: int) -> list[Any]:
    """Whole numbers, then an id; ``ValueError`` if it is not one of ours."""
    *numbers, last = cursor.split(".", parts - 1)
    found = [int(number) for number in numbers]
    if len(found) != parts - 1 or any(not 0 <= number < 2**63 for number in found) or not last.isalnum():
        raise ValueError(cursor)
    return [*found, last]


def items(connection: Connection, actor: Actor, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Worklist rows of cases."""
    alerts = _latest_alerts(connection, actor.county, [row.id for row in rows])
    return [_item(row, alerts.get(row.id)) for row in rows]


def _latest_alerts(connection: Connection, county: str, cases: list[str]) -> dict[str, Row[Any]]:
    if not cases:
        return {}
    rows = connection.execute(_ALERTS, {"county": county, "cases": cases})
    return {row.case_id: row for row in rows}


def _item(row: Row[Any], alert: Row[Any] | None) -> dict[str, Any]:
    return {
        "case": row.id,
        "colour": row.colour,
        "reason": row.reason,
        "state": row.state,
        "owner": _named(row.owner_id, row.owner_name),
        "owner_until_at": iso(row.owner_until_at),
        "held": row.held,
        "drill": row.drill,
        "site": row.site_id,
        "site_name": row.site_name,
        "township": row.township,
        "phone": row.phone,
        "patient": _patient(row),
        "doubt": _doubt(row),
        "symptoms": row.symptoms,
        "urgent": row.urgent,
        "grade": row.grade,
        "exam": row.exam_id,
        "exam_status": row.exam_status,
        "seq": row.seq,
        "opened_at": iso(row.opened_at),
        "due_at": iso(row.due_at),
        "received_at": iso(row.received_at),
        "onset_at": iso(row.onset_at),
        "fmc_at": iso(row.fmc_at),
        "alert": None if alert is None else _alert(alert),
    }


def _alert(alert: Row[Any]) -> dict[str, Any]:
    return {
        "id": alert.id,
        "colour": alert.colour,
        "reason": alert.reason,
        "evidence": alert.evidence,
        "raised_at": iso(alert.raised_at),
        "step": alert.step,
        "next_step_at": iso(alert.next_step_at),
        "acknowledged_at": iso(alert.acknowledged_at),
        "stopped_at": iso(alert.stopped_at),
        "stop_reason": alert.stop_reason,
        "seq": alert.seq,
    }


def _doubt(row: Any) -> dict[str, str] | None:
    age = age_years(row.birth_date, row.received_at)
    if getattr(row, "held", None) is not None:
        return doubt.TWO_NAMES
    return doubt.about(row.conflicts, row.facts, row.sex, age)


def _named(person: str | None, name: str | None) -> dict[str, str] | None:
    return None if person is None else {"id": person, "name": name or ""}


def _patient(row: Any) -> dict[str, Any] | None:
    """Who it is, from what the clinic said and else from the file; the number only by its last four digits."""
    facts: Mapping[str, Any] = row.facts or {}
    sex = row.sex or facts.get("sex")
    age = age_years(row.birth_date, row.received_at)
    age = facts.get("age_years") if age is None else age
    tail = row.id_number[-4:] if row.id_number else None
    number = row.number if row.patient_name is None else None
    if row.patient_name is None and number is None and sex is None and age is None and tail is None:
        return None
    return {"name": row.patient_name, "number": number, "sex": sex, "age_years": age, "id_tail": tail}


# --- one case --------------------------------------------------------------------------------------------------------


def is_there(connection: Connection, actor: Actor, right: Action, case_id: str) -> bool:
    """Whether there is such a case where ``actor`` has ``right``."""
    row = connection.execute(_PLACE_OF_CASE, {"county": actor.county, "case": case_id}).one_or_none()
    return row is not None and may(actor, right, Place(actor.county, row.site_id))


def case(connection: Connection, actor: Actor, case_id: str, now: int) -> dict[str, Any] | None:
    """One case as ``actor`` may see it at ``now`` (a clinic: its own site's), or ``None``."""
    row = connection.execute(_ONE, {"county": actor.county, "case": case_id}).one_or_none()
    if row is None:
        return None
    place = Place(actor.county, row.site_id)
    if not may(actor, Action.SEE_EXAM, place):
        return None
    alert = _latest_alerts(connection, actor.county, [case_id]).get(case_id)
    key = {"county": actor.county, "case": case_id}
    exams = connection.execute(_EXAMS_OF_CASE, key).scalars()
    newest, earlier = report.shown(connection, row)
    return {
        **_item(row, alert),
        "exams": list(exams),
        "owner_at": iso(row.owner_at),
        "acknowledged_at": iso(row.acknowledged_at),
        "seen_at": iso(row.seen_at),
        "seen_by": _named(row.seen_by, row.seer_name),
        "answer": _answer(row),
        "read_back_at": iso(row.read_back_at),
        "patient_id": row.patient_id,
        "merges": merging.of_patient(connection, actor, row.patient_id),
        "report": newest,
        "earlier_reports": earlier,
        "messages": messages(connection, actor.county, [case_id]).get(case_id, []),
        "links": _links(connection, key),
        "comparison": _comparison(connection, row),
        "legal": legal.actions(connection, row, actor, now),
        "history": _history(connection, actor, case_id),
    }


def messages(connection: Connection, county: str, cases: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """What the desk told the clinics of these cases: case → messages in order."""
    if not cases:
        return {}
    found: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(_MESSAGES, {"county": county, "cases": list(cases)}):
        found.setdefault(row.case_id, []).append(_message(row))
    return found


def _message(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "from": _named(row.from_id, row.sender_name),
        "text": row.text,
        "at": iso(row.at),
        "read_back_at": iso(row.read_back_at),
        "read_back_by": _named(row.read_back_by, row.reader_name),
        "read_back": row.read_back_text,
    }


def _links(connection: Connection, key: Mapping[str, str]) -> list[dict[str, Any]]:
    rows = {(row.exam_id, row.other_id, row.how): row for row in connection.execute(_LINKS, key)}
    return [_link(row) for row in rows.values()]


def _link(row: Row[Any]) -> dict[str, Any]:
    resolved = row.detail.get("resolved")
    return {"exam": row.exam_id, "other": row.other_id, "how": row.how, "at": iso(row.at), "resolved": resolved}


def _comparison(connection: Connection, row: Row[Any]) -> dict[str, Any] | None:
    """What is new since the patient's ECG before, as the analysis of the leading exam has it."""
    stored = analyser.stored(connection, row.county_id, row.exam_id)
    if stored is None:
        return None
    try:
        found: dict[str, Any] | None = analyser.unpacked(stored.document).get("comparison")
    except Exception:  # noqa: BLE001 (a document that cannot be read hides no case)
        return None
    return found


def _answer(row: Any) -> dict[str, Any] | None:
    if row.answer is None:
        return None
    return {**row.answer, "by": _named(row.answered_by, row.answerer_name), "at": iso(row.answered_at)}


# What a `case.changed` says was done, by the field that tells it.
_WHAT = ("decision", "retake", "stopped", "released", "report", "merged", "held", "owner")


def _history(connection: Connection, actor: Actor, case_id: str) -> list[dict[str, Any]]:
    return [
        {
            "seq": event["seq"],
            "at": iso(event["at"]),
            "kind": event["kind"],
            "actor": event["data"].get("owner") or event["data"].get("by") or event["data"].get("seen_by"),
            "what": next((what for what in _WHAT if what in event["data"]), None),
            "reason": event["data"].get("reason_code") or event["data"].get("why"),
            "step": event["data"].get("step"),
            "colour": event["data"].get("colour"),
        }
        for event in events.of_case(connection, actor.county, case_id)
    ]


# --- exams -----------------------------------------------------------------------------------------------------------

_EXAMS = (
    select(
        schema.exam,
        schema.patient.c.name.label("patient_name"),
        schema.patient.c.sex,
        schema.patient.c.birth_date,
        schema.patient.c.id_number,
        schema.patient.c.number,
        schema.case.c.seen_at,
        schema.case.c.seen_by,
        schema.case.c.answer,
        schema.case.c.answered_at,
        schema.case.c.answered_by,
        schema.case.c.read_back_at,
        schema.case.c.seq.label("case_seq"),
        _seer.c.name.label("seer_name"),
        _answerer.c.name.label("answerer_name"),
    )
    .select_from(schema.exam)
    .outerjoin(
        schema.patient,
        and_(schema.patient.c.county_id == schema.exam.c.county_id, schema.patient.c.id == schema.exam.c.patient_id),
    )
    .outerjoin(
        schema.case, and_(schema.case.c.county_id == schema.exam.c.county_id, schema.case.c.id == schema.exam.c.case_id)
    )
    .outerjoin(_seer, _person(_seer, schema.case.c.seen_by))
    .outerjoin(_answerer, _person(_answerer, schema.case.c.answered_by))
    .where(schema.exam.c.county_id == bindparam("county"))
)
_EXAM = _EXAMS.where(schema.exam.c.id == bindparam("exam"))
_NEWEST = (schema.exam.c.received_at, schema.exam.c.id)


def exam(connection: Connection, actor: Actor, exam_id: str) -> dict[str, Any] | None:
    """One exam with its stages, or ``None`` if it is not there or not the actor's to see."""
    row = connection.execute(_EXAM, {"county": actor.county, "exam": exam_id}).one_or_none()
    if row is None or not may(actor, Action.SEE_EXAM, Place(actor.county, row.site_id)):
        return None
    told = messages(connection, actor.county, [row.case_id] if row.case_id else [])
    return _exam(row, told, links(connection, actor, [row.id]))


def exams(connection: Connection, actor: Actor, cursor: str | None, most: int = 30) -> dict[str, Any]:
    """The newest exams that the actor may see, a page at a time."""
    statement = _EXAMS.order_by(*(column.desc() for column in _NEWEST)).limit(most + 1)
    if actor.site is not None:
        statement = statement.where(schema.exam.c.site_id == actor.site)
    if cursor is not None:
        received_at, exam_id = _cursor(cursor, 2)
        statement = statement.where(tuple_(*_NEWEST) < tuple_(literal(received_at), literal(exam_id)))
    rows = connection.execute(statement, {"county": actor.county}).all()
    shown = rows[:most]
    following = f"{shown[-1].received_at}.{shown[-1].id}" if len(rows) > most else None
    told = messages(connection, actor.county, [row.case_id for row in shown if row.case_id])
    linked = links(connection, actor, [row.id for row in shown])
    return {"items": [_exam(row, told, linked) for row in shown], "next": following}


def links(connection: Connection, actor: Actor, exams: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """How these exams belong to others that the actor may see: exam → links in order."""
    if not exams:
        return {}
    found: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(_LINKS_OF, {"county": actor.county, "exams": list(exams)}):
        if all(may(actor, Action.SEE_EXAM, Place(actor.county, site)) for site in (row.one_site, row.other_site)):
            for which in {row.exam_id, row.other_id} & {*exams}:
                found.setdefault(which, []).append(_link(row))
    return found


def _exam(
    row: Any, told: Mapping[Any, list[dict[str, Any]]], linked: Mapping[str, list[dict[str, Any]]]
) -> dict[str, Any]:
    colour = None if row.colour is None else Colour(row.colour)
    words = village(colour, row.reason.get("code") if row.reason else None)
    waiting = row.status == states.EXAM.start and row.case_id is None
    return {
        "exam": row.id,
        "site": row.site_id,
        "sha256": row.sha256,
        "bytes": row.bytes,
        "received_at": iso(row.received_at),
        "status": row.status,
        "case": row.case_id,
        "case_seq": row.case_seq,
        "grade": row.grade,
        "advice": [*row.advice, *([advice.CONTEXT] if row.context_problem else [])],
        "colour": colour,
        "reason": row.reason,
        "filename": row.files[0]["name"] if row.files else None,
        "files": row.files,
        "patient": _patient(row),
        "symptoms": row.symptoms,
        "urgent": row.urgent,
        "doubt": _doubt(row),
        "conflicts": [_conflict(other) for other in row.conflicts],
        "problem": row.problem,
        "links": linked.get(row.id, []),
        "messages": [] if row.case_id is None else told.get(row.case_id, []),
        "instruction": None if waiting else {**words["answer"], "action": words["action"]},
        "stages": {
            "received_at": iso(row.received_at),
            "analysed_at": iso(row.analysed_at),
            "seen_at": iso(row.seen_at),
            "seen_by": _named(row.seen_by, row.seer_name),
            "answered_at": iso(row.answered_at),
            "answer": _answer(row),
            "read_back_at": iso(row.read_back_at),
        },
    }


def _conflict(other: Mapping[str, Any]) -> dict[str, Any]:
    """Another identity that came with the same bytes, shown as sparely as a patient."""
    number = other.get("id_number")
    return {
        "name": other.get("name"),
        "sex": other.get("sex"),
        "birth_date": other.get("birth_date"),
        "id_tail": number[-4:] if number else None,
        "at": other.get("at"),
    }


def site_of_exam(connection: Connection, county: str, exam_id: str) -> str | None:
    """Where an exam came from."""
    row = select(schema.exam.c.site_id).where(schema.exam.c.county_id == county, schema.exam.c.id == exam_id)
    return connection.execute(row).scalar_one_or_none()
