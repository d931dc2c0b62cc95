"""A bad context never loses what is good in it, and merging only ever rises."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.context import MAX_BYTES, NONE, SYMPTOMS, Context, merge, merge_symptoms, parse
from ingest.identity import Identity

_SAID = st.one_of(st.just(()), st.just((NONE,)), st.lists(st.sampled_from(SYMPTOMS), min_size=1).map(tuple))
_CONTEXTS = st.builds(
    Context,
    urgent=st.booleans(),
    symptoms=_SAID.map(lambda said: merge_symptoms((), said)),
    onset_at=st.none() | st.integers(0, 10**16),
    fmc_at=st.none() | st.integers(0, 10**16),
    problem=st.booleans(),
)
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
_BRANCHES = st.lists(_LEAVES, max_size=4) | st.dictionaries(st.text(), _LEAVES, max_size=4)
_ANYTHING = _LEAVES | st.lists(_BRANCHES, max_size=4) | st.dictionaries(st.text(), _BRANCHES, max_size=4)
_FIELDS = ("urgent", "symptoms", "onset_at", "fmc_at", "patient")


def test_everything_that_the_contract_names_is_understood() -> None:
    said = parse(
        json.dumps(
            {
                "urgent": True,
                "symptoms": ["sweating", "chest_pain"],
                "onset_at": "2026-11-24T03:10:05.000000Z",
                "fmc_at": "2026-11-24T11:10:05+08:00",
                "patient": {"name": " 张 三 ", "birth_date": "1958-03-02", "sex": "male", "bed": "3"},
                "unknown": 1,
            }
        )
    )
    at = 1_795_489_805_000_000
    known = Identity(name="张 三", birth_date="1958-03-02", sex="male")
    assert said == Context(True, ("chest_pain", "sweating"), at, at, known, problem=False)


@pytest.mark.parametrize("nothing", [None, b"", "  ", b"{}", '{"urgent": null, "symptoms": [], "patient": null}'])
def test_nothing_said_is_no_problem(nothing: bytes | str | None) -> None:
    assert parse(nothing) == Context()


@pytest.mark.parametrize(
    "bad",
    [b"\xff\xfe", "{", "[1]", '"urgent"', "[" * 5000, "{" + " " * MAX_BYTES + "}", "9" * 5000, b"{\x00}"],
)
def test_what_is_no_json_object_is_a_problem_and_nothing_more(bad: bytes | str) -> None:
    assert parse(bad) == Context(problem=True)


@pytest.mark.parametrize(
    ("bad", "kept"),
    [
        ({"symptoms": ["fever", "chest_pain"]}, Context(symptoms=("chest_pain",))),
        ({"symptoms": ["none", "syncope"]}, Context(symptoms=("syncope",))),
        ({"symptoms": "chest_pain", "urgent": "maybe"}, Context(symptoms=("chest_pain",))),
        ({"urgent": "true", "onset_at": "yesterday"}, Context(urgent=True)),
        ({"urgent": 1, "fmc_at": "2026-11-24T03:10:05"}, Context(urgent=True)),
        ({"urgent": True, "patient": "张三"}, Context(urgent=True)),
        ({"patient": {"name": "李四", "birth_date": "1958-02-30"}}, Context(identity=Identity(name="李四"))),
        ({"patient": {"name": ["x"], "sex": "女"}}, Context(identity=Identity(sex="female"))),
    ],
)
def test_a_bad_field_takes_no_other_with_it(bad: dict[str, Any], kept: Context) -> None:
    said = parse(json.dumps(bad))
    is_really_bad = bad.get("symptoms") != ["none", "syncope"]
    assert said == replace(kept, problem=is_really_bad)


def test_an_older_chinese_program_writes_gb18030() -> None:
    assert parse('{"patient": {"name": "张三"}}'.encode("gb18030")).identity.name == "张三"


@given(st.binary() | st.text() | st.fixed_dictionaries({}, optional=dict.fromkeys(_FIELDS, _ANYTHING)).map(json.dumps))
def test_no_context_can_raise_or_be_unstorable(sent: bytes | str) -> None:
    said = parse(sent)
    json.dumps([said.symptoms, said.onset_at]).encode()
    for text in (said.identity.name, said.identity.id_number, said.identity.card):
        assert text is None or (text.encode() and "\x00" not in text)


@given(_CONTEXTS, _CONTEXTS, _CONTEXTS)
def test_merging_only_rises_and_does_not_ask_who_came_first(one: Context, two: Context, three: Context) -> None:
    both = merge(one, two)
    assert both == merge(two, one)
    assert merge(both, two) == both
    assert merge(both, three) == merge(one, merge(two, three))
    assert both.urgent >= one.urgent
    assert set(both.symptoms) >= set(one.symptoms) - {NONE}
    assert not (NONE in both.symptoms and len(both.symptoms) > 1)


def test_none_gives_way_to_chest_pain_and_not_the_reverse() -> None:
    assert merge_symptoms(("none",), ("chest_pain",)) == ("chest_pain",)
    assert merge_symptoms(("chest_pain",), ("none",)) == ("chest_pain",)
    assert merge_symptoms((), ("none",)) == ("none",)
