"""Other libraries at the same task, as their manuals have it. They are no dependency of ours: what is not there is left
out and named."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ecg.arrays import Floats, Ints, floats, ints
from ecg.recording import Recording

Waves = dict[str, list[dict[str, Any]]]
"""By lead, by beat: wave → [onset, peak, offset]."""
MISSING = 9223372036854775807
QUOTED = (
    "FIELD.md §7, measured 2026-11 on the same 120 records, F1 % / SD ms: NeuroKit2 P on 89.5/39, QRS on 90.6/47, "
    "QRS off 93.4/25, T off 78.7/39; ecgdeli 91.2/35, 99.7/15, 99.8/22, 95.1/36; prominence-delineator 83.5/45, "
    "99.5/20, 99.5/25, 97.1/31."
)


def module(name: str) -> Any | None:
    """The library, if it can be imported."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except ImportError:
        return None


def delineators() -> dict[str, Callable[[Recording], Waves]]:
    """Those that mark waves per lead, by name."""
    found: dict[str, Callable[[Recording], Waves]] = {}
    kit, deli, prominence = module("neurokit2"), module("ecgdeli"), module("prominence_delineator")
    if kit is not None:
        found["NeuroKit2"] = lambda r: _neurokit(kit, r)
    if deli is not None:
        found["ecgdeli"] = lambda r: _ecgdeli(deli, r)
    if prominence is not None and kit is not None:
        found["prominence-delineator"] = lambda r: _prominence(prominence, kit, r)
    return found


def detectors() -> dict[str, Callable[[Floats, float], Ints]]:
    """Those that find beats in one lead, by name."""
    found: dict[str, Callable[[Floats, float], Ints]] = {}
    kit, sleep, wfdb, biosppy = (module(n) for n in ("neurokit2", "sleepecg", "wfdb.processing", "biosppy.signals.ecg"))
    if kit is not None:
        found["NeuroKit2"] = lambda x, hz: ints(kit.ecg_peaks(kit.ecg_clean(x, hz), hz)[1]["ECG_R_Peaks"])
    if sleep is not None:
        found["sleepecg"] = lambda x, hz: ints(sleep.detect_heartbeats(x, hz))
    if wfdb is not None:
        found["wfdb xqrs"] = lambda x, hz: ints(wfdb.xqrs_detect(x, hz, verbose=False))
    if biosppy is not None:
        found["BioSPPy"] = lambda x, hz: ints(biosppy.hamilton_segmenter(x, hz)["rpeaks"])
    return found


def quietly(work: Callable[..., Any], *arguments: Any) -> Any | None:
    """What the peer gives, or ``None`` where it fails, which it does in many ways."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return work(*arguments)
        except Exception:  # noqa: BLE001 (another's mistake is its result, not our end)
            return None


def _beat(p: Any, qrs: Any, t: Any) -> dict[str, Any]:
    return {"p": p, "qrs": qrs, "t": t}


def _three(values: tuple[Any, Any, Any]) -> list[int | None] | None:
    marks = [None if v is None or not np.isfinite(v) or v >= MISSING or v < 0 else int(v) for v in values]
    return None if marks[1] is None else marks


def _neurokit(kit: Any, recording: Recording) -> Waves:
    out: Waves = {}
    for name, row in zip(recording.leads, recording.millivolts, strict=True):
        out[name] = quietly(_neurokit_lead, kit, row, round(recording.rate_hz)) or []
    return out


def _neurokit_lead(kit: Any, row: Floats, rate: int) -> list[dict[str, Any]]:
    clean = kit.ecg_clean(row, sampling_rate=rate)
    peaks = kit.ecg_peaks(clean, sampling_rate=rate)[1]["ECG_R_Peaks"]
    marks = kit.ecg_delineate(clean, peaks, sampling_rate=rate, method="dwt")[1]
    names = ("Onsets", "Peaks", "Offsets")
    p, t = ([marks[f"ECG_{w}_{k}"] for k in names] for w in "PT")
    r = [marks["ECG_R_Onsets"], peaks, marks["ECG_R_Offsets"]]
    rows = range(len(peaks))
    return [_beat(*(_three((w[0][k], w[1][k], w[2][k])) for w in (p, r, t))) for k in rows]


def _ecgdeli(deli: Any, recording: Recording) -> Waves:
    rate = recording.rate_hz
    found = quietly(lambda: deli.annotate(deli.filter_ecg(recording.millivolts.T, rate), rate))
    if found is None:
        return {}
    out: Waves = {}
    for name, lead in zip(recording.leads, found.leads, strict=True):
        table = floats(lead.positions if hasattr(lead, "positions") else lead.samples)
        out[name] = [
            _beat(_three((b[0], b[1], b[2])), _three((b[3], b[5], b[7])), _three((b[9], b[10], b[11]))) for b in table
        ]
    return out


def _prominence(library: Any, kit: Any, recording: Recording) -> Waves:
    rate = round(recording.rate_hz)
    worker = library.ProminenceDelineator(sampling_frequency=rate)
    out: Waves = {}
    for name, row in zip(recording.leads, recording.millivolts, strict=True):
        out[name] = quietly(_prominence_lead, worker, kit, row, rate) or []
    return out


def _prominence_lead(worker: Any, kit: Any, row: Floats, rate: int) -> list[dict[str, Any]]:
    clean = kit.ecg_clean(row, sampling_rate=rate)
    peaks = kit.ecg_peaks(clean, sampling_rate=rate)[1]["ECG_R_Peaks"]
    w = worker.find_waves(clean, peaks, include_nodetections=True)
    names = (("P_on", "P", "P_off"), ("R_on", "R", "R_off"), ("T_on", "T", "T_off"))
    return [_beat(*(_three((w[a][k], w[b][k], w[c][k])) for a, b, c in names)) for k in range(len(w["R"]))]
