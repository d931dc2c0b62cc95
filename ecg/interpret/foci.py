"""Where the atria are started (CLINICAL.md §3.1): focal atrial tachycardia, a sinus node faster than P can be measured,
several foci, and P waves that came too early to be conducted.

Fast rhythms are judged on the wave that the beats share before QRS (``ecg.interpret.p_profile``): upright in I and II
it is the sinus node's, otherwise a focus's; seen twice a cycle it belongs to flutter. Several foci show as P waves of
at least three shapes, each of its own height against a level baseline, which fibrillation does not have.
"""

from __future__ import annotations

import numpy as np

from ecg.analysis import Argument, Certainty, Evidence, Kind
from ecg.arrays import Floats, floats, typical
from ecg.interpret import av_block
from ecg.interpret.facts import Facts, Verdict
from ecg.interpret.logic import compare
from ecg.interpret.p_profile import Wave
from ecg.interpret.p_train import HALF_P_MS, LEADS, STEP_MS, Atlas, atlas, search
from ecg.marks import NOWHERE
from ecg.recording import Text

NAMES = {
    "R_AT": Text("房性心动过速", "Atrial tachycardia"),
    "R_MAT": Text("多源性房性心动过速", "Multifocal atrial tachycardia"),
    "R_WAP": Text("游走性心房起搏点", "Wandering atrial pacemaker"),
    "R_PAC": Text("房性早搏", "Premature atrial complex"),
}
SOURCE = "ESC-SVT19; CLINICAL §3.1"
SINUS = Argument(
    "R_STACH",
    True,
    Text("P波电轴不是窦性的方向。", "The P axis is not that of the sinus node."),
)
FLUTTER = Argument(
    "R_AFL",
    True,
    Text("每个周期只见一个心房波，不是心房扑动。", "One atrial wave a cycle: it is no flutter."),
)
FIBRILLATION = Argument(
    "R_AF",
    True,
    Text(
        "每个QRS前有P波，P波之间为等电位线，不是心房颤动。",
        "A P stands before each QRS with a level between them: no fibrillation.",
    ),
)
EARLY = Argument(
    "R_PAC",
    True,
    Text("P波形态多于两种，不是单一节律中的房早。", "More than two shapes of P: not one rhythm with early beats."),
)


def upright(facts: Facts, wave: Wave) -> bool | None:
    """Whether a shared wave points as a sinus P does; ``None`` without I and II."""
    if wave.axis_deg is None:
        return None
    low, high = facts.rules.rules["rhythm"]["p_axis_wide_deg"]
    return bool(low <= wave.axis_deg <= high)


def is_wave(facts: Facts, wave: Wave | None) -> bool:
    """Whether there is a P before the beats."""
    limit = facts.rules.limit
    return (
        wave is not None
        and wave.shared >= limit("foci", "shared")
        and wave.height_mv >= limit("foci", "height_mv")
        and wave.pr_ms <= limit("foci", "fast_pr_ms")
    )


def visible(facts: Facts) -> bool:
    """Whether a P could be seen at all: where QRS itself is tiny (gain, electrodes), so is P."""
    sizes = [facts.value(n, "qrs_pp_mv") for n in LEADS]
    return max((v for v in sizes if v is not None), default=0.0) >= facts.rules.limit("foci", "visible_qrs_mv") and (
        facts.value("II", "qrs_pp_mv") or 0.0
    ) >= facts.rules.limit("foci", "visible_ii_mv")


def fast_sinus(facts: Facts, wave: Wave | None) -> bool:
    """Whether a regular fast narrow rhythm is the sinus node's, though its P could not be measured."""
    rate = facts.measurements.heart_rate_bpm or 0.0
    return bool(
        wave is not None
        and is_wave(facts, wave)
        and not wave.twice
        and upright(facts, wave)
        and rate <= facts.rules.limit("foci", "sinus_bpm")
    )


