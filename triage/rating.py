"""From findings to a colour, with its reasons (CLINICAL.md §5.6).

Colour = the highest over the findings, then the modifiers, then the floors. The core gives findings and evidence and no
colour; this table gives the colour, from findings, symptoms, quality and the clinic's own button. Symptoms have three
values: present now (within 12 h), unknown, explicitly absent. Without an analysis the clinic's button makes it RED,
symptoms ORANGE, and else it stays unread (``colour`` is ``None``), sorted directly under ORANGE; never silently GREEN.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from functools import cache
from pathlib import Path
from typing import Any

HOUR_US = 3_600_000_000
RECENT_US = 12 * HOUR_US  # symptoms that began earlier count as unknown


class Colour(StrEnum):
    """How soon a human must look."""

    RED = "RED"
    """Possible occlusion or lethal rhythm: now, within 3 minutes."""
    ORANGE = "ORANGE"
    """High risk, may worsen within hours: within 10 minutes."""
    YELLOW = "YELLOW"
    """Abnormal: the same day, within 60 minutes."""
    GREEN = "GREEN"
    """Nothing signalled by the ECG: within 24 hours."""


class Symptoms(IntEnum):
    """What is known of acute symptoms; the column of the acute table."""

    ONGOING = 0
    UNKNOWN = 1
    ABSENT = 2


# Position in the worklist; unread stands directly under ORANGE.
RANK: dict[Colour | None, int] = {
    Colour.RED: 0,
    Colour.ORANGE: 1,
    None: 2,
    Colour.YELLOW: 3,
    Colour.GREEN: 4,
}
ACS_SYMPTOMS = frozenset({"chest_pain", "chest_tightness", "radiating_pain", "dyspnoea", "sweating", "syncope"})
WHOLE_RECORD = frozenset({"D", "E"})


@dataclass(frozen=True, slots=True)
class Facts:
    """What the clinic said: its button, symptoms, and when they began (UTC µs)."""

    urgent: bool = False
    symptoms: tuple[str, ...] = ()
    onset_at: int | None = None
    now: int = 0

    @property
    def state(self) -> Symptoms:
        """Present, unknown or absent."""
        if set(self.symptoms) == {"none"}:
            return Symptoms.ABSENT
        if self.has_acs and (self.onset_at is None or self.now - self.onset_at <= RECENT_US):
            return Symptoms.ONGOING
        return Symptoms.UNKNOWN

    @property
    def has_acs(self) -> bool:
        """Whether any symptom of acute coronary disease was named, however old."""
        return bool(ACS_SYMPTOMS & set(self.symptoms))


@dataclass(frozen=True, slots=True)
class Rating:
    """A colour and why. ``reason``: one line {zh, en}; ``evidence``: the lines of the finding that decided."""

    colour: Colour | None
    reason: dict[str, str]
    evidence: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    code: str | None = None


@dataclass(frozen=True, slots=True)
class _Vote:
    colour: Colour
    zh: str
    en: str
    code: str
    evidence: Sequence[dict[str, Any]] = ()


@cache
def table() -> dict[str, Any]:
    """The rating table that came with this version."""
    return tomllib.loads(Path(__file__).with_name("rating.toml").read_text("utf-8"))


def rate(document: Mapping[str, Any] | None, facts: Facts) -> Rating:
    """The colour of one exam. ``document``: its ``ecgnet.analysis/1``, or ``None`` without an analysis."""
    if document is None:
        return _unread(facts)
    votes = [*_findings(document, facts), *_measured(document, facts), *_not_assessable(document, facts)]
    votes += _floors(document, facts, votes)
    best = min(votes, key=lambda vote: RANK[vote.colour])
    return Rating(best.colour, {"zh": best.zh, "en": best.en}, list(best.evidence), best.code)


def _unread(facts: Facts) -> Rating:
    if facts.urgent:
        return Rating(
            Colour.RED, {"zh": "村医急救呼叫,图未判读", "en": "Clinic's emergency call, tracing not read"}, [], "URGENT"
        )
    if facts.state is Symptoms.ONGOING:
        return Rating(Colour.ORANGE, {"zh": "有症状,图未判读", "en": "Symptoms, tracing not read"}, [], "UNREAD")
    return Rating(None, {"zh": "图未判读", "en": "Tracing not read"}, [], "UNREAD")


def _findings(document: Mapping[str, Any], facts: Facts) -> list[_Vote]:
    votes: list[_Vote] = []
    for finding in document["findings"]:
        if finding["state"] != "true" and finding["code"] != "STEMI_BORDERLINE":
            continue
        colour = _colour_of(finding, facts.state)
        name = finding["name"]
        doubt = {"zh": "可能", "en": "possible "} if colour in (Colour.RED, Colour.ORANGE) else {"zh": "", "en": ""}
        votes.append(
            _Vote(
                colour,
                doubt["zh"] + name["zh"],
                _sentence(doubt["en"] + name["en"]),
                finding["code"],
                finding["evidence"],
            )
        )
    return votes


def _colour_of(finding: Mapping[str, Any], state: Symptoms) -> Colour:
    explained = is_explained(finding)
    for row in table()["acute"]:
        if _names(row["codes"], finding["code"]) and row.get("explained", explained) == explained:
            return Colour(row["colours"][state])
    for colour in (Colour.RED, Colour.ORANGE, Colour.GREEN):
        if _names(table()["other"][colour.value], finding["code"]):
            return colour
    return Colour.YELLOW


def is_explained(finding: Mapping[str, Any]) -> bool:
    """Whether a mimic explains the finding, or its J point is doubtful (CLINICAL.md §4.1, §4.8)."""
    weighed = any(not argument["kept"] for argument in finding.get("argued", ()))
    return weighed or "J_AMBIGUOUS" in finding.get("notes", ())


def _names(codes: Sequence[str], code: str) -> bool:
    return any(code == name or (name.endswith("*") and code.startswith(name[:-1])) for name in codes)


def _measured(document: Mapping[str, Any], facts: Facts) -> list[_Vote]:
    votes: list[_Vote] = []
    done: set[str] = set()
    for row in table()["measured"]:
        value = _measurement(document, row["measure"])
        if value is None or row["measure"] in done or not _holds(row, value):
            continue
        done.add(row["measure"])
        raised = bool(set(row.get("symptoms", ())) & set(facts.symptoms))
        colour = Colour(row["symptom_colour"] if raised else row["colour"])
        evidence = [
            {"lead": None, "measure": row["measure"], "value": value, "op": _operator(row), "limit": _limit(row)}
        ]
        text = {language: row[language].format(value=value) for language in ("zh", "en")}
        votes.append(_Vote(colour, text["zh"], _sentence(text["en"]), row["measure"].upper(), evidence))
    return votes


def _measurement(document: Mapping[str, Any], name: str) -> float | None:
    measurements = document["measurements"]
    if name == "qtc_used_ms":  # CLINICAL.md §2.3: Bazett within 60–90/min, else Fridericia
        rate, qtc = measurements.get("heart_rate_bpm"), measurements.get("qtc_ms")
        if not rate or not qtc or rate > 120:
            return None
        return qtc["bazett"] if 60 <= rate <= 90 else qtc["fridericia"]
    return measurements.get(name)


def _holds(row: Mapping[str, Any], value: float) -> bool:
    if "at_least" in row:
        return value >= row["at_least"]
    if "at_most" in row:
        return value <= row["at_most"]
    return value < row["below"]


def _operator(row: Mapping[str, Any]) -> str:
    return ">=" if "at_least" in row else "<=" if "at_most" in row else "<"


def _limit(row: Mapping[str, Any]) -> float:
    return row.get("at_least", row.get("at_most", row.get("below")))


def _not_assessable(document: Mapping[str, Any], facts: Facts) -> list[_Vote]:
    row = table()["not_assessable"]
    for item in document["not_assessed"]:
        if item["code"] in row["codes"]:
            colour = Colour(row["colours"][facts.state])
            why = item["why"]
            return [
                _Vote(
                    colour,
                    f"ST段不能判断:{why['zh'].rstrip('。')}",
                    f"ST cannot be judged: {why['en'].rstrip('.')}",
                    "ST_NOT_ASSESSED",
                )
            ]
    return []


def _floors(document: Mapping[str, Any], facts: Facts, votes: Sequence[_Vote]) -> list[_Vote]:
    floors: list[_Vote] = []
    if facts.urgent:
        floors.append(_Vote(Colour.RED, "村医急救呼叫", "Clinic's emergency call", "URGENT"))
    if document["quality"]["grade"] in WHOLE_RECORD:
        grade = document["quality"]["grade"]
        floors.append(_Vote(Colour.YELLOW, f"图质{grade}级,未能判断", f"Grade {grade}, could not be judged", "QUALITY"))
    if facts.has_acs:
        floors.append(_Vote(Colour.YELLOW, "有症状,心电图未见急性改变", "Symptoms, no acute change seen", "ACS_SX"))
    if not votes:
        floors.append(_Vote(Colour.YELLOW, "未能得出结论", "No conclusion was possible", "NO_FINDING"))
    return floors


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def due_after_us(colour: Colour | None) -> int:
    """How long a human may take, from CLINICAL.md §5.6."""
    minutes = {Colour.RED: 3, Colour.ORANGE: 10, None: 10, Colour.YELLOW: 60, Colour.GREEN: 24 * 60}
    return minutes[colour] * 60_000_000


# What the village reads: one sentence of what is known, one action (CLINICAL.md §5.6).
VILLAGE: dict[Colour | None, dict[str, dict[str, str]]] = {
    Colour.RED: {
        "answer": {
            "zh": "心电图提示可能急性心梗或危险心律",
            "en": "The ECG suggests a possible heart attack or a dangerous rhythm",
        },
        "action": {
            "zh": "让病人平卧不动、备好除颤仪、准备转运,不要离开,县医院马上来电",
            "en": "Keep the patient lying still, defibrillator ready, prepare transfer, stay: the county is calling",
        },
    },
    Colour.ORANGE: {
        "answer": {"zh": "心电图有危险改变", "en": "The ECG shows a dangerous change"},
        "action": {
            "zh": "病人不要走动,10分钟内医生回复,胸痛加重立即呼120",
            "en": "Keep the patient at rest; a doctor answers within 10 minutes; if the pain gets worse call 120",
        },
    },
    Colour.YELLOW: {
        "answer": {"zh": "心电图有异常,医生将尽快回复", "en": "The ECG is abnormal; a doctor will answer soon"},
        "action": {
            "zh": "若仍胸痛,10–20分钟后再做一次心电图",
            "en": "If chest pain goes on, record again in 10–20 minutes",
        },
    },
    Colour.GREEN: {
        "answer": {"zh": "目前心电图未见明显异常", "en": "Nothing abnormal stands out in the ECG at present"},
        "action": {
            "zh": "如有胸痛,正常心电图不能排除心梗,请再做一次",
            "en": "With chest pain a normal ECG does not exclude a heart attack: record again",
        },
    },
    None: {
        "answer": {
            "zh": "图已收到,机器未能判读,医生会看",
            "en": "Received; the machine could not read it, a doctor will look",
        },
        "action": {"zh": "病人不适加重请打县医院电话", "en": "If the patient gets worse, call the county"},
    },
}
