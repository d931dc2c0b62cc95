"""Gathers from the trace, the beats and the dominant beat what the rules may look at."""

from __future__ import annotations

import numpy as np

from ecg.analysis import Kind, Measurements
from ecg.arrays import typical
from ecg.chaos import chaos_figures
from ecg.conditioning import Trace
from ecg.interpret.facts import Facts, Rhythm
from ecg.marks import NOWHERE
from ecg.recording import Recording
from ecg.rules import Ruleset
from ecg.sight import Rendered, Sight
from ecg.signal.quality import Quality

SHORTEST_ST_RR_MS = 300.0
"""Faster, the level before QRS lies on the T wave before it: ST has no reference [project]."""


def gathered(
    recording: Recording,
    rules: Ruleset,
    trace: Trace,
    rendered: Rendered | None,
    sight: Sight | None,
    judged: Quality,
) -> Facts:
    """Everything that the rules may look at."""
    codes = frozenset(note.code for note in trace.notes)
    amplitude = "GAIN_UNKNOWN" not in codes
    too_fast = rendered is not None and rendered.rr_ms.size > 0 and float(typical(rendered.rr_ms)) < SHORTEST_ST_RR_MS
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
        signal=trace.mv,
        marks=None if rendered is None else rendered.marks,
        outline=main,
        spikes=trace.spikes,
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
        figures = chaos_figures(trace)
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
