"""DICOM waveforms: scale, padding, codes, groups, and objects that hold no ECG."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from ecg.errors import Unreadable
from ecg.formats import read
from ecg.recording import STANDARD_LEADS, Filters, PatientFacts, Sex

HERE = Path(__file__).resolve().parents[1] / "data"


def dataset() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(HERE / "Example.dcm")


def encoded(item: Any) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        item.save_as(buffer)
    return buffer.getvalue()


def test_rhythm_and_median_beat_of_the_example() -> None:
    ecg = read(HERE / "Example.dcm")
    assert ecg.leads == STANDARD_LEADS
    assert ecg.patient == PatientFacts(49.0, Sex.MALE)
    assert ecg.representative is not None
    assert ecg.representative.shape == (12, 600)


def test_our_values_are_pydicoms(data_folder: Path) -> None:
    for path in sorted((data_folder / "dicom").glob("*.dcm")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = pydicom.dcmread(path).waveform_array(0)
        np.testing.assert_allclose(read(path).millivolts, theirs.T / 1000, atol=1e-9, err_msg=path.name)


def test_sensitivity_correction_and_baseline_are_obeyed() -> None:
    item = dataset()
    plain = read(encoded(item)).lead("II")
    channel = item.WaveformSequence[0].ChannelDefinitionSequence[1]
    channel.ChannelSensitivityCorrectionFactor = "2"
    channel.ChannelBaseline = "100"
    np.testing.assert_allclose(read(encoded(item)).lead("II"), plain * 2 + 0.1, atol=1e-9)


def test_a_padding_of_zero_is_no_hole_and_an_extreme_one_is() -> None:
    item = dataset()
    group = item.WaveformSequence[0]
    assert bytes(group.WaveformPaddingValue) == b"\0\0"
    assert not np.isnan(read(encoded(item)).millivolts).any()
    counts = np.frombuffer(group.WaveformData, dtype="<i2").reshape(5000, 12).copy()
    counts[10:20, 0] = -32768
    group.WaveformData = counts.tobytes()
    group.WaveformPaddingValue = b"\x00\x80"
    assert np.flatnonzero(np.isnan(read(encoded(item)).lead("I"))).tolist() == list(range(10, 20))


def test_a_lead_is_known_by_its_ieee_code_or_by_its_words() -> None:
    item = dataset()
    for index, channel in enumerate(item.WaveformSequence[0].ChannelDefinitionSequence):
        source = channel.ChannelSourceSequence[0]
        if index == 0:
            source.CodeValue, source.CodingSchemeDesignator = "2:1", "MDC"
        else:
            source.CodeValue, source.CodeMeaning = "own", f"Lead {STANDARD_LEADS[index].upper()} (Einthoven)"
    assert read(encoded(item)).leads == STANDARD_LEADS


def test_what_holds_no_ecg_or_is_cut_says_so() -> None:
    item = dataset()
    item.WaveformSequence[0].NumberOfWaveformSamples = 6000
    for data, code in ((encoded(item), "CUT_SHORT"), (without_waveform(), "NO_ECG"), (pressure_only(), "NO_ECG")):
        with pytest.raises(Unreadable) as caught:
            read(data)
        assert caught.value.code == code


def without_waveform() -> bytes:
    item = dataset()
    del item.WaveformSequence
    item.Modality = "US"
    return encoded(item)


def pressure_only() -> bytes:
    item = dataset()
    del item.WaveformSequence[1]
    for channel in item.WaveformSequence[0].ChannelDefinitionSequence:
        channel.ChannelSensitivityUnitsSequence[0].CodeValue = "mm[Hg]"
    return encoded(item)


@pytest.mark.parametrize(
    ("name", "rate_hz", "samples", "filters"),
    [
        ("dicom/example-DICOM1.dcm", 500.0, 5000, Filters(0.56, 150.0, 50.0)),
        ("dicom/waveform_ecg.dcm", 1000.0, 10_000, Filters(0.05, 300.0, None)),
        ("vendor/dicom/test_ecg.dcm", 240.0, 2400, Filters(0.05, 100.0, None)),
    ],
)
def test_devices_own_objects_read(name: str, rate_hz: float, samples: int, filters: Filters, data_folder: Path) -> None:
    ecg = read(data_folder / name)
    assert (ecg.leads, ecg.rate_hz, ecg.samples, ecg.filters) == (STANDARD_LEADS, rate_hz, samples, filters)
    assert ecg.acquired_at is not None
    assert np.abs(ecg.lead("I") + ecg.lead("III") - ecg.lead("II")).max() < 0.02


def test_the_devices_statements_are_kept(data_folder: Path) -> None:
    assert read(data_folder / "dicom" / "waveform_ecg.dcm").statements == ("RITMO SINUSALE", "ECG NORMALE")
