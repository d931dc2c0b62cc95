"""From the outline of each average beat to the marks of every single beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecg.arrays import Flags, Floats, Ints, counted, ints
from ecg.beats import Shapes
from ecg.waves import P_LIKE, Outline, detrended, likeness

NOWHERE = -(10**9)
P_EARLY_MS, P_LATE_MS = 200.0, 60.0
P_NEAR_MS = 40.0
P_AROUND_MS = 76.0
P_FAR_GAIN = 0.15
"""A P far from its usual place must fit that much better to be believed [project]."""
T_LAG_MS = 48.0


@dataclass(frozen=True, slots=True, eq=False)
class BeatMarks:
    """Marks of all beats, int [beat, lead, 3] and globally int [beat, 3], ``NOWHERE`` where a wave is absent.

    ``p_alike`` float [beat]: how well each dominant beat's P window resembles the mean of all the other beats' (NaN
    where none was compared). In fibrillation it is near 0; a template that holds the beat itself would flatter it.
    """

    p: Ints
    qrs: Ints
    t: Ints
    p_global: Ints
    qrs_global: Ints
    t_global: Ints
    p_alike: Floats

    @property
    def has_p(self) -> Flags:
        """Which beats have a P, bool [beat]."""
        return self.p_global[:, 1] != NOWHERE


def carried(
    signal: Floats, rate_hz: float, shapes: Shapes, averages: list[Floats], outlines: list[Outline | None], centre: int
) -> BeatMarks:
    """Carries each shape's outline to its beats in ``signal`` float [lead, sample]."""
    count, leads = shapes.samples.size, signal.shape[0]
    marks = BeatMarks(
        p=np.full((count, leads, 3), NOWHERE, dtype=np.intp),
        qrs=np.full((count, leads, 3), NOWHERE, dtype=np.intp),
        t=np.full((count, leads, 3), NOWHERE, dtype=np.intp),
        p_global=np.full((count, 3), NOWHERE, dtype=np.intp),
        qrs_global=np.full((count, 3), NOWHERE, dtype=np.intp),
        t_global=np.full((count, 3), NOWHERE, dtype=np.intp),
        p_alike=np.full(count, np.nan),
    )
    for shape, outline in enumerate(outlines):
        rows = np.flatnonzero(shapes.labels == shape)
        if outline is None or not rows.size:
            continue
        origin = shapes.samples[rows] - centre
        marks.qrs[rows] = outline.qrs[None] + origin[:, None, None]
        marks.qrs_global[rows] = outline.qrs_global[None] + origin[:, None]
        _carry_t(marks, signal, rate_hz, averages[shape], outline, rows, origin)
    if outlines and outlines[0] is not None and outlines[0].p is not None:
        _carry_p(marks, signal, rate_hz, averages[0], outlines[0], shapes, centre)
    _forget_outside(marks, signal.shape[1])
    return marks


def _carry_t(
    marks: BeatMarks, signal: Floats, rate_hz: float, average: Floats, outline: Outline, rows: Ints, origin: Ints
) -> None:
    if outline.t is None or outline.t_global is None:
        return
    ms = rate_hz / 1000.0
    low = max(int(outline.qrs_global[2]), int(outline.t_global[1]) - round(110 * ms))
    high = min(average.shape[1], int(outline.t_global[2]) + round(20 * ms))
    shift = np.zeros(rows.size, dtype=np.intp)
    if rows.size > 2 and high - low > 10:
        reach = round(T_LAG_MS * ms)
        places, fit = likeness(signal, average[:, low:high], origin + low, -reach, reach, max(1, round(4 * ms)))
        best = np.argmax(fit, axis=1)
        shift = np.where(fit.max(axis=1) >= 0.6, places[best], 0)
    marks.t[rows] = outline.t[None] + (origin + shift)[:, None, None]
    marks.t[np.ix_(rows, np.flatnonzero(~outline.t_seen))] = NOWHERE
    marks.t_global[rows] = outline.t_global[None] + (origin + shift)[:, None]


def _carry_p(
    marks: BeatMarks, signal: Floats, rate_hz: float, average: Floats, outline: Outline, shapes: Shapes, centre: int
) -> None:
    if outline.p is None or outline.p_global is None:
        return
    ms = rate_hz / 1000.0
    low = max(0, int(outline.p_global[1]) - round(P_AROUND_MS * ms))
    high = min(int(outline.qrs_global[0]), int(outline.p_global[1]) + round(P_AROUND_MS * ms))
    if high - low < 10:
        return
    origin = shapes.samples - centre
    step = max(1, round(4 * ms))
    places, likely = likeness(
        signal, average[:, low:high], origin + low, -round(P_EARLY_MS * ms), round(P_LATE_MS * ms), step
    )
    close = np.where(np.abs(places)[None, :] <= P_NEAR_MS * ms, likely, -1.0)
    near, far = np.argmax(close, axis=1), np.argmax(likely, axis=1)
    beat = counted(origin.size)
    chosen = ints(np.where(likely[beat, far] > close[beat, near] + P_FAR_GAIN, far, near))
    shift, fit = places[chosen], likely[beat, chosen]
    _compare_p(marks, signal, shapes, origin + low, high - low)
    onset = marks.qrs_global[:, 0]
    previous_t = np.concatenate([[NOWHERE], marks.t_global[:-1, 1]])
    place = outline.p_global[None] + (origin + shift)[:, None]
    good = (fit >= P_LIKE) & (place[:, 1] > previous_t + round(40 * ms)) & (place[:, 1] < onset - round(10 * ms))
    good &= (shapes.labels == 0) | (fit >= 0.75)
    rows = np.flatnonzero(good)
    marks.p[rows] = outline.p[None] + (origin + shift)[rows, None, None]
    marks.p[np.ix_(rows, np.flatnonzero(~outline.p_seen))] = NOWHERE
    marks.p_global[rows] = place[rows]


def _compare_p(marks: BeatMarks, signal: Floats, shapes: Shapes, starts: Ints, width: int) -> None:
    """Each dominant beat's P window against the mean of the others, all leads together, without mean and trend."""
    rows = np.flatnonzero((shapes.labels == 0) & (starts >= 0) & (starts + width <= signal.shape[1]))
    if rows.size < 3:
        return
    windows = detrended(signal[:, starts[rows, None] + counted(width)[None, :]].transpose(1, 0, 2))
    others = windows.sum(axis=0)[None] - windows
    size = np.sqrt(np.einsum("bln,bln->b", windows, windows) * np.einsum("bln,bln->b", others, others))
    marks.p_alike[rows] = np.einsum("bln,bln->b", windows, others) / np.maximum(size, 1e-12)


def _forget_outside(marks: BeatMarks, samples: int) -> None:
    for part in (marks.p, marks.qrs, marks.t, marks.p_global, marks.qrs_global, marks.t_global):
        part[(part < 0) | (part >= samples)] = NOWHERE
        part[part[..., 1] == NOWHERE] = NOWHERE
