"""The signal made fit for measuring: damage marked, leads completed, spikes bridged, mains and wander removed.

What is done to the signal is done here and nowhere else, and everything that was seen on the way is noted as a defect
or a note (CLINICAL.md §1). The recording itself is never changed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ecg.arrays import Flags, Floats, Ints, counted, ints
from ecg.beats import Shapes
from ecg.recording import CHEST_LEADS, Note, Recording, Text
from ecg.signal import filters, pacing, quality
from ecg.signal.filters import Bank, high_pass, low_pass
from ecg.signal.leads import analysed_leads

WORK_HZ = (400.0, 1250.0)
"""Slower recordings are interpolated and faster ones thinned by a whole factor before they are measured."""
LARGEST_MV = 50.0
"""No electrode offset or pacing spike that a recorder can hold is larger; beyond it a value is damage."""
FAST_BPM = 150.0
WHOLLY_IRREGULAR = 0.10
"""Half of all neighbouring intervals differ by at least this share of the usual one: without P that is fibrillation,
whose waves a short window before QRS would take for the line (CLINICAL.md §1.2) [project]."""

BAND_NOTES = {
    "BANDWIDTH_UNKNOWN": Text("文件没有说明滤波带宽。", "The file does not state its filters."),
    "BANDWIDTH_LIMITED": Text(
        "带宽受限：小的切迹和振幅可能失真。", "Limited bandwidth: small notches and amplitudes may be distorted."
    ),
    "MONITOR_BAND": Text("监护滤波：ST段和T波不作判断。", "Monitor filter: ST and T are not judged."),
    "BASELINE_WEAK": Text(
        "心率太快，基线只能粗略去除。", "Too fast for PQ knots: the baseline was removed by a filter."
    ),
}


@dataclass(slots=True, eq=False)
class Trace:
    """The signal as it is measured. ``mv`` float [lead, sample], without wander and mains; ``scale`` = its samples per
    sample of the file."""

    leads: tuple[str, ...]
    mv: Floats
    rate_hz: float
    scale: float
    alive: Flags
    defects: quality.Defects
    notes: list[Note]
    spikes: Ints


def conditioned(recording: Recording) -> Trace:
    """Leads completed, damage marked, rate brought into the working range; raw defects noted."""
    given = recording
    sound = np.abs(recording.millivolts) <= LARGEST_MV
    if not sound.all():
        recording = replace(recording, millivolts=np.where(sound, recording.millivolts, np.nan))
    leads, raw = analysed_leads(recording)
    damaged = np.isnan(raw)
    step = max(recording.microvolts_per_count or (0.0,)) * 1e-3
    defects, alive = quality.examine_raw(leads, raw, recording.rate_hz, step)
    dead = [given.lead(n) for k, n in enumerate(leads) if not alive[k] and n in CHEST_LEADS]
    if dead:
        quality.examine_held(np.stack(dead), defects)
    filled = _bridged(raw, damaged) if damaged.any() else raw
    filled, scale = _resampled(filled, recording.rate_hz)
    paced = pacing.spikes(filled, recording.rate_hz * scale)
    if paced.size:
        filled = pacing.bridged(filled, recording.rate_hz * scale, paced)
    notes = [*recording.notes, *_band_notes(recording)]
    return Trace(leads, filled, recording.rate_hz * scale, scale, alive, defects, notes, paced)


def _bridged(raw: Floats, damaged: Flags) -> Floats:
    """Invalid samples replaced by straight lines; a lead without any valid sample becomes 0."""
    out = raw.copy()
    at: Ints = counted(raw.shape[1])
    for k in np.flatnonzero(damaged.any(axis=1)):
        good = ~damaged[k]
        out[k] = np.interp(at, at[good], raw[k, good]) if good.any() else 0.0
    return out


def _resampled(signal: Floats, rate_hz: float) -> tuple[Floats, float]:
    up = int(np.ceil(500.0 / rate_hz)) if rate_hz < WORK_HZ[0] else 1
    down = int(rate_hz // 1000.0) if rate_hz > WORK_HZ[1] else 1
    up, down = min(up, 50), min(down, 50)
    if up == down == 1 or signal.shape[1] < 8:
        return signal, 1.0
    from scipy.signal import resample_poly

    return np.asarray(resample_poly(signal, up, down, axis=1, padtype="line")), up / down


def _band_notes(recording: Recording) -> list[Note]:
    held = recording.filters
    codes: list[str] = []
    if held.high_pass_hz is None and held.low_pass_hz is None:
        codes.append("BANDWIDTH_UNKNOWN")
    if (held.high_pass_hz or 0.0) >= 0.5 or (held.low_pass_hz is not None and held.low_pass_hz <= 40.0):
        codes.append("MONITOR_BAND")
    elif (
        (held.high_pass_hz or 0.0) > 0.0501
        or (held.low_pass_hz is not None and held.low_pass_hz < 150.0)
        or recording.rate_hz < 500
    ):
        codes.append("BANDWIDTH_LIMITED")
    already = {note.code for note in recording.notes}
    return [Note(code, BAND_NOTES[code]) for code in codes if code not in already]


def clean(trace: Trace, bank: Bank, shapes: Shapes, spans: Ints, usual_rr_ms: float) -> None:
    """Subtracts mains where there is any, and the wander through the PQ knots (CLINICAL.md §1.2, §1.3)."""
    measure_noise(trace, bank, spans)
    if 60000.0 / usual_rr_ms > FAST_BPM:
        wander: Floats | None = bank.filtered(lambda f: 1.0 - high_pass(0.1, 1)(f))
        trace.notes.append(Note("BASELINE_WEAK", BAND_NOTES["BASELINE_WEAK"]))
    else:
        wander = filters.baseline_through_knots(trace.mv, trace.rate_hz, spans[shapes.labels == 0, 0])
    if wander is not None:
        trace.mv = trace.mv - wander
        size = np.ptp(wander, axis=1)
        quality.examine_noise(
            trace.leads,
            trace.alive,
            size,
            np.zeros_like(size),
            np.zeros_like(size),
            ints(np.zeros_like(size)),
            trace.defects,
        )


def settled(trace: Trace, shapes: Shapes, onsets: Ints) -> bool:
    """Lays the line anew through windows of 40 ms where the rhythm without P is wholly irregular (§1.2, fibrillation);
    whether it did. ``onsets`` int: QRS onsets of the dominant beats."""
    rr = np.diff(shapes.samples)
    if rr.size < 3 or float(np.median(np.abs(np.diff(rr)))) < WHOLLY_IRREGULAR * float(np.median(rr)):
        return False
    left = filters.baseline_through_knots(trace.mv, trace.rate_hz, onsets, half=True)
    if left is None or any(note.code == "BASELINE_WEAK" for note in trace.notes):
        return False
    trace.mv = trace.mv - left
    return True


def measure_noise(trace: Trace, bank: Bank, spans: Ints) -> None:
    """Mains (subtracted), tremor and steps, all outside QRS."""
    rate = trace.rate_hz
    quiet = _outside(trace.mv.shape[1], spans, round(0.04 * rate))
    high = bank.filtered(high_pass(35.0, 3))
    sine, size = filters.mains(high, rate, quiet)
    quality.examine_mains(trace.leads, size, trace.defects)
    left = np.where(size > filters.MAINS_ON_MV, 0.0, size)
    if sine is not None:
        trace.mv = trace.mv - sine
        high = high - sine
    if quiet.any():
        thin = high[:, quiet]
        tremor = np.sqrt(np.einsum("ln,ln->l", thin, thin) / thin.shape[1])
    else:
        tremor = np.zeros(trace.mv.shape[0])
    steps = quality.count_steps(trace.mv, rate, quiet)
    wander = np.zeros_like(tremor)
    if not spans.size:
        wander = np.ptp(bank.filtered(low_pass(0.5)), axis=1) if trace.mv.shape[1] else wander
    quality.examine_noise(trace.leads, trace.alive, wander, tremor, left, steps, trace.defects)


def _outside(samples: int, spans: Ints, margin: int) -> Flags:
    edge = np.zeros(samples + 1, dtype=np.int64)
    if spans.size:
        np.add.at(edge, np.clip(spans[:, 0] - margin, 0, samples), 1)
        np.add.at(edge, np.clip(spans[:, 1] + margin, 0, samples), -1)
    return np.cumsum(edge)[:samples] == 0
