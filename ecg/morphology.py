"""The shape of each lead's average beat beyond its amplitudes: P's phases, notches, J wave, ST and T form, U, PR level.

CLINICAL.md §2.2 and §2.4. A figure is ``None`` where it would be a guess: no P, no T, no room. All leads are measured
at once; only the short lists of notches are made lead by lead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ecg.analysis import Notch
from ecg.arrays import Flags, Floats, counted, floats, ints
from ecg.signal.filters import smooth
from ecg.waves import Outline

PHASE_MV, PHASE_MS = 0.020, 6.0
"""Smallest phase of P that has a name, as for the waves of QRS (CLINICAL.md §2.2)."""
NOTCH_MV = 0.020
"""A notch goes back by at least so much (CLINICAL.md §2.4)."""
NOTCH_HZ = 100.0
"""Smoothing before notches are sought: they last 10 ms or more, muscle less."""
SLUR_SLOPE = 0.35
"""A slur: the flank's slope falls below this share of the steeper parts on both sides of it [project]."""
SLUR_FLOOR = 0.06
"""The two steeper parts have at least this share of the lead's steepest slope [project]."""
EDGE_MS = 10.0
"""A bend this near to J is QRS's end, not a notch [project]."""
J_WAVE_MV = 0.050
"""A J wave's peak stands this high above the level where it ends (a tenth of a millivolt is the rule's matter)."""
J_AFTER_S = 0.25
"""The S before a J wave is at most so much of R: the hook of early repolarisation may follow a small one [project]."""
BEND_MS, BEND_STEADY = (6.0, 12.0), 0.7
"""Behind the bend the slope 12 ms later is at least this share of that 6 ms later: a Gaussian's foot with a QRS below
120 ms falls to less than two thirds [project]."""
J_AFTER_MS, J_BEFORE_MS = 60.0, 30.0
CHORD_SHARE = 0.05
"""ST is convex (concave) where it leaves the chord from J to T's peak by this share of its height (§2.2)."""
CHORD_BOW_MV = 0.015
"""A bow smaller than this is straight however low the chord: noise and the reference move the curve as much [project].
"""
CHORD_MV = 0.050
"""A chord lower than this has no form that could be told from noise [project]."""
ST_LEVEL_MV = 0.040
"""ST is horizontal within 40 µV from J to J+80 (CLINICAL.md §2.2)."""
TP_MS = 80.0
TP_GAP_MS = 8.0
TP_SLOPE_MV_S = 0.100
TP_RR_MS = 700.0
"""The TP level stands for rest where RR is longer and it slopes less than 100 µV/s (CLINICAL.md §2.2)."""
U_GAP_MS, U_MS, U_LEAST_MS = 20.0, 220.0, 100.0


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """What was measured: by lead, the fields of ``LeadMeasurements`` that this module knows."""

    leads: tuple[dict[str, Any], ...]
    tp_known: bool


def form(beat: Floats, outline: Outline, ms: float, rr_ms: float | None) -> Form:
    """Everything of this module for ``beat`` float [lead, sample], 0 before QRS; ``ms`` samples a millisecond."""
    count = beat.shape[0]
    columns: dict[str, list[Any]] = {}
    columns |= _p_phases(beat, outline, ms)
    columns |= _st(beat, outline, ms)
    columns |= _t(beat, outline, ms)
    columns |= _u(beat, outline, ms, rr_ms)
    tp = _tp_level(beat, outline, ms, rr_ms)
    columns |= _against_tp(beat, outline, ms, tp)
    columns |= _qrs_form(beat, outline, ms)
    rows = tuple({name: values[k] for name, values in columns.items()} for k in range(count))
    return Form(rows, tp is not None)


def _listed(values: Floats, known: Flags | None = None) -> list[float | None]:
    held: list[float] = values.tolist()
    flags: list[bool] = [True] * len(held) if known is None else known.tolist()
    return [v if k else None for v, k in zip(held, flags, strict=True)]


