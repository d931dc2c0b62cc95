"""Every lead's values as they are compared, read once: the acute rules ask for them by hundreds.

A rule is written on plain numbers and three-valued truths; only what became true is turned into evidence.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ecg.analysis import Certainty, Evidence, Grade, State
from ecg.interpret.facts import WHY_CHILD, WHY_QUALITY, Facts, Verdict
from ecg.interpret.logic import rounded
from ecg.recording import Text

CHEST = ("V1", "V2", "V3", "V4", "V5", "V6")
INFERIOR = ("II", "III", "aVF")
TWELVE = ("I", "II", "III", "aVR", "aVL", "aVF", *CHEST)
NAMED = {
    "C_LBBB": Text("左束支阻滞", "left bundle branch block"),
    "C_RBBB": Text("右束支阻滞", "right bundle branch block"),
    "C_PACE_V": Text("心室起搏", "ventricular pacing"),
    "C_PACE_AV": Text("心室起搏", "ventricular pacing"),
    "C_WPW": Text("心室预激", "pre-excitation"),
    "C_WPW_AF": Text("房颤伴预激", "pre-excited atrial fibrillation"),
    "R_VT": Text("室性心动过速", "ventricular tachycardia"),
    "R_VT_POLY": Text("多形性室速", "polymorphic ventricular tachycardia"),
    "R_TDP": Text("尖端扭转型室速", "torsades de pointes"),
    "R_VT_BIDIR": Text("双向性室速", "bidirectional ventricular tachycardia"),
    "R_VFL": Text("心室扑动", "ventricular flutter"),
    "R_VF": Text("心室颤动", "ventricular fibrillation"),
    "R_AFL": Text("心房扑动，F波代替了ST–T", "atrial flutter: F waves stand in for ST and T"),
    "R_SVT": Text("室上性心动过速", "supraventricular tachycardia"),
    "H_RVH": Text("右室肥大", "right ventricular hypertrophy"),
}
"""Findings that take a rule away, by the words of the sentence that says so."""
PACED = ("C_PACE_V", "C_PACE_AV")
BROAD = ("C_LBBB", *PACED)
"""What sends the question to §4.5."""
LOST = ("C_WPW", "C_WPW_AF", "R_VT", "R_VT_POLY", "R_TDP", "R_VT_BIDIR", "R_VFL", "R_VF")
"""What leaves ST without meaning."""
WHY_ST = Text("ST段不能判断（滤波、增益或心搏不足）。", "ST cannot be judged (filter, gain, or too few beats).")
WHY_WIDE = Text("QRS不小于120毫秒，本规则不适用。", "QRS of 120 ms or more: this rule does not apply.")
WHY_QRS = Text("QRS时限不能测量。", "QRS duration could not be measured.")

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}


@dataclass(slots=True, eq=False)
class Sheet:
    """The values of one recording by measure and lead, rounded; ``None`` where a lead cannot be read."""

    facts: Facts
    _columns: dict[str, dict[str, float | None]] = field(default_factory=dict[str, dict[str, float | None]])
    _readable: frozenset[str] | None = None

    def column(self, measure: str) -> dict[str, float | None]:
        """One measure of every readable lead; what is not in it is not known."""
        held = self._columns.get(measure)
        if held is None:
            if self._readable is None:
                self._readable = frozenset(n for n in self.facts.leads if self.facts.readable(n))
            leads = self.facts.measurements.leads
            held = {n: rounded(getattr(leads[n], measure), measure) for n in self._readable if n in leads}
            self._columns[measure] = held
        return held

    def value(self, lead: str, measure: str) -> float | None:
        """One value, or ``None``."""
        return self.column(measure).get(lead)

    def word(self, lead: str, measure: str) -> str | None:
        """A measure that is a word (``st_shape``, ``j_wave``), or ``None``."""
        held = self.facts.measurements.leads.get(lead)
        return getattr(held, measure) if held is not None and self.facts.readable(lead) else None

    def st(self, lead: str) -> float | None:
        """ST at J."""
        return self.column("st_j_mv").get(lead)

    def holds(self, lead: str, measure: str, op: str, limit: float) -> bool | None:
        """Whether ``value op limit``; ``None`` without a value."""
        held = self.column(measure).get(lead)
        return None if held is None else _OPERATORS[op](held, round(limit, 4))

    def evidence(self, leads: Iterable[str], measure: str, op: str, limit: float | None) -> list[Evidence]:
        """The values of some leads as they are printed."""
        return [Evidence(n, measure, self.value(n, measure), op, limit) for n in leads]

    def limit(self, table: str, name: str) -> float:
        """A threshold of the ruleset."""
        return self.facts.rules.limit(table, name)

    def missing(self, leads: Iterable[str], measure: str = "st_j_mv") -> tuple[str, ...]:
        """Those leads that have no value."""
        column = self.column(measure)
        return tuple(n for n in leads if column.get(n) is None)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a rule made of a sheet. ``true`` ``None``: not assessed, for want of ``missing``."""

    true: bool | None
    evidence: tuple[Evidence, ...] = ()
    missing: tuple[str, ...] = ()
    certainty: Certainty = Certainty.DEFINITE
    notes: tuple[str, ...] = ()


FALSE = Outcome(False)


def lacking(missing: Sequence[str]) -> Outcome:
    """Not assessed, for want of these."""
    return Outcome(None, missing=tuple(dict.fromkeys(missing)))


def initial(text: str) -> str:
    """A name at the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def because(code: str) -> Text:
    """Why a rule is not assessed beside this finding."""
    name = NAMED.get(code, Text(code, code))
    return Text(f"{name.zh}：本规则不适用。", f"{initial(name.en)}: this rule does not apply.")


def barred(
    facts: Facts, verdict: Verdict, *, by: Sequence[str] = (*BROAD, *LOST), narrow: bool = True
) -> tuple[tuple[str, ...], Text] | None:
    """What forbids an ST or T rule: age, quality, a finding of ``by``, or (``narrow``) a QRS of 120 ms and more.

    The answer is what is missing and why, or ``None`` where the rule may be asked.
    """
    if facts.child:
        return ("age",), WHY_CHILD
    code = next((c for c in by if verdict.has(c)), None)
    if code is not None:
        return (code,), because(code)
    if not facts.st_usable:
        return ("ST",), WHY_ST
    if facts.quality.grade >= Grade.D:
        return ("quality",), WHY_QUALITY
    if narrow:
        width = rounded(facts.measurements.qrs_ms, "qrs_ms")
        if width is None:
            return ("QRS",), WHY_QRS
        if width >= facts.rules.limit("stemi", "qrs_ms"):
            return ("QRS",), WHY_WIDE
    return None


def state(rule: Callable[[float], Outcome], band: float) -> tuple[Outcome, State]:
    """A rule at its limits, and where it misses them, within the borderline band. ``rule`` takes the slack in mV."""
    found = rule(0.0)
    if found.true is False and band > 0:
        near = rule(band)
        if near.true:
            return near, State.BORDERLINE
    return found, State.TRUE
