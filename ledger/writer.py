"""The one writer of a process: waiting requests are committed together (group commit).

A request is a function of a :class:`Transaction`. It runs in a SAVEPOINT of its own, so one that fails takes no other
with it. It may be run again when the engine undid the whole batch (deadlock), so it must have no effect outside the
database. A batch ends with the numbering (``ledger.numbering``) and the commit; one transaction a request would let a
county commit some 150 times a second on PostgreSQL, this way it is thousands.

What can happen to a request, and what its caller is told: it raised (its own error, nothing of it is kept); the engine
undid the batch (it is run again); the database did not answer, before or in the commit (:class:`LedgerUnavailable`).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from ledger import engines, numbering
from ledger.clock import Clock, SystemClock

T = TypeVar("T")

MAX_BATCH = 64  # requests in one commit: 384 clients then wait for six commits at most
BATCH_S = 0.05  # work of one batch before its commit, so that a large file makes nobody wait longer than itself
MAX_WAITING = 2_000  # requests in the queue; beyond it a caller is told to come back (503)
TRIES = 6  # of one request that the engine undoes again and again
IDLE_S = 1.0  # without a request for so long, the writer tidies up
MEASURE_S = 60.0  # how often the database's clock is compared with ours


class LedgerBusy(Exception):
    """The writer's queue is full: try again in a moment."""


class LedgerUnavailable(Exception):
    """The database did not answer; whether the last commit happened is not known. A repeat is safe."""


class _Undone(Exception):
    """The engine undid the batch, surely; ``transient``: only because of another writer."""

    def __init__(self, cause: BaseException, *, transient: bool) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.transient = transient


@dataclass(slots=True)
class Transaction:
    """What one request may do: statements, events, audit rows. ``now`` is the instant at which it began."""

    connection: Connection
    now: int
    events: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    audits: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def event(
        self, county: str, kind: str, data: dict[str, Any], *, site: str | None = None, case: str | None = None
    ) -> None:
        """Append an event; it gets its number when the batch commits."""
        row = {"county_id": county, "at": self.now, "kind": kind, "site_id": site, "case_id": case, "data": data}
        self.events.append(row)

    def audit(
        self,
        county: str,
        actor: str,
        action: str,
        place: str,
        *,
        reason: str | None = None,
        detail: dict[str, Any] | None = None,
    ) -> None:
        """Append a row to the county's audit chain."""
        row = {"county_id": county, "at": self.now, "actor": actor, "action": action, "place": place}
        self.audits.append({**row, "reason": reason, "detail": detail or {}})


@dataclass(slots=True)
class _Request:
    """Work and who waits for it: a thread (``answer``), or a task of an event loop (``loop``, ``task_answer``)."""

    work: Callable[[Transaction], Any]
    answer: Future[Any] | None = None
    loop: asyncio.AbstractEventLoop | None = None
    task_answer: asyncio.Future[Any] | None = None
    begun: bool = False  # from here on its caller can no longer take it back

    def begin(self) -> bool:
        """Whether it is still wanted."""
        self.begun = self.begun or self.answer is None or self.answer.set_running_or_notify_cancel()
        return self.begun


Outcome = tuple[Any, BaseException | None]


