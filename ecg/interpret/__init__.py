"""The rules, in the contract's order: rhythm and conduction before chambers, ST last (CLINICAL.md §3)."""

from __future__ import annotations

from ecg.analysis import Grade
from ecg.interpret import (
    acute,
    axis_voltage,
    chambers,
    conduction,
    electrolytes,
    infarction,
    lookalikes,
    normal,
    pacing,
    patterns,
    pericarditis,
    repolarisation,
    rhythm,
    right_chest,
    syndromes,
)
from ecg.interpret.facts import WHY_QUALITY, WHY_VERSION, Facts, Verdict
from ecg.interpret.sheet import Sheet

NOT_IN_THIS_VERSION: tuple[str, ...] = ()
"""Codes and families of the contract whose rules this version does not hold: never false, always not assessed."""
DISEASES = (*electrolytes.PATTERNS, *pericarditis.PATTERNS, *right_chest.PATTERNS, *syndromes.PATTERNS)
"""The patterns of §3.6, in order: type 1 of Brugada before type 2."""


def interpret(facts: Facts) -> Verdict:
    """All findings and everything that could not be assessed."""
    verdict = Verdict()
    if facts.quality.grade == Grade.E:
        _unreadable(facts, verdict)
    else:
        pacing.interpret(facts, verdict)
        if not verdict.has("C_PACE_V") and not verdict.has("C_PACE_AV"):
            conduction.excitation(facts, verdict)
        rhythm.interpret(facts, verdict)
        conduction.interpret(facts, verdict)
        chambers.interpret(facts, verdict)
        axis_voltage.interpret(facts, verdict)
        repolarisation.interpret(facts, verdict)
        sheet = Sheet(facts)
        # before the acute findings, whose elevation some of them explain
        patterns.ask(sheet, verdict, DISEASES)
        syndromes.toxicity(verdict)
        acute.interpret(facts, verdict, sheet)
        lookalikes.argue(facts, verdict)
    for code in NOT_IN_THIS_VERSION:
        verdict.skip(code, ("rule",), WHY_VERSION)
    normal.interpret(facts, verdict)
    return verdict


def _unreadable(facts: Facts, verdict: Verdict) -> None:
    """Grade E states nothing but the check that a lethal rhythm is not taken for a loose wire (CLINICAL.md §1.5)."""
    connected = all(facts.readable(n) for n in ("I", "II")) if {"I", "II"} <= set(facts.leads) else False
    if connected:
        probe = Verdict()
        rhythm.interpret(facts, probe)
        verdict.findings += [f for f in probe.findings if f.code in ("R_VF", "R_VFL", "R_ASYS", "VF_ASYSTOLE_CHECK")]
    for code in (*infarction.TERRITORIES, "R_SINUS", "R_AF", "C_LBBB", "C_RBBB", "H_LVH_SL", "H_LVH_CV"):
        verdict.skip(code, ("quality",), WHY_QUALITY)
