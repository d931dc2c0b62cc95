"""The websocket shell of the feed: it moves frames, :mod:`triage.feed` decides.

One :class:`Hub` a process reads each new event once and keeps the latest; every session takes from it by number, so a
slow reader only lags, and one that lags too long is closed and resumes by its number.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import WebSocket, WebSocketDisconnect

from county.access import Actor
from county.http import current_actor
from county.problem import Problem, language_of, our_error, problem_response, unavailable
from ledger import database, events
from ledger.database import Ledger
from triage import feed, review
from triage.attendance import Attendance
from triage.requests import request_of

log = structlog.get_logger("feed")

KEPT = 2_000  # events a county in memory; who needs older ones reads them from the ledger
PAGE = 500
TEXTS = 1_000  # frames as they went over the line; the same text for all who saw the same before
SEND_TIMEOUT_S = 20.0  # a reader that takes no frame for so long is closed and resumes by its number
CLOSE_TIMEOUT_S = 2.0
BUSY_S = 2  # Retry-After of an action that the writer could not take


def _text(frame: Mapping[str, Any]) -> str:
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":"))


class Hub:
    """The newest events of every county, and a way to wait for more."""

    def __init__(self, ledger: Ledger, heartbeat_s: float = feed.HEARTBEAT_S) -> None:
        self.heartbeat_s = heartbeat_s
        self._ledger = ledger
        self._events: dict[str, deque[Mapping[str, Any]]] = {}
        self._last: dict[str, int] = {}
        self._more = asyncio.Event()
        self._polling = asyncio.Lock()
        self._texts: dict[tuple[str, int, int], str] = {}
        self.sessions = 0
        self.attendance = Attendance(ledger)

    async def poll(self) -> bool:
        """Read what is new; whether there was anything."""
        async with self._polling:
            found = await self._ledger.aread(self._read)
        for county, rows in found.items():
            self._events.setdefault(county, deque(maxlen=KEPT)).extend(rows)
            self._last[county] = rows[-1]["seq"]
        if found:
            self._more.set()
            self._more = asyncio.Event()
        return bool(found)

    def _read(self, connection: Any) -> dict[str, Sequence[Mapping[str, Any]]]:
        found: dict[str, Sequence[Mapping[str, Any]]] = {}
        for county in database.counties(connection):
            if county not in self._last:
                self._last[county] = events.last(connection, county)
                continue
            rows = events.after(connection, county, self._last[county], PAGE)
            if rows:
                found[county] = rows
        return found

    def last(self, county: str) -> int:
        """The number of the newest event that the hub has."""
        return self._last.get(county, 0)

    async def after(self, county: str, position: int) -> Sequence[Mapping[str, Any]]:
        """Events beyond ``position``, from memory or, if they are older, from the ledger; empty if there are none
        yet.
        """
        kept = self._events.get(county)
        if kept and kept[0]["seq"] <= position + 1:
            first = position + 1 - kept[0]["seq"]
            return [kept[n] for n in range(first, min(first + PAGE, len(kept)))]
        if position >= self.last(county):
            return []
        return await self._ledger.aread(lambda connection: events.after(connection, county, position, PAGE))

    def text(self, county: str, frame: Mapping[str, Any]) -> str:
        """An event's frame as it goes over the line: written once for all sessions that were shown the same before."""
        key = (county, frame["seq"], frame["prev"])
        found = self._texts.get(key)
        if found is None:
            found = self._texts[key] = _text(frame)
            while len(self._texts) > TEXTS:
                del self._texts[next(iter(self._texts))]
        return found

    async def more(self, timeout_s: float) -> None:
        """Wait until something is new, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._more.wait()


class Session:
    """One websocket: a task that sends what is new, a loop that receives."""

    def __init__(self, socket: WebSocket, ledger: Ledger, hub: Hub, actor: Actor) -> None:
        self._socket, self._ledger, self._hub, self._actor = socket, ledger, hub, actor
        self._sending = asyncio.Lock()
        self._feed = feed.Feed(actor, "", heartbeat_s=hub.heartbeat_s)
        self._news: asyncio.Queue[Actor | Exception | None] = asyncio.Queue()

    async def run(self) -> None:
        """Serve until either side ends."""
        try:
            after = feed.number(self._socket.query_params.get("after"))
        except feed.BadNumber:
            await self._accept()
            await self._socket.close(feed.CLOSE_BAD_NUMBER, "after must be a whole number")
            return
        await self._accept()
        self._hub.sessions += 1
        self._hub.attendance.come(self)
        tasks = [asyncio.create_task(task) for task in (self._serve(after), self._receive(), self._heed())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.sessions -= 1
            self._hub.attendance.leave(self)
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            for outcome in outcomes:
                if isinstance(outcome, Exception) and not isinstance(outcome, WebSocketDisconnect | RuntimeError):
                    log.error("feed.failed", error=repr(outcome))

    async def _accept(self) -> None:
        """With our subprotocol where the client offered it; one that did not offer it would refuse it."""
        offered = self._socket.scope.get("subprotocols", ())
        await self._socket.accept(feed.SUBPROTOCOL if feed.SUBPROTOCOL in offered else None)

    async def _serve(self, after: int | None) -> None:
        county, site = self._actor.county, self._actor.site

        def opening(connection: Any) -> tuple[str, int, int]:
            last = events.last(connection, county)
            visible = last if site is None else events.last(connection, county, site)
            return events.epoch(connection, county), last, visible

        self._feed.epoch, last, visible = await self._ledger.aread(opening)
        if not feed.sees(self._actor, {"county_id": county, "site_id": site}):
            visible = 0
        for frame in self._feed.open(visible, last, after, self._socket.query_params.get("epoch")):
            await self._send(frame)
        loop = asyncio.get_running_loop()
        beat_at = loop.time() + self._hub.heartbeat_s
        while True:
            rows = await self._hub.after(county, self._feed.position)
            for row in rows:
                frame = self._feed.shown(row)
                if frame is not None:
                    await self._send_text(self._hub.text(county, frame))
            if rows:
                continue
            if loop.time() >= beat_at:
                await self._send(self._feed.beat())
                beat_at = loop.time() + self._hub.heartbeat_s
                continue  # what came while the beat was sent has had its hint
            await self._hub.more(max(beat_at - loop.time(), 0.01))

    async def _send(self, frame: Mapping[str, Any]) -> None:
        await self._send_text(_text(frame))

    async def _send_text(self, text: str) -> None:
        async with self._sending:
            try:
                async with asyncio.timeout(SEND_TIMEOUT_S):
                    await self._socket.send_text(text)
            except TimeoutError:
                with contextlib.suppress(TimeoutError, RuntimeError):  # the close too waits for a reader
                    async with asyncio.timeout(CLOSE_TIMEOUT_S):
                        await self._socket.close(feed.CLOSE_TOO_SLOW, "too slow; resume by number")
                raise WebSocketDisconnect(feed.CLOSE_TOO_SLOW) from None

    async def _receive(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            asked = self._feed.received(message.get("text") or "")
            if isinstance(asked, feed.Refuse):
                await self._send(self._refused(asked.id, asked.problem))
            elif isinstance(asked, feed.Act):
                await self._send(await self._act(asked))

    async def _act(self, asked: feed.Act) -> dict[str, Any]:
        try:
            case = await review.act(self._ledger, self._actor, request_of(asked.action, asked.id, asked.body))
            return feed.done(asked.id, case)
        except Problem as problem:
            return self._refused(asked.id, problem)
        except (database.LedgerBusy, database.LedgerUnavailable):
            return self._refused(asked.id, unavailable(BUSY_S))
        except Exception as error:  # noqa: BLE001 (a mistake of ours ends no feed)
            log.error("feed.action-failed", action=asked.action, error=repr(error))
            return self._refused(asked.id, our_error())

    def _refused(self, identity: str | None, problem: Problem) -> dict[str, Any]:
        return feed.refused(identity, problem, language_of(self._socket))

    @property
    def actor(self) -> Actor:
        """Who reads, as they were known last."""
        return self._actor

    def found(self, who: Actor | None) -> None:
        """What the look at all sessions says of this one."""
        if who != self._actor:
            self._news.put_nowait(who)

    def lost(self, error: Exception) -> None:
        """Nobody can say whether the session goes on: it ends here, and the reader comes back."""
        self._news.put_nowait(error)

    async def _heed(self) -> None:
        """End with the session or the key; what somebody of another role or site now sees is to be read anew."""
        while True:
            news = await self._news.get()
            if isinstance(news, Exception):
                raise news
            if news is None:
                await self._socket.close(feed.CLOSE_SESSION_ENDED, "signed out")
                return
            if news != self._actor:
                await self._moved(news)

    async def _moved(self, actor: Actor) -> None:
        sees = feed.sees(actor, {"county_id": actor.county, "site_id": actor.site})

        def look(connection: Any) -> tuple[int, int]:
            visible = events.last(connection, actor.county, actor.site) if sees else 0
            return visible, events.last(connection, actor.county)

        visible, last = await self._ledger.aread(look)
        self._actor = actor
        frame = self._feed.moved(actor, visible, last)
        if frame is not None:
            await self._send(frame)


async def serve(socket: WebSocket, ledger: Ledger, hub: Hub) -> None:
    """One websocket from its handshake to its end; refused before the upgrade with 401, or 403 for a wrong Origin."""
    try:
        actor = await current_actor(socket)
    except Problem as problem:
        await socket.send_denial_response(problem_response(socket, problem))
        return
    await Session(socket, ledger, hub, actor).run()