def _p_phases(beat: Floats, outline: Outline, ms: float) -> dict[str, list[Any]]:
    """First and second phase of P against the line between the global P's ends: a phase ends where the sign changes."""
    names = ("p1_mv", "p1_ms", "p2_mv", "p2_ms")
    count = beat.shape[0]
    if outline.p_global is None:
        return {name: [None] * count for name in names}
    low, high = max(0, int(outline.p_global[0])), min(int(outline.p_global[2]), int(outline.qrs_global[0]))
    if high - low < 4:
        return {name: [None] * count for name in names}
    part = beat[:, low : high + 1]
    part = part - part[:, :1] - (part[:, -1:] - part[:, :1]) * (counted(part.shape[1]) / (part.shape[1] - 1))
    positive = part > 0
    # The change of sign that splits the area best: what lies before it has one sign, what lies behind it the other.
    total = np.cumsum(part, axis=1)
    split = ints(np.argmax(np.abs(total - 0.5 * total[:, -1:]), axis=1))
    at = counted(part.shape[1])[None, :]
    before, after = at <= split[:, None], at > split[:, None]
    lead_sign = np.where(np.take_along_axis(total, split[:, None], axis=1) >= 0, 1.0, -1.0)
    first = np.where(before, part * lead_sign, 0.0)
    second = np.where(after, -part * lead_sign, 0.0)
    first_mv, second_mv = first.max(axis=1), second.max(axis=1)
    first_ms = (before & (positive == (lead_sign > 0))).sum(axis=1) / ms
    second_ms = (after & (positive != (lead_sign > 0))).sum(axis=1) / ms
    two = (first_mv >= PHASE_MV) & (second_mv >= PHASE_MV) & (first_ms >= PHASE_MS) & (second_ms >= PHASE_MS)
    # One phase only: the whole P is P1.
    extreme = np.take_along_axis(part, np.argmax(np.abs(part), axis=1)[:, None], axis=1)[:, 0]
    width = (part.shape[1] - 1) / ms
    there = np.abs(extreme) >= PHASE_MV
    sign = lead_sign[:, 0]
    return {
        "p1_mv": np.where(two, sign * first_mv, np.where(there, extreme, 0.0)).tolist(),
        "p1_ms": np.where(two, first_ms, np.where(there, width, 0.0)).tolist(),
        "p2_mv": np.where(two, -sign * second_mv, 0.0).tolist(),
        "p2_ms": np.where(two, second_ms, 0.0).tolist(),
    }


def _st(beat: Floats, outline: Outline, ms: float) -> dict[str, list[Any]]:
    """Class of the ST slope (J to J+80) and of its form (J to T's peak)."""
    j, count = int(outline.qrs_global[2]), beat.shape[0]
    slope: list[str | None] = [None] * count
    rise_known = j + round(84 * ms) < beat.shape[1]
    rise = np.full(count, np.nan)
    if rise_known:
        start = beat[:, max(0, j - round(2 * ms)) : j + round(6 * ms) + 1].mean(axis=1)
        rise = beat[:, j + round(76 * ms) : j + round(84 * ms) + 1].mean(axis=1) - start
        slope = ["up" if r > ST_LEVEL_MV else "down" if r < -ST_LEVEL_MV else "horizontal" for r in rise.tolist()]
    shape: list[str | None] = [None] * count
    if outline.t is not None:
        peak = np.clip(outline.t[:, 1], 0, beat.shape[1] - 1)
        span = int(peak.max()) - j
        if span > 40 * ms:
            offset = counted(span + 1)
            at = np.minimum(j + offset[None, :], peak[:, None])
            values = np.take_along_axis(beat, at, axis=1)
            reach = np.maximum(peak - j, 1)[:, None]
            height = values[:, -1:] - values[:, :1]
            away = values - values[:, :1] - height * np.minimum(offset[None, :] / reach, 1.0)
            bow = np.take_along_axis(away, np.argmax(np.abs(away), axis=1)[:, None], axis=1)[:, 0]
            least = np.maximum(CHORD_SHARE * np.abs(height[:, 0]), CHORD_BOW_MV)
            known = outline.t_seen & (np.abs(height[:, 0]) >= CHORD_MV) & (peak - j > 40 * ms)
            shape = [
                None if not k else "convex" if b > least_b else "concave" if b < -least_b else "straight"
                for b, least_b, k in zip(bow.tolist(), least.tolist(), known.tolist(), strict=True)
            ]
    return {
        "st_rise_mv": _listed(rise, np.isfinite(rise)),
        "st_slope": slope,
        "st_shape": shape,
    }


