"""Synthetic ECGs: the truth is true to the sample, the algebra exact, the pictures those of a heart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg.formats import read
from ecg.formats.wfdb_write import wfdb_zip
from ecg.lead_field import INDEPENDENT, spread, twelve
from ecg.recording import EXTRA_LEADS, STANDARD_LEADS, PatientFacts, Recording, Sex
from ecg.synthesis import (
    SILENT,
    TERRITORIES,
    BeatKind,
    Conduction,
    Ectopic,
    Heart,
    Noise,
    Rhythm,
    Synthetic,
    TrueBeat,
    synthesise,
)

LOUD = Noise(muscle_mv=0.03, mains_mv=0.05, wander_mv=0.2)
SWAPS = {
    ("RA", "LA"): {"I": ("I", -1), "II": ("III", 1), "III": ("II", 1), "aVR": ("aVL", 1), "aVL": ("aVR", 1)},
    ("RA", "LL"): {"I": ("III", -1), "II": ("II", -1), "III": ("I", -1), "aVR": ("aVF", 1), "aVL": ("aVL", 1)},
    ("LA", "LL"): {"I": ("II", 1), "II": ("I", 1), "III": ("III", -1), "aVL": ("aVF", 1), "aVR": ("aVR", 1)},
    ("LL", "RL"): {lead: (lead, 1) for lead in STANDARD_LEADS},
    ("V1", "V2"): {"V1": ("V2", 1), "V2": ("V1", 1), "V3": ("V3", 1), "I": ("I", 1)},
}


def middle_beat(made: Synthetic) -> TrueBeat:
    return made.truth.beats[len(made.truth.beats) // 2]


def st_at_j(ecg: Recording, lead: str, beat: TrueBeat) -> float:
    """CLINICAL.md §2.2: mean of J−2…J+6 ms against the 20 ms that end at QRS onset."""
    at = np.arange(ecg.samples) * 1000 / ecg.rate_hz
    j, onset = beat.qrs_off * 1000 / ecg.rate_hz, beat.qrs_on * 1000 / ecg.rate_hz
    row = ecg.lead(lead)
    window = (at >= j - 2 - 1e-6) & (at <= j + 6 + 1e-6)
    before = (at >= onset - 20 - 1e-6) & (at < onset - 1e-6)
    return float(row[window].mean() - row[before].mean())


def assert_einthoven(ecg: Recording) -> None:
    one, two, three, right, left, foot = (ecg.lead(lead) for lead in STANDARD_LEADS[:6])
    for found, law in ((three, two - one), (right, -(one + two) / 2), (left, one - two / 2), (foot, two - one / 2)):
        np.testing.assert_allclose(found, law, atol=1e-12)


@pytest.mark.parametrize("territory", sorted(TERRITORIES))
@pytest.mark.parametrize("rate_hz", [250.0, 500.0, 1000.0])
def test_st_at_j_is_met_exactly_where_it_was_asked_for(territory: str, rate_hz: float) -> None:
    wanted = TERRITORIES[territory]
    made = synthesise(Heart(st_mv=wanted), SILENT, rate_hz=rate_hz, extra_leads=True)
    for lead, millivolts in wanted.items():
        assert made.truth.st_j_mv[lead] == pytest.approx(millivolts, abs=1e-9)
        for beat in made.truth.beats[1:-1]:
            assert st_at_j(made.recording, lead, beat) == pytest.approx(millivolts, abs=0.0011)


@pytest.mark.parametrize("conduction", list(Conduction))
def test_the_truth_of_st_is_what_is_measured_in_every_lead(conduction: Conduction) -> None:
    made = synthesise(Heart(conduction=conduction, qrs_ms=140, qt_ms=430), SILENT, extra_leads=True)
    for lead in made.recording.leads:
        measured = st_at_j(made.recording, lead, middle_beat(made))
        assert measured == pytest.approx(made.truth.st_j_mv[lead], abs=0.0011)


def test_reciprocal_change_comes_by_itself() -> None:
    made = synthesise(Heart(st_mv={"II": 0.2, "III": 0.3, "aVF": 0.25}))
    assert made.truth.st_j_mv["I"] == pytest.approx(-0.1)
    assert made.truth.st_j_mv["aVL"] == pytest.approx(-0.2)


@settings(max_examples=25, deadline=None)
@given(
    rate=st.floats(45, 110), p=st.floats(80, 120), gap=st.floats(30, 90), qrs=st.floats(76, 120),
    individual=st.floats(0, 1), seed=st.integers(0, 1000),
)  # fmt: skip
def test_waves_begin_and_end_where_the_truth_says(
    rate: float, p: float, gap: float, qrs: float, individual: float, seed: int
) -> None:
    heart = Heart(rate_bpm=rate, rr_sd=0, p_ms=p, pr_ms=p + gap, qrs_ms=qrs, individual=individual)
    made = synthesise(heart, SILENT, seed=seed, rate_hz=1000.0)
    largest = np.abs(made.recording.millivolts).max(axis=0)
    beat = middle_beat(made)
    assert beat.p_on is not None
    assert beat.p_off is not None
    assert largest[beat.p_off + 1 : beat.qrs_on].max(initial=0) <= 0.0006
    assert largest[beat.qrs_on + 4] > 0.01
    assert largest[beat.p_on + 12] > 0.003
    truth = made.truth
    assert (beat.qrs_off - beat.qrs_on, beat.qrs_on - beat.p_on) == pytest.approx((truth.qrs_ms, truth.pr_ms), abs=0.6)
    assert truth.heart_rate_bpm == pytest.approx(rate, rel=0.002)


def test_the_end_of_t_is_its_steepest_tangents() -> None:
    made = synthesise(Heart(rate_bpm=50, qt_ms=420), SILENT, rate_hz=1000.0)
    beat, row = middle_beat(made), made.recording.lead("V4")
    peak = beat.qrs_off + int(row[beat.qrs_off : beat.t_off].argmax())
    fall = np.diff(row[peak : beat.t_off + 80])
    steepest = int(fall.argmin())
    assert peak + steepest + 0.5 - row[peak + steepest] / fall[steepest] == pytest.approx(beat.t_off, abs=6)


@pytest.mark.parametrize("pair", sorted(SWAPS))
def test_swapped_electrodes_give_the_contracts_transforms(pair: tuple[str, str]) -> None:
    true, seen = (synthesise(noise=SILENT, swaps=swaps).recording for swaps in ((), (pair,)))
    for lead, (source, sign) in SWAPS[pair].items():
        np.testing.assert_allclose(seen.lead(lead), sign * true.lead(source), atol=0.0016, err_msg=lead)
    assert_einthoven(seen)


@pytest.mark.parametrize(
    ("pair", "flat", "alike"), [(("RA", "RL"), "II", ("aVR", "aVF")), (("LA", "RL"), "III", ("aVL", "aVF"))]
)
def test_an_arm_on_the_right_leg_flattens_a_lead_and_moves_wilsons_terminal(
    pair: tuple[str, str], flat: str, alike: tuple[str, str]
) -> None:
    true, seen = (synthesise(noise=SILENT, swaps=swaps).recording for swaps in ((), (pair,)))
    assert np.abs(seen.lead(flat)).max() < 0.002
    np.testing.assert_allclose(seen.lead(alike[0]), seen.lead(alike[1]), atol=0.002)
    assert np.abs(seen.lead("V1") - true.lead("V1")).max() > 0.05


def test_a_loose_chest_electrode_is_flat_and_a_loose_limb_electrode_is_mains() -> None:
    made = synthesise(off=("V3", "RA"), noise=Noise(mains_mv=0.0))
    assert np.ptp(made.recording.lead("V3")) == 0
    spectrum = np.abs(np.fft.rfft(made.recording.lead("II")))
    hertz = np.fft.rfftfreq(5000, 1 / 500)
    assert hertz[spectrum[10:].argmax() + 10] == pytest.approx(50)
    assert made.truth.off == ("V3", "RA")


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), swap=st.sampled_from([(), *((pair,) for pair in SWAPS)]))
def test_einthoven_holds_whatever_the_noise_and_the_cables(seed: int, swap: tuple[tuple[str, str], ...]) -> None:
    assert_einthoven(synthesise(Heart(individual=1), LOUD, seed=seed, swaps=swap, seconds=3).recording)


def test_the_same_seed_is_the_same_ecg_and_another_another() -> None:
    first, again, other = (synthesise(Heart(individual=1), LOUD, seed=seed) for seed in (7, 7, 8))
    assert wfdb_zip(first.recording) == wfdb_zip(again.recording)
    assert first.truth == again.truth
    assert not np.array_equal(first.recording.millivolts, other.recording.millivolts)


@pytest.mark.parametrize("seed", range(12))
def test_every_individual_has_a_plausible_heart(seed: int) -> None:
    made = synthesise(Heart(individual=1), SILENT, seed=seed)
    beat, ecg = middle_beat(made), made.recording
    assert beat.p_on is not None
    qrs = slice(beat.qrs_on, beat.qrs_off)
    r = {lead: float(ecg.lead(lead)[qrs].max()) for lead in STANDARD_LEADS}
    s = {lead: float(-ecg.lead(lead)[qrs].min()) for lead in STANDARD_LEADS}
    assert r["V1"] < r["V3"] < max(r["V4"], r["V5"])
    assert s["V1"] > r["V1"]
    assert r["V6"] > s["V6"]
    assert s["aVR"] > r["aVR"]
    assert r["II"] > s["II"]
    assert all(0.2 < r[lead] + s[lead] < 4 for lead in ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6"))
    p = slice(beat.p_on, beat.p_off)
    assert ecg.lead("II")[p].max() > 0.05
    assert ecg.lead("aVR")[p].min() < -0.04
    t = slice(beat.qrs_off + 60, beat.t_off)
    assert ecg.lead("V4")[t].max() > 0.15
    assert ecg.lead("aVR")[t].min() < -0.05


def test_ectopics_come_early_and_the_ventricular_one_is_wide_without_p() -> None:
    ectopics = (Ectopic(BeatKind.VENTRICULAR, 2), Ectopic(BeatKind.ATRIAL, 6))
    beats = synthesise(Heart(rr_sd=0, ectopics=ectopics)).truth.beats
    kinds = [beat.kind for beat in beats]
    assert (kinds.count(BeatKind.VENTRICULAR), kinds.count(BeatKind.ATRIAL)) == (1, 1)
    rr = np.diff([beat.qrs_on for beat in beats])
    usual = float(np.median(rr))
    wide = kinds.index(BeatKind.VENTRICULAR)
    assert beats[wide].p_on is None
    assert beats[wide].qrs_off - beats[wide].qrs_on == 74
    assert rr[wide - 1] == pytest.approx(0.65 * usual, abs=2)
    assert rr[wide - 1] + rr[wide] == pytest.approx(2 * usual, abs=2)
    assert rr[kinds.index(BeatKind.ATRIAL) - 1] == pytest.approx(0.65 * usual, abs=2)


def test_fibrillation_is_irregular_without_p() -> None:
    made = synthesise(Heart(rate_bpm=95, rhythm=Rhythm.FIBRILLATION), SILENT)
    rr = np.diff([beat.qrs_on for beat in made.truth.beats])
    assert rr.std() / rr.mean() > 0.12
    assert all(beat.p_on is None for beat in made.truth.beats)
    assert made.truth.pr_ms is None


def test_further_chest_leads_and_facts_go_along_and_read_back() -> None:
    patient = PatientFacts(66, Sex.FEMALE)
    made = synthesise(Heart(st_mv=TERRITORIES["posterior"]), extra_leads=True, patient=patient)
    assert made.recording.leads == STANDARD_LEADS + EXTRA_LEADS
    back = read(wfdb_zip(made.recording))
    assert back.leads == made.recording.leads
    assert back.patient == patient
    np.testing.assert_allclose(back.millivolts, made.recording.millivolts, atol=0.0005001)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="electrode"):
        synthesise(off=("V99",))
    with pytest.raises(ValueError, match="electrode"):
        synthesise(swaps=(("RA", "XX"),))
    with pytest.raises(ValueError, match="no such lead"):
        synthesise(Heart(st_mv={"V99": 0.1}))
    with pytest.raises(ValueError, match="Einthoven"):
        spread({"I": 0.1, "II": 0.1, "III": 0.3})


def test_spread_fills_unasked_leads_as_a_dipole_and_keeps_the_asked() -> None:
    found = twelve(spread({"aVL": 0.2, "V5": 0.1}))
    assert float(found["aVL"]) == pytest.approx(0.2)
    assert float(found["V5"]) == pytest.approx(0.1)
    assert float(found["III"]) < 0
    assert set(INDEPENDENT) < set(found)
