"""Pacing spikes: too narrow for a heart, in several leads at once (CLINICAL.md §3.3, C_PACE).

A spike would pass for the steepest part of QRS and hide the real one, so the measuring path bridges it (8 ms); the
stored and the drawn signal keep it, and its place is remembered for the pacing rule. Below 1000 Hz it is only ever
"possible".
"""

from __future__ import annotations

import numpy as np

from ecg.arrays import Floats, Ints

NEAR_MS, FAR_MS = 4.0, 16.0
NARROW = 0.75
"""A spike stands out of its neighbours 4 ms away almost as much as of those 16 ms away; an R wave does by a quarter."""
SMALLEST_MV = 0.20
CALM = 0.4
"""The signal from 16 to 4 ms on either side moves by less than this share of the spike."""
LEADS = 3
TOGETHER_MS = 8.0
FEWEST = 3
"""A pacemaker paces more than twice in ten seconds; a lone narrow notch is none [project, LUDB half and PTB-XL]."""
BRIDGE_MS = 5.0
MOST_PER_S = 6.0
"""More is mains or noise: two spikes a beat at 180/min."""
SLOWEST_HZ = 400.0


def spikes(signal: Floats, rate_hz: float) -> Ints:
    """Sample numbers of spikes in ``signal`` float [lead, sample]; none below 400 Hz, with fewer than three leads, or
    if rare."""
    near, far = round(NEAR_MS * rate_hz / 1000), round(FAR_MS * rate_hz / 1000)
    if rate_hz < SLOWEST_HZ or signal.shape[0] < LEADS or signal.shape[1] <= 2 * far:
        return np.empty(0, dtype=np.intp)
    middle = signal[:, far:-far]
    close = middle - 0.5 * (signal[:, far - near : -far - near] + signal[:, far + near : signal.shape[1] - far + near])
    sharp = np.abs(close) > SMALLEST_MV
    at = np.flatnonzero(sharp.sum(axis=0) >= LEADS)
    if not at.size:
        return np.empty(0, dtype=np.intp)
    wide = middle[:, at] - 0.5 * (signal[:, at] + signal[:, at + 2 * far])
    size = np.abs(close[:, at])
    feet = np.maximum(
        np.abs(signal[:, at + far - near] - signal[:, at]), np.abs(signal[:, at + far + near] - signal[:, at + 2 * far])
    )
    narrow = sharp[:, at] & (size > NARROW * np.abs(wide)) & (close[:, at] * wide > 0) & (feet < CALM * size)
    strong = narrow.sum(axis=0) >= np.maximum(LEADS, sharp[:, at].sum(axis=0) * 0.6)
    found = at[strong] + far
    apart = int((np.diff(found) > TOGETHER_MS * rate_hz / 1000).sum()) + 1
    seconds = signal.shape[1] / rate_hz
    return found if found.size and max(FEWEST, 0.25 * seconds) <= apart <= MOST_PER_S * seconds else found[:0]


def bridged(signal: Floats, rate_hz: float, at: Ints) -> Floats:
    """The signal with straight lines across the spikes."""
    reach = max(1, round(BRIDGE_MS * rate_hz / 1000))
    mask = np.zeros(signal.shape[1], dtype=np.bool_)
    for step in range(-reach, reach + 1):
        mask[np.clip(at + step, 0, signal.shape[1] - 1)] = True
    good = np.flatnonzero(~mask)
    if not good.size:
        return signal
    out = signal.copy()
    bad = np.flatnonzero(mask)
    for row in out:
        row[bad] = np.interp(bad, good, row[good])
    return out
