"""A migrated database with a county on each engine, and short words for what the ledger's tests do again and again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select

from ledger import schema
from ledger.chain import GENESIS
from ledger.clock import Clock
from ledger.database import Ledger, Transaction, make_engine
from ledger.ids import new_id
from ledger.migrate import migrate
from tests.support import needs, postgres


def add_county(tx: Transaction, county: str = "c", site: str = "s") -> None:
    """A county with one site."""
    row = {"id": county, "name": county, "phone": "", "epoch": "e", "last_seq": 0, "audit_seq": 0}
    tx.connection.execute(insert(schema.county), {**row, "audit_head": GENESIS, "created_at": tx.now})
    add_site(tx, site, county)


def add_site(tx: Transaction, site: str, county: str = "c") -> None:
    """A site."""
    row = {"county_id": county, "id": site, "name": site, "township": "t", "phone": "", "created_at": tx.now}
    tx.connection.execute(insert(schema.site), row)


def add_exam(tx: Transaction, exam: str, site: str = "s", *, urgent: bool = False, work_at: int = 0) -> None:
    """An exam that waits for the analyser, with an original of its own."""
    digest = new_id() * 2
    original = {"county_id": "c", "sha256": digest, "bytes": 0, "encoding": "plain", "created_at": tx.now}
    tx.connection.execute(insert(schema.original), original)
    row = {
        "county_id": "c", "id": exam, "site_id": site, "sender": "d", "sha256": digest, "bytes": 0, "files": [],
        "status": "received", "received_at": tx.now, "urgent": urgent, "symptoms": [], "conflicts": [],
        "context_problem": False, "advice": [], "work_at": work_at, "attempts": 0,
    }  # fmt: skip
    tx.connection.execute(insert(schema.exam), row)


def tell(tx: Transaction, n: int = 0, county: str = "c") -> int:
    """One event."""
    tx.event(county, "site.silent", {"n": n})
    return n


def numbers(ledger: Ledger, county: str = "c") -> list[int]:
    """The numbers of a county's events, in order."""
    query = select(schema.event.c.seq).where(schema.event.c.county_id == county).order_by(schema.event.c.seq)
    return list(ledger.read(lambda connection: connection.execute(query).scalars().all()))


def values(ledger: Ledger, county: str = "c") -> list[int]:
    """What the events told by :func:`tell` carry, in the order of their numbers."""
    query = select(schema.event.c.data).where(schema.event.c.county_id == county).order_by(schema.event.c.seq)
    return [data["n"] for data in ledger.read(lambda connection: connection.execute(query).scalars().all())]


def migrated(url: str) -> str:
    """The database at ``url`` brought to the schema."""
    engine = make_engine(url)
    migrate(engine)
    engine.dispose()
    return url


def fill(url: str) -> str:
    """The county ``c`` and its site ``s``."""
    ledger = Ledger.open(url)
    ledger.write(add_county)
    ledger.close()
    return url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database to copy: migrating one for each test takes longer than the tests."""
    path = tmp_path_factory.mktemp("template") / "ecgnet.db"
    fill(migrated(f"sqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_shared(_postgres_cluster: postgres.Cluster | None) -> Iterator[str]:
    """A migrated database that each test empties first."""
    if _postgres_cluster is None:
        needs.missing(needs.POSTGRESQL, "no server on PATH or in /usr/lib/postgresql, and no wheel; try `make test`")
    url = _postgres_cluster.create_database()
    yield migrated(url)
    _postgres_cluster.drop_database(url)


@pytest.fixture
def shared_postgres_url(postgres_shared: str) -> str:
    """PostgreSQL with the county ``c`` and its site ``s``, and nothing else."""
    engine = make_engine(postgres_shared)
    with engine.begin() as connection:
        for table in reversed(schema.metadata.sorted_tables):
            connection.execute(delete(table))
    engine.dispose()
    return fill(postgres_shared)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database on each engine in turn, with the county ``c`` and its site ``s``."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("shared_postgres_url"))
    copy = tmp_path / "ecgnet.db"
    shutil.copyfile(request.getfixturevalue("sqlite_template"), copy)
    return f"sqlite:///{copy}"


@pytest.fixture
def opened(url: str) -> Iterator[Callable[..., Ledger]]:
    """Opens ledgers on the database, and closes them."""
    with ExitStack() as stack:

        def open_ledger(clock: Clock | None = None) -> Ledger:
            ledger = Ledger.open(url, clock)
            stack.callback(ledger.close)
            return ledger

        yield open_ledger


@pytest.fixture
def ledger(opened: Callable[..., Ledger]) -> Ledger:
    """One open ledger."""
    return opened()
