"""GREEN from the samples on: a drawn heart is measured, read, and rated (CLINICAL.md §3.6, §5.6, §6.3)."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

import ecg
from ecg.document import document
from ecg.recording import PatientFacts, Sex
from ecg.synthesis import TERRITORIES, BeatKind, Conduction, Ectopic, Heart, Noise, synthesise
from triage.rating import Colour, Facts, rate

NOW = 1_790_000_000_000_000
HOUR = 3_600_000_000
ABSENT = Facts(symptoms=("none",), now=NOW)
UNKNOWN = Facts(now=NOW)
PAIN = Facts(symptoms=("chest_pain",), onset_at=NOW - HOUR, now=NOW)
MAN = PatientFacts(50, Sex.MALE)


def read(heart: Heart, patient: PatientFacts = MAN, noise: Noise | None = None) -> dict[str, Any]:
    """The document of one drawn heart."""
    made = synthesise(heart, noise or Noise(), seed=1, patient=patient)
    return document(ecg.analyze(made.recording), made.recording, "drawn")


@cache
def textbook(patient: PatientFacts = MAN) -> dict[str, Any]:
    """The same of the textbook's heart, at 70 a minute."""
    return read(Heart(), patient)


@pytest.mark.parametrize("facts", [ABSENT, UNKNOWN])
def test_a_normal_ecg_without_symptoms_is_green_and_says_so(facts: Facts) -> None:
    found = rate(textbook(), facts)
    assert found.colour is Colour.GREEN
    assert found.code == "N_NORMAL"
    assert found.reason["zh"] == "正常心电图"


def test_pain_makes_the_same_ecg_yellow_and_the_button_red() -> None:
    assert rate(textbook(), PAIN).colour is Colour.YELLOW
    assert rate(textbook(), Facts(urgent=True, symptoms=("none",), now=NOW)).colour is Colour.RED


@pytest.mark.parametrize(
    "patient", [PatientFacts(None, Sex.MALE), PatientFacts(50, None), PatientFacts(15, Sex.MALE)], ids=str
)
def test_without_age_or_sex_or_of_a_child_nothing_abnormal_is_not_normal(patient: PatientFacts) -> None:
    found = rate(textbook(patient), ABSENT)
    assert found.colour is Colour.YELLOW
    assert "N_NORMAL" not in {f["code"] for f in textbook(patient)["findings"]}


ABNORMAL = {
    "raised": Heart(st_mv=TERRITORIES["inferior"]),
    "lbbb": Heart(conduction=Conduction.LBBB, qrs_ms=150),
    "long pr": Heart(pr_ms=230),
    "fast": Heart(rate_bpm=112),
    "slow": Heart(rate_bpm=44),
    "ectopic": Heart(ectopics=(Ectopic(BeatKind.VENTRICULAR, 4, 0.6),)),
}


@pytest.mark.parametrize("heart", ABNORMAL.values(), ids=ABNORMAL.keys())
def test_no_other_heart_is_green(heart: Heart) -> None:
    assert rate(read(heart), ABSENT).colour is not Colour.GREEN


def test_a_noisy_tracing_is_never_normal() -> None:
    found = read(Heart(), MAN, Noise(muscle_mv=0.08))
    assert found["quality"]["grade"] >= "C"
    assert rate(found, ABSENT).colour is not Colour.GREEN
