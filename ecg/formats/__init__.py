"""Readers of ECG files: bytes in, one :class:`ecg.recording.Recording` out, whatever the maker.

A format is recognised by its content, never by its name. Each is one module with two functions, ``sniff(data)`` and
``read(name, parts)``, and one row of ``FORMATS``. Every failure is :class:`ecg.errors.Unreadable` with a stable code
and a sentence that says what to do; no bytes, however broken, raise anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from ecg.errors import Unreadable
from ecg.formats import aecg, dicom, faults, scp, sierra, wfdb
from ecg.formats.parts import Parts, from_bytes, from_mapping, from_path
from ecg.recording import Recording

__all__ = ["FORMATS", "Format", "read"]

SHORTEST_SECONDS = 0.5
"""Less than half a second cannot hold one beat from P to T; one-second strips are read and shown."""


@dataclass(frozen=True, slots=True)
class Format:
    """One file format: its word in ``Recording.format``, how it is recognised, how it is read."""

    word: str
    sniff: Callable[[bytes], bool]
    read: Callable[[str, Parts], Recording]


FORMATS: tuple[Format, ...] = (
    Format("wfdb", wfdb.sniff, wfdb.read),
    Format("dicom", dicom.sniff, dicom.read),
    Format("scp", scp.sniff, scp.read),
    Format("aecg", aecg.sniff, aecg.read),
    Format("sierra", sierra.sniff, sierra.read),
)


def read(source: str | Path | bytes | Mapping[str, bytes], name: str | None = None) -> Recording:
    """Read one ECG.

    ``source``: a path (its neighbours are found: the ``.dat`` of a ``.hea`` and the reverse), the bytes of one file,
    the bytes or path of a zip, or several parts by file name. ``name`` is what messages call bytes without a name.
    Raises :class:`Unreadable`, and nothing else, for anything that cannot be read.
    """
    if isinstance(source, (str, Path)):
        parts = from_path(Path(source))
    elif isinstance(source, (bytes, bytearray, memoryview)):
        parts = from_bytes(bytes(source), name or "ECG")
    else:
        parts = from_mapping(source)
    main, form = _recognise(parts)
    try:
        recording = form.read(main, parts)
    except Unreadable:
        raise
    except Exception as error:  # the boundary: what a foreign or an own decoder stumbles over is the file's damage
        raise faults.damaged(main, "内容无法解码", f"it cannot be decoded: {type(error).__name__}: {error}") from error
    if recording.seconds < SHORTEST_SECONDS or not np.isfinite(recording.millivolts).any():
        raise faults.no_ecg(
            main, f"只有 {recording.seconds:.2f} 秒", f"only {recording.seconds:.2f} s of valid samples"
        )
    return recording


def _recognise(parts: Parts) -> tuple[str, Format]:
    """The part to begin with and its format."""
    if not parts.names:
        raise faults.empty("ECG")
    found = [(name, form) for name in parts.names if (form := _sniff(parts.need(name))) is not None]
    masters = [(name, form) for name, form in found if form.word == "wfdb" and wfdb.is_master(parts.need(name))]
    headers = [(name, form) for name, form in found if form.word == "wfdb" and wfdb.is_header_name(name)]
    # A note may look like a header, and samples like any format that is known by a few bytes.
    others = [
        (name, form)
        for name, form in found
        if not (headers and (form.word == "wfdb" or any(wfdb.mentions(parts.need(h), name) for h, _ in headers)))
    ]
    candidates = masters or headers + others
    if len(candidates) == 1:
        return candidates[0]
    if found:
        raise faults.several_recordings([name for name, _ in found])
    return _by_header(parts)


def _by_header(parts: Parts) -> tuple[str, Format]:
    """No part is recognised: samples of a WFDB record whose header is beside them, or missing, or nothing we know."""
    for name in parts.names:
        header = _header_name(name)
        beside = parts.fetch(header) if header != name else None
        if beside and wfdb.sniff(beside) and wfdb.mentions(beside, name):
            return header, FORMATS[0]
    first = parts.names[0]
    if all(not parts.need(name) for name in parts.names):
        raise faults.empty(first)
    if wfdb.is_header_name(first):
        raise faults.damaged(first, "头文件无法解析", "the header cannot be parsed")
    if len(parts.names) == 1 and wfdb.is_signal_name(first):
        raise faults.part_missing(_header_name(first))
    raise faults.unknown_format(first)


def _header_name(name: str) -> str:
    """The WFDB header that would stand beside a file of samples."""
    return f"{PurePosixPath(name).stem}.hea"


def _sniff(data: bytes) -> Format | None:
    return next((form for form in FORMATS if form.sniff(data)), None)
