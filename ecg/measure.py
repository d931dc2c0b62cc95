"""Numbers from the average beat: amplitudes, intervals, axes, ST at its points (CLINICAL.md §2).

Every amplitude stands against the mean of the 20 ms that end at the global QRS onset; P against the straight line
between its own ends. ST is measured on the unsmoothed average beat.
"""

from __future__ import annotations

import numpy as np

from ecg.analysis import Axes, LeadMeasurements, Measurements, Qtc
from ecg.arrays import Flags, Floats, Ints, steps
from ecg.waves import Outline

WAVE_MV, WAVE_MS = 0.020, 6.0
"""Smallest named wave: 20 µV and 6 ms (CLINICAL.md §2.2)."""
BIPHASIC_MV = 0.050
"""A second phase of T counts from 50 µV (CLINICAL.md §2.1)."""
ST_POINTS_MS = {
    "st_j_mv": (-2.0, 6.0),
    "st_j20_mv": (16.0, 24.0),
    "st_j40_mv": (36.0, 44.0),
    "st_j60_mv": (56.0, 64.0),
    "st_j80_mv": (76.0, 84.0),
}
"""Window around J whose mean is the point's value (CLINICAL.md §2.2)."""


def measured(
    beat: Floats,
    rate_hz: float,
    outline: Outline,
    leads: tuple[str, ...],
    alive: Flags,
    rr_ms: Floats,
    pr_ms: float | None,
    qt_ms: float | None,
) -> Measurements:
    """Everything of §2.3 and §2.4 from the dominant average beat.

    ``beat`` is referenced to 0 before QRS; ``rr_ms`` are all RR intervals; ``pr_ms``, ``qt_ms`` are medians over the
    beats.
    """
    ms = rate_hz / 1000.0
    on, _, j = (int(v) for v in outline.qrs_global)
    per_lead = {
        name: _lead(beat[k], outline, k, ms) if alive[k] else LeadMeasurements() for k, name in enumerate(leads)
    }
    rate = 60000.0 / float(rr_ms.mean()) if rr_ms.size else None
    return Measurements(
        heart_rate_bpm=rate,
        min_rr_ms=float(rr_ms.min()) if rr_ms.size else None,
        max_rr_ms=float(rr_ms.max()) if rr_ms.size else None,
        p_ms=(int(outline.p_global[2]) - int(outline.p_global[0])) / ms
        if outline.p_global is not None and pr_ms is not None
        else None,
        pr_ms=pr_ms,
        qrs_ms=(j - on) / ms,
        qt_ms=qt_ms,
        qtc_ms=corrected(qt_ms, rate) if qt_ms is not None and rate is not None else None,
        axis_deg=_axes(beat, outline, leads, alive, pr_ms is not None),
        leads=per_lead,
    )


def corrected(qt_ms: float, rate_bpm: float) -> Qtc:
    """QT corrected for rate by the four formulae of §2.3; RR in seconds."""
    rr = 60.0 / rate_bpm
    return Qtc(
        bazett=qt_ms / rr**0.5,
        fridericia=qt_ms / rr ** (1 / 3),
        framingham=qt_ms + 154.0 * (1.0 - rr),
        hodges=qt_ms + 1.75 * (rate_bpm - 60.0),
    )


def _lead(x: Floats, outline: Outline, k: int, ms: float) -> LeadMeasurements:
    on, _, j = (int(v) for v in outline.qrs_global)
    st = {name: _mean(x, j, window, ms) for name, window in ST_POINTS_MS.items()}
    waves = named_waves(x[on : j + 1], ms)
    t_high, t_low = _t_phases(x, outline, k, j)
    t = None
    if t_high is not None and t_low is not None:
        t = t_high if t_high >= -t_low else t_low
    return LeadMeasurements(
        p_mv=_p_amplitude(x, outline, k),
        t_mv=t,
        t_positive_mv=t_high,
        t_negative_mv=t_low,
        qrs_pp_mv=float(np.ptp(x[on : j + 1])),
        qrs_area_mv_ms=float(x[on : j + 1].sum()) / ms,
        **waves,
        **st,
    )


def _mean(x: Floats, j: int, window: tuple[float, float], ms: float) -> float | None:
    low, high = j + round(window[0] * ms), j + round(window[1] * ms)
    return float(x[low : high + 1].mean()) if low >= 0 and high < x.size else None


