"""Numbers from the average beat: amplitudes, intervals, axes, ST at its points (CLINICAL.md §2).

Every amplitude stands against the mean of the 20 ms that end at the global QRS onset; P against the straight line
between its own ends. ST is measured on the unsmoothed average beat.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ecg.analysis import Axes, LeadMeasurements, Measurements, Qtc
from ecg.arrays import Flags, Floats, Ints, steps
from ecg.morphology import form
from ecg.recording import Text
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
WIDE_QRS_MS, WIDE_SHARE = 120.0, 0.485
"""QT of a QRS this wide less that share of it is the modified QT (Bogossian 2014, Heart Rhythm 11:2273)."""
PR_SHIFT_MV = 0.050
"""PR segment this far from TP: PR_SEGMENT_SHIFT (CLINICAL.md §2.2)."""
NO_BEATS = Text("心搏不足两个，无法计算。", "Fewer than two beats.")
NO_P = Text("未见与心搏有固定关系的P波。", "No P wave that stands in a fixed relation to the beats.")
NO_T = Text("T波太低或被下一心搏打断，终点无法确定。", "T is too flat or cut off by the next beat: no end.")
NARROW = Text("QRS小于120 ms，不需要宽QRS校正。", "QRS is below 120 ms: QT needs no correction for its width.")
NO_RATE = Text("无法得到心率，不能校正。", "Without a rate there is no correction for it.")


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
    usual = float(np.median(rr_ms)) if rr_ms.size else None
    rest = form(beat, outline, ms, usual).leads
    per_lead = {
        name: _lead(beat[k], outline, k, ms, rest[k]) if alive[k] else LeadMeasurements()
        for k, name in enumerate(leads)
    }
    rate = 60000.0 / float(rr_ms.mean()) if rr_ms.size else None
    qrs_ms = (j - on) / ms
    qtm_ms = qt_ms - WIDE_SHARE * qrs_ms if qt_ms is not None and qrs_ms >= WIDE_QRS_MS else None
    p_ms = None
    if outline.p_global is not None and pr_ms is not None:
        p_ms = (int(outline.p_global[2]) - int(outline.p_global[0])) / ms
    peak_end = None if outline.t_global is None else (int(outline.t_global[2]) - int(outline.t_global[1])) / ms
    return Measurements(
        heart_rate_bpm=rate,
        min_rr_ms=float(rr_ms.min()) if rr_ms.size else None,
        max_rr_ms=float(rr_ms.max()) if rr_ms.size else None,
        p_ms=p_ms,
        pr_ms=pr_ms,
        qrs_ms=qrs_ms,
        qt_ms=qt_ms,
        qtc_ms=corrected(qt_ms, rate) if qt_ms is not None and rate is not None else None,
        axis_deg=_axes(beat, outline, leads, alive, pr_ms is not None),
        leads=per_lead,
        jt_ms=None if qt_ms is None else qt_ms - qrs_ms,
        t_peak_end_ms=peak_end if qt_ms is not None else None,
        qtm_ms=qtm_ms,
        qtmc_ms=corrected(qtm_ms, rate) if qtm_ms is not None and rate is not None else None,
        rr_ms=tuple(rr_ms.tolist()),
        flags=_flags(outline, per_lead),
        unmeasured=_unmeasured(rate, pr_ms, qt_ms, qrs_ms),
    )


def _flags(outline: Outline, leads: dict[str, LeadMeasurements]) -> tuple[str, ...]:
    """What makes a figure doubtful (CLINICAL.md §2.1, §2.2)."""
    shifts = [m.pr_segment_mv for m in leads.values() if m.pr_segment_mv is not None]
    marked = {
        "QT_UNSURE": outline.qt_unsure,
        "PR_SEGMENT_SHIFT": any(abs(v) > PR_SHIFT_MV for v in shifts),
    }
    return tuple(name for name, there in marked.items() if there)


def _unmeasured(rate: float | None, pr_ms: float | None, qt_ms: float | None, qrs_ms: float) -> dict[str, Text]:
    """Why a figure is missing."""
    why: dict[str, Text] = {}
    if rate is None:
        why["heart_rate_bpm"] = NO_BEATS
    if pr_ms is None:
        why |= {"p_ms": NO_P, "pr_ms": NO_P}
    if qt_ms is None:
        why |= dict.fromkeys(("qt_ms", "qtc_ms", "jt_ms", "t_peak_end_ms"), NO_T)
    elif rate is None:
        why["qtc_ms"] = NO_RATE
    if qrs_ms < WIDE_QRS_MS:
        why |= {"qtm_ms": NARROW, "qtmc_ms": NARROW}
    return why


def median(values: Floats) -> float | None:
    """The median; ``None`` of nothing."""
    return float(np.median(values)) if values.size else None


def corrected(qt_ms: float, rate_bpm: float) -> Qtc:
    """QT corrected for rate by the four formulae of §2.3; RR in seconds."""
    rr = 60.0 / rate_bpm
    return Qtc(
        bazett=qt_ms / rr**0.5,
        fridericia=qt_ms / rr ** (1 / 3),
        framingham=qt_ms + 154.0 * (1.0 - rr),
        hodges=qt_ms + 1.75 * (rate_bpm - 60.0),
    )


def _lead(x: Floats, outline: Outline, k: int, ms: float, rest: dict[str, Any]) -> LeadMeasurements:
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
        **rest,
    )


def _mean(x: Floats, j: int, window: tuple[float, float], ms: float) -> float | None:
    low, high = j + round(window[0] * ms), j + round(window[1] * ms)
    return float(x[low : high + 1].mean()) if low >= 0 and high < x.size else None


def named_waves(qrs: Floats, ms: float) -> dict[str, float | None]:
    """Q, R, S, R′, S′ (mV) and their durations (ms), the times of the first wave's peak and of the last R peak, of one
    lead's QRS.

    Runs of one sign of at least 20 µV and 6 ms; a QS complex is Q, with no R.
    """
    runs = [(sign, low, high) for sign, low, high in _runs(qrs) if (high - low) / ms >= WAVE_MS]
    out: dict[str, float | None] = dict.fromkeys(
        ("q_mv", "r_mv", "s_mv", "r2_mv", "s2_mv", "q_ms", "r_ms", "s_ms", "r2_ms", "s2_ms"), 0.0
    )
    out["r_peak_ms"] = out["first_peak_ms"] = None
    up, down = ["r_mv", "r2_mv"], ["s_mv", "s2_mv"]
    seen_r = False
    for sign, low, high in runs:
        part = qrs[low:high]
        if out["first_peak_ms"] is None:
            out["first_peak_ms"] = (low + int(np.argmax(part * sign))) / ms
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
        span = name.replace("_mv", "_ms")
        out[span] = max(out[span] or 0.0, (high - low) / ms)
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
