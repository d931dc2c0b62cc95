"""Equivalents, bundle and paced rules, hyperacute T, subtle LAD and Q waves, to 0.1 µV (CLINICAL.md §3.5, §4.4–4.8).

Each row is a pattern exactly at its limits; then each of its values a tenth of a microvolt (or millisecond) beside,
which must take the finding away or leave it "borderline". The limits are CLINICAL.md's, typed here by hand.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from ecg.analysis import (
    Beat,
    Certainty,
    Finding,
    Grade,
    Kind,
    LeadMeasurements,
    LeadQuality,
    Measurements,
    Qtc,
    Quality,
    State,
)
from ecg.interpret import acute
from ecg.interpret.facts import Facts, Rhythm, Verdict
from ecg.recording import STANDARD_LEADS, PatientFacts, Sex, Text
from ecg.rules import load
from ecg.waves import Outline

MAN, WOMAN = PatientFacts(60, Sex.MALE), PatientFacts(60, Sex.FEMALE)
NONE = np.empty(0)
PLAIN = LeadMeasurements(
    p_mv=0.1, q_mv=0.0, r_mv=0.8, s_mv=-0.3, r2_mv=0.0, s2_mv=0.0, t_mv=0.2, t_positive_mv=0.2, t_negative_mv=0.0,
    q_ms=0.0, r_ms=36.0, s_ms=30.0, r_peak_ms=36.0, qrs_pp_mv=1.1, qrs_area_mv_ms=20.0, st_j_mv=0.0, st_j20_mv=0.0,
    st_j40_mv=0.0, st_j60_mv=0.0, st_j80_mv=0.0, jp_mv=0.0, jt_mv=0.0, t_area_mv_ms=20.0, t_symmetry=0.66,
    st_shape="concave",
)  # fmt: skip
Values = dict[str, Any]


def st(level: float, **more: Any) -> Values:
    """ST at J and after it."""
    return {**{f"st_{p}_mv": level for p in ("j", "j20", "j40", "j60", "j80")}, **more}


def facts(
    changes: dict[str, Values] | None = None,
    patient: PatientFacts = MAN,
    leads: tuple[str, ...] = STANDARD_LEADS,
    qrs_ms: float = 90.0,
    bpm: float = 75.0,
    qt_ms: float | None = 380.0,
) -> Facts:
    """A heart whose every lead is plain but for ``changes``."""
    values = {n: replace(PLAIN, **(changes or {}).get(n, {})) for n in leads}
    qtc = None if qt_ms is None else Qtc(qt_ms, qt_ms, qt_ms, qt_ms)
    rr = np.full(11, 800.0)
    return Facts(
        measurements=Measurements(heart_rate_bpm=bpm, qrs_ms=qrs_ms, qt_ms=qt_ms, qtc_ms=qtc, leads=values),
        patient=patient,
        quality=Quality(Grade.A, {n: LeadQuality(Grade.A) for n in leads}),
        rules=load("udmi-2018"),
        rhythm=Rhythm(
            tuple(Beat(k, 400 * k, Kind.DOMINANT) for k in range(12)),
            rr, rr, 1.0, 10.0, 0.4, 1.0, 0.99, NONE, NONE, NONE, NONE, 0.0,
        ),
        leads=leads,
        beat=None,
        rate_hz=500.0,
        qrs=None,
        paced_share=0.0,
        notes=frozenset(),
        st_usable=True,
        amplitude_usable=True,
    )  # fmt: skip


def read(held: Facts, *before: str) -> Verdict:
    """The acute rules after others found the codes ``before``."""
    verdict = Verdict()
    for code in before:
        verdict.add(held.finding(code, Text(code, code), [], "test"))
    acute.interpret(held, verdict)
    return verdict


def found(verdict: Verdict, code: str) -> Finding | None:
    return next((f for f in verdict.findings if f.code == code), None)


def true(verdict: Verdict, code: str) -> bool:
    held = found(verdict, code)
    return held is not None and held.state == State.TRUE


@dataclass(frozen=True)
class Case:
    """A pattern at its limits. ``edges``: (lead, measure, step) of which each takes it away."""

    code: str
    changes: dict[str, Values]
    edges: tuple[tuple[str, str, float], ...]
    before: tuple[str, ...] = ()
    more: Values = field(default_factory=dict[str, Any])
    need: str = ""


UV, MS = 0.0001, 0.1
LOW = st(-0.05)
DEW = {**st(-0.10, t_positive_mv=0.5, t_mv=0.5, t_symmetry=0.67), "st_j80_mv": -0.05}
DEEP = {"t_positive_mv": 0.0, "t_negative_mv": -0.20, "t_mv": -0.20, "t_symmetry": 0.6}
Q = {"q_mv": -0.10, "q_ms": 30.0, "t_negative_mv": -0.1, "t_mv": -0.1, "t_positive_mv": 0.0}
UP = {"r_mv": 1.0, "s_mv": 0.0, "qrs_pp_mv": 1.0}
DOWN = {"r_mv": 0.1, "s_mv": -1.0, "qrs_pp_mv": 1.1}
LBBB = {n: dict(DOWN) for n in ("V1", "V2", "V3", "aVR")} | {n: dict(UP) for n in ("I", "aVL", "V4", "V5", "V6", "II")}
CASES = (
    Case("E_POST", {"V1": LOW, "V2": LOW}, (("V1", "st_j_mv", UV), ("V2", "st_j_mv", UV)), need="V3"),
    Case("E_POST", {"V2": LOW, "V3": {**LOW, "st_j80_mv": -0.01}}, (("V3", "st_j80_mv", UV),), need="V1"),
    Case("E_DEW", {"V2": DEW, "V3": DEW},
         (("V2", "st_j_mv", UV), ("V3", "t_positive_mv", -UV), ("V2", "t_symmetry", 0.0001))),
    Case("E_WEL_B", {"V2": DEEP, "V3": DEEP}, (("V2", "t_negative_mv", UV), ("V3", "t_negative_mv", UV)), need="V3"),
    Case(
        "E_AVR",
        {"aVR": st(0.10), **{n: st(-0.10) for n in ("I", "II", "V3", "V4", "V5", "V6")}},
        (("aVR", "st_j_mv", -UV), ("V6", "st_j_mv", UV)),
        need="aVR",
    ),
    Case(
        "E_ASL",
        {"III": st(0.05), "V5": st(-0.05), "V1": st(0.01)},
        (("III", "st_j_mv", -UV), ("V5", "st_j_mv", UV), ("II", "st_j_mv", 0.05),
         ("V2", "st_j_mv", -0.05), ("V1", "st_j_mv", -0.01)),
        need="V1",
    ),
    Case(
        "E_SAF",
        {"aVL": st(0.10), "I": st(0.05), "V2": st(0.10), "III": st(-0.05)},
        (("I", "st_j_mv", -UV), ("aVL", "st_j_mv", -UV), ("III", "st_j_mv", UV), ("V3", "st_j_mv", 0.10)),
        need="I",
    ),
    Case("E_INF_EARLY", {"aVL": st(-0.05), "III": st(0.05)},
         (("aVL", "st_j_mv", UV), ("III", "st_j_mv", -UV)), need="aVL"),
    Case("E_TQRSD", {"V2": st(0.10, s_mv=0.0)}, (("V2", "st_j_mv", -UV), ("V2", "s_mv", -0.02)), need="V2"),
    Case(
        "E_RBBB_NEW",
        {"V1": st(0.10, r2_mv=0.6)},
        (("V1", "st_j_mv", -UV), ("V1", "r2_mv", -0.6)),
        ("C_RBBB", "C_LAFB"),
        {"qrs_ms": 140.0},
    ),
    Case("E_LBBB_MI", LBBB | {"V5": {**UP, **st(0.10)}}, (("V5", "st_j_mv", -UV),), ("C_LBBB",), {"qrs_ms": 150.0}),
    Case("E_LBBB_MI", LBBB | {"V2": {**DOWN, **st(-0.10)}}, (("V2", "st_j_mv", UV),), ("C_LBBB",), {"qrs_ms": 150.0}),
    Case("E_LBBB_MI", LBBB | {"V3": {**DOWN, **st(0.25)}}, (("V3", "st_j_mv", -UV),), ("C_LBBB",), {"qrs_ms": 150.0}),
    Case("E_PACE_MI", LBBB | {"V6": {**DOWN, **st(-0.10)}}, (("V6", "st_j_mv", UV),), ("C_PACE_V",), {"qrs_ms": 160.0}),
    Case("Q_INF", {"III": Q, "aVF": Q}, (("aVF", "q_ms", -MS), ("aVF", "q_mv", UV)), need="aVF"),
    Case("Q_HLAT", {"I": Q, "aVL": Q}, (("I", "q_ms", -MS), ("aVL", "q_mv", UV)), need="I"),
    Case("Q_LAT", {"V5": Q, "V6": Q}, (("V5", "q_ms", -MS),), need="V5"),
    Case("Q_SEPT", {"V1": {**Q, "q_ms": 30.0}, "V2": {**Q, "q_ms": 20.1}}, (("V2", "q_ms", -MS),)),
    Case("Q_ANT", {"V3": {**Q, "q_ms": 20.1}, "V4": Q}, (("V3", "q_ms", -MS),)),
    Case("Q_EXTANT", {n: {**Q, "r_mv": 0.0, "s_mv": 0.0} for n in ("V1", "V2", "V3", "V4", "V5")},
         (("V5", "q_mv", 0.1),)),
    Case("Q_POST", {n: {"r_mv": 0.9, "r_ms": 40.1} for n in ("V1", "V2")}, (("V1", "r_ms", -MS),)),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.code)
def test_a_pattern_exactly_at_its_limits_is_found(case: Case):
    held = found(read(facts(case.changes, **case.more), *case.before), case.code)
    assert held is not None
    assert held.state == State.TRUE
    assert held.evidence
    assert held.name.zh
    assert held.name.en
    assert "CLINICAL §" in held.source
    assert not held.source.startswith("CLINICAL")


@pytest.mark.parametrize(
    ("case", "edge"), [(c, e) for c in CASES for e in c.edges], ids=lambda v: v.code if isinstance(v, Case) else str(v)
)
def test_one_step_beside_any_limit_it_is_not_definite(case: Case, edge: tuple[str, str, float]):
    lead, measure, step = edge
    moved = {n: dict(v) for n, v in case.changes.items()}
    own = moved.setdefault(lead, {})
    own[measure] = own.get(measure, getattr(PLAIN, measure)) + step
    held = found(read(facts(moved, **case.more), *case.before), case.code)
    whole = found(read(facts(case.changes, **case.more), *case.before), case.code)
    assert whole is not None
    weaker = held is None or held.state == State.BORDERLINE or held.certainty == Certainty.POSSIBLE
    assert weaker
    assert held != whole


@pytest.mark.parametrize("case", [c for c in CASES if c.need], ids=lambda c: c.code)
def test_without_a_lead_that_decides_it_is_not_assessed(case: Case):
    leads = tuple(n for n in STANDARD_LEADS if n != case.need)
    changes = {n: v for n, v in case.changes.items() if n != case.need}
    verdict = read(facts(changes, leads=leads, **case.more), *case.before)
    skipped = {n.code for n in verdict.not_assessed}
    # Where two other leads suffice, the missing one takes nothing away.
    assert case.code in skipped or true(verdict, case.code)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.code)
def test_a_nan_is_a_missing_value_and_a_child_has_no_adult_rule(case: Case):
    lead, measure, _ = case.edges[0]
    moved = {n: dict(v) for n, v in case.changes.items()}
    moved.setdefault(lead, {})[measure] = float("nan")
    assert not true(read(facts(moved, **case.more), *case.before), case.code)
    for age, barred in ((15.9, True), (16.0, False)):
        patient = PatientFacts(age, Sex.MALE)
        assert true(read(facts(case.changes, patient, **case.more), *case.before), case.code) != barred


@pytest.mark.parametrize("code", ["E_DEW", "E_WEL_B", "E_AVR", "E_ASL", "E_SAF", "E_INF_EARLY", "E_TQRSD"])
def test_a_qrs_of_120_ms_takes_the_narrow_rules_away(code: str):
    case = next(c for c in CASES if c.code == code)
    assert true(read(facts(case.changes, qrs_ms=119.9)), code)
    verdict = read(facts(case.changes, qrs_ms=120.0))
    assert not true(verdict, code)
    assert code in {n.code for n in verdict.not_assessed}


@pytest.mark.parametrize("code", ["E_POST", "E_WEL_B", "E_AVR"])
def test_flutter_takes_depression_and_t_away_and_a_fast_rate_is_argued(code: str):
    case = next(c for c in CASES if c.code == code)
    assert code in {n.code for n in read(facts(case.changes), "R_AFL").not_assessed}
    quick = found(read(facts(case.changes, bpm=130.1)), code)
    calm = found(read(facts(case.changes, bpm=130.0)), code)
    assert quick is not None
    assert calm is not None
    assert [(a.mimic, a.kept) for a in quick.argued] == [("RATE", False)]
    assert calm.argued == ()


def test_posterior_depression_behind_rbbb_counts_only_under_an_upright_t():
    low = {"V2": {**st(-0.1), "t_mv": 0.1}, "V3": {**st(-0.1), "t_mv": 0.1}}
    assert true(read(facts(low, qrs_ms=140.0), "C_RBBB"), "E_POST")
    low["V3"]["t_mv"] = 0.0999
    assert not true(read(facts(low, qrs_ms=140.0), "C_RBBB"), "E_POST")


@pytest.mark.parametrize(("later", "certainty"), [(0.10, Certainty.DEFINITE), (0.0999, Certainty.POSSIBLE)])
def test_a_bundle_rule_that_is_gone_20_ms_after_j_is_only_possible(later: float, certainty: Certainty):
    changes = LBBB | {"V5": {**UP, **st(0.10), "st_j20_mv": later}}
    held = found(read(facts(changes, qrs_ms=150.0), "C_LBBB"), "E_LBBB_MI")
    assert held is not None
    assert held.certainty == certainty
    assert ("J_AMBIGUOUS" in held.notes) == (certainty == Certainty.POSSIBLE)


def test_barcelona_alone_is_possible_and_all_rules_are_printed():
    small = {"r_mv": 0.1, "s_mv": -0.6, "qrs_pp_mv": 0.7, **st(0.10)}
    held = found(read(facts(LBBB | {"III": small}, qrs_ms=150.0), "C_LBBB"), "E_LBBB_MI")
    assert held is not None
    assert held.notes == ("BARCA",)
    assert held.certainty == Certainty.POSSIBLE
    strong = found(read(facts(LBBB | {"V5": {**UP, **st(0.2)}}, qrs_ms=150.0), "C_LBBB"), "E_LBBB_MI")
    assert strong is not None
    assert strong.notes == ("SGARB", "SMITH", "BARCA")


BROAD = {"C_LBBB": "E_LBBB_MI", "C_PACE_V": "E_PACE_MI"}


@pytest.mark.parametrize(
    ("rule", "conduction", "lead", "at", "beside"),
    [
        ("SGARB", "C_LBBB", "V5", {**UP, **st(0.10)}, {**UP, **st(0.0999)}),
        ("SGARB", "C_LBBB", "V2", {**DOWN, **st(-0.10)}, {**DOWN, **st(-0.0999)}),
        ("SGARB", "C_LBBB", "V3", {**DOWN, **st(-0.10)}, {**DOWN, "s_mv": -3.0, **st(0.50)}),  # two points are too few
        ("SMITH", "C_LBBB", "V3", {**DOWN, **st(0.25)}, {**DOWN, **st(0.2499)}),
        ("SMITH", "C_LBBB", "V5", {**UP, **st(0.10)}, {**UP, **st(0.0999)}),
        ("SMITH", "C_LBBB", "V2", {**DOWN, **st(-0.10)}, {**DOWN, **st(-0.0999)}),
        ("SMITH_PACED", "C_PACE_V", "V6", {**DOWN, **st(-0.10)}, {**DOWN, **st(-0.0999)}),
        ("BARCA", "C_LBBB", "III", {**DOWN, "s_mv": -0.6, **st(0.10)}, {**DOWN, "s_mv": -0.6001, **st(0.10)}),
        ("BARCA", "C_LBBB", "III", {**DOWN, "s_mv": -0.6, **st(0.10)}, {**DOWN, "s_mv": -0.6, **st(0.0999)}),
    ],
)
def test_a_rule_behind_a_broad_qrs_at_its_limit_and_beside_it(
    rule: str, conduction: str, lead: str, at: Values, beside: Values
):
    for own, true_ in ((at, True), (beside, False)):
        held = found(read(facts(LBBB | {lead: own}, qrs_ms=150.0), conduction), BROAD[conduction])
        assert (held is not None and rule in held.notes) == true_


def with_t(held: Facts, positive_first: bool = True) -> Facts:
    """The same heart with an average beat in which T's upward phase comes first, or last."""
    beat = np.zeros((len(held.leads), 500))
    beat[:, 300], beat[:, 340] = (0.2, -0.1) if positive_first else (-0.1, 0.2)
    bounds = np.tile([260, 300, 380], (len(held.leads), 1))
    whole, seen = np.array([180, 200, 225]), np.ones(len(held.leads), dtype=np.bool_)
    outline = Outline(np.tile(whole, (len(held.leads), 1)), whole, None, None, ~seen, bounds, bounds[0], seen, False)
    return replace(held, beat=beat, outline=outline)


