"""Patterns of ventricular beats: couplets, bigeminy, trigeminy, R-on-T at its limit (CLINICAL.md §3.1)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ecg.analysis import Beat, Grade, Kind, Measurements, Quality
from ecg.interpret.facts import Facts, Rhythm, Verdict
from ecg.interpret.ventricular import patterns
from ecg.recording import PatientFacts
from ecg.rules import load

CASES = {
    "R_PVC_PAT": (
        "test_a_pattern_is_named_by_its_evidence",
        "test_single_late_beats_are_no_pattern",
        "test_r_on_t_begins_below_qt",
    )
}


def verdict(kinds: str, coupling_ms: float = 600.0, qt_ms: float | None = 400.0) -> Verdict:
    """Rules on beats (``V`` ventricular, ``n`` not), each V ``coupling_ms`` behind the beat before it."""
    beats = tuple(Beat(k, 400 * k, Kind.VENTRICULAR if c == "V" else Kind.DOMINANT) for k, c in enumerate(kinds))
    rr = np.array([coupling_ms if c == "V" else 1000.0 for c in kinds[1:]])
    none = np.empty(0)
    rhythm = Rhythm(beats, rr, rr, 1.0, 10.0, 0.4, 1.0, 0.99, none, none, none, none, 0.0)
    out = Verdict()
    base = Measurements(heart_rate_bpm=70.0)
    patterns(
        Facts(replace(base, qt_ms=qt_ms), PatientFacts(), Quality(Grade.A, {}), load("udmi-2018"), rhythm, (), None,
              500.0, None, 0.0, frozenset(), True, True),
        out,
    )  # fmt: skip
    return out


def seen(out: Verdict) -> set[str]:
    return {e.measure for f in out.findings if f.code == "R_PVC_PAT" for e in f.evidence}


@pytest.mark.parametrize(
    ("kinds", "measure"),
    [
        ("nnnVVnnnnnn", "couplets"),
        ("nVnVnVnVnVn", "bigeminal_share"),
        ("nnVnnVnnVnnV", "trigeminal_share"),
    ],
)
def test_a_pattern_is_named_by_its_evidence(kinds: str, measure: str):
    out = verdict(kinds)
    assert [f.code for f in out.findings] == ["R_PVC_PAT"]
    assert seen(out) == {measure}
    assert out.findings[0].notes == ()


@pytest.mark.parametrize("kinds", ["nnnVnnnnnnn", "nnVnnVnnnnnnnn", "nVnVnnnnnnnn", "nnnVVVnnnn"])
def test_single_late_beats_are_no_pattern(kinds: str):
    assert "R_PVC_PAT" not in {f.code for f in verdict(kinds).findings}


def test_r_on_t_begins_below_qt():
    assert "R_PVC_PAT" not in {f.code for f in verdict("nnnVnnnn", 400.0).findings}
    out = verdict("nnnVnnnn", 399.9)
    assert seen(out) == {"coupling_qt"}
    assert out.findings[0].notes == ("R_ON_T",)


@pytest.mark.parametrize("kinds", ["nnnVnnnn", "nnnVVnnn"])
def test_without_qt_r_on_t_is_not_assessed_and_the_rest_stands(kinds: str):
    out = verdict(kinds, qt_ms=None)
    assert [(n.code, n.missing) for n in out.not_assessed] == [("R_PVC_PAT", ("QT",))]
    assert seen(out) == ({"couplets"} if "VV" in kinds else set())
