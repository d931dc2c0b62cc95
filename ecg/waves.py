"""Where each wave begins, peaks and ends, in every lead and globally (CLINICAL.md §2.1).

The average beat of each shape is delineated with all leads at hand, then carried to the single beats: QRS by the beat's
alignment, P and T by the lag at which the beat fits the average best, so that a PR that lengthens or a QT that follows
the rate is seen. A beat whose P window does not resemble the average P has no P. A lead's own mark is drawn towards the
leads' consensus, the more the smaller its wave is: a flat lead knows little of its own end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecg.arrays import Flags, Floats, Ints, counted, floats, ints, steps, typical
from ecg.signal.filters import smooth

P_HZ, QRS_HZ, T_HZ = 25.0, 55.0, 16.0
"""Smoothing before the marks of each wave are sought: above the wave's own content, below muscle [project, LUDB half].
"""
P_SEARCH_MS = 320.0
P_GUARD_MS = 16.0
P_AFTER_T_MS = 20.0
P_ARM_MS = 60.0
P_NEAR_MS, P_TIGHT_MS = 50.0, 30.0
P_LATE_NEGATIVE = 0.85
"""A negative phase behind P's middle counts less than the positive one before it: readers mark the first phase."""
P_BACK_MS, P_FORTH_MS = 82.0, 74.0
P_SHORTEST_ARM_MS = 56.0
P_STEEP_WITHIN = 0.6
P_ON_TANGENT, P_OFF_TANGENT = 0.35, 0.60
P_PULL, P_PEAK_PULL = 0.25, 0.2
"""How strongly a lead of usual size is drawn to the consensus; 0 leaves it alone [project, LUDB half]."""
P_FLOOR_MV = 0.030
"""A P below 30 µV peak to peak in every lead is absent (CLINICAL.md §2.1)."""
P_LIKE = 0.5
"""A beat has a P where its window correlates this well with the average P (CLINICAL.md §3.1, R_AF)."""
T_FLOOR_MV = 0.030
T_ARM_MS = 80.0
T_REACH_MS = 140.0
T_PULL, T_PEAK_PULL = 0.25, 0.1
T_TANGENT = 0.60
T_LATER_MS = 4.0
"""Readers mark T's end that much later than trapezium and tangent together do [project, LUDB half]."""
QRS_PULL = 0.5
QRS_LEAD_PULL = 0.5
KNEE_BACK_MS, KNEE_LAG_MS = 160.0, 12.0
"""How far before its steepest slope a lead's knee is sought, and how long after the onset that readers mark it lies:
what smoothing and the chord cost, alike in all leads [project, LUDB half]."""
KNEE_FORTH_MS = (120.0, 160.0)
LATE_SLOPE = 0.5
"""QRS's last main slope is the last one of at least half of the steepest [project]."""
FIRST_R_MV, FIRST_R_SHARE = 0.015, 0.01
"""An r before the deepest point is R from 15 µV and a hundredth of the depth on."""
FIRST_R_WITHIN_MS = 63.0
"""An r that long before the deepest point is not the mark of a QRS so broad: its main deflection is [project]."""
LATER_R = 1.75
"""A later R′ must be that much higher than the first r to be the mark [project, LUDB half]."""
T_LEAD_MS = 165.0
T_SHARE_OF_RR = 0.70
T_PEAK_MS, T_SPREAD_MS = 310.0, 130.0
"""T's peak after QRS onset at 60/min (it follows the cube root of RR) and how far it may lie from there [project]."""
QRS_BACK_MS, QRS_FORTH_MS = 120.0, 150.0
QRS_SLOPE = 0.04
"""QRS lasts while a lead's slope is above this share of its steepest [project, LUDB half]."""
QRS_SLOPE_END = 0.04
QUIET_MS = 12.0
QUIET_SHARE = 0.30
"""The noise before and after QRS is the slope of the calmest parts there: half of that stretch may be P or T."""
ON_TOGETHER_MS, OFF_TOGETHER_MS = 12.0, 16.0
"""A global onset (end) needs a second lead within so much (CLINICAL.md §2.1)."""


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """Marks of one average beat. Arrays int [lead, 3] (onset, peak, offset) in samples of the beat; the globals int
    [3].

    ``p`` or ``t`` is ``None`` where the wave is absent in all leads; ``p_seen``, ``t_seen`` say in which leads it is
    there.
    """

    qrs: Ints
    qrs_global: Ints
    p: Ints | None
    p_global: Ints | None
    p_seen: Flags
    t: Ints | None
    t_global: Ints | None
    t_seen: Flags
    qt_unsure: bool


