"""The table of colours: a versioned file that a county may replace, never below the default's RED.

A table is checked whole before anything is rated by it: every row, every word, every colour. A county's own may widen
and may move ORANGE and YELLOW; what the default makes RED it makes RED too, which :mod:`triage.rating_floor` tries. A
file that does not fit is refused in words, and the default goes on.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, cast

from triage.colours import Colour, Symptoms

Row = Mapping[str, Any]

KIND = "rating"
"""What a county's own table is called among its files."""

KEYS = {
    "acute": {"codes", "explained", "certainty", "notes", "with", "unchanged", "colours", "critical"},
    "graded": {
        "codes", "grade_from", "notes", "certainty", "state", "symptoms", "qtc_from", "unchanged", "without_acs",
        "colour", "critical",
    },
    "modifier": {
        "codes", "explained", "certainty", "notes", "grade_from", "state", "symptoms", "acs", "age_from", "with",
        "minutes_from", "qtc_from", "pause_from", "colours", "zh", "en", "critical",
    },
    "measured": {
        "measure", "codes", "at_least", "at_most", "below", "colour", "symptoms", "symptom_colour", "unchanged",
        "without_acs", "critical", "critical_raised", "zh", "en",
    },
}  # fmt: skip
"""What a row of each part may say."""
NEEDED = {
    "acute": {"codes", "colours"},
    "graded": {"codes", "colour"},
    "modifier": {"codes", "colours", "zh", "en"},
    "measured": {"measure", "colour", "zh", "en"},
}
LIMITS = ("at_least", "at_most", "below")
MEASURES = ("heart_rate_bpm", "min_rr_ms", "max_rr_ms", "qtc_used_ms", "pr_ms", "qrs_ms")
TOP = {"version", "territories", "border", "critical", "critical_codes", "not_assessable", "other"}


class BadTable(Exception):
    """The file is no rating table; ``faults``: each place and what is wrong with it, in both languages."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        self.faults = list(faults)
        super().__init__("; ".join(en for _, en in faults))


@dataclass(frozen=True, slots=True)
class Table:
    """A checked table. ``critical``: the items of §4.9 with their names."""

    version: str
    acute: tuple[Row, ...]
    graded: tuple[Row, ...]
    modifiers: tuple[Row, ...]
    measured: tuple[Row, ...]
    not_assessable: Row
    other: Mapping[Colour, Sequence[str]]
    border: Sequence[str]
    territories: Sequence[str]
    critical: Mapping[int, Mapping[str, str]]
    critical_codes: Mapping[str, int]

    def critical_of(self, code: str) -> int | None:
        """The item of §4.9 that a code is by itself."""
        return next((item for name, item in self.critical_codes.items() if names([name], code)), None)


def names(codes: Sequence[str], code: str) -> bool:
    """Whether a list of codes names this one; ``T_ISCH_*`` names every code with that prefix."""
    return any(code == name or (name.endswith("*") and code.startswith(name[:-1])) for name in codes)


def default_text() -> str:
    """The table that came with this version, as text."""
    return Path(__file__).with_name("rating.toml").read_text("utf-8")


@cache
def default() -> Table:
    """The table that came with this version."""
    return parsed(default_text())


@lru_cache(maxsize=64)
def parsed(text: str) -> Table:
    """A table from its text; :class:`BadTable` says every fault."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadTable([(f"不是有效的 TOML：{error}", f"not valid TOML: {error}")]) from error
    faults = list(_faults(raw))
    if faults:
        raise BadTable(faults)
    return Table(
        version=raw["version"],
        acute=tuple(raw.get("acute", ())),
        graded=tuple(raw.get("graded", ())),
        modifiers=tuple(raw.get("modifier", ())),
        measured=tuple(raw.get("measured", ())),
        not_assessable=raw["not_assessable"],
        other={colour: raw["other"].get(colour.value, ()) for colour in Colour},
        border=raw.get("border", ()),
        territories=raw.get("territories", ()),
        critical={int(item): words for item, words in raw.get("critical", {}).items()},
        critical_codes=raw.get("critical_codes", {}),
    )


# --- the form --------------------------------------------------------------------------------------------------------

Fault = tuple[str, str]


def _faults(raw: Mapping[str, Any]) -> Iterable[Fault]:
    for key in sorted(set(raw) - TOP - set(KEYS)):
        yield f"未知的部分：{key}", f"unknown part: {key}"
    if not isinstance(raw.get("version"), str):
        yield "缺少 version（文字）", "version is missing (a text)"
    for part in KEYS:
        rows = raw.get(part, [])
        if not isinstance(rows, list):
            yield f"{part} 应为 [[{part}]] 的列表", f"{part} must be a list of [[{part}]]"
            continue
        for number, row in enumerate(cast("list[Any]", rows), 1):
            yield from _row_faults(part, number, row, raw)
    yield from _other_faults(raw)


