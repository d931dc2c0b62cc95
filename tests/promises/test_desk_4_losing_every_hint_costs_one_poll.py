"""Promise 4: losing every wake-up hint costs one poll interval, and nothing else.

Every hint of a commit is thrown away, in the process and from PostgreSQL. First the desk's own threads: an emergency
button becomes an alert, a rung, a message at the gateway and a frame on the feed by polling alone. Then by hand: each
of these is done by the very next round of its loop, so what was lost is at most the pause between two rounds.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ledger import schema
from ledger.clock import SECOND, Deadlines, ManualClock, SystemClock
from ledger.database import Ledger
from tests.promises.desk import RUNG_S, quicken, receive_button
from tests.support.serving import World, make_world, wait_until
from tests.triage.gateway import Gateway
from triage import cases, escalation
from triage.deliveries import Deliverer
from triage.desk import Desk
from triage.live import Hub

SETTINGS = SimpleNamespace(workers=1, analyse_timeout_s=20.0, poll_s=0.2, heartbeat_s=15.0)


class NoAnalyser:
    """Nothing here needs an analysis, and processes are slow to start."""

    alive = 1

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def wake(self) -> None: ...


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    opened = Gateway()
    yield opened
    opened.close()


@pytest.fixture
def world(engine_url: str, tmp_path: Path, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = make_world(engine_url, tmp_path)
    quicken(made, gateway)
    monkeypatch.setattr(Ledger, "_hint", lambda _: None)
    yield made
    made.close()


def test_the_desk_does_all_of_it_by_polling_alone(world: World, gateway: Gateway) -> None:
    with world.ledger() as ledger:
        seen: list[int] = []

        async def night() -> None:
            desk = Desk(ledger, SETTINGS)  # type: ignore[arg-type]
            desk.analyser = NoAnalyser()  # type: ignore[assignment]
            await desk.start()
            try:
                await asyncio.to_thread(receive_button, ledger, world)
                await asyncio.to_thread(wait_until, lambda: gateway.to("何立"), 20, "the backup's telephone")
                await asyncio.to_thread(wait_until, lambda: desk.hub.last(world.county) >= 3, 20, "the feed")
                seen.append(desk.hub.last(world.county))
                assert desk.alive
            finally:
                await desk.stop()

        asyncio.run(night())
    assert seen
    assert len(world.rows(schema.alert)) == 1


def test_each_thing_that_is_due_is_done_by_the_next_round_of_its_loop(world: World, gateway: Gateway) -> None:
    clock = ManualClock(SystemClock().now())
    ledger = Ledger.open(world.url, clock)
    hub, watch = Hub(ledger), escalation.Watch(Deadlines(clock))
    worker = Deliverer(ledger, threading.Event())

    def frames() -> list[Any]:
        """One round of the feed."""
        before = hub.last(world.county)
        asyncio.run(hub.poll())
        return list(range(before, hub.last(world.county)))

    try:
        asyncio.run(hub.poll())
        receive_button(ledger, world)
        assert cases.rate_due(ledger) == 1, "one round rates it, opens the case, raises the alert, calls the first"
        assert frames(), "one round shows it"
        assert worker.send_due() == 1, "one round sends the message"
        clock.at += RUNG_S * SECOND
        clock.passed += RUNG_S * SECOND
        assert escalation.climb_due(ledger, watch) == 1, "one round climbs"
        assert len(frames()) >= 1
        assert worker.send_due() == 2
        # closing cancels what no thread has begun yet: it would be due again when its lease has ended
        wait_until(lambda: {message["to"] for message in gateway.rung.values()} == {"周敏", "何立"}, 30, "both ring")
    finally:
        worker.close()
        ledger.close()