def outline(beat: Floats, rate_hz: float, centre: int, rr_ms: tuple[float, float], alive: Flags) -> Outline | None:
    """Delineates an average beat float [lead, sample] whose QRS lies at ``centre``; ``None`` if no lead is alive.

    ``rr_ms``, the usual intervals before and after such a beat, bound the search for P and T; ``alive`` bool [lead]
    marks leads that carry signal.
    """
    if not alive.any() or beat.shape[1] < 3:
        return None
    ms = rate_hz / 1000.0
    qrs, overall = _qrs(beat, rate_hz, centre, alive)
    level = _reference(beat, int(overall[0]), ms)
    level_beat = beat - level[:, None]
    t_limit = min(beat.shape[1] - 1, centre + round(min(T_SHARE_OF_RR * rr_ms[1], 720.0) * ms))
    t, t_global, t_seen, unsure = _t(level_beat, rate_hz, (int(overall[0]), int(overall[2])), t_limit, rr_ms[1], alive)
    previous_end = (int(t_global[2]) if t_global is not None else int(overall[2])) - round(rr_ms[0] * ms)
    p, p_global, p_seen = _p(level_beat, rate_hz, int(overall[0]), previous_end, alive)
    return Outline(qrs, overall, p, p_global, p_seen, t, t_global, t_seen, unsure)


def _reference(beat: Floats, onset: int, ms: float) -> Floats:
    width = max(1, round(20 * ms))
    return beat[:, max(0, onset - width) : max(1, onset)].mean(axis=1)


def qrs_bounds(beat: Floats, rate_hz: float, centre: int, alive: Flags) -> Ints:
    """Global QRS onset, main deflection and end of an average beat, int [3]."""
    return _qrs_span(beat, rate_hz, centre, alive).overall


def _qrs(beat: Floats, rate_hz: float, centre: int, alive: Flags) -> tuple[Ints, Ints]:
    """Each lead's own marks int [lead, 3], and the global ones int [3]."""
    found = _qrs_span(beat, rate_hz, centre, alive)
    return _qrs_of_leads(found, rate_hz / 1000.0) + found.low, found.overall


@dataclass(frozen=True, slots=True, eq=False)
class _Span:
    """QRS of an average beat by its slope. ``piece``, ``slope`` float [lead, sample] begin at sample ``low`` of the
    beat; ``weight`` float [lead]; ``last`` int [lead], ``on`` and ``off`` count in the piece, ``overall`` int [3] in
    the beat."""

    piece: Floats
    slope: Floats
    weight: Floats
    last: Ints
    on: int
    off: int
    low: int
    overall: Ints