def _t(beat: Floats, outline: Outline, ms: float) -> dict[str, list[Any]]:
    """Area from J to T's end, symmetry, width at half the height, and T's onset after J."""
    names, count = ("t_area_mv_ms", "t_symmetry", "t_width_half_ms", "t_on_ms"), beat.shape[0]
    if outline.t is None or outline.t_global is None:
        return {name: [None] * count for name in names}
    size = beat.shape[1]
    j = min(int(outline.qrs_global[2]), size - 1)
    peak = np.clip(outline.t[:, 1], j, size - 1)
    off = np.clip(outline.t[:, 2], j, size - 1)
    running = np.cumsum(beat, axis=1)
    row = counted(count)
    area = (running[row, off] - running[:, j]) / ms
    symmetry = (peak - j) / np.maximum(off - j, 1)
    sign = np.where(beat[row, peak] >= 0, 1.0, -1.0)
    half = 0.5 * np.abs(beat[row, peak])
    below = beat * sign[:, None] < half[:, None]
    at = counted(size)[None, :]
    left = np.where(below & (at < peak[:, None]) & (at >= j), at, -1).max(axis=1)
    right = np.where(below & (at > peak[:, None]), at, size).min(axis=1)
    known = outline.t_seen & (off > j)
    narrow = known & (left >= 0) & (right < size) & (half >= 0.025)
    return {
        "t_area_mv_ms": _listed(area, known),
        "t_symmetry": _listed(symmetry, known),
        "t_width_half_ms": _listed((right - left - 1) / ms, narrow),
        "t_on_ms": _listed((outline.t[:, 0] - j) / ms, outline.t_seen & (outline.t[:, 0] >= j)),
    }


def _u(beat: Floats, outline: Outline, ms: float, rr_ms: float | None) -> dict[str, list[Any]]:
    """Height of the hump behind T above the line between its ends (0 where there is none), and its end after QRS onset:
    where the tangent at its steepest descent meets that line."""
    count = beat.shape[0]
    unknown: dict[str, list[Any]] = {"u_mv": [None] * count, "u_end_ms": [None] * count}
    if outline.t_global is None:
        return unknown
    low = int(outline.t_global[2]) + round(U_GAP_MS * ms)
    high = min(beat.shape[1] - 1, low + round(U_MS * ms))
    if outline.p_global is not None and rr_ms is not None:
        high = min(high, int(outline.p_global[0]) + round((rr_ms - 20.0) * ms))
    elif rr_ms is not None:
        high = min(high, int(outline.qrs_global[0]) + round((rr_ms - 60.0) * ms))
    if high - low < U_LEAST_MS * ms:
        return unknown
    part = smooth(beat[:, low : high + 1], 1000.0 * ms, 20.0)
    line = part[:, :1] + (part[:, -1:] - part[:, :1]) * (counted(part.shape[1]) / (part.shape[1] - 1))
    away = part - line
    place = np.argmax(np.abs(away), axis=1)
    rows = counted(count)
    height = away[rows, place]
    inner = (place > 20 * ms) & (place < part.shape[1] - 20 * ms) & (np.abs(height) >= PHASE_MV)
    fall = -np.gradient(away * np.sign(height)[:, None], axis=1)
    fall[counted(part.shape[1])[None, :] <= place[:, None]] = -np.inf
    steep = np.argmax(fall, axis=1)
    left = np.abs(away[rows, steep]) / np.maximum(fall[rows, steep], 1e-9)
    end = np.minimum(steep + left, part.shape[1] - 1) + low - int(outline.qrs_global[0])
    return {"u_mv": np.where(inner, height, 0.0).tolist(), "u_end_ms": _listed(end / ms, inner)}


