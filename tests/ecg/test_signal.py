"""Gain, leads, filters, quality, pacing spikes and swapped electrodes (CLINICAL.md §1)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ecg
from ecg.analysis import Grade
from ecg.recording import LIMB_LEADS, STANDARD_LEADS, Filters, Recording
from ecg.signal import calibrate, filters
from ecg.signal.leads import analysed_leads
from ecg.signal.pacing import bridged, spikes
from ecg.synthesis import SILENT, TERRITORIES, Heart, Noise, synthesise

HERE = Path(__file__).resolve().parents[1] / "data"


def codes(recording: Recording) -> set[str]:
    return {note.code for note in recording.notes}


def stretched(recording: Recording) -> Recording:
    """The recording as LUDB publishes it: every lead at 1 mV peak to peak, with the false gain in its header."""
    counts = np.rint(recording.millivolts * 1000.0)
    size = np.ptp(counts, axis=1)
    return replace(recording, millivolts=counts / size[:, None], microvolts_per_count=tuple(1000.0 / size))


def test_ludb_header_gain_is_seen_and_undone():
    recording = calibrate(ecg.read(HERE / "55.hea"))
    assert "GAIN_ASSUMED" in codes(recording)
    i, ii, iii = (recording.lead(n) for n in ("I", "II", "III"))
    assert np.abs(i + iii - ii).max() < 0.020
    assert 1.0 < np.ptp(recording.lead("V2")) < 4.0


def test_calibrating_twice_changes_nothing_more():
    once = calibrate(stretched(synthesise(Heart()).recording))
    assert calibrate(once) is once


def test_a_true_gain_is_left_alone():
    recording = replace(synthesise(Heart()).recording, microvolts_per_count=(1.0,) * 12)
    assert calibrate(recording) is recording


def test_a_common_gain_a_thousand_times_too_small_is_undone():
    true = synthesise(Heart()).recording
    false = replace(true, millivolts=true.millivolts / 2000, microvolts_per_count=(0.0005,) * 12)
    assert np.allclose(calibrate(false).millivolts, true.millivolts, atol=0.0011)
    assert "Q_GAIN" in ecg.analyze(false).quality.defects


def test_a_gain_that_cannot_be_inferred_is_said_and_no_amplitude_judged():
    true = synthesise(Heart(st_mv=TERRITORIES["anterior"])).recording
    lost = replace(true, millivolts=true.millivolts * 1e-3, microvolts_per_count=(1e-5,) * 12)
    analysis = ecg.analyze(lost)
    assert "GAIN_UNKNOWN" in {n.code for n in analysis.notes}
    assert not [f for f in analysis.findings if f.code.startswith(("STE", "H_"))]


def test_missing_limb_leads_are_derived_exactly_and_extra_leads_never():
    full = synthesise(Heart(), SILENT).recording
    keep = [k for k, n in enumerate(full.leads) if n not in ("III", "aVR", "aVL", "aVF")]
    part = replace(full, leads=tuple(full.leads[k] for k in keep), millivolts=full.millivolts[keep])
    names, values = analysed_leads(part)
    assert names == STANDARD_LEADS
    for name in LIMB_LEADS:
        assert np.abs(values[names.index(name)] - full.lead(name)).max() < 0.003


def test_leads_that_contradict_each_other_are_grade_e():
    recording = synthesise(Heart()).recording
    wrong = recording.millivolts.copy()
    wrong[2] = np.roll(wrong[2], 40)
    analysis = ecg.analyze(replace(recording, millivolts=wrong))
    assert analysis.quality.grade == Grade.E
    assert "Q_ALGEBRA" in analysis.quality.defects


@pytest.mark.parametrize("territory", [None, "anterior", "inferior"])
@pytest.mark.parametrize("seed", [0, 3])
def test_wander_leaves_st_alone(territory: str | None, seed: int):
    clean = synthesise(Heart(st_mv=TERRITORIES.get(territory or "", {})), Noise(0.004, 0, 50, 0), seed=seed).recording
    t = np.arange(clean.samples) / clean.rate_hz
    wander = 0.5 * np.sin(2 * np.pi * 0.3 * t + seed) + 0.5 * np.sin(2 * np.pi * 0.1 * t)
    before, after = (
        ecg.analyze(r).measurements.leads for r in (clean, replace(clean, millivolts=clean.millivolts + wander))
    )
    for lead, was in before.items():
        for point in ("st_j_mv", "st_j20_mv", "st_j40_mv", "st_j60_mv", "st_j80_mv"):
            assert abs(getattr(after[lead], point) - getattr(was, point)) <= 0.025, (lead, point)


def test_without_wander_the_baseline_changes_st_by_less_than_ten_microvolts():
    made = synthesise(Heart(st_mv=TERRITORIES["anterior"]), SILENT)
    for lead, value in ecg.analyze(made.recording).measurements.leads.items():
        assert value.st_j_mv == pytest.approx(made.truth.st_j_mv[lead], abs=0.010)


def test_mains_is_subtracted_without_touching_qrs():
    quiet, loud = (synthesise(Heart(), Noise(0.003, m, 50, 0)).recording for m in (0.0, 0.10))
    plain, cleaned = ecg.analyze(quiet).measurements.leads, ecg.analyze(loud).measurements.leads
    for lead in plain:
        size, after = plain[lead].qrs_pp_mv, cleaned[lead].qrs_pp_mv
        assert size is not None
        assert after is not None
        assert abs(after - size) <= max(0.025, 0.05 * size)


def test_no_sine_is_subtracted_where_none_is():
    clean = synthesise(Heart(), SILENT).recording
    bank = filters.Bank(clean.millivolts, 500.0)
    quiet = np.ones(clean.samples, dtype=np.bool_)
    for beat in synthesise(Heart(), SILENT).truth.beats:
        quiet[max(0, beat.qrs_on - 20) : beat.qrs_off + 20] = False
    sine, size = filters.mains(bank.filtered(filters.high_pass(35, 3)), 500.0, quiet)
    assert sine is None
    assert size.max() < filters.MAINS_ON_MV


@pytest.mark.parametrize(
    ("noise", "code"),
    [(Noise(0.05, 0, 50, 0), "Q_HF"), (Noise(0.003, 0, 50, 0.5), "Q_BW")],
)
def test_noise_is_named_with_its_sentence(noise: Noise, code: str):
    quality = ecg.analyze(synthesise(Heart(), noise).recording).quality
    assert code in quality.defects
    assert quality.grade >= Grade.B
    assert [a for a in quality.advice if a.code == code and a.text.zh and a.text.en]


@pytest.mark.parametrize(
    ("off", "grade"), [(("V3",), Grade.C), (("V3", "V4"), Grade.D), (("V3", "V4", "V5"), Grade.E), (("LA",), Grade.E)]
)
def test_electrodes_that_are_off_force_the_contracts_grade(off: tuple[str, ...], grade: Grade):
    quality = ecg.analyze(synthesise(Heart(), off=off).recording).quality
    assert quality.grade == grade
    assert quality.advice[0].code == "Q_OFF"


def test_the_loose_limb_electrode_is_named():
    for electrode, zh in (("RA", "右手"), ("LA", "左手"), ("LL", "左脚")):
        advice = ecg.analyze(synthesise(Heart(), off=(electrode,)).recording).quality.advice[0]
        assert zh in advice.text.zh
        assert electrode in advice.text.en


def test_at_most_three_sentences_worst_first():
    quality = ecg.analyze(synthesise(Heart(), Noise(0.2, 0, 50, 1.0), seconds=6, off=("V2", "V5")).recording).quality
    assert len(quality.advice) == 3
    assert quality.advice[0].code == "Q_OFF"


def test_clipped_leads_are_seen():
    recording = synthesise(Heart(), SILENT).recording
    cut = np.clip(recording.millivolts, -0.6, 0.6)
    assert "Q_CLIP" in ecg.analyze(replace(recording, millivolts=cut)).quality.defects


def test_monitor_filter_takes_away_st():
    recording = replace(synthesise(Heart(st_mv=TERRITORIES["anterior"])).recording, filters=Filters(0.5, 40.0))
    analysis = ecg.analyze(recording)
    assert "MONITOR_BAND" in {n.code for n in analysis.notes}
    assert not [f for f in analysis.findings if f.code.startswith("STE")]
    assert "STEMI_ANT" in {n.code for n in analysis.not_assessed}


@pytest.mark.parametrize(("swap", "kind"), [((("RA", "LA"),), "RA-LA"), ((("RA", "LL"),), "RA-LL"), ((), None)])
def test_a_swap_is_suspected_and_both_versions_are_read(swap: tuple[tuple[str, str], ...], kind: str | None):
    analysis = ecg.analyze(synthesise(Heart(st_mv=TERRITORIES["lateral"]), swaps=swap).recording)
    if kind is None:
        assert analysis.reversal is None
        return
    assert analysis.reversal is not None
    assert analysis.reversal.kind == kind
    assert analysis.quality.grade == Grade.D
    assert {"STEMI_LAT", "STEMI_HLAT"} <= {f.code for f in analysis.reversal.findings}


def with_spikes(recording: Recording, at: list[int]) -> Recording:
    out = recording.millivolts.copy()
    for sample in at:
        out[:, sample : sample + 2] += 1.5 * np.linspace(0.4, 1.0, out.shape[0])[:, None]
    return replace(recording, millivolts=out)


def test_pacing_spikes_are_found_bridged_and_do_not_hide_the_qrs():
    made = synthesise(Heart(qrs_ms=160.0), SILENT)
    onsets = [b.qrs_on - 8 for b in made.truth.beats if b.qrs_on > 20]
    paced = with_spikes(made.recording, onsets)
    found = spikes(paced.millivolts, 500.0)
    assert all(np.abs(found - sample).min() <= 2 for sample in onsets)
    assert np.abs(bridged(paced.millivolts, 500.0, found) - made.recording.millivolts).max() < 0.1
    analysis = ecg.analyze(paced)
    assert analysis.measurements.qrs_ms == pytest.approx(160, abs=14)
    assert analysis.finding("C_PACE_V") is not None


def test_a_heart_has_no_spikes():
    for seed in range(4):
        recording = synthesise(Heart(individual=1.0, qrs_scale=1.6), Noise(0.02, 0.2), seed=seed).recording
        assert not spikes(recording.millivolts, 500.0).size
