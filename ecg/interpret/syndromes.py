"""Lung embolism, takotsubo, digitalis and cold (CLINICAL.md §3.6): patterns whose cause the ECG does not show.

Each is stated as something to consider, never as a diagnosis. A sudden load on the right ventricle turns the axis,
deepens S in I and Q in III, and inverts T in V1–V4 and III; one sign is common in health, two together are not, and a
fast rate counts only beside a sign of the right ventricle itself (ESC PE 2019: the ECG is neither sensitive nor
specific). Whether a bundle branch block or a turned axis is *new* needs an earlier ECG and is not assessed here.
The core does not know of symptoms, drugs or temperature: triage adds the first, the others are asked for in words.
"""

from __future__ import annotations

from ecg.analysis import Argument, Certainty, Evidence
from ecg.interpret.facts import Verdict
from ecg.interpret.logic import all3, any3, least3, not3, rounded
from ecg.interpret.patterns import GLOBAL, Pattern
from ecg.interpret.q_waves import pathological
from ecg.interpret.repolarisation import qtc
from ecg.interpret.sheet import BROAD, CHEST, FALSE, LOST, TWELVE, Outcome, Sheet, lacking
from ecg.recording import Sex, Text

NAMES = {
    "S_PE": Text("急性右室负荷过重，须考虑肺栓塞", "Acute right ventricular strain: consider pulmonary embolism"),
    "S_TAKO": Text(
        "不能与应激性心肌病鉴别，按急性冠脉综合征处理",
        "Takotsubo cannot be told from anterior infarction on the ECG: treat as ACS",
    ),
    "S_DIG": Text("ST段鱼钩样压低，符合洋地黄作用", "Sagging ST depression, compatible with digitalis"),
    "S_OSB": Text("J波（Osborn波），须测体温", "J (Osborn) waves: take the temperature"),
}
FRONT = CHEST[1:5]
LEFT = ("I", "II", "V4", "V5", "V6")
EIGHT = tuple(n for n in TWELVE if n != "aVR")


# --- the right ventricle under load ----------------------------------------------------------------------------------


def _load(sheet: Sheet, verdict: Verdict, slack: float) -> Outcome:
    limit = sheet.limit
    rate = rounded(sheet.facts.measurements.heart_rate_bpm, "heart_rate_bpm")
    deep, low = limit("embolism", "s1q3_mv"), limit("embolism", "t_mv")
    s1q3t3 = all3(
        [
            sheet.holds("I", "s_mv", "<=", -deep + slack),
            sheet.holds("III", "q_mv", "<=", -deep + slack),
            sheet.holds("III", "t_mv", "<", 0.0),
        ]
    )
    front = all3(sheet.holds(n, "t_mv", "<=", low + slack) for n in (*CHEST[:4], "III"))
    qr = _qr(sheet, verdict, slack)
    own = (s1q3t3, front, qr)
    fast = None if rate is None else rate > limit("embolism", "fast_bpm")
    true = all3([any3(own), least3([fast, *own], 2)])
    if true is None:
        return lacking(sheet.missing(("I", "III", *CHEST[:4]), "t_mv") or ("heart_rate_bpm",))
    if not true:
        return FALSE
    evidence: list[Evidence] = []
    if fast:
        evidence.append(Evidence(None, "heart_rate_bpm", rate, ">", limit("embolism", "fast_bpm")))
    if s1q3t3:
        evidence += sheet.evidence(("I",), "s_mv", "<=", -deep) + sheet.evidence(("III",), "q_mv", "<=", -deep)
        evidence += sheet.evidence(("III",), "t_mv", "<", 0.0)
    if front:
        evidence += sheet.evidence((*CHEST[:4], *(() if s1q3t3 else ("III",))), "t_mv", "<=", low)
    if qr:
        evidence += sheet.evidence(("V1",), "q_mv", "<=", limit("embolism", "q_v1_mv"))
    # T negative in III and V1 together is the strongest of the signs against an acute coronary syndrome (Kosuge 2007).
    strong = all3([front, sheet.holds("V1", "t_mv", "<", 0.0)])
    return Outcome(True, tuple(evidence), certainty=Certainty.PROBABLE if strong else Certainty.POSSIBLE)


def _qr(sheet: Sheet, verdict: Verdict, slack: float) -> bool | None:
    """Q of 0.2 mV and a late R in V1 (Kucher 2003, Eur Heart J 24:1113), and no scar's Q beside it in V2.

    A wide QRS that is no right bundle branch block has a Q there for other reasons.
    """
    width = rounded(sheet.facts.measurements.qrs_ms, "qrs_ms")
    return all3(
        [
            sheet.holds("V1", "q_mv", "<=", sheet.limit("embolism", "q_v1_mv") + slack),
            sheet.holds("V1", "r_mv", ">", 0.0),
            sheet.holds("V1", "r_peak_ms", ">", sheet.limit("embolism", "v1_peak_ms")),
            verdict.has("C_RBBB") or (None if width is None else width < sheet.limit("stemi", "qrs_ms")),
            not3(pathological(sheet, "V2")),
        ]
    )


