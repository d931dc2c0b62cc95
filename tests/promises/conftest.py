"""What the promises of a worker share.

The SQLite of a promise lies in memory (a tmpfs), where there is one: its syncs then cost nothing. A SIGKILL takes as
little from it as from a disk; what the end of the machine takes from a disk is the first promise of ingest, which has
its own database on one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.promises.ingest_house import Nursery
from tests.promises.soaking import memory
from tests.support.serving import World, make_world


@pytest.fixture
def quick_folder() -> Iterator[Path]:
    """A folder in memory, gone after the test; an ordinary one where there is no such place."""
    with tempfile.TemporaryDirectory(prefix="ecgnet-promise-", dir=memory(), ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine_url(request: pytest.FixtureRequest, quick_folder: Path) -> str:
    """A fresh, empty database on each engine in turn, as a SQLAlchemy URL."""
    if request.param == "sqlite":
        return f"sqlite:///{quick_folder / 'ecgnet.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def world(engine_url: str, tmp_path: Path) -> Iterator[World]:
    """A county on each engine in turn; what a failed story left running ends with it."""
    world = make_world(engine_url, tmp_path)
    yield world
    world.close()


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Where servers that are killed come from."""
    made = Nursery()
    yield made
    made.close()
