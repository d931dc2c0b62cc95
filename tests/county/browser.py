"""A browser without a network: HTTP and websocket straight into the application, cookies kept."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from fastapi import FastAPI


class Browser:
    """Calls an application from synchronous tests; its own error is a 500, as the network would show it."""

    def __init__(self, app: FastAPI, base: str = "http://ecg.test", **headers: str) -> None:
        self._app = app
        self._loop = asyncio.Runner()
        transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("203.0.113.7", 50_000))
        self._client = httpx.AsyncClient(transport=transport, base_url=base, headers=headers)
        self.headers, self.cookies = self._client.headers, self._client.cookies

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run(self._client.aclose())
        self._loop.close()

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request."""
        return self._loop.run(self._client.request(method, path, **more))

    def get(self, path: str, **more: Any) -> httpx.Response:
        """A safe request."""
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        """An unsafe request."""
        return self.request("POST", path, **more)

    def delete(self, path: str, **more: Any) -> httpx.Response:
        """An unsafe request."""
        return self.request("DELETE", path, **more)

    def websocket(self, path: str, **headers: str) -> list[dict[str, Any]]:
        """Open a websocket and collect what the application sends."""
        request = self._client.build_request("GET", path, headers=headers)
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "websocket.connect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "client": ("203.0.113.7", 50_000),
            "server": ("ecg.test", 80),
            "subprotocols": [],
        }
        self._loop.run(self._app(scope, receive, send))  # type: ignore[arg-type]
        return sent
