"""The ECG on paper: an SVG in millimetres, 25 mm a second and 10 mm a millivolt, whatever the data.

The scale is never fitted to the tracing: a trace that leaves its row overlaps the next one, as on paper. Columns of
3×4+1R follow each other in time and stand over the rhythm strip of the same seconds. Of all samples that fall into one
column of 0.1 mm the smallest and the largest are drawn at their own places, so no spike is lost and the file stays
small. A constant (each lead's median) is subtracted, nothing else is filtered. Colours are those of the screens' paper.

Patient facts are age and sex only; whoever prints a name adds it outside the picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ecg.analysis import Analysis, State
from ecg.recording import EXTRA_LEADS, STANDARD_LEADS, Recording, Sex
from ecg.signal.leads import analysed_leads
from ecg.signal.units import calibrate

Language = Literal["zh", "en"]
Layout = Literal["3x4+1", "12x1"]
Floats = NDArray[np.float64]

MM_PER_SECOND = 25.0
MM_PER_MV = 10.0
SHEET_SECONDS = 10.0
COLUMN_MM = 0.1
"""Width of one column of samples: 254 dots an inch, finer than office printers draw a line."""

PAGE_WIDTH = 297.0
MARGIN = 10.0
HEADER = 37.0
FOOTER = 11.0
GRID_WIDTH = 275.0
PULSE_ROOM = 15.0
PULSE_MM = 5.0
TRACE_LEFT = MARGIN + PULSE_ROOM
ACUTE = ("STEMI", "E_")
"""Families of codes (CLINICAL.md, conventions) that stand first on paper, whatever else was seen."""

PAPER, MINOR, MAJOR, TRACE, NOTE, MACHINE = "#fffcfa", "#f7e1dd", "#ecc0b8", "#101a1b", "#5d4b48", "#5a3dc2"
FONT = (
    "'Segoe UI','SF Pro Text',Roboto,'PingFang SC','Microsoft YaHei UI','Microsoft YaHei','HarmonyOS Sans SC',MiSans,"
    "'Noto Sans CJK SC','Source Han Sans SC','WenQuanYi Micro Hei',sans-serif"
)

ROWS: dict[Layout, tuple[tuple[str, ...], ...]] = {
    "3x4+1": (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"), ("II",)),
    "12x1": tuple((lead,) for lead in STANDARD_LEADS),
}
EXTRA_ROWS = (EXTRA_LEADS[:3], EXTRA_LEADS[3:])
GRID_HEIGHT, ROW = 140.0, 35.0
ROOMY, CROWDED = (20.0, 15.0), (18.0, 12.0)
"""Up to four rows are 35 mm apart; more share 140 mm, so that a sheet is one A4 landscape at true scale and crowded
rows overlap. Room above the first and below the last baseline; what needs more is drawn beyond the grid, never cut."""

WORDS: dict[str, tuple[str, str]] = {
    "title": ("{n} 导联心电图", "{n}-lead ECG"),
    "male": ("男", "Male"),
    "female": ("女", "Female"),
    "sex?": ("性别未知", "Sex unknown"),
    "age": ("{n} 岁", "{n} y"),
    "age?": ("年龄未知", "age unknown"),
    "time": ("设备时间 {t}", "Device time {t}"),
    "time?": ("文件未注明记录时间", "The file names no time of recording"),
    "grade": ("图质 {g}", "Quality {g}"),
    "machine": ("机器所见", "What the machine saw"),
    "unconfirmed": ("自动判读，未经医师确认", "Automatic statements, not confirmed by a physician"),
    "nothing": ("无自动判读结果", "No automatic statement"),
    "unread": ("未经医师判读", "Not read by a physician"),
    "borderline": ("（临界）", " (borderline)"),
    "more": ("另有 {n} 条", "{n} more"),
    "missing": ("未记录", "not recorded"),
    "band": ("{low}–{high} Hz", "{low}–{high} Hz"),
    "band?": ("滤波未注明", "filter not stated"),
    "notch": ("{n} Hz 陷波", "{n} Hz notch"),
    "part": ("显示前 10 s，共 {n} s", "first 10 s of {n} s shown"),
    "hr": ("心率 {v} 次/分", "HR {v} /min"),
    "axis": ("电轴 {v}°", "axis {v}°"),
}


@dataclass(frozen=True, slots=True)
class _Cell:
    """One lead in its place: seconds from ``start`` for ``seconds`` at ``x``, ``baseline`` (mm); ``strip``: again."""

    lead: str
    start: float
    seconds: float
    x: float
    baseline: float
    strip: bool


def svg(
    recording: Recording, analysis: Analysis | None = None, *, layout: Layout = "3x4+1", language: Language = "zh"
) -> str:
    """Draw a recording as one SVG document in millimetres, A4 landscape wide.

    ``layout``: ``3x4+1`` or ``12x1``; further chest leads get a row of their own, a recording without any of the
    twelve is drawn one lead a row. ``analysis`` adds measurements, statements and the ST values that they rest on.
    """
    shown = calibrate(recording)
    names, millivolts = analysed_leads(shown)
    rows = _rows(names, layout)
    baselines, lift, bottom = _places(len(rows))
    cells = list(_cells(rows, baselines))
    height = bottom + FOOTER + MARGIN
    evidence = _evidence(analysis)
    body = [
        f'<rect width="{_n(PAGE_WIDTH)}" height="{_n(height)}" fill="#fff"/>',
        _grid(MARGIN + HEADER, bottom),
        *(_label(cell, lift, names, {} if cell.strip else evidence, language) for cell in cells),
        f'<g fill="none" stroke="{TRACE}" stroke-width=".3" stroke-linejoin="round">',
        *(_pulse(baseline, aside=len(rows) > 4 and index % 2 == 1) for index, baseline in enumerate(baselines)),
        *(_separator(cell) for cell in cells if cell.x > TRACE_LEFT and cell.lead in names),
        *(_trace(cell, names, millivolts, shown.rate_hz) for cell in cells),
        "</g>",
        *_header(shown, analysis, names, language),
        *_footer(shown, analysis, bottom, language),
    ]
    return _document("".join(body), height, _title(shown, names, language), language)


def trace_path(millivolts: Floats, rate_hz: float, x_mm: float, baseline_mm: float) -> str:
    """Path data of samples from ``x_mm`` on: the smallest and largest of each 0.1 mm, a gap where they are NaN."""
    x = x_mm + np.arange(len(millivolts)) * (MM_PER_SECOND / rate_hz)
    y = baseline_mm - millivolts * MM_PER_MV
    keep = _extremes(millivolts, rate_hz)
    xs, ys = np.round(x[keep], 2), np.round(y[keep], 2)
    known = np.isfinite(ys)
    words: list[str] = []
    pen = False
    for index in range(len(keep)):
        if not known[index]:
            pen = False
            continue
        if pen:
            words.append(_step(xs[index] - xs[index - 1], ys[index] - ys[index - 1]))
        else:
            words.append(f"M{_n(xs[index])} {_n(ys[index])}")
        pen = True
    return "".join(words)


def _extremes(millivolts: Floats, rate_hz: float) -> NDArray[np.intp]:
    """Samples to draw: the first, the last, and each column's smallest and largest, in order of time."""
    count = len(millivolts)
    column = np.floor(np.arange(count) * (MM_PER_SECOND / rate_hz / COLUMN_MM) + 1e-9).astype(np.intp)
    if count == 0 or column[-1] + 1 >= count:
        return np.arange(count)
    starts = np.flatnonzero(np.diff(column, prepend=-1))
    ends = np.append(starts[1:], count)
    keep: set[int] = {0, count - 1}
    low, high = np.nan_to_num(millivolts, nan=np.inf), np.nan_to_num(millivolts, nan=-np.inf)
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        keep.add(start + int(np.argmin(low[start:end])))
        keep.add(start + int(np.argmax(high[start:end])))
    gaps = np.flatnonzero(np.isnan(millivolts))
    return np.array(sorted(keep | set(gaps.tolist())), dtype=np.intp)