def named_waves(qrs: Floats, ms: float) -> dict[str, float | None]:
    """Q, R, S, R′, S′ (mV) with the durations of the first three (ms) and the time of the last R peak, of one lead's
    QRS.

    Runs of one sign of at least 20 µV and 6 ms; a QS complex is Q, with no R.
    """
    runs = [(sign, low, high) for sign, low, high in _runs(qrs) if (high - low) / ms >= WAVE_MS]
    out: dict[str, float | None] = dict.fromkeys(
        ("q_mv", "r_mv", "s_mv", "r2_mv", "s2_mv", "q_ms", "r_ms", "s_ms"), 0.0
    )
    out["r_peak_ms"] = None
    up, down = ["r_mv", "r2_mv"], ["s_mv", "s2_mv"]
    spans = {"q_mv": "q_ms", "r_mv": "r_ms", "s_mv": "s_ms"}
    seen_r = False
    for sign, low, high in runs:
        part = qrs[low:high]
        if sign > 0:
            name = up.pop(0) if up else "r2_mv"
            seen_r = True
            value = float(part.max())
            out["r_peak_ms"] = (low + int(np.argmax(part))) / ms
        else:
            name = "q_mv" if not seen_r else (down.pop(0) if down else "s2_mv")
            value = float(part.min())
        if abs(value) > abs(out[name] or 0.0):
            out[name] = value
        if name in spans:
            out[spans[name]] = max(out[spans[name]] or 0.0, (high - low) / ms)
    return out


def _runs(qrs: Floats) -> list[tuple[int, int, int]]:
    """Stretches of one sign that reach 20 µV, as (sign, first, one past the last); what is smaller between two of one
    sign is bridged."""
    sign = np.sign(qrs)
    edges = np.flatnonzero(np.diff(sign) != 0) + 1
    bounds = [0, *edges.tolist(), qrs.size]
    found: list[tuple[int, int, int]] = []
    for low, high in zip(bounds[:-1], bounds[1:], strict=True):
        if high <= low or np.abs(qrs[low:high]).max() < WAVE_MV:
            continue
        s = int(sign[low])
        if found and found[-1][0] == s:
            found[-1] = (s, found[-1][1], high)
        else:
            found.append((s, low, high))
    return found


def _t_phases(x: Floats, outline: Outline, k: int, j: int) -> tuple[float | None, float | None]:
    """Highest and lowest value of T; a phase that is only the ST segment's slope does not count."""
    if outline.t is None or outline.t_global is None:
        return None, None
    low = max(j + 1, min(int(outline.t[k, 0]), int(outline.t[k, 1])))
    high = min(x.size, max(int(outline.t[k, 2]), int(outline.t[k, 1])) + 1)
    part = x[low:high]
    if not part.size:
        return None, None
    return float(max(part.max(), 0.0)), float(min(part.min(), 0.0))


def _p_amplitude(x: Floats, outline: Outline, k: int) -> float | None:
    if outline.p is None:
        return None
    if not outline.p_seen[k]:
        return 0.0
    low, high = int(outline.p[k, 0]), int(outline.p[k, 2])
    if high - low < 4 or low < 0:
        return None
    part: Floats = x[low : high + 1] - steps(x[low], x[high], high - low + 1)
    return float(part[int(np.argmax(np.abs(part)))])


def _axes(beat: Floats, outline: Outline, leads: tuple[str, ...], alive: Flags, has_p: bool) -> Axes:
    if "I" not in leads or "aVF" not in leads:
        return Axes()
    i, f = leads.index("I"), leads.index("aVF")
    if not (alive[i] and alive[f]):
        return Axes()
    pair = beat[[i, f]]

    def axis(span: Ints | None, baseline: bool) -> float | None:
        if span is None:
            return None
        part: Floats = pair[:, max(0, int(span[0])) : int(span[2]) + 1]
        if part.shape[1] < 3:
            return None
        if baseline:
            part = part - (part[:, :1] + (part[:, -1:] - part[:, :1]) * steps(0, 1, part.shape[1]))
        area = part.sum(axis=1)
        if float(np.hypot(*area)) < 1e-9:
            return None
        angle = float(np.degrees(np.arctan2(2.0 * area[1] / np.sqrt(3.0), area[0])))
        return angle + 360.0 if angle <= -180.0 else angle

    t_span = None
    if outline.t_global is not None:
        t_span = np.array([outline.t_global[0], outline.t_global[1], outline.t_global[2]], dtype=np.intp)
    return Axes(
        p=axis(outline.p_global, True) if has_p else None,
        qrs=axis(outline.qrs_global, False),
        t=axis(t_span, False),
    )
