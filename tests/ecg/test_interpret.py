"""The rules: thresholds to the tenth of a microvolt, contiguity, missing needs, mimics, rhythm (CLINICAL.md §3, §4)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ecg
from ecg.analysis import (
    Analysis,
    Beat,
    Certainty,
    Finding,
    Grade,
    Kind,
    LeadMeasurements,
    LeadQuality,
    Measurements,
    Quality,
    State,
)
from ecg.interpret import NOT_IN_THIS_VERSION, interpret
from ecg.interpret.facts import Facts, Rhythm, Verdict
from ecg.interpret.logic import all3, any3, compare, not3, rounded
from ecg.recording import EXTRA_LEADS, STANDARD_LEADS, PatientFacts, Recording, Sex
from ecg.rules import known, load
from ecg.synthesis import TERRITORIES, BeatKind, Conduction, Ectopic, Heart, Noise, synthesise
from ecg.synthesis import Rhythm as Pace

MAN, YOUNG_MAN, WOMAN = PatientFacts(60, Sex.MALE), PatientFacts(39.9, Sex.MALE), PatientFacts(60, Sex.FEMALE)
NONE = np.empty(0)
PLAIN = LeadMeasurements(
    p_mv=0.1,
    q_mv=0.0,
    r_mv=0.8,
    s_mv=-0.3,
    r2_mv=0.0,
    s2_mv=0.0,
    t_mv=0.2,
    t_positive_mv=0.2,
    t_negative_mv=0.0,
    q_ms=0.0,
    r_ms=40.0,
    s_ms=30.0,
    r_peak_ms=40.0,
    qrs_pp_mv=1.1,
    qrs_area_mv_ms=20.0,
    st_j_mv=0.0,
    st_j20_mv=0.0,
    st_j40_mv=0.0,
    st_j60_mv=0.0,
    st_j80_mv=0.0,
)


def facts(
    st: dict[str, float] | None = None,
    patient: PatientFacts = MAN,
    leads: tuple[str, ...] = STANDARD_LEADS,
    ruleset: str = "udmi-2018",
    changes: dict[str, dict[str, float]] | None = None,
    grade: Grade = Grade.A,
    qrs_ms: float = 90.0,
) -> Facts:
    """A normal heart whose ST at J (and after) is set by lead."""
    values = {}
    for lead in leads:
        level = (st or {}).get(lead, 0.0)
        held = replace(PLAIN, st_j_mv=level, st_j20_mv=level, st_j40_mv=level, st_j60_mv=level, st_j80_mv=level)
        values[lead] = replace(held, **(changes or {}).get(lead, {}))
    beats = tuple(Beat(k, 400 * k, Kind.DOMINANT) for k in range(12))
    rr = np.full(11, 800.0)
    return Facts(
        measurements=Measurements(
            heart_rate_bpm=75.0, min_rr_ms=800, max_rr_ms=800, pr_ms=160, qrs_ms=qrs_ms, qt_ms=400, leads=values
        ),
        patient=patient,
        quality=Quality(grade, {lead: LeadQuality(Grade.A) for lead in leads}),
        rules=load(ruleset),
        rhythm=Rhythm(beats, rr, rr, 1.0, 10.0, 0.4, 1.0, 0.99, NONE, NONE, NONE, NONE, 0.0),
        leads=leads,
        beat=None,
        rate_hz=500.0,
        qrs=None,
        paced_share=0.0,
        notes=frozenset(),
        st_usable=True,
        amplitude_usable=True,
    )


def codes(verdict: Verdict | Analysis) -> set[str]:
    return {f.code for f in verdict.findings if f.code.startswith("STE")}


def skipped(verdict: Verdict | Analysis) -> dict[str, tuple[str, ...]]:
    return {n.code: n.missing for n in verdict.not_assessed}


def the(verdict: Verdict | Analysis, code: str) -> Finding:
    return next(f for f in verdict.findings if f.code == code)


@pytest.mark.parametrize(
    ("patient", "limit"),
    [
        (MAN, 0.20),
        (PatientFacts(40, Sex.MALE), 0.20),
        (YOUNG_MAN, 0.25),
        (WOMAN, 0.15),
        (PatientFacts(20, Sex.FEMALE), 0.15),
        (PatientFacts(), 0.15),
        (PatientFacts(60), 0.15),
        (PatientFacts(None, Sex.MALE), 0.20),
    ],
)
def test_v2_v3_limits_by_sex_and_age_to_the_tenth_of_a_microvolt(patient: PatientFacts, limit: float):
    assert "STEMI_ANTSEPT" in codes(interpret(facts({"V2": limit, "V3": limit}, patient)))
    assert "STEMI_ANTSEPT" in codes(interpret(facts({"V2": limit - 0.00004, "V3": limit}, patient)))
    below = interpret(facts({"V2": limit - 0.0001, "V3": limit}, patient))
    assert codes(below) == {"STEMI_BORDERLINE"}
    assert the(below, "STEMI_BORDERLINE").state == State.BORDERLINE


def test_what_was_assumed_is_said():
    assert the(interpret(facts({"V2": 0.3, "V3": 0.3}, PatientFacts())), "STEMI_ANTSEPT").notes == ("assumed_sex",)
    assert the(interpret(facts({"V2": 0.3, "V3": 0.3}, PatientFacts(None, Sex.MALE))), "STEMI_ANTSEPT").notes == (
        "assumed_age",
    )
    assert the(interpret(facts({"II": 0.3, "aVF": 0.3}, PatientFacts())), "STEMI_INF").notes == ()


@pytest.mark.parametrize(
    ("st", "code"),
    [
        ({"V1": 0.1, "V2": 0.2}, "STEMI_ANTSEPT"),
        ({"V2": 0.2, "V3": 0.2, "V4": 0.1}, "STEMI_ANT"),
        ({"V1": 0.1, "V2": 0.2, "V3": 0.2, "V4": 0.1}, "STEMI_ANTSEPT"),
        ({"V3": 0.2, "V4": 0.1}, "STEMI_ANT"),
        ({"V4": 0.1, "V5": 0.1}, "STEMI_ANT"),
        ({"V5": 0.1, "V6": 0.1}, "STEMI_LAT"),
        ({"I": 0.1, "aVL": 0.1}, "STEMI_HLAT"),
        ({"II": 0.1, "aVF": 0.1}, "STEMI_INF"),
        ({"aVF": 0.1, "III": 0.1}, "STEMI_INF"),
        ({"II": 0.1, "III": 0.1}, "STEMI_INF"),
        ({"V7": 0.05, "V8": 0.05}, "STEMI_POST"),
        ({"V3R": 0.05, "V4R": 0.05}, "STEMI_RV"),
    ],
)
def test_each_contiguous_pair_at_its_limit(st: dict[str, float], code: str):
    found = interpret(facts(st, leads=STANDARD_LEADS + EXTRA_LEADS))
    assert codes(found) == {code}
    assert the(found, code).certainty == Certainty.DEFINITE
    assert all(e.lead and e.op == ">=" and e.value is not None for e in the(found, code).evidence)


def test_two_walls_are_two_findings():
    assert codes(interpret(facts({"II": 0.2, "aVF": 0.2, "V5": 0.1, "V6": 0.1}))) == {"STEMI_INF", "STEMI_LAT"}


def test_one_right_lead_suffices_beside_an_inferior_infarction():
    leads = STANDARD_LEADS + EXTRA_LEADS
    assert "STEMI_RV" in codes(interpret(facts({"II": 0.2, "III": 0.2, "V4R": 0.05}, leads=leads)))
    assert "STEMI_RV" not in codes(interpret(facts({"V4R": 0.05}, leads=leads)))


@pytest.mark.parametrize(("lead", "value"), [("III", 0.12), ("aVL", 0.15), ("V3", 0.21)])
def test_a_lone_lead_is_no_stemi(lead: str, value: float):
    assert codes(interpret(facts({lead: value}))) == {"STE_NONCONTIG"}


def test_avr_never_makes_a_stemi_and_minus_avr_only_in_cabrera():
    assert codes(interpret(facts({"aVR": 0.3}))) == set()
    st = {"aVR": -0.10, "II": 0.10}
    assert "STEMI_INF" not in codes(interpret(facts(st)))
    assert "STEMI_INF" in codes(interpret(facts(st, ruleset="udmi-cabrera")))


def test_one_at_its_limit_and_its_neighbour_half_is_borderline():
    assert codes(interpret(facts({"II": 0.10, "aVF": 0.05}))) == {"STEMI_BORDERLINE"}
    assert codes(interpret(facts({"II": 0.10, "aVF": 0.0499}))) == {"STE_NONCONTIG"}


def test_reciprocal_depression_is_evidence_and_its_absence_changes_nothing():
    with_it = the(interpret(facts({"II": 0.2, "III": 0.2, "aVL": -0.05})), "STEMI_INF")
    assert [(e.lead, e.value, e.op, e.limit) for e in with_it.evidence][-1] == ("aVL", -0.05, "<=", -0.05)
    assert the(interpret(facts({"II": 0.2, "III": 0.2})), "STEMI_INF").certainty == Certainty.DEFINITE


def test_elevation_that_is_gone_twenty_ms_later_is_explained_but_stands():
    late = {"II": {"st_j20_mv": 0.05}, "aVF": {"st_j20_mv": 0.05}}
    finding = the(interpret(facts({"II": 0.12, "aVF": 0.12}, changes=late)), "STEMI_INF")
    assert finding.state == State.TRUE
    assert "J_AMBIGUOUS" in finding.notes
    assert finding.certainty == Certainty.POSSIBLE


def test_missing_leads_are_not_assessed_never_false():
    lost = skipped(interpret(facts({}, leads=("I", "II", "III", "aVR", "aVL", "aVF"))))
    assert {"STEMI_ANT", "STEMI_ANTSEPT", "STEMI_LAT", "STEMI_POST", "STEMI_RV"} <= lost.keys()
    assert "STEMI_INF" not in lost
    assert lost["STEMI_POST"] == ("V6", "V7", "V8", "V9")


def test_below_sixteen_no_adult_rule_is_applied():
    for age, barred in ((15.9, True), (16.0, False)):
        verdict = interpret(facts({"V2": 0.4, "V3": 0.4}, PatientFacts(age, Sex.MALE)))
        assert (codes(verdict) == set()) == barred
        assert ("STEMI_ANT" in skipped(verdict)) == barred


def test_a_poor_tracing_keeps_what_is_true_and_denies_nothing():
    verdict = interpret(facts({"II": 0.2, "aVF": 0.2}, grade=Grade.D))
    assert codes(verdict) == {"STEMI_INF"}
    assert {"STEMI_ANT", "STEMI_LAT"} <= skipped(verdict).keys()
    assert codes(interpret(facts({"II": 0.2, "aVF": 0.2}, grade=Grade.E))) == set()


def test_normal_is_never_claimed_while_rules_are_missing():
    verdict = interpret(facts())
    assert not {"N_NORMAL", "N_BORDER"} & {f.code for f in verdict.findings}
    assert set(NOT_IN_THIS_VERSION) <= skipped(verdict).keys()


SCAR = {"q_mv": -1.2, "r_mv": 0.0, "s_mv": 0.0, "q_ms": 90.0, "qrs_pp_mv": 1.2}


@pytest.mark.parametrize(("t", "kept"), [(0.10, False), (0.60, True)])
def test_an_aneurysm_explains_with_small_t_only(t: float, kept: bool):
    changes = {n: {**SCAR, "t_positive_mv": t, "t_mv": t} for n in ("V1", "V2", "V3", "V4")}
    finding = the(interpret(facts({"V2": 0.25, "V3": 0.25}, changes=changes)), "STEMI_ANTSEPT")
    assert [(a.mimic, a.kept) for a in finding.argued] == [("ANEURYSM", kept)]
    assert finding.certainty == (Certainty.DEFINITE if kept else Certainty.POSSIBLE)


@pytest.mark.parametrize(("strain", "ratio", "kept"), [(True, 0.1, False), (False, 0.1, True), (True, 0.3, True)])
def test_hypertrophy_explains_only_with_strain_and_a_small_ratio(strain: bool, ratio: float, kept: bool):
    size = 0.25 / ratio
    changes: dict[str, dict[str, float]] = {n: {"qrs_pp_mv": size} for n in ("V1", "V2", "V3")}
    changes["V1"] |= {"s_mv": -2.5}
    changes["V5"] = {"r_mv": 2.5, **({"st_j80_mv": -0.1, "t_mv": -0.2} if strain else {})}
    finding = the(interpret(facts({"V1": 0.1, "V2": 0.25, "V3": 0.25}, changes=changes)), "STEMI_ANTSEPT")
    assert [(a.mimic, a.kept) for a in finding.argued] == [("H_LVH", kept)]


BLOCK = {"r_mv": 0.1, "s_mv": -0.2, "r2_mv": 0.6, "qrs_area_mv_ms": 20.0, "r_peak_ms": 80.0}
TAIL = {"r_mv": 0.5, "s_mv": -0.6, "s_ms": 60.0, "r2_mv": 0.0, "t_mv": 0.3, "t_positive_mv": 0.3}


@pytest.mark.parametrize(
    ("tail", "st", "kept"),
    [
        ({}, 0.15, False), ({}, 0.1501, True), ({"s_ms": 40.0}, 0.15, True), ({"t_mv": 0.0}, 0.15, True),
        ({"r2_mv": 0.1201}, 0.15, True), ({"q_mv": -0.1, "q_ms": 30.0}, 0.15, True),
    ],
)  # fmt: skip
def test_behind_right_bundle_branch_block_elevation_against_a_broad_s_is_the_block_s_own(
    tail: dict[str, float], st: float, kept: bool
):
    changes = {"V1": BLOCK, "I": TAIL, "V5": {**TAIL, **tail}, "V6": TAIL}
    finding = the(interpret(facts({"V5": st, "V6": 0.12}, changes=changes, qrs_ms=140.0)), "STEMI_LAT")
    assert ("C_RBBB", kept) in {(a.mimic, a.kept) for a in finding.argued}


def test_reciprocal_depression_or_elevation_in_v2_is_not_the_block_s_own():
    changes = {"V1": BLOCK, "I": TAIL, "V5": TAIL, "V6": TAIL}
    low = the(interpret(facts({"V5": 0.12, "V6": 0.12, "III": -0.05}, changes=changes, qrs_ms=140.0)), "STEMI_LAT")
    front = the(interpret(facts({"V2": 0.25, "V3": 0.25}, changes=changes, qrs_ms=140.0)), "STEMI_ANTSEPT")
    assert ("C_RBBB", True) in {(a.mimic, a.kept) for a in low.argued}
    assert ("C_RBBB", True) in {(a.mimic, a.kept) for a in front.argued}


@pytest.mark.parametrize(("v2", "kept"), [({}, False), ({"r_mv": 0.0, "q_mv": -0.8, "q_ms": 60.0}, True)])
def test_a_brugada_pattern_explains_only_where_r_is_kept(v2: dict[str, float], kept: bool):
    coved = {"st_j40_mv": 0.2, "st_j80_mv": 0.15, "t_mv": -0.2, "t_negative_mv": -0.2, "t_positive_mv": 0.0}
    changes = {n: {**coved, **(v2 if n == "V2" else {})} for n in ("V1", "V2")}
    held = facts({"V1": 0.3, "V2": 0.3}, changes=changes)
    for n in ("V1", "V2"):
        held.measurements.leads[n] = replace(held.measurements.leads[n], st_shape="convex")
    verdict = interpret(held)
    finding = the(verdict, "STEMI_ANTSEPT")
    assert ("S_BRU1", kept) in {(a.mimic, a.kept) for a in finding.argued}


@pytest.mark.parametrize("conduction", [Conduction.LBBB])
def test_lbbb_takes_the_table_away_and_says_so(conduction: Conduction):
    analysis = ecg.analyze(synthesise(Heart(conduction=conduction, qrs_ms=150)).recording)
    assert analysis.finding("C_LBBB") is not None
    assert codes(analysis) == set()
    assert skipped(analysis)["STEMI_ANT"] == ("C_LBBB",)
    assert {"H_LVH_SL", "H_LVH_CV"} <= skipped(analysis).keys()


def test_rbbb_keeps_the_table():
    analysis = ecg.analyze(synthesise(Heart(conduction=Conduction.RBBB, qrs_ms=140)).recording)
    assert analysis.finding("C_RBBB") is not None
    assert "STEMI_ANT" not in skipped(analysis)


@pytest.mark.parametrize(
    ("territory", "code"),
    [
        ("anterior", "STEMI_ANT"),
        ("anteroseptal", "STEMI_ANTSEPT"),
        ("inferior", "STEMI_INF"),
        ("lateral", "STEMI_LAT"),
        ("high lateral", "STEMI_HLAT"),
        ("posterior", "STEMI_POST"),
        ("right ventricular", "STEMI_RV"),
    ],
)
def test_a_synthetic_infarction_is_found_where_it_is(territory: str, code: str):
    for seed in range(3):
        made = synthesise(Heart(st_mv=TERRITORIES[territory], individual=0.5), seed=seed, extra_leads=True, patient=MAN)
        assert code in codes(ecg.analyze(made.recording))


def test_normal_hearts_are_not_called_infarction():
    for seed in range(40):
        rate = 50 + 2 * seed
        made = synthesise(
            Heart(rate_bpm=rate, individual=1.0, pr_ms=140), Noise(0.01, 0.02, 50, 0.1), seed=seed, patient=MAN
        )
        analysis = ecg.analyze(made.recording)
        assert codes(analysis) <= {"STEMI_BORDERLINE", "STE_NONCONTIG"}, seed


@pytest.mark.parametrize(("rate", "code"), [(45, "R_SBRAD"), (75, "R_SINUS"), (120, "R_STACH")])
def test_sinus_rhythm_and_its_rates(rate: int, code: str):
    analysis = ecg.analyze(synthesise(Heart(rate_bpm=rate, pr_ms=140, p_ms=90)).recording)
    assert {f.code for f in analysis.findings if f.code.startswith("R_")} == {code}


def test_fibrillation_needs_irregularity_and_no_p():
    hits = [
        ecg.analyze(synthesise(Heart(rhythm=Pace.FIBRILLATION, rr_sd=0.2, rate_bpm=80), seed=s).recording)
        for s in range(5)
    ]
    assert all(a.finding("R_AF") is not None for a in hits)
    assert all(a.finding("R_SINUS") is None for a in hits)
    sinus = ecg.analyze(synthesise(Heart(rr_sd=0.1), seed=1).recording)
    assert sinus.finding("R_AF") is None


def test_a_fast_narrow_rhythm_without_p_is_supraventricular_and_a_wide_one_ventricular():
    narrow = ecg.analyze(synthesise(Heart(rate_bpm=190, pr_ms=120, p_ms=60, qrs_ms=80)).recording)
    assert narrow.finding("R_SVT") is not None
    wide = ecg.analyze(
        synthesise(Heart(rate_bpm=170, pr_ms=120, p_ms=60, qrs_ms=170, conduction=Conduction.LBBB)).recording
    )
    assert narrow.finding("R_VT") is None
    assert wide.finding("R_SVT") is None
    assert wide.finding("R_VT") is not None
    assert codes(wide) == set()


def test_a_pause_is_said():
    made = synthesise(Heart(rate_bpm=60), seconds=12)
    keep = np.ones(made.recording.samples, dtype=np.bool_)
    silent = made.recording.millivolts.copy()
    third = made.truth.beats[3]
    silent[:, third.p_on or third.qrs_on : third.t_off + 5] = silent[:, [third.p_on or third.qrs_on]]
    fifth = made.truth.beats[4]
    silent[:, fifth.p_on or fifth.qrs_on : fifth.t_off + 5] = silent[:, [fifth.p_on or fifth.qrs_on]]
    analysis = ecg.analyze(replace(made.recording, millivolts=silent[:, keep]))
    pause = analysis.finding("R_PAUSE")
    assert pause is not None
    assert pause.evidence[0].value == pytest.approx(3000, abs=150)


def chaos(seed: int) -> Recording:
    """Ventricular fibrillation: two wandering oscillations seen by twelve leads."""
    rng = np.random.default_rng(seed)
    t = np.arange(5000) / 500.0

    def wave() -> np.ndarray:
        rate = np.clip(4.8 + 0.08 * np.cumsum(rng.normal(0, 0.3, t.size)) / 5, 3.6, 7.0)
        size = 0.4 + 0.25 * np.sin(2 * np.pi * rng.uniform(0.3, 0.7) * t + rng.uniform(0, 6))
        return size * np.sin(2 * np.pi * np.cumsum(rate) / 500.0 + rng.uniform(0, 6))

    a, b, c = wave(), wave(), wave()
    i, ii, *chest = (rng.normal() * a + rng.normal() * b + 0.7 * rng.normal() * c for _ in range(8))
    return Recording(
        STANDARD_LEADS, np.stack([i, ii, ii - i, -(i + ii) / 2, i - ii / 2, ii - i / 2, *chest]), 500.0, "synthetic"
    )


def test_fibrillating_ventricles_are_alarming_whatever_they_are_called():
    for seed in range(6):
        analysis = ecg.analyze(chaos(seed))
        assert analysis.finding("R_VF") is not None or (analysis.measurements.heart_rate_bpm or 0) >= 200, seed
        assert codes(analysis) == set()


def test_sinus_rhythm_with_any_noise_is_no_ventricular_fibrillation():
    for seed, noise in enumerate((Noise(0.1), Noise(0.2, 0.5, 50, 1.0), Noise(0.01, 1.0), Noise(0.01, 0, 50, 1.5))):
        assert ecg.analyze(synthesise(Heart(), noise, seed=seed).recording).finding("R_VF") is None


def test_a_record_that_stops_after_beats_is_asystole_and_one_without_any_asks_to_look():
    made = synthesise(Heart(), Noise(0.01))
    end = made.truth.beats[3].t_off + 20
    quiet = np.random.default_rng(0).normal(0, 0.004, (8, made.recording.samples - end))
    i, ii, *chest = quiet
    flat = np.stack([i, ii, ii - i, -(i + ii) / 2, i - ii / 2, ii - i / 2, *chest])
    stopped = np.concatenate(
        [made.recording.millivolts[:, :end], flat + made.recording.millivolts[:, end - 1 : end]], axis=1
    )
    assert ecg.analyze(replace(made.recording, millivolts=stopped)).finding("R_ASYS") is not None
    none = ecg.analyze(replace(made.recording, millivolts=np.tile(flat, 2)[:, :5000]))
    assert none.finding("R_ASYS") is None


def test_extrasystoles_do_not_make_fibrillation():
    ectopics = tuple(Ectopic(BeatKind.ATRIAL, k) for k in (2, 6))
    assert ecg.analyze(synthesise(Heart(ectopics=ectopics)).recording).finding("R_AF") is None


def test_three_valued_logic():
    assert any3([False, None, True]) is True
    assert any3([False, None]) is None
    assert any3([]) is False
    assert all3([True, None, False]) is False
    assert all3([True, None]) is None
    assert not3(None) is None


def test_comparison_on_a_tenth_of_a_microvolt():
    assert compare("V2", "st_j_mv", 0.1 + 0.2 - 0.1, ">=", 0.2).true
    assert compare("V2", "st_j_mv", 0.19996, ">=", 0.2).true
    low = compare("V2", "st_j_mv", 0.1999, ">=", 0.2, 0.025)
    assert (low.true, low.borderline) == (False, True)
    assert not compare("V2", "st_j_mv", 0.1749, ">=", 0.2, 0.025).borderline
    assert compare("V2", "st_j_mv", 0.175, ">=", 0.2, 0.025).borderline
    assert compare(None, "qrs_ms", None, ">=", 120).true is None
    assert compare(None, "qrs_ms", float("nan"), ">=", 120).true is None
    assert rounded(-0.00001, "st_j_mv") == 0.0


def test_every_ruleset_loads_and_the_reserved_one_is_refused():
    assert {"udmi-2018", "udmi-cabrera"} <= set(known())
    with pytest.raises(ValueError, match="reserved"):
        load("cn-2017")
    with pytest.raises(ValueError, match="no ruleset"):
        ecg.analyze(synthesise(Heart()).recording, ruleset="nothing")


def test_the_labelled_infarctions_of_ludb(data_folder):
    found = {n: ecg.analyze(ecg.read(data_folder / "ludb" / f"{n}.hea")) for n in ("55", "7", "21", "33", "69")}
    assert any(c.startswith("STEMI_") and c != "STEMI_BORDERLINE" for c in codes(found["55"]))
    assert found["55"].measurements.leads["V2"].st_j_mv == pytest.approx(0.18, abs=0.03)
    for name in ("7", "21", "33", "69"):
        assert not {c for c in codes(found[name]) if c.startswith("STEMI_") and c != "STEMI_BORDERLINE"}


def test_few_normal_ecgs_are_called_infarction(data_folder):
    import csv

    with (data_folder / "labels.csv").open(encoding="utf-8") as lines:
        normal = [
            row["record"]
            for row in csv.DictReader(lines)
            if "NORM:100" in row["labels"] and "ptbxl/records500" in row["record"]
        ]
    alarms = []
    for name in normal:
        analysis = ecg.analyze(ecg.read(data_folder / f"{name}.hea"))
        alarms += [name for f in analysis.findings if f.code.startswith("STEMI_") and f.certainty == Certainty.DEFINITE]
    assert len(normal) > 20
    assert alarms == []
