"""Each statement of the rules against the labels of the 12-lead sets: a 2×2 table with Wilson intervals.

The mapping from our codes to the labels is :data:`MAPPING`, versioned here (CLINICAL.md §2.7). A set counts for a
statement only if it labels it: where a set has no word for something, its silence says nothing. A row that names no
rhythm at all says nothing about rhythm (:data:`SCP_RHYTHMS`): its reader wrote down what else there was. A label is
one reader's opinion; PTB-XL's words carry a likelihood, and any likelihood counts.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import ecg
from ecg.accuracy import truth
from ecg.accuracy.table import grid
from ecg.analysis import Certainty, State
from ecg.recording import PatientFacts, Recording, Sex

MAPPING_VERSION = "3"
FEW = 30
"""Fewer positives than this prove nothing (CLINICAL.md §2.7)."""
Z95 = 1.959964
TWICE = ("cinc2021/E07510", "ptbxl/records500/00144_hr", "cinc2021/S0001")
"""Published a second time under another number: counted once."""
GOALS = {"R_AF": (0.90, 0.95), "BBB": (0.90, 0.95), "PACED": (None, 0.95), "R_AVB1": (None, 0.95)}
"""F1: must and aim (issue 11)."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: our ``codes`` and each set's own words for it; ``ludb`` words are beginnings, in lower case."""

    name: str
    codes: tuple[str, ...]
    scp: tuple[str, ...] = ()
    snomed: tuple[str, ...] = ()
    ludb: tuple[str, ...] = ()
    cpsc: bool = False
    rhythm: bool = False
    """Names the rhythm: counted only where the row names one."""


