"""Two thousand damaged signals, with those of test_instrument.py: none ends an analysis, each gives a document."""

from __future__ import annotations

import json

import pytest

import ecg
from ecg.document import document
from tests.support.damage import DAMAGE, signal

EACH = 145


@pytest.mark.parametrize("kind", range(len(DAMAGE)), ids=list(DAMAGE))
def test_no_damaged_signal_ends_an_analysis(kind: int):
    for number in range(kind, EACH * len(DAMAGE), len(DAMAGE)):
        recording = signal(number)
        assert json.dumps(document(ecg.analyze(recording), recording, "x"), allow_nan=False)
