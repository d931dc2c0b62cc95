"""A county of its own for each test, on one database an engine; and a real server in front of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledger.database import Ledger
from tests.ingest.kit import World, make_app, make_world, prepare_database, serving
from tests.support import needs


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A migrated database on each engine, made once: each test has its own county in it."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('ingest') / 'ecgnet.db'}"
        prepare_database(url)
        yield url
        return
    cluster = request.getfixturevalue("_postgres_cluster")
    if cluster is None:
        needs.missing(needs.POSTGRESQL, "no server on PATH or in /usr/lib/postgresql, and no wheel; try `make test`")
    url = cluster.create_database()
    prepare_database(url)
    yield url
    cluster.drop_database(url)


@pytest.fixture(scope="session")
def ledger(database_url: str) -> Iterator[Ledger]:
    opened = Ledger.open(database_url)
    yield opened
    opened.close()


@pytest.fixture
def world(ledger: Ledger) -> World:
    return make_world(ledger)


@pytest.fixture(scope="session")
def address(ledger: Ledger) -> Iterator[str]:
    """A real server's address."""
    with serving(make_app(ledger)) as url:
        yield url
