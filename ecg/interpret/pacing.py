"""Pacing (CLINICAL.md §3.3): spikes before P or QRS, what paced ventricles look like without visible spikes, and spikes
that nothing follows.

Below 1000 Hz a spike is never certain (CLINICAL.md §1.4): the statement stays "possible". A spike of a bipolar lead
may be too small, or fall between two samples in most beats: what stands at one place before a wide QRS, thin and in
several leads, beat after beat, is one all the same. Where none is seen the shape speaks: an impulse that begins in the
apex of the right ventricle runs away from the left and the inferior leads, which no bundle branch block does (QS in
V5–V6; a superior axis with LBBB).
"""

from __future__ import annotations

import numpy as np

from ecg.analysis import Argument, Certainty
from ecg.arrays import Flags, Floats, Ints
from ecg.interpret.facts import WHY_QUALITY, Facts, Verdict
from ecg.interpret.logic import Test, all3, any3, compare
from ecg.marks import NOWHERE
from ecg.recording import Text

NAMES = {
    "C_PACE_A": Text("心房起搏心律", "Atrial paced rhythm"),
    "C_PACE_V": Text("心室起搏心律", "Ventricular paced rhythm"),
    "C_PACE_AV": Text("房室顺序起搏心律", "Atrioventricular paced rhythm"),
    "C_PACE_MAL": Text("疑似起搏或感知功能异常", "Suspected pacing or sensing failure"),
}
SOURCE = "P2; CLINICAL §3.3"
PACED_SHARE = 0.8
"""Share of beats that a spike precedes."""
MARKED_HZ = 1000.0
"""From this rate on a spike can be told from noise in the waveform alone."""
LOCKED_MS = (20.0, 16.0)
"""A spike of the ventricle stands this close before and after the marked onset of QRS."""
LOCKED_MV = 0.15
LOCKED_LEADS, LOCKED_BEATS = 3, 3
LOCKED_SD_MS = 10.0
"""It keeps its distance to within a few samples [project]."""
LOCKED_QUIET_MS = 60.0
"""As far before it, noise would show as many [project]."""
THIN_MS, WIDE_MS, THIN, CALM = 4.0, 16.0, 0.6, 0.4
"""Thin: it stands out of its neighbours 4 ms away by so much of what it does of those 16 ms away, behind a line that
moves by less than ``CALM`` of its height."""
BRIEF_MS, BRIEF = 2.0, 0.8
"""A spike lasts 2 ms or less: one of its sides covers so much of its height in that time; a fragment of QRS takes
longer."""
LEFT_QS = ("V5", "V6")
INFERIOR = ("II", "III", "aVF")
WHY_RATE = Text(
    "采样率低于1000 Hz，起搏钉不能仅凭波形确认。", "Below 1000 Hz no spike can be confirmed from the waveform alone."
)
WHY_MARKERS = Text("没有起搏标记，不能判断起搏功能。", "Without pacing markers the device's function cannot be judged.")
BUNDLE = Argument(
    "C_LBBB",
    True,
    Text(
        "束支阻滞时左胸导联不会呈QS形，电轴也少见如此向上。",
        "Bundle branch block does not make QS in the left chest leads, and seldom so superior an axis.",
    ),
)


def interpret(facts: Facts, verdict: Verdict) -> None:
    """Adds the pacing findings."""
    width = compare(None, "qrs_ms", facts.measurements.qrs_ms, ">=", facts.rules.limit("conduction", "bbb_ms"))
    ahead = _ahead(facts)
    ventricle = compare(None, "paced_share", facts.paced_share if width.true else 0.0, ">=", PACED_SHARE)
    atrium = compare(None, "paced_p_share", ahead, ">=", PACED_SHARE)
    sure = Certainty.PROBABLE if facts.rate_hz >= MARKED_HZ else Certainty.POSSIBLE
    if ventricle.true or atrium.true:
        code = "C_PACE_AV" if ventricle.true and atrium.true else "C_PACE_V" if ventricle.true else "C_PACE_A"
        evidence = [t.evidence for t in (ventricle, atrium) if t.true] + ([width.evidence] if ventricle.true else [])
        verdict.add(facts.finding(code, NAMES[code], evidence, SOURCE, sure))
        _failing(facts, verdict)
        return
    if width.true and (locked := _locked(facts)) is not None:
        share = compare(None, "locked_spike_share", locked, ">=", facts.rules.limit("conduction", "paced_locked_share"))
        if share.true:
            evidence = [share.evidence, width.evidence]
            verdict.add(facts.finding("C_PACE_V", NAMES["C_PACE_V"], evidence, SOURCE, Certainty.POSSIBLE))
            verdict.skip("C_PACE_MAL", ("markers",), WHY_MARKERS)
            return
    _shaped(facts, verdict, width)
    if not facts.spikes.size:
        verdict.skip("C_PACE_MAL", ("markers",), WHY_MARKERS)


