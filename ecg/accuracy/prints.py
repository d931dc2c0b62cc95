"""Every file of the data folder against every other: how often two different ECGs are taken for one."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

import ecg
from ecg.arrays import Floats
from ecg.errors import Unreadable
from ecg.fingerprint import OVERLAP_S, RATE_HZ, SAME, SHIFT_S, Fingerprint, curves, fingerprint, likeness

SKIPPED = {".csv", ".md", ".txt", ".png", ".jpg", ".atr", ".dat", ".mat", ".gz"}

WORTH = 0.7
"""Correlation of a lead at a whole shift below which two fingerprints cannot be alike at a finer one."""


def _prints(data: Path, most: int | None) -> dict[str, Fingerprint]:
    found: dict[str, Fingerprint] = {}
    for path in sorted(p for p in data.rglob("*") if p.is_file() and p.suffix.lower() not in SKIPPED):
        try:
            recording = ecg.read(path)
        except (Unreadable, ValueError, OSError):
            continue
        if recording.seconds >= 5.0:
            found[str(path.relative_to(data))] = fingerprint(recording)
        if most is not None and len(found) >= 4 * most:
            break
    return found


def section(data: Path, most: int | None) -> str:
    """The pairs that match, and the share of false ones among all others."""
    prints = _prints(data, most)
    pairs = list(itertools.combinations(prints, 2))
    alike = {(a, b): likeness(prints[a], prints[b]) for a, b in _near(prints)}
    same = {pair: value for pair, value in alike.items() if value >= SAME}
    groups = _groups(list(same))
    near = sorted((v for v in alike.values() if v < SAME), reverse=True)[:3]
    lines = "\n".join(f"- {', '.join(f'`{name}`' for name in group)}" for group in groups)
    size = max((len(p.data) for p in prints.values()), default=0)
    return (
        f"{len(prints)} files, {len(pairs)} pairs, {size} bytes at most. Likeness ≥ {SAME}: {len(same)} pairs, in "
        f"{len(groups)} groups, all below; what the data folder's README does not name as one ECG is"
        f" a false match."
        f" The nearest pairs beneath: {', '.join(f'{v:.3f}' for v in near)}.\n\n{lines}"
    )


def _near(prints: dict[str, Fingerprint]) -> list[tuple[str, str]]:
    """The pairs that are worth a comparison: alike in one lead at some whole shift. All pairs at once, by products."""
    held: dict[int, dict[str, Floats]] = {}
    for name, one in prints.items():
        for code, curve in curves(one).items():
            held.setdefault(code, {})[name] = curve
    found: dict[tuple[str, str], None] = {}
    for rows in held.values():
        names = sorted(rows)
        for a, b in zip(*np.nonzero(_alike([rows[name] for name in names]) >= WORTH), strict=True):
            if a < b:
                found[names[int(a)], names[int(b)]] = None
    return list(found)


def _alike(rows: list[Floats]) -> Floats:
    """The largest correlation over whole shifts, float [row, row]; rows may differ in length."""
    size = max(len(row) for row in rows)
    values, there = np.zeros((2, len(rows), size))
    for k, row in enumerate(rows):
        values[k, : len(row)], there[k, : len(row)] = row, 1.0
    best = np.zeros((len(rows), len(rows)))
    reach, least = round(SHIFT_S * RATE_HZ), round(OVERLAP_S * RATE_HZ)
    for shift in range(min(reach, size - 1) + 1):
        left, right, seen = values[:, shift:], values[:, : size - shift], there[:, : size - shift]
        common = there[:, shift:] @ seen.T
        scale = np.sqrt(((left**2) @ seen.T) * (there[:, shift:] @ (right**2).T))
        found = np.where((common >= least) & (scale > 0), left @ right.T / np.maximum(scale, 1e-12), 0.0)
        best = np.maximum(best, np.maximum(found, found.T))
    return best


def _groups(pairs: list[tuple[str, str]]) -> list[list[str]]:
    groups: list[set[str]] = []
    for a, b in pairs:
        touching = [g for g in groups if a in g or b in g]
        groups = [g for g in groups if g not in touching] + [{a, b}.union(*touching)]
    return sorted(sorted(group) for group in groups)
