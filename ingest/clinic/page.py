"""The program's own page, on this computer alone: ``http://127.0.0.1:8766/``.

Nothing of it leaves the machine. Another site's page in the same browser can neither read nor press anything: the
``Host`` must be this computer (no rebinding of names), every request of data carries a header that a foreign page may
not send without asking, a foreign ``Origin`` is refused, and the page may stand in no frame.
"""

from __future__ import annotations

import json
import secrets
import sys
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any, ClassVar, Protocol, cast
from urllib.parse import parse_qs, urlsplit

from ingest.clinic.said import Said
from ingest.clinic.spool import DiskFullError, IllegalMove

PORT = 8766
HEADER = "X-Ecgnet"
MAX_BODY_BYTES = 16 * 1024
MAX_UNREAD_BYTES = 1024 * 1024
"""So much of a refused body is read and dropped, that its sender may hear the refusal."""
WAIT_S = 5.0
"""A request for news waits so long; what depends on time (an alarm) is then looked at again."""


class Backend(Protocol):
    """What the page shows and does."""

    def state(self) -> dict[str, Any]: ...
    def wait_for_change(self, known: int, seconds: float) -> int: ...
    def say(self, which: int, more: Said) -> None: ...
    def read(self, which: int, message: str | None) -> None: ...
    def again(self, which: int) -> None: ...
    def drawing(self, which: int, language: str) -> str | None: ...


def document(nonce: str) -> bytes:
    """The page; only its own script and style run."""
    here = resources.files("ingest.clinic")
    html = here.joinpath("page.html").read_text("utf-8")
    script = here.joinpath("page.js").read_text("utf-8")
    return html.replace("{nonce}", nonce).replace("{script}", script).encode()


def is_ours(host: str | None, origin: str | None, port: int) -> bool:
    """Whether a request came to this computer by its own name, and from no foreign page."""
    hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
    return host in hosts and (origin is None or origin in {f"http://{one}" for one in hosts})


class Handler(BaseHTTPRequestHandler):
    """One request."""

    backend: ClassVar[Backend]
    protocol_version = "HTTP/1.1"
    server_version = "ecgnet"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        """The page, its data, a tracing."""
        address = urlsplit(self.path)
        asked = {name: values[-1] for name, values in parse_qs(address.query).items()}
        if not self._is_ours():
            return self._answer(HTTPStatus.FORBIDDEN)
        if address.path == "/":
            return self._page()
        if self.headers.get(HEADER) is None:
            return self._answer(HTTPStatus.FORBIDDEN)
        if address.path == "/state":
            known = asked.get("known", "")
            self.backend.wait_for_change(int(known) if known.isdecimal() else -1, WAIT_S if known.isdecimal() else 0)
            return self._json(self.backend.state())
        if address.path == "/drawing" and asked.get("id", "").isdecimal():
            drawn = self.backend.drawing(int(asked["id"]), asked.get("language", "zh"))
            if drawn is not None:
                return self._answer(HTTPStatus.OK, drawn.encode(), "image/svg+xml")
        return self._answer(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        """A button."""
        length = self.headers.get("Content-Length", "")
        if not self._is_ours() or self.headers.get(HEADER) is None:
            return self._refuse(HTTPStatus.FORBIDDEN, length)
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, length)
        body = self.rfile.read(int(length))
        act = ACTS.get(self.path)
        if act is None:
            return self._answer(HTTPStatus.NOT_FOUND)
        try:
            said: Any = json.loads(body)
            act(self.backend, int(said["id"]), cast("dict[str, Any]", said))
        except (ValueError, TypeError, KeyError, OverflowError):
            return self._answer(HTTPStatus.BAD_REQUEST)
        except IllegalMove:
            return self._answer(HTTPStatus.CONFLICT)
        except DiskFullError:
            return self._answer(HTTPStatus.INSUFFICIENT_STORAGE)
        return self._json({"done": True})

    def _refuse(self, status: HTTPStatus, length: str) -> None:
        # A connection closed over unread bytes is reset, and the refusal with it; and one that will be closed must
        # say so, or the next request is sent into it.
        if length.isdecimal():
            self.rfile.read(min(int(length), MAX_UNREAD_BYTES))
        self._answer(status, more={"Connection": "close"})

    def _is_ours(self) -> bool:
        port = cast("tuple[str, int]", self.server.server_address)[1]
        return is_ours(self.headers.get("Host"), self.headers.get("Origin"), port)

    def _page(self) -> None:
        nonce = secrets.token_urlsafe(16)
        rule = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src blob:; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        more = {"Content-Security-Policy": rule, "X-Frame-Options": "DENY"}
        self._answer(HTTPStatus.OK, document(nonce), "text/html; charset=utf-8", more)

    def _json(self, value: Any) -> None:
        self._answer(HTTPStatus.OK, json.dumps(value, ensure_ascii=False).encode(), "application/json")

    def _answer(
        self, status: HTTPStatus, body: bytes = b"", kind: str = "text/plain", more: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(len(body)), "Cache-Control": "no-store"}
        headers |= {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", **(more or {})}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        """Nothing is logged: a path may hold what is nobody's business."""


def _say(backend: Backend, which: int, said: dict[str, Any]) -> None:
    backend.say(which, Said.of_document(said))


def _read(backend: Backend, which: int, said: dict[str, Any]) -> None:
    message = said.get("message")
    backend.read(which, message if isinstance(message, str) else None)


def _again(backend: Backend, which: int, _said: dict[str, Any]) -> None:
    backend.again(which)


ACTS: Mapping[str, Callable[[Backend, int, dict[str, Any]], None]] = {"/say": _say, "/read": _read, "/again": _again}


class _Listener(ThreadingHTTPServer):
    allow_reuse_address = sys.platform != "win32"  # there it would let two programs share a port
    daemon_threads = True
    is_closing = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away, or a request in the middle of the end; of ours the kind alone, no path, no name."""
        kind = sys.exc_info()[0]
        if not self.is_closing and kind is not None and not issubclass(kind, OSError):
            print(f"page: {kind.__name__}", file=sys.stderr, flush=True)


class Page:
    """The page's server: begun by the constructor, ended by :meth:`close`. A taken port moves on to a free one."""

    def __init__(self, backend: Backend, port: int = PORT) -> None:
        handler = type("PageHandler", (Handler,), {"backend": backend})
        try:
            self._server = _Listener(("127.0.0.1", port), handler)
        except OSError:
            self._server = _Listener(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def close(self) -> None:
        """Stop answering."""
        self._server.is_closing = True
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
