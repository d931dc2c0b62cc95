"""Grades: one bad chest lead is one lost lead, a lost contact is no clipped peak, a swap has its own sentence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ecg
from ecg.analysis import Grade
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
