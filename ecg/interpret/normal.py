"""Normal, and otherwise normal (CLINICAL.md §3.6, §6.3): said last, and only when everything it needs was assessed.

"Nothing found" is not normal: every rule of §3 and §4 must have been asked and have said no, on a tracing of grade A or
B, of an adult whose age and sex are known. What a resting twelve-lead ECG can never answer stands in :data:`BEYOND`
with its reason; what a regular sinus rhythm of beats that are all alike excludes by itself stands in
:data:`BY_SINUS`. Any other rule that could not be asked leaves "normal" not assessed and is named.

The limits are §2.5's. T may be negative in aVR and V1, in III and aVL, in V2 of women and below 20 years. P4
(Rautaharju 2009, doi:10.1161/CIRCULATIONAHA.108.191096) allows it in III and aVL whatever QRS does there; §2.5 asks for
a negative QRS, and so does this rule once T reaches the 0.1 mV from which P4 calls it inverted.

A normal ECG never means "no infarction", and nothing here says so.
"""

from __future__ import annotations

from collections.abc import Iterator

from ecg.analysis import Certainty, Finding, Grade, State
from ecg.interpret.facts import Facts, Verdict
from ecg.interpret.infarction import threshold
from ecg.interpret.logic import Test, all3, compare
from ecg.interpret.repolarisation import qtc
from ecg.interpret.sheet import CHEST, TWELVE
from ecg.recording import Sex, Text

NAMES = {
    "N_NORMAL": Text("正常心电图", "Normal ECG"),
    "N_BORDER": Text("大致正常心电图", "Otherwise normal ECG"),
}
SOURCE = "P2 1–2; P4; Mason 2007, doi:10.1016/j.jelectrocard.2006.09.003; CLINICAL §3.6, §6.3"
WHY_QUALITY = Text("“正常”须图质A或B级。", "“Normal” needs a tracing of grade A or B.")
WHY_PATIENT = Text("“正常”须知年龄（满16岁）和性别。", "“Normal” needs an age (16 or more) and a sex.")
WHY_NEEDS = Text("“正常”须所需项目全部已评估。", "“Normal” needs all that it rests on assessed.")

BEYOND = {
    "STEMI_POST": "needs V7–V9, which the twelve leads do not have",
    "STEMI_RV": "needs V3R–V5R, which the twelve leads do not have",
    "C_PACE_MAL": "needs the pacemaker's own marks; no pacing was found",
    "S_DIGTOX": "needs to know of the drug; it is asked only beside a rhythm that is itself no normal one",
}
"""What a resting twelve-lead ECG cannot answer, and why "normal" does not wait for it."""
BY_SINUS = frozenset(
    {
        "R_AT", "R_MAT", "R_WAP", "R_JUNC", "R_JESC", "R_AJR", "R_JT", "R_AVNRT", "R_AVRT", "R_SVT", "R_IVR", "R_AIVR",
        "R_VT_POLY", "R_TDP", "R_VT_BIDIR", "R_VFL", "R_PJC", "R_ESC", "R_AVB2", "R_AVB2_I", "R_AVB2_II", "R_AVB2_21",
        "R_AVB_HG", "R_AVB3", "R_SAB", "R_SAB1", "R_SAB2", "R_SAB3", "R_PVC_PAT", "C_WPW_AF",
    }
)  # fmt: skip
"""Rhythms that a P of one form before every one of equal beats at equal distances leaves no room for."""
SINUS = ("R_SINUS", "R_SBRAD", "R_SARR")
ALONE = ("V_LOW_L", "X_LAD")
"""Minor findings that are minor only without another of them and without a borderline value."""
MINOR = frozenset({"R_SINUS", "R_SARR", "R_SBRAD", "X_TRANS", "C_RSR_NARROW", "T_ER", *ALONE})
"""What "otherwise normal" allows (§3.6), each within its own limit."""
NEVER_NEAR = ("STEMI_", "STE_", "E_", "S_", "T_ISCH_", "T_PERI", "C_WPW")
"""Beginnings of codes that are not even allowed in their borderline band [project]."""


def interpret(facts: Facts, verdict: Verdict) -> None:
    """Adds N_NORMAL or N_BORDER, or says what either still needed; asked after every other rule."""
    true = [f for f in verdict.findings if f.state == State.TRUE]
    near = [f for f in verdict.findings if f.state == State.BORDERLINE]
    plain = {f.code for f in true} <= {"R_SINUS"} and not near
    lonely = any(f.code in ALONE for f in true)
    minor = _only_minor(facts, true) and not any(lonely or f.code.startswith(NEVER_NEAR) for f in near)
    code = "N_NORMAL" if plain else "N_BORDER"
    if not (plain or minor):
        return
    tests = list(_measures(facts, wide=not plain))
    within = all3(t.true for t in tests)
    if within is False and plain:
        code, tests = "N_BORDER", list(_measures(facts, wide=True))
        within = all3(t.true for t in tests)
    if within is False:
        return
    lost, why = _lacking(facts, verdict, tests)
    if lost:
        verdict.skip(code, lost, why)
        return
    shown = [t.evidence for t in tests if t.evidence.lead is None]
    verdict.add(facts.finding(code, NAMES[code], shown, SOURCE, Certainty.DEFINITE))


