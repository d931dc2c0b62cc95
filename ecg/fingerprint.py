"""The same ECG recognised again: across formats, sampling rates, rounding, gain and small cuts.

Two files of one ECG agree in the curve itself; two ECGs of one person do not, for no two stretches of a heart's rhythm
are alike. So the fingerprint is the curve, as small as it may be: the slope of two leads below 6 Hz, 48 samples a
second, of the first ten seconds, each in four bits of its own size. What formats and converters change lies outside:
offset and wander have no slope, notches and muscle are faster, gain is in the scale.

Two fingerprints are compared in the leads that both hold, at the shift (up to 1.25 s) at which they agree best;
:func:`likeness` is the mean of the leads' correlations there. docs/accuracy.md has the measured
share of false matches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecg.analysis import Analysis
from ecg.arrays import Floats, Ints, counted, floats, ints
from ecg.recording import EXTRA_LEADS, STANDARD_LEADS, Recording
from ecg.signal.filters import smooth
from ecg.signal.leads import analysed_leads

RATE_HZ = 48.0
SECONDS = 10.0
HIGH_HZ = 6.0
FINE_HZ = 300.0
"""Slower recordings are interpolated first: straight lines between few samples would bend the curve."""
SHIFT_S = 1.25
OVERLAP_S = 3.0
"""Less in common proves nothing."""
FINE = 16
"""Steps between two samples in which the best shift is sought."""
SAME = 0.975
"""Likeness from which two fingerprints are of one ECG: the same ECG reaches 0.983 on PTB-XL at 100 and 500 Hz, cut and
rounded; ten-second pieces of one person stay below 0.968 [project]."""
PAIRS = (("II", "V2"), ("II", "I"), ("II",), ("I",))
"""Which leads, the first pair that is there."""
NAMES = STANDARD_LEADS + EXTRA_LEADS
UNNAMED = 255
VERSION, HEAD = 1, 6
BITS, TOP = 4, 7
LARGEST_BYTES = 512
FULL = 0.985
"""What this share of the slopes does not exceed is the end of the scale: no single spike sets it."""
EDGE_S = 0.2
"""Cut from each end before comparing: there the filter has seen different neighbours."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """One ECG in at most 512 bytes, to keep and to compare."""

    data: bytes

    def hex(self) -> str:
        """As text."""
        return self.data.hex()

    @classmethod
    def fromhex(cls, text: str) -> Fingerprint:
        """From :meth:`hex`; ``ValueError`` for anything else."""
        data = bytes.fromhex(text)
        if len(data) < HEAD or data[0] != VERSION or len(data) > LARGEST_BYTES:
            raise ValueError("no fingerprint of this version")
        return cls(data)


def fingerprint(recording: Recording, analysis: Analysis | None = None) -> Fingerprint:
    """The fingerprint of a recording; of ``analysis``, only that a chest lead without contact is passed over."""
    off: set[str] = (
        set() if analysis is None else {n for n, q in analysis.quality.leads.items() if "Q_OFF" in q.defects}
    )
    names, rows = analysed_leads(recording)
    chosen = next((pair for pair in PAIRS if set(pair) <= set(names) - off), None)
    kept = [names.index(n) for n in chosen] if chosen else [0][: len(names)]
    codes = [NAMES.index(names[k]) if names[k] in NAMES else UNNAMED for k in kept]
    curve = _thinned(rows[kept], recording.rate_hz)
    size = np.quantile(np.abs(curve), FULL, axis=1)[:, None] if curve.size else np.ones((len(kept), 1))
    levels = ints(np.rint(_squeezed(np.clip(curve / np.maximum(size, 1e-9), -1.0, 1.0)) * TOP)) + TOP
    head = bytes([VERSION, *[*codes, 0, 0][:2], len(kept), curve.shape[1] & 255, curve.shape[1] >> 8])
    return Fingerprint(head + _packed(levels.ravel()))


def same(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether both are of one ECG."""
    return likeness(one, other) >= SAME


