"""Bringing a database to the current schema, under a lock; a newer schema is refused."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

FOLDER = Path(__file__).parent / "migrations"
LOCK = 0x656367  # "ecg"; PostgreSQL's advisory lock that one migrating process holds


class NewerSchema(Exception):
    """The database was made by a newer ecgnet."""


def config() -> Config:
    """Alembic's configuration; the ledger needs no file of it."""
    settings = Config()
    settings.set_main_option("script_location", str(FOLDER))
    return settings


def migrate(engine: Engine) -> None:
    """Apply what is missing; :class:`NewerSchema` if the database is ahead of this program."""
    scripts = ScriptDirectory.from_config(config())
    known = {script.revision for script in scripts.walk_revisions()}
    with engine.connect() as connection:
        connection = connection.execution_options(ledger_writer=True)
        with connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
            current = MigrationContext.configure(connection).get_current_revision()
            if current is not None and current not in known:
                raise NewerSchema(
                    f"The database has schema {current}, which this ecgnet does not know: install the newer ecgnet. "
                    f"数据库结构 {current} 来自更新的版本:请安装新版 ecgnet。"
                )
            if current != scripts.get_current_head():
                settings = config()
                settings.attributes["connection"] = connection
                command.upgrade(settings, "head")
