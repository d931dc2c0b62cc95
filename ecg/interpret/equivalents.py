"""Patterns that stand for an occlusion without STEMI's elevation (CLINICAL.md §4.4).

Each rule is one function of the sheet and of the slack of the borderline band; what forbids it (a wide QRS, flutter,
a secondary cause) stands in the table of rules. ST is taken at J against the level before QRS; "horizontal" and
"up-sloping" compare it with ST 80 ms later (60 ms at 130/min and more).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ecg.analysis import Argument, Certainty, Evidence, State
from ecg.interpret import hyperacute
from ecg.interpret.facts import WHY_LEADS, WHY_QUALITY, Verdict
from ecg.interpret.logic import all3, any3, least3
from ecg.interpret.q_waves import pathological
from ecg.interpret.sheet import BROAD, CHEST, FALSE, INFERIOR, LOST, TWELVE, Outcome, Sheet, barred, lacking
from ecg.interpret.sheet import state as with_band
from ecg.recording import Text

NAMES = {
    "E_POST": Text("正后壁心肌梗死（V1–V3导联ST段压低）", "Posterior infarction, by ST depression in V1–V3"),
    "E_DEW": Text("de Winter征（前降支近段闭塞）", "de Winter pattern (proximal LAD occlusion)"),
    "E_WEL_A": Text("Wellens综合征A型（双相T波）", "Wellens pattern A (biphasic T)"),
    "E_WEL_B": Text("Wellens综合征B型（深倒T波）", "Wellens pattern B (deeply inverted T)"),
    "E_AVR": Text(
        "aVR导联ST段抬高伴广泛ST段压低（左主干或多支病变）",
        "ST elevation in aVR with diffuse depression (left main or multivessel disease)",
    ),
    "E_ASL": Text(
        "Aslanger征（下壁梗死合并多支病变）", "Aslanger pattern (inferior infarction in multivessel disease)"
    ),
    "E_SAF": Text("南非国旗征（第一对角支闭塞）", "South African flag sign (first diagonal occlusion)"),
    "E_INF_EARLY": Text("下壁心肌梗死早期改变", "Early inferior infarction"),
    "E_RBBB_NEW": Text(
        "右束支合并左前分支阻滞伴V1–V3导联ST段抬高（前降支近段闭塞）",
        "Right bundle branch and left anterior fascicular block with ST elevation in V1–V3 (proximal LAD occlusion)",
    ),
}
FLUTTER = ("R_AFL",)
RATE = Argument(
    "RATE",
    False,
    Text(
        "心率超过130次/分，ST–T改变可为心率所致：控制心率后复查。",
        "Above 130/min the rate alone may change ST and T: record again once it is controlled.",
    ),
)
BY_RATE = frozenset({"E_WEL_A", "E_WEL_B", "E_AVR", "E_POST"})
"""Rules of ST depression and T that a fast rate imitates (CLINICAL.md §3)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern. ``by``: findings that forbid it; ``narrow``: whether QRS of 120 ms and more does."""

    code: str
    source: str
    test: Callable[[Sheet, Verdict, float], Outcome]
    by: tuple[str, ...] = (*BROAD, *LOST)
    narrow: bool = True


def interpret(sheet: Sheet, verdict: Verdict) -> None:
    """Adds every pattern that is there, and why a rule could not be asked."""
    facts = sheet.facts
    band = sheet.limit("bands", "amplitude_mv")
    for rule in RULES:
        held = barred(facts, verdict, by=rule.by, narrow=rule.narrow)
        if held is not None:
            verdict.skip(rule.code, *held)
            continue
        found, held_state = with_band(lambda slack, rule=rule: rule.test(sheet, verdict, slack), band)
        if found.true is None:
            absent = any(n in TWELVE and n not in facts.leads for n in found.missing)
            verdict.skip(rule.code, found.missing, WHY_LEADS if absent else WHY_QUALITY)
        elif found.true:
            _add(sheet, verdict, rule, found, held_state)


def _add(sheet: Sheet, verdict: Verdict, rule: Rule, found: Outcome, state: State) -> None:
    argued = (*_argued(sheet, verdict, rule.code),)
    weak = state == State.BORDERLINE or any(not a.kept for a in argued)
    certainty = Certainty.POSSIBLE if weak else found.certainty
    verdict.add(
        sheet.facts.finding(
            rule.code, NAMES[rule.code], list(found.evidence), rule.source, certainty, state, argued, found.notes
        )
    )


def fast(sheet: Sheet) -> bool:
    """Above 130/min, where the rate alone may bend ST and T."""
    rate = sheet.facts.measurements.heart_rate_bpm
    return rate is not None and rate > sheet.limit("equivalents", "fast_bpm")


def late(sheet: Sheet) -> str:
    """The measure of ST late after J: 80 ms, at 130/min and more 60 ms (CLINICAL.md §2.2)."""
    rate = sheet.facts.measurements.heart_rate_bpm
    return "st_j60_mv" if rate is not None and rate >= sheet.limit("equivalents", "fast_bpm") else "st_j80_mv"


# --- the rules ------------------------------------------------------------------------------------------------------


def _posterior(sheet: Sheet, verdict: Verdict, slack: float) -> Outcome:
    """Horizontal depression in two of V1–V3, deeper in V1–V4 than in V5–V6.

    Behind RBBB a lead counts only where T is upright: the block's own depression turns T down with it.
    """
    limit, level = sheet.limit("equivalents", "depression_mv"), sheet.limit("equivalents", "level_mv")
    after, block = late(sheet), verdict.has("C_RBBB")
    leads = CHEST[:3]
    low: dict[str, bool | None] = {}
    for n in leads:
        at, then = sheet.st(n), sheet.value(n, after)
        flat = None if at is None or then is None else at <= round(limit + slack, 4) and round(then - at, 4) <= level
        low[n] = all3([flat, _primary(sheet, n)]) if block else flat
    enough = least3(low.values(), 2)
    if enough is False:
        return FALSE
    front, side = [sheet.st(n) for n in CHEST[:4]], [sheet.st(n) for n in CHEST[4:]]
    if enough is None or None in front or None in side:
        return lacking([*sheet.missing(CHEST), *sheet.missing(leads, after)])
    if not min(v or 0.0 for v in front) < min(0.0, *(v or 0.0 for v in side)):
        return FALSE
    hit = [n for n in leads if low[n]]
    evidence = sheet.evidence(hit, "st_j_mv", "<=", limit) + sheet.evidence(hit, after, "<=", None)
    r, s = sheet.value("V2", "r_mv"), sheet.value("V2", "s_mv")
    if r and s and r > -s:
        evidence.append(Evidence("V2", "r_s_ratio", round(-r / s, 2), ">", 1.0))
    upright = sheet.limit("equivalents", "upright_mv")
    if sheet.holds("V2", "t_mv", ">=", upright):
        evidence += sheet.evidence(("V2",), "t_mv", ">=", upright)
    return Outcome(True, tuple(evidence))


def _primary(sheet: Sheet, lead: str) -> bool | None:
    """Whether a depression behind RBBB is not the block's own, which turns T down with it: T is upright."""
    return sheet.holds(lead, "t_mv", ">=", sheet.limit("equivalents", "upright_mv"))


