"""HL7 annotated ECG (aECG, ANSI/HL7 V3 ECG R1-2004, PORT_MT020001): XML, the exchange format of many Chinese devices.

``AnnotatedECG/component/series`` (code ``RHYTHM``) holds sequence sets: one time sequence (``GLIST_TS``: head and
increment) and one sequence a lead (``SLIST_PQ``: origin, scale, digits). A ``derivedSeries`` (``REPRESENTATIVE_BEAT``)
holds the device's average beats. The parser is hardened: no DTD, no entities, no network, no huge trees.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ecg.formats import faults, moments
from ecg.formats.foreign import library
from ecg.formats.names import age_years, name_leads, sex
from ecg.formats.parts import Parts
from ecg.recording import AcquiredAt, Device, Filters, Note, PatientFacts, Recording, Text


class Element(Protocol):
    """What is used of an ``lxml`` element; ``{*}`` in a path matches any namespace."""

    text: str | None

    def get(self, key: str, default: str = "") -> str: ...
    def find(self, path: str) -> Element | None: ...
    def findtext(self, path: str) -> str | None: ...
    def iterfind(self, path: str) -> Iterator[Element]: ...


SNIFF_BYTES = 16384
_ROOT = "AnnotatedECG"
_TIME_CODES = ("TIME_ABSOLUTE", "TIME_RELATIVE")
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
_MICROVOLTS = {"uV": 1.0, "µV": 1.0, "mV": 1000.0, "V": 1e6, "nV": 1e-3}
_REPORTED_AGE = "21612-7"
_FILTER = "MDC_ECG_CTL_VBL_ATTR_FILTER_"
MAX_SAMPLES = 8 * 2**20
"""Samples of one lead: two hours at 1000 Hz, far beyond a resting ECG."""


@dataclass(frozen=True, slots=True)
class _Sequences:
    """One sequence set: codes of the leads, digits [lead, sample] (NaN-padded), µV a digit and at zero, rate, head."""

    codes: tuple[str, ...]
    digits: NDArray[np.float64]
    scale_uv: NDArray[np.float64]
    origin_uv: NDArray[np.float64]
    rate_hz: float
    head: str
    lengths_differ: bool

    @property
    def millivolts(self) -> NDArray[np.float64]:
        return (self.digits * self.scale_uv[:, None] + self.origin_uv[:, None]) / 1000.0


def sniff(data: bytes) -> bool:
    """True for XML whose beginning names an annotated ECG, in UTF-8 or UTF-16."""
    head = data[:SNIFF_BYTES].replace(b"\0", b"")
    return head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"<") and b"<" + _ROOT.encode() in _bare(head)


def read(name: str, parts: Parts) -> Recording:
    """Read the part ``name``: the rhythm series with the most leads, the representative beats where they exist."""
    root = _parse(parts.need(name), name)
    series = _rhythm(root)
    found = (
        [] if series is None else [_sequences(part, name) for part in series.iterfind("{*}component/{*}sequenceSet")]
    )
    sets = [part for part in found if part is not None]
    if series is None or not sets:
        raise faults.no_ecg(name, "没有导联的采样序列", "it has no sequence of a lead")
    best = max(sets, key=lambda part: (len(part.codes), part.digits.shape[1]))
    recording = _recording(root, series, best)
    notes = recording.notes + _set_notes(sets, best)
    return replace(recording, representative=_representative(series, recording, name), notes=notes)


def _bare(head: bytes) -> bytes:
    """The head with namespace prefixes of tags removed."""
    return re.sub(rb"<[A-Za-z][\w.-]*:", b"<", head)


def _parse(data: bytes, name: str) -> Element:
    etree = library("lxml.etree")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root: Any = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        if not data.rstrip().endswith((b">", b">\0")):
            raise faults.unfinished(name) from error
        raise faults.damaged(name, f"XML 有误：{error}", f"the XML is broken: {error}") from error
    if root.getroottree().docinfo.doctype:
        raise faults.damaged(name, "含有 DTD，出于安全不予读取", "it carries a DTD, which is refused for safety")
    if etree.QName(root).localname != _ROOT:
        raise faults.unknown_format(name)
    return root


def _code(element: Element) -> str:
    code = element.find("{*}code")
    return "" if code is None else code.get("code", "")


def _rhythm(root: Element) -> Element | None:
    """The rhythm series, else the first that holds sequences."""
    all_series = [part for part in root.iterfind(".//{*}series") if part.find(".//{*}sequence") is not None]
    return next((part for part in all_series if _code(part) == "RHYTHM"), all_series[0] if all_series else None)


def _sequences(part: Element, name: str) -> _Sequences | None:
    rate, head = 0.0, ""
    rows: list[tuple[str, NDArray[np.float64], float, float]] = []
    for sequence in part.iterfind("{*}component/{*}sequence"):
        value = sequence.find("{*}value")
        if value is None:
            continue
        if _code(sequence) in _TIME_CODES:
            rate, head = _rate(value), _attribute(value, "{*}head", "value")
        elif value.find("{*}digits") is not None:
            rows.append(_row(_code(sequence), value, name))
    if not rows:
        return None
    if not rate:
        raise faults.damaged(name, "没有采样间隔", "it states no sampling interval")
    longest = max(len(row[1]) for row in rows)
    if not longest:
        return None
    digits = np.full((len(rows), longest), np.nan)
    for index, row in enumerate(rows):
        digits[index, : len(row[1])] = row[1]
    return _Sequences(
        codes=tuple(row[0] for row in rows),
        digits=digits,
        scale_uv=np.array([row[2] for row in rows]),
        origin_uv=np.array([row[3] for row in rows]),
        rate_hz=rate,
        head=head,
        lengths_differ=any(len(row[1]) != longest for row in rows),
    )


def _rate(value: Element) -> float:
    increment = value.find("{*}increment")
    if increment is None:
        return 0.0
    seconds = _number(increment.get("value")) * _SECONDS.get(increment.get("unit", "s"), np.nan)
    rate = 1.0 / seconds if seconds > 0 else 0.0
    return float(round(rate)) if abs(rate - round(rate)) < 1e-6 * rate else rate


def _row(code: str, value: Element, name: str) -> tuple[str, NDArray[np.float64], float, float]:
    text = (value.findtext("{*}digits") or "").split()
    if len(text) > MAX_SAMPLES:
        raise faults.too_large(name, MAX_SAMPLES)
    try:
        digits = np.array(text, dtype=np.float64)
    except ValueError as error:
        raise faults.damaged(name, f"导联 {code} 的采样不是数字", f"samples of {code} are no numbers") from error
    return code, digits, _microvolts(value.find("{*}scale"), 1.0), _microvolts(value.find("{*}origin"), 0.0)


def _microvolts(quantity: Element | None, default: float) -> float:
    """A quantity in µV; NaN for a unit that is no voltage."""
    if quantity is None:
        return default
    return _number(quantity.get("value"), default) * _MICROVOLTS.get(quantity.get("unit", "uV"), np.nan)


def _number(said: str | None, default: float = 0.0) -> float:
    try:
        return float(said) if said is not None else default
    except ValueError:
        return default


def _attribute(element: Element, path: str, attribute: str) -> str:
    found = element.find(path)
    return "" if found is None else found.get(attribute, "")


def _recording(root: Element, series: Element, best: _Sequences) -> Recording:
    usable = np.isfinite(best.scale_uv) & np.isfinite(best.origin_uv) & (best.scale_uv != 0)
    named = name_leads(best.codes, [int(index) for index in np.flatnonzero(~usable)])
    if not named.rows:
        raise faults.no_ecg(_ROOT, "没有一个序列是电压", "no sequence is a voltage")
    rows = list(named.rows)
    return Recording(
        leads=named.names,
        millivolts=best.millivolts[rows],
        rate_hz=best.rate_hz,
        format="aecg",
        acquired_at=_acquired_at(root, series, best.head),
        patient=_patient(root, series),
        device=_device(series),
        filters=_filters(series),
        statements=_statements(series),
        microvolts_per_count=tuple(float(scale) for scale in best.scale_uv[rows]),
        counts=_counts(best.digits[rows]),
        notes=named.notes,
    )


def _counts(digits: NDArray[np.float64]) -> NDArray[np.int32] | None:
    """The digits as integers, where they are integers."""
    known = np.nan_to_num(digits)
    whole = bool(np.all(known == np.rint(known))) and float(np.abs(known).max(initial=0.0)) < 2**31
    return known.astype(np.int32) if whole else None


def _set_notes(sets: list[_Sequences], best: _Sequences) -> tuple[Note, ...]:
    notes: list[Note] = []
    if len(sets) > 1:
        zh = f"文件有 {len(sets)} 段不同时的导联，只采用导联最多的一段。"
        en = f"The file has {len(sets)} sets of leads recorded one after the other; only the fullest is used."
        notes.append(Note("CHANNEL_LEFT_OUT", Text(zh, en)))
    if best.lengths_differ:
        text = Text("各导联长度不同，缺少的采样为空。", "The leads differ in length; the missing samples are empty.")
        notes.append(Note("LENGTHS_DIFFER", text))
    return tuple(notes)


def _representative(series: Element, recording: Recording, name: str) -> NDArray[np.float64] | None:
    for derived in series.iterfind(".//{*}derivedSeries"):
        part = derived.find(".//{*}sequenceSet")
        beats = _sequences(part, name) if part is not None and _code(derived) == "REPRESENTATIVE_BEAT" else None
        if beats is None or beats.rate_hz != recording.rate_hz:
            continue
        named = name_leads(beats.codes)
        row_of = dict(zip(named.names, named.rows, strict=True))
        empty = np.full(beats.digits.shape[1], np.nan)
        values = beats.millivolts
        return np.stack([values[row_of[lead]] if lead in row_of else empty for lead in recording.leads])
    return None


def _acquired_at(root: Element, series: Element, head: str) -> AcquiredAt | None:
    candidates = [("TIME_ABSOLUTE head", head)]
    for place, element in (("series", series), ("AnnotatedECG", root)):
        time = element.find("{*}effectiveTime")
        for word in ("low", "center"):
            said = "" if time is None else _attribute(time, "{*}" + word, "value")
            candidates.append((f"{place} effectiveTime/{word}", said))
    found = ((source, moments.instant(said)) for source, said in candidates)
    return next((AcquiredAt(instant, source) for source, instant in found if instant is not None), None)


def _patient(root: Element, series: Element) -> PatientFacts:
    person = root.find(".//{*}subjectDemographicPerson")
    said = "" if person is None else _attribute(person, "{*}administrativeGenderCode", "code")
    return PatientFacts(_age(root, series, person), sex(said))


def _age(root: Element, series: Element, person: Element | None) -> float | None:
    for observation in root.iterfind(".//{*}relatedObservation"):
        value = observation.find("{*}value")
        if _code(observation) == _REPORTED_AGE and value is not None and value.get("value"):
            unit = {"a": "Y", "mo": "mo", "wk": "W", "d": "D"}.get(value.get("unit", "a"), "?")
            return age_years(f"{value.get('value')} {unit}")
    if person is None:
        return None
    acquired: AcquiredAt | None = _acquired_at(root, series, "")
    recorded: datetime | None = acquired.instant if acquired else None
    birth = moments.day(_attribute(person, "{*}birthTime", "value"))
    return moments.age_between(birth, recorded.date() if recorded else None)


def _device(series: Element) -> Device:
    author = series.find("{*}author/{*}seriesAuthor")
    if author is None:
        return Device()
    device = author.find("{*}manufacturedSeriesDevice")
    model = None if device is None else device.findtext("{*}manufacturerModelName")
    serial = "" if device is None else _attribute(device, "{*}id", "extension")
    maker = author.findtext("{*}manufacturerOrganization/{*}name")
    return Device(_word(maker), _word(model), _word(serial if serial != "0" else None))


def _word(said: str | None) -> str | None:
    return (said or "").strip() or None


def _filters(series: Element) -> Filters:
    cutoffs: dict[str, float] = {}
    for variable in series.iterfind("{*}controlVariable/{*}controlVariable"):
        for inner in variable.iterfind("{*}component/{*}controlVariable"):
            hertz = _number(_attribute(inner, "{*}value", "value"))
            if _code(inner).endswith("_FREQ") and hertz > 0:
                cutoffs[_code(variable).removeprefix(_FILTER)] = hertz
    return Filters(cutoffs.get("HIGH_PASS"), cutoffs.get("LOW_PASS"), cutoffs.get("NOTCH"))


def _statements(series: Element) -> tuple[str, ...]:
    """What the device or its reader said in words: interpretation statements of the annotation sets."""
    said: list[str] = []
    for annotation in series.iterfind(".//{*}annotation"):
        if not _code(annotation).startswith("MDC_ECG_INTERPRETATION"):
            continue
        for value in annotation.iterfind("{*}value"):
            word = _word(value.text) or _word(value.get("displayName"))
            if word and word not in said:
                said.append(word)
    return tuple(said)
