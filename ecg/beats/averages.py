"""The average beat of a shape."""

from __future__ import annotations

import numpy as np

from ecg.arrays import Floats, Ints, middle, steps
from ecg.beats.shapes import AVERAGED

BEFORE_MS = 500.0
AFTER_MS = 750.0


def average(signal: Floats, rate_hz: float, samples: Ints) -> tuple[Floats, int, int]:
    """Median beat float [lead, sample], the index in it that corresponds to each beat's own sample, and how many beats
    made it.

    Beats whose window lies wholly inside the recording are preferred; otherwise the ends are held.
    """
    before, after = round(BEFORE_MS * rate_hz / 1000), round(AFTER_MS * rate_hz / 1000)
    inside = samples[(samples >= before) & (samples + after <= signal.shape[1])]
    used = inside if inside.size >= min(3, samples.size) else samples
    if used.size > AVERAGED:
        used = used[steps(0, used.size - 1, AVERAGED).astype(int)]
    at = np.clip(used[:, None] + np.arange(-before, after)[None, :], 0, signal.shape[1] - 1)
    beats = signal[:, at]
    if used.size == 1:
        return beats[:, 0], before, 1
    return middle(beats, axis=1), before, int(used.size)
