"""From a recording to an analysis: every step in the order in which it happens.

gain → leads → quality of the raw signal → QRS → wander through the PQ knots, mains → shapes and average beats → waves →
measurements → quality of the noise → rules. Nothing here raises on a recording, however bad: what cannot be made is
``None``, and what cannot be judged stands in ``not_assessed`` with what was missing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ecg import beats as finding_beats
from ecg.analysis import Analysis, AverageBeat, Beat, Certainty, Grade, Kind, Marks, Measurements, Reversal, Waves
from ecg.arrays import Flags, Floats, Ints, counted
from ecg.beats import Shapes
from ecg.conditioning import FAST_BPM, Trace, clean, conditioned, measure_noise
from ecg.interpret import Verdict, interpret
from ecg.interpret.facts import Facts, Rhythm
from ecg.marks import NOWHERE, BeatMarks, carried
from ecg.measure import measured
from ecg.recording import Recording
from ecg.rules import Ruleset, load
from ecg.signal import quality
from ecg.signal.filters import Bank, band_pass
from ecg.signal.leads import algebra_holds, independent_count
from ecg.signal.reversal import suspected, undone
from ecg.signal.units import calibrate
from ecg.waves import P_LIKE, Outline, outline, qrs_bounds

SHORTEST_S = 0.4
SLOWEST_HZ = 50.0
"""Below this no QRS can be told from noise; below 100 Hz nothing but the view is offered (CLINICAL.md §1.4)."""
SMALLEST_QRS_MV = 0.100
"""What never reaches 100 µV in any lead is no QRS (CLINICAL.md §3.1, R_ASYS)."""
SHORTEST_ST_RR_MS = 300.0
"""Faster, the level before QRS lies on the T wave before it: ST has no reference [project]."""
EARLY = 0.80
PVC_MS = 110.0
USUAL_RR_MS = 900.0
P_QUARTILE = 0.25
"""Three quarters of the beats resemble the others' P at least this well where there is a P [project]."""


@dataclass(frozen=True, slots=True, eq=False)
class Rendered:
    """Beats, average beats and their outlines."""

    shapes: Shapes
    averages: list[Floats]
    outlines: list[Outline | None]
    centre: int
    marks: BeatMarks
    rr_ms: Floats
    used: int


def analyze(recording: Recording, ruleset: str = "udmi-2018") -> Analysis:
    """Measures and reads one recording under one ruleset. ``ValueError`` only for a ruleset that does not exist."""
    rules = load(ruleset)
    recording = calibrate(recording)
    analysis, suspicion = _analyzed(recording, rules, look_for_swap=True)
    if suspicion is None:
        return analysis
    other = undone(recording, suspicion)
    if other is None:
        return analysis
    proposal, _ = _analyzed(other, rules, look_for_swap=False)
    return replace(analysis, reversal=Reversal(suspicion, Certainty.PROBABLE, proposal.measurements, proposal.findings))


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What the dominant beat shows: its outline, its average referenced before QRS, its P, the measurements."""

    main: Outline
    beat: Floats
    p_share: float | None
    has_p: bool
    beats: tuple[Beat, ...]
    measurements: Measurements


def _analyzed(recording: Recording, rules: Ruleset, look_for_swap: bool) -> tuple[Analysis, str | None]:
    trace = conditioned(recording)
    readable = trace.alive.any() and recording.seconds >= SHORTEST_S and recording.rate_hz >= SLOWEST_HZ
    rendered = _rendered(trace) if readable else None
    sight = _seen(trace, rendered) if rendered is not None else None
    swap = suspected(sight.beat, trace.leads, sight.main, sight.has_p) if sight is not None and look_for_swap else None
    if swap is not None:
        trace.defects.force("Q_REV", Grade.D)
    if sight is not None:
        span = slice(int(sight.main.qrs_global[0]), int(sight.main.qrs_global[2]) + 1)
        quality.examine_flat(trace.leads, trace.alive, np.ptp(sight.beat[:, span], axis=1), trace.defects)
    _examine_whole(recording, trace, sight.beats if sight is not None else ())
    judged = quality.judged(trace.leads, trace.defects)
    verdict = interpret(_facts(recording, rules, trace, rendered, sight, judged))
    return _assembled(trace, rendered, sight, judged, verdict, rules), None if swap is None else swap.kind


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
    measures = measured(beat, trace.rate_hz, main, trace.leads, trace.alive, rendered.rr_ms, pr, qt)
    return Sight(main, beat, share, has_p, _kinds(trace, rendered, share), measures)


def _rendered(trace: Trace) -> Rendered | None:
    """Finds and sorts the beats, cleans ``trace.mv`` in place of the raw signal, outlines every shape."""
    rate = trace.rate_hz
    bank = Bank(trace.mv, rate)
    found, strength = finding_beats.detect(bank, trace.alive.astype(np.float64))
    if not found.size:
        measure_noise(trace, bank, np.empty((0, 2), dtype=np.intp))
        return None
    shapes = finding_beats.sort_by_shape(bank.filtered(band_pass(3.0, 30.0)), rate, found, strength)
    if not shapes.samples.size:
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
    averages: list[Floats] = []
    outlines: list[Outline | None] = []
    used = 0
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
    remain."""
    mine = shapes.labels == shape
    cut = np.zeros_like(mine)
    cut[:-1] = (shapes.labels[1:] != shape) & (rr_ms < 0.85 * usual)
    free = mine & ~cut
    return free if int(free.sum()) >= 3 else mine


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