def _tp_level(beat: Floats, outline: Outline, ms: float, rr_ms: float | None) -> Floats | None:
    """Level of the stable TP segment before P, float [lead]; ``None`` where there is none."""
    if outline.p_global is None or outline.t_global is None or rr_ms is None or rr_ms <= TP_RR_MS:
        return None
    high = int(outline.p_global[0]) - round(TP_GAP_MS * ms)
    low = max(0, high - round(TP_MS * ms), int(outline.t_global[2]) - round((rr_ms - U_GAP_MS) * ms))
    if high - low < 0.5 * TP_MS * ms:
        return None
    part = beat[:, low:high]
    half = part.shape[1] // 2
    rise = part[:, half:].mean(axis=1) - part[:, :half].mean(axis=1)
    steep = np.abs(rise) / (half / ms / 1000.0) >= TP_SLOPE_MV_S
    return np.where(steep, np.nan, part.mean(axis=1))


def _against_tp(beat: Floats, outline: Outline, ms: float, tp: Floats | None) -> dict[str, list[Any]]:
    """PR-segment level and ST at J, both against TP."""
    count = beat.shape[0]
    if tp is None or outline.p_global is None:
        return {"pr_segment_mv": [None] * count, "st_j_tp_mv": [None] * count}
    on, j = int(outline.qrs_global[0]), int(outline.qrs_global[2])
    low = min(int(outline.p_global[2]), on - round(12 * ms))
    level = beat[:, max(0, low) : max(1, on)].mean(axis=1) - tp
    st = beat[:, max(0, j - round(2 * ms)) : j + round(6 * ms) + 1].mean(axis=1) - tp
    known = np.isfinite(tp)
    return {"pr_segment_mv": _listed(level, known), "st_j_tp_mv": _listed(st, known)}


def _qrs_form(beat: Floats, outline: Outline, ms: float) -> dict[str, list[Any]]:
    """Notches and slurs within QRS, and the J wave on its last flank."""
    on, j = int(outline.qrs_global[0]), int(outline.qrs_global[2])
    last = min(beat.shape[1] - 1, j + round(J_AFTER_MS * ms))
    piece = smooth(beat[:, on : last + 1], 1000.0 * ms, NOTCH_HZ)
    found = [_turns(row) for row in piece]
    notches: list[tuple[Notch, ...]] = []
    jp: list[float | None] = []
    jt: list[float | None] = []
    jp_ms: list[float | None] = []
    kind: list[str | None] = []
    slope = floats(np.gradient(piece, axis=1)) if piece.shape[1] > 2 else np.zeros_like(piece)
    for k, turns in enumerate(found):
        row: Floats = piece[k]
        steep: Floats = slope[k]
        whole = _notched(row, turns, ms) + _slurred(row, turns, steep, ms)
        inside = tuple(sorted((n for n in whole if n.at_ms <= (j - on) / ms - EDGE_MS), key=lambda n: n.at_ms))
        notches.append(inside)
        wave = _j_wave(row, turns, steep, j - on, ms)
        kind.append(None if wave is None else wave[0])
        jp.append(0.0 if wave is None else wave[1])
        jt.append(0.0 if wave is None else wave[2])
        jp_ms.append(None if wave is None else wave[3])
    return {"notches": notches, "j_wave": kind, "jp_mv": jp, "jt_mv": jt, "jp_ms": jp_ms}


def _turns(row: Floats) -> list[int]:
    """Highs and lows by turns, each at least ``NOTCH_MV`` from the next, the row's two ends included."""
    step = np.diff(row)
    extremes = np.flatnonzero(step[1:] * step[:-1] < 0) + 1
    places = [0, *extremes.tolist(), row.size - 1]
    held: list[int] = [0]
    for at in places[1:]:
        value = row[at]
        if len(held) >= 2 and (row[held[-1]] - row[held[-2]]) * (value - row[held[-1]]) >= 0:
            held[-1] = at
        elif abs(value - row[held[-1]]) >= NOTCH_MV:
            held.append(at)
    return held


def _notched(row: Floats, turns: list[int], ms: float) -> list[Notch]:
    """A turn back within a wave of one sign: neither side of it crosses the level before QRS."""
    out: list[Notch] = []
    for before, at, after in zip(turns, turns[1:], turns[2:], strict=False):
        sign = 1.0 if row[at] > 0 else -1.0
        inner = row[at] * sign < min(row[before] * sign, row[after] * sign)
        if inner and min(row[before] * sign, row[after] * sign) > 0:
            depth = min(abs(row[before] - row[at]), abs(row[after] - row[at]))
            out.append(Notch(at / ms, float(depth), "notch"))
    return out


