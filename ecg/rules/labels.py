"""A label: one statement that a guideline, a province or a county adds beside the default ruleset (CLINICAL.md §4.2).

Two forms. An *elevation* label has limits at J by lead, sex and age, and is true where two contiguous leads reach their
own (the pairs of the default). A *measure* label compares global measures, optionally only where some findings of the
default are true (``HR ≥ 180`` beside ``R_SVT``).
"""

from __future__ import annotations

from dataclasses import dataclass

from ecg.recording import Text


@dataclass(frozen=True, slots=True)
class Limit:
    """Elevation at J in mV for some leads: for men from ``young_years`` on, for younger men, for women. Unknown sex or
    age takes the lowest of what may apply."""

    leads: tuple[str, ...]
    men_mv: float
    young_men_mv: float
    women_mv: float
    young_years: float


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a global measure."""

    measure: str
    op: str
    limit: float


@dataclass(frozen=True, slots=True)
class Label:
    """One statement. ``limits`` (elevation) or ``conditions`` (all must hold), never both; ``beside``: codes of the
    default of which one must be true; ``shape``: the form of ST is added to the evidence; ``critical``: it belongs on
    the list of critical values (危急值)."""

    code: str
    name: Text
    source: str
    limits: tuple[Limit, ...] = ()
    conditions: tuple[Condition, ...] = ()
    beside: tuple[str, ...] = ()
    shape: bool = False
    critical: bool = False
