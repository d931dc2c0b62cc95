"""Conduction (CLINICAL.md §3.3): what makes QRS wide, because it decides whether ST may be read by §4.1.

LBBB, RBBB, pre-excitation and (suspected) ventricular pacing by their shapes; a wide QRS that is none of them is
C_IVCD.
"""

from __future__ import annotations

import numpy as np

from ecg.analysis import Certainty, Evidence
from ecg.interpret.facts import WHY_QUALITY, Facts, Verdict
from ecg.interpret.logic import Test, all3, any3, compare
from ecg.recording import Text
from ecg.signal.filters import smooth

NAMES = {
    "C_LBBB": Text("完全性左束支阻滞", "Left bundle branch block"),
    "C_RBBB": Text("完全性右束支阻滞", "Right bundle branch block"),
    "C_IVCD": Text("非特异性室内传导阻滞", "Non-specific intraventricular conduction delay"),
    "C_WPW": Text("心室预激", "Ventricular pre-excitation"),
    "C_PACE_V": Text("心室起搏（可能）", "Ventricular paced rhythm (possible)"),
}
PACED_SHARE = 0.8
"""Share of beats that a spike precedes (CLINICAL.md §3.3)."""
LEFT = ("I", "V5", "V6")
DELTA_LEADS = ("I", "V4", "V5", "V6")


def interpret(facts: Facts, verdict: Verdict) -> None:
    """Adds the conduction findings."""
    width = compare(None, "qrs_ms", facts.measurements.qrs_ms, ">=", facts.rules.limit("conduction", "bbb_ms"))
    if width.true is None:
        for code in ("C_LBBB", "C_RBBB", "C_WPW", "C_IVCD"):
            verdict.skip(code, ("QRS",), WHY_QUALITY)
        return
    paced = _paced(facts, verdict, width)
    excited = _preexcited(facts, verdict)
    if facts.child or not width.true or paced or excited:
        if not facts.child and not paced and not excited:
            _delayed(facts, verdict)
        return
    left, right = _left(facts), _right(facts)
    for code, tests, true in (("C_LBBB", left[0], left[1]), ("C_RBBB", right[0], right[1])):
        if true:
            evidence = [width.evidence, *(t.evidence for t in tests if t.true)]
            verdict.add(facts.finding(code, NAMES[code], evidence, "P3"))
            return
        if true is None:
            verdict.skip(
                code, tuple(dict.fromkeys(t.evidence.lead or "QRS" for t in tests if t.true is None)), WHY_QUALITY
            )
    _delayed(facts, verdict)


def _delayed(facts: Facts, verdict: Verdict) -> None:
    wide = compare(None, "qrs_ms", facts.measurements.qrs_ms, ">", facts.rules.limit("conduction", "ivcd_ms"))
    if wide.true:
        verdict.add(facts.finding("C_IVCD", NAMES["C_IVCD"], [wide.evidence], "P3"))


def _left(facts: Facts) -> tuple[list[Test], bool | None]:
    peak = facts.rules.limit("conduction", "lbbb_r_peak_ms")
    no_q = [compare(n, "q_mv", facts.value(n, "q_mv"), ">", -0.05) for n in LEFT]
    late = [compare(n, "r_peak_ms", facts.value(n, "r_peak_ms"), ">", peak) for n in ("V5", "V6", "I")]
    right = facts.value("V1", "qrs_area_mv_ms")
    negative = [compare("V1", "qrs_area_mv_ms", right, "<", 0.0)]
    return [*no_q, *late, *negative], all3([all3(t.true for t in no_q), any3(t.true for t in late), negative[0].true])


def _right(facts: Facts) -> tuple[list[Test], bool | None]:
    limit = facts.rules.limit("conduction", "wide_s_ms")
    prime: list[Test] = []
    for name in ("V1", "V2"):
        first, second = facts.value(name, "r_mv"), facts.value(name, "r2_mv")
        broad = facts.value(name, "r_ms")
        prime.append(compare(name, "r2_mv", second, ">", max(0.05, 0.5 * (first or 0.0))))
        if name == "V1":
            pure = (
                None
                if broad is None or second is None
                else (broad if not second and not facts.value(name, "s_mv") else 0.0)
            )
            prime.append(compare(name, "r_ms", pure, ">=", 80.0))
            late = facts.value(name, "r_peak_ms")
            positive = facts.value(name, "qrs_area_mv_ms")
            prime.append(compare(name, "r_peak_ms", late if positive is not None and positive > 0 else 0.0, ">=", 70.0))
    slurred = [
        compare(n, "s_ms", facts.value(n, "s_ms"), ">", min(limit, facts.value(n, "r_ms") or limit))
        for n in ("I", "V6")
    ]
    return [*prime, *slurred], all3([any3(t.true for t in prime), all3(t.true for t in slurred)])


def _preexcited(facts: Facts, verdict: Verdict) -> bool:
    """Short PR, a slurred beginning in at least two leads, QRS of at least 110 ms; with one missing it is "possible"
    and unsaid here."""
    limit = facts.rules.limit
    m = facts.measurements
    tests = [
        compare(None, "pr_ms", m.pr_ms, "<", limit("conduction", "short_pr_ms")),
        compare(None, "qrs_ms", m.qrs_ms, ">=", limit("conduction", "wpw_qrs_ms")),
    ]
    if not all3(t.true for t in tests):
        return False
    slurred = _delta_leads(facts)
    if len(slurred) < 2 or not set(slurred) & set(DELTA_LEADS):
        return False
    evidence = [t.evidence for t in tests] + [
        Evidence(n, "delta_share", s, "<", limit("conduction", "delta_share")) for n, s in slurred.items()
    ]
    verdict.add(facts.finding("C_WPW", NAMES["C_WPW"], evidence, "P3; ESC-SVT19", Certainty.PROBABLE))
    return True


def _delta_leads(facts: Facts) -> dict[str, float]:
    """Leads whose slope in the first 20 ms or more of QRS is below half of its later maximum, yet not nothing."""
    if facts.beat is None or facts.qrs is None:
        return {}
    ms = facts.rate_hz / 1000.0
    on, off = facts.qrs
    slope = np.abs(np.gradient(smooth(facts.beat[:, max(0, on - 5) : off + 6], facts.rate_hz, 40.0), axis=1)) * ms
    lead_in = min(5, on)
    first = slope[:, lead_in + round(6 * ms) : lead_in + round((6 + facts.rules.limit("conduction", "delta_ms")) * ms)]
    most = slope[:, lead_in:].max(axis=1)
    out: dict[str, float] = {}
    for k, name in enumerate(facts.leads):
        if facts.readable(name) and most[k] > 0.01 and first.shape[1]:
            share = float(first[k].max() / most[k])
            if 0.08 < share < facts.rules.limit("conduction", "delta_share"):
                out[name] = round(share, 2)
    return out


def _paced(facts: Facts, verdict: Verdict, width: Test) -> bool:
    """A narrow spike before a wide QRS. Below 1000 Hz this is only ever "possible" (CLINICAL.md §1.4)."""
    spike = compare(None, "paced_share", facts.paced_share, ">=", PACED_SHARE)
    if not (spike.true and width.true):
        return False
    verdict.add(
        facts.finding("C_PACE_V", NAMES["C_PACE_V"], [width.evidence, spike.evidence], "P2", Certainty.POSSIBLE)
    )
    return True