def likeness(one: Fingerprint, other: Fingerprint) -> float:
    """How well the two agree, −1…1; 0 where they have no lead or less than three seconds in common."""
    first, second = curves(one), curves(other)
    common = [name for name in first if name in second]
    if not common:
        return 0.0
    a, b = np.stack([first[n] for n in common]), np.stack([second[n] for n in common])
    reach, least = round(SHIFT_S * RATE_HZ), round(OVERLAP_S * RATE_HZ)
    coarse = [_agreement(a, b, s, least) for s in range(-reach, reach + 1)]
    best = int(np.argmax(coarse)) - reach
    fine = [_agreement(a, _moved(b, part / FINE), best, least) for part in range(-FINE + 1, FINE)]
    return float(max([*fine, max(coarse)]))


def curves(print_: Fingerprint) -> dict[int, Floats]:
    """The curve of each lead that the fingerprint holds, by the lead's code; of no fixed size."""
    data = print_.data
    count, samples = data[3], data[4] | data[5] << 8
    levels = _unpacked(data[HEAD:], count * samples).reshape(count, samples)
    return {data[1 + k]: _stretched((levels[k] - TOP) / TOP) for k in range(count)}


def _thinned(rows: Floats, rate_hz: float) -> Floats:
    """The slope, smoothed, at 32 samples a second, without the ends."""
    rows = rows[:, : round(SECONDS * rate_hz)]
    sound = np.where(np.isfinite(rows), rows, 0.0)
    if not len(rows) or sound.shape[1] < 2 * EDGE_S * rate_hz + 8:
        return np.zeros((rows.shape[0], 0))
    fine = max(1, int(np.ceil(FINE_HZ / rate_hz)))
    if fine > 1:
        from scipy.signal import resample_poly

        sound = floats(resample_poly(sound, fine, 1, axis=1, padtype="line"))
        rate_hz *= fine
    passed = smooth(np.gradient(sound, axis=1), rate_hz, HIGH_HZ)
    at = np.arange(EDGE_S, sound.shape[1] / rate_hz - EDGE_S, 1 / RATE_HZ) * rate_hz
    whole = floats(counted(passed.shape[1]))
    return np.stack([floats(np.interp(at, whole, passed[k])) for k in range(len(passed))])


def _squeezed(values: Floats) -> Floats:
    """Small values get more of the levels: a signed square root."""
    return np.sign(values) * np.sqrt(np.abs(values))


def _stretched(values: Floats) -> Floats:
    return np.sign(values) * values**2


def _packed(levels: Ints) -> bytes:
    bits = (levels[:, None] >> np.arange(BITS)[None, :]) & 1
    return np.packbits(bits.astype(np.uint8).ravel()).tobytes()


def _unpacked(data: bytes, count: int) -> Floats:
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8))[: count * BITS].reshape(count, BITS)
    return floats(bits @ (1 << np.arange(BITS)))


def _moved(curve: Floats, part: float) -> Floats:
    """The curve [lead, sample] later by a part of a sample, by its spectrum."""
    size = curve.shape[1] + 32
    spectrum = np.fft.rfft(curve, n=size, axis=1)
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(size) * part)
    return np.fft.irfft(spectrum * turn, n=size, axis=1)[:, : curve.shape[1]]


def _agreement(a: Floats, b: Floats, shift: int, least: int) -> float:
    """The mean correlation of the leads where ``b`` begins ``shift`` samples after ``a``."""
    left, right = (a[:, shift:], b) if shift >= 0 else (a, b[:, -shift:])
    size = min(left.shape[1], right.shape[1])
    if size < least:
        return 0.0
    left, right = left[:, :size], right[:, :size]
    left, right = left - left.mean(axis=1, keepdims=True), right - right.mean(axis=1, keepdims=True)
    length = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    if float(length.min()) <= 0:
        return 0.0
    return float(((left * right).sum(axis=1) / length).mean())
