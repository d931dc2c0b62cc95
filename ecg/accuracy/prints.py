"""Every file of the data folder against every other: how often two different ECGs are taken for one."""

from __future__ import annotations

import itertools
from pathlib import Path

import ecg
from ecg.errors import Unreadable
from ecg.fingerprint import SAME, Fingerprint, fingerprint, likeness

SKIPPED = {".csv", ".md", ".txt", ".png", ".jpg", ".atr", ".dat", ".mat", ".gz"}


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
    alike = {(a, b): likeness(prints[a], prints[b]) for a, b in pairs if _may_match(prints[a], prints[b])}
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


def _may_match(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether they have a lead in common."""
    return bool(set(one.data[1 : 1 + one.data[3]]) & set(other.data[1 : 1 + other.data[3]]))


def _groups(pairs: list[tuple[str, str]]) -> list[list[str]]:
    groups: list[set[str]] = []
    for a, b in pairs:
        touching = [g for g in groups if a in g or b in g]
        groups = [g for g in groups if g not in touching] + [{a, b}.union(*touching)]
    return sorted(sorted(group) for group in groups)