def _rows(names: tuple[str, ...], layout: Layout) -> list[tuple[str, ...]]:
    """The rows of lead names; with fewer than three of the twelve each lead has a row to itself."""
    if len(set(names) & set(STANDARD_LEADS)) < 3:
        return [(name,) for name in names]
    if layout == "12x1":
        return [*ROWS[layout], *((name,) for name in EXTRA_LEADS if name in names)]
    further = [tuple(name for name in row if name in names) for row in EXTRA_ROWS]
    return [*ROWS[layout][:3], *(row for row in further if row), *ROWS[layout][3:]]


def _places(rows: int) -> tuple[list[float], float, float]:
    """Baselines, how high above them the lead's name stands, and the lower edge of the paper (mm)."""
    top = MARGIN + HEADER
    first, last = (ROOMY if rows <= 6 else CROWDED) if rows > 4 else ROOMY
    pitch = ROW if rows <= 4 else (GRID_HEIGHT - first - last) / (rows - 1)
    baselines = [top + first + index * pitch for index in range(rows)]
    return baselines, min(15.0, 0.43 * pitch), baselines[-1] + last


def _cells(rows: list[tuple[str, ...]], baselines: list[float]) -> Iterator[_Cell]:
    columns = max(len(row) for row in rows)
    for row, baseline in zip(rows, baselines, strict=True):
        whole = len(row) == 1 and (columns == 1 or row == rows[-1])
        seconds = SHEET_SECONDS if whole else SHEET_SECONDS / columns
        for place, lead in enumerate(row):
            x = TRACE_LEFT + place * seconds * MM_PER_SECOND
            yield _Cell(lead, place * seconds, seconds, x, baseline, strip=whole and columns > 1)