def _qrs_span(beat: Floats, rate_hz: float, centre: int, alive: Flags) -> _Span:
    ms = rate_hz / 1000.0
    low, high = (
        max(0, centre - round((KNEE_BACK_MS + 80) * ms)),
        min(beat.shape[1], centre + round((QRS_FORTH_MS + 120) * ms)),
    )
    piece = smooth(beat[:, low:high], rate_hz, QRS_HZ)
    slope = np.abs(np.gradient(piece, axis=1)) * ms
    slope = smooth(slope, rate_hz, 60.0)
    spatial = np.sqrt((slope[alive] ** 2).mean(axis=0))
    middle = centre - low
    core = _window(middle, 60 * ms, spatial.size)
    top = core.start + int(np.argmax(spatial[core]))
    near = _window(top, 70 * ms, spatial.size)
    steepest = slope[:, near].max(axis=1)
    # Quiet stretches on either side show the slope that noise and P, T leave.
    begin = np.zeros(beat.shape[0], dtype=np.intp)
    end = np.zeros(beat.shape[0], dtype=np.intp)
    g_on, g_off = _bounds(spatial[None, :], np.array([spatial[near].max()]), top, ms)
    begin_all, end_all = _bounds(slope, steepest, top, ms)
    begin = np.clip(begin_all, g_on[0] - round(10 * ms), g_on[0] + round(24 * ms))
    end = np.clip(end_all, g_off[0] - round(30 * ms), g_off[0] + round(16 * ms))
    use = alive & (steepest > 0.15 * typical(steepest[alive]))
    if not use.any():
        use = alive
    weight = np.sqrt(np.maximum(steepest, 1e-9))
    first = ints(np.rint(_pulled(begin, _weighted_median(begin[use], weight[use]), QRS_PULL)))
    last = ints(np.rint(_pulled(end, _weighted_median(end[use], weight[use]), QRS_PULL)))
    on = _confirmed(first[use], ON_TOGETHER_MS * ms, first=True)
    off = _confirmed(last[use], OFF_TOGETHER_MS * ms, first=False)
    magnitude = np.abs(piece[alive][:, on : off + 1] - piece[alive][:, on : on + 1]).sum(axis=0)
    overall = np.array([on, on + int(np.argmax(magnitude)), off], dtype=np.intp)
    return _Span(piece, slope, weight * use, last, on, off, low, overall + low)


def _qrs_of_leads(found: _Span, ms: float) -> Ints:
    """Each lead's own marks int [lead, 3]: the knees of its path length, drawn to the leads' mean.

    The path length, the running sum of the absolute slope, rises evenly over noise and over a slanting ST segment and
    steeply within QRS. The ends by slope have their share in the end.
    """
    piece, slope, weight = found.piece, found.slope, found.weight
    size = piece.shape[1]
    inner = _span(found.on - 10 * ms, found.off + 10 * ms, size)
    late = _span(found.on, found.off + 16 * ms, size)
    path = np.cumsum(slope, axis=1)
    top = inner.start + np.argmax(slope[:, inner], axis=1)
    begin = floats(_knee(path, top, -round(KNEE_BACK_MS * ms))) - KNEE_LAG_MS * ms
    part = slope[:, late]
    steep = part >= LATE_SLOPE * part.max(axis=1, keepdims=True)
    foot = late.stop - 1 - np.argmax(steep[:, ::-1], axis=1)
    knees = [_knee(path, foot, round(reach * ms)) for reach in KNEE_FORTH_MS]
    end = floats(sum(knees, found.last)) / (len(knees) + 1)
    share = weight / max(float(weight.sum()), 1e-12)
    on = ints(np.rint(_pulled(begin, float(begin @ share), QRS_LEAD_PULL)))
    off = ints(np.rint(_pulled(end, float(end @ share), QRS_LEAD_PULL)))
    on = np.clip(on, 0, size - 1)
    off = np.clip(off, np.minimum(on + 2, size - 1), size - 1)
    return np.stack([on, _qrs_peaks(piece, on, off, FIRST_R_WITHIN_MS * ms), off], axis=1)


def _span(low: float, high: float, size: int) -> slice:
    first = min(max(0, round(low)), size - 1)
    return slice(first, max(first + 1, min(size, round(high) + 1)))


def _pulled(marks: Ints | Floats, middle: float, pull: float) -> Floats:
    return floats((1 - pull) * marks + pull * middle)


