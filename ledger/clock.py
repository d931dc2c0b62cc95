"""The one clock: UTC microseconds of the database, and deadlines that a clock set back cannot delay.

SQL's own ``now()`` is used nowhere: on PostgreSQL several machines ask one database for the time (the writer measures
the offset, again each minute), on SQLite the machine's clock is the database's. Tests inject :class:`ManualClock`.
"""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

K = TypeVar("K", bound=Hashable)

SECOND = 1_000_000  # microseconds


class Clock(Protocol):
    """What tells the time."""

    def now(self) -> int:
        """UTC microseconds since 1970."""
        ...

    def monotonic(self) -> int:
        """Microseconds that never go back, from an origin of this process."""
        ...


@dataclass(slots=True)
class SystemClock:
    """This machine's clock plus the measured offset of the database's (0 on SQLite)."""

    offset_us: int = 0

    def now(self) -> int:
        return time.time_ns() // 1000 + self.offset_us

    def monotonic(self) -> int:
        return time.monotonic_ns() // 1000


@dataclass(slots=True)
class ManualClock:
    """A clock that moves when a test moves it."""

    at: int = 1_790_000_000 * SECOND
    passed: int = 0

    def now(self) -> int:
        return self.at

    def monotonic(self) -> int:
        return self.passed

    def advance(self, seconds: float) -> None:
        """Move both the wall and the monotonic time forward."""
        self.at += round(seconds * SECOND)
        self.passed += round(seconds * SECOND)

    def set_back(self, seconds: float) -> None:
        """Set the wall clock back, as a person or a time server may."""
        self.at -= round(seconds * SECOND)


@dataclass(slots=True)
class Deadlines:
    """Deadlines as this process saw them first.

    A deadline is due when the clock says so, or when the monotonic time since it was first seen exceeds what was
    then left: so a clock set back delays no ladder.
    """

    clock: Clock
    _first: dict[Hashable, tuple[int, int]] = field(default_factory=dict[Hashable, tuple[int, int]])

    def overdue(self, pending: dict[K, int]) -> set[K]:
        """Which of ``pending`` (key → deadline) are due; keys that are no longer pending are forgotten."""
        now, passed = self.clock.now(), self.clock.monotonic()
        kept: dict[Hashable, tuple[int, int]] = {}
        for key, deadline in pending.items():
            seen = self._first.get(key)
            kept[key] = seen if seen and seen[0] == deadline else (deadline, passed + max(deadline - now, 0))
        self._first = kept
        return {key for key in pending if pending[key] <= now or kept[key][1] <= passed}


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def iso(instant: int | None) -> str | None:
    """An instant as the contract writes it: ``2026-11-24T03:10:05.000000Z``."""
    if instant is None:
        return None
    at = _EPOCH + instant * _MICROSECOND  # whole numbers all the way: a float loses microseconds
    return at.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def instant(text: str) -> int:
    """UTC microseconds of an ISO text; ``ValueError`` if it has no zone."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"a time needs its zone: {text}")
    return (at - _EPOCH) // _MICROSECOND
