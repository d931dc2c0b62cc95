"""A request's body as it arrives: bytes, a second without more, its end, or a broken connection.

Nothing is gathered here and nothing touches a disk; who does not ask is not read from.
"""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest.tus import Mark

STALL_S = 60.0
"""A connection that brings nothing for so long is given up; what it brought is kept. nginx's default is the same."""

LINGER_BYTES = 1 << 20
"""Of a refused body that are read and dropped after the answer, so that the answer is not lost in a reset."""

LINGER_S = 2.0
"""How long they are waited for. nginx lingers 5 s between two reads and 30 s in all."""


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


class Linger:
    """Around an application: an answer that closes its connection goes out first, then what is still coming is dropped.

    Who closes while bytes are under way sends a reset, and many a client then never reads why it was refused (RFC 9112
    §9.6). At most :data:`LINGER_BYTES` and :data:`LINGER_S` are spent on it, and nothing is kept.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_read, closes = False, False

        async def receive_noted() -> Message:
            nonlocal is_read
            message = await receive()
            is_read = is_read or message["type"] == "http.disconnect" or not message.get("more_body", False)
            return message

        async def send_first(message: Message) -> None:
            nonlocal closes
            if message["type"] == "http.response.start":
                closes = Headers(raw=message.get("headers", [])).get("connection", "").lower() == "close"
            if message["type"] != "http.response.body" or message.get("more_body", False) or is_read or not closes:
                await send(message)
                return
            await send({**message, "more_body": True})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(_drop(receive), LINGER_S)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self.app(scope, receive_noted, send_first)


async def _drop(receive: Receive) -> None:
    dropped = 0
    while dropped < LINGER_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return
        dropped += len(message.get("body", b""))
