"""The JSON is the contract's, complete, and free of NaN (ARCHITECTURE.md §3)."""

from __future__ import annotations

import json
from pathlib import Path

import ecg
from ecg.document import document
from ecg.recording import PatientFacts, Sex
from ecg.synthesis import TERRITORIES, Heart, synthesise

HERE = Path(__file__).resolve().parents[1] / "data"
LEAD = {"p_mv", "q_mv", "r_mv", "s_mv", "t_mv", "q_ms", "st_j_mv", "st_j20_mv", "st_j40_mv", "st_j60_mv", "st_j80_mv"}


def test_every_field_of_the_contract():
    recording = ecg.read(HERE / "55.hea")
    out = json.loads(json.dumps(document(ecg.analyze(recording), recording, "tests/data/55.hea"), allow_nan=False))
    assert out["schema"] == "ecgnet.analysis/1"
    assert out["file"] == "tests/data/55.hea"
    assert out["software"].keys() == {"version", "ruleset"}
    assert out["recording"]["rate_hz"] == 500
    assert out["recording"]["samples"] == 5000
    assert out["recording"]["patient"] == {"age_years": 54, "sex": "female"}
    assert {"grade", "leads", "reversal", "advice"} <= out["quality"].keys()
    assert {"index", "sample", "kind"} == out["beats"][0].keys()
    assert len(out["waves"]["global"]) == len(out["beats"]) == len(out["waves"]["leads"]["V2"])
    for wave in out["waves"]["global"]:
        assert wave.keys() == {"beat", "p", "qrs", "t"}
        assert all(marks is None or len(marks) == 3 for marks in (wave["p"], wave["qrs"], wave["t"]))
    m = out["measurements"]
    assert {"heart_rate_bpm", "p_ms", "pr_ms", "qrs_ms", "qt_ms", "qtc_ms", "axis_deg", "leads"} <= m.keys()
    assert m["qtc_ms"].keys() == {"bazett", "fridericia", "framingham", "hodges"}
    assert m["axis_deg"].keys() == {"p", "qrs", "t"}
    assert m["leads"]["I"].keys() >= LEAD
    for finding in out["findings"]:
        assert {"code", "name", "state", "certainty", "evidence", "argued", "source", "ruleset"} <= finding.keys()
        assert finding["name"]["zh"]
        assert finding["name"]["en"]
        assert finding["evidence"]
        assert all(e.keys() == {"lead", "measure", "value", "op", "limit"} for e in finding["evidence"])
    assert all(n["why"]["zh"] and n["why"]["en"] and n["missing"] for n in out["not_assessed"])


def test_what_was_compared_is_what_is_printed():
    made = synthesise(Heart(st_mv=TERRITORIES["inferior"]), patient=PatientFacts(60, Sex.MALE))
    out = document(ecg.analyze(made.recording), made.recording, "x")
    finding = next(f for f in out["findings"] if f["code"] == "STEMI_INF")
    for e in finding["evidence"]:
        assert e["value"] == out["measurements"]["leads"][e["lead"]][e["measure"]]


def test_an_unread_recording_has_nulls_not_zeros():
    made = synthesise(Heart(), seconds=0.2)
    m = document(ecg.analyze(made.recording), made.recording, "x")["measurements"]
    assert m["heart_rate_bpm"] is None
    assert m["qtc_ms"] is None
    assert m["axis_deg"] == {"p": None, "qrs": None, "t": None}


def test_the_same_recording_gives_the_same_document():
    made = synthesise(Heart(individual=1.0), seed=4)
    first, second = (json.dumps(document(ecg.analyze(made.recording), made.recording, "x")) for _ in range(2))
    assert first == second
