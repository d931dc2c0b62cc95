"""The end of QRS and the beginning of ST in V1–V3: Brugada patterns and the epsilon wave (CLINICAL.md §3.6).

Type 1 is coved: a high take-off of 0.2 mV or more from which ST falls, lower after 40 ms and lower still after 80, into
a negative T (VA22 §7.2.3; Corrado's J/ST80 above 1). In right bundle branch block and in the athlete's rSr′ the fall in
the first 40 ms is steep; in the Brugada pattern it is at most 0.4 mV (Bayés de Luna 2012,
doi:10.1016/j.jelectrocard.2012.06.004). Type 2 is a saddle: r′ and ST raised, T upright in V2, and r′ broad: the base
of its triangle 0.5 mV below its top is 160 ms or more. The take-off is sought on the average beat from 20 ms before J,
because J is common to all leads and V1 may end earlier.

The epsilon wave is a notch of 20 µV behind QRS with T negative in V1–V3 (arrhythmogenic right ventricle); it is only
ever "possible", and no notch is believed below 500 samples a second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecg.analysis import Argument, Certainty, Evidence
from ecg.arrays import Floats
from ecg.interpret.facts import Facts, Verdict
from ecg.interpret.logic import all3, any3, rounded
from ecg.interpret.patterns import Pattern
from ecg.interpret.sheet import BROAD, CHEST, FALSE, LOST, Outcome, Sheet, lacking
from ecg.recording import Text

NAMES = {
    "S_BRU1": Text("Brugada波1型（穹窿型）", "Brugada pattern type 1 (coved)"),
    "S_BRU2": Text("Brugada波2型（马鞍型）", "Brugada pattern type 2 (saddle-back)"),
    "S_EPS": Text("可能有Epsilon波", "Possible epsilon wave"),
}
PLACES = ("V1", "V2")
RIGHT = CHEST[:3]
BEFORE_J_MS, AFTER_J_MS = 20.0, 12.0
"""Where the take-off is sought around the common J."""


@dataclass(frozen=True, slots=True)
class TakeOff:
    """The end of QRS in one lead: its height, ST 40 and 80 ms later, and the width of its triangle 0.5 mV below."""

    height_mv: float
    after_40_mv: float
    after_80_mv: float
    base_ms: float | None


def take_off(facts: Facts, lead: str) -> TakeOff | None:
    """The highest point around J, on the beat; from the ST points where there is no beat; ``None`` if unknown."""
    if not facts.readable(lead):
        return None
    if facts.beat is None or facts.qrs is None or lead not in facts.leads:
        points = [facts.value(lead, m) for m in ("st_j_mv", "st_j40_mv", "st_j80_mv")]
        held = [p for p in points if p is not None]
        return TakeOff(held[0], held[1], held[2], None) if len(held) == len(points) else None
    ms, row = facts.rate_hz / 1000.0, facts.beat[facts.leads.index(lead)]
    on, j = facts.qrs
    first, last = max(on + 1, j - round(BEFORE_J_MS * ms)), min(row.size, j + round(AFTER_J_MS * ms) + 1)
    if last <= first or j + round(100 * ms) >= row.size:
        return None
    top = first + int(np.argmax(row[first:last]))

    def level(after_ms: float) -> float:
        at = top + round(after_ms * ms)
        return float(row[at - round(2 * ms) : at + round(2 * ms) + 1].mean())

    height, later, last_mv = (rounded(level(t), "st_mv") or 0.0 for t in (0.0, 40.0, 80.0))
    return TakeOff(height, later, last_mv, _base_ms(row, on, top, ms))


def _base_ms(row: Floats, on: int, top: int, ms: float) -> float | None:
    """Width at 0.5 mV below the top between the two lines of the triangle: S's way up, and the first 40 ms down."""
    low = on + int(np.argmin(row[on : top + 1]))
    rise, fall = float(row[top] - row[low]), float(row[top] - row[top + round(40 * ms)])
    if rise <= 0.0 or fall <= 0.0 or top == low:
        return None
    return round(0.5 * ((top - low) / ms / rise + 40.0 / fall), 1)


# --- type 1 ----------------------------------------------------------------------------------------------------------


