"""Where the heart beats: QRS detection over all leads, beats of one shape together, the average beat of a shape.

A QRS is steep in many leads at once. Each lead's 8–25 Hz envelope is scaled by its own high quantile and capped, so
that neither an inverted lead nor a lead full of spikes decides; their mean is compared with a reference that follows
the recording. A gap much longer than the usual one is searched again at 40 % of the threshold (CLINICAL.md §3.1,
R_PAUSE).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecg.arrays import Flags, Floats, Ints, counted, floats, ints, steps
from ecg.signal.filters import Bank, band_pass

ENVELOPE_HZ = 125.0
"""Sampling of the detector's envelope: nothing above 40 Hz is in it."""
REFRACTORY_S = 0.17
"""Two QRS are never closer: 300/min is 200 ms."""
THRESHOLD = 0.30
SEARCH_BACK = 0.40
"""Share of the threshold at which a long gap is searched again (CLINICAL.md §3.1)."""
LONG_GAP = 1.66
LONGEST_GAP_S = 1.3
"""A gap this long is searched whatever the usual one is: where most of the beats that were found are tall ventricular
ones, it is theirs [project]."""
CLEAR = 6.0
"""What is found there must stand this far above the median of the envelope."""
ALIKE_HEIGHT = 0.55
T_WAVE_S = 0.40
T_WAVE_SHARE = 0.45
"""A candidate this soon after a QRS and this much flatter is its T wave [project]."""
SAME_SHAPE = 0.82
"""Correlation over all leads above which two beats have one shape [project]."""
MAX_SHAPES = 8
WEAK = 0.6
FAINT = 0.25
"""A stretch whose steepest slopes are below this share of the recording's has no QRS of its own [project]."""
ALIGN_MS = 48.0
HALF_MS = 110.0
AVERAGED = 24
"""At most so many beats make an average: more no longer lower its noise visibly."""
BEFORE_MS = 500.0
AFTER_MS = 750.0


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """Beats sorted into shapes. ``samples`` int [beat]: aligned positions; ``labels`` int [beat]: shape, 0 the
    dominant one; ``fit`` float [beat]: correlation with its shape; ``likeness`` float [shape]: correlation of the
    shape with the dominant."""

    samples: Ints
    labels: Ints
    fit: Floats
    likeness: Floats


def detect(bank: Bank, weights: Floats) -> tuple[Ints, Floats]:
    """Sample numbers of the QRS complexes and the strength of each (1 = this recording's usual).

    ``weights`` float [lead]: 0 leaves a lead out.
    """
    strength, times = _strength(bank, weights)
    if strength.size < 3 or not np.any(strength > 0):
        return np.empty(0, dtype=np.intp), np.empty(0)
    reference = _reference(strength)
    found, height = _candidates(strength, reference)
    found = _without_t_waves(found, height)
    found = _searched_gaps(found, strength, reference)
    at = np.rint(times[found]).astype(np.intp)
    inside = (at >= 0) & (at < bank.samples)
    return at[inside], (strength[found] / reference[found])[inside]


