"""One of two ECGs that are compared, whether it was just analysed or lies in the ledger as ``ecgnet.analysis/1``.

A stored document holds numbers and findings but no samples: what needs the average beat (whether QRS is the same) is
then not assessed. Re-reading the original gives everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ecg.analysis import Analysis, AverageBeat, Grade, State
from ecg.document import SCHEMA, measurements
from ecg.recording import Text


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """What comparison looks at.

    ``leads``: measurement by lead and name, only of leads whose morphology may be used; ``overall``: heart rate, PR,
    QRS, QTc (Fridericia), QRS axis; ``found``: true findings by code; ``skipped``: codes not assessed; ``st_usable``:
    filter, gain and grade allow ST; ``beat``: the average beat, if there are samples.
    """

    leads: Mapping[str, Mapping[str, Any]]
    overall: Mapping[str, float | None]
    found: Mapping[str, Text]
    skipped: frozenset[str]
    st_usable: bool
    readable: bool
    beat: AverageBeat | None
    ruleset: str
    software: str

    def value(self, lead: str, measure: str) -> float | None:
        """A lead's measurement as the document prints it; ``None`` where it cannot be read."""
        value = self.leads.get(lead, {}).get(measure)
        return None if value is None else float(value)


def side(source: Analysis | Mapping[str, Any]) -> Side:
    """An analysis, or a stored document of the known schema (``ValueError`` for another)."""
    if isinstance(source, Analysis):
        return _of_analysis(source)
    if source.get("schema") != SCHEMA:
        raise ValueError(f"schema {source.get('schema')!r} is not {SCHEMA}")
    return _of_document(source)


def _of_analysis(a: Analysis) -> Side:
    grades = {name: (held.grade.value, held.defects) for name, held in a.quality.leads.items()}
    return _side(
        measurements(a.measurements),
        grades,
        a.quality.grade.value,
        {f.code: f.name for f in a.findings if f.state == State.TRUE},
        {n.code: n.missing for n in a.not_assessed},
        (a.ruleset, a.version),
        a.average,
    )


def _of_document(held: Mapping[str, Any]) -> Side:
    quality = held["quality"]
    return _side(
        held["measurements"],
        {name: (lead["grade"], tuple(lead["defects"])) for name, lead in quality["leads"].items()},
        quality["grade"],
        {f["code"]: Text(f["name"]["zh"], f["name"]["en"]) for f in held["findings"] if f["state"] == State.TRUE},
        {n["code"]: tuple(n["missing"]) for n in held["not_assessed"]},
        (held["software"]["ruleset"], held["software"]["version"]),
        None,
    )


def _side(
    measured: Mapping[str, Any],
    grades: Mapping[str, tuple[str, tuple[str, ...]]],
    grade: str,
    found: Mapping[str, Text],
    skipped: Mapping[str, tuple[str, ...]],
    rules: tuple[str, str],
    beat: AverageBeat | None,
) -> Side:
    def usable(lead: str) -> bool:
        own, defects = grades.get(lead, (Grade.E, ()))
        return own <= Grade.C and "Q_OFF" not in defects

    sound = grade <= Grade.C
    qtc = measured["qtc_ms"]
    return Side(
        leads={name: values for name, values in measured["leads"].items() if usable(name)},
        overall={
            "heart_rate_bpm": measured["heart_rate_bpm"],
            "pr_ms": measured["pr_ms"],
            "qrs_ms": measured["qrs_ms"],
            "qtcf_ms": None if qtc is None else qtc["fridericia"],
            "axis_deg": measured["axis_deg"]["qrs"],
        },
        found=found,
        skipped=frozenset(skipped),
        st_usable=sound and ("ST",) not in skipped.values(),
        readable=sound,
        beat=beat,
        ruleset=rules[0],
        software=rules[1],
    )
