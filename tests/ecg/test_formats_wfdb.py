"""WFDB: our codecs against the ``wfdb`` package, header facts, checksums, and the writer's round trip."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg.errors import Unreadable
from ecg.formats import read, scp
from ecg.formats.foreign import library
from ecg.formats.wfdb_samples import CODECS
from ecg.formats.wfdb_write import wfdb_parts, wfdb_zip
from ecg.recording import STANDARD_LEADS, AcquiredAt, PatientFacts, Recording, Sex

HERE = Path(__file__).resolve().parents[1] / "data"
COMMON = ["ludb/7", "ptbdb/s0010_re", "cinc2021/E07500", "cinc2021/JS20004", "acute/S0010", "mitdb/100",
          "vendor/wfdb-formats/100_3chan", "vendor/wfdb-formats/3000003_0003"]  # fmt: skip
UNCOMMON = ["binformats", "flacformats", "310derive_2", "311derive", "mixedsignals", "test01_00s_skewframe",
            "multi-segment/041s/041s"]  # fmt: skip


def header(*lines: str) -> bytes:
    return "\n".join(lines).encode() + b"\n"


def record(signal: str, data: bytes, *comments: str, first: str = "a 1 500 1000") -> Recording:
    return read({"a.hea": header(first, signal, *comments), "a.dat": data})


@pytest.mark.parametrize("name", COMMON)
def test_own_codecs_agree_with_the_wfdb_package(name: str, data_folder: Path) -> None:
    wfdb = library("wfdb")
    ours = read(data_folder / f"{name}.hea")
    theirs = wfdb.rdrecord(str(data_folder / name))
    column = {said.casefold().removeprefix("v") if said[:1] == "v" and said[1:] in "xyz" else said.casefold(): index
              for index, said in enumerate(theirs.sig_name)}  # fmt: skip
    column |= {"ii": column["mlii"]} if "mlii" in column else {}
    assert ours.rate_hz == theirs.fs
    assert ours.samples == theirs.sig_len
    for lead in ours.leads:
        found = column.get(lead.casefold(), column.get(lead[-1].casefold()))
        np.testing.assert_allclose(ours.lead(lead), theirs.p_signal[:, found], rtol=0, atol=1e-12)
    assert not [note for note in ours.notes if note.code == "CHECKSUM_WRONG"]


@pytest.mark.parametrize("name", UNCOMMON)
def test_rare_formats_frames_skew_and_segments_are_read(name: str, data_folder: Path) -> None:
    wfdb = library("wfdb")
    place = data_folder / "vendor" / "wfdb-formats" / name
    ours = read(f"{place}.hea")
    theirs = wfdb.rdrecord(str(place))
    assert ours.samples == theirs.sig_len
    assert set(ours.leads)
    first = ours.millivolts[0]
    assert any(np.allclose(first, row, atol=1e-9, equal_nan=True) for row in theirs.p_signal.T)


def test_every_record_of_the_data_folder_reads_or_says_why(data_folder: Path) -> None:
    refused: dict[str, str] = {}
    for path in sorted(data_folder.rglob("*.hea")):
        try:
            read(path)
        except Unreadable as error:
            refused[path.name] = error.code
    assert refused == {
        "3269321_0001.hea": "NO_ECG",  # a segment of blood pressure
        "3269321_layout.hea": "NO_ECG",  # names signals, holds none
        "f1o02.hea": "PART_MISSING",  # its samples were never shipped
        "p000878-2137-10-26-16-57.hea": "PART_MISSING",  # 34 of its 36 segments were never shipped
    }


def test_ludb_keeps_the_integers_that_show_its_false_gain() -> None:
    ecg = read(HERE / "55.hea")
    assert ecg.leads == STANDARD_LEADS
    assert ecg.patient == PatientFacts(ecg.patient.age_years, ecg.patient.sex)
    assert ecg.patient.age_years is not None
    assert ecg.microvolts_per_count is not None
    assert len(set(ecg.microvolts_per_count)) > 1
    assert ecg.counts is not None
    one, two, three = (ecg.counts[ecg.leads.index(lead)] for lead in ("I", "II", "III"))
    assert np.abs(one + three - two).max() <= 1


@pytest.mark.parametrize(
    ("comments", "age", "sex"),
    [
        (["#<age>: 64  <sex>: M  <diagnoses>: x"], 64, Sex.MALE),
        (["#<age>: 51", "#<sex>: F"], 51, Sex.FEMALE),
        (["#Age: 74", "#Sex: male"], 74, Sex.MALE),
        (["# Age: 29", "# Sex: Female"], 29, Sex.FEMALE),
        (["# age: 81", "# sex: female"], 81, Sex.FEMALE),
        (["# age: n/a", "# sex: n/a"], None, None),
        (["# Age: NaN", "# Sex: Unknown"], None, None),
        (["# Age: 300"], None, None),
        (["# Diagnose: age-related change", "# Page: 3"], None, None),
        ([], None, None),
    ],
)
def test_age_and_sex_in_the_usual_forms(comments: list[str], age: float | None, sex: Sex | None) -> None:
    ecg = record("a.dat 16 1000/mV 16 0 0 0 0 I", bytes(2000), *comments)
    assert ecg.patient == PatientFacts(age, sex)


def test_the_record_line_gives_the_time_and_nothing_is_guessed() -> None:
    signal = "a.dat 16 1000/mV 16 0 0 0 0 I"
    ecg = record(signal, bytes(2000), first="a 1 500 1000 08:09:10.5 03/04/2024")
    assert ecg.acquired_at == AcquiredAt(datetime.fromisoformat("2024-04-03T08:09:10.500000"), "record line")
    for first in ("a 1 500 1000", "a 1 500 1000 08:09:10", "a 1 500 1000 15-May-2020 15:22:05"):
        assert record(signal, bytes(2000), first=first).acquired_at is None


def test_gain_baseline_and_unit_of_the_header_are_obeyed() -> None:
    data = np.full(1000, 150, dtype="<i2").tobytes()
    for field, millivolts in {
        "1000/mV": 0.15, "1000(50)/mV": 0.1, "1/uV": 0.15, "1e3/mV": 0.15, "100000/V": 1.5, "500": 0.3
    }.items():  # fmt: skip
        assert record(f"a.dat 16 {field} 16 0 0 0 0 I", data).millivolts[0, 0] == pytest.approx(millivolts, abs=1e-12)
    assert record("a.dat 16 1000/mV 16 100 0 0 0 I", data).millivolts[0, 0] == pytest.approx(0.05)


def test_a_header_without_gain_is_said_to_take_the_default() -> None:
    ecg = record("a.dat 16", np.full(1000, 200, dtype="<i2").tobytes())
    assert ecg.millivolts[0, 0] == 1.0
    assert [note.code for note in ecg.notes] == ["GAIN_DEFAULT"]


def test_an_invalid_sample_is_nan_and_not_minus_thirty_millivolts() -> None:
    data = np.zeros(1000, dtype="<i2")
    data[7] = -32768
    ecg = record("a.dat 16 1000/mV 16 0 0 -32768 0 I", data.tobytes())
    assert np.flatnonzero(np.isnan(ecg.millivolts[0])).tolist() == [7]


def test_a_wrong_checksum_is_a_note_that_names_the_lead() -> None:
    ecg = record("a.dat 16 1000/mV 16 0 0 77 0 V2", bytes(2000))
    assert [note.code for note in ecg.notes] == ["CHECKSUM_WRONG"]
    assert "V2" in ecg.notes[0].text.zh


def test_channels_that_are_no_ecg_are_left_out_and_said() -> None:
    lines = [f"a.dat 16 1000/{unit} 16 0 0 0 0 {name}" for name, unit in
             (("MLII", "mV"), ("ABP", "mmHg"), ("PLETH", "mV"), ("vx", "mV"), ("V5", "mV"))]  # fmt: skip
    ecg = read({"a.hea": header("a 5 500 1000", *lines), "a.dat": bytes(10_000)})
    assert ecg.leads == ("II", "V5", "X")
    assert [note.code for note in ecg.notes] == ["LEAD_MODIFIED", "CHANNEL_LEFT_OUT", "CHANNEL_LEFT_OUT"]


@pytest.mark.parametrize("name", sorted(CODECS))
def test_each_codec_knows_its_size(name: str) -> None:
    codec = CODECS[name]
    for samples in range(1, 9):
        data = bytes(range(1, codec.bytes_needed(samples) + 1))
        assert len(codec.decode(data, samples)) == samples
        assert codec.samples_in(codec.bytes_needed(samples)) == samples


def test_the_common_formats_do_not_import_the_slow_package() -> None:
    code = f"import sys; from ecg.formats import read; read({str(HERE / '55.hea')!r}); print('wfdb' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"


def sample_recording(millivolts: np.ndarray, rate_hz: float = 500.0) -> Recording:
    return Recording(STANDARD_LEADS[: len(millivolts)], millivolts, rate_hz, "synthetic")


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    leads=st.integers(1, 12),
    rate=st.sampled_from([100.0, 250.0, 499.9, 500.0, 1000.0]),
    scale=st.sampled_from([0.001, 1.0, 30.0, 400.0]),
    age=st.one_of(st.none(), st.floats(0, 130).map(lambda years: round(years, 2))),
    sex=st.sampled_from([None, Sex.MALE, Sex.FEMALE]),
)
def test_what_is_written_reads_back(
    seed: int, leads: int, rate: float, scale: float, age: float | None, sex: Sex | None
) -> None:
    rng = np.random.default_rng(seed)
    millivolts = rng.normal(0, scale, (leads, int(rng.integers(600, 900))))
    millivolts[rng.random(millivolts.shape) < 0.01] = np.nan
    at = AcquiredAt(datetime.fromisoformat("2026-03-04T05:06:07.089000"), "x")
    written = replace(sample_recording(millivolts, rate), patient=PatientFacts(age, sex), acquired_at=at)
    back = read(wfdb_zip(written, "demo-1"))
    assert back.leads == written.leads
    assert back.rate_hz == rate
    assert back.patient.sex == sex
    assert back.patient.age_years == pytest.approx(age) if age is not None else back.patient.age_years is None
    assert back.acquired_at is not None
    assert back.acquired_at.instant == at.instant
    assert not back.notes
    np.testing.assert_array_equal(np.isnan(back.millivolts), np.isnan(millivolts))
    assert back.microvolts_per_count is not None
    limits = np.array(back.microvolts_per_count)[:, None] / 1000 * 0.5 + 1e-9
    assert np.all(np.nan_to_num(np.abs(back.millivolts - millivolts)) <= limits)


def test_samples_that_look_like_another_format_stay_samples_of_their_header() -> None:
    """A few bytes of a `.dat` may be any format's mark; Hypothesis met a record that was taken for SCP-ECG."""
    counts = np.zeros(600, dtype="<i2")
    counts[8:11] = np.frombuffer(b"SCPECG", dtype="<i2")
    assert scp.sniff(counts.tobytes())
    header = b"demo 1 500 600\ndemo.dat 16 1000/mV 16 0 0 0 0 II\n"
    back = read({"demo.hea": header, "demo.dat": counts.tobytes()})
    assert back.format == "wfdb"
    np.testing.assert_array_equal(back.millivolts[0], counts / 1000)


def test_the_writer_is_deterministic_and_refuses_names_that_are_paths() -> None:
    ecg = sample_recording(np.zeros((2, 500)))
    assert wfdb_zip(ecg) == wfdb_zip(ecg)
    for name in ("", "../a", "a b", "甲"):
        with pytest.raises(ValueError, match="record name"):
            wfdb_zip(ecg, name)


def test_the_wfdb_package_reads_what_we_write(tmp_path: Path) -> None:
    wfdb = library("wfdb")
    ecg = sample_recording(np.random.default_rng(1).normal(0, 1, (12, 5000)))
    for name, data in wfdb_parts(ecg, "demo").items():
        (tmp_path / name).write_bytes(data)
    theirs = wfdb.rdrecord(str(tmp_path / "demo"))
    assert theirs.sig_name == list(STANDARD_LEADS)
    np.testing.assert_allclose(theirs.p_signal.T, ecg.millivolts, atol=0.0005001)
