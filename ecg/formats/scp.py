"""SCP-ECG (EN 1064 / ISO 11073-91064): the standard communications protocol of European and many Chinese recorders.

A file is a CRC, a length and sections; section 0 points to the others: 1 patient and device (tags), 2 Huffman tables,
3 leads, 5 reference beat, 6 rhythm. Samples are plain or Huffman-coded, as values, first or second differences. Rhythm
data from which a reference beat was subtracted, or that were decimated (bimodal), are refused with the reason: they
cannot be restored without loss that we have been able to check against a known original.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

import numpy as np
from numpy.typing import NDArray

from ecg.errors import Unreadable
from ecg.formats import faults, moments
from ecg.formats.names import OLDEST_YEARS, name_leads
from ecg.formats.parts import Parts
from ecg.formats.scp_huffman import Table, decode, read_tables
from ecg.formats.scp_leads import LEAD_NAMES
from ecg.recording import AcquiredAt, Device, Filters, Note, PatientFacts, Recording, Sex, Text

_HEADER = struct.Struct("<HI")
_SECTION = struct.Struct("<HHIBB6x")
_POINTER = struct.Struct("<HII")
_LEAD = struct.Struct("<IIB")
_SEXES = {b"\x01": Sex.MALE, b"\x02": Sex.FEMALE}
_DATA = struct.Struct("<HHBB")
MAX_LEADS = 85
MAX_SAMPLES = 8 * 2**20
"""Samples of one lead: two hours at 1000 Hz, far beyond a resting ECG."""


@dataclass(frozen=True, slots=True)
class _Sections:
    """The sections' contents without their headers, and which of them carry a wrong CRC."""

    data: Mapping[int, bytes]
    wrong_crc: frozenset[int]
    file_crc_wrong: bool


@dataclass(frozen=True, slots=True)
class _LeadSpan:
    """One lead of section 3: first and last sample number, lead code."""

    start: int
    end: int
    code: int


@dataclass(frozen=True, slots=True)
class _Waves:
    """Section 5 or 6 decoded: one array of counts a lead, nanovolts a count, microseconds between samples."""

    counts: tuple[NDArray[np.int64], ...]
    nanovolts: int
    interval_us: int


def sniff(data: bytes) -> bool:
    """True where a section 0 that points into the file stands behind the file's CRC and length."""
    if len(data) < _HEADER.size + _SECTION.size + _POINTER.size:
        return False
    _, section, length, _, _ = _SECTION.unpack_from(data, _HEADER.size)
    marked = data[_HEADER.size + 10 : _HEADER.size + 16] == b"SCPECG"
    return section == 0 and (marked or (length >= 136 and (length - 16) % 10 == 0 and _points_to_section_1(data)))


def _points_to_section_1(data: bytes) -> bool:
    """The first pointers of section 0 are for sections 0 and 1, as the standard orders them."""
    base = _HEADER.size + _SECTION.size
    ids = [_POINTER.unpack_from(data, base + 10 * index)[0] for index in (0, 1) if base + 10 * (index + 1) <= len(data)]
    return ids == [0, 1]


def read(name: str, parts: Parts) -> Recording:
    """Read the part ``name``."""
    data = parts.need(name)
    sections = _sections(data, name)
    spans, flags = _spans(sections, name)
    tables = read_tables(sections.data[2], name) if 2 in sections.data else None
    if flags & 1:
        raise _refused(name, "节律数据已减去参考心搏", "its rhythm data have the reference beat subtracted")
    rhythm = _waves(sections, 6, spans, tables, name)
    if rhythm is None:
        raise faults.no_ecg(name, "没有第 6 节（节律数据）", "it has no section 6 (rhythm data)")
    return _recording(name, sections, spans, rhythm, _beats(sections, spans, tables, name))


def _refused(name: str, zh: str, en: str) -> Unreadable:
    return Unreadable(
        "UNKNOWN_FORMAT",
        f"{name} 使用了有损压缩的 SCP-ECG（{zh}）：请在心电图机上改为不压缩导出后再发送。",
        f"{name} is SCP-ECG with lossy compression ({en}): set the device to export without it and send again.",
    )


