"""What the atria do where P has no fixed place: P before unhurried beats, waves of flutter (CLINICAL.md §3.1).

Computed only when the rhythm asks for it, because it looks at the whole signal.
"""

from __future__ import annotations

import numpy as np

from ecg.analysis import Kind
from ecg.arrays import Floats
from ecg.interpret.facts import Facts
from ecg.marks import NOWHERE

P_SPAN_MS = (260.0, 30.0)
"""Where P lies before QRS onset, PR of up to 260 ms included."""
P_LEADS = 3
"""P is judged in the leads that show it best; noise of the others must not hide it."""
P_GRAIN_MS = 16.0
WINDOW_MS = (320.0, 30.0)
"""Where P is looked for, before QRS onset: long PR included."""
CALM_QUANTILE = 0.6
"""Beats behind an interval of at least this quantile: whatever came before, T is over when their P comes."""
FLUTTER_LEADS = ("II", "III", "aVF", "V1")
LAGS_MS = (176.0, 250.0)
"""240–340 waves a minute."""


def p_repeats(facts: Facts) -> float | None:
    """Share of the variance before QRS that comes back beat after beat, in the three leads where it is largest.

    1: the same P before every beat; 0: nothing but chance. It is the intraclass correlation (Fisher 1925) of the
    window before QRS over the beats that are neither early nor ventricular: the mean over ``n`` beats holds an ``n``-th
    of what changes from beat to beat, which is taken off. Unlike a share of beats that resemble the others, it does not
    rise by chance where there are few beats. ``None`` with fewer than four.
    """
    marks = facts.marks
    if marks is None or not facts.signal.size or marks.qrs_global.shape[0] != len(facts.rhythm.beats):
        return None
    ms = facts.rate_hz / 1000.0
    steady = np.array([b.kind == Kind.DOMINANT for b in facts.rhythm.beats], dtype=np.bool_)
    onset = marks.qrs_global[:, 0]
    start = onset - round(P_SPAN_MS[0] * ms)
    rows = np.flatnonzero(steady & (onset != NOWHERE) & (start >= 0))
    leads = np.flatnonzero([facts.readable(name) for name in facts.leads])
    if rows.size < 4 or not leads.size:
        return None
    grain = max(1, round(P_GRAIN_MS * ms))
    width = round((P_SPAN_MS[0] - P_SPAN_MS[1]) * ms) // grain * grain
    windows = facts.signal[leads][:, start[rows, None] + np.arange(width)[None, :]]
    windows = windows.reshape(leads.size, rows.size, -1, grain).mean(axis=3)
    windows = windows - windows.mean(axis=2, keepdims=True)
    ramp = np.linspace(-1.0, 1.0, windows.shape[2])
    windows = windows - ramp * (windows @ ramp / (ramp @ ramp))[:, :, None]
    usual = windows.mean(axis=1)
    change = ((windows - usual[:, None]) ** 2).sum(axis=(1, 2)) / (rows.size - 1)
    lasting = (usual**2).sum(axis=1) - change / rows.size
    share = lasting / np.maximum(change + np.maximum(lasting, 0.0), 1e-12)
    return float(np.sort(share)[-P_LEADS:].mean())


def lead_pr_ms(facts: Facts) -> float | None:
    """The typical lead's PR in ms: from the onset of its own P to that of its own QRS, median over beats and leads.

    The global PR runs from the earliest P to the earliest QRS of any lead; against the marks of LUDB's readers it is 7
    ms longer than what they have in the single lead. ``None`` where P is marked in none.
    """
    marks = facts.marks
    if marks is None or not marks.p.size:
        return None
    first, last = marks.p[:, :, 0], marks.qrs[:, :, 0]
    known = (first != NOWHERE) & (last != NOWHERE)
    if not known.any():
        return None
    leads = [float(np.median((last - first)[known[:, k], k])) for k in np.flatnonzero(known.any(axis=0)).tolist()]
    return float(np.median(leads)) / facts.rate_hz * 1000.0


def alternation(rr_ms: Floats) -> float | None:
    """Typical change over two intervals as a share of that over one: near 1 where every interval is a surprise, near 0
    where long and short ones alternate (bigeminy). ``None`` below seven intervals."""
    if rr_ms.size < 7:
        return None
    one, two = np.abs(np.diff(rr_ms)), np.abs(rr_ms[2:] - rr_ms[:-2])
    return float(np.median(two) / max(float(np.median(one)), 1e-9))


