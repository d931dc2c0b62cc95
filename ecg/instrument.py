"""From a recording to an analysis: every step in the order in which it happens.

gain → leads → quality of the raw signal → QRS → wander through the PQ knots, mains → shapes and average beats → waves →
measurements → quality of the noise → rules. Nothing here raises on a recording, however bad: what cannot be made is
``None``, and what cannot be judged stands in ``not_assessed`` with what was missing.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ecg import beats as finding_beats
from ecg.analysis import Analysis, AverageBeat, Beat, Confidence, Grade, Kind, Marks, Measurements, Reversal, Waves
from ecg.arrays import Flags, Floats, Ints, counted
from ecg.beats import Shapes
from ecg.conditioning import FAST_BPM, Trace, clean, conditioned, measure_noise, settled
from ecg.confidence import confidence
from ecg.gather import gathered
from ecg.interpret import Verdict, interpret, labels
from ecg.kinds import kinds
from ecg.marks import NOWHERE, carried
from ecg.measure import measured, median
from ecg.recording import Recording
from ecg.rules import DEFAULT, Ruleset, resolve
from ecg.sight import USUAL_RR_MS, Rendered, Sight
from ecg.signal import quality
from ecg.signal.filters import Bank
from ecg.signal.leads import algebra_holds, independent_count
from ecg.signal.pulse import without_pulse
from ecg.signal.reversal import Suspicion, recognised, undone
from ecg.signal.units import calibrate
from ecg.variability import variability
from ecg.waves import P_LIKE, Outline, outline, qrs_bounds

SHORTEST_S = 0.4
SLOWEST_HZ = 50.0
"""Below this no QRS can be told from noise; below 100 Hz nothing but the view is offered (CLINICAL.md §1.4)."""
SMALLEST_QRS_MV = 0.100
"""What never reaches 100 µV in any lead is no QRS (CLINICAL.md §3.1, R_ASYS)."""
P_QUARTILE = 0.25
"""Three quarters of the beats resemble the others' P at least this well where there is a P [project]."""


def analyze(recording: Recording, ruleset: str | Ruleset = DEFAULT) -> Analysis:
    """Measures and reads one recording under one ruleset: an id, the path of a county's file (``.toml``), or what
    :mod:`ecg.rules` has loaded. ``ValueError`` only for a ruleset that does not exist or a file with faults."""
    rules = resolve(ruleset) if isinstance(ruleset, str) else ruleset
    if (infinite := np.isinf(recording.millivolts)).any():
        recording = replace(recording, millivolts=np.where(infinite, np.nan, recording.millivolts))
    recording = without_pulse(calibrate(recording))
    analysis, suspicion = _analyzed(recording, rules, look_for_swap=True)
    if suspicion is None or analysis.quality.grade == Grade.E:  # of an unreadable tracing no version says anything
        return analysis
    other = undone(recording, suspicion.kind)
    if other is None:
        return analysis
    proposal, _ = _analyzed(other, rules, look_for_swap=False)
    found = Reversal(suspicion.kind, suspicion.certainty, proposal.measurements, proposal.findings)
    return replace(analysis, reversal=found)


def _analyzed(recording: Recording, rules: Ruleset, look_for_swap: bool) -> tuple[Analysis, Suspicion | None]:
    trace = conditioned(recording)
    readable = trace.alive.any() and recording.seconds >= SHORTEST_S and recording.rate_hz >= SLOWEST_HZ
    rendered = _rendered(trace) if readable else None
    sight = _seen(trace, rendered) if rendered is not None else None
    if rendered is not None and sight is not None and not sight.has_p:
        onsets = rendered.marks.qrs_global[rendered.shapes.labels == 0, 0]
        if settled(trace, rendered.shapes, onsets[onsets != NOWHERE]):
            rendered = _outlined(trace, rendered.shapes)
            sight = _seen(trace, rendered)
    swap = _swapped(trace, sight) if sight is not None and look_for_swap else None
    if sight is not None:
        span = slice(int(sight.main.qrs_global[0]), int(sight.main.qrs_global[2]) + 1)
        quality.examine_flat(trace.leads, trace.alive, np.ptp(sight.beat[:, span], axis=1), trace.defects)
        quality.examine_height(sight.measurements.leads, trace.defects)
    _examine_whole(recording, trace, sight.beats if sight is not None else ())
    judged = quality.judged(trace.leads, trace.defects)
    facts = gathered(recording, rules.base or rules, trace, rendered, sight, judged)
    verdict = interpret(facts)
    labels.add(facts, verdict, rules)
    return _assembled(trace, rendered, sight, judged, verdict, rules), swap


