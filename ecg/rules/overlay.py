"""The schema of a labels file, checked whole: every fault is found at once, with its key, what stands there and what
is needed, in Chinese and English.

```toml
kind = "labels"
id = "cn-yunnan-x"          # own, small letters, digits, hyphens
version = "2026-1"
base = "udmi-2018"          # the only base: labels never lower it
title_zh = "…"
title_en = "…"
source = "…"

[[label]]
code = "L_STE_PROV"         # L_ and capitals
name_zh = "…"
name_en = "…"
source = "…"
critical = true             # optional: belongs on the list of critical values
shape = true                # optional, elevation only: the form of ST joins the evidence
[[label.limit]]             # elevation at J, two contiguous leads
leads = ["V1", "V2", "V3"]
mv = 0.30                   # or men_mv, women_mv, and, if young men differ, young_men_mv with young_years

[[label]]
code = "L_SVT_180"
beside = ["R_SVT", "R_AT"]  # optional: one of these findings of the default is true
[[label.when]]              # global measures, all must hold
measure = "heart_rate_bpm"
op = ">="
value = 180
```
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from ecg.recording import EXTRA_LEADS, STANDARD_LEADS, Text
from ecg.rules.labels import Condition, Label, Limit

MEASURES = ("heart_rate_bpm", "min_rr_ms", "max_rr_ms", "p_ms", "pr_ms", "qrs_ms", "qt_ms", "qtcb_ms", "qtcf_ms")
OPERATORS = (">=", ">", "<=", "<")
BASE = "udmi-2018"
ELEVATION_LEADS = tuple(n for n in (*STANDARD_LEADS, *EXTRA_LEADS) if n != "aVR")
LEAST_MV, MOST_MV = 0.01, 1.0
"""A limit of elevation outside these is a slip of the unit: 1 mm is 0.1 mV."""
YOUNG_YEARS = 40.0
_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_CODE = re.compile(r"L(_[A-Z0-9]+)+")
_FINDING = re.compile(r"[A-Z]+(_[A-Z0-9]+)*")
_TOP = {"kind", "id", "version", "base", "title_zh", "title_en", "source", "label"}
_LABEL = {"code", "name_zh", "name_en", "source", "critical", "shape", "beside", "limit", "when"}
_LIMIT = {"leads", "mv", "men_mv", "women_mv", "young_men_mv", "young_years"}
_WHEN = {"measure", "op", "value"}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: where (``label[2].limit[1].mv``), what was found (empty: nothing), what is needed."""

    key: str
    found: str
    needed: Text


class RulesError(ValueError):
    """A rule file that cannot be used; ``faults`` has all that is wrong with ``file``."""

    def __init__(self, file: str, faults: tuple[Fault, ...]) -> None:
        self.file = file
        self.faults = faults
        super().__init__("\n".join(self.lines("en")))

    @classmethod
    def unreadable(cls, file: str, why: str) -> RulesError:
        """Not TOML, not UTF-8, or not there at all."""
        return cls(file, (Fault("–", why, Text("可读取的 UTF-8 TOML 文件", "a readable TOML file in UTF-8")),))

    def lines(self, language: str) -> list[str]:
        """One sentence a fault."""
        if language == "zh":
            return [f"{self.file}：{f.key}：{_now(f.found)}，应为{f.needed.zh}。" for f in self.faults]
        return [f"{self.file}: {f.key}: found {f.found or 'nothing'}, needed: {f.needed.en}." for f in self.faults]


def _now(found: str) -> str:
    return f"现为 {found}" if found else "缺失"