def calm_p_likeness(facts: Facts) -> float | None:
    """Lower quartile of each unhurried beat's P window's correlation with the mean of the others', all leads together.

    Premature beats disturb a comparison over all beats; those behind a long interval have their P in peace. In
    fibrillation they are no more alike than the rest. ``None`` with fewer than three such beats.
    """
    marks = facts.marks
    if marks is None or facts.rhythm.rr_ms.size < 4 or not facts.signal.size:
        return None
    ms = facts.rate_hz / 1000.0
    onset = marks.qrs_global[:, 0]
    rr = np.concatenate([[np.nan], facts.rhythm.rr_ms])[: onset.size]
    long = rr >= np.nanquantile(rr, CALM_QUANTILE)
    width = round((WINDOW_MS[0] - WINDOW_MS[1]) * ms)
    start = onset - round(WINDOW_MS[0] * ms)
    rows = np.flatnonzero(long & (onset != NOWHERE) & (start >= 0))
    if rows.size < 3:
        return None
    span = start[rows, None] + np.arange(width)[None, :]
    windows = facts.signal[:, span].transpose(1, 0, 2)
    ramp = np.linspace(-1.0, 1.0, width)
    windows = windows - windows.mean(axis=2, keepdims=True)
    windows = windows - ramp * (windows @ ramp / (ramp @ ramp))[:, :, None]
    others = windows.sum(axis=0)[None] - windows
    size = np.sqrt(np.einsum("bln,bln->b", windows, windows) * np.einsum("bln,bln->b", others, others))
    # Waves of fibrillation may fall alike by chance, but hardly before every beat.
    alike = np.einsum("bln,bln->b", windows, others) / np.maximum(size, 1e-12)
    return float(np.sort(alike)[rows.size // 4])


def flutter(facts: Facts) -> tuple[float, float] | None:
    """Rate (Hz) and likeness of waves that repeat without rest at 240–340/min, in the clearest of II, III, aVF and V1.

    QRS is cut out and bridged, the rest band-limited by differences; the likeness is the autocorrelation at the wave's
    own lag and at twice the lag, whichever is less. ``None`` where nothing can be sought.
    """
    marks = facts.marks
    if marks is None or not facts.signal.size:
        return None
    ms = facts.rate_hz / 1000.0
    rows = [facts.leads.index(n) for n in FLUTTER_LEADS if n in facts.leads and facts.readable(n)]
    if not rows:
        return None
    step = max(1, round(8 * ms))
    span = slice(0, min(facts.signal.shape[1], round(12000 * ms)))
    x = _bridged(facts.signal[rows, span], marks.qrs_global, round(16 * ms))
    x = x[:, : x.shape[1] // step * step].reshape(len(rows), -1, step).mean(axis=2)
    per_s = facts.rate_hz / step
    x = _between(x, per_s, 3.2, 12.0)
    low, high = round(LAGS_MS[0] / 1000 * per_s), round(LAGS_MS[1] / 1000 * per_s)
    if x.shape[1] < 6 * high:
        return None
    spectrum = np.abs(np.fft.rfft(x, 2 * x.shape[1], axis=1)) ** 2
    auto = np.fft.irfft(spectrum, axis=1)[:, : 2 * high + 2]
    auto = auto / np.maximum(auto[:, :1], 1e-12)
    lags = np.arange(low, high + 1)
    score = np.minimum(auto[:, lags], auto[:, 2 * lags] * 1.2)
    # A peak at either end of the range belongs to something slower or faster.
    score[:, [0, -1]] = 0.0
    lead, best = np.unravel_index(int(np.argmax(score)), score.shape)
    return float(per_s / lags[int(best)]), float(score[lead, best])


def _bridged(x: Floats, qrs: Floats | np.ndarray, margin: int) -> Floats:
    out = x.copy()
    for on, _, off in qrs.tolist():
        a, b = max(0, on - margin), min(x.shape[1] - 1, off + margin)
        if on != NOWHERE and off != NOWHERE and a < b:
            out[:, a : b + 1] = x[:, a, None] + (x[:, b, None] - x[:, a, None]) * np.linspace(0.0, 1.0, b - a + 1)
    return out


def _between(x: Floats, rate_hz: float, low_hz: float, high_hz: float) -> Floats:
    spectrum = np.fft.rfft(x - x.mean(axis=1, keepdims=True), axis=1)
    hz = np.fft.rfftfreq(x.shape[1], 1.0 / rate_hz)
    spectrum[:, (hz < low_hz) | (hz > high_hz)] = 0.0
    return np.fft.irfft(spectrum, x.shape[1], axis=1)
