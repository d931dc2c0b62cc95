"""The same tracing under two names: held until a human has looked who the patient is (FIELD.md §1, CLINICAL.md §6).

Two files of one ECG agree in the curve itself, two ECGs do not, not even of one person (:mod:`ecg.fingerprint`). So
where one curve stands under two identities that contradict each other, one of them is wrong, and an answer to the
wrong patient is worse than none. Both cases are held: nobody confirms, downgrades or signs them; everything else goes
on, and an ORANGE alert calls. A human ends it: :data:`RELEASE_REASONS` lift the hold, :data:`REASON` stands the case
down as another patient's.

The comparison is made when an exam is rated and its fingerprint is committed, so of two at once at least the later one
sees the other. An exam that nobody has named contradicts nobody.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from ecg.album import Album
from ledger import events, schema
from ledger.clock import SECOND
from ledger.database import Ledger, Transaction
from triage import doubt

REASON = "wrong_patient"
"""The stand-down's reason: the tracing is another patient's."""

RELEASE_REASONS: dict[str, tuple[str, str]] = {
    "same_patient": ("两处登记的是同一位病人", "both names are one patient"),
    "identity_checked": ("已核对，图是这位病人的", "checked: the tracing is this patient's"),
}
"""With these a hold is lifted."""

LINK = "wrong-patient"
DAYS = 30
_DAY_US = 86400 * SECOND
_RECENT_US = DAYS * _DAY_US
_NAMED = ("name", "id_number", "card", "birth_date", "sex")

_E, _P, _L = schema.exam.c, schema.patient.c, schema.exam_link.c
# The fingerprints of a county since an instant, with the exam's number in the feed left out: one scan a day.
_PRINTS = select(_E.id, _E.fingerprint).where(
    _E.county_id == bindparam("county"), _E.received_at >= bindparam("since"), _E.fingerprint.is_not(None)
)
_SOME = select(_E.id, _E.fingerprint).where(
    _E.county_id == bindparam("county"), _E.id.in_(bindparam("ids", expanding=True)), _E.fingerprint.is_not(None)
)
_ONE = select(_E.id, _E.fingerprint, _E.patient_id, _E.received_at).where(
    _E.county_id == bindparam("county"), _E.id == bindparam("exam")
)
_WHOSE = (
    select(_E.id, _E.site_id, _E.case_id, _E.received_at, _E.patient_id, _P.merged_into, *(_P[name] for name in _NAMED))
    .join(schema.patient, (_P.county_id == _E.county_id) & (_P.id == _E.patient_id))
    .where(_E.county_id == bindparam("county"), _E.id.in_(bindparam("ids", expanding=True)))
    .order_by(_E.received_at)
)
_LINKS = select(_L.exam_id, _L.other_id, _L.detail).where(
    _L.county_id == bindparam("county"),
    _L.how == LINK,
    (_L.exam_id.in_(bindparam("ids", expanding=True))) | (_L.other_id.in_(bindparam("ids", expanding=True))),
)
_LINK = insert(schema.exam_link)
_RESOLVE = update(schema.exam_link).where(
    _L.county_id == bindparam("county"),
    _L.exam_id == bindparam("one"),
    _L.other_id == bindparam("another"),
    _L.how == LINK,
)
_OF_CASE = select(_E.id).where(_E.county_id == bindparam("county"), _E.case_id == bindparam("case"))
_CASE = (
    select(schema.case)
    .where(schema.case.c.county_id == bindparam("county"), schema.case.c.id == bindparam("case"))
    .with_for_update()
)
_HOLD = update(schema.case).where(
    schema.case.c.county_id == bindparam("county"), schema.case.c.id == bindparam("which")
)
_RATE = update(schema.exam).where(_E.county_id == bindparam("county"), _E.id == bindparam("which"))


class Recent:
    """The county's fingerprints of the last days, in memory: read once a day, then kept up by the feed's numbers."""

    def __init__(self) -> None:
        self._albums: dict[str, tuple[Album, int, int]] = {}  # county → album, its last event, its day
        self._lock = threading.Lock()

    def twins(self, ledger: Ledger, county: str, exam: str) -> list[str]:
        """Exams of the last days that hold the same ECG."""
        row = ledger.read(lambda connection: connection.execute(_ONE, {"county": county, "exam": exam}).one_or_none())
        if row is None or row.fingerprint is None:
            return []
        with self._lock:
            album = self._current(ledger, county, ledger.clock.now())
            album.add(row.id, row.fingerprint)
            return [other for other in album.like(row.fingerprint) if other != exam]

    def _current(self, ledger: Ledger, county: str, now: int) -> Album:
        known = self._albums.get(county)
        if known is None or known[2] != now // _DAY_US:
            return self._begun(ledger, county, now)
        album, seq, day = known

        def newer(connection: Connection) -> tuple[list[Any], int]:
            last = events.last(connection, county)
            if last - seq > 5_000:
                return [*connection.execute(_PRINTS, {"county": county, "since": now - _RECENT_US})], last
            told = events.after(connection, county, seq, 5_000)
            ids = [one["data"]["exam"] for one in told if one["kind"] == "exam.analysed"]
            return [*connection.execute(_SOME, {"county": county, "ids": ids})] if ids else [], last

        rows, last = ledger.read(newer)
        for row in rows:
            album.add(row.id, row.fingerprint)
        self._albums[county] = (album, last, day)
        return album

    def _begun(self, ledger: Ledger, county: str, now: int) -> Album:
        def all_of_them(connection: Connection) -> tuple[int, list[Any]]:
            last = events.last(connection, county)
            return last, [*connection.execute(_PRINTS, {"county": county, "since": now - _RECENT_US})]

        last, rows = ledger.read(all_of_them)
        album = Album()
        for row in rows:
            album.add(row.id, row.fingerprint)
        self._albums[county] = (album, last, now // _DAY_US)
        return album


def contradict(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two records that may be one patient state something that cannot both be true."""
    return any(one[name] is not None and other[name] is not None and one[name] != other[name] for name in _NAMED)


