"""Whatever comes in, an analysis comes out; quickly; and importing costs nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import ecg
from ecg.analysis import Grade
from ecg.document import document
from ecg.recording import STANDARD_LEADS, PatientFacts, Recording, Sex
from ecg.synthesis import Heart, synthesise

BASE = synthesise(Heart()).recording.millivolts
LENGTHS = (0, 1, 2, 3, 5, 10, 50, 200, 500, 1000, 2500, 5000)
RATES = (1.0, 50.0, 100.0, 128.0, 250.0, 360.0, 500.0, 1000.0, 2000.0, 10000.0)


def damaged(kind: int, rng: np.random.Generator) -> np.ndarray:
    """A signal [lead, sample] of one of twelve sorts of damage."""
    leads, count = int(rng.integers(1, 13)), int(rng.choice(LENGTHS))
    x = BASE[:leads, :count].copy()
    if kind == 0:
        x = rng.normal(0, rng.choice([1e-6, 0.01, 1, 1e3]), x.shape)
    elif kind == 1:
        x[:] = rng.choice([0.0, 1.0, -5.0, 1e9])
    elif kind == 2:
        x[rng.random(x.shape) < 0.3] = np.nan
    elif kind == 3:
        x[:] = np.nan
    elif kind == 4:
        x = np.clip(x, -0.2, 0.2)
    elif kind == 5:
        x += rng.normal(0, 50, x.shape) * (rng.random(x.shape) < 0.01)
    elif kind == 6:
        x[:, : count // 2] = 0
    elif kind == 7:
        x *= 1e300
    elif kind == 8:
        x[rng.integers(0, leads)] = np.inf
    elif kind == 9:
        x = np.cumsum(rng.normal(0, 0.05, x.shape), axis=1)
    elif kind == 10:
        x = np.sin(np.arange(count)[None] * rng.random((leads, 1)))
    return x


@pytest.mark.parametrize("kind", range(12))
def test_three_hundred_broken_signals_never_raise(kind: int):
    rng = np.random.default_rng(kind)
    for _ in range(25):
        x = damaged(kind, rng)
        names = STANDARD_LEADS[: len(x)] if rng.random() < 0.7 else tuple(f"X{k}" for k in range(len(x)))
        counts = tuple(float(c) for c in rng.choice([0.5, 1.0, 5.0], len(x))) if rng.random() < 0.3 else None
        patient = PatientFacts(float(rng.integers(0, 100)), Sex.MALE) if rng.random() < 0.5 else PatientFacts()
        recording = Recording(names, x, float(rng.choice(RATES)), "fuzz", patient=patient, microvolts_per_count=counts)
        json.dumps(document(ecg.analyze(recording), recording, "x"), allow_nan=False)


def test_one_second_is_analysed_as_far_as_honest():
    analysis = ecg.analyze(synthesise(Heart(), seconds=1.0).recording)
    assert analysis.quality.grade == Grade.E
    assert analysis.quality.advice[0].code in ("Q_SHORT", "Q_BEATS")
    assert {"STEMI_ANT", "R_SINUS"} <= {n.code for n in analysis.not_assessed}


@pytest.mark.parametrize("names", [("II",), ("I", "II"), ("MLII", "V5"), ("ECG",)])
def test_few_leads_give_rhythm_and_say_what_is_missing(names: tuple[str, ...]):
    full = synthesise(Heart()).recording
    rows = np.stack([full.lead("II") for _ in names])
    analysis = ecg.analyze(Recording(names, rows, 500.0, "strip"))
    assert analysis.measurements.heart_rate_bpm == pytest.approx(71, abs=2)
    assert analysis.quality.grade >= Grade.D
    assert "Q_LEADSET" in analysis.quality.defects
    assert "STEMI_ANT" in {n.code for n in analysis.not_assessed}


def test_samples_count_at_the_recordings_own_rate():
    for rate in (100.0, 250.0, 500.0, 1000.0, 2000.0):
        made = synthesise(Heart(), rate_hz=rate)
        analysis = ecg.analyze(made.recording)
        true = made.truth.beats[4]
        assert min(abs(b.sample - (true.qrs_on + true.qrs_off) / 2) for b in analysis.beats) / rate < 0.04


def test_the_recording_is_not_changed():
    made = synthesise(Heart())
    before = made.recording.millivolts.copy()
    ecg.analyze(made.recording)
    assert np.array_equal(before, made.recording.millivolts)


def test_importing_the_instrument_loads_neither_scipy_nor_a_format_library():
    code = "import sys, ecg; print([m for m in ('scipy', 'wfdb', 'pydicom', 'lxml') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_ten_seconds_of_twelve_leads_take_a_few_hundredths_of_a_second():
    import time

    recording = synthesise(Heart()).recording
    ecg.analyze(recording)
    spent = []
    for _ in range(7):
        begin = time.process_time()
        ecg.analyze(recording)
        spent.append(time.process_time() - begin)
    assert min(spent) < 0.060
