"""A county whose nights are played with an injected clock, on each engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledger.clock import ManualClock, instant
from ledger.database import Ledger, make_engine
from ledger.migrate import migrate
from tests.stories.night import Night
from tests.triage.kit import make_world


@pytest.fixture
def night(engine_url: str) -> Iterator[Night]:
    """A winter's night in the county, at 02:57 of China's time; everybody who should be is on call."""
    engine = make_engine(engine_url)
    migrate(engine)
    engine.dispose()
    clock = ManualClock(instant("2026-11-24T02:57:00+08:00"))
    ledger = Ledger.open(engine_url, clock)
    try:
        yield Night(make_world(ledger, clock))
    finally:
        ledger.close()
