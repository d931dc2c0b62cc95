"""Philips ECG XML: XLI against an encoder of our own, the limb leads' algebra, the device's own numbers, its aECG twin,
hardening, and every way to be cut."""

from __future__ import annotations

import base64
import gzip
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ecg
from ecg.errors import Unreadable
from ecg.formats import read
from ecg.formats.sierra import restored
from ecg.formats.sierra_xli import CODE_BITS, FIRST_LEARNT, LAST_CODE, OFFSET, unpacked
from ecg.recording import STANDARD_LEADS, Filters, PatientFacts, Recording, Sex
from ecg.signal.pulse import without_pulse
from tests.support import needs

HERE = Path(__file__).resolve().parents[1] / "data"
EXAMPLE = gzip.decompress((HERE / "129DYPRG.XML.gz").read_bytes())
DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "philips-sierra"


def data_file(name: str) -> Path:
    if not (DATA / name).exists():
        needs.missing(needs.DATA_FOLDER, f"there is no philips-sierra/{name}")
    return DATA / name


# --- an encoder, written from the format's description and not from the decoder -------------------------------------


def lzw(data: bytes) -> bytes:
    table = {bytes((value,)): value for value in range(FIRST_LEARNT)}
    codes: list[int] = []
    held = b""
    for value in data:
        longer = held + bytes((value,))
        if longer in table:
            held = longer
            continue
        codes.append(table[held])
        if len(table) <= LAST_CODE:
            table[longer] = len(table)
        held = bytes((value,))
    codes.append(table[held])
    bits = "".join(f"{code:0{CODE_BITS}b}" for code in codes)
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


def xli(samples: list[int]) -> bytes:
    bends = [
        -(samples[k] - 2 * samples[k - 1] + samples[k - 2]) for k in range(2, len(samples))
    ]  # bend k belongs to c of k−1
    start = bends[0] if bends else 0
    stored = samples[:2] + [bend + OFFSET for bend in bends[1:]] + [OFFSET] * (len(samples) > 2)
    words = np.array(stored, dtype=">i2").tobytes()
    chunk = lzw(words[0::2] + words[1::2])
    return len(chunk).to_bytes(4, "little") + b"\1\0" + start.to_bytes(2, "little", signed=True) + chunk


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(st.integers(-3000, 3000), min_size=60, max_size=60), min_size=1, max_size=3),
)
def test_what_is_packed_comes_out_again(leads: list[list[int]]) -> None:
    got = unpacked(b"".join(map(xli, leads)), len(leads), 60, "x")
    np.testing.assert_array_equal(got, leads)


def test_a_full_dictionary_learns_no_more() -> None:
    noise = np.random.default_rng(3).integers(-400, 400, 5500).tolist()
    np.testing.assert_array_equal(unpacked(xli(noise), 1, 5500, "x")[0], noise)


def test_the_string_that_is_used_while_it_is_learnt() -> None:
    flat = [7] * 500
    np.testing.assert_array_equal(unpacked(xli(flat), 1, 500, "x")[0], flat)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 60])
def test_cut_chunks_are_cut(length: int) -> None:
    packed = xli([3, 1, 4, 1, 5, 9, 2, 6] * 30)
    with pytest.raises(Unreadable) as caught:
        unpacked(packed[:length], 1, 240, "x")
    assert caught.value.code == "CUT_SHORT"


def test_a_code_that_cannot_be_yet_is_damage() -> None:
    packed = bytearray(xli(list(range(400))))
    packed[8:10] = b"\xff\xff"
    with pytest.raises(Unreadable) as caught:
        unpacked(bytes(packed), 1, 400, "x")
    assert caught.value.code == "DAMAGED"


def test_derived_leads_get_back_what_i_and_ii_give() -> None:
    one, two = np.array([10, -4, 7]), np.array([30, 6, -9])
    zeros = np.zeros((4, 3), dtype=np.int64)
    full = restored(STANDARD_LEADS[:6], np.vstack([one, two, zeros]))
    assert full[2].tolist() == (two - one).tolist()
    assert full[3].tolist() == [-20, -1, 1]
    assert full[4].tolist() == [-5, -7, 11]  # (I − III)/2 = I − II/2
    assert full[5].tolist() == [25, 8, -12]
    np.testing.assert_array_equal(restored(("II", "V1"), np.vstack([one, two])), [one, two])


# --- the published files --------------------------------------------------------------------------------------------


