"""Bringing a database to the current schema, under a lock; a newer schema is refused."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

FOLDER = Path(__file__).parent / "migrations"
LOCK = 0x656367  # "ecg"; PostgreSQL's advisory lock that one migrating process holds


class NewerSchema(Exception):
    """The database was made by a newer ecgnet."""


def config() -> Config:
    """Alembic's configuration; the ledger needs no file of it."""
    settings = Config()
    settings.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return settings


def knows(revision: str) -> bool:
    """Whether this program has the schema ``revision``: its own, or an older one that it can bring up."""
    return revision in {script.revision for script in ScriptDirectory.from_config(config()).walk_revisions()}


def migrate(engine: Engine) -> None:
    """Apply what is missing, all of it or nothing; :class:`NewerSchema` if the database is ahead of this program."""
    scripts = ScriptDirectory.from_config(config())
    known = {script.revision for script in scripts.walk_revisions()}
    with _alone(engine) as connection:
        current = MigrationContext.configure(connection).get_current_revision()
        if current is not None and current not in known:
            raise NewerSchema(
                f"The database has schema {current}, which this ecgnet does not know: install the newer ecgnet. "
                f"数据库结构 {current} 来自更新的版本：请安装新版 ecgnet。"
            )
        if current != scripts.get_current_head():
            settings = config()
            settings.attributes["connection"] = connection
            command.upgrade(settings, "head")
            _check_references(connection)


@contextmanager
def _alone(engine: Engine) -> Generator[Connection]:
    """A transaction while which no other process migrates."""
    with engine.connect() as connection:
        connection.execution_options(ledger_writer=True)
        raw: Any = connection.connection.dbapi_connection
        if engine.dialect.name == "sqlite":
            # to change a table SQLite makes it anew: dropping the old one must not count as deleting its rows
            raw.execute("PRAGMA foreign_keys=OFF")
        try:
            with connection.begin():
                if engine.dialect.name == "postgresql":
                    # another process may take long: it is waited for
                    connection.execute(text("SET LOCAL lock_timeout = 0"))
                    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
                yield connection
        finally:
            if engine.dialect.name == "sqlite":
                raw.execute("PRAGMA foreign_keys=ON")


def _check_references(connection: Connection) -> None:
    """PostgreSQL checks them itself; SQLite was told not to."""
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if broken is not None:
            raise RuntimeError(f"the migration would leave a row of {broken[0]} that refers to nothing")
