"""Electrical alternans: hearts whose every second beat is smaller, and blocks of known height at the limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ecg
from ecg.analysis import Analysis, Beat, Finding, Grade, Kind, LeadQuality, Measurements, Quality
from ecg.interpret import alternans
from ecg.interpret.facts import Facts, Rhythm, Verdict
from ecg.marks import BeatMarks
from ecg.recording import STANDARD_LEADS, PatientFacts
from ecg.rules import load
from ecg.synthesis import BeatKind, Ectopic, Heart, Noise, synthesise
from ecg.waves import Outline
from tests.support.arrhythmias import Strip, every

CASES = {
    "R_ALT": (
        "test_every_second_beat_is_smaller",
        "test_breathing_and_bigeminy_are_no_alternans",
        "test_a_step_at_its_limit_and_a_tenth_of_a_microvolt_below",
    )
}


def alternans_of(found: Analysis) -> Finding | None:
    return found.finding("R_ALT")


def alternating(qrs: float = 1.0, tee: float = 1.0, pp: float = 0.7, noise_mv: float = 0.006) -> Analysis:
    strip, p = Strip(), every(pp, 0.1)
    strip.p(p)
    for k, at in enumerate(p):
        strip.narrow([at + 0.15], qt_ms=350, scale=qrs if k % 2 else 1.0, tee=tee if k % 2 else 1.0)
    return ecg.analyze(strip.recording(noise_mv))


@pytest.mark.parametrize(
    ("qrs", "tee", "notes"), [(0.7, 1.0, ("QRS",)), (1.0, 0.4, ("T_WAVE",)), (0.7, 0.4, ("QRS", "T_WAVE"))]
)
def test_every_second_beat_is_smaller(qrs: float, tee: float, notes: tuple[str, ...]):
    found = alternans_of(alternating(qrs, tee))
    assert found is not None
    assert (found.code, found.notes) == ("R_ALT", notes)
    assert {a.mimic for a in found.argued} == {"RESPIRATION", "R_PVC_PAT"}


def test_breathing_and_bigeminy_are_no_alternans():
    breathing, p = Strip(), every(0.7, 0.1)
    breathing.p(p)
    for at in p:
        breathing.narrow([at + 0.15], qt_ms=350, scale=1.0 + 0.2 * float(np.sin(2 * np.pi * 0.25 * at)))
    assert ecg.analyze(breathing.recording()).finding("R_ALT") is None
    pairs = tuple(Ectopic(BeatKind.ATRIAL, k, 0.7) for k in range(1, 12, 1))
    assert alternans_of(ecg.analyze(synthesise(Heart(ectopics=pairs)).recording)) is None
    assert (
        alternans_of(ecg.analyze(synthesise(Heart(individual=1.0), Noise(0.03, 0.02, 50.0, 0.3), seed=3).recording))
        is None
    )


def facts(heights: list[float], tees: list[float], leads: int = 2, rr: int = 700, kinds: str = "") -> Facts:
    """Beats of 1 ms a sample: QRS is one block, T another, in the first ``leads`` leads."""
    count = len(heights)
    on = 200 + rr * np.arange(count)
    signal = np.zeros((12, int(on[-1]) + 600))
    for k, at in enumerate(on.tolist()):
        signal[:leads, at + 30 : at + 60] = heights[k]
        signal[:leads, at + 270 : at + 330] = tees[k]
    none = np.full((count, 3), -(10**9), dtype=np.intp)
    wide = np.zeros((count, 0, 3), dtype=np.intp)
    marks = BeatMarks(wide, wide, wide, none, np.stack([on, on + 45, on + 90], 1), none, np.full(count, np.nan))
    letters = kinds or "n" * count
    beats = tuple(Beat(k, int(on[k]), Kind.VENTRICULAR if letters[k] == "V" else Kind.DOMINANT) for k in range(count))
    blank = np.empty(0)
    distance = np.full(count - 1, float(rr))
    rhythm = Rhythm(beats, distance, distance, 1.0, 10.0, 0.4, 1.0, 0.99, blank, blank, blank, blank, 0.0)
    each = np.zeros((12, 3), dtype=np.intp)
    seen = np.ones(12, dtype=np.bool_)
    outline = Outline(each, np.array([0, 45, 90]), None, None, seen, each, np.array([200, 300, 400]), seen, False)
    return Facts(
        Measurements(heart_rate_bpm=60000.0 / rr), PatientFacts(),
        Quality(Grade.A, {n: LeadQuality(Grade.A) for n in STANDARD_LEADS}), load("udmi-2018"), rhythm, STANDARD_LEADS,
        None, 1000.0, None, 0.0, frozenset(), True, True, signal=signal, marks=marks, outline=outline,
    )  # fmt: skip


def notes(held: Facts, code: str = "R_ALT") -> tuple[str, ...] | None:
    verdict = Verdict()
    alternans.interpret(held, verdict)
    return next((f.notes for f in verdict.findings if f.code == code), None)


def test_a_step_at_its_limit_and_a_tenth_of_a_microvolt_below():
    high, low, t = 1.05, 0.95, [0.3] * 8
    # The middle of the sorted heights is the larger one: 10 % of it.
    assert notes(facts([1.0, 0.9] * 4, t), "R_ALT") == ("QRS",)
    assert notes(facts([1.0, 0.9002] * 4, t)) is None
    assert notes(facts([1.0] * 8, [0.3, 0.4] * 4)) == ("T_WAVE",)
    assert notes(facts([1.0] * 8, [0.3, 0.3999] * 4)) is None
    assert notes(facts([high, low] * 3, t[:6])) is None


def test_six_beats_in_two_leads():
    assert notes(facts([1.0, 0.8] * 3, [0.3] * 6)) == ("QRS",)
    assert notes(facts([1.0, 0.8, 1.0, 0.8, 1.0, 1.0, 1.0, 1.0, 1.0], [0.3] * 9)) is None
    assert notes(facts([1.0, 0.8] * 4, [0.3] * 8, leads=1)) is None


def test_with_too_few_beats_it_is_not_assessed():
    verdict = Verdict()
    alternans.interpret(facts([1.0, 0.8, 1.0, 0.8, 1.0], [0.3] * 5), verdict)
    assert [n.code for n in verdict.not_assessed] == ["R_ALT"]
    verdict = Verdict()
    alternans.interpret(facts([1.0, 0.8] * 4, [0.3] * 8, kinds="nnVnnVnn"), verdict)
    assert [n.code for n in verdict.not_assessed] == ["R_ALT"]


def test_without_a_known_gain_millivolts_of_t_are_not_compared():
    held = replace(facts([1.0] * 8, [0.3, 0.5] * 4), amplitude_usable=False)
    assert notes(held) is None