class _Reader:
    """Takes values out of a table and notes what is wrong with them."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def wrong(self, key: str, found: object, zh: str, en: str) -> None:
        shown = "" if found is None else repr(found)
        self.faults.append(Fault(key, shown if len(shown) <= 60 else f"{shown[:57]}…", Text(zh, en)))

    def unknown(self, where: str, table: Mapping[str, Any], names: set[str]) -> None:
        for name in table:
            if name not in names:
                self.wrong(f"{where}{name}", table[name], f"下列之一：{'、'.join(sorted(names))}",
                           f"one of {', '.join(sorted(names))}")  # fmt: skip

    def word(self, where: str, table: Mapping[str, Any], name: str) -> str:
        value = table.get(name)
        if isinstance(value, str) and value.strip():
            return value
        self.wrong(f"{where}{name}", value, "非空文字", "a text that is not empty")
        return ""

    def matching(self, where: str, table: Mapping[str, Any], name: str, form: re.Pattern[str], zh: str, en: str) -> str:
        value = table.get(name)
        if isinstance(value, str) and form.fullmatch(value):
            return value
        self.wrong(f"{where}{name}", value, zh, en)
        return ""

    def flag(self, where: str, table: Mapping[str, Any], name: str) -> bool:
        value = table.get(name, False)
        if not isinstance(value, bool):
            self.wrong(f"{where}{name}", value, "true 或 false", "true or false")
            return False
        return value

    def number(self, where: str, table: Mapping[str, Any], name: str, low: float, high: float) -> float:
        value = table.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
            return float(value)
        self.wrong(f"{where}{name}", value, f"{low:g} 到 {high:g} 之间的数字", f"a number from {low:g} to {high:g}")
        return high

    def tables(self, where: str, table: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
        value = table.get(name, [])
        items = cast("list[object]", value) if isinstance(value, list) else None
        if items is not None and all(isinstance(item, dict) for item in items):
            return cast("list[dict[str, Any]]", items)
        self.wrong(f"{where}{name}", cast("object", value), f"[[{name}]] 表", f"tables [[{name}]]")
        return []

    def words(self, where: str, table: Mapping[str, Any], name: str) -> tuple[str, ...]:
        value = table.get(name, [])
        items = cast("list[object]", value) if isinstance(value, list) else None
        if items is not None and all(isinstance(item, str) for item in items):
            return tuple(cast("list[str]", items))
        self.wrong(f"{where}{name}", cast("object", value), "文字列表", "a list of texts")
        return ()


def checked(held: Mapping[str, Any], file: str, taken: Iterable[str] = ()) -> tuple[Label, ...]:
    """The labels of a parsed file; :class:`RulesError` with every fault. ``taken``: ids that are not free."""
    read = _Reader()
    read.unknown("", held, _TOP)
    if held.get("kind") != "labels":
        read.wrong("kind", held.get("kind"), '"labels"（只能添加标签，不能改默认规则）',
                   '"labels" (a file may add labels, never change the default)')  # fmt: skip
    if held.get("base") != BASE:
        read.wrong("base", held.get("base"), f'"{BASE}"', f'"{BASE}"')
    own = read.matching("", held, "id", _ID, "小写字母、数字和连字符", "small letters, digits and hyphens")
    if own in set(taken):
        read.wrong("id", own, "未被占用的名称", "an id that is not taken")
    for name in ("version", "title_zh", "title_en", "source"):
        read.word("", held, name)
    labels = [_label(read, f"label[{k}].", item) for k, item in enumerate(read.tables("", held, "label"), 1)]
    if not labels:
        read.wrong("label", None, "至少一个 [[label]]", "at least one [[label]]")
    codes = [label.code for label in labels]
    for code in sorted({c for c in codes if c and codes.count(c) > 1}):
        read.wrong("label.code", code, "各不相同的代码", "codes that differ")
    if read.faults:
        raise RulesError(file, tuple(read.faults))
    return tuple(labels)


def _label(read: _Reader, where: str, item: Mapping[str, Any]) -> Label:
    read.unknown(where, item, _LABEL)
    limits = [_limit(read, f"{where}limit[{k}].", part) for k, part in enumerate(read.tables(where, item, "limit"), 1)]
    when = [_when(read, f"{where}when[{k}].", part) for k, part in enumerate(read.tables(where, item, "when"), 1)]
    if bool(limits) == bool(when):
        read.wrong(f"{where}limit / when", "both" if limits else None, "[[label.limit]] 或 [[label.when]] 二者之一",
                   "one of [[label.limit]] and [[label.when]]")  # fmt: skip
    leads = [lead for limit in limits for lead in limit.leads]
    for lead in sorted({n for n in leads if leads.count(n) > 1}):
        read.wrong(f"{where}limit.leads", lead, "每个导联只出现一次", "each lead once")
    beside = read.words(where, item, "beside")
    for code in beside:
        if not _FINDING.fullmatch(code):
            read.wrong(f"{where}beside", code, "默认规则的代码，如 R_SVT", "a code of the default, such as R_SVT")
    shape = read.flag(where, item, "shape")
    if shape and when:
        read.wrong(f"{where}shape", True, "只用于 [[label.limit]]", "only beside [[label.limit]]")
    return Label(
        code=read.matching(where, item, "code", _CODE, "以 L_ 开头的大写代码", "a code of capitals that begins L_"),
        name=Text(read.word(where, item, "name_zh"), read.word(where, item, "name_en")),
        source=read.word(where, item, "source"),
        limits=tuple(limits),
        conditions=tuple(when),
        beside=beside,
        shape=shape,
        critical=read.flag(where, item, "critical"),
    )


def _limit(read: _Reader, where: str, part: Mapping[str, Any]) -> Limit:
    read.unknown(where, part, _LIMIT)
    leads = read.words(where, part, "leads")
    if not leads:
        read.wrong(f"{where}leads", part.get("leads"), "至少一个导联", "at least one lead")
    for lead in leads:
        if lead not in ELEVATION_LEADS:
            read.wrong(f"{where}leads", lead, f"下列之一：{'、'.join(ELEVATION_LEADS)}",
                       f"one of {', '.join(ELEVATION_LEADS)}")  # fmt: skip
    if "mv" in part:
        for name in ("men_mv", "women_mv", "young_men_mv", "young_years"):
            if name in part:
                read.wrong(f"{where}{name}", part[name], "mv 或分性别的数值，二者之一", "either mv or values by sex")
        same = read.number(where, part, "mv", LEAST_MV, MOST_MV)
        return Limit(leads, same, same, same, YOUNG_YEARS)
    men = read.number(where, part, "men_mv", LEAST_MV, MOST_MV)
    women = read.number(where, part, "women_mv", LEAST_MV, MOST_MV)
    young = read.number(where, part, "young_men_mv", LEAST_MV, MOST_MV) if "young_men_mv" in part else men
    years = read.number(where, part, "young_years", 16, 120) if "young_men_mv" in part else YOUNG_YEARS
    return Limit(leads, men, young, women, years)


def _when(read: _Reader, where: str, part: Mapping[str, Any]) -> Condition:
    read.unknown(where, part, _WHEN)
    measure, op = part.get("measure"), part.get("op")
    if measure not in MEASURES:
        read.wrong(f"{where}measure", measure, f"下列之一：{'、'.join(MEASURES)}", f"one of {', '.join(MEASURES)}")
    if op not in OPERATORS:
        read.wrong(f"{where}op", op, "下列之一：>= > <= <", "one of >= > <= <")
    return Condition(str(measure), str(op), read.number(where, part, "value", 0, 100_000))
