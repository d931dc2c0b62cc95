"""How the leads of one heart go together, and how badly a beat fits that (CLINICAL.md §1.6).

The eight independent leads see one heart from eight sides, so their products over a wave are not free: I goes with V5
and V6, neighbours on the chest resemble each other, P is upright in I and II. ``kinship_tables`` holds what is usual on
the records that may be tuned on: the mean product of each pair of leads, and each lead's net share, for P, QRS and T.
Swapped electrodes are exact algebra on the leads; un-swapping them rightly makes the beat fit better, wrongly worse.
The idea is Kors and van Herpen's (J Electrocardiol 2001;34 Suppl) of leads that predict each other; here without a
chosen pair, as a Gaussian's likelihood whose scale is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from ecg.arrays import Floats, Ints, floats, steps
from ecg.lead_field import INDEPENDENT, potentials, recorded, swapped
from ecg.signal import kinship_tables as tables

ROWS = INDEPENDENT[:8]
"""I, II, V1–V6: the order of every array here."""
WAVES = ("p", "qrs", "t")
WEIGHTS = {"p": (2.0, 2.0), "qrs": (2.0, 1.0), "t": (2.0, 1.0)}
"""Of a wave's products and of its net shares [project, development half]."""
AFTER_J_MS = 40.0
FLOOR = 1e-5

Piece = tuple[Floats, Floats]
"""Mean products [8, 8] and mean [8] of the leads over one wave."""

_TABLES: dict[str, tuple[Floats, Floats, Floats]] = {
    "p": (floats(tables.TOGETHER_P), floats(tables.NET_P)[0], floats(tables.SPREAD_P)[0]),
    "qrs": (floats(tables.TOGETHER_QRS), floats(tables.NET_QRS)[0], floats(tables.SPREAD_QRS)[0]),
    "t": (floats(tables.TOGETHER_T), floats(tables.NET_T)[0], floats(tables.SPREAD_T)[0]),
}


def pieces(beat: Floats, spans: Mapping[str, tuple[int, int]], rate_hz: float) -> dict[str, Piece]:
    """What the score needs of a beat float [8, sample] referenced before QRS; ``spans``: first and last sample of each
    wave, T from J."""
    found: dict[str, Piece] = {}
    for wave, (first, last) in spans.items():
        if wave == "t":
            first += round(AFTER_J_MS * rate_hz / 1000)
        part = beat[:, max(first, 0) : last + 1]
        if part.shape[1] < 6:
            continue
        if wave == "p":
            ramp = steps(0.0, 1.0, part.shape[1])
            part = part - (part[:, :1] * (1 - ramp) + part[:, -1:] * ramp)
        product = part @ part.T / part.shape[1]
        if float(np.trace(product)) > 0:
            found[wave] = product, part.mean(axis=1)
    return found


@cache
def undoing(swaps: tuple[tuple[str, str], ...]) -> Floats:
    """The matrix [8, 8] that makes true leads of leads recorded with these electrodes exchanged."""
    size = len(INDEPENDENT)
    made = recorded(swapped(potentials(np.eye(size)), swaps))[:8, :8]
    return floats(np.linalg.inv(made))


def fits(found: Mapping[str, Piece], undo: Floats, kept: Ints) -> Floats:
    """How well the beat fits after each of the matrices ``undo`` float [way, 8, 8]; only differences mean anything.

    ``kept``: the rows that carry signal. A way that would need another row must not be asked for.
    """
    ways = undo[:, kept[:, None], kept[None, :]]
    total = np.zeros(ways.shape[0])
    for wave, (product, net) in found.items():
        together, usual, spread = _TABLES[wave]
        inverse = np.linalg.inv(together[np.ix_(kept, kept)])
        seen = ways @ product[np.ix_(kept, kept)] @ ways.transpose(0, 2, 1)
        size = np.trace(seen, axis1=1, axis2=2)
        misfit = np.einsum("ij,wji->w", inverse, seen) / size + FLOOR * np.trace(inverse) / kept.size
        turned = ways @ net[kept]
        turned = turned / np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-12)
        away = ((turned - usual[kept]) ** 2 / spread[kept]).mean(axis=1)
        of_products, of_nets = WEIGHTS[wave]
        total -= of_products * np.log(misfit) + of_nets * np.log1p(away)
    return total
