"""What a viewer draws: the calibrated samples and the average beat as whole microvolts, small enough for a slow
line.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg.analysis import Analysis
from ecg.recording import Recording

INVALID = -32768  # a sample that the file marks invalid, or beyond ±32.767 mV


def viewer_document(recording: Recording, analysis: Analysis) -> dict[str, Any]:
    """Samples as base64 of little-endian int16 in µV, lead after lead; see the keys below."""
    average = analysis.average
    return {
        "rate_hz": recording.rate_hz,
        "leads": list(recording.leads),
        "samples": recording.samples,
        "microvolts": _packed(recording.millivolts),
        "average": None
        if average is None
        else {
            "rate_hz": average.rate_hz,
            "leads": list(average.leads),
            "samples": average.millivolts.shape[1],
            "qrs_on": average.qrs_on,
            "j": average.qrs_off,
            "microvolts": _packed(average.millivolts),
        },
    }


def _packed(millivolts: NDArray[np.float64]) -> str:
    microvolts = np.rint(millivolts * 1000)
    valid = np.isfinite(microvolts) & (np.abs(microvolts) <= 32767)
    whole = np.where(valid, microvolts, INVALID).astype("<i2")
    return base64.b64encode(whole.tobytes()).decode()
