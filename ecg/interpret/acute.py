"""Everything acute and coronary, in the order in which one answer needs another (CLINICAL.md §3.5, §4.1–4.8).

Hyperacute T and the subtle LAD rules come before §4.1, because its mimics are argued with them; Q waves come after it,
because elevation changes their words; the equivalents come last.
"""

from __future__ import annotations

from ecg.interpret import bundle_mi, culprit, equivalents, hyperacute, infarction, mimics, q_waves, subtle_lad
from ecg.interpret.facts import Facts, Verdict
from ecg.interpret.sheet import Sheet


def interpret(facts: Facts, verdict: Verdict, sheet: Sheet | None = None) -> None:
    """Adds the acute coronary findings and the Q waves; rhythm, conduction, chambers and ST–T were asked before.

    ``sheet``: that of these facts, where one was begun."""
    sheet = sheet or Sheet(facts)
    hyperacute.interpret(sheet, verdict)
    subtle_lad.interpret(sheet, verdict, mimics.hypertrophied(sheet, verdict))
    infarction.interpret(sheet, verdict)
    q_waves.interpret(sheet, verdict)
    equivalents.interpret(sheet, verdict)
    bundle_mi.interpret(sheet, verdict)
    culprit.add(sheet, verdict)