def _sections(data: bytes, name: str) -> _Sections:
    file_crc, length = _HEADER.unpack_from(data)
    if length > len(data):
        raise faults.cut_short(name, len(data), length)
    _, _, size, _, _ = _SECTION.unpack_from(data, _HEADER.size)
    end = min(_HEADER.size + size, len(data))
    found: dict[int, bytes] = {}
    wrong: set[int] = set()
    for offset in range(_HEADER.size + _SECTION.size, end - _POINTER.size + 1, _POINTER.size):
        number, size, index = _POINTER.unpack_from(data, offset)
        if number == 0 or size <= _SECTION.size or index == 0:
            continue
        start = index - 1
        if start + size > len(data):
            raise faults.cut_short(name, len(data), start + size)
        crc, said, _, _, _ = _SECTION.unpack_from(data, start)
        if said != number:
            raise faults.damaged(name, f"第 {number} 节的位置错误", f"the pointer to section {number} leads elsewhere")
        found[number] = data[start + _SECTION.size : start + size]
        if crc != binascii.crc_hqx(data[start + 2 : start + size], 0xFFFF):
            wrong.add(number)
    file_wrong = file_crc != binascii.crc_hqx(data[2:length], 0xFFFF)
    return _Sections(found, frozenset(wrong), file_wrong)


def _spans(sections: _Sections, name: str) -> tuple[list[_LeadSpan], int]:
    """The leads of section 3 and its flag byte."""
    data = sections.data.get(3, b"")
    count = data[0] if len(data) >= 2 else 0
    if not 0 < count <= MAX_LEADS or len(data) < 2 + count * _LEAD.size:
        raise faults.no_ecg(name, "没有导联定义（第 3 节）", "it defines no leads (section 3)")
    spans = [_LeadSpan(*_LEAD.unpack_from(data, 2 + index * _LEAD.size)) for index in range(count)]
    if any(span.end < span.start or span.end - span.start >= MAX_SAMPLES for span in spans):
        raise faults.damaged(name, "导联的起止位置错误", "a lead ends before it begins")
    return spans, data[1]


def _waves(
    sections: _Sections, number: int, spans: list[_LeadSpan], tables: list[Table] | None, name: str
) -> _Waves | None:
    data = sections.data.get(number, b"")
    lengths_at = _DATA.size
    if len(data) < lengths_at + 2 * len(spans):
        return None
    nanovolts, interval, encoding, bimodal = _DATA.unpack_from(data)
    if number == 6 and bimodal:
        raise _refused(name, "双模压缩", "bimodal compression")
    if not nanovolts or not interval or encoding > 2:
        raise faults.damaged(name, f"第 {number} 节的参数错误", f"section {number} has impossible parameters")
    if number in sections.wrong_crc and (tables is not None or encoding):
        zh, en = f"第 {number} 节的校验和不符", f"section {number} fails its checksum"
        raise faults.damaged(name, zh, en)
    lengths = struct.unpack_from(f"<{len(spans)}H", data, lengths_at)
    start = lengths_at + 2 * len(spans)
    if start + sum(lengths) > len(data):
        raise faults.cut_short(name, len(data), start + sum(lengths))
    counts: list[NDArray[np.int64]] = []
    for span, length in zip(spans, lengths, strict=True):
        wanted = span.end - span.start + 1 if number == 6 else MAX_SAMPLES
        coded = data[start : start + length]
        values = decode(coded, tables, wanted, name) if tables is not None else _plain(coded, wanted)
        counts.append(_integrate(values, encoding))
        start += length
    return _Waves(tuple(counts), nanovolts, interval)


