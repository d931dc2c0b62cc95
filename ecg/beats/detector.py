"""Where the heart beats: QRS detection over all leads.

A QRS is steep in many leads at once. Each lead's 8–25 Hz envelope is scaled by its own high quantile and capped, so
that neither an inverted lead nor a lead full of spikes decides; their mean is compared with a reference that follows
the recording. A gap much longer than the usual one is searched again at 40 % of the threshold (CLINICAL.md §3.1,
R_PAUSE).
"""

from __future__ import annotations

import numpy as np

from ecg.arrays import Flags, Floats, Ints, counted, floats, ints, steps, typical
from ecg.signal.filters import Bank, band_pass

ENVELOPE_HZ = 125.0
"""Sampling of the detector's envelope: nothing above 40 Hz is in it."""
REFRACTORY_S = 0.17
"""Two QRS are never closer: 300/min is 200 ms."""
THRESHOLD = 0.28
NOISE_TOPS = 2.6
"""Noise peaks stand this far above the lower third of their envelope [project, from a Rayleigh envelope: 2.9]; the
threshold goes with them (Pan and Tompkins 1985), to HIGHEST at most."""
HIGHEST = 0.50
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
LATE_T_S, LATE_T_SHARE = 0.50, 0.30
REFRACTORY_QT = 0.85
"""Nothing is excited again before so much of the QT that the rate lets expect has passed (0.4 s · RR^⅓, Fridericia)…"""
REFRACTORY_SHARE = 0.80
"""…so that what is flatter than the QRS before it is its T, however broad the QRS."""
FEWEST_T = 3
FOOT_S = 0.26
"""Nearer than that to a QRS lie its P wave and its own parts, not its T."""
MIDWAY = 0.45
"""A T lies before the middle of the interval; beats of a tachycardia that alternate do not."""
FAINT = 0.25
"""A stretch whose steepest slopes are below this share of the recording's has no QRS of its own [project]."""


def detect(bank: Bank, weights: Floats) -> tuple[Ints, Floats]:
    """Sample numbers of the QRS complexes and the strength of each (1 = this recording's usual).

    ``weights`` float [lead]: 0 leaves a lead out.
    """
    strength, times = _strength(bank, weights)
    if strength.size < 3 or not np.any(strength > 0):
        return np.empty(0, dtype=np.intp), np.empty(0)
    reference = _reference(strength)
    found, height = _candidates(strength, reference, _threshold(strength, reference))
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


def _threshold(strength: Floats, reference: Floats) -> Floats:
    """Share of the reference that a QRS exceeds at each sample: more where the noise between the beats is high."""
    block = int(2.0 * ENVELOPE_HZ)
    blocks = max(1, strength.size // block)
    edges = steps(0, strength.size, blocks + 1).astype(int)
    low = np.array([np.quantile(strength[a:b], 0.35) for a, b in zip(edges[:-1], edges[1:], strict=True)])
    noise = np.interp(counted(strength.size), (edges[:-1] + edges[1:]) / 2, low) / reference
    return np.clip(NOISE_TOPS * noise, THRESHOLD, HIGHEST)


def _candidates(strength: Floats, reference: Floats, threshold: Floats) -> tuple[Ints, Floats]:
    from scipy.signal import find_peaks

    padded = np.concatenate([[0.0], strength, [0.0]])
    found, _ = find_peaks(padded, distance=max(1, int(REFRACTORY_S * ENVELOPE_HZ)))
    found = found - 1
    found = found[strength[found] >= threshold[found] * reference[found]]
    return found.astype(np.intp), strength[found]


def _without_t_waves(found: Ints, height: Floats) -> Ints:
    """Candidates that are no T wave of the QRS before them, nor a P wave or a foot of the one after them."""
    systematic = _systematic(found, height)
    kept: list[int] = []
    last = -1
    for k in range(found.size):
        apart = (found[k] - found[last]) / ENVELOPE_HZ if last >= 0 else np.inf
        share = height[k] / height[last] if last >= 0 else np.inf
        if (apart < T_WAVE_S and share < T_WAVE_SHARE) or (apart < LATE_T_S and share < LATE_T_SHARE) or systematic[k]:
            continue
        if apart < FOOT_S and height[last] < T_WAVE_SHARE * height[k]:
            kept.pop()
        kept.append(k)
        last = k
    return found[np.array(kept, dtype=np.intp)]


def _systematic(found: Ints, height: Floats) -> Flags:
    """Candidates that the heart cannot have been excited for, where that is so beat after beat: T waves of a broad
    QRS, which are nearly as steep as it is."""
    out = np.zeros(found.size, dtype=np.bool_)
    if found.size < 2 * FEWEST_T:
        return out
    apart, whole = np.diff(found)[:-1] / ENVELOPE_HZ, (found[2:] - found[:-2]) / ENVELOPE_HZ
    lower = (height[1:-1] < REFRACTORY_SHARE * height[:-2]) & (height[1:-1] < height[2:])
    early = apart < np.minimum(REFRACTORY_QT * 0.4 * np.cbrt(whole), MIDWAY * whole)
    out[1:-1] = lower & early
    return out if out.sum() >= max(FEWEST_T, 0.25 * found.size) else np.zeros_like(out)


def _searched_gaps(found: Ints, strength: Floats, reference: Floats) -> Ints:
    """Beats in long gaps: one that the usual threshold missed, or, in a gap that is long by the clock, all of one
    height."""
    if found.size < 3:
        return found
    usual = float(typical(np.diff(found)))
    guard = int(0.30 * ENVELOPE_HZ)
    ends = np.concatenate([[-guard], found, [strength.size + guard]])
    gaps = np.diff(ends)
    gaps[[0, -1]] -= guard
    middle = float(typical(strength))
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
