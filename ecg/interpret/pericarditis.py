"""Elevation that belongs to no artery: pericarditis, and the normal variant of young men (CLINICAL.md §3.6, §4.8).

Pericarditis inflames the whole surface: ST rises concave in several territories at once, falls in aVR alone, and the
atrium's own injury lowers PR (raises it in aVR). Every sign of an artery (III over II, reciprocal depression, aVL, Q)
makes it false, because the finding can explain a STEMI away (§4.8). Levels are read against the TP segment where the
rule says so: PR itself is shifted. Sources: Ginzton & Laks 1982, Circulation 65:1004 (ST/T in V6);
doi:10.1093/eurheartj/ehv318; the numbers of leads are [project].

The normal variant is elevation in V2–V4 below §4.1's limits, concave, with S kept, without Q or depression. It is
stated only where §4.7's formula is below its indeterminate band, so that it never argues against a subtle occlusion.
"""

from __future__ import annotations

from ecg.analysis import Argument, Certainty, Evidence
from ecg.interpret import subtle_lad
from ecg.interpret.facts import Verdict
from ecg.interpret.infarction import threshold
from ecg.interpret.logic import all3, any3, least3, not3
from ecg.interpret.patterns import Pattern
from ecg.interpret.q_waves import pathological
from ecg.interpret.sheet import BROAD, CHEST, FALSE, INFERIOR, LOST, TWELVE, Outcome, Sheet, lacking
from ecg.recording import Sex, Text

NAMES = {
    "T_PERI": Text("急性心包炎样改变", "Acute pericarditis pattern"),
    "T_NVSTE": Text("胸前导联ST段抬高，正常变异", "Anterior ST elevation, normal variant"),
}
RAISED = ("I", "II", "aVL", "aVF", *CHEST[1:])
TERRITORIES = (("V2", "V3", "V4"), ("II", "aVF"), ("I", "aVL", "V5", "V6"))
PR_LEADS = ("II", "aVF", "V4", "V5", "V6")
KEPT_LEVEL = tuple(n for n in TWELVE if n not in ("aVR", "V1"))
FRONT = ("V2", "V3", "V4")


def _concave(sheet: Sheet, lead: str) -> bool | None:
    shape = sheet.word(lead, "st_shape")
    return None if shape is None else shape == "concave"


# --- pericarditis ----------------------------------------------------------------------------------------------------


def _raised(sheet: Sheet, slack: float) -> dict[str, bool | None]:
    limit = sheet.limit("pericarditis", "st_mv")
    return {n: all3([sheet.holds(n, "st_j_mv", ">=", limit - slack), _concave(sheet, n)]) for n in RAISED}


def _of_pr(sheet: Sheet, lead: str) -> float | None:
    """ST over T in one lead, both from the PR segment's level, which is the level before QRS."""
    st, t = sheet.st(lead), sheet.value(lead, "t_mv")
    return None if st is None or t is None or t <= 0.0 else round(st / t, 4)


def _atrial(sheet: Sheet, slack: float) -> tuple[bool | None, list[str]]:
    """PR below TP in two of its leads, or above it in aVR."""
    low = sheet.limit("pericarditis", "pr_mv")
    down = {n: sheet.holds(n, "pr_segment_mv", "<=", low + slack) for n in PR_LEADS}
    up = sheet.holds("aVR", "pr_segment_mv", ">=", -low - slack)
    return any3([least3(down.values(), 2), up]), [n for n, true in down.items() if true] + (["aVR"] if up else [])


def _inflamed(sheet: Sheet, _verdict: Verdict, slack: float) -> Outcome:
    limit = sheet.limit
    raised = _raised(sheet, slack)
    wide = least3(raised.values(), int(limit("pericarditis", "leads")))
    several = least3((any3(raised[n] for n in group) for group in TERRITORIES), 2)
    depressed = any3(sheet.holds(n, "st_j_mv", "<=", limit("stemi", "reciprocal_mv")) for n in KEPT_LEVEL)
    second, third = sheet.st("II"), sheet.st("III")
    ratio = _of_pr(sheet, "V6")
    surface = all3(
        [
            wide,
            several,
            not3(depressed),
            sheet.holds("aVL", "st_j_mv", ">", limit("pericarditis", "avl_mv")),
            None if second is None or third is None else second >= third,
            None if ratio is None else ratio >= limit("pericarditis", "st_t_v6"),
            not3(any3(pathological(sheet, n) for n in RAISED)),
        ]
    )
    if surface is False:
        return FALSE
    atrial, shifted = _atrial(sheet, slack)
    true = all3([surface, atrial])
    if true is None:
        lost = sheet.missing(("aVL", "II", "III", *RAISED)) or sheet.missing(("V6",), "t_mv")
        return lacking(lost or ("PR",))
    if not true:
        return FALSE
    evidence = sheet.evidence([n for n in RAISED if raised[n]], "st_j_mv", ">=", limit("pericarditis", "st_mv"))
    low = limit("pericarditis", "pr_mv")
    for lead in shifted:
        up = lead == "aVR"
        evidence += sheet.evidence((lead,), "pr_segment_mv", ">=" if up else "<=", -low if up else low)
    evidence.append(Evidence("V6", "st_t_ratio", ratio, ">=", limit("pericarditis", "st_t_v6")))
    return Outcome(True, tuple(evidence), certainty=Certainty.PROBABLE)


