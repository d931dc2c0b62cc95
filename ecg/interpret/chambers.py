"""Left ventricular hypertrophy by voltage (CLINICAL.md §3.4), needed here because it explains ST elevation (§4.8)."""

from __future__ import annotations

from ecg.analysis import Certainty, Grade
from ecg.interpret.facts import WHY_CHILD, WHY_LEADS, WHY_QUALITY, Facts, Verdict
from ecg.interpret.logic import Test, any3, compare
from ecg.recording import Sex, Text

NAMES = {
    "H_LVH_SL": Text("左室高电压（Sokolow-Lyon）", "LVH voltage, Sokolow–Lyon"),
    "H_LVH_CV": Text("左室高电压（Cornell）", "LVH voltage, Cornell"),
}
SUPPRESSED_BY = ("C_LBBB", "C_WPW", "C_PACE_V", "R_VT")
WHY_WIDE = Text(
    "宽QRS（左束支阻滞、起搏、预激或室速）时不判断。", "Not judged with LBBB, pacing, pre-excitation or VT."
)


def sokolow(facts: Facts) -> list[Test]:
    """S(V1) + the larger R of V5, V6; and R in aVL."""
    deep = _depth(facts, "V1")
    tall = max(
        (facts.value(n, "r_mv") or 0.0 for n in ("V5", "V6") if facts.value(n, "r_mv") is not None), default=None
    )
    total = None if deep is None or tall is None else deep + tall
    return [
        compare(None, "sokolow_mv", total, ">=", facts.rules.limit("lvh", "sokolow_mv")),
        compare("aVL", "r_mv", facts.value("aVL", "r_mv"), ">", facts.rules.limit("lvh", "avl_mv")),
    ]


def cornell(facts: Facts) -> Test:
    """R(aVL) + S(V3); needs the sex."""
    r, s = facts.value("aVL", "r_mv"), _depth(facts, "V3")
    total = None if r is None or s is None or facts.sex is None else r + s
    limit = facts.rules.limit("lvh", "cornell_men_mv" if facts.sex == Sex.MALE else "cornell_women_mv")
    return compare(None, "cornell_mv", total, ">", limit)


def interpret(facts: Facts, verdict: Verdict) -> None:
    """Adds the voltage findings."""
    poor = facts.quality.grade >= Grade.D or not facts.amplitude_usable
    wide = any(verdict.has(code) for code in SUPPRESSED_BY)
    if facts.child or poor or wide:
        why = (("age",), WHY_CHILD) if facts.child else (("quality",), WHY_QUALITY) if poor else (("QRS",), WHY_WIDE)
        for code in NAMES:
            verdict.skip(code, *why)
        return
    voltage = sokolow(facts)
    old_enough = facts.age is not None and facts.age >= facts.rules.limit("lvh", "sokolow_age_years")
    true = any3(t.true for t in voltage)
    if true and old_enough:
        verdict.add(
            facts.finding(
                "H_LVH_SL", NAMES["H_LVH_SL"], [t.evidence for t in voltage if t.true], "P5", Certainty.POSSIBLE
            )
        )
    elif true is None or (true and facts.age is None):
        missing = ("age",) if facts.age is None else ("V1", "V5", "V6", "aVL")
        verdict.skip("H_LVH_SL", missing, WHY_LEADS if true is None else Text("年龄未知。", "Age unknown."))
    product = cornell(facts)
    if product.true:
        verdict.add(
            facts.finding("H_LVH_CV", NAMES["H_LVH_CV"], [product.evidence], "P5; Casale 1987", Certainty.POSSIBLE)
        )
    elif product.true is None:
        verdict.skip("H_LVH_CV", ("sex",) if facts.sex is None else ("aVL", "V3"), WHY_QUALITY)


def _depth(facts: Facts, lead: str) -> float | None:
    """Deepest negative wave of a lead's QRS, as a positive number."""
    parts = [facts.value(lead, m) for m in ("q_mv", "s_mv", "s2_mv")]
    held = [p for p in parts if p is not None]
    return -min(held) if len(held) == len(parts) else None
