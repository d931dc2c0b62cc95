"""All steps from the signal to the sorted beats."""

from __future__ import annotations

import numpy as np

from ecg.arrays import Flags, Floats, Ints
from ecg.beats import revision
from ecg.beats.detector import detect
from ecg.beats.shapes import Shapes, sort_by_shape
from ecg.signal.filters import Bank, band_pass


def found(bank: Bank, weights: Floats) -> Shapes | None:
    """The beats of a recording, sorted into shapes; ``None`` if there is none. ``weights`` float [lead]: 0 leaves a
    lead out."""
    at, strength = detect(bank, weights)
    if not at.size:
        return None
    steep = bank.filtered(band_pass(3.0, 30.0))[weights > 0]
    shapes = sort_by_shape(steep, bank.rate_hz, at, strength)
    new, masks = revision.overlooked(steep, bank.rate_hz, shapes)
    if new.size:
        at, strength = _joined(shapes, masks, new)
        shapes = sort_by_shape(steep, bank.rate_hz, at, strength)
    shapes = _only(shapes, ~revision.doubtful(bank, weights, shapes))
    return shapes if shapes.samples.size else None


def whole(shapes: Shapes, count: int, rate_hz: float) -> Shapes:
    """The beats that an end of the recording of ``count`` samples does not cut off."""
    return _only(shapes, revision.whole(shapes.samples, count, rate_hz))


def _joined(shapes: Shapes, masks: Ints, new: Ints) -> tuple[Ints, Floats]:
    left = np.ones(shapes.samples.size, dtype=np.bool_)
    left[masks] = False
    at = np.concatenate([shapes.samples[left], new])
    strength = np.concatenate([shapes.strength[left], np.ones(new.size)])
    order = np.argsort(at, kind="stable")
    return at[order], strength[order]


def _only(shapes: Shapes, kept: Flags) -> Shapes:
    """The beats that are ``kept``; shapes that lose all of theirs are gone."""
    if kept.all():
        return shapes
    labels = shapes.labels[kept]
    present = np.unique(labels)
    return Shapes(
        shapes.samples[kept],
        np.searchsorted(present, labels).astype(np.intp),
        shapes.fit[kept],
        shapes.likeness[present],
        shapes.strength[kept],
    )
