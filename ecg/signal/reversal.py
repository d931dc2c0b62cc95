"""Electrodes that were swapped, seen in the ECG itself (CLINICAL.md §1.6).

A swap is exact algebra on the leads (``ecg.lead_field``), so each way of swapping can be undone on paper and asked: do
the leads now go together better (``ecg.signal.kinship``)? A way is suspected where the answer exceeds a threshold that
no unswapped record of the development half reached; without a P wave or with a wide QRS the leads say less, and the
threshold is higher. An electrode on the right leg makes one limb lead vanish, which is §1.6's own rule.

Nothing is ever corrected silently: the un-swapped version is measured and read beside the recorded one. Left arm with
left leg stays "possible" and never makes the grade worse than C. Right leg with left leg cannot be seen and does no
harm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ecg.analysis import Certainty, Grade
from ecg.arrays import Flags, Floats, floats, ints, steps
from ecg.lead_field import INDEPENDENT, potentials, recorded, swapped, twelve
from ecg.recording import CHEST_LEADS, LIMB_LEADS, Recording
from ecg.signal import kinship
from ecg.signal.leads import analysed_leads
from ecg.waves import Outline

Swaps = tuple[tuple[str, str], ...]

LIMB: dict[str, Swaps] = {
    "RA-LA": (("RA", "LA"),),
    "RA-LL": (("RA", "LL"),),
    "RA-LA-LL": (("RA", "LA"), ("RA", "LL")),
    "RA-LL-LA": (("RA", "LA"), ("LA", "LL")),
}
FEET: dict[str, Swaps] = {"LA-LL": (("LA", "LL"),)}
CHEST: dict[str, Swaps] = {f"{a}-{b}": ((a, b),) for a, b in zip(CHEST_LEADS, CHEST_LEADS[1:], strict=False)}
MIXED: dict[str, Swaps] = {f"{limb}-{v}": ((limb, v),) for limb, v in (("RA", "V1"), ("LA", "V2"), ("LL", "V3"))}
"""A limb and a chest wire of one colour: red, yellow, green (IEC)."""
WAYS = LIMB | FEET | CHEST | MIXED
"""Every swap that leaves no lead flat: its name and the pairs of electrodes exchanged, one after the other."""
THRESHOLDS: tuple[tuple[dict[str, Swaps], float, float], ...] = (
    (LIMB, 1.0, 2.8),
    (MIXED, 3.5, 3.5),
    (CHEST, 0.8, 2.0),
    (FEET, 1.2, 2.0),
)
"""Gain in kinship from which a way is suspected: with a P wave and a narrow QRS, and else [project, development half].
"""
TWO_STEPS = 0.5
"""By how much a rotation of three electrodes must fit better than an exchange of two to be named instead."""
WIDE_MS = 120.0
LEAST_ROWS = 5
ALIVE_MV = 0.02

GONE: dict[str, tuple[str, tuple[str, str], tuple[str, float]]] = {
    "RA-RL": ("II", ("I", "III"), ("III", 1.0)),
    "LA-RL": ("III", ("I", "II"), ("II", 1.0)),
    "RA-RL LA-LL": ("I", ("II", "III"), ("III", -1.0)),
}
"""With the right leg's electrode elsewhere: the lead that vanishes, the two that stay, and the one true limb lead that
is still known (recorded lead, sign). Both arms on the legs leave III alone, reversed."""
TRUE_LEAD = {"RA-RL": "III", "LA-RL": "II", "RA-RL LA-LL": "III"}
GONE_MV, GONE_SHARE, GONE_WAVE_MV = 0.100, 0.2, 0.050
"""QRS of the vanished lead in mV and as a share of the others', and the largest P and T in it (CLINICAL.md §1.6)."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Which swap the average beat looks like, how sure that is, and the worst grade that it forces."""

    kind: str
    certainty: Certainty = Certainty.PROBABLE
    grade: Grade = Grade.D


def suspected(beat: Floats, leads: tuple[str, ...], outline: Outline, has_p: bool) -> Suspicion | None:
    """A swap of two or three limb electrodes that the dominant beat fits better than none, or ``None``; see
    :func:`recognised`."""
    found = recognised(beat, leads, outline, has_p)
    return found if found is not None and (found.kind in LIMB or found.kind in GONE) else None


def recognised(
    beat: Floats, leads: tuple[str, ...], outline: Outline, has_p: bool, rate_hz: float = 500.0
) -> Suspicion | None:
    """The swap that the dominant beat fits best, of all that are known, or ``None``.

    ``beat``: float [lead, sample] referenced before QRS; ``rate_hz``: its rate. ``None`` too where fewer than five of
    the eight independent leads carry signal.
    """
    row = {name: beat[k] for k, name in enumerate(leads)}
    if not {"I", "II"} <= set(row):
        return None
    if (gone := _vanished(row, outline, has_p)) is not None:
        return Suspicion(gone)
    kind = _best(row, outline, has_p, rate_hz)
    if kind is None:
        return None
    return Suspicion(kind, Certainty.POSSIBLE, Grade.C) if kind in FEET else Suspicion(kind)


