"""The two engines, each set up as the ledger needs it.

SQLite: a library that cannot damage a WAL database, WAL with a sync at each commit, foreign keys on, a snapshot from
the first statement, and readers that cannot write. PostgreSQL: a frozen or vanished process gives up its locks, a
server that does not answer is an error instead of a wait without end, and a commit is durable when it returns.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError

READERS = 8
CONNECTIONS = READERS + 2
BUSY_S = 30  # how long SQLite waits for another process that writes
# PostgreSQL: a process that holds a county's row and does nothing is cut off, and nobody waits for a lock for ever
POSTGRESQL_SETTINGS = {"idle_in_transaction_session_timeout": "30s", "lock_timeout": "15s"}
# a server that vanished without a word is noticed after 20 s
POSTGRESQL_ADDRESS = {
    "connect_timeout": 10,
    "application_name": "ecgnet",
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
}


class UnsafeSqlite(Exception):
    """The SQLite library at hand can corrupt a WAL database (fixed in 3.51.3, 3.50.7 and 3.44.6)."""


class CannotOpen(Exception):
    """The database's folder or file cannot be made or opened; the message says which and why."""


def make_engine(url: str) -> Engine:
    """The engine for ``url``, set up as the ledger needs it; :class:`UnsafeSqlite` if the library at hand may
    corrupt.
    """
    parsed = make_url(url)
    return _sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _postgresql(parsed)


# --- SQLite ----------------------------------------------------------------------------------------------------------


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
        f"SQLite {sqlite3.sqlite_version} 可能损坏数据库，需要 3.51.3：请安装 pysqlite3 或用 PostgreSQL(--database)。"
    )


def is_safe(version: tuple[int, ...]) -> bool:
    """Whether this SQLite has the fix of the WAL corruption (3.51.3, also in 3.50.7 and 3.44.6)."""
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)


def _sqlite(url: URL) -> Engine:
    module = sqlite_module()
    if url.database and url.database != ":memory:":
        _make_file(Path(url.database))
    engine = create_engine(  # parameters hold names: no error may quote them
        url,
        module=module,
        pool_size=CONNECTIONS,
        max_overflow=4,
        hide_parameters=True,
        connect_args={"isolation_level": None, "check_same_thread": False, "timeout": BUSY_S},
    )
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_file(path: Path) -> None:
    """An empty file that only its owner can read; an existing one is not touched (closing it would drop our locks)."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise CannotOpen(
            f"The database {path} cannot be made: {error.strerror}. Choose a folder that ecgnet may write (--data). "
            f"无法创建数据库 {path}：请选择 ecgnet 有写权限的文件夹（--data）。"
        ) from error


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    _switch_to_wal(cursor)
    for pragma in ("synchronous=FULL", "foreign_keys=ON", "wal_autocheckpoint=4000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _switch_to_wal(cursor: Any) -> None:
    """Two processes that open a new database at once: the second is refused without the wait that it asked for."""
    until = time.monotonic() + BUSY_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except Exception as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
        time.sleep(0.005)


def _begin_sqlite(connection: Connection) -> None:
    """The driver would begin late: a read-then-write then fails, and two reads may see two states."""
    options = connection.get_execution_options()
    reads = bool(options.get("ledger_reader", False))
    if connection.info.setdefault("reads", False) is not reads:
        connection.exec_driver_sql(f"PRAGMA query_only={'ON' if reads else 'OFF'}")
        connection.info["reads"] = reads
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("ledger_writer", False) else "BEGIN")


# --- PostgreSQL ------------------------------------------------------------------------------------------------------


def _postgresql(url: URL) -> Engine:
    settings = {name: value for name, value in POSTGRESQL_ADDRESS.items() if name not in url.query}
    engine = create_engine(  # parameters hold names: no error may quote them
        url,
        pool_size=CONNECTIONS,
        max_overflow=4,
        pool_pre_ping=True,
        pool_use_lifo=True,
        hide_parameters=True,
        connect_args=settings,
    )
    event.listen(engine, "connect", _set_up_postgresql)
    return engine


def _set_up_postgresql(connection: Any, _record: Any) -> None:
    with connection.cursor() as cursor:
        for name, value in POSTGRESQL_SETTINGS.items():
            cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
        # a receipt is a durable commit, whatever the server's default
        cursor.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )
    connection.commit()


# --- what went wrong -------------------------------------------------------------------------------------------------

# what the engine says, and what its operator can do about it
_SENTENCES = (
    ("disk is full", "The disk is full: free some space. 磁盘已满：请清理空间。"),
    ("No space left", "The database server's disk is full: free some space. 数据库服务器磁盘已满：请清理空间。"),
    (
        "readonly database",
        "The database cannot be written: check its folder's rights. 数据库不可写：请检查文件夹权限。",
    ),
    ("unable to open", "The database cannot be opened: check its folder. 无法打开数据库：请检查文件夹。"),
    ("disk I/O error", "The disk does not work: check it at once. 磁盘读写错误：请立即检查磁盘。"),
    ("malformed", "The database is damaged: restore the backup. 数据库已损坏：请恢复备份。"),
    ("database is locked", "Another program holds the database. 另一程序占用数据库。"),
    ("lock timeout", "Another program holds a row of the database. 另一程序占用数据库中的记录。"),
)


def describe(error: BaseException) -> str:
    """What went wrong, with what can be done about it where we know."""
    said = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    for part, sentence in _SENTENCES:
        if part in said:
            return f"{sentence} ({said})"
    return said


def is_rolled_back(error: BaseException) -> bool:
    """Whether the engine surely undid everything and asks for a repeat: deadlock or serialisation failure."""
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in {"40P01", "40001"}
