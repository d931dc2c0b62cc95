"""Filters of the two paths: measuring leaves ST alone, finding beats does not have to (CLINICAL.md §1.1–1.3).

All linear filters act in the frequency domain with smooth, real (zero-phase) responses on a signal that is mirrored at
its ends, one forward transform for all of them. The diagnostic path removes wander only by a spline through the PQ
knots, and mains only by subtracting the sine that is there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ecg.arrays import Flags, Floats, Ints, counted, floats, middle, steps

MAINS_HZ = (50.0, 60.0)
MAINS_ON_MV = 0.010
"""Peak-to-peak of mains above which it is subtracted (CLINICAL.md §1.3)."""
KNOT_LEAD_MS = 8.0
KNOT_WIDTH_MS = 20.0
"""The knot is the median of the 20 ms that end 8 ms before QRS onset (CLINICAL.md §1.2)."""


class Bank:
    """One signal [lead, sample] transformed once, filtered many times."""

    def __init__(self, signal: Floats, rate_hz: float) -> None:
        from scipy.fft import next_fast_len, rfft

        self.rate_hz = rate_hz
        self.samples = signal.shape[1]
        self.pad = min(int(rate_hz), max(self.samples - 1, 0))
        total = int(next_fast_len(self.samples + 2 * self.pad, real=True))
        self.total = total
        padded = np.empty((signal.shape[0], total))
        body = slice(self.pad, self.pad + self.samples)
        padded[:, body] = signal
        if self.pad:
            first, last = signal[:, :1], signal[:, -1:]
            padded[:, : self.pad] = 2 * first - signal[:, self.pad : 0 : -1]
            padded[:, body.stop : body.stop + self.pad] = 2 * last - signal[:, -2 : -self.pad - 2 : -1]
        tail = padded[:, body.stop + self.pad :]
        if tail.shape[1]:
            ramp = steps(0.0, 1.0, tail.shape[1] + 2)[1:-1]
            end, begin = padded[:, body.stop + self.pad - 1 : body.stop + self.pad], padded[:, :1]
            tail[:] = end + (begin - end) * ramp
        self.spectrum = np.asarray(rfft(padded, axis=1))
        self.hz = floats(counted(self.spectrum.shape[1]) * (rate_hz / total))

    def filtered(self, response: Callable[[Floats], Floats]) -> Floats:
        """The signal through a zero-phase filter, given its gain as a function of Hz."""
        from scipy.fft import irfft

        out = np.asarray(irfft(self.spectrum * response(self.hz), n=self.total, axis=1))
        return out[:, self.pad : self.pad + self.samples]

    def envelope(self, response: Callable[[Floats], Floats]) -> Floats:
        """Magnitude of the analytic signal behind the filter: free of sign and of the filter's own oscillation."""
        from scipy.fft import ifft

        full = np.zeros((self.spectrum.shape[0], self.total), dtype=np.complex128)
        full[:, : self.spectrum.shape[1]] = 2.0 * self.spectrum * response(self.hz)
        return np.abs(np.asarray(ifft(full, axis=1, overwrite_x=True)))[:, self.pad : self.pad + self.samples]


def low_pass(hz: float) -> Callable[[Floats], Floats]:
    """Gaussian low-pass, −3 dB at ``hz``: no overshoot, no ringing."""
    return lambda f: np.exp(-0.3466 * (f / hz) ** 2)


def high_pass(hz: float, order: int = 2) -> Callable[[Floats], Floats]:
    """Butterworth magnitude high-pass, −3 dB at ``hz``."""
    return lambda f: 1.0 / np.sqrt(1.0 + (hz / np.maximum(f, 1e-9)) ** (2 * order))


def band_pass(low_hz: float, high_hz: float) -> Callable[[Floats], Floats]:
    """Butterworth-like high-pass joined to a Gaussian low-pass."""
    low, high = high_pass(low_hz, 3), low_pass(high_hz)
    return lambda f: low(f) * high(f)


