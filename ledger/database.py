"""One database on either engine, and its one writer.

All writes of a process go through one thread. Requests that wait are committed together (group commit), each in a
SAVEPOINT of its own, so that one that fails takes no other with it. A request is a function of a
:class:`Transaction`; it may be run again when the engine rolled a whole batch back (deadlock), so it must have no effect
outside the database. At the end of a batch the county rows are taken in id order and last: events get their numbers,
the audit its hashes, the cases the number of their last event, and then comes the commit. One transaction a request
would let a county commit some 150 times a second on PostgreSQL; this way it is thousands.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, bindparam, create_engine, event, insert, make_url, select, text, update
from sqlalchemy.exc import DBAPIError, OperationalError

from ledger import chain, schema
from ledger.clock import Clock, SystemClock

T = TypeVar("T")

MAX_BATCH = 64  # requests in one commit: 384 clients then wait for six commits at most
MAX_WAITING = 2_000  # requests in the queue; beyond it a caller is told to come back (503)
READERS = 8
HINT_CHANNEL = "ecgnet"


class UnsafeSqlite(Exception):
    """The SQLite library at hand can corrupt a WAL database (fixed in 3.51.3, 3.50.7 and 3.44.6)."""


class LedgerBusy(Exception):
    """The writer's queue is full: try again in a moment."""


class LedgerUnavailable(Exception):
    """The database did not answer; whether the last commit happened is not known. A repeat is safe."""


@dataclass(slots=True)
class Transaction:
    """What one request may do: statements, events, audit rows. ``now`` is the instant of its batch."""

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
    work: Callable[[Transaction], Any]
    answer: Future[Any] = field(default_factory=Future[Any])


