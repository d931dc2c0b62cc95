"""Is a millivolt a millivolt? Finding and undoing a false gain (CLINICAL.md §1.4).

The limb leads of one recording obey Einthoven's law (I + III = II) and Goldberger's (aVR + aVL + aVF = 0). If they do
so in the file's raw integers but not in millivolts, the header's gains are wrong and the integers are right; LUDB is
such a set (every lead stretched to 1 mV peak to peak). A gain that is common to all leads passes that test, so the
size of the QRS is looked at too (the CinC 2020 copies of PTB, headers 2000 times too large). In both cases one gain
serves all leads, 1 µV a count, if that gives a median peak-to-peak of 0.2–5 mV, and the note ``GAIN_ASSUMED`` says so.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ecg.arrays import Floats, typical
from ecg.recording import LIMB_LEADS, Note, Recording, Text

PLAUSIBLE_QRS_MV = (0.2, 5.0)
"""Median peak-to-peak that a 12-lead recording can have; both ends from CLINICAL.md §1.4."""
IMPOSSIBLE_QRS_MV = 0.02
"""Below this no surface QRS is visible at all: a header's gain error, not a small heart [project]."""
COUNTS = 3.0
"""Raw integers obey the lead laws to this many counts (CLINICAL.md §1.4)."""
TOLERANCE_MV = 0.030
"""Largest violation of the lead laws in millivolts (CLINICAL.md §1.4)."""

ASSUMED = Note(
    "GAIN_ASSUMED",
    Text(
        "文件里的增益有误，按 1 µV/计数 推定。",
        "The gain in the file is wrong; 1 µV a count was inferred from the leads themselves.",
    ),
)
UNKNOWN = Note(
    "GAIN_UNKNOWN",
    Text(
        "文件里的增益不可信，也无法推定：振幅不作判断。",
        "The gain in the file is not plausible and none could be inferred: no amplitude is judged.",
    ),
)


def calibrate(recording: Recording) -> Recording:
    """The recording in true millivolts; the same object if its gain stands or was examined before.

    Adds ``GAIN_ASSUMED`` where the gain was replaced and ``GAIN_UNKNOWN`` where it is false and none is plausible.
    """
    if any(note.code in (ASSUMED.code, UNKNOWN.code) for note in recording.notes) or recording.samples < 2:
        return recording
    if not _gain_is_false(recording):
        return recording
    counts = raw_counts(recording)
    if (
        counts is not None
        and PLAUSIBLE_QRS_MV[0] <= typical_peak_to_peak(counts * 1e-3, recording.rate_hz) <= PLAUSIBLE_QRS_MV[1]
    ):
        return replace(
            recording,
            millivolts=counts * 1e-3,
            microvolts_per_count=(1.0,) * len(recording.leads),
            notes=(*recording.notes, ASSUMED),
        )
    return replace(recording, notes=(*recording.notes, UNKNOWN))


def raw_counts(recording: Recording) -> Floats | None:
    """The file's integers (baseline removed), float64 [lead, sample]; ``None`` where the file's resolution is not
    known."""
    scale = recording.microvolts_per_count
    if scale is None or len(scale) != len(recording.leads) or not all(s > 0 for s in scale):
        return None
    return np.rint(recording.millivolts * (1000.0 / np.asarray(scale))[:, None])


def law_residuals(leads: tuple[str, ...], values: Floats) -> list[Floats]:
    """What is left of I + III − II and aVR + aVL + aVF, each less its own median, where the leads are there."""
    row = {name: values[k] for k, name in enumerate(leads)}
    sums: list[Floats] = []
    with np.errstate(invalid="ignore", over="ignore"):  # an infinite sample says nothing of the laws and is dropped
        if all(name in row for name in LIMB_LEADS[:3]):
            sums.append(row["I"] + row["III"] - row["II"])
        if all(name in row for name in LIMB_LEADS[3:]):
            sums.append(row["aVR"] + row["aVL"] + row["aVF"])
    finite = [s[np.isfinite(s)] for s in sums]
    return [s - typical(s) for s in finite if s.size]


def typical_peak_to_peak(millivolts: Floats, rate_hz: float) -> float:
    """Median over leads of the median peak-to-peak of one-second windows, in mV; 0 for an empty signal."""
    window = min(max(int(rate_hz), 2), millivolts.shape[1])
    usable = (millivolts.shape[1] // window) * window
    if not millivolts.shape[0] or not usable:
        return 0.0
    cut = np.nan_to_num(millivolts[:, :usable]).reshape(millivolts.shape[0], -1, window)
    spread = np.median(np.max(cut, axis=2) - np.min(cut, axis=2), axis=1)
    alive = spread[spread > 0]
    return float(typical(alive)) if alive.size else 0.0


def _gain_is_false(recording: Recording) -> bool:
    scale = recording.microvolts_per_count
    usual = typical_peak_to_peak(recording.millivolts, recording.rate_hz)
    if 0 < usual < IMPOSSIBLE_QRS_MV or usual > 10 * PLAUSIBLE_QRS_MV[1]:
        return scale is not None
    if scale is None or max(scale) <= min(scale) * 1.001:
        return False
    counts = raw_counts(recording)
    broken = law_residuals(recording.leads, recording.millivolts)
    if counts is None:
        return False
    if broken:
        obeyed = law_residuals(recording.leads, counts)
        violated = any(float(np.max(np.abs(r))) > max(TOLERANCE_MV, 3e-3 * max(scale)) for r in broken)
        return violated and all(float(typical(np.abs(r))) <= COUNTS for r in obeyed)
    return _stretched_to_one_size(recording.millivolts)


def _stretched_to_one_size(millivolts: Floats) -> bool:
    """Whether all of at least four leads have the same peak-to-peak value to 1 %."""
    if millivolts.shape[0] < 4 or not np.isfinite(millivolts).any(axis=1).all():
        return False
    spread = np.nanmax(millivolts, axis=1) - np.nanmin(millivolts, axis=1)
    return bool(spread.min() > 0 and spread.max() <= 1.01 * spread.min())
