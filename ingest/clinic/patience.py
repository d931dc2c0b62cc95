"""Waiting, decided without a clock of its own: when to try the line again, and when an urgent ECG has waited too long.

``now`` is monotonic (seconds, any zero) throughout: a PC's clock that jumps, at the plug or by hand, delays nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

FIRST_S, LONGEST_S = 1.0, 60.0
"""Of the line: twice as long after each failure, with full jitter so that a county's clinics do not return at once."""

URGENT_LONGEST_S = 5.0
"""While an urgent ECG waits."""

ALARM_S = 60.0
"""An urgent ECG that the county does not have after this: the village telephones."""

RECENT_S, HOUR_S, DAY_S = 600.0, 3600.0, 86_400.0


@dataclass(slots=True)
class Backoff:
    """Of one line, or of one thing that fails by itself."""

    longest_s: float = LONGEST_S
    failures: int = 0
    until: float = -inf
    failed_at: float = -inf

    def failed(self, now: float, chance: float, least_s: float | None = None, longest_s: float | None = None) -> float:
        """Another failure; how long to wait now. ``chance``: from 0 to 1. ``least_s``: what the county asked for."""
        longest = self.longest_s if longest_s is None else min(longest_s, self.longest_s)
        wait_s = max(least_s or 0.0, chance * min(longest, FIRST_S * 2.0 ** min(self.failures, 30)))
        self.failures += 1
        self.failed_at, self.until = now, now + wait_s
        return wait_s

    def succeeded(self) -> None:
        """It works."""
        self.failures, self.until = 0, -inf

    def left(self, now: float, longest_s: float | None = None) -> float:
        """Seconds until it may be tried; ``longest_s``: something urgent waits no longer than this after a failure."""
        until = self.until if longest_s is None else min(self.until, self.failed_at + longest_s)
        return max(0.0, until - now)


@dataclass(slots=True)
class Alarm:
    """Which urgent ECGs the county does not have although it should. Also due by the clock on the wall, so that a
    restart begins no new minute."""

    limit_s: float = ALARM_S
    _since: dict[int, float] = field(default_factory=dict[int, float])

    def late(self, now: float, wall_us: int, urgent: Mapping[int, int]) -> list[int]:
        """Those that are late. ``urgent``: those that the county does not have → since when (UTC µs)."""
        self._since = {which: self._since.get(which, now) for which in urgent}
        limit_us = int(self.limit_s * 1_000_000)
        return [
            which
            for which, at in urgent.items()
            if now - self._since[which] >= self.limit_s or wall_us - at >= limit_us
        ]


def ask_every_s(age_s: float, *, is_pressing: bool, is_answered: bool, is_read: bool) -> float | None:
    """How often to ask what became of an ECG of this age since its receipt; ``None``: no longer.

    An answer is some 2 KB; a line of 30 kbit/s carries one in half a second.
    """
    age_s = max(age_s, 0.0)
    if age_s > 7 * DAY_S or (is_read and age_s > DAY_S):
        return None
    if is_read:
        return RECENT_S  # a message, or another answer, may still come
    if is_answered:
        return 60.0
    if is_pressing and age_s < HOUR_S:
        return 3.0
    if age_s < RECENT_S:
        return 5.0
    return 15.0 if age_s < HOUR_S else 60.0 if age_s < DAY_S else RECENT_S
