"""The records and what is known of them: where each set lies in the data folder, and how its truth is read."""

from __future__ import annotations

import csv
import gzip
import importlib
import importlib.util
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import ecg
from ecg.arrays import Floats, Ints, floats, ints
from ecg.recording import STANDARD_LEADS, Recording
from ecg.signal.units import calibrate

CINC2011_MV = 0.005
"""A count of CinC 2011, by plausibility: 1 µV, as the data folder's README has it, makes a median QRS of 0.17 mV."""
BEATS = frozenset("NLRBAaJSVrFejnE/fQ?")
"""WFDB's codes of a beat."""
KEPT = Path(__file__).resolve().parents[2] / "tests" / "data"


@dataclass(frozen=True, slots=True, eq=False)
class Graded:
    """A record of CinC 2011 with the annotators' verdict; ``bad``: a mark per lead, ``None`` where nobody gave one."""

    name: str
    recording: Recording
    acceptable: bool
    bad: tuple[bool, ...] | None


def held_out(file: str) -> frozenset[str]:
    """Names in a list of tests/data, empty where the repository is not at hand."""
    path = KEPT / file
    return frozenset(re.findall(r"^\d+$", path.read_text("utf-8"), re.MULTILINE)) if path.exists() else frozenset()


def numbered(folder: Path, most: int | None) -> list[Path]:
    """Headers of a folder, in a fixed order, evenly thinned to ``most``."""
    found = sorted(folder.rglob("*.hea"))
    return found if most is None else found[:: max(1, len(found) // max(most, 1))][:most]


def read(path: Path) -> Recording:
    """A calibrated record."""
    return calibrate(ecg.read(path))


def wfdb() -> Any:
    """The library that reads annotations; the warnings of its own first import are not about us."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("wfdb")


def scorer(data: Path) -> Any | None:
    """The project's own scorer of LUDB, ``tools/score_ludb.py`` beside the data folder, if it is there."""
    path = data.parent / "tools" / "score_ludb.py"
    spec = importlib.util.spec_from_file_location("score_ludb", path)
    if not path.exists() or spec is None or spec.loader is None:
        return None
    wfdb()
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def annotated_beats(stem: Path, extension: str = "atr") -> Ints:
    """Samples of the beats that experts marked."""
    marks = wfdb().rdann(str(stem), extension)
    return ints([s for s, symbol in zip(marks.sample, marks.symbol, strict=True) if symbol in BEATS])


def qtdb_marks(stem: Path) -> dict[tuple[str, str], list[int]]:
    """First expert's marks by wave and point (``("p", "on")``): samples."""
    marks = wfdb().rdann(str(stem), "q1c")
    waves = {"p": "p", "N": "qrs", "t": "t"}
    found: dict[tuple[str, str], list[int]] = {(w, k): [] for w in waves.values() for k in ("on", "peak", "off")}
    symbols, samples = marks.symbol, marks.sample
    for k, symbol in enumerate(symbols):
        if symbol not in waves:
            continue
        found[waves[symbol], "peak"].append(int(samples[k]))
        if k and symbols[k - 1] == "(":
            found[waves[symbol], "on"].append(int(samples[k - 1]))
        if k + 1 < len(symbols) and symbols[k + 1] == ")":
            found[waves[symbol], "off"].append(int(samples[k + 1]))
    return found


def cpsc2019(data: Path, most: int | None) -> Iterator[tuple[Floats, Ints]]:
    """One lead in mV and its R peaks, 500 Hz."""
    loadmat: Any = importlib.import_module("scipy.io").loadmat
    for path in sorted((data / "cpsc2019" / "data").glob("*.mat"))[:most]:
        truth = loadmat(data / "cpsc2019" / "ref" / path.name.replace("data", "R"))
        yield floats(loadmat(path)["ecg"]).ravel(), ints(truth["R_peak"]).ravel()


def cinc2011(data: Path, most: int | None) -> Iterator[Graded]:
    """The graded records."""
    folder = data / "cinc2011"
    with (folder / "quality.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:most]
    for row in rows:
        with gzip.open(folder / f"{row['record']}.txt.gz", "rt") as text:
            counts = np.loadtxt(text, delimiter=",")[:, 1:]
        recording = Recording(STANDARD_LEADS, counts.T * CINC2011_MV, 500.0, "text")
        marks = row.get("bad_leads") or ""
        bad = tuple(mark == "1" for mark in marks) if len(marks) == 12 else None
        yield Graded(row["record"], recording, row["acceptable"] == "1", bad)
