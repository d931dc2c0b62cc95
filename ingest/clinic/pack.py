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


def zip_of(files: Iterable[tuple[str, bytes]]) -> bytes:
    """A zip of ``files`` (name, bytes): stored, sorted by name, dates zero. Two of one name are both kept."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, data in _distinct(files):
            member = zipfile.ZipInfo(name, DATE)
            member.create_system = 0  # zipfile writes 0 on Windows, 3 elsewhere
            archive.writestr(member, data)
    return packed.getvalue()


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
