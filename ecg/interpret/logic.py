"""Three-valued criteria: true, false, or not assessed (``None``), on rounded values, with a borderline band.

Binary fractions miss a value that lies exactly at a limit, so everything is compared after rounding to 0.1 µV, 0.1 ms
(CLINICAL.md, conventions). OR is true if any operand is true; AND is false if any is false; otherwise ``None`` spreads.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from ecg.analysis import Evidence

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}
DECIMALS = {"mv": 4, "ms": 1, "bpm": 1, "deg": 1, "s": 4}


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison and what became of it: ``true`` is ``None`` when the value is missing."""

    __test__ = False

    evidence: Evidence
    true: bool | None
    borderline: bool = False


def rounded(value: float | None, measure: str) -> float | None:
    """The value as it is compared and printed: mV to 0.1 µV, ms to 0.1 ms, others to 0.1 (unit from the measure's
    name)."""
    if value is None or value != value:
        return None
    out = round(value, _digits(measure))
    return 0.0 if out == 0 else out


@cache
def _digits(measure: str) -> int:
    return DECIMALS.get(measure.rsplit("_", 1)[-1], 4)


def compare(lead: str | None, measure: str, value: float | None, op: str, limit: float, band: float = 0.0) -> Test:
    """Compares a measurement with a limit; ``band`` > 0 marks a value that misses the limit by no more than it."""
    held = rounded(value, measure)
    evidence = Evidence(lead, measure, held, op, limit)
    if held is None:
        return Test(evidence, None)
    true = OPERATORS[op](held, limit)
    near = (
        not true
        and band > 0
        and rounded(abs(held - limit), measure) is not None
        and round(abs(held - limit), 4) <= band
    )
    return Test(evidence, true, near)


def near3(test: Test) -> bool:
    """Whether a test holds or lies in its borderline band."""
    return bool(test.true) or test.borderline


def narrowly(tests: Iterable[Test]) -> bool:
    """Whether every one of some tests joined by "and" holds or lies in its band, at least one only in its band."""
    held = list(tests)
    return bool(held) and all(near3(t) for t in held) and any(t.borderline for t in held)


def least3(values: Iterable[bool | None], count: int) -> bool | None:
    """Whether at least ``count`` of the values are true; ``None`` where the unknown ones could decide it."""
    held = list(values)
    sure, open_ = held.count(True), held.count(None)
    return True if sure >= count else None if sure + open_ >= count else False


def any3(values: Iterable[bool | None]) -> bool | None:
    """Three-valued OR."""
    held = list(values)
    return True if True in held else None if None in held else False


def all3(values: Iterable[bool | None]) -> bool | None:
    """Three-valued AND."""
    held = list(values)
    return False if False in held else None if None in held else True


def not3(value: bool | None) -> bool | None:
    """Three-valued NOT."""
    return None if value is None else not value
