"""Philips ECG XML, called Sierra (versions 1.03, 1.04, 1.04.01): HeartStart MRx, PageWriter and their archives.

``restingecgdata/waveforms/parsedwaveforms`` holds every lead as Base64 of XLI (``sierra_xli.py``). III, aVR, aVL and
aVF are stored as what differs from the value that I and II give: III = II − I − stored, aVR = −(I + II)/2 − stored,
aVL = (I − III)/2 − stored, aVF = (II + III)/2 − stored, halves rounded towards zero. ``repbeats`` holds the device's
average beats as plain 16-bit numbers with a resolution and a rate of their own. 1.03 is UTF-8, the later ones UTF-16.
An age that stands only as ``defaultage`` is the device's assumption and no fact. The parser is hardened, as for aECG.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ecg.formats import faults, moments
from ecg.formats.foreign import library
from ecg.formats.names import age_years, name_leads, sex
from ecg.formats.parts import Parts
from ecg.formats.sierra_xli import unpacked
from ecg.recording import STANDARD_LEADS, AcquiredAt, Device, Filters, PatientFacts, Recording


class Element(Protocol):
    """What is used of an ``lxml`` element; ``{*}`` in a path matches any namespace."""

    text: str | None

    def get(self, key: str, default: str) -> str: ...
    def find(self, path: str) -> Element | None: ...
    def findtext(self, path: str, default: str) -> str: ...
    def iterfind(self, path: str) -> Iterator[Element]: ...


SNIFF_BYTES = 4096
VERSIONS = ("1.03", "1.04", "1.04.01")
DOCUMENT_TYPES = ("SierraECG", "PhilipsECG")
MAX_LEADS = 24
"""Philips names up to 18 leads; more is no ECG."""
MAX_SAMPLES = 2**20
"""Samples of one lead, 35 minutes at 500 Hz: a 12-lead report holds 11 s."""
TAIL_BYTES = 256
_ROOT, _END = b"<restingecgdata", b"restingecgdata>"
_MAKER = "Philips"
_LEADSETS = {"STD-12": STANDARD_LEADS, "10-WIRE": STANDARD_LEADS}


def sniff(data: bytes) -> bool:
    """True for XML whose root is ``restingecgdata``, in UTF-8 or UTF-16."""
    head = data[:SNIFF_BYTES].replace(b"\0", b"")
    return head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"<") and _ROOT in re.sub(rb"<[\w.-]+:", b"<", head)


def read(name: str, parts: Parts) -> Recording:
    """Read the part ``name``: the parsed waveforms, the representative beats and the statements, where they exist."""
    root = _parse(parts.need(name), name)
    _known_version(root, name)
    waves = root.find("{*}waveforms/{*}parsedwaveforms")
    if waves is None or not (waves.text or "").strip():
        raise faults.no_ecg(name, "没有导联的采样", "it has no parsed waveforms")
    signal = root.find("{*}dataacquisition/{*}signalcharacteristics")
    rate = _positive(
        waves.get("samplespersecond", "") or _word(signal, "samplingrate"), name, "采样率", "sampling rate"
    )
    step = _positive(
        waves.get("resolution", "") or _word(signal, "resolution") or _word(signal, "signalresolution"),
        name, "分辨率", "resolution",
    )  # fmt: skip
    said = _labels(waves, signal, name)
    seconds = _positive(waves.get("durationperchannel", ""), name, "波形时长", "duration of the waveform") / 1000.0
    samples = round(seconds * rate)
    if samples > MAX_SAMPLES:
        raise faults.too_large(name, MAX_SAMPLES)
    counts = restored(said, unpacked(_packed(waves, name), len(said), samples, name))
    named = name_leads(said)
    rows = list(named.rows)
    return Recording(
        leads=named.names,
        millivolts=counts[rows].astype(np.float64) * (step / 1000.0),
        rate_hz=rate,
        format="sierra",
        acquired_at=_acquired_at(root),
        patient=_patient(root),
        device=_device(root),
        filters=_filters(root, waves, signal),
        statements=_statements(root),
        representative=_representative(root, named.names, rate),
        microvolts_per_count=(step,) * len(rows),
        counts=counts[rows].astype(np.int32),
        notes=named.notes,
    )


def restored(leads: tuple[str, ...], stored: NDArray[np.int64]) -> NDArray[np.int64]:
    """The leads' own numbers from those stored, int64 [lead, sample]: the four derived limb leads get back what I and
    II give. Without I or II nothing was taken from them and all stay as they are."""
    held = stored.copy()
    row = {name: index for index, name in enumerate(leads)}
    if not {"I", "II"} <= row.keys():
        return held
    one, two = held[row["I"]], held[row["II"]]
    three = two - one
    if "III" in row:
        three = held[row["III"]] = three - held[row["III"]]
    for name, double in (("aVR", -(one + two)), ("aVL", one - three), ("aVF", two + three)):
        if name in row:
            held[row[name]] = np.trunc(double / 2).astype(np.int64) - held[row[name]]
    return held


def _parse(data: bytes, name: str) -> Element:
    etree = library("lxml.etree")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root: Any = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        if _END not in data[-TAIL_BYTES:].replace(b"\0", b""):
            raise faults.unfinished(name) from error
        raise faults.damaged(name, f"XML 有误：{error}", f"the XML is broken: {error}") from error
    if root.getroottree().docinfo.doctype:
        raise faults.damaged(name, "含有 DTD，出于安全不予读取", "it carries a DTD, which is refused for safety")
    return root


def _known_version(root: Element, name: str) -> None:
    kind = root.findtext("{*}documentinfo/{*}documenttype", "").strip()
    version = root.findtext("{*}documentinfo/{*}documentversion", "").strip()
    if kind not in DOCUMENT_TYPES or version not in VERSIONS:
        raise faults.version(name, f"{kind} {version}", f"Philips ECG XML {', '.join(VERSIONS)}")


def _word(parent: Element | None, path: str) -> str:
    return "" if parent is None else parent.findtext("{*}" + path, "").strip()


def _number(said: str) -> float | None:
    try:
        value = float(said)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _positive(said: str, name: str, zh: str, en: str) -> float:
    value = _number(said)
    if value is None or value <= 0:
        raise faults.damaged(name, f"{zh}“{said}”不是正数", f"its {en} {said!r} is no positive number")
    return value


def _labels(waves: Element, signal: Element | None, name: str) -> tuple[str, ...]:
    said = tuple((waves.get("leadlabels", "") or "").split())
    if not said:
        wanted = _word(signal, "leadset") or _word(signal, "acquisitiontype")
        said = _LEADSETS.get(wanted, ())
    count = _number(waves.get("numberofleads", "") or _word(signal, "numberchannelsvalid")) or len(said)
    if not said or count != len(said) or len(said) > MAX_LEADS:
        raise faults.damaged(name, "导联名称与导联数不符", "its lead names do not match its number of leads")
    return said


def _packed(waves: Element, name: str) -> bytes:
    method = waves.get("compression", "") or waves.get("compressmethod", "")
    if method != "XLI" or waves.get("dataencoding", "") != "Base64":
        what = f"{method or 'uncompressed'}, {waves.get('dataencoding', '') or 'plain'}"
        raise faults.version(name, what, "Philips ECG XML: Base64, XLI")
    return _base64(waves.text or "", name)


def _base64(text: str, name: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise faults.damaged(name, "波形的 Base64 有误", "the Base64 of its waveform is broken") from error


def _acquired_at(root: Element) -> AcquiredAt | None:
    for place in ("dataacquisition", "reportinfo"):
        element = root.find("{*}" + place)
        if element is None:
            continue
        try:
            day, clock = date.fromisoformat(element.get("date", "")), time.fromisoformat(element.get("time", ""))
        except ValueError:
            continue
        return AcquiredAt(datetime.combine(day, clock), f"{place} date, time")
    return None


def _patient(root: Element) -> PatientFacts:
    person = root.find("{*}patient/{*}generalpatientdata")
    if person is None:
        return PatientFacts()
    age = person.find("{*}age")
    return PatientFacts(None if age is None else _age(root, age), sex(_word(person, "sex")))


def _age(root: Element, age: Element) -> float | None:
    for unit in ("years", "months", "weeks", "days"):
        stated = age_years(f"{_word(age, unit)} {unit}")
        if stated is not None:
            return stated
    acquired: AcquiredAt | None = _acquired_at(root)
    recorded: datetime | None = acquired.instant if acquired else None
    birth = moments.day(_word(age, "dateofbirth").replace("-", ""))
    return moments.age_between(birth, recorded.date() if recorded else None)


def _device(root: Element) -> Device:
    machine = root.find("{*}dataacquisition/{*}machine")
    if machine is None:
        return Device(_MAKER)
    model = " ".join((machine.text or "").split())
    return Device(machine.get("detaildescription", "").split(":")[0].strip() or _MAKER, model or None,
                  machine.get("machineid", "").strip() or None)  # fmt: skip


def _filters(root: Element, waves: Element, signal: Element | None) -> Filters:
    """The band of the stored samples; that of the printout only where the file says it was applied to them (1.03)."""
    band = (_word(signal, "signalbandwidth") or "").split("-")
    low, high = (band[0], band[1]) if len(band) == 2 else (_word(signal, "hipass"), _word(signal, "lowpass"))
    notch = ""
    if _word(signal, "notchfiltered") == "True":
        notch = (_word(signal, "notchfilterfreqs").split() or [_word(signal, "acsetting")])[0]
    report = root.find("{*}reportinfo/{*}reportbandwidth")
    if waves.get("filterflag", "") == "True" and report is not None:
        low = _word(report, "highpassfiltersetting") or low
        high = _word(report, "lowpassfiltersetting") or high
        notch = _word(report, "notchfiltersetting")
    return Filters(*(value if value is not None and value > 0 else None for value in map(_number, (low, high, notch))))


def _statements(root: Element) -> tuple[str, ...]:
    """What the device said, with its reasons, of its last interpretation: the words, never the reader's name."""
    found = list(root.iterfind("{*}interpretations/{*}interpretation"))
    if not found:
        return ()
    said: list[str] = []
    for statement in found[-1].iterfind("{*}statement"):
        what, why = (" ".join(_word(statement, side).split()) for side in ("leftstatement", "rightstatement"))
        if what:
            said.append(f"{what} ({why})" if why else what)
    severity = " ".join(_word(found[-1], "severity").split())
    return (*said, severity) if severity else tuple(said)


