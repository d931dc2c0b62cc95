"""Flutter, torsades, polymorphic and bidirectional tachycardia: laid-down signals, and spells at their limits."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import ecg
from ecg.analysis import Analysis, Grade, LeadQuality, Measurements, Quality
from ecg.interpret import spells, storm
from ecg.interpret.facts import Facts, Rhythm, Verdict
from ecg.interpret.spells import Spell
from ecg.recording import STANDARD_LEADS, PatientFacts
from ecg.rules import load
from ecg.synthesis import Heart, Noise, synthesise
from tests.support.arrhythmias import Strip, every, turned

CASES = {
    "R_VFL": (
        "test_a_regular_sine_is_flutter",
        "test_a_beating_heart_has_no_spell",
        "test_flutter_begins_at_240_and_ends_at_340",
    ),
    "R_TDP": (
        "test_a_turning_axis_after_a_long_qt_is_torsades",
        "test_a_beating_heart_has_no_spell",
        "test_half_a_circle_and_qtc_500_make_torsades",
    ),
    "R_VT_POLY": (
        "test_a_changing_shape_is_polymorphic",
        "test_a_beating_heart_has_no_spell",
        "test_polymorphic_from_two_changes_in_five_on",
    ),
    "R_VT_BIDIR": (
        "test_an_alternating_axis_is_bidirectional",
        "test_a_beating_heart_has_no_spell",
        "test_four_beats_thrown_by_more_than_90_degrees",
    ),
}


def storms(found: Analysis) -> set[str]:
    return {f.code for f in found.findings if f.code in (*storm.NAMES, "R_VF", "R_VT", "R_VT_NS", "R_PAUSE")}


@pytest.mark.parametrize(("per_minute", "noise_mv"), [(250, 0.006), (280, 0.04), (320, 0.006)])
def test_a_regular_sine_is_flutter(per_minute: float, noise_mv: float):
    assert storms(ecg.analyze(Strip().sine(0, 10, per_minute / 60).recording(noise_mv))) == {"R_VFL"}


def test_flutter_that_begins_within_the_record_is_found():
    p = every(0.8, 0.2, 3.2)
    strip = Strip().p(p).narrow([t + 0.16 for t in p]).sine(4.0, 10.0, 4.8)
    assert storms(ecg.analyze(strip.recording())) == {"R_VFL"}


@cache
def torsades(qt_ms: float) -> Analysis:
    p = [0.3, 1.3, 2.3, 8.2, 9.1]
    return ecg.analyze(Strip().p(p).narrow([t + 0.16 for t in p], qt_ms=qt_ms).twist(2.9, 7.5, 3.8, 1.5).recording())


def test_a_turning_axis_after_a_long_qt_is_torsades():
    found = torsades(560.0)
    assert storms(found) == {"R_TDP"}
    finding = found.finding("R_TDP")
    assert finding is not None
    held = {e.measure: e.value for e in finding.evidence}
    # 3.8 beats a second; QT over the root of a second is QTc.
    assert held["run_rate_bpm"] == pytest.approx(228, abs=8)
    assert held["qtc_ms"] == pytest.approx(560, abs=40)


def test_the_same_after_a_normal_qt_is_polymorphic():
    assert storms(torsades(400.0)) == {"R_VT_POLY"}


def test_without_a_beat_outside_the_run_torsades_is_not_assessed():
    found = ecg.analyze(Strip().twist(0, 10, 3.7, 2.5).recording())
    assert storms(found) == {"R_VT_POLY"}
    assert ("R_TDP", ("QT",)) in [(n.code, n.missing) for n in found.not_assessed]


def test_a_changing_shape_is_polymorphic():
    rng = np.random.default_rng(3)
    angles = np.cumsum(rng.uniform(40, 110, 60) * rng.choice([-1, 1], 60))
    strip = Strip().broad(every(0.3, 0.3), lambda k: turned(float(angles[k])), qt_ms=310)
    assert storms(ecg.analyze(strip.recording())) == {"R_VT_POLY"}


@pytest.mark.parametrize("rr", [0.4, 0.333])
def test_an_alternating_axis_is_bidirectional(rr: float):
    strip = Strip().broad(every(rr, 0.3), lambda k: turned(-65.0 if k % 2 else 105.0), qt_ms=1000 * rr * 0.9 + 40)
    assert storms(ecg.analyze(strip.recording())) == {"R_VT_BIDIR"}


def test_a_fast_broad_tachycardia_is_ventricular():
    assert storms(ecg.analyze(Strip().broad(every(0.35, 0.3), qt_ms=355).recording())) == {"R_VT"}


@pytest.mark.parametrize("bpm", [45.0, 75.0, 120.0, 160.0, 190.0])
def test_a_beating_heart_has_no_spell(bpm: float):
    heart = Heart(rate_bpm=bpm, pr_ms=120.0 if bpm > 150 else 160.0)
    found = synthesise(heart, Noise(0.02, 0.05, 50.0, 0.1), seed=int(bpm))
    assert not storms(ecg.analyze(found.recording)) & {"R_VFL", "R_TDP", "R_VT_POLY", "R_VT_BIDIR"}


def test_a_trembling_hand_is_no_flutter():
    """Five swings a second in two limb leads, while the chest leads show QRS."""
    p = every(0.8, 0.2)
    recording = Strip().p(p).narrow([t + 0.16 for t in p]).recording()
    mv = recording.millivolts.copy()
    time = np.arange(mv.shape[1]) / recording.rate_hz
    for lead, part in (("II", 1.0), ("III", 1.0), ("aVR", -0.5), ("aVL", -0.5), ("aVF", 1.0)):
        mv[STANDARD_LEADS.index(lead)] += part * 0.6 * np.sin(2 * np.pi * 4.9 * time)
    assert not storms(ecg.analyze(replace(recording, millivolts=mv)))


def test_fibrillating_ventricles_are_not_called_flutter():
    rng = np.random.default_rng(4)
    time = np.arange(5000) / 500.0
    strip = Strip()
    for _ in range(4):
        hz = np.cumsum(5.0 + np.interp(time, np.arange(0, 11, 0.5), rng.normal(0, 1.2, 22))) / 500.0
        strip.dipole += rng.normal(0, 0.4, (3, 1)) * np.sin(2 * np.pi * hz + rng.uniform(0, 6))
    assert "R_VFL" not in storms(ecg.analyze(strip.recording()))


NONE = np.empty(0)
FACTS = Facts(
    Measurements(), PatientFacts(), Quality(Grade.A, {n: LeadQuality(Grade.A) for n in STANDARD_LEADS}),
    load("udmi-2018"),
    Rhythm((), np.empty(0), np.empty(0), None, 10.0, 10.0, 0.0, 0.0, NONE, NONE, NONE, NONE, 0.0),
    STANDARD_LEADS, None, 500.0, None, 0.0, frozenset(), True, True, signal=np.zeros((12, 5000)),
)  # fmt: skip


def spell(axes: list[float], rate: float = 200.0, purity: float = 0.5, variation: float = 0.02) -> Spell:
    """Beats in the frontal plane."""
    angle = np.radians(np.array(axes))
    return Spell(1.0, 1.0 + len(axes) * 60 / rate, rate, variation, np.stack([np.cos(angle), np.sin(angle)], 1),
                 np.array(axes, dtype=np.float64), purity)  # fmt: skip


def named(monkeypatch: pytest.MonkeyPatch, held: Spell) -> tuple[set[str], Verdict]:
    monkeypatch.setattr(spells, "longest", lambda facts, leads: held)
    verdict = Verdict()
    storm.interpret(FACTS, verdict)
    return {f.code for f in verdict.findings}, verdict


@pytest.mark.parametrize(
    ("rate", "purity", "flutter"),
    [
        (240.0, 0.9, True),
        (239.9, 0.9, False),
        (340.0, 0.9, True),
        (340.1, 0.9, False),
        (280.0, 0.85, True),
        (280.0, 0.8499, False),
    ],
)
def test_flutter_begins_at_240_and_ends_at_340(
    monkeypatch: pytest.MonkeyPatch, rate: float, purity: float, flutter: bool
):
    codes, _ = named(monkeypatch, spell([60.0] * 12, rate, purity))
    assert ("R_VFL" in codes) == flutter


@pytest.mark.parametrize(
    ("step", "beats", "half"), [(20.0, 10, True), (19.9, 10, False), (9.5, 21, True), (9.0, 30, False)]
)
def test_half_a_circle_and_qtc_500_make_torsades(monkeypatch: pytest.MonkeyPatch, step: float, beats: int, half: bool):
    axes = [step * k for k in range(beats)]
    monkeypatch.setattr(storm, "_qtc_outside", lambda facts, spell: (500.0, False))
    assert ("R_TDP" in named(monkeypatch, spell(axes))[0]) == half
    monkeypatch.setattr(storm, "_qtc_outside", lambda facts, spell: (499.9, False))
    assert "R_TDP" not in named(monkeypatch, spell(axes))[0]
    monkeypatch.setattr(storm, "_qtc_outside", lambda facts, spell: (480.0, True))
    assert ("R_TDP" in named(monkeypatch, spell(axes))[0]) == half
    monkeypatch.setattr(storm, "_qtc_outside", lambda facts, spell: (None, False))
    codes, verdict = named(monkeypatch, spell(axes))
    assert "R_TDP" not in codes
    assert ("R_TDP" in {n.code for n in verdict.not_assessed}) == half


@pytest.mark.parametrize(("changes", "polymorphic"), [(4, True), (3, False)])
def test_polymorphic_from_two_changes_in_five_on(monkeypatch: pytest.MonkeyPatch, changes: int, polymorphic: bool):
    turns = [100.0, -120.0, 95.0, 130.0][:changes] + [0.0] * (10 - changes)
    axes = np.concatenate([[0.0], np.cumsum(turns)]).tolist()
    assert ("R_VT_POLY" in named(monkeypatch, spell(axes))[0]) == polymorphic


@pytest.mark.parametrize(("step", "beats", "seen"), [(90.1, 4, True), (90.0, 4, False), (170.0, 3, False)])
def test_four_beats_thrown_by_more_than_90_degrees(
    monkeypatch: pytest.MonkeyPatch, step: float, beats: int, seen: bool
):
    axes = [step * (k % 2) for k in range(beats)]
    assert ("R_VT_BIDIR" in named(monkeypatch, spell(axes))[0]) == seen


def test_swings_without_order_are_left_to_fibrillation(monkeypatch: pytest.MonkeyPatch):
    assert not named(monkeypatch, spell([0.0, 100.0] * 6, variation=0.2501))[0]


def test_without_chest_and_limb_leads_it_is_not_assessed():
    verdict = Verdict()
    quality = Quality(Grade.D, {n: LeadQuality(Grade.D) for n in STANDARD_LEADS})
    storm.interpret(replace(FACTS, quality=quality), verdict)
    assert {n.code for n in verdict.not_assessed} == set(storm.NAMES)
    assert not verdict.findings
