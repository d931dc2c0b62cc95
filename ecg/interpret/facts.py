"""What the rules may look at: measurements, patient, quality and the rhythm's own figures, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ecg.analysis import (
    Argument,
    Beat,
    Certainty,
    Evidence,
    Finding,
    Grade,
    Kind,
    Measurements,
    NotAssessed,
    Quality,
    State,
)
from ecg.arrays import Flags, Floats, Ints
from ecg.interpret.logic import Test, narrowly, rounded
from ecg.marks import BeatMarks
from ecg.recording import PatientFacts, Sex, Text
from ecg.rules import Ruleset
from ecg.waves import Outline

WHY_QUALITY = Text("信号质量不足，不作判断。", "The signal is too poor for this.")
WHY_CHILD = Text("16岁以下，成人标准不适用。", "Under 16 years: adult criteria do not apply.")
WHY_LEADS = Text("缺少所需导联。", "Leads that this needs are missing.")
WHY_BEATS = Text("没有可测量的心搏。", "No beat could be measured.")
WHY_VERSION = Text("本版本尚未包含此规则。", "This version does not hold that rule yet.")


@dataclass(frozen=True, slots=True, eq=False)
class Rhythm:
    """Figures of the rhythm. ``rr_ms`` float [beat − 1]; ``p_share``: share of dominant beats with a P before them,
    ``None`` where P could not be sought; ``atrial``: the chaotic-signal figures of each lead for the VF check."""

    beats: tuple[Beat, ...]
    rr_ms: Floats
    dominant_rr_ms: Floats
    p_share: float | None
    seconds: float
    last_beat_gap_s: float
    dominant_share: float
    mean_fit: float
    quiet_share: Floats
    concentration: Floats
    peak_hz: Floats
    spread_mv: Floats
    coherence: float


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """One recording as the rules see it.

    ``beat`` float [lead, sample] is the average beat, ``qrs`` its onset and J, ``outline`` all its marks; ``signal``
    float [lead, sample] is the whole conditioned recording at ``rate_hz``, ``marks`` every beat's marks in it,
    ``spikes`` the samples of pacing spikes.
    """

    measurements: Measurements
    patient: PatientFacts
    quality: Quality
    rules: Ruleset
    rhythm: Rhythm
    leads: tuple[str, ...]
    beat: Floats | None
    rate_hz: float
    qrs: tuple[int, int] | None
    paced_share: float
    notes: frozenset[str]
    st_usable: bool
    amplitude_usable: bool
    signal: Floats = field(default_factory=lambda: np.empty((0, 0)))
    marks: BeatMarks | None = None
    outline: Outline | None = None
    spikes: Ints = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    known: dict[tuple[str, str], float | None] = field(default_factory=dict[tuple[str, str], float | None], repr=False)
    held: set[str] = field(default_factory=set[str])

    @property
    def age(self) -> float | None:
        """Age in years, if stated."""
        return self.patient.age_years

    @property
    def sex(self) -> Sex | None:
        """Sex, if stated."""
        return self.patient.sex

    @property
    def child(self) -> bool:
        """Whether adult criteria are barred (CLINICAL.md, conventions)."""
        return self.age is not None and self.age < self.rules.limit("adult", "age_years")

    def readable(self, lead: str) -> bool:
        """Whether this lead's morphology may be used: there, and of grade C or better."""
        held = self.quality.leads.get(lead)
        return held is not None and held.grade <= Grade.C and "Q_OFF" not in held.defects

    def value(self, lead: str, measure: str) -> float | None:
        """A lead's measurement, rounded as it is compared; ``None`` where it cannot be read. ``-aVR`` is the inverted
        aVR."""
        asked = (lead, measure)
        if asked not in self.known:
            self.known[asked] = self._value(lead, measure)
        return self.known[asked]

    def _value(self, lead: str, measure: str) -> float | None:
        name = lead.removeprefix("-")
        if not self.readable(name) or name not in self.measurements.leads:
            return None
        value: float | None = getattr(self.measurements.leads[name], measure)
        if value is None:
            return None
        return rounded(-value if lead.startswith("-") else value, measure)

    def finding(
        self,
        code: str,
        name: Text,
        evidence: list[Evidence],
        source: str,
        certainty: Certainty = Certainty.DEFINITE,
        state: State = State.TRUE,
        argued: tuple[Argument, ...] = (),
        notes: tuple[str, ...] = (),
    ) -> Finding:
        """A finding of this ruleset."""
        return Finding(code, name, state, certainty, tuple(evidence), source, self.rules.id, argued, notes)


@dataclass(slots=True)
class Verdict:
    """What the rules have said so far. A finding is only ever added, or replaced by itself with more words."""

    findings: list[Finding] = field(default_factory=list[Finding])
    not_assessed: list[NotAssessed] = field(default_factory=list[NotAssessed])
    _true: set[str] = field(default_factory=set[str], repr=False)
    _counted: int = 0

    def add(self, finding: Finding) -> None:
        """Notes a finding."""
        self.findings.append(finding)

    def skip(self, code: str, missing: tuple[str, ...], why: Text) -> None:
        """Notes a rule that could not be decided."""
        self.not_assessed.append(NotAssessed(code, missing, why))

    def decide(
        self,
        facts: Facts,
        code: str,
        name: Text,
        tests: Sequence[Test],
        true: bool | None,
        source: str,
        certainty: Certainty = Certainty.DEFINITE,
        argued: tuple[Argument, ...] = (),
        notes: tuple[str, ...] = (),
        near: bool | None = None,
    ) -> bool:
        """Notes what became of a criterion: true, narrowly missed, or not decidable for want of what its tests lack.

        ``near`` defaults to "all tests hold or lie in their band", which is right where the tests are joined by "and".
        """
        if true:
            evidence = [t.evidence for t in tests if t.true]
            self.add(facts.finding(code, name, evidence, source, certainty, State.TRUE, argued, notes))
            return True
        if true is None:
            lost = [t.evidence for t in tests if t.true is None]
            missing = tuple(dict.fromkeys(e.lead or e.measure for e in lost))
            self.skip(code, missing, WHY_QUALITY if set(missing) & set(facts.leads) else WHY_LEADS)
        elif narrowly(tests) if near is None else near:
            evidence = [t.evidence for t in tests if t.true or t.borderline]
            self.add(facts.finding(code, name, evidence, source, Certainty.POSSIBLE, State.BORDERLINE, argued, notes))
        return False

    def has(self, code: str) -> bool:
        """Whether a finding of this code (or code prefix ending in ``*``) is true."""
        if len(self.findings) != self._counted:  # asked some hundred times of every recording
            self._true = {f.code for f in self.findings if f.state is State.TRUE}
            self._counted = len(self.findings)
        if code.endswith("*"):
            return any(held.startswith(code[:-1]) for held in self._true)
        return code in self._true


def ventricular_runs(beats: tuple[Beat, ...]) -> list[tuple[int, int]]:
    """Runs of ventricular beats as (first, one past the last) indices into ``beats``."""
    wide = np.array([b.kind == Kind.VENTRICULAR for b in beats] + [False], dtype=np.bool_)
    return _runs(wide)


def _runs(mask: Flags) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
