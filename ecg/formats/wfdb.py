"""WFDB records: a text header ``.hea`` and sample files (``.dat``, ``.mat``), PhysioNet's format and our own.

The header is trusted for gain and baseline; the raw integers go along in ``Recording.counts``, because some published
headers carry a false gain that only the integers show (CLINICAL.md §1.4; seen and undone in ``ecg.signal``). Age and
sex are taken from the comment lines; nothing else of the comments is kept (they may hold names).
"""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from ecg.errors import Unreadable
from ecg.formats import faults
from ecg.formats.foreign import library
from ecg.formats.names import age_years, name_leads, sex
from ecg.formats.parts import Parts
from ecg.formats.wfdb_header import MICROVOLTS, Header, SignalLine, comment_value, parse, record_line
from ecg.formats.wfdb_samples import CODECS, Counts, checksum
from ecg.recording import AcquiredAt, Note, PatientFacts, Recording, Text

SNIFF_BYTES = 4096
PACKAGE_FORMATS = {"0", "8", "310", "311", "508", "516", "524"}
"""Sample formats that the ``wfdb`` package decodes for us; 0 is a signal without samples."""

MAX_RECORD_SAMPLES = 64 * 2**20
"""Samples of all signals together: half a gigabyte of millivolts, ten times what the largest upload can hold."""


def sniff(data: bytes) -> bool:
    """True for the text of a WFDB header."""
    text = _text(data[:SNIFF_BYTES])
    return text is not None and record_line(text) is not None


def is_master(data: bytes) -> bool:
    """True for the header of a multi-segment record, which stands above its segments' headers."""
    match = record_line(_text(data) or "")
    return match is not None and match["segments"] is not None


def mentions(data: bytes, name: str) -> bool:
    """True where the header ``data`` names the sample file ``name``."""
    text = _text(data) or ""
    return any((line.split() or [""])[0].casefold() == name.casefold() for line in text.splitlines())


def is_header_name(name: str) -> bool:
    """True for a name that says header, whatever the content."""
    return PurePosixPath(name).suffix.lower() == ".hea"


def is_signal_name(name: str) -> bool:
    """True for a name that says samples, whose header must exist somewhere."""
    return PurePosixPath(name).suffix.lower() in (".dat", ".mat")


def read(name: str, parts: Parts) -> Recording:
    """Read the record whose header is the part ``name``; its sample files are fetched from ``parts``."""
    data = parts.need(name)
    header = _header(data, name)
    if not header.segments and all(line.file == "~" for line in header.signals):
        raise faults.no_ecg(name, "头文件没有列出任何信号", "the header lists no signal with samples")
    if unknown := {line.format for line in header.signals} - set(CODECS) - PACKAGE_FORMATS:
        raise faults.damaged(name, f"采样格式 {'、'.join(sorted(unknown))} 不存在", f"no such sample format: {unknown}")
    if header.segments or not _is_common(header):
        return _read_uncommon(header, data, parts)
    return _recording(header, *_read_common(header, parts))


def _header(data: bytes, name: str) -> Header:
    text = _text(data)
    try:
        if text is None:
            raise ValueError("not text")
        return parse(text)
    except (ValueError, OverflowError) as error:
        raise faults.damaged(name, f"头文件无法解析：{error}", f"the header cannot be parsed: {error}") from error


def _text(data: bytes) -> str | None:
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _is_common(header: Header) -> bool:
    return all(line.format in CODECS and line.per_frame == 1 and line.skew == 0 for line in header.signals)


def _read_common(header: Header, parts: Parts) -> tuple[Counts, NDArray[np.bool_]]:
    """Raw integers and validity, both [signal, sample]."""
    blocks: list[Counts] = []
    valid: list[NDArray[np.bool_]] = []
    for group in _groups(header.signals):
        codec, data = CODECS[group[0].format], parts.need(group[0].file)[group[0].offset :]
        width = len(group)
        samples = header.samples or codec.samples_in(len(data)) // width
        needed = codec.bytes_needed(samples * width)
        if len(data) < needed:
            raise faults.cut_short(group[0].file, len(data), needed)
        if samples * len(header.signals) > MAX_RECORD_SAMPLES:
            raise faults.too_large(header.name, MAX_RECORD_SAMPLES)
        block = codec.decode(data[:needed], samples * width).reshape(samples, width).T
        blocks.append(block)
        valid.append(block != codec.invalid)
    shortest = min(block.shape[1] for block in blocks)
    if shortest == 0:
        raise faults.no_ecg(header.name, "没有采样", "it has no samples")
    counts = np.concatenate([block[:, :shortest] for block in blocks])
    return np.ascontiguousarray(counts), np.concatenate([block[:, :shortest] for block in valid])


def _groups(signals: tuple[SignalLine, ...]) -> list[list[SignalLine]]:
    """Signals that share a sample file, in the header's order."""
    groups: list[list[SignalLine]] = []
    for line in signals:
        if groups and groups[-1][0].file == line.file and groups[-1][0].format == line.format:
            groups[-1].append(line)
        else:
            groups.append([line])
    return groups