def link(transaction: Transaction, county: str, exam: str, twins: Sequence[str]) -> list[str]:
    """Link an exam with those that hold the same ECG under another identity, and hold their cases; the others' ids.

    A pair that a human has resolved is not held again.
    """
    connection = transaction.connection
    found = connection.execute(_WHOSE, {"county": county, "ids": [exam, *twins]})
    rows: list[dict[str, Any]] = [dict(row) for row in found.mappings()]
    mine = next((row for row in rows if row["id"] == exam), None)
    if mine is None:
        return []
    since = mine["received_at"] - _RECENT_US
    others = [
        row
        for row in rows
        if row["id"] != exam and row["received_at"] >= since and _person(row) != _person(mine) and contradict(mine, row)
    ]
    known = {frozenset((row.exam_id, row.other_id)): row.detail for row in _links(connection, county, [exam])}
    held: list[str] = []
    for other in others:
        pair = frozenset((exam, other["id"]))
        if pair in known:
            held += [] if known[pair].get("resolved") else [other["id"]]
            continue
        row = {"county_id": county, "exam_id": exam, "other_id": other["id"], "how": LINK, "at": transaction.now}
        connection.execute(_LINK, {**row, "detail": {}})
        _hold(transaction, county, other, exam)
        held.append(other["id"])
    return held


def _person(row: Mapping[str, Any]) -> str:
    return row["merged_into"] or row["patient_id"]


def _links(connection: Connection, county: str, exams: Sequence[str]) -> list[Any]:
    return [*connection.execute(_LINKS, {"county": county, "ids": list(exams)})]


def held(other: str) -> dict[str, Any]:
    """What a held case says."""
    return {"code": "WRONG_PATIENT", "exam": other, **doubt.TWO_NAMES}


def _hold(transaction: Transaction, county: str, exam: Mapping[str, Any], other: str) -> None:
    """Hold the case of an exam that was there before; its colour follows when it is rated again."""
    if exam["case_id"] is None:
        return
    case = transaction.connection.execute(_CASE, {"county": county, "case": exam["case_id"]}).one()
    if case.closed_at is not None:
        return  # it was answered: the newer case calls, and shows the link
    values: dict[str, Any] = {"held": held(other)}
    transaction.connection.execute(_HOLD.values(**values), {"county": county, "which": case.id})
    transaction.connection.execute(_RATE.values(rate_at=transaction.now), {"county": county, "which": exam["id"]})
    data = {"exam": exam["id"], "site": exam["site_id"], "held": "WRONG_PATIENT"}
    transaction.event(county, "case.changed", data, site=case.site_id, case=case.id)


def resolved(transaction: Transaction, case: Row[Any], by: str, reason: str) -> None:
    """A human has looked: the pairs of this case's exams are on record as resolved, and hold nothing again."""
    connection = transaction.connection
    exams = list(connection.execute(_OF_CASE, {"county": case.county_id, "case": case.id}).scalars())
    for row in _links(connection, case.county_id, exams) if exams else ():
        if row.detail.get("resolved"):
            continue
        detail = {**row.detail, "resolved": reason, "by": by, "at": transaction.now}
        key = {"county": case.county_id, "one": row.exam_id, "another": row.other_id}
        connection.execute(_RESOLVE.values(detail=detail), key)
