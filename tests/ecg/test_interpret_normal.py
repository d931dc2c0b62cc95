"""Normal and otherwise normal: what each allows, at its limit and one step beside, and everything it waits for
(CLINICAL.md §3.6, §2.5, §6.3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ecg.analysis import (
    Axes,
    Beat,
    Certainty,
    Grade,
    Kind,
    LeadMeasurements,
    LeadQuality,
    Measurements,
    Qtc,
    Quality,
    State,
)
from ecg.interpret import normal
from ecg.interpret.facts import WHY_LEADS, Facts, Rhythm, Verdict
from ecg.recording import STANDARD_LEADS, PatientFacts, Sex, Text
from ecg.rules import load

CASES = {
    "N_NORMAL": (
        "test_a_sinus_rhythm_with_everything_assessed_is_normal",
        "test_a_finding_of_any_other_code_is_not_normal",
        "test_each_measure_of_normal_at_its_limit_and_one_step_beside",
    ),
    "N_BORDER": (
        "test_a_minor_finding_is_otherwise_normal",
        "test_what_is_minor_only_alone_or_only_in_one_form",
        "test_otherwise_normal_ends_at_50_a_minute_and_at_minus_45",
    ),
}
NONE = np.empty(0)
MAN, WOMAN = PatientFacts(60, Sex.MALE), PatientFacts(60, Sex.FEMALE)
PLAIN = LeadMeasurements(r_mv=0.8, s_mv=-0.3, t_mv=0.25, qrs_area_mv_ms=20.0, st_j_mv=0.0)
Values = dict[str, Any]


def heart(
    leads: dict[str, Values] | None = None, patient: PatientFacts = MAN, grade: Grade = Grade.A, **more: Any
) -> Facts:
    """A normal heart at 75/min with some measures changed."""
    values = {n: replace(PLAIN, **(leads or {}).get(n, {})) for n in STANDARD_LEADS}
    rr = np.full(11, 800.0)
    base = Measurements(
        heart_rate_bpm=75.0, min_rr_ms=800, max_rr_ms=800, p_ms=100, pr_ms=160, qrs_ms=90, qt_ms=380,
        qtc_ms=Qtc(410, 405, 405, 405), axis_deg=Axes(50, 50, 50), leads=values,
    )  # fmt: skip
    return Facts(
        measurements=replace(base, **more), patient=patient,
        quality=Quality(grade, {n: LeadQuality(Grade.A) for n in STANDARD_LEADS}), rules=load("udmi-2018"),
        rhythm=Rhythm(
            tuple(Beat(k, 400 * k, Kind.DOMINANT) for k in range(12)), rr, rr, 1.0, 10.0, 0.4, 1.0, 0.99,
            NONE, NONE, NONE, NONE, 0.0,
        ),
        leads=STANDARD_LEADS, beat=None, rate_hz=500.0, qrs=None, paced_share=0.0, notes=frozenset(), st_usable=True,
        amplitude_usable=True,
    )  # fmt: skip


def read(
    held: Facts,
    *codes: str,
    near: tuple[str, ...] = (),
    open_rules: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    certainty: Certainty = Certainty.DEFINITE,
) -> Verdict:
    """What is said last, after the findings ``codes``, the borderline ones ``near`` and the unanswered rules."""
    verdict = Verdict()
    for code in codes or ("R_SINUS",):
        verdict.add(held.finding(code, Text(code, code), [], "test", certainty, notes=notes))
    for code in near:
        verdict.add(held.finding(code, Text(code, code), [], "test", Certainty.POSSIBLE, State.BORDERLINE))
    for code in open_rules:
        verdict.skip(code, ("rule",), WHY_LEADS)
    normal.interpret(held, verdict)
    return verdict


def said(verdict: Verdict) -> str | None:
    """N_NORMAL, N_BORDER, or neither."""
    codes = [f.code for f in verdict.findings if f.code.startswith("N_")]
    assert len(codes) <= 1
    return codes[0] if codes else None


def missing(verdict: Verdict) -> dict[str, tuple[str, ...]]:
    return {n.code: n.missing for n in verdict.not_assessed if n.code.startswith("N_")}


def test_a_sinus_rhythm_with_everything_assessed_is_normal():
    for grade in (Grade.A, Grade.B):
        verdict = read(heart(grade=grade))
        assert said(verdict) == "N_NORMAL"
        assert not missing(verdict)


@pytest.mark.parametrize("code", ["C_LBBB", "T_NONSPEC", "R_AVB1", "R_PAC", "Q_INF", "T_NVSTE", "STEMI_INF", "X_PRWP"])
def test_a_finding_of_any_other_code_is_not_normal(code: str):
    verdict = read(heart(), "R_SINUS", code)
    assert said(verdict) is None
    assert not missing(verdict), "what is abnormal waits for nothing"
    assert said(read(heart())) == "N_NORMAL"


MEASURES = [
    ({"heart_rate_bpm": 100.0}, {"heart_rate_bpm": 100.1}),
    ({"pr_ms": 120.0}, {"pr_ms": 119.9}),
    ({"pr_ms": 200.0}, {"pr_ms": 200.1}),
    ({"qrs_ms": 109.9}, {"qrs_ms": 110.0}),
    ({"axis_deg": Axes(50, 90.0)}, {"axis_deg": Axes(50, 90.1)}),
    ({"qtc_ms": Qtc(449.9, 1, 1, 1)}, {"qtc_ms": Qtc(450.0, 1, 1, 1)}),
]
LEADS = [
    ("V2", "st_j_mv", 0.1999, 0.2), ("V4", "st_j_mv", 0.0999, 0.1), ("aVR", "st_j_mv", 0.0999, 0.1),
    ("V5", "st_j_mv", -0.0499, -0.05), ("II", "t_mv", 0.0001, 0.0), ("V3", "t_mv", 0.0001, 0.0),
    ("III", "t_mv", -0.0999, -0.1), ("aVF", "t_mv", -0.0999, -0.1),
]  # fmt: skip


@pytest.mark.parametrize(("at", "beside"), MEASURES)
def test_each_measure_of_normal_at_its_limit_and_one_step_beside(at: Values, beside: Values):
    assert said(read(heart(**at))) == "N_NORMAL"
    assert said(read(heart(**beside))) is None


@pytest.mark.parametrize(("lead", "measure", "at", "beside"), LEADS)
def test_each_lead_at_its_limit_and_one_step_beside(lead: str, measure: str, at: float, beside: float):
    assert said(read(heart({lead: {measure: at}}))) == "N_NORMAL"
    assert said(read(heart({lead: {measure: beside}}))) is None


def test_t_may_be_negative_where_it_is_in_health():
    assert said(read(heart({n: {"t_mv": -0.2} for n in ("aVR", "V1")}))) == "N_NORMAL"
    assert said(read(heart({"III": {"t_mv": -0.2, "qrs_area_mv_ms": -0.1}}))) == "N_NORMAL"
    for patient, allowed in ((MAN, None), (WOMAN, "N_NORMAL"), (PatientFacts(19.9, Sex.MALE), "N_NORMAL"),
                             (PatientFacts(20.0, Sex.MALE), None)):  # fmt: skip
        assert said(read(heart({"V2": {"t_mv": -0.05}}, patient))) == allowed


def test_a_woman_has_her_own_limits():
    assert said(read(heart(patient=WOMAN, qtc_ms=Qtc(459.9, 1, 1, 1)))) == "N_NORMAL"
    assert said(read(heart(patient=WOMAN, qtc_ms=Qtc(460.0, 1, 1, 1)))) is None
    assert said(read(heart({"V3": {"st_j_mv": 0.15}}, WOMAN))) is None


@pytest.mark.parametrize(
    ("codes", "more"),
    [
        (("R_SINUS", "R_SARR"), {}), (("R_SBRAD",), {"heart_rate_bpm": 55.0}), (("R_SINUS", "X_TRANS"), {}),
        (("R_SINUS", "C_RSR_NARROW"), {}), (("R_SINUS", "V_LOW_L"), {}),
        (("R_SINUS", "X_LAD"), {"axis_deg": Axes(50, -35)}),
    ],
)  # fmt: skip
def test_a_minor_finding_is_otherwise_normal(codes: tuple[str, ...], more: Values):
    assert said(read(heart(**more), *codes)) == "N_BORDER"


@pytest.mark.parametrize("alone", ["V_LOW_L", "X_LAD"])
def test_what_is_minor_only_alone_or_only_in_one_form(alone: str):
    turned = heart(axis_deg=Axes(50, -35 if alone == "X_LAD" else 50))
    assert said(read(turned, "R_SINUS", "R_SARR", alone)) == "N_BORDER"
    assert said(read(turned, "R_SINUS", "X_TRANS", alone)) is None
    assert said(read(turned, "R_SINUS", alone, near=("C_IVCD",))) is None
    assert said(read(heart(), "R_SINUS", "T_ER", notes=("ASCENDING",))) == "N_BORDER"
    assert said(read(heart(), "R_SINUS", "T_ER", notes=("HORIZONTAL_OR_DESCENDING",))) is None
    assert said(read(heart(), "R_SINUS", "T_ER")) is None


def test_otherwise_normal_ends_at_50_a_minute_and_at_minus_45():
    assert said(read(heart(heart_rate_bpm=50.0), "R_SBRAD")) == "N_BORDER"
    assert said(read(heart(heart_rate_bpm=49.9), "R_SBRAD")) is None
    assert said(read(heart(axis_deg=Axes(50, -44.9)), "R_SINUS", "X_LAD")) == "N_BORDER"
    assert said(read(heart(axis_deg=Axes(50, -45.0)), "R_SINUS", "X_LAD")) is None


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("R_AVB1", "N_BORDER"),
        ("C_IVCD", "N_BORDER"),
        ("Q_INF", "N_BORDER"),
        ("STEMI_BORDERLINE", None),
        ("E_INF_EARLY", None),
    ],
)
def test_a_borderline_value_is_never_normal_and_an_acute_one_not_even_otherwise(code: str, wanted: str | None):
    assert said(read(heart(), near=(code,))) == wanted


@pytest.mark.parametrize(
    ("held", "needs"),
    [
        (heart(grade=Grade.C), ("quality",)),
        (heart(patient=PatientFacts(None, Sex.MALE)), ("age",)),
        (heart(patient=PatientFacts(60, None)), ("sex",)),
        (heart(patient=PatientFacts(15.9, Sex.MALE)), ("age",)),
        (heart(pr_ms=None), ("pr_ms",)),
        (heart(qtc_ms=None), ("qtc_ms",)),
        (heart({"V4": {"t_mv": None}}), ("V4",)),
        (replace(heart(), leads=STANDARD_LEADS[:-1]), ("V6",)),
    ],
)
def test_without_one_need_normal_is_not_assessed_and_says_which(held: Facts, needs: tuple[str, ...]):
    verdict = read(held)
    assert said(verdict) is None
    assert missing(verdict) == {"N_NORMAL": needs}


def test_sixteen_is_grown_up():
    assert said(read(heart(patient=PatientFacts(16.0, Sex.MALE)))) == "N_NORMAL"


@pytest.mark.parametrize("rule", ["R_ALT", "STEMI_ANT", "T_PERI", "S_HYPOK", "H_LVH_SL", "C_LBBB", "Q_INF"])
def test_any_rule_that_could_not_be_asked_is_named(rule: str):
    verdict = read(heart(), open_rules=(rule,))
    assert said(verdict) is None
    assert missing(verdict) == {"N_NORMAL": (rule,)}


@pytest.mark.parametrize("rule", ["STEMI_POST", "STEMI_RV", "C_PACE_MAL", "S_DIGTOX"])
def test_what_twelve_leads_can_never_answer_is_not_waited_for(rule: str):
    assert said(read(heart(), open_rules=(rule,))) == "N_NORMAL"


@pytest.mark.parametrize(
    ("more", "wanted"),
    [({}, "N_NORMAL"), ({"min_rr_ms": 680.0, "max_rr_ms": 800.0}, "N_NORMAL"), ({"min_rr_ms": 679.9}, None)],
)
def test_a_steady_sinus_rhythm_leaves_no_room_for_other_rhythms(more: Values, wanted: str | None):
    assert said(read(heart(**more), open_rules=("R_AVB3", "R_SAB2", "R_VT_POLY"))) == wanted


def test_a_beat_of_another_form_or_an_unsure_p_reopens_them():
    other = heart()
    uneven = replace(other, rhythm=replace(other.rhythm, dominant_share=0.99))
    assert missing(read(uneven, open_rules=("R_ESC",))) == {"N_NORMAL": ("R_ESC",)}
    unsure = read(heart(), certainty=Certainty.PROBABLE)
    assert missing(unsure) == {"N_NORMAL": ("R_SINUS",)}
