"""The WFDB header (``header(5)`` of the WFDB Applications Guide): field tables, parsing, writing.

A header is text: comment lines begin with ``#``; the first other line is the record line, then one line a signal (or a
segment). Defaults on reading are the guide's: 250 Hz, 200 units per mV, baseline = ADC zero, ADC zero = 0, unit mV.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

DEFAULT_RATE_HZ = 250.0
DEFAULT_GAIN = 200.0
MICROVOLTS = {"mv": 1000.0, "uv": 1.0, "µv": 1.0, "μv": 1.0, "v": 1e6, "nv": 1e-3}
"""µV in one unit; a unit that is absent here is no voltage."""

_RECORD = re.compile(
    r"^(?P<name>[^\s/]+)(?:/(?P<segments>\d{1,6}))?[ \t]+(?P<signals>\d{1,4})"
    r"(?:[ \t]+(?P<rate>[\d.]+(?:[eE][+-]?\d+)?)(?:/[^\s]+)?"
    r"(?:[ \t]+(?P<samples>\d{1,12})(?P<when>(?:[ \t]+\S+){0,2}))?)?[ \t]*$"
)
_SIGNAL = re.compile(
    r"^(?P<file>[^\s]+)[ \t]+(?P<format>\d{1,4})"
    r"(?:x(?P<per_frame>\d{1,4}))?(?::(?P<skew>\d{1,6}))?(?:\+(?P<offset>\d{1,9}))?"
    r"(?:[ \t]+(?P<gain>-?[\d.]+(?:[eE][+-]?\d+)?)(?:\((?P<baseline>-?\d{1,10})\))?(?:/(?P<unit>[^\s]+))?"
    r"(?:[ \t]+(?P<resolution>\d{1,3})(?:[ \t]+(?P<zero>-?\d{1,10})(?:[ \t]+(?P<first>-?\d{1,10})"
    r"(?:[ \t]+(?P<checksum>-?\d{1,10})(?:[ \t]+(?P<block>\d{1,10})(?:[ \t]+(?P<description>.*))?)?)?)?)?)?)?[ \t]*$"
)


@dataclass(frozen=True, slots=True)
class SignalLine:
    """One signal: where its samples are and how a count becomes a voltage."""

    file: str
    format: str
    per_frame: int
    skew: int
    offset: int
    gain: float
    gain_stated: bool
    baseline: int
    unit: str
    checksum: int | None
    description: str


@dataclass(frozen=True, slots=True)
class Header:
    """A record; ``samples`` and ``started_at`` are ``None`` where the header does not say, ``segments`` 0 if plain."""

    name: str
    segments: int
    rate_hz: float
    samples: int | None
    started_at: datetime | None
    signals: tuple[SignalLine, ...]
    segment_names: tuple[str, ...]
    comments: tuple[str, ...]


def record_line(text: str) -> re.Match[str] | None:
    """The match of the record line, or ``None``: this text is no WFDB header."""
    first = next((line for line in _lines(text) if not line.startswith("#")), "")
    return _RECORD.match(first)


def parse(text: str) -> Header:
    """Parse a header; ``ValueError`` names the line that does not fit."""
    record = record_line(text)
    if record is None:
        raise ValueError("no record line")
    lines = _lines(text)
    body = [line for line in lines if not line.startswith("#")][1:]
    comments = tuple(line[1:].strip() for line in lines if line.startswith("#"))
    segments, count = int(record["segments"] or 0), int(record["signals"])
    wanted = body[: segments or count]
    if len(wanted) < (segments or count):
        raise ValueError(f"{segments or count} lines announced, {len(wanted)} there")
    rate = float(record["rate"] or DEFAULT_RATE_HZ)
    if not 0 < rate < 1e6:
        raise ValueError(f"rate {rate}")
    return Header(
        name=record["name"],
        segments=segments,
        rate_hz=rate,
        samples=int(record["samples"]) if int(record["samples"] or 0) else None,
        started_at=_instant(record["when"]),
        signals=() if segments else tuple(_signal(line) for line in wanted),
        segment_names=tuple(line.split()[0] for line in wanted) if segments else (),
        comments=comments,
    )


def comment_value(header: Header, key: str) -> str | None:
    """The word after ``key:`` in the comments, as in ``#Age: 64``, ``# age: 64``, ``#<age>: 64  <sex>: M``."""
    pattern = re.compile(rf"(?:^|\s)<?{key}>?\s*:\s*([^\s<>]+)", re.IGNORECASE)
    return next((match[1] for line in header.comments if (match := pattern.search(line))), None)


def _lines(text: str) -> list[str]:
    return [line for line in (raw.strip() for raw in text.splitlines()) if line]


def _signal(line: str) -> SignalLine:
    match = _SIGNAL.match(line)
    if match is None:
        raise ValueError(f"signal line {line[:60]!r}")
    gain = float(match["gain"] or 0)
    zero = int(match["zero"] or 0)
    return SignalLine(
        file=match["file"],
        format=match["format"],
        per_frame=int(match["per_frame"] or 1),
        skew=int(match["skew"] or 0),
        offset=int(match["offset"] or 0),
        gain=gain or DEFAULT_GAIN,
        gain_stated=gain != 0,
        baseline=int(match["baseline"]) if match["baseline"] is not None else zero,
        unit=match["unit"] or "mV",
        checksum=int(match["checksum"]) if match["checksum"] is not None else None,
        description=(match["description"] or "").strip(),
    )


def _instant(said: str | None) -> datetime | None:
    """``hh:mm:ss[.fff] dd/mm/yyyy``; a time without a date is no instant, and other orders are not the standard's."""
    match = re.match(r"^\s*(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,6}))?\s+(\d{1,2})/(\d{1,2})/(\d{4})$", said or "")
    if match is None:
        return None
    hour, minute, second, day, month, year = (int(match[index]) for index in (1, 2, 3, 5, 6, 7))
    try:
        fraction = int((match[4] or "0").ljust(6, "0"))
        return datetime(year, month, day, hour, minute, second, fraction)  # noqa: DTZ001  the device's wall clock
    except ValueError:
        return None