def _trace(cell: _Cell, names: tuple[str, ...], millivolts: Floats, rate_hz: float) -> str:
    if cell.lead not in names:
        return ""
    row = millivolts[names.index(cell.lead)]
    level = float(np.nanmedian(row)) if np.isfinite(row).any() else 0.0
    first = round(cell.start * rate_hz)
    part = row[first : first + round(cell.seconds * rate_hz) + 1] - level
    data = trace_path(part, rate_hz, cell.x, cell.baseline)
    return f'<path data-lead="{escape(cell.lead)}" d="{data}"/>' if data else ""


def _grid(top: float, bottom: float) -> str:
    """True lines a millimetre apart, every fifth one darker."""
    right = MARGIN + GRID_WIDTH

    def lines(step: int, skip: int) -> str:
        xs = [x for x in range(0, round(GRID_WIDTH) + 1, step) if not skip or x % skip]
        ys = [y for y in range(0, round(bottom - top) + 1, step) if not skip or y % skip]
        down = "".join(f"M{_n(MARGIN + x)} {_n(top)}V{_n(bottom)}" for x in xs)
        return down + "".join(f"M{_n(MARGIN)} {_n(top + y)}H{_n(right)}" for y in ys)

    return (
        f'<rect x="{_n(MARGIN)}" y="{_n(top)}" width="{_n(GRID_WIDTH)}" height="{_n(bottom - top)}" fill="{PAPER}"/>'
        f'<path d="{lines(1, 5)}" stroke="{MINOR}" stroke-width=".12"/>'
        f'<path d="{lines(5, 0)}" stroke="{MAJOR}" stroke-width=".2"/>'
    )


def _pulse(baseline: float, *, aside: bool) -> str:
    """The calibration pulse: 1 mV for 0.2 s; ``aside`` of its neighbour's where rows are crowded."""
    x, up = MARGIN + (6.0 if aside else 0.5), _n(MM_PER_MV)
    return f'<path data-calibration="1 mV" d="M{_n(x)} {_n(baseline)}h2v-{up}h{_n(PULSE_MM)}v{up}h2"/>'


def _separator(cell: _Cell) -> str:
    x = _n(cell.x)
    return f'<path d="M{x} {_n(cell.baseline - 5)}v-2.5M{x} {_n(cell.baseline + 5)}v2.5" stroke="{NOTE}"/>'


