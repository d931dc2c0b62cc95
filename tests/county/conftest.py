"""A county with a site of each kind, on either engine, and cheap passwords."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import argon2
import pytest

from county import counties, devices, passwords, people, signin, sites
from ledger.clock import ManualClock
from ledger.database import Ledger, make_engine
from ledger.migrate import migrate
from tests.county.world import PASSWORD, World
from tests.support import needs, postgres


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Real argon2, with the least work; wrong passwords are answered a little sooner."""
    monkeypatch.setattr(passwords, "HASHER", argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    monkeypatch.setattr(signin, "WRONG_AFTER_S", 0.02)
    passwords.nobodys_hash.cache_clear()
    yield
    passwords.nobodys_hash.cache_clear()


def _migrated(url: str) -> str:
    engine = make_engine(url)
    migrate(engine)
    engine.dispose()
    return url


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty ledger in a file, migrated once: a copy of it takes a hundredth of the time."""
    file = tmp_path_factory.mktemp("empty") / "ecgnet.db"
    _migrated(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def empty_database(_postgres_cluster: postgres.Cluster | None) -> Iterator[str | None]:
    """The same on PostgreSQL, where there is one."""
    if _postgres_cluster is None:
        yield None
        return
    url = _migrated(_postgres_cluster.create_database())
    yield url
    _postgres_cluster.drop_database(url)


@pytest.fixture
def postgres_url(_postgres_cluster: postgres.Cluster | None, empty_database: str | None) -> Iterator[str]:
    """A migrated PostgreSQL database of the test's own."""
    if _postgres_cluster is None:
        needs.missing(needs.POSTGRESQL, "no server on PATH or in /usr/lib/postgresql, and no wheel; try `make test`")
    url = _postgres_cluster.create_database(empty_database)
    yield url
    _postgres_cluster.drop_database(url)


@pytest.fixture
def ledger(engine_url: str, empty_file: Path) -> Iterator[Ledger]:
    """An empty ledger with a clock that the test moves."""
    if engine_url.startswith("sqlite:///"):
        shutil.copy(empty_file, engine_url.removeprefix("sqlite:///"))
    opened = Ledger.open(engine_url, ManualClock())
    yield opened
    opened.close()


@pytest.fixture
def world(ledger: Ledger) -> World:
    """One county, as an administrator would set it up."""
    county = ledger.write(lambda tx: counties.add_county(tx, "青石县", "0996-120"))
    site = ledger.write(lambda tx: sites.add(tx, county, "上坪村卫生室", "上坪乡", "0996-1", 0.25, 0.75))
    other = ledger.write(lambda tx: sites.add(tx, county, "下坪村卫生室", "下坪乡"))
    device, key = ledger.write(lambda tx: devices.add(tx, county, site))
    assert isinstance(ledger.clock, ManualClock)
    made = World(ledger, ledger.clock, county, site, other, device, key)
    for name, role, where in (
        ("村医", "clinic", site),
        ("心内", "cardiologist", None),
        ("协调", "coordinator", None),
        ("管理", "administrator", None),
    ):
        made.people[role] = people.create(ledger, county, name, role, PASSWORD, where, f"1380000{len(made.people)}")
    return made
