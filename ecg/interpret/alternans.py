"""Electrical alternans (CLINICAL.md §3.1, §4.9; SURA; CV17): QRS or T large, small, large, small, beat after beat.

Measured on every beat by itself: peak to peak of QRS, and T at its usual place against the level before QRS. An
alternation is an unbroken row of at least six beats whose steps change sign each time and are each large enough, in two
leads or more over the same beats. Breathing takes several beats to and fro; bigeminy alternates RR too.
"""

from __future__ import annotations

import numpy as np

from ecg.analysis import Argument, Certainty, Evidence, Kind
from ecg.arrays import Flags, Floats, Ints, counted, typical
from ecg.interpret.facts import Facts, Verdict
from ecg.interpret.logic import compare, rounded
from ecg.marks import NOWHERE
from ecg.recording import Text

NAMES = {"R_ALT": Text("电交替", "Electrical alternans")}
SOURCE = "SURA; CV17; CLINICAL §3.1"
WHY_BEATS = Text(
    "连续的同类心搏不足6个，不能判断电交替。", "Fewer than six like beats in a row: alternans cannot be judged."
)
BREATHING = Argument(
    "RESPIRATION",
    True,
    Text(
        "振幅逐搏大小交替，不随呼吸逐渐变化。",
        "It changes with every beat to and fro, not gradually as with breathing.",
    ),
)
BIGEMINY = Argument(
    "R_PVC_PAT",
    True,
    Text(
        "RR间期不交替，各搏为同一来源，不是二联律。",
        "RR does not alternate and the beats are of one origin: not bigeminy.",
    ),
)
LEVEL_MS = 20.0
T_MEAN_MS = 12.0
QRS_STEP_MS = 4.0
"""Fine enough for a tenth of the peak to peak of QRS."""


