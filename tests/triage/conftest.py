"""A county on each engine, with a clock that the test moves; migrated once, emptied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete

from ledger import schema
from ledger.clock import ManualClock
from ledger.database import Ledger, make_engine
from ledger.migrate import migrate
from tests.support import needs, postgres
from tests.triage.kit import World, make_world


def _migrated(url: str) -> str:
    engine = make_engine(url)
    migrate(engine)
    engine.dispose()
    return url


@pytest.fixture(scope="session")
def triage_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy."""
    path = tmp_path_factory.mktemp("triage") / "ecgnet.db"
    _migrated(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def triage_postgres(_postgres_cluster: postgres.Cluster | None) -> Iterator[str]:
    """A migrated PostgreSQL database."""
    if _postgres_cluster is None:
        needs.missing(needs.POSTGRESQL, "no server on PATH or in /usr/lib/postgresql, and no wheel; try `make test`")
    url = _postgres_cluster.create_database()
    yield _migrated(url)
    _postgres_cluster.drop_database(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database on each engine in turn."""
    if request.param == "sqlite":
        shutil.copyfile(request.getfixturevalue("triage_template"), tmp_path / "ecgnet.db")
        return f"sqlite:///{tmp_path / 'ecgnet.db'}"
    shared = str(request.getfixturevalue("triage_postgres"))
    engine = make_engine(shared)
    with engine.begin() as connection:
        for table in reversed(schema.metadata.sorted_tables):
            connection.execute(delete(table))
    engine.dispose()
    return shared


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ledger(url: str, clock: ManualClock) -> Iterator[Ledger]:
    opened = Ledger.open(url, clock)
    yield opened
    opened.close()


@pytest.fixture
def world(ledger: Ledger, clock: ManualClock) -> World:
    return make_world(ledger, clock)
