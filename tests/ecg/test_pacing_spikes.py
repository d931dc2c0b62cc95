"""Pacing spikes: widened by the recorder, small, or between two samples (CLINICAL.md §1.4, §3.3)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ecg
from ecg.arrays import Floats
from ecg.recording import STANDARD_LEADS, Recording
from ecg.signal.pacing import spikes
from ecg.synthesis import Conduction, Heart, Noise, Synthetic, synthesise

QUIET = Noise(muscle_mv=0.003, wander_mv=0.0)
SIGNS = np.array([-0.6, 0.8, 1.4, -0.1, -1.0, 1.1, 1.0, 0.9, 1.1, 1.2, 1.0, 1.0])
"""How a spike shows in the twelve leads: III = II − I, as all that electrodes pick up."""


def wide() -> Synthetic:
    """Broad beats as a bundle branch block makes them, 60/min, 500 Hz."""
    return synthesise(Heart(rate_bpm=60, rr_sd=0.0, conduction=Conduction.LBBB, qrs_ms=160), QUIET, seed=3)


def with_pulses(held: Synthetic, height_mv: float, width_ms: float, ahead_ms: float, every: int = 1) -> Recording:
    """The same with a rectangular pulse before each ``every``-th QRS."""
    recording = held.recording
    rate = recording.rate_hz
    out: Floats = recording.millivolts.copy()
    for beat in held.truth.beats[::every]:
        at = round(beat.qrs_on - ahead_ms * rate / 1000)
        if at > 50:
            out[:, at : at + max(1, round(width_ms * rate / 1000))] += height_mv * SIGNS[:, None]
    return replace(recording, millivolts=out, counts=None)


@pytest.mark.parametrize("width_ms", [2.0, 4.0, 12.0, 16.0])
def test_a_spike_is_found_as_thin_as_a_sample_or_as_wide_as_a_recorder_draws_it(width_ms: float) -> None:
    held = wide()
    paced = with_pulses(held, 1.0, width_ms, 24.0)
    found = spikes(paced.millivolts, 500.0)
    starts = np.array([b.qrs_on for b in held.truth.beats if b.qrs_on > 80]) - 12
    assert all(np.abs(found - at).min() <= 10 for at in starts)
    analysis = ecg.analyze(paced)
    assert analysis.finding("C_PACE_V") is not None
    assert analysis.measurements.qrs_ms == pytest.approx(held.truth.qrs_ms, abs=20)


def test_no_heart_makes_a_spike() -> None:
    for conduction in Conduction:
        plain = synthesise(Heart(conduction=conduction, qrs_scale=2.5), QUIET, seed=5).recording
        assert spikes(plain.millivolts, 500.0).size == 0, conduction


def test_small_spikes_that_only_some_samples_catch_are_seen_at_their_place() -> None:
    """Below 0.2 mV in three leads none is a spike by itself; five at one place before QRS are enough."""
    held = wide()
    caught = with_pulses(held, 0.16, 2.0, 4.0, every=2)
    assert spikes(caught.millivolts, 500.0).size == 0
    said = ecg.analyze(caught).finding("C_PACE_V")
    assert said is not None
    assert [e.measure for e in said.evidence] == ["locked_spike_share", "qrs_ms"]
    assert said.certainty == "possible"
    assert ecg.analyze(held.recording).finding("C_PACE_V") is None


def test_pulses_without_a_fixed_place_are_noise() -> None:
    held = wide()
    out = held.recording.millivolts.copy()
    rng = np.random.default_rng(2)
    for at in rng.integers(100, out.shape[1] - 100, 60):
        out[:, at] += 0.16 * SIGNS
    assert ecg.analyze(replace(held.recording, millivolts=out, counts=None)).finding("C_PACE_V") is None
    assert set(STANDARD_LEADS) <= set(held.recording.leads)
