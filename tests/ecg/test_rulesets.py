"""Rulesets and a county's own file: labels beside the default, never instead of it; faults named (CLINICAL.md §4.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ecg
from ecg.analysis import (
    Beat,
    Finding,
    Grade,
    Kind,
    LeadMeasurements,
    LeadQuality,
    Measurements,
    Quality,
    State,
)
from ecg.document import document
from ecg.interpret import labels
from ecg.interpret.facts import Facts, Rhythm, Verdict
from ecg.recording import EXTRA_LEADS, STANDARD_LEADS, PatientFacts, Sex
from ecg.rules import DEFAULT, RulesError, Ruleset, known, load, load_bytes, load_file, resolve
from ecg.synthesis import Heart, synthesise

HERE = Path(__file__).resolve().parents[1] / "data"
MAN, YOUNG, WOMAN = PatientFacts(60, Sex.MALE), PatientFacts(39.9, Sex.MALE), PatientFacts(60, Sex.FEMALE)
LABELS = ("cn-2019", "cn-ecgmi", "cn-lysis", "cn-prov")
COUNTY = """kind = "labels"
id = "cn-county"
version = "1"
base = "udmi-2018"
title_zh = "县"
title_en = "County"
source = "test"
[[label]]
code = "L_SVT_180"
name_zh = "室上速"
name_en = "SVT"
source = "test"
beside = ["R_SVT"]
critical = true
[[label.when]]
measure = "heart_rate_bpm"
op = ">="
value = 180
"""


def facts(
    st: dict[str, float] | None = None,
    patient: PatientFacts = MAN,
    leads: tuple[str, ...] = STANDARD_LEADS,
    rate: float | None = 75.0,
) -> Facts:
    """Only what a label looks at: ST at J, patient, heart rate."""
    values = {n: LeadMeasurements(st_j_mv=(st or {}).get(n, 0.0), st_shape="convex") for n in leads}
    empty = np.empty(0)
    beats = tuple(Beat(k, 400 * k, Kind.DOMINANT) for k in range(12))
    return Facts(
        measurements=Measurements(heart_rate_bpm=rate, qrs_ms=90.0, leads=values),
        patient=patient,
        quality=Quality(Grade.A, {n: LeadQuality(Grade.A) for n in leads}),
        rules=load(DEFAULT),
        rhythm=Rhythm(beats, np.full(11, 800.0), np.full(11, 800.0), 1.0, 10.0, 0.4, 1.0, 0.99,
                      empty, empty, empty, empty, 0.0),
        leads=leads,
        beat=None,
        rate_hz=500.0,
        qrs=None,
        paced_share=0.0,
        notes=frozenset(),
        st_usable=True,
        amplitude_usable=True,
    )  # fmt: skip


def labelled(rules: Ruleset, verdict: Verdict | None = None, **about: Any) -> Verdict:
    held = verdict or Verdict()
    labels.add(facts(**about), held, rules)
    return held


def true(verdict: Verdict) -> set[str]:
    return {f.code for f in verdict.findings if f.state is State.TRUE}


def found(code: str) -> Verdict:
    held = Verdict()
    held.add(facts().finding(code, ecg.recording.Text("", ""), [], ""))
    return held


# --- the rulesets ---------------------------------------------------------------------------------------------------


def test_the_contract_s_rulesets_are_there_and_the_reserved_one_is_refused() -> None:
    assert known() == ("cn-2019", "cn-ecgmi", "cn-lysis", "cn-prov", "udmi-2018", "udmi-cabrera")
    with pytest.raises(ValueError, match="cn-2017 is reserved"):
        load("cn-2017")


@pytest.mark.parametrize("ruleset", known())
def test_every_ruleset_has_its_own_id_and_the_hash_of_its_bytes(ruleset: str) -> None:
    rules = load(ruleset)
    data = resources.files("ecg.rules").joinpath(f"{ruleset}.toml").read_bytes()
    assert rules.id == ruleset
    assert rules.sha256 == hashlib.sha256(data).hexdigest()
    assert [u.id for u in rules.used] == ([DEFAULT, ruleset] if ruleset in LABELS else [ruleset])


def test_cabrera_differs_from_the_default_in_its_pairs_alone() -> None:
    one, two = load("udmi-2018").rules, load("udmi-cabrera").rules
    assert one.keys() == two.keys()
    assert {name for name in one if one[name] != two[name]} == {"stemi"}
    assert {k for k in one["stemi"] if one["stemi"][k] != two["stemi"][k]} == {"cabrera", "pairs"}


@pytest.mark.parametrize(
    ("ruleset", "leads", "limit", "patient"),
    [
        ("cn-prov", ("V1", "V2"), 0.30, MAN),
        ("cn-prov", ("V2", "V3"), 0.30, WOMAN),
        ("cn-prov", ("V5", "V6"), 0.10, MAN),
        ("cn-prov", ("II", "aVF"), 0.10, MAN),
        ("cn-lysis", ("V4", "V5"), 0.20, MAN),
        ("cn-lysis", ("II", "III"), 0.10, MAN),
        ("cn-ecgmi", ("V7", "V8"), 0.10, WOMAN),
        ("cn-ecgmi", ("V3R", "V4R"), 0.10, PatientFacts(29.9, Sex.MALE)),
        ("cn-ecgmi", ("V3R", "V4R"), 0.05, PatientFacts(30, Sex.MALE)),
        ("cn-2019", ("V2", "V3"), 0.20, PatientFacts(40, Sex.MALE)),
        ("cn-2019", ("V2", "V3"), 0.25, YOUNG),
        ("cn-2019", ("V2", "V3"), 0.15, WOMAN),
        ("cn-2019", ("V2", "V3"), 0.15, PatientFacts()),
        ("cn-2019", ("V7", "V8"), 0.05, WOMAN),
    ],
)
def test_each_label_to_the_tenth_of_a_microvolt(
    ruleset: str, leads: tuple[str, str], limit: float, patient: PatientFacts
) -> None:
    rules = load(ruleset)
    everything = STANDARD_LEADS + EXTRA_LEADS
    code = rules.labels[0].code
    assert true(labelled(rules, st=dict.fromkeys(leads, limit), patient=patient, leads=everything)) == {code}
    short = labelled(rules, st={leads[0]: limit - 0.0001, leads[1]: limit}, patient=patient, leads=everything)
    assert [(f.code, f.state) for f in short.findings] == [(code, State.BORDERLINE)]
    far = labelled(rules, st={leads[0]: limit - 0.0251, leads[1]: limit}, patient=patient, leads=everything)
    assert not far.findings


def test_the_form_of_st_joins_the_evidence_of_the_guideline_of_2019() -> None:
    finding = labelled(load("cn-2019"), st={"II": 0.2, "aVF": 0.2}).findings[0]
    assert {(e.lead, e.value) for e in finding.evidence if e.measure == "st_shape"} == {("II", "convex"),
                                                                                     ("aVF", "convex")}  # fmt: skip


def test_a_critical_label_says_so_only_when_true() -> None:
    prov = load("cn-prov")
    assert "CRITICAL_VALUE" in labelled(prov, st={"II": 0.1, "aVF": 0.1}).findings[0].notes
    assert "CRITICAL_VALUE" not in labelled(prov, st={"II": 0.09, "aVF": 0.1}).findings[0].notes


def test_an_unreadable_lead_is_not_assessed() -> None:
    held = labelled(load("cn-prov"), st={"II": float("nan"), "aVF": 0.2, "III": float("nan")})
    assert not held.findings
    assert held.not_assessed[0].code == "L_STE_PROV"
    assert set(held.not_assessed[0].missing) == {"II", "III"}


# --- never lowering -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ruleset", LABELS)
@pytest.mark.parametrize("st", [{}, {"I": -0.05, "II": 0.25}, {"V2": 0.35, "V3": 0.35}])
def test_labels_change_no_finding_of_the_default(ruleset: str, st: dict[str, float]) -> None:
    recording = synthesise(Heart(st_mv=st), patient=MAN, seed=3).recording
    plain, under = ecg.analyze(recording), ecg.analyze(recording, ruleset=ruleset)

    def own(f: Finding) -> bool:
        return not f.code.startswith("L_")

    assert [f for f in under.findings if own(f)] == list(plain.findings)
    assert all(f.ruleset == ruleset for f in under.findings if not own(f))
    assert [n for n in under.not_assessed if not n.code.startswith("L_")] == list(plain.not_assessed)
    assert (plain.ruleset, under.ruleset) == (DEFAULT, ruleset)
    assert [u["id"] for u in document(under, recording, "x")["rules"]] == [DEFAULT, ruleset]


# --- a county's file ------------------------------------------------------------------------------------------------


def test_a_county_s_file_is_used_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "county.toml"
    path.write_text(COUNTY, encoding="utf-8")
    rules = load_file(path)
    assert (rules.id, rules.version) == ("cn-county", "1")
    assert rules == load_bytes(COUNTY.encode(), "county.toml")
    recording = ecg.read(HERE / "55.hea")
    analysis = ecg.analyze(recording, ruleset=str(path))
    assert analysis.ruleset == "cn-county"
    assert analysis.rules[1].sha256 == hashlib.sha256(COUNTY.encode()).hexdigest()
    assert resolve(DEFAULT).id == DEFAULT


@pytest.mark.parametrize(
    ("rate", "before", "stated"),
    [(180.0, "R_SVT", True), (179.9, "R_SVT", False), (200.0, "R_AF", False)],
)
def test_a_measure_label_beside_a_finding(rate: float, before: str, stated: bool) -> None:
    held = labelled(load_bytes(COUNTY.encode(), "c"), found(before), rate=rate)
    assert ("L_SVT_180" in true(held)) is stated
    assert not held.not_assessed


def test_a_measure_that_is_missing_is_not_assessed() -> None:
    for rate in (None, float("nan")):
        held = labelled(load_bytes(COUNTY.encode(), "c"), found("R_SVT"), rate=rate)
        assert [(n.code, n.missing) for n in held.not_assessed] == [("L_SVT_180", ("heart_rate_bpm",))]
    unknown = Verdict()
    unknown.skip("R_SVT", ("P",), ecg.recording.Text("", ""))
    held = labelled(load_bytes(COUNTY.encode(), "c"), unknown, rate=200.0)
    assert held.not_assessed[-1].code == "L_SVT_180"


def changed(old: str, new: str) -> Callable[[], str]:
    assert old in COUNTY
    return lambda: COUNTY.replace(old, new)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (changed('kind = "labels"', 'kind = "full"'), "kind"),
        (changed('base = "udmi-2018"', 'base = "cn-prov"'), "base"),
        (changed('id = "cn-county"', 'id = "cn-prov"'), "id"),
        (changed('id = "cn-county"', 'id = "My County"'), "id"),
        (changed('version = "1"', "version = 1"), "version"),
        (changed('title_zh = "县"', 'title_zh = " "'), "title_zh"),
        (changed('source = "test"\n[[label]]', '[[label]]'), "source"),
        (changed("[[label]]", "[stemi]\nother_mv = 0.5\n[[label]]"), "stemi"),
        (changed('"L_SVT_180"', '"STEMI_ANT"'), "label[1].code"),
        (changed("critical = true", 'critical = "yes"'), "label[1].critical"),
        (changed('beside = ["R_SVT"]', 'beside = "R_SVT"'), "label[1].beside"),
        (changed('beside = ["R_SVT"]', 'beside = ["svt"]'), "label[1].beside"),
        (changed("critical = true", "colour = 'GREEN'"), "label[1].colour"),
        (changed('measure = "heart_rate_bpm"', 'measure = "mood"'), "label[1].when[1].measure"),
        (changed('op = ">="', 'op = "=="'), "label[1].when[1].op"),
        (changed("value = 180", "value = true"), "label[1].when[1].value"),
        (changed("value = 180", "value = nan"), "label[1].when[1].value"),
        (changed("value = 180", 'value = 180\n[[label.limit]]\nleads = ["V1"]\nmv = 0.1'), "label[1].limit / when"),
        (lambda: COUNTY[: COUNTY.index("[[label]]")], "label"),
        (lambda: COUNTY + COUNTY[COUNTY.index("[[label]]") :], "label.code"),
        (lambda: "kind = [", "–"),
    ],
)  # fmt: skip
def test_a_fault_names_file_key_found_and_needed(text: Callable[[], str], key: str) -> None:
    with pytest.raises(RulesError) as caught:
        load_bytes(text().encode(), "县.toml")
    assert key in {f.key for f in caught.value.faults}
    for language, word in (("zh", "应为"), ("en", "needed")):
        lines = caught.value.lines(language)
        assert len(lines) == len(caught.value.faults)
        assert all(line.startswith("县.toml") and word in line for line in lines)


@pytest.mark.parametrize(
    ("limit", "key"),
    [
        ('leads = ["V1", "aVR"]\nmv = 0.1', "leads"),
        ("leads = []\nmv = 0.1", "leads"),
        ('leads = ["V1"]\nmv = 3', "mv"),
        ('leads = ["V1"]\nmv = 0.1\nmen_mv = 0.2', "men_mv"),
        ('leads = ["V1"]\nmen_mv = 0.2', "women_mv"),
        ('leads = ["V1"]\nmen_mv = 0.2\nwomen_mv = 0.1\nyoung_men_mv = 0.3', "young_years"),
    ],
)
def test_faults_of_a_limit(limit: str, key: str) -> None:
    text = COUNTY[: COUNTY.index("beside")] + f"[[label.limit]]\n{limit}\n"
    with pytest.raises(RulesError) as caught:
        load_bytes(text.encode(), "c")
    assert f"label[1].limit[1].{key}" in {f.key for f in caught.value.faults}


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(RulesError) as caught:
        load_bytes(b'kind = "labels"\nid = "X"\n[[label]]\ncode = "a"\n', "c")
    assert len(caught.value.faults) >= 8


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(RulesError):
            load_file(path)
    big = tmp_path / "big.toml"
    big.write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(RulesError):
        load_file(big)
    with pytest.raises(RulesError):
        load_bytes(b"\xff\xfe\xff", "c")


def test_the_finding_of_a_label_survives_the_child_rule() -> None:
    """Where no territory of the default was assessed, an elevation label is not assessed, with the default's reason."""
    recording = synthesise(Heart(st_mv={"I": -0.05, "II": 0.25}), patient=MAN, seed=3).recording
    child = ecg.analyze(replace(recording, patient=PatientFacts(15.9, Sex.MALE)), ruleset="cn-prov")
    assert child.finding("L_STE_PROV") is None
    assert ("L_STE_PROV", ("age",)) in {(n.code, n.missing) for n in child.not_assessed}
    adult = ecg.analyze(replace(recording, patient=PatientFacts(16, Sex.MALE)), ruleset="cn-prov")
    assert adult.finding("L_STE_PROV") is not None
