"""A process that has loaded what `ecgnet serve` loads, and runs that very command in a fork of itself when asked: a
server then begins in a third of a second instead of one and a half, most of which is importing.

Each line read is a server, ``{"argv", "environment", "log", "exit"}``, answered by its pid. Between it and this process
stands one more fork, its parent, which waits for its end and leaves the exit code in ``exit``. The server itself runs
`server.cli.main` to its own end, exit handlers and all; whoever kills the tests leaves none behind.

Analysers are ``spawn``ed and read this file again: what is slow is imported where it is used.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1

#: Modules that a server imports only as it begins.
LOADED = (
    "alembic.command",
    "psycopg",
    "server.app",
    "server.cli",
    "server.commands.serving",
    "server.logs",
    "server.serve",
    "server.settings",
    "ledger.migrate",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "triage.analyser",
    "uvicorn",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.websockets_sansio_impl",
)


def main() -> None:
    """Fork for each line; in the server's fork, be that server."""
    for name in LOADED:
        importlib.import_module(name)
    for line in sys.stdin:
        asked = json.loads(line)
        if os.fork() == 0:
            if _guarded(asked):
                _be(asked)
                return
            os._exit(0)
        _bury()


def _bury() -> None:
    """Guards that have ended by now."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _guarded(asked: dict[str, Any]) -> bool:
    """``True`` in the server; in its parent ``False``, once it has ended."""
    _ends_with_its_parent()
    os.setsid()  # a Ctrl-C at the tests is not for the guard, which must tell how the server ended
    server = os.fork()
    if server == 0:
        return True
    os.write(1, f"{server}\n".encode())
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    code = os.waitstatus_to_exitcode(os.waitpid(server, 0)[1])
    told = Path(asked["exit"])
    if told.parent.is_dir():  # the county may be gone by now
        told.with_suffix(".part").write_text(str(code))
        told.with_suffix(".part").replace(told)
    return False


def _be(asked: dict[str, Any]) -> None:
    _ends_with_its_parent()
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    log = os.open(asked["log"], os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = ["ecgnet", *asked["argv"]]
    importlib.import_module("server.cli").main()


def _ends_with_its_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
