"""The lead field: what a heart dipole makes of each lead, and what the electrodes make of the leads.

Axes are Frank's: x to the left, y to the feet, z to the back (mV in the transformed space). The coefficients of I, II
and V1–V6 are Dower's (Dower, Machado, Osborne 1980, Clin Cardiol 3:87); those of V7–V9 and V3R–V5R are ours, carried on
around the chest from them [project]. III and the augmented leads follow from I and II.

Electrodes: with Wilson's terminal at zero the limb potentials follow from I and II, and a chest potential is its lead.
Swapping two electrodes therefore gives exactly the transforms of CLINICAL.md §1.6. The right leg is taken to be at the
left leg's potential, which is why LL–RL is harmless and RA–RL leaves lead II flat.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ecg.recording import CHEST_LEADS, EXTRA_LEADS, LIMB_LEADS

Floats = NDArray[np.float64]

COEFFICIENTS: dict[str, tuple[float, float, float]] = {
    "I": (0.632, -0.235, 0.059),
    "II": (0.235, 1.066, -0.132),
    "V1": (-0.515, 0.157, -0.917),
    "V2": (0.044, 0.164, -1.387),
    "V3": (0.882, 0.098, -1.277),
    "V4": (1.213, 0.127, -0.601),
    "V5": (1.125, 0.127, -0.086),
    "V6": (0.831, 0.076, 0.230),
    "V7": (0.600, 0.070, 0.420),
    "V8": (0.400, 0.070, 0.560),
    "V9": (0.220, 0.070, 0.620),
    "V3R": (-0.680, 0.160, -0.560),
    "V4R": (-0.660, 0.150, -0.290),
    "V5R": (-0.580, 0.130, -0.080),
}
INDEPENDENT = tuple(COEFFICIENTS)
"""The leads that carry information of their own, in the order of every [lead, …] array here."""

FIELD: Floats = np.array(list(COEFFICIENTS.values()))
"""[lead, xyz]."""

LIMB_ELECTRODES = ("RA", "LA", "LL", "RL")
CHEST_ELECTRODES = CHEST_LEADS + EXTRA_LEADS
ELECTRODES = LIMB_ELECTRODES + CHEST_ELECTRODES


def twelve(independent: Floats) -> dict[str, Floats]:
    """All leads from the independent ones [lead, …]: the limb leads obey Einthoven and Goldberger exactly."""
    one, two = independent[0], independent[1]
    limbs = {"I": one, "II": two, "III": two - one, "aVR": -(one + two) / 2, "aVL": one - two / 2, "aVF": two - one / 2}
    return limbs | dict(zip(INDEPENDENT[2:], independent[2:], strict=True))


def potentials(independent: Floats) -> dict[str, Floats]:
    """Electrode potentials against Wilson's terminal."""
    one, two = independent[0], independent[1]
    limbs = {"RA": -(one + two) / 3, "LA": (2 * one - two) / 3, "LL": (2 * two - one) / 3}
    limbs["RL"] = limbs["LL"].copy()
    return limbs | dict(zip(INDEPENDENT[2:], independent[2:], strict=True))


def recorded(electrodes: Mapping[str, Floats]) -> Floats:
    """The independent leads [lead, …] that an electrocardiograph makes of electrode potentials."""
    right, left, foot = electrodes["RA"], electrodes["LA"], electrodes["LL"]
    terminal = (right + left + foot) / 3
    chest = [electrodes[name] - terminal for name in INDEPENDENT[2:]]
    return np.stack([left - right, foot - right, *chest])


def swapped(electrodes: Mapping[str, Floats], swaps: tuple[tuple[str, str], ...]) -> dict[str, Floats]:
    """The potentials after pairs of electrodes were exchanged, one pair after the other (two pairs make a rotation)."""
    found = dict(electrodes)
    for one, other in swaps:
        found[one], found[other] = found[other], found[one]
    return found


def spread(wanted: Mapping[str, float]) -> Floats:
    """Values [lead] of all independent leads: those wanted exactly, the others as the best-fitting dipole has them.

    ``wanted``: mV by lead name, limb leads included. ``ValueError`` for an unknown lead, or limb values that contradict
    Einthoven's law by more than 0.1 µV.
    """
    if not wanted:
        return np.zeros(len(INDEPENDENT))
    names, values = list(wanted), np.array(list(wanted.values()))
    rows = twelve(np.eye(len(INDEPENDENT)))
    if unknown := set(names) - set(rows):
        raise ValueError(f"no such lead: {', '.join(sorted(unknown))}")
    limb = [at for at, name in enumerate(names) if name in LIMB_LEADS]
    asked = np.array([rows[name] for name in names])
    seen = asked @ FIELD
    dipole = np.linalg.solve(seen.T @ seen + 0.05 * np.eye(3), seen.T @ values)
    found: Floats = FIELD @ dipole
    for at, name in enumerate(names):
        if name not in LIMB_LEADS:
            found[INDEPENDENT.index(name)] = values[at]
    if limb:
        weights = asked[limb, :2]
        found[:2] += np.linalg.pinv(weights) @ (values[limb] - weights @ found[:2])
        if np.abs(weights @ found[:2] - values[limb]).max() > 1e-4:
            raise ValueError("the limb values contradict Einthoven's law")
    return found
