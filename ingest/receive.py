"""From bytes to the durable exam: original, exam and event in one commit, and then the receipt.

:func:`prepare` does what takes time (digest, zip, compression) outside the writer's thread; :func:`accept` is the one
commit. The same bytes from the same site are the same exam: a repeat adds what its context knows and never drops it
(ARCHITECTURE.md §6 "Sending"). Another identity on the same bytes is kept as a conflict, never written over the first.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from sqlalchemy import RowMapping, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from county import advice
from ingest import context as contexts
from ingest import identity as identities
from ingest import stamps
from ingest.clinic.pack import zip_of
from ingest.context import Context
from ledger import originals, schema
from ledger.clock import SECOND, iso
from ledger.database import Ledger, Transaction
from ledger.ids import new_id

T = TypeVar("T")

RECEIVED = "received"
UNREAD_AFTER_US = 20 * SECOND
"""A human has the exam as unread after this time in any case (CLINICAL.md §5.6)."""

MAX_NAME_LETTERS = 120
"""Of a file's name; every file system ends at 255 bytes."""

_RACES = 3
"""Repeats after another process made the same row first; the second time it is there."""


class NoFileError(Exception):
    """Nothing was sent."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What a device or a person sends: files as (name, bytes), and what is known beside them."""

    county: str
    site: str
    sender: str
    files: Sequence[tuple[str, bytes]]
    context: Context = field(default_factory=Context)


@dataclass(frozen=True, slots=True)
class Ready:
    """A submission whose bytes were hashed, zipped if several, and compressed; ``files``: [{name, sha256, bytes}]."""

    county: str
    site: str
    sender: str
    original: originals.Prepared
    files: list[dict[str, Any]]
    context: Context


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that the bytes are committed. ``is_new``: not the same bytes from the same site again."""

    exam: str
    sha256: str
    bytes: int
    received_at: int
    status: str
    files: list[dict[str, Any]]
    context_problem: bool
    is_new: bool

    def document(self) -> dict[str, Any]:
        """The contract's JSON."""
        receipt: dict[str, Any] = {
            "exam": self.exam,
            "sha256": self.sha256,
            "bytes": self.bytes,
            "received_at": iso(self.received_at),
            "status": self.status,
        }
        if len(self.files) > 1:
            receipt["files"] = self.files
        if self.context_problem:
            receipt["advice"] = [advice.CONTEXT]
        return receipt


def file_name(name: str | None) -> str:
    """A name without folders, control characters and excess length; ``ecg`` if nothing is left."""
    plain = identities.clean((name or "").replace("\\", "/").rsplit("/", 1)[-1], MAX_NAME_LETTERS)
    return plain if plain.strip(".") else "ecg"


def prepare(submission: Submission) -> Ready:
    """Hash, pack and compress; :class:`NoFileError` if there is none."""
    if not submission.files:
        raise NoFileError
    named = [(file_name(name), data) for name, data in submission.files]
    original = originals.Prepared(named[0][1] if len(named) == 1 else zip_of(named))
    digests = [original.sha256] if len(named) == 1 else [hashlib.sha256(data).hexdigest() for _, data in named]
    files = [
        {"name": name, "sha256": digest, "bytes": len(data)}
        for (name, data), digest in zip(named, digests, strict=True)
    ]
    files.sort(key=lambda one: (one["name"], one["sha256"]))
    return Ready(submission.county, submission.site, submission.sender, original, files, submission.context)


async def receive(ledger: Ledger, submission: Submission) -> Receipt:
    """Prepare and commit; when this returns, the exam is durable."""
    ready = await asyncio.to_thread(prepare, submission)
    return await raced(ledger, lambda transaction: accept(transaction, ready))


async def raced(ledger: Ledger, work: Callable[[Transaction], T]) -> T:
    """Commit ``work``; again where another process committed the same row first: now it is there to be found."""
    for _ in range(_RACES):
        try:
            return await ledger.awrite(work)
        except IntegrityError:
            continue
    return await ledger.awrite(work)


# --- the one commit --------------------------------------------------------------------------------------------------

_E = schema.exam.c
# The exam of these bytes at this site; locked, for its context may rise.
_SAME = (
    select(schema.exam)
    .where(
        _E.county_id == bindparam("county"),
        _E.site_id == bindparam("site"),
        _E.sha256 == bindparam("sha256"),
    )
    .with_for_update()
)
# An exam by its key, locked.
_BY_ID = select(schema.exam).where(_E.county_id == bindparam("county"), _E.id == bindparam("which")).with_for_update()
_INSERT = insert(schema.exam)
# What the clinic said later.
_RAISE = (
    update(schema.exam)
    .where(_E.county_id == bindparam("county"), _E.id == bindparam("which"))
    .values(
        urgent=bindparam("to_urgent"),
        symptoms=bindparam("to_symptoms"),
        onset_at=bindparam("to_onset_at"),
        fmc_at=bindparam("to_fmc_at"),
        patient_id=bindparam("to_patient_id"),
        conflicts=bindparam("to_conflicts"),
        context_problem=bindparam("to_context_problem"),
        rate_at=bindparam("to_rate_at"),
        stamps=bindparam("to_stamps"),
    )
)
# A site that has just sent is not silent.
_HEARD = (
    update(schema.site)
    .where(schema.site.c.county_id == bindparam("county"), schema.site.c.id == bindparam("which"))
    .values(last_exam_at=bindparam("at"))
)


