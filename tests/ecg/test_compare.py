"""Now against before: pairs whose change is known because one was made from the other (CLINICAL.md §4.10, §4.6)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import ecg
from ecg.analysis import (
    Analysis,
    AverageBeat,
    Certainty,
    Finding,
    Grade,
    LeadMeasurements,
    LeadQuality,
    Measurements,
    NotAssessed,
    Quality,
    State,
)
from ecg.compare import Circumstances, Comparison, Identity, compare
from ecg.comparison_document import comparison
from ecg.document import document
from ecg.recording import STANDARD_LEADS, PatientFacts, Sex, Text
from ecg.rules import table
from ecg.synthesis import Conduction, Heart, synthesise

MAN, WOMAN = PatientFacts(60, Sex.MALE), PatientFacts(60, Sex.FEMALE)
RATE = 500.0


def beat(twist: float = 0.0, leads: tuple[str, ...] = STANDARD_LEADS) -> AverageBeat:
    """A QRS of 100 ms in every lead; ``twist`` mixes in another shape, orthogonal to it."""
    t = np.arange(50)
    shape = np.sin(2 * np.pi * t / 50)
    other = np.sin(4 * np.pi * t / 50)
    mv = np.zeros((len(leads), 300))
    mv[:, 100:150] = (1 - twist) * shape + twist * other
    return AverageBeat(leads, mv, RATE, 10, 100, 149, t_peak=220, t_off=260)


def made(
    st: dict[str, float] | None = None,
    t: dict[str, float] | None = None,
    codes: tuple[str, ...] = ("R_SINUS",),
    skipped: tuple[str, ...] = (),
    grade: Grade = Grade.A,
    area: float = 20.0,
    areas: dict[str, float] | None = None,
    twist: float = 0.0,
    samples: bool = True,
    qrs_ms: float = 90.0,
    leads: tuple[str, ...] = STANDARD_LEADS,
) -> Analysis:
    """An analysis whose ST at J, T and findings are set by hand: T 0.3 mV and ST 0 where nothing is said."""
    values = {
        n: LeadMeasurements(
            st_j_mv=(st or {}).get(n, 0.0),
            t_mv=(t or {}).get(n, 0.3),
            qrs_pp_mv=1.0,
            t_area_mv_ms=(areas or {}).get(n, area),
        )
        for n in leads
    }
    findings = tuple(Finding(c, Text(c, c), State.TRUE, Certainty.DEFINITE, (), "", "udmi-2018") for c in codes)
    return Analysis(
        quality=Quality(grade, {n: LeadQuality(Grade.A) for n in leads}),
        beats=(),
        global_waves=(),
        lead_waves={},
        measurements=Measurements(heart_rate_bpm=70.0, pr_ms=160.0, qrs_ms=qrs_ms, leads=values),
        findings=findings,
        not_assessed=tuple(NotAssessed(c, ("rule",), Text("", "")) for c in skipped),
        ruleset="udmi-2018",
        average=beat(twist, leads) if samples else None,
    )


def against(now: Analysis, prior: Analysis | None = None, **around: Any) -> Comparison:
    patient = around.pop("patient", MAN)
    return compare(now, prior or made(), Identity.PROVEN, Circumstances(patient, **around))


def stated(result: Comparison) -> set[str]:
    return {c.code for c in result.changes if c.state is State.TRUE}


def missing(result: Comparison) -> dict[str, tuple[str, ...]]:
    return {n.code: n.missing for n in result.not_assessed}


def leads_of(result: Comparison, code: str) -> set[str | None]:
    change = result.change(code)
    assert change is not None
    return {e.lead for e in change.evidence}


# --- ST elevation ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leads", "limit", "patient"),
    [
        (("II", "aVF"), 0.10, MAN),
        (("V4", "V5"), 0.10, WOMAN),
        (("V2", "V3"), 0.20, MAN),
        (("V2", "V3"), 0.15, WOMAN),
        (("V2", "V3"), 0.15, PatientFacts()),
    ],
)
def test_new_elevation_to_the_tenth_of_a_microvolt(leads: tuple[str, str], limit: float, patient: PatientFacts) -> None:
    at = against(made(st=dict.fromkeys(leads, limit)), patient=patient)
    assert "D_STE_NEW" in stated(at)
    assert leads_of(at, "D_STE_NEW") == set(leads)
    below = against(made(st={leads[0]: limit - 0.0001, leads[1]: limit}), patient=patient)
    assert "D_STE_NEW" not in stated(below)
    near = below.change("D_STE_NEW")
    assert near is not None
    assert near.state is State.BORDERLINE
    far = against(made(st={leads[0]: limit - 0.0251, leads[1]: limit}), patient=patient)
    assert far.change("D_STE_NEW") is None


def test_new_elevation_is_the_change_and_not_the_level() -> None:
    old = made(st={"II": 0.15, "aVF": 0.15})
    assert stated(against(made(st={"II": 0.2, "aVF": 0.2}), old)) == set()
    assert "D_STE_NEW" in stated(against(made(st={"II": 0.25, "aVF": 0.25}), old))


def test_leads_that_are_no_neighbours_are_no_elevation() -> None:
    assert against(made(st={"III": 0.3, "V4": 0.3})).change("D_STE_NEW") is None


def test_whether_the_threshold_of_4_1_is_reached_is_said() -> None:
    reached = against(made(st={"II": 0.2, "aVF": 0.2}, codes=("R_SINUS", "STEMI_INF"))).change("D_STE_NEW")
    assert reached is not None
    assert "REACHES_STEMI" in reached.notes
    short = against(made(st={"II": 0.2, "aVF": 0.2})).change("D_STE_NEW")
    assert short is not None
    assert "REACHES_STEMI" not in short.notes


def test_an_assumed_sex_is_said() -> None:
    change = against(made(st={"V2": 0.2, "V3": 0.2}), patient=PatientFacts()).change("D_STE_NEW")
    assert change is not None
    assert change.notes == ("assumed_sex",)


# --- depression, T --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "true"), [(-0.05, True), (-0.0499, False), (-0.3, True)])
def test_new_depression_at_its_limit(value: float, true: bool) -> None:
    assert ("D_STD_NEW" in stated(against(made(st={"V5": value, "V6": value})))) is true


def test_a_falling_elevation_is_no_depression() -> None:
    old = made(st={"II": 0.2, "aVF": 0.2})
    assert "D_STD_NEW" not in stated(against(made(), old))


@pytest.mark.parametrize(
    ("before", "now", "true"),
    [(0.1, -0.1, True), (0.1, -0.0999, False), (0.4, 0.1, False), (-0.1, -0.3, True), (-0.1, -0.2, False)],
)
def test_new_t_inversion_is_two_tenths_down_and_negative(before: float, now: float, true: bool) -> None:
    old, new = made(t={"V2": before, "V3": before}), made(t={"V2": now, "V3": now})
    assert ("D_T_INV" in stated(against(new, old))) is true


@pytest.mark.parametrize(("pain", "true"), [(True, True), (False, False), (None, False)])
def test_pseudonormalisation_needs_pain(pain: bool | None, true: bool) -> None:
    old, new = made(t={"V2": -0.2, "V3": -0.2}), made(t={"V2": 0.2, "V3": 0.2})
    result = against(new, old, pain=pain)
    assert ("D_T_PSEUDO" in stated(result)) is true
    assert (missing(result).get("D_T_PSEUDO") == ("symptoms",)) is (pain is None)


def test_a_t_of_exactly_the_limit_was_not_inverted() -> None:
    new = made(t={"V2": 0.2, "V3": 0.2})
    assert "D_T_PSEUDO" in stated(against(new, made(t={"V2": -0.1001, "V3": -0.1001}), pain=True))
    assert "D_T_PSEUDO" not in stated(against(new, made(t={"V2": -0.1, "V3": -0.1}), pain=True))


# --- hyperacute T ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "now", "minutes", "twist", "true"),
    [
        (40.0, 60.0, 30.0, 0.0, True),
        (40.0, 59.9, 30.0, 0.0, False),
        (40.0, 60.0, 1440.0, 0.0, True),
        (40.0, 60.0, 1441.0, 0.0, False),
        (10.0, 34.9, 30.0, 0.0, False),  # tripled and still flat
        (40.0, 60.0, -5.0, 0.0, False),  # the "prior" is the later one
        (40.0, 60.0, 30.0, 0.3, False),  # QRS fits 0.90, not 0.95
    ],
)
def test_a_t_that_grows_by_half_within_a_day(
    before: float, now: float, minutes: float, twist: float, true: bool
) -> None:
    result = against(made(area=now, twist=twist), made(area=before), minutes_between=minutes)
    assert result.same_qrs is True
    assert ("D_HAT" in stated(result)) is true


def test_a_t_grown_in_one_lead_is_not_enough() -> None:
    old = made(area=40.0)
    assert "D_HAT" not in stated(against(made(area=40.0, areas={"V3": 80.0}), old, minutes_between=20.0))
    both = against(made(area=40.0, areas={"V3": 80.0, "V4": 80.0}), old, minutes_between=20.0)
    assert leads_of(both, "D_HAT") == {"V3", "V4"}


@pytest.mark.parametrize(("minutes", "true"), [(10.0, True), (10.1, False), (None, False)])
def test_the_area_rule_on_two_tracings_within_ten_minutes(minutes: float | None, true: bool) -> None:
    both = made(codes=("R_SINUS", "E_HAT"))
    result = against(both, both, minutes_between=minutes)
    assert ("D_HAT" in stated(result)) is true
    assert ("D_HAT" in missing(result)) is (minutes is None)


# --- resolution -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "minutes", "code"),
    [
        (0.15, 75.0, "D_ST_RESOLVED"),
        (0.1501, 75.0, "D_ST_PERSISTS"),
        (0.15, 60.0, "D_ST_RESOLVED"),
        (0.15, 90.0, "D_ST_RESOLVED"),
        (0.15, 59.9, None),
        (0.15, 90.1, None),
        (0.15, None, None),
    ],
)
def test_resolution_in_the_lead_with_the_most_elevation(now: float, minutes: float | None, code: str | None) -> None:
    old = made(st={"V3": 0.3, "V2": 0.25})
    result = against(made(st={"V3": now, "V2": 0.25}), old, minutes_after_lysis=minutes)
    assert stated(result) & {"D_ST_RESOLVED", "D_ST_PERSISTS"} == ({code} if code else set())
    assert ("D_ST_RESOLVED" in missing(result)) is (code is None)
    if code:
        assert leads_of(result, code) == {"V3"}


def test_without_elevation_nothing_can_resolve() -> None:
    result = against(made(), made(st={"V3": 0.0999}), minutes_after_lysis=70.0)
    assert not {"D_ST_RESOLVED", "D_ST_PERSISTS"} & (stated(result) | missing(result).keys())


# --- QRS, rhythm ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["C_LAFB", "R_AVB1", "R_AVB2_II", "Q_INF", "C_RBBB", "C_LBBB"])
def test_new_conduction_and_q(code: str) -> None:
    assert "D_QRS_NEW" in stated(against(made(codes=("R_SINUS", code))))
    same = made(codes=("R_SINUS", code))
    assert "D_QRS_NEW" not in stated(against(same, same))


@pytest.mark.parametrize("family", ["R_AVB", "R_AVB1"])
def test_what_the_prior_was_not_assessed_for_may_be_old(family: str) -> None:
    result = against(made(codes=("R_SINUS", "R_AVB1")), made(skipped=(family,)))
    assert "D_QRS_NEW" not in stated(result)
    assert missing(result)["D_QRS_NEW"] == ("R_AVB1",)
    assert result.unchanged is None


def test_a_new_bundle_branch_block_bars_st_and_t() -> None:
    result = against(made(st={"V2": 0.5, "V3": 0.5}, codes=("R_SINUS", "C_LBBB"), qrs_ms=100.0))
    narrow = against(made(codes=("R_SINUS", "C_LBBB"), qrs_ms=99.9))  # the same block on both sides of a limit
    assert narrow.same_qrs is True
    assert {"D_CONDUCTION", "D_QRS_NEW"} <= stated(result)
    assert "D_STE_NEW" not in stated(result)
    assert missing(result)["D_STE_NEW"] == ("qrs_match",)
    assert result.st_j_mv["V2"] == 0.5  # still shown


@pytest.mark.parametrize(
    ("before", "now", "changed"),
    [
        ("R_SINUS", "R_AF", True),
        ("R_SINUS", "R_SBRAD", False),
        ("R_AF", "R_AF_FAST", False),
        ("R_AFL", "R_SINUS", True),
        ("R_SINUS", "C_PACE_V", True),
    ],
)
def test_rhythm_changes_by_kind(before: str, now: str, changed: bool) -> None:
    assert ("D_RHYTHM" in stated(against(made(codes=(now,)), made(codes=(before,))))) is changed


def test_an_undetermined_rhythm_is_no_change_and_no_sameness() -> None:
    result = against(made(codes=()))
    assert "D_RHYTHM" not in stated(result)
    assert missing(result)["D_RHYTHM"] == ("rhythm",)
    assert result.unchanged is None


def test_the_match_at_its_limit() -> None:
    """Two orthogonal shapes mixed a : b correlate by a/√(a² + b²)."""
    limit = table("serial")["match"]["qrs_correlation"]
    for twist in (0.30, 0.32, 0.34):
        want = (1 - twist) / np.hypot(1 - twist, twist)
        result = against(made(twist=twist))
        assert result.correlation == pytest.approx(want, abs=0.005)
        assert result.same_qrs is bool((result.correlation or 0) >= limit)
    assert {against(made(twist=t)).same_qrs for t in (0.30, 0.34)} == {True, False}


# --- nothing --------------------------------------------------------------------------------------------------------


def test_nothing_changed() -> None:
    result = against(made())
    assert stated(result) == {"D_UNCHANGED"}
    assert result.unchanged is True
    assert result.proven_unchanged


@pytest.mark.parametrize("value", [0.05, -0.05])
def test_a_lead_that_moved_by_the_limit_is_a_change(value: float) -> None:
    assert against(made(st={"aVR": value})).unchanged is False
    assert against(made(st={"aVR": value * 0.998})).unchanged is True


def test_sameness_needs_every_lead() -> None:
    result = against(made(leads=STANDARD_LEADS[:11]))
    assert result.unchanged is None
    assert missing(result)["D_UNCHANGED"] == ("V6",)


# --- what forbids ---------------------------------------------------------------------------------------------------


def test_a_doubtful_prior_is_shown_and_counts_for_nothing() -> None:
    for now, prior in ((made(), made()), (made(st={"II": 0.3, "aVF": 0.3}), made())):
        result = compare(now, prior)
        assert result.identity is Identity.DOUBTFUL
        assert result.changes
        assert all(c.certainty is Certainty.POSSIBLE and "IDENTITY_DOUBTFUL" in c.notes for c in result.changes)
        assert not result.counts
        assert not result.proven_unchanged


@pytest.mark.parametrize("which", ["now", "prior"])
def test_a_poor_tracing_compares_no_st(which: str) -> None:
    poor, good = made(st={"II": 0.3, "aVF": 0.3}, grade=Grade.D), made()
    result = against(poor, good) if which == "now" else against(good, poor)
    assert not {"D_STE_NEW", "D_UNCHANGED"} & stated(result)
    assert missing(result)["D_STE_NEW"] == ("ST",)


def test_a_stored_document_has_no_beat_and_compares_no_st() -> None:
    recording = synthesise(Heart(), seed=2).recording
    analysis = ecg.analyze(recording)
    stored = json.loads(json.dumps(document(analysis, recording, "x")))
    result = compare(analysis, stored, Identity.PROVEN)
    assert missing(result)["D_STE_NEW"] == ("average_beat",)
    assert set(result.st_j_mv.values()) == {0.0}
    assert result.unchanged is None
    assert compare(analysis, analysis, Identity.PROVEN).unchanged is True
    with pytest.raises(ValueError, match="schema"):
        compare(analysis, stored | {"schema": "other"})


def test_a_lead_that_was_moved_decides_nothing() -> None:
    now = made(st={"V3": 0.3, "V4": 0.3})
    assert now.average is not None
    mv = now.average.millivolts.copy()
    mv[STANDARD_LEADS.index("V4")] *= -1.0
    result = against(replace(now, average=replace(now.average, millivolts=mv)))
    assert result.same_qrs is True
    assert "D_STE_NEW" not in stated(result)
    assert "V4" in missing(result)["D_STE_NEW"]
    assert result.st_j_mv["V4"] == 0.3


# --- from samples ---------------------------------------------------------------------------------------------------


def test_a_synthetic_occlusion_is_new_and_its_end_resolves() -> None:
    quiet = synthesise(Heart(), patient=MAN, seed=1).recording
    raised = synthesise(Heart(st_mv={"I": -0.05, "II": 0.25}), patient=MAN, seed=1).recording
    calm, acute = ecg.analyze(quiet), ecg.analyze(raised)
    began = against(acute, calm, minutes_between=30.0)
    assert began.same_qrs
    assert "D_STE_NEW" in stated(began)
    assert {"II", "aVF"} <= leads_of(began, "D_STE_NEW")
    assert began.st_j_mv["aVF"] == pytest.approx((2 * 0.25 + 0.05) / 2, abs=0.03)  # Goldberger: II − I/2
    ended = against(calm, acute, minutes_after_lysis=80.0)
    assert "D_ST_RESOLVED" in stated(ended)


def test_a_synthetic_bundle_branch_block_is_other_conduction() -> None:
    narrow = ecg.analyze(synthesise(Heart(), patient=MAN, seed=1).recording)
    wide = ecg.analyze(synthesise(Heart(conduction=Conduction.LBBB, qrs_ms=150.0), patient=MAN, seed=1).recording)
    result = against(wide, narrow)
    assert result.same_qrs is False
    assert "D_STE_NEW" in missing(result)
    assert (result.overall["qrs_ms"] or 0) > 30


@pytest.mark.parametrize(
    ("now", "prior", "same"),
    [("00320", "00308", True), ("00144", "00143", True)],
)
def test_patients_of_ptb_xl_with_two_ecgs(now: str, prior: str, same: bool, data_folder: Any) -> None:
    """Days apart; 143 and 144 are one ECG under two numbers."""
    one, two = (ecg.analyze(ecg.read(data_folder / f"ptbxl/records500/{n}_hr.hea")) for n in (now, prior))
    result = compare(one, two, Identity.PROVEN)
    assert result.same_qrs is same
    assert "D_STE_NEW" not in stated(result)
    if now == "00144":
        assert result.proven_unchanged


def test_the_document_is_json_and_says_everything() -> None:
    out = json.loads(
        json.dumps(comparison(against(made(st={"II": 0.3, "aVF": 0.3})), "a", "b", 12.34), allow_nan=False)
    )
    assert out["schema"] == "ecgnet.comparison/1"
    assert (out["now"], out["prior"], out["minutes_between"]) == ("a", "b", 12.3)
    assert out["counts"] is True
    assert out["changes"][0]["name"]["zh"] == "新出现的ST段抬高"
    assert out["st_j_mv"]["II"] == 0.3
    assert out["rulesets"] == {"prior": "udmi-2018", "now": "udmi-2018"}
