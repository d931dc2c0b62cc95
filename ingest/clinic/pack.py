"""Several files of one ECG as one zip that is always the same: whoever packs them, in whatever order.

The county and the clinic program pack with this one function, so a WFDB pair that is sent as two parts of a POST and
the same pair that a clinic zipped are the same bytes, hence the same exam.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable

DATE = (1980, 1, 1, 0, 0, 0)
"""The zero of a zip's dates."""

WORTH = 0.9
"""A packed parcel is at most this share of the plain one; else the file goes as it is."""


def zip_of(files: Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    """A zip of ``files`` (name, bytes): stored, sorted by name, dates zero. Two of one name are both kept."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method, compresslevel=9) as archive:
        for name, data in _distinct(files):
            member = zipfile.ZipInfo(name, DATE)
            member.create_system = 0  # zipfile writes 0 on Windows, 3 elsewhere
            archive.writestr(member, data, method)
    return packed.getvalue()


def small_of(name: str, files: Iterable[tuple[str, bytes]]) -> tuple[str, bytes]:
    """What goes over a thin line, as (name, bytes): the smaller of two zips where that saves a tenth, else as it is.

    ``name`` is the zip's, without its ending. Deflate is what every program opens, LZMA (a zip's method 14) is a
    quarter smaller on 16-bit samples; it is taken where it saves a tenth again. Another zlib packs into other bytes, so
    whoever may have to send again keeps what this gave.
    """
    parts = list(files)
    best = parts[0] if len(parts) == 1 else (f"{name}.zip", zip_of(parts))
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA):
        packed = zip_of(parts, method)
        if len(packed) < len(best[1]) * WORTH:
            best = (f"{name}.zip", packed)
    return best


def _distinct(files: Iterable[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """Sorted by name, then digest; the same file twice is there once, another of the same name gets a number."""
    ordered = sorted({(name, hashlib.sha256(data).digest()): data for name, data in files}.items())
    named: dict[str, bytes] = {}
    for (name, _), data in ordered:
        unique, number = name, 1
        while unique in named:
            number += 1
            unique = f"{number}-{name}"
        named[unique] = data
    return sorted(named.items())
