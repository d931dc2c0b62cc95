"""Exams without an analysis are analysed, whatever happens to the process that does it.

Each worker is a process of its own (``spawn``), kept warm; a thread here hands it one exam at a time. A worker that
dies or needs longer than the limit is killed and replaced, alone; the others go on. What is next is a query
(:mod:`ledger.due`): urgent first, then symptoms, then sites in turn. The lease is short and renewed, so that the exam
of a dead server goes on within seconds. After three attempts the exam is ``failed``; a human has it as unread in any
case.

The result is committed in two steps, each of which a crash may follow: the analysis row (and ``rate_at``), then rating,
case and alert (:mod:`triage.cases`), which is due work like the rest.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any, Protocol

import structlog
import zstandard
from sqlalchemy import Connection as DatabaseConnection
from sqlalchemy import Text, bindparam, insert, select, type_coerce, update

from ecg.analysis import VERSION
from ledger import due, originals, schema
from ledger.clock import SECOND
from ledger.database import Ledger, Transaction
from triage import states
from triage.worker import RULESET, Job, Outcome, Prior, run

log = structlog.get_logger("analyser")

LEASE_US = 5 * SECOND  # renewed every 2 s while a worker computes
RENEW_S = 2.0
MAX_ATTEMPTS = 3
PRIOR_US = 366 * 86400 * SECOND  # an older ECG says little of what is new (CLINICAL.md §5.6: a year)
PAIN = frozenset({"chest_pain", "chest_tightness", "radiating_pain"})

QUEUE = due.Queue(
    table=schema.exam,
    # the emergency button, then symptoms (none said, or none there: last)
    first=(schema.exam.c.urgent.desc(), type_coerce(schema.exam.c.symptoms, Text).in_(("[]", '["none"]'))),
    turn=(schema.exam.c.county_id, schema.exam.c.site_id),
    max_attempts=MAX_ATTEMPTS,
    lease_us=LEASE_US,
)

FAILED = {
    "code": "FAILED",
    "zh": "机器分析没有完成（服务器的问题，不是您的图的问题）。图已保存，医生会直接看图。",
    "en": "The analysis did not finish: our fault, not your tracing's. It is safe; a doctor reads it as it is.",
}

_EXAM = select(schema.exam).where(schema.exam.c.county_id == bindparam("county"), schema.exam.c.id == bindparam("exam"))
# What lies further ahead than any lease: the clock was set back.
_PATIENT = select(schema.patient).where(
    schema.patient.c.county_id == bindparam("county"), schema.patient.c.id == bindparam("patient")
)
_CASES_OF = select(schema.case.c.id).where(
    schema.case.c.county_id == bindparam("county"),
    schema.case.c.patient_id == bindparam("patient"),
    schema.case.c.opened_at > bindparam("since"),
)
# The exam of this patient that came last before an instant and was analysed.
_PRIOR = (
    select(schema.exam)
    .where(
        schema.exam.c.county_id == bindparam("county"),
        schema.exam.c.case_id.in_(_CASES_OF),
        schema.exam.c.received_at < bindparam("until"),
        schema.exam.c.analysed_at.is_not(None),
    )
    .order_by(schema.exam.c.received_at.desc())
    .limit(1)
)
_AHEAD = (
    update(schema.exam).where(schema.exam.c.work_at > bindparam("now") + 2 * LEASE_US).values(work_at=bindparam("now"))
)
_ROW = update(schema.exam).where(schema.exam.c.county_id == bindparam("county"), schema.exam.c.id == bindparam("exam"))
_ANALYSIS = insert(schema.analysis)
_DOCUMENT = (
    select(schema.analysis)
    .where(schema.analysis.c.county_id == bindparam("county"), schema.analysis.c.exam_id == bindparam("exam"))
    .order_by(schema.analysis.c.created_at.desc())
    .limit(1)
)


class Settings(Protocol):
    """What the analyser needs to know."""

    @property
    def workers(self) -> int: ...
    @property
    def analyse_timeout_s(self) -> float: ...
    @property
    def poll_s(self) -> float: ...


class WorkerLostError(Exception):
    """The worker died or took too long."""


class Worker:
    """One warm process; :meth:`ask` gives its answer or raises :class:`WorkerLostError`, and the process is then
    replaced.
    """

    def __init__(self) -> None:
        self._closed = False
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self.process = context.Process(target=run, args=(theirs,), daemon=True, name="ecgnet-analyser")
        self.process.start()
        theirs.close()
        self._ready = False

    def ask(self, job: Job, timeout_s: float, waiting: Callable[[], bool]) -> Outcome:
        """Send one job. ``waiting`` is called every 2 s; if it says ``False`` the job is given up."""
        try:
            self._await_ready(timeout_s, waiting)
            self._pipe.send(job)
            return self._answer(self._pipe, timeout_s, waiting)
        except (WorkerLostError, EOFError, OSError) as error:
            self.kill()
            if not self._closed:
                self._start()
            raise WorkerLostError(str(error) or type(error).__name__) from error

    def _await_ready(self, timeout_s: float, waiting: Callable[[], bool]) -> None:
        if not self._ready:
            self._answer(self._pipe, max(timeout_s, 60.0), waiting)
            self._ready = True

    @staticmethod
    def _answer(pipe: Connection, timeout_s: float, waiting: Callable[[], bool]) -> Any:
        until = time.monotonic() + timeout_s
        while not pipe.poll(min(RENEW_S, max(until - time.monotonic(), 0))):
            if time.monotonic() >= until:
                raise WorkerLostError(f"no answer in {timeout_s:.0f} s")
            if not waiting():
                raise WorkerLostError("the exam was given up")
        return pipe.recv()

    def close(self) -> None:
        """End the process at once, and start no other."""
        self._closed = True
        self.kill()

    def kill(self) -> None:
        """End the process at once."""
        self.process.kill()
        self.process.join(5)
        self._pipe.close()


class Analyser:
    """The workers and their threads."""

    def __init__(self, ledger: Ledger, settings: Settings, analysed: Callable[[], None]) -> None:
        self._ledger = ledger
        self._settings = settings
        self._analysed = analysed  # called after a result was committed: rate it now
        self._wake = threading.Condition()
        self._hints = 0
        self._stopping = False
        self._threads: list[threading.Thread] = []
        self.workers: list[Worker] = []

    def start(self) -> None:
        """Begin; a single server on SQLite first takes back what its predecessor held."""
        if not self._ledger.is_postgresql:
            self._ledger.write(_release)
        for number in range(self._settings.workers):
            worker = Worker()
            self.workers.append(worker)
            thread = threading.Thread(target=self._work, args=(worker,), name=f"analyser-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def wake(self) -> None:
        """A hint that something may be due."""
        with self._wake:
            self._hints += 1
            self._wake.notify_all()

    def stop(self) -> None:
        """Stop asking for work, end the processes; what they held becomes due again."""
        self._stopping = True
        self.wake()
        for worker in self.workers:
            with contextlib.suppress(OSError, ValueError):
                worker.close()
        for thread in self._threads:
            thread.join(5)

    @property
    def alive(self) -> int:
        """How many worker processes live."""
        return sum(worker.process.is_alive() for worker in self.workers)

    def _work(self, worker: Worker) -> None:
        while not self._stopping:
            hints = self._hints
            try:
                held = self._claim()
                if held is not None:
                    self._analyse(worker, held)
                    continue
            except Exception as error:  # noqa: BLE001 (the database is away for a moment: the exam stays due)
                if not self._stopping:
                    log.warning("analyser.waits", error=repr(error))
            with self._wake:
                if self._hints == hints and not self._stopping:
                    self._wake.wait(self._settings.poll_s)

    def _claim(self) -> due.Claim | None:
        def claim(transaction: Transaction) -> due.Claim | None:
            transaction.connection.execute(_AHEAD, {"now": transaction.now})
            for county, exam in due.spent(transaction, QUEUE, 10):
                finish(transaction, county, exam, "give-up", {"problem": FAILED})
            claims = due.claim(transaction, QUEUE, 1)
            return claims[0] if claims else None

        return self._ledger.write(claim)

    def _analyse(self, worker: Worker, held: due.Claim) -> None:
        job = self._ledger.read(lambda connection: _job(connection, held))
        try:
            outcome = worker.ask(
                job, self._settings.analyse_timeout_s, lambda: not self._stopping and self._renewed(held)
            )
        except WorkerLostError as error:
            if not self._stopping:
                log.warning("analyser.worker-replaced", exam=held.id, attempt=held.attempt, error=str(error))
                self._ledger.write(lambda transaction: _again(transaction, held))
            return
        self._ledger.write(lambda transaction: complete(transaction, held, outcome))
        self._analysed()

    def _renewed(self, held: due.Claim) -> bool:
        return self._ledger.write(lambda transaction: due.renew(transaction, QUEUE, held))


def _release(transaction: Transaction) -> None:
    transaction.connection.execute(
        update(schema.exam).where(schema.exam.c.work_at > transaction.now).values(work_at=transaction.now)
    )


def _job(connection: DatabaseConnection, held: due.Claim) -> Job:
    exam = connection.execute(_EXAM, {"county": held.county, "exam": held.id}).one()
    prior = _prior(connection, exam)
    return Job(originals.get(connection, held.county, exam.sha256), name_of(exam.files), RULESET, prior)


def _prior(connection: DatabaseConnection, exam: Any) -> Prior | None:
    """The patient's last ECG that was analysed, of at most a year ago (CLINICAL.md §4.10)."""
    if exam.patient_id is None:
        return None
    key = {"county": exam.county_id, "patient": exam.patient_id}
    patient = connection.execute(_PATIENT, key).one()
    key["patient"] = patient.merged_into or patient.id
    span = {"since": exam.received_at - PRIOR_US, "until": exam.received_at}
    row = connection.execute(_PRIOR, {**key, **span}).one_or_none()
    if row is None:
        return None
    minutes = (exam.received_at - row.received_at) / (60 * SECOND)
    pain = None if not exam.symptoms else bool(PAIN & set(exam.symptoms))
    proven = patient.card is not None or patient.id_number is not None
    data = originals.get(connection, exam.county_id, row.sha256)
    return Prior(data, name_of(row.files), row.id, minutes, proven, pain)


