"""From findings to a colour, with its reasons (CLINICAL.md §5.6).

Colour = the highest over the findings, then the modifiers, then the floors. The core gives findings and evidence and no
colour; this table gives the colour, from findings, symptoms, quality and the clinic's own button. Symptoms have three
values: present now (within 12 h), unknown, explicitly absent. Without an analysis the clinic's button makes it RED,
symptoms ORANGE, and else it stays unread (``colour`` is ``None``), sorted directly under ORANGE; never silently GREEN.

Rating never fails (CLINICAL.md §6, fail-open): a part of the document that cannot be understood counts as unread, and
the other parts still vote.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum, StrEnum
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import structlog

from triage import doubt

log = structlog.get_logger("rating")

HOUR_US = 3_600_000_000
CHINA = timedelta(hours=8)  # Asia/Shanghai, without summer time since 1991
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
    """What the clinic said: its button, symptoms, and when they began (UTC µs); ``now``: when the ECG was received."""

    urgent: bool = False
    symptoms: tuple[str, ...] = ()
    onset_at: int | None = None
    now: int = 0
    age_years: float | None = None
    identities: int = 1
    """How many identities were sent with the same bytes."""

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
    colour: Colour | None
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
        return unread(facts)
    votes: list[_Vote] = []
    for voters in (_findings, _measured, _modified, _not_assessable, _quality):
        votes += _guarded(voters, document, facts)
    votes += _floors(facts, votes)
    best = min(votes, key=lambda vote: RANK[vote.colour])
    return Rating(best.colour, {"zh": best.zh, "en": best.en, "code": best.code}, list(best.evidence), best.code)


def unread(facts: Facts) -> Rating:
    """The colour of a tracing that nothing has read."""
    if facts.urgent:
        return _rating(Colour.RED, "村医急救呼叫，图未判读", "Clinic's emergency call, tracing not read", "URGENT")
    if facts.state is Symptoms.ONGOING:
        return _rating(Colour.ORANGE, "有症状，图未判读", "Symptoms, tracing not read", "UNREAD")
    if facts.identities > 1:
        return _rating(Colour.ORANGE, doubt.TWO_IDENTITIES["zh"], doubt.TWO_IDENTITIES["en"], "IDENTITY")
    return _rating(None, "图未判读", "Tracing not read", "UNREAD")


def _rating(colour: Colour | None, zh: str, en: str, code: str) -> Rating:
    return Rating(colour, {"zh": zh, "en": en, "code": code}, [], code)


Voters = Callable[[Mapping[str, Any], Facts], Iterable[_Vote]]


def _guarded(voters: Voters, document: Mapping[str, Any], facts: Facts) -> list[_Vote]:
    """The votes of one part; a part that cannot be understood counts as a tracing that nothing has read."""
    try:
        return list(voters(document, facts))
    except Exception as error:  # noqa: BLE001 (no mistake of ours may keep an exam from a human)
        log.error("rating.part-not-understood", part=voters.__name__, error=repr(error))
        found = unread(facts)
        return [_Vote(found.colour, found.reason["zh"], found.reason["en"], "UNREAD")]


def _is_held(finding: Mapping[str, Any]) -> bool:
    """Whether it counts: true ones, and the borderline STEMI, which has its row."""
    return finding["state"] == "true" or finding["code"] == "STEMI_BORDERLINE"


def _findings(document: Mapping[str, Any], facts: Facts) -> Iterable[_Vote]:
    return chain.from_iterable(_guarded(_finding, finding, facts) for finding in document["findings"])


def _finding(finding: Mapping[str, Any], facts: Facts) -> Iterable[_Vote]:
    if _is_held(finding):
        yield _named(finding, _colour_of(finding, facts.state))


def _named(finding: Mapping[str, Any], colour: Colour, zh: str = "", en: str = "") -> _Vote:
    """The vote of a finding; ``zh`` and ``en`` say what beside it decided."""
    code: str = finding["code"]
    name: Mapping[str, str] = finding.get("name") or {"zh": code, "en": code}
    is_doubtful = colour in (Colour.RED, Colour.ORANGE)
    text_zh = ("可能" if is_doubtful else "") + name["zh"] + zh
    text_en = _sentence((f"possible {_within(name['en'])}" if is_doubtful else name["en"]) + en)
    return _Vote(colour, text_zh, text_en, code, finding.get("evidence") or ())


def _colour_of(finding: Mapping[str, Any], state: Symptoms) -> Colour:
    for row in table()["acute"]:
        if _matches(row, finding):
            return Colour(row["colours"][state])
    for colour in (Colour.RED, Colour.ORANGE, Colour.GREEN):
        if _names(table()["other"][colour.value], finding["code"]):
            return colour
    return Colour.YELLOW


def _matches(row: Mapping[str, Any], finding: Mapping[str, Any]) -> bool:
    """Whether a row of the acute table speaks of this finding."""
    if not _names(row["codes"], finding["code"]):
        return False
    if "explained" in row and row["explained"] != is_explained(finding):
        return False
    return "certainty" not in row or finding.get("certainty") in row["certainty"]


def is_explained(finding: Mapping[str, Any]) -> bool:
    """Whether a mimic explains the finding, or its J point is doubtful (CLINICAL.md §4.1, §4.8)."""
    weighed = any(argument.get("kept") is False for argument in finding.get("argued") or ())
    return weighed or "J_AMBIGUOUS" in (finding.get("notes") or ())


def _names(codes: Sequence[str], code: str) -> bool:
    return any(code == name or (name.endswith("*") and code.startswith(name[:-1])) for name in codes)


# --- measured values -------------------------------------------------------------------------------------------------


def _measured(document: Mapping[str, Any], facts: Facts) -> Iterable[_Vote]:
    codes = _held_codes(document)
    done: set[str] = set()
    for row in table()["measured"]:
        measure = row["measure"]
        value = _measurement(document, measure)
        if value is None or measure in done or not _holds(row, value):
            continue
        if "codes" in row and not any(_names(row["codes"], code) for code in codes):
            continue
        done.add(measure)
        raised = bool(set(row.get("symptoms", ())) & set(facts.symptoms))
        colour = Colour(row["symptom_colour"] if raised else row["colour"])
        evidence = [{"lead": None, "measure": measure, "value": value, "op": _operator(row), "limit": _limit(row)}]
        text = {language: row[language].format(value=value) for language in ("zh", "en")}
        yield _Vote(colour, text["zh"], _sentence(text["en"]), measure.upper(), evidence)


def _held_codes(document: Mapping[str, Any]) -> list[str]:
    return [finding["code"] for finding in document["findings"] if _is_held(finding)]


def _measurement(document: Mapping[str, Any], name: str) -> float | None:
    measurements = document["measurements"]
    if name == "qtc_used_ms":  # CLINICAL.md §2.3: Bazett within 60–90/min, else Fridericia
        rate, qtc = measurements.get("heart_rate_bpm"), measurements.get("qtc_ms")
        if not rate or not qtc or rate > 120:
            return None
        return qtc.get("bazett") if 60 <= rate <= 90 else qtc.get("fridericia")
    return measurements.get(name)


def _holds(row: Mapping[str, Any], value: float) -> bool:
    """Whether the value lies beyond the row's limit; a NaN lies nowhere."""
    if "at_least" in row:
        return value >= row["at_least"]
    if "at_most" in row:
        return value <= row["at_most"]
    return value < row["below"]


