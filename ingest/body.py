"""A request's body as it arrives: bytes, a second without more, its end, or a broken connection.

Nothing is gathered here and nothing touches a disk; who does not ask is not read from.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from starlette.types import Message, Receive

from ingest.tus import Mark

STALL_S = 60.0
"""A connection that brings nothing for so long is given up; what it brought is kept. nginx's default is the same."""


class Body:
    """The body of one request; use it as ``async with``, so that a pending read ends with it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._pending: asyncio.Task[Message] | None = None
        self._is_over = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pending is not None:
            self._pending.cancel()
            await asyncio.wait({self._pending})

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to read."""
        return self._is_over

    async def next(self, patience_s: float = STALL_S) -> bytes | Mark:
        """What comes next; ``WAITED`` after ``patience_s`` without anything."""
        while not self._is_over:
            if self._pending is None:
                self._pending = asyncio.ensure_future(_message(self._receive))
            await asyncio.wait({self._pending}, timeout=patience_s)
            if not self._pending.done():
                return Mark.WAITED
            message, self._pending = self._pending.result(), None
            if message["type"] == "http.disconnect":
                self._is_over = True
                return Mark.CUT
            self._is_over = not message.get("more_body", False)
            if data := message.get("body", b""):
                return data
        return Mark.ENDED


async def _message(receive: Receive) -> Message:
    return await receive()