def _de_winter(sheet: Sheet, _verdict: Verdict, slack: float) -> Outcome:
    """Depression at J that climbs into a tall symmetric T in two of V2–V4, no elevation in the chest leads."""
    limit, tall, after = sheet.limit("equivalents", "dew_st_mv"), sheet.limit("equivalents", "dew_t_mv"), late(sheet)
    here: dict[str, bool | None] = {}
    for n in CHEST[1:4]:
        at, then = sheet.st(n), sheet.value(n, after)
        climbing = None if at is None or then is None else then > at
        here[n] = all3(
            [
                None if at is None else at <= round(limit + slack, 4),
                climbing,
                sheet.holds(n, "t_positive_mv", ">=", tall - slack),
                hyperacute.symmetric(sheet, n),
            ]
        )
    enough = least3(here.values(), 2)
    level = any3(sheet.holds(n, "st_j_mv", ">=", sheet.limit("stemi", "other_mv")) for n in CHEST)
    if enough is False or level is True:
        return FALSE
    if enough is None or level is None:
        return lacking([*sheet.missing(CHEST), *sheet.missing(CHEST[1:4], "t_positive_mv"), "T"])
    hit = [n for n in CHEST[1:4] if here[n]]
    evidence = [
        *sheet.evidence(hit, "st_j_mv", "<=", limit),
        *sheet.evidence(hit, after, ">", None),
        *sheet.evidence(hit, "t_positive_mv", ">=", tall),
    ]
    if sheet.holds("aVR", "st_j_mv", ">=", sheet.limit("equivalents", "elevation_mv")):
        evidence += sheet.evidence(("aVR",), "st_j_mv", ">=", sheet.limit("equivalents", "elevation_mv"))
    return Outcome(True, tuple(evidence))


