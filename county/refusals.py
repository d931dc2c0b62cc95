"""Keys and tokens that opened nothing are put on record, behind the answer: neither its bytes nor its time show how.

A device key that was revoked or replaced is a row of the county's audit (``device.refused``): somebody has a device, or
a copy of its key, that was taken out of use. Every other one is a line of the log with the address it came from, never
with the key. Both are limited, so that nobody fills a disk by guessing: a row a device in :data:`EVERY_S`, a line an
address, with how many there were.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field

import structlog
from sqlalchemy.exc import SQLAlchemyError

from county import devices, secrets
from ledger.database import Ledger, LedgerBusy, LedgerUnavailable

log = structlog.stdlib.get_logger("county.refusals")

EVERY_S = 600.0
MOST = 2_000  # devices and addresses that are remembered at a time
MOST_AT_ONCE = 64  # look-ups under way: a flood waits for none of them


@dataclass(slots=True)
class Recorder:
    """What a process has put on record of late."""

    said: OrderedDict[str, tuple[float, int]] = field(default_factory=OrderedDict[str, "tuple[float, int]"])
    under_way: set[asyncio.Task[None]] = field(default_factory=set["asyncio.Task[None]"])

    def due(self, what: str, now_s: float) -> int | None:
        """How often ``what`` happened since it was last said, if it is to be said now."""
        at, count = self.said.pop(what, (now_s - EVERY_S, 0))
        if now_s - at < EVERY_S:
            self.said[what] = (at, count + 1)
            return None
        self.said[what] = (now_s, 0)
        while len(self.said) > MOST:
            self.said.popitem(last=False)
        return count + 1


_recorder = Recorder()


def note(ledger: Ledger, secret: str, address: str, recorder: Recorder = _recorder) -> None:
    """Put a refused secret on record, later; the caller answers at once."""
    if not secret or len(recorder.under_way) >= MOST_AT_ONCE:
        return
    task = asyncio.get_running_loop().create_task(_record(ledger, secret, address, recorder))
    recorder.under_way.add(task)
    task.add_done_callback(recorder.under_way.discard)


async def _record(ledger: Ledger, secret: str, address: str, recorder: Recorder) -> None:
    try:
        ended = None
        if secret.startswith(secrets.Kind.DEVICE):
            ended = await ledger.aread(lambda connection: devices.by_ended_key(connection, secret))
        if ended is None:
            if times := recorder.due(f"address {address}", time.monotonic()):
                log.warning("a key was refused", address=address, times=times)
            return
        county, device, site = ended
        if times := recorder.due(f"device {device} {address}", time.monotonic()):
            log.warning("a key out of use was refused", device=device, address=address, times=times)
            detail = {"device": device, "address": address, "times": times}
            await ledger.awrite(lambda tx: tx.audit(county, device, "device.refused", site, detail=detail))
    except (LedgerBusy, LedgerUnavailable, SQLAlchemyError) as error:
        log.warning("a refused key could not be put on record", error=type(error).__name__)
