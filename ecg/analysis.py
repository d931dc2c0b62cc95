"""What was found: the types of an analysis, from the single beat to the finding with its evidence.

Units stand in the names (``_ms``, ``_mv``, ``_bpm``, ``_deg``). Sample numbers count at the recording's own rate from
0. ``None`` means "could not be measured", never 0; an absent wave is ``None`` too. A finding has no colour: colour is
triage's business (CLINICAL.md §5.6).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ecg.recording import Note, Text

VERSION = "0.1.0"

Marks = tuple[int | None, int | None, int | None]
"""Onset, peak and offset of one wave, in samples; each may be unknown."""


class Grade(StrEnum):
    """Signal quality of a lead or a recording (CLINICAL.md §1.5)."""

    A = "A"
    """Clean."""
    B = "B"
    """Slight defect, every rule assessable."""
    C = "C"
    """Part of the rules not assessable."""
    D = "D"
    """Morphology unreliable: rhythm, rate and gross QRS width only."""
    E = "E"
    """Unreadable."""


class Kind(StrEnum):
    """What sort of beat it is, by shape and timing."""

    DOMINANT = "dominant"
    """The shape that most beats of the recording have."""
    PREMATURE = "premature"
    """Shaped like the dominant beat, but early (supraventricular by shape)."""
    VENTRICULAR = "ventricular"
    """Wide, unlike the dominant beat, and early or without a P wave."""
    ABERRANT = "aberrant"
    """Early, and conducted with a bundle branch block of its own: it begins as the dominant beat does."""
    PACED = "paced"
    """Started by a pacing spike."""
    FUSION = "fusion"
    """On time, and the sum of the dominant and a ventricular beat."""
    OTHER = "other"
    """Another shape that is none of these."""


class State(StrEnum):
    """Whether a criterion is fulfilled or lies in its borderline band (CLINICAL.md, conventions)."""

    TRUE = "true"
    BORDERLINE = "borderline"


class Certainty(StrEnum):
    """How sure the rule is of itself."""

    DEFINITE = "definite"
    PROBABLE = "probable"
    POSSIBLE = "possible"


@dataclass(frozen=True, slots=True)
class LeadQuality:
    """Grade of one lead and the codes of its defects."""

    grade: Grade
    defects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Advice:
    """One sentence for the village doctor (CLINICAL.md §1.5)."""

    code: str
    text: Text


@dataclass(frozen=True, slots=True)
class Quality:
    """Grade of the recording, of each lead, and what the village should do; ``advice`` is most severe first, at most
    three."""

    grade: Grade
    leads: dict[str, LeadQuality]
    defects: tuple[str, ...] = ()
    advice: tuple[Advice, ...] = ()


@dataclass(frozen=True, slots=True)
class Beat:
    """One heart beat; ``sample`` is its main deflection."""

    index: int
    sample: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class Confidence:
    """Probability that onset, peak and offset of each wave lie where a reader marks them, 0 … 1 (:mod:`ecg.confidence`
    says how near); ``None`` where the wave is absent."""

    p: tuple[float, float, float] | None = None
    qrs: tuple[float, float, float] | None = None
    t: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True)
class Waves:
    """P, QRS and T of one beat, in one lead or globally; an absent wave is ``None``.

    ``confidence`` says how sure a lead's marks are (:mod:`ecg.confidence`); global marks have none.
    """

    beat: int
    p: Marks | None
    qrs: Marks | None
    t: Marks | None
    confidence: Confidence | None = None


@dataclass(frozen=True, slots=True)
class Notch:
    """A notch or slur of QRS: time after QRS onset, depth in mV, ``kind`` "notch" or "slur"."""

    at_ms: float
    depth_mv: float
    kind: str


@dataclass(frozen=True, slots=True)
class LeadMeasurements:
    """Amplitudes (mV, signed, against the 20 ms before QRS onset) and durations of one lead's average beat.

    A wave below 20 µV or 6 ms counts as not there: amplitude and duration 0. ``st_*`` are CLINICAL.md §2.2's points.
    ``p1_*`` and ``p2_*`` are the two phases of P (one phase: P1 alone); ``first_peak_ms`` is the time of the first
    named wave's peak after QRS onset; ``j_wave`` is "notch" or "slur", its peak ``jp_mv``, its end ``jt_mv`` (0: none);
    ``st_slope`` is "up", "horizontal" or "down", ``st_shape`` "convex", "straight" or "concave"; ``pr_segment_mv`` and
    ``st_j_tp_mv`` stand against a stable TP segment; ``u_mv`` is 0 where no U is seen, ``u_end_ms`` its end
    after QRS onset, ``t_on_ms`` the onset of T after J.
    """

    p_mv: float | None = None
    q_mv: float | None = None
    r_mv: float | None = None
    s_mv: float | None = None
    r2_mv: float | None = None
    s2_mv: float | None = None
    t_mv: float | None = None
    t_positive_mv: float | None = None
    t_negative_mv: float | None = None
    q_ms: float | None = None
    r_ms: float | None = None
    s_ms: float | None = None
    r_peak_ms: float | None = None
    qrs_pp_mv: float | None = None
    qrs_area_mv_ms: float | None = None
    st_j_mv: float | None = None
    st_j20_mv: float | None = None
    st_j40_mv: float | None = None
    st_j60_mv: float | None = None
    st_j80_mv: float | None = None
    p1_mv: float | None = None
    p1_ms: float | None = None
    p2_mv: float | None = None
    p2_ms: float | None = None
    r2_ms: float | None = None
    s2_ms: float | None = None
    first_peak_ms: float | None = None
    notches: tuple[Notch, ...] = ()
    j_wave: str | None = None
    jp_mv: float | None = None
    jp_ms: float | None = None
    jt_mv: float | None = None
    st_rise_mv: float | None = None
    st_slope: str | None = None
    st_shape: str | None = None
    st_j_tp_mv: float | None = None
    pr_segment_mv: float | None = None
    t_area_mv_ms: float | None = None
    t_symmetry: float | None = None
    t_width_half_ms: float | None = None
    u_mv: float | None = None
    t_on_ms: float | None = None
    u_end_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Qtc:
    """Rate-corrected QT, all four formulae (CLINICAL.md §2.3)."""

    bazett: float
    fridericia: float
    framingham: float
    hodges: float


@dataclass(frozen=True, slots=True)
class Axes:
    """Frontal axes in degrees, (−180, +180]."""

    p: float | None = None
    qrs: float | None = None
    t: float | None = None


@dataclass(frozen=True, slots=True)
class Variability:
    """Heart-rate variability of normal-to-normal intervals (Task Force 1996) and the range of PR over the beats."""

    nn_count: int = 0
    sdnn_ms: float | None = None
    rmssd_ms: float | None = None
    pnn50_percent: float | None = None
    pr_range_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Measurements:
    """Global intervals and every lead's values.

    ``qtm_ms`` is QT less the part that a wide QRS adds (Bogossian 2014, QRS ≥ 120 ms only: an estimate), ``qtmc_ms``
    the same corrected for rate. ``flags``: QT_UNSURE, PR_SEGMENT_SHIFT, J_AMBIGUOUS (CLINICAL.md §2.1, §2.2).
    ``unmeasured`` says of each figure that is ``None`` why.
    """

    heart_rate_bpm: float | None = None
    min_rr_ms: float | None = None
    max_rr_ms: float | None = None
    p_ms: float | None = None
    pr_ms: float | None = None
    qrs_ms: float | None = None
    qt_ms: float | None = None
    qtc_ms: Qtc | None = None
    axis_deg: Axes = field(default_factory=Axes)
    leads: dict[str, LeadMeasurements] = field(default_factory=dict[str, LeadMeasurements])
    jt_ms: float | None = None
    t_peak_end_ms: float | None = None
    qtm_ms: float | None = None
    qtmc_ms: Qtc | None = None
    rr_ms: tuple[float, ...] = ()
    variability: Variability = field(default_factory=Variability)
    flags: tuple[str, ...] = ()
    unmeasured: dict[str, Text] = field(default_factory=dict[str, Text])


@dataclass(frozen=True, slots=True)
class Evidence:
    """One comparison that made a finding true: ``value op limit`` in ``lead`` (``None`` for a global measure)."""

    lead: str | None
    measure: str
    value: float | str | None
    op: str
    limit: float | str | None


@dataclass(frozen=True, slots=True)
class Argument:
    """A mimic that was weighed: ``kept`` is true when the finding stands against it (CLINICAL.md §4.8)."""

    mimic: str
    kept: bool
    why: Text


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement of the machine, unconfirmed until a named physician signs. ``hints`` are sentences that decide
    nothing: the artery that is suggested, the leads to add (CLINICAL.md §4.3)."""

    code: str
    name: Text
    state: State
    certainty: Certainty
    evidence: tuple[Evidence, ...]
    source: str
    ruleset: str
    argued: tuple[Argument, ...] = ()
    notes: tuple[str, ...] = ()
    hints: tuple[Text, ...] = ()