def _load_argued(_sheet: Sheet, verdict: Verdict) -> tuple[Argument, ...]:
    out = [
        Argument(
            "ACS",
            True,
            Text(
                "前壁缺血（Wellens型）T波也可倒置，但III导联同时倒置支持肺栓塞；心电图不能确诊，也不能排除。",
                "Anterior ischaemia (Wellens) inverts T too, but inversion in III as well speaks for embolism; the ECG "
                "neither proves nor excludes it.",
            ),
        )
    ]
    for code, why in _RIGHT_TOO:
        if verdict.has(code):
            out.append(Argument(code, True, why))
    return tuple(out)


_RIGHT_TOO = (
    (
        "H_RVH",
        Text("慢性右室肥大也可如此，须对照既往图。", "Chronic right ventricular hypertrophy may do the same: compare."),
    ),
    ("C_RBBB", Text("右束支阻滞是否新发，须对照既往图。", "Whether the right bundle branch block is new: compare.")),
    ("C_LPFB", Text("左后分支阻滞也可有S1Q3。", "Left posterior fascicular block has S1Q3 too.")),
)


# --- takotsubo -------------------------------------------------------------------------------------------------------


def _stress(sheet: Sheet, _verdict: Verdict, slack: float) -> Outcome:
    facts, limit = sheet.facts, sheet.limit
    if facts.sex == Sex.MALE or (facts.age is not None and facts.age < limit("takotsubo", "age_years")):
        return FALSE
    up = [sheet.holds(n, "st_j_mv", ">=", limit("takotsubo", "st_mv") - slack) for n in FRONT]
    down = [sheet.holds(n, "t_mv", "<=", limit("takotsubo", "t_mv") + slack) for n in FRONT]
    front = any3([least3(up, 2), least3(down, 2)])
    value = qtc(facts)
    true = all3(
        [
            front,
            sheet.holds("V1", "st_j_mv", "<", limit("takotsubo", "v1_mv")),
            sheet.holds("aVR", "st_j_mv", "<=", limit("takotsubo", "avr_mv") + slack),
            None if value is None else round(value, 1) >= limit("takotsubo", "qtc_ms"),
        ]
    )
    if true is False:
        return FALSE
    if true is None or facts.sex is None or facts.age is None:
        lost = sheet.missing((*FRONT, "V1", "aVR")) or (("QT",) if value is None else ())
        return lacking(lost or (("sex",) if facts.sex is None else ("age",)))
    evidence = [
        *sheet.evidence([n for n, one in zip(FRONT, up, strict=True) if one], "st_j_mv", ">=",
                        limit("takotsubo", "st_mv")),
        *sheet.evidence([n for n, one in zip(FRONT, down, strict=True) if one], "t_mv", "<=",
                        limit("takotsubo", "t_mv")),
        *sheet.evidence(("aVR",), "st_j_mv", "<=", limit("takotsubo", "avr_mv")),
        *sheet.evidence(("V1",), "st_j_mv", "<", limit("takotsubo", "v1_mv")),
        Evidence(None, "qtc_ms", rounded(value, "qtc_ms"), ">=", limit("takotsubo", "qtc_ms")),
    ]  # fmt: skip
    return Outcome(True, tuple(evidence), certainty=Certainty.POSSIBLE)


def _stress_argued(_sheet: Sheet, _verdict: Verdict) -> tuple[Argument, ...]:
    why = Text("前壁心肌梗死始终优先考虑。", "Anterior infarction always comes first.")
    return (Argument("STEMI", False, why),)


# --- digitalis -------------------------------------------------------------------------------------------------------


def _sagging(sheet: Sheet, _verdict: Verdict, slack: float) -> Outcome:
    limit, value = sheet.limit, qtc(sheet.facts)
    sag = {n: _sags(sheet, n, slack) for n in LEFT}
    two = least3(sag.values(), 2)
    if two is False:
        return FALSE
    true = all3([two, None if value is None else round(value, 1) < limit("digitalis", "qtc_ms")])
    if true is None:
        return lacking(("QT",) if two else [n for n, one in sag.items() if one is None])
    hit = [n for n in LEFT if sag[n]]
    evidence = sheet.evidence(hit, "st_j80_mv", "<=", limit("digitalis", "st_mv"))
    evidence.append(Evidence(None, "qtc_ms", rounded(value, "qtc_ms"), "<", limit("digitalis", "qtc_ms")))
    return Outcome(true, tuple(evidence), certainty=Certainty.POSSIBLE)