def smooth(signal: Floats, rate_hz: float, cut_hz: float) -> Floats:
    """Gaussian smoothing along the last axis with −3 dB at ``cut_hz``, ends held; for short pieces such as average
    beats."""
    sigma = 0.1325 / cut_hz * rate_hz
    if sigma < 0.3:
        return signal
    reach = int(np.ceil(3 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    from scipy.ndimage import convolve1d

    return np.asarray(convolve1d(signal, kernel, axis=-1, mode="nearest"))


def baseline_through_knots(signal: Floats, rate_hz: float, onsets: Ints, half: bool = False) -> Floats | None:
    """Wander [lead, sample] as a cubic spline through one PQ knot a beat, flat beyond the first and last; ``None``
    below two.

    ``onsets`` are QRS onsets of the beats whose PQ segment is isoelectric; ``half`` widens the window to 40 ms (AF,
    flutter).
    """
    width = round((2.0 if half else 1.0) * KNOT_WIDTH_MS * rate_hz / 1000)
    ends = onsets - round(KNOT_LEAD_MS * rate_hz / 1000)
    ends = ends[(ends - width >= 0) & (ends <= signal.shape[1])]
    if ends.size < 2:
        return None
    windows = signal[:, (ends[:, None] + np.arange(-width, 0)[None, :])]
    level = middle(windows, axis=2)
    centre = np.asarray(ends - (width / 2 + 0.5), dtype=np.float64)
    return _spline(centre, level, signal.shape[1])


def _spline(centre: Floats, level: Floats, samples: int) -> Floats:
    from scipy.interpolate import CubicSpline, PchipInterpolator

    curve: Any = (CubicSpline if centre.size >= 4 else PchipInterpolator)(centre, level, axis=1)
    out = np.empty((level.shape[0], samples))
    edges = np.ceil(centre).astype(int)
    out[:, : edges[0]], out[:, edges[-1] :] = level[:, :1], level[:, -1:]
    # Piece by piece: every sample's piece is known, and need not be looked for as the spline's own call does.
    for k in range(centre.size - 1):
        x = floats(np.arange(edges[k], edges[k + 1])) - centre[k]
        a, b, c, d = (floats(part)[:, None] for part in curve.c[:, k])
        out[:, edges[k] : edges[k + 1]] = ((a * x + b) * x + c) * x + d
    return out


def mains(high: Floats, rate_hz: float, quiet: Flags) -> tuple[Floats | None, Floats]:
    """The sine of the mains to subtract [lead, sample] (``None`` where none needs it), and its peak-to-peak per lead
    in mV.

    ``high`` is the signal above about 35 Hz, ``quiet`` marks samples outside QRS; amplitude and phase follow in
    one-second windows of quiet samples only, so that a QRS neither feeds nor loses anything.
    """
    peak = np.zeros(high.shape[0])
    total: Floats | None = None
    samples = high.shape[1]
    if samples < rate_hz or quiet.sum() < rate_hz / 2:
        return None, peak
    weight = _window_sum(quiet[None, :].astype(np.float64), rate_hz)
    for hz in MAINS_HZ:
        if hz > 0.45 * rate_hz:
            continue
        turn = np.exp(-2j * np.pi * hz / rate_hz * counted(samples))
        # One second's mean first: a cheap look at a few windows before the whole signal is demodulated.
        block = int(rate_hz)
        count = samples // block
        part = (
            (high[:, : count * block] * np.where(quiet, turn, 0)[: count * block])
            .reshape(high.shape[0], count, block)
            .sum(axis=2)
        )
        held = quiet[: count * block].reshape(count, block).sum(axis=1)
        size = (
            4.0 * np.median(np.abs(part[:, held > block // 4]) / np.maximum(held[held > block // 4], 1), axis=1)
            if (held > block // 4).any()
            else peak
        )
        peak = np.maximum(peak, size)
        noisy = np.flatnonzero(size >= MAINS_ON_MV)
        if noisy.size == 0:
            continue
        product = high[noisy] * np.where(quiet, turn, 0)
        amplitude = (_window_sum(product.real, rate_hz) + 1j * _window_sum(product.imag, rate_hz)) / np.maximum(
            weight, 1.0
        )
        if total is None:
            total = np.zeros_like(high)
        total[noisy] += 2.0 * (amplitude * np.conj(turn)).real
    return total, peak


def _window_sum(values: Floats, rate_hz: float) -> Floats:
    """Sum over the second around each sample, cut short at the ends."""
    half = int(rate_hz / 2)
    running = np.concatenate([np.zeros((values.shape[0], 1)), np.cumsum(values, axis=1)], axis=1)
    n = values.shape[1]
    right = np.minimum(counted(n) + half, n)
    left = np.maximum(counted(n) - half, 0)
    return running[:, right] - running[:, left]