def _row_faults(part: str, number: int, row: Any, raw: Mapping[str, Any]) -> Iterable[Fault]:
    place_zh, place_en = f"[[{part}]] 第 {number} 条", f"[[{part}]] row {number}"
    if not isinstance(row, dict):
        yield f"{place_zh}：不是一组键值", f"{place_en}: no table"
        return
    said = cast("dict[str, Any]", row)
    for key in sorted(set(said) - KEYS[part]):
        yield f"{place_zh}：没有 {key} 这一项", f"{place_en}: there is no key {key}"
    for key in sorted(NEEDED[part] - set(said)):
        yield f"{place_zh}：缺少 {key}", f"{place_en}: {key} is missing"
    for key in ("codes", "with", "notes", "symptoms", "certainty"):
        if key in said and not _is_words(said[key]):
            yield f"{place_zh}：{key} 应为文字列表", f"{place_en}: {key} must be a list of texts"
    for key in ("colour", "symptom_colour"):
        if key in said and said[key] not in set(Colour):
            yield f"{place_zh}：{key} 不是颜色", f"{place_en}: {key} is no colour"
    if "colours" in said and not _is_colours(said["colours"]):
        yield f"{place_zh}：colours 应为三个颜色", f"{place_en}: colours must be three colours (now, unknown, absent)"
    for key in ("critical", "critical_raised"):
        if key in said and str(said[key]) not in raw.get("critical", {}):
            yield f"{place_zh}：{key} 在 [critical] 中没有", f"{place_en}: {key} is not in [critical]"
    for key in (*LIMITS, "age_from", "minutes_from", "qtc_from", "pause_from", "grade_from"):
        if key in said and not _is_number(said[key]):
            yield f"{place_zh}：{key} 应为数字", f"{place_en}: {key} must be a number"
    if "state" in said and said["state"] not in Symptoms.__members__:
        yield f"{place_zh}：state 应为 {'、'.join(Symptoms.__members__)}", f"{place_en}: state is no column"
    if part == "measured":
        yield from _measured_faults(place_zh, place_en, said)


def _measured_faults(zh: str, en: str, row: Row) -> Iterable[Fault]:
    if row.get("measure") not in MEASURES:
        yield f"{zh}：measure 应为 {'、'.join(MEASURES)} 之一", f"{en}: measure is one of {', '.join(MEASURES)}"
    if sum(limit in row for limit in LIMITS) != 1:
        yield f"{zh}：应有且只有一个界限（{'、'.join(LIMITS)}）", f"{en}: exactly one limit of {', '.join(LIMITS)}"
    if ("symptoms" in row) != ("symptom_colour" in row):
        yield f"{zh}：symptoms 和 symptom_colour 要同时写", f"{en}: symptoms and symptom_colour go together"
    for language in ("zh", "en"):
        try:
            str(row.get(language, "")).format(value=1.0)
        except (IndexError, KeyError, ValueError):
            yield f"{zh}：{language} 只能用 {{value}}", f"{en}: {language} may use {{value}} alone"


def _other_faults(raw: Mapping[str, Any]) -> Iterable[Fault]:
    other = raw.get("other")
    if not isinstance(other, dict) or not all(_is_words(codes) for codes in cast("dict[str, Any]", other).values()):
        yield "[other] 应按颜色列出代码", "[other] must list codes by colour"
    elif set(cast("dict[str, Any]", other)) - {colour.value for colour in Colour}:
        yield "[other] 里有不是颜色的键", "[other] has a key that is no colour"
    row = raw.get("not_assessable")
    if not isinstance(row, dict) or not _is_words(row.get("codes")) or not _is_colours(row.get("colours")):  # type: ignore[reportUnknownMemberType]
        yield "[not_assessable] 需要 codes 和三个 colours", "[not_assessable] needs codes and three colours"
    for key in ("territories", "border"):
        if key in raw and not _is_words(raw[key]):
            yield f"{key} 应为文字列表", f"{key} must be a list of texts"
    words = raw.get("critical", {})
    if not isinstance(words, dict) or not all(
        str(item).isdigit() and isinstance(said, dict) and {"zh", "en"} == set(cast("dict[str, Any]", said))
        for item, said in cast("dict[str, Any]", words).items()
    ):
        yield "[critical] 应为 编号 = {zh, en}", "[critical] must be number = {zh, en}"
        return
    codes = raw.get("critical_codes", {})
    if not isinstance(codes, dict) or any(str(item) not in words for item in cast("dict[str, Any]", codes).values()):
        yield "[critical_codes] 的编号要在 [critical] 中", "[critical_codes] must name items of [critical]"


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in cast("list[Any]", value))


def _is_colours(value: Any) -> bool:
    colours = {colour.value for colour in Colour}
    return (
        isinstance(value, list)
        and len(cast("list[Any]", value)) == 3
        and all(one in colours for one in cast("list[Any]", value))
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
