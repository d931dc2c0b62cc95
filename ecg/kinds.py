"""What sort each beat is: by shape, width, how early it comes, and what its first part looks like.

Early is early among its neighbours (CLINICAL.md §3.1: an interval of at most 0.85 of the running median), so that a
rate that drifts makes no beat premature. A beat of another shape that is broad comes from the ventricles if it is early
or has no P; it is an atrial one, conducted with a bundle branch block of its own (aberrant), if it begins as the usual
beat does, since that part runs through the branch that still conducts, and is no broader than such blocks are (Sandler
and Marriott 1965, Circulation 31:551). A beat on time that is the sum of the usual and a ventricular one is a fusion of
both. A beat that a pacing spike starts is paced.
"""

from __future__ import annotations

import numpy as np

from ecg.analysis import Beat, Kind
from ecg.arrays import Flags, Floats, counted
from ecg.conditioning import Trace
from ecg.marks import NOWHERE
from ecg.sight import Rendered
from ecg.waves import Outline

EARLY = 0.85
"""An interval of at most so much of the running median is early (CLINICAL.md §3.1, R_PAC)."""
EARLY_PAUSE, PAUSE = 0.80, 0.10
"""Above the first share of the median the next interval must be longer by the second: an extra beat makes a pause."""
SUDDEN = 0.85
"""An early beat comes at once: its interval is below this share of the one before; breathing takes several beats."""
LATE_EXTRA, LATE_PAUSE = 0.95, 0.15
"""A broad stranger may come still later, in front of the next sinus beat, and a pause shows that it was extra."""
NEIGHBOURS = 9
"""Intervals of the running median; the sixth of nine in size, so that in bigeminy the long ones are the usual ones."""
MOST_EARLY = 0.5
"""More early beats than that are no exception but the rhythm."""
UNLIKE, PLAINLY_UNLIKE = 0.8, 0.5
PVC_MS, BROADER_MS = 120.0, 10.0
"""A premature ventricular beat is at least so broad (CLINICAL.md §3.1, R_PVC), and broader than the usual one."""
FEW_LEADS, SHORT_MS = 6, 85.0
"""Fewer leads show less of the width: there a plainly unlike shape need not be as broad, and none is called aberrant:
what is not known to be atrial is ventricular (CLINICAL.md §3.2) [project]."""
INITIAL_MS, INITIAL_LIKE, INITIAL_SIZE = 36.0, 0.90, 2.0
"""An aberrant beat begins like the usual one for 36 ms, between half and twice as large [project]."""
ABERRANT_MS = 140.0
FUSED_SHARE, FUSED_LEFT = 0.20, 0.15
"""In a fusion each parent has at least so much of itself, and no more than so much of the power is neither's [project].
"""
SPIKE_AHEAD_MS, SPIKE_BEHIND_MS = 60.0, 20.0


def kinds(trace: Trace, rendered: Rendered, p_share: float | None) -> tuple[Beat, ...]:
    """What sort each beat is."""
    shapes, ms = rendered.shapes, trace.rate_hz / 1000.0
    sorts = _shape_kinds(rendered, ms, int(trace.alive.sum()))
    broad = np.array([kind is Kind.VENTRICULAR for kind in sorts], dtype=np.bool_)
    early, extra = _early(rendered.rr_ms, broad[shapes.labels])
    regular = bool(early.mean() <= MOST_EARLY) and (p_share or 0.0) > 0.5
    paced = _paced(trace, rendered, ms)
    out: list[Beat] = []
    for k in range(shapes.samples.size):
        sample, label = int(shapes.samples[k]), int(shapes.labels[k])
        shape = rendered.outlines[label] if label < len(rendered.outlines) else None
        at = sample + (int(shape.qrs_global[1]) - rendered.centre if shape is not None else 0)
        bare = not bool(rendered.marks.has_p[k])
        kind = Kind.PACED if paced[k] else _kind(sorts[label], bool(early[k]), bool(extra[k]), bare, regular)
        out.append(Beat(k, at if trace.scale == 1.0 else round(at / trace.scale), kind))
    return tuple(out)


def _kind(shape: Kind, early: bool, extra: bool, bare: bool, regular: bool) -> Kind:
    """A beat's kind from its shape's and its time."""
    if shape is Kind.DOMINANT:
        return Kind.PREMATURE if early and regular else Kind.DOMINANT
    if shape is Kind.ABERRANT:
        return Kind.ABERRANT if early else Kind.VENTRICULAR if bare else Kind.OTHER
    if shape is Kind.VENTRICULAR:
        return Kind.VENTRICULAR if early or extra or bare else Kind.OTHER
    if shape is Kind.FUSION:
        return Kind.VENTRICULAR if early else Kind.FUSION
    return Kind.PREMATURE if early else Kind.OTHER