def _recording(header: Header, counts: Counts, valid: NDArray[np.bool_]) -> Recording:
    lines = header.signals
    no_voltage = [index for index, line in enumerate(lines) if line.unit.casefold() not in MICROVOLTS]
    named = name_leads([line.description or f"signal {index + 1}" for index, line in enumerate(lines)], no_voltage)
    if not named.rows:
        raise faults.no_ecg(header.name, "没有一个信号的单位是电压", "no signal is a voltage")
    rows = list(named.rows)
    chosen = [lines[row] for row in rows]
    per_count = tuple(MICROVOLTS[line.unit.casefold()] / line.gain for line in chosen)
    baselines = np.array([line.baseline for line in chosen], dtype=np.float64)[:, None]
    units_per_mv = np.array([line.gain / (MICROVOLTS[line.unit.casefold()] / 1000.0) for line in chosen])[:, None]
    millivolts = np.where(valid[rows], (counts[rows] - baselines) / units_per_mv, np.nan)
    return Recording(
        leads=named.names,
        millivolts=millivolts,
        rate_hz=header.rate_hz,
        format="wfdb",
        acquired_at=AcquiredAt(header.started_at, "record line") if header.started_at else None,
        patient=_patient(header),
        microvolts_per_count=per_count,
        counts=counts[rows],
        notes=named.notes + _gain_notes(chosen) + _checksum_notes(header, counts),
    )


def _patient(header: Header) -> PatientFacts:
    return PatientFacts(age_years(comment_value(header, "age")), sex(comment_value(header, "(?:sex|gender)")))


def _gain_notes(lines: list[SignalLine]) -> tuple[Note, ...]:
    if all(line.gain_stated for line in lines):
        return ()
    text = Text(
        "文件没有写明增益，按 WFDB 的约定取每毫伏 200 个单位。",
        "The file states no gain; WFDB's convention of 200 units per mV was assumed.",
    )
    return (Note("GAIN_DEFAULT", text),)


def _checksum_notes(header: Header, counts: Counts) -> tuple[Note, ...]:
    """A wrong checksum is told, not refused: the samples are there, and a doctor can see if they make sense."""
    wrong = [
        line.description or f"{index + 1}"
        for index, line in enumerate(header.signals)
        if line.checksum is not None and header.samples and (line.checksum & 0xFFFF) != checksum(counts[index])
    ]
    if not wrong:
        return ()
    text = Text(
        f"{'、'.join(wrong)} 的校验和与采样不符：文件可能在传输或转换中被改动。",
        f"The checksum of {', '.join(wrong)} does not match its samples: the file may have been altered on its way.",
    )
    return (Note("CHECKSUM_WRONG", text),)


def _read_uncommon(header: Header, data: bytes, parts: Parts) -> Recording:
    """Rare formats, frames of several samples, skew, segments: decoded by the ``wfdb`` package in a folder."""
    with tempfile.TemporaryDirectory(prefix="ecg-") as folder:
        place = Path(folder)
        (place / "record.hea").write_bytes(data)
        _copy_parts(header, parts, place)
        return _by_package(header, place / "record")


def _copy_parts(header: Header, parts: Parts, place: Path) -> None:
    for line in header.signals:
        if line.file != "~":
            (place / _plain(line.file)).write_bytes(parts.need(line.file))
    for name in header.segment_names:
        if name != "~":
            below = parts.need(f"{name}.hea")
            (place / f"{_plain(name)}.hea").write_bytes(below)
            segment = _header(below, f"{name}.hea")
            if segment.segments:
                raise faults.damaged(f"{name}.hea", "分段套分段", "a segment within a segment")
            _copy_parts(segment, parts, place)


def _plain(name: str) -> str:
    if PurePosixPath(name).name != name or "\\" in name:
        raise faults.damaged(name, "文件名含路径", "a file name with a path")
    return name


def _by_package(header: Header, record: Path) -> Recording:
    package = library("wfdb")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = package.rdrecord(str(record))
    except Unreadable:
        raise
    except Exception as error:
        raise faults.damaged(header.name, "采样无法解码", f"the samples cannot be decoded: {error}") from error
    units = [str(unit) for unit in found.units]
    no_voltage = [index for index, unit in enumerate(units) if unit.casefold() not in MICROVOLTS]
    named = name_leads([str(name) for name in found.sig_name], no_voltage)
    if not named.rows:
        raise faults.no_ecg(header.name, "没有一个信号的单位是电压", "no signal is a voltage")
    scale = np.array([MICROVOLTS[units[row].casefold()] / 1000.0 for row in named.rows])[:, None]
    millivolts = np.asarray(found.p_signal, dtype=np.float64).T[list(named.rows)] * scale
    return Recording(
        leads=named.names,
        millivolts=np.ascontiguousarray(millivolts),
        rate_hz=float(found.fs),
        format="wfdb",
        acquired_at=AcquiredAt(header.started_at, "record line") if header.started_at else None,
        patient=_patient(header),
        notes=named.notes,
    )