def _intervals(rendered: Rendered, rate_hz: float, has_p: bool) -> tuple[float | None, float | None]:
    """Median PR and QT over the dominant beats, in ms."""
    marks, rows = rendered.marks, rendered.shapes.labels == 0
    onset = marks.qrs_global[:, 0]
    with_p = rows & marks.has_p & (onset != NOWHERE) & (marks.p_global[:, 0] != NOWHERE)
    with_t = rows & (marks.t_global[:, 2] != NOWHERE) & (onset != NOWHERE)
    pr = (
        float(np.median(onset[with_p] - marks.p_global[with_p, 0])) / rate_hz * 1000 if has_p and with_p.any() else None
    )
    qt = float(np.median(marks.t_global[with_t, 2] - onset[with_t])) / rate_hz * 1000 if with_t.any() else None
    return pr, qt


def _referenced(beat: Floats, main: Outline, rate_hz: float) -> Floats:
    on = int(main.qrs_global[0])
    width = max(1, round(0.020 * rate_hz))
    return beat - beat[:, max(0, on - width) : max(1, on)].mean(axis=1, keepdims=True)


def _kinds(trace: Trace, rendered: Rendered, p_share: float | None) -> tuple[Beat, ...]:
    """What sort each beat is: by shape, width, and how early it comes."""
    shapes, ms = rendered.shapes, trace.rate_hz / 1000.0
    rr = np.concatenate([[np.inf], rendered.rr_ms])
    usual = float(np.median(rendered.rr_ms)) if rendered.rr_ms.size else USUAL_RR_MS
    early = rr < EARLY * usual
    regular = bool(early.mean() <= 0.34) and (p_share or 0.0) > 0.5
    width = [(int(o.qrs_global[2]) - int(o.qrs_global[0])) / ms if o is not None else 0.0 for o in rendered.outlines]
    out: list[Beat] = []
    for k in range(shapes.samples.size):
        sample, label = int(shapes.samples[k]), int(shapes.labels[k])
        shape = rendered.outlines[label] if label < len(rendered.outlines) else None
        at = sample + (int(shape.qrs_global[1]) - rendered.centre if shape is not None else 0)
        kind = Kind.DOMINANT
        if label == 0:
            kind = Kind.PREMATURE if early[k] and regular else Kind.DOMINANT
        else:
            unlike = float(shapes.likeness[label]) < 0.8 and width[label] >= PVC_MS and width[label] > width[0] + 10.0
            bare = not bool(rendered.marks.has_p[k])
            kind = Kind.VENTRICULAR if unlike and (early[k] or bare) else Kind.PREMATURE if early[k] else Kind.OTHER
        out.append(Beat(k, _at(at, trace.scale), kind))
    return tuple(out)


def _at(sample: int, scale: float) -> int:
    return sample if scale == 1.0 else round(sample / scale)


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
    dominant = sum(b.kind in (Kind.DOMINANT, Kind.PREMATURE) for b in beats)
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


def _facts(
    recording: Recording,
    rules: Ruleset,
    trace: Trace,
    rendered: Rendered | None,
    sight: Sight | None,
    judged: quality.Quality,
) -> Facts:
    codes = frozenset(note.code for note in trace.notes)
    amplitude = "GAIN_UNKNOWN" not in codes
    too_fast = rendered is not None and rendered.rr_ms.size > 0 and float(np.median(rendered.rr_ms)) < SHORTEST_ST_RR_MS
    band = "MONITOR_BAND" not in codes and recording.rate_hz >= 100
    main = None if sight is None else sight.main
    return Facts(
        measurements=Measurements() if sight is None else sight.measurements,
        patient=recording.patient,
        quality=judged,
        rules=rules,
        rhythm=_rhythm(recording, trace, rendered, sight),
        leads=trace.leads,
        beat=None if sight is None else sight.beat,
        rate_hz=trace.rate_hz,
        qrs=None if main is None else (int(main.qrs_global[0]), int(main.qrs_global[2])),
        paced_share=_paced_share(rendered, trace),
        notes=codes,
        st_usable=amplitude and band and main is not None and not too_fast,
        amplitude_usable=amplitude,
    )


