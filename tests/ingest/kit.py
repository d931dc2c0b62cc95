"""What ingest's tests share: a county, an application with ingest's routes alone, a real server on loopback."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Generator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import uvicorn
from fastapi import FastAPI

import county.http
from county import counties, devices, sites
from ingest.body import Linger
from ingest.limits import Gate
from ingest.receive import Submission
from ingest.routes import router
from ingest.space import Space
from ledger import originals, schema
from ledger.database import Ledger, make_engine
from ledger.ids import new_id
from ledger.migrate import migrate

MAX_BODY_BYTES = 4 << 20


@dataclass
class World:
    """An open ledger with one county, two sites, and a device at each."""

    ledger: Ledger
    county: str
    site: str
    other_site: str
    device: str
    key: str
    other_key: str

    def rows(self, table: Any) -> list[dict[str, Any]]:
        """Every row of a table in this county."""
        mine = table.select().where((table.c.id if table is schema.county else table.c.county_id) == self.county)
        return self.ledger.read(lambda connection: [dict(row) for row in connection.execute(mine).mappings()])

    def only_exam(self) -> dict[str, Any]:
        """The one exam that there must be."""
        (exam,) = self.rows(schema.exam)
        return exam

    def original(self, sha256: str) -> bytes:
        """The kept bytes."""
        return self.ledger.read(lambda connection: originals.get(connection, self.county, sha256))

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The data of every event of a kind."""
        return [row["data"] for row in self.rows(schema.event) if row["kind"] == kind]

    def submission(self, *files: tuple[str, bytes], **more: Any) -> Submission:
        """Files from the first site's device."""
        return Submission(self.county, more.pop("site", self.site), self.device, files, **more)

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


def prepare_database(url: str) -> None:
    """Bring an empty database to the current schema."""
    engine = make_engine(url)
    migrate(engine)
    engine.dispose()


def make_world(ledger: Ledger) -> World:
    """One county, as an administrator would set it up."""
    name = ledger.write(lambda tx: counties.add_county(tx, f"青石县 {new_id()}", "0996-120"))
    site = ledger.write(lambda tx: sites.add(tx, name, "上坪村卫生室", "上坪乡"))
    other = ledger.write(lambda tx: sites.add(tx, name, "下坪村卫生室", "下坪乡"))
    device, key = ledger.write(lambda tx: devices.add(tx, name, site))
    _, other_key = ledger.write(lambda tx: devices.add(tx, name, other))
    return World(ledger, name, site, other, device, key, other_key)


def make_app(
    ledger: Ledger, max_body_bytes: int = MAX_BODY_BYTES, gate: Gate | None = None, space: Space | None = None
) -> FastAPI:
    """Ingest's routes around a ledger."""
    app = FastAPI()
    app.include_router(router)
    county.http.install(app)
    app.add_middleware(Linger)
    app.state.ledger, app.state.settings = ledger, SimpleNamespace(max_body_bytes=max_body_bytes)
    app.state.gate, app.state.space = gate or Gate(), space or Space(None)
    return app


@contextlib.contextmanager
def serving(app: Any) -> Generator[str]:
    """A real uvicorn on loopback, in a thread; yields its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not server.started and time.monotonic() < until:
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
