"""Kinds of beats against the annotators': ventricular, supraventricular and fused ones, matched within 150 ms (EC57).

As EC57 has it, a fused beat that is called ventricular counts neither for nor against; paced records are not there.
The whole of each record counts, the first five minutes too: nothing is learnt from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import ecg
from ecg.accuracy import truth
from ecg.accuracy.rhythm import WINDOW_S
from ecg.accuracy.table import grid
from ecg.analysis import Kind
from ecg.recording import Recording

SETS = (
    ("MIT-BIH 100", "mitdb/100"),
    ("MIT-BIH 118", "mitdb/118"),
    ("118e12, noise", "nstdb/118e12"),
    ("QT sel301", "qtdb/sel301"),
    ("QT sel808", "qtdb/sel808"),
    ("QT sele0104", "qtdb/sele0104"),
    ("QT sele0121", "qtdb/sele0121"),
    ("CPSC 2021, paroxysmal", "cpsc2021/data_92_4"),
)
SHORT_S = 60.0
"""Of the first record, where only a look at the table is asked for."""
CLASSES: dict[str, tuple[str, frozenset[Kind]]] = {
    "ventricular": ("VE", frozenset({Kind.VENTRICULAR})),
    "premature atrial, junctional or aberrant": ("AaJS", frozenset({Kind.PREMATURE, Kind.ABERRANT})),
    "fusion": ("F", frozenset({Kind.FUSION})),
}
"""Ours and the annotators' codes (PhysioBank) of each class."""


@dataclass(slots=True)
class Counts:
    """Beats of one class: rightly so called, wrongly so called, and called something else or not found."""

    right: int = 0
    wrong: int = 0
    missed: int = 0


def counted(true: Sequence[tuple[int, str]], ours: Sequence[tuple[int, Kind]], reach: float) -> dict[str, Counts]:
    """Counts by class of annotated (sample, code) and found (sample, kind) beats, both in order."""
    out = {name: Counts() for name in CLASSES}
    for code, kind in _pairs(true, ours, reach):
        for name, (codes, kinds) in CLASSES.items():
            counts, meant, said = out[name], code is not None and code in codes, kind in kinds
            if meant and said:
                counts.right += 1
            elif meant:
                counts.missed += 1
            elif said and not (name == "ventricular" and code == "F"):
                counts.wrong += 1
    return out


def _pairs(
    true: Sequence[tuple[int, str]], ours: Sequence[tuple[int, Kind]], reach: float
) -> Iterator[tuple[str | None, Kind | None]]:
    """Each annotated beat with ours, one to one in order; ``None`` for the one that has no partner."""
    a = b = 0
    while a < len(true) or b < len(ours):
        apart = np.inf if a == len(true) else -np.inf if b == len(ours) else true[a][0] - ours[b][0]
        if abs(apart) <= reach:
            yield true[a][1], ours[b][1]
            a, b = a + 1, b + 1
        elif apart < 0:
            yield true[a][1], None
            a += 1
        else:
            yield None, ours[b][1]
            b += 1


def section(data: Path, most: int | None) -> str:
    """Sensitivity and positive predictive value of each class in each record, as Markdown."""
    rows: list[tuple[str, ...]] = []
    for title, stem in SETS if most is None else SETS[:1]:
        path = data / f"{stem}.hea"
        if not path.exists():
            continue
        recording = truth.read(path)
        last = recording.samples if most is None else round(SHORT_S * recording.rate_hz)
        recording = Recording(recording.leads, recording.millivolts[:, :last], recording.rate_hz, "wfdb")
        marks = truth.wfdb().rdann(str(data / stem), "atr")
        every = zip(marks.sample, marks.symbol, strict=True)
        true = [(int(s), c) for s, c in every if c in truth.BEATS and s < last]
        ours = [(beat.sample, beat.kind) for beat in ecg.analyze(recording).beats]
        found = counted(true, ours, WINDOW_S * recording.rate_hz)
        rows += [_line(title, name, counts) for name, counts in found.items() if counts.right + counts.missed]
    head = ("record", "kind", "annotated", "Se %", "PPV %", "missed", "false")
    return f"Found, and named as the annotators did.\n\n{grid(head, rows)}"


def _line(title: str, name: str, c: Counts) -> tuple[str, ...]:
    there, said = c.right + c.missed, c.right + c.wrong
    share = (f"{100 * c.right / n:.1f}" if n else "–" for n in (there, said))
    return (title, name, str(there), *share, str(c.missed), str(c.wrong))