def _knee(path: Floats, top: Ints, reach: int) -> Ints:
    """Where a rising curve bends most between ``top`` int [lead] and ``reach`` samples from it (negative: before it):
    the point farthest from the chord."""
    count = abs(reach)
    away: Ints = counted(count + 1)
    at = np.clip(top[:, None] + (away if reach > 0 else -away)[None, :], 0, path.shape[1] - 1)
    values = np.take_along_axis(path, at, axis=1)
    chord = values[:, :1] + (values[:, -1:] - values[:, :1]) * (away / max(count, 1))[None, :]
    bend = values - chord if reach > 0 else chord - values
    return np.take_along_axis(at, np.argmax(bend, axis=1)[:, None], axis=1)[:, 0]


def _window(middle: int, reach: float, size: int) -> slice:
    return slice(max(0, middle - round(reach)), min(size, middle + round(reach) + 1))


def _bounds(slope: Floats, steepest: Floats, top: int, ms: float) -> tuple[Ints, Ints]:
    """First and last sample of the steep stretch around ``top`` for each row; short gaps belong to it."""
    quiet = max(1, round(QUIET_MS * ms))
    before = slope[:, max(0, top - round((QRS_BACK_MS + 40) * ms)) : top + 1][:, ::-1]
    after = slope[:, top : top + round((QRS_FORTH_MS + 20) * ms)]
    out: list[Ints] = []
    for part, share in ((before, QRS_SLOPE), (after, QRS_SLOPE_END)):
        noise = (
            np.quantile(part[:, -round(60 * ms) :], QUIET_SHARE, axis=1)
            if part.shape[1] > 80 * ms
            else np.zeros(len(slope))
        )
        still = part < np.maximum(share * steepest, 1.6 * noise)[:, None]
        # The main slopes lie within 50 ms of the top: a lead that is flat at the top itself is not cut short there.
        inner = min(part.shape[1] - 1, round(50 * ms))
        at: Ints = counted(part.shape[1])
        last_steep = np.where(~still[:, : inner + 1], at[: inner + 1], 0).max(axis=1)
        run = np.cumsum(still, axis=1)
        ahead = np.full_like(run, -1)
        ahead[:, :-quiet] = run[:, quiet:] - run[:, :-quiet]
        calm: Flags = ahead >= quiet
        first_calm = ints(np.where(calm.any(axis=1), np.argmax(calm, axis=1), part.shape[1] - 1))
        # A calm stretch before the last steep sample is a notch, not the end.
        later = calm & (at[None, :] >= last_steep[:, None])
        out.append(ints(np.where(later.any(axis=1), np.argmax(later, axis=1), first_calm)))
    return top - out[0], top + out[1]


def _qrs_peaks(piece: Floats, begin: Ints, end: Ints, within: float) -> Ints:
    """The R peak where there is one, else the deepest point: the mark that readers set. A small r before a deep S is R
    unless what follows is much higher, or S comes later than ``within`` samples."""
    peaks = begin.copy()
    for k in range(piece.shape[0]):
        part = piece[k, begin[k] : end[k] + 1]
        if part.size < 3:
            continue
        above = part - steps(part[0], part[-1], part.size)
        nadir, highest = int(np.argmin(above)), int(np.argmax(above))
        first = int(np.argmax(above[: nadir + 1]))
        depth, tall = float(-above[nadir]), float(above[highest])
        if nadir - first > within and depth > tall:
            peaks[k] += nadir
        elif above[first] >= max(FIRST_R_MV, FIRST_R_SHARE * depth) and LATER_R * above[first] >= tall:
            peaks[k] += first
        else:
            peaks[k] += highest if tall >= max(0.015, 0.04 * depth) else nadir
    return peaks


def _confirmed(values: Ints, within: float, first: bool) -> int:
    ordered = np.sort(values) if first else np.sort(values)[::-1]
    for k in range(ordered.size - 1):
        if abs(int(ordered[k + 1]) - int(ordered[k])) <= within:
            return int(ordered[k])
    return int(typical(ordered))


def _weighted_median(values: Ints | Floats, weight: Floats) -> float:
    order = np.argsort(values, kind="stable")
    share = floats(np.cumsum(weight[order]))
    middle = int(np.searchsorted(share, 0.5 * float(share[-1])))
    return float(values[order[middle]])