def _wellens(sheet: Sheet, slack: float, biphasic: bool) -> Outcome:
    """T of V2 and V3 biphasic (A) or deeply and symmetrically inverted (B); no elevation, no Q, R growing."""
    leads = ("V2", "V3")
    wanted: list[bool | None] = []
    deep = sheet.limit("equivalents", "wellens_a_mv" if biphasic else "wellens_b_mv")
    for n in leads:
        a, b = _biphasic(sheet, n, slack if biphasic else 0.0), _inverted(sheet, n, 0.0 if biphasic else slack)
        # One of the two may have passed on already: A turns into B within days.
        wanted.append(any3([a, b]) if biphasic else b)
    if biphasic:
        wanted.append(any3(_biphasic(sheet, n, slack) for n in leads))
    quiet = [not_above(sheet.st(n), sheet.limit("stemi", "other_mv")) for n in CHEST[:4]]
    scar = [None if (q := pathological(sheet, n)) is None else not q for n in CHEST[1:4]]
    whole = all3([*wanted, *quiet, *scar, _grows(sheet)])
    if whole is False:
        return FALSE
    if whole is None:
        return lacking(
            [*sheet.missing(CHEST[:4]), *sheet.missing(leads, "t_negative_mv"), *sheet.missing(leads, "q_ms")]
        )
    evidence = sheet.evidence(leads, "t_negative_mv", "<=", deep)
    if biphasic:
        evidence = [*sheet.evidence(leads, "t_positive_mv", ">", 0.0), *evidence]
    return Outcome(True, (*evidence, *sheet.evidence(leads, "st_j_mv", "<", sheet.limit("stemi", "other_mv"))))


def not_above(value: float | None, limit: float) -> bool | None:
    """Whether a value stays below a limit."""
    return None if value is None else value < limit


def _biphasic(sheet: Sheet, lead: str, slack: float) -> bool | None:
    high, low = sheet.value(lead, "t_positive_mv"), sheet.value(lead, "t_negative_mv")
    if high is None or low is None:
        return None
    least, deep = sheet.limit("equivalents", "t_phase_mv"), sheet.limit("equivalents", "wellens_a_mv")
    if high < least or low > round(deep + slack, 4):
        return False
    return hyperacute.positive_first(sheet, lead)


def _inverted(sheet: Sheet, lead: str, slack: float) -> bool | None:
    high, low = sheet.value(lead, "t_positive_mv"), sheet.value(lead, "t_negative_mv")
    if high is None or low is None:
        return None
    if low > round(sheet.limit("equivalents", "wellens_b_mv") + slack, 4) or high > -low:
        return False
    return hyperacute.symmetric(sheet, lead)


def _grows(sheet: Sheet) -> bool | None:
    """R progression kept: R of V3 above 0.3 mV or not smaller than that of V2 (not X_PRWP, CLINICAL.md §3.4)."""
    second, third = sheet.value("V2", "r_mv"), sheet.value("V3", "r_mv")
    if third is None:
        return None
    if third > sheet.limit("equivalents", "r_v3_mv"):
        return True
    return None if second is None else third > second


def _left_main(sheet: Sheet, _verdict: Verdict, slack: float) -> Outcome:
    """aVR or V1 raised, and six leads or more depressed by 0.1 mV."""
    up, down = sheet.limit("equivalents", "avr_mv"), sheet.limit("equivalents", "diffuse_mv")
    raised = any3(sheet.holds(n, "st_j_mv", ">=", up - slack) for n in ("aVR", "V1"))
    others = [n for n in TWELVE if n != "aVR"]
    low = {n: sheet.holds(n, "st_j_mv", "<=", down + slack) for n in others}
    enough = least3(low.values(), int(sheet.limit("equivalents", "diffuse_leads")))
    whole = all3([raised, enough])
    if whole is False:
        return FALSE
    if whole is None:
        return lacking(sheet.missing(TWELVE))
    high = [n for n in ("aVR", "V1") if sheet.holds(n, "st_j_mv", ">=", up - slack)]
    hit = [n for n in others if low[n]]
    return Outcome(True, (*sheet.evidence(high, "st_j_mv", ">=", up), *sheet.evidence(hit, "st_j_mv", "<=", down)))


