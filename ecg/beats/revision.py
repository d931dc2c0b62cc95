"""The second look: what the dominant beat, once it is known, says about beats that were overlooked or imagined.

The detector knows slopes only. A small beat among tall ones, or one beside an artefact that is steeper than it, is
found again by its shape: the dominant beat is a matched filter. A complex of another shape is no beat of the heart
where the dominant beats around it keep their usual distance and it is weak, or is a step: an electrode that moved
takes the line to another level, QRS brings it back. An extra beat of the heart delays the next one, or is as steep
as the others and comes back.
"""

from __future__ import annotations

import numpy as np

from ecg.arrays import Flags, Floats, Ints, floats, ints, steps, typical
from ecg.beats.detector import LONG_GAP
from ecg.beats.shapes import AVERAGED, HALF_MS, Shapes
from ecg.signal.filters import Bank, low_pass

SCAN_HZ = 250.0
FEWEST = 4
"""Dominant beats that make a matched filter."""
LEADING = 0.42
"""The dominant shape holds this share of the beats, or it judges nobody [project]."""
ALIKE = 0.93
"""Its beats are this much alike: the waves of fibrillating ventricles resemble one another too, but less (§3.1)."""
NEW_SHARE = 0.5
"""Where more than so many were to be added to the dominant ones the shape fits everything, and means nothing."""
FOUND_AGAIN = 0.85
"""Correlation with the dominant beat at which an overlooked one is found [project]."""
LEAST, MOST = 0.35, 3.0
"""Its size in dominant beats."""
APART_S = 0.30
MASKED_S = 0.26
OPEN_GAP = 1.30
"""A beat is looked for where the interval is that much longer than usual."""
KEPT_TIME = 1.20
WEAK = 0.6
STEP = 0.5
"""What remains of a step after 100 ms, as a share of its height; of a QRS less [project]."""
EDGE_MS = 100.0
"""Nearer to an end of the recording neither a QRS nor the PQ segment that it is measured against is whole; annotators
leave such beats out too."""


def overlooked(steep: Floats, rate_hz: float, shapes: Shapes) -> tuple[Ints, Ints]:
    """Dominant beats that the detector missed, and the found ones (indices) that are artefacts beside them.

    ``steep``: the 3–30 Hz band of the living leads, float [lead, sample].
    """
    nothing = np.empty(0, dtype=np.intp)
    own = np.flatnonzero(shapes.labels == 0)
    if own.size < max(FEWEST, LEADING * shapes.samples.size) or shapes.fit[own].mean() < ALIKE:
        return nothing, nothing
    places = _matched(steep, rate_hz, shapes.samples[own])
    samples = shapes.samples
    usual = float(typical(np.diff(samples)))
    new: list[int] = []
    masks: list[int] = []
    for row in range(places.size):
        place = int(places[row])
        k = int(np.searchsorted(samples, place))
        before = place - int(samples[k - 1]) if k else 10**9
        after = int(samples[k]) - place if k < samples.size else 10**9
        if min(before, after) <= 0.08 * rate_hz:
            continue
        near = [i for i, d in ((k - 1, before), (k, after)) if d < MASKED_S * rate_hz]
        if near:
            if all(shapes.labels[i] != 0 and shapes.likeness[shapes.labels[i]] < 0.5 for i in near):
                new.append(place)
                masks.extend(near)
        elif min(before, after) >= APART_S * rate_hz and _open(samples, k, usual):
            new.append(place)
    if len(new) > NEW_SHARE * own.size:
        return nothing, nothing
    return ints(new), ints(sorted(set(masks)))


def _open(samples: Ints, k: int, usual: float) -> bool:
    """Whether the interval before beat ``k`` is long enough for a beat more; beyond the ends nobody knows."""
    return not 0 < k < samples.size or float(samples[k] - samples[k - 1]) >= OPEN_GAP * usual


