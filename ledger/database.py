"""One open database on either engine: read a snapshot, write through the one writer, be told of commits.

The parts: ``ledger.engines`` (how each engine is set up), ``ledger.writer`` (group commit), ``ledger.numbering``
(events and audit at the end of a batch), ``ledger.hints`` (other processes' commits).
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine, exc, select
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from ledger import engines, schema
from ledger.clock import Clock, SystemClock
from ledger.engines import CannotOpen, UnsafeSqlite, is_safe, make_engine, sqlite_module
from ledger.hints import Listener
from ledger.writer import MAX_BATCH, MAX_WAITING, LedgerBusy, LedgerUnavailable, Transaction, Writer, measure_offset_us

__all__ = [
    "MAX_BATCH",
    "MAX_WAITING",
    "CannotOpen",
    "Ledger",
    "LedgerBusy",
    "LedgerUnavailable",
    "Transaction",
    "UnsafeSqlite",
    "counties",
    "is_safe",
    "make_engine",
    "sqlite_module",
]

T = TypeVar("T")


class Ledger:
    """An open database: :meth:`read` a snapshot, :meth:`write` through the one writer, be told of commits."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine = engine
        self.clock = clock
        self._readers = ThreadPoolExecutor(engines.READERS, thread_name_prefix="ledger-read")
        self._hints: list[Callable[[], None]] = []
        self._closing = threading.Lock()
        self._closed = False
        self._writer = Writer(engine, clock, self._hint)
        self._listener = Listener(engine, self._hint) if self.is_postgresql else None

    @classmethod
    def open(cls, url: str, clock: Clock | None = None) -> Ledger:
        """Open the database at ``url`` (``sqlite:///…`` or ``postgresql+psycopg://…``); the schema must be current.

        :class:`CannotOpen` says what is wrong with the folder, the file or the address.
        """
        engine = make_engine(url)
        try:
            with engine.connect() as connection:
                offset_us = measure_offset_us(connection) if engine.dialect.name == "postgresql" else 0
        except SQLAlchemyError as error:
            engine.dispose()
            where = engine.url.render_as_string(hide_password=True)
            raise CannotOpen(
                f"The database {where} cannot be opened 无法打开数据库： {engines.describe(error)}"
            ) from error
        return cls(engine, clock or SystemClock(offset_us))

    @property
    def is_postgresql(self) -> bool:
        """Whether other processes may write to the same database."""
        return self.engine.dialect.name == "postgresql"

    # --- reading ---

    def read(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` on one snapshot, which it cannot change; :class:`LedgerUnavailable` if there is no answer."""
        try:
            with self.engine.connect() as connection:
                if self.is_postgresql:
                    connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                else:
                    connection.execution_options(ledger_reader=True)
                with connection.begin():
                    return work(connection)
        except (OperationalError, InterfaceError, exc.TimeoutError) as error:
            raise LedgerUnavailable(engines.describe(error)) from error

    async def aread(self, work: Callable[[Connection], T]) -> T:
        """:meth:`read` without blocking the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self.read, work)

    # --- writing ---

    def submit(self, work: Callable[[Transaction], T]) -> Future[T]:
        """Hand ``work`` to the writer; the future is done once it is committed. :class:`LedgerBusy` if too many
        wait.
        """
        return self._writer.submit(work)

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run ``work`` and return its result once it is committed."""
        return self.submit(work).result()

    async def awrite(self, work: Callable[[Transaction], T]) -> T:
        """:meth:`write` without blocking the event loop; a caller that goes away does not undo the commit."""
        return await self._writer.submit_task(work)

    def on_commit(self, hint: Callable[[], None]) -> Callable[[], None]:
        """Call ``hint`` (from another thread) after commits with events; returns what ends it. Losing one is
        harmless.
        """
        self._hints.append(hint)

        def end() -> None:
            with contextlib.suppress(ValueError):
                self._hints.remove(hint)

        return end

    def close(self) -> None:
        """Finish what waits, then close."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            if self._listener is not None:
                self._listener.close()
            self._writer.close()
            self._readers.shutdown()
            self.engine.dispose()

    def _hint(self) -> None:
        for hint in list(self._hints):
            with contextlib.suppress(Exception):  # a hint is never owed
                hint()


def counties(connection: Connection) -> Iterable[str]:
    """The ids of all counties."""
    return connection.execute(select(schema.county.c.id).order_by(schema.county.c.id)).scalars()