def _operator(row: Mapping[str, Any]) -> str:
    return ">=" if "at_least" in row else "<=" if "at_most" in row else "<"


def _limit(row: Mapping[str, Any]) -> float:
    return row.get("at_least", row.get("at_most", row.get("below")))


# --- modifiers -------------------------------------------------------------------------------------------------------


def _modified(document: Mapping[str, Any], facts: Facts) -> Iterable[_Vote]:
    """What symptoms, age or another finding add to a finding (§5.6 "Modifiers")."""
    held = [finding for finding in document["findings"] if _is_held(finding)]
    for row in table()["modifier"]:
        with_it = row.get("with")
        if not _applies(row, facts) or (with_it and not any(_names(with_it, one["code"]) for one in held)):
            continue
        for finding in held:
            if _names(row["codes"], finding["code"]):
                yield _named(finding, Colour(row["colours"][facts.state]), row["zh"], row["en"])


def _applies(row: Mapping[str, Any], facts: Facts) -> bool:
    if "symptoms" in row and not set(row["symptoms"]) & set(facts.symptoms):
        return False
    if "state" in row and facts.state is not Symptoms[row["state"]]:
        return False
    if "acs" in row and not facts.has_acs:
        return False
    return "age_from" not in row or (facts.age_years is not None and facts.age_years >= row["age_from"])


# --- what could not be judged, and the floors ------------------------------------------------------------------------


def _not_assessable(document: Mapping[str, Any], facts: Facts) -> Iterable[_Vote]:
    row = table()["not_assessable"]
    for item in document.get("not_assessed") or ():
        if item["code"] in row["codes"]:
            why: Mapping[str, str] = item.get("why") or {}
            zh, en = why.get("zh", "").rstrip("。"), why.get("en", "").rstrip(".")
            colour = Colour(row["colours"][facts.state])
            yield _Vote(colour, f"ST段不能判断：{zh}", f"ST cannot be judged: {en}", "ST_NOT_ASSESSED")
            return


