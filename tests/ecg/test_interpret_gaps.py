"""The seven territories and what lies beside them: positive, negative and boundary case each (CLINICAL.md §4.1)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ecg.analysis import Beat, Grade, Kind, LeadMeasurements, LeadQuality, Measurements, Quality, State
from ecg.interpret import interpret
from ecg.interpret.facts import Facts, Rhythm, Verdict
from ecg.recording import EXTRA_LEADS, STANDARD_LEADS, PatientFacts, Sex
from ecg.rules import load

MAN = PatientFacts(60, Sex.MALE)
PLAIN = LeadMeasurements(
    p_mv=0.1, q_mv=0.0, r_mv=0.8, s_mv=-0.3, r2_mv=0.0, s2_mv=0.0, t_mv=0.2, t_positive_mv=0.2, t_negative_mv=0.0,
    q_ms=0.0, r_ms=40.0, s_ms=30.0, r_peak_ms=40.0, qrs_pp_mv=1.1, qrs_area_mv_ms=20.0, st_j_mv=0.0, st_j20_mv=0.0,
    st_j40_mv=0.0, st_j60_mv=0.0, st_j80_mv=0.0,
)  # fmt: skip

#: code → leads with their own limits in a man of 60
TERRITORIES = {
    "STEMI_ANTSEPT": {"V1": 0.10, "V2": 0.20},
    "STEMI_ANT": {"V3": 0.20, "V4": 0.10},
    "STEMI_HLAT": {"I": 0.10, "aVL": 0.10},
    "STEMI_LAT": {"V5": 0.10, "V6": 0.10},
    "STEMI_INF": {"II": 0.10, "aVF": 0.10},
    "STEMI_RV": {"V3R": 0.05, "V4R": 0.05},
    "STEMI_POST": {"V7": 0.05, "V8": 0.05},
}
#: code → leads that leave it unsaid, though one of them is raised far
BESIDE = {
    "STEMI_ANTSEPT": {"V1": 0.30},
    "STEMI_ANT": {"V4": 0.30},
    "STEMI_HLAT": {"aVL": 0.30, "V2": 0.30},
    "STEMI_LAT": {"V6": 0.30, "III": 0.30},
    "STEMI_INF": {"III": 0.30},
    "STEMI_RV": {"V4R": 0.30},
    "STEMI_POST": {"V9": 0.30},
}
CASES = {
    "STEMI_ANTSEPT": (
        "test_at_its_limits",
        "test_one_raised_lead_is_no_territory",
        "test_a_tenth_of_a_microvolt_less",
    ),
    "STEMI_ANT": ("test_at_its_limits", "test_one_raised_lead_is_no_territory", "test_a_tenth_of_a_microvolt_less"),
    "STEMI_HLAT": ("test_at_its_limits", "test_one_raised_lead_is_no_territory", "test_a_tenth_of_a_microvolt_less"),
    "STEMI_LAT": ("test_at_its_limits", "test_one_raised_lead_is_no_territory", "test_a_tenth_of_a_microvolt_less"),
    "STEMI_INF": ("test_at_its_limits", "test_one_raised_lead_is_no_territory", "test_a_tenth_of_a_microvolt_less"),
    "STEMI_RV": ("test_at_its_limits", "test_one_raised_lead_is_no_territory", "test_a_tenth_of_a_microvolt_less"),
    "STEMI_POST": ("test_at_its_limits", "test_one_raised_lead_is_no_territory", "test_a_tenth_of_a_microvolt_less"),
    "STEMI_BORDERLINE": ("test_close_to_the_limit", "test_far_below_nothing_is_close", "test_the_band_s_own_edge"),
    "E_SUBLAD": ("test_interpret_acute.py::test_the_four_variable_value_at_its_cuts",
                 "test_a_convex_st_inside_the_gate_needs_no_formula_and_outside_it_is_not_assessed",
                 "test_the_four_variable_value_at_its_cuts"),
    "E_HAT": ("test_interpret_acute.py::test_hyperacute_by_collins_is_confirmed_over_45",
              "test_hyperacute_by_area_is_possible_at_its_limits", "test_hyperacute_by_area_is_possible_at_its_limits"),
    "STE_NONCONTIG": ("test_a_lead_alone", "test_a_lead_with_its_neighbour", "test_a_lead_alone_at_its_limit"),
}  # fmt: skip


def verdict(st: dict[str, float], patient: PatientFacts = MAN) -> Verdict:
    """The rules on a normal heart with ST (flat from J to J+80) set by lead, all eighteen leads there."""
    leads = STANDARD_LEADS + EXTRA_LEADS
    values = {
        n: replace(PLAIN, st_j_mv=v, st_j20_mv=v, st_j40_mv=v, st_j60_mv=v, st_j80_mv=v)
        for n in leads
        for v in (st.get(n, 0.0),)
    }
    none, rr = np.empty(0), np.full(11, 800.0)
    beats = tuple(Beat(k, 400 * k, Kind.DOMINANT) for k in range(12))
    return interpret(
        Facts(
            measurements=Measurements(
                heart_rate_bpm=75.0, min_rr_ms=800, max_rr_ms=800, pr_ms=160, qrs_ms=90.0, qt_ms=400, leads=values
            ),
            patient=patient,
            quality=Quality(Grade.A, {n: LeadQuality(Grade.A) for n in leads}),
            rules=load("udmi-2018"),
            rhythm=Rhythm(beats, rr, rr, 1.0, 10.0, 0.4, 1.0, 0.99, none, none, none, none, 0.0),
            leads=leads,
            beat=None,
            rate_hz=500.0,
            qrs=None,
            paced_share=0.0,
            notes=frozenset(),
            st_usable=True,
            amplitude_usable=True,
        )
    )


def elevations(found: Verdict) -> dict[str, State]:
    """The statements of §4.1 and their state."""
    return {f.code: f.state for f in found.findings if f.code.startswith(("STEMI_", "STE_"))}


@pytest.mark.parametrize("code", sorted(TERRITORIES))
def test_at_its_limits(code: str) -> None:
    assert elevations(verdict(TERRITORIES[code])) == {code: State.TRUE}


@pytest.mark.parametrize("code", sorted(TERRITORIES))
def test_a_tenth_of_a_microvolt_less(code: str) -> None:
    for lead in TERRITORIES[code]:
        short = TERRITORIES[code] | {lead: TERRITORIES[code][lead] - 0.0001}
        assert elevations(verdict(short)) == {"STEMI_BORDERLINE": State.BORDERLINE}


@pytest.mark.parametrize("code", sorted(BESIDE))
def test_one_raised_lead_is_no_territory(code: str) -> None:
    found = elevations(verdict(BESIDE[code]))
    assert code not in found
    assert "STE_NONCONTIG" in found


@pytest.mark.parametrize(
    ("patient", "lead", "limit"),
    [
        (PatientFacts(39.9, Sex.MALE), "V7", 0.10),
        (PatientFacts(40, Sex.MALE), "V7", 0.05),
        (PatientFacts(29.9, Sex.MALE), "V3R", 0.10),
        (PatientFacts(30, Sex.MALE), "V3R", 0.05),
        (PatientFacts(20, Sex.FEMALE), "V7", 0.05),
        (PatientFacts(20, Sex.FEMALE), "V3R", 0.05),
    ],
)
def test_extra_leads_by_sex_and_age(patient: PatientFacts, lead: str, limit: float) -> None:
    code, other = ("STEMI_POST", "V8") if lead == "V7" else ("STEMI_RV", "V4R")
    assert code in elevations(verdict({lead: limit, other: limit}, patient))
    assert code not in elevations(verdict({lead: limit - 0.0001, other: limit}, patient))


def test_close_to_the_limit() -> None:
    assert elevations(verdict({"II": 0.09, "aVF": 0.09})) == {"STEMI_BORDERLINE": State.BORDERLINE}
    # One lead at its limit, its neighbour at half of its own.
    assert elevations(verdict({"II": 0.10, "aVF": 0.05})) == {"STEMI_BORDERLINE": State.BORDERLINE}


def test_far_below_nothing_is_close() -> None:
    assert "STEMI_BORDERLINE" not in elevations(verdict({"II": 0.05, "aVF": 0.05}))


def test_the_band_s_own_edge() -> None:
    """The band is 25 µV wide, its lower edge in it; half of the neighbour's limit likewise."""
    assert "STEMI_BORDERLINE" in elevations(verdict({"II": 0.075, "aVF": 0.075}))
    assert "STEMI_BORDERLINE" not in elevations(verdict({"II": 0.0749, "aVF": 0.075}))
    assert "STEMI_BORDERLINE" not in elevations(verdict({"II": 0.10, "aVF": 0.0499}))


def test_a_lead_alone() -> None:
    assert elevations(verdict({"III": 0.20})) == {"STE_NONCONTIG": State.TRUE}


def test_a_lead_with_its_neighbour() -> None:
    assert "STE_NONCONTIG" not in elevations(verdict({"III": 0.20, "aVF": 0.20}))


def test_a_lead_alone_at_its_limit() -> None:
    assert "STE_NONCONTIG" in elevations(verdict({"V6": 0.10}))
    assert "STE_NONCONTIG" not in elevations(verdict({"V6": 0.0999}))
