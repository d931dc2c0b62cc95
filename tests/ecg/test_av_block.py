"""AV block: from signals in which every P and QRS was laid down, and at the limits of BRADY18 (CLINICAL.md §3.1)."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import ecg
from ecg.analysis import Analysis, Beat, Certainty, Grade, Kind, LeadQuality, Measurements, Quality
from ecg.interpret import av_block
from ecg.interpret.facts import Facts, Rhythm, Verdict
from ecg.interpret.p_train import Train
from ecg.marks import BeatMarks
from ecg.recording import STANDARD_LEADS, PatientFacts
from ecg.rules import load
from tests.support.arrhythmias import Strip, every

PATTERNS = {
    "R_AVB2_I": ((0.16, 0.24, 0.28, None), 0.75),
    "R_AVB2_II": ((0.16, 0.16, 0.16, None), 0.75),
    "R_AVB2_21": ((0.17, None), 0.75),
    "R_AVB_HG": ((0.17, None, None), 0.667),
}
CASES = {
    "R_AVB3": (
        "test_dissociation_is_complete_block",
        "test_without_f_waves_a_slow_regular_rhythm_is_not_called_block",
        "test_complete_block_at_its_limits",
    ),
    "R_AVB_HG": (
        "test_a_pattern_of_dropped_beats_has_its_name",
        "test_who_conducts_has_no_block",
        "test_a_rule_at_its_limit_and_one_step_beside",
    ),
    "R_AVB2_21": (
        "test_a_pattern_of_dropped_beats_has_its_name",
        "test_who_conducts_has_no_block",
        "test_a_rule_at_its_limit_and_one_step_beside",
    ),
    "R_AVB2_I": (
        "test_a_pattern_of_dropped_beats_has_its_name",
        "test_who_conducts_has_no_block",
        "test_a_rule_at_its_limit_and_one_step_beside",
    ),
    "R_AVB2_II": (
        "test_a_pattern_of_dropped_beats_has_its_name",
        "test_who_conducts_has_no_block",
        "test_a_rule_at_its_limit_and_one_step_beside",
    ),
}


@cache
def dropped(code: str, noise_mv: float = 0.006) -> Analysis:
    """P at a steady distance, each QRS at its PR behind P or not at all."""
    pattern, pp = PATTERNS[code]
    p = every(pp, 0.2)
    qrs = [t + pr for k, t in enumerate(p) if (pr := pattern[k % len(pattern)]) is not None]
    return ecg.analyze(Strip().p(p).narrow(qrs).recording(noise_mv))


def blocks(found: Analysis) -> set[str]:
    return {f.code for f in found.findings if f.code in av_block.NAMES}


@pytest.mark.parametrize("code", list(PATTERNS))
@pytest.mark.parametrize("noise_mv", [0.006, 0.02])
def test_a_pattern_of_dropped_beats_has_its_name(code: str, noise_mv: float):
    assert blocks(dropped(code, noise_mv)) == {code}


def test_the_sinus_node_keeps_its_own_rate_above_a_block():
    found = dropped("R_AVB2_21")
    assert found.finding("R_SBRAD") is None
    sinus = found.finding("R_SINUS")
    assert sinus is not None
    assert [e.value for e in sinus.evidence] == [pytest.approx(80.0, abs=1.0)]


def test_a_p_hidden_in_the_middle_of_t_is_found():
    p = every(0.52, 0.2)
    found = ecg.analyze(Strip().p(p).narrow([t + 0.17 for t in p[::2]]).recording())
    assert blocks(found) == {"R_AVB2_21"}


@pytest.mark.parametrize(("pp", "rr"), [(0.8, 1.57), (0.6, 1.33), (0.97, 1.2)])
def test_dissociation_is_complete_block(pp: float, rr: float):
    found = ecg.analyze(Strip().p(every(pp, 0.13)).narrow(every(rr, 0.5)).recording())
    assert blocks(found) == {"R_AVB3"}
    block = found.finding("R_AVB3")
    assert block is not None
    assert {a.mimic for a in block.argued} == {"ISORHYTHMIC", "R_VT"}
    assert block.evidence[0].value == pytest.approx(60 / pp, abs=1.5)


@pytest.mark.parametrize("pr", [0.13, 0.16, 0.28])
@pytest.mark.parametrize("pp", [1.33, 1.09])
def test_who_conducts_has_no_block(pp: float, pr: float):
    p = every(pp, 0.2)
    found = ecg.analyze(Strip().p(p).narrow([t + pr for t in p]).recording())
    codes = {f.code for f in found.findings}
    assert not codes & {"R_AVB3", "R_AVB_HG", "R_AVB2_21", "R_AVB2_I", "R_AVB2_II"}
    assert "R_SBRAD" in codes


def test_isorhythmic_dissociation_is_no_complete_block():
    found = ecg.analyze(Strip().p(every(1.15, 0.13)).narrow(every(1.2, 0.5)).recording())
    assert "R_AVB3" not in blocks(found)


@pytest.mark.parametrize(("rr", "steady", "block"), [(1.5, True, True), (0.95, True, False), (1.5, False, False)])
def test_clockwork_in_fibrillation_is_complete_block(rr: float, steady: bool, block: bool):
    beats = np.cumsum([0.4] + [rr + (0.0 if steady else 0.22 * (-1) ** k * (k % 3)) for k in range(int(9 / rr))])
    found = ecg.analyze(Strip().fibrillating().narrow(beats).recording())
    assert ("R_AVB3" in blocks(found)) == block
    if block:
        assert found.finding("R_AF") is not None


def test_without_f_waves_a_slow_regular_rhythm_is_not_called_block():
    found = ecg.analyze(Strip().narrow(every(1.3, 0.4)).recording())
    assert not blocks(found)
    assert "R_AVB3" in {n.code for n in found.not_assessed}


def facts(qrs_ms: list[float], seconds: float = 10.0, kinds: str = "") -> Facts:
    """Beats at these onsets, nothing else."""
    count = len(qrs_ms)
    on = np.array(qrs_ms, dtype=np.intp)
    none = np.full((count, 3), -(10**9), dtype=np.intp)
    qrs = np.stack([on, on + 40, on + 90], axis=1)
    wide = np.full((count, 0, 3), 0, dtype=np.intp)
    letters = kinds or "n" * count
    beats = tuple(Beat(k, int(on[k]), Kind.VENTRICULAR if letters[k] == "V" else Kind.DOMINANT) for k in range(count))
    rr = np.diff(np.array(qrs_ms))
    blank = np.empty(0)
    rhythm = Rhythm(beats, rr, rr, 0.0, seconds, 0.4, 1.0, 0.99, blank, blank, blank, blank, 0.0)
    quality = Quality(Grade.A, {n: LeadQuality(Grade.A) for n in STANDARD_LEADS})
    marks = BeatMarks(wide, wide, wide, none, qrs, none, np.full(count, np.nan))
    return Facts(
        Measurements(heart_rate_bpm=60000.0 / float(rr.mean())), PatientFacts(), quality, load("udmi-2018"), rhythm,
        STANDARD_LEADS, None, 1000.0, None, 0.0, frozenset(), True, True, marks=marks,
    )  # fmt: skip


def train(onset_ms: list[float]) -> Train:
    """P that begin here, all seen."""
    at = np.array(onset_ms) + 50.0
    here = np.ones(at.size, dtype=np.bool_)
    return Train(at, here, ~here, float(np.median(np.diff(at))), 0.95, 1)


def said(f: Facts, t: Train) -> tuple[str | None, Verdict]:
    verdict = Verdict()
    return av_block.interpret(f, verdict, t), verdict


def conducted(prs: list[float | None], pp: float = 800.0) -> tuple[Facts, Train]:
    p = [100.0 + pp * k for k in range(len(prs))]
    return facts([t + pr for t, pr in zip(p, prs, strict=True) if pr is not None]), train(p)


LIMITS = [
    # Mobitz I from a growth of 20 ms on, below it Mobitz II.
    ("R_AVB2_I", [160, 170, 180, None, 160, 170, 180, None, 160, 170], "at"),
    ("R_AVB2_II", [160, 170, 179, None, 160, 170, 179, None, 160, 170], "at"),
    # Only one conducted beat before the block tells neither.
    ("R_AVB2_21", [160, None, 160, None, 160, None, 160, None, 160], "at"),
    ("R_AVB2_21", [160, None, 160, None, 160, 160, 160, 160, 160], "beside"),
    ("R_AVB_HG", [160, 160, 160, None, None, 160, 160, 160], "at"),
    ("R_AVB_HG", [160, 160, 160, None, 160, 160, 160, 160], "beside"),
]


@pytest.mark.parametrize(("code", "prs", "where"), LIMITS)
def test_a_rule_at_its_limit_and_one_step_beside(code: str, prs: list[float | None], where: str):
    found, _ = said(*conducted(prs))
    assert (found == code) == (where == "at")


def test_high_grade_ends_at_an_atrial_rate_of_135():
    prs: list[float | None] = [130, 130, 130, None, None, 130, 130, 130, 130]
    assert said(*conducted(prs, 445.0))[0] == "R_AVB_HG"
    assert said(*conducted(prs, 444.0))[0] != "R_AVB_HG"


def dissociated(rr: float, pp: float, seconds: float = 10.0, jitter: float = 0.0) -> tuple[Facts, Train]:
    qrs = [700.0 + rr * k + (jitter if k % 2 else 0.0) for k in range(int(9000 / rr))]
    return facts(qrs, seconds), train([50.0 + pp * k for k in range(int(9900 / pp))])


def test_complete_block_at_its_limits():
    assert said(*dissociated(1500.0, 830.0))[0] == "R_AVB3"
    # Atria no more than 10 % faster: isorhythmic.
    assert said(*dissociated(1100.0, 1000.0))[0] != "R_AVB3"
    # Ventricles that are not regular.
    assert said(*dissociated(1500.0, 830.0, jitter=160.0))[0] != "R_AVB3"
    # Too short a strip.
    code, verdict = said(*dissociated(1500.0, 830.0, seconds=9.8))
    assert code is None
    assert [(n.code, n.missing) for n in verdict.not_assessed] == [("R_AVB3", ("seconds",))]


def test_a_p_behind_a_ventricular_beat_is_not_called_blocked():
    p = [100.0 + 800.0 * k for k in range(12)]
    qrs = [t + 160 for k, t in enumerate(p) if k != 5]
    beats = sorted([*qrs, p[5] - 220.0])
    kinds = "".join("V" if t == p[5] - 220.0 else "n" for t in beats)
    assert said(facts(beats, kinds=kinds), train(p))[0] is None
    assert said(facts(qrs), train(p))[0] == "R_AVB2_II"


def test_under_pacing_no_block_is_judged():
    p = every(0.8, 0.13)
    strip = Strip().p(p).broad(every(1.0, 0.5))
    for at in every(1.0, 0.496):
        strip.dipole[:, round(at * 500)] += np.array([1.5, 2.0, 1.0])
    found = ecg.analyze(strip.recording())
    if found.finding("C_PACE_V") is None:
        pytest.skip("the spike was not recognised")
    assert "R_AVB3" in {n.code for n in found.not_assessed}
    assert not blocks(found)


def test_certainty_of_a_train_that_was_hardly_seen_is_less():
    f, t = dissociated(1500.0, 830.0)
    poor = Train(t.at_ms, t.seen, t.lost, t.pp_ms, 0.7, 1)
    _, verdict = said(f, poor)
    assert [x.certainty for x in verdict.findings] == [Certainty.PROBABLE]
    _, verdict = said(f, t)
    assert [x.certainty for x in verdict.findings] == [Certainty.DEFINITE]
