"""Hints: something was committed, look now instead of at the next poll. Losing every one costs a poll, nothing else.

Commits of this process are told by its writer; those of other processes by PostgreSQL's LISTEN. On SQLite there are
none from others.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable

from sqlalchemy import Engine

from ledger.numbering import HINT_CHANNEL

AGAIN_S = 1.0  # after a broken line


class Listener:
    """A thread that calls ``told`` after commits of other processes."""

    def __init__(self, engine: Engine, told: Callable[[], None]) -> None:
        arguments, options = engine.dialect.create_connect_args(engine.url)
        self._address = (arguments, options)
        self._told = told
        self._ours, self._theirs = socket.socketpair()  # closing wakes the thread through it
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger-listen", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread at once."""
        self._closed.set()
        self._ours.close()
        self._thread.join()
        self._theirs.close()

    def _run(self) -> None:
        import psycopg  # an extra: SQLite does without

        while not self._closed.is_set():
            with contextlib.suppress(psycopg.Error, OSError):
                self._listen()
            self._closed.wait(AGAIN_S)

    def _listen(self) -> None:
        import psycopg

        arguments, options = self._address
        with psycopg.connect(*arguments, **{"connect_timeout": 5, **options, "autocommit": True}) as connection:
            connection.execute(f"LISTEN {HINT_CHANNEL}")
            self._told()  # what was told while nobody listened
            while not self._closed.is_set():
                # the timeout: a line that broke without a word is only noticed by asking
                if not select.select([connection, self._theirs], [], [], 15)[0]:
                    connection.execute("SELECT 1")
                for _ in connection.notifies(timeout=0):
                    self._told()
