"""SCP-ECG: the three codings, checksums, devices' own files, and what is refused with its reason."""

from __future__ import annotations

import binascii
import struct
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg.errors import Unreadable
from ecg.formats import read
from ecg.formats.scp_huffman import DEFAULT_TABLES, decode, read_tables
from ecg.recording import PatientFacts, Recording, Sex

HERE = Path(__file__).resolve().parents[1] / "data"
EXAMPLE = (HERE / "Example.scp").read_bytes()


def huffman(values: list[int]) -> bytes:
    """The default table of EN 1064 annex C, as a writer: the reader's test partner."""
    bits = ""
    for value in values:
        size = abs(value)
        if size <= 8:
            bits += "0" if not size else "1" * size + ("01" if value < 0 else "00")
        elif -128 <= value <= 127:
            bits += "1111111110" + format(value & 0xFF, "08b")
        else:
            bits += "1111111111" + format(value & 0xFFFF, "016b")
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


def section(number: int, data: bytes) -> bytes:
    body = struct.pack("<HIBB6x", number, 16 + len(data), 20, 20) + data
    return struct.pack("<H", binascii.crc_hqx(body, 0xFFFF)) + body


def scp(sections: dict[int, bytes]) -> bytes:
    """A file of these sections with right pointers and checksums."""
    start = 6 + 16 + 120
    pointers, bodies = b"", b""
    for number in range(12):
        body = section(number, sections[number]) if number in sections else b""
        pointers += struct.pack("<HII", number, len(body) or (136 if number == 0 else 0), start + len(bodies) + 1)
        bodies += body
    whole = section(0, pointers) + bodies
    whole = struct.pack("<I", 6 + len(whole)) + whole
    return struct.pack("<H", binascii.crc_hqx(whole, 0xFFFF)) + whole


def two_leads(values: np.ndarray, encoding: int, *, coded: bool, flags: int = 0, bimodal: int = 0) -> bytes:
    rows: list[bytes] = []
    for row in values:
        steps = [int(row[0]), *np.diff(row).tolist()] if encoding else row.tolist()
        if encoding == 2:
            steps = [int(row[0]), int(row[1]), *np.diff(row, 2).tolist()]
        rows.append(huffman(steps) if coded else np.array(steps, dtype="<i2").tobytes())
    spans = b"".join(struct.pack("<IIB", 1, values.shape[1], code) for code in (1, 2))
    data = struct.pack("<HHBB", 2500, 2000, encoding, bimodal) + struct.pack("<2H", *map(len, rows)) + b"".join(rows)
    sections = {1: b"\xff\0\0", 3: bytes([2, flags]) + spans, 6: data}
    return scp(sections | ({2: struct.pack("<H", 19999)} if coded else {}))


def assert_refused(data: bytes, code: str, word: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(data)
    assert caught.value.code == code
    assert word in caught.value.text.en


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 2]), st.booleans())
def test_values_first_and_second_differences_come_back(seed: int, encoding: int, coded: bool) -> None:
    values = np.cumsum(np.random.default_rng(seed).integers(-40, 41, (2, 400)), axis=1)
    ecg = read(two_leads(values, encoding, coded=coded))
    assert ecg.leads == ("I", "II")
    assert ecg.rate_hz == 500.0
    np.testing.assert_array_equal(ecg.counts, values)
    np.testing.assert_allclose(ecg.millivolts, values * 0.0025)
    assert not ecg.notes


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=200))
def test_the_default_table_reads_what_it_writes(values: list[int]) -> None:
    assert decode(huffman(values), DEFAULT_TABLES, len(values), "x").tolist() == values


def test_a_table_of_the_file_is_used() -> None:
    codes = [(1, 1, 1, 0, 0b0), (2, 2, 1, 5, 0b01), (2, 10, 1, 0, 0b11)]  # base codes with their bits reversed
    table = struct.pack("<HH", 1, len(codes)) + b"".join(struct.pack("<BBBhI", *code) for code in codes)
    tables = read_tables(table, "x")
    assert decode(bytes([0b01011111, 0b11111000]), tables, 3, "x").tolist() == [0, 5, -1]


def test_subtracted_or_decimated_rhythms_are_refused_with_the_reason() -> None:
    values = np.zeros((2, 400), dtype=int)
    assert_refused(two_leads(values, 1, coded=True, flags=1), "UNKNOWN_FORMAT", "reference beat")
    assert_refused(two_leads(values, 1, coded=True, bimodal=1), "UNKNOWN_FORMAT", "bimodal")


def test_a_flipped_bit_in_coded_samples_is_refused_and_elsewhere_told() -> None:
    samples = bytearray(EXAMPLE)
    samples[-500] ^= 4
    assert_refused(bytes(samples), "DAMAGED", "checksum")
    name = bytearray(EXAMPLE)
    name[EXAMPLE.index(b"Clark")] = ord("D")
    assert [note.code for note in read(bytes(name)).notes] == ["CHECKSUM_WRONG"]


def test_the_example_says_what_the_file_says() -> None:
    ecg = read(EXAMPLE)
    assert ecg.patient == PatientFacts(49.0, Sex.MALE)
    assert ecg.device.model == "ELI250"
    assert ecg.microvolts_per_count == (2.5,) * 12
    assert not ecg.notes


def test_welch_allyn_keeps_its_true_rate_statements_and_time(data_folder: Path) -> None:
    folder = data_folder / "vendor" / "scp" / "welch-allyn"
    ecg = read(folder / "ECG_20170504_163507_123456789.SCP")
    assert (ecg.rate_hz, ecg.samples, len(ecg.leads)) == (600.0, 6000, 8)
    assert ecg.acquired_at is not None
    assert ecg.acquired_at.instant == datetime.fromisoformat("2017-05-04T16:35:07")
    assert ecg.device.maker == "Welch Allyn Cardio Control"
    assert ecg.statements[0] == "sinusrytm (långsam)"
    assert (ecg.filters.low_pass_hz, ecg.filters.notch_hz) == (35.0, 50.0)
    assert_equal(ecg, read(folder / "ECG_20170504_163507_ANON000009.SCP"))


def assert_equal(one: Recording, other: Recording) -> None:
    np.testing.assert_array_equal(one.millivolts, other.millivolts)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("scp/ecg-soft/demo.scp", (8, 1000.0, 10_000)),
        ("contec-ecg/0000050.ECG.scp", (12, 800.0, 32_767)),
        ("scp/healforce/62.SCP", "UNKNOWN_FORMAT"),  # not conforming: offsets from 0, packed 12-bit samples
        ("scp/pc-80b/1.SCP", "DAMAGED"),  # a dummy Huffman table, samples not coded by it
        ("scp/pc-80b/10.SCP", "DAMAGED"),
        ("scp/invalid/test_log.SCP", "DAMAGED"),
    ],
)
def test_devices_own_files(name: str, expected: tuple[int, float, int] | str, data_folder: Path) -> None:
    path = data_folder / "vendor" / name
    if isinstance(expected, str):
        with pytest.raises(Unreadable) as caught:
            read(path)
        assert caught.value.code == expected
        return
    ecg = read(path)
    assert (len(ecg.leads), ecg.rate_hz, ecg.samples) == expected
