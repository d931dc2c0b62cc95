"""Every open feed of a process, looked after at once: who has signed out, who sees something else now, who is there.

One look each :data:`CHECK_S` asks for all of them, and one for those that have just come: five hundred feeds cost as
many reads as one does. What a look finds is put before the session whose it is, which tells its reader in its own time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

import structlog

from county import duty, signin
from county.access import Actor
from ledger.database import Ledger

log = structlog.get_logger("feed")

CHECK_S = 2.0
GATHER_S = 0.05  # who comes within it is looked at together


class Attendant(Protocol):
    """A session that is looked after."""

    @property
    def actor(self) -> Actor: ...

    def found(self, who: Actor | None) -> None:
        """The actor as they are now; ``None``: the session or the key has ended."""
        ...

    def lost(self, error: Exception) -> None:
        """Nobody knows: the ledger could not be asked."""
        ...


class Attendance:
    """Sessions come and leave; a task looks after them while there are any."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._there: set[Attendant] = set()
        self._new: set[Attendant] = set()
        self._came = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._alive_at: dict[tuple[str, str], int] = {}

    def __len__(self) -> int:
        return len(self._there)

    def come(self, session: Attendant) -> None:
        """Look after a session from now on; at once for the first time."""
        self._there.add(session)
        self._new.add(session)
        self._came.set()
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._look_after())

    def leave(self, session: Attendant) -> None:
        """It has ended."""
        self._there.discard(session)
        self._new.discard(session)
        if not self._there and self._task is not None:
            self._task.cancel()
            self._task = None
            self._alive_at.clear()

    async def _look_after(self) -> None:
        loop = asyncio.get_running_loop()
        all_at = loop.time() + CHECK_S
        while True:
            try:
                await asyncio.wait_for(self._came.wait(), max(all_at - loop.time(), 0.0))
                await asyncio.sleep(GATHER_S)
            except TimeoutError:
                pass
            self._came.clear()
            new, self._new = self._new, set()
            if loop.time() >= all_at:
                await self._look(set(self._there))
                all_at = loop.time() + CHECK_S
            elif new:
                await self._look(new)

    async def _look(self, sessions: Iterable[Attendant]) -> None:
        now = self._ledger.clock.now()
        asked = [(session, session.actor) for session in sessions]  # the actor may be another one after the read
        try:
            actors = {who for _, who in asked}
            going = await self._ledger.aread(lambda connection: signin.going_on(connection, actors, now))
        except Exception as error:  # noqa: BLE001 (whatever it is: a feed that nobody looks after must end)
            for session, _ in asked:
                session.lost(error)
            return
        for session, who in asked:
            one = going.get(who)
            session.found(None if one is None else one.who)
        try:
            await signin.extend(self._ledger, going.values())
            await self._say_alive(going.keys(), now)
        except Exception as error:  # noqa: BLE001 (a look that fails must not be the last: the next does it again)
            log.warning("feed.not-said-alive", error=type(error).__name__)

    async def _say_alive(self, actors: Iterable[Actor], now: int) -> None:
        """Whoever is on call can be reached at their screen."""
        due = {(who.county, who.session or ""): who for who in actors if duty.counts(who)}
        due = {key: who for key, who in due.items() if now - self._alive_at.get(key, 0) >= duty.FEED_EVERY_US}
        if due:
            await duty.feeds_live(self._ledger, due.values())
            recent = {key: at for key, at in self._alive_at.items() if now - at < duty.FEED_EVERY_US}
            self._alive_at = recent | dict.fromkeys(due, now)
