"""From raw samples to a trace fit for measuring: units, leads, filters, quality, reversal (CLINICAL.md §1)."""

from __future__ import annotations

from ecg.signal.units import calibrate

__all__ = ["calibrate"]
