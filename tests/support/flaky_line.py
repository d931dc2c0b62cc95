"""Bad lines on loopback: so many bits a second, and every few seconds something happens to whoever is connected.

A line listens on a port of its own and hands everything on to a server. What happens when is drawn from the line's
seed: a reset (RST to both ends; what was under way is lost), a stall (nothing moves, nobody is told), a half-close (one
end hears that the other has finished, in the middle of a message), a death (nothing moves any more, and nobody is ever
told). Any number of lines share one thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Self

CHUNK = 1024
"""Bytes handed on at once: an eighth of a second on 64 kbit/s."""

_BUFFER = 4096
"""Of the kernel, towards the sender: a line that holds much is no slow line."""


@dataclass(frozen=True, slots=True)
class Weather:
    """What a line is like. ``calm_s``: the shortest and longest time between two events; ``None``: nothing happens."""

    bits_per_s: float = 64_000
    calm_s: tuple[float, float] | None = (1.5, 4.0)
    stall_s: tuple[float, float] = (0.2, 1.0)
    events: tuple[str, ...] = ("reset", "reset", "stall", "half-close")


@dataclass(eq=False, slots=True)
class _Joined:
    """One connection through a line: the writers towards client and server."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter

    @property
    def ends(self) -> tuple[asyncio.StreamWriter, asyncio.StreamWriter]:
        return self.client, self.server


@dataclass(eq=False, slots=True)
class FlakyLine:
    """One line to ``target`` (a port on loopback); connect to ``port``. ``happened``: how often what."""

    target: int
    seed: int
    weather: Weather
    port: int = 0
    happened: Counter[str] = field(default_factory=Counter[str])
    carried: int = 0
    _dice: random.Random = field(default_factory=random.Random)
    _open: set[_Joined] = field(default_factory=set[_Joined])
    _dead: set[_Joined] = field(default_factory=set[_Joined])
    _free_at: dict[str, float] = field(default_factory=dict[str, float])
    _flows: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set["asyncio.Task[None]"])
    _listens: asyncio.Server | None = None

    async def begin(self) -> None:
        """Listen, and let the weather begin."""
        self._dice.seed(self.seed)
        self._flows.set()
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        listener.bind(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self._listens = await asyncio.start_server(self._join, sock=listener, limit=CHUNK)
        if self.weather.calm_s is not None:
            self._keep(self._be_weather(self.weather.calm_s))

    async def end(self) -> None:
        """Cut everybody off."""
        assert self._listens is not None
        self._listens.close()
        for joined in list(self._open):
            _reset(joined)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # --- bytes ---

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target, limit=CHUNK)
        except OSError:
            writer.transport.abort()
            return
        joined = _Joined(writer, far_writer)
        self._open.add(joined)
        up = self._keep(self._carry(joined, "up", reader, far_writer))
        down = self._keep(self._carry(joined, "down", far_reader, writer))
        await asyncio.wait({up, down})
        self._open.discard(joined)
        self._dead.discard(joined)
        for end in joined.ends:
            end.transport.abort()

    async def _carry(
        self, joined: _Joined, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Hand on what comes, at the line's speed, which all its connections share; an end is handed on too."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError, RuntimeError):  # that way was closed before its time
            while data := await reader.read(CHUNK):
                begins = max(loop.time(), self._free_at.get(way, 0.0))
                self._free_at[way] = begins + 8 * len(data) / self.weather.bits_per_s
                await asyncio.sleep(self._free_at[way] - loop.time())
                await self._flows.wait()
                if joined in self._dead:
                    continue  # swallowed; nobody is told
                self.carried += len(data)
                writer.write(data)
                await writer.drain()
            if joined not in self._dead:
                writer.write_eof()

    # --- weather ---

    async def _be_weather(self, calm_s: tuple[float, float]) -> None:
        while True:
            await asyncio.sleep(self._dice.uniform(*calm_s))
            event = self._dice.choice(self.weather.events)
            if not self._open and event != "stall":
                continue
            self.happened[event] += 1
            await self._let_happen(event)

    async def _let_happen(self, event: str) -> None:
        if event == "stall":
            self._flows.clear()
            await asyncio.sleep(self._dice.uniform(*self.weather.stall_s))
            self._flows.set()
            return
        for joined in list(self._open):
            if event == "reset":
                _reset(joined)
            elif event == "death":
                self._dead.add(joined)
            else:
                with contextlib.suppress(OSError, RuntimeError):  # it may be closed by now
                    joined.ends[self._dice.randrange(2)].write_eof()


def _reset(joined: _Joined) -> None:
    for end in joined.ends:
        held: socket.socket | None = end.get_extra_info("socket")
        if held is not None:
            with contextlib.suppress(OSError):
                held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.transport.abort()


class Lines:
    """The thread that all lines share: ``with Lines() as lines: line = lines.open(port, seed)``."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="lines", daemon=True)
        self.all: list[FlakyLine] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for line in self.all:
            self._do(line.end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def open(self, target: int, seed: int, weather: Weather | None = None) -> FlakyLine:
        """A new line to a port on loopback; it listens when this returns."""
        line = FlakyLine(target, seed, weather or Weather())
        self._do(line.begin())
        self.all.append(line)
        return line

    @property
    def happened(self) -> Counter[str]:
        """What happened on all of them."""
        return sum((line.happened for line in self.all), Counter[str]())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)
