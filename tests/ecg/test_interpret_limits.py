"""Rhythm, conduction, chambers and repolarisation at their published limits: on it, one step beside it, and without
what they need (CLINICAL.md §3.1, §3.3, §3.4, §3.6)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ecg.accuracy import statements
from ecg.analysis import Axes, Beat, Grade, Kind, LeadMeasurements, LeadQuality, Measurements, Qtc, Quality, State
from ecg.interpret import interpret
from ecg.interpret.facts import Facts, Rhythm
from ecg.recording import STANDARD_LEADS, PatientFacts, Sex
from ecg.rules import load

# At its limit a row is positive and at the boundary, one step beside it is negative: one function, three cases.
CASES = {
    "S_LQT": (
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
    ),
    "S_SQT": (
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
    ),
    "S_CNS": (
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
    ),
    "S_HCM_AP": (
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
    ),
    "S_DEX": (
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
    ),
    "T_ISCH_ST": (
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
    ),
    "T_ISCH_T": (
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
    ),
    "T_NONSPEC": (
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
    ),
    "T_TALL": (
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
    ),
    "T_ER": (
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
    ),
    "R_AVB1": (
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
    ),
    "C_SPR": (
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
    ),
    "R_SBRAD": (
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
    ),
    "R_STACH": (
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
    ),
    "R_SINUS": (
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
    ),
    "C_IVCD": (
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
    ),
    "X_LAD": (
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
    ),
    "X_RAD": (
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
    ),
    "X_NWAD": (
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
        "test_a_global_measure_at_its_limit_and_one_step_beside_it",
    ),
    "V_LOW_L": (
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
    ),
    "V_LOW_P": (
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
    ),
    "H_LVH_SL": (
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
    ),
    "H_LVH_CV": (
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
    ),
    "H_LVH_CP": (
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
    ),
    "H_LVH_PLP": (
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
    ),
    "H_LAA": (
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
    ),
    "H_RAA": (
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
    ),
    "C_RSR_NARROW": (
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
    ),
    "X_PRWP": (
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
    ),
    "X_TRANS": (
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
    ),
    "X_TALLRV1": (
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
        "test_a_lead_at_its_limit_and_one_step_beside_it",
    ),
    "C_RBBB": (
        "test_right_bundle_branch_block_needs_its_prime_its_broad_s_and_its_width",
        "test_right_bundle_branch_block_needs_its_prime_its_broad_s_and_its_width",
        "test_right_bundle_branch_block_needs_its_prime_its_broad_s_and_its_width",
    ),
    "C_IRBBB": (
        "test_right_bundle_branch_block_needs_its_prime_its_broad_s_and_its_width",
        "test_right_bundle_branch_block_needs_its_prime_its_broad_s_and_its_width",
        "test_right_bundle_branch_block_needs_its_prime_its_broad_s_and_its_width",
    ),
    "C_LAFB": (
        "test_left_anterior_fascicular_block_begins_at_minus_45",
        "test_left_anterior_fascicular_block_begins_at_minus_45",
        "test_left_anterior_fascicular_block_begins_at_minus_45",
    ),
    "SGARB": (
        "test_interpret_acute.py::test_a_rule_behind_a_broad_qrs_at_its_limit_and_beside_it",
        "test_interpret_acute.py::test_a_rule_behind_a_broad_qrs_at_its_limit_and_beside_it",
        "test_interpret_acute.py::test_a_rule_behind_a_broad_qrs_at_its_limit_and_beside_it",
    ),
    "SMITH": (
        "test_interpret_acute.py::test_a_rule_behind_a_broad_qrs_at_its_limit_and_beside_it",
        "test_interpret_acute.py::test_a_rule_behind_a_broad_qrs_at_its_limit_and_beside_it",
        "test_interpret_acute.py::test_a_rule_behind_a_broad_qrs_at_its_limit_and_beside_it",
    ),
    "SMITH_PACED": (
        "test_interpret_acute.py::test_a_rule_behind_a_broad_qrs_at_its_limit_and_beside_it",
        "test_interpret_acute.py::test_a_rule_behind_a_broad_qrs_at_its_limit_and_beside_it",
        "test_interpret_acute.py::test_a_rule_behind_a_broad_qrs_at_its_limit_and_beside_it",
    ),
    "BARCA": (
        "test_interpret_acute.py::test_a_rule_behind_a_broad_qrs_at_its_limit_and_beside_it",
        "test_interpret_acute.py::test_a_rule_behind_a_broad_qrs_at_its_limit_and_beside_it",
        "test_interpret_acute.py::test_a_rule_behind_a_broad_qrs_at_its_limit_and_beside_it",
    ),
    "E_WEL_A": (
        "test_interpret_acute.py::test_biphasic_wellens_at_its_limit_and_beside_it",
        "test_interpret_acute.py::test_biphasic_wellens_at_its_limit_and_beside_it",
        "test_interpret_acute.py::test_biphasic_wellens_at_its_limit_and_beside_it",
    ),
}
NONE = np.empty(0)
MAN, WOMAN = PatientFacts(60, Sex.MALE), PatientFacts(60, Sex.FEMALE)
PLAIN = LeadMeasurements(
    p_mv=0.1, q_mv=0.0, r_mv=0.8, s_mv=-0.3, r2_mv=0.0, s2_mv=0.0, t_mv=0.25, t_positive_mv=0.25, t_negative_mv=0.0,
    q_ms=0.0, r_ms=40.0, s_ms=30.0, r_peak_ms=40.0, qrs_pp_mv=1.1, qrs_area_mv_ms=20.0, st_j_mv=0.0, st_j20_mv=0.0,
    st_j40_mv=0.0, st_j60_mv=0.0, st_j80_mv=0.0, p1_mv=0.1, p1_ms=50.0, p2_mv=0.0, p2_ms=0.0, jp_mv=0.0,
)  # fmt: skip


def heart(
    leads: dict[str, dict[str, float | None]] | None = None,
    patient: PatientFacts = MAN,
    **overall: object,
) -> Facts:
    """A normal heart at 75/min with some measures changed."""
    values = {n: replace(PLAIN, **(leads or {}).get(n, {})) for n in STANDARD_LEADS}
    rr = np.full(11, 800.0)
    base = Measurements(
        heart_rate_bpm=75.0, min_rr_ms=800, max_rr_ms=800, p_ms=100, pr_ms=160, qrs_ms=90, qt_ms=380,
        qtc_ms=Qtc(410, 405, 405, 405), axis_deg=Axes(50, 50, 50), leads=values,
    )  # fmt: skip
    return Facts(
        measurements=replace(base, **overall),
        patient=patient,
        quality=Quality(Grade.A, {n: LeadQuality(Grade.A) for n in STANDARD_LEADS}),
        rules=load("udmi-2018"),
        rhythm=Rhythm(
            tuple(Beat(k, 400 * k, Kind.DOMINANT) for k in range(12)), rr, rr, 1.0, 10.0, 0.4, 1.0, 0.99,
            NONE, NONE, NONE, NONE, 0.0,
        ),
        leads=STANDARD_LEADS,
        beat=None,
        rate_hz=500.0,
        qrs=None,
        paced_share=0.0,
        notes=frozenset(),
        st_usable=True,
        amplitude_usable=True,
    )  # fmt: skip


def said(facts: Facts) -> set[str]:
    return {f.code for f in interpret(facts).findings if f.state == State.TRUE}


DEEP: dict[str, dict[str, float | None]] = {n: {"t_mv": -0.5} for n in ("V2", "V3", "V4", "V5", "V6")}
MIRRORED: dict[str, float | None] = {"p_mv": -0.0001, "qrs_area_mv_ms": -0.1, "t_mv": -0.0001}
LIMITS = [
    ("R_AVB1", {"pr_ms": 200.1}, {"pr_ms": 200.0}),
    ("C_SPR", {"pr_ms": 119.9}, {"pr_ms": 120.0}),
    ("R_SBRAD", {"heart_rate_bpm": 59.9}, {"heart_rate_bpm": 60.0}),
    ("R_STACH", {"heart_rate_bpm": 100.1}, {"heart_rate_bpm": 100.0}),
    ("R_SINUS", {"heart_rate_bpm": 60.0}, {"heart_rate_bpm": 59.9}),
    ("C_IVCD", {"qrs_ms": 110.1}, {"qrs_ms": 110.0}),
    ("X_LAD", {"axis_deg": Axes(50, -30.1)}, {"axis_deg": Axes(50, -30.0)}),
    ("X_RAD", {"axis_deg": Axes(50, 90.1)}, {"axis_deg": Axes(50, 90.0)}),
    ("X_NWAD", {"axis_deg": Axes(50, -90.1)}, {"axis_deg": Axes(50, -90.0)}),
    ("S_LQT", {"qtc_ms": Qtc(450, 450, 450, 450)}, {"qtc_ms": Qtc(449.9, 470, 470, 470)}),
    ("S_SQT", {"qtc_ms": Qtc(360, 360, 360, 360)}, {"qtc_ms": Qtc(360.1, 360, 360, 360)}),
    ("S_CNS", {"leads": DEEP, "qtc_ms": Qtc(500, 1, 1, 1)}, {"leads": DEEP, "qtc_ms": Qtc(499.9, 1, 1, 1)}),
    ("S_CNS", {"leads": DEEP, "qtc_ms": Qtc(500, 1, 1, 1)},
     {"leads": {**DEEP, "V6": {"t_mv": -0.4999}}, "qtc_ms": Qtc(500, 1, 1, 1)}),
    ("S_HCM_AP", {"leads": {"V4": {"t_mv": -1.0}, "V5": {"r_mv": 2.6001}}},
     {"leads": {"V4": {"t_mv": -1.0}, "V5": {"r_mv": 2.6}}}),
    ("S_HCM_AP", {"leads": {"V4": {"t_mv": -1.0}, "V5": {"r_mv": 2.6001}}},
     {"leads": {"V4": {"t_mv": -0.9999}, "V5": {"r_mv": 2.6001}}}),
    ("S_DEX", {"leads": {"I": MIRRORED, "V1": {"r_mv": 0.8001}}}, {"leads": {"I": MIRRORED}}),
    ("S_DEX", {"leads": {"I": MIRRORED, "V1": {"r_mv": 0.8001}}},
     {"leads": {"I": {**MIRRORED, "p_mv": 0.0}, "V1": {"r_mv": 0.8001}}}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "at", "beside"), LIMITS)
def test_a_global_measure_at_its_limit_and_one_step_beside_it(code: str, at: dict, beside: dict):
    assert code in said(heart(**at))
    assert code not in said(heart(**beside))


def every(value: dict[str, float | None]) -> dict[str, dict[str, float | None]]:
    return dict.fromkeys(STANDARD_LEADS, value)


LEADS = [
    ("V_LOW_L", every({"qrs_pp_mv": 0.4999}), every({"qrs_pp_mv": 0.5})),
    ("V_LOW_P", every({"qrs_pp_mv": 0.9999}), every({"qrs_pp_mv": 1.0})),
    ("T_ISCH_ST", {n: {"st_j_mv": -0.05, "st_j80_mv": -0.05} for n in ("V5", "V6")},
     {n: {"st_j_mv": -0.0499, "st_j80_mv": -0.05} for n in ("V5", "V6")}),
    ("T_ISCH_T", {n: {"t_mv": -0.1001} for n in ("V5", "V6")}, {n: {"t_mv": -0.1} for n in ("V5", "V6")}),
    ("T_NONSPEC", {n: {"t_mv": 0.0799} for n in ("V5", "V6")}, {n: {"t_mv": 0.08} for n in ("V5", "V6")}),
    ("T_NONSPEC", {n: {"st_j80_mv": -0.02} for n in ("V5", "V6")}, {n: {"st_j80_mv": -0.0199} for n in ("V5", "V6")}),
    ("T_TALL", {"V3": {"t_mv": 1.0001}}, {"V3": {"t_mv": 1.0}}),
    ("T_ER", {n: {"jp_mv": 0.1} for n in ("V5", "V6")}, {n: {"jp_mv": 0.0999} for n in ("V5", "V6")}),
    ("T_ER", {n: {"jp_mv": 0.1} for n in ("II", "aVF")}, {n: {"jp_mv": 0.3} for n in ("V2", "V3")}),
    ("H_LVH_SL", {"V1": {"s_mv": -2.0}, "V5": {"r_mv": 1.5}}, {"V1": {"s_mv": -2.0}, "V5": {"r_mv": 1.4999}}),
    ("H_LVH_CV", {"aVL": {"r_mv": 1.0}, "V3": {"s_mv": -1.8001}}, {"aVL": {"r_mv": 1.0}, "V3": {"s_mv": -1.8}}),
    ("H_LAA", {"V1": {"p2_mv": -0.1, "p2_ms": 40.0}}, {"V1": {"p2_mv": -0.1, "p2_ms": 39.0}}),
    ("C_RSR_NARROW", {"V2": {"r_mv": 0.3, "r2_mv": 0.1, "st_j_mv": 0.08}},
     {"V2": {"r_mv": 0.3, "r2_mv": 0.1, "st_j_mv": 0.0801}}),
    ("C_RSR_NARROW", {"V1": {"r_mv": 0.3, "r2_mv": 0.05}}, {"V1": {"r_mv": 0.3, "r2_mv": 0.0499}}),
    ("H_RAA", {"II": {"p_mv": 0.2501}}, {"II": {"p_mv": 0.25}}),
    ("H_LVH_CP", {"aVL": {"r_mv": 1.0}, "V3": {"s_mv": -1.7123}}, {"aVL": {"r_mv": 1.0}, "V3": {"s_mv": -1.7111}}),
    ("H_LVH_PLP", {"V2": {"s_mv": -1.5}, "V4": {"s_mv": -1.3}}, {"V2": {"s_mv": -1.5}, "V4": {"s_mv": -1.2999}}),
    ("H_LVH_PLP", {"V4": {"s_mv": -1.4}}, {"V4": {"s_mv": -1.3999}}),
    ("X_PRWP", {"V1": {"r_mv": 0.1}, "V2": {"r_mv": 0.3}, "V3": {"r_mv": 0.3}},
     {"V1": {"r_mv": 0.1}, "V2": {"r_mv": 0.3}, "V3": {"r_mv": 0.3001}}),
    ("X_PRWP", {"V3": {"r_mv": 0.9}}, {"V3": {"r_mv": 0.8999}}),
    ("X_TRANS", {"V1": {"r_mv": 0.3001}}, {"V1": {"r_mv": 0.3}}),
    ("X_TRANS", {"V1": {"r_mv": 0.3}, "V5": {"r_mv": 0.2999}}, {"V1": {"r_mv": 0.3}, "V5": {"r_mv": 0.3}}),
    ("X_TALLRV1", {"V1": {"r_mv": 0.3, "r_ms": 30.0}}, {"V1": {"r_mv": 0.3, "r_ms": 29.9}}),
    ("X_TALLRV1", {"V1": {"r_mv": 0.7, "s_mv": -1.0}}, {"V1": {"r_mv": 0.6999, "s_mv": -1.0}}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "at", "beside"), LEADS)
def test_a_lead_at_its_limit_and_one_step_beside_it(code: str, at: dict, beside: dict):
    assert code in said(heart(at))
    assert code not in said(heart(beside))


def test_a_woman_has_a_longer_qt_and_a_smaller_cornell():
    assert "S_LQT" not in said(heart(patient=WOMAN, qtc_ms=Qtc(459.9, 459.9, 459.9, 459.9)))
    assert "S_LQT" in said(heart(patient=WOMAN, qtc_ms=Qtc(460, 460, 460, 460)))
    assert "H_LVH_CV" in said(heart({"aVL": {"r_mv": 1.0}, "V3": {"s_mv": -1.0001}}, WOMAN))


@pytest.mark.parametrize("patient", [PatientFacts(15.9, Sex.MALE)])
def test_no_adult_statement_of_a_child(patient: PatientFacts):
    codes = said(heart(every({"qrs_pp_mv": 0.3, "t_mv": -0.4}), patient, axis_deg=Axes(50, -80), qrs_ms=140))
    assert not {c for c in codes if c.startswith(("X_", "V_", "T_", "H_", "C_"))}


@pytest.mark.parametrize(
    ("code", "facts"),
    [
        ("X_LAD", heart(axis_deg=Axes(50, None))),
        ("S_LQT", heart(qtc_ms=None)),
        ("S_LQT", heart(heart_rate_bpm=121.0)),
        ("H_LAA", heart(p_ms=None)),
        ("H_LVH_CV", heart(patient=PatientFacts(60, None))),
        ("H_LVH_SL", heart({"V1": {"s_mv": None}})),
        ("T_ISCH_ST", heart(every({"st_j80_mv": None}))),
        ("T_ISCH_T", heart(every({"t_mv": None}))),
        ("T_TALL", heart(every({"t_mv": None}))),
        ("T_NONSPEC", heart(every({"t_mv": None, "st_j80_mv": None}))),
        ("T_ER", heart(every({"jp_mv": None}))),
        ("S_SQT", heart(heart_rate_bpm=90.1)),
        ("S_CNS", heart(DEEP, qtc_ms=None)),
        ("S_HCM_AP", heart({"V4": {"t_mv": -1.0}, "V5": {"r_mv": None}})),
        ("S_DEX", heart({"I": {**MIRRORED, "p_mv": None}, "V1": {"r_mv": 0.9}})),
    ],
)
def test_what_a_rule_lacks_is_said_and_never_false(code: str, facts: Facts):
    verdict = interpret(facts)
    assert code in {n.code for n in verdict.not_assessed}
    assert code not in {f.code for f in verdict.findings}


def test_one_voltage_criterion_is_called_voltage_and_two_families_hypertrophy():
    one: dict[str, dict[str, float | None]] = {"aVL": {"r_mv": 1.0}, "V3": {"s_mv": -1.8001}}
    two: dict[str, dict[str, float | None]] = {**one, "V1": {"s_mv": -2.0}, "V5": {"r_mv": 1.5}}
    names = [next(f for f in interpret(heart(leads)).findings if f.code == "H_LVH").name.zh for leads in (one, two)]
    assert names == ["左室高电压（仅一项电压标准）", "左室肥大"]


def test_r_progression_and_transition_are_called_what_they_are():
    poor: dict[str, dict[str, float | None]] = {"V1": {"r_mv": 0.1}, "V2": {"r_mv": 0.3}, "V3": {"r_mv": 0.3}}
    back: dict[str, dict[str, float | None]] = {"V3": {"r_mv": 0.9}}
    late: dict[str, dict[str, float | None]] = {"V1": {"r_mv": 0.2}, "V5": {"r_mv": 0.2}}

    def name(code: str, leads: dict[str, dict[str, float | None]]) -> str:
        return next(f for f in interpret(heart(leads)).findings if f.code == code).name.zh

    assert name("X_PRWP", poor) == "胸导联R波递增不良"
    assert name("X_PRWP", back) == "胸导联R波逆递增"
    assert name("X_TRANS", {}) == "逆钟向转位（移行区提前）"
    assert name("X_TRANS", late) == "顺钟向转位（移行区延迟）"


def rbbb(v1_r2: float, s_ms: float, qrs_ms: float) -> Facts:
    v1: dict[str, float | None] = {
        "r_mv": 0.2,
        "s_mv": -0.2,
        "r2_mv": v1_r2,
        "qrs_area_mv_ms": 10.0 if v1_r2 else -10.0,
        "r_peak_ms": 80.0,
    }
    broad: dict[str, float | None] = {"s_ms": s_ms, "r_ms": 45.0}
    return heart({"V1": v1, "I": broad, "V6": broad}, qrs_ms=qrs_ms)


def test_right_bundle_branch_block_needs_its_prime_its_broad_s_and_its_width():
    assert "C_RBBB" in said(rbbb(0.4, 60.0, 120.0))
    assert "C_IRBBB" in said(rbbb(0.4, 60.0, 119.9))
    assert "C_RBBB" not in said(rbbb(0.4, 60.0, 119.9))
    assert "C_RBBB" not in said(rbbb(0.4, 40.0, 130.0))
    assert "C_RBBB" not in said(rbbb(0.0, 60.0, 130.0))


def test_left_anterior_fascicular_block_begins_at_minus_45():
    avl: dict[str, dict[str, float | None]] = {"aVL": {"q_mv": -0.1, "r_mv": 0.9, "r_peak_ms": 45.0}}
    assert "C_LAFB" in said(heart(avl, axis_deg=Axes(50, -45.0)))
    assert "C_LAFB" not in said(heart(avl, axis_deg=Axes(50, -44.9)))


def test_an_apical_wide_qrs_is_possibly_paced_and_bars_bundle_branch_block():
    deep: dict[str, float | None] = {"q_mv": -1.0, "r_mv": 0.1, "qrs_area_mv_ms": -60.0}
    left: dict[str, dict[str, float | None]] = dict.fromkeys(("V5", "V6"), deep)
    codes = said(heart(left, qrs_ms=160.0))
    assert "C_PACE_V" in codes
    assert not {"C_LBBB", "C_IVCD"} & codes


def test_wilson_interval_of_nine_in_ten():
    assert statements.wilson(9, 10) == pytest.approx((0.5958, 0.9821), abs=0.001)
    assert statements.wilson(0, 0) == (0.0, 1.0)
