"""Limb electrodes that were swapped, seen in the ECG itself (CLINICAL.md §1.6).

A swap is exact algebra on the limb leads, so the ECG can be un-swapped; but nothing is ever corrected silently: the
un-swapped version is measured and read beside the recorded one. Arms, and right arm with left leg, are looked for here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ecg.arrays import Floats, steps
from ecg.recording import Recording
from ecg.waves import Outline

ALGEBRA: dict[str, dict[str, tuple[str, float]]] = {
    "RA-LA": {
        "I": ("I", -1.0),
        "II": ("III", 1.0),
        "III": ("II", 1.0),
        "aVR": ("aVL", 1.0),
        "aVL": ("aVR", 1.0),
        "aVF": ("aVF", 1.0),
    },
    "RA-LL": {
        "I": ("III", -1.0),
        "II": ("II", -1.0),
        "III": ("I", -1.0),
        "aVR": ("aVF", 1.0),
        "aVL": ("aVL", 1.0),
        "aVF": ("aVR", 1.0),
    },
}
"""Each recorded limb lead as (true lead, sign); every swap undoes itself."""
OPPOSED = -0.3
"""Correlation of lead I with V6 over QRS that speaks for swapped arms (CLINICAL.md §1.6)."""
SMALL_MV = 0.03


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Which swap the average beat looks like."""

    kind: str


def suspected(beat: Floats, leads: tuple[str, ...], outline: Outline, has_p: bool) -> Suspicion | None:
    """The swap that the dominant beat fits, or ``None``. ``beat``: float [lead, sample] referenced before QRS."""
    row = {name: beat[k] for k, name in enumerate(leads)}
    if not has_p or outline.p_global is None or not {"I", "II", "III", "aVR", "aVF"} <= set(row):
        return None
    p = slice(int(outline.p_global[0]), int(outline.p_global[2]) + 1)
    qrs = slice(int(outline.qrs_global[0]), int(outline.qrs_global[2]) + 1)
    p_net = {n: _p_net(row[n][p]) for n in ("I", "II", "III", "aVR", "aVF")}
    net = {n: float(row[n][qrs].max() + row[n][qrs].min()) for n in row}
    others = (p_net["I"] < 0 and net["I"] < 0) or (p_net["III"] < 0 and net["III"] < 0)
    if (
        p_net["II"] < -SMALL_MV
        and net["II"] < -0.1
        and others
        and p_net["aVR"] > SMALL_MV
        and net["aVR"] > 0.1
        and p_net["aVF"] < 0
    ):
        return Suspicion("RA-LL")
    if p_net["aVF"] > -SMALL_MV and _arms(row, p_net, net, qrs):
        return Suspicion("RA-LA")
    return None


def undone(recording: Recording, kind: str) -> Recording | None:
    """The recording with this swap undone; ``None`` if a limb lead that it needs is missing."""
    table = ALGEBRA[kind]
    rows = recording.millivolts.copy()
    for k, name in enumerate(recording.leads):
        if name in table:
            source, sign = table[name]
            if source not in recording.leads:
                return None
            rows[k] = sign * recording.lead(source)
    return replace(recording, millivolts=rows)


def _p_net(part: Floats) -> float:
    if part.size < 3:
        return 0.0
    level: Floats = part - steps(part[0], part[-1], part.size)
    return float(level.max() + level.min())


def _arms(row: dict[str, Floats], p_net: dict[str, float], net: dict[str, float], qrs: slice) -> bool:
    if not {"V1", "V3", "V4", "V5", "V6"} <= set(row):
        return False
    negative = p_net["I"] < -SMALL_MV and net["I"] < -0.1 and (net["aVR"] > 0 or p_net["aVR"] > 0)
    if not negative or net["V6"] <= 0:
        return False
    grows = max(float(row[n][qrs].max()) for n in ("V4", "V5", "V6")) > float(row["V1"][qrs].max())
    first, last = row["I"][qrs] - row["I"][qrs].mean(), row["V6"][qrs] - row["V6"][qrs].mean()
    size = float(np.linalg.norm(first) * np.linalg.norm(last))
    return grows and size > 0 and float(first @ last) / size < OPPOSED