def _aslanger(sheet: Sheet, _verdict: Verdict, slack: float) -> Outcome:
    """Elevation in III alone of the inferior leads, depression in V4–V6 (not V2) with upright T, ST V1 above V2."""
    up, down = sheet.limit("equivalents", "elevation_mv"), sheet.limit("equivalents", "depression_mv")
    lateral = {
        n: all3([sheet.holds(n, "st_j_mv", "<=", down + slack), hyperacute.ends_positive(sheet, n)]) for n in CHEST[3:]
    }
    first, second = sheet.st("V1"), sheet.st("V2")
    tests = [
        sheet.holds("III", "st_j_mv", ">=", up - slack),
        sheet.holds("II", "st_j_mv", "<", up),
        sheet.holds("aVF", "st_j_mv", "<", up),
        any3(lateral.values()),
        None if second is None else second > down,
        None if first is None or second is None else first > second,
    ]
    whole = all3(tests)
    if whole is False:
        return FALSE
    if whole is None:
        return lacking([*sheet.missing([*INFERIOR, "V1", "V2", *CHEST[3:]]), *sheet.missing(CHEST[3:], "t_mv")])
    hit = [n for n in CHEST[3:] if lateral[n]]
    evidence = [
        *sheet.evidence(("III",), "st_j_mv", ">=", up),
        *sheet.evidence(("II", "aVF"), "st_j_mv", "<", up),
        *sheet.evidence(hit, "st_j_mv", "<=", down),
        Evidence("V1", "st_j_mv", first, ">", second),
    ]
    if sheet.holds("aVL", "st_j_mv", "<=", down):
        evidence += sheet.evidence(("aVL",), "st_j_mv", "<=", down)
    return Outcome(True, tuple(evidence))


def _flag(sheet: Sheet, _verdict: Verdict, slack: float) -> Outcome:
    """aVL, I and V2 raised, III depressed, V3–V6 not raised: the corners of the flag on the sheet of twelve."""
    up, high, down = (sheet.limit("equivalents", n) for n in ("elevation_mv", "flag_mv", "depression_mv"))
    corners = ("aVL", "I", "V2")
    tests = [
        *(sheet.holds(n, "st_j_mv", ">=", up - slack) for n in corners),
        least3((sheet.holds(n, "st_j_mv", ">=", high - slack) for n in corners), 2),
        sheet.holds("III", "st_j_mv", "<=", down + slack),
        *(sheet.holds(n, "st_j_mv", "<", high) for n in CHEST[2:]),
    ]
    whole = all3(tests)
    if whole is False:
        return FALSE
    if whole is None:
        return lacking(sheet.missing([*corners, "III", *CHEST[2:]]))
    low = [n for n in INFERIOR if sheet.holds(n, "st_j_mv", "<=", down + slack)]
    return Outcome(True, (*sheet.evidence(corners, "st_j_mv", ">=", up), *sheet.evidence(low, "st_j_mv", "<=", down)))


def _early_inferior(sheet: Sheet, verdict: Verdict, slack: float) -> Outcome:
    """Depression in aVL with elevation or a hyperacute T in III; said only where the inferior wall has no STEMI."""
    if verdict.has("STEMI_INF"):
        return FALSE
    up, down = sheet.limit("equivalents", "elevation_mv"), sheet.limit("equivalents", "depression_mv")
    raised, tall = sheet.holds("III", "st_j_mv", ">=", up - slack), hyperacute.in_lead(sheet, "III")
    whole = all3([sheet.holds("aVL", "st_j_mv", "<=", down + slack), any3([raised, tall])])
    if whole is False:
        return FALSE
    if whole is None:
        return lacking([*sheet.missing(("aVL", "III")), *sheet.missing(("III",), "t_mv")])
    lifted = sheet.evidence(("III",), "st_j_mv", ">=", up) if raised else hyperacute.area_evidence(sheet, ("III",))
    return Outcome(True, (*sheet.evidence(("aVL",), "st_j_mv", "<=", down), *lifted), certainty=Certainty.POSSIBLE)


def _new_block(sheet: Sheet, verdict: Verdict, slack: float) -> Outcome:
    """RBBB with left anterior fascicular block and elevation where the block by itself depresses ST.

    Whether it is new only an older tracing can say; without one it is taken for new, and said so.
    """
    both = verdict.has("C_RBBB") and (verdict.has("C_LAFB") or verdict.has("C_BIFASC"))
    if not both:
        return FALSE
    up = sheet.limit("equivalents", "rbbb_mv")
    against = {n: all3([sheet.holds(n, "st_j_mv", ">=", up - slack), _ends_upright(sheet, n)]) for n in CHEST[:3]}
    some = any3(against.values())
    if some is False:
        return FALSE
    if some is None:
        return lacking([*sheet.missing(CHEST[:3]), *sheet.missing(CHEST[:3], "r2_mv")])
    hit = [n for n in CHEST[:3] if against[n]]
    evidence = (*sheet.evidence(hit, "st_j_mv", ">=", up), *sheet.evidence(hit, "r2_mv", ">", 0.0))
    return Outcome(True, evidence, notes=("assumed_new",))


