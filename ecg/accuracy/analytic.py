"""Signals whose truth is known exactly, against CLINICAL.md §2.7, and what wander does to ST (§1.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

import ecg
from ecg.accuracy.table import Goal
from ecg.analysis import Measurements
from ecg.arrays import Floats, counted, floats, ints
from ecg.recording import Recording
from ecg.signal.filters import baseline_through_knots
from ecg.synthesis import SILENT, TERRITORIES, Conduction, Heart, Synthetic, synthesise

LIMITS = {"p_ms": (10.0, 8.0), "pr_ms": (10.0, 8.0), "qrs_ms": (6.0, 5.0), "qt_ms": (12.0, 10.0)}
"""Largest mean difference and SD, ms (CAL and ANE)."""
AMPLITUDE_MV = 0.025
NOISES = ("muscle 25 µV rms", "mains 50 µV p-p", "wander 0.3 Hz 1 mV p-p")
STEADY = {"p_ms": (10.0, 20.0), "qrs_ms": (10.0, 20.0), "qt_ms": (20.0, 20.0)}
ST_POINTS = ("st_j_mv", "st_j20_mv", "st_j40_mv", "st_j60_mv", "st_j80_mv")


def hearts(most: int | None) -> list[Heart]:
    """Rates, widths, sizes and infarctions, in a fixed order."""
    found = [
        Heart(rate_bpm=rate, qrs_ms=width, pr_ms=pr, p_ms=p, qrs_scale=scale, rr_sd=0.0)
        for rate in (50.0, 70.0, 95.0, 120.0)
        for width, pr, p in ((84.0, 140.0, 90.0), (96.0, 170.0, 108.0), (110.0, 200.0, 116.0))
        for scale in (0.5, 1.0, 2.0)
    ]
    found += [Heart(qrs_ms=140.0, conduction=c) for c in (Conduction.LBBB, Conduction.RBBB)]
    found += [Heart(st_mv=st) for st in TERRITORIES.values()]
    return found[:most]


def noisy(recording: Recording, noise: str) -> Recording:
    """With one of :data:`NOISES`, the same in every run."""
    rng = np.random.default_rng(20)
    time = floats(counted(recording.samples)) / recording.rate_hz
    shape = recording.millivolts.shape
    added = {
        NOISES[0]: rng.normal(0, 0.025, shape),
        NOISES[1]: np.broadcast_to(0.025 * np.sin(2 * np.pi * 50 * time), shape),
        NOISES[2]: np.broadcast_to(0.5 * np.sin(2 * np.pi * 0.3 * time), shape),
    }[noise]
    return replace(recording, millivolts=recording.millivolts + added)


def rows(most: int | None) -> Iterator[Goal]:
    """Every figure."""
    made = [synthesise(heart, SILENT, seed=k) for k, heart in enumerate(hearts(most))]
    clean = [ecg.analyze(one.recording).measurements for one in made]
    yield from _intervals(made, clean)
    yield from _amplitudes(made, clean)
    for noise in NOISES:
        yield from _steadiness(noise, clean, [ecg.analyze(noisy(o.recording, noise)).measurements for o in made])
    yield from _wander(made, clean)
    yield _impulse()


def _intervals(made: list[Synthetic], found: list[Measurements]) -> Iterator[Goal]:
    for name, (mean, sd) in LIMITS.items():
        pairs = [(getattr(m, name), getattr(o.truth, name)) for o, m in zip(made, found, strict=True)]
        errors = floats([a - b for a, b in pairs if a is not None and b is not None])
        label, note = name.removesuffix("_ms").upper(), f"{errors.size} of {len(pairs)} measured"
        yield Goal(f"{label}: mean difference", float(abs(errors.mean())), mean, mean / 2, False, " ms", note)
        yield Goal(f"{label}: SD", float(errors.std()), sd, sd / 2, False, " ms")


def _amplitudes(made: list[Synthetic], found: list[Measurements]) -> Iterator[Goal]:
    errors = [
        abs(held.st_j_mv - one.truth.st_j_mv[lead])
        for one, m in zip(made, found, strict=True)
        for lead, held in m.leads.items()
        if held.st_j_mv is not None
    ]
    value = 1000 * max(errors, default=0.0)
    yield Goal("ST at J: largest difference of any lead", value, 25, 12.5, False, " µV")


def _steadiness(noise: str, clean: list[Measurements], found: list[Measurements]) -> Iterator[Goal]:
    for name, (mean, sd) in STEADY.items():
        pairs = [(getattr(a, name), getattr(b, name)) for a, b in zip(found, clean, strict=True)]
        errors = floats([a - b for a, b in pairs if a is not None and b is not None])
        if not errors.size:
            continue
        label, lost = name.removesuffix("_ms").upper(), sum(a is None and b is not None for a, b in pairs)
        note = f"{lost} no longer measured" if lost else ""
        yield Goal(f"{label} under {noise}: mean change", float(abs(errors.mean())), mean, mean / 2, False, " ms", note)
        yield Goal(f"{label} under {noise}: SD", float(errors.std()), sd, sd / 2, False, " ms")


def _wander(made: list[Synthetic], clean: list[Measurements]) -> Iterator[Goal]:
    for hertz in (0.3, 0.1):
        worst = 0.0
        for one, before in zip(made, clean, strict=True):
            time = floats(counted(one.recording.samples)) / one.recording.rate_hz
            moved = one.recording.millivolts + 0.5 * np.sin(2 * np.pi * hertz * time)
            after = ecg.analyze(replace(one.recording, millivolts=moved)).measurements
            worst = max([worst, *_st_changes(before, after)])
        what = f"ST J…J+80 changed by a {hertz} Hz, 1 mV p-p sine, largest of any lead"
        yield Goal(what, 1000 * worst, 25, 12.5, False, " µV")


def _st_changes(before: Measurements, after: Measurements) -> Iterator[float]:
    for lead in before.leads.keys() & after.leads.keys():
        for point in ST_POINTS:
            a, b = getattr(before.leads[lead], point), getattr(after.leads[lead], point)
            if a is not None and b is not None:
                yield abs(a - b)


def _impulse() -> Goal:
    """3 mV for 100 ms between T and P: how far the estimated baseline moves elsewhere."""
    one = synthesise(Heart(rate_bpm=60, rr_sd=0.0), SILENT)
    onsets = ints([b.qrs_on for b in one.truth.beats])
    plain: Floats = one.recording.millivolts
    struck = plain.copy()
    at = one.truth.beats[4].t_off + 60
    struck[:, at : at + 50] += 3.0
    before, after = (baseline_through_knots(x, 500.0, onsets) for x in (plain, struck))
    value = None if before is None or after is None else 1000 * float(np.abs(after - before).max())
    return Goal("0.3 mV·s impulse: displacement outside it", value, 100, 50, False, " µV")