def _ahead(facts: Facts) -> float | None:
    """Share of beats with a spike 80–350 ms before QRS and within 40 ms of the onset of a P, or of no seen P."""
    if facts.marks is None or not facts.spikes.size:
        return 0.0
    ms = facts.rate_hz / 1000.0
    onset = facts.marks.qrs_global[:, 0]
    onset = onset[onset != NOWHERE]
    if not onset.size:
        return None
    lag = onset[:, None] - facts.spikes[None, :]
    return float(((lag >= 80 * ms) & (lag <= 350 * ms)).any(axis=1).mean())


def _locked(facts: Facts) -> float | None:
    """Share of beats with a thin pulse in three leads at the onset of QRS, beyond what is found before it; 0 where they
    keep no distance or are fewer than three. ``None`` where there is no beat."""
    if facts.marks is None or not facts.signal.size:
        return None
    ms = facts.rate_hz / 1000.0
    far = round(WIDE_MS * ms)
    onset = facts.marks.qrs_global[:, 0]
    first = round((LOCKED_MS[0] + LOCKED_QUIET_MS) * ms) + far
    onset = onset[(onset > first) & (onset + round(LOCKED_MS[1] * ms) + far < facts.signal.shape[1])]
    rows = np.flatnonzero([facts.readable(name) for name in facts.leads])
    if onset.size < LOCKED_BEATS or rows.size < LOCKED_LEADS:
        return None
    reach = np.arange(-round(LOCKED_MS[0] * ms), round(LOCKED_MS[1] * ms) + 1)
    seen, place = _thin(facts.signal[rows], onset[:, None] + reach[None, :], ms)
    noise, _ = _thin(facts.signal[rows], onset[:, None] + reach[None, :] - round(LOCKED_QUIET_MS * ms), ms)
    steady = seen.sum() >= LOCKED_BEATS and float(place[seen].std()) <= LOCKED_SD_MS * ms
    return float(seen.mean() - noise.mean()) if steady else 0.0


def _thin(signal: Floats, at: Ints, ms: float) -> tuple[Flags, Ints]:
    """Whether each beat has a thin pulse in three leads within its places ``at`` int [beat, place], and at which."""
    near, far = max(1, round(THIN_MS * ms)), round(WIDE_MS * ms)
    size = np.abs(signal[:, at] - 0.5 * (signal[:, at - near] + signal[:, at + near]))
    wide = np.abs(signal[:, at] - 0.5 * (signal[:, at - far] + signal[:, at + far]))
    calm = np.abs(signal[:, at - near] - signal[:, at - far]) < CALM * size
    brief = max(1, round(BRIEF_MS * ms))
    sharp = np.maximum(np.abs(signal[:, at] - signal[:, at - brief]), np.abs(signal[:, at] - signal[:, at + brief]))
    leads = ((size > LOCKED_MV) & (size > THIN * wide) & calm & (sharp > BRIEF * size)).sum(axis=0)
    place = np.argmax(leads, axis=1)
    return leads.max(axis=1) >= LOCKED_LEADS, place


