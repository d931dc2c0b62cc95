"""What stands before QRS, beat for beat the same, when the measurement of P has no room or no luck.

The windows of ``ecg.interpret.p_train`` (QRS bridged; level, slope and curvature taken away) at each distance before
the QRS onsets are averaged over the beats. A wave that belongs to the beats survives, whatever T it stands on; its
nearest hump before QRS is P. Its height in I and II gives its axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecg.arrays import Floats, Ints, counted, floats, typical
from ecg.interpret.facts import Facts
from ecg.interpret.p_train import HALF_P_MS, LEADS, STEP_MS, WIDTH, Atlas, atlas, hump
from ecg.marks import NOWHERE

EARLIEST_MS, LATEST_MS = 320.0, 50.0
"""The middle of P lies between these before QRS onset."""
NEAR_MS = 230.0
"""A hump farther away is a T rather than a P with long PR, in rhythms that are fast."""
SAME_WAVE_MS = 40.0
SURE_MS = 70.0
"""A hump on T nearer to QRS is cut by the bridge over QRS."""
TALLEST_MV = 0.35
"""A taller crest is T."""
LEVEL_STEPS = 2
"""The level of P is taken 10–20 ms before QRS onset."""
LEAST_MV, DIP = 0.04, 0.15
"""A crest: so tall, and sinking by that share of it before it rises to T."""


@dataclass(frozen=True, slots=True)
class Wave:
    """The wave before QRS: PR in ms (from its foot), height in mV (all leads as one vector), the part of it that the
    beats share (0 … 1), frontal axis in degrees (``None`` without I and II), whether it comes again half a cycle
    earlier, and whether it is a crest of its own or only a hump on T."""

    pr_ms: float
    height_mv: float
    shared: float
    axis_deg: float | None
    twice: bool
    crest: bool = True


def before(facts: Facts) -> Wave | None:
    """The wave before QRS; ``None`` where nothing could be looked at. Without any: the tallest of what there is, with
    the little that the beats share of it."""
    held, marks = atlas(facts, tied=True), facts.marks
    if held is None or marks is None:
        return None
    known = marks.qrs_global[marks.qrs_global[:, 0] != NOWHERE, 0]
    if known.size < 4:
        return None
    on = floats(known * (1000.0 / facts.rate_hz))
    rr = float(typical(np.diff(on)))
    distance = floats(np.arange(-min(EARLIEST_MS, rr - 100.0), -LATEST_MS + 1.0, STEP_MS))
    means, shared = _means(held, on, distance)
    humps = means @ hump()
    height = np.sqrt((humps**2).sum(axis=1)) / _unit()
    found = _nearest(facts, known)
    if found is not None and float(np.linalg.norm(found[1])) <= TALLEST_MV:
        at, vector = found
        k = int(np.argmin(np.abs(distance - at)))
        tall, crest = float(np.linalg.norm(vector)), True
    else:
        k, crest = _on_t(distance, height), False
        at, vector, tall = float(distance[k]), humps[k] / _unit(), float(height[k])
    again = _again(held, on, float(distance[k]) - rr / 2.0, means[k])
    return Wave(-at + HALF_P_MS, tall, float(shared[k]), _axis(facts, vector), again, crest)


def _on_t(distance: Floats, height: Floats) -> int:
    """The hump nearest to QRS that is no smaller than half the tallest; without any, the tallest there is."""
    inside = np.flatnonzero((distance >= -NEAR_MS) & (distance <= -SURE_MS))
    peaks = [k for k in inside.tolist() if 0 < k < height.size - 1 and height[k - 1] <= height[k] > height[k + 1]]
    near = [k for k in peaks if height[k] >= 0.5 * float(height[inside].max())]
    return near[-1] if near else int(inside[np.argmax(height[inside])])


def _nearest(facts: Facts, onset: Ints) -> tuple[float, Floats] | None:
    """The crest nearest to QRS of the average of what stands before it, against the level just before QRS: its place in
    ms and its height in each lead. T sinks to that level without a crest of its own."""
    names = [facts.leads.index(n) for n in LEADS if n in facts.leads and facts.readable(n)]
    step = max(1, round(STEP_MS * facts.rate_hz / 1000.0))
    back = np.arange(LEVEL_STEPS, round(NEAR_MS / STEP_MS) + 1)
    first = onset[onset >= (int(back[-1]) + 1) * step]
    if first.size < 3:
        return None
    # Means of 10 ms, each ending so many steps before QRS onset.
    place = first[:, None, None] - back[None, :, None] * step + counted(step)[None, None, :]
    course = facts.signal[names][:, place].mean(axis=(1, 3))
    course = course - course[:, :1]
    size = np.sqrt((course**2).sum(axis=0))
    for k in range(2, size.size - 2):
        if size[k] >= size[k - 1] and size[k] > size[k + 1] and size[k] >= LEAST_MV:
            behind = size[k:]
            rise = int(np.argmax(behind >= 1.02 * size[k])) or behind.size
            if behind[:rise].min() <= (1.0 - DIP) * size[k]:
                return -float(back[k]) * STEP_MS + STEP_MS / 2.0, course[:, k]
    return None


def _means(held: Atlas, on_ms: Floats, distance: Floats) -> tuple[Floats, Floats]:
    """The mean window at each distance, float [distance, lead, sample], and what the beats share of it."""
    at = held.centre(on_ms[None, :] + distance[:, None])
    at = np.clip(at, 0, held.size.size - 1)
    rows = held.rows[at]
    mean = rows.mean(axis=1)
    power = (rows**2).sum(axis=2).mean(axis=1)
    shared: Floats = (mean**2).sum(axis=1) / (power + 1e-12)
    return mean.reshape(distance.size, -1, WIDTH), shared


def _unit() -> float:
    """Response of a window to a hump of 1 mV."""
    t = (np.arange(WIDTH) - (WIDTH - 1) / 2) * STEP_MS / HALF_P_MS
    return float(np.cos(np.pi / 2 * np.clip(t, -1.0, 1.0)) ** 1.5 @ hump())


def _axis(facts: Facts, humps: Floats) -> float | None:
    names = [n for n in LEADS if n in facts.leads and facts.readable(n)]
    if "I" not in names or "II" not in names:
        return None
    one, two = float(humps[names.index("I")]), float(humps[names.index("II")])
    return float(np.degrees(np.arctan2(2.0 * (two - 0.5 * one) / np.sqrt(3.0), one)))


def _again(held: Atlas, on_ms: Floats, distance: float, mean: Floats) -> bool:
    """Whether the same wave stands at this distance too: atria at twice the rate."""
    window = np.arange(distance - SAME_WAVE_MS, distance + SAME_WAVE_MS + 1.0, STEP_MS)
    others, _ = _means(held, on_ms[1:], window)
    flat, template = others.reshape(window.size, -1), mean.reshape(-1)
    like = flat @ template / (np.linalg.norm(flat, axis=1) * np.linalg.norm(template) + 1e-12)
    size = np.linalg.norm(flat, axis=1) / (np.linalg.norm(template) + 1e-12)
    # Beside QRS its bridge makes shapes of its own.
    clear = ~held.blind[np.clip(held.centre(on_ms[1:, None] + window[None, :]), 0, held.size.size - 1)].any(axis=0)
    return bool(((like >= 0.85) & (size >= 0.6) & clear).any())