@dataclass(frozen=True, slots=True)
class NotAssessed:
    """A rule that could not be decided, what it lacked, and why."""

    code: str
    missing: tuple[str, ...]
    why: Text


@dataclass(frozen=True, slots=True)
class Reversal:
    """A suspected electrode reversal, with what would be measured and found were it undone (CLINICAL.md §1.6)."""

    kind: str
    certainty: Certainty
    measurements: Measurements
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, eq=False)
class AverageBeat:
    """The representative (median) beat of the dominant shape.

    ``millivolts``: float64 [lead, sample], 0 mV at the reference before QRS. Every other number is a sample of it, or
    ``None`` where the wave is absent.
    """

    leads: tuple[str, ...]
    millivolts: NDArray[np.float64]
    rate_hz: float
    beats: int
    qrs_on: int
    qrs_off: int
    p_on: int | None = None
    p_off: int | None = None
    t_peak: int | None = None
    t_off: int | None = None


@dataclass(frozen=True, slots=True)
class RulesUsed:
    """A file of rules that an analysis rests on: id, version, and SHA-256 of its bytes."""

    id: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """Everything the instrument says of one recording. ``rules``: the default's file, then that of labels, if any."""

    quality: Quality
    beats: tuple[Beat, ...]
    global_waves: tuple[Waves, ...]
    lead_waves: dict[str, tuple[Waves, ...]]
    measurements: Measurements
    findings: tuple[Finding, ...]
    not_assessed: tuple[NotAssessed, ...]
    ruleset: str
    notes: tuple[Note, ...] = ()
    reversal: Reversal | None = None
    average: AverageBeat | None = None
    version: str = VERSION
    rules: tuple[RulesUsed, ...] = ()

    def finding(self, code: str) -> Finding | None:
        """The finding with this code, if it was made."""
        return next((f for f in self.findings if f.code == code), None)
