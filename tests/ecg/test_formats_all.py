"""Readers together: recognition, parcels, one ECG in three formats, and no bytes that raise but Unreadable."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ecg.errors import Unreadable
from ecg.formats import FORMATS, faults, parts, read
from ecg.recording import STANDARD_LEADS, Recording

HERE = Path(__file__).resolve().parents[1] / "data"
EXAMPLES: dict[str, bytes] = {
    "scp": (HERE / "Example.scp").read_bytes(),
    "dicom": (HERE / "Example.dcm").read_bytes(),
    "aecg": gzip.decompress((HERE / "Example.xml.gz").read_bytes()),
}
ALL = EXAMPLES | {"sierra": gzip.decompress((HERE / "129DYPRG.XML.gz").read_bytes())}
LUDB = {name: (HERE / name).read_bytes() for name in ("55.hea", "55.dat")}


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def assert_same(one: Recording, other: Recording) -> None:
    assert one.leads == other.leads
    assert one.rate_hz == other.rate_hz
    np.testing.assert_array_equal(one.millivolts, other.millivolts)


def assert_unreadable(code: str, action: Callable[[], object]) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        action()
    assert caught.value.code == code
    assert any(ord(char) > 0x4E00 for char in caught.value.text.zh)
    assert caught.value.text.en
    return caught.value


def test_one_ecg_in_three_formats_has_the_same_values_in_every_lead() -> None:
    found = {word: read(data) for word, data in EXAMPLES.items()}
    assert {word: recording.format for word, recording in found.items()} == {word: word for word in EXAMPLES}
    for recording in found.values():
        assert_same(recording, found["scp"])
        assert recording.leads == STANDARD_LEADS
        assert recording.acquired_at is not None
        assert recording.acquired_at.instant.isoformat() == "2002-11-22T09:10:00"
        assert recording.patient.sex == "male"
    assert np.ptp(found["scp"].lead("V3")) > 1.0


def test_every_format_has_one_word_and_recognises_only_its_own() -> None:
    samples = ALL | {"wfdb": LUDB["55.hea"]}
    assert {form.word for form in FORMATS} == set(samples)
    for word, data in samples.items():
        assert [form.word for form in FORMATS if form.sniff(data)] == [word]


def test_a_pair_reads_the_same_as_path_parts_or_zip(tmp_path: Path) -> None:
    for name, data in LUDB.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "55.zip").write_bytes(zipped(LUDB))
    first = read(tmp_path / "55.hea")
    for again in (
        read(str(tmp_path / "55.dat")),
        read(tmp_path / "55.zip"),
        read(zipped(LUDB)),
        read(zipped({f"folder/{name}": data for name, data in LUDB.items()} | {"__MACOSX/folder/._55.hea": b"x"})),
        read(dict(reversed(LUDB.items()))),
    ):
        assert_same(again, first)
        assert again.format == "wfdb"


@pytest.mark.parametrize("word", sorted(ALL))
def test_a_zip_of_a_single_file_is_opened(word: str) -> None:
    assert_same(read(zipped({"a.bin": ALL[word]})), read(ALL[word]))


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    (tmp_path / "55.hea").write_bytes(LUDB["55.hea"])
    (tmp_path / "lonely.dat").write_bytes(LUDB["55.dat"])
    assert "55.dat" in assert_unreadable("PART_MISSING", lambda: read(tmp_path / "55.hea")).text.zh
    assert "55.dat" in assert_unreadable("PART_MISSING", lambda: read(LUDB["55.hea"], "55.hea")).text.en
    assert "55.hea" in assert_unreadable("PART_MISSING", lambda: read(LUDB["55.dat"], "55.dat")).text.en
    assert "lonely.hea" in assert_unreadable("PART_MISSING", lambda: read(tmp_path / "lonely.dat")).text.en
    assert_unreadable("PART_MISSING", lambda: read(tmp_path / "nowhere.hea"))


def test_names_in_another_case_and_notes_beside_the_record_do_no_harm(tmp_path: Path) -> None:
    first = read(LUDB)
    shouted = {"55.HEA": LUDB["55.hea"], "55.DAT": LUDB["55.dat"]}
    assert_same(read(shouted), first)
    assert_same(read(zipped(shouted | {"note.txt": b"Bed 12\n"})), first)
    for name, data in shouted.items():
        (tmp_path / name).write_bytes(data)
    assert_same(read(tmp_path / "55.HEA"), first)
    assert_same(read(tmp_path / "55.DAT"), first)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert_unreadable("PART_MISSING", lambda: read(tmp_path))


def test_a_neighbour_that_does_not_belong_is_not_read_instead(tmp_path: Path) -> None:
    for name, data in LUDB.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "55.xml").write_text("<RestingECG/>")
    assert_unreadable("UNKNOWN_FORMAT", lambda: read(tmp_path / "55.xml"))


@pytest.mark.parametrize(
    ("code", "source"),
    [
        ("EMPTY", b""),
        ("EMPTY", {}),
        ("EMPTY", zipped({})),
        ("UNKNOWN_FORMAT", b"\0" * 100),
        ("UNKNOWN_FORMAT", b"%PDF-1.4 picture"),
        ("UNKNOWN_FORMAT", zipped({"a.zip": zipped(LUDB)})),
        ("UNKNOWN_FORMAT", {"1.scp": EXAMPLES["scp"], "2.dcm": EXAMPLES["dicom"]}),
        ("DAMAGED", b"PK\x03\x04 and no zip"),
        ("DAMAGED", {"a.hea": b"this is no header at all\n"}),
    ],
)
def test_what_cannot_be_read_says_why(code: str, source: bytes | dict[str, bytes]) -> None:
    assert_unreadable(code, lambda: read(source))


def test_a_zip_bomb_is_refused_before_it_fills_the_memory() -> None:
    bomb = zipped({"a.dat": bytes(parts.MAX_FILE_BYTES + 1)})
    assert len(bomb) < 100_000
    assert_unreadable("UNKNOWN_FORMAT", lambda: read(bomb))
    assert_unreadable("UNKNOWN_FORMAT", lambda: read(zipped({f"{n}.x": b"" for n in range(parts.MAX_ZIP_MEMBERS + 1)})))


def test_a_header_cannot_reach_outside_its_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.dat").write_bytes(LUDB["55.dat"])
    inner = tmp_path / "in"
    inner.mkdir()
    (inner / "55.hea").write_bytes(LUDB["55.hea"].replace(b"55.dat", b"../secret.dat"))
    assert_unreadable("PART_MISSING", lambda: read(inner / "55.hea"))


def test_less_than_half_a_second_is_no_ecg() -> None:
    header = b"a 1 500 100\na.dat 16 1000/mV 16 0 0 0 0 I\n"
    assert_unreadable("NO_ECG", lambda: read({"a.hea": header, "a.dat": bytes(200)}))


@pytest.mark.parametrize("fault", [faults.empty, faults.unknown_format, faults.part_missing])
def test_every_sentence_names_the_file_in_both_languages(fault: Callable[[str], Unreadable]) -> None:
    text = fault("图.hea").text
    assert "图.hea" in text.zh
    assert "图.hea" in text.en


def survives(source: bytes | dict[str, bytes]) -> None:
    """Reads, or says why not; anything else fails the test by itself."""
    try:
        recording = read(source)
    except Unreadable as error:
        text = error.text
    else:
        assert recording.samples > 0
        return
    assert text.zh
    assert text.en


@pytest.mark.parametrize("word", sorted(ALL))
def test_a_file_cut_anywhere_is_read_or_refused(word: str) -> None:
    data = ALL[word]
    for length in sorted({*range(0, 400, 7), *range(0, len(data), max(1, len(data) // 40))}):
        survives(data[:length])


def test_a_cut_dat_is_refused_as_cut() -> None:
    for length in (0, 1, 119_998):
        error = assert_unreadable("CUT_SHORT", lambda n=length: read(LUDB | {"55.dat": LUDB["55.dat"][:n]}))
        assert "120000" in error.text.en


def test_a_header_cut_anywhere_is_read_or_refused() -> None:
    for length in range(0, len(LUDB["55.hea"]), 3):
        survives(LUDB | {"55.hea": LUDB["55.hea"][:length]})


@pytest.mark.parametrize("word", [*sorted(ALL), "wfdb", "zip"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6),
       early=st.booleans())  # fmt: skip
def test_flipped_bytes_are_read_or_refused(word: str, flips: list[tuple[float, int]], early: bool) -> None:
    data = bytearray(ALL.get(word) or (LUDB["55.hea"] if word == "wfdb" else zipped(LUDB)))
    span = min(len(data), 600) if early else len(data)
    for place, value in flips:
        data[int(place * span)] = value
    survives(LUDB | {"55.hea": bytes(data)} if word == "wfdb" else bytes(data))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300))
def test_noise_is_refused_in_words(data: bytes) -> None:
    survives(data)
