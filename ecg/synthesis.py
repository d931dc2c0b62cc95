"""Synthetic 12-lead ECGs with known truth: the tests' ground and the demonstration county's patients.

A beat is a moving dipole: P, QRS and T are sums of smooth waves, each with a direction in space, seen by the leads
through ``ecg.lead_field``; so limb leads obey Einthoven exactly, R grows across the chest, reciprocal change comes by
itself. Waves have ends (powers of a cosine, no tails), so onsets and offsets are known to the sample; each beat begins
on a sample. The end of T is where the tangent of its steepest descent meets the baseline (CLINICAL.md §2.1).

ST at J is given in mV by lead and is met exactly as §2.2 measures it (mean of J−2…J+6 ms, against the 20 ms before
QRS), before noise. Noise belongs to electrodes, not to leads, so it obeys Einthoven too. The same arguments give the
same ECG.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ecg.lead_field import (
    CHEST_ELECTRODES,
    ELECTRODES,
    FIELD,
    INDEPENDENT,
    potentials,
    recorded,
    spread,
    swapped,
    twelve,
)
from ecg.recording import EXTRA_LEADS, STANDARD_LEADS, AcquiredAt, Filters, PatientFacts, Recording

Floats = NDArray[np.float64]
Vector = tuple[float, float, float]

REFERENCE_MS = 20.0
J_WINDOW_MS = (-2.0, 6.0)
STEP_MV = 0.001
"""Resolution of I, II and the chest leads: 1 µV."""
QTCF_MS = 405.0
TANGENT_END = 0.5 + 1 / np.pi
"""Where the steepest tangent of a squared cosine meets zero, in half-widths behind its peak."""


class Rhythm(StrEnum):
    """Who sets the pace."""

    SINUS = "sinus"
    FIBRILLATION = "fibrillation"
    """Atrial fibrillation: no P, f waves, irregular."""


class Conduction(StrEnum):
    """How the ventricles are activated."""

    NORMAL = "normal"
    LBBB = "lbbb"
    RBBB = "rbbb"


class BeatKind(StrEnum):
    """Origin of one beat."""

    SINUS = "sinus"
    ATRIAL = "atrial"
    VENTRICULAR = "ventricular"


TERRITORIES: dict[str, dict[str, float]] = {
    "anterior": {"V1": 0.12, "V2": 0.34, "V3": 0.42, "V4": 0.32, "V5": 0.17, "V6": 0.06, "I": 0.05, "II": -0.02},
    "anteroseptal": {"V1": 0.20, "V2": 0.32, "V3": 0.28, "V4": 0.08, "V5": 0.00, "V6": -0.02, "I": 0.02, "II": -0.04},
    "inferior": {"II": 0.22, "III": 0.30, "V1": 0.02, "V2": -0.10, "V3": -0.06, "V4": 0.00, "V5": 0.05, "V6": 0.07},
    "lateral": {"I": 0.16, "aVL": 0.17, "V1": -0.06, "V2": -0.07, "V3": 0.00, "V4": 0.08, "V5": 0.17, "V6": 0.18},
    "high lateral": {"I": 0.13, "aVL": 0.16, "V1": -0.03, "V2": 0.04, "V3": 0.00, "V4": 0.00, "V5": 0.03, "V6": 0.04},
    "posterior": {"I": 0.01, "II": 0.04, "V1": -0.08, "V2": -0.18, "V3": -0.17, "V4": -0.08, "V5": 0.00, "V6": 0.03,
                  "V7": 0.09, "V8": 0.11, "V9": 0.09},
    "right ventricular": {"II": 0.13, "III": 0.24, "V1": 0.09, "V2": 0.00, "V3": -0.04, "V4": -0.04, "V5": -0.03,
                          "V6": -0.02, "V3R": 0.12, "V4R": 0.14, "V5R": 0.10},
    "subendocardial": {"I": -0.12, "II": -0.15, "V1": 0.08, "V2": -0.04, "V3": -0.12, "V4": -0.22, "V5": -0.22,
                       "V6": -0.16},
}  # fmt: skip
"""ST at J by territory, mV: typical patterns with their reciprocal change."""


@dataclass(frozen=True, slots=True)
class Ectopic:
    """A premature beat behind sinus beat number ``after`` (from 0), at ``coupling`` of the running RR interval."""

    kind: BeatKind
    after: int
    coupling: float = 0.65


@dataclass(frozen=True, slots=True)
class Heart:
    """What the heart does. ``qt_ms`` ``None``: QTcF of 405 ms. ``st_mv``: ST at J by lead, mV (``TERRITORIES``).

    ``individual`` 0 is the textbook heart; 1 turns and scales its waves as people differ, by the seed. ``rr_sd``:
    standard deviation of RR as a part of the mean, beside a breathing arrhythmia of the same size.
    """

    rate_bpm: float = 70.0
    rr_sd: float = 0.02
    p_ms: float = 104.0
    pr_ms: float = 160.0
    qrs_ms: float = 92.0
    qt_ms: float | None = None
    rhythm: Rhythm = Rhythm.SINUS
    conduction: Conduction = Conduction.NORMAL
    st_mv: Mapping[str, float] = field(default_factory=dict[str, float])
    t_scale: float = 1.0
    qrs_scale: float = 1.0
    ectopics: tuple[Ectopic, ...] = ()
    individual: float = 0.0


@dataclass(frozen=True, slots=True)
class Noise:
    """What the electrodes add: root mean square of muscle, amplitude of mains, standard deviation of slow wander."""

    muscle_mv: float = 0.005
    mains_mv: float = 0.0
    mains_hz: float = 50.0
    wander_mv: float = 0.02


SILENT = Noise(0.0, 0.0, 50.0, 0.0)


@dataclass(frozen=True, slots=True)
class TrueBeat:
    """One beat in samples: QRS onset and offset (J), P onset and offset (``None``: no P), end of T."""

    kind: BeatKind
    qrs_on: int
    qrs_off: int
    p_on: int | None
    p_off: int | None
    t_off: int


@dataclass(frozen=True, slots=True)
class Truth:
    """What was put in. ``st_j_mv``: by lead, of the dominant beat, before noise, swaps and loose electrodes."""

    beats: tuple[TrueBeat, ...]
    heart_rate_bpm: float
    p_ms: float | None
    pr_ms: float | None
    qrs_ms: float
    qt_ms: float
    st_j_mv: dict[str, float]
    swaps: tuple[tuple[str, str], ...]
    off: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A recording and its truth."""

    recording: Recording
    truth: Truth


