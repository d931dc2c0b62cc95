"""Labels of a guideline, a province or a county, beside the findings of the default ruleset (CLINICAL.md §4.2).

They are stated under their own ruleset and code (``L_…``), after everything else, and touch no other finding. Elevation
is read as in §4.1: at J, two contiguous leads, not assessed where the default's table is not (LBBB, pacing, WPW, VT,
children, ST unusable).
"""

from __future__ import annotations

from ecg.analysis import Certainty, Evidence, Finding, NotAssessed, State
from ecg.interpret.facts import WHY_LEADS, Facts, Verdict
from ecg.interpret.infarction import TERRITORIES
from ecg.interpret.logic import all3, compare, rounded
from ecg.recording import Sex, Text
from ecg.rules import Ruleset
from ecg.rules.labels import Condition, Label, Limit

WHY_MEASURE = Text("所需的测量值没有测出。", "A measurement that this needs could not be made.")
WHY_BESIDE = Text("所依据的项目未评估。", "The finding that this stands beside was not assessed.")
CRITICAL = "CRITICAL_VALUE"


def add(facts: Facts, verdict: Verdict, rules: Ruleset) -> None:
    """States the labels of ``rules`` that are true; ``facts`` are those of its base, ``verdict`` its findings."""
    for label in rules.labels:
        if label.limits:
            _elevation(facts, verdict, label, rules.id)
        else:
            _measures(facts, verdict, label, rules.id)


def _state(
    verdict: Verdict, label: Label, ruleset: str, evidence: list[Evidence], notes: tuple[str, ...], state: State
) -> None:
    critical = (CRITICAL,) if label.critical and state is State.TRUE else ()
    verdict.add(
        Finding(label.code, label.name, state, Certainty.DEFINITE, tuple(evidence), label.source, ruleset,
                notes=(*critical, *notes))
    )  # fmt: skip


def _skip(verdict: Verdict, label: Label, missing: tuple[str, ...], why: Text) -> None:
    verdict.not_assessed.append(NotAssessed(label.code, missing, why))


def _elevation(facts: Facts, verdict: Verdict, label: Label, ruleset: str) -> None:
    whole = _barred(verdict)
    if whole is not None:
        _skip(verdict, label, whole.missing, whole.why)
        return
    limits = {lead: limit for limit in label.limits for lead in limit.leads}
    band = facts.rules.limit("bands", "amplitude_mv")
    tests = {
        lead: compare(lead, "st_j_mv", facts.value(lead, "st_j_mv"), ">=", _threshold(facts, limit)[0], band)
        for lead, limit in limits.items()
    }
    groups = facts.rules.rules["stemi"]["pairs"]
    pairs = [p for name in ("chest", "limb", "right") for p in groups[name] if p[0] in tests and p[1] in tests]
    found = [p for p in pairs if tests[p[0]].true and tests[p[1]].true]
    near = [p for p in pairs if all(tests[n].true or tests[n].borderline for n in p)]
    stated, state = (found, State.TRUE) if found else (near, State.BORDERLINE)
    if stated:
        leads = list(dict.fromkeys(lead for pair in stated for lead in pair))
        evidence = [tests[lead].evidence for lead in leads]
        if label.shape:
            evidence += [e for lead in leads if (e := _shape(facts, lead)) is not None]
        notes = tuple(dict.fromkeys(n for lead in leads for n in _threshold(facts, limits[lead])[1]))
        _state(verdict, label, ruleset, evidence, notes, state)
        return
    lost = {n for a, b in pairs if tests[a].true is not False and tests[b].true is not False for n in (a, b)}
    missing = tuple(sorted(n for n in lost if tests[n].true is None and n in facts.leads))
    if missing:
        _skip(verdict, label, missing, WHY_LEADS)


def _barred(verdict: Verdict) -> NotAssessed | None:
    """Why no territory of the default was assessed, if none was."""
    skipped = {n.code: n for n in verdict.not_assessed}
    if all(code in skipped for code in TERRITORIES) and not verdict.has("STEMI_*"):
        first = skipped[TERRITORIES[0]]
        return None if any(lead.startswith("V") for lead in first.missing) else first
    return None


def _threshold(facts: Facts, limit: Limit) -> tuple[float, tuple[str, ...]]:
    """The limit for this patient, in mV, and what had to be assumed: unknown sex or age takes the lowest that may
    apply."""
    men = [limit.men_mv, limit.young_men_mv]
    if facts.age is not None:
        men = [limit.young_men_mv if facts.age < limit.young_years else limit.men_mv]
    if facts.sex == Sex.FEMALE:
        return limit.women_mv, ()
    if facts.sex == Sex.MALE:
        return min(men), ("assumed_age",) if len(set(men)) > 1 else ()
    may = {limit.women_mv, *men}
    return min(may), ("assumed_sex",) if len(may) > 1 else ()


def _shape(facts: Facts, lead: str) -> Evidence | None:
    """The form of ST, where it was measured."""
    held = facts.measurements.leads.get(lead)
    shape: str | None = getattr(held, "st_shape", None)
    return None if shape is None else Evidence(lead, "st_shape", shape, "==", shape)


def _measures(facts: Facts, verdict: Verdict, label: Label, ruleset: str) -> None:
    tests = [compare(None, c.measure, _measure(facts, c), c.op, c.limit) for c in label.conditions]
    beside = _beside(verdict, label)
    true = all3([beside, *(t.true for t in tests)])
    if true:
        _state(verdict, label, ruleset, [t.evidence for t in tests], (), State.TRUE)
    elif true is None:
        missing = tuple(t.evidence.measure for t in tests if t.true is None)
        _skip(verdict, label, missing or label.beside, WHY_MEASURE if missing else WHY_BESIDE)


def _beside(verdict: Verdict, label: Label) -> bool | None:
    if not label.beside or any(verdict.has(code) for code in label.beside):
        return True
    return None if {n.code for n in verdict.not_assessed} & set(label.beside) else False


def _measure(facts: Facts, condition: Condition) -> float | None:
    m = facts.measurements
    if condition.measure in ("qtcb_ms", "qtcf_ms"):
        value = None if m.qtc_ms is None else m.qtc_ms.bazett if condition.measure == "qtcb_ms" else m.qtc_ms.fridericia
    else:
        value = getattr(m, condition.measure)
    return rounded(value, condition.measure)