def _label(cell: _Cell, lift: float, names: tuple[str, ...], evidence: dict[str, float], language: Language) -> str:
    y = cell.baseline - lift
    text = _text(cell.x + 1, y, cell.lead, size=3.9, bold=True)
    after = cell.x + 3.2 + sum(1.3 if letter == "I" else 2.5 for letter in cell.lead)
    if cell.lead not in names:
        return text + _text(after, y, _word("missing", language), size=3.2, fill=NOTE)
    if cell.lead in evidence:
        said = f"J {signed(evidence[cell.lead])} mV"
        return text + _text(after, y, said, size=3.2, bold=True, fill=MACHINE)
    return text


def _header(
    recording: Recording, analysis: Analysis | None, names: tuple[str, ...], language: Language
) -> Iterable[str]:
    yield _text(MARGIN, 15.5, _title(recording, names, language), size=5, bold=True, halo=True)
    yield _text(MARGIN, 22, _facts(recording, language), size=3.9, bold=True, halo=True)
    at = recording.acquired_at
    said = _word("time", language, t=f"{at.instant:%Y-%m-%d %H:%M:%S}{_zone(recording)}") if at else ""
    yield _text(MARGIN, 27.5, said or _word("time?", language), size=3.4, fill=NOTE, halo=True)
    if analysis is None:
        yield _text(145, 15.5, _word("unread", language), size=3.6, bold=True, halo=True)
        return
    lines = list(_measured(analysis, language))
    for index, line in enumerate(lines):
        yield _text(MARGIN, 34 + 5.2 * index, line, size=3.6, halo=True)
    yield from _statements(analysis, language)


def _facts(recording: Recording, language: Language) -> str:
    patient = recording.patient
    sexes = {Sex.MALE: "male", Sex.FEMALE: "female", None: "sex?"}
    age = _word("age?", language) if patient.age_years is None else _word("age", language, n=f"{patient.age_years:.0f}")
    return f"{_word(sexes[patient.sex], language)}{'' if language == 'zh' else ','} {age}"


def _zone(recording: Recording) -> str:
    at = recording.acquired_at
    return f" {at.instant:%z}" if at and at.instant.tzinfo else ""


def _measured(analysis: Analysis, language: Language) -> Iterator[str]:
    """Two short lines: rate and axis with the grade, then the intervals."""
    found = analysis.measurements
    first = [_word("grade", language, g=analysis.quality.grade.value)]
    if found.heart_rate_bpm is not None:
        first.append(_word("hr", language, v=f"{found.heart_rate_bpm:.0f}"))
    if found.axis_deg.qrs is not None:
        first.append(_word("axis", language, v=signed(found.axis_deg.qrs, 0)))
    yield " · ".join(first)
    spans = (("P", found.p_ms), ("PR", found.pr_ms), ("QRS", found.qrs_ms), ("QT", found.qt_ms))
    corrected = (("QTcF", found.qtc_ms.fridericia if found.qtc_ms else None),)
    yield " · ".join(f"{word} {value:.0f} ms" for word, value in spans + corrected if value is not None)


def _statements(analysis: Analysis, language: Language, room: int = 5) -> Iterator[str]:
    """What the machine says, in its own colour, each line cut to the room that it has."""
    head = f"{_word('machine', language)} · {_word('unconfirmed', language)}"
    yield _text(145, 15.5, head, size=3.4, bold=True, fill=MACHINE, halo=True)
    said = [
        _of(finding.name.zh, finding.name.en, language)
        + (_word("borderline", language) if finding.state is State.BORDERLINE else "")
        for finding in sorted(analysis.findings, key=lambda finding: not finding.code.startswith(ACUTE))
    ] or [_word("nothing", language)]
    if len(said) > room:
        said = [*said[: room - 1], _word("more", language, n=str(len(said) - room + 1))]
    for index, line in enumerate(said):
        yield _text(145, 21 + 4.9 * index, _cut(line, 136, 3.6), size=3.6, bold=index == 0, halo=True)


def _footer(recording: Recording, analysis: Analysis | None, bottom: float, language: Language) -> Iterator[str]:
    yield _text(MARGIN, bottom + 5.5, _scale(recording, language), size=3.4, fill=NOTE, halo=True)
    word = _word("unconfirmed" if analysis else "unread", language)
    yield _text(MARGIN + GRID_WIDTH, bottom + 5.5, word, size=3.4, bold=True, fill=NOTE, end=True, halo=True)
    notes = {note.code: note.text for note in (*recording.notes, *(analysis.notes if analysis else ()))}
    said = "  ".join(_of(text.zh, text.en, language) for text in notes.values())
    if said:
        yield _text(MARGIN, bottom + 10.5, _cut(said, GRID_WIDTH, 3.0), size=3.0, fill=NOTE, halo=True)