@pytest.mark.parametrize(
    ("down", "up", "first", "hit"),
    [(-0.10, 0.2, True, True), (-0.0999, 0.2, True, False), (-0.10, 0.2, False, False), (-0.10, 0.0, True, False)],
)
def test_biphasic_wellens_at_its_limit_and_beside_it(down: float, up: float, first: bool, hit: bool):
    t: Values = {"t_positive_mv": up, "t_negative_mv": down, "t_mv": up}
    assert true(read(with_t(facts({"V2": t, "V3": t}), first)), "E_WEL_A") == hit


@pytest.mark.parametrize(
    ("qtc", "found_", "certainty"),
    [(349.9, False, None), (350.0, True, Certainty.POSSIBLE), (418.0, True, Certainty.PROBABLE),
     (416.0, True, Certainty.POSSIBLE)],
)  # fmt: skip
def test_the_four_variable_value_at_its_cuts(qtc: float, found_: bool, certainty: Certainty | None):
    """1.062·2 + 0.052·QTc − 0.151·10 − 0.268·R: R V4 makes 17.2 of 350 ms and so 20.7 of 417.4 ms."""
    r = (1.062 * 2 + 0.052 * 350.0 - 0.151 * 10 - 17.2) / 0.268 / 10
    changes = {"V3": st(0.2), "V2": {"qrs_pp_mv": 1.0}, "V4": {"r_mv": r}}
    qtc -= 0.0 if found_ else 1.0
    held = found(read(facts(changes, qt_ms=qtc)), "E_SUBLAD")
    assert (held is not None) == found_
    if held is not None:
        assert held.certainty == certainty
        assert {e.measure for e in held.evidence} >= {"driver4", "st_j60_mv", "qtc_ms", "qrs_pp_mv", "r_mv"}


