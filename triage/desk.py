"""The desk's engine: it analyses, rates, climbs ladders and feeds, from the ledger alone.

Every loop is a poll of what is due, woken early by a hint; losing every hint costs one poll interval, nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Protocol

import structlog

from ledger.clock import Deadlines
from ledger.database import Ledger
from triage import duty, silence
from triage.analyser import Analyser
from triage.cases import rate_due
from triage.deliveries import Deliverer
from triage.escalation import Watch, climb_due
from triage.live import Hub
from triage.rating_trial import unusable
from triage.wrong_patient import Recent

log = structlog.get_logger("desk")

LOOPS = 5  # rate, climb, deliver, duty, feed
FEEDS_COME_BACK_S = 60.0  # after a start: before that, nobody is out of reach for want of a feed
ROSTERS_EVERY_S = 30.0
SITES_EVERY_S = 60.0


class Settings(Protocol):
    """What the desk needs to know."""

    @property
    def workers(self) -> int: ...
    @property
    def analyse_timeout_s(self) -> float: ...
    @property
    def poll_s(self) -> float: ...
    @property
    def heartbeat_s(self) -> float: ...


class Desk:
    """The engine of one server process."""

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        self.ledger = ledger
        self.settings = settings
        self.hub = Hub(ledger, settings.heartbeat_s)
        self.analyser = Analyser(ledger, settings, self._rate_now)
        self._watch = Watch(Deadlines(ledger.clock))
        self._recent = Recent()
        self._rate = threading.Event()
        self._deliver = threading.Event()
        self._deliverer = Deliverer(ledger, self._deliver)
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._feeding: asyncio.Task[None] | None = None
        self.beats: dict[str, int] = {}
        """When each loop last ran (monotonic µs): what health looks at."""

    async def start(self) -> None:
        """Begin every loop."""
        loop = asyncio.get_running_loop()
        hinted = asyncio.Event()

        def hint() -> None:
            self.analyser.wake()
            self._rate.set()
            self._deliver.set()
            with contextlib.suppress(RuntimeError):  # the loop is gone: we are stopping
                loop.call_soon_threadsafe(hinted.set)

        self._unhint = self.ledger.on_commit(hint)
        await self.hub.poll()
        self._feeding = asyncio.create_task(self._feed_forever(hinted))
        await loop.run_in_executor(None, self.analyser.start)
        await loop.run_in_executor(None, self._say_unusable)
        loops = {
            "rate": self._rate_forever,
            "climb": self._climb_forever,
            "deliver": self._deliver_forever,
            "duty": self._duty_forever,
        }
        for name, work in loops.items():
            thread = threading.Thread(target=work, name=f"desk-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _say_unusable(self) -> None:
        """A county's own table that this version cannot take is said at the start; the default rates meanwhile."""
        for county, version, why in self.ledger.read(lambda connection: unusable(connection, self.ledger.clock.now())):
            log.error("rating.table-unusable", county=county, version=version, why=why)

    async def stop(self) -> None:
        """End every loop; what is due stays due."""
        self._unhint()
        self._stopping.set()
        self._rate.set()
        self._deliver.set()
        if self._feeding is not None:
            self._feeding.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._feeding
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self.analyser.stop)
        for thread in self._threads:
            await loop.run_in_executor(None, thread.join, 5)
        await loop.run_in_executor(None, self._deliverer.close)

    @property
    def workers_alive(self) -> int:
        """How many analyser processes live."""
        return self.analyser.alive

    @property
    def alive(self) -> bool:
        """Whether every loop ran within the last ten polls (at least 15 s)."""
        limit = max(10 * self.settings.poll_s, 15.0) * 1_000_000
        now = self.ledger.clock.monotonic()
        return len(self.beats) == LOOPS and all(now - at < limit for at in self.beats.values())

    def _beat(self, loop: str) -> None:
        self.beats[loop] = self.ledger.clock.monotonic()

    def _rate_now(self) -> None:
        self._rate.set()

    def _rate_forever(self) -> None:
        while not self._stopping.is_set():
            self._rate.clear()
            self._beat("rate")
            done = self._guarded("rating", lambda: rate_due(self.ledger, self._recent))
            if not done:
                self._rate.wait(self.settings.poll_s)

    def _climb_forever(self) -> None:
        while not self._stopping.is_set():
            self._beat("climb")
            self._guarded("ladder", lambda: climb_due(self.ledger, self._watch))
            self._stopping.wait(self.settings.poll_s)

    def _deliver_forever(self) -> None:
        while not self._stopping.is_set():
            self._deliver.clear()
            self._beat("deliver")
            if not self._guarded("delivery", self._deliverer.send_due):
                self._deliver.wait(self.settings.poll_s)

    def _duty_forever(self) -> None:
        """Who is out of reach each poll; rosters and silent clinics now and then."""
        clock = self.ledger.clock
        began = clock.monotonic()
        # not in the first moments: whoever sets a county up, or restarts a server, is still at it
        rosters_at = began + round(ROSTERS_EVERY_S * 1_000_000)
        sites_at = began + round(SITES_EVERY_S * 1_000_000)
        while not self._stopping.is_set():
            self._beat("duty")
            now = clock.monotonic()
            if now >= rosters_at:
                self._guarded("rosters", lambda: duty.check_rosters(self.ledger))
                rosters_at = now + round(ROSTERS_EVERY_S * 1_000_000)
            if now >= sites_at:
                self._guarded("silence", lambda: silence.check(self.ledger))
                sites_at = now + round(SITES_EVERY_S * 1_000_000)
            if now - began >= FEEDS_COME_BACK_S * 1_000_000:
                self._guarded("reach", lambda: duty.check_reach(self.ledger))
            self._stopping.wait(self.settings.poll_s)

    def _guarded(self, what: str, work: Callable[[], int]) -> int:
        """One round; the database may be away for a moment, and then everything stays due."""
        try:
            return work()
        except Exception as error:  # noqa: BLE001
            if not self._stopping.is_set():
                log.error(f"{what}.waits", error=str(error))
            self._stopping.wait(self.settings.poll_s)
            return 0

    async def _feed_forever(self, hinted: asyncio.Event) -> None:
        while True:
            hinted.clear()
            self._beat("feed")
            try:
                more = await self.hub.poll()
            except Exception as error:  # noqa: BLE001 (as above)
                log.error("feed.waits", error=str(error))
                await asyncio.sleep(self.settings.poll_s)
                continue
            if not more:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(hinted.wait(), self.settings.poll_s)