def _matched(steep: Floats, rate_hz: float, own: Ints) -> Ints:
    """Where the signal looks like the dominant beat, of about its size."""
    from scipy.signal import find_peaks, oaconvolve

    step = max(1, round(rate_hz / SCAN_HZ))
    thin = steep[:, ::step]
    half = round(HALF_MS * rate_hz / 1000 / step)
    at = np.rint(own / step).astype(np.intp)
    at = at[(at >= half) & (at + half < thin.shape[1])]
    if at.size < 3:
        return np.empty(0, dtype=np.intp)
    used = at[steps(0, at.size - 1, min(at.size, AVERAGED)).astype(int)]
    template = np.median(thin[:, used[:, None] + np.arange(-half, half + 1)[None, :]], axis=1)
    power = float(np.sum(template**2))
    padded = np.pad(thin, ((0, 0), (half, half)))
    dot = np.asarray(oaconvolve(padded, template[:, ::-1], mode="valid", axes=1)).sum(axis=0)
    running = np.concatenate([[0.0], np.cumsum((padded**2).sum(axis=0))])
    energy = np.maximum(running[2 * half + 1 :] - running[: -2 * half - 1], 1e-12)
    fit = dot / np.sqrt(energy * max(power, 1e-12))
    peaks, _ = find_peaks(
        np.concatenate([[0.0], fit, [0.0]]), height=FOUND_AGAIN, distance=max(1, round(0.17 * SCAN_HZ))
    )
    peaks = ints(peaks - 1)
    size = dot[peaks] / max(power, 1e-12)
    good = (size >= LEAST) & (size <= MOST)
    return ints(peaks[good] * step)


def doubtful(bank: Bank, weights: Floats, shapes: Shapes) -> Flags:
    """Which beats are none, bool [beat]."""
    labels, samples, strength = shapes.labels, shapes.samples, shapes.strength
    out = np.zeros(samples.size, dtype=np.bool_)
    trusted = (labels == 0) | ((shapes.likeness[labels] >= 0.6) & (strength >= WEAK))
    own = np.flatnonzero(trusted)
    if own.size < max(FEWEST, LEADING * samples.size):
        return out
    usual = float(typical(np.diff(samples[own])))
    strangers = np.flatnonzero(~trusted)
    after = np.searchsorted(own, strangers)
    inside = (after > 0) & (after < own.size)
    strangers, after = strangers[inside], after[inside]
    kept_time = samples[own[after]] - samples[own[after - 1]] <= KEPT_TIME * usual
    strangers = strangers[kept_time]
    if strangers.size:
        out[strangers] = (strength[strangers] < WEAK) | _steps(bank, weights, samples[strangers])
    return out


def _steps(bank: Bank, weights: Floats, at: Ints) -> Flags:
    """Whether the line stays at another level after each place, over all living leads."""
    signal, rate = bank.filtered(low_pass(30.0))[weights > 0], bank.rate_hz
    ms = rate / 1000.0

    def around(first: float, last: float) -> Floats:
        index = np.clip(at[:, None] + np.arange(round(first * ms), round(last * ms))[None, :], 0, signal.shape[1] - 1)
        return signal[:, index]

    before = np.median(around(-140.0, -80.0), axis=2)
    later = np.median(around(100.0, 180.0), axis=2) - before
    near = around(-80.0, 80.0) - before[:, :, None]
    low, high = near.min(axis=2), near.max(axis=2)
    height = floats(np.where(np.abs(low) > np.abs(high), low, high))
    return np.asarray(
        (later * np.sign(height)).sum(axis=0) > STEP * np.maximum(np.abs(height).sum(axis=0), 1e-9), dtype=np.bool_
    )


def whole(samples: Ints, count: int, rate_hz: float) -> Flags:
    """Which beats lie wholly inside a recording of ``count`` samples; one that bounds a long interval stays."""
    edge = EDGE_MS * rate_hz / 1000
    out = (samples >= edge) & (samples < count - edge)
    if samples.size < FEWEST:
        return np.ones_like(out)
    gaps = np.diff(samples)
    long = gaps > LONG_GAP * float(typical(gaps))
    out[0] |= long[0]
    out[-1] |= long[-1]
    return out