def _sags(sheet: Sheet, lead: str, slack: float) -> bool | None:
    """ST 80 ms after J is low and hangs below the line from J to T."""
    form, first, last = sheet.word(lead, "st_shape"), sheet.st(lead), sheet.value(lead, "st_j80_mv")
    low = sheet.holds(lead, "st_j80_mv", "<=", sheet.limit("digitalis", "st_mv") + slack)
    falls = None if first is None or last is None else last <= first
    return all3([low, falls, None if form is None and low else form == "concave"])


def _sagging_argued(_sheet: Sheet, verdict: Verdict) -> tuple[Argument, ...]:
    why = Text(
        "是否服用洋地黄未知，须问服药史；心肌缺血的ST段多水平或下斜压低，QT不缩短。",
        "Whether digitalis is taken is not known: ask. In ischaemia ST is level or slopes down, and QT is not short.",
    )
    out = [Argument("T_ISCH_ST", True, why)]
    if verdict.has("H_LVH*"):
        strain = Text(
            "左室肥大劳损的ST段下斜、T波不对称倒置。", "In strain ST slopes down into an asymmetric negative T."
        )
        out.append(Argument("H_LVH", True, strain))
    return tuple(out)


TOXIC_BLOCKS = ("R_AVB2_I", "R_AVB2_II", "R_AVB2_21", "R_AVB_HG", "R_AVB3")


def toxicity(verdict: Verdict) -> None:
    """S_DIGTOX needs to know of the drug; where a rhythm of it is there, what is missing is said."""
    blocked = any(verdict.has(code) for code in TOXIC_BLOCKS)
    regular_af = verdict.has("R_AF") and (verdict.has("R_AJR") or verdict.has("R_JUNC"))
    if blocked or regular_af or verdict.has("R_VT_BIDIR"):
        verdict.skip("S_DIGTOX", ("drug",), GLOBAL["drug"])


# --- cold ------------------------------------------------------------------------------------------------------------


def _osborn(sheet: Sheet, _verdict: Verdict, slack: float) -> Outcome:
    """J waves in four leads, or 0.2 mV in II or V5, with a slow rate *and* a long QT.

    Without a temperature both are asked for [project]: J waves with a slow rate alone are the athlete's early
    repolarisation.
    """
    limit, facts = sheet.limit, sheet.facts
    domes = {n: sheet.holds(n, "jp_mv", ">=", limit("osborn", "j_mv") - slack) for n in EIGHT}
    high = {n: sheet.holds(n, "jp_mv", ">=", limit("osborn", "one_mv") - slack) for n in ("II", "V5")}
    waves = any3([least3(domes.values(), int(limit("osborn", "leads"))), *high.values()])
    rate = rounded(facts.measurements.heart_rate_bpm, "heart_rate_bpm")
    slow = None if rate is None else rate < limit("osborn", "slow_bpm")
    if waves is False or slow is False:
        return FALSE
    value = qtc(facts)
    true = all3([waves, slow, None if value is None else round(value, 1) >= limit("osborn", "qtc_ms")])
    if true is None:
        return lacking([n for n, one in domes.items() if one is None] if waves is None else ("QT",))
    evidence = sheet.evidence([n for n in EIGHT if domes[n]], "jp_mv", ">=", limit("osborn", "j_mv"))
    evidence += [
        Evidence(None, "heart_rate_bpm", rate, "<", limit("osborn", "slow_bpm")),
        Evidence(None, "qtc_ms", rounded(value, "qtc_ms"), ">=", limit("osborn", "qtc_ms")),
    ]
    return Outcome(true, tuple(evidence), certainty=Certainty.POSSIBLE)


def _osborn_argued(_sheet: Sheet, _verdict: Verdict) -> tuple[Argument, ...]:
    why = Text(
        "早期复极也有J波，但QT不延长；体温低于32 ℃支持低体温，高钙血症、颅脑病变也可出现。",
        "Early repolarisation has J waves too, without a long QT; a temperature below 32 °C decides. High calcium and "
        "brain injury may do the same.",
    )
    return (Argument("T_ER", True, why),)


PATTERNS = (
    Pattern(
        "S_PE", NAMES["S_PE"], "ESC PE 2019, doi:10.1093/eurheartj/ehz405 §4; CV17; CLINICAL §3.6", _load, _load_argued,
        (*BROAD, *LOST, "R_AFL"), narrow=False,
    ),
    Pattern("S_TAKO", NAMES["S_TAKO"], "Kosuge 2010, JACC 55:2514; CLINICAL §3.6", _stress, _stress_argued),
    Pattern("S_DIG", NAMES["S_DIG"], "P4; CLINICAL §3.6", _sagging, _sagging_argued, (*BROAD, *LOST, "R_AFL")),
    Pattern("S_OSB", NAMES["S_OSB"], "P2 154; SURA; CLINICAL §3.6", _osborn, _osborn_argued),
)  # fmt: skip