def undone(recording: Recording, kind: str) -> Recording | None:
    """The recording with this swap undone; ``None`` if a lead that this needs is missing.

    Where the right leg's electrode was moved one electrode's potential is lost: what is known then is one limb lead,
    and the recording holds no other.
    """
    names, rows = analysed_leads(recording)
    held = dict(zip(names, rows, strict=True))
    if not {"I", "II"} <= set(held):
        return None
    bare = replace(recording, counts=None, representative=None)
    if kind in GONE:
        source, sign = GONE[kind][2]
        return replace(bare, leads=(TRUE_LEAD[kind],), millivolts=sign * held[source][None], microvolts_per_count=None)
    swaps = WAYS[kind]
    if any(e not in held and e not in ("RA", "LA", "LL") for pair in swaps for e in pair):
        return None
    flat = np.zeros(recording.samples)
    independent = np.stack([held.get(name, flat) for name in INDEPENDENT])
    true = twelve(recorded(swapped(potentials(independent), swaps[::-1])))
    return replace(bare, millivolts=np.stack([true.get(n, recording.lead(n)) for n in recording.leads]))


def _best(row: dict[str, Floats], outline: Outline, has_p: bool, rate_hz: float) -> str | None:
    alive = _alive(row, outline)
    if int(alive.sum()) < LEAST_ROWS or not alive[:2].all():
        return None
    size = next(iter(row.values())).size
    beat = np.stack([row[name] if alive[k] else np.zeros(size) for k, name in enumerate(kinship.ROWS)])
    found = kinship.pieces(beat, _spans(outline, has_p, rate_hz), rate_hz)
    ways = {name: swaps for name, swaps in WAYS.items() if _possible(swaps, alive)}
    undo = np.stack([np.eye(8), *(kinship.undoing(swaps) for swaps in ways.values())])
    fit = kinship.fits(found, undo, ints(np.flatnonzero(alive)))
    gain = dict(zip(ways, (fit[1:] - fit[0]).tolist(), strict=True))
    width = (int(outline.qrs_global[2]) - int(outline.qrs_global[0])) / rate_hz * 1000
    hard = not has_p or width >= WIDE_MS
    over: list[tuple[bool, float, str]] = []
    for group, easy_limit, hard_limit in THRESHOLDS:
        limit = hard_limit if hard else easy_limit
        over += [(name not in FEET, _rank(name, gain), name) for name in group if gain.get(name, -np.inf) >= limit]
    return max(over)[2] if over else None


def _rank(name: str, gain: dict[str, float]) -> float:
    return gain[name] - TWO_STEPS * (len(WAYS[name]) - 1)


def _alive(row: dict[str, Floats], outline: Outline) -> Flags:
    qrs = slice(int(outline.qrs_global[0]), int(outline.qrs_global[2]) + 1)
    size = [float(np.ptp(row[name][qrs])) if name in row else 0.0 for name in kinship.ROWS]
    return floats(size) >= ALIVE_MV


def _possible(swaps: Swaps, alive: Flags) -> bool:
    """Whether every chest electrode of the swap carries signal."""
    return all(e not in kinship.ROWS or alive[kinship.ROWS.index(e)] for pair in swaps for e in pair)


def _spans(outline: Outline, has_p: bool, rate_hz: float) -> dict[str, tuple[int, int]]:
    on, j = int(outline.qrs_global[0]), int(outline.qrs_global[2])
    end = int(outline.t_global[2]) if outline.t_global is not None else j + round(0.3 * rate_hz)
    spans = {"qrs": (on, j), "t": (j, end)}
    if has_p and outline.p_global is not None:
        spans["p"] = (int(outline.p_global[0]), int(outline.p_global[2]))
    return spans


def _vanished(row: dict[str, Floats], outline: Outline, has_p: bool) -> str | None:
    """The swap with the right leg that fits: one limb lead without QRS, P and T beside two that have them."""
    if not set(LIMB_LEADS[:3]) <= set(row):
        return None
    qrs = slice(int(outline.qrs_global[0]), int(outline.qrs_global[2]) + 1)
    size = {name: float(np.ptp(row[name][qrs])) for name in LIMB_LEADS[:3]}
    for kind, (flat, others, _) in GONE.items():
        if size[flat] < GONE_MV and size[flat] < GONE_SHARE * min(size[n] for n in others):
            quiet = _wave_mv(row[flat], outline.t_global) < GONE_WAVE_MV
            quiet &= not has_p or _wave_mv(row[flat], outline.p_global) < GONE_WAVE_MV
            if quiet:
                return kind
    return None


def _wave_mv(lead: Floats, span: object) -> float:
    """Peak to peak between a wave's onset and offset, without the straight line between them."""
    if span is None:
        return 0.0
    first, _, last = (int(v) for v in np.asarray(span))
    part = lead[first : last + 1]
    if part.size < 3:
        return 0.0
    return float(np.ptp(part - steps(part[0], part[-1], part.size)))
