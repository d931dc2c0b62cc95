"""The acute bench: its colours are §5.6's, its synthetic infarctions are RED above the limits and not below."""

from __future__ import annotations

import pytest

from ecg.accuracy import acute
from ecg.analysis import Argument, Certainty, Finding, State
from ecg.recording import Text

NAME = Text("甲", "a")
EXPLAINED = (Argument("H_LVH", False, NAME),)
KEPT = (Argument("H_LVH", True, NAME),)


@pytest.mark.parametrize(
    ("code", "certainty", "state", "argued", "expected"),
    [
        ("STEMI_INF", Certainty.DEFINITE, State.TRUE, KEPT, ("RED", "RED")),
        ("STEMI_INF", Certainty.POSSIBLE, State.TRUE, EXPLAINED, ("RED", "ORANGE")),
        ("STEMI_BORDERLINE", Certainty.POSSIBLE, State.BORDERLINE, (), ("ORANGE", "YELLOW")),
        ("E_DEW", Certainty.DEFINITE, State.TRUE, (), ("RED", "RED")),
        ("E_PACE_MI", Certainty.POSSIBLE, State.TRUE, (), ("ORANGE", "YELLOW")),
        ("E_POST", Certainty.DEFINITE, State.TRUE, (), ("RED", "ORANGE")),
        ("E_HAT", Certainty.POSSIBLE, State.TRUE, (), ("ORANGE", "YELLOW")),
        ("E_WEL_A", Certainty.DEFINITE, State.TRUE, (), ("ORANGE", "ORANGE")),
        ("E_POST", Certainty.POSSIBLE, State.BORDERLINE, (), ("", "")),
        ("R_SINUS", Certainty.DEFINITE, State.TRUE, (), ("", "")),
    ],
)
def test_the_bench_knows_the_acute_table(
    code: str, certainty: Certainty, state: State, argued: tuple[Argument, ...], expected: tuple[str, str]
):
    assert acute.colours(Finding(code, NAME, state, certainty, (), "", "udmi-2018", argued)) == expected


def test_the_labelled_infarctions_and_look_alikes_as_the_issue_asks(data_folder):
    found = {case.name: case for case in acute.named(data_folder)}
    for name in ("acute/s0021arem.mat", "acute/S0010.hea"):
        assert found[name].colour(symptoms=False) == "RED"
    for name in ("acute/aimclub_STE.mat", "acute/aimclub_BER.mat"):
        assert found[name].colour(symptoms=False) != "RED"
    for name in ("acute/s0037lrem.hea", "acute/s0177lrem.mat"):
        codes = {f.code: f.notes for f in found[name].analysis.findings if f.state == State.TRUE}
        assert not any(code.startswith("STEMI_") for code in codes)
        assert "MAY_BE_RECENT" in codes["Q_INF"]
    assert found["ptbdb/s0010_re.hea"].analysis.finding("E_POST") is not None