def _scale(recording: Recording, language: Language) -> str:
    filters = recording.filters
    parts = [f"{_n(MM_PER_SECOND)} mm/s", f"{_n(MM_PER_MV)} mm/mV"]
    if filters.high_pass_hz is None and filters.low_pass_hz is None:
        parts.append(_word("band?", language))
    else:
        low, high = (f"{hz:g}" if hz is not None else "?" for hz in (filters.high_pass_hz, filters.low_pass_hz))
        parts.append(_word("band", language, low=low, high=high))
    if filters.notch_hz is not None:
        parts.append(_word("notch", language, n=f"{filters.notch_hz:g}"))
    parts.append(f"{recording.rate_hz:g} /s")
    if recording.seconds > SHEET_SECONDS + 1 / recording.rate_hz:
        parts.append(_word("part", language, n=f"{recording.seconds:.0f}"))
    return " · ".join(parts)


def _evidence(analysis: Analysis | None) -> dict[str, float]:
    """ST at J by lead, where a statement rests on it."""
    found: dict[str, float] = {}
    for finding in analysis.findings if analysis else ():
        for item in finding.evidence:
            if item.lead and item.measure == "st_j_mv" and isinstance(item.value, float):
                found.setdefault(item.lead, item.value)
    return found


def _title(recording: Recording, names: tuple[str, ...], language: Language) -> str:
    return _word("title", language, n=str(len(set(names) | set(recording.leads))))


def _document(body: str, height: float, title: str, language: Language) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(PAGE_WIDTH)}mm" height="{_n(height)}mm" '
        f'viewBox="0 0 {_n(PAGE_WIDTH)} {_n(height)}" font-family="{escape(FONT)}" role="img" '
        f'lang="{"zh-CN" if language == "zh" else "en"}" data-mm-per-second="{_n(MM_PER_SECOND)}" '
        f'data-mm-per-mv="{_n(MM_PER_MV)}"><title>{escape(title)}</title>{body}</svg>\n'
    )


def _text(
    x: float, y: float, said: str, *, size: float, bold: bool = False, fill: str = TRACE, end: bool = False,
    halo: bool = False,
) -> str:  # fmt: skip
    style = ' font-weight="700"' * bold + ' text-anchor="end"' * end
    style += ' stroke="#fff" stroke-width=".9" paint-order="stroke"' * halo
    return f'<text x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}" fill="{fill}"{style}>{escape(said)}</text>'


def _cut(said: str, room_mm: float, size_mm: float) -> str:
    """Cut to the room by a wide estimate of the width: an ideograph 1 em, everything else 0.55 em."""
    used = 0.0
    for at, char in enumerate(said):
        used += size_mm * (1.0 if ord(char) > 0x2E7F else 0.55)
        if used > room_mm:
            return said[: max(0, at - 1)] + "…"
    return said


def _word(key: str, language: Language, **values: str) -> str:
    return _of(*WORDS[key], language).format(**values)


def _of(zh: str, en: str, language: Language) -> str:
    return zh if language == "zh" else en


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign, true minus, half away from zero: ``+0.27``, ``−0.16``, ``0.00``."""
    scaled = np.floor(abs(value) * 10**digits + 0.5 + 1e-9) / 10**digits
    sign = "" if scaled == 0 else ("−" if value < 0 else "+")
    return f"{sign}{scaled:.{digits}f}"


def _step(dx: float, dy: float) -> str:
    across, down = _n(dx, short=True), _n(dy, short=True)
    return f"l{across}{down}" if down.startswith("-") else f"l{across} {down}"


def _n(value: float, *, short: bool = False) -> str:
    """A number with at most two decimals and nothing superfluous."""
    word = f"{value:.2f}".rstrip("0").rstrip(".")
    if word == "-0":
        return "0"
    return word.replace("0.", ".", 1) if short and word.lstrip("-").startswith("0.") else word
