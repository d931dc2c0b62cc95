"""A desk without its sockets, to be killed between two commits: it acknowledges every case given, eight at once, and
says each one when it is answered. Each line that this process reads is one desk, a fork of it: what takes long to load
is loaded once. Every line that a desk says carries its pid, is short, and is one write: a pipe takes it whole or not at
all (``print`` writes the end of a line by itself, and a kill can come between).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import sys
from typing import Any

from county.access import Actor, Role
from ledger.database import Ledger
from triage import review


async def _acknowledge_all(asked: dict[str, Any]) -> None:
    ledger = Ledger.open(asked["url"])
    actor = Actor(asked["county"], asked["person"], "心内", Role.CARDIOLOGIST, None, session="s")
    places = asyncio.Semaphore(8)

    async def one(case: str, seen: int) -> None:
        async with places:
            request = review.Request("acknowledge", case, seen, f"ack-{case}")
            answer = await review.act(ledger, actor, request)
            digest = hashlib.sha256(json.dumps(answer, sort_keys=True).encode()).hexdigest()
            _say(pid=os.getpid(), case=case, answer=digest)

    await asyncio.gather(*(one(case, seen) for case, seen in asked["cases"]))
    ledger.close()


def _say(**told: object) -> None:
    os.write(sys.stdout.fileno(), (json.dumps(told) + "\n").encode())


def main() -> None:
    """A desk for each line."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        if (pid := os.fork()) == 0:
            asyncio.run(_acknowledge_all(json.loads(line)))
            _say(pid=os.getpid(), **{"is": "done"})
            os._exit(0)
        _say(pid=pid, **{"is": "made"})


if __name__ == "__main__":
    main()