def interpret(facts: Facts, verdict: Verdict) -> None:
    """Adds R_ALT; its note ``T_WAVE`` is what triage looks for, ``QRS`` says the other."""
    rows = _row(facts)
    limit = facts.rules.limit
    if rows.size < limit("alternans", "beats"):
        verdict.skip("R_ALT", ("QRS",), WHY_BEATS)
        return
    if _rr_alternates(facts, rows):
        return
    names = [k for k, n in enumerate(facts.leads) if facts.readable(n)]
    if len(names) < 2:
        verdict.skip("R_ALT", tuple(facts.leads[:2]), WHY_BEATS)
        return
    height, tee = _sizes(facts, rows, names)
    usual = np.sort(height, axis=1)[:, height.shape[1] // 2]
    qrs = _alternating(height, limit("alternans", "qrs_share") * usual, facts)
    qrs &= usual >= limit("alternans", "least_qrs_mv")
    evidence: list[Evidence] = []
    notes: list[str] = []
    least = limit("alternans", "leads")
    if qrs.sum() >= least:
        lead = int(np.argmax(np.where(qrs, _step(height) / np.maximum(usual, 1e-9), 0.0)))
        share = float(_step(height)[lead] / usual[lead])
        evidence.append(
            compare(
                facts.leads[names[lead]], "qrs_alternation_share", share, ">=", limit("alternans", "qrs_share")
            ).evidence
        )
        notes.append("QRS")
    if tee is not None and facts.amplitude_usable:
        alternating = _alternating(tee, np.full(len(names), limit("alternans", "t_mv")), facts)
        if alternating.sum() >= least:
            lead = int(np.argmax(np.where(alternating, _step(tee), 0.0)))
            value = rounded(float(_step(tee)[lead]), "t_alternation_mv")
            evidence.append(
                Evidence(facts.leads[names[lead]], "t_alternation_mv", value, ">=", limit("alternans", "t_mv"))
            )
            notes.append("T_WAVE")
    if evidence:
        evidence.append(Evidence(None, "alternating_row", int(rows.size), ">=", limit("alternans", "beats")))
        found = facts.finding(
            "R_ALT",
            NAMES["R_ALT"],
            evidence,
            SOURCE,
            Certainty.PROBABLE,
            argued=(BREATHING, BIGEMINY),
            notes=tuple(notes),
        )
        verdict.add(found)


def _row(facts: Facts) -> Ints:
    """The longest row of beats that are neither early nor ventricular, with a known QRS."""
    marks = facts.marks
    if marks is None or not facts.signal.size or facts.outline is None:
        return np.empty(0, dtype=np.intp)
    plain = (Kind.DOMINANT, Kind.OTHER)
    good = np.array([b.kind in plain for b in facts.rhythm.beats], dtype=np.bool_)
    width = int(facts.outline.qrs_global[2] - facts.outline.qrs_global[0])
    on = marks.qrs_global[:, 0]
    good &= (on != NOWHERE) & (on >= round(LEVEL_MS * facts.rate_hz / 1000.0)) & (on + width < facts.signal.shape[1])
    edges = np.flatnonzero(np.diff(np.concatenate([[0], good.astype(np.intp), [0]])))
    if not edges.size:
        return np.empty(0, dtype=np.intp)
    k = int(np.argmax(edges[1::2] - edges[::2]))
    return np.arange(edges[2 * k], edges[2 * k + 1], dtype=np.intp)


def _rr_alternates(facts: Facts, rows: Ints) -> bool:
    """Whether RR itself is long, short, long, short, or has no order at all."""
    rr = facts.rhythm.rr_ms[rows[0] : rows[-1]]
    if rr.size < 4:
        return False
    if float(typical(np.abs(np.diff(rr)))) > facts.rules.limit("alternans", "rr_share") * float(rr.mean()):
        return True
    return abs(float(typical(rr[::2])) - float(typical(rr[1::2]))) > facts.rules.limit("alternans", "rr_share") * float(
        rr.mean()
    )


def _sizes(facts: Facts, rows: Ints, names: list[int]) -> tuple[Floats, Floats | None]:
    """Peak to peak of QRS and height of T, float [lead, beat]."""
    marks, outline = facts.marks, facts.outline
    assert marks is not None
    assert outline is not None
    ms = facts.rate_hz / 1000.0
    on = marks.qrs_global[rows, 0]
    width = int(outline.qrs_global[2] - outline.qrs_global[0])
    signal = facts.signal[names]
    step = max(1, round(QRS_STEP_MS * ms))
    qrs = signal[:, on[:, None] + counted(max(2, width))[None, ::step]]
    height: Floats = qrs.max(axis=2) - qrs.min(axis=2)
    if outline.t_global is None:
        return height, None
    peak = int(outline.t_global[1]) - int(outline.qrs_global[0])
    half = max(1, round(T_MEAN_MS * ms))
    at = np.minimum(on + peak, signal.shape[1] - 1 - half)
    top = signal[:, at[:, None] + np.arange(-half, half + 1)[None, ::step]].mean(axis=2)
    level = signal[:, on[:, None] - counted(round(LEVEL_MS * ms))[None, ::step] - 1].mean(axis=2)
    return height, top - level


def _alternating(sizes: Floats, least: Floats, facts: Facts) -> Flags:
    """Leads, bool [lead], with an unbroken row of large steps of changing sign."""
    steps = np.diff(sizes, axis=1)
    large = np.abs(np.round(steps, 4)) >= np.round(least, 4)[:, None]
    turning = np.concatenate([np.ones((sizes.shape[0], 1), dtype=np.bool_), steps[:, 1:] * steps[:, :-1] < 0], axis=1)
    need = int(facts.rules.limit("alternans", "beats")) - 1
    run = np.zeros(sizes.shape[0])
    best = np.zeros(sizes.shape[0])
    for k in range(steps.shape[1]):
        run = np.where(large[:, k], np.where(turning[:, k], run + 1, 1.0), 0.0)
        best = np.maximum(best, run)
    # What alternates does so through most of the row, not by chance for six beats of it.
    most = (large & turning).mean(axis=1) >= facts.rules.limit("alternans", "row_share")
    return (best >= need) & most


def _step(sizes: Floats) -> Floats:
    """The typical step from beat to beat of each lead."""
    out: Floats = np.sort(np.abs(np.diff(sizes, axis=1)), axis=1)
    return out[:, out.shape[1] // 2]