def _representative(root: Element, leads: tuple[str, ...], rate_hz: float) -> NDArray[np.float64] | None:
    """The device's average beats at the recording's own rate, where theirs is a multiple of it; a lead that is missing
    or damaged is NaN."""
    beats = root.find("{*}waveforms/{*}repbeats")
    if beats is None or beats.get("dataencoding", "") != "Base64":
        return None
    rate, step = _number(beats.get("samplespersec", "")), _number(beats.get("resolution", ""))
    if rate is None or step is None or rate < rate_hz or rate % rate_hz:
        return None
    held = {beat.get("leadname", ""): _beat(beat) for beat in beats.iterfind("{*}repbeat")}
    longest = max((len(values) for values in held.values()), default=0)
    if not longest:
        return None
    out = np.full((len(leads), longest), np.nan)
    for row, lead in enumerate(leads):
        values = held.get(lead, np.empty(0))
        out[row, : len(values)] = values * (step / 1000.0)
    # The beats are band-limited like the signal they were averaged from, so every k-th sample is enough.
    return out[:, :: int(rate // rate_hz)]


def _beat(element: Element) -> NDArray[np.float64]:
    inner = element.find("{*}waveform")
    try:
        data = base64.b64decode("".join(((element if inner is None else inner).text or "").split()), validate=True)
    except (binascii.Error, ValueError):
        return np.empty(0)
    return np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2").astype(np.float64)
