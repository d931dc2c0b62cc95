"""P, QRS and T against the experts: LUDB per lead by the project's own scorer, the QT Database by its first expert."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import ecg
from ecg.accuracy import peers, truth
from ecg.accuracy.table import Goal, goals, grid
from ecg.document import document
from ecg.recording import Recording

POINTS = tuple(f"{wave}.{point}" for wave in ("p", "qrs", "t") for point in ("on", "peak", "off"))
AIM_F1 = {"p": 98.0, "qrs": 99.95, "t": 99.5}
AIM_SD = {"p.on": 10.5, "p.off": 10.5, "qrs.on": 7.0, "qrs.off": 9.0, "t.off": 15.0}
QT_AIM_SD = {"qrs.on": 7.7, "qrs.off": 8.3, "t.off": 16.0}
QUOTED = {
    "p.on": (91.2, 34.7), "p.peak": (None, None), "p.off": (90.9, 25.0),
    "qrs.on": (99.7, 14.9), "qrs.peak": (99.8, 15.1), "qrs.off": (99.8, 21.5),
    "t.on": (98.6, 36.7), "t.peak": (97.4, 28.9), "t.off": (97.1, 31.4),
}  # fmt: skip
"""The best F1 and the smallest SD of the three peers in FIELD.md §7, 2026-11: the must where no peer runs beside."""
AROUND_S = 10.0
TOLERANCE_S = 0.150

Scores = dict[str, dict[str, float]]
Answer = Callable[[Recording, str], dict[str, Any]]


def ours(recording: Recording, name: str) -> dict[str, Any]:
    """One line as ``ecgnet analyze --json`` prints it."""
    return document(ecg.analyze(recording), recording, name)


def answers(paths: Iterable[Path], answer: Answer) -> dict[str, str]:
    """A line a record."""
    return {path.stem: json.dumps(answer(truth.read(path), path.name)) for path in paths}


def scored(tool: Any, paths: Iterable[Path], lines: Mapping[str, str]) -> Scores:
    """The scorer's table for these records alone: it scores whatever headers its folder holds."""
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            for part in path.parent.glob(f"{path.stem}.*"):
                if part.suffix != ".dat":
                    shutil.copy(part, folder)
        answer = Path(folder) / "lines.jsonl"
        answer.write_text("\n".join(lines[path.stem] for path in paths if path.stem in lines), "utf-8")
        with contextlib.redirect_stdout(io.StringIO()):
            found: Scores = tool.ludb(folder, answer)
    return found


def ludb(data: Path, most: int | None, with_peers: bool) -> tuple[str, dict[str, str]]:
    """The section, and our lines by record."""
    tool = truth.scorer(data)
    if tool is None:
        return "The scorer `tools/score_ludb.py` is not beside the data folder: not measured.", {}
    paths = truth.numbered(data / "ludb", most)
    held = truth.held_out("holdout.txt")
    lines = answers(paths, ours)
    groups = {
        "all": paths,
        "never tuned": [p for p in paths if p.stem in held],
        "tuned": [p for p in paths if p.stem not in held],
    }
    mine = {name: scored(tool, part, lines) for name, part in groups.items() if part}
    rivals = {name: scored(tool, paths, _rival(paths, work)) for name, work in _rivals(with_peers).items()}
    head = ["mark", *(f"ours, {name}" for name in mine), *rivals, "best peer", "F1 aim", "SD aim", "better in both"]
    rows = [_row(point, mine, rivals) for point in POINTS]
    text = grid(head, rows)
    precision = mine["all"]["p.peak"]
    marks = [
        Goal("P precision (peak)", precision["ppv"], 95.0, 98.0, unit=" %"),
        Goal("P sensitivity (peak)", precision["se"], 97.0, 97.0, unit=" %"),
    ]
    return f"F1 % / mean ms / SD ms; {len(paths)} records.\n\n{text}\n\n{goals(marks)}", lines


def _rivals(with_peers: bool) -> dict[str, Callable[[Recording], peers.Waves]]:
    return peers.delineators() if with_peers else {}


def _rival(paths: Iterable[Path], work: Callable[[Recording], peers.Waves]) -> dict[str, str]:
    return answers(paths, lambda recording, name: {"file": name, "waves": {"leads": work(recording)}})


