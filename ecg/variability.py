"""Heart-rate variability of normal-to-normal intervals, and how PR varies (CLINICAL.md §2.3).

Task Force of the ESC and NASPE 1996 (Circulation 93:1043): SDNN is the standard deviation of the NN intervals, RMSSD
the root mean square of their successive differences, pNN50 the share of these above 50 ms. Made for five minutes and
more; from ten seconds they are printed as what this strip shows. An interval is NN where both its beats are dominant,
and a difference is one of two NN intervals that follow each other. Below ``LEAST_NN`` intervals there is no figure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ecg.analysis import Beat, Kind, Variability
from ecg.arrays import Flags, Floats, floats

LEAST_NN = 6
"""NN intervals below which no figure is given: with fewer, one breath decides [project]."""
PNN_MS = 50.0


def variability(beats: Sequence[Beat], rr_ms: Floats, pr_ms: Floats) -> Variability:
    """Figures from all beats, the intervals between them float [beat − 1] and PR of the beats that have one, in ms."""
    normal = np.array([b.kind is Kind.DOMINANT for b in beats], dtype=np.bool_)
    spread = float(pr_ms.max() - pr_ms.min()) if pr_ms.size >= 3 else None
    if rr_ms.size != max(normal.size - 1, 0):
        return Variability(pr_range_ms=spread)
    nn: Flags = normal[1:] & normal[:-1]
    intervals = rr_ms[nn]
    if intervals.size < LEAST_NN:
        return Variability(nn_count=int(intervals.size), pr_range_ms=spread)
    together = nn[1:] & nn[:-1]
    change = floats(np.diff(rr_ms)[together])
    enough = change.size >= LEAST_NN - 1
    return Variability(
        nn_count=int(intervals.size),
        sdnn_ms=float(intervals.std(ddof=1)),
        rmssd_ms=float(np.sqrt((change**2).mean())) if enough else None,
        pnn50_percent=float(100.0 * (np.abs(change) > PNN_MS).mean()) if enough else None,
        pr_range_ms=spread,
    )
