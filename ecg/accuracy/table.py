"""A table of targets: what must be, what is aimed at, what was measured, and what others reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Goal:
    """One figure against its targets. ``least``: more is better. ``None``: no target."""

    what: str
    value: float | None
    must: float | None = None
    aim: float | None = None
    least: bool = True
    unit: str = ""
    note: str = ""

    @property
    def verdict(self) -> str:
        """Which target the value reaches."""
        if self.value is None or (self.must is None and self.aim is None):
            return ""
        if self._reaches(self.aim):
            return "aim"
        return "must" if self._reaches(self.must) else "**not reached**"

    def _reaches(self, limit: float | None) -> bool:
        if limit is None or self.value is None:
            return False
        return self.value >= limit if self.least else self.value <= limit

    def cells(self) -> tuple[str, ...]:
        """The row."""
        sign = "≥" if self.least else "≤"
        shown = "not measured" if self.value is None else f"{self.value:.4g}{self.unit}"
        limits = ("–" if v is None else f"{sign} {v:g}{self.unit}" for v in (self.must, self.aim))
        return (self.what, *limits, shown, self.verdict, self.note)


def goals(rows: Sequence[Goal]) -> str:
    """As Markdown."""
    return grid(("what", "must", "aim", "measured", "reaches", ""), [row.cells() for row in rows])


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