def _swapped(trace: Trace, sight: Sight) -> Suspicion | None:
    """The swap of electrodes that the dominant beat gives away, noted as a defect."""
    swap = recognised(sight.beat, trace.leads, sight.main, sight.has_p, trace.rate_hz)
    if swap is not None:
        quality.examine_swap(swap.kind, swap.grade, trace.defects)
    return swap


def _seen(trace: Trace, rendered: Rendered) -> Sight | None:
    main = rendered.outlines[0]
    if main is None:
        return None
    share = _p_share(rendered, main)
    has_p = _repeats_p(rendered, share)
    if not has_p:
        main = replace(main, p=None, p_global=None)
        for part in (rendered.marks.p, rendered.marks.p_global):
            part[:] = NOWHERE
    beat = _referenced(rendered.averages[0], main, trace.rate_hz)
    pr, qt = _intervals(rendered, trace.rate_hz, has_p)
    sorts = kinds(trace, rendered, share)
    measures = measured(beat, trace.rate_hz, main, trace.leads, trace.alive, rendered.rr_ms, median(pr), median(qt))
    measures = replace(measures, variability=variability(sorts, rendered.rr_ms, pr))
    return Sight(main, beat, share, has_p, sorts, measures)


def _rendered(trace: Trace) -> Rendered | None:
    """Finds and sorts the beats, cleans ``trace.mv`` in place of the raw signal, outlines every shape."""
    rate = trace.rate_hz
    bank = Bank(trace.mv, rate)
    shapes = finding_beats.found(bank, trace.alive.astype(np.float64))
    if shapes is None:
        measure_noise(trace, bank, np.empty((0, 2), dtype=np.intp))
        return None
    first, centre, _ = finding_beats.average(trace.mv, rate, shapes.samples[shapes.labels == 0])
    bounds = qrs_bounds(first, rate, centre, trace.alive)
    spread = np.ptp(first[:, int(bounds[0]) : int(bounds[2]) + 1], axis=1)
    if float(spread[trace.alive].max()) < SMALLEST_QRS_MV:
        return None
    rr = np.diff(shapes.samples) / rate * 1000.0
    usual = float(np.median(rr)) if rr.size else USUAL_RR_MS
    spans = np.stack([shapes.samples + (int(bounds[0]) - centre), shapes.samples + (int(bounds[2]) - centre)], axis=1)
    clean(trace, bank, shapes, spans, usual)
    return _outlined(trace, finding_beats.whole(shapes, trace.mv.shape[1], rate))


def _outlined(trace: Trace, shapes: Shapes) -> Rendered:
    """Averages and outlines every shape in the clean signal, and carries the marks to the beats."""
    rate = trace.rate_hz
    rr = np.diff(shapes.samples) / rate * 1000.0
    usual = float(np.median(rr)) if rr.size else USUAL_RR_MS
    averages: list[Floats] = []
    outlines: list[Outline | None] = []
    used, centre = 0, 0
    for shape in range(int(shapes.labels.max()) + 1):
        mine = _undisturbed(shapes, rr, shape, usual)
        beat, centre, count = finding_beats.average(trace.mv, rate, shapes.samples[mine])
        used = used or count
        averages.append(beat)
        outlines.append(outline(beat, rate, centre, _around(rr, mine, usual), trace.alive))
    marks = carried(trace.mv, rate, shapes, averages, outlines, centre)
    return Rendered(shapes, averages, outlines, centre, marks, rr, used)


