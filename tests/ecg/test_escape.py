"""Escape beats, idioventricular rhythms, sinoatrial block and arrest: laid down, and at their limits (CLINICAL.md
§3.1)."""

from __future__ import annotations

import numpy as np
import pytest

import ecg
from ecg.analysis import Analysis, Beat, Grade, Kind, LeadMeasurements, LeadQuality, Measurements, Quality
from ecg.interpret import escape, sinoatrial
from ecg.interpret.facts import Facts, Rhythm, Verdict
from ecg.interpret.p_profile import Wave
from ecg.marks import BeatMarks
from ecg.recording import STANDARD_LEADS, PatientFacts
from ecg.rules import load
from ecg.synthesis import Conduction, Heart, Noise, synthesise
from tests.support.arrhythmias import Strip, every

CASES = {
    "R_IVR": (
        "test_broad_beats_without_p_are_a_rhythm_of_the_ventricles",
        "test_a_bundle_branch_block_with_p_is_none",
        "test_a_ventricular_rhythm_by_its_rate",
    ),
    "R_AIVR": (
        "test_broad_beats_without_p_are_a_rhythm_of_the_ventricles",
        "test_a_bundle_branch_block_with_p_is_none",
        "test_a_ventricular_rhythm_by_its_rate",
    ),
    "R_ESC": (
        "test_what_ends_a_pause_without_p_is_an_escape",
        "test_a_sinus_beat_ends_a_pause_without_escape",
        "test_an_escape_comes_later_than_1_2_of_rr",
    ),
    "R_SAB2": (
        "test_a_pause_of_two_pp_is_a_block",
        "test_a_breathing_sinus_node_is_not_blocked",
        "test_a_multiple_of_pp_within_ten_percent",
    ),
    "R_SAB3": (
        "test_a_pause_of_another_length_is_an_arrest",
        "test_a_breathing_sinus_node_is_not_blocked",
        "test_an_arrest_is_longer_than_1_5_pp_and_two_seconds",
    ),
}


def rhythms(found: Analysis) -> set[str]:
    return {f.code for f in found.findings if f.code.startswith("R_")}


@pytest.mark.parametrize(("rr", "code"), [(1.58, "R_IVR"), (0.8, "R_AIVR")])
def test_broad_beats_without_p_are_a_rhythm_of_the_ventricles(rr: float, code: str):
    found = ecg.analyze(Strip().broad(every(rr, 0.4)).recording())
    assert rhythms(found) - {"R_PAUSE"} == {code}
    finding = found.finding(code)
    assert finding is not None
    assert {a.mimic for a in finding.argued} == {"C_LBBB", "C_PACE_V", "S_HYPERK"}


def test_a_slow_run_of_broad_beats_is_no_run_of_premature_ones():
    p = [t for t in every(0.8, 0.2) if not 2.9 < t < 6.5]
    strip = Strip().p(p).narrow([t + 0.16 for t in p]).broad([3.45, 4.23, 5.01, 5.79])
    codes = rhythms(ecg.analyze(strip.recording()))
    assert "R_AIVR" in codes
    assert not codes & {"R_PVC", "R_VT_NS", "R_VT"}


@pytest.mark.parametrize("bpm", [45.0, 80.0])
def test_a_bundle_branch_block_with_p_is_none(bpm: float):
    heart = Heart(rate_bpm=bpm, qrs_ms=150, conduction=Conduction.LBBB)
    assert not rhythms(ecg.analyze(synthesise(heart, Noise(0.01), seed=4).recording)) & {"R_IVR", "R_AIVR"}


def facts(rr: list[float], kinds: str = "", qrs_ms: float = 90.0, without_p: tuple[int, ...] = ()) -> Facts:
    """Beats at these intervals; ``without_p``: which have no P."""
    count = len(rr) + 1
    on = np.concatenate([[200.0], 200.0 + np.cumsum(rr)]).astype(np.intp)
    letters = kinds or "n" * count
    names = {"n": Kind.DOMINANT, "V": Kind.VENTRICULAR, "p": Kind.PREMATURE}
    beats = tuple(Beat(k, int(on[k]), names[letters[k]]) for k in range(count))
    p = np.stack([on - 160, on - 110, on - 60], axis=1)
    p[list(without_p)] = -(10**9)
    none, wide = np.full((count, 3), -(10**9), dtype=np.intp), np.zeros((count, 0, 3), dtype=np.intp)
    marks = BeatMarks(wide, wide, wide, p, np.stack([on, on + 45, on + 90], 1), none, np.full(count, np.nan))
    blank, distance = np.empty(0), np.array(rr)
    rhythm = Rhythm(beats, distance, distance, 1.0, 10.0, 0.4, 1.0, 0.99, blank, blank, blank, blank, 0.0)
    return Facts(
        Measurements(heart_rate_bpm=60000.0 / float(distance.mean()), qrs_ms=qrs_ms, max_rr_ms=max(rr),
                     leads={"II": LeadMeasurements(qrs_pp_mv=1.0)}), PatientFacts(),
        Quality(Grade.A, {n: LeadQuality(Grade.A) for n in STANDARD_LEADS}), load("udmi-2018"), rhythm, STANDARD_LEADS,
        None, 1000.0, None, 0.0, frozenset(), True, True, marks=marks,
    )  # fmt: skip


NOTHING = Wave(200.0, 0.01, 0.1, None, False, False)