SCP_RHYTHMS = frozenset({"SR", "AFIB", "STACH", "SARRH", "SBRAD", "PACE", "SVARR", "AFLT", "SVTAC", "PSVT"})
"""PTB-XL's words that name a rhythm (BIGU and TRIGU are extra beats in one)."""
SNOMED_RHYTHMS = (
    "426783006", "426177001", "427084000", "427393009", "164889003", "164890007", "713422000", "426761007", "10370003",
    "17366009", "195101003", "426648003", "251166008", "233897008", "67198005", "164895002", "65778007",
)  # fmt: skip
"""The same in SNOMED CT: sinus rhythm and its rates, fibrillation, flutter, tachycardias, pacing, wandering, blocks of
the sinus node."""
SINUS = ("R_SINUS", "R_SBRAD", "R_STACH", "R_SARR")
PACED = ("C_PACE_A", "C_PACE_V", "C_PACE_AV")
STEMI = ("STEMI_ANTSEPT", "STEMI_ANT", "STEMI_HLAT", "STEMI_LAT", "STEMI_INF", "STEMI_RV", "STEMI_POST")
MAPPING: tuple[Statement, ...] = (
    Statement("R_SINUS, R_SBRAD, R_STACH, R_SARR", SINUS, ("SR", "SBRAD", "STACH", "SARRH"), (),
              ("sinus ", "irregular sinus"), rhythm=True),
    Statement("R_SBRAD", ("R_SBRAD",), ("SBRAD",), ("426177001",), ("sinus bradycardia",), rhythm=True),
    Statement("R_STACH", ("R_STACH",), ("STACH",), ("427084000",), ("sinus tachycardia",), rhythm=True),
    Statement("R_SARR", ("R_SARR",), ("SARRH",), ("427393009",), ("sinus arrhythmia", "irregular sinus"),
              rhythm=True),
    Statement("R_AF", ("R_AF", "C_WPW_AF"), ("AFIB",), ("164889003",), ("atrial fibrillation",), True,
              rhythm=True),
    Statement("R_AF, silence as denial", ("R_AF", "C_WPW_AF"), ("AFIB",), ("164889003",),
              ("atrial fibrillation",), True),
    Statement("R_AFL", ("R_AFL",), ("AFLT",), ("164890007",), ("atrial flutter",), rhythm=True),
    Statement("R_AT", ("R_AT",), (), ("713422000",), (), rhythm=True),
    Statement("R_WAP", ("R_WAP", "R_MAT"), (), ("17366009", "195101003"), ("wandering atrial",), rhythm=True),
    Statement("R_SAB2", ("R_SAB2",), (), ("65778007",), ("sinoatrial blockade",), rhythm=True),
    Statement("R_PAC", ("R_PAC",), ("PAC",), ("284470004",), ("atrial extrasystole",), True),
    Statement("R_PVC", ("R_PVC", "R_VT_NS"), ("PVC", "BIGU", "TRIGU"), ("427172004",), ("ventricular extrasystole",),
              True),
    Statement("R_AVB1", ("R_AVB1",), ("1AVB", "LPR"), ("270492004",), ("i degree av",), True),
    Statement("R_AVB3", ("R_AVB3",), ("3AVB",), (), ("iii degree av",)),
    Statement("BBB", ("C_LBBB", "C_RBBB"), ("CLBBB", "CRBBB"), ("59118001", "164909002", "733534002", "713427006"),
              ("complete left bundle", "complete right bundle"), True),
    Statement("C_LBBB", ("C_LBBB",), ("CLBBB",), ("164909002", "733534002"), ("complete left bundle",), True),
    Statement("C_RBBB", ("C_RBBB",), ("CRBBB",), ("59118001", "713427006"), ("complete right bundle",), True),
    Statement("C_IRBBB", ("C_IRBBB",), ("IRBBB",), ("713426002",), ("incomplete right bundle",)),
    Statement("C_ILBBB", ("C_ILBBB",), ("ILBBB",), (), ("incomplete left bundle",)),
    Statement("C_LAFB", ("C_LAFB",), ("LAFB",), (), ("left anterior hemiblock",)),
    Statement("C_IVCD", ("C_IVCD",), ("IVCD",), ("698252002",), ("non-specific intravintricular",)),
    Statement("C_WPW", ("C_WPW",), ("WPW",)),
    Statement("PACED", PACED, ("PACE",), (), ("pacemaker presence", "unipolar", "bipolar", "biventricular")),
    Statement("X_LAD", ("X_LAD",), (), (), ("electric axis of the heart: left axis",)),
    Statement("X_RAD", ("X_RAD",), (), (), ("electric axis of the heart: right axis",)),
    Statement("H_LVH, any criterion", ("H_LVH", "H_LVH_SL", "H_LVH_CV", "H_LVH_CP", "H_LVH_PLP", "H_LVH_RE"),
              ("LVH", "VCLVH", "HVOLT"), ("164873001", "55827005"), ("left ventricular hypertrophy",)),
    Statement("H_LVH, probable", ("H_LVH:probable",), ("LVH", "VCLVH", "HVOLT"), ("164873001", "55827005"),
              ("left ventricular hypertrophy",)),
    Statement("H_RVH", ("H_RVH",), ("RVH",), ("89792004",), ("right ventricular hypertrophy",)),
    Statement("H_LAA", ("H_LAA",), ("LAO/LAE",), ("67741000119109", "253352002"), ("left atrial",)),
    Statement("H_RAA", ("H_RAA",), ("RAO/RAE",), (), ("right atrial",)),
    Statement("V_LOW_L, V_LOW_P", ("V_LOW_L", "V_LOW_P"), ("LVOLT",)),
    Statement("S_LQT", ("S_LQT",), ("LNGQT",), ("111975006",)),
    Statement("T_ER", ("T_ER",), (), (), ("early repolarization",)),
    Statement("T_ISCH_ST, T_ISCH_T, T_NONSPEC", ("T_ISCH_ST", "T_ISCH_T", "T_NONSPEC"),
              ("NST_", "STD_", "NDT", "INVT", "LOWT", "NT_", "TAB_", "ISC_", "ISCAL", "ISCAS", "ISCIL", "ISCIN",
               "ISCLA", "DIG"),
              ("428750005", "59931005", "55930002", "164934002", "429622005", "426434006"),
              ("non-specific repolarization", "ischemia", "undefined ischemia", "left ventricular overload")),
    Statement("STEMI_*", STEMI, (), (), ("stemi",)),
    Statement("Q_SEPT, Q_ANT, Q_EXTANT", ("Q_SEPT", "Q_ANT", "Q_EXTANT"), ("AMI", "ASMI", "ALMI"), (),
              ("scar formation: anterior", "scar formation: septal", "scar formation: apical")),
    Statement("Q_INF", ("Q_INF",), ("IMI", "ILMI", "IPMI"), (), ("scar formation: inferior",)),
    Statement("Q_LAT, Q_HLAT", ("Q_LAT", "Q_HLAT"), ("LMI", "ALMI", "ILMI"), (), ("scar formation: lateral",)),
    Statement("Q_POST", ("Q_POST",), ("IPMI",), (), ("scar formation: posterior",)),
    Statement("N_NORMAL, N_BORDER", ("N_NORMAL", "N_BORDER"), ("NORM",)),
)  # fmt: skip


UNLABELLED = ("S_HYPERK", "S_HYPOK", "S_HYPERCA", "S_HYPOCA", "T_PERI", "T_NVSTE", "S_BRU1", "S_BRU2", "S_EPS", "S_PE",
              "S_TAKO", "S_DIG", "S_OSB", "S_CNS", "S_HCM_AP", "S_DEX", "S_SQT")  # fmt: skip
