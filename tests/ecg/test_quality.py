"""Grades: one bad chest lead is one lost lead, a lost contact is no clipped peak, a swap has its own sentence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ecg
from ecg.analysis import Grade, LeadMeasurements
from ecg.recording import STANDARD_LEADS, Recording
from ecg.signal import quality
from ecg.synthesis import TERRITORIES, Heart, synthesise


def shaken(recording: Recording, leads: tuple[str, ...]) -> Recording:
    rng = np.random.default_rng(1)
    rows = recording.millivolts.copy()
    for name in leads:
        rows[recording.leads.index(name)] += rng.normal(0, 0.4, recording.samples)
    return replace(recording, millivolts=rows)


@pytest.mark.parametrize(("leads", "grade"), [((), Grade.A), (("V4",), Grade.C), (("V4", "V6"), Grade.D)])
def test_an_unreadable_chest_lead_counts_as_one_that_is_off(leads: tuple[str, ...], grade: Grade):
    found = ecg.analyze(shaken(synthesise(Heart()).recording, leads)).quality
    assert found.grade == grade
    assert all(found.leads[name].grade == Grade.D for name in leads)


def test_an_unreadable_lead_hides_no_infarction_on_the_others():
    recording = shaken(synthesise(Heart(st_mv=TERRITORIES["inferior"])).recording, ("V4", "V6"))
    analysis = ecg.analyze(recording)
    assert analysis.quality.grade == Grade.D
    assert analysis.finding("STEMI_INF") is not None


def test_a_contact_that_is_lost_at_the_end_is_no_clipped_peak():
    recording = synthesise(Heart()).recording
    rows = recording.millivolts.copy()
    rows[:, -180:] = -16.0
    found, alive = quality.examine_raw(recording.leads, rows, 500.0, 0.0)
    assert "Q_CLIP" not in found.whole
    assert alive.all()


def test_an_amplifier_at_its_end_for_a_fifth_of_the_time_is_clipped():
    recording = synthesise(Heart()).recording
    rows = recording.millivolts.copy()
    rows[3, -1000:] = -16.0
    found, _ = quality.examine_raw(recording.leads, rows, 500.0, 0.0)
    assert found.lead["aVR"] == {"Q_CLIP": Grade.C}


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("RA-LA", "Arm electrodes"),
        ("RA-LL", "An arm and a leg"),
        ("RA-RL LA-LL", "An arm and a leg"),
        ("V2-V3", "V2/V3"),
        ("LA-V2", "limb and a chest"),
    ],
)
def test_a_swap_is_said_in_the_contracts_words(kind: str, said: str):
    defects = quality.Defects()
    quality.examine_swap(kind, Grade.D, defects)
    advice = quality.judged(STANDARD_LEADS, defects).advice
    assert [a.code for a in advice] == ["Q_REV"]
    assert said in advice[0].text.en
    assert "{" not in advice[0].text.zh


@pytest.mark.parametrize(("level_mv", "grade"), [(0.0, Grade.C), (-16.0, Grade.D), (-80.0, Grade.D)])
def test_a_chest_lead_held_at_the_amplifiers_end_was_never_recorded(level_mv: float, grade: Grade):
    recording = synthesise(Heart()).recording
    rows = recording.millivolts.copy()
    rows[recording.leads.index("V6")] = level_mv
    found = ecg.analyze(replace(recording, millivolts=rows)).quality
    assert found.grade == grade
    assert ("Q_LEADSET" in found.defects) == (grade == Grade.D)


def test_a_lead_that_rides_on_a_large_offset_is_no_lost_lead():
    recording = synthesise(Heart()).recording
    rows = recording.millivolts.copy()
    rows[recording.leads.index("V6")] -= 16.0
    assert ecg.analyze(replace(recording, millivolts=rows)).quality.grade == Grade.A


@pytest.mark.parametrize(
    ("v1", "v2", "high"),
    [
        (LeadMeasurements(p1_mv=0.05), LeadMeasurements(p1_mv=-0.06, p2_mv=0.0), True),
        (LeadMeasurements(p1_mv=0.05), LeadMeasurements(p1_mv=-0.06, p2_mv=0.05), False),
        (LeadMeasurements(p1_mv=-0.05, r_mv=0.2, s_mv=-0.6, r2_mv=0.25), LeadMeasurements(p1_mv=0.05), True),
        (LeadMeasurements(p1_mv=-0.05, r_mv=0.2, s_mv=-0.6, r2_mv=0.35), LeadMeasurements(p1_mv=0.05), False),
        (LeadMeasurements(p1_mv=-0.05, r_mv=0.2, s_mv=-0.6, r2_mv=0.3), LeadMeasurements(p1_mv=0.05), False),
        (LeadMeasurements(p1_mv=-0.05, r_mv=0.2, s_mv=-0.6, r2_mv=0.0), LeadMeasurements(p1_mv=0.05), False),
        (LeadMeasurements(p1_mv=-0.05, r_mv=0.2, s_mv=0.0, r2_mv=0.25), LeadMeasurements(p1_mv=0.05), False),
        (
            LeadMeasurements(p1_mv=-0.05, q_mv=-0.1, r_mv=0.2, s_mv=-0.6, r2_mv=0.25),
            LeadMeasurements(p1_mv=0.05),
            False,
        ),
        (LeadMeasurements(), LeadMeasurements(), False),
    ],
)
def test_v1_and_v2_too_high_are_known_by_their_p(v1: LeadMeasurements, v2: LeadMeasurements, high: bool):
    defects = quality.Defects()
    quality.examine_height({"V1": v1, "V2": v2}, defects)
    found = quality.judged(STANDARD_LEADS, defects)
    assert (found.grade, [a.code for a in found.advice]) == ((Grade.B, ["Q_HIGHV"]) if high else (Grade.A, []))
