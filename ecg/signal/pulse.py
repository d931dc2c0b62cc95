"""The calibration pulse that some devices append to every lead: 1 mV, the same in all leads, after the ECG.

No heart draws it: aVR is never equal to I and II while these are at 1 mV. Left in, it would contradict the algebra of
the limb leads and make a clean tracing look broken (CLINICAL.md §1.4); so the analysis ends before
it, and says so; the recording itself stays as it was read.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ecg.recording import Note, Recording, Text

ALIKE_MV = 0.015
"""How far the leads may lie apart: three steps of 5 µV, for exports that add noise of a step."""
PULSE_MV = (0.95, 1.05)
SHORTEST_S = 0.1
LEAST_LEADS = 3
CUT = Note(
    "CALIBRATION_CUT",
    Text(
        "文件末尾的1 mV定标脉冲不是心电，已剪去。", "The 1 mV calibration pulse at the end is no ECG and was cut off."
    ),
)


def without_pulse(recording: Recording) -> Recording:
    """The recording up to its calibration pulse; unchanged where it has none."""
    start = _begins(recording)
    if start is None:
        return recording
    counts = None if recording.counts is None else recording.counts[:, :start]
    return replace(recording, millivolts=recording.millivolts[:, :start], counts=counts, notes=(*recording.notes, CUT))


def _begins(recording: Recording) -> int | None:
    """The first sample of the common tail of all leads, if that tail holds a pulse."""
    if len(recording.leads) < LEAST_LEADS or not recording.samples:
        return None
    mv = recording.millivolts
    apart = ~(np.ptp(mv, axis=0) <= ALIKE_MV)
    start = int(np.flatnonzero(apart)[-1]) + 1 if apart.any() else 0
    level = mv[:, start:].mean(axis=0)
    high = (level >= PULSE_MV[0]) & (level <= PULSE_MV[1])
    return start if high.sum() >= SHORTEST_S * recording.rate_hz else None