@dataclass(frozen=True, slots=True)
class _Wave:
    """Rises from ``start`` to ``top``, stays to ``rest``, falls to ``end`` (ms from QRS onset); ``profile``: mV [lead].

    Flanks are a cosine to the power of ``rise`` and ``fall``: 1 is steep at the foot, 3 creeps away from it.
    """

    start: float
    top: float
    rest: float
    end: float
    rise: float
    fall: float
    profile: Floats


Part = tuple[float, float, Vector]
"""Centre and half-width as parts of the wave's duration, and the dipole at its peak."""

P_PARTS: tuple[Part, ...] = ((0.38, 0.38, (0.08, 0.06, -0.04)), (0.62, 0.38, (0.095, 0.04, 0.01)))
QRS_PARTS: dict[Conduction, tuple[Part, ...]] = {
    Conduction.NORMAL: (
        (0.20, 0.20, (-0.16, -0.06, -0.26)),  # septum: to the right and the front
        (0.44, 0.25, (1.02, 0.78, 0.10)),  # both free walls, the left one wins
        (0.60, 0.25, (0.52, 0.20, 0.80)),  # lateral and posterior left wall
        (0.85, 0.15, (-0.17, -0.20, 0.04)),  # base
    ),
    Conduction.LBBB: (
        (0.20, 0.20, (0.25, 0.22, 0.22)),
        (0.40, 0.26, (0.92, 0.45, 0.95)),
        (0.66, 0.26, (0.88, 0.02, 1.02)),
        (0.87, 0.13, (0.18, -0.10, 0.18)),
    ),
    Conduction.RBBB: (
        (0.13, 0.13, (-0.16, -0.06, -0.26)),
        (0.29, 0.17, (1.00, 0.75, 0.15)),
        (0.40, 0.17, (0.45, 0.10, 0.55)),
        (0.74, 0.26, (-0.55, -0.05, -0.58)),
    ),
}
VENTRICULAR_PARTS: tuple[Part, ...] = ((0.34, 0.34, (0.55, 0.95, 0.85)), (0.64, 0.36, (0.45, 0.90, 0.95)))
T_DIPOLE: dict[Conduction, Vector] = {
    Conduction.NORMAL: (0.30, 0.20, -0.17),
    Conduction.LBBB: (-0.28, 0.02, -0.38),
    Conduction.RBBB: (0.28, 0.20, 0.03),
}
VENTRICULAR_T: Vector = (-0.28, -0.45, -0.48)
ATRIAL_P_TURN = np.diag([1.0, 0.35, 1.0])
VENTRICULAR_QRS_MS, VENTRICULAR_QT_MS = 148.0, 400.0
P_POWER, QRS_POWER, T_RISE, T_FALL = 1.3, 1.6, 3.2, 2.0
T_PEAK_PART = 0.66
HYPERACUTE = 0.7
"""How much of an ST shift the T wave on top of it takes over."""


