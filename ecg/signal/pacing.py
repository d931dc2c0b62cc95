"""Pacing spikes: too narrow for a heart, in several leads at once (CLINICAL.md §3.3, C_PACE).

A spike would pass for the steepest part of QRS and hide the real one, so the measuring path bridges it (8 ms); the
stored and the drawn signal keep it, and its place is remembered for the pacing rule. Below 1000 Hz it is only ever
"possible".

Some recorders widen a spike, so that paper shows it: a block of up to 16 ms between two steep edges, back on its own
level when it ends. No wave of the heart is so short and ends where it began.
"""

from __future__ import annotations

import numpy as np

from ecg.arrays import Flags, Floats, Ints, ints

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
HELD_MS = 10.0
"""A widened spike is over so long before and after its middle…"""
HELD_MV = 0.50
"""…is so high (CLINICAL.md §3.3)…"""
HELD_EDGE_MS, HELD_EDGE = 2.0, 0.45
"""…and an edge covers this share of its height in 2 ms: the r of a narrow rS takes 10 ms for all of it [project]."""
HELD_FLAT, HELD_BACK = 0.1, 0.35
"""The line before it moves by less than the first share of its height, and it ends within the second of where it began.
"""
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
    found = np.sort(np.concatenate([_narrow(signal, close, sharp, at, near, far), _held(signal, rate_hz)]))
    if not found.size:
        return found
    apart = int((np.diff(found) > TOGETHER_MS * rate_hz / 1000).sum()) + 1
    seconds = signal.shape[1] / rate_hz
    return found if max(FEWEST, 0.25 * seconds) <= apart <= MOST_PER_S * seconds else found[:0]


def _narrow(signal: Floats, close: Floats, sharp: Flags, at: Ints, near: int, far: int) -> Ints:
    """Those of the places ``at`` where the pulse is as narrow as the recorder lets it be."""
    if not at.size:
        return np.empty(0, dtype=np.intp)
    middle = signal[:, far:-far]
    wide = middle[:, at] - 0.5 * (signal[:, at] + signal[:, at + 2 * far])
    size = np.abs(close[:, at])
    feet = np.maximum(
        np.abs(signal[:, at + far - near] - signal[:, at]), np.abs(signal[:, at + far + near] - signal[:, at + 2 * far])
    )
    narrow = sharp[:, at] & (size > NARROW * np.abs(wide)) & (close[:, at] * wide > 0) & (feet < CALM * size)
    strong = narrow.sum(axis=0) >= np.maximum(LEADS, sharp[:, at].sum(axis=0) * 0.6)
    return ints(at[strong] + far)


def _held(signal: Floats, rate_hz: float) -> Ints:
    """Samples of widened spikes: the middle and both sides of each, as far as a bridge must reach."""
    edge, half = max(1, round(HELD_EDGE_MS * rate_hz / 1000)), round(HELD_MS * rate_hz / 1000)
    count = signal.shape[1]
    steep = np.abs(signal[:, edge:] - signal[:, :-edge]) > HELD_EDGE * HELD_MV
    at = np.flatnonzero(steep.sum(axis=0) >= LEADS)
    if not at.size:
        return np.empty(0, dtype=np.intp)
    # The first steep place of each group may begin a spike whose middle comes up to ``half`` later.
    at = at[np.diff(at, prepend=-half) > edge]
    middle = np.unique(np.clip(at[:, None] + np.arange(0, 2 * half - edge)[None, :], 0, count - 1))
    middle = middle[(middle >= 2 * half) & (middle < count - half)]
    before, after = signal[:, middle - half], signal[:, middle + half]
    inner = signal[:, middle[:, None] + np.arange(-half, half + 1)[None, :]]
    height = np.abs(inner - before[:, :, None]).max(axis=2)
    edges = np.abs(inner[:, :, edge:] - inner[:, :, :-edge])[:, :, :half].max(axis=2)
    flat = np.abs(before - signal[:, middle - 2 * half]) < HELD_FLAT * height
    back = np.abs(after - before) < HELD_BACK * height
    tall = height > HELD_MV
    held = tall & (edges > HELD_EDGE * height) & flat & back
    good = middle[held.sum(axis=0) >= np.maximum(LEADS, 0.6 * tall.sum(axis=0))]
    if not good.size:
        return np.empty(0, dtype=np.intp)
    reach = round((HELD_MS - BRIDGE_MS) * rate_hz / 1000)
    groups = np.split(good, np.flatnonzero(np.diff(good) > half) + 1)
    centre = ints([int(np.median(g)) for g in groups])
    return ints(np.unique(centre[:, None] + np.array([-reach, 0, reach])[None, :]))


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