def test_a_convex_st_inside_the_gate_needs_no_formula_and_outside_it_is_not_assessed():
    convex = {"V3": st(0.10, st_shape="convex")}
    held = found(read(facts(convex, qt_ms=None)), "E_SUBLAD")
    assert held is not None
    assert held.certainty == Certainty.PROBABLE
    closed = read(facts(convex | {"II": st(-0.05)}))
    assert found(closed, "E_SUBLAD") is None
    assert "E_SUBLAD" in {n.code for n in closed.not_assessed}


@pytest.mark.parametrize(
    ("chest", "limb", "hit"), [(80.0, 0.0, True), (79.9, 0.0, False), (0.0, 70.0, True), (0.0, 69.9, False)]
)
def test_hyperacute_by_area_is_possible_at_its_limits(chest: float, limb: float, hit: bool):
    big = {"qrs_pp_mv": 1.0, "t_symmetry": 0.67}
    changes = {"V2": {**big, "t_area_mv_ms": chest}, "V3": {**big, "t_area_mv_ms": chest}}
    changes |= {"II": {**big, "t_area_mv_ms": limb}, "aVF": {**big, "t_area_mv_ms": limb}}
    held = found(read(facts(changes)), "E_HAT")
    assert (held is not None) == hit
    assert held is None or held.certainty == Certainty.POSSIBLE
    assert found(read(facts(changes, qrs_ms=110.0)), "E_HAT") is None


