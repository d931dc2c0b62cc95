"""What the instrument has before it interprets: the beats as rendered, and what the dominant beat shows."""

from __future__ import annotations

from dataclasses import dataclass

from ecg.analysis import Beat, Measurements
from ecg.arrays import Floats
from ecg.beats import Shapes
from ecg.marks import BeatMarks
from ecg.waves import Outline

USUAL_RR_MS = 900.0
"""Taken for the interval between beats where there is but one."""


@dataclass(frozen=True, slots=True, eq=False)
class Rendered:
    """Beats, average beats and their outlines."""

    shapes: Shapes
    averages: list[Floats]
    outlines: list[Outline | None]
    centre: int
    marks: BeatMarks
    rr_ms: Floats
    used: int


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What the dominant beat shows: its outline, its average referenced before QRS, its P, the measurements."""

    main: Outline
    beat: Floats
    p_share: float | None
    has_p: bool
    beats: tuple[Beat, ...]
    measurements: Measurements
