"""What stands around every answer: its id, a log line, security headers, the limit of a body, a word for our mistakes.

Plain ASGI, so that it also holds for what the framework answers itself, and no body is gathered on the way.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from county.problem import our_error, problem_response, too_large, unavailable
from ledger.ids import new_id

_log = structlog.stdlib.get_logger("server")

REQUEST_ID = "X-Request-ID"
_SAFE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")  # another's id is taken over only if it cannot forge a log line

_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
# A drawing is one file with its own styles; opened alone it may use them, and nothing else.
_DRAWING_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_HSTS = "max-age=31536000"
COME_BACK_S = 5  # after a server's end: its successor starts within seconds
_OFTEN = frozenset({"/livez", "/readyz", "/metrics"})  # asked every few seconds: no line for each


class Feeds:
    """How many websockets are open."""

    def __init__(self) -> None:
        self.open = 0


class Shell:
    """The outermost layer. ``tls``: whether this server itself ends TLS."""

    def __init__(self, app: ASGIApp, feeds: Feeds, *, tls: bool) -> None:
        self.app, self.feeds, self.tls = app, feeds, tls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            self.feeds.open += 1
            try:
                await self.app(scope, receive, send)
            finally:
                self.feeds.open -= 1
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = asked if _SAFE_ID.fullmatch(asked) else new_id()
        began, status = time.perf_counter(), 0

        async def send_dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._dress(MutableHeaders(raw=message.setdefault("headers", [])), scope["path"], request_id)
            await send(message)

        with structlog.contextvars.bound_contextvars(request=request_id):
            try:
                await self.app(scope, receive, send_dressed)
            except asyncio.CancelledError:  # the server ends and waits no longer for this request
                if not status:
                    await problem_response(Request(scope), unavailable(COME_BACK_S))(scope, receive, send_dressed)
            except Exception as error:
                _log.error("a request failed", exc_info=error)
                if status:  # half an answer is out: only closing the connection says that it is no whole one
                    raise
                await problem_response(Request(scope), our_error())(scope, receive, send_dressed)
            finally:
                if scope["path"] not in _OFTEN:
                    ms = round((time.perf_counter() - began) * 1000, 1)
                    _log.info("request", method=scope["method"], path=scope["path"], status=status or 499, ms=ms)

    def _dress(self, headers: MutableHeaders, path: str, request_id: str) -> None:
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)
        if path.endswith(".svg"):
            headers["Content-Security-Policy"] = _DRAWING_POLICY
        if path.startswith("/v1/"):
            headers.setdefault("Cache-Control", "no-store")  # what a patient's ECG says stays in no cache
        if self.tls:
            headers.setdefault("Strict-Transport-Security", _HSTS)
        headers[REQUEST_ID] = request_id


class BodyLimit:
    """No body beyond ``most`` bytes: one that says so is refused before it is read, one that does not is cut."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and int(length) > self.most:
            await self._refuse(scope, receive, send)
            return
        taken, started = 0, False

        async def receive_counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            return message if taken <= self.most else {"type": "http.disconnect"}  # cut: what came is kept or dropped

        async def send_noted(message: Message) -> None:
            nonlocal started
            if started or taken <= self.most:
                started = True
                await send(message)

        try:
            await self.app(scope, receive_counted, send_noted)
        except Exception:
            if taken <= self.most:
                raise
        if taken > self.most and not started:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        await problem_response(Request(scope), too_large(self.most))(scope, receive, send)
