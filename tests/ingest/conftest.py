"""A county on either engine, and a real server in front of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledger.database import Ledger
from tests.ingest.kit import World, make_app, make_world, prepare_database, serving


@pytest.fixture
def ledger(engine_url: str) -> Iterator[Ledger]:
    prepare_database(engine_url)
    opened = Ledger.open(engine_url)
    yield opened
    opened.close()


@pytest.fixture
def world(ledger: Ledger) -> World:
    return make_world(ledger)


@pytest.fixture
def address(world: World) -> Iterator[str]:
    """A real server's address."""
    with serving(make_app(world.ledger)) as url:
        yield url