@pytest.mark.parametrize(("age", "hit"), [(45.0, False), (45.1, True), (None, True)])
def test_hyperacute_by_collins_is_confirmed_over_45(age: float | None, hit: bool):
    changes = {"V3": st(0.3001, t_positive_mv=1.0, t_mv=1.0, qrs_pp_mv=1.3)}
    held = found(read(facts(changes, PatientFacts(age, Sex.MALE))), "E_HAT")
    assert (held is not None) == hit
    if held is not None:
        assert held.certainty == Certainty.PROBABLE
        assert ("assumed_age" in held.notes) == (age is None)


@pytest.mark.parametrize(
    ("r", "s", "seen"), [(0.025, -0.125, True), (0.0251, -0.5, False), (0.025, -0.1249, False), (0.02, -0.0999, False)]
)
def test_an_r_that_is_next_to_nothing_before_a_deep_s_is_possibly_qs(r: float, s: float, seen: bool):
    own = {"q_mv": 0.0, "q_ms": 0.0, "r_mv": r, "s_mv": s}
    held = found(read(facts({"II": own, "aVF": own})), "Q_INF")
    assert (held is not None) == seen
    if held is not None:
        assert (held.state, held.certainty) == (State.TRUE, Certainty.POSSIBLE)
        assert {(e.measure, e.value) for e in held.evidence} == {("r_mv", r)}


