"""AV block of second and third degree (CLINICAL.md §3.1, BRADY18 §5): what becomes of each P wave.

The P train (``ecg.interpret.p_train``) gives every P, hidden ones too; the last P at least 80 ms before a QRS is the
one that may have been conducted, the others between two QRS are blocked. Then: no relation at all and atria faster
than the regular ventricles is complete block; two P in a row not conducted is high-grade; every second one 2:1; a
single one is Mobitz I where PR had grown before it and is shortest after it, Mobitz II where PR is the same before
and after. P waves beside an early beat are left out: it blocks what comes behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecg.analysis import Argument, Certainty, Evidence, Kind
from ecg.arrays import Flags, Floats, floats, ints, typical
from ecg.interpret.facts import Facts, Verdict
from ecg.interpret.logic import Test, all3, compare
from ecg.interpret.p_train import Train
from ecg.marks import NOWHERE
from ecg.recording import Text

NAMES = {
    "R_AVB3": Text("三度（完全性）房室阻滞", "Complete (third-degree) AV block"),
    "R_AVB_HG": Text("高度房室阻滞", "High-grade AV block"),
    "R_AVB2_21": Text("2:1房室阻滞", "2:1 AV block"),
    "R_AVB2_I": Text("二度I型房室阻滞（文氏型）", "Second-degree AV block, Mobitz I (Wenckebach)"),
    "R_AVB2_II": Text("二度II型房室阻滞", "Second-degree AV block, Mobitz II"),
}
SOURCE = "BRADY18 §5; CLINICAL §3.1"
WHY_P = Text("找不到成列的P波，不能判断房室传导。", "No train of P waves was found: AV conduction cannot be judged.")
WHY_PACED = Text("心室起搏时不能判断自身的房室传导。", "Under ventricular pacing AV conduction cannot be judged.")
WHY_BRIEF = Text("记录不足10秒。", "The recording is shorter than ten seconds.")

ISORHYTHMIC = Argument(
    "ISORHYTHMIC",
    True,
    Text(
        "心房率明显快于心室率，不是等频性房室分离。",
        "The atria are clearly faster than the ventricles: no isorhythmic dissociation.",
    ),
)
VENTRICULAR = Argument(
    "R_VT",
    True,
    Text("心室率慢于心房率，不是室性心动过速或加速性自主心律所致的分离。",
         "The ventricles are slower than the atria: it is not the dissociation of a ventricular tachycardia or an "
         "accelerated ventricular rhythm."),
)  # fmt: skip
BLOCKED_PAC = Argument(
    "R_PAC",
    True,
    Text("未下传的P波准时出现，形态与其他P波相同，不是未下传的房性早搏。",
         "The P that is not conducted comes on time and looks like the others: no blocked premature atrial beat."),
)  # fmt: skip
SINOATRIAL = Argument(
    "R_SAB2",
    True,
    Text("长间歇内可见P波，不是窦房阻滞。", "P waves stand inside the long interval: it is no sinoatrial block."),
)
ESCAPE = Argument(
    "R_ESC",
    True,
    Text("有固定PR间期的下传，不是完全性阻滞；逸搏可能掩盖部分传导。",
         "Some beats are conducted at a fixed PR, so the block is not complete; escape beats may hide conduction."),
)  # fmt: skip
VAGAL = Argument(
    "VAGAL",
    True,
    Text("PP间期恒定，无窦性减慢，不像迷走神经性阻滞。", "PP is constant, without sinus slowing: not a vagal block."),
)
LEVEL = Argument(
    "R_AVB2_I",
    True,
    Text(
        "2:1时不能区分I型与II型，须看其他时段的PR。",
        "At 2:1 Mobitz I and II cannot be told apart: look at PR at other times.",
    ),
)
CODES = tuple(NAMES)


@dataclass(frozen=True, slots=True, eq=False)
class Conduction:
    """For each QRS: time of its onset, whether it is ventricular, interval from the last P (NaN: none), and how many P
    since the QRS before it were not conducted (−1: not to be counted)."""

    onset_ms: Floats
    ectopic: Flags
    pr_ms: Floats
    blocked: Floats
    carried: Flags


def unsought(verdict: Verdict, why: Text, missing: str) -> None:
    """Says that none of these rules was asked."""
    for code in CODES:
        verdict.skip(code, (missing,), why)


def interpret(facts: Facts, verdict: Verdict, train: Train) -> str | None:
    """Adds at most one of the blocks; its code."""
    seen = conducted(facts, train)
    if seen is None or _excess(train, seen) < 1:
        return None
    for rule in (_complete, _high_grade, _two_to_one, _single):
        code = rule(facts, verdict, train, seen)
        if code is not None:
            return code
    return None


def locked(facts: Facts, train: Train) -> bool:
    """Whether the waves of the train keep their distance from QRS: then they may be T waves as well as P."""
    seen = conducted(facts, train)
    if seen is None:
        return True
    alike, _ = _steadily(seen, facts.rules.limit("av_block", "equal_pr_ms"))
    return alike >= 0.8 * seen.onset_ms.size or not seen.carried.any()


def _excess(train: Train, seen: Conduction) -> int:
    """How many more P than QRS there are between the first and the last QRS."""
    inside = (train.onset_ms > seen.onset_ms[0]) & (train.onset_ms < seen.onset_ms[-1] - 80.0) & ~train.lost
    return int(inside.sum()) - (seen.onset_ms.size - 1)


def conducted(facts: Facts, train: Train) -> Conduction | None:
    """What became of each P; ``None`` with fewer than three QRS."""
    marks, limit = facts.marks, facts.rules.limit
    if marks is None:
        return None
    rows = np.flatnonzero(marks.qrs_global[:, 0] != NOWHERE)
    if rows.size < 3:
        return None
    on = marks.qrs_global[rows, 0] * 1000.0 / facts.rate_hz
    ectopic = np.array([facts.rhythm.beats[k].kind == Kind.VENTRICULAR for k in rows], dtype=np.bool_)
    last = ints(np.searchsorted(train.onset_ms, on - limit("av_block", "least_pr_ms"), side="right")) - 1
    pr = np.where(last >= 0, on - train.onset_ms[np.maximum(last, 0)], np.nan)
    late = np.isnan(pr) | (pr > limit("av_block", "longest_pr_ms"))
    # A QRS too far behind its P is an escape: that P is blocked as well.
    taken = np.concatenate([[False], last[1:] == last[:-1]])
    carried = ~late & ~taken & ~ectopic
    blocked = np.concatenate([[-1.0], np.diff(last) - 1.0 + (~carried[1:] & ~taken[1:])])
    blocked = np.maximum(blocked, -1.0)
    # A beat that its own P on time leads in is not early, whatever its RR.
    kinds = [facts.rhythm.beats[k].kind for k in rows]
    others = np.array([k not in (Kind.DOMINANT, Kind.OTHER, Kind.PREMATURE) for k in kinds], dtype=np.bool_)
    hasty = np.array([k == Kind.PREMATURE for k in kinds], dtype=np.bool_) & ~carried
    beside = others | hasty | np.concatenate([[False], (others | hasty)[:-1]])
    blocked[beside] = -1.0
    # A P that should be seen but is not was not blocked: it never was.
    absent = np.concatenate([[0], np.cumsum(train.lost)])
    upto = np.maximum(last, 0)
    blocked[np.concatenate([[False], absent[upto[1:] + 1] > absent[upto[:-1] + 1]])] = -1.0
    blocked[(last < 1) | (np.concatenate([[-1], last[:-1]]) < 0)] = -1.0
    return Conduction(floats(on), ectopic, np.where(late, np.nan, pr), blocked, carried)


def _steadily(seen: Conduction, within: float) -> tuple[int, float]:
    """Most QRS whose PR agree within ``within`` ms either way, and that PR."""
    pr = seen.pr_ms[seen.carried & np.isfinite(seen.pr_ms)]
    if not pr.size:
        return 0, float("nan")
    counts = (np.abs(pr[:, None] - pr[None, :]) <= within).sum(axis=1)
    best = int(np.argmax(counts))
    return int(counts[best]), float(pr[best])


def _complete(facts: Facts, verdict: Verdict, train: Train, seen: Conduction) -> str | None:
    """P and QRS go their own ways, the atria faster, the ventricles regular."""
    limit = facts.rules.limit
    rr = np.diff(seen.onset_ms)
    usual = float(typical(rr))
    span = seen.onset_ms - train.onset_ms[np.maximum(np.searchsorted(train.onset_ms, seen.onset_ms) - 1, 0)]
    inside = seen.onset_ms > train.onset_ms[0]
    span = span[inside]
    if span.size < 3 or seen.ectopic.any():
        return None
    # P and QRS that know each other keep one distance for most beats.
    agreeing = (np.abs(span[:, None] - span[None, :]) <= limit("av_block", "equal_pr_ms")).sum(axis=1).max()
    tests = [
        compare(None, "qrs_count", float(seen.onset_ms.size), ">=", limit("av_block", "least_qrs")),
        compare(None, "seconds", facts.rhythm.seconds, ">=", limit("rhythm", "af_seconds")),
        compare(None, "pr_range_ms", float(np.ptp(span)), ">=", limit("av_block", "dissociated_pr_ms")),
        compare(None, "rr_deviation_share", float(np.abs(rr - usual).max()) / usual, "<=",
                limit("av_block", "escape_deviation")),
        compare(None, "atrial_excess", usual / train.pp_ms, ">", limit("av_block", "atrial_excess")),
        compare(None, "equal_pr_share", float(agreeing) / span.size, "<=", limit("av_block", "equal_pr_share")),
    ]  # fmt: skip
    if tests[1].true is False and all(t.true for k, t in enumerate(tests) if k != 1):
        verdict.skip("R_AVB3", ("seconds",), WHY_BRIEF)
        return None
    if not all(t.true for t in tests):
        return None
    evidence = [_rate(train), *(t.evidence for k, t in enumerate(tests) if k not in (0, 1, 5))]
    sure = Certainty.DEFINITE if int(train.seen.sum()) >= 6 and train.likeness >= 0.8 else Certainty.PROBABLE
    verdict.add(facts.finding("R_AVB3", NAMES["R_AVB3"], evidence, SOURCE, sure, argued=(ISORHYTHMIC, VENTRICULAR)))
    return "R_AVB3"


def _high_grade(facts: Facts, verdict: Verdict, train: Train, seen: Conduction) -> str | None:
    """Two P or more in a row not conducted, others conducted at a steady PR."""
    limit = facts.rules.limit
    steady, pr = _steadily(seen, limit("av_block", "equal_pr_ms"))
    tests = [
        compare(None, "blocked_in_row", float(seen.blocked.max()), ">=", limit("av_block", "high_grade_blocked")),
        compare(None, "conducted_beats", float(steady), ">=", 2.0),
        compare(None, "atrial_rate_bpm", train.rate_bpm, "<", limit("av_block", "high_grade_bpm")),
    ]
    if not all(t.true for t in tests):
        return None
    evidence = [t.evidence for t in tests] + [
        Evidence(None, "pr_ms", round(pr, 1), ">=", limit("av_block", "least_pr_ms"))
    ]
    verdict.add(
        facts.finding("R_AVB_HG", NAMES["R_AVB_HG"], evidence, SOURCE, Certainty.PROBABLE, argued=(ESCAPE, BLOCKED_PAC))
    )
    return "R_AVB_HG"


def _two_to_one(facts: Facts, verdict: Verdict, train: Train, seen: Conduction) -> str | None:
    """Every second P conducted at a steady PR, PP constant."""
    limit = facts.rules.limit
    gaps = seen.blocked[seen.blocked >= 0]
    if gaps.size < 3:
        return None
    steady, pr = _steadily(seen, limit("av_block", "equal_pr_ms"))
    tests = [
        compare(None, "two_to_one_share", float((gaps == 1).mean()), ">=", limit("av_block", "two_to_one_share")),
        compare(None, "conducted_share", steady / max(1, int(seen.carried.sum())), ">=",
                limit("av_block", "two_to_one_share")),
        compare(None, "pp_step_share", _pp_step(train), "<=", limit("av_block", "pp_share")),
    ]  # fmt: skip
    if not all(t.true for t in tests):
        return None
    evidence = [
        _rate(train),
        tests[0].evidence,
        Evidence(None, "pr_ms", round(pr, 1), ">=", limit("av_block", "least_pr_ms")),
    ]
    argued = (LEVEL, BLOCKED_PAC, SINOATRIAL)
    verdict.add(facts.finding("R_AVB2_21", NAMES["R_AVB2_21"], evidence, SOURCE, Certainty.PROBABLE, argued=argued))
    return "R_AVB2_21"


def _single(facts: Facts, verdict: Verdict, train: Train, seen: Conduction) -> str | None:
    """Single P not conducted: PR before and after tell Mobitz I from II."""
    limit = facts.rules.limit
    pause = np.flatnonzero((seen.blocked == 1) & seen.carried)
    grew: list[tuple[float, float]] = []
    same: list[tuple[float, float]] = []
    for k in pause.tolist():
        first = _cycle_start(seen, k)
        run = seen.pr_ms[first:k]
        if run.size < 2 or not np.isfinite(run).all() or not np.isfinite(seen.pr_ms[k]):
            continue
        drop = float(run[-1] - seen.pr_ms[k])
        (grew if drop >= limit("av_block", "equal_pr_ms") else same).append((drop, float(np.ptp(run))))
    steps = compare(None, "pp_step_share", _pp_step(train), "<=", limit("av_block", "pp_share"))
    followed = compare(None, "conducted_share", float(seen.carried.mean()), ">=", limit("av_block", "conducted_share"))
    if not steps.true or not followed.true:
        return None
    if grew and len(grew) >= len(same):
        growth = compare(None, "pr_growth_ms", min(d for d, _ in grew), ">=", limit("av_block", "equal_pr_ms"))
        return _said(facts, verdict, train, "R_AVB2_I", [growth], len(grew), (BLOCKED_PAC, SINOATRIAL))
    steady = [
        s for s in same if abs(s[0]) < limit("av_block", "equal_pr_ms") and s[1] < limit("av_block", "equal_pr_ms")
    ]
    if not steady:
        return None
    change = compare(None, "pr_change_ms", max(abs(d) for d, _ in steady), "<", limit("av_block", "equal_pr_ms"))
    return _said(facts, verdict, train, "R_AVB2_II", [change], len(steady), (BLOCKED_PAC, VAGAL, SINOATRIAL))


def _cycle_start(seen: Conduction, k: int) -> int:
    """The first beat of the conducted ones in a row before beat ``k``."""
    first = k
    while first > 0 and seen.carried[first - 1] and (first == k or seen.blocked[first] == 0):
        first -= 1
    return first


def _said(
    facts: Facts, verdict: Verdict, train: Train, code: str, tests: list[Test], times: int, argued: tuple[Argument, ...]
) -> str | None:
    if all3(t.true for t in tests) is not True:
        return None
    evidence = [_rate(train), Evidence(None, "blocked_p", times, ">=", 1), *(t.evidence for t in tests)]
    verdict.add(facts.finding(code, NAMES[code], evidence, SOURCE, Certainty.PROBABLE, argued=argued))
    return code


def _pp_step(train: Train) -> float:
    """Largest difference of a PP between two seen P from the typical one, as a share of it."""
    pp = np.diff(train.at_ms)[train.seen[1:] & train.seen[:-1]]
    return float(np.abs(pp - train.pp_ms).max()) / train.pp_ms if pp.size else 1.0


def _rate(train: Train) -> Evidence:
    return Evidence(None, "atrial_rate_bpm", round(train.rate_bpm, 1), ">", None)