"""Patterns that no set has a word for: how often they are stated is all that can be counted."""


@dataclass(slots=True)
class Counts:
    """One statement's 2×2 table, and the records that it got wrong."""

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0
    missed: list[str] = field(default_factory=list[str])
    false: list[str] = field(default_factory=list[str])

    def take(self, record: str, true: bool, said: bool) -> None:
        """Counts one record."""
        if true and said:
            self.tp += 1
        elif true:
            self.fn += 1
            self.missed.append(record)
        elif said:
            self.fp += 1
            self.false.append(record)
        else:
            self.tn += 1

    @property
    def positives(self) -> int:
        """How many records bear the label."""
        return self.tp + self.fn

    @property
    def f1(self) -> float | None:
        """Harmonic mean of sensitivity and predictive value; ``None`` without a positive."""
        return 2 * self.tp / (2 * self.tp + self.fp + self.fn) if self.positives else None


UNKNOWN = PatientFacts()


@dataclass(frozen=True, slots=True)
class Labelled:
    """One row of labels.csv."""

    record: str
    source: str
    labels: str
    patient: PatientFacts = UNKNOWN

    @property
    def held_out(self) -> bool:
        """Whether this record was never tuned on."""
        if self.record.startswith("ludb/"):
            return self.record.removeprefix("ludb/") in truth.held_out("holdout.txt")
        return re.sub(r"records\d+/(\d+)_[hl]r", r"\1", self.record) in named("holdout-statements.txt")


def named(file: str) -> frozenset[str]:
    """Record names of a list in tests/data, one a line; empty where the repository is not at hand."""
    path = truth.KEPT / file
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return frozenset(line for line in lines if line and not line.startswith("#"))