def _only_minor(facts: Facts, true: list[Finding]) -> bool:
    """Whether every finding is one that "otherwise normal" allows, in the form in which it allows it."""
    codes = {f.code for f in true}
    if not codes <= MINOR:
        return False
    others = codes - set(SINUS)
    if any(code in codes and others != {code} for code in ALONE):
        return False
    axis = facts.measurements.axis_deg.qrs
    if "X_LAD" in codes and (axis is None or round(axis, 1) <= facts.rules.limit("axis", "marked_left_deg")):
        return False
    return all("ASCENDING" in f.notes for f in true if f.code == "T_ER")


# --- the measures ----------------------------------------------------------------------------------------------------


def _measures(facts: Facts, wide: bool) -> Iterator[Test]:
    """Every measure at its limit of §2.5; ``wide``: as far as "otherwise normal" goes."""
    m, limit = facts.measurements, facts.rules.limit
    rate = limit("normal", "border_bpm") if wide else limit("rhythm", "brady_bpm")
    yield compare(None, "heart_rate_bpm", m.heart_rate_bpm, ">=", rate)
    yield compare(None, "heart_rate_bpm", m.heart_rate_bpm, "<=", limit("rhythm", "tachy_bpm"))
    yield compare(None, "pr_ms", m.pr_ms, ">=", limit("conduction", "short_pr_ms"))
    yield compare(None, "pr_ms", m.pr_ms, "<=", limit("conduction", "long_pr_ms"))
    yield compare(None, "qrs_ms", m.qrs_ms, "<", limit("conduction", "ivcd_ms"))
    axis = m.axis_deg.qrs
    if wide:
        yield compare(None, "qrs_axis_deg", axis, ">", limit("axis", "marked_left_deg"))
    else:
        yield compare(None, "qrs_axis_deg", axis, ">=", limit("axis", "left_deg"))
    yield compare(None, "qrs_axis_deg", axis, "<=", limit("axis", "right_deg"))
    longest = limit("repolarisation", "qt_women_ms" if facts.sex == Sex.FEMALE else "qt_men_ms")
    yield compare(None, "qtc_ms", qtc(facts), "<", longest)
    for lead in TWELVE:
        yield from _st(facts, lead)
        yield from _t(facts, lead)


def _st(facts: Facts, lead: str) -> Iterator[Test]:
    """ST at J below §4.1's limit (in aVR 0.1 mV), and above that of a depression."""
    st = facts.value(lead, "st_j_mv")
    yield compare(lead, "st_j_mv", st, "<", threshold(facts, lead)[0])
    if lead != "aVR":
        yield compare(lead, "st_j_mv", st, ">", facts.rules.limit("repolarisation", "st_mv"))


def _t(facts: Facts, lead: str) -> Iterator[Test]:
    """T upright where it has to be, and flat at most where it may follow a negative QRS."""
    flat, t = -facts.rules.limit("repolarisation", "flat_t_mv"), facts.value(lead, "t_mv")
    young = facts.age is not None and facts.age < facts.rules.limit("normal", "juvenile_years")
    if lead in ("aVR", "V1") or (lead == "V2" and (facts.sex == Sex.FEMALE or young)):
        return
    if lead in ("III", "aVL", "aVF"):
        net = facts.value(lead, "qrs_area_mv_ms")
        if net is not None and net < 0.0 and lead != "aVF":
            return
        yield compare(lead, "t_mv", t, ">", flat)
    else:
        yield compare(lead, "t_mv", t, ">", 0.0)


# --- what it needs ---------------------------------------------------------------------------------------------------


def _lacking(facts: Facts, verdict: Verdict, tests: list[Test]) -> tuple[tuple[str, ...], Text]:
    """What is still missing, in the order in which it is asked for; nothing where "normal" may be said."""
    if facts.quality.grade > Grade.B:
        return ("quality",), WHY_QUALITY
    patient = tuple(n for n, held in (("age", facts.age), ("sex", facts.sex)) if held is None)
    if patient or facts.child:
        return patient or ("age",), WHY_PATIENT
    unmeasured = [t.evidence.lead or t.evidence.measure for t in tests if t.true is None]
    absent = [n for n in (*TWELVE[:6], *CHEST) if not (n in facts.leads and facts.readable(n))]
    spared = BEYOND.keys() | (BY_SINUS if _steady(facts, verdict) else frozenset[str]())
    open_rules = [n.code for n in verdict.not_assessed if n.code not in spared]
    rhythm = [] if any(_sure(verdict, code) for code in SINUS) else ["R_SINUS"]
    return tuple(dict.fromkeys([*absent, *unmeasured, *rhythm, *open_rules])), WHY_NEEDS


def _sure(verdict: Verdict, code: str) -> bool:
    return any(f.code == code and f.state == State.TRUE and f.certainty == Certainty.DEFINITE for f in verdict.findings)


def _steady(facts: Facts, verdict: Verdict) -> bool:
    """A sure sinus rhythm whose beats are all of one form, none of them early or late."""
    m, rhythm = facts.measurements, facts.rhythm
    if not any(_sure(verdict, code) for code in ("R_SINUS", "R_SBRAD")) or m.min_rr_ms is None or m.max_rr_ms is None:
        return False
    alike = rhythm.dominant_share >= facts.rules.limit("normal", "dominant_share")
    return alike and m.min_rr_ms >= facts.rules.limit("normal", "rr_share") * m.max_rr_ms
