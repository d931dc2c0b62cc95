"""The limits of CLINICAL.md §4.1 by lead, sex and age, typed here from the fourth Universal Definition."""

from __future__ import annotations

import numpy as np
import pytest

from ecg.analysis import Grade, Measurements, Quality
from ecg.interpret.facts import Facts, Rhythm
from ecg.interpret.infarction import threshold
from ecg.recording import STANDARD_LEADS, PatientFacts, Sex
from ecg.rules import load

NONE = np.empty(0)
M, F = Sex.MALE, Sex.FEMALE


def of(age: float | None, sex: Sex | None) -> Facts:
    """A patient; nothing of the heart is asked."""
    rhythm = Rhythm((), NONE, NONE, 1.0, 10.0, 0.4, 1.0, 0.99, NONE, NONE, NONE, NONE, 0.0)
    return Facts(
        measurements=Measurements(), patient=PatientFacts(age, sex), quality=Quality(Grade.A, {}),
        rules=load("udmi-2018"), rhythm=rhythm, leads=STANDARD_LEADS, beat=None, rate_hz=500.0, qrs=None,
        paced_share=0.0, notes=frozenset(), st_usable=True, amplitude_usable=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("lead", "age", "sex", "limit", "assumed"),
    [
        ("V2", 39.9, M, 0.25, ()), ("V2", 40.0, M, 0.20, ()), ("V3", 39.9, F, 0.15, ()), ("V3", 40.0, F, 0.15, ()),
        ("V2", 60.0, None, 0.15, ("assumed_sex",)), ("V3", None, M, 0.20, ("assumed_age",)),
        ("V1", 39.9, M, 0.10, ()), ("V4", 20.0, F, 0.10, ()), ("III", 80.0, M, 0.10, ()),
        ("V4R", 29.9, M, 0.10, ()), ("V4R", 30.0, M, 0.05, ()), ("V3R", 29.9, F, 0.05, ()),
        ("V8", 39.9, M, 0.10, ()), ("V8", 40.0, M, 0.05, ()), ("V9", 39.9, F, 0.05, ()),
    ],
)  # fmt: skip
def test_the_limit_of_a_lead_by_sex_and_age(
    lead: str, age: float | None, sex: Sex | None, limit: float, assumed: tuple[str, ...]
):
    assert threshold(of(age, sex), lead) == (limit, assumed)