def labelled(data: Path) -> Iterator[Labelled]:
    """The labelled 12-lead records, each once; PTB-XL at its full rate."""
    with (data / "labels.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            name = row["record"]
            if row["leads"] == "12" and name not in TWICE and not name.startswith(("ptbxl/records100", "cpsc2019")):
                yield Labelled(name, row["source"], row["labels"], _patient(row.get("age"), row.get("sex")))


def _patient(age: str | None, sex: str | None) -> PatientFacts:
    """Age and sex as the table has them; ``>89``, the oldest of PTB-XL, is 89."""
    known = (age or "").strip().lstrip(">")
    years = float(known) if known.replace(".", "", 1).isdigit() else None
    return PatientFacts(years, {"M": Sex.MALE, "F": Sex.FEMALE}.get((sex or "").strip()))


def recording(data: Path, row: Labelled) -> Recording:
    """One labelled record. PTB-XL keeps age and sex in its table, not in the file, where an exam has them."""
    held = ecg.read(data / f"{row.record}.hea")
    said = held.patient
    age = row.patient.age_years if said.age_years is None else said.age_years
    return replace(held, patient=replace(said, age_years=age, sex=said.sex or row.patient.sex))


def truly(statement: Statement, row: Labelled) -> bool | None:
    """Whether the labels hold this statement; ``None`` where the set has no word for it, or the row names no rhythm and
    the statement is one."""
    if statement.rhythm and not names_rhythm(row):
        return None
    if row.source == "LUDB":
        held = [part.strip().lower() for part in row.labels.split(";")]
        return any(p.startswith(statement.ludb) for p in held) if statement.ludb else None
    if row.source == "PTB-XL":
        held = [part.strip().split(":")[0] for part in row.labels.split(";")]
        return any(p in statement.scp for p in held) if statement.scp else None
    if row.source == "CinC2020 CPSC2018":
        return any(code in row.labels for code in statement.snomed) if statement.cpsc else None
    if row.source.startswith("CinC") and statement.snomed:
        return any(code in row.labels for code in statement.snomed)
    return None


def names_rhythm(row: Labelled) -> bool:
    """Whether the row says what the rhythm is. LUDB always does; CPSC 2018's nine words are all there is to be said."""
    if row.source == "PTB-XL":
        return any(part.strip().split(":")[0] in SCP_RHYTHMS for part in row.labels.split(";"))
    if row.source.startswith("CinC") and row.source != "CinC2020 CPSC2018":
        return any(code in row.labels for code in SNOMED_RHYTHMS)
    return True


def wilson(hits: int, of: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927); (0, 1) of nothing."""
    if of == 0:
        return 0.0, 1.0
    share, z2 = hits / of, Z95**2
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z95 / (1 + z2 / of) * (share * (1 - share) / of + z2 / (4 * of * of)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def counted(rows: Iterable[tuple[Labelled, frozenset[str]]]) -> Mapping[tuple[str, bool], Counts]:
    """The tables by (statement's name, held out), from each record's labels and our true codes."""
    out: dict[tuple[str, bool], Counts] = {}
    for row, said in rows:
        for statement in MAPPING:
            true = truly(statement, row)
            if true is not None:
                table = out.setdefault((statement.name, row.held_out), Counts())
                table.take(row.record, true, any(code in said for code in statement.codes))
    return out


def read(data: Path, most: int | None) -> Iterator[tuple[Labelled, frozenset[str]]]:
    """Every labelled record with the codes that are true of it."""
    rows = list(labelled(data))
    for row in rows if most is None else rows[:: max(1, len(rows) // max(most, 1))][:most]:
        path = data / f"{row.record}.hea"
        if path.exists():
            analysis = ecg.analyze(recording(data, row))
            yield row, frozenset(_said(analysis))


def _said(analysis: ecg.Analysis) -> Iterator[str]:
    """The true codes, and each with ``:probable`` behind it if it is more than possible."""
    for finding in analysis.findings:
        if finding.state == State.TRUE:
            yield finding.code
            if finding.certainty in (Certainty.PROBABLE, Certainty.DEFINITE):
                yield f"{finding.code}:probable"


NOTE = (
    "Mapping table version {version} (`ecg/accuracy/statements.py`). Fewer than {few} positives: “insufficient "
    "cases”, the figures are shown but prove nothing.\n\n"
    "The {silent} of {rows} rows that name no rhythm at all (sinus, fibrillation, flutter, pacing, …) are not "
    "counted for statements of rhythm: their silence is no denial. “R_AF, silence as denial” counts them all "
    "the same, as this table did up to version 2. For everything else silence counts as a denial, though the "
    "lists are partial (a reader need not write down a PR of 210 ms or one high voltage): a false positive may "
    "be a word left out. LVH is shown twice, since no single criterion is to be used alone (CLINICAL.md §3.4): "
    "any criterion, and “probable”, where two families or Romhilt–Estes agree."
)


def section(data: Path, most: int | None) -> str:
    """The tables as Markdown: the part that was tuned on, and the held-out part beside it."""
    rows = list(read(data, most))
    tables = counted(rows)
    head = ("statement", "part", "TP", "FP", "FN", "TN", "Se % (95 %)", "Sp % (95 %)", "PPV % (95 %)", "F1", "aim", "")
    lines: list[tuple[str, ...]] = []
    for statement in MAPPING:
        for held in (False, True):
            table = tables.get((statement.name, held))
            if table is not None:
                lines.append(_line(statement.name, "held out" if held else "tuned", table))
    silent = sum(not names_rhythm(row) for row, _ in rows)
    note = NOTE.format(version=MAPPING_VERSION, few=FEW, silent=silent, rows=len(rows))
    return f"{note}\n\n{grid(head, lines)}\n\n{_unlabelled(rows)}"


def _unlabelled(rows: Sequence[tuple[Labelled, frozenset[str]]]) -> str:
    """How often each pattern without a label is stated, by part, and where."""
    head = ("pattern", "tuned: stated of", "% (95 %)", "held out: stated of", "% (95 %)", "tuned records")
    lines: list[tuple[str, ...]] = []
    for code in UNLABELLED:
        cells: list[str] = []
        for held in (False, True):
            part = [said for row, said in rows if row.held_out == held]
            hits = sum(code in said for said in part)
            cells += [f"{hits} of {len(part)}", _share(hits, len(part))]
        where = ", ".join(row.record for row, said in rows if code in said and not row.held_out)
        lines.append((code, *cells, where))
    return f"Patterns that no set labels, and how often they are stated:\n\n{grid(head, lines)}"


def _line(name: str, part: str, t: Counts) -> tuple[str, ...]:
    must, aim = GOALS.get(name, (None, None))
    target = " / ".join("–" if v is None else f"{v:g}" for v in (must, aim)) if name in GOALS else ""
    shares = (_share(t.tp, t.positives), _share(t.tn, t.tn + t.fp), _share(t.tp, t.tp + t.fp))
    score = "–" if t.f1 is None else f"{t.f1:.3f}"
    few = "insufficient cases" if t.positives < FEW else ""
    return (name, part, *(str(n) for n in (t.tp, t.fp, t.fn, t.tn)), *shares, score, target, few)


def _share(hits: int, of: int) -> str:
    if of == 0:
        return "–"
    low, high = wilson(hits, of)
    return f"{100 * hits / of:.1f} ({100 * low:.0f}–{100 * high:.0f})"
