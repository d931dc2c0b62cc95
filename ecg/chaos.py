"""Figures that tell fibrillating ventricles from a beating heart, without any beat (CLINICAL.md §3.1, R_VF)."""

from __future__ import annotations

import numpy as np

from ecg.arrays import Floats, counted
from ecg.conditioning import Trace
from ecg.signal.filters import Bank, band_pass


def chaos_figures(trace: Trace) -> tuple[Floats, Floats, Floats, Floats, float]:
    """Per living lead: share of time near the middle, power near the main frequency, that frequency, size; and
    coherence."""
    none = np.empty(0)
    if trace.mv.shape[1] < trace.rate_hz:
        return none, none, none, none, 0.0
    bank = Bank(trace.mv[trace.alive], trace.rate_hz)
    x = bank.filtered(band_pass(1.5, 30.0))[:, :: max(1, int(trace.rate_hz // 100))]
    low, high = np.quantile(x, (0.025, 0.975), axis=1)
    size = np.maximum(high - low, 1e-9)
    quiet = (np.abs(x) < 0.12 * size[:, None]).mean(axis=1)
    power = np.abs(bank.spectrum * band_pass(1.5, 30.0)(bank.hz)) ** 2
    width = max(1, int(np.searchsorted(bank.hz, 0.5)))
    soft = np.stack([np.convolve(p, np.ones(width), "same") for p in power])
    peak: Floats = bank.hz[np.argmax(soft, axis=1)]
    near = np.abs(bank.hz[None, :] - peak[:, None]) <= 1.25
    concentration = (power * near).sum(axis=1) / np.maximum(power.sum(axis=1), 1e-12)
    if x.shape[0] < 2:
        return quiet, concentration, peak, size, 0.0
    likeness = np.abs(np.corrcoef(x + 1e-9 * counted(x.shape[1])))
    np.fill_diagonal(likeness, 0.0)
    return quiet, concentration, peak, size, float(np.median(likeness.max(axis=1)))
