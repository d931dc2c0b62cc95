"""PostgreSQL's own ``pg_dump`` and ``pg_restore``: found, run on one snapshot, and what they say put into a sentence.

The password goes through the environment, never onto a command line that others can list.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

from sqlalchemy import URL, Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from ledger import verify
from ledger.backup_file import BackupError
from ledger.engines import make_engine

T = TypeVar("T")

FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "C:/Program Files/PostgreSQL/*/bin")
LAST_WORDS = 400  # letters of a tool's own words that are shown
BLOCK = 1 << 20
NOT_PERMITTED = "42501"  # SQLSTATE insufficient_privilege
PLAIN = ("--no-owner", "--no-privileges")  # whoever restores it owns it


def tool(name: str) -> str:
    """The program: on PATH, else the newest where distributions put it."""
    ending = ".exe" if sys.platform == "win32" else ""
    kept = [found for pattern in FOLDERS for found in glob.glob(f"{pattern}/{name}{ending}")]
    newest = max(kept, key=lambda path: [int(part) for part in re.findall(r"\d+", path)], default=None)
    found = shutil.which(name) or newest
    if found is None:
        raise BackupError(
            f"找不到 {name}：请安装 PostgreSQL 客户端工具（Debian：postgresql-client），或把它加到 PATH。",
            f"{name} is not there: install PostgreSQL's client tools (Debian: postgresql-client), or put them on PATH.",
        )
    return found


def dump(
    engine: Engine, to: Path, look: Callable[[Connection], tuple[T, verify.Report]]
) -> tuple[T, verify.Report, str]:
    """Dump the database into ``to`` and ``look`` at the same snapshot; then try the dump out.

    What ``look`` gave, with what was found broken in either, and how the dump was tried.
    """
    os.close(os.open(to, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))  # names and keys: its owner's alone
    with engine.connect() as connection:
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with connection.begin():
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
            _run("pg_dump", engine.url, "--format=custom", *PLAIN, f"--snapshot={snapshot}", f"--file={to}")
            facts, report = look(connection)
    tried = try_out(engine, to, look)
    if tried is None:
        return facts, report, "decoded"
    again, found = tried
    if again != facts:
        report.damage("dump", "试恢复的内容与数据库不符", "the dump, restored on trial, differs from its database")
    known = set(report.broken)
    report.broken += [one for one in found.broken if one not in known]
    return facts, report, "restored"


def try_out(
    engine: Engine, dumped: Path, look: Callable[[Connection], tuple[T, verify.Report]]
) -> tuple[T, verify.Report] | None:
    """Restore the dump into a database of its own and ``look`` at it; that database is dropped again.

    ``None`` where our role may create none: the dump was then read and unpacked to its end.
    """
    with _scratch(engine) as scratch:
        if scratch is None:
            with dumped.open("rb") as stream:
                _feed([tool("pg_restore"), "--file=-"], stream, os.environ)
            return None
        trial = make_engine(scratch.render_as_string(hide_password=False))
        try:
            with dumped.open("rb") as stream:
                restore(trial, stream)
            with trial.connect() as connection:
                return look(connection)
        finally:
            trial.dispose()


def restore(engine: Engine, stream: IO[bytes]) -> None:
    """Bring a dump into the empty database of ``engine``, in one transaction."""
    address, environment = _address(engine.url)
    command = [tool("pg_restore"), f"--dbname={address}", "--single-transaction", "--exit-on-error", *PLAIN]
    _feed(command, stream, environment)


def empty(engine: Engine) -> None:
    """Drop every table: what was restored and turned out not to be whole."""
    with engine.begin() as connection:
        for name in inspect(connection).get_table_names():
            connection.exec_driver_sql(f'DROP TABLE "{name}" CASCADE')


@contextmanager
def _scratch(engine: Engine) -> Generator[URL | None]:
    """A new, empty database on the same server; ``None`` if our role may create none."""
    name = f"ecgnet_trial_{secrets.token_hex(6)}"
    with engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        try:
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE template0")
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != NOT_PERMITTED:
                raise
            yield None
            return
        try:
            yield engine.url.set(database=name)
        finally:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


def _address(url: URL) -> tuple[str, dict[str, str]]:
    """What libpq's tools take for a database, and the environment that carries the password."""
    from psycopg.conninfo import make_conninfo

    dialect = url.get_dialect()()
    _, options = dialect.create_connect_args(url)
    password = options.pop("password", None)
    environment = {**os.environ, **({} if password is None else {"PGPASSWORD": str(password)})}
    return make_conninfo(**options), environment


def _run(name: str, url: URL, *words: str) -> None:
    address, environment = _address(url)
    command = [tool(name), f"--dbname={address}", *words]
    done = subprocess.run(command, env=environment, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise _failed(name, done.stderr)


def _feed(command: list[str], stream: IO[bytes], environment: Mapping[str, str]) -> None:
    """Run a tool on what ``stream`` holds; its own words go to a file, so that neither waits for the other."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said
        )
        with contextlib.suppress(BrokenPipeError), process, process.stdin or contextlib.nullcontext() as into:
            while into is not None and (block := stream.read(BLOCK)):
                into.write(block)
        if process.returncode:
            said.seek(0)
            raise _failed(Path(command[0]).stem, said.read())


def _failed(name: str, said: bytes) -> BackupError:
    words = " ".join(said.decode(errors="replace").split())[-LAST_WORDS:]
    return BackupError(f"{name} 没有完成：{words}", f"{name} did not finish: {words}")
