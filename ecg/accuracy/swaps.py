"""Electrodes exchanged on real ECGs by the exact algebra of CLINICAL.md §1.6, and whether that is noticed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

import ecg
from ecg.accuracy import truth
from ecg.accuracy.table import Goal, goals, grid
from ecg.analysis import AverageBeat
from ecg.arrays import ints
from ecg.lead_field import INDEPENDENT, potentials, recorded, swapped, twelve
from ecg.recording import Recording
from ecg.signal import reversal
from ecg.waves import Outline

FEET = {"RA-RL": (("RA", "RL"),), "LA-RL": (("LA", "RL"),), "RA-RL LA-LL": (("RA", "RL"), ("LA", "LL"))}
GROUPS: dict[str, dict[str, reversal.Swaps]] = {
    "limb (without LA–LL)": reversal.LIMB | FEET,
    "precordial neighbours": reversal.CHEST,
    "limb with chest, one colour": reversal.MIXED,
    "LA–LL": reversal.FEET,
}
LIMITS = {"limb (without LA–LL)": (92.0, 97.0, 99.5, 99.9), "precordial neighbours": (80.0, 80.0, 99.5, 99.5)}
"""Sensitivity must and aim, specificity must and aim."""


def exchanged(recording: Recording, swaps: reversal.Swaps) -> Recording:
    """What the electrocardiograph would have recorded."""
    rows = [recording.lead(n) if n in recording.leads else np.zeros(recording.samples) for n in INDEPENDENT]
    leads = twelve(recorded(swapped(potentials(np.stack(rows)), swaps)))
    return replace(recording, millivolts=np.stack([leads[n] for n in recording.leads]), counts=None)


def seen(recording: Recording) -> str | None:
    """The swap that the average beat of an analysis gives away."""
    average = ecg.analyze(recording).average
    if average is None:
        return None
    has_p, rate = average.p_on is not None, average.rate_hz
    found = reversal.recognised(average.millivolts, average.leads, _outline(average), has_p, rate)
    return None if found is None else found.kind


def _outline(average: AverageBeat) -> Outline:
    """As much of the outline as a swap needs."""
    none, every = ints(np.zeros((len(average.leads), 3))), np.ones(len(average.leads), dtype=np.bool_)
    qrs = ints([average.qrs_on, average.qrs_on, average.qrs_off])
    p = None if average.p_on is None else ints([average.p_on, average.p_on, average.p_off])
    t = None if average.t_off is None else ints([average.qrs_off, average.qrs_off, average.t_off])
    return Outline(none, qrs, None, p, every, None, t, every, False)


def section(data: Path, most: int | None) -> str:
    """Both halves: the one that thresholds were tuned on and the other."""
    held = truth.held_out("holdout.txt")
    paths = [*truth.numbered(data / "ludb", most), *truth.numbered(data / "ptbxl" / "records500", most)]
    halves = {
        "tuned": [p for p in paths if (p.stem not in held if "ludb" in p.parts else int(p.stem[:5]) % 2)],
        "held out": [p for p in paths if not (p.stem not in held if "ludb" in p.parts else int(p.stem[:5]) % 2)],
    }
    extra = truth.numbered(data / "cinc2021", most)
    parts: list[str] = []
    for name, part in halves.items():
        if part:
            parts.append(f"### {name} ({len(part)} records)\n\n{_half(part)}")
    wrong = Counter(kind for p in extra if (kind := seen(truth.read(p))) is not None)
    parts.append(
        f"CinC 2021, {len(extra)} records never looked at, none known to be swapped; suspected: {dict(wrong)}."
    )
    return "\n\n".join(parts)


def _half(paths: list[Path]) -> str:
    recordings = [truth.read(path) for path in paths]
    false = Counter(seen(r) for r in recordings)
    rows: list[list[str]] = []
    summary: list[Goal] = []
    for group, ways in GROUPS.items():
        caught = total = 0
        for kind, swaps in ways.items():
            answers = Counter(seen(exchanged(r, swaps)) for r in recordings)
            hit = len(paths) - answers[None]
            caught, total = caught + hit, total + len(paths)
            rows.append([kind, f"{100 * hit / len(paths):.1f}", f"{100 * answers[kind] / len(paths):.1f}"])
        alarms = sum(false[kind] for kind in ways)
        summary += _goals(group, 100 * caught / total, 100 * (1 - alarms / len(paths)), alarms)
    return goals(summary) + "\n\n" + grid(["swap", "suspected %", "and named rightly %"], rows)


def _goals(group: str, sensitivity: float, specificity: float, alarms: int) -> Iterator[Goal]:
    must_se, aim_se, must_sp, aim_sp = LIMITS.get(group, (None, None, None, None))
    yield Goal(f"{group}: sensitivity", sensitivity, must_se, aim_se, unit=" %")
    yield Goal(f"{group}: specificity", specificity, must_sp, aim_sp, unit=" %", note=f"{alarms} false")
