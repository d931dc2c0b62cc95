"""The line through the PQ knots and what it leaves of ST (CLINICAL.md §1.2), and mains without ringing (§1.3)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.interpolate import CubicSpline, PchipInterpolator

import ecg
from ecg.arrays import ints
from ecg.beats import Shapes
from ecg.conditioning import conditioned, settled
from ecg.signal.filters import KNOT_LEAD_MS, KNOT_WIDTH_MS, Bank, baseline_through_knots, high_pass, mains
from ecg.synthesis import SILENT, Heart, synthesise

POINTS = ("st_j_mv", "st_j20_mv", "st_j40_mv", "st_j60_mv", "st_j80_mv")


@pytest.mark.parametrize(("beats", "kind"), [(2, PchipInterpolator), (3, PchipInterpolator), (9, CubicSpline)])
@pytest.mark.parametrize("half", [False, True])
def test_knots_are_medians_of_the_contracts_window_and_the_ends_are_flat(beats: int, kind: type, half: bool):
    rate = 500.0
    signal = np.random.default_rng(beats).normal(0, 0.1, (3, 5000))
    onsets = ints(np.linspace(300, 4700, beats))
    width = round((2 if half else 1) * KNOT_WIDTH_MS * rate / 1000)
    ends = onsets - round(KNOT_LEAD_MS * rate / 1000)
    level = np.stack([np.median(signal[:, e - width : e], axis=1) for e in ends], axis=1)
    centre = ends - (width + 1) / 2
    at = np.clip(np.arange(5000.0), centre[0], centre[-1])
    line = baseline_through_knots(signal, rate, onsets, half)
    assert line is not None
    assert np.abs(line - kind(centre, level, axis=1)(at)).max() < 1e-9


@pytest.mark.parametrize("rate_bpm", [50.0, 75.0, 110.0])
@pytest.mark.parametrize("hertz", [0.3, 0.1])
def test_a_slow_sine_of_one_millivolt_leaves_st_alone_in_every_lead(rate_bpm: float, hertz: float):
    clean = synthesise(Heart(rate_bpm=rate_bpm, rr_sd=0.0), SILENT).recording
    time = np.arange(clean.samples) / clean.rate_hz
    moved = replace(clean, millivolts=clean.millivolts + 0.5 * np.sin(2 * np.pi * hertz * time))
    before, after = ecg.analyze(clean).measurements.leads, ecg.analyze(moved).measurements.leads
    for lead, was in before.items():
        for point in POINTS:
            assert abs(getattr(after[lead], point) - getattr(was, point)) <= 0.025, (lead, point)


def test_an_impulse_between_t_and_p_moves_nothing_outside_it():
    made = synthesise(Heart(rate_bpm=60, rr_sd=0.0), SILENT)
    onsets = ints([b.qrs_on for b in made.truth.beats])
    struck = made.recording.millivolts.copy()
    at = made.truth.beats[4].t_off + 60
    struck[:, at : at + 50] += 3.0  # 3 mV for 100 ms: 0.3 mV·s
    before, after = (baseline_through_knots(x, 500.0, onsets) for x in (made.recording.millivolts, struck))
    assert before is not None
    assert after is not None
    assert np.abs(after - before).max() <= 0.100


@pytest.mark.parametrize("hertz", [50.0, 60.0])
def test_taking_mains_away_does_not_ring_after_a_rectangle(hertz: float):
    samples, edge = 5000, slice(2500, 2550)
    time = np.arange(samples) / 500.0
    rectangle = np.zeros((1, samples))
    rectangle[:, edge] = 3.0
    hum = 0.05 * np.sin(2 * np.pi * hertz * time)[None]
    quiet = np.ones(samples, dtype=np.bool_)
    quiet[edge.start - 20 : edge.stop + 20] = False  # as a QRS is left out
    sine, size = mains(Bank(rectangle + hum, 500.0).filtered(high_pass(35.0, 3)), 500.0, quiet)
    assert sine is not None
    assert size[0] == pytest.approx(0.1, rel=0.25)
    left = (rectangle + hum - sine)[0] - rectangle[0]
    outside = np.ones(samples, dtype=np.bool_)
    outside[edge.start - 10 : edge.stop + 10] = False  # beyond 20 ms of the edges
    assert np.abs(left[outside]).max() <= 0.025


@pytest.mark.parametrize(("irregular", "laid"), [(True, True), (False, False)])
def test_without_p_a_wholly_irregular_rhythm_has_knots_of_forty_milliseconds(irregular: bool, laid: bool):
    """§1.2: in fibrillation the window is widened to 40 ms; where the heart beats regularly it is not."""
    rate, rng = 500.0, np.random.default_rng(7)
    at = np.cumsum(rng.uniform(250, 550, 11) if irregular else np.full(11, 400)).astype(np.intp)
    waves = 0.08 * np.sin(2 * np.pi * 6.0 * np.arange(5000) / rate)
    given = replace(synthesise(Heart(), SILENT).recording, millivolts=np.tile(waves, (12, 1)), rate_hz=rate)
    trace = conditioned(given)
    shapes = Shapes(at, np.zeros(11, dtype=np.intp), np.ones(11), np.ones(1), np.ones(11))
    onsets = ints(at - 20)
    assert settled(trace, shapes, onsets) is laid
    ends = onsets - round(KNOT_LEAD_MS * rate / 1000)
    wide = np.stack([np.median(trace.mv[:, e - 20 : e], axis=1) for e in ends])
    assert bool(np.abs(wide).max() < 0.010) is laid
