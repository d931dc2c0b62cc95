"""``ecgnet rules`` and ``ecgnet compare``: what is printed, and the exit codes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from server.commands import comparing, rules
from server.refusal import Refusal

DATA = Path(__file__).resolve().parents[1] / "data"
OWN = Path(__file__).resolve().parents[2] / "ecg" / "rules"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deep").mkdir()
    for name in ("55.hea", "55.dat"):
        shutil.copy(DATA / name, tmp_path / "deep" / name)
    shutil.copy(DATA / "129DYPRG.XML.gz", tmp_path)  # no ECG as it is: passed over
    (tmp_path / "note.txt").write_text("no ECG")
    return tmp_path


def test_check_says_what_a_file_adds(capsys: pytest.CaptureFixture[str]) -> None:
    rules.check(OWN / "cn-prov.toml")
    said = capsys.readouterr().out
    assert "cn-prov 1 sha256:" in said
    assert "L_STE_PROV" in said
    assert "危急值" in said


def test_check_refuses_with_every_fault_in_both_languages(tmp_path: Path) -> None:
    bad = tmp_path / "县.toml"
    bad.write_text('kind = "labels"\nbase = "other"\n', encoding="utf-8")
    with pytest.raises(Refusal) as caught:
        rules.check(bad)
    assert "县.toml：base：现为 'other'，应为" in str(caught.value)
    assert "县.toml: base: found 'other', needed:" in str(caught.value)


def test_try_names_what_would_change_and_counts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rules.try_on(OWN / "cn-ecgmi.toml", folder, as_json=True, language=None) == 0
    *lines, last = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert [Path(line["file"]).name for line in lines] == ["55.hea"]
    assert [f["code"] for f in lines[0]["added"]] == ["L_STE_ECGMI"]
    assert last == {"read": 1, "changed": 1, "labels": {"L_STE_ECGMI": {"true": 1}}, "unreadable": 0}


def test_try_speaks_and_ends_with_one_for_what_cannot_be_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "deep" / "55.dat").write_bytes(b"short")
    assert rules.try_on(OWN / "cn-prov.toml", folder, as_json=False, language="zh") == 1
    said = capsys.readouterr().out
    assert "CUT_SHORT" in said
    assert "已读0份，其中0份会增加标签，1份无法读取。" in said


def test_try_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(Refusal):
        rules.try_on(OWN / "cn-prov.toml", tmp_path / "none", as_json=False, language=None)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_compare_prints_what_changed(language: str, capsys: pytest.CaptureFixture[str]) -> None:
    ecg = DATA / "55.hea"
    comparing.compare(ecg, ecg, proven=True, pain=None, after_lysis=None, as_json=False, language=language)
    said = capsys.readouterr().out
    assert "D_UNCHANGED" in said
    assert ("与前次心电图相比无明显变化" if language == "zh" else "No significant change") in said


def test_compare_without_proof_of_identity_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    ecg = DATA / "55.hea"
    comparing.compare(ecg, ecg, proven=False, pain=True, after_lysis=None, as_json=True, language=None)
    out = json.loads(capsys.readouterr().out)
    assert (out["schema"], out["identity"], out["counts"]) == ("ecgnet.comparison/1", "doubtful", False)
    comparing.compare(ecg, ecg, proven=False, pain=None, after_lysis=None, as_json=False, language="zh")
    assert "身份未核实" in capsys.readouterr().out


def test_compare_refuses_what_it_cannot_read(tmp_path: Path) -> None:
    with pytest.raises(Refusal):
        comparing.compare(tmp_path / "a", DATA / "55.hea", proven=True, pain=None, after_lysis=None, as_json=False,
                          language=None)  # fmt: skip
