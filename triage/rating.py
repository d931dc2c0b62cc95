"""From findings to a colour, with its reasons (CLINICAL.md §5.6, §4.9, §4.10).

Colour = the highest over the findings, then the modifiers, then the floors. The core gives findings and evidence and no
colour; a table gives the colour (:mod:`triage.rating_table`), from findings, symptoms, age, a prior ECG, quality and
the clinic's own button. Symptoms have three values: present now (within 12 h), unknown, explicitly absent. GREEN needs
a normal ECG that was stated as one: where something could not be assessed, nothing abnormal is not normal. Without an
analysis the clinic's button makes it RED, symptoms ORANGE, and else it stays unread (``colour`` is ``None``), sorted
directly under ORANGE; never silently GREEN.

Rating never fails (CLINICAL.md §6, fail-open): a part of the document that cannot be understood counts as unread, and
the other parts still vote. Each vote says why in words; those of the colour that won are the reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import chain
from typing import Any, cast

import structlog

from triage import doubt, rating_table
from triage.colours import RANK, Colour, Symptoms, due_after_us
from triage.rating_table import Table, names
from triage.village import VILLAGE, village

__all__ = ["RANK", "VILLAGE", "Colour", "Facts", "Rating", "Symptoms", "due_after_us", "rate", "unread", "village"]

log = structlog.get_logger("rating")

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
CHINA = timedelta(hours=8)  # Asia/Shanghai, without summer time since 1991
RECENT_US = 12 * HOUR_US  # symptoms that began earlier count as unknown

ACS_SYMPTOMS = frozenset({"chest_pain", "chest_tightness", "radiating_pain", "dyspnoea", "sweating", "syncope"})
WHOLE_RECORD = frozenset({"D", "E"})
SURE_NORMAL = ("N_NORMAL", "N_BORDER")
MOST_REASONS = 5  # sentences that say why; a screen shows as many


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
    is_held: bool = False
    """Whether the same tracing stands under another patient's name."""

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

    @property
    def minutes(self) -> float | None:
        """How long it has lasted, if the clinic said when it began."""
        return None if self.onset_at is None else (self.now - self.onset_at) / MINUTE_US


@dataclass(frozen=True, slots=True)
class Rating:
    """A colour and why. ``reason``: one line {zh, en}, its code, ``why`` in full, the critical values; ``evidence``:
    the lines of the finding that decided; ``topic``: the territories that call, so that another one calls anew.
    """

    colour: Colour | None
    reason: dict[str, Any]
    evidence: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    code: str | None = None
    topic: str = ""


@dataclass(frozen=True, slots=True)
class _Vote:
    colour: Colour | None
    zh: str
    en: str
    code: str
    evidence: Sequence[dict[str, Any]] = ()
    critical: int | None = None
    more: tuple[tuple[str, str], ...] = ()
    """Sentences (zh, en) that belong to it: the mimics that were argued, then hints."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is voted on."""

    document: Mapping[str, Any]
    facts: Facts
    table: Table

    @property
    def held(self) -> list[Mapping[str, Any]]:
        """The findings that count, those of the comparison with a prior ECG too; what is none is passed over here,
        and counts as unread where it votes.
        """
        stated = [one for one in self.document["findings"] if _is_finding(one) and _is_held(one)]
        return [*stated, *_changes(self.document)]

    @property
    def codes(self) -> list[str]:
        """Their codes."""
        return [finding["code"] for finding in self.held]

    @property
    def is_unchanged(self) -> bool:
        """Whether a prior ECG that is surely this patient's shows the same (§4.10)."""
        prior = _prior(self.document)
        return prior.get("identity") == "proven" and prior.get("unchanged") is True