def _row(point: str, mine: Mapping[str, Scores], rivals: Mapping[str, Scores]) -> list[str]:
    f1, sd = QUOTED[point]
    if rivals:
        f1 = max(r[point]["f1"] for r in rivals.values())
        sd = min(r[point]["sd_ms"] for r in rivals.values())
    own = mine["all"][point]
    best = "–" if f1 is None or sd is None else f"{f1:.1f} / {sd:.1f}"
    better = "" if f1 is None or sd is None else "yes" if own["f1"] > f1 and own["sd_ms"] < sd else "**no**"
    aims = f"≥ {AIM_F1[point.partition('.')[0]]}", f"≤ {AIM_SD[point]}" if point in AIM_SD else "–"
    return [point, *(_cell(s[point]) for s in (*mine.values(), *rivals.values())), best, *aims, better]


def _cell(score: Mapping[str, float]) -> str:
    return f"{score['f1']:.2f} / {score['mean_ms']:+.1f} / {score['sd_ms']:.1f}"


def qtdb(data: Path, most: int | None, with_peers: bool) -> str:
    """Mean and SD of each mark against q1c, in ms; the lead that lies nearer, as the expert saw both."""
    tool = truth.scorer(data)
    if tool is None:
        return "The scorer is not there: not measured."
    stems = [p.with_suffix("") for p in sorted((data / "qtdb").glob("*.q1c"))][:most]
    workers: dict[str, Callable[[Recording], peers.Waves]] = {"ours": lambda r: ours(r, "")["waves"]["leads"]}
    workers |= _rivals(with_peers)
    tallies = {name: _qt_errors(tool, stems, work) for name, work in workers.items()}
    rows: list[list[str]] = []
    for point in POINTS:
        cells = [_qt_cell(tally[point]) for tally in tallies.values()]
        own = tallies["ours"][point][0]
        others = [float(np.std(t[point][0])) for name, t in tallies.items() if name != "ours" and t[point][0]]
        better = "" if not others or not own else "yes" if float(np.std(own)) < min(others) else "**no**"
        rows.append([point, *cells, f"≤ {QT_AIM_SD[point]}" if point in QT_AIM_SD else "–", better])
    head = ["mark", *tallies, "SD aim", "SD below every peer"]
    return f"Found % / mean ms / SD ms; {len(stems)} records, 250 Hz, two leads.\n\n{grid(head, rows)}"


def _qt_errors(
    tool: Any, stems: Iterable[Path], work: Callable[[Recording], peers.Waves]
) -> dict[str, tuple[list[float], int]]:
    errors: dict[str, tuple[list[float], int]] = {point: ([], 0) for point in POINTS}
    for stem in stems:
        marks = truth.qtdb_marks(stem)
        whole = truth.read(stem.with_suffix(".hea"))
        every = [s for held in marks.values() for s in held]
        reach = round(AROUND_S * whole.rate_hz)
        first = max(0, min(every) - reach)
        piece = replace(whole, millivolts=whole.millivolts[:, first : max(every) + reach], counts=None)
        found = work(piece)
        for (wave, point), true in marks.items():
            near = _nearest(tool, true, found, wave, ("on", "peak", "off").index(point), first, whole.rate_hz)
            held, count = errors[f"{wave}.{point}"]
            errors[f"{wave}.{point}"] = [*held, *near], count + len(true)
    return errors


def _nearest(
    tool: Any, true: list[int], found: peers.Waves, wave: str, position: int, first: int, rate_hz: float
) -> list[float]:
    best: dict[int, float] = {}
    for beats in found.values():
        at: list[int] = [b[wave][position] + first for b in beats if b.get(wave) and b[wave][position] is not None]
        pairs: list[tuple[int, int]] = tool.match(true, at, TOLERANCE_S * rate_hz)
        for a, b in pairs:
            error = (at[b] - true[a]) * 1000 / rate_hz
            if a not in best or abs(error) < abs(best[a]):
                best[int(a)] = error
    return list(best.values())


def _qt_cell(tally: tuple[list[float], int]) -> str:
    errors, count = tally
    if not errors:
        return "–"
    return f"{100 * len(errors) / count:.1f} / {np.mean(errors):+.1f} / {np.std(errors):.1f}"
