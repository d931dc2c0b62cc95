"""A village PC, to be killed. It loads everything once; each line that it reads is one start of the clinic program, a
fork of it: ``{"folder", "home", "to", "key"}``, answered by the pid once its page answers.

It is the real program; only its patience is shorter, so that a test need not wait two seconds for each file.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from ingest.clinic import grade, home, patience, watch
from ingest.clinic.finished import Rules
from ingest.clinic.page import Page
from ingest.clinic.program import Program

watch.LOOK_S = watch.IDLE_S = 0.03
patience.FIRST_S, patience.LONGEST_S = 0.02, 0.2
QUICK = Rules(quiet_s=0.06, patience_s=0.2, pair_s=0.4)


def run(asked: dict[str, Any]) -> None:
    """Until killed."""
    at = Path(asked["home"])
    program = Program(Path(asked["folder"]), home.data_folder(at), asked["to"], asked["key"], "0", rules=QUICK)
    with program.running():
        page = Page(program, 0)
        home.note_page(at, page.address)
        print(os.getpid(), flush=True)
        threading.Event().wait()


def main() -> None:
    """Fork a program for each line; the parent's end ends everything."""
    import httpx
    import watchfiles  # noqa: F401

    grade.warm()
    httpx.Client().close()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            run(json.loads(line))
            os._exit(0)


if __name__ == "__main__":
    main()
