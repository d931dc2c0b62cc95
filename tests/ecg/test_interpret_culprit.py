"""The artery that an infarction suggests, at the limits of CLINICAL.md §4.3, and the leads that are asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ecg.analysis import Argument, Beat, Grade, Kind, LeadMeasurements, LeadQuality, Measurements, Quality
from ecg.document import finding as written
from ecg.interpret import culprit
from ecg.interpret.facts import Facts, Rhythm, Verdict
from ecg.interpret.sheet import Sheet
from ecg.recording import STANDARD_LEADS, PatientFacts, Sex, Text
from ecg.rules import load

NONE = np.empty(0)
PLAIN = LeadMeasurements(q_mv=0.0, q_ms=0.0, r_mv=0.8, s_mv=-0.3, st_j_mv=0.0, t_mv=0.2)


def heart(st: dict[str, float], leads: tuple[str, ...] = STANDARD_LEADS) -> Facts:
    """ST at J by lead, everything else plain."""
    values = {n: replace(PLAIN, st_j_mv=st.get(n, 0.0)) for n in leads}
    rhythm = Rhythm((Beat(0, 0, Kind.DOMINANT),), NONE, NONE, 1.0, 10.0, 0.4, 1.0, 0.99, NONE, NONE, NONE, NONE, 0.0)
    return Facts(
        measurements=Measurements(heart_rate_bpm=75.0, qrs_ms=90.0, leads=values), patient=PatientFacts(60, Sex.MALE),
        quality=Quality(Grade.A, {n: LeadQuality(Grade.A) for n in leads}), rules=load("udmi-2018"), rhythm=rhythm,
        leads=leads, beat=None, rate_hz=500.0, qrs=None, paced_share=0.0, notes=frozenset(), st_usable=True,
        amplitude_usable=True,
    )  # fmt: skip


def hints(held: Facts, code: str, *argued: Argument) -> str:
    verdict = Verdict()
    verdict.add(held.finding(code, Text(code, code), [], "test", argued=argued))
    culprit.add(Sheet(held), verdict)
    said = verdict.findings[0].hints
    assert written(verdict.findings[0])["hints"] == [{"zh": h.zh, "en": h.en} for h in said]
    return " ".join(h.en for h in said)


SEPTAL, DIAGONAL, DISTAL, APEX = "first septal", "proximal to the first diagonal", "distal to", "wraps around"
RIGHT_ONE, CIRCUMFLEX, NO_ARTERY = "the right coronary artery", "the circumflex artery", "suggests no artery"
INF = {"II": 0.1, "III": 0.15, "aVF": 0.12}


@pytest.mark.parametrize(
    ("code", "st", "said", "beside"),
    [
        ("STEMI_ANT", {"V1": 0.2501}, SEPTAL, {"V1": 0.25}),
        ("STEMI_ANT", {"aVR": 0.05}, SEPTAL, {"aVR": 0.0499}),
        ("STEMI_ANT", {"V5": -0.05}, SEPTAL, {"V5": -0.0499}),
        ("STEMI_ANT", {"III": -0.1}, DIAGONAL, {"III": -0.0999}),
        ("STEMI_ANTSEPT", {"aVL": -0.05}, DISTAL, {"aVL": -0.0499}),
        ("STEMI_ANT", {"II": 0.1, "aVF": 0.1}, APEX, {"aVF": 0.0999}),
        ("STEMI_INF", {**INF, "I": -0.05}, RIGHT_ONE, {"I": -0.0499}),
        ("STEMI_INF", {**INF, "I": -0.05}, RIGHT_ONE, {"II": 0.15}),
        ("STEMI_INF", {**INF, "II": 0.15, "V6": 0.05}, CIRCUMFLEX, {"V6": 0.0499}),
        ("STEMI_INF", {**INF, "II": 0.15, "V2": -0.05}, CIRCUMFLEX, {"III": 0.1501}),
        ("STEMI_INF", {**INF, "V1": 0.1}, "right ventricle is involved", {"V2": 0.0001}),
    ],
)
def test_an_artery_is_suggested_at_its_limit_and_not_beside_it(
    code: str, st: dict[str, float], said: str, beside: dict[str, float]
):
    assert said in hints(heart(st), code)
    assert said not in hints(heart({**st, **beside}), code)


def test_no_artery_without_the_word_suggests():
    for code in ("STEMI_ANT", "STEMI_ANTSEPT", "STEMI_HLAT", "STEMI_LAT", "STEMI_RV", "STEMI_POST", "E_POST"):
        assert "Suggests" in hints(heart({}), code)
    assert NO_ARTERY in hints(heart(INF), "STEMI_INF")


@pytest.mark.parametrize(
    ("code", "st", "leads", "right", "posterior"),
    [
        ("STEMI_INF", INF, STANDARD_LEADS, True, False),
        ("STEMI_INF", {**INF, "V2": -0.05}, STANDARD_LEADS, True, True),
        ("STEMI_INF", INF, (*STANDARD_LEADS, "V4R"), False, False),
        ("E_POST", {}, STANDARD_LEADS, False, True),
        ("E_POST", {}, (*STANDARD_LEADS, "V7", "V8", "V9"), False, False),
        ("STEMI_ANT", {}, STANDARD_LEADS, False, False),
    ],
)
def test_leads_that_were_not_recorded_are_asked_for(
    code: str, st: dict[str, float], leads: tuple[str, ...], right: bool, posterior: bool
):
    said = hints(heart(st, leads), code)
    assert ("V3R–V5R" in said) == right
    assert ("V7–V9" in said) == posterior


def test_what_a_mimic_explains_suggests_no_artery_but_still_asks_for_leads():
    explained = Argument("T_PERI", False, Text("甲", "because"))
    said = hints(heart({**INF, "I": -0.05}), "STEMI_INF", explained)
    assert "uggests" not in said
    assert "V3R–V5R" in said
