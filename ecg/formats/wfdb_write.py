"""Writing a :class:`Recording` as WFDB: one ``.hea`` and one ``.dat`` in format 16, 1 µV a count, zipped.

For the demonstration county and the tests. The fields written are those of ``header(5)`` that a reader needs; nothing
of the patient but age and sex. The same recording gives the same bytes.
"""

from __future__ import annotations

import io
import re
import zipfile

import numpy as np
from numpy.typing import NDArray

from ecg.formats.wfdb_samples import checksum
from ecg.recording import Recording

COUNTS_PER_MV = 1000.0
INVALID = -(1 << 15)
LIMIT = (1 << 15) - 1
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def wfdb_zip(recording: Recording, name: str = "ecg") -> bytes:
    """A zip of ``name.hea`` and ``name.dat``.

    ``name``: letters, digits, ``_`` and ``-``, at most 64. Values are rounded to 1 µV; a lead beyond ±32.767 mV is
    written at the gain that just holds it. Invalid samples (NaN) stay invalid. ``ValueError`` for another name.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, data in sorted(wfdb_parts(recording, name).items()):
            archive.writestr(zipfile.ZipInfo(part, _ZIP_DATE), data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def wfdb_parts(recording: Recording, name: str = "ecg") -> dict[str, bytes]:
    """The two files by name, as :func:`wfdb_zip` packs them."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"a record name is letters, digits, _ and -, got {name!r}")
    gains = [_gain(row) for row in recording.millivolts]
    counts = np.stack([_counts(row, gain) for row, gain in zip(recording.millivolts, gains, strict=True)])
    header = "\n".join(
        [_record_line(recording, name), *_signal_lines(recording, name, gains, counts), *_facts(recording)]
    )
    return {f"{name}.hea": (header + "\n").encode(), f"{name}.dat": counts.T.astype("<i2").tobytes()}


def _gain(row: NDArray[np.float64]) -> float:
    """The gain as the header will state it, so that the counts are rounded at the gain they are read with."""
    largest = float(np.nanmax(np.abs(row), initial=0.0))
    return COUNTS_PER_MV if largest * COUNTS_PER_MV <= LIMIT else float(f"{LIMIT / largest:.10g}")


def _counts(row: NDArray[np.float64], gain: float) -> NDArray[np.int32]:
    return np.where(np.isnan(row), INVALID, np.rint(np.nan_to_num(row) * gain)).astype(np.int32)


def _record_line(recording: Recording, name: str) -> str:
    line = f"{name} {len(recording.leads)} {recording.rate_hz:.10g} {recording.samples}"
    if recording.acquired_at is None:
        return line
    at = recording.acquired_at.instant
    return f"{line} {at:%H:%M:%S}.{at.microsecond // 1000:03d} {at:%d/%m/%Y}"


def _signal_lines(recording: Recording, name: str, gains: list[float], counts: NDArray[np.int32]) -> list[str]:
    """file format gain(baseline)/unit resolution zero first checksum block description"""
    return [
        f"{name}.dat 16 {gain:.10g}(0)/mV 16 0 {int(row[0])} {_signed(checksum(row))} 0 {lead}"
        for lead, gain, row in zip(recording.leads, gains, counts, strict=True)
    ]


def _signed(value: int) -> int:
    return value - 0x10000 if value > LIMIT else value


def _facts(recording: Recording) -> list[str]:
    patient = recording.patient
    age = [] if patient.age_years is None else [f"# Age: {patient.age_years:.10g}"]
    return age + ([] if patient.sex is None else [f"# Sex: {patient.sex.value.capitalize()}"])
