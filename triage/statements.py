"""The catalogue of statements: what a physician picks from, found by code, Chinese, pinyin or English.

A doctor types ``fc`` or ``fangchan`` for 房颤, ``xjgs`` for 心肌梗死, ``vt`` or ``ventricular``: whatever the keyboard
is set to. The words are data (``statements.toml``); pinyin is made from the Chinese.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MOST = 20
"""Statements that one search gives back: a list that fits a screen."""


@dataclass(frozen=True, slots=True)
class Known:
    """One statement; ``words``: everything else it is found by, folded."""

    code: str
    group: str
    zh: str
    en: str
    synonyms: tuple[str, ...]
    initials: tuple[str, ...]
    pinyin: tuple[str, ...]

    def document(self) -> dict[str, str]:
        """The contract's JSON."""
        return {"code": self.code, "group": self.group, "zh": self.zh, "en": self.en}


@cache
def everything() -> tuple[Known, ...]:
    """The whole catalogue, in its own order."""
    table = tomllib.loads(Path(__file__).with_name("statements.toml").read_text("utf-8"))
    return tuple(
        _known(code, group, zh, en, tuple(others))
        for group, entries in table.items()
        for code, (zh, en, *others) in entries.items()
    )


def _known(code: str, group: str, zh: str, en: str, synonyms: tuple[str, ...]) -> Known:
    from pypinyin import Style, lazy_pinyin

    chinese = [zh, *(word for word in synonyms if not word.isascii())]
    initials = tuple("".join(lazy_pinyin(word, style=Style.FIRST_LETTER)).casefold() for word in chinese)
    pinyin = tuple("".join(lazy_pinyin(word)).casefold() for word in chinese)
    return Known(code, group, zh, en, synonyms, initials, pinyin)


@cache
def _codes() -> dict[str, Known]:
    return {known.code: known for known in everything()}


def by_code(code: str) -> Known | None:
    """The statement with this code."""
    return _codes().get(code)


def search(query: str, most: int = MOST) -> list[Known]:
    """The statements that fit, the closest first; all of them, in their order, for an empty query."""
    folded = query.strip().casefold()
    if not folded:
        return list(everything()[:most])
    ranked = [(rank, place, known) for place, known in enumerate(everything()) if (rank := _rank(known, folded))]
    return [known for _, _, known in sorted(ranked, key=lambda one: one[:2])[:most]]


def _rank(known: Known, query: str) -> int:
    """How well it fits: 1 the whole, 2 a beginning, 3 the beginning of a word, 4 somewhere inside; 0 not."""
    whole = [known.code, known.zh, known.en, *known.synonyms, *known.initials, *known.pinyin]
    folded = [word.casefold() for word in whole]
    if query in folded:
        return 1
    if any(word.startswith(query) for word in folded):
        return 2
    words = [part for text in (known.en, *known.synonyms) for part in text.casefold().split()]
    if any(word.startswith(query) for word in words):
        return 3
    inside = [known.zh, known.code, *known.synonyms, *(known.initials if len(query) > 1 else ())]
    return 4 if any(query in word.casefold() for word in inside) else 0