def _inflamed_argued(_sheet: Sheet, verdict: Verdict) -> tuple[Argument, ...]:
    out = [
        Argument(
            "STEMI",
            True,
            Text(
                "多个区域凹面向上抬高，ST II不低于ST III，aVL无压低，无Q波：不支持单支闭塞；胸痛时仍须动态复查。",
                "Concave elevation in several territories, II not below III, no depression in aVL, no Q: against one "
                "artery; with pain record again.",
            ),
        )
    ]
    if verdict.has("T_ER"):
        why = Text(
            "早期复极ST/T（V6）多低于0.25，本图不低于0.25。",
            "In early repolarisation ST/T of V6 is mostly below 0.25; here it is not.",
        )
        out.append(Argument("T_ER", True, why))
    return tuple(out)


# --- normal variant --------------------------------------------------------------------------------------------------


def _variant(sheet: Sheet, _verdict: Verdict, _slack: float) -> Outcome:
    facts, limit = sheet.facts, sheet.limit
    if facts.sex == Sex.FEMALE or (facts.age is not None and facts.age > limit("normal_variant", "age_years")):
        return FALSE
    least = limit("normal_variant", "st_mv")
    raised = {n: all3([sheet.holds(n, "st_j_mv", ">=", least), _concave(sheet, n)]) for n in FRONT}
    pair = any3(all3([raised[a], raised[b]]) for a, b in (("V2", "V3"), ("V3", "V4")))
    below = all3(sheet.holds(n, "st_j_mv", "<", threshold(facts, n)[0]) for n in ("V2", "V3"))
    depressed = any3(sheet.holds(n, "st_j_mv", "<=", limit("stemi", "reciprocal_mv")) for n in KEPT_LEVEL)
    kept = all3(sheet.holds(n, "s_mv", "<", 0.0) for n in ("V2", "V3"))
    scar = any3(pathological(sheet, n) for n in (*FRONT, *INFERIOR))
    form = all3([pair, below, not3(depressed), kept, not3(scar)])
    if form is False:
        return FALSE
    score = subtle_lad.value(sheet)
    calm = None if score is None else score < limit("subtle_lad", "possible") - limit("subtle_lad", "band")
    true = all3([form, calm, None if facts.sex is None or facts.age is None else True])
    if true is None:
        lost = sheet.missing((*FRONT, *INFERIOR)) or (("QT",) if score is None else ())
        return lacking(lost or (("sex",) if facts.sex is None else ("age",)))
    if not true:
        return FALSE
    evidence = sheet.evidence([n for n in FRONT if raised[n]], "st_j_mv", ">=", least)
    evidence.append(
        Evidence(None, "driver4", score, "<", limit("subtle_lad", "possible") - limit("subtle_lad", "band"))
    )
    return Outcome(True, tuple(evidence), certainty=Certainty.PROBABLE)


def _variant_argued(_sheet: Sheet, _verdict: Verdict) -> tuple[Argument, ...]:
    why = Text(
        "四变量公式低于17.2，凹面向上，S波存在，无对应性压低：不支持前降支闭塞；胸痛时仍须动态复查。",
        "Four-variable value below 17.2, concave, S kept, no reciprocal depression: against a subtle LAD occlusion; "
        "with pain record again.",
    )
    return (Argument("E_SUBLAD", True, why),)


PATTERNS = (
    Pattern(
        "T_PERI",
        NAMES["T_PERI"],
        "doi:10.1093/eurheartj/ehv318; Ginzton & Laks 1982, Circulation 65:1004; CLINICAL §3.6",
        _inflamed,
        _inflamed_argued,
        (*BROAD, *LOST, "C_RBBB"),
    ),
    Pattern("T_NVSTE", NAMES["T_NVSTE"], "P4; Driver 2017, doi:10.1016/j.jelectrocard.2017.04.005; CLINICAL §3.6",
            _variant, _variant_argued),
)  # fmt: skip
