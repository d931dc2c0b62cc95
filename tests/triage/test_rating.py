"""The colours of CLINICAL.md §5.6, row by row, written here by hand: the table that the code reads is not looked at."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage import rating
from triage.rating import RANK, Colour, Facts, rate

R, O, Y, G = Colour.RED, Colour.ORANGE, Colour.YELLOW, Colour.GREEN
NOW = 1_790_000_000_000_000
HOUR = 3_600_000_000

ONGOING = Facts(symptoms=("chest_pain",), onset_at=NOW - HOUR, now=NOW)
UNKNOWN = Facts(now=NOW)
ABSENT = Facts(symptoms=("none",), now=NOW)
COLUMNS = (ONGOING, UNKNOWN, ABSENT)


def finding(code: str, **more: Any) -> dict[str, Any]:
    evidence = [{"lead": "V2", "measure": "st_j_mv", "value": 0.3, "op": ">=", "limit": 0.2}]
    name = {"zh": code, "en": code.lower()}
    plain = {"code": code, "name": name, "state": "true", "certainty": "definite", "evidence": evidence}
    return {**plain, "argued": [], "notes": [], "source": "", "ruleset": "udmi-2018", **more}


def document(*findings: Any, grade: Any = "A", not_assessed: Any = (), **measured: Any) -> dict[str, Any]:
    return {
        "schema": "ecgnet.analysis/1",
        "quality": {"grade": grade, "advice": []},
        "measurements": {"heart_rate_bpm": 72.0, "max_rr_ms": 850.0, "qtc_ms": None, **measured},
        "findings": list(findings),
        "not_assessed": list(not_assessed),
    }


def colour(*findings: Any, facts: Facts = UNKNOWN, **more: Any) -> Colour | None:
    return rate(document(*findings, **more), facts).colour


NORMAL = finding("N_NORMAL")
EXPLAINED = {"certainty": "possible", "argued": [{"mimic": "H_LVH", "kept": False, "why": {"zh": "", "en": ""}}]}
KEPT = {"argued": [{"mimic": "T_PERI", "kept": True, "why": {"zh": "", "en": ""}}]}
J_AMBIGUOUS = {"certainty": "possible", "notes": ["J_AMBIGUOUS"]}
POSSIBLE = {"certainty": "possible"}
PROBABLE = {"certainty": "probable"}
STEMI = ("STEMI_ANTSEPT", "STEMI_ANT", "STEMI_HLAT", "STEMI_LAT", "STEMI_INF", "STEMI_RV", "STEMI_POST")

# code(s), what else the finding says, and the colours for ongoing, unknown, absent
ACUTE: list[tuple[tuple[str, ...], dict[str, Any], tuple[Colour, Colour, Colour]]] = [
    (STEMI, {}, (R, R, R)),
    (STEMI, KEPT, (R, R, R)),
    (STEMI, EXPLAINED, (R, O, O)),
    (STEMI, J_AMBIGUOUS, (R, O, O)),
    (("E_DEW", "E_LBBB_MI", "E_PACE_MI"), {}, (R, R, O)),
    (("E_POST",), {}, (R, O, O)),
    (("E_ASL", "E_SAF", "E_TQRSD", "E_RBBB_NEW"), {}, (R, O, Y)),
    (("E_HAT", "E_SUBLAD"), PROBABLE, (R, O, Y)),
    (("E_HAT", "E_SUBLAD", "E_LBBB_MI", "E_PACE_MI"), POSSIBLE, (O, Y, Y)),
    (("E_WEL_A", "E_WEL_B", "E_AVR"), {}, (R, O, O)),  # pain for an hour: RED by the modifier
    (("E_INF_EARLY", "STE_NONCONTIG", "T_PERI"), {}, (O, Y, Y)),
    (("T_ISCH_ST", "T_ISCH_T"), {}, (R, Y, Y)),
    (("Q_SEPT", "Q_ANT", "Q_EXTANT", "Q_LAT", "Q_HLAT", "Q_INF", "Q_POST"), {"notes": ["MAY_BE_RECENT"]}, (O, Y, Y)),
    (("Q_SEPT", "Q_INF"), {}, (Y, Y, Y)),
    (("STEMI_BORDERLINE",), {"state": "borderline", **POSSIBLE}, (O, Y, Y)),
]


@pytest.mark.parametrize(
    ("code", "more", "expected"), [(code, more, colours) for codes, more, colours in ACUTE for code in codes]
)
def test_the_acute_table(code: str, more: dict[str, Any], expected: tuple[Colour, ...]) -> None:
    assert tuple(colour(finding(code, **more), facts=facts) for facts in COLUMNS) == expected


def test_elevation_with_hyperkalaemia_is_red_whatever_explains_it() -> None:
    for facts in COLUMNS:
        assert colour(finding("S_HYPERK"), finding("STEMI_ANT", **EXPLAINED), facts=facts) is R
    assert colour(finding("S_HYPERK")) is O


OTHERS: dict[Colour, tuple[str, ...]] = {
    R: ("R_VF", "R_VFL", "R_VT", "R_VT_POLY", "R_TDP", "R_VT_BIDIR", "R_ASYS"),
    O: (
        "R_AVB2_II",
        "R_AVB_HG",
        "R_AVB3",
        "R_VT_NS",
        "S_PE",
        "S_BRU1",
        "S_HYPOK",
        "S_DIGTOX",
        "C_PACE_MAL",
        "C_WPW_AF",
    ),
    Y: ("C_LBBB", "C_RBBB", "C_LAFB", "C_WPW", "R_AF", "R_AFL", "S_LQT", "S_BRU2", "T_NONSPEC", "R_AVB1", "R_STACH"),
    G: ("N_NORMAL", "N_BORDER"),
}


@pytest.mark.parametrize(("code", "expected"), [(code, colour) for colour, codes in OTHERS.items() for code in codes])
def test_the_other_findings(code: str, expected: Colour) -> None:
    assert colour(finding(code)) is expected
    assert colour(finding(code), facts=ABSENT) is expected


@pytest.mark.parametrize(
    "code", ["R_SINUS", "R_SARR", "R_SBRAD", "X_TRANS", "C_RSR_NARROW", "V_LOW_L", "T_ER", "X_LAD"]
)
def test_green_needs_a_normal_ecg_that_was_stated_as_one(code: str) -> None:
    """CLINICAL.md §6: never GREEN where a need is missing; what N_BORDER allows is GREEN only where it was allowed."""
    assert colour(finding(code)) is Y
    assert colour(finding(code), finding("N_BORDER")) is G
    assert colour(finding("R_SINUS"), finding("C_LBBB"), finding("N_BORDER")) is Y


def test_nothing_abnormal_says_why_it_is_not_normal() -> None:
    near = finding("R_AVB1", state="borderline")
    waits = [{"code": "N_NORMAL", "missing": ["sex"], "why": {"zh": "", "en": ""}}]
    for held, open_rules, code in (((), (), "NOT_ALL_ASSESSED"), ((near,), (), "BORDERLINE"),
                                   ((near,), waits, "NOT_ALL_ASSESSED")):  # fmt: skip
        found = rate(document(finding("R_SINUS"), *held, not_assessed=open_rules), ABSENT)
        assert (found.colour, found.code) == (Y, code)


def test_green_says_that_it_is_normal_and_not_which_rhythm_came_first() -> None:
    green = rate(document(finding("R_SINUS"), NORMAL), ABSENT)
    assert (green.colour, green.code) == (G, "N_NORMAL")
    assert green.reason["zh"] == "N_NORMAL"
    assert [line["zh"] for line in green.reason["why"]] == ["R_SINUS", "明确无症状"]


# --- §4.9 and §5.6, rows that depend on the finding's own form -------------------------------------------------------

R_ON_T = {"notes": ["R_ON_T"]}


@pytest.mark.parametrize(
    ("found", "expected", "item"),
    [
        ([finding("S_HYPERK")], O, None),
        ([finding("S_HYPERK", notes=["GRADE_1"])], O, None),
        ([finding("S_HYPERK", notes=["GRADE_2"])], R, 11),
        (
            [finding("S_HYPERK", evidence=[{"lead": None, "measure": "grade", "value": 3, "op": ">=", "limit": 2}])],
            R,
            11,
        ),
        ([finding("R_ALT")], Y, None),
        ([finding("R_ALT", notes=["T_WAVE"])], R, 15),
        ([finding("R_PVC_PAT")], Y, None),
        ([finding("R_PVC_PAT", **R_ON_T)], O, 16),
        ([finding("R_PVC_PAT", **R_ON_T), finding("R_VT_NS")], R, 16),
        ([finding("R_PVC_PAT", notes=["COUPLET"])], Y, None),
        ([finding("S_HYPOK")], O, None),
        ([finding("S_HYPOK"), finding("R_VT_NS")], R, 12),
        ([finding("C_TRIFASC")], Y, None),
        ([finding("C_TRIFASC", notes=["ALTERNATING_BBB"])], O, None),
        ([finding("R_VF")], R, 4),
        ([finding("R_VT")], R, 5),
        ([finding("R_TDP")], R, 6),
        ([finding("R_ASYS")], R, 17),
        ([finding("STEMI_INF")], R, 1),
        ([finding("S_PE")], O, 13),
        ([finding("T_ISCH_ST")], Y, None),
    ],
)
def test_critical_values(found: list[Any], expected: Colour, item: int | None) -> None:
    rated = rate(document(*found), UNKNOWN)
    assert rated.colour is expected
    items = [one["item"] for one in rated.reason["critical"]]
    assert (item in items) if item is not None else items == []
    assert all(one["zh"] and one["en"] for one in rated.reason["critical"])


@pytest.mark.parametrize(
    ("found", "measured", "expected", "item"),
    [
        ("R_SVT", {"heart_rate_bpm": 200.0}, R, 7),
        ("R_SVT", {"heart_rate_bpm": 199.9}, O, None),
        ("R_AVB3", {"heart_rate_bpm": 35.0}, R, 9),
        ("R_AVB3", {"heart_rate_bpm": 35.1}, O, None),
        ("C_WPW_AF", {"min_rr_ms": 250.0}, R, 8),
        ("C_WPW_AF", {"min_rr_ms": 250.1}, O, None),
        ("R_PAUSE", {"max_rr_ms": 5000.0}, R, 10),
        ("R_PAUSE", {"max_rr_ms": 3000.0}, O, None),
        ("C_PACE_MAL", {"max_rr_ms": 2999.9}, O, None),
        ("C_PACE_MAL", {"max_rr_ms": 3000.0}, R, 17),
        ("S_LQT", {"qtc_ms": {"bazett": 550.0, "fridericia": 1.0}}, O, 14),
        ("S_LQT", {"qtc_ms": {"bazett": 549.9, "fridericia": 1.0}}, O, None),
        ("S_HYPOK", {"qtc_ms": {"bazett": 500.0, "fridericia": 1.0}}, R, 12),
        ("S_HYPOK", {"qtc_ms": {"bazett": 499.9, "fridericia": 1.0}}, O, None),
        ("R_AF_FAST", {"heart_rate_bpm": 130.0}, O, None),
        ("R_AF_FAST", {"heart_rate_bpm": 129.9}, Y, None),
    ],
)
def test_critical_values_that_are_measured(found: str, measured: Any, expected: Colour, item: int | None) -> None:
    rated = rate(document(finding(found), **measured), UNKNOWN)
    assert (rated.colour, [one["item"] for one in rated.reason["critical"]]) == (expected, [item] if item else [])


def test_couplets_with_pain_and_symptomatic_pauses() -> None:
    assert colour(finding("R_PVC_PAT", notes=["COUPLET"]), facts=Facts(symptoms=PAIN, now=NOW)) is O
    syncope = rate(document(NORMAL, max_rr_ms=3000.0), Facts(symptoms=SYNCOPE, now=NOW))
    assert (syncope.colour, [one["item"] for one in syncope.reason["critical"]]) == (R, [10])


@pytest.mark.parametrize(("minutes", "expected"), [(19.9, O), (20.0, R), (None, O)])
def test_pain_for_twenty_minutes_makes_an_ischaemic_orange_red(minutes: float | None, expected: Colour) -> None:
    onset = None if minutes is None else NOW - round(minutes * 60_000_000)
    assert colour(finding("E_WEL_A"), facts=Facts(symptoms=PAIN, onset_at=onset, now=NOW)) is expected


# --- a prior ECG (§4.10) ---------------------------------------------------------------------------------------------


def against(*changes: str, identity: str = "proven", unchanged: bool | None = False) -> dict[str, Any]:
    return {"identity": identity, "unchanged": unchanged, "changes": [finding(code) for code in changes]}


@pytest.mark.parametrize(
    ("found", "prior", "expected"),
    [
        (finding("STEMI_ANT", **EXPLAINED), against(unchanged=True), (O, O, Y)),
        (finding("STEMI_ANT", **EXPLAINED), against(unchanged=None), (R, O, O)),
        (finding("STEMI_ANT", **EXPLAINED), against(identity="doubtful", unchanged=True), (R, O, O)),
        (finding("STEMI_ANT"), against(unchanged=True), (R, R, R)),  # nothing automatic lowers a RED
        (finding("S_BRU1"), against(unchanged=True), (R, Y, Y)),
        (finding("S_BRU1"), against(identity="doubtful", unchanged=True), (R, O, O)),
        (finding("STEMI_ANT", **EXPLAINED), against("D_STE_NEW"), (R, R, R)),
        (NORMAL, against("D_STE_NEW"), (O, O, O)),
        (NORMAL, against("D_STE_NEW", identity="doubtful"), (Y, G, G)),
        (NORMAL, against("D_T_INV"), (O, O, O)),
        (finding("T_ISCH_T"), against("D_STD_NEW"), (R, O, Y)),
        (NORMAL, against("D_T_PSEUDO"), (R, O, Y)),
        (NORMAL, against("D_HAT"), (R, O, Y)),
        (finding("C_LBBB"), against("D_QRS_NEW"), (O, Y, Y)),
    ],
)
def test_a_prior_ecg(found: Any, prior: Any, expected: tuple[Colour, ...]) -> None:
    whole = {**document(found), "comparison": prior}
    assert tuple(rate(whole, facts).colour for facts in COLUMNS) == expected


# --- in words --------------------------------------------------------------------------------------------------------


def test_the_reason_says_what_else_asks_for_the_colour_and_what_was_weighed() -> None:
    argued = [{"mimic": "T_PERI", "kept": True, "why": {"zh": "对应导联有压低。", "en": "Reciprocal depression."}}]
    rated = rate(document(finding("STEMI_INF", argued=argued), finding("R_VF")), ONGOING)
    said = [one["zh"] for one in rated.reason["why"]]
    assert said == ["对应导联有压低", "可能R_VF", "现在或12小时内有症状"]
    assert all(one["en"] for one in rated.reason["why"])
    assert rated.topic == "STEMI_INF"
    hints = [{"zh": "请加做右胸导联V3R–V5R。", "en": "Record the right chest leads V3R–V5R."}]
    told = rate(document(finding("STEMI_INF", hints=hints)), ONGOING)
    assert told.colour is R
    assert told.reason["why"][0]["zh"] == "请加做右胸导联V3R–V5R"


def test_a_tracing_under_two_names_is_at_least_orange() -> None:
    assert colour(NORMAL, facts=Facts(now=NOW, is_held=True)) is O
    assert rate(None, Facts(now=NOW, is_held=True)).code == "WRONG_PATIENT"
    assert colour(finding("STEMI_INF"), facts=Facts(now=NOW, is_held=True)) is R


@pytest.mark.parametrize("code", ["X_NOBODY_KNOWS", "", "STEMI_NEW_TERRITORY", "E_FUTURE"])
def test_a_code_that_stands_nowhere_is_yellow(code: str) -> None:
    assert colour(finding(code)) is Y
    assert colour(NORMAL, finding(code)) is Y


def test_what_is_not_held_to_be_true_gives_no_colour() -> None:
    assert colour(NORMAL, finding("STEMI_ANT", state="borderline")) is G
    assert colour(NORMAL, finding("STEMI_ANT", state="false")) is G


# --- measured values -------------------------------------------------------------------------------------------------

PAIN, SYNCOPE, PRESYNCOPE = ("chest_pain",), ("syncope",), ("presyncope",)


@pytest.mark.parametrize(
    ("bpm", "expected"),
    [
        (34.9, R), (35.0, R), (35.1, O), (36.0, O), (39.0, O), (39.9, O), (40.0, Y), (49.9, Y), (50.0, G), (149.0, G),
        (149.9, G), (150.0, O), (199.0, O), (199.9, O), (200.0, R), (240.0, R), (None, G), (math.nan, G),
    ],
)  # fmt: skip
def test_limits_of_the_rate(bpm: float | None, expected: Colour) -> None:
    assert colour(NORMAL, heart_rate_bpm=bpm) is expected


@pytest.mark.parametrize(("code", "bpm", "expected"), [("R_AF", 129.9, Y), ("R_AF", 130.0, O), ("R_AFL", 130.0, O)])
def test_fibrillation_and_flutter_are_orange_from_130(code: str, bpm: float, expected: Colour) -> None:
    assert colour(finding(code), heart_rate_bpm=bpm) is expected
    assert colour(finding("R_STACH"), heart_rate_bpm=130.0) is Y


@pytest.mark.parametrize(
    ("ms", "symptoms", "expected"),
    [
        (2999.9, (), G), (3000.0, (), O), (4999.9, (), O), (5000.0, (), R), (math.inf, (), R), (math.nan, (), G),
        (2999.9, SYNCOPE, Y), (3000.0, SYNCOPE, R), (3000.0, PRESYNCOPE, R), (3000.0, PAIN, O), (3000.0, ("none",), O),
    ],
)  # fmt: skip
def test_limits_of_a_pause(ms: float, symptoms: tuple[str, ...], expected: Colour) -> None:
    assert colour(NORMAL, max_rr_ms=ms, facts=Facts(symptoms=symptoms, now=NOW)) is expected


def qtc(bazett: float | None, fridericia: float | None) -> dict[str, float | None]:
    return {"bazett": bazett, "fridericia": fridericia, "framingham": None, "hodges": None}


@pytest.mark.parametrize(
    ("bpm", "bazett", "fridericia", "expected"),
    [
        (75.0, 499.9, 600.0, G), (75.0, 500.0, 400.0, O), (60.0, 500.0, 1.0, O), (90.0, 500.0, 1.0, O),
        (59.9, 600.0, 499.9, G), (59.9, 400.0, 500.0, O), (90.1, 600.0, 499.9, G), (120.0, 600.0, 500.0, O),
        (120.1, 600.0, 600.0, G), (75.0, None, 600.0, G), (None, 600.0, 600.0, G),
    ],
)  # fmt: skip
def test_limits_of_qtc(bpm: float | None, bazett: float | None, fridericia: float | None, expected: Colour) -> None:
    assert colour(NORMAL, heart_rate_bpm=bpm, qtc_ms=qtc(bazett, fridericia)) is expected


def test_the_evidence_of_a_measured_value_names_its_limit() -> None:
    found = rate(document(NORMAL, heart_rate_bpm=33.0), UNKNOWN)
    assert found.evidence == [{"lead": None, "measure": "heart_rate_bpm", "value": 33.0, "op": "<=", "limit": 35}]
    assert found.reason["zh"] == "心率 33 次/分"
    assert found.reason["en"] == "Heart rate 33/min"


def test_pre_excited_fibrillation_is_red_from_an_rr_of_250() -> None:
    assert colour(finding("C_WPW_AF"), min_rr_ms=250.0) is R
    assert colour(finding("C_WPW_AF"), min_rr_ms=250.1) is O
    assert colour(NORMAL, min_rr_ms=250.0) is G


# --- symptoms, modifiers, floors -------------------------------------------------------------------------------------


def test_symptoms_older_than_12_hours_are_unknown() -> None:
    def facts(age_us: int | None, *symptoms: str) -> Facts:
        return Facts(symptoms=symptoms, onset_at=None if age_us is None else NOW - age_us, now=NOW)

    assert facts(12 * HOUR, "chest_pain").state is rating.Symptoms.ONGOING
    assert facts(12 * HOUR + 1, "chest_pain").state is rating.Symptoms.UNKNOWN
    assert facts(None, "chest_pain").state is rating.Symptoms.ONGOING
    assert facts(-HOUR, "chest_pain").state is rating.Symptoms.ONGOING  # the clinic's clock is ahead
    assert facts(None).state is rating.Symptoms.UNKNOWN
    assert facts(None, "presyncope").state is rating.Symptoms.UNKNOWN
    assert facts(None, "none").state is rating.Symptoms.ABSENT
    assert facts(None, "none", "syncope").state is rating.Symptoms.ONGOING
    assert colour(finding("E_SAF"), facts=facts(13 * HOUR, "chest_pain")) is O


@pytest.mark.parametrize(
    ("code", "facts", "expected"),
    [
        *((code, Facts(symptoms=SYNCOPE, now=NOW), R) for code in ("R_AVB2_II", "R_AVB_HG", "R_AVB3", "R_VT_NS")),
        *((code, Facts(symptoms=SYNCOPE, now=NOW), R) for code in ("S_BRU1", "C_WPW_AF", "S_PE")),
        *((code, ONGOING, R) for code in ("R_AVB2_II", "R_AVB_HG", "R_AVB3", "S_BRU1")),
        ("R_VT_NS", ONGOING, O),
        ("R_AVB2_21", Facts(symptoms=SYNCOPE, now=NOW), O),
        ("C_WPW", Facts(symptoms=SYNCOPE, now=NOW), O),
        ("C_WPW", Facts(symptoms=PRESYNCOPE, now=NOW), Y),
        ("R_AVB1", Facts(symptoms=SYNCOPE, now=NOW), Y),
        ("T_ISCH_LAT", Facts(symptoms=PAIN, now=NOW, age_years=75), R),
        ("T_ISCH_LAT", Facts(symptoms=PAIN, now=NOW, age_years=74), O),
        ("T_ISCH_LAT", Facts(symptoms=PAIN, onset_at=NOW - 13 * HOUR, now=NOW, age_years=80), O),
        ("T_ISCH_LAT", Facts(symptoms=("none",), now=NOW, age_years=80), Y),
    ],
)
def test_modifiers(code: str, facts: Facts, expected: Colour) -> None:
    assert colour(finding(code), facts=facts) is expected


def test_a_long_qtc_with_syncope_is_red() -> None:
    assert colour(NORMAL, qtc_ms=qtc(500.0, 500.0), facts=Facts(symptoms=SYNCOPE, now=NOW)) is R


def test_floors() -> None:
    assert colour(NORMAL) is G
    assert colour(NORMAL, facts=ONGOING) is Y  # a normal ECG does not exclude an infarction
    assert colour(NORMAL, facts=Facts(symptoms=PAIN, onset_at=NOW - 13 * HOUR, now=NOW)) is Y
    assert colour(NORMAL, grade="C") is G
    assert colour(NORMAL, grade="D") is Y
    assert colour(NORMAL, grade="E") is Y
    assert colour(finding("R_VF"), grade="E") is R
    assert colour() is Y  # no conclusion is not a normal one
    assert colour(NORMAL, facts=Facts(urgent=True, now=NOW)) is R
    assert rate(document(finding("STEMI_INF")), Facts(urgent=True, now=NOW)).code == "STEMI_INF"


def test_st_that_cannot_be_judged() -> None:
    hidden = [{"code": "STEMI", "missing": [], "why": {"zh": "左束支传导阻滞。", "en": "left bundle-branch block."}}]
    assert [colour(NORMAL, not_assessed=hidden, facts=facts) for facts in COLUMNS] == [O, Y, Y]


def test_without_an_analysis() -> None:
    assert rate(None, Facts(urgent=True, symptoms=("none",), now=NOW)).colour is R
    assert rate(None, ONGOING).colour is O
    assert rate(None, Facts(symptoms=PAIN, onset_at=NOW - 13 * HOUR, now=NOW)).colour is None
    assert rate(None, UNKNOWN).colour is None
    assert rate(None, ABSENT).colour is None
    assert RANK[O] < RANK[None] < RANK[Y]


def test_time_to_answer() -> None:
    minutes = {colour: rating.due_after_us(colour) // 60_000_000 for colour in (*Colour, None)}
    assert minutes == {R: 3, O: 10, None: 10, Y: 60, G: 1440}


def test_the_village_is_not_told_of_a_change_that_nothing_has_seen() -> None:
    assert "急性" not in rating.village(R, "URGENT")["answer"]["zh"]
    assert "改变" not in rating.village(O, "UNREAD")["answer"]["zh"]
    assert rating.village(R, "URGENT")["action"] == rating.VILLAGE[R]["action"]
    assert rating.village(R, "STEMI_INF") == rating.VILLAGE[R]
    for words in rating.VILLAGE.values():
        assert all(words[part][language] for part in ("answer", "action") for language in ("zh", "en"))


# --- nothing keeps an exam from a human ------------------------------------------------------------------------------

BROKEN = [
    {},
    {"findings": None},
    document(None),
    document("STEMI_ANT"),
    document({"code": "N_NORMAL"}),
    document({"state": "true"}),
    document(finding("N_NORMAL", name=None, evidence=None, argued=None, notes=None)),
    document(NORMAL, heart_rate_bpm="fast"),
    document(NORMAL, qtc_ms="long"),
    document(NORMAL, not_assessed=[None]),
    document(NORMAL, grade=["D"]),
    {**document(NORMAL), "measurements": None},
    {**document(NORMAL), "quality": None},
    {**document(NORMAL), "unknown": {"key": [1]}},
    [],
]


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("facts", [*COLUMNS, Facts(urgent=True, now=NOW)])
def test_no_document_makes_rating_fail(broken: Any, facts: Facts) -> None:
    found = rate(broken, facts)
    assert found.reason["zh"]
    assert found.reason["en"]
    if facts.urgent:
        assert found.colour is R


def test_a_part_that_cannot_be_understood_counts_as_unread_and_hides_no_red() -> None:
    assert rate(document(NORMAL, None), UNKNOWN).colour is None
    assert rate(document(NORMAL, None), ONGOING).colour is O
    assert rate(document(finding("STEMI_INF"), heart_rate_bpm="fast"), UNKNOWN).colour is R
    assert rate(document(finding("R_VF"), None), UNKNOWN).code == "R_VF"


_junk = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
_codes = st.sampled_from(
    [*STEMI, "E_DEW", "E_POST", "E_HAT", "E_WEL_A", "T_ISCH_ANT", "R_VF", "R_AVB3", "R_AF", "S_BRU1", "S_HYPERK",
     "C_WPW", "C_WPW_AF", "N_NORMAL", "R_SINUS", "X_NEW"]
)  # fmt: skip
_findings = st.builds(
    lambda code, more, state: finding(code, **more, **({"state": state} if "STEMI_B" not in code else {})),
    _codes,
    st.sampled_from([{}, EXPLAINED, KEPT, {"notes": ["J_AMBIGUOUS"]}, POSSIBLE]),
    st.sampled_from(["true", "true", "borderline"]),
)
_documents = st.builds(
    lambda findings, grade, bpm, pause: document(*findings, grade=grade, heart_rate_bpm=bpm, max_rr_ms=pause),
    st.lists(_findings, max_size=4),
    st.sampled_from("ABCDE"),
    st.none() | st.floats(0, 300),
    st.none() | st.floats(0, 9000),
)
_words = ("chest_pain", "chest_tightness", "radiating_pain", "dyspnoea", "sweating", "syncope", "presyncope", "none")
_facts = st.builds(
    lambda urgent, symptoms, onset, age: Facts(urgent, tuple(symptoms), onset, NOW, age),
    st.booleans(),
    st.sets(st.sampled_from(_words)),
    st.none() | st.integers(NOW - 24 * HOUR, NOW + HOUR),
    st.none() | st.integers(0, 100),
)


@given(_documents, _facts, _junk, st.sampled_from(["findings", "measurements", "quality", "not_assessed"]))
@settings(max_examples=100, deadline=None)
def test_junk_anywhere_never_raises(whole: dict[str, Any], facts: Facts, junk: Any, where: str) -> None:
    assert rate({**whole, where: junk}, facts).reason["zh"]
    assert rate({**whole, "findings": [*whole["findings"], junk]}, facts).reason["zh"]


@given(_documents | st.none(), _facts, st.sampled_from(_words[:-1]))
@settings(max_examples=150, deadline=None)
def test_more_symptoms_never_lower_a_colour(whole: dict[str, Any] | None, facts: Facts, more: str) -> None:
    said = Facts(facts.urgent, (*facts.symptoms, more), facts.onset_at, facts.now, facts.age_years)
    assert RANK[rate(whole, said).colour] <= RANK[rate(whole, facts).colour]
    pressed = Facts(True, facts.symptoms, facts.onset_at, facts.now, facts.age_years)
    assert rate(whole, pressed).colour is R


@given(_documents, _facts, _findings)
@settings(max_examples=150, deadline=None)
def test_one_more_finding_never_lowers_a_colour(whole: dict[str, Any], facts: Facts, more: dict[str, Any]) -> None:
    if not whole["findings"] and more["state"] != "true":
        return
    raised = {**whole, "findings": [*whole["findings"], more]}
    before, after = rate(whole, facts), rate(raised, facts)
    if before.code != "NO_FINDING":  # "no conclusion" gives way to one
        assert RANK[after.colour] <= RANK[before.colour]
