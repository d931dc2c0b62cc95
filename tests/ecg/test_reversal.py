"""Swapped electrodes are seen in the beat itself, undone exactly, and never taken for a disease or the reverse."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import ecg
from ecg.analysis import AverageBeat, Certainty, Grade
from ecg.arrays import ints
from ecg.lead_field import INDEPENDENT, potentials, recorded, swapped, twelve
from ecg.recording import Recording
from ecg.signal import kinship, reversal
from ecg.signal.reversal import Suspicion, recognised, undone
from ecg.synthesis import TERRITORIES, Conduction, Heart, Noise, Rhythm, synthesise
from ecg.waves import Outline

FEET = {"RA-RL": (("RA", "RL"),), "LA-RL": (("LA", "RL"),), "RA-RL LA-LL": (("RA", "RL"), ("LA", "LL"))}
SEEN = {k: s for k, s in (reversal.WAYS | FEET).items() if k not in reversal.FEET}


@cache
def heart(seed: int = 3) -> Recording:
    return synthesise(Heart(individual=0.4), Noise(0.005, 0.0, 50.0, 0.02), seed=seed).recording


def with_swap(recording: Recording, swaps: reversal.Swaps) -> Recording:
    rows = [recording.lead(n) if n in recording.leads else np.zeros(recording.samples) for n in INDEPENDENT]
    leads = twelve(recorded(swapped(potentials(np.stack(rows)), swaps)))
    return replace(recording, millivolts=np.stack([leads[n] for n in recording.leads]))


def judged(recording: Recording) -> Suspicion | None:
    average = ecg.analyze(recording).average
    assert average is not None
    return recognised(average.millivolts, average.leads, outlined(average), average.p_on is not None, average.rate_hz)


def outlined(average: AverageBeat) -> Outline:
    """The outline as far as a swap needs it."""
    p = None if average.p_on is None else ints([average.p_on, average.p_on, average.p_off])
    t = None if average.t_off is None else ints([average.qrs_off, average.t_peak, average.t_off])
    none = ints(np.zeros((len(average.leads), 3)))
    seen = np.ones(len(average.leads), dtype=np.bool_)
    qrs = ints([average.qrs_on, average.qrs_on, average.qrs_off])
    return Outline(none, qrs, None, p, seen, None, t, seen, False)


@pytest.mark.parametrize("kind", SEEN)
def test_a_swap_is_named(kind: str):
    found = judged(with_swap(heart(), SEEN[kind]))
    assert found is not None
    assert found == Suspicion(kind, Certainty.PROBABLE, Grade.D)


@pytest.mark.parametrize("kind", reversal.WAYS)
def test_undoing_gives_the_true_leads_back_to_the_last_digit(kind: str):
    back = undone(with_swap(heart(), reversal.WAYS[kind]), kind)
    assert back is not None
    assert np.abs(back.millivolts - heart().millivolts).max() < 1e-9


@pytest.mark.parametrize("kind", FEET)
def test_what_the_right_leg_took_is_not_invented(kind: str):
    back = undone(with_swap(heart(), FEET[kind]), kind)
    assert back is not None
    assert back.leads == (reversal.TRUE_LEAD[kind],)
    assert np.abs(back.millivolts[0] - heart().lead(back.leads[0])).max() < 1e-9


@pytest.mark.parametrize("territory", TERRITORIES)
def test_an_infarction_is_no_swap(territory: str):
    recording = synthesise(Heart(st_mv=TERRITORIES[territory]), seed=5).recording
    found = judged(recording)
    assert found is None or found.kind in reversal.FEET


@pytest.mark.parametrize("seed", range(12))
def test_no_person_without_a_swap_is_suspected(seed: int):
    made = Heart(
        individual=1.0,
        conduction=list(Conduction)[seed % 3],
        rhythm=Rhythm.FIBRILLATION if seed % 4 == 0 else Rhythm.SINUS,
    )
    assert judged(synthesise(made, seed=seed).recording) is None


def test_left_arm_with_left_leg_is_only_possible_and_never_below_c():
    found = [judged(with_swap(heart(seed), reversal.FEET["LA-LL"])) for seed in range(6)]
    assert all(f in (None, Suspicion("LA-LL", Certainty.POSSIBLE, Grade.C)) for f in found)


def test_dextrocardia_is_not_taken_for_swapped_arms():
    made = heart()
    mirrored = made.millivolts.copy()
    mirrored[made.leads.index("I")] *= -1
    for lead, sign, source in (("II", 1, "III"), ("III", 1, "II"), ("aVR", 1, "aVL"), ("aVL", 1, "aVR")):
        mirrored[made.leads.index(lead)] = sign * made.lead(source)
    for n in range(2, 7):  # R falls from V1 to V6 on the left side of such a chest
        mirrored[made.leads.index(f"V{n}")] = made.lead("V1") * (1 - 0.12 * n)
    found = judged(replace(made, millivolts=mirrored))
    assert found is None or found.kind != "RA-LA"


def test_too_few_leads_say_nothing():
    recording = heart()
    few = replace(recording, leads=recording.leads[:8], millivolts=recording.millivolts[:8])
    assert judged(few) is None
    assert undone(replace(few, leads=("I", "V1"), millivolts=few.millivolts[:2]), "RA-LA") is None
    assert undone(few, "V4-V5") is None


def test_a_flat_chest_lead_does_not_disturb_the_arms():
    recording = with_swap(heart(), reversal.LIMB["RA-LA"])
    rows = recording.millivolts.copy()
    rows[recording.leads.index("V2")] = 0.0
    found = judged(replace(recording, millivolts=rows))
    assert found is not None
    assert found.kind == "RA-LA"


def test_a_full_analysis_reads_both_versions():
    analysis = ecg.analyze(with_swap(heart(), reversal.LIMB["RA-LA"]))
    assert analysis.reversal is not None
    assert analysis.quality.grade == Grade.D
    corrected, recorded_axis = analysis.reversal.measurements.axis_deg.qrs, analysis.measurements.axis_deg.qrs
    assert corrected == pytest.approx(ecg.analyze(heart()).measurements.axis_deg.qrs, abs=5)
    assert recorded_axis != corrected


@pytest.mark.parametrize(
    ("kind", "sentence"), [("V2-V3", "V2/V3"), ("LA-V2", "limb and a chest"), ("LA-RL", "arm and a leg")]
)
def test_every_swap_reaches_the_village_and_the_true_version_is_measured(kind: str, sentence: str):
    analysis = ecg.analyze(with_swap(heart(), SEEN[kind]))
    assert analysis.reversal is not None
    assert (analysis.reversal.kind, analysis.reversal.certainty) == (kind, Certainty.PROBABLE)
    assert sentence in next(a.text.en for a in analysis.quality.advice if a.code == "Q_REV")
    true, proposed = ecg.analyze(heart()).measurements.leads, analysis.reversal.measurements.leads
    for lead in proposed:  # with an electrode on the right leg one limb lead is all that is left
        assert proposed[lead].qrs_pp_mv == pytest.approx(true[lead].qrs_pp_mv, abs=0.05)


def test_left_arm_with_left_leg_leaves_the_grade_at_c_and_is_said():
    found = [ecg.analyze(with_swap(heart(seed), reversal.FEET["LA-LL"])) for seed in range(6)]
    said = [a for a in found if a.reversal is not None]
    assert said
    for analysis in said:
        assert analysis.reversal is not None
        assert (analysis.reversal.kind, analysis.reversal.certainty) == ("LA-LL", Certainty.POSSIBLE)
        assert analysis.quality.grade == Grade.C


def test_kinship_prefers_the_truth_on_its_own_terms():
    beat = ecg.analyze(heart()).average
    assert beat is not None
    rows = beat.millivolts[[beat.leads.index(n) for n in kinship.ROWS]]
    found = kinship.pieces(rows, {"qrs": (beat.qrs_on, beat.qrs_off)}, beat.rate_hz)
    ways = np.stack([np.eye(8), kinship.undoing((("RA", "LL"),))])
    fit = kinship.fits(found, ways, ints(np.arange(8)))
    assert fit[0] > fit[1]