def _ends_upright(sheet: Sheet, lead: str) -> bool | None:
    """Whether the last deflection of QRS is R or R′, so that the block's own ST change is depression."""
    r, second, s, last = (sheet.value(lead, m) for m in ("r_mv", "r2_mv", "s_mv", "s2_mv"))
    if r is None or second is None or s is None or last is None:
        return None
    return last == 0.0 and (second > 0.0 or (r > 0.0 and s == 0.0))


RULES = (
    Rule(
        "E_POST",
        "UDMI4; ESC-ACS23 §3; Meyers 2021, doi:10.1161/JAHA.121.022866; CLINICAL §4.4",
        _posterior,
        (*BROAD, *LOST, "R_SVT", "H_RVH", *FLUTTER),
        narrow=False,
    ),
    Rule("E_DEW", "de Winter 2008, doi:10.1056/NEJMc0804737; ACC-CP22 §5.2; CLINICAL §4.4", _de_winter),
    Rule(
        "E_WEL_A",
        "de Zwaan 1982, Am Heart J 103:730; ACC-CP22 §5.2; CLINICAL §4.4",
        lambda sheet, _verdict, slack: _wellens(sheet, slack, biphasic=True),
        (*BROAD, *LOST, *FLUTTER),
    ),
    Rule(
        "E_WEL_B",
        "de Zwaan 1982, Am Heart J 103:730; ACC-CP22 §5.2; CLINICAL §4.4",
        lambda sheet, _verdict, slack: _wellens(sheet, slack, biphasic=False),
        (*BROAD, *LOST, *FLUTTER),
    ),
    Rule("E_AVR", "UDMI4; ESC-ACS23 §3; CLINICAL §4.4", _left_main, (*BROAD, *LOST, *FLUTTER)),
    Rule("E_ASL", "Aslanger 2020, doi:10.1016/j.jelectrocard.2020.04.008; CLINICAL §4.4", _aslanger),
    Rule("E_SAF", "Durant & Singh 2015, Am J Emerg Med 33:889; CLINICAL §4.4", _flag),
    Rule("E_INF_EARLY", "Bischof 2016, Am J Emerg Med 34:149; CLINICAL §4.4", _early_inferior),
    Rule("E_RBBB_NEW", "ESC-ACS23 §3; CLINICAL §4.4", _new_block, narrow=False),
)


# --- what else it could be ------------------------------------------------------------------------------------------


def _argued(sheet: Sheet, verdict: Verdict, code: str) -> list[Argument]:
    """The look-alikes of a pattern whose own findings were made; what weighs against it and what does not."""
    out = [
        Argument(mimic, True, why)
        for mimic, why in MIMICS.get(code, ())
        if verdict.has(mimic) or verdict.has(mimic + "_*")
    ]
    if code in BY_RATE and fast(sheet):
        out.append(RATE)
    return out


_STRAIN = Text(
    "有左室高电压：ST–T改变也可由劳损引起，须结合症状并复查。",
    "Left ventricular voltage: strain may look alike; symptoms and a second tracing decide.",
)
_EMBOLISM = Text(
    "有右室负荷过重表现：须鉴别肺栓塞。", "Signs of right ventricular strain: pulmonary embolism may look alike."
)
_BRAIN = Text("QT长且T波广泛深倒：须鉴别颅脑病变。", "Long QT with deep T everywhere: a brain injury may look alike.")
_APICAL = Text("R波高大：须鉴别心尖肥厚型心肌病。", "Tall R: apical hypertrophic cardiomyopathy may look alike.")
_TAKO = Text("心电图不能区分应激性心肌病，按急性冠脉综合征处理。", "Takotsubo cannot be told apart: treat as ACS.")
MIMICS: dict[str, tuple[tuple[str, Text], ...]] = {
    "E_POST": (("H_LVH", _STRAIN),),
    "E_AVR": (("H_LVH", _STRAIN),),
    "E_ASL": (("H_LVH", _STRAIN),),
    "E_SAF": (("H_LVH", _STRAIN),),
    "E_DEW": (
        ("S_HYPERK", Text("须同时查血钾：高钾T波基底窄。", "Check potassium: its T is narrow at the base.")),
        ("H_LVH", _STRAIN),
    ),
    "E_WEL_A": (("H_LVH", _STRAIN), ("S_PE", _EMBOLISM), ("S_TAKO", _TAKO)),
    "E_WEL_B": (
        ("H_LVH", _STRAIN),
        ("S_PE", _EMBOLISM),
        ("S_CNS", _BRAIN),
        ("S_HCM_AP", _APICAL),
        ("S_TAKO", _TAKO),
    ),
}
