"""Damaged signals by number: the same number gives the same signal, so that a run can be cut, resumed and repeated."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ecg.recording import EXTRA_LEADS, STANDARD_LEADS, Recording
from ecg.synthesis import Heart, Noise, Rhythm, synthesise

Samples = NDArray[np.float64]
Damage = Callable[[Samples, np.random.Generator], Samples]
RATES_HZ = (100.0, 128.0, 250.0, 360.0, 500.0, 1000.0, 2000.0)
LONGEST_SAMPLES = 30_000
NAMES = STANDARD_LEADS + EXTRA_LEADS


def _cut(x: Samples, rng: np.random.Generator) -> Samples:
    first, last = sorted(rng.integers(0, x.shape[1] + 1, 2).tolist())
    return x[:, first:last]


def _gone(x: Samples, rng: np.random.Generator) -> Samples:
    return np.where(rng.random(x.shape) < rng.random(), np.nan, x)


def _spiky(x: Samples, rng: np.random.Generator) -> Samples:
    return x + rng.choice([1.0, 20.0, 1e6]) * (rng.random(x.shape) < rng.choice([0.001, 0.02]))


def _held(x: Samples, rng: np.random.Generator) -> Samples:
    out = x.copy()
    out[rng.random(len(x)) < 0.5, int(rng.integers(0, x.shape[1])) :] = rng.choice([0.0, -16.0, 5e5, np.inf])
    return out


DAMAGE: dict[str, Damage] = {
    "whole": lambda x, rng: x,
    "random": lambda x, rng: rng.normal(0, rng.choice([1e-6, 0.05, 1.0, 1e3]), x.shape),
    "cut": _cut,
    "constant": lambda x, rng: np.full(x.shape, rng.choice([0.0, 1.0, -5.0, 1e9, np.nan])),
    "NaN": _gone,
    "saturated": lambda x, rng: np.clip(x, -0.4 * rng.random(), 0.4 * rng.random()),
    "spiky": _spiky,
    "permuted in time": lambda x, rng: rng.permutation(x, axis=1),
    "permuted leads": lambda x, rng: rng.permutation(x, axis=0),
    "held": _held,
    "wandering": lambda x, rng: x + np.cumsum(rng.normal(0, 0.05, x.shape), axis=1),
    "huge": lambda x, rng: x * 10.0 ** float(rng.integers(-12, 300)),
}


@cache
def _heart(number: int) -> Samples:
    """One minute at 500 Hz, 12 leads."""
    heart = Heart(rate_bpm=(40.0, 75.0, 150.0)[number], individual=0.5, rhythm=list(Rhythm)[number % len(Rhythm)])
    return synthesise(heart, Noise(0.01, 0.02, 50.0, 0.1), seconds=60.0, seed=number).recording.millivolts


def signal(number: int) -> Recording:
    """Signal ``number``: one of 12 damages to 1–15 leads of 2.5 to 60 s at 100 to 2000 Hz (short where it is fast)."""
    rng = np.random.default_rng(number)
    rate = float(rng.choice(RATES_HZ))
    seconds = min(
        float(rng.choice([2.5, 5.0, 10.0, 10.0, 60.0], p=[0.8, 0.1, 0.08, 0.015, 0.005])), LONGEST_SAMPLES / rate
    )
    at = np.minimum(np.arange(int(seconds * rate)) / rate * 500.0, 29_999.0)
    leads = int(rng.integers(1, 16))
    whole = _heart(int(rng.integers(0, 3)))
    rows = np.stack([np.interp(at, np.arange(30_000.0), whole[k % 12]) for k in range(leads)])
    names = NAMES[:leads] if rng.random() < 0.7 else tuple(f"X{k}" for k in range(leads))
    damaged = list(DAMAGE.values())[number % len(DAMAGE)](rows, rng)
    counts = tuple(rng.choice([0.5, 1.0, 5.0], leads).tolist()) if rng.random() < 0.3 else None
    return Recording(names, damaged, rate, "fuzz", microvolts_per_count=counts)