def _flank(signal: Floats, peak: Ints, sign: Floats, direction: int, reach: Ints, inner: float, tangent: float) -> Ints:
    """Foot of a wave on one side: between two methods that err to opposite sides.

    The trapezium: the point that spans the largest one with the steepest point and the far end (Zhang's T-end method,
    Physiol Meas 2006;27:1389), turned to either side. The tangent: where the steepest slope meets the level of the far
    end; it has the share ``tangent``. ``reach`` int [lead] is the distance of the far end; the steepest point is sought
    within ``inner`` of it.
    """
    longest = max(2, int(reach.max()))
    away = counted(longest + 1)
    at = np.clip(peak[:, None] + direction * away[None, :], 0, signal.shape[1] - 1)
    values = np.take_along_axis(signal, at, axis=1) * sign[:, None]
    fall = -np.gradient(values, axis=1)
    fall[away[None, :] > (inner * reach)[:, None]] = -np.inf
    steep = np.argmax(fall, axis=1)
    slope = np.take_along_axis(fall, steep[:, None], axis=1)[:, 0]
    top = np.take_along_axis(values, steep[:, None], axis=1)
    area = (top - values) * (2.0 * reach[:, None] - away[None, :] - steep[:, None])
    area[(away[None, :] < steep[:, None]) | (away[None, :] > reach[:, None])] = -np.inf
    corner = np.argmax(area, axis=1)
    level = np.take_along_axis(values, reach[:, None], axis=1)[:, 0]
    met = steep + np.clip((top[:, 0] - level) / np.maximum(slope, 1e-9), 0.0, np.maximum(reach - steep, 0))
    return peak + direction * ints(np.rint((1 - tangent) * corner + tangent * met))


def _drawn_together(marks: Ints, weight: Floats, pull: float, seen: Flags) -> tuple[Ints, float]:
    """Marks moved towards the leads' weighted median, weak leads most; and that median."""
    middle = _weighted_median(marks[seen], weight[seen])
    trust = weight / (weight + pull * float(typical(weight[seen])))
    return np.rint(middle + trust * (marks - middle)).astype(np.intp), middle


def _t(
    beat: Floats, rate_hz: float, span: tuple[int, int], limit: int, rr_ms: float, alive: Flags
) -> tuple[Ints | None, Ints | None, Flags, bool]:
    ms = rate_hz / 1000.0
    nothing = np.zeros(beat.shape[0], dtype=np.bool_)
    onset, j_point = span
    width_ms = (j_point - onset) / ms
    begin = j_point + round(20 * ms)
    if limit - begin < 120 * ms:
        return None, None, nothing, True
    shape = smooth(beat, rate_hz, T_HZ)
    arm = round(T_ARM_MS * ms)
    ahead = np.minimum(np.arange(begin, limit + 1) + arm, shape.shape[1] - 1)
    behind = np.maximum(np.arange(begin, limit + 1) - arm, j_point)
    dome = shape[:, begin : limit + 1] - 0.5 * (shape[:, ahead] + shape[:, behind])
    spatial = np.sqrt((dome[alive] ** 2).sum(axis=0))
    spatial[: round(40 * ms)] = 0
    # Where a flat T leaves the choice open, the place that T usually has at this rate decides.
    usual = T_PEAK_MS * (rr_ms / 1000.0) ** (1 / 3) + 0.5 * (width_ms - 90.0)
    away: Floats = (counted(spatial.size) / ms + (begin - j_point) / ms + width_ms - usual) / T_SPREAD_MS
    spatial *= np.exp(-0.5 * away**2)
    top = begin + _highest_hump(spatial)
    near = _window(top - begin, 60 * ms, dome.shape[1])
    size = np.abs(dome[:, near]).max(axis=1)
    seen = alive & (size >= 0.5 * T_FLOOR_MV) if (size[alive] >= T_FLOOR_MV).any() else nothing
    if not seen.any():
        return None, None, nothing, True
    sign = np.sign(np.take_along_axis(dome[:, near], np.argmax(np.abs(dome[:, near]), axis=1)[:, None], axis=1))[:, 0]
    sign[sign == 0] = 1.0
    reach = _window(top, 70 * ms, shape.shape[1])
    tilt = shape[:, reach]
    peak = (reach.start + np.argmax(tilt * sign[:, None], axis=1)).astype(np.intp)
    edge = (peak <= reach.start) | (peak >= reach.stop - 1)
    peak[edge] = begin + near.start + np.argmax(np.abs(dome[:, near]), axis=1)[edge]
    peak, _ = _drawn_together(peak, size, T_PEAK_PULL, seen)
    stretch = float(np.clip((rr_ms / 900.0) ** (1 / 3), 0.7, 1.6))
    far = np.minimum(round(stretch * T_REACH_MS * ms), np.maximum(limit + round(40 * ms) - peak, 4)).astype(np.intp)
    back = np.minimum(round(T_LEAD_MS * ms), np.maximum(peak - j_point, 4)).astype(np.intp)
    off, off_all = _drawn_together(
        _flank(shape, peak, sign, 1, far, 0.7, T_TANGENT) + round(T_LATER_MS * ms), size, T_PULL, seen
    )
    on, on_all = _drawn_together(_flank(shape, peak, sign, -1, back, 0.7, T_TANGENT), size, T_PULL, seen)
    ends = np.sort(off[seen])
    latest = float(typical(ends[-3:]))
    overall = np.array([round(on_all), top, round(latest)], dtype=np.intp)
    return np.stack([on, peak, off], axis=1), overall, seen, abs(latest - off_all) > 30 * ms


