"""What one analysis costs, and that no damage to the samples ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

import ecg
from ecg.accuracy import peers, truth
from ecg.accuracy.table import Goal
from ecg.arrays import Floats
from ecg.recording import Recording

Clock = Callable[[], float]
WARM = 3
PEER_RECORDS = 10
DAMAGE: dict[str, Callable[[Floats, np.random.Generator], Floats]] = {
    "random": lambda x, rng: rng.normal(0, 1, x.shape),
    "cut": lambda x, rng: x[:, : round(x.shape[1] * rng.random())],
    "constant": lambda x, rng: np.full(x.shape, float(rng.normal())),
    "NaN": lambda x, rng: np.where(rng.random(x.shape) < rng.random(), np.nan, x),
    "saturated": lambda x, rng: np.clip(x, -0.2 * rng.random(), 0.2 * rng.random()),
    "spiky": lambda x, rng: x + 20 * (rng.random(x.shape) < 0.001),
    "permuted": lambda x, rng: rng.permutation(x.ravel()).reshape(x.shape),
}


def rows(data: Path, most: int | None, with_peers: bool, clock: Clock) -> Iterator[Goal]:
    """Speed, and robustness."""
    recordings = [truth.read(path) for path in truth.numbered(data / "ludb", most)]
    for one in recordings[:WARM]:
        ecg.analyze(one)
    times = [_timed(ecg.analyze, one, clock) for one in recordings]
    usual = float(np.median(times))
    yield Goal("`ecg.analyze`, 12 leads, 10 s, 500 Hz: median", 1000 * usual, 15, 8, False, " ms")
    yield Goal("p99", 1000 * float(np.quantile(times, 0.99)), 40, 40, False, " ms")
    kit = peers.delineators().get("NeuroKit2") if with_peers else None
    if kit is not None:
        theirs = float(np.median([_timed(kit, one, clock) for one in recordings[:PEER_RECORDS]]))
        yield Goal("NeuroKit2 (clean + dwt, 12 leads) takes so many times as long", theirs / usual, None, 100)
    yield from _robust(recordings, most, usual, clock)


def _timed(work: Callable[[Recording], object], one: Recording, clock: Clock) -> float:
    began = clock()
    work(one)
    return clock() - began


def _robust(recordings: list[Recording], most: int | None, usual: float, clock: Clock) -> Iterator[Goal]:
    rng = np.random.default_rng(7)
    count, failed, longest = 700 if most is None else 7 * most, 0, 0.0
    for number in range(count):
        one = recordings[number % len(recordings)]
        damage = list(DAMAGE.values())[number % len(DAMAGE)]
        broken = replace(one, millivolts=damage(one.millivolts, rng), counts=None)
        try:
            took = _timed(ecg.analyze, broken, clock)
            if took > longest:  # timed again: what the machine did meanwhile is no cost of the signal
                longest = max(longest, min(took, *(_timed(ecg.analyze, broken, clock) for _ in range(2))))
        except Exception:  # noqa: BLE001 (the very thing that is counted)
            failed += 1
    yield Goal(f"{count} damaged signals: ended by an exception", failed, 0, 0, False)
    yield Goal("the slowest of them, in medians of whole ones", longest / usual, 5, 5, False, " ×")