def _early(rr_ms: Floats, ventricular: Flags) -> tuple[Flags, Flags]:
    """Which beats are early, and which might be were they of another shape, bool [beat]; ``ventricular`` bool [beat].

    A beat behind a ventricular one is judged by the interval from the beat before that: the sinus node did not hear it.
    """
    none = np.zeros(rr_ms.size + 1, dtype=np.bool_)
    if rr_ms.size < 2:
        return none, none
    usual = _usual(rr_ms)
    here = rr_ms / usual
    after = np.append(rr_ms[1:] / usual[:-1], np.inf)
    before = np.concatenate([rr_ms[1:2], rr_ms[:-1]])
    sudden = rr_ms < SUDDEN * before
    early, extra = none.copy(), none.copy()
    early[1:] = (here <= EARLY) & ((here <= EARLY_PAUSE) | (after - here > PAUSE))
    extra[1:] = (here <= LATE_EXTRA) & (after - here > LATE_PAUSE)
    early[2:] &= ~(ventricular[1:-1] & (here[1:] + here[:-1] > EARLY))
    for k in range(1, early.size):  # the second of two early beats need not be earlier still
        early[k] &= bool(sudden[k - 1] or early[k - 1])
    return early, extra


def _usual(rr_ms: Floats) -> Floats:
    """The usual interval around each one, float [beat − 1]: of the nine nearest the sixth in size."""
    width = min(NEIGHBOURS, rr_ms.size)
    first = np.clip(counted(rr_ms.size) - width // 2, 0, rr_ms.size - width)
    near = np.sort(rr_ms[first[:, None] + counted(width)[None, :]], axis=1)
    return near[:, width // 2 + 1 if width > 2 else width // 2]


def _shape_kinds(rendered: Rendered, ms: float, leads: int) -> list[Kind]:
    """What a shape is by itself: dominant, ventricular (broad and unlike), aberrant, fusion, or none of these."""
    main = rendered.outlines[0]
    count = max(int(rendered.shapes.labels.max()) + 1, len(rendered.outlines))
    out = [Kind.DOMINANT, *[Kind.OTHER] * (count - 1)]
    usual = _width_ms(main, ms)
    for label in range(1, len(rendered.outlines)):
        shape = rendered.outlines[label]
        width, like = _width_ms(shape, ms), float(rendered.shapes.likeness[label])
        broad = width >= PVC_MS and width > usual + BROADER_MS
        if leads < FEW_LEADS and like < PLAINLY_UNLIKE and width >= SHORT_MS:
            broad = True
        if like >= UNLIKE or not broad:
            continue
        aberrant = leads >= FEW_LEADS and width <= ABERRANT_MS and _begins_alike(rendered, label, ms)
        out[label] = Kind.ABERRANT if aberrant else Kind.VENTRICULAR
    broad = [label for label, kind in enumerate(out) if kind is Kind.VENTRICULAR]
    for label in range(1, len(rendered.outlines)):
        others = [other for other in broad if other != label]
        if others and out[label] is not Kind.ABERRANT and _is_fusion(rendered, label, others, ms):
            out[label] = Kind.FUSION
    return out


def _width_ms(shape: Outline | None, ms: float) -> float:
    return 0.0 if shape is None else (int(shape.qrs_global[2]) - int(shape.qrs_global[0])) / ms


def _begins_alike(rendered: Rendered, label: int, ms: float) -> bool:
    """Whether a shape's first part resembles the dominant one's in all leads together, and is of its size."""
    count = round(INITIAL_MS * ms)
    parts: list[Floats] = []
    for k in (0, label):
        shape = rendered.outlines[k]
        on = 0 if shape is None else int(shape.qrs_global[0])
        part = rendered.averages[k][:, on : on + count]
        parts.append(part - part[:, :1])
    usual, other = parts
    if usual.shape != other.shape:
        return False
    size = float(np.linalg.norm(usual)), float(np.linalg.norm(other))
    like = float((usual * other).sum()) / max(size[0] * size[1], 1e-12)
    return like >= INITIAL_LIKE and size[0] <= INITIAL_SIZE * size[1] and size[1] <= INITIAL_SIZE * size[0]


def _is_fusion(rendered: Rendered, label: int, ventricular: list[int], ms: float) -> bool:
    """Whether a shape is the sum of parts of the dominant one and of a ventricular one."""
    span = slice(max(0, rendered.centre - round(120 * ms)), rendered.centre + round(160 * ms))
    mine, usual = (rendered.averages[k][:, span] for k in (label, 0))
    mine, usual = (part - part[:, :1] for part in (mine, usual))
    power = float((mine**2).sum())
    for other in ventricular:
        third = rendered.averages[other][:, span]
        third = third - third[:, :1]
        parents = np.stack([usual.ravel(), third.ravel()], axis=1)
        share, left, _, _ = np.linalg.lstsq(parents, mine.ravel(), rcond=None)
        if left.size and float(left[0]) <= FUSED_LEFT * power and bool((share >= FUSED_SHARE).all()):
            return True
    return False


def _paced(trace: Trace, rendered: Rendered, ms: float) -> Flags:
    """Which beats a spike starts, bool [beat]."""
    onset = rendered.marks.qrs_global[:, 0]
    if not trace.spikes.size:
        return np.zeros(onset.size, dtype=np.bool_)
    ahead = onset[:, None] - trace.spikes[None, :]
    near = (ahead <= SPIKE_AHEAD_MS * ms) & (ahead >= -SPIKE_BEHIND_MS * ms)
    return np.asarray(near.any(axis=1) & (onset != NOWHERE), dtype=np.bool_)