class Ledger:
    """An open database: :meth:`read` a snapshot, :meth:`write` through the one writer, be told of commits."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine = engine
        self.clock = clock
        self._queue: queue.Queue[_Request | None] = queue.Queue(MAX_WAITING)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="ledger-read")
        self._hints: list[Callable[[], None]] = []
        self._closed = threading.Event()
        self._writer = threading.Thread(target=self._write_forever, name="ledger-writer", daemon=True)
        self._writer.start()
        self._listener: threading.Thread | None = None
        if self.is_postgresql:
            self._listener = threading.Thread(target=self._listen_forever, name="ledger-listen", daemon=True)
            self._listener.start()

    @classmethod
    def open(cls, url: str, clock: Clock | None = None) -> Ledger:
        """Open the database at ``url`` (``sqlite:///…`` or ``postgresql+psycopg://…``); the schema must be current."""
        engine = make_engine(url)
        if clock is None:
            clock = SystemClock(_offset_us(engine) if engine.dialect.name == "postgresql" else 0)
        return cls(engine, clock)

    @property
    def is_postgresql(self) -> bool:
        """Whether other processes may write to the same database."""
        return self.engine.dialect.name == "postgresql"

    # --- reading ---

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` on one snapshot."""
        with self.engine.connect() as connection:
            if self.is_postgresql:
                connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin():
                return work(connection)

    async def aread(self, work: Callable[[Connection], T]) -> T:
        """:meth:`read` without blocking the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read, work)

    # --- writing ---

    def submit(self, work: Callable[[Transaction], T]) -> Future[T]:
        """Hand ``work`` to the writer; the future is done once it is committed. :class:`LedgerBusy` if too many wait."""
        request = _Request(work)
        try:
            self._queue.put_nowait(request)
        except queue.Full:
            raise LedgerBusy(f"{MAX_WAITING} requests wait for the writer") from None
        return request.answer

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` and return its result once it is committed."""
        return self.submit(work).result()

    async def awrite(self, work: Callable[[Transaction], T]) -> T:
        """:meth:`write` without blocking the event loop; a caller that goes away does not undo the commit."""
        return await asyncio.shield(asyncio.wrap_future(self.submit(work)))

    def on_commit(self, hint: Callable[[], None]) -> Callable[[], None]:
        """Call ``hint`` (from another thread) after commits with events; returns what ends it. Losing one is harmless."""
        self._hints.append(hint)
        return lambda: self._hints.remove(hint)

    def close(self) -> None:
        """Finish what waits, then close."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._queue.put(None)
        self._writer.join()
        self._readers.shutdown()
        self.engine.dispose()

    # --- the writer's thread ---

    def _write_forever(self) -> None:
        while True:
            batch, ended = self._next_batch()
            if batch:
                self._commit_batch(batch)
            if ended:
                return

    def _next_batch(self) -> tuple[list[_Request], bool]:
        batch: list[_Request] = []
        first = self._queue.get()
        if first is None:
            return batch, True
        batch.append(first)
        while len(batch) < MAX_BATCH:
            try:
                more = self._queue.get_nowait()
            except queue.Empty:
                break
            if more is None:
                return batch, True
            batch.append(more)
        return batch, False

    def _commit_batch(self, batch: list[_Request]) -> None:
        try:
            outcomes, told = self._run(batch)
        except Exception as error:  # the engine refused the whole batch
            if _rolled_back(error) and len(batch) > 1:
                for request in batch:
                    self._commit_batch([request])
                return
            if _rolled_back(error):
                return self._commit_alone(batch[0])
            unavailable = LedgerUnavailable(str(error.__cause__ or error))
            unavailable.__cause__ = error
            for request in batch:
                request.answer.set_exception(unavailable)
            return
        self._deliver(batch, outcomes, told)

    def _commit_alone(self, request: _Request, tries: int = 5) -> None:
        """One request that the engine rolled back (deadlock, serialisation): again, a few times."""
        error: Exception | None = None
        for _ in range(tries):
            try:
                outcomes, told = self._run([request])
            except Exception as again:
                error = again
                continue
            return self._deliver([request], outcomes, told)
        unavailable = LedgerUnavailable(str(error))
        unavailable.__cause__ = error
        request.answer.set_exception(unavailable)

    def _deliver(self, batch: list[_Request], outcomes: list[tuple[Any, BaseException | None]], told: bool) -> None:
        if told:
            self._hint()
        for request, (result, error) in zip(batch, outcomes, strict=True):
            if error is not None:
                request.answer.set_exception(error)
            else:
                request.answer.set_result(result)

    def _run(self, batch: list[_Request]) -> tuple[list[tuple[Any, BaseException | None]], bool]:
        outcomes: list[tuple[Any, BaseException | None]] = []
        events: list[dict[str, Any]] = []
        audits: list[dict[str, Any]] = []
        with self.engine.connect() as connection:
            connection = connection.execution_options(ledger_writer=True)
            with connection.begin():
                for request in batch:
                    transaction = Transaction(connection, self.clock.now())
                    try:
                        with connection.begin_nested():
                            result = request.work(transaction)
                    except Exception as error:
                        if isinstance(error, DBAPIError) and (error.connection_invalidated or _rolled_back(error)):
                            raise
                        outcomes.append((None, error))
                        continue
                    outcomes.append((result, None))
                    events += transaction.events
                    audits += transaction.audits
                _number(connection, events, audits)
                if events and self.is_postgresql:
                    connection.execute(_NOTIFY)
        return outcomes, bool(events)

    def _hint(self) -> None:
        for hint in list(self._hints):
            with contextlib.suppress(Exception):  # a hint is never owed
                hint()

    def _listen_forever(self) -> None:
        """Pass on the hints of other processes; a broken line costs hints, never work."""
        import psycopg

        address = self.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        while not self._closed.is_set():
            try:
                with psycopg.connect(address, autocommit=True) as connection:
                    connection.execute(f"LISTEN {HINT_CHANNEL}")
                    while not self._closed.is_set():
                        for _ in connection.notifies(timeout=0.5, stop_after=1):
                            self._hint()
            except psycopg.Error:
                self._closed.wait(1)


# --- numbering -------------------------------------------------------------------------------------------------------

# Take the numbers of this batch; the row's lock keeps numbers and commits in the same order.
_TAKE = (
    update(schema.county)
    .where(schema.county.c.id == bindparam("county"))
    .values(last_seq=schema.county.c.last_seq + bindparam("count"))
    .returning(schema.county.c.last_seq, schema.county.c.audit_seq, schema.county.c.audit_head)
)
# Advance the audit's head; the last statement of a batch.
_ADVANCE = (
    update(schema.county)
    .where(schema.county.c.id == bindparam("county"))
    .values(audit_seq=bindparam("to_seq"), audit_head=bindparam("to_head"))
)
_EVENT = insert(schema.event)
_AUDIT = insert(schema.audit)
# A case knows the number of its last event, which a client says it has seen.
_CASE_SEQ = (
    update(schema.case)
    .where(schema.case.c.county_id == bindparam("county"), schema.case.c.id == bindparam("which"))
    .values(seq=bindparam("to_seq"))
)
# An alert knows the number of the event that raised it.
_ALERT_SEQ = (
    update(schema.alert)
    .where(schema.alert.c.county_id == bindparam("county"), schema.alert.c.id == bindparam("which"))
    .values(seq=bindparam("to_seq"))
)
_NOTIFY = text(f"NOTIFY {HINT_CHANNEL}")


def _number(connection: Connection, events: list[dict[str, Any]], audits: list[dict[str, Any]]) -> None:
    by_county: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = defaultdict(lambda: ([], []))
    for row in events:
        by_county[row["county_id"]][0].append(row)
    for row in audits:
        by_county[row["county_id"]][1].append(row)
    for county in sorted(by_county):
        told, audited = by_county[county]
        taken = connection.execute(_TAKE, {"county": county, "count": len(told)}).one()
        _insert_events(connection, county, told, taken.last_seq - len(told))
        if audited:
            _insert_audit(connection, county, audited, taken.audit_seq, taken.audit_head)


def _insert_events(connection: Connection, county: str, rows: list[dict[str, Any]], seq: int) -> None:
    if not rows:
        return
    for number, row in enumerate(rows, seq + 1):
        row["seq"] = number
    connection.execute(_EVENT, rows)
    last = {row["case_id"]: row["seq"] for row in rows if row["case_id"] is not None}
    if last:
        cases = [{"county": county, "which": which, "to_seq": number} for which, number in sorted(last.items())]
        connection.execute(_CASE_SEQ, cases)
    raised = [row for row in rows if row["kind"] == "alert.raised"]
    if raised:
        connection.execute(
            _ALERT_SEQ, [{"county": county, "which": row["data"]["alert"], "to_seq": row["seq"]} for row in raised]
        )


def _insert_audit(connection: Connection, county: str, rows: list[dict[str, Any]], seq: int, head: str) -> None:
    for number, row in enumerate(rows, seq + 1):
        row["seq"] = number
        head = row["hash"] = chain.link(head, row)
    connection.execute(_AUDIT, rows)
    connection.execute(_ADVANCE, {"county": county, "to_seq": seq + len(rows), "to_head": head})


# --- engines ---------------------------------------------------------------------------------------------------------


def make_engine(url: str) -> Engine:
    """The engine for ``url``, set up as the ledger needs it; :class:`UnsafeSqlite` if the library at hand may corrupt."""
    if make_url(url).get_backend_name() == "sqlite":
        return _sqlite(url)
    return create_engine(url, pool_size=READERS + 2, max_overflow=4, pool_pre_ping=True)


def sqlite_module() -> ModuleType:
    """A SQLite that is safe with WAL: the standard library's where it is, else the ``pysqlite3`` wheel."""
    if is_safe(sqlite3.sqlite_version_info):
        return sqlite3
    with contextlib.suppress(ImportError):
        from pysqlite3 import dbapi2  # type: ignore[import-untyped, unused-ignore]

        if is_safe(dbapi2.sqlite_version_info):
            return dbapi2
    raise UnsafeSqlite(
        f"SQLite {sqlite3.sqlite_version} can damage a database that two programs write: 3.51.3 is needed. "
        "Install the wheel pysqlite3, or use PostgreSQL (--database). "
        f"SQLite {sqlite3.sqlite_version} 可能损坏数据库,需要 3.51.3:请安装 pysqlite3,或改用 PostgreSQL(--database)。"
    )


def is_safe(version: tuple[int, ...]) -> bool:
    """Whether this SQLite has the fix of the WAL corruption (3.51.3, also in 3.50.7 and 3.44.6)."""
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)