def name_of(files: Sequence[Mapping[str, Any]]) -> str:
    """What an exam's bytes are called: several files are kept as one zip."""
    return files[0]["name"] if len(files) == 1 else "ecg.zip"


def _again(transaction: Transaction, held: due.Claim) -> None:
    """Due again at once; the attempt is counted."""
    if due.holds(transaction, QUEUE, held):
        transaction.connection.execute(_ROW.values(work_at=transaction.now), {"county": held.county, "exam": held.id})


def complete(transaction: Transaction, held: due.Claim, outcome: Outcome) -> bool:
    """Keep a worker's outcome; ``False`` (and nothing is kept) if its lease was given up meanwhile."""
    if not due.holds(transaction, QUEUE, held):
        return False
    if outcome.problem is not None:
        finish(transaction, held.county, held.id, "cannot-read", {"problem": outcome.problem})
        return True
    document = json.loads(zstandard.decompress(outcome.document))
    keep_analysis(transaction, held.county, held.id, document, outcome)
    grade, advice = document["quality"]["grade"], document["quality"]["advice"]
    values: dict[str, Any] = {"grade": grade, "advice": advice, "facts": document["recording"].get("patient")}
    values["fingerprint"] = outcome.fingerprint or None
    finish(transaction, held.county, held.id, "analyse", values)
    return True


