"""The HTTP application: every room's routes on one ledger, the desk that works behind them, the screens in front."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

import structlog
from fastapi import FastAPI
from sqlalchemy import make_url
from starlette.middleware.gzip import GZipMiddleware

import county.http
import county.routes
import ingest.quarantine_routes
import ingest.routes
import ingest.space
import triage.ladder_routes
import triage.routes
from county import audit
from ecg.analysis import VERSION
from ingest.body import Linger
from ingest.limits import MIB, Gate, Limits, Measure
from ingest.space import Space
from ingest.uploads import sweep_forever
from ledger.database import Ledger, LedgerUnavailable
from server import health, pages
from server.settings import Settings
from server.shell import BodyLimit, Feeds, Shell
from triage.desk import Desk

_log = structlog.stdlib.get_logger("server")

HEADS_EVERY_S = 3600.0
_COMPRESS_FROM = 1_000  # bytes; below it the header costs as much as it saves
_COMPRESS_LEVEL = 5
_NOT_COMPRESSED = ("application/zip", "application/octet-stream", "application/dicom", "image/png", "font/*")


def make_app(ledger: Ledger, settings: Settings) -> FastAPI:
    """The application on an open, migrated ledger; the desk runs from its start to its end."""
    app = FastAPI(
        title="ecgnet",
        version=VERSION,
        description="A county's ECG network: a device's file becomes an answer that a named doctor gives in time.",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    feeds = Feeds()
    desk = Desk(ledger, settings)
    app.state.ledger, app.state.settings, app.state.desk, app.state.feeds = ledger, settings, desk, feeds
    app.state.gate, app.state.space = Gate(_limits(settings)), _space(settings)
    for room in (
        county.routes.router,
        ingest.routes.router,
        ingest.quarantine_routes.router,
        triage.routes.router,
        triage.ladder_routes.router,
        health.router,
        pages.router(),
    ):
        app.include_router(room)
    app.mount("/assets", pages.assets(), name="assets")
    county.http.install(app)
    county.http.check_routes(app)
    health.install(app)
    app.add_middleware(
        GZipMiddleware,
        minimum_size=_COMPRESS_FROM,
        compresslevel=_COMPRESS_LEVEL,
        exclude_content_types=_NOT_COMPRESSED,
    )
    app.add_middleware(BodyLimit, most=settings.max_body_bytes)
    app.add_middleware(Linger)
    app.add_middleware(Shell, feeds=feeds, tls=settings.cert is not None)
    return app


def _limits(settings: Settings) -> Limits:
    device = Measure(settings.device_uploads_per_hour, settings.device_mib_per_hour * MIB, settings.device_open_uploads)
    site = Measure(settings.site_uploads_per_hour, settings.site_mib_per_hour * MIB, settings.site_open_uploads)
    return Limits(device, site, settings.open_uploads, settings.held_mib * MIB)


def _space(settings: Settings) -> Space:
    """The disk of the SQLite file; PostgreSQL's is another machine's."""
    file = make_url(settings.database_url).database if settings.is_sqlite else None
    return Space(Path(file).parent if file else None, settings.disk_warn_mib * MIB, settings.disk_keep_mib * MIB)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    desk: Desk = app.state.desk
    await desk.start()
    ledger: Ledger = app.state.ledger
    room = ingest.space.say_forever(app.state.space)
    tasks = [asyncio.create_task(work) for work in (_note_heads(ledger), sweep_forever(ledger), room)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await desk.stop()


async def _note_heads(ledger: Ledger) -> None:
    """Copy the end of every audit chain into the operator's log: a tail that is cut later is seen against it."""
    while True:
        with contextlib.suppress(LedgerUnavailable):
            for head in await ledger.aread(audit.heads):
                _log.info("audit head", county=head.county, seq=head.seq, hash=head.hash)
        await asyncio.sleep(HEADS_EVERY_S)
