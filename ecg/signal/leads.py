"""Leads from leads: Einthoven, Goldberger and the check that they agree (CLINICAL.md §1.4).

Only two of the six limb leads are independent. What the file does not hold is derived exactly; what it holds twice is
checked. Extra leads (V3R, V7 …) are never derived and never stand in another lead's slot.
"""

from __future__ import annotations

import numpy as np

from ecg.arrays import Floats
from ecg.recording import CHEST_LEADS, EXTRA_LEADS, LIMB_LEADS, STANDARD_LEADS, Recording
from ecg.signal.units import TOLERANCE_MV, law_residuals

FROM_I_II = {
    "I": (1.0, 0.0),
    "II": (0.0, 1.0),
    "III": (-1.0, 1.0),
    "aVR": (-0.5, -0.5),
    "aVL": (1.0, -0.5),
    "aVF": (-0.5, 1.0),
}
"""Each limb lead as a · I + b · II."""


def analysed_leads(recording: Recording) -> tuple[tuple[str, ...], Floats]:
    """Names and samples [lead, sample] of what is analysed: the twelve (limb leads completed) and the extra leads.

    A recording without any of them (a Holter's MLII, a wearable's ECG) is analysed as it is.
    """
    held = {name: recording.millivolts[k] for k, name in enumerate(recording.leads)}
    held.update(_derived(held))
    names = tuple(n for n in STANDARD_LEADS + EXTRA_LEADS if n in held) or recording.leads
    return names, np.array([held[n] for n in names], dtype=np.float64).reshape(len(names), recording.samples)


def independent_count(names: tuple[str, ...]) -> int:
    """How many of the eight independent leads (two limb leads, V1–V6) are there."""
    return min(2, sum(n in names for n in LIMB_LEADS)) + sum(n in names for n in CHEST_LEADS)


def algebra_holds(recording: Recording) -> bool:
    """Whether the supplied limb leads obey Einthoven's and Goldberger's laws; true where nothing can be checked."""
    step = max(recording.microvolts_per_count or (0.0,)) * 1e-3
    limit = max(TOLERANCE_MV, 4.0 * step)
    return all(float((np.abs(r) > limit).mean()) <= 0.01 for r in law_residuals(recording.leads, recording.millivolts))


def _derived(held: dict[str, Floats]) -> dict[str, Floats]:
    known = [n for n in LIMB_LEADS if n in held]
    if len(known) < 2 or len(known) == len(LIMB_LEADS):
        return {}
    weights = np.array([FROM_I_II[n] for n in known])
    if np.linalg.matrix_rank(weights) < 2:
        return {}
    first, second = np.linalg.pinv(weights) @ np.array([held[n] for n in known])
    with np.errstate(invalid="ignore", over="ignore"):  # an infinite sample is no sample, and so is what follows of it
        return {n: a * first + b * second for n, (a, b) in FROM_I_II.items() if n not in held}
