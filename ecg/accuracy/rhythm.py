"""Beats against the annotators: MIT-BIH, its noisy twin, CPSC 2019, matched within 150 ms (EC57)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

import ecg
from ecg.accuracy import peers, truth
from ecg.accuracy.table import grid
from ecg.arrays import Floats, Ints, ints
from ecg.recording import Recording

WINDOW_S = 0.150
LEARNING_S = 300.0
"""EC57 does not count the first five minutes."""
SETS = (("MIT-BIH 100", "mitdb/100"), ("MIT-BIH 118", "mitdb/118"), ("118e12, noise", "nstdb/118e12"))


def matched(true: Ints, found: Ints, reach: float) -> int:
    """How many pairs there are, in order, each used once."""
    a = b = hits = 0
    while a < true.size and b < found.size:
        if abs(int(true[a]) - int(found[b])) <= reach:
            hits, a, b = hits + 1, a + 1, b + 1
        elif true[a] < found[b]:
            a += 1
        else:
            b += 1
    return hits


def ours(recording: Recording) -> Ints:
    """Our beats."""
    return ints([beat.sample for beat in ecg.analyze(recording).beats])


def section(data: Path, most: int | None, with_peers: bool) -> str:
    """Sensitivity and positive predictive value of every set and detector."""
    finders = peers.detectors() if with_peers else {}
    rows = [_long(name, data / stem, finders, most) for name, stem in SETS]
    rows.append(_strips(data, finders, most))
    targets = [("≥ 99.7", "≥ 99.9")] * 2 + [("above every peer", "–"), ("≥ 98", "≥ 99.5")]
    head = ["set", "beats", "must", "aim", "ours", "ours, one lead", *finders]
    return "Se % / PPV %.\n\n" + grid(head, [[r[0], r[1], *t, *r[2:]] for r, t in zip(rows, targets, strict=True)])


def _single(rate_hz: float) -> Callable[[Floats], Ints]:
    return lambda row: ours(Recording(("II",), row[None, :], rate_hz, "row"))


def _long(name: str, stem: Path, finders: dict[str, Callable[[Floats, float], Ints]], most: int | None) -> list[str]:
    recording = truth.read(stem.with_suffix(".hea"))
    rate = recording.rate_hz
    last = recording.samples if most is None else round((LEARNING_S + 60) * rate)
    recording = Recording(recording.leads, recording.millivolts[:, :last], rate, "wfdb")
    first = round(LEARNING_S * rate)
    true = truth.annotated_beats(stem)
    true = true[(true >= first) & (true < last)]

    def cell(found: Ints | None) -> str:
        if found is None:
            return "fails"
        found = np.sort(found[(found >= first) & (found < last)])
        hits = matched(true, found, WINDOW_S * rate)
        return f"{100 * hits / true.size:.2f} / {100 * hits / max(found.size, 1):.2f}"

    row = recording.millivolts[0]
    others = [cell(peers.quietly(work, row, rate)) for work in finders.values()]
    return [name, str(true.size), cell(ours(recording)), cell(_single(rate)(row)), *others]


def _strips(data: Path, finders: dict[str, Callable[[Floats, float], Ints]], most: int | None) -> list[str]:
    strips = list(truth.cpsc2019(data, most))
    beats = sum(true.size for _, true in strips)

    def cell(work: Callable[[Floats], Ints | None]) -> str:
        hits = found = 0
        for row, true in strips:
            at = work(row)
            at = ints([]) if at is None else np.sort(at)
            hits, found = hits + matched(true, at, WINDOW_S * 500), found + at.size
        return f"{100 * hits / max(beats, 1):.2f} / {100 * hits / max(found, 1):.2f}"

    others = [cell(lambda row, w=work: peers.quietly(w, row, 500.0)) for work in finders.values()]
    return ["CPSC 2019", str(beats), "one lead only", cell(_single(500.0)), *others]