def _undisturbed(shapes: Shapes, rr_ms: Floats, shape: int, usual: float) -> Flags:
    """The beats of a shape, bool [beat], without those whose T an early beat of another shape cuts short, if three
    remain, and without the last one, if four remain."""
    mine = shapes.labels == shape
    cut = np.zeros_like(mine)
    cut[:-1] = (shapes.labels[1:] != shape) & (rr_ms < 0.85 * usual)
    free = mine & ~cut
    free = free if int(free.sum()) >= 3 else mine
    # The wander's line is flat beyond the last knot (CLINICAL.md §1.2): the last beat's ST still holds it.
    inside = free & (counted(free.size) < np.flatnonzero(shapes.labels == 0)[-1])
    return inside if int(inside.sum()) >= 4 else free


def _around(rr_ms: Floats, mine: Flags, usual: float) -> tuple[float, float]:
    """Usual interval before and after the beats that are ``mine`` bool [beat], in ms."""
    before, after = rr_ms[mine[1:]], rr_ms[mine[:-1]]
    return (float(np.median(before)) if before.size else usual), (float(np.median(after)) if after.size else usual)


def _p_share(rendered: Rendered, main: Outline) -> float | None:
    """Share of dominant beats whose P resembles the others' P; ``None`` where there was no room to look for one."""
    if rendered.rr_ms.size and float(np.median(rendered.rr_ms)) < 60000.0 / FAST_BPM:
        return None
    if main.p is None:
        return 0.0
    alike = rendered.marks.p_alike[np.isfinite(rendered.marks.p_alike)]
    return float((alike >= P_LIKE).mean()) if alike.size else None


def _repeats_p(rendered: Rendered, share: float | None) -> bool:
    """Whether the average P stands for the beats: most resemble it, and not merely half of them by chance."""
    alike = rendered.marks.p_alike[np.isfinite(rendered.marks.p_alike)]
    return share is not None and share > 0.5 and bool(np.quantile(alike, 0.25) >= P_QUARTILE)


def _intervals(rendered: Rendered, rate_hz: float, has_p: bool) -> tuple[Floats, Floats]:
    """PR and QT of the dominant beats that have them, in ms."""
    marks, rows = rendered.marks, rendered.shapes.labels == 0
    onset = marks.qrs_global[:, 0]
    with_p = rows & marks.has_p & (onset != NOWHERE) & (marks.p_global[:, 0] != NOWHERE)
    with_t = rows & (marks.t_global[:, 2] != NOWHERE) & (onset != NOWHERE)
    pr = onset[with_p & has_p] - marks.p_global[with_p & has_p, 0]
    qt = marks.t_global[with_t, 2] - onset[with_t]
    return pr / rate_hz * 1000, qt / rate_hz * 1000


def _referenced(beat: Floats, main: Outline, rate_hz: float) -> Floats:
    on = int(main.qrs_global[0])
    width = max(1, round(0.020 * rate_hz))
    return beat - beat[:, max(0, on - width) : max(1, on)].mean(axis=1, keepdims=True)


def _average(trace: Trace, rendered: Rendered, sight: Sight) -> AverageBeat:
    main = sight.main
    p, t = main.p_global, main.t_global
    return AverageBeat(
        leads=trace.leads,
        millivolts=sight.beat,
        rate_hz=trace.rate_hz,
        beats=rendered.used,
        qrs_on=int(main.qrs_global[0]),
        qrs_off=int(main.qrs_global[2]),
        p_on=None if p is None else int(p[0]),
        p_off=None if p is None else int(p[2]),
        t_peak=None if t is None else int(t[1]),
        t_off=None if t is None else int(t[2]),
    )