def test_the_example_says_what_the_file_says() -> None:
    got = read(EXAMPLE)
    assert got.format == "sierra"
    assert got.leads == STANDARD_LEADS
    assert (got.rate_hz, got.microvolts_per_count) == (500.0, (5.0,) * 12)
    assert got.patient == PatientFacts(50.0, Sex.MALE)
    assert got.filters == Filters(0.05, 150.0, 60.0)
    assert (got.device.maker, got.device.model, got.device.serial) == ("Philips", "HeartstartMRx", "0001")
    assert got.acquired_at is not None
    assert got.acquired_at.instant == datetime(2011, 12, 1, 7, 27, 34)  # noqa: DTZ001 (the device's wall clock)
    assert got.statements[2:4] == ("Inferior infarct, acute (LCx) (ST>0.10mV, II III aVF, STd V1-V3)",
                                   ">>> Acute MI <<<")  # fmt: skip


def assert_algebra(got: Recording) -> None:
    """Einthoven and Goldberger hold to two of the file's steps."""
    lead = {name: got.lead(name) for name in got.leads}
    step = 2.0 * (got.microvolts_per_count or (5.0,))[0] / 1000 + 1e-9
    for left, right in (
        (lead["I"] + lead["III"], lead["II"]),
        (lead["aVR"], -(lead["I"] + lead["II"]) / 2),
        (lead["aVL"], (lead["I"] - lead["III"]) / 2),
        (lead["aVF"], (lead["II"] + lead["III"]) / 2),
    ):
        assert float(np.abs(left - right).max()) <= step


def test_the_limb_leads_agree() -> None:
    got = without_pulse(read(EXAMPLE))
    assert_algebra(got)
    assert float(np.ptp(got.lead("III"))) > 1.0


def test_the_calibration_pulse_is_no_ecg() -> None:
    got = read(EXAMPLE)
    assert got.samples == 5500
    np.testing.assert_allclose(got.millivolts[:, 5400], 1.0)  # what no heart draws: aVR at 1 mV with I and II
    heart = without_pulse(got)
    assert 10.0 < heart.seconds < 11.0
    assert_algebra(heart)
    analysis = ecg.analyze(got)
    assert "CALIBRATION_CUT" in {note.code for note in analysis.notes}
    assert analysis.quality.grade == "A"
    assert max(beat.sample for beat in analysis.beats) < heart.samples


def test_what_only_looks_like_a_pulse_stays() -> None:
    got = read(EXAMPLE)
    for spoilt in (got.millivolts[:, :5300], np.vstack([got.millivolts[:11], got.millivolts[:1] * 0])):
        same = replace(got, millivolts=spoilt, counts=None)
        assert without_pulse(same) is same
    two = replace(got, leads=("I", "II"), millivolts=got.millivolts[:2], counts=None)
    assert without_pulse(two) is two


def test_our_numbers_are_those_the_device_printed() -> None:
    """Rate, intervals and axis of the file; per lead its own R, Q and ST, on QRS of a normal width."""
    m = ecg.analyze(read(EXAMPLE)).measurements
    printed = {tag: float(re.search(rf"<{tag}>(-?\d+)<".encode(), EXAMPLE)[1])  # type: ignore[index]
               for tag in ("heartrate", "meanprint", "meanqtint", "qrsfrontaxis")}  # fmt: skip
    assert m.heart_rate_bpm == pytest.approx(printed["heartrate"], abs=1.0)
    assert m.pr_ms == pytest.approx(printed["meanprint"], abs=10.0)
    assert m.qt_ms == pytest.approx(printed["meanqtint"], abs=20.0)
    assert m.axis_deg.qrs == pytest.approx(printed["qrsfrontaxis"], abs=10.0)
    assert m.qrs_ms == pytest.approx(96, abs=10)  # groupmeasurement/meanqrsdur
    leads = re.findall(rb'<leadmeasurement leadname="(\w+)".*?</leadmeasurement>', EXAMPLE, re.DOTALL)
    assert len(leads) == 12
    for block in re.finditer(rb'<leadmeasurement leadname="(\w+)".*?</leadmeasurement>', EXAMPLE, re.DOTALL):
        ours = m.leads[block[1].decode()]
        uv = float(re.search(rb"<qrsppk>(-?\d+)", block[0])[1])  # type: ignore[index]
        if block[1] not in (b"III", b"aVF"):  # the device splits their QRS into other waves
            assert (ours.qrs_pp_mv or 0) * 1000 == pytest.approx(uv, rel=0.15, abs=40), block[1]


def test_the_device_and_we_both_see_the_inferior_infarction() -> None:
    analysis = ecg.analyze(read(EXAMPLE))
    found = analysis.finding("STEMI_INF")
    assert found is not None
    assert {e.lead for e in found.evidence if e.op == ">="} == {"II", "aVF", "III"}


def test_representative_beats_are_the_signal_s_own_beat() -> None:
    got = read(data_file("1_03/repbeats_example.xml"))
    assert got.representative is not None
    assert got.representative.shape == (12, 600)
    other = read(EXAMPLE)
    np.testing.assert_array_equal(got.millivolts, other.millivolts)  # the same recording without them