@pytest.mark.parametrize(
    ("t", "raised", "recent"), [(-0.1, 0.0, True), (-0.0999, 0.0, False), (0.2, 0.05, True), (0.2, 0.0499, False)]
)
def test_an_infarction_that_may_be_recent_is_never_called_old(t: float, raised: float, recent: bool):
    own = {**Q, "t_mv": t, "t_negative_mv": min(t, 0.0), **st(raised)}
    held = found(read(facts({"III": own, "aVF": own})), "Q_INF")
    assert held is not None
    assert (held.notes == ("MAY_BE_RECENT",)) == recent
    assert ("可能为近期" in held.name.zh) == recent
    assert ("陈旧" in held.name.zh) != recent


def test_rbbb_leaves_the_q_rules_outside_v1_and_v2():
    assert true(read(facts({"III": Q, "aVF": Q}, qrs_ms=140.0), "C_RBBB"), "Q_INF")
    assert not true(read(facts({"V1": Q, "V2": Q}, qrs_ms=140.0), "C_RBBB"), "Q_SEPT")


# --- early repolarisation beside elevation that fulfils §4.1 ----------------------------------------------------------

NOTCH = {"j_wave": "notch", "jp_mv": 0.15}
EARLY = {
    "V4": st(0.12, r_mv=2.5, t_mv=1.0, t_positive_mv=1.0, **NOTCH),
    "V5": st(0.12, r_mv=2.0, t_mv=0.9, t_positive_mv=0.9, **NOTCH),
    "V6": {"t_mv": 0.8},
    "V2": {"qrs_pp_mv": 1.8},
}  # fmt: skip