def _plain(coded: bytes, wanted: int) -> NDArray[np.int64]:
    return np.frombuffer(coded[: len(coded) // 2 * 2], dtype="<i2")[:wanted].astype(np.int64)


def _integrate(values: NDArray[np.int64], encoding: int) -> NDArray[np.int64]:
    """Undo first or second differences; the first one or two values stand as they are."""
    if encoding == 1:
        return np.cumsum(values)
    if encoding == 2 and len(values) > 1:
        steps = values.copy()
        steps[0] = 0
        steps[1] = values[1] - values[0]
        return values[0] + np.cumsum(np.cumsum(steps))
    return values


def _beats(sections: _Sections, spans: list[_LeadSpan], tables: list[Table] | None, name: str) -> _Waves | None:
    """The reference beat; it is an extra, so a broken one is not the end of the file."""
    try:
        return _waves(sections, 5, spans, tables, name)
    except Unreadable:
        return None


def _recording(
    name: str, sections: _Sections, spans: list[_LeadSpan], rhythm: _Waves, beats: _Waves | None
) -> Recording:
    named = name_leads([LEAD_NAMES.get(span.code, f"lead code {span.code}") for span in spans])
    first = min(span.start for span in spans)
    samples = max(span.start + len(count) for span, count in zip(spans, rhythm.counts, strict=True)) - first
    if not 0 < samples <= MAX_SAMPLES or not any(len(count) for count in rhythm.counts):
        raise faults.no_ecg(name, "没有采样", "it has no samples")
    counts = np.zeros((len(named.rows), samples), dtype=np.int64)
    valid = np.zeros(counts.shape, dtype=bool)
    for out, row in enumerate(named.rows):
        begin = spans[row].start - first
        counts[out, begin : begin + len(rhythm.counts[row])] = rhythm.counts[row]
        valid[out, begin : begin + len(rhythm.counts[row])] = True
    if np.abs(counts).max(initial=0) >= 2**31:
        raise faults.damaged(name, "采样数值不可能", "its samples are impossible values")
    tags = _tags(sections.data.get(1, b""))
    acquired = _acquired_at(tags)
    return Recording(
        leads=named.names,
        millivolts=np.where(valid, counts * rhythm.nanovolts / 1e6, np.nan),
        rate_hz=_rate(rhythm.interval_us),
        format="scp",
        acquired_at=acquired,
        patient=PatientFacts(_age(tags, acquired), _SEXES.get(tags.get(8, b""))),
        device=_device(tags),
        filters=_filters(tags),
        statements=_statements(sections.data.get(8, b"")),
        representative=_representative(beats, rhythm, named.rows),
        microvolts_per_count=(rhythm.nanovolts / 1000.0,) * len(named.rows),
        counts=counts.astype(np.int32),
        notes=named.notes + _notes(sections, spans, rhythm),
    )


def _rate(interval_us: int) -> float:
    """Hz from whole microseconds: 1667 µs is meant as 600 Hz, so a whole rate is taken where it fits the interval."""
    rate = round(1e6 / interval_us)
    return float(rate) if rate and round(1e6 / rate) == interval_us else 1e6 / interval_us


def _representative(beats: _Waves | None, rhythm: _Waves, rows: tuple[int, ...]) -> NDArray[np.float64] | None:
    if beats is None or beats.interval_us != rhythm.interval_us or not all(len(beats.counts[row]) for row in rows):
        return None
    length = min(len(beats.counts[row]) for row in rows)
    return np.stack([beats.counts[row][:length] for row in rows]) * beats.nanovolts / 1e6


def _notes(sections: _Sections, spans: list[_LeadSpan], rhythm: _Waves) -> tuple[Note, ...]:
    notes: list[Note] = []
    if sections.wrong_crc or sections.file_crc_wrong:
        where = ", ".join(str(number) for number in sorted(sections.wrong_crc)) or "file"
        zh = f"SCP 校验和不符（{where}）：文件可能在传输或转换中被改动。"
        en = f"An SCP checksum does not match ({where}): the file may have been altered on its way."
        notes.append(Note("CHECKSUM_WRONG", Text(zh, en)))
    pairs = list(zip(spans, rhythm.counts, strict=True))
    if any(len(count) + 1 < span.end - span.start + 1 for span, count in pairs):
        zh = "各导联实际采样少于文件所述，缺少部分为空。"
        en = "The leads hold fewer samples than the file announces; the rest is empty."
        notes.append(Note("LENGTHS_DIFFER", Text(zh, en)))
    return tuple(notes)


def _tags(data: bytes) -> dict[int, bytes]:
    """Section 1: tag, length, value; ends with tag 255. The first of a repeated tag counts."""
    tags: dict[int, bytes] = {}
    at = 0
    while at + 3 <= len(data) and data[at] != 255:
        length = int.from_bytes(data[at + 1 : at + 3], "little")
        tags.setdefault(data[at], data[at + 3 : at + 3 + length])
        at += 3 + length
    return tags


def _day(value: bytes) -> date | None:
    try:
        return date(int.from_bytes(value[:2], "little"), value[2], value[3]) if len(value) >= 4 else None
    except ValueError:
        return None


def _acquired_at(tags: Mapping[int, bytes]) -> AcquiredAt | None:
    on, time, zone = _day(tags.get(25, b"")), tags.get(26, b""), tags.get(34, b"")
    if on is None or len(time) < 3:
        return None
    minutes = int.from_bytes(zone[:2], "little", signed=True) if len(zone) >= 2 else 0x7FFF
    try:
        offset = timezone(timedelta(minutes=minutes)) if abs(minutes) < 24 * 60 else None
        return AcquiredAt(datetime(on.year, on.month, on.day, *time[:3], tzinfo=offset), "section 1 tags 25, 26")
    except ValueError:
        return None


def _age(tags: Mapping[int, bytes], acquired: AcquiredAt | None) -> float | None:
    value = tags.get(4, b"")
    years_a_unit = {1: 1.0, 2: 1 / 12, 3: 7 / moments.DAYS_A_YEAR, 4: 1 / moments.DAYS_A_YEAR, 5: 1 / 8765.8}
    if len(value) >= 3 and value[2] in years_a_unit and any(value[:2]):
        years = int.from_bytes(value[:2], "little") * years_a_unit[value[2]]
        return years if years <= OLDEST_YEARS else None
    return moments.age_between(_day(tags.get(5, b"")), acquired.instant.date() if acquired else None)


def _device(tags: Mapping[int, bytes]) -> Device:
    """Tag 14: the model in 6 characters at byte 8; from byte 35 strings: program, serial, software twice, maker."""
    value = tags.get(14, b"")
    model = _text(value[8:14])
    strings = value[36 + value[35] :].split(b"\0") if len(value) > 35 else []
    return Device(
        maker=_text(strings[3]) if len(strings) > 4 else None,
        model=model,
        serial=_text(strings[0]) if len(strings) > 1 else None,
    )


def _text(raw: bytes) -> str | None:
    word = raw.split(b"\0")[0].decode("latin-1").strip()
    return word if word and word.isprintable() and word.casefold() != "unknown" else None


def _filters(tags: Mapping[int, bytes]) -> Filters:
    def value(tag: int) -> int:
        return int.from_bytes(tags.get(tag, b"")[:2], "little")

    bits = tags.get(29, b"\0")[:1]
    notch = {1: 60.0, 2: 50.0}.get(bits[0] & 3) if bits else None
    return Filters(high_pass_hz=value(27) / 100 or None, low_pass_hz=float(value(28)) or None, notch_hz=notch)


def _statements(data: bytes) -> tuple[str, ...]:
    """Section 8, the full-text interpretation: confirmed, date, time, number, then (sequence, length, text)."""
    said: list[str] = []
    at = 9
    while at + 3 <= len(data) and len(said) < data[8]:
        length = int.from_bytes(data[at + 1 : at + 3], "little")
        word = _text(data[at + 3 : at + 3 + length])
        if word:
            said.append(word)
        at += 3 + length
    return tuple(said)
