"""What sort each beat is: early among its neighbours, aberrant, fused, paced (CLINICAL.md §3.1)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ecg
from ecg.analysis import Analysis, Kind
from ecg.beats import Shapes
from ecg.conditioning import Trace
from ecg.kinds import kinds
from ecg.marks import NOWHERE, BeatMarks
from ecg.recording import STANDARD_LEADS, Recording
from ecg.sight import Rendered
from ecg.signal.quality import Defects
from ecg.synthesis import BeatKind, Conduction, Ectopic, Heart, Noise, Synthetic, synthesise
from ecg.waves import Outline

QUIET = Noise(muscle_mv=0.003, wander_mv=0.0)


def sorts(analysis: Analysis) -> list[Kind]:
    return [b.kind for b in analysis.beats]


def near(analysis: Analysis, sample: int) -> Kind:
    """The kind of the beat nearest to a sample."""
    return min(analysis.beats, key=lambda b: abs(b.sample - sample)).kind


def changed(held: Synthetic, millivolts: np.ndarray) -> Recording:
    return replace(held.recording, millivolts=millivolts, counts=None)


@pytest.mark.parametrize("coupling", [0.60, 0.75, 0.82])
def test_an_early_beat_of_the_usual_shape_is_premature_whatever_the_rate(coupling: float) -> None:
    for rate in (50, 75, 100):
        held = synthesise(Heart(rate_bpm=rate, rr_sd=0.01, ectopics=(Ectopic(BeatKind.ATRIAL, 4, coupling),)), QUIET)
        atrial = next(b for b in held.truth.beats if b.kind is BeatKind.ATRIAL)
        found = ecg.analyze(held.recording)
        assert sorts(found).count(Kind.PREMATURE) == 1, (rate, sorts(found))
        assert near(found, atrial.qrs_on + 20) is Kind.PREMATURE


def test_a_heart_that_breathes_has_no_early_beats() -> None:
    """Intervals that swing by 12 % either way over five beats change by a tenth from beat to beat: nothing is early."""
    for seed in range(6):
        breathing = synthesise(Heart(rate_bpm=65, rr_sd=0.0), QUIET, seed=seed).recording
        rate, beats = breathing.rate_hz, 14
        onset = np.cumsum([0.9 * (1 + 0.12 * np.sin(2 * np.pi * (k + seed) / 5)) for k in range(beats)])
        made = synthesise(Heart(rate_bpm=65, rr_sd=0.0), QUIET, seed=1)
        first = made.truth.beats[2]
        length = round(0.70 * rate)
        piece = made.recording.millivolts[:, first.qrs_on - round(0.22 * rate) :][:, :length]
        out = np.zeros((piece.shape[0], round((onset[-1] + 1.2) * rate)))
        for at in (onset * rate).astype(int).tolist():
            out[:, at : at + length] = piece - piece[:, :1]
        assert Kind.PREMATURE not in sorts(ecg.analyze(replace(breathing, millivolts=out, counts=None))), seed


def test_atrial_bigeminy_is_early_every_other_time() -> None:
    held = synthesise(
        Heart(rate_bpm=70, rr_sd=0.0, ectopics=tuple(Ectopic(BeatKind.ATRIAL, k, 0.65) for k in range(20))), QUIET
    )
    found = ecg.analyze(held.recording)
    for beat in held.truth.beats[2:-1]:
        if 200 < beat.qrs_on < held.recording.samples - 300:
            expected = Kind.PREMATURE if beat.kind is BeatKind.ATRIAL else Kind.DOMINANT
            assert near(found, beat.qrs_on + 20) is expected


def test_the_beat_behind_an_interpolated_ventricular_one_is_not_early() -> None:
    """The sinus keeps its time: what follows a ventricular beat is judged from the sinus beat before it."""
    held = synthesise(Heart(rate_bpm=55, rr_sd=0.0), QUIET, seed=2)
    extra = synthesise(Heart(rate_bpm=55, rr_sd=0.0, ectopics=(Ectopic(BeatKind.VENTRICULAR, 4, 0.5),)), QUIET, seed=2)
    wild = next(b for b in extra.truth.beats if b.kind is BeatKind.VENTRICULAR)
    span = slice(wild.qrs_on, wild.t_off)
    out = held.recording.millivolts.copy()
    out[:, span] += 2.0 * (extra.recording.millivolts[:, span] - extra.recording.millivolts[:, wild.qrs_on, None])
    found = sorts(ecg.analyze(changed(held, out)))
    assert found.count(Kind.VENTRICULAR) == 1
    assert Kind.PREMATURE not in found


def test_an_early_beat_that_begins_as_usual_and_ends_late_is_aberrant_and_no_ventricular_one() -> None:
    heart = Heart(rate_bpm=65, rr_sd=0.0, ectopics=(Ectopic(BeatKind.ATRIAL, 4, 0.6),))
    usual = synthesise(heart, QUIET, seed=3)
    at = next(b for b in usual.truth.beats if b.kind is BeatKind.ATRIAL)
    out = usual.recording.millivolts.copy()
    # The late right ventricle: as large again as the usual R, in the second half of a QRS of 130 ms.
    time = (np.arange(out.shape[1]) - at.qrs_on) / usual.recording.rate_hz * 1000
    late = 1.2 * np.exp(-0.5 * ((time - 95) / 14) ** 2)
    out += late * np.array([-1, -0.5, 0.5, 0.75, -0.75, 0.0, 1.5, 1.2, 0.6, -0.4, -0.8, -1.0])[:, None]
    found = ecg.analyze(changed(usual, out))
    assert near(found, at.qrs_on + 30) is Kind.ABERRANT
    assert found.finding("R_PVC") is None
    assert found.finding("R_PAC") is not None


def shaped(averages: list[np.ndarray], labels: list[int], likeness: list[float], widths: list[int]) -> list[Kind]:
    """Kinds of beats 0.8 s apart at 500 Hz of given shapes; QRS begins at sample 100 of 300, its middle is 130."""
    count = len(labels)
    samples = 400 * (1 + np.arange(count, dtype=np.intp))
    nowhere = np.full((count, 3), NOWHERE, dtype=np.intp)
    onset = np.stack([samples - 30, samples, samples + 30], axis=1)
    leads = np.full((count, 8, 3), NOWHERE, dtype=np.intp)
    seen = np.ones(8, dtype=np.bool_)
    p_there = onset - 80
    outlines: list[Outline | None] = [
        Outline(leads[0], np.array([100, 130, 100 + w // 2]), None, None, seen, None, None, seen, False) for w in widths
    ]
    none = np.empty(0, dtype=np.intp)
    trace = Trace(STANDARD_LEADS[:8], np.zeros((8, 400 * (count + 1))), 500.0, 1.0, seen, Defects(), [], none)
    rendered = Rendered(
        Shapes(samples, np.array(labels), np.ones(count), np.array(likeness), np.ones(count)),
        averages,
        outlines,
        130,
        BeatMarks(leads, leads, leads, p_there, onset, nowhere, np.full(count, np.nan)),
        np.full(count - 1, 800.0),
        count,
    )
    return [b.kind for b in kinds(trace, rendered, 1.0)]


def test_a_beat_on_time_that_is_partly_a_ventricular_one_is_a_fusion() -> None:
    rng, time = np.random.default_rng(0), np.arange(300)
    usual = np.outer(rng.normal(size=8), np.exp(-0.5 * ((time - 122) / 8) ** 2))
    wild = np.outer(rng.normal(size=8), np.exp(-0.5 * ((time - 145) / 20) ** 2))
    stranger = np.outer(rng.normal(size=8), np.exp(-0.5 * ((time - 130) / 12) ** 2))
    labels, widths = [0, 0, 1, 0, 0, 2, 0, 0], [90, 160, 130]
    mixed = shaped([usual, wild, 0.5 * usual + 0.4 * wild], labels, [1.0, 0.1, 0.6], widths)
    foreign = shaped([usual, wild, stranger], labels, [1.0, 0.1, 0.3], widths)
    little = shaped([usual, wild, 0.95 * wild + 0.05 * usual], labels, [1.0, 0.1, 0.3], widths)
    assert mixed[5] is Kind.FUSION
    # A third shape of its own, or one that is all but ventricular, is none; on time and behind a P it stays unnamed.
    assert Kind.FUSION not in foreign
    assert Kind.FUSION not in little
    assert {k for row in (mixed, foreign, little) for j, k in enumerate(row) if labels[j] == 0} == {Kind.DOMINANT}


def test_a_beat_that_a_spike_starts_is_paced_and_counts_as_one_that_can_be_measured() -> None:
    held = synthesise(Heart(rate_bpm=60, rr_sd=0.0, conduction=Conduction.LBBB, qrs_ms=160), QUIET, seed=3)
    out = held.recording.millivolts.copy()
    signs = np.array([-0.6, 0.8, 1.4, -0.1, -1.0, 1.1, 1.0, 0.9, 1.1, 1.2, 1.0, 1.0])
    for beat in held.truth.beats:
        if beat.qrs_on > 60:
            out[:, beat.qrs_on - 8] += signs
    found = ecg.analyze(changed(held, out))
    assert sorts(found).count(Kind.PACED) >= len(found.beats) - 1
    assert "Q_BEATS" not in found.quality.defects