def _sqlite(url: str) -> Engine:
    path = make_url(url).database
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        module=sqlite_module(),
        pool_size=READERS + 2,
        max_overflow=4,
        connect_args={"isolation_level": None, "check_same_thread": False, "timeout": 30},
    )

    def set_up(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "wal_autocheckpoint=4000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    def begin(connection: Connection) -> None:
        # the driver would begin late: a read-then-write then fails, and two reads may see two states
        writer = connection.get_execution_options().get("ledger_writer", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    event.listen(engine, "connect", set_up)
    event.listen(engine, "begin", begin)
    return engine


def _offset_us(engine: Engine) -> int:
    """How far the database's clock is ahead of ours: of three questions, the one that was answered fastest."""
    ours = SystemClock()
    measured: list[tuple[int, int]] = []
    with engine.connect() as connection:
        for _ in range(3):
            before = ours.now()
            theirs = connection.execute(text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")).scalar_one()
            after = ours.now()
            measured.append((after - before, theirs - (before + after) // 2))
    return min(measured)[1]


def _rolled_back(error: BaseException) -> bool:
    """Whether the engine surely undid the batch and asks for a repeat: deadlock or serialisation failure."""
    if not isinstance(error, OperationalError):
        return False
    return getattr(error.orig, "sqlstate", None) in {"40P01", "40001"}


def counties(connection: Connection) -> Iterable[str]:
    """The ids of all counties."""
    return connection.execute(select(schema.county.c.id).order_by(schema.county.c.id)).scalars()