def _examine_whole(recording: Recording, trace: Trace, beats: tuple[Beat, ...]) -> None:
    """Defects of the recording as a whole (CLINICAL.md §1.4, §1.5)."""
    force, codes = trace.defects.force, {note.code for note in trace.notes}
    if recording.seconds < 4.95:
        force("Q_SHORT", Grade.E)
    elif recording.seconds < 9.9:
        force("Q_SHORT", Grade.C)
    dominant = sum(b.kind in (Kind.DOMINANT, Kind.PREMATURE, Kind.PACED) for b in beats)
    if dominant < 5:
        force("Q_BEATS", Grade.D if dominant < 3 else Grade.C)
    readable = tuple(n for k, n in enumerate(trace.leads) if trace.alive[k])
    if independent_count(trace.leads) < 8:
        force("Q_LEADSET", Grade.D)
    if not readable:
        force("Q_OFF", Grade.E)
    if not algebra_holds(recording):
        force("Q_ALGEBRA", Grade.E)
    if "GAIN_ASSUMED" in codes:
        force("Q_GAIN", Grade.B)
    if "GAIN_UNKNOWN" in codes:
        force("Q_GAIN", Grade.D)
    if "MONITOR_BAND" in codes:
        force("Q_BAND", Grade.C)
    if "BANDWIDTH_LIMITED" in codes:
        mild = (
            recording.rate_hz >= 500
            and (recording.filters.high_pass_hz or 0.0) <= 0.0501
            and (recording.filters.low_pass_hz or 150.0) >= 100
        )
        force("Q_BAND", Grade.B if mild else Grade.C)
    if recording.rate_hz < 100:
        force("Q_BAND", Grade.E)
    if max(recording.microvolts_per_count or (0.0,)) > 10.0:
        force("Q_BAND", Grade.C)


def _assembled(
    trace: Trace,
    rendered: Rendered | None,
    sight: Sight | None,
    judged: quality.Quality,
    verdict: Verdict,
    rules: Ruleset,
) -> Analysis:
    beats = () if sight is None else sight.beats
    overall: tuple[Waves, ...] = ()
    by_lead: dict[str, tuple[Waves, ...]] = dict.fromkeys(trace.leads, ())
    if rendered is not None and beats:
        m = rendered.marks
        overall = _waves(m.p_global, m.qrs_global, m.t_global, trace.scale)
        sure = _confidence(trace, rendered)
        for k in np.flatnonzero(trace.alive).tolist():
            by_lead[trace.leads[k]] = _waves(m.p[:, k], m.qrs[:, k], m.t[:, k], trace.scale, [s[k] for s in sure])
    return Analysis(
        quality=judged,
        beats=beats,
        global_waves=overall,
        lead_waves=by_lead,
        measurements=Measurements() if sight is None else sight.measurements,
        findings=tuple(verdict.findings),
        not_assessed=tuple(verdict.not_assessed),
        ruleset=rules.id,
        rules=rules.used,
        notes=tuple(trace.notes),
        average=None if rendered is None or sight is None else _average(trace, rendered, sight),
    )


def _confidence(trace: Trace, rendered: Rendered) -> list[list[Confidence]]:
    """How sure each beat's marks are in each lead: those of its shape."""
    ms, none = trace.rate_hz / 1000.0, [Confidence()] * len(trace.leads)
    shapes = [
        none if shape is None else confidence(beat, shape, trace.alive, ms)
        for beat, shape in zip(rendered.averages, rendered.outlines, strict=True)
    ]
    return [shapes[label] for label in rendered.shapes.labels.tolist()]


def _waves(p: Ints, qrs: Ints, t: Ints, scale: float, sure: list[Confidence] | None = None) -> tuple[Waves, ...]:
    rows = zip(_marks(p, scale), _marks(qrs, scale), _marks(t, scale), strict=True)
    return tuple(Waves(k, *three, None if sure is None else _there(sure[k], *three)) for k, three in enumerate(rows))


def _there(sure: Confidence, p: Marks | None, qrs: Marks | None, t: Marks | None) -> Confidence:
    """The shape's confidence, for the waves that this beat has."""
    if p is not None and qrs is not None and t is not None:
        return sure
    return Confidence(None if p is None else sure.p, None if qrs is None else sure.qrs, None if t is None else sure.t)


def _marks(part: Ints, scale: float) -> list[Marks | None]:
    """One wave of every beat, int [beat, 3], in samples of the file."""
    if scale != 1.0:
        part = np.where(part == NOWHERE, NOWHERE, np.rint(part / scale)).astype(np.intp)
    return [
        None if peak == NOWHERE else (None if on == NOWHERE else on, peak, None if off == NOWHERE else off)
        for on, peak, off in part.tolist()
    ]
