"""How sure a mark is: what it promises, on the half of LUDB that no number was fitted to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ecg
from ecg.accuracy import truth
from ecg.analysis import Analysis, Marks
from ecg.confidence import TOLERANCE_MS, WAVES, probability
from ecg.document import document
from ecg.recording import STANDARD_LEADS
from ecg.synthesis import SILENT, Heart, Rhythm, synthesise

DATA = Path(os.environ.get("ECGNET_RECORDINGS") or Path(__file__).resolve().parents[3] / "shared" / "data")
needs_data = pytest.mark.skipif(
    not (DATA / "ludb").is_dir(), reason="the recordings beside the repository are not there"
)
SYMBOLS = {"p": "p", "qrs": "N", "t": "t"}
EVERY = 4
"""Each fourth of the held-out records: 15 of them, some 10,000 marks."""


def test_the_more_there_is_to_see_the_surer() -> None:
    for wave in WAVES:
        heights = np.array([0.02, 0.05, 0.1, 0.4, 1.0])
        alone = probability(wave, heights, np.zeros((5, 3)))
        assert (np.diff(alone, axis=0) > 0).all(), wave
        apart = probability(wave, np.full(4, 0.2), np.array([[0.0], [10.0], [-30.0], [60.0]]) * np.ones((1, 3)))
        assert (np.diff(apart, axis=0) < 0).all(), wave
        assert ((alone > 0) & (alone < 1)).all()


def test_every_mark_of_a_lead_has_one_and_an_absent_wave_none() -> None:
    sinus = ecg.analyze(synthesise(Heart(), SILENT).recording)
    fibrillation = ecg.analyze(synthesise(Heart(rhythm=Rhythm.FIBRILLATION), seed=2).recording)
    for analysis in (sinus, fibrillation):
        for waves in analysis.lead_waves.values():
            for wave in waves:
                assert wave.confidence is not None
                for name in WAVES:
                    marks, sure = getattr(wave, name), getattr(wave.confidence, name)
                    assert (marks is None) == (sure is None), name
                    assert sure is None or all(0 <= v <= 1 for v in sure)
        assert all(wave.confidence is None for wave in analysis.global_waves)
    assert any(w.p is None for w in fibrillation.lead_waves["II"])


def test_the_document_holds_it_beside_the_marks() -> None:
    made = synthesise(Heart(), SILENT)
    held: dict[str, Any] = document(ecg.analyze(made.recording), made.recording, "a")["waves"]
    first = held["leads"]["II"][2]
    assert set(first["confidence"]) == {"p", "qrs", "t"}
    assert len(first["confidence"]["qrs"]) == 3
    assert "confidence" not in held["global"][2]


def judged(path: Path, analysis: Analysis) -> Iterator[tuple[str, int, float, bool]]:
    """Wave, mark, what our mark promises, and whether the reader's lies within the tolerance."""
    beats = [k for k, beat in enumerate(analysis.beats) if beat.kind == "dominant"]
    for lead in STANDARD_LEADS:
        marks = truth.wfdb().rdann(str(path.with_suffix("")), lead.lower())
        for wave in WAVES:
            at = [k for k, s in enumerate(marks.symbol) if s == SYMBOLS[wave] and 0 < k < len(marks.symbol) - 1]
            whole = [k for k in at if marks.symbol[k - 1] == "(" and marks.symbol[k + 1] == ")"]
            if not whole:
                continue
            true = np.array([marks.sample[k - 1 : k + 2] for k in whole])
            for beat in beats:
                found = analysis.lead_waves[lead][beat] if analysis.lead_waves[lead] else None
                mine: Marks | None = None if found is None else getattr(found, wave)
                sure = None if found is None or found.confidence is None else getattr(found.confidence, wave)
                for k in range(3):
                    place = None if mine is None else mine[k]
                    if place is None or sure is None:
                        continue
                    error = float(np.abs(true[:, k] - place).min()) * 2.0
                    if error <= 150:
                        yield wave, k, sure[k], error <= TOLERANCE_MS[wave][k]


@needs_data
@pytest.mark.filterwarnings("ignore:The inplace keyword")  # wfdb on pandas 3
def test_what_it_promises_holds_on_records_that_it_was_not_fitted_to() -> None:
    kept = truth.held_out("holdout.txt")
    paths = [p for p in truth.numbered(DATA / "ludb", None) if p.stem in kept][::EVERY]
    rows = [row for path in paths for row in judged(path, ecg.analyze(ecg.read(path)))]
    assert len(rows) > 5000
    sure, right = np.array([r[2] for r in rows]), np.array([r[3] for r in rows])
    for low, high in ((0.0, 0.6), (0.6, 0.75), (0.75, 0.85), (0.85, 0.93), (0.93, 1.01)):
        some = (sure >= low) & (sure < high)
        assert some.sum() > 100
        assert right[some].mean() == pytest.approx(sure[some].mean(), abs=0.10), (low, high)
    for wave in WAVES:
        for k in range(3):
            mine = np.array([r[0] == wave and r[1] == k for r in rows])
            assert right[mine].mean() == pytest.approx(sure[mine].mean(), abs=0.10), (wave, k)
