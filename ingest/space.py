"""Room on the ledger's disk: said before it ends, and kept for what is pressing.

A disk that is full loses no ECG that has its receipt: the database undoes the commit that found no room, and says so.
But a full disk also stops acknowledgements, answers and the audit. So below a mark it is said (log, ``/readyz``,
``/metrics``), below the next new routine uploads are refused (507), and only the last quarter of that is refused to the
emergency button and to symptoms as well. An upload that was begun is finished as long as there is that last quarter.

On PostgreSQL the disk is another machine's: nothing is known here, and nothing is refused before the engine does.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

import structlog

log = structlog.stdlib.get_logger("ingest.space")

MIB = 1 << 20
LAST_SHARE = 4  # of the room that is kept, this part is for the desk alone
LOOK_EVERY_S = 30.0
RETRY_S = 60  # Retry-After of a refusal: somebody must free space first


class Level(IntEnum):
    """How much room there is."""

    ENOUGH = 0
    """Nothing to say."""
    LOW = 1
    """Said, and nothing is refused."""
    KEPT = 2
    """New routine uploads are refused."""
    LAST = 3
    """Every upload is refused: what is left is for acknowledgements and answers."""


def level_of(free: int, warn: int, keep: int) -> Level:
    """The level at ``free`` bytes; ``warn`` and ``keep``: the two marks, in bytes."""
    if free < keep // LAST_SHARE:
        return Level.LAST
    if free < keep:
        return Level.KEPT
    return Level.LOW if free < warn else Level.ENOUGH


def refuses(level: Level, *, pressing: bool, is_new: bool) -> bool:
    """Whether an upload is refused at this level; ``is_new``: nothing of it is here yet."""
    return level is Level.LAST or (level is Level.KEPT and is_new and not pressing)


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


@dataclass(slots=True)
class Space:
    """The disk of ``folder``; ``None``: the ledger's disk is elsewhere."""

    folder: Path | None
    warn_bytes: int = 2048 * MIB
    keep_bytes: int = 512 * MIB
    probe: Callable[[Path], int] = field(default=_free)
    _said: Level = Level.ENOUGH

    def free(self) -> int | None:
        """Bytes that are free; ``None`` where that is not known."""
        if self.folder is None:
            return None
        try:
            return self.probe(self.folder)
        except OSError:  # a folder that cannot be asked cannot be judged: the database will
            return None

    def level(self) -> Level:
        """The level now."""
        free = self.free()
        return Level.ENOUGH if free is None else level_of(free, self.warn_bytes, self.keep_bytes)

    def say(self) -> Level:
        """Log the level if it is another than the last time."""
        now = self.level()
        if now is not self._said:
            free = self.free()
            mib = None if free is None else free // MIB
            tell = log.info if now is Level.ENOUGH else log.warning if now is Level.LOW else log.error
            tell("room on the disk", level=now.name.lower(), free_mib=mib, what=_WHAT[now])
            self._said = now
        return now


_WHAT = {
    Level.ENOUGH: "there is enough again",
    Level.LOW: "free some space: below the next mark routine ECGs are refused",
    Level.KEPT: "new routine ECGs are refused (507): free some space at once",
    Level.LAST: "every ECG is refused (507): free some space at once, and tell the clinics by telephone",
}


async def say_forever(space: Space, every_s: float = LOOK_EVERY_S) -> None:
    """For the application's lifespan: :meth:`Space.say` now and then, until cancelled."""
    while True:
        space.say()
        await asyncio.sleep(every_s)