def _shaped(facts: Facts, verdict: Verdict, width: Test) -> None:
    """A wide QRS as the apex of the right ventricle makes it."""
    limit, axis = facts.rules.limit, facts.measurements.axis_deg.qrs
    broad = compare(None, "qrs_ms", facts.measurements.qrs_ms, ">=", limit("conduction", "paced_qrs_ms"))
    if not width.true or not broad.true or facts.child:
        return
    left = [compare(n, "qrs_area_mv_ms", _qs_area(facts, n), "<", 0.0) for n in LEFT_QS]
    superior = [
        compare(None, "qrs_axis_deg", axis, "<=", limit("conduction", "paced_axis_deg")),
        compare(None, "qrs_axis_deg", axis, ">=", -150.0),
    ]
    down = [
        compare(n, "r_mv", facts.value(n, "r_mv"), "<", limit("conduction", "paced_inferior_r_mv")) for n in INFERIOR
    ]
    like_left = compare("V1", "qrs_area_mv_ms", facts.value("V1", "qrs_area_mv_ms"), "<", 0.0)
    apical = all3(t.true for t in left)
    turned = all3([*(t.true for t in superior), *(t.true for t in down), like_left.true])
    true = any3([apical, turned])
    tests = [broad, *(left if apical else []), *([*superior, *down, like_left] if turned else [])]
    if true:
        evidence = [t.evidence for t in tests if t.true]
        verdict.add(
            facts.finding("C_PACE_V", NAMES["C_PACE_V"], evidence, SOURCE, Certainty.POSSIBLE, argued=(BUNDLE,))
        )
    elif true is None:
        verdict.skip("C_PACE_V", tuple(t.evidence.lead or "QRS" for t in (*left, *down) if t.true is None), WHY_QUALITY)


def _qs_area(facts: Facts, lead: str) -> float | None:
    """The area of a lead that begins with its main negative wave; 0 for any other."""
    q, r, area = facts.value(lead, "q_mv"), facts.value(lead, "r_mv"), facts.value(lead, "qrs_area_mv_ms")
    if q is None or r is None or area is None:
        return None
    return area if -q > 2.0 * r and -q >= 0.3 else 0.0


def _failing(facts: Facts, verdict: Verdict) -> None:
    """Spikes that no wave follows, and spikes that fall into QRS or T: suspected from 1000 Hz or with markers only."""
    if facts.rate_hz < MARKED_HZ and "PACE_MARKERS" not in facts.notes:
        verdict.skip("C_PACE_MAL", ("markers",), WHY_RATE)
        return
    if facts.marks is None:
        return
    ms = facts.rate_hz / 1000.0
    lost, late = _without_capture(facts, ms), _into_wave(facts, ms)
    tests = [
        compare(None, "spikes_without_wave", float(lost.sum()), ">=", 2.0),
        compare(None, "spikes_in_wave", float(late.sum()), ">=", 2.0),
    ]
    verdict.decide(
        facts,
        "C_PACE_MAL",
        NAMES["C_PACE_MAL"],
        tests,
        any3(t.true for t in tests),
        "PACE21; CLINICAL §3.3",
        Certainty.POSSIBLE,
        near=False,
    )


def _without_capture(facts: Facts, ms: float) -> Flags:
    """Spikes, bool [spike], outside QRS and T that neither QRS nor P follows within 120 ms."""
    marks = facts.marks
    if marks is None:
        return np.zeros(facts.spikes.size, dtype=np.bool_)
    starts = np.concatenate([marks.qrs_global[:, 0], marks.p_global[:, 0]])
    starts = starts[starts != NOWHERE]
    gap = starts[None, :] - facts.spikes[:, None]
    followed = ((gap >= -20 * ms) & (gap <= 120 * ms)).any(axis=1)
    return ~followed & ~_into_wave(facts, ms)


def _into_wave(facts: Facts, ms: float) -> Flags:
    """Spikes, bool [spike], that fall more than 20 ms behind a QRS onset and before the end of its T."""
    marks = facts.marks
    if marks is None:
        return np.zeros(facts.spikes.size, dtype=np.bool_)
    known = (marks.qrs_global[:, 0] != NOWHERE) & (marks.t_global[:, 2] != NOWHERE)
    first, last = marks.qrs_global[known, 0], marks.t_global[known, 2]
    at = facts.spikes[:, None]
    return ((at > first[None, :] + 20 * ms) & (at < last[None, :])).any(axis=1)
