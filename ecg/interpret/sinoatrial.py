"""Sinoatrial block and sinus arrest (CLINICAL.md §3.1; BRADY18; SURA): a pause without P in a regular sinus rhythm.

A pause of a whole number of PP (± 10 %) is a block of second degree, type II; where PP has become shorter and shorter
before a pause of less than two PP, type I; a pause of any other length beyond 1.5 PP and two seconds is an arrest. A
first-degree block cannot be seen on the surface.
"""

from __future__ import annotations

import numpy as np

from ecg.analysis import Argument, Certainty, Evidence, Finding, Kind
from ecg.arrays import Floats, typical
from ecg.interpret.facts import Facts, Verdict
from ecg.interpret.logic import compare
from ecg.recording import Text

NAMES = {
    "R_SAB2": Text("二度窦房阻滞", "Second-degree sinoatrial block"),
    "R_SAB3": Text("窦性停搏", "Sinus arrest"),
}
SOURCE = "BRADY18; SURA; CLINICAL §3.1"
WHY_FEW = Text("PP间期不足6个，不能判断窦房阻滞。", "Fewer than six PP intervals: sinoatrial block cannot be judged.")
ARRHYTHMIA = Argument(
    "R_SARR",
    True,
    Text(
        "其余PP间期规则，长间歇突然出现，不是窦性心律不齐。",
        "The other PP are regular and the pause is sudden: no sinus arrhythmia.",
    ),
)
EARLY = Argument(
    "R_PAC",
    True,
    Text(
        "长间歇前的T波上未见提前的P波，不是未下传的房早。",
        "No early P is seen on the T before the pause: no blocked premature atrial beat.",
    ),
)


def interpret(facts: Facts, verdict: Verdict, blocked_early: bool) -> None:
    """Adds R_SAB2 or R_SAB3 in sinus rhythm. RR stands for PP: PR is constant, and a block of AV was asked before."""
    rr, limit = facts.rhythm.rr_ms, facts.rules.limit
    if rr.size < 2 or blocked_early:
        return
    usual = float(typical(rr))
    long = np.flatnonzero(rr >= limit("sinoatrial", "pause_share") * usual)
    kinds = [b.kind for b in facts.rhythm.beats]
    plain = (Kind.DOMINANT, Kind.OTHER)
    long = [k for k in long.tolist() if kinds[k] in plain and kinds[k + 1] in plain]
    if not long or (facts.marks is not None and not all(facts.marks.has_p[k + 1] for k in long)):
        return
    if rr.size < limit("sinoatrial", "least_pp"):
        for code in NAMES:
            verdict.skip(code, ("PP",), WHY_FEW)
        return
    rest = np.delete(rr, long)
    if any(k not in plain for k in kinds) or len(long) > 0.34 * rr.size:
        return
    pp = float(typical(rest))
    spread = float(np.abs(rest - pp).max()) / pp
    if _second(facts, verdict, rr, long, pp, spread):
        return
    pause = max(float(rr[k]) for k in long)
    tests = [
        compare(None, "pause_share", pause / pp, ">", limit("sinoatrial", "arrest_share")),
        compare(None, "max_rr_ms", pause, ">=", limit("sinoatrial", "arrest_ms")),
        compare(None, "pp_step_share", spread, "<=", limit("sinoatrial", "regular_share")),
    ]
    if all(t.true for t in tests):
        evidence = [t.evidence for t in tests]
        argued = (ARRHYTHMIA, EARLY)
        verdict.add(facts.finding("R_SAB3", NAMES["R_SAB3"], evidence, SOURCE, Certainty.PROBABLE, argued=argued))


def _second(facts: Facts, verdict: Verdict, rr: Floats, long: list[int], pp: float, spread: float) -> bool:
    limit = facts.rules.limit
    off = [_beside_multiple(float(rr[k]) / pp) for k in long]
    whole = [o <= limit("sinoatrial", "multiple_share") and rr[k] >= 1.5 * pp for o, k in zip(off, long, strict=True)]
    regular = compare(None, "pp_step_share", spread, "<=", limit("sinoatrial", "regular_share"))
    if all(whole) and regular.true:
        evidence = [
            Evidence(None, "pause_share", round(float(rr[long[0]]) / pp, 2), ">=", 2.0),
            compare(None, "multiple_deviation", max(off), "<=", limit("sinoatrial", "multiple_share")).evidence,
            regular.evidence,
        ]
        verdict.add(_blocked(facts, evidence, Certainty.PROBABLE, "TYPE_II"))
        return True
    shrinking = [_shrinks(rr, k, limit("sinoatrial", "shrinks_ms")) for k in long]
    if all(shrinking) and len(long) >= 2 and all(rr[k] < 2.0 * rr[k - 1] for k in long):
        evidence = [
            Evidence(None, "pauses", len(long), ">=", 2),
            compare(None, "pp_shrinks_ms", min(shrinking), ">=", limit("sinoatrial", "shrinks_ms")).evidence,
        ]
        verdict.add(_blocked(facts, evidence, Certainty.POSSIBLE, "TYPE_I"))
        return True
    return False


def _beside_multiple(share: float) -> float:
    """How far a pause of ``share`` PP is from a whole number of PP, as a part of that number."""
    whole = max(1, round(share))
    return round(abs(share - whole) / whole, 4)


def _blocked(facts: Facts, evidence: list[Evidence], sure: Certainty, note: str) -> Finding:
    argued = (ARRHYTHMIA, EARLY)
    return facts.finding("R_SAB2", NAMES["R_SAB2"], evidence, SOURCE, sure, argued=argued, notes=(note,))


def _shrinks(rr: Floats, k: int, least: float) -> float:
    """How much PP becomes shorter, step by step, over the two intervals before pause ``k``; 0 where it does not."""
    if k < 2:
        return 0.0
    fall = float(rr[k - 2] - rr[k - 1])
    return fall if fall >= least else 0.0