def _settle(settled: Iterable[tuple[_Request, Outcome]]) -> None:
    """Give the answers; an event loop is woken once for all of its tasks."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Outcome]]] = {}
    for request, outcome in settled:
        if request.answer is not None:
            _answer([(request.answer, outcome)])
        elif request.loop is not None and request.task_answer is not None:
            by_loop.setdefault(request.loop, []).append((request.task_answer, outcome))
    for loop, answers in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_answer, answers)


def _answer(answers: Iterable[tuple[Future[Any] | asyncio.Future[Any], Outcome]]) -> None:
    for future, (result, error) in answers:
        if future.done():  # its task went away
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)


@dataclass(slots=True)
class _Done:
    """A committed batch: what each of its first requests gave, and whether there were events."""

    outcomes: list[Outcome]
    told: bool


class Writer:
    """The thread that commits; ``told`` is called after each commit with events."""

    def __init__(self, engine: Engine, clock: Clock, told: Callable[[], None]) -> None:
        self._engine = engine
        self._clock = clock
        self._told = told
        self._sqlite = engine.dialect.name == "sqlite"
        self._waiting: deque[_Request] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._connection: Connection | None = None
        self._measured_at: float | None = None
        self._written = False  # since the last checkpoint
        self._thread = threading.Thread(target=self._run_forever, name="ledger-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Transaction], T]) -> Future[T]:
        """Put ``work`` into the queue; :class:`LedgerBusy` if too many wait, :class:`LedgerUnavailable` once closed."""
        answer: Future[T] = Future()
        self._put(_Request(work, answer=answer))
        return answer

    def submit_task(self, work: Callable[[Transaction], T]) -> asyncio.Future[T]:
        """:meth:`submit` for a task of the running event loop."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._put(_Request(work, loop=loop, task_answer=answer))
        return answer

    def _put(self, request: _Request) -> None:
        with self._changed:
            if self._closed:
                raise LedgerUnavailable("the ledger is closed")
            if len(self._waiting) >= MAX_WAITING:
                raise LedgerBusy(f"{MAX_WAITING} requests wait for the writer")
            self._waiting.append(request)
            self._changed.notify()

    def close(self) -> None:
        """Finish what waits, take nothing more, end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    # --- the thread ---

    def _run_forever(self) -> None:
        while True:
            batch = self._next_batch()
            if batch:
                self._commit(batch)
            else:
                self._rest()
                with self._changed:
                    if self._closed and not self._waiting:
                        return

    def _next_batch(self) -> list[_Request]:
        """The requests that wait, or none: nothing came for a while, or the ledger is being closed."""
        with self._changed:
            if not self._waiting and not self._closed:
                self._changed.wait(IDLE_S if self._connection is not None else None)
            taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_BATCH))]
        return [request for request in taken if request.begin()]

    def _commit(self, batch: list[_Request]) -> None:
        for _ in range(2 if len(batch) > 1 else 0):
            try:
                return self._deliver(batch, self._run(batch))
            except _Undone as undone:
                if not undone.transient:
                    break
            except LedgerUnavailable as error:
                return _settle((request, (None, error)) for request in batch)
        for request in batch:  # one of them spoils the others: each by itself
            self._commit_alone(request)
        return None

    def _commit_alone(self, request: _Request) -> None:
        error: BaseException = LedgerUnavailable("the database undid the request again and again")
        for attempt in range(TRIES):
            try:
                return self._deliver([request], self._run([request]))
            except _Undone as undone:
                if not undone.transient:
                    return _settle([(request, (None, undone.cause))])
                error.__cause__ = undone.cause
                time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311 - so that two do not meet again
            except LedgerUnavailable as unavailable:
                return _settle([(request, (None, unavailable))])
        return _settle([(request, (None, error))])

    def _deliver(self, batch: list[_Request], done: _Done) -> None:
        if done.told:
            self._told()
        _settle(zip(batch, done.outcomes, strict=False))
        rest = batch[len(done.outcomes) :]  # there was no time for them: they are the next batch's first
        if rest:
            with self._changed:
                self._waiting.extendleft(reversed(rest))

    # --- one transaction ---

    def _run(self, batch: list[_Request]) -> _Done:
        """Work and commit; :class:`_Undone` if surely nothing is kept, :class:`LedgerUnavailable` otherwise."""
        try:
            connection = self._connected()
            transaction = connection.begin()
        except SQLAlchemyError as error:
            self._let_go(broken=True)
            raise LedgerUnavailable(engines.describe(error)) from error
        try:
            done = self._work(connection, batch)
        except (_Undone, LedgerUnavailable):
            self._roll_back()
            raise
        except Exception as error:
            self._roll_back()
            if engines.is_rolled_back(error):
                raise _Undone(error, transient=True) from error
            if isinstance(error, OperationalError) or getattr(error, "connection_invalidated", False):
                raise LedgerUnavailable(engines.describe(error)) from error
            raise _Undone(error, transient=False) from error
        try:
            transaction.commit()
        except Exception as error:
            self._let_go(broken=True)
            if engines.is_rolled_back(error):
                raise _Undone(error, transient=True) from error
            raise LedgerUnavailable(engines.describe(error)) from error
        self._written = True
        return done

    def _work(self, connection: Connection, batch: list[_Request]) -> _Done:
        outcomes: list[Outcome] = []
        events: list[dict[str, Any]] = []
        audits: list[dict[str, Any]] = []
        savepoint = _Savepoint(connection)
        until = time.monotonic() + BATCH_S
        for request in batch:
            transaction = Transaction(connection, self._clock.now())
            savepoint.begin()
            outcome = self._attempt(request, transaction, savepoint)
            outcomes.append(outcome)
            if outcome[1] is None:
                events += transaction.events
                audits += transaction.audits
            if time.monotonic() > until:
                break
        if events or audits:
            numbering.number(connection, events, audits)
        return _Done(outcomes, bool(events))

    def _attempt(self, request: _Request, transaction: Transaction, savepoint: _Savepoint) -> Outcome:
        try:
            result = request.work(transaction)
            savepoint.check()
        except BaseException as error:  # whatever it is, it is the caller's, and the thread lives on
            if engines.is_rolled_back(error):
                raise
            savepoint.undo(error)
            if isinstance(error, OperationalError):
                return None, _unavailable(error)
            return None, error
        return result, None

    # --- the connection ---

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(ledger_writer=True)
        if not self._sqlite and isinstance(self._clock, SystemClock):
            passed = time.monotonic()
            if self._measured_at is None or passed - self._measured_at > MEASURE_S:
                self._clock.offset_us = measure_offset_us(self._connection)
                self._measured_at = passed
        return self._connection

    def _roll_back(self) -> None:
        try:
            if self._connection is not None:
                self._connection.rollback()
                if self._connection.invalidated:
                    self._let_go(broken=True)
        except SQLAlchemyError:
            self._let_go(broken=True)

    def _let_go(self, *, broken: bool) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with contextlib.suppress(SQLAlchemyError):
            if broken:
                connection.invalidate()
            connection.close()

    def _rest(self) -> None:
        """Nothing to do: empty the WAL (SQLite), give the connection back (the next one is asked first if it lives)."""
        if self._sqlite and self._written and self._connection is not None:
            with contextlib.suppress(Exception):  # it is tried again after the next commit
                checkpoint(self._connection)
                self._written = False
        self._let_go(broken=False)


class _Savepoint:
    """The savepoint of one request after the other, on the driver itself: SQLAlchemy's own costs twice as much.

    On PostgreSQL leaving one and beginning the next is one message.
    """

    def __init__(self, connection: Connection) -> None:
        raw: Any = connection.connection.dbapi_connection
        self._connection = connection
        self._raw = raw
        self._sqlite = connection.dialect.name == "sqlite"
        self._execute: Callable[[str], Any] = raw.cursor().execute
        self._open = False

    def begin(self) -> None:
        """Begin the next request's savepoint; the one before is kept."""
        if not self._open:
            self._say("SAVEPOINT request")
        elif self._sqlite:
            self._say("RELEASE request")
            self._say("SAVEPOINT request")
        else:
            self._say("RELEASE request; SAVEPOINT request")
        self._open = True

    def check(self) -> None:
        """Raise if the work left a transaction that is gone or broken, because it kept an error to itself."""
        if self._is_gone():
            raise LedgerUnavailable("the transaction was lost")
        if not self._sqlite and self._raw.info.transaction_status.name == "INERROR":
            raise RuntimeError("the request went on after a statement of its own had failed")

    def undo(self, error: BaseException) -> None:
        """Undo the request's statements; raise if the transaction of the whole batch is gone."""
        if self._connection.invalidated:
            raise _unavailable(error)
        if self._is_gone():
            # a full disk, for one: what follows would begin, and commit, a transaction of its own
            raise _Undone(_unavailable(error), transient=False)
        self._say("ROLLBACK TO request")

    def _is_gone(self) -> bool:
        return self._connection.invalidated or (self._sqlite and not self._raw.in_transaction)

    def _say(self, statement: str) -> None:
        try:
            self._execute(statement)
        except Exception as error:
            raise _unavailable(error) from error


def _unavailable(error: BaseException) -> LedgerUnavailable:
    if isinstance(error, LedgerUnavailable):
        return error
    unavailable = LedgerUnavailable(engines.describe(error))
    unavailable.__cause__ = error
    return unavailable


def checkpoint(connection: Connection) -> None:
    """Move the WAL into the database and empty it, if no reader is in the way; waits for nobody."""
    raw: Any = connection.connection.dbapi_connection
    raw.execute("PRAGMA busy_timeout=0")
    try:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        raw.execute(f"PRAGMA busy_timeout={engines.BUSY_S * 1000}")


def measure_offset_us(connection: Connection) -> int:
    """How far the database's clock is ahead of ours: of three questions, the one that was answered fastest."""
    ours = SystemClock()
    asked = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
    measured: list[tuple[int, int]] = []
    with connection.begin():
        for _ in range(3):
            before = ours.now()
            theirs = connection.execute(asked).scalar_one()
            after = ours.now()
            measured.append((after - before, theirs - (before + after) // 2))
    return min(measured)[1]
