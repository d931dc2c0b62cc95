"""Patterns of one disease: how such a rule is written and asked (CLINICAL.md §3.6).

A pattern is one function of the sheet, of what was found before it, and of the slack of the borderline band. What bars
it (another finding, a wide QRS) stands in its row, and what else it could be is argued by a second function. The
modules that hold patterns are `electrolytes`, `pericarditis`, `right_chest` and `syndromes`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ecg.analysis import Argument, Certainty, State
from ecg.interpret.facts import WHY_LEADS, WHY_QUALITY, Verdict
from ecg.interpret.sheet import BROAD, LOST, TWELVE, Outcome, Sheet, barred
from ecg.interpret.sheet import state as with_band
from ecg.recording import Text

WHY_MEASURE = Text("所需的测量值没有测出。", "A measurement that this needs could not be made.")
GLOBAL = {
    "age": Text("年龄未知。", "Age unknown."),
    "sex": Text("性别未知。", "Sex unknown."),
    "drug": Text("是否服用洋地黄未知。", "Whether digitalis is taken is not known."),
    "prior": Text("须与前次心电图比较。", "This needs an earlier ECG."),
    "rate_hz": Text("采样率低于500 Hz，切迹不可靠。", "Below 500 samples a second a notch is not reliable."),
}
"""Why a rule is not assessed for want of something that is no lead."""


def no_arguments(_sheet: Sheet, _verdict: Verdict) -> tuple[Argument, ...]:
    """A pattern whose look-alikes are conditions of its own."""
    return ()


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern. ``by``: findings that forbid it; ``narrow``: whether QRS of 120 ms and more does."""

    code: str
    name: Text
    source: str
    test: Callable[[Sheet, Verdict, float], Outcome]
    argued: Callable[[Sheet, Verdict], tuple[Argument, ...]] = no_arguments
    by: tuple[str, ...] = (*BROAD, *LOST)
    narrow: bool = True


def ask(sheet: Sheet, verdict: Verdict, patterns: Sequence[Pattern]) -> None:
    """Adds every pattern that is there, its borderline form, or why it could not be asked."""
    band = sheet.limit("bands", "amplitude_mv")
    for pattern in patterns:
        held = barred(sheet.facts, verdict, by=pattern.by, narrow=pattern.narrow)
        if held is not None:
            verdict.skip(pattern.code, *held)
            continue
        found, state = with_band(lambda slack, one=pattern: one.test(sheet, verdict, slack), band)
        if found.true is None:
            verdict.skip(pattern.code, found.missing, _why(sheet, found.missing))
        elif found.true:
            certainty = Certainty.POSSIBLE if state == State.BORDERLINE else found.certainty
            verdict.add(
                sheet.facts.finding(
                    pattern.code, pattern.name, list(found.evidence), pattern.source, certainty, state,
                    pattern.argued(sheet, verdict), found.notes,
                )
            )  # fmt: skip


def _why(sheet: Sheet, missing: tuple[str, ...]) -> Text:
    first = missing[0] if missing else ""
    if first in GLOBAL:
        return GLOBAL[first]
    if not set(missing) <= set(TWELVE):
        return WHY_MEASURE
    return WHY_LEADS if set(missing) - set(sheet.facts.leads) else WHY_QUALITY
