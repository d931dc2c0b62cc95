"""How sure each mark is: the probability that it lies as near to where a reader marks it as :data:`TOLERANCE_MS` says.

A small wave has flat ends, and a lead that ends elsewhere than the others is seldom right. So two things are looked at:
the height of the wave in this lead's average beat, and how far its mark lies from the median of all leads' marks. From
them a logistic curve (Cox 1958, J R Stat Soc B 20:215) gives the probability; its three numbers a mark were fitted to
the tuned half of LUDB. What it promises is tested on the half that was never tuned on: of the marks that say 0.8, four
fifths lie within the tolerance. All beats of one shape share their lead's confidence, since their marks are carried
from one average beat. Global marks have none: no reader marks them.
"""

from __future__ import annotations

import numpy as np

from ecg.analysis import Confidence
from ecg.arrays import Flags, Floats, Ints, counted, floats
from ecg.waves import Outline

WAVES = ("p", "qrs", "t")
TOLERANCE_MS: dict[str, tuple[float, float, float]] = {
    "p": (15.0, 10.0, 15.0),
    "qrs": (12.0, 8.0, 14.0),
    "t": (30.0, 12.0, 24.0),
}
"""Onset, peak, offset: about 1.5 times what readers differ among themselves (CSE; Christov 2006) [project]."""
CURVES: dict[str, tuple[tuple[float, float, float], ...]] = {
    "p": ((2.22, 0.86, -0.36), (2.45, 1.24, -0.22), (2.31, 1.15, -0.29)),
    "qrs": ((1.03, 0.34, -0.40), (1.74, 0.41, -0.42), (0.54, 0.48, -1.36)),
    "t": ((1.71, 0.12, -0.22), (2.18, 1.40, -0.30), (2.30, 0.87, -0.48)),
}
"""Constant, slope for each doubling of the height (from 0.1 mV), slope for each 10 ms from the leads' median; by mark
[project, LUDB half]."""
HEIGHT_MV, FLOOR_MV = 0.1, 0.01
STEP_MS, FARTHEST_MS = 10.0, 80.0


def confidence(beat: Floats, outline: Outline, alive: Flags, ms: float) -> list[Confidence]:
    """Confidence of each lead's marks in an average beat float [lead, sample]; ``ms`` samples a millisecond."""
    count = beat.shape[0]
    held: list[Ints | None] = [outline.p, outline.qrs, outline.t]
    marks = np.concatenate([outline.qrs if part is None else part for part in held], axis=1)
    apart = floats(marks - _middle(marks[alive])) / ms
    first, last = marks[:, 0::3].T.ravel(), marks[:, 2::3].T.ravel()
    height = _heights(np.tile(beat, (3, 1)), first, last).reshape(3, count)
    seen = [alive & outline.p_seen & (outline.p is not None), alive, alive & outline.t_seen & (outline.t is not None)]
    found: list[list[tuple[float, float, float] | None]] = []
    for k, wave in enumerate(WAVES):
        sure = probability(wave, height[k], apart[:, 3 * k : 3 * k + 3]).round(2).tolist()
        there: list[bool] = seen[k].tolist()
        found.append([(a, b, c) if known else None for (a, b, c), known in zip(sure, there, strict=True)])
    return [Confidence(p, qrs, t) for p, qrs, t in zip(found[0], found[1], found[2], strict=True)]


def _middle(values: Ints) -> Floats:
    """Median of each column; of nothing, 0."""
    ordered = floats(np.sort(values, axis=0))
    half = ordered.shape[0] // 2
    if not ordered.shape[0]:
        return floats(np.zeros(values.shape[1]))
    if ordered.shape[0] % 2:
        return floats(ordered[half])
    return floats(0.5 * (ordered[half - 1] + ordered[half]))


def probability(wave: str, height_mv: Floats, apart_ms: Floats) -> Floats:
    """The curve: probability float [lead, 3] from heights float [lead] and distances float [lead, 3]."""
    curve = np.array(CURVES[wave])
    doublings = np.log2((height_mv + FLOOR_MV) / HEIGHT_MV)[:, None]
    away = np.minimum(np.abs(apart_ms), FARTHEST_MS) / STEP_MS
    return floats(1.0 / (1.0 + np.exp(-(curve[:, 0] + curve[:, 1] * doublings + curve[:, 2] * away))))


def _heights(beat: Floats, first: Ints, last: Ints) -> Floats:
    """Largest distance of each row's wave from the line between its ends."""
    size = beat.shape[1]
    first, last = np.clip(first, 0, size - 1), np.clip(last, 0, size - 1)
    away = counted(max(2, int((last - first).max()) + 1))
    at = np.minimum(first[:, None] + away[None, :], last[:, None])
    values = np.take_along_axis(beat, at, axis=1)
    share = np.minimum(away[None, :] / np.maximum(last - first, 1)[:, None], 1.0)
    chord = values[:, :1] + (values[:, -1:] - values[:, :1]) * share
    return floats(np.abs(values - chord).max(axis=1))