def _p(
    beat: Floats, rate_hz: float, onset: int, previous_end: int, alive: Flags
) -> tuple[Ints | None, Ints | None, Flags]:
    ms = rate_hz / 1000.0
    nothing = np.zeros(beat.shape[0], dtype=np.bool_)
    begin = max(0, onset - round(P_SEARCH_MS * ms), previous_end + round(P_AFTER_T_MS * ms))
    stop = onset - round(P_GUARD_MS * ms)
    if stop - begin < 70 * ms:
        return None, None, nothing
    held = beat[:, : onset + 1].copy()
    held[:, onset - round(4 * ms) :] = beat[:, onset - round(4 * ms) - 1 : onset - round(4 * ms)]
    shape = smooth(held, rate_hz, P_HZ)
    span = np.arange(begin, stop)
    arm = round(P_ARM_MS * ms)
    dome = shape[:, span] - 0.5 * (shape[:, np.minimum(span + arm, onset)] + shape[:, np.maximum(span - arm, 0)])
    spatial = np.sqrt((dome[alive] ** 2).sum(axis=0))
    guard = round(24 * ms)
    spatial[:guard] = 0
    top = _highest_hump(spatial)
    near = _window(top, P_NEAR_MS * ms, span.size)
    size = np.abs(dome[:, near]).max(axis=1)
    if not (size[alive] >= 0.6 * P_FLOOR_MV).any() or top < guard:
        return None, None, nothing
    seen = alive & (size >= 0.006)
    strongest = _p_peaks(dome[:, near], top - near.start, P_TIGHT_MS * ms)
    sign = np.sign(np.take_along_axis(dome[:, near], strongest[:, None], axis=1))[:, 0]
    sign[sign == 0] = 1.0
    peak, _ = _drawn_together((begin + near.start + strongest).astype(np.intp), size, P_PEAK_PULL, seen)
    back_reach, forth_reach = round(P_BACK_MS * ms), round(P_FORTH_MS * ms)
    back = np.minimum(back_reach, np.maximum(peak - begin, round(P_SHORTEST_ARM_MS * ms))).astype(np.intp)
    forth = np.minimum(forth_reach, np.maximum(onset - peak, 4)).astype(np.intp)
    on, on_all = _drawn_together(_flank(shape, peak, sign, -1, back, P_STEEP_WITHIN, P_ON_TANGENT), size, P_PULL, seen)
    off, off_all = _drawn_together(
        _flank(shape, peak, sign, 1, forth, P_STEEP_WITHIN, P_OFF_TANGENT), size, P_PULL, seen
    )
    strong = seen & (size >= typical(size[seen]))
    first = _confirmed(on[strong], ON_TOGETHER_MS * ms, first=True) if strong.sum() > 1 else round(on_all)
    last = _confirmed(off[strong], ON_TOGETHER_MS * ms, first=False) if strong.sum() > 1 else round(off_all)
    overall = np.array([first, begin + top, min(last, onset)], dtype=np.intp)
    return np.stack([on, peak, off], axis=1), overall, seen