def rate(document: Mapping[str, Any] | None, facts: Facts, table: Table | None = None) -> Rating:
    """The colour of one exam. ``document``: its ``ecgnet.analysis/1``, or ``None`` without an analysis; ``table``: the
    county's own, else the one that came with this version.
    """
    if document is None:
        return unread(facts)
    seen = _Seen(document, facts, table or rating_table.default())
    votes: list[_Vote] = []
    for voters in (_findings, _measured, _modified, _not_assessable, _quality):
        votes += _guarded(voters, seen)
    votes += _floors(seen, votes)
    return _decided(votes, seen)


def unread(facts: Facts) -> Rating:
    """The colour of a tracing that nothing has read."""
    if facts.urgent:
        return _rating(Colour.RED, "村医急救呼叫，图未判读", "Clinic's emergency call, tracing not read", "URGENT")
    if facts.state is Symptoms.ONGOING:
        return _rating(Colour.ORANGE, "有症状，图未判读", "Symptoms, tracing not read", "UNREAD")
    if facts.identities > 1 or facts.is_held:
        words = doubt.TWO_NAMES if facts.is_held else doubt.TWO_IDENTITIES
        return _rating(Colour.ORANGE, words["zh"], words["en"], "WRONG_PATIENT" if facts.is_held else "IDENTITY")
    return _rating(None, "图未判读", "Tracing not read", "UNREAD")


def _rating(colour: Colour | None, zh: str, en: str, code: str) -> Rating:
    return Rating(colour, {"zh": zh, "en": en, "code": code, "why": [], "critical": []}, [], code)


def _decided(votes: Sequence[_Vote], seen: _Seen) -> Rating:
    """The highest vote, what else asks for its colour, and what was weighed."""
    best = min(votes, key=lambda vote: (RANK[vote.colour], vote.code not in SURE_NORMAL))
    equal = [best, *(vote for vote in votes if vote.colour == best.colour and vote is not best)]
    said = dict.fromkeys(pair for vote in equal for pair in ((vote.zh, vote.en), *vote.more))
    said |= dict.fromkeys(_around(seen))
    reason: dict[str, Any] = {"zh": best.zh, "en": best.en, "code": best.code}
    reason["why"] = [{"zh": zh, "en": en} for zh, en in list(said)[1 : MOST_REASONS + 1]]
    reason["critical"] = _criticals(votes, seen.table)
    territories = sorted({vote.code for vote in equal if names(seen.table.territories, vote.code)})
    return Rating(best.colour, reason, list(best.evidence), best.code, "+".join(territories))


def _criticals(votes: Sequence[_Vote], table: Table) -> list[dict[str, Any]]:
    """The critical values (危急值) among the votes that call: each item of §4.9 once."""
    calling = (Colour.RED, Colour.ORANGE)
    found = sorted({vote.critical for vote in votes if vote.critical is not None and vote.colour in calling})
    return [{"item": item, **table.critical[item]} for item in found]


def _around(seen: _Seen) -> Iterable[tuple[str, str]]:
    """What was known beside the tracing."""
    zh, en = _SYMPTOMS[seen.facts.state]
    yield zh, en
    if seen.is_unchanged:
        yield "与前次心电图相比无明显变化", "No significant change from the prior ECG"


_SYMPTOMS = {
    Symptoms.ONGOING: ("现在或12小时内有症状", "Symptoms now or within 12 hours"),
    Symptoms.UNKNOWN: ("症状不详，请询问", "Symptoms unknown: ask"),
    Symptoms.ABSENT: ("明确无症状", "No symptoms, as asked"),
}

Voters = Callable[[_Seen], Iterable[_Vote]]


def _guarded(voters: Voters, seen: _Seen) -> list[_Vote]:
    """The votes of one part; a part that cannot be understood counts as a tracing that nothing has read."""
    try:
        return list(voters(seen))
    except Exception as error:  # noqa: BLE001 (no mistake of ours may keep an exam from a human)
        log.error("rating.part-not-understood", part=getattr(voters, "__name__", "finding"), error=repr(error))
        found = unread(seen.facts)
        return [_Vote(found.colour, found.reason["zh"], found.reason["en"], "UNREAD")]


