"""Other processes of the ledger's tests: `python worker.py COMMAND URL …`. Each prints one line for each answer."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from sqlalchemy import insert

from ledger import due, originals, schema
from ledger.database import Ledger, Transaction, make_engine
from ledger.migrate import migrate

EXAMS = due.Queue(
    table=schema.exam,
    first=(schema.exam.c.urgent.desc(),),
    turn=(schema.exam.c.county_id, schema.exam.c.site_id),
    max_attempts=3,
    lease_us=60_000_000,
)


def say(line: object) -> None:
    """One line, in one write: a kill never cuts it."""
    os.write(1, f"{line}\n".encode())


def hammer(ledger: Ledger, who: int, count: int) -> None:
    """`count` events in the counties c and d from eight threads; each tenth request fails."""

    def one(n: int) -> None:
        def work(tx: Transaction) -> None:
            tx.event("c" if n % 2 else "d", "site.silent", {"n": who * 100_000 + n})
            tx.audit("c", f"p{who}", "test", "county", detail={"n": n})
            if n % 10 == 0:
                raise ValueError

        try:
            ledger.write(work)
        except ValueError:
            return

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(count)))


def claims(ledger: Ledger) -> None:
    """Claim until nothing is due, from four threads; prints each id."""

    def one(_: int) -> None:
        while taken := ledger.write(lambda tx: due.claim(tx, EXAMS, 5)):
            for held in taken:
                say(held.id)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(4)))


def receipts(url: str, start: int) -> None:
    """Commit receipts from four threads, for ever; prints each number once it is committed."""
    ledger = Ledger.open(url)

    def one(first: int) -> None:
        for n in range(start + first, sys.maxsize, 4):
            prepared = originals.Prepared(f"{n} ".encode() * 500)

            def work(tx: Transaction, n: int = n, prepared: originals.Prepared = prepared) -> None:
                originals.put(tx, "c", prepared)
                row = {"county_id": "c", "id": f"s{n}", "name": "s", "township": "t", "phone": "", "created_at": 0}
                tx.connection.execute(insert(schema.site), row)
                tx.event("c", "site.silent", {"n": n})
                tx.audit("c", "p", "test", "county", detail={"n": n})

            ledger.write(work)
            say(n)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(one, range(4)))


def killed(url: str, times: int) -> None:
    """:func:`receipts` in children that are killed at random moments, one after the other; passes on what they said."""
    make_engine(url).dispose()  # what it imports, the children need not
    for round_ in range(times):
        output, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(theirs, 1)
            receipts(url, round_ * 100_000)
        os.close(theirs)
        first = os.read(output, 1) if round_ % 4 else b""  # each fourth is killed while it opens, or soon after
        time.sleep(random.uniform(0, 0.15))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.write(1, first + b"".join(iter(lambda output=output: os.read(output, 65_536), b"")))
        os.close(output)


def main() -> None:
    """Run one command."""
    command, url, *rest = sys.argv[1:]
    if command == "killed":
        return killed(url, int(rest[0]))
    if command == "migrate":
        say("ready")
        sys.stdin.readline()
        return migrate(make_engine(url))
    ledger = Ledger.open(url)
    say("ready")
    sys.stdin.readline()
    if command == "hammer":
        hammer(ledger, int(rest[0]), int(rest[1]))
    elif command == "claims":
        claims(ledger)
    elif command == "tell":
        ledger.write(lambda tx: tx.event("c", "site.silent", {"n": 1}))
    ledger.close()
    return None


if __name__ == "__main__":
    main()