def accept(transaction: Transaction, ready: Ready) -> Receipt:
    """Original, exam, event, audit: all of it or nothing. ``IntegrityError`` if another process was first: repeat."""
    if not originals.put(transaction, ready.county, ready.original):  # bytes new to the county are of no exam of it
        key = {"county": ready.county, "site": ready.site, "sha256": ready.original.sha256}
        row = transaction.connection.execute(_SAME, key).mappings().one_or_none()
        if row is not None:
            return _hear_again(transaction, row, ready.context, ready.sender)
    exam = _new_row(transaction, ready)
    transaction.connection.execute(_INSERT, exam)
    transaction.connection.execute(_HEARD, {"county": ready.county, "which": ready.site, "at": transaction.now})
    said = {"exam": exam["id"], "site": ready.site, "urgent": exam["urgent"], "symptoms": exam["symptoms"]}
    transaction.event(ready.county, "exam.received", said, site=ready.site)
    detail = {"exam": exam["id"], "sha256": ready.original.sha256, "bytes": ready.original.size}
    transaction.audit(ready.county, ready.sender, "exam.received", ready.site, detail=detail)
    return _receipt(exam, ready.context.problem, is_new=True)


def add_context(transaction: Transaction, county: str, exam: str, said: Context, sender: str) -> Receipt:
    """Add to an exam what is known later; ``KeyError`` if there is none of that id."""
    row = transaction.connection.execute(_BY_ID, {"county": county, "which": exam}).mappings().one_or_none()
    if row is None:
        raise KeyError(exam)
    return _hear_again(transaction, row, said, sender)


def _new_row(transaction: Transaction, ready: Ready) -> dict[str, Any]:
    said, now = ready.context, transaction.now
    return {
        "county_id": ready.county,
        "id": new_id(),
        "site_id": ready.site,
        "sender": ready.sender,
        "sha256": ready.original.sha256,
        "bytes": ready.original.size,
        "files": ready.files,
        "status": RECEIVED,
        "received_at": now,
        "urgent": said.urgent,
        "symptoms": list(said.symptoms),
        "onset_at": said.onset_at,
        "fmc_at": said.fmc_at,
        "patient_id": identities.find_or_create(transaction, ready.county, ready.site, said.identity),
        "conflicts": [],
        "context_problem": said.problem,
        "advice": [],
        "stamps": stamps.recorded(transaction, ready.county, ready.sender, said.recorded_at),
        "work_at": now,
        "attempts": 0,
        "unread_at": now + UNREAD_AFTER_US,
    }


def _hear_again(transaction: Transaction, row: RowMapping, said: Context, sender: str) -> Receipt:
    """The same bytes again, or a context that came later: facts are added, none is lost."""
    patient, conflicts, is_filled = _identified(transaction, row, said, sender)
    known = Context(row["urgent"], tuple(row["symptoms"]), row["onset_at"], row["fmc_at"])
    merged = contexts.merge(known, said)
    values: dict[str, Any] = {
        "urgent": merged.urgent,
        "symptoms": list(merged.symptoms),
        "onset_at": merged.onset_at,
        "fmc_at": merged.fmc_at,
        "patient_id": patient,
        "conflicts": conflicts,
        "context_problem": _problem_after(row["context_problem"], said),
        "stamps": row["stamps"] or stamps.recorded(transaction, row["county_id"], sender, said.recorded_at),
    }
    if any(values[name] != row[name] for name in values) or is_filled:
        # before its first rating an exam is rated with what is known then
        rated = row["status"] != RECEIVED or row["case_id"] is not None
        values["rate_at"] = transaction.now if rated else row["rate_at"]
        key = {"county": row["county_id"], "which": row["id"]}
        transaction.connection.execute(_RAISE, key | {f"to_{name}": value for name, value in values.items()})
        _tell(transaction, row, values, sender)
    return _receipt(row, said.problem, is_new=False)


def _tell(transaction: Transaction, row: RowMapping, values: dict[str, Any], sender: str) -> None:
    """``exam.changed``, without a name; the audit has who said so."""
    told: dict[str, Any] = {"exam": row["id"], "site": row["site_id"]}
    told |= {"urgent": values["urgent"], "symptoms": values["symptoms"], "conflicts": len(values["conflicts"])}
    county, site = row["county_id"], row["site_id"]
    transaction.event(county, "exam.changed", told, site=site, case=row["case_id"])
    changed = [name for name in values if name != "rate_at" and values[name] != row[name]]
    transaction.audit(county, sender, "exam.context", site, detail={"exam": row["id"], "changed": changed})


def _identified(
    transaction: Transaction, row: RowMapping, said: Context, sender: str
) -> tuple[str | None, list[dict[str, Any]], bool]:
    """The exam's patient, its conflicts, and whether the patient's row learnt something."""
    county, conflicts = row["county_id"], list[dict[str, Any]](row["conflicts"])
    if row["patient_id"] is None:
        patient = identities.find_or_create(transaction, county, row["site_id"], said.identity)
        return patient, conflicts, False
    known = identities.of_patient(transaction, county, row["patient_id"])
    if not known.differs(said.identity):
        site, whose = row["site_id"], row["patient_id"]
        patient, is_filled = identities.identify(transaction, county, site, whose, known, said.identity)
        return patient, conflicts, is_filled
    other = asdict(said.identity)
    if all(any(conflict.get(name) != other[name] for name in other) for conflict in conflicts):
        conflicts.append({**other, "at": iso(transaction.now), "sender": sender})
    return row["patient_id"], conflicts, False


def _problem_after(known: bool, said: Context) -> bool:
    """A context that was bad stays so until one comes that says something and is understood."""
    if said.problem:
        return True
    return known and said == Context()


def _receipt(row: Any, problem: bool, *, is_new: bool) -> Receipt:
    return Receipt(
        row["id"],
        row["sha256"],
        row["bytes"],
        row["received_at"],
        row["status"],
        list(row["files"]),
        problem,
        is_new,
    )
