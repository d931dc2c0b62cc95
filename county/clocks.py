"""How far a device's clock is from ours, and how sure that is.

A beat says when it was sent, by the device's clock, and we know when it came, by ours. The two differ by the offset,
less the delay on the way, which is not below 0 and not above the round trip that the device measured (or, where it
measured none, :data:`ASSUMED_DELAY_US`). So every beat gives an interval that holds the offset; the fastest give the
narrowest. Intervals are intersected, as the minimum-delay filter of NTP keeps its fastest samples (RFC 5905 §10), and
an older one is widened by what a poor quartz may have drifted since. Where two do not meet, the clock was set or a beat
was held up: then the estimate is wide enough for both, and the next beat decides.

Pure; all times are microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

ASSUMED_DELAY_US = 2_000_000
"""Of a beat without a measured round trip. Its 300 bytes take 40 ms over 64 kbit/s; a lost packet costs a second."""

RESOLUTION_US = 1_000
"""Of the times that a device writes: milliseconds, cut or rounded."""

DRIFT_PPM = 200
"""Of a clock against ours. PC quartzes are within 100 parts in a million; ours may be one too."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """The device's clock less ours is ``offset_us`` ± ``uncertainty_us``, as of ``at`` (ours)."""

    offset_us: int
    uncertainty_us: int
    at: int

    def ours(self, device_at: int) -> int:
        """What our clock showed when the device's showed ``device_at``."""
        return device_at - self.offset_us

    def uncertainty_at(self, now: int) -> int:
        """How sure the offset still is at ``now``."""
        return self.uncertainty_us + abs(now - self.at) * DRIFT_PPM // 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One beat: sent by the device's clock, received by ours; ``round_trip_us``: as the device measured it."""

    sent_at: int
    received_at: int
    round_trip_us: int | None = None


def estimate(known: Estimate | None, sample: Sample) -> Estimate:
    """What is known of the clock once ``sample`` has been heard too."""
    trip = ASSUMED_DELAY_US if sample.round_trip_us is None else sample.round_trip_us
    slack = RESOLUTION_US + trip * DRIFT_PPM // 1_000_000  # it drifts also while the beat is on its way
    low = sample.sent_at - sample.received_at - slack
    high = low + trip + 2 * slack
    if known is not None:
        spread = known.uncertainty_at(sample.received_at)
        before_low, before_high = known.offset_us - spread, known.offset_us + spread
        if before_low <= high and low <= before_high:
            low, high = max(low, before_low), min(high, before_high)
        else:
            low, high = min(low, before_low), max(high, before_high)
    middle = (low + high) // 2
    return Estimate(middle, high - middle, sample.received_at)
