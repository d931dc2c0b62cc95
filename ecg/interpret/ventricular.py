"""What ventricular beats do together: couplets, bigeminy, trigeminy, R-on-T (CLINICAL.md §3.1).

R-on-T is the coupling, QRS onset to QRS onset, that is shorter than QT: the beat begins before repolarisation ends
(CV17). QT is the dominant beat's; without it R-on-T is not assessed, and the other patterns are stated all the same.
"""

from __future__ import annotations

from itertools import pairwise

from ecg.analysis import Kind
from ecg.interpret.facts import Facts, Verdict, ventricular_runs
from ecg.interpret.logic import Test, compare
from ecg.marks import NOWHERE
from ecg.recording import Text

NAMES = {
    "R_PVC_PAT": Text("成对、联律或R-on-T室性早搏", "Premature ventricular complexes: couplets, a pattern, or R-on-T")
}
WHY_QT = Text("QT间期不能测量，不能判断R-on-T。", "QT could not be measured: R-on-T cannot be judged.")


def patterns(facts: Facts, verdict: Verdict) -> None:
    """Adds R_PVC_PAT; its note ``R_ON_T`` is what triage looks for."""
    flags = [b.kind == Kind.VENTRICULAR for b in facts.rhythm.beats]
    couplets = sum(b - a == 2 for a, b in ventricular_runs(facts.rhythm.beats))
    share = facts.rules.limit("rhythm", "pattern_share")
    tests = [
        compare(None, "couplets", float(couplets), ">=", 1.0),
        compare(None, "bigeminal_share", _share(flags, 2), ">=", share),
        compare(None, "trigeminal_share", _share(flags, 3), ">=", share),
    ]
    early = _earliest(facts, flags)
    if early is not None:
        tests.append(early)
        if early.true is None:
            verdict.skip("R_PVC_PAT", ("QT",), WHY_QT)
    if any(t.true for t in tests):
        evidence = [t.evidence for t in tests if t.true]
        notes = ("R_ON_T",) if early is not None and early.true else ()
        verdict.add(facts.finding("R_PVC_PAT", NAMES["R_PVC_PAT"], evidence, "P2; CV17; CLINICAL §3.1", notes=notes))


def _share(flags: list[bool], every: int) -> float:
    """Share of the beats that lie in groups of ``every``: ventricular, then ``every − 1`` others, then ventricular."""
    places = [k for k, ventricular in enumerate(flags) if ventricular]
    steps = sum(after - before == every for before, after in pairwise(places))
    return every * (steps + 1) / len(flags) if steps else 0.0


def _earliest(facts: Facts, flags: list[bool]) -> Test | None:
    """The shortest coupling of a ventricular to an ordinary beat, as a share of QT; ``None`` without such a pair."""
    rows = [k for k in range(1, len(flags)) if flags[k] and not flags[k - 1]]
    if not rows:
        return None
    qt = facts.measurements.qt_ms
    value = min(_coupling_ms(facts, k) for k in rows) / qt if qt else None
    return compare(None, "coupling_qt", value, "<", facts.rules.limit("rhythm", "pvc_r_on_t_qt"))


def _coupling_ms(facts: Facts, beat: int) -> float:
    """From the QRS onset of the beat before to this beat's; from peak to peak where an onset is not known."""
    if facts.marks is not None:
        before, here = (int(facts.marks.qrs_global[k, 0]) for k in (beat - 1, beat))
        if NOWHERE not in (before, here):
            return (here - before) * 1000.0 / facts.rate_hz
    return float(facts.rhythm.rr_ms[beat - 1])
