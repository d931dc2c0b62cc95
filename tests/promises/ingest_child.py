"""A process that serves uploads, to be killed. It loads everything once; each line that it reads is one server, a fork
of it: ``{"url", "folder", "port", "log"}``, answered by the pid once it listens. A restart takes a tenth of a second.

Without ``"desk": true`` the desk is left out (no lifespan): what is shown is what ingest alone keeps. With ``--once``
the first server is this very process, so that a tracer has nothing else in its log. An analyser is ``spawn``ed and
reads this file again: what is slow is imported where it is used.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import socket
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

#: One device stands here for a county of them: it may send what it likes.
UNMEASURED: dict[str, Any] = {
    f"{who}_{what}": 10**6
    for who in ("device", "site")
    for what in ("uploads_per_hour", "mib_per_hour", "open_uploads")
}

_PR_SET_PDEATHSIG = 1


def serve(asked: dict[str, Any]) -> None:
    """Answer on a real socket until killed, or until SIGTERM."""
    import uvicorn

    from ledger.database import Ledger
    from server.app import make_app
    from server.settings import Settings

    listener = socket.create_server(("127.0.0.1", asked["port"]), backlog=2048)
    ledger = Ledger.open(asked["url"])
    settings = Settings(data=Path(asked["folder"]), database=asked["url"], log="json", workers=1, **UNMEASURED)
    app = make_app(ledger, settings)
    lifespan = "on" if asked.get("desk") else "off"
    config = uvicorn.Config(app, lifespan=lifespan, log_config=None, access_log=False, server_header=False)
    print(os.getpid(), flush=True)
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it again once it has ended
    uvicorn.Server(config).run(sockets=[listener])
    ledger.close()


def warm() -> None:
    """One request on a ledger that is thrown away: what is loaded and compiled by the first is loaded for all forks."""
    import httpx
    import uvicorn  # noqa: F401

    from ledger.database import Ledger
    from server.app import make_app
    from server.settings import Settings
    from tests.ingest.kit import make_world, prepare_database

    with tempfile.TemporaryDirectory(prefix="ecgnet-warm-") as folder:
        prepare_database(url := f"sqlite:///{folder}/warm.db")
        ledger = Ledger.open(url)
        world = make_world(ledger)
        app = make_app(ledger, Settings(data=Path(folder), database=url, log="warnings"))

        async def once() -> None:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://warm", headers=world.bearer) as client:
                (await client.post("/v1/exams", files={"file": ("a", b"warm")})).raise_for_status()

        asyncio.run(once())
        ledger.close()


def main() -> None:
    """Fork a server for each line; the parent's end ends everything."""
    from server import logs

    logs.configure("json")  # to standard error: what was refused is on record, a promise reads it
    if "--once" not in sys.argv:
        warm()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead need no burial
    for line in sys.stdin:
        asked = json.loads(line)
        if "--once" in sys.argv:
            serve(asked)
            return
        if os.fork() == 0:
            if sys.platform == "linux":  # who kills the tests leaves no server behind
                ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            os.dup2(os.open(asked["log"], os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), 2)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                serve(asked)
            except Exception:  # noqa: BLE001 (whoever waits for its pid must hear that it could not begin)
                traceback.print_exc()
                print("could not begin", flush=True)
                os._exit(1)
            os._exit(0)


if __name__ == "__main__":
    main()
