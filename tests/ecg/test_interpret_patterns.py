"""Electrolytes, pericarditis, Brugada, epsilon, embolism, takotsubo, digitalis, cold (CLINICAL.md §3.6), to 0.1 µV.

Each row is a pattern exactly at its limits; then each of its values one step beside, which takes it away or leaves it
borderline; then a need is taken, which leaves it not assessed. The limits are the contract's, typed here by hand.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from ecg.analysis import (
    Axes,
    Beat,
    Finding,
    Grade,
    Kind,
    LeadMeasurements,
    LeadQuality,
    Measurements,
    Qtc,
    Quality,
    State,
)
from ecg.interpret import DISEASES, interpret, patterns
from ecg.interpret.facts import Facts, Rhythm, Verdict
from ecg.interpret.sheet import Sheet
from ecg.recording import STANDARD_LEADS, PatientFacts, Sex, Text
from ecg.rules import load
from ecg.waves import Outline

MAN, WOMAN = PatientFacts(60, Sex.MALE), PatientFacts(60, Sex.FEMALE)
NONE = np.empty(0)
ON, J = 100, 145
"""QRS of the drawn beats, samples at 500 Hz: 90 ms."""
PLAIN = LeadMeasurements(
    p_mv=0.1, q_mv=0.0, r_mv=0.8, s_mv=-0.1, r2_mv=0.0, s2_mv=0.0, t_mv=0.25, t_positive_mv=0.25, t_negative_mv=0.0,
    q_ms=0.0, r_ms=40.0, s_ms=30.0, r_peak_ms=40.0, qrs_pp_mv=1.1, qrs_area_mv_ms=20.0, st_j_mv=0.0, st_j20_mv=0.0,
    st_j40_mv=0.0, st_j60_mv=0.0, st_j80_mv=0.0, p1_mv=0.1, p1_ms=50.0, p2_mv=0.0, p2_ms=0.0, jp_mv=0.0, jt_mv=0.0,
    st_shape="straight", pr_segment_mv=0.0, t_width_half_ms=110.0, u_mv=0.0, t_area_mv_ms=20.0, t_symmetry=0.66,
)  # fmt: skip
Values = dict[str, Any]


def drawn(shapes: dict[str, list[tuple[float, float]]] | None) -> np.ndarray | None:
    """An average beat from corners (ms after QRS onset, mV), flat in the leads that are not named."""
    if shapes is None:
        return None
    beat, at = np.zeros((12, 500)), (np.arange(500) - ON) * 2.0
    for lead, corners in shapes.items():
        beat[STANDARD_LEADS.index(lead)] = np.interp(at, [c[0] for c in corners], [c[1] for c in corners])
    return beat


def outlined(onset_ms: float | None) -> Outline | None:
    """Marks whose T begins so long after J in every lead."""
    if onset_ms is None:
        return None
    t = np.tile(np.array([J + round(onset_ms / 2), 260, 300], dtype=np.intp), (12, 1))
    seen = np.ones(12, dtype=np.bool_)
    qrs = np.array([ON, 120, J], dtype=np.intp)
    return Outline(np.tile(qrs, (12, 1)), qrs, None, None, ~seen, t, t[0], seen, qt_unsure=False)


@dataclass(frozen=True)
class Case:
    """A pattern at its limits. ``edges``: (lead or None for a global measure, measure, value) of which each takes it
    away; ``near`` does so and leaves it borderline; ``need``: what it cannot be assessed without."""

    code: str
    leads: dict[str, Values]
    edges: tuple[tuple[str | None, str, Any], ...]
    near: tuple[tuple[str | None, str, Any], ...] = ()
    need: tuple[str | None, str] = (None, "")
    more: Values = field(default_factory=dict[str, Any])
    patient: PatientFacts = MAN
    onset_ms: float | None = 100.0
    shapes: dict[str, list[tuple[float, float]]] | None = None

    def facts(self, change: tuple[str | None, str, Any] | None = None) -> Facts:
        """The heart of this row, with one thing changed."""
        leads = {n: dict(v) for n, v in self.leads.items()}
        more, onset, shapes = dict(self.more), self.onset_ms, self.shapes
        if change is not None:
            lead, measure, value = change
            if lead is not None:
                leads.setdefault(lead, {})[measure] = value
            elif measure == "onset_ms":
                onset = value
            elif measure == "shapes":
                shapes = value
            elif measure == "qtc_ms":
                more[measure] = None if value is None else Qtc(value, value, value, value)
            else:
                more[measure] = value
        return facts(leads, self.patient, onset, shapes, **more)


def facts(
    leads: dict[str, Values] | None = None,
    patient: PatientFacts = MAN,
    onset_ms: float | None = 100.0,
    shapes: dict[str, list[tuple[float, float]]] | None = None,
    grade: Grade = Grade.A,
    **more: Any,
) -> Facts:
    """A normal heart at 75/min but for what is said."""
    values = {n: replace(PLAIN, **(leads or {}).get(n, {})) for n in STANDARD_LEADS}
    rr = np.full(11, 800.0)
    base = Measurements(
        heart_rate_bpm=75.0, min_rr_ms=800, max_rr_ms=800, p_ms=100, pr_ms=160, qrs_ms=90, qt_ms=380,
        qtc_ms=Qtc(410, 405, 405, 405), axis_deg=Axes(50, 50, 50), leads=values, t_peak_end_ms=80.0,
    )  # fmt: skip
    return Facts(
        measurements=replace(base, **more),
        patient=patient,
        quality=Quality(grade, {n: LeadQuality(Grade.A) for n in STANDARD_LEADS}),
        rules=load("udmi-2018"),
        rhythm=Rhythm(
            tuple(Beat(k, 400 * k, Kind.DOMINANT) for k in range(12)), rr, rr, 1.0, 10.0, 0.4, 1.0, 0.99,
            NONE, NONE, NONE, NONE, 0.0,
        ),
        leads=STANDARD_LEADS,
        beat=drawn(shapes),
        rate_hz=500.0,
        qrs=(ON, J),
        paced_share=0.0,
        notes=frozenset(),
        st_usable=True,
        amplitude_usable=True,
        outline=outlined(onset_ms),
    )  # fmt: skip


def read(held: Facts, *before: str) -> Verdict:
    """The patterns after others found the codes ``before``."""
    verdict = Verdict()
    for code in before:
        verdict.add(held.finding(code, Text(code, code), [], "test"))
    patterns.ask(Sheet(held), verdict, DISEASES)
    return verdict


def found(verdict: Verdict, code: str) -> Finding | None:
    return next((f for f in verdict.findings if f.code == code), None)


def state(verdict: Verdict, code: str) -> State | None:
    held = found(verdict, code)
    return None if held is None else held.state


def each(leads: tuple[str, ...], value: Values) -> dict[str, Values]:
    """The same in several leads."""
    return dict.fromkeys(leads, value)


TENT = {"t_positive_mv": 0.5001, "t_mv": 0.5001, "t_width_half_ms": 95.0}
OVER = {"t_positive_mv": 0.6001, "t_mv": 0.6001, "r_mv": 0.6, "t_width_half_ms": 95.0}
FLAT_T = {"t_mv": 0.05, "t_positive_mv": 0.05}
UP = {"st_j_mv": 0.05, "st_shape": "concave"}
COVED = {"st_j_mv": 0.2, "st_j40_mv": 0.15, "st_j80_mv": 0.1, "t_negative_mv": -0.05, "t_mv": -0.05,
         "t_positive_mv": 0.0, "st_shape": "convex"}  # fmt: skip
LOW_T = {"t_mv": -0.1, "t_negative_mv": -0.1, "t_positive_mv": 0.0}
SAG = {"st_j_mv": -0.01, "st_j80_mv": -0.05, "st_shape": "concave"}
SADDLE = [(0.0, 0.0), (20.0, 0.3), (44.0, -0.2), (84.0, 0.3), (124.0, 0.3 - 1 / 6), (300.0, 0.3), (400.0, 0.0)]
LEVEL = [(0.0, 0.0), (20.0, 0.3), (44.0, -0.2), (84.0, 0.3), (124.0, 0.2801), (300.0, 0.3), (400.0, 0.0)]
SHARP = [(0.0, 0.0), (20.0, 0.3), (44.0, -0.2), (84.0, 0.3), (124.0, 0.3 - 0.17), (300.0, 0.3), (400.0, 0.0)]
NOTCH = [(0.0, 0.0), (40.0, 0.5), (90.0, 0.0), (110.0, 0.0), (130.0, 0.02), (150.0, 0.0)]
SMALL = [(0.0, 0.0), (40.0, 0.5), (90.0, 0.0), (110.0, 0.0), (130.0, 0.0199), (150.0, 0.0)]
S1Q3 = {"I": {"s_mv": -0.15}, "III": {"q_mv": -0.15, "t_mv": -0.0001}}
CASES = (
    Case("S_HYPERK", each(("II", "III", "aVF"), TENT),
         (("aVF", "t_width_half_ms", 95.1),), (("II", "t_positive_mv", 0.5),), ("II", "t_width_half_ms")),
    Case("S_HYPERK", each(("V2", "V3"), OVER), (("V3", "r_mv", 0.4999), ("V2", "t_width_half_ms", 95.1)),
         (("V2", "t_positive_mv", 0.6),), ("V3", "r_mv")),
    Case("S_HYPOK", {"V2": {**FLAT_T, "u_mv": 0.1}}, (("V2", "t_mv", 0.1),), (("V2", "u_mv", 0.0999),),
         ("V2", "u_mv")),
    Case("S_HYPOK", {"II": {**FLAT_T, "u_mv": 0.05, "st_j80_mv": -0.05}}, (("II", "u_mv", 0.0499),),
         (("II", "st_j80_mv", -0.0499),), ("II", "t_mv")),
    Case("S_HYPERCA", {}, ((None, "qtc_ms", 360.1), (None, "t_peak_end_ms", 79.9), (None, "onset_ms", 20.0)),
         need=(None, "qtc_ms"), onset_ms=18.0,
         more={"heart_rate_bpm": 60.0, "qt_ms": 349.9, "qtc_ms": Qtc(360, 360, 360, 360)}),
    Case("S_HYPOCA", {}, ((None, "qtc_ms", 459.9), (None, "onset_ms", 198.0)), need=(None, "onset_ms"), onset_ms=200.0,
         more={"qtc_ms": Qtc(460, 460, 460, 460)}),
    Case("T_PERI", {"I": UP, "V5": {**UP, "q_mv": -0.1, "q_ms": 29.9}, "II": {**UP, "pr_segment_mv": -0.05},
                    "aVF": {"pr_segment_mv": -0.05}, "V6": {**UP, "t_mv": 0.2}},
         (("V6", "t_mv", 0.2001), ("III", "st_j_mv", 0.0501), ("aVL", "st_j_mv", -0.025), ("V2", "st_j_mv", -0.05),
          ("I", "st_shape", "convex"), ("V5", "q_ms", 30.0)),
         (("I", "st_j_mv", 0.0499), ("aVF", "pr_segment_mv", -0.0499)), ("II", "pr_segment_mv")),
    Case("T_NVSTE", {n: {"st_j_mv": 0.1, "st_j60_mv": 0.1, "st_shape": "concave"} for n in ("V2", "V3")},
         (("V2", "st_j_mv", 0.0999), ("V3", "st_j_mv", 0.2), ("V2", "s_mv", 0.0), ("V3", "st_shape", "convex"),
          ("V5", "st_j_mv", -0.05)),
         need=("V3", "st_j60_mv"), more={"qtc_ms": Qtc(370, 370, 370, 370)}, patient=PatientFacts(40.0, Sex.MALE)),
    Case("S_BRU1", {"V1": COVED},
         (("V1", "st_j40_mv", 0.2), ("V1", "st_j80_mv", 0.15), ("V1", "t_negative_mv", -0.0499),
          ("V1", "st_shape", "concave")), (("V1", "st_j_mv", 0.1999),), ("V1", "st_j80_mv")),
    Case("S_BRU1", {"V2": {**COVED, "st_j_mv": 0.5, "st_j40_mv": 0.1, "st_j80_mv": 0.05}},
         (("V2", "st_j_mv", 0.5001), ("V2", "st_j40_mv", 0.0999)), need=("V2", "st_j_mv")),
    Case("S_BRU2", {"V2": {"r2_mv": 0.2, "st_j80_mv": 0.05, "t_mv": 0.0}},
         (("V2", "t_mv", -0.0001), (None, "shapes", {"V2": SHARP}), (None, "shapes", {"V2": LEVEL})),
         (("V2", "r2_mv", 0.1999), ("V2", "st_j80_mv", 0.0499)), ("V2", "r2_mv"), shapes={"V2": SADDLE}),
    Case("S_EPS", each(("V1", "V2", "V3"), LOW_T),
         (("V3", "t_mv", -0.0999), (None, "shapes", {"V2": SMALL})), need=(None, "shapes"), shapes={"V2": NOTCH}),
    Case("S_PE", S1Q3, (("III", "t_mv", 0.0), (None, "heart_rate_bpm", 100.0)),
         (("I", "s_mv", -0.1499), ("III", "q_mv", -0.1499)), ("I", "s_mv"), {"heart_rate_bpm": 100.1}),
    Case("S_PE", each(("V1", "V2", "V3", "V4", "III"), LOW_T), ((None, "heart_rate_bpm", 100.0),),
         (("V4", "t_mv", -0.0999), ("III", "t_mv", -0.0999)), ("V4", "t_mv"), {"heart_rate_bpm": 100.1}),
    Case("S_PE", {"V1": {"q_mv": -0.2, "r_peak_ms": 50.1}}, (("V1", "r_peak_ms", 50.0), ("V1", "r_mv", 0.0)),
         (("V1", "q_mv", -0.1999),), ("V1", "q_mv"), {"heart_rate_bpm": 100.1}),
    Case("S_TAKO", {"V2": LOW_T, "V3": LOW_T, "aVR": {"st_j_mv": -0.05}},
         ((None, "qtc_ms", 479.9), ("V1", "st_j_mv", 0.1)), (("V3", "t_mv", -0.0999), ("aVR", "st_j_mv", -0.0499)),
         ("aVR", "st_j_mv"), {"qtc_ms": Qtc(480, 480, 480, 480)}, PatientFacts(50.0, Sex.FEMALE)),
    Case("S_DIG", {"V5": SAG, "V6": SAG}, ((None, "qtc_ms", 400.0), ("V5", "st_shape", "straight"),
         ("V6", "st_j_mv", -0.0501)), (("V6", "st_j80_mv", -0.0499),), ("V6", "st_j80_mv"),
         {"qtc_ms": Qtc(399.9, 399.9, 399.9, 399.9)}),
    Case("S_OSB", {n: {"jp_mv": 0.1} for n in ("I", "II", "V5", "V6")},
         ((None, "heart_rate_bpm", 60.0), (None, "qtc_ms", 459.9)), (("V6", "jp_mv", 0.0999),), (None, "qtc_ms"),
         {"heart_rate_bpm": 59.9, "qtc_ms": Qtc(460, 460, 460, 460)}),
    Case("S_OSB", {"II": {"jp_mv": 0.2}}, ((None, "heart_rate_bpm", 60.0),), (("II", "jp_mv", 0.1999),),
         ("II", "jp_mv"),
         {"heart_rate_bpm": 59.9, "qtc_ms": Qtc(460, 460, 460, 460)}),
)  # fmt: skip
EVERY = [pytest.param(case, id=f"{case.code}-{k}") for k, case in enumerate(CASES)]


@pytest.mark.parametrize("case", EVERY)
def test_a_pattern_at_its_limits_is_true_with_its_evidence(case: Case):
    finding = found(read(case.facts()), case.code)
    assert finding is not None
    assert finding.state == State.TRUE
    assert finding.evidence
    assert all(e.value is not None for e in finding.evidence)
    assert finding.argued, "what else it could be is argued in the open"
    assert not [c for c in CASES if state(read(facts(patient=case.patient)), c.code)], "a plain heart has none"


@pytest.mark.parametrize(
    ("case", "change"),
    [pytest.param(c, e, id=f"{c.code}-{e[0]}-{e[1]}-{n}") for n, c in enumerate(CASES) for e in c.edges],
)
def test_one_step_beside_any_limit_it_is_gone(case: Case, change: tuple[str | None, str, Any]):
    verdict = read(case.facts(change))
    assert state(verdict, case.code) is None
    assert case.code not in {n.code for n in verdict.not_assessed}


@pytest.mark.parametrize(
    ("case", "change"),
    [pytest.param(c, e, id=f"{c.code}-{e[0]}-{e[1]}-{n}") for n, c in enumerate(CASES) for e in c.near],
)
def test_a_tenth_of_a_microvolt_short_it_is_borderline(case: Case, change: tuple[str | None, str, Any]):
    assert state(read(case.facts(change)), case.code) == State.BORDERLINE


@pytest.mark.parametrize("case", EVERY)
def test_without_a_need_it_is_not_assessed_and_says_what_was_missing(case: Case):
    verdict = read(case.facts((*case.need, None)))
    assert state(verdict, case.code) is None
    assert all(n.missing and n.why.zh and n.why.en for n in verdict.not_assessed)
    assert case.code in {n.code for n in verdict.not_assessed}


@pytest.mark.parametrize("case", EVERY)
def test_a_child_a_paced_heart_and_a_poor_tracing_have_no_such_statement(case: Case):
    child = replace(case.facts(), patient=PatientFacts(15.9, case.patient.sex))
    poor = replace(case.facts(), quality=replace(case.facts().quality, grade=Grade.D))
    for verdict in (read(child), read(poor), read(case.facts(), "C_PACE_V"), read(case.facts(), "C_WPW")):
        assert state(verdict, case.code) is None
        assert case.code in {n.code for n in verdict.not_assessed}


@pytest.mark.parametrize("case", EVERY)
def test_a_value_that_is_no_number_makes_nothing_true_and_nothing_fails(case: Case):
    changes = [(n, m) for n, values in case.leads.items() for m, v in values.items() if isinstance(v, float)]
    changes += [(None, m) for m in ("heart_rate_bpm", "qrs_ms", "qt_ms", "pr_ms", "t_peak_end_ms")]
    for lead, measure in changes:
        verdict = read(case.facts((lead, measure, float("nan"))))
        for f in verdict.findings:
            assert all(e.value == e.value for e in f.evidence), (lead, measure, f.code)


@pytest.mark.parametrize("code", ["S_BRU1", "S_BRU2", "S_EPS", "S_PE", "S_HYPOK", "S_DIG"])
def test_flutter_waves_stand_in_for_st_and_t(code: str):
    row = next(c for c in CASES if c.code == code)
    verdict = read(row.facts(), "R_AFL")
    assert state(verdict, code) is None
    assert code in {n.code for n in verdict.not_assessed}


# --- what one row cannot say -----------------------------------------------------------------------------------------

PEAKED = each(("II", "III", "aVF"), TENT)


@pytest.mark.parametrize(
    ("more", "grade"),
    [
        ({"pr_ms": 200.0}, "GRADE_1"), ({"pr_ms": 200.1}, "GRADE_2"),
        ({"qrs_ms": 119.9}, "GRADE_1"), ({"qrs_ms": 120.0}, "GRADE_3"),
        ({"pr_ms": None, "p_ms": None}, "GRADE_3"), ({"pr_ms": None, "p_ms": None, "grade": Grade.C}, "GRADE_1"),
    ],
)  # fmt: skip
def test_the_grade_of_hyperkalaemia_follows_pr_p_and_qrs(more: Values, grade: str):
    finding = found(read(facts(PEAKED, **more)), "S_HYPERK")
    assert finding is not None
    assert finding.notes == (grade,)


@pytest.mark.parametrize(("p", "grade"), [(0.0499, "GRADE_2"), (0.05, "GRADE_1")])
def test_a_p_below_50_uv_everywhere_is_the_second_grade(p: float, grade: str):
    leads = {n: {"p_mv": p, **PEAKED.get(n, {})} for n in STANDARD_LEADS}
    finding = found(read(facts(leads)), "S_HYPERK")
    assert finding is not None
    assert finding.notes == (grade,)


def test_a_lost_p_in_fibrillation_is_not_potassium_s_doing():
    finding = found(read(facts(PEAKED, pr_ms=None, p_ms=None), "R_AF"), "S_HYPERK")
    assert finding is not None
    assert finding.notes == ("GRADE_1",)


@pytest.mark.parametrize(
    ("qrs_ms", "bpm", "seen"), [(160.1, 119.9, True), (160.0, 119.9, False), (160.1, 120.0, False)]
)
def test_a_qrs_on_its_way_into_a_sine_wave_needs_no_narrow_t(qrs_ms: float, bpm: float, seen: bool):
    leads = {n: {**TENT, "t_width_half_ms": 150.0} for n in ("II", "III", "aVF")}
    verdict = read(facts(leads, qrs_ms=qrs_ms, heart_rate_bpm=bpm, pr_ms=None, p_ms=None))
    assert (state(verdict, "S_HYPERK") == State.TRUE) == seen


def test_no_room_for_u_behind_an_upright_t_that_ends_in_time_is_no_question():
    leads = {n: {"u_mv": None} for n in ("V2", "V3", "V4", "II")}
    assert "S_HYPOK" not in {n.code for n in read(facts(leads)).not_assessed}
    long = read(facts(leads, qtc_ms=Qtc(460, 460, 460, 460)))
    assert "S_HYPOK" in {n.code for n in long.not_assessed}


@pytest.mark.parametrize(
    ("patient", "wanted"),
    [
        (PatientFacts(40.1, Sex.MALE), "no"), (PatientFacts(40.0, Sex.FEMALE), "no"),
        (PatientFacts(None, None), "open"),
        (PatientFacts(39.9, Sex.MALE), "yes"),
    ],
)  # fmt: skip
def test_the_normal_variant_is_a_young_man_s(patient: PatientFacts, wanted: str):
    row = next(c for c in CASES if c.code == "T_NVSTE")
    verdict = read(replace(row.facts(), patient=patient))
    said = "yes" if found(verdict, "T_NVSTE") else "no"
    open_ = "T_NVSTE" in {n.code for n in verdict.not_assessed}
    assert ("open" if open_ else said) == wanted


@pytest.mark.parametrize(
    ("patient", "wanted"),
    [
        (PatientFacts(49.9, Sex.FEMALE), "no"), (PatientFacts(60.0, Sex.MALE), "no"),
        (PatientFacts(60.0, None), "open"),
        (PatientFacts(None, Sex.FEMALE), "open"), (PatientFacts(50.0, Sex.FEMALE), "yes"),
    ],
)  # fmt: skip
def test_takotsubo_is_thought_of_in_women_from_fifty(patient: PatientFacts, wanted: str):
    row = next(c for c in CASES if c.code == "S_TAKO")
    verdict = read(replace(row.facts(), patient=patient))
    said = "yes" if found(verdict, "S_TAKO") else "no"
    open_ = "S_TAKO" in {n.code for n in verdict.not_assessed}
    assert ("open" if open_ else said) == wanted


def test_one_sign_of_a_loaded_right_ventricle_is_none():
    assert state(read(facts(heart_rate_bpm=130.0)), "S_PE") is None
    assert state(read(facts(S1Q3)), "S_PE") is None


def test_the_take_off_is_sought_before_the_common_j_and_a_steep_fall_is_the_block_s():
    slow = [
        (0.0, 0.0),
        (20.0, 0.2),
        (40.0, -0.3),
        (80.0, 0.3),
        (120.0, 0.15),
        (160.0, 0.05),
        (250.0, -0.2),
        (400.0, 0.0),
    ]
    steep = [
        (0.0, 0.0),
        (20.0, 0.2),
        (40.0, -0.3),
        (80.0, 0.6),
        (120.0, 0.15),
        (160.0, 0.05),
        (250.0, -0.2),
        (400.0, 0.0),
    ]
    form = {"V1": {"t_negative_mv": -0.2, "t_mv": -0.2, "t_positive_mv": 0.0, "st_shape": "convex"}}
    assert state(read(facts(form, shapes={"V1": slow})), "S_BRU1") == State.TRUE
    assert state(read(facts(form, shapes={"V1": steep})), "S_BRU1") is None


@pytest.mark.parametrize("before", [("R_AVB3",), ("R_AF", "R_AJR"), ("R_VT_BIDIR",)])
def test_a_rhythm_of_digitalis_toxicity_asks_for_the_drug(before: tuple[str, ...]):
    from ecg.interpret.syndromes import toxicity

    verdict = Verdict()
    for code in before:
        verdict.add(facts().finding(code, Text(code, code), [], "test"))
    toxicity(verdict)
    assert [(n.code, n.missing) for n in verdict.not_assessed] == [("S_DIGTOX", ("drug",))]


def test_below_500_samples_a_second_no_epsilon_wave_is_sought():
    row = next(c for c in CASES if c.code == "S_EPS")
    verdict = read(replace(row.facts(), rate_hz=499.0))
    assert [n.missing for n in verdict.not_assessed if n.code == "S_EPS"] == [("rate_hz",)]


def test_the_whole_reading_asks_the_patterns_before_the_infarction_that_they_explain():
    row = next(c for c in CASES if c.code == "T_PERI")
    leads = {n: {**v} for n, v in row.leads.items()}
    for n in ("I", "II", "V5", "V6", "V4"):
        leads[n] = {**leads.get(n, {}), "st_j_mv": 0.15, "st_j20_mv": 0.15, "st_j60_mv": 0.15, "st_shape": "concave",
                    "t_mv": 0.5, "t_positive_mv": 0.5}  # fmt: skip
    verdict = interpret(facts(leads))
    stemi = [f for f in verdict.findings if f.code.startswith("STEMI_") and f.state == State.TRUE]
    assert stemi
    assert all(("T_PERI", False) in {(a.mimic, a.kept) for a in f.argued} for f in stemi)