def keep_analysis(
    transaction: Transaction, county: str, exam: str, document: Mapping[str, Any], outcome: Outcome
) -> None:
    """One more analysis row; none is ever overwritten."""
    codes = [finding["code"] for finding in document["findings"] if finding["state"] == "true"]
    row = {"county_id": county, "exam_id": exam, "ruleset": outcome.ruleset, "software": outcome.software}
    kept = {"grade": document["quality"]["grade"], "findings": codes, "created_at": transaction.now}
    transaction.connection.execute(_ANALYSIS, {**row, **kept, "document": outcome.document, "samples": outcome.samples})


_EVENTS = {
    states.Exam.ANALYSED: "exam.analysed",
    states.Exam.UNREADABLE: "exam.unreadable",
    states.Exam.FAILED: "exam.failed",
}


def finish(transaction: Transaction, county: str, exam: str, action: str, values: Mapping[str, Any]) -> None:
    """Move an exam to its end and make it due for rating."""
    key = {"county": county, "exam": exam}
    row = transaction.connection.execute(_EXAM.with_for_update(), key).one()
    status = states.Exam(states.EXAM.move(row.status, action).target)
    analysed_at = transaction.now if status is states.Exam.ANALYSED else None
    changed = {"status": status.value, "work_at": None, "analysed_at": analysed_at, "rate_at": transaction.now}
    if status is not states.Exam.ANALYSED:  # an operator sees why, and may try again (ingest.quarantine)
        changed |= {"quarantine": {**values["problem"], "software": VERSION}, "quarantined_at": transaction.now}
        changed["released_at"] = None
    transaction.connection.execute(_ROW.values(**changed, unread_at=None, **values), key)
    data = {"exam": exam, "site": row.site_id, "status": status.value, "grade": values.get("grade")}
    if "problem" in values:
        data["problem"] = values["problem"]
    transaction.event(county, _EVENTS[status], data, site=row.site_id, case=row.case_id)


def stored(connection: DatabaseConnection, county: str, exam: str) -> Any | None:
    """The newest analysis row of an exam (``document`` and ``samples`` still packed), or ``None``."""
    return connection.execute(_DOCUMENT, {"county": county, "exam": exam}).one_or_none()


def unpacked(packed: bytes) -> dict[str, Any]:
    """A stored JSON document."""
    return json.loads(zstandard.decompress(packed))
