"""Beats and rhythms that stand in (CLINICAL.md §3.1): single escape beats behind a pause, and ventricular rhythms of
their own below 50/min (idioventricular) or from 50 to 100/min (accelerated). What comes late is no premature beat.
"""

from __future__ import annotations

import numpy as np

from ecg.analysis import Argument, Certainty, Kind
from ecg.arrays import typical
from ecg.interpret import foci
from ecg.interpret.facts import Facts, Verdict, ventricular_runs
from ecg.interpret.logic import Test, compare
from ecg.interpret.p_profile import Wave
from ecg.recording import Text

NAMES = {
    "R_IVR": Text("室性自主心律", "Idioventricular rhythm"),
    "R_AIVR": Text("加速性室性自主心律", "Accelerated idioventricular rhythm"),
    "R_ESC": Text("逸搏", "Escape beats"),
}
SOURCE = "P2; VA22; CLINICAL §3.1"
BUNDLE = Argument(
    "C_LBBB",
    True,
    Text("QRS前无相关P波，不是窦律伴束支阻滞。", "No P belongs to the QRS: not sinus rhythm with bundle branch block."),
)
PACED = Argument("C_PACE_V", True, Text("未见起搏钉。", "No pacing spike is seen."))
POTASSIUM = Argument(
    "S_HYPERK",
    True,
    Text(
        "宽QRS而无P波也见于严重高钾血症，请查血钾。",
        "A broad QRS without P may also be severe hyperkalaemia: check potassium.",
    ),
)
LATE_ATRIAL = Argument(
    "R_PAC",
    True,
    Text(
        "该搏晚于预期的窦性搏动，不是早搏。",
        "The beat comes later than the next sinus beat would: it is not premature.",
    ),
)


def late(facts: Facts) -> set[int]:
    """Ventricular beats that are not premature: behind a pause, or in a run of three and more at 100/min or less."""
    rr, limit = facts.rhythm.rr_ms, facts.rules.limit
    if not rr.size:
        return set()
    usual = float(typical(rr))
    kinds = [b.kind for b in facts.rhythm.beats]
    found = {
        k
        for k in range(1, len(kinds))
        if kinds[k] == Kind.VENTRICULAR
        and kinds[k - 1] != Kind.VENTRICULAR
        and rr[k - 1] > limit("escape", "pause_share") * usual
    }
    for first, stop, _ in slow_runs(facts):
        found |= set(range(first, stop))
    return found


def slow_runs(facts: Facts) -> list[tuple[int, int, float]]:
    """Runs of three ventricular beats and more at 100/min or less: first, one past the last, rate."""
    out: list[tuple[int, int, float]] = []
    for first, stop in ventricular_runs(facts.rhythm.beats):
        if stop - first >= 3:
            rate = 60000.0 / float(facts.rhythm.rr_ms[first : stop - 1].mean())
            if rate <= facts.rules.limit("rhythm", "tachy_bpm"):
                out.append((first, stop, rate))
    return out


def runs(facts: Facts, verdict: Verdict) -> None:
    """Idioventricular runs within another rhythm."""
    held = slow_runs(facts)
    if held:
        first, stop, rate = max(held, key=lambda item: item[1] - item[0])
        beats = compare(None, "run_beats", float(stop - first), ">=", 3.0)
        _add(facts, verdict, rate, "run_rate_bpm", [beats], (PACED,))


def rhythm(facts: Facts, verdict: Verdict, wave: Wave | None) -> bool:
    """The whole record: a broad regular QRS without P at 100/min or less."""
    m, r, limit = facts.measurements, facts.rhythm, facts.rules.limit
    if m.heart_rate_bpm is None or m.qrs_ms is None or r.rr_ms.size < 3 or wave is None:
        return False
    tests = [
        compare(None, "qrs_ms", m.qrs_ms, ">=", limit("conduction", "bbb_ms")),
        compare(None, "rr_sd_share", float(r.rr_ms.std() / r.rr_ms.mean()), "<", limit("escape", "rr_sd")),
        compare(None, "p_shared", wave.shared, "<", limit("junctional", "absent_shared")),
    ]
    if not all(t.true for t in tests) or not foci.visible(facts) or m.heart_rate_bpm > limit("rhythm", "tachy_bpm"):
        return False
    if wave.height_mv >= limit("junctional", "absent_mv"):
        return False
    _add(facts, verdict, m.heart_rate_bpm, "heart_rate_bpm", tests, (BUNDLE, PACED, POTASSIUM))
    return True


def _add(
    facts: Facts, verdict: Verdict, rate: float, measure: str, tests: list[Test], argued: tuple[Argument, ...]
) -> None:
    slow = compare(None, measure, rate, "<", facts.rules.limit("rhythm", "idioventricular_bpm"))
    code = "R_IVR" if slow.true else "R_AIVR"
    limit = slow if slow.true else compare(None, measure, rate, "<=", facts.rules.limit("rhythm", "tachy_bpm"))
    evidence = [*(t.evidence for t in tests), limit.evidence]
    verdict.add(facts.finding(code, NAMES[code], evidence, SOURCE, Certainty.PROBABLE, argued=argued))


def beats(facts: Facts, verdict: Verdict) -> None:
    """Single escape beats: behind more than 1.2 of the usual RR, ventricular, or narrow without P where others have
    it."""
    marks, rr, limit = facts.marks, facts.rhythm.rr_ms, facts.rules.limit
    if marks is None or rr.size < 4:
        return
    usual = float(typical(rr))
    kinds = [b.kind for b in facts.rhythm.beats]
    has_p = marks.has_p
    plain = np.array([k in (Kind.DOMINANT, Kind.OTHER) for k in kinds], dtype=np.bool_)
    believed = bool(plain.sum() >= 4 and has_p[plain].mean() >= limit("escape", "p_share"))
    found: list[int] = []
    for k in range(1, len(kinds)):
        if rr[k - 1] <= limit("escape", "pause_share") * usual or kinds[k - 1] not in (Kind.DOMINANT, Kind.OTHER):
            continue
        if kinds[k] == Kind.VENTRICULAR or (believed and plain[k] and not has_p[k]):
            found.append(k)
    if not found:
        return
    longest = max(float(rr[k - 1]) for k in found)
    evidence = [
        compare(None, "escape_beats", float(len(found)), ">=", 1.0).evidence,
        compare(None, "escape_interval_share", longest / usual, ">", limit("escape", "pause_share")).evidence,
    ]
    verdict.add(
        facts.finding("R_ESC", NAMES["R_ESC"], evidence, "P2; CLINICAL §3.1", Certainty.PROBABLE, argued=(LATE_ATRIAL,))
    )
