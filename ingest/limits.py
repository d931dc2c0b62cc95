"""How much one device, one site and all of them together may send, so that none delays another's chest pain.

Uploads and bytes are counted in token buckets: an hour's worth may come at once (a clinic that was cut off for a week
has it all to send), then it is as many as flow back. Bodies under way are counted too, and what of them is held in
memory, so that no device can end the process either. Of each the last quarter is kept for what is pressing: the
emergency button or a symptom. So a device that runs wild fills its own measure and nobody else's, and its own chest
pain still comes through. What is beyond is answered 429 with the seconds after which it would be taken; nothing of it
is stored.

Pure but for the table of buckets: times are handed in, seconds of a clock that never goes back. Each process counts for
itself: with n of them on one PostgreSQL a device has n times as much, which still ends.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

MIB = 1 << 20
HOUR_S = 3600.0
KEPT_SHARE = 0.25
"""Of every measure, for what is pressing."""

COME_BACK_S = 5
"""Retry-After when too many bodies are under way: how long a 60 KB file takes over 100 kbit/s."""

MOST_BUCKETS = 20_000
"""Beyond it those that are full again are forgotten: a province has some 10,000 devices."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What one sender may do: uploads and bytes in an hour, bodies at a time."""

    uploads_per_hour: int
    bytes_per_hour: int
    open_uploads: int


@dataclass(frozen=True, slots=True)
class Limits:
    """The measures of a device (or a person who sends), of a site, and of the whole process: bodies under way, and what
    of them is held in memory until it is whole, of which one device has a quarter at most.
    """

    device: Measure = Measure(1200, 1024 * MIB, 128)
    site: Measure = Measure(3000, 2048 * MIB, 192)
    open_uploads: int = 1024
    held_bytes: int = 512 * MIB


@dataclass(slots=True)
class Bucket:
    """Tokens that flow back evenly, ``capacity`` in an hour; ``level`` as of ``at`` (s)."""

    capacity: float
    level: float
    at: float

    def wait_s(self, now: float, amount: float, *, pressing: bool) -> float:
        """Seconds until ``amount`` can be taken; 0 if it can now. More than fits is taken from what is full."""
        kept = 0.0 if pressing else KEPT_SHARE * self.capacity
        needed = kept + min(amount, self.capacity - kept)
        return max(0.0, needed - self._flowed(now)) * HOUR_S / self.capacity

    def take(self, now: float, amount: float) -> None:
        """Take it, also below zero: what could not be asked before (a file's length comes with its last part)."""
        self.level, self.at = self._flowed(now) - amount, now

    def is_full(self, now: float) -> bool:
        """Whether it knows nothing that a new one would not."""
        return self._flowed(now) >= self.capacity

    def _flowed(self, now: float) -> float:
        return min(self.capacity, self.level + max(0.0, now - self.at) * self.capacity / HOUR_S)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends: the measures of ``device`` and ``site`` hold, both named with their county."""

    county: str
    site: str
    device: str


class TooManyError(Exception):
    """Beyond the measure; ``retry_s``: when to come back."""

    def __init__(self, retry_s: float) -> None:
        super().__init__(f"again in {retry_s:.0f} s")
        self.retry_s = max(1, round(retry_s + 0.5))


@dataclass(slots=True)
class Gate:
    """What was sent of late, and what is under way, in this process."""

    limits: Limits = field(default_factory=Limits)
    _buckets: dict[tuple[str, str, str, str], Bucket] = field(default_factory=dict[tuple[str, str, str, str], Bucket])
    _open: dict[tuple[str, str, str], int] = field(default_factory=dict[tuple[str, str, str], int])
    _held: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    under_way: int = 0
    held: int = 0
    refused: int = 0
    """Since the process began."""

    def admit(self, now: float, sender: Sender, size: int, *, pressing: bool) -> None:
        """Count an upload of ``size`` bytes; :class:`TooManyError`, and nothing is counted."""
        found = self._of(now, sender, size)
        self._check(max(bucket.wait_s(now, amount, pressing=pressing) for bucket, amount in found))
        for bucket, amount in found:
            bucket.take(now, amount)

    def check(self, now: float, sender: Sender) -> None:
        """:class:`TooManyError` if not even a pressing upload of one byte would be admitted."""
        self._check(max(bucket.wait_s(now, amount, pressing=True) for bucket, amount in self._of(now, sender, 1)))

    def charge(self, now: float, sender: Sender, size: int) -> None:
        """Count bytes whose number came too late to be asked for."""
        for bucket, amount in self._of(now, sender, size)[1::2]:
            bucket.take(now, amount)

    @contextlib.contextmanager
    def open(self, sender: Sender, *, pressing: bool, holds: int = 0) -> Generator[None]:
        """A body under way, ``holds`` bytes of it kept in memory; :class:`TooManyError` if there are too many."""
        share = 1.0 if pressing else 1.0 - KEPT_SHARE
        mine = [(key, measure.open_uploads) for key, measure in self._scopes(sender)]
        is_full = any(self._open.get(key, 0) >= share * most for key, most in mine)
        if is_full or self.under_way >= share * self.limits.open_uploads or not self._fits(sender, holds, share):
            self._check(COME_BACK_S)
        self._count(sender, 1, holds)
        try:
            yield
        finally:
            self._count(sender, -1, -holds)

    def _fits(self, sender: Sender, holds: int, share: float) -> bool:
        """Whether there is memory for it; the only one always fits, whatever the limit of a body is."""
        mine, most = self._held.get((sender.county, sender.device), 0), self.limits.held_bytes
        is_mine_small = not mine or mine + holds <= KEPT_SHARE * most
        return not holds or (is_mine_small and (not self.held or self.held + holds <= share * most))

    def _count(self, sender: Sender, bodies: int, holds: int) -> None:
        self.under_way += bodies
        self.held += holds
        for key, _ in self._scopes(sender):
            self._open[key] = self._open.get(key, 0) + bodies
            if not self._open[key]:
                del self._open[key]
        who = (sender.county, sender.device)
        self._held[who] = self._held.get(who, 0) + holds
        if not self._held[who]:
            del self._held[who]

    def _check(self, wait_s: float) -> None:
        if wait_s > 0:
            self.refused += 1
            raise TooManyError(wait_s)

    def _scopes(self, sender: Sender) -> Sequence[tuple[tuple[str, str, str], Measure]]:
        return (
            ((sender.county, "device", sender.device), self.limits.device),
            ((sender.county, "site", sender.site), self.limits.site),
        )

    def _of(self, now: float, sender: Sender, size: int) -> list[tuple[Bucket, float]]:
        """The buckets of a sender with what is to be taken: uploads and bytes of the device, then of the site."""
        if len(self._buckets) > MOST_BUCKETS:
            self._buckets = {key: one for key, one in self._buckets.items() if not one.is_full(now)}
        found: list[tuple[Bucket, float]] = []
        for key, measure in self._scopes(sender):
            for what, capacity, amount in (
                ("uploads", measure.uploads_per_hour, 1),
                ("bytes", measure.bytes_per_hour, size),
            ):
                bucket = self._buckets.setdefault((*key, what), Bucket(capacity, capacity, now))
                found.append((bucket, amount))
        return found