@pytest.mark.parametrize(
    ("lead", "values"),
    [
        ("aVL", st(-0.05)), ("V5", {"st_shape": "convex"}), ("V3", {"q_mv": -0.1, "q_ms": 21.0}), ("V6", {**st(0.2)}),
        ("V5", {"t_mv": -0.1}), ("V4", {"st_j_mv": 0.30}), ("V6", {"t_mv": None}), ("V4", {"st_shape": None}),
    ],
)  # fmt: skip
def test_early_repolarisation_explains_only_where_nothing_speaks_for_an_occlusion(lead: str, values: Values):
    held = found(read(facts(EARLY)), "STEMI_ANT")
    assert held is not None
    assert [(a.mimic, a.kept) for a in held.argued] == [("T_ER", False)]
    assert held.certainty == Certainty.POSSIBLE
    moved = {n: dict(v) for n, v in EARLY.items()}
    moved[lead] = {**moved.get(lead, {}), **values}
    against = found(read(facts(moved)), "STEMI_ANT")
    assert against is not None
    assert ("T_ER", True) in [(a.mimic, a.kept) for a in against.argued]


def test_without_a_j_wave_early_repolarisation_is_not_even_weighed():
    plain = {n: {**v, "j_wave": None, "jp_mv": 0.0} for n, v in EARLY.items()}
    held = found(read(facts(plain)), "STEMI_ANT")
    assert held is not None
    assert held.argued == ()
    assert held.certainty == Certainty.DEFINITE


def test_an_aneurysm_does_not_explain_elevation_outside_the_chest():
    scar = {"q_mv": -1.2, "r_mv": 0.0, "s_mv": 0.0, "q_ms": 90.0, "qrs_pp_mv": 1.2, "t_positive_mv": 0.1, "t_mv": 0.1}
    chest = {n: {**scar, **st(0.25)} for n in ("V1", "V2", "V3", "V4")}
    alone = found(read(facts(chest)), "STEMI_ANTSEPT")
    both = found(read(facts(chest | {"II": st(0.2), "aVF": st(0.2)})), "STEMI_ANTSEPT")
    assert alone is not None
    assert both is not None
    assert ("ANEURYSM", False) in [(a.mimic, a.kept) for a in alone.argued]
    assert ("ANEURYSM", True) in [(a.mimic, a.kept) for a in both.argued]
