"""What the desk's promises share: a county on each engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ledger.clock import ManualClock
from ledger.database import Ledger, make_engine
from ledger.migrate import migrate
from tests.triage.kit import World, make_world


@contextmanager
def town(url: str) -> Iterator[World]:
    """A migrated county."""
    engine = make_engine(url)
    migrate(engine)
    engine.dispose()
    clock = ManualClock()
    ledger = Ledger.open(url, clock)
    try:
        world = make_world(ledger, clock)
        world.passwords()
        yield world
    finally:
        ledger.close()