def _coved(sheet: Sheet, lead: str, slack: float) -> bool | None:
    found = take_off(sheet.facts, lead)
    if found is None:
        return None
    limit = sheet.limit
    form = sheet.word(lead, "st_shape")
    return all3(
        [
            found.height_mv >= round(limit("brugada", "coved_mv") - slack, 4),
            found.height_mv > found.after_40_mv > found.after_80_mv,
            round(found.height_mv - found.after_40_mv, 4) <= limit("brugada", "fall_mv"),
            found.after_40_mv >= limit("brugada", "kept_mv"),
            sheet.holds(lead, "t_negative_mv", "<=", limit("brugada", "t_mv")),
            None if form is None else form != "concave",
        ]
    )


def _type_1(sheet: Sheet, _verdict: Verdict, slack: float) -> Outcome:
    here = {n: _coved(sheet, n, slack) for n in PLACES}
    true = any3(here.values())
    if true is None:
        return lacking([n for n, one in here.items() if one is None])
    if not true:
        return FALSE
    evidence: list[Evidence] = []
    for lead in (n for n in PLACES if here[n]):
        found = take_off(sheet.facts, lead)
        if found is not None:
            evidence.append(Evidence(lead, "take_off_mv", found.height_mv, ">=", sheet.limit("brugada", "coved_mv")))
            evidence.append(Evidence(lead, "take_off_80_mv", found.after_80_mv, "<", found.after_40_mv))
        evidence += sheet.evidence((lead,), "t_negative_mv", "<=", sheet.limit("brugada", "t_mv"))
    return Outcome(True, tuple(evidence), certainty=Certainty.PROBABLE)


def _type_1_argued(sheet: Sheet, verdict: Verdict) -> tuple[Argument, ...]:
    scar = any(sheet.holds(n, "q_mv", "<", 0.0) for n in PLACES)
    infarct = Text(
        "前间壁或右室梗死也可抬高V1–V2：" + ("该处有Q波，" if scar else "") + "有胸痛时按急性心肌梗死处理。",
        "Anteroseptal or right ventricular infarction raises V1–V2 too" + (", and there is Q" if scar else "")
        + ": with pain treat as infarction.",
    )  # fmt: skip
    out = [Argument("STEMI", True, infarct)]
    out.append(
        Argument(
            "TRIGGER",
            True,
            Text(
                "发热、高钾血症、钠通道阻滞剂可诱发；须核对V1–V2电极位置（第4肋间）。",
                "Fever, potassium and sodium-channel blockers bring it out; check that V1–V2 sit in the 4th space.",
            ),
        )
    )
    if verdict.has("C_IRBBB"):
        why = Text(
            "不完全性右束支阻滞的ST段下降更陡（40毫秒内大于0.4 mV）。",
            "In incomplete RBBB ST falls more steeply (over 0.4 mV in 40 ms).",
        )
        out.append(Argument("C_IRBBB", True, why))
    return tuple(out)


# --- type 2 ----------------------------------------------------------------------------------------------------------


def _type_2(sheet: Sheet, verdict: Verdict, slack: float) -> Outcome:
    limit = sheet.limit
    r2, st = sheet.value("V2", "r2_mv"), sheet.value("V2", "st_j80_mv")
    if r2 is None or st is None:
        return lacking(("V2",))
    saddle = all3(
        [
            not verdict.has("S_BRU1"),
            r2 >= round(limit("brugada", "saddle_r_mv") - slack, 4),
            st >= round(limit("brugada", "saddle_st_mv") - slack, 4),
            sheet.holds("V2", "t_mv", ">=", 0.0),
        ]
    )
    if saddle is False:
        return FALSE
    found = take_off(sheet.facts, "V2")
    base = None if found is None else found.base_ms
    dip = None if found is None else round(found.height_mv - found.after_40_mv, 4) >= limit("brugada", "dip_mv")
    true = all3([saddle, dip, None if base is None else base >= limit("brugada", "base_ms")])
    if true is None:
        return lacking(("V2",))
    evidence = [
        *sheet.evidence(("V2",), "r2_mv", ">=", limit("brugada", "saddle_r_mv")),
        *sheet.evidence(("V2",), "st_j80_mv", ">=", limit("brugada", "saddle_st_mv")),
        Evidence("V2", "r2_base_ms", base, ">=", limit("brugada", "base_ms")),
    ]
    return Outcome(true, tuple(evidence), certainty=Certainty.POSSIBLE)