def synthesise(
    heart: Heart | None = None,
    noise: Noise | None = None,
    *,
    seed: int = 0,
    seconds: float = 10.0,
    rate_hz: float = 500.0,
    extra_leads: bool = False,
    swaps: tuple[tuple[str, str], ...] = (),
    off: tuple[str, ...] = (),
    patient: PatientFacts | None = None,
    acquired_at: AcquiredAt | None = None,
) -> Synthetic:
    """One ECG.

    ``extra_leads``: V7–V9 and V3R–V5R too. ``swaps``: pairs of electrodes exchanged (``ecg.lead_field.ELECTRODES``).
    ``off``: electrodes without contact; a chest lead without contact is flat, a limb electrode carries mains and drift.
    ``ValueError`` for a name that is no electrode, or ST values that contradict Einthoven's law.
    """
    heart, noise = heart or Heart(), noise or Noise()
    if unknown := {*off, *(name for pair in swaps for name in pair)} - set(ELECTRODES):
        raise ValueError(f"no such electrode: {', '.join(sorted(unknown))}")
    rng = np.random.default_rng(seed)
    body = _Body(heart, rate_hz, rng)
    beats = _schedule(heart, seconds, rate_hz, rng)
    samples = round(seconds * rate_hz)
    independent = _render(body, beats, samples, rate_hz)
    if heart.rhythm is Rhythm.FIBRILLATION:
        independent += _f_waves(samples, rate_hz, rng)
    electrodes = swapped(potentials(independent), swaps)
    _add_noise(electrodes, noise, off, samples, rate_hz, rng)
    leads = _quantised(recorded(electrodes), off)
    names = STANDARD_LEADS + (EXTRA_LEADS if extra_leads else ())
    return Synthetic(
        Recording(
            leads=names,
            millivolts=np.stack([leads[name] for name in names]),
            rate_hz=rate_hz,
            format="synthetic",
            acquired_at=acquired_at,
            patient=patient or PatientFacts(),
            filters=Filters(0.05, 150.0, None),
        ),
        _truth(body, beats, samples, swaps, off),
    )


