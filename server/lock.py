"""One server a folder: a lock that the system itself lets go when the process ends, however it ends."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

FILE = "ecgnet.lock"


class Held(Exception):
    """Another process has it."""


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock that is held until the process ends or :meth:`release`."""

    descriptor: int

    def release(self) -> None:
        """Let go."""
        os.close(self.descriptor)


def take(folder: Path) -> Lock:
    """Lock ``folder``; :class:`Held` if another process has, ``OSError`` if nothing can be written there."""
    descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor)
    except OSError as error:
        os.close(descriptor)
        raise Held(str(folder)) from error
    os.truncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())  # for people; nothing reads it
    return Lock(descriptor)


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
