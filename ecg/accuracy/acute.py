"""Acute findings against the labels: who is RED without an infarction, and every labelled infarction one by one.

Colours are CLINICAL.md §5.6's acute table, typed here by hand, because the instrument has no colour and may not ask
triage. A record counts as infarction where its label says so in words (LUDB "STEMI", PTB "acute"); the six of the
folder ``acute`` are judged by what its README says of each.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import ecg
from ecg.accuracy import pictures, statements
from ecg.accuracy.statements import wilson
from ecg.accuracy.table import grid
from ecg.analysis import Analysis, Certainty, Evidence, Finding, State
from ecg.recording import STANDARD_LEADS, PatientFacts, Recording, Sex
from ecg.synthesis import TERRITORIES, Heart, Noise, synthesise

RED, ORANGE, YELLOW = "RED", "ORANGE", "YELLOW"
Row = tuple[tuple[str, ...], tuple[str, str]]
EXPLAINED: tuple[str, str] = (RED, ORANGE)
ROWS: tuple[Row, ...] = (
    (("STEMI_",), (RED, RED)),
    (("E_DEW", "E_LBBB_MI", "E_PACE_MI"), (RED, RED)),
    (("E_POST", "E_ASL", "E_SAF", "E_TQRSD", "E_RBBB_NEW", "E_HAT", "E_SUBLAD"), (RED, ORANGE)),
    (("E_WEL_", "E_AVR"), (ORANGE, ORANGE)),
    (("E_INF_EARLY", "STE_NONCONTIG", "T_ISCH_", "T_PERI"), (ORANGE, YELLOW)),
)
"""Colours with symptoms present and with symptoms unknown (CLINICAL.md §5.6)."""
WEAK = ("E_HAT", "E_SUBLAD", "E_LBBB_MI", "E_PACE_MI")
RANK = {RED: 0, ORANGE: 1, YELLOW: 2, "": 3}
NAMED = {
    "ptbdb/s0010_re.hea": ("acute infero-lateral infarction", None, "E_POST"),
    "philips-sierra/1_03/129DYPRG.XML": ("the device says acute inferior infarction", None, "as its numbers say"),
    "acute/s0021arem.mat": ("acute anterior infarction, day 1", PatientFacts(74, Sex.MALE), "STEMI, RED"),
    "acute/S0010.hea": ("acute anterior infarction, first days", None, "STEMI, RED"),
    "acute/aimclub_STE.mat": ("early repolarisation", PatientFacts(58, Sex.MALE), "not RED, symptoms unknown"),
    "acute/aimclub_BER.mat": ("benign early repolarisation", PatientFacts(54, Sex.MALE), "not RED, symptoms unknown"),
    "acute/s0037lrem.hea": ("inferior infarction, day 12", None, "no STEMI; Q or T"),
    "acute/s0177lrem.mat": ("inferior infarction, day 5", PatientFacts(44, Sex.FEMALE), "no STEMI; Q or T"),
}
"""Records beside the labelled sets: what is said of each, the patient if the file is silent, what is asked of us."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One record as it was read."""

    name: str
    label: str
    analysis: Analysis
    held_out: bool
    infarction: bool

    @property
    def acute(self) -> list[Finding]:
        """Its acute findings that have a colour, the most urgent first."""
        held = [f for f in self.analysis.findings if any(colours(f))]
        return sorted(held, key=lambda f: RANK[colours(f)[1]])

    def colour(self, symptoms: bool) -> str:
        """Colour of its acute findings."""
        return min((colours(f)[0 if symptoms else 1] for f in self.acute), key=lambda c: RANK[c], default="")


def colours(finding: Finding) -> tuple[str, str]:
    """Colour of a finding with symptoms present and unknown; empty where the acute table does not name it."""
    if finding.code == "STEMI_BORDERLINE":
        return ORANGE, YELLOW
    if finding.state != State.TRUE:
        return "", ""
    if finding.code in WEAK and finding.certainty == Certainty.POSSIBLE:
        return ORANGE, YELLOW
    if finding.code.startswith("Q_") and "MAY_BE_RECENT" in finding.notes:
        return ORANGE, YELLOW
    if finding.code.startswith("STEMI_") and any(not a.kept for a in finding.argued):
        return EXPLAINED
    return next((pair for codes, pair in ROWS if finding.code.startswith(codes)), ("", ""))