def _strength(bank: Bank, weights: Floats) -> tuple[Floats, Floats]:
    from scipy.fft import ifft

    count = max(8, int(np.ceil(bank.total * min(1.0, ENVELOPE_HZ / bank.rate_hz))))
    bins = min(count // 2, bank.spectrum.shape[1])
    used = np.flatnonzero(weights > 0)
    full = np.zeros((used.size, count), dtype=np.complex128)
    full[:, :bins] = bank.spectrum[used, :bins] * band_pass(8.0, 25.0)(bank.hz[:bins]) * (2.0 * count / bank.total)
    envelope = np.abs(np.asarray(ifft(full, axis=1, overwrite_x=True)))
    times = floats(counted(count) * (bank.total / count) - bank.pad)
    inside = (times > -0.5) & (times < bank.samples)
    envelope, times = envelope[:, inside], times[inside]
    if not envelope.size:
        return np.empty(0), times
    scale = np.quantile(envelope, 0.985, axis=1, keepdims=True)
    scaled = np.minimum(envelope / np.maximum(scale, 1e-6), 1.5)
    return np.asarray(np.average(scaled, axis=0, weights=weights[used]), dtype=np.float64), times


def _reference(strength: Floats) -> Floats:
    """The usual height of a QRS around each sample: a low middle quantile of three-second maxima."""
    from scipy.ndimage import percentile_filter

    block = int(1.5 * ENVELOPE_HZ)
    blocks = max(1, strength.size // block)
    edges = steps(0, strength.size, blocks + 1).astype(int)
    highest = np.maximum.reduceat(strength, edges[:-1])
    if blocks > 1:
        highest = np.maximum(highest, np.append(highest[1:], highest[-2]))
    level = np.asarray(percentile_filter(highest, 40, size=min(9, 2 * blocks - 1), mode="nearest"))
    level = np.maximum(level, FAINT * float(np.quantile(highest, 0.9)))
    centre = (edges[:-1] + edges[1:]) / 2
    return np.maximum(np.interp(counted(strength.size), centre, level), 1e-9)


def _candidates(strength: Floats, reference: Floats) -> tuple[Ints, Floats]:
    from scipy.signal import find_peaks

    padded = np.concatenate([[0.0], strength, [0.0]])
    found, _ = find_peaks(padded, distance=max(1, int(REFRACTORY_S * ENVELOPE_HZ)))
    found = found - 1
    found = found[strength[found] >= THRESHOLD * reference[found]]
    return found.astype(np.intp), strength[found]


def _without_t_waves(found: Ints, height: Floats) -> Ints:
    kept: list[int] = []
    last = -1
    for k in range(found.size):
        soon = last >= 0 and found[k] - found[last] < T_WAVE_S * ENVELOPE_HZ
        if soon and height[k] < T_WAVE_SHARE * height[last]:
            continue
        if soon and height[last] < T_WAVE_SHARE * height[k] and found[k] - found[last] < 0.26 * ENVELOPE_HZ:
            kept.pop()
        kept.append(k)
        last = k
    return found[np.array(kept, dtype=np.intp)]


def _searched_gaps(found: Ints, strength: Floats, reference: Floats) -> Ints:
    """Beats in long gaps: one that the usual threshold missed, or, in a gap that is long by the clock, all of one
    height."""
    if found.size < 3:
        return found
    usual = float(np.median(np.diff(found)))
    guard = int(0.30 * ENVELOPE_HZ)
    ends = np.concatenate([[-guard], found, [strength.size + guard]])
    gaps = np.diff(ends)
    gaps[[0, -1]] -= guard
    middle = float(np.median(strength))
    extra: list[Ints] = []
    for k in np.flatnonzero((gaps > LONG_GAP * usual) | (gaps > LONGEST_GAP_S * ENVELOPE_HZ)):
        peaks = _peaks_between(strength, int(ends[k]), int(ends[k + 1]))
        several = gaps[k] <= LONG_GAP * usual
        floor = (CLEAR if several else 3.0) * middle
        peaks = peaks[strength[peaks] >= np.maximum(SEARCH_BACK * THRESHOLD * reference[peaks], floor)]
        if not peaks.size:
            continue
        best = float(strength[peaks].max())
        extra.append(peaks[strength[peaks] >= ALIKE_HEIGHT * best] if several else peaks[[np.argmax(strength[peaks])]])
    return np.sort(np.concatenate([found, *extra])) if extra else found


def _peaks_between(strength: Floats, first: int, last: int) -> Ints:
    from scipy.signal import find_peaks

    guard = int(0.30 * ENVELOPE_HZ)
    begin, end = first + guard, last - guard
    if end - begin < 3:
        return np.empty(0, dtype=np.intp)
    peaks, _ = find_peaks(strength[begin:end], distance=guard)
    return ints(peaks + begin)


def sort_by_shape(steep: Floats, rate_hz: float, found: Ints, strength: Floats) -> Shapes:
    """Beats aligned with, and gathered into, shapes. ``steep``: the 3–30 Hz band, float [lead, sample].

    A weak candidate (below half of the usual strength) that resembles no other beat is dropped.
    """
    half, reach = round(HALF_MS * rate_hz / 1000), round(ALIGN_MS * rate_hz / 1000)
    margin = half + reach
    padded = np.pad(steep, ((0, 0), (margin, margin)))
    wide = padded[:, found[:, None] + counted(2 * margin + 1)[None, :]].transpose(1, 0, 2)
    count = found.size
    shift = np.zeros(count, dtype=np.intp)
    labels = np.full(count, -1, dtype=np.intp)
    fit = np.zeros(count)
    shapes: list[Floats] = []
    while (left := np.flatnonzero(labels < 0)).size and len(shapes) < MAX_SHAPES:
        template = wide[_most_typical(wide[left][:, :, reach:-reach], left)][:, reach:-reach]
        template, _, _ = _gathered(wide, left, template)
        template, rows, (move, likeness) = _gathered(wide, left, template)
        labels[rows], shift[rows], fit[rows] = len(shapes), move - reach, likeness
        shapes.append(template)
    left = np.flatnonzero(labels < 0)
    if left.size:
        labels[left] = len(shapes)
        shapes.append(wide[left[0]][:, reach:-reach])
    return _ordered(found + shift, labels, fit, shapes, strength, mixed=len(shapes) - 1 if left.size else None)


def _gathered(wide: Floats, left: Ints, template: Floats) -> tuple[Floats, Ints, tuple[Ints, Floats]]:
    """The beats among ``left`` that look like the template (the likest one at least), their average, lags and fits."""
    move, likeness = _aligned(wide[left], template)
    same = likeness >= min(SAME_SHAPE, float(likeness.max()))
    rows, move, likeness = left[same], move[same], likeness[same]
    width = template.shape[1]
    cut = np.stack([wide[r, :, m : m + width] for r, m in zip(rows[:AVERAGED], move[:AVERAGED], strict=True)])
    return (cut[0] if len(cut) < 3 else np.median(cut, axis=0)), rows, (move, likeness)


def _most_typical(windows: Floats, rows: Ints) -> int:
    """The beat that most others resemble."""
    some = windows[:60, :, ::3].reshape(min(len(windows), 60), -1)
    norm = some / np.maximum(np.linalg.norm(some, axis=1, keepdims=True), 1e-12)
    return int(rows[int(np.argmax(np.clip(norm @ norm.T, 0.5, None).sum(axis=1)))])


def _aligned(wide: Floats, template: Floats) -> tuple[Ints, Floats]:
    """For each beat the lag (0 … 2·reach) that fits the template best, and the correlation there."""
    length = template.shape[1]
    windows = np.lib.stride_tricks.sliding_window_view(wide, length, axis=2)
    dot = np.einsum("blkn,ln->bk", windows[:, :, ::2], template)
    energy = np.concatenate(
        [np.zeros((wide.shape[0], 1)), np.cumsum(np.einsum("bln,bln->bn", wide, wide), axis=1)], axis=1
    )
    norm = np.sqrt(np.maximum(energy[:, length:] - energy[:, :-length], 1e-18))[:, ::2] * max(
        float(np.linalg.norm(template)), 1e-9
    )
    likeness = dot / norm
    best = np.argmax(likeness, axis=1)
    return 2 * best, likeness[counted(len(best)), best]


def _ordered(
    samples: Ints, labels: Ints, fit: Floats, shapes: list[Floats], strength: Floats, mixed: int | None
) -> Shapes:
    """Shapes by the strength of their beats, the rest that has no common shape (``mixed``) last."""
    counts = np.bincount(labels, minlength=len(shapes))
    keep = (strength >= 0.5) | (counts[labels] > 1) | _needed(samples, strength)
    total = np.bincount(labels[keep], weights=np.sqrt(np.sqrt(strength[keep])), minlength=len(shapes))
    if mixed is not None:
        total[mixed] = min(total[mixed], 1e-9)
    order: Ints = np.argsort(-total, kind="stable")
    rank = np.empty(len(shapes), dtype=np.intp)
    rank[order] = counted(len(shapes))
    first = shapes[int(order[0])]
    likeness = np.array([_likeness(shapes[int(k)], first) for k in order])
    samples, labels, fit, strength = samples[keep], rank[labels[keep]], fit[keep], strength[keep]
    times = np.argsort(samples, kind="stable")
    samples, labels, fit, strength = samples[times], labels[times], fit[times], strength[times]
    real = ~_between(samples, labels, strength)
    present = np.unique(labels[real])
    return Shapes(samples[real], np.searchsorted(present, labels[real]), fit[real], likeness[present])


def _needed(samples: Ints, strength: Floats) -> Flags:
    """Beats without which a long gap between the strong ones would open."""
    strong = np.sort(samples[strength >= 0.5])
    out = np.zeros(samples.size, dtype=np.bool_)
    if strong.size >= 4:
        gaps = np.diff(strong)
        after = np.searchsorted(strong, samples)
        inside = (after > 0) & (after < strong.size)
        out[inside] = gaps[after[inside] - 1] > LONG_GAP * float(np.median(gaps))
    return out


def _likeness(one: Floats, other: Floats) -> float:
    return float(np.sum(one * other)) / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-12)


def _between(samples: Ints, labels: Ints, strength: Floats) -> Flags:
    """Weak strangers between two dominant beats that stand at their usual distance: T waves and noise, not extra beats.

    An extra beat of the heart delays the next one, or is as steep as the others.
    """
    own = np.flatnonzero(labels == 0)
    out = np.zeros(samples.size, dtype=np.bool_)
    if own.size < 4:
        return out
    usual = float(np.median(np.diff(samples[own])))
    for k in np.flatnonzero((labels != 0) & (strength < WEAK)):
        after = int(np.searchsorted(own, k))
        if 0 < after < own.size:
            out[k] = samples[own[after]] - samples[own[after - 1]] <= 1.2 * usual
    return out


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
    return np.median(beats, axis=1), before, int(used.size)
