"""Rhythms of the AV junction (CLINICAL.md §3.1): a narrow regular QRS without P before it, or with a P that runs
backwards (negative in II) less than 120 ms before it. By rate: escape 40–60, accelerated 60–100, tachycardia above 100,
below 40 merely junctional.

No P is only said where it would be seen: the beats share nothing before QRS. Above 100/min without any P the mechanism
is left open (R_SVT).
"""

from __future__ import annotations

import numpy as np

from ecg.analysis import Argument, Certainty, Evidence, Kind
from ecg.arrays import floats
from ecg.interpret import foci
from ecg.interpret.facts import Facts, Verdict
from ecg.interpret.logic import compare
from ecg.interpret.p_profile import Wave
from ecg.interpret.p_train import HALF_P_MS, STEP_MS, atlas
from ecg.marks import NOWHERE
from ecg.recording import Text

NAMES = {
    "R_JUNC": Text("交界性心律", "Junctional rhythm"),
    "R_JESC": Text("交界性逸搏心律", "Junctional escape rhythm"),
    "R_AJR": Text("加速性交界性心律", "Accelerated junctional rhythm"),
    "R_JT": Text("交界性心动过速", "Junctional tachycardia"),
    "R_PJC": Text("交界性早搏", "Premature junctional complex"),
}
SOURCE = "P2; CLINICAL §3.1"
WHY_P = Text("看不清QRS前有无P波。", "Whether a P stands before QRS cannot be seen.")
LOW_ATRIAL = Argument(
    "LOW_ATRIAL",
    True,
    Text(
        "PR小于120毫秒或无P波，不像低位房性心律。", "PR is below 120 ms or there is no P: unlike a low atrial rhythm."
    ),
)
BLOCKED = Argument(
    "R_AVB3",
    True,
    Text(
        "未见独立的P波或f波，不支持房颤或窦律伴三度阻滞。",
        "Neither P of its own nor f waves: no complete block in sinus rhythm or fibrillation.",
    ),
)
ATRIAL = Argument(
    "R_PAC",
    True,
    Text("早搏前T波已结束，其后无P波。", "T is over before the early beat, and no P follows it."),
)


def interpret(facts: Facts, verdict: Verdict, wave: Wave | None) -> bool:
    """Adds a junctional rhythm. Asked where there is no sinus rhythm, fibrillation, flutter, block or pacing."""
    m, r, limit = facts.measurements, facts.rhythm, facts.rules.limit
    if m.heart_rate_bpm is None or m.qrs_ms is None or r.rr_ms.size < 4 or r.p_share is None:
        return False
    regular = compare(None, "rr_sd_share", float(r.rr_ms.std() / r.rr_ms.mean()), "<", limit("junctional", "rr_sd"))
    narrow = compare(None, "qrs_ms", m.qrs_ms, "<", limit("conduction", "bbb_ms"))
    if not regular.true or not narrow.true:
        return False
    if wave is None or not foci.visible(facts):
        for code in ("R_JESC", "R_AJR", "R_JUNC", "R_JT"):
            verdict.skip(code, ("P",), WHY_P)
        return False
    backwards = _backwards(facts, wave)
    absent = wave.shared < limit("junctional", "absent_shared") and wave.height_mv < limit("junctional", "absent_mv")
    fast = m.heart_rate_bpm > limit("rhythm", "tachy_bpm")
    if not backwards and (fast or not absent or r.p_share > limit("junctional", "p_share")):
        return False
    code = _by_rate(facts, m.heart_rate_bpm)
    evidence = [regular.evidence, narrow.evidence, compare(None, "heart_rate_bpm", m.heart_rate_bpm, ">", 0.0).evidence]
    if backwards:
        evidence += [
            Evidence(None, "p_axis_deg", round(wave.axis_deg or 0.0, 1), "<", 0.0),
            compare(None, "pr_ms", wave.pr_ms, "<", limit("junctional", "pr_ms")).evidence,
        ]
    else:
        evidence.append(compare(None, "p_shared", wave.shared, "<", limit("junctional", "absent_shared")).evidence)
    argued = (LOW_ATRIAL, BLOCKED)
    verdict.add(facts.finding(code, NAMES[code], evidence, SOURCE, Certainty.PROBABLE, argued=argued))
    return True


def _backwards(facts: Facts, wave: Wave) -> bool:
    """P before QRS that runs upwards: negative in II and aVF, PR below 120 ms."""
    limit = facts.rules.limit
    axis = wave.axis_deg
    if facts.measurements.pr_ms is not None and facts.measurements.axis_deg.p is not None:
        axis, pr = facts.measurements.axis_deg.p, facts.measurements.pr_ms
    else:
        pr = wave.pr_ms
    seen = wave.crest and wave.shared >= limit("foci", "shared") and wave.height_mv >= limit("junctional", "absent_mv")
    return bool(seen and axis is not None and -150.0 <= axis <= -30.0 and pr < limit("junctional", "pr_ms"))


def _by_rate(facts: Facts, rate: float) -> str:
    limit = facts.rules.limit
    if rate > limit("rhythm", "tachy_bpm"):
        return "R_JT"
    if rate > limit("rhythm", "accelerated_low_bpm"):
        return "R_AJR"
    return "R_JESC" if rate >= limit("rhythm", "escape_low_bpm") else "R_JUNC"


def premature(facts: Facts) -> list[int]:
    """Early narrow beats before which no P stands, though T was over and P would be seen."""
    marks, limit = facts.marks, facts.rules.limit
    early = [k for k, b in enumerate(facts.rhythm.beats) if b.kind == Kind.PREMATURE]
    if marks is None or not early:
        return []
    held = atlas(facts, tied=False)
    pr = facts.measurements.pr_ms
    if held is None or pr is None:
        return []
    ms = 1000.0 / facts.rate_hz
    on, end = floats(marks.qrs_global[:, 0] * ms), floats(marks.t_global[:, 2] * ms)
    known = [k for k in range(on.size) if k not in early and marks.p_global[k, 1] != NOWHERE]
    usual = held.centre(on[known] - pr + HALF_P_MS)
    usual = usual[(usual >= 0) & (usual < held.size.size)]
    if usual.size < 3:
        return []
    least = limit("junctional", "no_p_share") * float(np.median(held.size[usual]))
    found: list[int] = []
    for k in early:
        if k == 0 or marks.t_global[k - 1, 2] == NOWHERE or on[k] - end[k - 1] < limit("junctional", "room_ms"):
            continue
        place = held.centre(floats(np.arange(max(end[k - 1] + 20.0, on[k] - 260.0), on[k] - 65.0, STEP_MS)))
        place = place[(place >= 0) & (place < held.size.size)]
        if place.size >= 4 and float(held.size[place].max()) < least:
            found.append(k)
    return found


def add_premature(facts: Facts, verdict: Verdict, beats: list[int]) -> None:
    """R_PJC for these beats."""
    if not beats:
        return
    evidence = [compare(None, "premature_beats", float(len(beats)), ">=", 1.0).evidence]
    verdict.add(facts.finding("R_PJC", NAMES["R_PJC"], evidence, SOURCE, Certainty.PROBABLE, argued=(ATRIAL,)))