def section(data: Path, most: int | None, drawings: Path | None = None) -> str:
    """The tables; with ``drawings`` also a picture of every missed infarction and every false RED or ORANGE."""
    records = list(judged(data, most))
    parts = ["Symptoms unknown, then present.", _specificity(records), "Each labelled infarction and look-alike:"]
    parts += [_one_by_one([*(r for r in records if r.infarction), *named(data)]), "Synthetic elevation:", synthetic()]
    wrong = [r for r in records if _wrong(r)]
    if drawings is not None:
        drawings.mkdir(parents=True, exist_ok=True)
        parts.append("Every labelled infarction that is not RED, and every false RED and ORANGE, symptoms unknown:")
        parts += [_pictured(r, k, drawings) for k, r in enumerate(wrong, 1)]
    return "\n\n".join(parts)


def _wrong(case: Judged) -> bool:
    """An infarction that is not RED, or RED or ORANGE without one; symptoms unknown."""
    colour = case.colour(symptoms=False)
    return colour != RED if case.infarction else colour in (RED, ORANGE)


def judged(data: Path, most: int | None) -> Iterator[Judged]:
    """Every labelled 12-lead record, read."""
    rows = list(statements.labelled(data))
    for row in rows if most is None else rows[:: max(1, len(rows) // max(most, 1))][:most]:
        path = data / f"{row.record}.hea"
        if path.exists():
            infarction = any(p.startswith("stemi") for p in _parts(row.labels))
            yield Judged(row.record, row.labels, ecg.analyze(statements.recording(data, row)), row.held_out, infarction)


def _parts(label: str) -> list[str]:
    return [p.strip().lower() for p in label.split(";")]


def named(data: Path) -> Iterator[Judged]:
    """The records beside the labelled sets."""
    for file, (label, patient, asked) in NAMED.items():
        path = data / file
        if path.exists():
            recording = ecg.read(path) if patient is None else _bare(path, patient)
            yield Judged(file, f"{label}: {asked}", ecg.analyze(recording), False, False)


def _bare(path: Path, patient: PatientFacts) -> Recording:
    """A MATLAB file without a header of its own; its README says how it is scaled."""
    loaded: dict[str, Any] = importlib.import_module("scipy.io").loadmat(path)
    if "ECG" in loaded:
        return Recording(STANDARD_LEADS, np.asarray(loaded["ECG"][0, 0]["data"], float), 500.0, "mat", patient=patient)
    return Recording(STANDARD_LEADS, np.asarray(loaded["val"][:12], float) / 2000.0, 1000.0, "mat", patient=patient)


def _specificity(records: Sequence[Judged]) -> str:
    rows: list[list[str]] = []
    for part in (False, True):
        without = [r for r in records if not r.infarction and r.held_out == part]
        for symptoms, must in ((False, "≥ 97 / 99"), (True, "≥ 92 / 95")):
            seen = [r.colour(symptoms) for r in without]
            red, orange, n = seen.count(RED), seen.count(ORANGE), max(len(seen), 1)
            low, high = wilson(n - red, n)
            rows.append(
                [
                    "held out" if part else "tuned",
                    "present" if symptoms else "unknown",
                    str(len(seen)),
                    must,
                    f"{100 * (n - red) / n:.1f} ({100 * low:.1f}–{100 * high:.1f})",
                    f"{1000 * orange / n:.0f}",
                ]
            )
    return grid(("part", "symptoms", "records", "must / aim %", "not RED % (95 %)", "ORANGE per 1,000"), rows)


def _one_by_one(records: Sequence[Judged]) -> str:
    rows = [
        [
            r.name,
            r.label.replace("\n", " ").replace("|", "/")[:90],
            r.colour(symptoms=False) or "–",
            r.colour(symptoms=True) or "–",
            "; ".join(_said(f) for f in r.analysis.findings if f.code.startswith(("STEMI", "E_", "Q_", "T_ER"))),
        ]
        for r in records
    ]
    return grid(("record", "label", "unknown", "present", "findings"), rows)


def _said(finding: Finding) -> str:
    weighed = ", ".join(f"{a.mimic} {'dropped' if a.kept else 'explains'}" for a in finding.argued)
    state = "borderline" if finding.state == State.BORDERLINE else finding.certainty.value
    return f"{finding.code} {state}" + (f" ({weighed})" if weighed else "")


def synthetic() -> str:
    """Each territory over its limits by 50 µV, and under them: RED and not, also over 20 µV of muscle noise."""
    rows: list[list[str]] = []
    for territory in (
        "anterior",
        "anteroseptal",
        "inferior",
        "lateral",
        "high lateral",
        "posterior",
        "right ventricular",
    ):
        cells = [_hits(territory, above, noise) for above in (True, False) for noise in (0.0, 0.02)]
        rows.append([territory, *cells])
    return grid(("territory", "+50 µV", "+50 µV, noise 20 µV", "−50 µV", "−50 µV, noise 20 µV"), rows)


LIMITS = {"V2": 0.20, "V3": 0.20, **dict.fromkeys(("V7", "V8", "V9", "V3R", "V4R"), 0.05)}


def _hits(territory: str, above: bool, noise: float) -> str:
    """How many of five hearts are RED with symptoms unknown, of a man of 60."""
    shape = TERRITORIES[territory]
    raised = {n: v for n, v in shape.items() if v >= LIMITS.get(n, 0.1)}
    level = {n: LIMITS.get(n, 0.1) + (0.05 if above else -0.05) for n in raised}
    rest = {n: (v if above else 0.0) for n, v in shape.items() if n not in raised}
    red = 0
    for seed in range(5):
        heart = Heart(st_mv={**rest, **level}, individual=0.3)
        made = synthesise(heart, Noise(noise), seed=seed, extra_leads=True, patient=PatientFacts(60, Sex.MALE))
        case = Judged(territory, "", ecg.analyze(made.recording), False, above)
        red += case.colour(symptoms=False) == RED
    return f"{red} of 5"


def _pictured(case: Judged, number: int, folder: Path) -> str:
    average, name = case.analysis.average, f"acute-{number}.svg"
    top = case.acute[0] if case.acute else None
    leads = list(dict.fromkeys(e.lead for e in (top.evidence if top else ()) if e.lead in STANDARD_LEADS))[:3]
    shown = leads or ["II", "V2", "V5"]
    if average is not None:
        rows = [average.millivolts[average.leads.index(n)] for n in shown if n in average.leads]
        (folder / name).write_text(pictures.picture(rows, {average.qrs_off: "J"}, average.rate_hz), "utf-8")
    label = case.label.replace("\n", " ")[:160]
    verdict = "missed" if case.infarction else "false"
    part = "held out" if case.held_out else "tuned"
    what = f"**{case.name}** ({verdict}, {case.colour(symptoms=False) or 'no colour'}, {part}; {', '.join(shown)})"
    return f"![{verdict}](pictures/{name})\n\n{what}. Label: {label}. {_why(case, top)}"


def _why(case: Judged, top: Finding | None) -> str:
    if top is None:
        return "No acute finding: no lead pair reaches §4.1 at J and no equivalent its limits."
    values = ", ".join(_value(e) for e in top.evidence[:5])
    weighed = " ".join(a.why.en for a in top.argued)
    lead_in = "What it says instead" if case.infarction else "Why"
    return f"{lead_in}: {top.code} ({top.certainty.value}): {values}. {weighed}".strip()


def _value(evidence: Evidence) -> str:
    limit = "" if evidence.limit is None else f" {evidence.op} {evidence.limit}"
    return f"{evidence.lead or ''} {evidence.measure} {evidence.value}{limit}".strip()
