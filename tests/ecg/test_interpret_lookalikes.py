"""Look-alikes of ST–T and QT findings are argued in the open, each once (CLINICAL.md §3.6)."""

from __future__ import annotations

import numpy as np
import pytest

from ecg.analysis import Evidence, Grade, Measurements, Quality, State
from ecg.interpret import lookalikes
from ecg.interpret.facts import Facts, Rhythm, Verdict
from ecg.recording import STANDARD_LEADS, PatientFacts, Text
from ecg.rules import load

NONE = np.empty(0)


def argued(
    code: str, *others: str, age: float | None = 60.0, leads: tuple[str, ...] = (), near: bool = False
) -> set[str]:
    """The mimics of one finding beside others."""
    rhythm = Rhythm((), NONE, NONE, 1.0, 10.0, 0.4, 1.0, 0.99, NONE, NONE, NONE, NONE, 0.0)
    facts = Facts(
        measurements=Measurements(), patient=PatientFacts(age), quality=Quality(Grade.A, {}), rules=load("udmi-2018"),
        rhythm=rhythm, leads=STANDARD_LEADS, beat=None, rate_hz=500.0, qrs=None, paced_share=0.0, notes=frozenset(),
        st_usable=True, amplitude_usable=True,
    )  # fmt: skip
    verdict = Verdict()
    evidence = [Evidence(n, "t_mv", -0.2, "<", -0.1) for n in leads]
    state = State.BORDERLINE if near else State.TRUE
    verdict.add(facts.finding(code, Text(code, code), evidence, "test", state=state))
    for other in others:
        verdict.add(facts.finding(other, Text(other, other), [], "test"))
    lookalikes.argue(facts, verdict)
    found = verdict.findings[0].argued
    assert all(a.kept and a.why.zh.endswith("。") and a.why.en.endswith(".") for a in found)
    assert len({a.mimic for a in found}) == len(found)
    return {a.mimic for a in found}


@pytest.mark.parametrize(
    ("code", "other", "mimic"),
    [
        ("T_ISCH_ST", "STEMI_INF", "STEMI"), ("T_ISCH_ST", "S_DIG", "S_DIG"), ("T_ISCH_ST", "S_HYPOK", "S_HYPOK"),
        ("T_ISCH_T", "S_PE", "S_PE"), ("T_ISCH_T", "S_CNS", "S_CNS"), ("T_ISCH_T", "S_TAKO", "S_TAKO"),
        ("T_TALL", "S_HYPERK", "S_HYPERK"), ("T_TALL", "E_HAT", "E_HAT"), ("T_ER", "T_PERI", "T_PERI"),
        ("S_LQT", "S_HYPOCA", "S_HYPOCA"), ("S_LQT", "T_ISCH_ST", "T_ISCH"), ("S_SQT", "S_HYPERCA", "S_HYPERCA"),
        ("S_CNS", "E_WEL_B", "E_WEL"), ("S_HCM_AP", "E_WEL_A", "E_WEL"),
    ],
)  # fmt: skip
def test_a_look_alike_that_was_found_is_argued(code: str, other: str, mimic: str):
    assert argued(code, other) == {mimic}
    assert argued(code) == set()
    assert argued(code, other, near=True) == set()


@pytest.mark.parametrize(
    ("age", "leads", "seen"),
    [(29.9, ("V1", "V2"), True), (30.0, ("V1", "V2"), False), (None, ("V1", "V2"), False), (20.0, ("V3", "V4"), False)],
)
def test_the_juvenile_pattern_is_thought_of_in_the_young_and_in_v1_to_v3_alone(
    age: float | None, leads: tuple[str, ...], seen: bool
):
    assert argued("T_ISCH_T", age=age, leads=leads) == ({"JUVENILE"} if seen else set())