def tachycardia(facts: Facts, verdict: Verdict, wave: Wave | None) -> bool:
    """Focal atrial tachycardia: one P of abnormal axis before each QRS at 100–240/min."""
    limit = facts.rules.limit
    if wave is None or not wave.crest or not is_wave(facts, wave) or wave.twice or upright(facts, wave) is not False:
        return False
    # Backwards from the AV node: junctional.
    if wave.pr_ms < limit("foci", "focal_pr_ms"):
        return False
    rate = facts.measurements.heart_rate_bpm
    tests = [
        compare(None, "heart_rate_bpm", rate, ">", limit("foci", "at_low_bpm")),
        compare(None, "heart_rate_bpm", rate, "<=", limit("foci", "at_high_bpm")),
    ]
    if not all(t.true for t in tests):
        return False
    low, high = facts.rules.rules["rhythm"]["p_axis_wide_deg"]
    away = Evidence(None, "p_axis_deg", round(wave.axis_deg or 0.0, 1), "not in", f"{low:g}…{high:g}")
    evidence = [
        tests[0].evidence,
        away,
        Evidence(None, "pr_ms", round(wave.pr_ms, 1), ">=", limit("foci", "focal_pr_ms")),
    ]
    argued = (SINUS, FLUTTER)
    verdict.add(facts.finding("R_AT", NAMES["R_AT"], evidence, SOURCE, Certainty.PROBABLE, argued=argued))
    return True


def multifocal(facts: Facts, verdict: Verdict) -> bool:
    """P waves of three shapes or more with PR of their own: multifocal tachycardia above 100/min, else wandering."""
    limit, marks, r = facts.rules.limit, facts.marks, facts.rhythm
    rate = facts.measurements.heart_rate_bpm
    if marks is None or rate is None or r.rr_ms.size < limit("foci", "beats") or r.p_share is None:
        return False
    steps = np.abs(np.diff(r.rr_ms)) / r.rr_ms.mean()
    if r.p_share >= limit("foci", "one_shape_share") or float(np.median(steps)) < limit("foci", "irregular"):
        return False
    held = atlas(facts, tied=False)
    if held is None:
        return False
    found = _each_p(facts, held)
    if found is None:
        return False
    windows, pr, level = found
    shapes = _shapes(windows, limit("foci", "same_shape"))
    tests = [
        compare(None, "p_shapes", float(sum(s >= 2 for s in shapes)), ">=", limit("foci", "shapes")),
        compare(
            None,
            "p_shapes_share",
            sum(s for s in shapes if s >= 2) / max(1, sum(shapes)),
            ">=",
            limit("foci", "shapes_share"),
        ),
        compare(None, "p_above_level", level, ">=", limit("foci", "above_level")),
        compare(
            None, "pr_range_ms", float(np.quantile(pr, 0.9) - np.quantile(pr, 0.1)), ">=", limit("foci", "pr_range_ms")
        ),
        compare(None, "p_share", windows.shape[0] / max(1, r.rr_ms.size), ">=", limit("foci", "p_share")),
    ]
    if not all(t.true for t in tests):
        return False
    # P waves that a block explains are one pacemaker's, whatever T makes of their shape.
    train = search(facts, tied=False).train
    if train is not None and av_block.interpret(facts, Verdict(), train) is not None:
        return False
    fast = compare(None, "heart_rate_bpm", rate, ">", limit("rhythm", "tachy_bpm"))
    code = "R_MAT" if fast.true else "R_WAP"
    evidence = [tests[0].evidence, tests[3].evidence, *([fast.evidence] if fast.true else [])]
    argued = (FIBRILLATION, EARLY)
    verdict.add(
        facts.finding(code, NAMES[code], evidence, "ESC-SVT19; P2; CLINICAL §3.1", Certainty.POSSIBLE, argued=argued)
    )
    return True


