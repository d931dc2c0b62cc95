"""Hyperacute T waves (CLINICAL.md §4.6): too big for their QRS, and symmetric.

HAT_COLLINS judges the tallest T by fixed ratios and age; HAT_AREA sets the area under T against the height of QRS in
two contiguous leads. A single HAT_AREA is "possible": even at 98 % specificity most of its hits are false while few
patients have an occlusion.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ecg.analysis import Argument, Certainty, Evidence, State
from ecg.interpret.facts import WHY_LEADS, WHY_QUALITY, Verdict
from ecg.interpret.logic import all3, any3, rounded
from ecg.interpret.sheet import BROAD, CHEST, FALSE, LOST, TWELVE, Outcome, Sheet, barred, lacking
from ecg.recording import Text

NAME = Text("超急性期T波", "Hyperacute T waves")
SOURCE = "Collins 1990, Ann Emerg Med 19:121; ACC-CP22 §5.2; CLINICAL §4.6"
RATE = Argument(
    "RATE",
    False,
    Text(
        "心率超过130次/分，T波难以评价：控制心率后复查。", "Above 130/min T is hard to judge: record again once slower."
    ),
)


def interpret(sheet: Sheet, verdict: Verdict) -> None:
    """Adds E_HAT; by Collins it is confirmed, by area alone only possible."""
    held = barred(sheet.facts, verdict, by=(*BROAD, *LOST, "R_AFL"))
    if held is not None:
        verdict.skip("E_HAT", *held)
        return
    collins, area = _collins(sheet), _area(sheet)
    found = collins if collins.true else area
    if found.true:
        argued = _argued(sheet, verdict)
        weak = any(not a.kept for a in argued)
        certainty = Certainty.POSSIBLE if weak else found.certainty
        verdict.add(
            sheet.facts.finding("E_HAT", NAME, list(found.evidence), SOURCE, certainty, State.TRUE, argued, found.notes)
        )
    elif any3([collins.true, area.true]) is None:
        missing = tuple(dict.fromkeys((*collins.missing, *area.missing)))
        absent = any(n in TWELVE and n not in sheet.facts.leads for n in missing)
        verdict.skip("E_HAT", missing, WHY_LEADS if absent else WHY_QUALITY)


def symmetric(sheet: Sheet, lead: str) -> bool | None:
    """Whether T peaks at no more than two thirds of the way from J to its end."""
    return sheet.holds(lead, "t_symmetry", "<=", sheet.limit("hyperacute", "symmetry"))


def positive_first(sheet: Sheet, lead: str) -> bool | None:
    """Whether the upward phase of a biphasic T comes before the downward one."""
    facts = sheet.facts
    outline = facts.outline
    if facts.beat is None or outline is None or outline.t is None or lead not in facts.leads:
        return None
    k = facts.leads.index(lead)
    low, high = int(min(outline.t[k, 0], outline.t[k, 1])), int(max(outline.t[k, 1], outline.t[k, 2]))
    part = facts.beat[k, max(low, int(outline.qrs_global[2]) + 1) : high + 1]
    return bool(int(np.argmax(part)) < int(np.argmin(part))) if part.size else None


def ends_positive(sheet: Sheet, lead: str) -> bool | None:
    """Whether T is positive, or ends so."""
    high, low = sheet.value(lead, "t_positive_mv"), sheet.value(lead, "t_negative_mv")
    if high is None or low is None:
        return None
    phase = sheet.limit("equivalents", "t_phase_mv")
    if high < phase:
        return False
    if low > -phase:
        return True
    first = positive_first(sheet, lead)
    return None if first is None else not first


def in_lead(sheet: Sheet, lead: str) -> bool | None:
    """HAT_AREA's conditions in one lead: area against QRS, symmetry, upright."""
    ratio = area_ratio(sheet, lead)
    big = None if ratio is None else ratio >= _least(sheet, lead)
    return all3([_narrow(sheet), big, symmetric(sheet, lead), sheet.holds(lead, "t_mv", ">", 0.0)])


