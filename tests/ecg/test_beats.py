"""QRS detection, shapes, and the average beat."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ecg
from ecg.analysis import Kind
from ecg.recording import Recording
from ecg.synthesis import SILENT, BeatKind, Conduction, Ectopic, Heart, Noise, Synthetic, synthesise


def assert_every_beat_found(made: Synthetic, recording: Recording | None = None) -> None:
    analysis = ecg.analyze(recording or made.recording)
    true = np.array([(b.qrs_on + b.qrs_off) / 2 for b in made.truth.beats])
    found = np.array([b.sample for b in analysis.beats])
    reach = 0.15 * made.recording.rate_hz
    inside = (true > reach) & (true < made.recording.samples - reach)
    assert all(np.abs(found - t).min() <= reach for t in true[inside])
    assert all(np.abs(true - f).min() <= reach for f in found if reach < f < made.recording.samples - reach)


@pytest.mark.parametrize("rate", [20, 35, 60, 100, 150, 200, 250, 300])
def test_from_twenty_to_three_hundred_beats_a_minute(rate: int):
    heart = Heart(rate_bpm=rate, pr_ms=120 if rate > 120 else 160, p_ms=80 if rate > 120 else 104)
    made = synthesise(heart, seconds=20 if rate < 40 else 10)
    assert_every_beat_found(made)
    assert ecg.analyze(made.recording).measurements.heart_rate_bpm == pytest.approx(made.truth.heart_rate_bpm, rel=0.01)


@pytest.mark.parametrize("conduction", list(Conduction))
def test_every_conduction_upside_down_too(conduction: Conduction):
    made = synthesise(Heart(conduction=conduction, qrs_ms=150))
    assert_every_beat_found(made)
    assert_every_beat_found(made, replace(made.recording, millivolts=-made.recording.millivolts))


@pytest.mark.parametrize("scale", [-4.0, 4.0])
def test_a_t_wave_taller_than_qrs_is_no_beat(scale: float):
    assert_every_beat_found(synthesise(Heart(t_scale=scale, rate_bpm=60)))


@pytest.mark.parametrize("noise", [Noise(0.06, 0, 50, 0.1), Noise(0.005, 0.5), Noise(0.005, 0, 50, 1.0)])
def test_noise_neither_hides_nor_adds_beats(noise: Noise):
    for seed in range(3):
        assert_every_beat_found(synthesise(Heart(), noise, seed=seed))


def test_one_lead_full_of_spikes_does_not_decide():
    made = synthesise(Heart(), SILENT)
    spoilt = made.recording.millivolts.copy()
    rng = np.random.default_rng(1)
    spoilt[7, rng.integers(0, spoilt.shape[1], 60)] += 3.0
    assert_every_beat_found(made, replace(made.recording, millivolts=spoilt))


def test_ventricular_beats_are_told_from_dominant_ones():
    heart = Heart(ectopics=(Ectopic(BeatKind.VENTRICULAR, 3), Ectopic(BeatKind.VENTRICULAR, 7)))
    made = synthesise(heart)
    analysis = ecg.analyze(made.recording)
    assert [b.kind == Kind.VENTRICULAR for b in analysis.beats] == [
        b.kind == BeatKind.VENTRICULAR for b in made.truth.beats
    ]
    assert analysis.finding("R_PVC") is not None
    assert analysis.measurements.qrs_ms == pytest.approx(made.truth.qrs_ms, abs=8)


def test_an_atrial_extrasystole_keeps_the_dominant_shape():
    analysis = ecg.analyze(synthesise(Heart(ectopics=(Ectopic(BeatKind.ATRIAL, 4),))).recording)
    assert [b.kind for b in analysis.beats].count(Kind.PREMATURE) == 1
    assert Kind.VENTRICULAR not in {b.kind for b in analysis.beats}


def test_the_average_beat_is_aligned_and_referenced():
    analysis = ecg.analyze(synthesise(Heart(), Noise(0.02)).recording)
    beat = analysis.average
    assert beat is not None
    assert beat.millivolts.shape[0] == len(beat.leads)
    before = beat.millivolts[:, beat.qrs_on - 10 : beat.qrs_on]
    assert np.abs(before.mean(axis=1)).max() < 1e-9
    assert beat.beats >= 5


@pytest.mark.filterwarnings("ignore")  # wfdb and pandas warn when they are imported
@pytest.mark.parametrize(("record", "allowed"), [("mitdb/100", 1), ("mitdb/118", 1), ("nstdb/118e12", 15)])
def test_reference_beats_of_mit_bih(data_folder, record: str, allowed: int):
    import wfdb

    marks = wfdb.rdann(str(data_folder / record), "atr")
    true = np.array([s for s, y in zip(marks.sample, marks.symbol or [], strict=True) if y in "NLRAaJSVFejE/fQ"])
    recording = ecg.read(data_folder / f"{record}.hea")
    found = np.array([b.sample for b in ecg.analyze(recording).beats])
    near = np.searchsorted(found, true)
    distance = np.minimum(
        np.abs(found[np.clip(near, 0, found.size - 1)] - true),
        np.abs(found[np.clip(near - 1, 0, found.size - 1)] - true),
    )
    missed = int((distance > 0.15 * recording.rate_hz).sum())
    assert missed + abs(found.size - (true.size - missed)) <= allowed


def test_small_beats_among_tall_ventricular_ones_are_found():
    """Three of ten beats four times as steep as the rest: the single lead of a Holter."""
    full = synthesise(Heart(), Noise(0.005)).recording
    row = full.lead("II").copy()
    beats = np.array([b.sample for b in ecg.analyze(full).beats])
    for at in beats[2::4]:
        row[max(0, at - 40) : at + 40] *= 5.0
    found = [b.sample for b in ecg.analyze(Recording(("ECG",), row[None], 500.0, "strip")).beats]
    assert all(min(abs(f - b) for f in found) < 75 for b in beats[1:-1])