def _slurred(row: Floats, turns: list[int], slope: Floats, ms: float) -> list[Notch]:
    """A flank that all but stops and goes on: its depth is the height of the bend from the flank's chord."""
    out: list[Notch] = []
    least = SLUR_FLOOR * float(np.abs(slope).max())
    for low, high in zip(turns, turns[1:], strict=False):
        if high - low < 16 * ms or abs(row[high] - row[low]) < 4 * NOTCH_MV:
            continue
        part = np.abs(slope[low : high + 1])
        inner = np.flatnonzero((part[1:-1] <= part[:-2]) & (part[1:-1] < part[2:])) + 1
        held: list[tuple[float, Notch]] = []
        for at in inner.tolist():
            rising, falling = float(part[:at].max()), float(part[at:].max())
            around = min(rising, falling)
            if around < least or part[at] > SLUR_SLOPE * around:
                continue
            left, right = int(np.argmax(part[:at])), at + int(np.argmax(part[at:]))
            chord = row[low + left] + (row[low + right] - row[low + left]) * steps_to(right - left + 1)
            depth = float(np.abs(row[low + left : low + right + 1] - chord).max())
            if depth >= NOTCH_MV:
                held.append((float(part[at]), Notch((low + at) / ms, depth, "slur")))
        if held:
            out.append(min(held, key=lambda pair: pair[0])[1])
    return out


def steps_to(count: int) -> Floats:
    """``count`` values from 0 to 1."""
    return floats(counted(count)) / max(count - 1, 1)


def _j_wave(row: Floats, turns: list[int], slope: Floats, j: int, ms: float) -> tuple[str, float, float, float] | None:
    """Kind, Jp, Jt (mV) and the time of Jp (ms from QRS onset) of a notch or slur in the last half of R's descent
    (Macfarlane 2015, J Am Coll Cardiol 66:470)."""
    top = int(np.argmax(row[: j + 1]))
    tall = float(row[top])
    if tall < 4 * J_WAVE_MV:
        return None
    for at, peak in zip(turns, turns[1:], strict=False):
        # Behind an S that is not small beside R, the hump is an r′.
        rises = row[peak] > row[at] > -J_AFTER_S * tall
        if rises and at > top and at <= j + 20 * ms and peak <= j + 40 * ms and 0 < row[peak] <= 0.5 * tall:
            later = row[peak : min(row.size, peak + round(40 * ms))]
            end = float(later.min())
            if row[peak] >= J_WAVE_MV and row[peak] - row[at] >= NOTCH_MV and row[peak] - end >= NOTCH_MV:
                return "notch", float(row[peak]), end, peak / ms
    return _end_slur(row, slope, top, tall, j, ms)


def _end_slur(
    row: Floats, slope: Floats, top: int, tall: float, j: int, ms: float
) -> tuple[str, float, float, float] | None:
    """Where R's steep descent breaks into a slower one of 10 ms or more that still goes down, and evenly: the foot of a
    smooth R slows all the way."""
    fall = -slope[top:]
    steep = int(np.argmax(fall[: max(2, j - top + round(10 * ms))]))
    limit = 0.4 * float(fall[steep])
    slow = np.flatnonzero(fall[steep:] < limit)
    if not slow.size or limit <= 0:
        return None
    bend = top + steep + int(slow[0])
    if not (J_WAVE_MV <= row[bend] <= 0.5 * tall) or not j - J_BEFORE_MS * ms <= bend <= j + 10 * ms:
        return None
    near, later = (bend + round(after * ms) for after in BEND_MS)
    if later >= row.size or -slope[later] < BEND_STEADY * -slope[near]:
        return None
    still = np.flatnonzero(-slope[bend:] < 0.06 * float(fall[steep]))
    end = bend + (int(still[0]) if still.size else row.size - 1 - bend)
    if end - bend < 10 * ms or row[bend] - row[end] < J_WAVE_MV:
        return None
    return "slur", float(row[bend]), float(row[end]), bend / ms