class _Body:
    """One person: the waves of each kind of beat, in ms from QRS onset."""

    def __init__(self, heart: Heart, rate_hz: float, rng: np.random.Generator) -> None:
        self.heart = heart
        self.rate_hz = rate_hz
        self.turn = _rotation(rng.normal(0, np.radians(9) * heart.individual, 3))
        self.scale = np.exp(rng.normal(0, 0.13 * heart.individual, 3))
        self.qt_ms = heart.qt_ms if heart.qt_ms is not None else QTCF_MS * (60 / heart.rate_bpm) ** (1 / 3)
        self.waves = {kind: self._waves(kind) for kind in BeatKind}
        self.st_mv = np.zeros(len(INDEPENDENT))
        if heart.st_mv:
            self._add_st()

    def intervals(self, kind: BeatKind) -> tuple[float, float, float | None, float]:
        """QRS, QT, PR (``None`` without a P wave) and P in ms."""
        if kind is BeatKind.VENTRICULAR:
            return VENTRICULAR_QRS_MS, VENTRICULAR_QT_MS, None, 0.0
        sinus = self.heart.rhythm is Rhythm.SINUS
        return self.heart.qrs_ms, self.qt_ms, self.heart.pr_ms if sinus else None, self.heart.p_ms

    def sampled(self, ms: float) -> int:
        """A time as samples."""
        return round(ms * self.rate_hz / 1000)

    def _waves(self, kind: BeatKind) -> list[_Wave]:
        heart = self.heart
        qrs, qt, pr, p = self.intervals(kind)
        wide = kind is BeatKind.VENTRICULAR
        waves: list[_Wave] = []
        if pr is not None:
            turn = self.turn @ ATRIAL_P_TURN if kind is BeatKind.ATRIAL else self.turn
            waves += _parts(P_PARTS, -pr, p, P_POWER, turn * self.scale[0])
        parts = VENTRICULAR_PARTS if wide else QRS_PARTS[heart.conduction]
        waves += _parts(parts, 0.0, qrs, QRS_POWER, self.turn * self.scale[1] * heart.qrs_scale)
        dipole = np.array(VENTRICULAR_T if wide else T_DIPOLE[heart.conduction])
        profile = FIELD @ (self.turn @ dipole) * (self.scale[2] * heart.t_scale)
        waves.append(_t_wave(qrs, qt, profile))
        return waves

    def _add_st(self) -> None:
        """Solve for the ST wave that §2.2 measures as asked for, and lay it under every conducted beat."""
        qrs, qt = self.heart.qrs_ms, self.qt_ms
        unit = np.ones(len(INDEPENDENT))
        plain = _measured_st(self.waves[BeatKind.SINUS], qrs, self.rate_hz)
        gain = _measured_st(_st_waves(qrs, qt, unit), qrs, self.rate_hz)
        rest = {lead: mv - float(twelve(plain)[lead]) for lead, mv in self.heart.st_mv.items() if lead in twelve(plain)}
        self.st_mv = spread({**dict(self.heart.st_mv), **rest}) / gain
        for kind in (BeatKind.SINUS, BeatKind.ATRIAL):
            self.waves[kind] = [*self.waves[kind], *_st_waves(qrs, qt, self.st_mv)]


def _parts(parts: tuple[Part, ...], start: float, duration: float, power: float, turn: Floats) -> list[_Wave]:
    return [
        _Wave(
            start + (centre - half) * duration,
            start + centre * duration,
            start + centre * duration,
            start + (centre + half) * duration,
            power,
            power,
            FIELD @ (turn @ np.array(dipole)),
        )
        for centre, half, dipole in parts
    ]


def _t_wave(qrs: float, qt: float, profile: Floats) -> _Wave:
    peak = qrs + T_PEAK_PART * (qt - qrs)
    return _Wave(qrs, peak, peak, peak + (qt - peak) / TANGENT_END, T_RISE, T_FALL, profile)


def _st_waves(qrs: float, qt: float, profile: Floats) -> list[_Wave]:
    """The ST shift from the middle of QRS to the end of T, and the T wave that it raises."""
    tee = _t_wave(qrs, qt, profile * HYPERACUTE)
    shift = _Wave(0.45 * qrs, qrs - 10, qrs + 0.5 * (tee.top - qrs), tee.end, T_FALL, T_FALL, profile)
    return [shift, tee]


