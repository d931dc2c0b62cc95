"""A county's policy: quicker than CLINICAL.md §5.7 perhaps, never slower, and each mistake named. Pure, but for one."""

from __future__ import annotations

import pytest

from county.errors import BadPolicy
from tests.triage.kit import RED, World
from triage import policies
from triage.ladder import after_raise, rung_at, steps_until_repeat, tells_village
from triage.policies import CLINICAL, parse

QUICK = """
language = "both"
watched = ["first"]
[ladder.RED]
repeat_s = 2
[[ladder.RED.rung]]
at_s = 0
slots = ["first"]
channels = ["screen", "sms"]
[[ladder.RED.rung]]
at_s = 10
slots = ["first", "backup", "coordinator", "chief", "director"]
channels = ["screen", "call", "group"]
"""


def test_what_a_county_leaves_out_is_clinicals() -> None:
    assert parse("") == CLINICAL
    policy = parse(QUICK, 3)
    assert (policy.version, policy.language, policy.watched, policy.names_in_messages) == (3, "both", ("first",), False)
    assert [rung_at("RED", step, policy).at_s for step in range(5)] == [0, 10, 12, 14, 16]
    assert policy.ladders["ORANGE"] == CLINICAL.ladders["ORANGE"]
    # ORANGE's sixth step would be at 1500 s; at 1800 s the county's own RED ladder takes over
    assert [rung_at("ORANGE", step, policy).at_s for step in (5, 6, 7, 8)] == [1500, 1800, 1810, 1812]
    assert after_raise("RED", 0, policy) == 10_000_000


def test_the_village_is_told_when_everybody_was_called() -> None:
    assert [tells_village("RED", step) for step in range(6)] == [False, False, False, False, True, True]
    assert steps_until_repeat("RED", parse(QUICK)) == 1
    assert rung_at("ORANGE", steps_until_repeat("ORANGE")).at_s == 1800 + 300


RUNG = '[[ladder.RED.rung]]\nat_s = {at}\nslots = ["first"]\nchannels = ["screen", "sms"]\n'


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[ladder", "TOML"),
        ("colour = 1", "colour"),
        ('language = "fr"', "language"),
        ('names_in_messages = "yes"', "names_in_messages"),
        ('watched = ["backup"]', "watched"),
        ('watched = ["night"]', "watched"),
        ("ladder = 1", "ladder"),
        ("[ladder.YELLOW]", "ladder.YELLOW"),
        ("[ladder.RED]\nrung = []", "ladder.RED.rung"),
        ("[ladder.RED]\nrepeat_s = 0", "ladder.RED.repeat_s"),
        ("[ladder.RED]\nrepeat_s = 121", "ladder.RED.repeat_s"),
        ("[ladder.RED]\nends_s = 600", "ladder.RED.ends_s"),
        ("[ladder.ORANGE]\nends_s = 1801", "ladder.ORANGE.ends_s"),
        ("[ladder.ORANGE]\nends_s = 600", "ladder.ORANGE.ends_s"),
        ("[ladder.ORANGE]\nrepeat_s = 301", "ladder.ORANGE.repeat_s"),
        (RUNG.format(at=1), "ladder.RED.rung[0].at_s"),
        (RUNG.format(at=0) + RUNG.format(at=0), "ladder.RED.rung[1].at_s"),
        (RUNG.format(at=0), "backup by 60 s"),
        (QUICK.replace("at_s = 10", "at_s = 61"), "backup by 60 s"),
        (QUICK.replace('"screen", "sms"', '"screen"').replace('"screen", "call", "group"', '"screen"'), "sms or call"),
        (QUICK.replace('"screen", "sms"', '"sms"'), "ladder.RED.rung[0].channels"),
        (QUICK.replace('"screen", "sms"', '"screen", "pigeon"'), "ladder.RED.rung[0].channels"),
        (QUICK + '[[ladder.RED.rung]]\nat_s = 20\nslots = ["first"]\nchannels = ["screen"]', "rung[2].slots"),
    ],
)
def test_a_policy_that_would_be_slower_or_cannot_be_read_is_refused_by_name(text: str, place: str) -> None:
    with pytest.raises(BadPolicy) as refused:
        parse(text)
    assert place in refused.value.en
    assert any("\u4e00" <= letter <= "\u9fff" for letter in refused.value.zh)


def test_clinicals_own_ladder_written_out_is_accepted() -> None:
    text = ""
    for colour, ladder in CLINICAL.ladders.items():
        text += f"[ladder.{colour}]\nrepeat_s = {ladder.repeat_s}\n"
        for rung in ladder.rungs:
            slots, channels = ([*map(str, words)] for words in (rung.slots, rung.channels))
            text += f"[[ladder.{colour}.rung]]\nat_s = {rung.at_s}\nslots = {slots}\nchannels = {channels}\n"
    assert parse(text) == CLINICAL


def test_alerts_climb_by_the_policy_in_force_and_every_version_stays(world: World) -> None:
    world.ledger.write(lambda tx: policies.put(tx, world.county, QUICK))
    later = world.clock.now() + 3600_000_000
    world.ledger.write(lambda tx: policies.put(tx, world.county, "", active_from_at=later))
    world.sent(RED)
    world.clock.advance(10)
    assert world.climb() == 1
    (climbed,) = world.events("alert.climbed")
    assert (climbed["data"]["policy"], climbed["data"]["village"]["zh"]) == (1, "尚未接通，请立即拨打120并转运。")
    world.clock.advance(3600)
    now = world.clock.now()
    assert world.ledger.read(lambda connection: policies.of(connection, world.county, now)).version == 2
    assert world.ledger.read(lambda connection: policies.of(connection, "elsewhere", now)) == CLINICAL
