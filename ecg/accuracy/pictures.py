"""Small drawings of real beats: our five worst marks of each wave beside the experts', and the steps of the method."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import ecg
from ecg.accuracy import truth
from ecg.arrays import Floats, counted, ints
from ecg.recording import Recording
from ecg.signal.filters import Bank, band_pass, baseline_through_knots

WAVES = {"p": "P", "qrs": "QRS", "t": "T"}
WORST = 5
REACH_S = 0.45
WIDTH, HEIGHT = 360, 150
FALSE_MS = 150.0


@dataclass(frozen=True, slots=True)
class Miss:
    """One mark that lies far from the expert's. ``error_ms`` is signed: later is positive."""

    wave: str
    point: str
    record: str
    lead: str
    true: int
    found: int
    error_ms: float


def worst(data: Path, lines: Mapping[str, str]) -> list[Miss]:
    """The five largest errors of each wave's onset and offset, one a record."""
    tool = truth.scorer(data)
    if tool is None:
        return []
    misses: list[Miss] = []
    for record, line in lines.items():
        leads = json.loads(line)["waves"]["leads"]
        for lower, name in tool.NAMES.items():
            marks = tool.truth_ludb(data / "ludb" / record, lower)
            if marks is not None:
                misses += _of_lead(tool, record, name, marks[0], leads.get(name, []))
    misses.sort(key=lambda m: -abs(m.error_ms))
    return [m for wave in WAVES for m in _one_a_record([m for m in misses if m.wave == wave])]


def _of_lead(tool: Any, record: str, lead: str, marks: dict[str, Any], beats: list[dict[str, Any]]) -> Iterator[Miss]:
    for wave in WAVES:
        for point, place in (("onset", 0), ("offset", 2)):
            true: list[int] = [int(m[place]) for m in marks[wave] if m[place] is not None]
            found: list[int] = [b[wave][place] for b in beats if b.get(wave) and b[wave][place] is not None]
            pairs: list[tuple[int, int]] = tool.match(true, found, FALSE_MS / 2)
            for a, b in pairs:
                yield Miss(wave, point, record, lead, true[a], found[b], 2.0 * (found[b] - true[a]))


def _one_a_record(misses: Sequence[Miss]) -> list[Miss]:
    kept: dict[str, Miss] = {}
    for miss in misses:
        kept.setdefault(miss.record, miss)
    return list(kept.values())[:WORST]


def drawn(data: Path, misses: Sequence[Miss], folder: Path) -> str:
    """Writes the pictures and gives the Markdown that shows and explains them."""
    folder.mkdir(parents=True, exist_ok=True)
    parts: list[str] = []
    number: dict[str, int] = {}
    for miss in misses:
        number[miss.wave] = number.get(miss.wave, 0) + 1
        name = f"worst-{miss.wave}-{number[miss.wave]}.svg"
        recording = truth.read(data / "ludb" / f"{miss.record}.hea")
        first = max(0, miss.true - round(REACH_S * recording.rate_hz))
        piece = recording.lead(miss.lead)[first : miss.true + round(REACH_S * recording.rate_hz)]
        marks = {miss.true - first: "expert", miss.found - first: "ours"}
        (folder / name).write_text(picture([piece], marks, recording.rate_hz), "utf-8")
        parts.append(f"![{WAVES[miss.wave]}](pictures/{name})\n\n{_explained(miss, recording)}")
    return "\n\n".join(parts)


def _explained(miss: Miss, recording: Recording) -> str:
    low, high = sorted((miss.true, miss.found))
    row = recording.lead(miss.lead)
    step = 1000 * float(np.ptp(row[low : high + 1]))
    size = 1000 * float(np.ptp(row))
    why = (
        "the curve is almost level between them, so that neither end is marked by a bend"
        if step < 0.05 * size
        else "a slow slope lies between them, and they take different ends of it"
        if step < 0.3 * size
        else "a steep deflection lies between them, and they differ on whether it belongs to the wave"
    )
    late = "late" if miss.error_ms > 0 else "early"
    what = f"{WAVES[miss.wave]} {miss.point}, LUDB {miss.record}, {miss.lead}: ours {abs(miss.error_ms):.0f} ms {late}"
    return f"{what}; {step:.0f} µV lie between the marks in a lead of {size:.0f} µV: {why}."


def picture(rows: Sequence[Floats], marks: Mapping[int, str], rate_hz: float) -> str:
    """Curves over each other on one scale, and vertical lines: ``expert`` dashed, ``ours`` whole."""
    size = max(len(row) for row in rows)
    low, high = min(float(r.min()) for r in rows), max(float(r.max()) for r in rows)
    scale = (HEIGHT - 20) / max(high - low, 0.05)
    colours = ("#222", "#c33", "#27a")
    frame = f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="9"'
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {frame}>']
    lines.append(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>')
    for row, colour in zip(rows, colours, strict=False):
        points = " ".join(
            f"{x * WIDTH / size:.1f},{10 + (high - y) * scale:.1f}"
            for x, y in enumerate(row.tolist())
            if np.isfinite(y)
        )
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
    for at, name in marks.items():
        x, dash = at * WIDTH / size, ' stroke-dasharray="4 3"' if name == "expert" else ""
        lines.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="12" y2="{HEIGHT}" stroke="#36c"{dash}/>')
        lines.append(f'<text x="{x + 2:.1f}" y="{9 if name == "ours" else 20}">{name}</text>')
    lines.append(f'<text x="4" y="{HEIGHT - 3}">{1000 * size / rate_hz:.0f} ms</text></svg>')
    return "\n".join(lines) + "\n"


def method(recording: Recording, folder: Path) -> list[str]:
    """One picture a step of docs/method.md, from one recording; their names."""
    folder.mkdir(parents=True, exist_ok=True)
    analysis = ecg.analyze(recording)
    average = analysis.average
    rate, row = recording.rate_hz, recording.lead("II")
    four = slice(0, round(4 * rate))
    made: dict[str, str] = {"method-signal.svg": picture([row[four]], {}, rate)}
    time = counted(recording.samples) / rate
    moved = recording.millivolts + 0.3 * np.sin(2 * np.pi * 0.3 * time)
    onsets = ints([w.qrs[0] for w in analysis.global_waves if w.qrs is not None and w.qrs[0] is not None])
    wander = baseline_through_knots(moved, rate, onsets)
    line = np.zeros_like(moved) if wander is None else wander
    at = recording.leads.index("II")
    made["method-baseline.svg"] = picture([moved[at, four], line[at, four]], {}, rate)
    strength = Bank(recording.millivolts, rate).envelope(band_pass(5.0, 25.0)).sum(axis=0)
    beats = {b.sample: "" for b in analysis.beats if b.sample < four.stop}
    made["method-beats.svg"] = picture([strength[four]], beats, rate)
    if average is not None:
        places = (average.p_on, average.p_off, average.qrs_on, average.qrs_off, average.t_off)
        shown = list(average.millivolts[[average.leads.index(n) for n in ("II", "V2", "V5")]])
        made["method-average.svg"] = picture(shown, {p: "" for p in places if p is not None}, average.rate_hz)
        j = average.qrs_off
        near = average.millivolts[average.leads.index("V3"), average.qrs_on - 20 : j + 60]
        made["method-st.svg"] = picture([near], {j - average.qrs_on + 20: "J"}, average.rate_hz)
    for name, text in made.items():
        (folder / name).write_text(text, "utf-8")
    return list(made)
