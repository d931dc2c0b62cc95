"""What sort each beat is: by shape, width, and how early it comes."""

from __future__ import annotations

import numpy as np

from ecg.analysis import Beat, Kind
from ecg.arrays import typical
from ecg.conditioning import Trace
from ecg.sight import USUAL_RR_MS, Rendered

EARLY = 0.80
PVC_MS = 110.0


def kinds(trace: Trace, rendered: Rendered, p_share: float | None) -> tuple[Beat, ...]:
    """What sort each beat is: by shape, width, and how early it comes."""
    shapes, ms = rendered.shapes, trace.rate_hz / 1000.0
    rr = np.concatenate([[np.inf], rendered.rr_ms])
    usual = float(typical(rendered.rr_ms)) if rendered.rr_ms.size else USUAL_RR_MS
    early = rr < EARLY * usual
    regular = bool(early.mean() <= 0.34) and (p_share or 0.0) > 0.5
    width = [(int(o.qrs_global[2]) - int(o.qrs_global[0])) / ms if o is not None else 0.0 for o in rendered.outlines]
    out: list[Beat] = []
    for k in range(shapes.samples.size):
        sample, label = int(shapes.samples[k]), int(shapes.labels[k])
        shape = rendered.outlines[label] if label < len(rendered.outlines) else None
        at = sample + (int(shape.qrs_global[1]) - rendered.centre if shape is not None else 0)
        kind = Kind.DOMINANT
        if label == 0:
            kind = Kind.PREMATURE if early[k] and regular else Kind.DOMINANT
        else:
            unlike = float(shapes.likeness[label]) < 0.8 and width[label] >= PVC_MS and width[label] > width[0] + 10.0
            bare = not bool(rendered.marks.has_p[k])
            kind = Kind.VENTRICULAR if unlike and (early[k] or bare) else Kind.PREMATURE if early[k] else Kind.OTHER
        out.append(Beat(k, at if trace.scale == 1.0 else round(at / trace.scale), kind))
    return tuple(out)