def _value(wave: _Wave, ms: Floats) -> Floats:
    """The wave's time course, 0…1, at times ``ms``."""
    rise = (wave.top - ms) / max(wave.top - wave.start, 1e-9)
    fall = (ms - wave.rest) / max(wave.end - wave.rest, 1e-9)
    distance = np.clip(np.maximum(rise, fall), 0, 1)
    return np.cos(np.pi / 2 * distance) ** np.where(ms < wave.top, wave.rise, wave.fall)


def _measured_st(waves: list[_Wave], qrs_ms: float, rate_hz: float) -> Floats:
    """ST at J [lead] as CLINICAL.md §2.2 takes it, on the samples of one beat alone."""
    step = 1000 / rate_hz
    j = round(qrs_ms / step) * step
    first, last = (j + edge for edge in J_WINDOW_MS)
    window = np.arange(int(np.ceil(first / step - 1e-9)), int(np.floor(last / step + 1e-9)) + 1, dtype=np.float64)
    before = np.arange(-round(REFERENCE_MS / step), 0, dtype=np.float64)

    def mean(samples: Floats) -> Floats:
        return np.sum([wave.profile * float(_value(wave, samples * step).mean()) for wave in waves], axis=0)

    return mean(window) - mean(before)


def _schedule(heart: Heart, seconds: float, rate_hz: float, rng: np.random.Generator) -> list[tuple[BeatKind, int]]:
    """Kind and QRS onset (samples) of each beat, from before the first sample to behind the last."""
    mean = 60 / heart.rate_bpm
    time = -mean * float(rng.uniform(0.2, 0.8)) - mean
    phase = float(rng.uniform(0, 2 * np.pi))
    ectopics = {ectopic.after: ectopic for ectopic in heart.ectopics}
    beats: list[tuple[BeatKind, float]] = []
    number = 0
    while time < seconds + 1:
        beats.append((BeatKind.SINUS, time))
        rr = mean * (1 + heart.rr_sd * (np.sin(2 * np.pi * 0.25 * time + phase) + float(rng.normal())))
        if heart.rhythm is Rhythm.FIBRILLATION:
            rr = mean * float(np.clip(rng.gamma(16, 1 / 16), 0.55, 1.9))
        rr = max(rr, 0.3 * mean)
        if time >= 0:
            if (ectopic := ectopics.get(number)) is not None:
                beats.append((ectopic.kind, time + ectopic.coupling * rr))
                rr *= 2.0 if ectopic.kind is BeatKind.VENTRICULAR else ectopic.coupling + 1.1
            number += 1
        time += rr
    return [(kind, round(at * rate_hz)) for kind, at in beats]


def _render(body: _Body, beats: list[tuple[BeatKind, int]], samples: int, rate_hz: float) -> Floats:
    """The independent leads [lead, sample] of all beats."""
    found = np.zeros((len(INDEPENDENT), samples))
    for kind, onset in beats:
        for wave in body.waves[kind]:
            first = max(0, onset + int(np.floor(wave.start * rate_hz / 1000)))
            last = min(samples, onset + int(np.ceil(wave.end * rate_hz / 1000)) + 1)
            if first < last:
                ms = (np.arange(first, last) - onset) * 1000 / rate_hz
                found[:, first:last] += wave.profile[:, None] * _value(wave, ms)
    return found


def _f_waves(samples: int, rate_hz: float, rng: np.random.Generator) -> Floats:
    """Fibrillation of the atria: a wandering 5–7 Hz wave, largest in V1."""
    time = np.arange(samples) / rate_hz
    found = np.zeros((len(INDEPENDENT), samples))
    for direction in ((-0.03, 0.03, -0.07), (0.01, 0.025, 0.02)):
        knots = np.arange(int(samples / rate_hz) + 2)
        hertz = 6 + np.interp(time, knots, rng.normal(0, 0.6, len(knots)))
        angle = 2 * np.pi * np.cumsum(hertz) / rate_hz + float(rng.uniform(0, 6))
        course = np.sin(angle) + 0.35 * np.sin(2 * angle + 1)
        found += (FIELD @ np.array(direction))[:, None] * course
    return found