def _each_p(facts: Facts, held: Atlas) -> tuple[Floats, Floats, float] | None:
    """Of each beat that has room for it: the window of the tallest wave between T and QRS (unit vectors), its PR, and
    how far the waves stand above what is there besides (typical ratio)."""
    marks = facts.marks
    if marks is None:
        return None
    ms = 1000.0 / facts.rate_hz
    on, end = marks.qrs_global[:, 0] * ms, marks.t_global[:, 2] * ms
    picked: list[Floats] = []
    prs: list[float] = []
    ratios: list[float] = []
    for k in range(1, on.size):
        if facts.rhythm.beats[k].kind == Kind.VENTRICULAR or marks.qrs_global[k, 0] == NOWHERE:
            continue
        begin = max(float(end[k - 1]) + 30.0 if marks.t_global[k - 1, 2] != NOWHERE else -np.inf, float(on[k]) - 330.0)
        first, last = int(held.centre(begin)), int(held.centre(float(on[k]) - 70.0))
        if first < 0 or last - first < 8 or last >= held.size.size:
            continue
        size = held.size[first : last + 1]
        top = int(np.argmax(size))
        away = np.abs(np.arange(size.size) - top) > 9
        picked.append(held.rows[first + top] / (size[top] + 1e-12))
        prs.append(float(on[k] - held.time(first + top)) + HALF_P_MS)
        if away.sum() >= 3:
            ratios.append(float(size[top] / (np.median(size[away]) + 1e-12)))
    if len(picked) < 5 or not ratios:
        return None
    return np.stack(picked), np.array(prs), float(typical(np.array(ratios)))


def _shapes(windows: Floats, alike: float) -> list[int]:
    """How many waves each shape has; a wave of 30 ms earlier or later is still the same (it is the top that is cut)."""
    centres: list[Floats] = []
    counts: list[int] = []
    for window in windows:
        like = [float(window @ c) for c in centres]
        best = int(np.argmax(like)) if like else -1
        if best >= 0 and like[best] >= alike:
            counts[best] += 1
        else:
            centres.append(window)
            counts.append(1)
    return counts


def blocked_early(facts: Facts) -> int:
    """Pauses that an early P explains: a wave on the T before the pause that the other beats' T does not have."""
    marks, limit, rr = facts.marks, facts.rules.limit, facts.rhythm.rr_ms
    if marks is None or rr.size < 4:
        return 0
    usual = float(typical(rr))
    long = np.flatnonzero(rr >= limit("foci", "pause_share") * usual)
    kinds = [b.kind for b in facts.rhythm.beats]
    long = np.array([k for k in long.tolist() if kinds[k] in (Kind.DOMINANT, Kind.OTHER)], dtype=np.intp)
    if not long.size or long.size > 0.4 * rr.size:
        return 0
    held = atlas(facts, tied=False)
    if held is None or facts.measurements.pr_ms is None:
        return 0
    on = floats(marks.qrs_global[:, 0] * (1000.0 / facts.rate_hz))
    # The next P on time would be a PR before the next QRS on time.
    last = limit("foci", "early_share") * (usual - facts.measurements.pr_ms)
    offset = np.arange(limit("foci", "early_from_ms"), last, STEP_MS)
    place = held.centre(on[:-1, None] + offset[None, :])
    inside = (place[:, 0] >= 0) & (place[:, -1] < held.size.size) & (marks.qrs_global[:-1, 0] != NOWHERE)
    size = np.where(inside[:, None], held.size[np.clip(place, 0, held.size.size - 1)], np.nan).max(axis=1)
    others = np.ones(rr.size, dtype=np.bool_)
    others[long] = False
    rest = size[others & np.isfinite(size)]
    if rest.size < 3:
        return 0
    p = held.centre(on[1:] - facts.measurements.pr_ms + HALF_P_MS)
    p = p[(p >= 0) & (p < held.size.size)]
    least = max(limit("foci", "early_above") * float(rest.max()), 0.4 * float(typical(held.size[p])))
    return int((size[long] >= least).sum())


def early_blocked(facts: Facts, verdict: Verdict) -> bool:
    """R_PAC with the note BLOCKED, where a pause is explained by an early P."""
    count = blocked_early(facts)
    if not count:
        return False
    evidence = [compare(None, "blocked_early_p", float(count), ">=", 1.0).evidence]
    verdict.add(
        facts.finding("R_PAC", NAMES["R_PAC"], evidence, "P2; CLINICAL §3.1", Certainty.POSSIBLE, notes=("BLOCKED",))
    )
    return True
