"""Lead names of the formats, made the field's own, and the facts that readers parse out of words.

A name that the field knows is normalised (``AVR`` → ``aVR``, ``v1`` → ``V1``, ``MDC_ECG_LEAD_II`` → ``II``). Frank's
orthogonal leads become ``X``, ``Y``, ``Z`` and are kept under these names: they are never one of the twelve. The
modified leads of monitors (``MLII``) stand for their standard lead, with a note, because their electrodes sit on the
trunk and their amplitudes differ. Any other name is kept as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ecg.recording import EXTRA_LEADS, STANDARD_LEADS, Note, Sex, Text

FRANK_LEADS = ("X", "Y", "Z")
OLDEST_YEARS = 130.0

_ORDER = (*STANDARD_LEADS, *EXTRA_LEADS, "V2R", "V6R", "V7R", *FRANK_LEADS)
_KNOWN = {name.casefold(): name for name in _ORDER} | {"vx": "X", "vy": "Y", "vz": "Z"}
_MODIFIED = {"mli": "I", "mlii": "II", "mliii": "III", "mcl1": "V1", "mcl6": "V6", "cm5": "V5"}
_NO_ECG = re.compile(r"^(pleth|resp|abp|art|cvp|pap|icp|spo2|co2|scg|pcg|ppg|eeg|emg|eog)\b", re.IGNORECASE)
_PREFIX = re.compile(r"^(?:mdc_ecg_lead_|lead[\s_]+|ecg[\s_]+(?:lead[\s_]+)?)", re.IGNORECASE)
_SEXES = {"m": Sex.MALE, "male": Sex.MALE, "男": Sex.MALE, "男性": Sex.MALE} | {
    "f": Sex.FEMALE, "female": Sex.FEMALE, "女": Sex.FEMALE, "女性": Sex.FEMALE
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class NamedLeads:
    """Which channels of a file become leads: ``rows`` (indices into the file), their ``names``, and ``notes``."""

    rows: tuple[int, ...]
    names: tuple[str, ...]
    notes: tuple[Note, ...]


def lead_name(said: str) -> str:
    """The field's name of a lead, or the file's own word where the field has none."""
    word = " ".join(said.split())
    bare = _PREFIX.sub("", word)
    return _KNOWN.get(bare.casefold(), bare or word)


def name_leads(said: Sequence[str], unusable: Iterable[int] = ()) -> NamedLeads:
    """Give each channel its lead name; ``unusable`` ones (no voltage), other biosignals and second copies are left out
    with a note. The order is the field's: limb leads, V1–V6, further chest leads, Frank's, then all others."""
    skipped = set(unusable) | {index for index, word in enumerate(said) if _NO_ECG.match(word)}
    standard = {lead_name(word).casefold() for index, word in enumerate(said) if index not in skipped}
    rows: list[int] = []
    names: list[str] = []
    notes: list[Note] = []
    for index, word in enumerate(said):
        name = lead_name(word)
        stands_for = _MODIFIED.get(name.casefold())
        if stands_for is not None and stands_for.casefold() not in standard:
            notes.append(_modified(name, stands_for))
            name = stands_for
        if index in skipped:
            notes.append(_left_out(name, "不是心电", "it is no ECG"))
        elif name in names:
            notes.append(_left_out(name, "名称重复", "its name occurs twice"))
        else:
            rows.append(index)
            names.append(name)
    order = sorted(
        range(len(rows)), key=lambda at: _ORDER.index(names[at]) if names[at] in _ORDER else len(_ORDER) + at
    )
    return NamedLeads(tuple(rows[at] for at in order), tuple(names[at] for at in order), tuple(notes))


def sex(said: str | None) -> Sex | None:
    """Sex from a word of a header; ``None`` for anything else than a clear word."""
    return _SEXES.get((said or "").strip().casefold())


def age_years(said: str | None) -> float | None:
    """Age in years from ``64``, ``64 years``, ``064Y``, ``18M``, ``03W``, ``12D``; ``None`` if not plausible."""
    match = re.match(r"\s*(\d{1,3}(?:\.\d+)?)\s*([A-Za-z]*)", said or "")
    if match is None:
        return None
    unit = match[2].casefold()
    scale = {"": 1.0, "y": 1.0, "a": 1.0, "m": 1 / 12, "w": 7 / 365.25, "d": 1 / 365.25, "h": 1 / 8766.0}
    years = float(match[1]) * scale.get("m" if unit.startswith("mo") else unit[:1], 0.0)
    known = not unit or unit[:1] in scale
    return years if known and years <= OLDEST_YEARS else None


def _modified(name: str, stands_for: str) -> Note:
    return Note(
        "LEAD_MODIFIED",
        Text(
            f"{name} 是监护改良导联，电极在躯干上，按 {stands_for} 显示，振幅不能与标准导联比较。",
            f"{name} is a monitor's modified lead with electrodes on the trunk; shown as {stands_for}, "
            "its amplitudes do not compare with the standard lead's.",
        ),
        stands_for,
    )


def _left_out(name: str, zh: str, en: str) -> Note:
    return Note("CHANNEL_LEFT_OUT", Text(f"通道 {name} 未采用：{zh}。", f"Channel {name} was left out: {en}."), name)