def _add_noise(
    electrodes: dict[str, Floats],
    noise: Noise,
    off: tuple[str, ...],
    samples: int,
    rate_hz: float,
    rng: np.random.Generator,
) -> None:
    time = np.arange(samples) / rate_hz
    phase = float(rng.uniform(0, 2 * np.pi))
    for name, clean in electrodes.items():
        mains = noise.mains_mv * float(rng.uniform(0.3, 1.0)) * np.sin(2 * np.pi * noise.mains_hz * time + phase)
        muscle = noise.muscle_mv * _muscle(samples, rate_hz, rng)
        found = clean + muscle + mains + noise.wander_mv * _wander(time, rng)
        if name in off and name not in CHEST_ELECTRODES:
            found = 0.6 * np.sin(2 * np.pi * noise.mains_hz * time + phase) + 0.8 * _wander(time, rng)
        electrodes[name] = found


def _muscle(samples: int, rate_hz: float, rng: np.random.Generator) -> Floats:
    """White noise between 20 and 150 Hz, root mean square 1."""
    spectrum = np.fft.rfft(rng.normal(0, 1, samples))
    hertz = np.fft.rfftfreq(samples, 1 / rate_hz)
    spectrum[(hertz < 20) | (hertz > 150)] = 0
    found = np.fft.irfft(spectrum, samples)
    size = float(found.std())
    return found / size if size > 0 else found


def _wander(time: Floats, rng: np.random.Generator) -> Floats:
    """Breathing at 0.15–0.3 Hz and slower drift, standard deviation about 1."""
    found = np.zeros(len(time))
    for low, high, size in ((0.15, 0.3, 1.0), (0.03, 0.1, 0.9), (0.3, 0.6, 0.25)):
        hertz, phase = rng.uniform(low, high), rng.uniform(0, 2 * np.pi)
        found += size * np.sin(2 * np.pi * hertz * time + phase)
    return found


def _quantised(independent: Floats, off: tuple[str, ...]) -> dict[str, Floats]:
    """All leads, I, II and the chest leads on the 1 µV grid; a chest lead without contact is flat."""
    grid = np.rint(independent / STEP_MV) * STEP_MV
    for name in off:
        if name in CHEST_ELECTRODES:
            grid[INDEPENDENT.index(name)] = 0.0
    return twelve(grid)


def _truth(
    body: _Body,
    beats: list[tuple[BeatKind, int]],
    samples: int,
    swaps: tuple[tuple[str, str], ...],
    off: tuple[str, ...],
) -> Truth:
    marks = [_true_beat(body, kind, onset) for kind, onset in beats]
    inside = tuple(beat for beat in marks if beat.qrs_on >= 0 and beat.qrs_off < samples)
    onsets = [beat.qrs_on for beat in inside]
    mean_rr = float(np.diff(onsets).mean()) / body.rate_hz if len(onsets) > 1 else 60 / body.heart.rate_bpm
    st = _measured_st(body.waves[BeatKind.SINUS], body.heart.qrs_ms, body.rate_hz)
    sinus = body.heart.rhythm is Rhythm.SINUS
    return Truth(
        beats=inside,
        heart_rate_bpm=60 / mean_rr,
        p_ms=body.heart.p_ms if sinus else None,
        pr_ms=body.heart.pr_ms if sinus else None,
        qrs_ms=body.heart.qrs_ms,
        qt_ms=body.qt_ms,
        st_j_mv={lead: float(value) for lead, value in twelve(st).items()},
        swaps=swaps,
        off=off,
    )


def _true_beat(body: _Body, kind: BeatKind, onset: int) -> TrueBeat:
    qrs, qt, pr, p = body.intervals(kind)
    return TrueBeat(
        kind=kind,
        qrs_on=onset,
        qrs_off=onset + body.sampled(qrs),
        p_on=None if pr is None else onset - body.sampled(pr),
        p_off=None if pr is None else onset - body.sampled(pr - p),
        t_off=onset + body.sampled(qt),
    )


def _rotation(angles: Floats) -> Floats:
    """A turn about x, y and z (radians)."""
    (sx, sy, sz), (cx, cy, cz) = np.sin(angles), np.cos(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x
