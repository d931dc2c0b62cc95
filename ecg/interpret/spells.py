"""Ventricles that swing without rest: where, how fast, and in which direction each beat points (CLINICAL.md §3.1).

In ventricular flutter, torsades and fast polymorphic tachycardia there is no QRS with a level behind it; a detector of
QRS finds some of the swings or none, and what it finds must not be believed. So the swings are looked at themselves, at
100 Hz and below 12 Hz. In a *spell* every second is filled (root mean square against peak as of a sine or a triangle,
never as of spikes on a level), large, and blunt (a narrow QRS holds much above 12 Hz). Half-swings are the peaks of the
power of all leads; two make a beat, whose vector is the difference of the two.

Asked only where beats are unlike, fast, or missing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecg.arrays import Flags, Floats, Ints, counted, typical
from ecg.interpret.facts import Facts

STEP_MS = 10.0
FRONTAL = ("I", "II")
CHEST = ("V1", "V2", "V3", "V4", "V5", "V6")
LEAST_LEADS = 3
LOW_HZ, HIGH_HZ = 1.3, 12.0
WINDOW, HOP = 100, 10
"""Samples of the second that is judged, and from one to the next."""
SWING_GAP_MS = 60.0
"""Two peaks of power nearer than that are one."""
SPREAD_OF_80 = 2.56
"""The middle 80 % of a normal distribution in standard deviations: a beat lost at either end does not count."""
BRIDGED = 4
"""Windows that are not filled between two that are: one and the same spell."""


@dataclass(frozen=True, slots=True, eq=False)
class Spell:
    """One spell: begin and end in s; beats a minute; variation of their length, as a share; unit vector of each beat,
    float [beat, lead]; frontal axis of each in degrees; share of the power in the main frequency ± 10 %."""

    first_s: float
    last_s: float
    rate_bpm: float
    variation: float
    vectors: Floats
    axes_deg: Floats
    purity: float

    @property
    def beats(self) -> int:
        """How many beats."""
        return int(self.axes_deg.size)

    @property
    def seconds(self) -> float:
        """How long."""
        return self.last_s - self.first_s

    @property
    def likeness(self) -> Floats:
        """Likeness of each beat to the next, −1 … 1."""
        out: Floats = (self.vectors[1:] * self.vectors[:-1]).sum(axis=1)
        return out

    @property
    def steps_deg(self) -> Floats:
        """Turn of the axis from beat to beat, −180 … 180."""
        out: Floats = (np.diff(self.axes_deg) + 180.0) % 360.0 - 180.0
        return out


def wanted(facts: Facts) -> bool:
    """Whether the beats give a reason to look: unlike one another, fast, or a long time without any."""
    r, limit = facts.rhythm, facts.rules.limit
    if not facts.signal.size:
        return False
    rate = facts.measurements.heart_rate_bpm
    gap = max(float(r.rr_ms.max()) if r.rr_ms.size else 0.0, 1000.0 * r.last_beat_gap_s)
    wide = facts.measurements.qrs_ms is None or facts.measurements.qrs_ms >= limit("conduction", "bbb_ms")
    least = limit("rhythm", "tachy_bpm") if wide else limit("spells", "search_bpm")
    fast = rate is not None and rate >= least
    return bool(r.spread_mv.size) or len(r.beats) < 3 or fast or gap >= limit("spells", "search_gap_ms")


def readable(facts: Facts) -> tuple[str, ...]:
    """The leads that are looked at: I, II and what of the chest leads can be read; empty with too few."""
    limbs = tuple(n for n in FRONTAL if n in facts.leads and facts.readable(n))
    chest = tuple(n for n in CHEST if n in facts.leads and facts.readable(n))
    return (*limbs, *chest) if len(limbs) == 2 and len(chest) + 2 >= LEAST_LEADS else ()


def longest(facts: Facts, leads: tuple[str, ...]) -> Spell | None:
    """The longest spell of the recording."""
    limit = facts.rules.limit
    step = max(1, round(STEP_MS * facts.rate_hz / 1000.0))
    raw = facts.signal[[facts.leads.index(n) for n in leads]]
    x = raw[:, : raw.shape[1] // step * step].reshape(len(leads), -1, step).mean(axis=2)
    if x.shape[1] < 2 * WINDOW:
        return None
    rate = facts.rate_hz / step
    soft, sharp = _split(x, rate)
    filled = _filled(facts, soft, sharp)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], filled.astype(np.intp), [0]])))
    if not edges.size:
        return None
    starts, stops = edges[::2], edges[1::2]
    for gap in np.flatnonzero(starts[1:] - stops[:-1] <= BRIDGED).tolist():
        starts[gap + 1], stops[gap] = starts[gap], stops[gap + 1]
    k = int(np.argmax(stops - starts))
    first, last = int(starts[k]) * HOP, int(stops[k] - 1) * HOP + WINDOW
    if (last - first) / rate * 1000.0 < limit("spells", "least_ms"):
        return None
    return _measured(soft[:, first:last], first / rate, rate)


def _split(x: Floats, rate_hz: float) -> tuple[Floats, Floats]:
    """What swings between 1.3 and 12 Hz, and what is faster."""
    spectrum = np.fft.rfft(x - x.mean(axis=1, keepdims=True), axis=1)
    hz = np.fft.rfftfreq(x.shape[1], 1.0 / rate_hz)
    slow, fast = spectrum.copy(), spectrum
    slow[:, (hz < LOW_HZ) | (hz > HIGH_HZ)] = 0.0
    fast[:, hz <= HIGH_HZ] = 0.0
    return np.fft.irfft(slow, x.shape[1], axis=1), np.fft.irfft(fast, x.shape[1], axis=1)


def _filled(facts: Facts, soft: Floats, sharp: Floats) -> Flags:
    """Which seconds are filled with large blunt swings in most leads, bool [window]."""
    limit = facts.rules.limit
    place = counted((soft.shape[1] - WINDOW) // HOP + 1)[:, None] * HOP + counted(WINDOW)[None, :]
    part, rest = soft[:, place], sharp[:, place]
    peak = np.abs(part).max(axis=2)
    power = np.sqrt((part**2).mean(axis=2))
    edge = np.sqrt((rest**2).mean(axis=2))
    good = (power >= limit("spells", "fullness") * peak) & (edge <= limit("spells", "sharp_share") * power)
    large = peak >= limit("spells", "least_mv")
    share = (good & large).sum(axis=0) / np.maximum(large.sum(axis=0), 1)
    # Where the axis turns, each lead in its turn is small: all together never are.
    size = np.maximum(np.quantile(np.abs(soft), 0.98, axis=1), 1e-6)
    whole = np.sqrt(((soft / size[:, None]) ** 2).sum(axis=0))[place]
    full = np.sqrt((whole**2).mean(axis=1)) >= limit("spells", "fullness") * whole.max(axis=1)
    enough = large.sum(axis=0) >= max(LEAST_LEADS, (soft.shape[0] + 1) // 2)
    return enough & full & (share >= limit("spells", "lead_share"))


def _measured(x: Floats, first_s: float, rate_hz: float) -> Spell | None:
    peaks = _half_swings(x, rate_hz)
    if peaks.size < 6:
        return None
    whole = np.diff(peaks[::2]), np.diff(peaks[1::2])
    lengths = np.concatenate(whole).astype(np.float64)
    usual = float(typical(lengths))
    pairs = [(peaks[a:][: 2 * ((peaks.size - a) // 2)]).reshape(-1, 2) for a in (0, 1)]
    # The two halves of one beat point opposite ways; the halves of two beats need not.
    swings = [(x[:, p[:, 0]] - x[:, p[:, 1]]).T for p in pairs]
    vectors = max(swings, key=lambda v: float(np.linalg.norm(v, axis=1).mean()))
    # I and II are the first two leads.
    axes = np.degrees(np.arctan2(2.0 * (vectors[:, 1] - 0.5 * vectors[:, 0]) / np.sqrt(3.0), vectors[:, 0]))
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return Spell(
        first_s,
        first_s + x.shape[1] / rate_hz,
        60.0 * rate_hz / usual,
        float(np.subtract(*np.quantile(lengths, (0.9, 0.1)))) / SPREAD_OF_80 / usual,
        unit,
        axes,
        _purity(x, rate_hz),
    )


def _half_swings(x: Floats, rate_hz: float) -> Ints:
    """Peaks of the power of all leads."""
    power = np.convolve((x**2).sum(axis=0), np.ones(3) / 3.0, "same")
    peaks = np.flatnonzero((power[1:-1] >= power[:-2]) & (power[1:-1] > power[2:])) + 1
    peaks = peaks[power[peaks] >= 0.08 * float(np.quantile(power, 0.95))]
    apart = round(SWING_GAP_MS / 1000.0 * rate_hz)
    keep: list[int] = []
    for k in peaks.tolist():
        if keep and k - keep[-1] < apart:
            if power[k] > power[keep[-1]]:
                keep[-1] = k
        else:
            keep.append(k)
    return np.array(keep, dtype=np.intp)


def _purity(x: Floats, rate_hz: float) -> float:
    """Share of the power within 10 % of the main frequency: a sine holds nearly all of its own."""
    window = np.hanning(x.shape[1])
    power = (np.abs(np.fft.rfft(x * window, 4 * x.shape[1], axis=1)) ** 2).sum(axis=0)
    hz = np.fft.rfftfreq(4 * x.shape[1], 1.0 / rate_hz)
    main = float(hz[int(np.argmax(power))])
    width = max(0.1 * main, 2.0 * rate_hz / x.shape[1])
    return float(power[np.abs(hz - main) <= width].sum() / power.sum())