def area_ratio(sheet: Sheet, lead: str) -> float | None:
    """Area under T, from J, divided by the height of QRS, ms."""
    area, size = sheet.value(lead, "t_area_mv_ms"), sheet.value(lead, "qrs_pp_mv")
    return None if area is None or not size else rounded(area / size, "t_area_qrs_ms")


def area_evidence(sheet: Sheet, leads: Iterable[str]) -> list[Evidence]:
    """The ratios as they are printed."""
    return [Evidence(n, "t_area_qrs_ms", area_ratio(sheet, n), ">=", _least(sheet, n)) for n in leads]


def _least(sheet: Sheet, lead: str) -> float:
    return sheet.limit("hyperacute", "area_chest_ms" if lead in CHEST[1:4] else "area_other_ms")


def _narrow(sheet: Sheet) -> bool | None:
    width = rounded(sheet.facts.measurements.qrs_ms, "qrs_ms")
    return None if width is None else width < sheet.limit("hyperacute", "qrs_ms")


def _area(sheet: Sheet) -> Outcome:
    here = {n: in_lead(sheet, n) for n in TWELVE if n != "aVR"}
    groups = sheet.facts.rules.rules["stemi"]["pairs"]
    pairs = [(str(a), str(b)) for name in ("chest", "limb") for a, b in groups[name] if a in here and b in here]
    whole = any3(all3([here[a], here[b]]) for a, b in pairs)
    if whole is False:
        return FALSE
    if whole is None:
        return lacking([n for n, true in here.items() if true is None])
    hit = dict.fromkeys(n for a, b in pairs if here[a] and here[b] for n in (a, b))
    return Outcome(True, tuple(area_evidence(sheet, hit)), certainty=Certainty.POSSIBLE, notes=("HAT_AREA",))


def _collins(sheet: Sheet) -> Outcome:
    """The tallest T: ST over 0.3 mV and over a quarter of T, T over three quarters of QRS, age over 45."""
    heights = {n: v for n in TWELVE if n != "aVR" and (v := sheet.value(n, "t_positive_mv")) is not None}
    if not heights:
        return lacking(sheet.missing(TWELVE, "t_positive_mv"))
    lead = max(heights, key=lambda n: heights[n])
    age = sheet.facts.age
    if age is not None and age <= sheet.limit("hyperacute", "collins_age_years"):
        return FALSE
    st, t, size = sheet.st(lead), heights[lead], sheet.value(lead, "qrs_pp_mv")
    if st is None or not size:
        return lacking([lead])
    table = [
        Evidence(lead, "st_j_mv", st, ">", sheet.limit("hyperacute", "collins_st_mv")),
        Evidence(
            lead, "st_t_ratio", round(st / t, 4) if t > 0 else 0.0, ">", sheet.limit("hyperacute", "collins_st_t")
        ),
        Evidence(lead, "t_qrs_ratio", round(t / size, 4), ">", sheet.limit("hyperacute", "collins_t_qrs")),
    ]
    if not all(float(e.value or 0.0) > float(e.limit or 0.0) for e in table):
        return FALSE
    notes = ("HAT_COLLINS",) if age is not None else ("HAT_COLLINS", "assumed_age")
    return Outcome(True, tuple(table), certainty=Certainty.PROBABLE, notes=notes)


def _argued(sheet: Sheet, verdict: Verdict) -> tuple[Argument, ...]:
    out = [Argument(mimic, True, why) for mimic, why in LOOKALIKES if verdict.has(mimic) or verdict.has(mimic + "_*")]
    rate = sheet.facts.measurements.heart_rate_bpm
    if rate is not None and rate > sheet.limit("equivalents", "fast_bpm"):
        out.append(RATE)
    return tuple(out)


LOOKALIKES = (
    (
        "S_HYPERK",
        Text("须同时查血钾：高钾T波高尖而基底窄。", "Check potassium: its T is pointed and narrow at the base."),
    ),
    (
        "T_ER",
        Text("早期复极也可有高大T波，须动态复查。", "Early repolarisation has tall T too: record again and compare."),
    ),
    ("H_LVH", Text("左室肥大时V1–V3导联T波可增高。", "In LVH T of V1–V3 may be tall.")),
    ("R_SBRAD", Text("心动过缓时T波可增宽增高。", "A slow rate makes T broad and tall.")),
)