def _type_2_argued(_sheet: Sheet, verdict: Verdict) -> tuple[Argument, ...]:
    why = Text(
        "运动员、电极位置偏高、不完全性右束支阻滞的r′更尖更窄；须核对电极位置。",
        "In athletes, with high electrodes and in incomplete RBBB r′ is sharper: check where the electrodes sit.",
    )
    return (Argument("C_IRBBB" if verdict.has("C_IRBBB") else "Q_HIGHV", True, why),)


# --- epsilon ---------------------------------------------------------------------------------------------------------


def _epsilon(sheet: Sheet, _verdict: Verdict, _slack: float) -> Outcome:
    facts, limit = sheet.facts, sheet.limit
    inverted = all3(sheet.holds(n, "t_mv", "<=", limit("epsilon", "t_mv")) for n in RIGHT)
    if inverted is False:
        return FALSE
    if facts.rate_hz < limit("epsilon", "rate_hz"):
        return lacking(("rate_hz",))
    notches = {n: _late_notch(facts, n, limit("epsilon", "window_ms")) for n in RIGHT}
    found = {n: None if depth is None else depth >= limit("epsilon", "notch_mv") for n, depth in notches.items()}
    true = all3([inverted, any3(found.values())])
    if true is None:
        return lacking(sheet.missing(RIGHT, "t_mv") or [n for n in RIGHT if found[n] is None])
    evidence = [
        Evidence(n, "epsilon_mv", notches[n], ">=", limit("epsilon", "notch_mv")) for n in RIGHT if found[n]
    ] + sheet.evidence(RIGHT, "t_mv", "<=", limit("epsilon", "t_mv"))
    return Outcome(true, tuple(evidence), certainty=Certainty.POSSIBLE)


def _late_notch(facts: Facts, lead: str, window_ms: float) -> float | None:
    """The largest hump that rises from ST and falls back within 40 ms, from 10 ms after J on; 0 where there is none."""
    if facts.beat is None or facts.qrs is None or not facts.readable(lead):
        return None
    ms, row, j = facts.rate_hz / 1000.0, facts.beat[facts.leads.index(lead)], facts.qrs[1]
    reach = round(20 * ms)
    part = row[j : j + round(window_ms * ms) + 1]
    if part.size < 3 * reach:
        return 0.0
    top = part[reach:-reach]
    height = np.minimum(top - part[: -2 * reach], top - part[2 * reach :])
    return rounded(max(0.0, float(height.max())), "notch_mv")


def _epsilon_argued(_sheet: Sheet, _verdict: Verdict) -> tuple[Argument, ...]:
    why = Text(
        "滤波、肌电干扰及r′终末部可似Epsilon波；须重复记录并结合影像。",
        "Filters, muscle and the end of r′ may look alike: record again, and see the imaging.",
    )
    return (Argument("Q_HF", True, why),)


NO_BLOCK = (*BROAD, *LOST, "C_RBBB", "R_AFL")
"""What makes the end of QRS or T its own; F waves stand in for both (CLINICAL.md §3)."""
PATTERNS = (
    Pattern(
        "S_BRU1", NAMES["S_BRU1"],
        "VA22 §7.2.3; Bayés de Luna 2012, doi:10.1016/j.jelectrocard.2012.06.004; CLINICAL §3.6",
        _type_1, _type_1_argued, NO_BLOCK, narrow=False,
    ),
    Pattern(
        "S_BRU2", NAMES["S_BRU2"], "Bayés de Luna 2012, doi:10.1016/j.jelectrocard.2012.06.004; CLINICAL §3.6",
        _type_2, _type_2_argued, NO_BLOCK,
    ),
    Pattern("S_EPS", NAMES["S_EPS"], "VA22; P2 111; CLINICAL §3.6", _epsilon, _epsilon_argued, NO_BLOCK, narrow=False),
)  # fmt: skip