def _p_peaks(dome: Floats, top: int, tight: float) -> Ints:
    """Place of each lead's P in a window float [lead, sample]; where the highest place is the window's first, it leans
    on the T wave before and the place nearest to ``top`` is taken."""
    at: Ints = counted(dome.shape[1])
    height = np.abs(dome) * np.where((dome < 0) & (at > top)[None, :], P_LATE_NEGATIVE, 1.0)
    strongest = np.argmax(height, axis=1)
    close = np.where((np.abs(at - top) <= tight)[None, :], height, -1.0)
    return ints(np.where(strongest == 0, np.argmax(close, axis=1), strongest))


def _highest_hump(curve: Floats) -> int:
    """The highest inner maximum: at an edge the curve only leans on a neighbouring wave."""
    inner = np.flatnonzero((curve[1:-1] >= curve[:-2]) & (curve[1:-1] > curve[2:]) & (curve[1:-1] > 0)) + 1
    return int(inner[np.argmax(curve[inner])]) if inner.size else int(np.argmax(curve))


def likeness(signal: Floats, template: Floats, starts: Ints, low: int, high: int, step: int) -> tuple[Ints, Floats]:
    """How well each beat fits a piece of the average beat at each lag: the lags int [lag], the correlation float
    [beat, lag].

    ``template`` float [lead, width] lies at ``starts`` int [beat] for lag 0. Each window is compared without its own
    mean and trend, all leads together, every ``step`` samples. A lag that leaves the recording has correlation −1.
    """
    wanted = detrended(np.ascontiguousarray(template[:, ::step]))
    width = wanted.shape[1]
    count = (high - low) // step + 1
    at: Ints = starts[:, None] + low + step * counted(count + width - 1)[None, :]
    pieces = signal[:, np.clip(at, 0, signal.shape[1] - 1)].transpose(1, 0, 2)
    windows = np.lib.stride_tricks.sliding_window_view(pieces, width, axis=2)
    ramp = _ramp(width)
    dot = np.einsum("blkn,ln->bk", windows, wanted)
    slant = windows @ ramp
    total, squares = _sliding_sum(pieces, width), _sliding_sum(pieces**2, width)
    left = (squares - total**2 / width - slant**2).sum(axis=1)
    fit = dot / (np.sqrt(np.maximum(left, 1e-12)) * max(float(np.linalg.norm(wanted)), 1e-9))
    fit[(at[:, :count] < 0) | (at[:, :count] + step * (width - 1) >= signal.shape[1])] = -1.0
    return low + step * counted(count), fit


def _ramp(width: int) -> Floats:
    """A straight line of that many points with mean 0 and length 1."""
    line = floats(counted(width) - (width - 1) / 2)
    return line / max(float(np.linalg.norm(line)), 1e-12)


def _sliding_sum(values: Floats, width: int) -> Floats:
    running = np.cumsum(values, axis=-1)
    out = running[..., width - 1 :].copy()
    out[..., 1:] -= running[..., :-width]
    return out


def detrended(windows: Floats) -> Floats:
    """Windows along the last axis without their own mean and trend."""
    line = _ramp(windows.shape[-1])
    level = windows - windows.mean(axis=-1, keepdims=True)
    return level - (level @ line)[..., None] * line
