"""ECGs laid down wave by wave: each P, each QRS–T at its own second, so that block and dissociation are known exactly.

A heart is a list of events on a time line. A P wave, a narrow QRS with its T, a broad ventricular one, and twisting or
fluttering ventricles are moving dipoles (Frank's axes: left, feet, back; mV), seen through ``ecg.lead_field``. Nothing
here knows a rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecg.lead_field import FIELD, twelve
from ecg.recording import STANDARD_LEADS, Filters, PatientFacts, Recording, Sex

Floats = NDArray[np.float64]
Vector = tuple[float, float, float]
Part = tuple[float, float, Vector]
"""Centre and half-width in ms from the event's own second, dipole at the peak."""

RATE_HZ = 500.0
SINUS_P: tuple[Part, ...] = ((40.0, 40.0, (0.08, 0.07, -0.03)), (65.0, 38.0, (0.09, 0.07, 0.01)))
RETROGRADE_P: tuple[Part, ...] = ((45.0, 42.0, (0.02, -0.13, -0.01)),)
"""From the AV node upwards: negative in II, III, aVF."""
LOW_P: tuple[Part, ...] = ((45.0, 42.0, (-0.05, -0.11, 0.03)),)
"""A focus low in the left atrium."""
NARROW: tuple[Part, ...] = (
    (16.0, 16.0, (-0.14, -0.06, -0.24)), (38.0, 22.0, (0.95, 0.75, 0.10)), (54.0, 22.0, (0.50, 0.20, 0.75)),
    (76.0, 14.0, (-0.15, -0.18, 0.04)),
)  # fmt: skip
BROAD: tuple[Part, ...] = ((52.0, 52.0, (0.55, 0.95, 0.85)), (100.0, 50.0, (0.45, 0.90, 0.95)))
NARROW_T: Vector = (0.30, 0.20, -0.16)
BROAD_T: Vector = (-0.28, -0.45, -0.48)


@dataclass(slots=True)
class Strip:
    """A dipole over time, float [3, sample], that events are added to."""

    seconds: float = 10.0
    dipole: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.dipole = np.zeros((3, round(self.seconds * RATE_HZ)))

    def _bump(self, at_s: float, centre_ms: float, half_ms: float, vector: Sequence[float], power: float) -> None:
        first = max(0, int(np.ceil((at_s + (centre_ms - half_ms) / 1000) * RATE_HZ)))
        last = min(self.dipole.shape[1], int((at_s + (centre_ms + half_ms) / 1000) * RATE_HZ) + 1)
        if first < last:
            ms = np.arange(first, last) / RATE_HZ * 1000 - at_s * 1000 - centre_ms
            course = np.cos(np.clip(np.pi / 2 * ms / half_ms, -np.pi / 2, np.pi / 2)) ** power
            self.dipole[:, first:last] += np.asarray(vector, dtype=np.float64)[:, None] * course

    def p(self, onsets: Iterable[float], parts: tuple[Part, ...] = SINUS_P, scale: float = 1.0) -> Strip:
        """P waves that begin at these seconds."""
        for at in onsets:
            for centre, half, vector in parts:
                self._bump(at, centre, half, [scale * v for v in vector], 1.4)
        return self

    def narrow(self, onsets: Iterable[float], qt_ms: float = 400.0, scale: float = 1.0, tee: float = 1.0) -> Strip:
        """Narrow QRS (90 ms) and T that begin at these seconds."""
        for at in onsets:
            for centre, half, vector in NARROW:
                self._bump(at, centre, half, [scale * v for v in vector], 1.6)
            self._bump(at, 0.725 * qt_ms, 0.3 * qt_ms, [tee * v for v in NARROW_T], 2.0)
        return self

    def broad(
        self, onsets: Iterable[float], turn: Callable[[int], Floats] | None = None, qt_ms: float = 430.0
    ) -> Strip:
        """Ventricular beats (QRS 150 ms) with their T; ``turn``: a rotation of beat number k in space."""
        for k, at in enumerate(onsets):
            spin = np.eye(3) if turn is None else turn(k)
            for centre, half, vector in BROAD:
                self._bump(at, centre, half, (spin @ np.array(vector)).tolist(), 1.6)
            self._bump(at, qt_ms - 130.0, 150.0, (spin @ np.array(BROAD_T)).tolist(), 2.0)
        return self

    def twist(self, first_s: float, last_s: float, per_s: float, turns: float, size_mv: float = 1.4) -> Strip:
        """Torsades: broad ventricular beats ``per_s`` a second without rest, whose axis makes ``turns`` full turns."""
        time = np.arange(self.dipole.shape[1]) / RATE_HZ
        inside = (time >= first_s) & (time < last_s)
        part = (time - first_s) / (last_s - first_s)
        angle = 2 * np.pi * turns * part
        course = size_mv * np.sin(2 * np.pi * per_s * (time - first_s)) * inside
        self.dipole += course * np.stack([np.cos(angle), np.sin(angle), 0.5 * np.cos(angle)])
        return self

    def sine(self, first_s: float, last_s: float, per_s: float, vector: Vector = (0.5, 1.0, 0.6)) -> Strip:
        """Ventricular flutter: one regular sine wave, neither QRS nor T."""
        time = np.arange(self.dipole.shape[1]) / RATE_HZ
        inside = (time >= first_s) & (time < last_s)
        self.dipole += np.array(vector)[:, None] * (np.sin(2 * np.pi * per_s * time) * inside)
        return self

    def fibrillating(self, seed: int = 1, size: float = 1.0) -> Strip:
        """Fibrillation of the atria: a wandering wave of about 6 Hz, largest in V1."""
        rng = np.random.default_rng(seed)
        time = np.arange(self.dipole.shape[1]) / RATE_HZ
        knots = np.arange(int(self.seconds) + 2)
        for vector in ((-0.03, 0.03, -0.07), (0.01, 0.025, 0.02)):
            angle = 2 * np.pi * np.cumsum(6 + np.interp(time, knots, rng.normal(0, 0.6, len(knots)))) / RATE_HZ
            self.dipole += size * np.array(vector)[:, None] * (np.sin(angle) + 0.35 * np.sin(2 * angle + 1))
        return self

    def recording(self, noise_mv: float = 0.006, seed: int = 0, patient: PatientFacts | None = None) -> Recording:
        """The twelve leads, with white noise of the electrodes and a little breathing."""
        rng = np.random.default_rng(seed)
        seen = FIELD @ self.dipole
        time = np.arange(seen.shape[1]) / RATE_HZ
        seen = seen + rng.normal(0, noise_mv, seen.shape) + 0.02 * np.sin(2 * np.pi * 0.22 * time + rng.uniform(0, 6))
        leads = twelve(np.rint(seen * 1000) / 1000)
        return Recording(
            leads=STANDARD_LEADS,
            millivolts=np.stack([leads[name] for name in STANDARD_LEADS]),
            rate_hz=RATE_HZ,
            format="synthetic",
            patient=patient or PatientFacts(60, Sex.MALE),
            filters=Filters(0.05, 150.0, None),
        )


def every(step_s: float, first_s: float, last_s: float = 10.0) -> list[float]:
    """Seconds from ``first_s`` on, one each ``step_s``."""
    return [float(t) for t in np.arange(first_s, last_s, step_s)]


def turned(degrees: float) -> Floats:
    """A rotation in the frontal plane."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
