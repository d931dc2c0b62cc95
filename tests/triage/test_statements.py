"""The catalogue is found by whatever is typed, and knows every code that the instrument may state."""

from __future__ import annotations

import tomllib

import pytest

from tests.support.needs import REPOSITORY
from triage import statements

CODES = REPOSITORY / "triage" / "statements.toml"


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("房颤", "R_AF"),
        ("fc", "R_AF"),
        ("FC", "R_AF"),
        ("fangchan", "R_AF"),
        ("xfcd", "R_AF"),
        ("xjgs", "STEMI_ANTSEPT"),
        ("atrial fib", "R_AF"),
        ("R_AF", "R_AF"),
        ("af", "R_AF"),
        ("vt", "R_VT"),
        ("zszzz", "C_LBBB"),
        ("lbbb", "C_LBBB"),
        ("wenck", "R_AVB2_I"),
        ("dxxlbq", "R_SARR"),
        ("正常", "N_NORMAL"),
        ("zcxdt", "N_NORMAL"),
    ],
)
def test_what_is_typed_finds_it(typed: str, first: str) -> None:
    assert statements.search(typed)[0].code == first


@pytest.mark.parametrize("typed", ["qqqq", "zzzq", "😀", "'; --", "\\"])
def test_what_is_nothing_finds_nothing(typed: str) -> None:
    assert statements.search(typed) == []


def test_an_empty_question_shows_the_beginning_of_the_catalogue() -> None:
    assert [known.code for known in statements.search("  ")][:2] == ["N_NORMAL", "N_BORDER"]


def test_every_statement_is_found_by_each_of_its_own_words_first_or_beside_its_like() -> None:
    for known in statements.everything():
        for word in (known.code, known.zh, known.en, *known.synonyms, *known.pinyin, *known.initials):
            assert known.code in [one.code for one in statements.search(word, 200)], (known.code, word)


def test_the_catalogue_is_whole() -> None:
    table = tomllib.loads(CODES.read_text("utf-8"))
    codes = [code for entries in table.values() for code in entries]
    assert len(codes) == len(set(codes)) == len(statements.everything())
    for known in statements.everything():
        assert known.zh
        assert known.en.isascii() or "′" in known.en or "–" in known.en
        assert statements.by_code(known.code) == known
    assert statements.by_code("X_NOBODY") is None
