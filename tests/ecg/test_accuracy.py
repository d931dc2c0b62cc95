"""The bench of accuracy in short: its tables say what they must, and its truth is the annotators'."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from ecg.accuracy import Sizes, analytic, prints, rhythm, statements, swaps, truth, written
from ecg.accuracy.pictures import picture
from ecg.accuracy.table import Goal, goals
from ecg.arrays import ints
from ecg.recording import Sex
from ecg.signal import reversal
from ecg.synthesis import Heart, synthesise

DATA = Path(os.environ.get("ECGNET_RECORDINGS") or Path(__file__).resolve().parents[3] / "shared" / "data")
needs_data = pytest.mark.skipif(
    not (DATA / "ludb").is_dir(), reason="the recordings beside the repository are not there"
)


@pytest.mark.parametrize(
    ("value", "least", "verdict"),
    [(99.0, True, "aim"), (96.0, True, "must"), (94.0, True, "**not reached**"), (96.0, False, "**not reached**")],
)
def test_a_figure_says_which_target_it_reaches(value: float, least: bool, verdict: str):
    goal = Goal("x", value, 95.0, 98.0) if least else Goal("x", value, 95.0, 90.0, False)
    assert goal.verdict == verdict
    assert verdict in goals([goal])


def test_a_figure_without_a_target_or_a_value_claims_nothing():
    assert Goal("x", 3.0).verdict == Goal("x", None, 1.0).verdict == ""
    assert "not measured" in goals([Goal("x", None, 1.0)])


def test_beats_are_matched_once_and_within_reach():
    assert rhythm.matched(ints([100, 200, 300]), ints([95, 205, 207, 500]), 10) == 2
    assert rhythm.matched(ints([]), ints([3]), 10) == 0


def test_swapping_is_exact_and_its_own_inverse():
    recording = synthesise(Heart(), seed=1).recording
    there = swaps.exchanged(recording, reversal.LIMB["RA-LA"])
    assert np.allclose(there.lead("I"), -recording.lead("I"))
    assert np.allclose(swaps.exchanged(there, reversal.LIMB["RA-LA"]).millivolts, recording.millivolts)


def test_analytic_rows_name_every_limit():
    found = [goal.what for goal in analytic.rows(2)]
    assert {f"{name}: SD" for name in ("P", "PR", "QRS", "QT")} <= set(found)
    assert any("impulse" in what for what in found)


def test_matches_form_groups():
    assert prints._groups([("a", "b"), ("c", "d"), ("b", "e")]) == [["a", "b", "e"], ["c", "d"]]  # pyright: ignore[reportPrivateUsage]


def test_a_picture_is_small_and_marks_both():
    text = picture([np.sin(np.arange(450) / 20)], {100: "expert", 120: "ours"}, 500.0)
    assert len(text) < 60_000
    assert "expert" in text
    assert "stroke-dasharray" in text


@needs_data
def test_held_out_lists_name_half_of_each_set():
    assert len(truth.held_out("holdout.txt")) == len(list((DATA / "ludb").glob("*.hea"))) // 2
    assert len(truth.held_out("holdout-cinc2011.txt")) == len(list((DATA / "cinc2011").glob("*.gz"))) // 2


def test_a_labelled_record_has_the_age_and_sex_of_the_table(tmp_path: Path):
    head = "record,source,fs,leads,seconds,age,sex,labels"
    rows = ("ptbxl/records500/1_hr,PTB-XL,500,12,10,>89,F,NORM", "ludb/1,LUDB,500,12,10,,M,Sinus rhythm")
    (tmp_path / "labels.csv").write_text("\n".join((head, *rows)), "utf-8")
    assert [(r.patient.age_years, r.patient.sex) for r in statements.labelled(tmp_path)] == [
        (89.0, Sex.FEMALE),
        (None, Sex.MALE),
    ]


@pytest.mark.parametrize(
    ("source", "labels", "fibrillation", "block"),
    [
        ("PTB-XL", "IMI:100; CRBBB:100", None, True),
        ("PTB-XL", "CRBBB:100; SR:0", False, True),
        ("PTB-XL", "AFIB:0", True, False),
        ("CinC2021 Georgia", "164873001 LVH", None, False),
        ("CinC2021 Georgia", "426783006 SNR; 59118001 RBBB", False, True),
        ("CinC2020 CPSC2018", "59118001 RBBB", False, True),
        ("LUDB", "Electric axis of the heart: normal", False, False),
    ],
)
def test_a_row_that_names_no_rhythm_says_nothing_about_it(
    source: str, labels: str, fibrillation: bool | None, block: bool
):
    by_name = {s.name: s for s in statements.MAPPING}
    row = statements.Labelled("x", source, labels)
    assert statements.truly(by_name["R_AF"], row) is fibrillation
    assert statements.truly(by_name["R_AF, silence as denial"], row) is bool(fibrillation)
    assert statements.truly(by_name["BBB"], row) is block


def test_patterns_without_a_label_are_counted_by_part():
    rows = [(statements.Labelled(f"ludb/{k}", "LUDB", ""), frozenset({"S_PE"} if k == 4 else ())) for k in (1, 4)]
    told = statements._unlabelled([(row, said) for row, said in rows if not row.held_out])
    assert "| S_PE | 1 of 2 | 50.0 (9–91) | 0 of 0 | – | ludb/4 |" in told
    assert "| S_BRU1 | 0 of 2 |" in told


@needs_data
@pytest.mark.filterwarnings("ignore:The inplace keyword")  # wfdb on pandas 3
def test_the_page_in_short_has_every_section(tmp_path: Path):
    heard: list[str] = []
    page = written(DATA, Sizes(2, peers=False), time.perf_counter, heard.append, tmp_path)
    assert [line[3:] for line in page.splitlines() if line.startswith("## ")] == heard
    assert len(heard) == 12
    assert "p.on" in page
    assert "FIELD.md §7" in page
    assert list(tmp_path.glob("worst-*.svg"))
    assert all(path.stat().st_size < 60_000 for path in tmp_path.iterdir())


def test_an_empty_data_folder_is_said_and_nothing_fails(tmp_path: Path):
    page = written(tmp_path, Sizes(1, peers=False), time.perf_counter, lambda _: None)
    assert page.count("not measured") >= 5