def _paced_share(rendered: Rendered | None, trace: Trace) -> float:
    """Share of dominant beats with a pacing spike from 60 ms before to 20 ms after QRS onset."""
    if rendered is None or not trace.spikes.size:
        return 0.0
    ms = trace.rate_hz / 1000.0
    onset = rendered.marks.qrs_global[rendered.shapes.labels == 0, 0]
    onset = onset[onset != NOWHERE]
    ahead = onset[:, None] - trace.spikes[None, :]
    hit = ((ahead <= 60 * ms) & (ahead >= -20 * ms)).any(axis=1)
    return float(hit.mean()) if hit.size else 0.0


def _rhythm(recording: Recording, trace: Trace, rendered: Rendered | None, sight: Sight | None) -> Rhythm:
    beats = () if sight is None else sight.beats
    p_share = None if sight is None else sight.p_share
    none = np.empty(0)
    share, fit, rr, dominant_rr = 0.0, 0.0, none, none
    last = 0.0
    if rendered is not None and beats:
        labels = rendered.shapes.labels
        share, fit, rr = float((labels == 0).mean()), float(rendered.shapes.fit[labels == 0].mean()), rendered.rr_ms
        wide = np.array([b.kind == Kind.VENTRICULAR for b in beats])
        dominant_rr = rr[~wide[1:] & ~wide[:-1]] if rr.size else rr
        last = beats[-1].sample / recording.rate_hz
    figures = (none, none, none, none, 0.0)
    if (share < 0.75 or fit < 0.93 or len(beats) < 3) and trace.alive.any():
        figures = _chaos_figures(trace)
    return Rhythm(
        beats,
        rr,
        dominant_rr,
        p_share if beats else None,
        recording.seconds,
        recording.seconds - last,
        share,
        fit,
        *figures,
    )


def _chaos_figures(trace: Trace) -> tuple[Floats, Floats, Floats, Floats, float]:
    """Per living lead: share of time near the middle, power near the main frequency, that frequency, size; and
    coherence."""
    none = np.empty(0)
    if trace.mv.shape[1] < trace.rate_hz:
        return none, none, none, none, 0.0
    bank = Bank(trace.mv[trace.alive], trace.rate_hz)
    x = bank.filtered(band_pass(1.5, 30.0))[:, :: max(1, int(trace.rate_hz // 100))]
    low, high = np.quantile(x, (0.025, 0.975), axis=1)
    size = np.maximum(high - low, 1e-9)
    quiet = (np.abs(x) < 0.12 * size[:, None]).mean(axis=1)
    power = np.abs(bank.spectrum * band_pass(1.5, 30.0)(bank.hz)) ** 2
    width = max(1, int(np.searchsorted(bank.hz, 0.5)))
    soft = np.stack([np.convolve(p, np.ones(width), "same") for p in power])
    peak: Floats = bank.hz[np.argmax(soft, axis=1)]
    near = np.abs(bank.hz[None, :] - peak[:, None]) <= 1.25
    concentration = (power * near).sum(axis=1) / np.maximum(power.sum(axis=1), 1e-12)
    if x.shape[0] < 2:
        return quiet, concentration, peak, size, 0.0
    likeness = np.abs(np.corrcoef(x + 1e-9 * counted(x.shape[1])))
    np.fill_diagonal(likeness, 0.0)
    return quiet, concentration, peak, size, float(np.median(likeness.max(axis=1)))


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
        for k, name in enumerate(trace.leads):
            if trace.alive[k]:
                by_lead[name] = _waves(m.p[:, k], m.qrs[:, k], m.t[:, k], trace.scale)
    return Analysis(
        quality=judged,
        beats=beats,
        global_waves=overall,
        lead_waves=by_lead,
        measurements=Measurements() if sight is None else sight.measurements,
        findings=tuple(verdict.findings),
        not_assessed=tuple(verdict.not_assessed),
        ruleset=rules.id,
        notes=tuple(trace.notes),
        average=None if rendered is None or sight is None else _average(trace, rendered, sight),
    )


def _waves(p: Ints, qrs: Ints, t: Ints, scale: float) -> tuple[Waves, ...]:
    rows = (p.tolist(), qrs.tolist(), t.tolist())
    return tuple(Waves(k, *(_marks(part[k], scale) for part in rows)) for k in range(len(rows[0])))


def _marks(three: list[int], scale: float) -> Marks | None:
    if three[1] == NOWHERE:
        return None
    on, peak, off = (None if v == NOWHERE else _at(v, scale) for v in three)
    return on, peak, off