@pytest.mark.parametrize(
    ("rate", "qrs_ms", "code"),
    [
        (49.9, 120.0, "R_IVR"),
        (50.0, 120.0, "R_AIVR"),
        (100.0, 120.0, "R_AIVR"),
        (100.1, 120.0, None),
        (45.0, 119.9, None),
    ],
)
def test_a_ventricular_rhythm_by_its_rate(rate: float, qrs_ms: float, code: str | None):
    verdict = Verdict()
    escape.rhythm(facts([60000.0 / rate] * 8, qrs_ms=qrs_ms), verdict, NOTHING)
    assert [f.code for f in verdict.findings] == ([code] if code else [])
    verdict = Verdict()
    escape.rhythm(facts([60000.0 / rate] * 8, qrs_ms=qrs_ms), verdict, Wave(160.0, 0.1, 0.9, 60.0, False))
    assert not {"R_IVR", "R_AIVR"} & {f.code for f in verdict.findings}


def test_a_run_of_two_is_no_rhythm():
    for kinds, code in (("nnnVVVnnn", ["R_AIVR"]), ("nnnVVnnnn", [])):
        verdict = Verdict()
        escape.runs(facts([800.0] * 8, kinds), verdict)
        assert [f.code for f in verdict.findings] == code


@pytest.mark.parametrize(("broad", "at"), [(False, 5.75), (True, 6.2)])
def test_what_ends_a_pause_without_p_is_an_escape(broad: bool, at: float):
    p = [0.2, 1.0, 1.8, 2.6, 3.4, 4.2, 7.6, 8.4, 9.2]
    strip = Strip().p(p).narrow([t + 0.16 for t in p])
    strip = strip.broad([at]) if broad else strip.narrow([at])
    codes = rhythms(ecg.analyze(strip.recording()))
    assert "R_ESC" in codes
    assert not codes & {"R_PVC", "R_PAC", "R_SARR"}


def test_a_sinus_beat_ends_a_pause_without_escape():
    p = [0.2, 1.0, 1.8, 2.6, 3.4, 4.2, 6.6, 7.4, 8.2, 9.0]
    assert "R_ESC" not in rhythms(ecg.analyze(Strip().p(p).narrow([t + 0.16 for t in p]).recording()))


@pytest.mark.parametrize(("rr", "seen"), [(960.1, True), (960.0, False)])
@pytest.mark.parametrize("kinds", ["nnnnnVnnnn", "nnnnnnnnnn"])
def test_an_escape_comes_later_than_1_2_of_rr(rr: float, seen: bool, kinds: str):
    verdict = Verdict()
    escape.beats(facts([800.0] * 4 + [rr] + [800.0] * 4, kinds, without_p=(5,)), verdict)
    assert ("R_ESC" in {f.code for f in verdict.findings}) == seen


def test_a_pause_of_two_pp_is_a_block():
    p = [t for k, t in enumerate(every(0.8, 0.2)) if k != 5]
    found = ecg.analyze(Strip().p(p).narrow([t + 0.16 for t in p]).recording())
    assert rhythms(found) == {"R_SINUS", "R_SAB2"}
    finding = found.finding("R_SAB2")
    assert finding is not None
    assert finding.notes == ("TYPE_II",)
    assert {a.mimic for a in finding.argued} == {"R_SARR", "R_PAC"}


def test_a_pause_of_another_length_is_an_arrest():
    p = [0.2, 1.0, 1.8, 2.6, 3.4, 4.2, 6.9, 7.7, 8.5, 9.3]
    codes = rhythms(ecg.analyze(Strip().p(p).narrow([t + 0.16 for t in p]).recording()))
    assert "R_SAB3" in codes
    assert not codes & {"R_SAB2", "R_SARR"}


@pytest.mark.parametrize("seed", range(3))
def test_a_breathing_sinus_node_is_not_blocked(seed: int):
    found = ecg.analyze(synthesise(Heart(rate_bpm=62, rr_sd=0.09), Noise(0.01), seed=seed).recording)
    assert not rhythms(found) & {"R_SAB2", "R_SAB3"}


def paused(pause: float, pp: float = 900.0) -> set[str]:
    verdict = Verdict()
    sinoatrial.interpret(facts([pp] * 4 + [pause] + [pp] * 4), verdict, False)
    return {f.code for f in verdict.findings}


@pytest.mark.parametrize("share", [1.8, 2.2, 3.3])
def test_a_multiple_of_pp_within_ten_percent(share: float):
    assert "R_SAB2" in paused(900.0 * share)
    step = -0.001 if share == 1.8 else 0.001
    assert "R_SAB2" not in paused(900.0 * (share + step))


def test_an_arrest_is_longer_than_1_5_pp_and_two_seconds():
    assert "R_SAB3" in paused(2250.0, 900.0)
    assert "R_SAB3" in paused(2000.0, 1290.0)
    assert "R_SAB3" not in paused(1999.9, 1290.0)
    assert "R_SAB3" not in paused(2100.0, 1400.0)


def test_shorter_and_shorter_pp_before_the_pause_is_type_one():
    verdict = Verdict()
    cycle = [980.0, 940.0, 910.0, 1500.0]
    sinoatrial.interpret(facts(cycle * 3), verdict, False)
    assert [(f.code, f.notes) for f in verdict.findings] == [("R_SAB2", ("TYPE_I",))]


def test_with_few_pp_it_is_not_assessed():
    verdict = Verdict()
    sinoatrial.interpret(facts([900.0, 900.0, 1800.0, 900.0]), verdict, False)
    assert not verdict.findings
    assert {n.code for n in verdict.not_assessed} == {"R_SAB2", "R_SAB3"}
    verdict = Verdict()
    sinoatrial.interpret(facts([900.0] * 4 + [1800.0] + [900.0] * 4), verdict, blocked_early=True)
    assert not verdict.findings
