"""One ECG stays itself through every conversion; another ECG, also of the same person, is another one."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample_poly

import ecg
from ecg.fingerprint import LARGEST_BYTES, Fingerprint, fingerprint, likeness, same
from ecg.recording import Recording
from ecg.synthesis import Heart, Noise, synthesise

DATA = Path(os.environ.get("ECGNET_RECORDINGS") or Path(__file__).resolve().parents[3] / "shared" / "data")
KEPT = Path(__file__).resolve().parents[1] / "data"


@cache
def person(seed: int) -> Recording:
    return synthesise(Heart(individual=0.7, rr_sd=0.03), Noise(0.01, 0.0, 50.0, 0.05), seed=seed, seconds=12).recording


def part(recording: Recording, first_s: float, last_s: float) -> Recording:
    a, b = (round(s * recording.rate_hz) for s in (first_s, last_s))
    return replace(recording, millivolts=recording.millivolts[:, a:b])


CHANGES = {
    "100 Hz": lambda r: replace(r, millivolts=resample_poly(r.millivolts, 1, 5, axis=1), rate_hz=100.0),
    "1000 Hz": lambda r: replace(r, millivolts=resample_poly(r.millivolts, 2, 1, axis=1), rate_hz=1000.0),
    "10 µV steps": lambda r: replace(r, millivolts=np.round(r.millivolts, 2)),
    "twice the gain": lambda r: replace(r, millivolts=2 * r.millivolts),
    "an offset in each lead": lambda r: replace(r, millivolts=r.millivolts + np.linspace(-0.5, 0.5, 12)[:, None]),
    "a second cut from the front": lambda r: part(r, 0.987, 10.0),
    "a second cut from the end": lambda r: part(r, 0.0, 9.03),
    "limb leads only": lambda r: replace(r, leads=r.leads[:6], millivolts=r.millivolts[:6]),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("seed", range(3))
def test_the_same_ecg_is_recognised(change: str, seed: int):
    one = part(person(seed), 0.0, 10.0)
    assert same(fingerprint(one), fingerprint(CHANGES[change](one)))


def test_another_ecg_of_the_same_person_is_another():
    shift = [
        fingerprint(part(synthesise(Heart(rr_sd=0.02), seed=9, seconds=60).recording, s, s + 10)) for s in (0, 20, 40)
    ]
    assert not any(same(a, b) for k, a in enumerate(shift) for b in shift[:k])


def test_people_are_told_apart():
    prints = [fingerprint(part(person(seed), 0.0, 10.0)) for seed in range(8)]
    assert max(likeness(a, b) for k, a in enumerate(prints) for b in prints[:k]) < 0.9


def test_it_is_small_and_survives_storage():
    found = fingerprint(person(0))
    assert len(found.data) <= LARGEST_BYTES
    assert Fingerprint.fromhex(found.hex()) == found
    with pytest.raises(ValueError, match="version"):
        Fingerprint.fromhex("00" * 20)


@pytest.mark.parametrize("samples", [0, 1, 60, 400])
def test_what_is_too_short_or_invalid_matches_nothing_else(samples: int):
    bad = replace(person(0), millivolts=np.full((12, samples), np.nan))
    assert not same(fingerprint(bad), fingerprint(person(0)))


def test_three_formats_of_one_ecg_have_one_fingerprint():
    scp, dicom = (fingerprint(ecg.read(KEPT / name)) for name in ("Example.scp", "Example.dcm"))
    assert same(scp, dicom)


@pytest.mark.skipif(not (DATA / "ptbxl").is_dir(), reason="the recordings beside the repository are not there")
def test_ptb_xl_at_two_rates():
    slow = sorted((DATA / "ptbxl" / "records100").rglob("*.hea"))
    pairs = [(path, next((DATA / "ptbxl" / "records500").rglob(f"{path.stem[:5]}_hr.hea"))) for path in slow]
    prints = [(fingerprint(ecg.read(a)), fingerprint(ecg.read(b))) for a, b in pairs]
    assert all(same(a, b) for a, b in prints)
    assert not any(same(a, b) for k, (a, _) in enumerate(prints) for _, b in prints[:k])
