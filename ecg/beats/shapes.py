"""Beats of one shape together: aligned with one another, gathered into shapes, the dominant one first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecg.arrays import Flags, Floats, Ints, counted, typical
from ecg.beats.detector import LONG_GAP

SAME_SHAPE = 0.82
"""Correlation over all leads above which two beats have one shape [project]."""
MAX_SHAPES = 8
WEAK = 0.6
ALIGN_MS = 48.0
HALF_MS = 110.0
AVERAGED = 24
"""At most so many beats make an average: more no longer lower its noise visibly."""


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """Beats sorted into shapes. ``samples`` int [beat]: aligned positions; ``labels`` int [beat]: shape, 0 the
    dominant one; ``fit`` float [beat]: correlation with its shape; ``likeness`` float [shape]: correlation of the
    shape with the dominant."""

    samples: Ints
    labels: Ints
    fit: Floats
    likeness: Floats
    strength: Floats


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
    usual = float(typical(strength[labels == np.argmax(counts)]))
    if usual < WEAK:  # the tall ones are ventricular: strong and weak count from the dominant ones
        strength = strength / max(usual, 0.05)
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
    return Shapes(samples[real], np.searchsorted(present, labels[real]), fit[real], likeness[present], strength[real])


def _needed(samples: Ints, strength: Floats) -> Flags:
    """Beats without which a long gap between the strong ones would open."""
    strong = np.sort(samples[strength >= 0.5])
    out = np.zeros(samples.size, dtype=np.bool_)
    if strong.size >= 4:
        gaps = np.diff(strong)
        after = np.searchsorted(strong, samples)
        inside = (after > 0) & (after < strong.size)
        out[inside] = gaps[after[inside] - 1] > LONG_GAP * float(typical(gaps))
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
    usual = float(typical(np.diff(samples[own])))
    for k in np.flatnonzero((labels != 0) & (strength < WEAK)):
        after = int(np.searchsorted(own, k))
        if 0 < after < own.size:
            out[k] = samples[own[after]] - samples[own[after - 1]] <= 1.2 * usual
    return out
