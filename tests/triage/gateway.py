"""A fake SMS gateway with a log of its own: what really rang, whatever our ledger says."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Gateway:
    """Answers POSTs on loopback; ``rung`` are the messages in order, one an id however often it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.rung: dict[str, dict[str, Any]] = {}
        self.status = 200
        self.body: dict[str, Any] = {}
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                gateway.asked.append(message)
                if gateway.status == 200 and not gateway.body:
                    gateway.rung.setdefault(message.get("id", str(len(gateway.asked))), message)
                answer = json.dumps(gateway.body or {"receipt": f"r-{message.get('id', '')[-6:]}"}).encode()
                self.send_response(gateway.status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def address(self, to: str) -> str:
        """The contact of a telephone behind it."""
        return f"gateway+http://127.0.0.1:{self._server.server_address[1]}/send#{to}"

    def to(self, number: str) -> list[dict[str, Any]]:
        """What rang at one telephone."""
        return [message for message in self.rung.values() if message["to"] == number]

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
