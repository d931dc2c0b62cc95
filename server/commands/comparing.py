"""``ecgnet compare``: an ECG against a prior one of the same patient (CLINICAL.md §4.10)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from server.commands import instrument
from server.refusal import Refusal

_WORDS = {
    "doubtful": ("身份未核实：仅供对照，不作分级依据。", "Identity not proven: only to look at, no grading."),
    "nothing": ("在可比的项目中未见变化。", "Nothing has changed in what could be compared."),
    "not_assessed": ("未评估", "not assessed"),
    "st": ("各导联ST段变化（J点）", "change of ST at J by lead"),
}  # fmt: skip
_OVERALL = (
    ("heart_rate_bpm", "心率", "rate", "/min"),
    ("pr_ms", "PR", "PR", "ms"),
    ("qrs_ms", "QRS", "QRS", "ms"),
    ("qtcf_ms", "QTcF", "QTcF", "ms"),
    ("axis_deg", "电轴", "axis", "°"),
)


def compare(
    now: Path,
    prior: Path,
    *,
    proven: bool,
    pain: bool | None,
    after_lysis: float | None,
    as_json: bool,
    language: str | None,
) -> None:
    """Prints what changed; :class:`Refusal` for a file that cannot be read."""
    from ecg.compare import Circumstances, Identity
    from ecg.compare import compare as compared
    from ecg.comparison_document import comparison

    spoken = instrument.language_of(language)
    (first, at), (second, before) = _read(now), _read(prior)
    minutes = None
    if at.acquired_at is not None and before.acquired_at is not None:
        here, there = at.acquired_at.instant, before.acquired_at.instant
        if (here.tzinfo is None) == (there.tzinfo is None):
            minutes = (here - there).total_seconds() / 60.0
    around = Circumstances(at.patient, pain, minutes, after_lysis)
    result = compared(first, second, Identity.PROVEN if proven else Identity.DOUBTFUL, around)
    document = comparison(result, str(now), str(prior), minutes)
    if as_json:
        print(json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")), flush=True)
    else:
        print("\n".join(_text(document, spoken)), flush=True)


def _read(path: Path) -> tuple[Any, Any]:
    import ecg
    from ecg.errors import Unreadable

    try:
        recording = ecg.read(path)
    except Unreadable as error:
        raise Refusal(error.text.zh, error.text.en) from error
    return ecg.analyze(recording), recording


def _text(document: dict[str, Any], language: str) -> Iterator[str]:
    which = instrument.LANGUAGES.index(language)
    yield f"{document['now']} ⇄ {document['prior']}"
    if document["identity"] != "proven":
        yield f"  ! {_WORDS['doubtful'][which]}"
    overall = document["overall"]
    shown = [
        f"Δ{(zh, en)[which]} {overall[name]:+.0f} {unit}"
        for name, zh, en, unit in _OVERALL
        if overall[name] is not None
    ]
    yield "  " + ", ".join(shown)
    moved = [f"{lead} {value:+.2f}" for lead, value in document["st_j_mv"].items() if value is not None]
    yield f"  {_WORDS['st'][which]}: {', '.join(moved)} mV"
    for change in document["changes"]:
        yield "  " + instrument.finding_line(change, language)
    if not document["changes"]:
        yield f"  {_WORDS['nothing'][which]}"
    for item in document["not_assessed"]:
        yield f"  {_WORDS['not_assessed'][which]}: {item['code']} {item['why'][language]}"
