"""One person is one row, two people never are, and a mistyped number joins nobody."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import identity as identities
from ingest.identity import Identity, find_or_create, is_valid_id_number, read_identity
from ledger import schema
from ledger.database import Transaction
from tests.ingest.kit import World

NUMBER = "11010519491231002X"  # the example of GB 11643-1999


def test_the_standards_own_example_is_valid_and_says_birth_date_and_sex() -> None:
    identity, misread = read_identity({"id_number": "1101 0519 4912 3100 2x"})
    assert not misread
    assert identity == Identity(id_number=NUMBER, birth_date="1949-12-31", sex="female")


@given(st.integers(0, 16), st.integers(0, 9))
def test_one_wrong_digit_is_found(at: int, digit: int) -> None:
    wrong = f"{NUMBER[:at]}{digit}{NUMBER[at + 1 :]}"
    assert is_valid_id_number(wrong) == (wrong == NUMBER)


@pytest.mark.parametrize(
    "number", ["", "1" * 18, "11010519491331002X", "１１０１０５１９４９１２３１００２Ｘ", "110105194912310021"]
)
def test_other_numbers_are_not(number: str) -> None:
    assert not is_valid_id_number(number)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"sex": "M"}, Identity(sex="male")),
        ({"sex": 2}, Identity(sex="female")),
        ({"sex": "未知"}, Identity()),
        ({"birth_date": "19580302"}, Identity(birth_date="1958-03-02")),
        ({"birth_date": "1958年3月2日"}, Identity(birth_date="1958-03-02")),
        ({"birth_date": "1958-03-02T00:00:00+08:00"}, Identity(birth_date="1958-03-02")),
        ({"name": "\u202a 张\u3000三\x00\ud800"}, Identity(name="张 三")),
    ],
)
def test_what_was_typed_is_normalised(said: dict[str, Any], meant: Identity) -> None:
    assert read_identity(said) == (meant, False)


def _row(world: World, identity: Identity, site: str | None = None) -> str:
    return world.ledger.write(lambda tx: find_or_create(tx, world.county, site or world.site, identity))


def test_card_or_number_or_name_with_birth_date_and_sex_join(world: World) -> None:
    first = _row(world, Identity("张三", NUMBER, None, "1949-12-31", "female"))
    assert _row(world, Identity(None, NUMBER, "C1"), world.other_site) == first
    assert _row(world, Identity("章三", card="C1"), world.other_site) == first
    assert _row(world, Identity("张三", birth_date="1949-12-31", sex="female")) == first
    (row,) = world.rows(schema.patient)
    assert (row["name"], row["id_number"], row["card"]) == ("张三", NUMBER, "C1")


def test_a_name_alone_another_site_or_a_contradiction_does_not_join(world: World) -> None:
    first = _row(world, Identity("张三", NUMBER, "C1", "1949-12-31", "female"))
    strangers = [
        _row(world, Identity("张三")),
        _row(world, Identity("张三", birth_date="1949-12-31", sex="female"), world.other_site),
        _row(world, Identity("张三", None, "C2", "1949-12-31", "female")),
        _row(world, Identity("李四", None, "C1", "1980-01-01", "male")),
    ]
    assert first not in strangers
    assert len(set(strangers)) == 4


def test_a_mistyped_number_is_kept_and_joins_nobody(world: World) -> None:
    wrong = NUMBER[:-1] + "1"
    assert _row(world, Identity(id_number=wrong)) != _row(world, Identity(id_number=wrong))
    assert [row["id_number"] for row in world.rows(schema.patient)] == [wrong, wrong]
    assert [row["number"] for row in world.rows(schema.patient)] == [None, None]


def test_a_stranger_gets_a_temporary_number_of_the_day_and_joins_nobody(world: World) -> None:
    said = (Identity(), Identity(sex="male"), Identity(birth_date="1958-03-02", sex="male"))
    rows = [_row(world, one) for one in (*said, *said)]
    assert len(set(rows)) == 6
    numbers = [row["number"] for row in world.rows(schema.patient)]
    assert all(re.fullmatch(r"\d{8}-\d{4}-[2-9A-HJ-NP-Z]{2}", number) for number in numbers), numbers
    # 2026-11-24T16:30:00Z is half past midnight of the 25th in China
    assert identities.temporary_number(1_795_537_800_000_000)[:13] == "20261125-0030"


@pytest.mark.parametrize("word", ["无名氏", " 不详 ", "未知", "Unknown", "N/A", "无 名 氏", "???", "无名氏。"])
def test_a_word_for_nobody_is_no_name(word: str) -> None:
    assert read_identity({"name": word})[0] == Identity()
    assert read_identity({"name": "无双"})[0].name == "无双"  # a name


def test_the_code_of_an_electronic_health_card_is_one_however_it_is_shown(world: World) -> None:
    code = hashlib.sha256(b"card").hexdigest()
    shown = [code, code.upper(), f"{code}:1", f"{code.upper()}:0:1732435200", f" {code} "]
    assert {read_identity({"card": one})[0].card for one in shown} == {code.upper()}
    assert read_identity({"card": "A-12:3"})[0].card == "A12:3"  # another kind of card


def test_who_a_stranger_was_is_said_later(world: World) -> None:
    known = _row(world, Identity("张三", NUMBER, "C1"))
    stranger = _row(world, Identity(sex="female"))
    other = _row(world, Identity())

    def identified(patient: str, said: Identity) -> tuple[str, bool]:
        def work(tx: Transaction) -> tuple[str, bool]:
            before = identities.of_patient(tx, world.county, patient)
            return identities.identify(tx, world.county, world.site, patient, before, said)

        return world.ledger.write(work)

    assert identified(stranger, Identity(sex="female", birth_date="1949-12-31")) == (stranger, True)  # still nobody
    assert identified(stranger, Identity(card="C1")) == (known, False)  # somebody known before
    assert identified(other, Identity("赵六", card="C7")) == (other, True)  # nobody knew him: his own row has his name
    assert _row(world, Identity(card="C7")) == other


@pytest.mark.parametrize("key", ["card", "id_number"])
def test_a_value_that_a_site_types_for_everybody_joins_nobody(world: World, key: str) -> None:
    value = {"card": "0000", "id_number": NUMBER}[key]
    rows = [_row(world, Identity(name, **{key: value})) for name in ("王建国", "李桂兰", "赵铁柱")]
    assert len(set(rows)) == 3
    nameless = _row(world, Identity(**{key: value}))
    assert nameless not in rows  # several people carry it: without a name it says nothing
    assert _row(world, Identity("李桂兰", **{key: value})) == rows[1]
    assert _row(world, Identity("王健国", **{key: value})) == rows[0]  # one letter of three: a spelling