def _quality(document: Mapping[str, Any], _facts: Facts) -> Iterable[_Vote]:
    grade = document["quality"]["grade"]
    if grade in WHOLE_RECORD:
        yield _Vote(Colour.YELLOW, f"图质{grade}级，未能判断", f"Grade {grade}, could not be judged", "QUALITY")


def _floors(facts: Facts, votes: Sequence[_Vote]) -> list[_Vote]:
    floors: list[_Vote] = []
    if facts.urgent:
        floors.append(_Vote(Colour.RED, "村医急救呼叫", "Clinic's emergency call", "URGENT"))
    if facts.identities > 1:
        words = doubt.TWO_IDENTITIES
        floors.append(_Vote(Colour.ORANGE, words["zh"], words["en"], "IDENTITY"))
    if facts.has_acs:
        floors.append(_Vote(Colour.YELLOW, "有症状，心电图未见急性改变", "Symptoms, no acute change seen", "ACS_SX"))
    if not votes:
        floors.append(_Vote(Colour.YELLOW, "未能得出结论", "No conclusion was possible", "NO_FINDING"))
    return floors


def _within(text: str) -> str:
    """A name inside a sentence: no capital, unless it is an abbreviation's."""
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def age_years(birth_date: str | None, at: int) -> int | None:
    """The age at an instant (UTC µs) in China, or ``None`` if no plausible date is known."""
    if birth_date is None:
        return None
    try:
        born = date.fromisoformat(birth_date)
    except ValueError:
        return None
    day = (datetime.fromtimestamp(at // 1_000_000, UTC) + CHINA).date()
    years = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
    return years if 0 <= years <= 130 else None


def due_after_us(colour: Colour | None) -> int:
    """How long a human may take, from CLINICAL.md §5.6."""
    minutes = {Colour.RED: 3, Colour.ORANGE: 10, None: 10, Colour.YELLOW: 60, Colour.GREEN: 24 * 60}
    return minutes[colour] * 60_000_000


def village(colour: Colour | None, code: str | None) -> dict[str, dict[str, str]]:
    """The village's sentence and action for a machine's rating: it names no finding that nothing has seen."""
    words = VILLAGE[colour]
    if code == "URGENT":
        return {**words, "answer": CALLED}
    if code == "UNREAD":
        return {**words, "answer": VILLAGE[None]["answer"]}
    return words


CALLED = {"zh": "急救呼叫已送达县医院", "en": "Your emergency call has reached the county"}

# What the village reads: one sentence of what is known, one action (CLINICAL.md §5.6).
VILLAGE: dict[Colour | None, dict[str, dict[str, str]]] = {
    Colour.RED: {
        "answer": {
            "zh": "心电图提示可能急性心梗或危险心律",
            "en": "The ECG suggests a possible heart attack or a dangerous rhythm",
        },
        "action": {
            "zh": "让病人平卧不动、备好除颤仪、准备转运，不要离开，县医院马上来电",
            "en": "Keep the patient lying still, defibrillator ready, prepare transfer, stay: the county is calling",
        },
    },
    Colour.ORANGE: {
        "answer": {"zh": "心电图有危险改变", "en": "The ECG shows a dangerous change"},
        "action": {
            "zh": "病人不要走动，10分钟内医生回复，胸痛加重立即呼120",
            "en": "Keep the patient at rest; a doctor answers within 10 minutes; if the pain gets worse call 120",
        },
    },
    Colour.YELLOW: {
        "answer": {"zh": "心电图有异常，医生将尽快回复", "en": "The ECG is abnormal; a doctor will answer soon"},
        "action": {
            "zh": "若仍胸痛，10–20分钟后再做一次心电图",
            "en": "If chest pain goes on, record again in 10–20 minutes",
        },
    },
    Colour.GREEN: {
        "answer": {"zh": "目前心电图未见明显异常", "en": "Nothing abnormal stands out in the ECG at present"},
        "action": {
            "zh": "如有胸痛，正常心电图不能排除心梗，请再做一次",
            "en": "With chest pain a normal ECG does not exclude a heart attack: record again",
        },
    },
    None: {
        "answer": {
            "zh": "图已收到，机器未能判读，医生会看",
            "en": "Received; the machine could not read it, a doctor will look",
        },
        "action": {"zh": "病人不适加重请打县医院电话", "en": "If the patient gets worse, call the county"},
    },
}
