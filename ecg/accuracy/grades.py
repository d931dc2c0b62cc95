"""Grades against the annotators of the CinC Challenge 2011: A–C is acceptable, D and E are not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import ecg
from ecg.accuracy import truth
from ecg.accuracy.table import Goal, goals
from ecg.analysis import Grade, Quality


def section(data: Path, most: int | None) -> str:
    """Both halves, the single lost chest lead apart, and the grades of the clean sets."""
    held = truth.held_out("holdout-cinc2011.txt")
    tally: dict[str, Counter[bool]] = {"tuned": Counter(), "held out": Counter()}
    strict: dict[str, Counter[bool]] = {"tuned": Counter(), "held out": Counter()}
    leads: Counter[tuple[bool, bool]] = Counter()
    for one in truth.cinc2011(data, most):
        quality = ecg.analyze(one.recording).quality
        half = "held out" if one.name in held else "tuned"
        tally[half][(quality.grade <= Grade.C) == one.acceptable] += 1
        strict[half][(quality.grade <= Grade.C and not _lost(quality)) == one.acceptable] += 1
        for marked, held_lead in zip(one.bad or (), quality.leads.values(), strict=False):
            found = held_lead.grade >= Grade.D or "Q_OFF" in held_lead.defects or "Q_FLAT" in held_lead.defects
            leads[marked, found] += 1
    rows = [
        Goal(f"{half}: accuracy", _share(c), 0.92, 0.95, note=f"{sum(c.values())} records") for half, c in tally.items()
    ]
    rows.append(Goal("both: accuracy", _share(tally["tuned"] + tally["held out"]), 0.92, 0.95))
    what = "accuracy, were any single chest lead that is off unacceptable (§1.5: C)"
    rows += [Goal(f"{half}: {what}", _share(c)) for half, c in strict.items()]
    bad, good = leads[True, True] + leads[True, False], leads[False, True] + leads[False, False]
    rows.append(
        Goal("leads marked bad that we find bad", leads[True, True] / bad if bad else None, note=f"{bad} leads")
    )
    rows.append(
        Goal("leads marked good that we find good", leads[False, False] / good if good else None, note=f"{good}")
    )
    clean = [
        f"{name} {_clean(data / folder, most)}" for name, folder in (("LUDB", "ludb"), ("PTB-XL", "ptbxl/records500"))
    ]
    gain = (
        "A count is taken as 5 µV, which gives an ordinary QRS; the data folder's README says 1 µV, by which the median"
        " QRS of an acceptable record would be 0.17 mV. The held-out half was scored more than once, in totals only."
        " A chest lead held at the amplifier's end for half of the recording was never recorded: fewer than eight"
        " independent leads are left (Q_LEADSET, D); a lead that is merely flat stays Q_OFF (C)."
    )
    return goals(rows) + f"\n\n{gain}\n\nGrades of sets that were published as readable: " + "; ".join(clean) + "."


def _lost(quality: Quality) -> bool:
    return any("Q_OFF" in held.defects for held in quality.leads.values())


def _share(tally: Counter[bool]) -> float | None:
    return tally[True] / sum(tally.values()) if tally else None


def _clean(folder: Path, most: int | None) -> str:
    grades = Counter(ecg.analyze(truth.read(path)).quality.grade.value for path in truth.numbered(folder, most))
    return " ".join(f"{grade} {count}" for grade, count in sorted(grades.items()))