# --- findings --------------------------------------------------------------------------------------------------------


def _is_held(finding: Mapping[str, Any]) -> bool:
    """Whether it counts: true ones, and the borderline STEMI, which has its row."""
    return finding["state"] == "true" or finding["code"] == "STEMI_BORDERLINE"


def _is_finding(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and isinstance(cast("Mapping[str, Any]", value).get("code"), str)
        and "state" in value
    )


def _prior(document: Any) -> Mapping[str, Any]:
    """The comparison with a prior ECG; empty where there is none."""
    prior: Any = cast("Mapping[str, Any]", document).get("comparison") if isinstance(document, Mapping) else None
    return cast("Mapping[str, Any]", prior) if isinstance(prior, Mapping) else {}


def _changes(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What is new since a prior ECG that is surely of the same patient; of a doubtful one nothing counts (§6, 6)."""
    prior = _prior(document)
    if prior.get("identity") != "proven":
        return []
    return [change for change in prior.get("changes") or () if change.get("state") == "true"]


def _findings(seen: _Seen) -> Iterable[_Vote]:
    stated = [*seen.document["findings"], *_changes(seen.document)]
    return chain.from_iterable(_guarded(partial(_finding, finding=finding), seen) for finding in stated)


def _finding(seen: _Seen, finding: Mapping[str, Any]) -> Iterable[_Vote]:
    if _is_held(finding):
        colour, critical = _colour_of(seen, finding)
        yield _named(finding, colour, critical=critical)


def _named(
    finding: Mapping[str, Any], colour: Colour, zh: str = "", en: str = "", critical: int | None = None
) -> _Vote:
    """The vote of a finding; ``zh`` and ``en`` say what beside it decided."""
    code: str = finding["code"]
    name: Mapping[str, str] = finding.get("name") or {"zh": code, "en": code}
    is_doubtful = colour in (Colour.RED, Colour.ORANGE)
    text_zh = ("可能" if is_doubtful and not name["zh"].startswith("可能") else "") + name["zh"] + zh
    text_en = _sentence((f"possible {_within(name['en'])}" if is_doubtful else name["en"]) + en)
    return _Vote(colour, text_zh, text_en, code, finding.get("evidence") or (), critical, tuple(_argued(finding)))


def _argued(finding: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for argument in finding.get("argued") or ():
        why: Mapping[str, str] = argument.get("why") or {}
        if why.get("zh") and why.get("en"):
            yield why["zh"].rstrip("。"), why["en"].rstrip(".")
    for hint in finding.get("hints") or ():
        if hint.get("zh") and hint.get("en"):
            yield hint["zh"].rstrip("。"), hint["en"].rstrip(".")


def _colour_of(seen: _Seen, finding: Mapping[str, Any]) -> tuple[Colour, int | None]:
    """The colour of a finding by the first row that speaks of it, and its item of §4.9."""
    state = seen.facts.state
    for row in (*seen.table.acute, *seen.table.graded):
        if _matches(row, finding, seen):
            return Colour(row["colours"][state] if "colours" in row else row["colour"]), row.get("critical")
    code = finding["code"]
    for colour in (Colour.RED, Colour.ORANGE, Colour.GREEN):
        if names(seen.table.other[colour], code):
            return colour, seen.table.critical_of(code)
    if names(seen.table.border, code) and "N_BORDER" in seen.codes:
        return Colour.GREEN, None
    return Colour.YELLOW, None


def _matches(row: Mapping[str, Any], finding: Mapping[str, Any], seen: _Seen) -> bool:
    """Whether a row speaks of this finding: every condition that it names holds."""
    if not names(row["codes"], finding["code"]):
        return False
    return all(_CONDITIONS[name](row[name], finding, seen) for name in row if name in _CONDITIONS)


def _has_note(wanted: Sequence[str], finding: Mapping[str, Any], _seen: _Seen) -> bool:
    return bool(_notes(finding) & {_plain(note) for note in wanted})


def _notes(finding: Mapping[str, Any]) -> set[str]:
    """What the finding says of its own form: its notes, and what its evidence measured, without case or signs."""
    measured = [str(line.get("measure")) for line in finding.get("evidence") or ()]
    return {_plain(note) for note in (*(finding.get("notes") or ()), *measured)}


def _plain(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def _grade(finding: Mapping[str, Any]) -> float:
    """The grade that a finding gives itself: evidence of ``grade``, or a note ``GRADE_2``; 1 where it says none."""
    values = [line["value"] for line in finding.get("evidence") or () if str(line.get("measure")).endswith("grade")]
    noted = [float(note[5:]) for note in _notes(finding) if note.startswith("grade") and note[5:].isdigit()]
    return max([*values, *noted], default=1.0)


def is_explained(finding: Mapping[str, Any]) -> bool:
    """Whether a mimic explains the finding, or its J point is doubtful (CLINICAL.md §4.1, §4.8)."""
    weighed = any(argument.get("kept") is False for argument in finding.get("argued") or ())
    return weighed or "J_AMBIGUOUS" in (finding.get("notes") or ())


Condition = Callable[[Any, Mapping[str, Any], _Seen], bool]
_CONDITIONS: Mapping[str, Condition] = {
    "explained": lambda wanted, finding, _: wanted == is_explained(finding),
    "certainty": lambda wanted, finding, _: finding.get("certainty") in wanted,
    "notes": _has_note,
    "grade_from": lambda least, finding, _: _grade(finding) >= least,
    "unchanged": lambda wanted, _, seen: wanted == seen.is_unchanged,
    "with": lambda codes, _, seen: any(names(codes, code) for code in seen.codes),
    "without_acs": lambda wanted, _, seen: wanted != seen.facts.has_acs,
    "symptoms": lambda named, _, seen: bool(set(named) & set(seen.facts.symptoms)),
    "state": lambda name, _, seen: seen.facts.state is Symptoms[name],
    "acs": lambda wanted, _, seen: wanted == seen.facts.has_acs,
    "age_from": lambda years, _, seen: seen.facts.age_years is not None and seen.facts.age_years >= years,
    "minutes_from": lambda least, _, seen: seen.facts.minutes is not None and seen.facts.minutes >= least,
    "qtc_from": lambda least, _, seen: (_measurement(seen.document, "qtc_used_ms") or 0.0) >= least,
    "pause_from": lambda least, _, seen: (_measurement(seen.document, "max_rr_ms") or 0.0) >= least,
}
"""What a row may ask for beside its codes; :mod:`triage.rating_table` refuses any other word."""


# --- measured values -------------------------------------------------------------------------------------------------


def _measured(seen: _Seen) -> Iterable[_Vote]:
    done: set[str] = set()
    for row in seen.table.measured:
        measure = row["measure"]
        value = _measurement(seen.document, measure)
        if value is None or measure in done or not _holds(row, value):
            continue
        if "codes" in row and not any(names(row["codes"], code) for code in seen.codes):
            continue
        if row.get("without_acs") and seen.facts.has_acs:
            continue
        if row.get("unchanged") and not seen.is_unchanged:
            continue
        done.add(measure)
        raised = bool(set(row.get("symptoms", ())) & set(seen.facts.symptoms))
        colour = Colour(row["symptom_colour"] if raised else row["colour"])
        critical = row.get("critical_raised") if raised and "critical_raised" in row else row.get("critical")
        evidence = [{"lead": None, "measure": measure, "value": value, "op": _operator(row), "limit": _limit(row)}]
        text = {language: row[language].format(value=value) for language in ("zh", "en")}
        yield _Vote(colour, text["zh"], _sentence(text["en"]), measure.upper(), evidence, critical)


def _measurement(document: Mapping[str, Any], name: str) -> float | None:
    measurements = document["measurements"]
    if name == "qtc_used_ms":  # CLINICAL.md §2.3: Bazett within 60–90/min, else Fridericia
        rate_, qtc = measurements.get("heart_rate_bpm"), measurements.get("qtc_ms")
        if not rate_ or not qtc or rate_ > 120:
            return None
        return qtc.get("bazett") if 60 <= rate_ <= 90 else qtc.get("fridericia")
    value = measurements.get(name)
    return None if isinstance(value, float) and math.isnan(value) else value


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


def _modified(seen: _Seen) -> Iterable[_Vote]:
    """What symptoms, age or another finding add to a finding (§5.6 "Modifiers")."""
    for row in seen.table.modifiers:
        for finding in seen.held:
            if _matches(row, finding, seen):
                colour = Colour(row["colours"][seen.facts.state])
                yield _named(finding, colour, row["zh"], row["en"], row.get("critical"))


# --- what could not be judged, and the floors ------------------------------------------------------------------------


def _not_assessable(seen: _Seen) -> Iterable[_Vote]:
    row = seen.table.not_assessable
    for item in seen.document.get("not_assessed") or ():
        if item["code"] in row["codes"]:
            why: Mapping[str, str] = item.get("why") or {}
            zh, en = why.get("zh", "").rstrip("。"), why.get("en", "").rstrip(".")
            colour = Colour(row["colours"][seen.facts.state])
            yield _Vote(colour, f"ST段不能判断：{zh}", f"ST cannot be judged: {en}", "ST_NOT_ASSESSED")
            return


def _quality(seen: _Seen) -> Iterable[_Vote]:
    grade = seen.document["quality"]["grade"]
    if grade in WHOLE_RECORD:
        yield _Vote(Colour.YELLOW, f"图质{grade}级，未能判断", f"Grade {grade}, could not be judged", "QUALITY")


def _floors(seen: _Seen, votes: Sequence[_Vote]) -> list[_Vote]:
    facts = seen.facts
    floors: list[_Vote] = []
    if facts.urgent:
        floors.append(_Vote(Colour.RED, "村医急救呼叫", "Clinic's emergency call", "URGENT"))
    if facts.is_held:
        words = doubt.TWO_NAMES
        floors.append(_Vote(Colour.ORANGE, words["zh"], words["en"], "WRONG_PATIENT"))
    if facts.identities > 1:
        words = doubt.TWO_IDENTITIES
        floors.append(_Vote(Colour.ORANGE, words["zh"], words["en"], "IDENTITY"))
    if facts.has_acs:
        floors.append(_Vote(Colour.YELLOW, "有症状，心电图未见急性改变", "Symptoms, no acute change seen", "ACS_SX"))
    if not votes:
        floors.append(_Vote(Colour.YELLOW, "未能得出结论", "No conclusion was possible", "NO_FINDING"))
    elif all(vote.colour is Colour.GREEN for vote in votes) and not any(v.code in SURE_NORMAL for v in votes):
        floors.append(_not_normal(seen))
    return floors


def _not_normal(seen: _Seen) -> _Vote:
    """Why nothing abnormal is not yet normal: a value lies in its borderline band, or something was not assessed."""
    near = any(_is_finding(one) and one["state"] == "borderline" for one in seen.document["findings"])
    waits = any(item["code"] in SURE_NORMAL for item in seen.document.get("not_assessed") or ())
    if near and not waits:
        zh, en = "未见明确异常，但有数值接近界值", "Nothing definite, but a value lies close to its limit"
        return _Vote(Colour.YELLOW, zh, en, "BORDERLINE")
    zh, en = "所评估的项目未见异常，但有项目未能评估", "Nothing abnormal in what was assessed; not all could be"
    return _Vote(Colour.YELLOW, zh, en, "NOT_ALL_ASSESSED")


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
