"""P before QRS: what comes back beat after beat, and what only seems to (CLINICAL.md §3.1, R_AF)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ecg.analysis import Beat, Grade, Kind, LeadQuality, Measurements, Quality
from ecg.interpret.atrial import alternation, lead_pr_ms, p_repeats
from ecg.interpret.facts import Facts, Rhythm
from ecg.marks import NOWHERE, BeatMarks
from ecg.recording import PatientFacts
from ecg.rules import load

HZ = 500.0
LEADS = ("I", "II", "V1")
NONE = np.empty(0)


def strip(p_mv: float, f_mv: float, beats: int = 12, seed: int = 0) -> Facts:
    """Beats 0.8 s apart: a P of ``p_mv`` 120 ms before each, waves of ``f_mv`` at 6.1 Hz (the phase drifts)."""
    rng = np.random.default_rng(seed)
    samples = round((beats + 1) * 0.8 * HZ)
    time = np.arange(samples) / HZ
    onset = (400 + 400 * np.arange(beats)).astype(np.intp)
    signal = 0.005 * rng.standard_normal((len(LEADS), samples))
    phase = np.cumsum(rng.normal(0, 0.08, samples))
    signal += f_mv * np.sin(2 * np.pi * 6.1 * time + phase)
    for at in onset:
        signal += p_mv * np.exp(-0.5 * ((time - at / HZ + 0.120) / 0.025) ** 2)
    marks = np.full((beats, 3), NOWHERE, dtype=np.intp)
    qrs = np.stack([onset, onset + 20, onset + 45], axis=1)
    lead = np.full((beats, len(LEADS), 3), NOWHERE, dtype=np.intp)
    rr: Any = np.full(beats - 1, 800.0)
    return Facts(
        measurements=Measurements(),
        patient=PatientFacts(),
        quality=Quality(Grade.A, {name: LeadQuality(Grade.A) for name in LEADS}),
        rules=load("udmi-2018"),
        rhythm=Rhythm(
            tuple(Beat(k, int(onset[k]), Kind.DOMINANT) for k in range(beats)),
            rr, rr, 0.0, samples / HZ, 0.8, 1.0, 1.0, NONE, NONE, NONE, NONE, 0.0,
        ),
        leads=LEADS,
        beat=None,
        rate_hz=HZ,
        qrs=None,
        paced_share=0.0,
        notes=frozenset(),
        st_usable=True,
        amplitude_usable=True,
        signal=signal,
        marks=BeatMarks(lead, lead.copy(), lead.copy(), marks, qrs, marks, np.full(beats, np.nan)),
    )  # fmt: skip


def test_a_p_before_every_beat_comes_back_and_waves_of_fibrillation_do_not() -> None:
    limit = load("udmi-2018").limit("rhythm", "af_p_repeats")
    sinus, fibrillation = p_repeats(strip(0.10, 0.0)), [p_repeats(strip(0.0, 0.10, seed=s)) for s in range(8)]
    assert sinus is not None
    assert sinus > 0.9
    assert all(f is not None and f < limit for f in fibrillation)


def test_nothing_but_noise_has_no_share_however_few_the_beats() -> None:
    """The intraclass correlation is unbiased: its mean over noise is 0, with 4 beats as with 20."""
    for beats in (4, 20):
        shares = [p_repeats(strip(0.0, 0.0, beats, seed)) for seed in range(24)]
        assert all(s is not None for s in shares)
        assert abs(float(np.mean([s for s in shares if s is not None]))) < 0.06


def test_equal_parts_of_p_and_chance_share_the_variance_equally() -> None:
    """A P of the same power as the noise that varies: half of the variance comes back."""
    shares = [p_repeats(_half(seed)) for seed in range(12)]
    assert float(np.mean([s for s in shares if s is not None])) == pytest.approx(0.5, abs=0.08)


def _half(seed: int) -> Facts:
    held, rng = strip(0.0, 0.0, 16, seed), np.random.default_rng(100 + seed)
    width = round(0.260 * HZ)
    held.signal[:] = 0.0
    usual = rng.standard_normal(width)
    for at in held.marks.qrs_global[:, 0].tolist() if held.marks is not None else []:
        held.signal[:, at - width : at] = usual + rng.standard_normal((len(LEADS), width))
    return held


def test_too_few_beats_say_nothing() -> None:
    assert p_repeats(strip(0.1, 0.0, beats=3)) is None


def test_bigeminy_alternates_and_chance_does_not() -> None:
    bigeminy = np.array([520.0, 1080.0] * 6)
    chance = np.random.default_rng(1).normal(800, 150, 200)
    assert alternation(bigeminy) == 0.0
    free = alternation(chance)
    assert free is not None
    assert free == pytest.approx(1.0, abs=0.2)
    assert alternation(bigeminy[:6]) is None


def test_the_pr_of_the_typical_lead_is_the_median_of_what_each_lead_shows() -> None:
    held = strip(0.1, 0.0, beats=5)
    assert held.marks is not None
    assert lead_pr_ms(held) is None
    onset = held.marks.qrs_global[:, 0]
    for lead, (p_ms, qrs_ms) in enumerate(((0, 4), (10, 0), (30, 2))):
        held.marks.p[:, lead, 0] = onset - round((210 - p_ms) * HZ / 1000)
        held.marks.qrs[:, lead, 0] = onset + round(qrs_ms * HZ / 1000)
    # 214, 200 and 182 ms; from the earliest P to the earliest QRS it would be 210.
    assert lead_pr_ms(held) == 200.0
