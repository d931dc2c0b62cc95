"""DICOM waveforms (PS3.3 A.34, C.10.9): 12-lead, general ECG and hemodynamic objects with ECG channels.

The first original multiplex group with the most ECG leads is the rhythm; a derived group of the same rate with the same
leads is the device's median beat. A sample is ``count · sensitivity · correction + baseline`` in the channel's unit.
The padding value is honoured only where it is the extreme of the sample type: published converters write 0, which
would make every isoelectric sample a hole. Malformed UIDs and other breaches that do not touch the samples pass.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecg.errors import Unreadable
from ecg.formats import faults, moments
from ecg.formats.foreign import library
from ecg.formats.names import FRANK_LEADS, age_years, lead_name, name_leads, sex
from ecg.formats.parts import Parts
from ecg.formats.scp_leads import LEAD_NAMES
from ecg.recording import EXTRA_LEADS, STANDARD_LEADS, AcquiredAt, Device, Filters, Note, PatientFacts, Recording, Text

_MAGIC = slice(128, 132)
_DEFLATED = b"1.2.840.10008.1.2.1.99"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_DTYPES = {"SB": "i1", "UB": "u1", "SS": "i2", "US": "u2", "SL": "i4", "UL": "u4"}
_MICROVOLTS = {"uV": 1.0, "µV": 1.0, "mV": 1000.0, "V": 1e6, "nV": 1e-3}
_SCP_CODE = re.compile(r"^5\.6\.3-9-(\d+)$|^2:(\d+)$")
_FIELD = {*STANDARD_LEADS, *EXTRA_LEADS, *FRANK_LEADS}


@dataclass(frozen=True, slots=True)
class _Group:
    """One multiplex group: channel names, counts [channel, sample], millivolts (NaN: padded), µV a count, rate."""

    names: tuple[str, ...]
    counts: NDArray[np.int64]
    millivolts: NDArray[np.float64]
    per_count_uv: tuple[float, ...]
    rate_hz: float
    derived: bool
    filters: Filters

    @property
    def ecg_leads(self) -> int:
        """Channels that are leads of the field."""
        return sum(lead_name(name) in _FIELD for name in self.names)


def sniff(data: bytes) -> bool:
    """True for a DICOM file with its preamble."""
    return data[_MAGIC] == b"DICM"


def read(name: str, parts: Parts) -> Recording:
    """Read the waveform object in the part ``name``."""
    data = parts.need(name)
    if _DEFLATED in data[:1024]:
        raise Unreadable(
            "UNKNOWN_FORMAT",
            f"{name} 是压缩（deflate）的 DICOM：请改为不压缩导出后再发送。",
            f"{name} is a deflated DICOM: export it without compression and send it again.",
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = _dataset(data, name)
        items: Sequence[Any] = dataset.get("WaveformSequence") or []
        groups = [_group(item, dataset, name) for item in items]
        originals = [group for group in groups if not group.derived and group.counts.shape[1]] or groups
        if not originals:
            raise faults.no_ecg(
                name, f"DICOM 类型 {_word(dataset, 'Modality')}", f"modality {_word(dataset, 'Modality')}"
            )
        best = max(originals, key=lambda group: group.ecg_leads)
        return _recording(dataset, best, groups, name)


def _dataset(data: bytes, name: str) -> Any:
    pydicom = library("pydicom")
    try:
        with library("pydicom.config").disable_value_validation():
            return pydicom.dcmread(io.BytesIO(data))
    except Exception as error:  # pydicom raises anything on broken bytes
        raise faults.damaged(name, "DICOM 无法解析", f"the DICOM cannot be parsed: {error}") from error


def _group(item: Any, dataset: Any, name: str) -> _Group:
    counts, padded = _samples(item, dataset, name)
    channels: Sequence[Any] = item.get("ChannelDefinitionSequence") or []
    if len(channels) != len(counts):
        raise faults.damaged(name, "通道定义缺失", f"{len(counts)} channels, {len(channels)} definitions")
    per_count = [_per_count_uv(channel) for channel in channels]
    zero = np.array([_number(channel.get("ChannelBaseline")) * _unit_uv(channel) for channel in channels])
    microvolts = counts * np.array(per_count)[:, None] + zero[:, None]
    return _Group(
        names=tuple(_channel_name(channel, index) for index, channel in enumerate(channels)),
        counts=counts,
        millivolts=np.where(padded, np.nan, microvolts / 1000.0),
        per_count_uv=tuple(per_count),
        rate_hz=_number(item.get("SamplingFrequency")),
        derived=str(item.get("WaveformOriginality", "")) == "DERIVED",
        filters=_filters(channels[0]),
    )


def _samples(item: Any, dataset: Any, name: str) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Counts [channel, sample] and where they are padding."""
    word = str(item.get("WaveformSampleInterpretation", "SS"))
    if word not in _DTYPES:
        raise Unreadable(
            "UNKNOWN_FORMAT",
            f"{name} 的采样编码 {word} 不支持：请改为 16 位线性编码导出。",
            f"{name} uses the sample coding {word}, which is not read: export 16-bit linear samples.",
        )
    syntax = str(getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", ""))
    dtype = np.dtype((">" if syntax == _BIG_ENDIAN else "<") + _DTYPES[word])
    channels, samples = int(item.get("NumberOfWaveformChannels") or 0), int(item.get("NumberOfWaveformSamples") or 0)
    raw = bytes(item.get("WaveformData") or b"")
    needed = channels * samples * dtype.itemsize
    if not needed or _number(item.get("SamplingFrequency")) <= 0:
        raise faults.no_ecg(name, "波形组没有采样", "a multiplex group has no samples")
    if len(raw) < needed:
        raise faults.cut_short(name, len(raw), needed)
    counts = np.frombuffer(raw[:needed], dtype=dtype).reshape(samples, channels).T.astype(np.int64)
    padding = bytes(item.get("WaveformPaddingValue") or b"")
    value = int(np.frombuffer(padding[: dtype.itemsize], dtype=dtype)[0]) if len(padding) >= dtype.itemsize else None
    limits = np.iinfo(dtype)
    extreme = value in (limits.min, limits.max) and value != 0
    return counts, (counts == value) if extreme else np.zeros(counts.shape, dtype=bool)


def _recording(dataset: Any, best: _Group, groups: list[_Group], name: str) -> Recording:
    named = name_leads(best.names, [index for index, scale in enumerate(best.per_count_uv) if not np.isfinite(scale)])
    if not named.rows:
        raise faults.no_ecg(name, "没有一个通道是心电电压", "no channel is an ECG voltage")
    rows = list(named.rows)
    others = sum(not group.derived for group in groups) - 1
    return Recording(
        leads=named.names,
        millivolts=best.millivolts[rows],
        rate_hz=best.rate_hz,
        format="dicom",
        acquired_at=_acquired_at(dataset),
        patient=_patient(dataset),
        device=Device(
            *(_word(dataset, key) for key in ("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber"))
        ),
        filters=best.filters,
        statements=_statements(dataset),
        representative=_representative(named.names, best, groups),
        microvolts_per_count=tuple(best.per_count_uv[row] for row in rows),
        counts=np.clip(best.counts[rows], -(2**31), 2**31 - 1).astype(np.int32),
        notes=named.notes + (_others_note(others),) * (others > 0),
    )


def _others_note(others: int) -> Note:
    zh = f"另有 {others} 组波形未采用（不同时或导联较少）。"
    en = f"{others} further waveform groups were left out (not simultaneous, or fewer leads)."
    return Note("CHANNEL_LEFT_OUT", Text(zh, en))


def _representative(leads: tuple[str, ...], best: _Group, groups: list[_Group]) -> NDArray[np.float64] | None:
    for group in groups:
        if group.derived and group is not best and group.rate_hz == best.rate_hz:
            named = name_leads(group.names)
            row_of = dict(zip(named.names, named.rows, strict=True))
            empty = np.full(group.millivolts.shape[1], np.nan)
            return np.stack([group.millivolts[row_of[lead]] if lead in row_of else empty for lead in leads])
    return None


def _channel_name(channel: Any, index: int) -> str:
    """The lead of a channel: by its SCP or IEEE 11073 code, else by the words beside it."""
    source = (channel.get("ChannelSourceSequence") or [None])[0]
    code = _SCP_CODE.match(str(source.get("CodeValue", ""))) if source is not None else None
    if code is not None and int(code[1] or code[2]) in LEAD_NAMES:
        return LEAD_NAMES[int(code[1] or code[2])]
    words = [str(source.get("CodeMeaning", "")) if source is not None else "", str(channel.get("ChannelLabel", ""))]
    bare = [re.sub(r"\(.*?\)", "", word).strip() for word in words]
    return next((word for word in bare if word), f"channel {index + 1}")


def _unit_uv(channel: Any) -> float:
    """µV in one of the channel's unit; NaN for what is no voltage."""
    unit = (channel.get("ChannelSensitivityUnitsSequence") or [None])[0]
    return _MICROVOLTS.get(str(unit.get("CodeValue", "")), np.nan) if unit is not None else np.nan


def _per_count_uv(channel: Any) -> float:
    correction = _number(channel.get("ChannelSensitivityCorrectionFactor")) or 1.0
    scale = _number(channel.get("ChannelSensitivity")) * correction * _unit_uv(channel)
    return scale if scale else np.nan


def _number(said: Any) -> float:
    try:
        return float(said) if said is not None else 0.0
    except (TypeError, ValueError):
        return 0.0


def _word(dataset: Any, key: str) -> str | None:
    word = str(dataset.get(key) or "").strip()
    return None if word.casefold() in ("", "unknown", "none") else word


def _filters(channel: Any) -> Filters:
    keys = ("FilterLowFrequency", "FilterHighFrequency", "NotchFilterFrequency")
    low, high, notch = (_number(channel.get(key)) or None for key in keys)
    return Filters(high_pass_hz=low, low_pass_hz=high, notch_hz=notch)


def _acquired_at(dataset: Any) -> AcquiredAt | None:
    zone = _word(dataset, "TimezoneOffsetFromUTC")
    candidates = [("AcquisitionDateTime", _word(dataset, "AcquisitionDateTime") or "")]
    for word in ("Acquisition", "Content", "Study"):
        stamp = (_word(dataset, f"{word}Date") or "") + (_word(dataset, f"{word}Time") or "")
        candidates.append((f"{word}Date and {word}Time", stamp))
    found = ((source, moments.instant(said, zone)) for source, said in candidates)
    return next((AcquiredAt(instant, source) for source, instant in found if instant is not None), None)


def _patient(dataset: Any) -> PatientFacts:
    stated = age_years(_word(dataset, "PatientAge"))
    acquired = _acquired_at(dataset)
    birth = moments.day(_word(dataset, "PatientBirthDate"))
    computed = moments.age_between(birth, acquired.instant.date() if acquired else None)
    return PatientFacts(stated if stated is not None else computed, sex(_word(dataset, "PatientSex")))


def _statements(dataset: Any) -> tuple[str, ...]:
    """The device's own words among the annotations."""
    items: Sequence[Any] = dataset.get("WaveformAnnotationSequence") or []
    texts = [str(item.get("UnformattedTextValue") or "").strip() for item in items]
    return tuple(dict.fromkeys(text for text in texts if text))
