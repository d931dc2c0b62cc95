"""Atrial foci and the junction: every P laid down where it belongs, and single waves at their limits (CLINICAL.md
§3.1)."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import ecg
from ecg.analysis import Analysis, Beat, Grade, Kind, LeadMeasurements, LeadQuality, Measurements, Quality
from ecg.interpret import foci, junctional
from ecg.interpret.facts import Facts, Rhythm, Verdict
from ecg.interpret.p_profile import Wave
from ecg.recording import STANDARD_LEADS, PatientFacts
from ecg.rules import load
from ecg.synthesis import Heart, Noise, synthesise
from ecg.synthesis import Rhythm as Pace
from tests.support.arrhythmias import LOW_P, SINUS_P, Part, Strip, every

CASES = {
    "R_AT": (
        "test_an_abnormal_p_in_a_tachycardia_is_atrial",
        "test_a_sinus_node_has_no_focus",
        "test_a_focus_at_its_limits",
    ),
    "R_MAT": (
        "test_three_shapes_of_p_are_several_foci",
        "test_fibrillation_and_sinus_rhythm_have_no_several_foci",
        "test_above_100_several_foci_are_a_tachycardia",
    ),
    "R_WAP": (
        "test_three_shapes_of_p_are_several_foci",
        "test_fibrillation_and_sinus_rhythm_have_no_several_foci",
        "test_above_100_several_foci_are_a_tachycardia",
    ),
    "R_JESC": (
        "test_without_p_it_is_the_junction",
        "test_with_p_it_is_not_the_junction",
        "test_the_junction_by_its_rate",
    ),
    "R_AJR": (
        "test_without_p_it_is_the_junction",
        "test_with_p_it_is_not_the_junction",
        "test_the_junction_by_its_rate",
    ),
    "R_JUNC": (
        "test_without_p_it_is_the_junction",
        "test_with_p_it_is_not_the_junction",
        "test_the_junction_by_its_rate",
    ),
    "R_JT": ("test_a_p_that_runs_backwards", "test_with_p_it_is_not_the_junction", "test_the_junction_by_its_rate"),
    "R_PJC": (
        "test_an_early_beat_without_p_is_junctional",
        "test_an_early_beat_with_p_is_atrial",
        "test_an_early_beat_on_t_is_left_atrial",
    ),
}  # fmt: skip
TALL: tuple[Part, ...] = ((45.0, 42.0, (0.13, -0.02, 0.03)),)
LONG: tuple[Part, ...] = ((45.0, 42.0, (-0.02, 0.15, 0.02)),)
SHAPES = (SINUS_P, LOW_P, TALL, LONG)


def rhythms(found: Analysis) -> set[str]:
    return {f.code for f in found.findings if f.code.startswith("R_")}


def led(parts: tuple[Part, ...], pp: float, pr: float, qt_ms: float = 400.0) -> Analysis:
    """One P of this shape before each QRS."""
    p = every(pp, 0.2)
    return ecg.analyze(Strip().p(p, parts).narrow([t + pr for t in p], qt_ms=qt_ms).recording())


@pytest.mark.parametrize(("pp", "pr", "qt_ms"), [(0.43, 0.14, 310.0), (0.5, 0.15, 320.0)])
def test_an_abnormal_p_in_a_tachycardia_is_atrial(pp: float, pr: float, qt_ms: float):
    found = led(LOW_P, pp, pr, qt_ms)
    assert rhythms(found) == {"R_AT"}
    finding = found.finding("R_AT")
    assert finding is not None
    assert {a.mimic for a in finding.argued} == {"R_STACH", "R_AFL"}


@pytest.mark.parametrize("bpm", [110.0, 140.0, 160.0, 172.0])
def test_a_sinus_node_has_no_focus(bpm: float):
    made = synthesise(Heart(rate_bpm=bpm, pr_ms=125, p_ms=90), Noise(0.008), seed=3)
    codes = rhythms(ecg.analyze(made.recording))
    assert "R_STACH" in codes
    assert not codes & {"R_AT", "R_SVT", "R_AFL", "R_VT"}


def test_without_p_a_fast_narrow_rhythm_stays_undetermined():
    found = ecg.analyze(Strip().narrow(every(0.333, 0.2), qt_ms=270).recording())
    assert rhythms(found) == {"R_SVT"}


@cache
def wandering(fast: bool) -> Analysis:
    """Four foci in turn (at random when fast), each with a PR of its own."""
    rng, strip, at, k = np.random.default_rng(5), Strip(), 0.2, 0
    turn = (0, 0, 2, 2, 1, 1, 3, 0)
    while at < 10:
        focus = int(rng.integers(4)) if fast else turn[k % 8]
        strip.p([at], SHAPES[focus]).narrow([at + 0.115 + 0.017 * focus], qt_ms=330 if fast else 400)
        at += float(rng.uniform(0.46, 0.66) if fast else rng.uniform(0.78, 0.95))
        k += 1
    return ecg.analyze(strip.recording(seed=1))


def test_three_shapes_of_p_are_several_foci():
    assert rhythms(wandering(fast=True)) == {"R_MAT"}
    assert rhythms(wandering(fast=False)) == {"R_WAP"}


@pytest.mark.parametrize("seed", range(4))
def test_fibrillation_and_sinus_rhythm_have_no_several_foci(seed: int):
    for heart in (Heart(rhythm=Pace.FIBRILLATION, rate_bpm=85), Heart(rr_sd=0.06)):
        codes = rhythms(ecg.analyze(synthesise(heart, Noise(0.01), seed=seed).recording))
        assert not codes & {"R_MAT", "R_WAP"}


def facts(
    rate: float, qrs_ms: float = 90.0, p_share: float | None = 0.0, spread: float = 0.0, qrs_mv: float = 1.0
) -> Facts:
    """Regular beats without a signal."""
    rr = np.array([60000.0 / rate * (1.0 + spread * (-1.0) ** k) for k in range(11)])
    blank = np.empty(0)
    beats = tuple(Beat(k, 400 * k, Kind.DOMINANT) for k in range(12))
    rhythm = Rhythm(beats, rr, rr, p_share, 10.0, 0.4, 1.0, 0.99, blank, blank, blank, blank, 0.0)
    return Facts(
        Measurements(heart_rate_bpm=rate, qrs_ms=qrs_ms, leads={"II": LeadMeasurements(qrs_pp_mv=qrs_mv)}),
        PatientFacts(),
        Quality(Grade.A, {n: LeadQuality(Grade.A) for n in STANDARD_LEADS}), load("udmi-2018"), rhythm, STANDARD_LEADS,
        None, 500.0, None, 0.0, frozenset(), True, True,
    )  # fmt: skip


def wave(axis: float | None = -90.0, pr_ms: float = 140.0, height: float = 0.15, shared: float = 0.9) -> Wave:
    return Wave(pr_ms, height, shared, axis, False)


NONE = Wave(200.0, 0.01, 0.1, None, False, False)


@pytest.mark.parametrize(
    ("rate", "held", "focus"),
    [
        (100.1, wave(), True),
        (100.0, wave(), False),
        (240.0, wave(), True),
        (240.1, wave(), False),
        (150.0, wave(pr_ms=120.0), True),
        (150.0, wave(pr_ms=119.9), False),
        (150.0, wave(axis=90.0), False),
        (150.0, wave(axis=90.1), True),
        (150.0, wave(axis=None), False),
        (150.0, wave(shared=0.4999), False),
        (150.0, wave(height=0.0499), False),
    ],
)
def test_a_focus_at_its_limits(rate: float, held: Wave, focus: bool):
    verdict = Verdict()
    foci.tachycardia(facts(rate), verdict, held)
    assert ("R_AT" in {f.code for f in verdict.findings}) == focus


def test_above_100_several_foci_are_a_tachycardia(monkeypatch: pytest.MonkeyPatch):
    axes = np.eye(3).repeat(4, axis=0)
    monkeypatch.setattr(foci, "atlas", lambda held, tied: object())
    monkeypatch.setattr(foci, "_each_p", lambda held, page: (axes, np.linspace(120.0, 180.0, 12), 5.0))
    for rate, code in ((100.0, "R_WAP"), (100.1, "R_MAT")):
        verdict = Verdict()
        held = facts(rate, p_share=0.4, spread=0.05)
        object.__setattr__(held, "marks", object())
        monkeypatch.setattr(foci, "search", lambda held, tied: type("Nothing", (), {"train": None})())
        foci.multifocal(held, verdict)
        assert {f.code for f in verdict.findings} == {code}
    two = np.eye(2).repeat(6, axis=0)
    monkeypatch.setattr(foci, "_each_p", lambda held, page: (two, np.linspace(120.0, 180.0, 12), 5.0))
    verdict = Verdict()
    foci.multifocal(held, verdict)
    assert not {"R_MAT", "R_WAP"} & {f.code for f in verdict.findings}


@pytest.mark.parametrize(("rr", "code"), [(1.2, "R_JESC"), (0.8, "R_AJR"), (1.65, "R_JUNC")])
def test_without_p_it_is_the_junction(rr: float, code: str):
    found = ecg.analyze(Strip().narrow(every(rr, 0.4)).recording())
    assert rhythms(found) - {"R_PAUSE"} == {code}


@pytest.mark.parametrize("pp", [1.2, 0.8])
def test_with_p_it_is_not_the_junction(pp: float):
    for parts in (SINUS_P, LOW_P):
        assert not rhythms(led(parts, pp, 0.15)) & {"R_JESC", "R_AJR", "R_JUNC", "R_JT"}
    slow = synthesise(Heart(rhythm=Pace.FIBRILLATION, rate_bpm=60 / pp), Noise(0.01), seed=2)
    assert not rhythms(ecg.analyze(slow.recording)) & {"R_JESC", "R_AJR", "R_JUNC", "R_JT"}


def junction(held: Facts, seen: Wave | None) -> str | None:
    verdict = Verdict()
    junctional.interpret(held, verdict, seen)
    return verdict.findings[0].code if verdict.findings else None


def test_the_junction_by_its_rate():
    for rate, code in ((39.9, "R_JUNC"), (40.0, "R_JESC"), (60.0, "R_JESC"), (60.1, "R_AJR"), (100.0, "R_AJR")):
        assert junction(facts(rate), NONE) == code
    # Above 100 without any P the mechanism stays open; with a P that runs backwards it is the junction.
    assert junction(facts(100.1), NONE) is None
    assert junction(facts(100.1), wave(pr_ms=119.9)) == "R_JT"
    assert junction(facts(100.1), wave(pr_ms=120.0)) is None
    assert junction(facts(75.0, qrs_ms=120.0), NONE) is None
    assert junction(facts(75.0, spread=0.041), NONE) is None


def test_a_p_that_runs_backwards():
    assert junction(facts(120.0), wave(axis=-90.0, pr_ms=100.0)) == "R_JT"
    assert junction(facts(75.0), wave(axis=-90.0, pr_ms=100.0)) == "R_AJR"
    assert junction(facts(75.0), wave(axis=60.0, pr_ms=100.0)) is None


def test_where_p_cannot_be_seen_the_junction_is_not_assessed():
    for held, seen in ((facts(75.0), None), (facts(75.0, qrs_mv=0.49), NONE)):
        verdict = Verdict()
        junctional.interpret(held, verdict, seen)
        assert not verdict.findings
    assert {n.code for n in verdict.not_assessed} == {"R_JESC", "R_AJR", "R_JUNC", "R_JT"}


def early(at: float, with_p: tuple[Part, ...] | None) -> Analysis:
    p = [0.2, 1.15, 2.1, 3.05, 4.0, 5.9, 6.85, 7.8, 8.75]
    strip = Strip().p(p).narrow([t + 0.16 for t in p], qt_ms=360).narrow([at], qt_ms=360)
    if with_p is not None:
        strip.p([at - 0.14], with_p)
    return ecg.analyze(strip.recording())


def test_an_early_beat_without_p_is_junctional():
    codes = rhythms(early(4.86, None))
    assert "R_PJC" in codes
    assert "R_PAC" not in codes


def test_an_early_beat_with_p_is_atrial():
    codes = rhythms(early(4.86, LOW_P))
    assert "R_PJC" not in codes
    assert "R_PAC" in codes


def test_an_early_beat_on_t_is_left_atrial():
    """No room between T and QRS: a P may hide there."""
    codes = rhythms(early(4.62, None))
    assert "R_PJC" not in codes
    assert "R_PAC" in codes


def test_a_p_on_t_that_is_not_conducted_explains_the_pause():
    p = [0.2, 1.05, 1.9, 2.75, 3.6, 4.9, 5.75, 6.6, 7.45, 8.3, 9.15]
    strip = Strip().p(p).p([4.0], LOW_P).narrow([t + 0.16 for t in p])
    found = ecg.analyze(strip.recording())
    finding = found.finding("R_PAC")
    assert finding is not None
    assert finding.notes == ("BLOCKED",)
    assert not rhythms(found) & {"R_SAB2", "R_SAB3", "R_SARR", "R_AVB2_II"}
