"""A county's own table: refused in words where it does not fit or lowers a RED, tried, then in force."""

from __future__ import annotations

import pytest

from ledger import schema
from tests.triage.kit import GREEN, RED, World, finding
from triage import rating_table, rating_trial
from triage.rating import Colour, Facts, rate
from triage.rating_floor import checked
from triage.rating_table import BadTable, default_text, parsed

DEFAULT = default_text()


def faults(text: str) -> str:
    with pytest.raises(BadTable) as found:
        checked(text)
    assert all(zh and en for zh, en in found.value.faults)
    return str(found.value)


def test_the_default_is_a_table_and_lowers_nothing() -> None:
    assert checked(DEFAULT).version == rating_table.default().version


@pytest.mark.parametrize(
    ("said", "instead", "why"),
    [
        ("version = ", "versions = ", "unknown part: versions"),
        ("[[acute]]\n", "[[acuter]]\n", "unknown part: acuter"),
        ("explained = false", "explaned = false", "there is no key explaned"),
        ('colours = ["RED", "RED", "RED"]', 'colours = ["RED", "RED"]', "colours must be three colours"),
        ('colours = ["RED", "RED", "RED"]', 'colours = ["RED", "RED", "PINK"]', "colours must be three colours"),
        ('colour = "RED"', 'colour = "SCARLET"', "colour is no colour"),
        ("at_least = 200", 'at_least = "200"', "at_least must be a number"),
        ("at_least = 200", "at_least = 200\nbelow = 3", "exactly one limit"),
        ('measure = "max_rr_ms"', 'measure = "mood"', "measure is one of"),
        ("{value:.0f}", "{other}", "may use {value} alone"),
        ("critical = 1\n", "critical = 99\n", "critical is not in [critical]"),
        ('state = "ONGOING"', 'state = "SOMETIMES"', "state is no column"),
        ("[not_assessable]", "[notassessable]", "not_assessable"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_its_place(said: str, instead: str, why: str) -> None:
    assert said in DEFAULT
    assert why in faults(DEFAULT.replace(said, instead, 1))


def test_what_is_no_toml_is_said_so() -> None:
    assert "not valid TOML" in faults("version = ")


@pytest.mark.parametrize(
    ("said", "instead", "what"),
    [
        ('colours = ["RED", "RED", "RED"]', 'colours = ["RED", "RED", "ORANGE"]', "STEMI_ANT"),
        ('"R_VF", ', "", "R_VF"),
        ("at_least = 200", "at_least = 230", "heart_rate_bpm 200"),
        ("at_most = 35", "at_most = 30", "heart_rate_bpm 35"),
        ("grade_from = 2", "grade_from = 3", "S_HYPERK"),
        ("minutes_from = 20", "minutes_from = 100", "E_WEL_A"),
        ("qtc_from = 500", "qtc_from = 600", "S_HYPOK"),
        ("pause_from = 3000", "pause_from = 9000", "C_PACE_MAL"),
        ('with = ["STEMI_*", "STE_NONCONTIG", "D_STE_NEW"]', 'with = ["STE_NONCONTIG"]', "S_HYPERK"),
        ('symptoms = ["syncope", "presyncope"]', 'symptoms = ["syncope"]', "max_rr_ms"),
    ],
)
def test_no_county_lowers_a_red(said: str, instead: str, what: str) -> None:
    assert said in DEFAULT
    assert what in faults(DEFAULT.replace(said, instead, 1))


def test_a_county_may_widen_and_may_move_what_is_not_red() -> None:
    wider = DEFAULT.replace('RED = ["R_VF"', 'RED = ["R_AVB3", "R_VF"', 1).replace(
        '"R_AVB_HG", "R_AVB3"', '"R_AVB_HG"', 1
    )
    table = checked(wider)
    document = {"quality": {"grade": "A"}, "measurements": {}, "findings": [finding("R_AVB3")]}
    assert rate(document, Facts(), table).colour is Colour.RED
    assert rate(document, Facts()).colour is Colour.ORANGE


def put_in_force(world: World, text: str) -> int:
    tried = world.ledger.read(lambda c: rating_trial.trial(c, world.county, text, world.clock.at))
    version = world.ledger.write(lambda tx: rating_trial.keep(tx, world.county, text, tried, "operator"))
    world.ledger.write(lambda tx: rating_trial.activate(tx, world.county, version, "operator"))
    return version


def test_a_table_is_tried_on_the_last_month_and_then_rates(world: World) -> None:
    world.sent(finding("R_AVB3"))
    world.clock.advance(31 * 86400)
    for found in (finding("R_AVB3"), GREEN, RED):
        world.sent(found)
    wider = DEFAULT.replace('RED = ["R_VF"', 'RED = ["R_AVB3", "R_VF"', 1)
    tried = world.ledger.read(lambda c: rating_trial.trial(c, world.county, wider, world.clock.at))
    assert (tried["exams"], tried["red"], tried["changed"]) == (3, [1, 2], {"ORANGE → RED": 1})
    assert world.case_of(world.sent(finding("R_AVB3")))["colour"] == "ORANGE"
    assert put_in_force(world, wider) == 1
    assert world.case_of(world.sent(finding("R_AVB3")))["colour"] == "RED"
    assert put_in_force(world, DEFAULT) == 2
    assert world.case_of(world.sent(finding("R_AVB3")))["colour"] == "ORANGE"
    assert len(world.rows(schema.county_file)) == 2
    assert [row["action"] for row in world.rows(schema.audit) if row["action"].startswith("rating.")].count(
        "rating.activate"
    ) == 2


def test_only_what_was_tried_goes_live(world: World) -> None:
    with pytest.raises(rating_trial.UnknownVersion):
        world.ledger.write(lambda tx: rating_trial.activate(tx, world.county, 1, "operator"))
    row = {"county_id": world.county, "kind": "rating", "version": 1, "text": DEFAULT, "sha256": "", "created_by": "x"}
    world.ledger.write(lambda tx: tx.connection.execute(schema.county_file.insert(), {**row, "created_at": 0}) and None)
    with pytest.raises(rating_trial.NotTried):
        world.ledger.write(lambda tx: rating_trial.activate(tx, world.county, 1, "operator"))


def test_a_table_that_this_version_cannot_take_leaves_the_default(world: World) -> None:
    row = {"county_id": world.county, "kind": "rating", "version": 1, "text": "version = 7", "sha256": ""}
    more = {"created_by": "x", "created_at": 0, "active_from_at": 0, "tried": {}}
    world.ledger.write(lambda tx: tx.connection.execute(schema.county_file.insert(), {**row, **more}) and None)
    assert world.case_of(world.sent(RED))["colour"] == "RED"
    ((county, version, why),) = world.ledger.read(lambda c: rating_trial.unusable(c, world.clock.at))
    assert (county, version, "version is missing" in why) == (world.county, 1, True)


def test_parsing_is_done_once() -> None:
    assert parsed(DEFAULT) is parsed(DEFAULT)
