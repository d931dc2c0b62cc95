"""Intervals, amplitudes, axes and ST against known truth (CLINICAL.md §2)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ecg
from ecg.analysis import Analysis
from ecg.measure import corrected, named_waves
from ecg.recording import Recording
from ecg.synthesis import SILENT, TERRITORIES, Heart, synthesise


@pytest.mark.parametrize("rate", [45, 60, 75, 100, 130])
@pytest.mark.parametrize("pr", [120.0, 160.0, 220.0])
def test_intervals(rate: float, pr: float):
    made = synthesise(Heart(rate_bpm=rate, pr_ms=pr, p_ms=min(104.0, pr - 30)))
    if pr > 60000 / rate - made.truth.qt_ms:
        return  # P lies on the T wave before it
    m, truth = ecg.analyze(made.recording).measurements, made.truth
    assert m.heart_rate_bpm == pytest.approx(truth.heart_rate_bpm, rel=0.01)
    assert m.pr_ms == pytest.approx(pr, abs=10)
    assert m.qrs_ms == pytest.approx(truth.qrs_ms, abs=12)
    assert m.qt_ms == pytest.approx(truth.qt_ms, abs=15)


@pytest.mark.parametrize("qrs", [80.0, 110.0, 140.0, 170.0])
def test_qrs_width(qrs: float):
    made = synthesise(Heart(qrs_ms=qrs))
    assert ecg.analyze(made.recording).measurements.qrs_ms == pytest.approx(qrs, abs=12)


@pytest.mark.parametrize("territory", sorted(TERRITORIES))
def test_st_at_j_of_every_territory(territory: str):
    made = synthesise(Heart(st_mv=TERRITORIES[territory]), SILENT, extra_leads=True)
    for lead, value in ecg.analyze(made.recording).measurements.leads.items():
        assert value.st_j_mv == pytest.approx(made.truth.st_j_mv[lead], abs=0.012), lead


def test_qtc_formulae():
    value = corrected(400.0, 75.0)
    assert value.bazett == pytest.approx(400 / np.sqrt(0.8))
    assert value.fridericia == pytest.approx(400 / np.cbrt(0.8))
    assert value.framingham == pytest.approx(400 + 154 * 0.2)
    assert value.hodges == pytest.approx(400 + 1.75 * 15)


def test_waves_have_the_fields_own_names():
    ms = 0.5
    bump = np.hanning(12)
    q_r_s = named_waves(np.concatenate([-0.1 * bump, 1.0 * bump, -0.4 * bump]), ms)
    assert q_r_s["q_mv"] == pytest.approx(-0.1, abs=0.01)
    assert q_r_s["r_mv"] == pytest.approx(1.0, abs=0.03)
    assert q_r_s["s_mv"] == pytest.approx(-0.4, abs=0.02)
    qs = named_waves(-0.8 * np.hanning(30), ms)
    assert qs["q_mv"] == pytest.approx(-0.8, abs=0.01)
    assert qs["r_mv"] == 0
    rsr = named_waves(np.concatenate([0.3 * bump, -0.4 * bump, 0.6 * bump]), ms)
    assert rsr["r2_mv"] == pytest.approx(0.6, abs=0.02)


def test_a_wave_below_twenty_microvolts_is_not_there():
    waves = named_waves(np.concatenate([-0.018 * np.hanning(12), np.hanning(12)]), 0.5)
    assert waves["q_mv"] == 0
    assert waves["q_ms"] == 0


def analysed(recording: Recording) -> Analysis:
    return ecg.analyze(recording)


def test_twice_the_signal_is_twice_every_amplitude():
    recording = synthesise(Heart(), SILENT).recording
    once = analysed(recording).measurements
    twice = analysed(replace(recording, millivolts=2 * recording.millivolts)).measurements
    for lead, value in once.leads.items():
        assert value.qrs_pp_mv is not None
        assert value.t_mv is not None
        assert twice.leads[lead].qrs_pp_mv == pytest.approx(2 * value.qrs_pp_mv, abs=0.02)
        assert twice.leads[lead].t_mv == pytest.approx(2 * value.t_mv, abs=0.02)
    assert twice.axis_deg.qrs == pytest.approx(once.axis_deg.qrs, abs=2)


def test_the_axis_follows_the_leads():
    recording = synthesise(Heart(), SILENT).recording
    axis = analysed(recording).measurements.axis_deg
    assert axis.qrs is not None
    assert axis.p is not None
    assert -30 <= axis.qrs <= 90
    assert 0 <= axis.p <= 75
    flipped = analysed(replace(recording, millivolts=-recording.millivolts)).measurements.axis_deg
    assert flipped.qrs is not None
    assert (flipped.qrs - axis.qrs) % 360 == pytest.approx(180, abs=3)


def test_the_same_ecg_in_three_formats_has_the_same_measurements(data_folder):
    names = ("scp/Example.scp", "dicom/Example.dcm", "hl7-aecg/Example.xml")
    first, *others = (ecg.analyze(ecg.read(data_folder / name)).measurements for name in names)
    assert all(other == first for other in others)


def test_a_slower_copy_of_the_same_ecg_measures_alike(data_folder):
    pairs = sorted((data_folder / "ptbxl" / "records100").glob("*_lr.hea"))[:8]
    for slow in pairs:
        fast = data_folder / "ptbxl" / "records500" / slow.name.replace("_lr", "_hr")
        a, b = (ecg.analyze(ecg.read(path)).measurements for path in (slow, fast))
        assert a.heart_rate_bpm == pytest.approx(b.heart_rate_bpm, rel=0.01)
        assert a.qrs_ms == pytest.approx(b.qrs_ms, abs=30)