@pytest.mark.parametrize(
    ("name", "age", "sex", "rate", "pr", "qrs", "qt"),
    [
        ("1_04/ad4d3d80-d165_1-04_orig.xml", 32.0, Sex.FEMALE, 41, 144, 102, 564),
        ("1_04_01/2020-5-18_15-48-11.xml", 69.0, None, 64, 164, 102, 399),
    ],
)
def test_the_later_versions(name: str, age: float, sex: Sex | None, rate: int, pr: int, qrs: int, qt: int) -> None:
    """Against globalmeasurements of each file."""
    got = read(data_file(name))
    assert got.patient == PatientFacts(age, sex)
    assert got.filters == Filters(0.05, 150.0, None)
    assert_algebra(without_pulse(got))
    m = ecg.analyze(got).measurements
    assert m.heart_rate_bpm == pytest.approx(rate, abs=1.5)
    assert m.pr_ms == pytest.approx(pr, abs=15)
    assert m.qrs_ms == pytest.approx(qrs, abs=10)
    assert m.qt_ms == pytest.approx(qt, abs=20)
    assert got.representative is not None
    assert not any("Masoudi" in statement for statement in got.statements)


def test_the_vendor_s_own_aecg_of_the_same_ecg() -> None:
    mine = read(data_file("1_04/ad4d3d80-d165_1-04_orig.xml"))
    twin = read(data_file("1_04/ad4d3d80-d165_1-04_converted.xml"))
    assert mine.samples == twin.samples
    assert mine.leads == twin.leads
    # The vendor's export filters lightly: four of its 5 µV units at most, none on average.
    assert float(np.abs(mine.millivolts - twin.millivolts).max()) <= 0.0201
    assert float(np.abs((mine.millivolts - twin.millivolts).mean(axis=1)).max()) < 0.003


# --- what cannot be read --------------------------------------------------------------------------------------------


def changed(old: str, new: str) -> bytes:
    text = EXAMPLE.decode()
    assert old in text
    return text.replace(old, new).encode()


def packed_again(keep: int) -> bytes:
    """The example with only the first ``keep`` bytes of its waveform."""
    match = re.search(rb"(<parsedwaveforms[^>]*>)([^<]*)(</parsedwaveforms>)", EXAMPLE)
    assert match is not None
    data = base64.b64encode(base64.b64decode(match[2])[:keep])
    return EXAMPLE[: match.start(2)] + data + EXAMPLE[match.end(2) :]


@pytest.mark.parametrize(
    ("code", "data"),
    [
        ("CUT_SHORT", EXAMPLE[:20000]),
        ("CUT_SHORT", packed_again(9000)),
        ("CUT_SHORT", packed_again(3)),
        ("NO_ECG", packed_again(0)),
        ("NO_ECG", changed("parsedwaveforms", "otherwaveforms")),
        ("UNKNOWN_FORMAT", changed("<documentversion>1.03", "<documentversion>1.05")),
        ("UNKNOWN_FORMAT", changed("<documenttype>SierraECG", "<documenttype>MortaraECG")),
        ("UNKNOWN_FORMAT", changed('compressmethod="XLI"', 'compressmethod="RLE"')),
        ("DAMAGED", changed("<samplingrate>500<", "<samplingrate>0<")),
        ("DAMAGED", changed("<signalresolution>5<", "<signalresolution>nan<")),
        ("DAMAGED", changed("<leadset>STD-12<", "<leadset>OTHER<").replace(b">STD-12<", b">OTHER<")),
        ("DAMAGED", changed("<numberchannelsvalid>12<", "<numberchannelsvalid>8<")),
        ("DAMAGED", changed('durationperchannel="11000"', 'durationperchannel="eleven"')),
        ("DAMAGED", changed("</documentname>", "</documentame>")),
        ("DAMAGED", EXAMPLE.replace(b"<restingecgdata", b'<!DOCTYPE a [<!ENTITY b "c">]><restingecgdata', 1)),
    ],
)
def test_what_cannot_be_read_says_why(code: str, data: bytes) -> None:
    with pytest.raises(Unreadable) as caught:
        read(data, "图.xml")
    assert caught.value.code == code
    assert "图.xml" in caught.value.text.zh
    assert "图.xml" in caught.value.text.en


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_encodings_of_devices_are_recognised(encoding: str) -> None:
    text = EXAMPLE.decode()
    if encoding == "utf-16":
        text = text.replace('encoding="UTF-8"', 'encoding="utf-16"', 1)
    np.testing.assert_array_equal(read(text.encode(encoding)).counts, read(EXAMPLE).counts)


def test_a_default_age_is_no_age() -> None:
    assert read(changed("<age><years>50</years></age>", '<age defaultage="50"/>')).patient.age_years is None
    born = '<age defaultage="50"><dateofbirth>1970-12-02</dateofbirth></age>'
    assert read(changed("<age><years>50</years></age>", born)).patient.age_years == 40.0
