"""Many fingerprints at once: which of them hold the same ECG as this one.

Comparing one pair exactly takes milliseconds; a county has thousands of ECGs a month. So every curve is kept once more
at a quarter of its rate, of one limb lead, and all are tried against the question at every shift by one matrix product;
the few that come near are then compared exactly (:func:`ecg.fingerprint.likeness`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecg.fingerprint import NAMES, RATE_HZ, SAME, SHIFT_S, Fingerprint, curves, likeness

LEADS = (NAMES.index("II"), NAMES.index("I"))
"""By which lead the rough comparison is made: every 12-lead fingerprint holds one of them."""
THIN = 4
NEAR = 0.85
"""Rough likeness from which a pair is compared exactly: rounding to four bits at a quarter of the rate costs the same
ECG some hundredths, never a tenth [project]."""
MOST_NEAR = 12
"""Exact comparisons at most: a site that sends one ECG again and again needs no more to be seen."""

Block = NDArray[np.float32]


class Album:
    """Fingerprints by an id of the caller's; later ones of the same id change nothing."""

    def __init__(self) -> None:
        self._prints: dict[str, Fingerprint] = {}
        self._ids: dict[int, list[str]] = {lead: [] for lead in LEADS}
        self._rows: dict[int, Block] = {}

    def __len__(self) -> int:
        return len(self._prints)

    def add(self, identity: str, data: bytes) -> None:
        """Keep one; what is no fingerprint of this version is passed over."""
        if identity in self._prints:
            return
        try:
            found = Fingerprint.fromhex(data.hex())
        except ValueError:
            return
        self._prints[identity] = found
        for lead, row in _thin(found).items():
            number = len(self._ids[lead])
            self._ids[lead].append(identity)
            self._room(lead, number + 1, len(row))[number, : len(row)] = row

    def like(self, data: bytes) -> list[str]:
        """The ids whose ECG is this one, the likest first."""
        try:
            asked = Fingerprint.fromhex(data.hex())
        except ValueError:
            return []
        near: dict[str, float] = {}
        for lead, row in _thin(asked).items():
            count = len(self._ids[lead])
            if count:
                rough = _best(self._rows[lead][:count], row)
                for number in np.flatnonzero(rough >= NEAR):
                    identity = self._ids[lead][number]
                    near[identity] = max(near.get(identity, 0.0), float(rough[number]))
        tried = sorted(near, key=lambda identity: -near[identity])[:MOST_NEAR]
        exact = {identity: likeness(asked, self._prints[identity]) for identity in tried}
        return [identity for identity in sorted(exact, key=lambda one: -exact[one]) if exact[identity] >= SAME]

    def _room(self, lead: int, rows: int, samples: int) -> Block:
        """The lead's block, grown by doubling so that ``rows`` curves of ``samples`` fit."""
        kept = self._rows.get(lead)
        if kept is None or kept.shape[0] < rows or kept.shape[1] < samples:
            height = max(64, rows, 0 if kept is None else kept.shape[0] * (2 if kept.shape[0] < rows else 1))
            grown = np.zeros((height, max(samples, 0 if kept is None else kept.shape[1])), dtype=np.float32)
            if kept is not None:
                grown[: kept.shape[0], : kept.shape[1]] = kept
            self._rows[lead] = kept = grown
        return kept


def _thin(print_: Fingerprint) -> dict[int, Block]:
    """The curve of the lead that the rough comparison uses, at a quarter of its rate, without its mean."""
    found = curves(print_)
    for lead in LEADS:
        if lead in found and found[lead].size >= THIN:
            curve = found[lead][: found[lead].size // THIN * THIN].reshape(-1, THIN).mean(axis=1)
            return {lead: (curve - curve.mean()).astype(np.float32)}
    return {}


def _best(rows: Block, asked: Block) -> Block:
    """For each row its best correlation with ``asked`` over all shifts, as one product."""
    reach = round(SHIFT_S * RATE_HZ / THIN) + 1
    size = rows.shape[1]
    moved = np.zeros((2 * reach + 1, size), dtype=np.float32)
    for k, shift in enumerate(range(-reach, reach + 1)):
        start, first = max(shift, 0), max(-shift, 0)
        length = max(0, min(size - start, len(asked) - first))
        moved[k, start : start + length] = asked[first : first + length]
    inside = (moved != 0).astype(np.float32)
    energy = np.sqrt((rows**2) @ inside.T) * np.linalg.norm(moved, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(energy > 0, rows @ moved.T / energy, 0.0)
    return found.max(axis=1).astype(np.float32)
