"""What was recorded: one electrocardiogram as leads of millivolts, before anything is measured.

Every reader in ``ecg.formats`` returns the same :class:`Recording`, so that nothing behind it knows a
file format. Lead names are the field's own (``I``, ``II``, ``III``, ``aVR``, ``aVL``, ``aVF``, ``V1``–``V9``,
``V3R``–``V5R``); a lead that the file does not hold is absent, never a row of zeros.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

LIMB_LEADS = ("I", "II", "III", "aVR", "aVL", "aVF")
CHEST_LEADS = ("V1", "V2", "V3", "V4", "V5", "V6")
STANDARD_LEADS = LIMB_LEADS + CHEST_LEADS
EXTRA_LEADS = ("V7", "V8", "V9", "V3R", "V4R", "V5R")


class Sex(StrEnum):
    """Sex as the device or the clinic stated it; never guessed."""

    MALE = "male"
    FEMALE = "female"


@dataclass(frozen=True, slots=True)
class Text:
    """One sentence in the two languages that people read."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class PatientFacts:
    """What the file says of the patient and the core may use; no name, no number."""

    age_years: float | None = None
    sex: Sex | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """Something a reader of the result must know, e.g. ``BANDWIDTH_UNKNOWN`` (CLINICAL.md §1)."""

    code: str
    text: Text
    lead: str | None = None


@dataclass(frozen=True, slots=True)
class Filters:
    """The pass band that the device declares; ``None`` where it says nothing."""

    high_pass_hz: float | None = None
    low_pass_hz: float | None = None
    notch_hz: float | None = None


@dataclass(frozen=True, slots=True)
class AcquiredAt:
    """The device's own time of recording.

    ``instant`` is aware where the file names a zone, else naive (the device's wall clock); ``source`` says where
    in the file it stood.
    """

    instant: datetime
    source: str


@dataclass(frozen=True, slots=True)
class Device:
    """Maker, model and serial number as the file states them."""

    maker: str | None = None
    model: str | None = None
    serial: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One ECG.

    ``leads``: names, one a row. ``millivolts``: float64 [lead, sample]; NaN where the file marks a sample invalid.
    ``rate_hz``: samples a second of every lead. ``representative``: the device's own average beats
    (float64 [lead, sample], same lead order), where the file has them. ``counts``: the file's own integers before gain
    and baseline (int32 [lead, sample], same lead order), where it holds integers; with ``microvolts_per_count`` (one a
    lead, as the header says) they show a false gain (CLINICAL.md §1.4). A count has no meaning where ``millivolts`` is
    NaN.
    """

    leads: tuple[str, ...]
    millivolts: NDArray[np.float64]
    rate_hz: float
    format: str
    acquired_at: AcquiredAt | None = None
    patient: PatientFacts = field(default_factory=PatientFacts)
    device: Device = field(default_factory=Device)
    filters: Filters = field(default_factory=Filters)
    statements: tuple[str, ...] = ()
    representative: NDArray[np.float64] | None = None
    microvolts_per_count: tuple[float, ...] | None = None
    counts: NDArray[np.int32] | None = None
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        if self.millivolts.ndim != 2 or self.millivolts.shape[0] != len(self.leads):
            shape = self.millivolts.shape
            raise ValueError(f"millivolts must be [lead, sample] for {len(self.leads)} leads, got {shape}")
        if self.counts is not None and self.counts.shape != self.millivolts.shape:
            raise ValueError(f"counts and millivolts differ in shape: {self.counts.shape}, {self.millivolts.shape}")
        if len(set(self.leads)) != len(self.leads):
            raise ValueError(f"lead names must differ: {self.leads}")
        if not self.rate_hz > 0:
            raise ValueError(f"rate_hz must be positive, got {self.rate_hz}")

    @property
    def samples(self) -> int:
        """Number of samples in each lead."""
        return self.millivolts.shape[1]

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return self.samples / self.rate_hz

    def lead(self, name: str) -> NDArray[np.float64]:
        """The samples of one lead in mV; ``KeyError`` if the recording does not hold it."""
        if name not in self.leads:
            raise KeyError(f"no lead {name}; this recording has {', '.join(self.leads)}")
        return self.millivolts[self.leads.index(name)]
