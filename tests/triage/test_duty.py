"""An empty roster is told before its hour; somebody on call without a feed is told, and their RED alert climbs on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from county import contacts, rosters
from county import duty as feeds
from ledger import schema
from tests.triage.kit import HOUR, ORANGE, RED, World, other_ledger, steps
from triage import duty


def shift(world: World, slot: str, who: str, from_h: float, to_h: float) -> str:
    now, person = world.clock.now(), world.actors[who].id
    begins, ends = now + round(from_h * HOUR), now + round(to_h * HOUR)
    return world.ledger.write(lambda tx: rosters.add(tx, world.county, slot, person, begins, ends))


def telephone(world: World, who: str) -> None:
    person = world.actors[who].id
    world.ledger.write(lambda tx: contacts.add(tx, world.county, "sms", "ntfy://x", person=person))


def on_the_feed(world: World, *who: str) -> None:
    for one in who:
        asyncio.run(feeds.feeds_live(world.ledger, [world.actors[one]]))


def told(world: World, kind: str) -> list[dict[str, Any]]:
    return [event["data"] for event in world.events(kind)]


def test_a_gap_is_told_a_day_and_an_hour_before_and_when_it_begins_once_each(world: World) -> None:
    telephone(world, "coordinator")
    shift(world, "first", "cardiologist", -1, 48)
    shift(world, "backup", "second", -1, 100)
    at: list[int] = []
    for hour in range(60):
        for _ in range(2):  # and asked again and again
            if duty.check_rosters(world.ledger):
                at.append(hour)
        world.clock.advance(3600)
    assert at == [24, 47, 48]
    assert [data["ahead_s"] for data in told(world, "roster.gap")] == [86400, 3600, 0]
    assert {tuple(data["slots"]) for data in told(world, "roster.gap")} == {("first",)}
    sent = sorted(world.rows(schema.delivery), key=lambda row: row["created_at"])
    assert {row["person_id"] for row in sent} == {world.actors["coordinator"].id}
    assert [row["words"]["body"][:6] for row in sent] == ["约24小时后", "约1小时后起", "现在起一线无"]


def test_a_county_without_any_roster_is_told_once_and_a_filled_one_not(world: World) -> None:
    assert duty.check_rosters(world.ledger) == 2  # first and backup
    world.clock.advance(3600)
    assert duty.check_rosters(world.ledger) == 0
    world.on_duty(first="cardiologist", backup="second")
    world.clock.advance(60)
    assert duty.check_rosters(world.ledger) == 2, "the new shifts end in less than a day"
    assert [data["ahead_s"] for data in told(world, "roster.gap")] == [0, 0, 86400, 86400]


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_two_servers_tell_a_gap_once(world: World, url: str, request: pytest.FixtureRequest) -> None:
    other = other_ledger(world, url)
    request.addfinalizer(other.ledger.close)
    now = world.clock.now()
    both = [work for one in (world, other) for work in one.ledger.read(lambda c: duty._near(world.county, now, c))]
    assert len(both) == 4
    assert sum(world.ledger.write(work) for work in both) == 2
    assert len(told(world, "roster.gap")) == 2


def test_a_doctor_on_call_without_a_feed_is_told_once_a_time(world: World) -> None:
    shift(world, "first", "cardiologist", 0, 8)
    shift(world, "backup", "second", 0, 8)
    telephone(world, "second")
    on_the_feed(world, "cardiologist")
    for _ in range(59):
        world.clock.advance(1)
        assert duty.check_reach(world.ledger) == 0
    world.clock.advance(1)
    assert [duty.check_reach(world.ledger) for _ in range(3)] == [1, 0, 0]
    (data,) = told(world, "duty.unreachable")
    assert (data["slot"], data["person"]["id"]) == ("first", world.actors["cardiologist"].id)
    on_the_feed(world, "cardiologist")
    assert duty.check_reach(world.ledger) == 0
    world.clock.advance(60)
    assert duty.check_reach(world.ledger) == 1, "another time is told anew"
    assert all(one["slot"] == "first" for one in told(world, "duty.unreachable")), "the backup has a telephone"


def test_a_red_alert_whose_doctor_has_no_feed_takes_its_next_step_at_once(world: World) -> None:
    world.on_duty(first="cardiologist", backup="second", coordinator="coordinator")
    on_the_feed(world, "second")
    exam = world.sent(RED)
    orange = world.sent(ORANGE)
    assert duty.check_reach(world.ledger) >= 1
    alert = world.alerts(world.case_of(exam)["id"])[0]
    assert [(step, why) for step, why, _ in steps(world, alert["id"])] == [(0, "raised"), (1, "unreachable")]
    assert alert["next_step_at"] == world.clock.now() + 60_000_000, "from there it keeps its pace"
    world.clock.advance(59)
    on_the_feed(world, "second")
    before = len(steps(world, alert["id"]))
    duty.check_reach(world.ledger)
    assert len(steps(world, alert["id"])) == before, "the backup is reached at the screen"
    assert len(steps(world, world.alerts(world.case_of(orange)["id"])[0]["id"])) == 1, "ORANGE has time"


def test_nobody_at_any_screen_the_whole_list_is_called_at_once_and_then_by_the_clock(world: World) -> None:
    world.on_duty(first="cardiologist", backup="second", coordinator="coordinator", chief="chief")
    exam = world.sent(RED)
    for _ in range(10):
        duty.check_reach(world.ledger)
    alert = world.alerts(world.case_of(exam)["id"])[0]
    assert [step for step, _, _ in steps(world, alert["id"])] == [0, 1, 2, 3, 4]
    world.do("second", "acknowledge", alert["case_id"])
    assert duty.check_reach(world.ledger) == 0


def test_an_acknowledged_alert_is_not_hurried(world: World) -> None:
    world.on_duty(first="cardiologist", backup="second")
    exam = world.sent(RED)
    case = world.case_of(exam)["id"]
    world.do("cardiologist", "acknowledge", case)
    duty.check_reach(world.ledger)
    assert len(steps(world, world.alerts(case)[0]["id"])) == 1
