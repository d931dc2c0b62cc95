"""HL7 aECG: scale and origin, facts, hardening, and files without waveforms."""

from __future__ import annotations

import gzip
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from ecg.errors import Unreadable
from ecg.formats import read
from ecg.formats.moments import instant
from ecg.recording import Filters, PatientFacts, Sex

HERE = Path(__file__).resolve().parents[1] / "data"
EXAMPLE = gzip.decompress((HERE / "Example.xml.gz").read_bytes())


def aecg(*sequences: str, increment: str = 'value="2" unit="ms"', before: str = "", facts: str = "") -> bytes:
    return f"""<?xml version="1.0" encoding="UTF-8"?>{before}
<AnnotatedECG xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{facts}<component><series>
<code code="RHYTHM"/><component><sequenceSet><component><sequence><code code="TIME_RELATIVE"/>
<value xsi:type="GLIST_PQ"><head value="0" unit="s"/><increment {increment}/></value></sequence></component>
{"".join(sequences)}</sequenceSet></component></series></component></AnnotatedECG>""".encode()


def sequence(lead: str, digits: str, scale: str = 'value="5" unit="uV"', origin: str = 'value="0" unit="uV"') -> str:
    return (
        f'<component><sequence><code code="MDC_ECG_LEAD_{lead}"/><value xsi:type="SLIST_PQ"><origin {origin}/>'
        f"<scale {scale}/><digits>{digits}</digits></value></sequence></component>"
    )


def ones(samples: int = 500) -> str:
    return " ".join(["10"] * samples)


def test_the_example_says_what_the_file_says() -> None:
    ecg = read(EXAMPLE)
    assert ecg.patient == PatientFacts(46.0, Sex.MALE)
    assert ecg.filters == Filters(high_pass_hz=None, low_pass_hz=150.0, notch_hz=60.0)
    assert (ecg.device.maker, ecg.device.model) == ("Mortara Instrument, Inc.", "ELI250")
    assert ecg.microvolts_per_count == (2.5,) * 12
    assert ecg.representative is not None
    assert ecg.representative.shape[0] == 12
    assert 0.5 < float(np.nanmax(ecg.representative)) < 2


def test_scale_origin_unit_and_increment_are_obeyed() -> None:
    for scale, origin, millivolts in (
        ('value="5" unit="uV"', 'value="0" unit="uV"', 0.05),
        ('value="0.005" unit="mV"', 'value="0.1" unit="mV"', 0.15),
        ('value="2.5" unit="uV"', 'value="-25" unit="uV"', 0.0),
    ):
        ecg = read(aecg(sequence("AVR", ones(), scale, origin)))
        assert ecg.leads == ("aVR",)
        assert ecg.rate_hz == 500.0
        assert ecg.millivolts[0, 0] == pytest.approx(millivolts, abs=1e-12)
    assert read(aecg(sequence("I", ones()), increment='value="0.001" unit="s"')).rate_hz == 1000.0


def test_leads_of_different_length_are_filled_with_nothing_and_said() -> None:
    ecg = read(aecg(sequence("I", ones(500)), sequence("II", ones(400))))
    assert np.isnan(ecg.lead("II")[400:]).all()
    assert [note.code for note in ecg.notes] == ["LENGTHS_DIFFER"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_of_devices_are_recognised(encoding: str) -> None:
    declared = "utf-16" if encoding == "utf-16" else "utf-8"
    text = aecg(sequence("II", ones())).decode().replace('encoding="UTF-8"', f'encoding="{declared}"')
    assert read(text.encode(encoding)).leads == ("II",)


@pytest.mark.parametrize(
    ("code", "data"),
    [
        ("NO_ECG", aecg()),
        ("NO_ECG", aecg(sequence("II", "1 2 3"))),
        ("NO_ECG", aecg(sequence("II", ones(), scale='value="1" unit="mmHg"'))),
        ("DAMAGED", aecg(sequence("II", "1 2 drei " + ones()))),
        ("DAMAGED", aecg(sequence("II", ones()), increment='value="0" unit="s"')),
        ("CUT_SHORT", EXAMPLE[:200_000]),
        ("DAMAGED", EXAMPLE.replace(b"</digits>", b"</digit>", 1)),
    ],
)
def test_what_is_wrong_is_said(code: str, data: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        read(data)
    assert caught.value.code == code


def test_entities_and_dtds_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("1 2 3")
    dtd = f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{tmp_path}/secret"><!ENTITY y "1 "><!ENTITY z "&y;&y;&y;">]>'
    for digits in ("&x;", "&z;" * 50, ones()):
        with pytest.raises(Unreadable) as caught:
            read(aecg(sequence("II", digits), before=dtd))
        assert caught.value.code == "DAMAGED"


@pytest.mark.parametrize(
    ("name", "leads", "rate_hz", "samples"),
    [("vendor/hl7-aecg/raw_data_contec_8000g.xml", 12, 1000.0, 10_000),
     ("philips-sierra/1_04/ad4d3d80-d165_1-04_converted.xml", 12, 500.0, 5500)],
)  # fmt: skip
def test_devices_own_files_read(name: str, leads: int, rate_hz: float, samples: int, data_folder: Path) -> None:
    ecg = read(data_folder / name)
    assert (len(ecg.leads), ecg.rate_hz, ecg.samples) == (leads, rate_hz, samples)
    assert ecg.patient.sex is Sex.FEMALE
    assert ecg.patient.age_years is not None


def test_files_without_a_waveform_are_no_ecg(data_folder: Path) -> None:
    for path in sorted((data_folder / "hl7-aecg" / "no-waveform").iterdir()):
        with pytest.raises(Unreadable) as caught:
            read(path)
        assert caught.value.code == "NO_ECG", path.name


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("20021122091000", datetime.fromisoformat("2002-11-22T09:10:00")),
        ("20021122091000.125", datetime.fromisoformat("2002-11-22T09:10:00.125000")),
        ("200211220910", datetime.fromisoformat("2002-11-22T09:10:00")),
        ("20240821091805+0800", datetime(2024, 8, 21, 9, 18, 5, tzinfo=timezone(timedelta(hours=8)))),
        ("20021122", None),
        ("20021322091000", None),
        ("", None),
    ],
)
def test_time_stamps_of_hl7(said: str, expected: datetime | None) -> None:
    assert instant(said) == expected
