"""The ladder on a ledger: alerts climb in time, once, whatever becomes of servers and clocks. Both engines."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from ledger import schema
from ledger.clock import Deadlines, iso
from tests.triage.kit import ORANGE, RED, World, other_ledger, steps
from triage import escalation


def alert_of(world: World, exam: str) -> dict[str, Any]:
    return world.alerts(world.case_of(exam)["id"])[-1]


def run(world: World, seconds: int, step_s: float = 1) -> list[int]:
    """Poll each second; the seconds at which something climbed."""
    climbed: list[int] = []
    for second in range(1, seconds + 1):
        world.clock.advance(step_s)
        if world.climb():
            climbed.append(second)
    return climbed


def everybody(world: World) -> None:
    world.on_duty(
        first="cardiologist", backup="second", coordinator="coordinator", chief="chief", director="administrator"
    )


def test_a_red_alert_climbs_every_rung_once(world: World) -> None:
    everybody(world)
    exam = world.sent(RED)
    assert run(world, 430) == [60, 120, 180, 300, 420]
    alert = alert_of(world, exam)
    slots = ["first", "backup", "coordinator", "chief", "director"]
    assert steps(world, alert["id"]) == [
        (0, "raised", slots[:1]),
        (1, "unanswered", slots[:2]),
        (2, "unanswered", slots[:3]),
        (3, "unanswered", slots[:4]),
        (4, "unanswered", slots),
        (5, "unanswered", slots),
    ]
    told = world.events("alert.climbed")
    assert [event["data"]["step"] for event in told] == [1, 2, 3, 4, 5]
    assert told[0]["data"]["next_step_at"] == iso(alert["raised_at"] + 120_000_000)
    assert told[-1]["data"]["next_step_at"] == iso(alert["next_step_at"])
    assert {"exam": exam, "site": world.site, "why": "unanswered"}.items() <= told[0]["data"].items()
    assert world.events("roster.gap") == []


def test_an_orange_alert_becomes_red_after_30_minutes(world: World) -> None:
    everybody(world)
    world.sent(ORANGE)
    assert run(world, 2200 // 5, 5) == [at // 5 for at in (300, 600, 900, 1200, 1500, 1800, 1860, 1920, 1980, 2100)]


def test_an_acknowledged_alert_rings_no_more_until_nobody_decided(world: World) -> None:
    everybody(world)
    exam = world.sent(RED)
    run(world, 70)
    world.do("second", "acknowledge", world.case_of(exam)["id"])
    assert run(world, 600) == [420, 480, 600]
    assert [event["data"]["why"] for event in world.events("alert.climbed")] == ["unanswered", *["undecided"] * 3]
    assert [event["data"]["step"] for event in world.events("alert.climbed")] == [1, 2, 3, 4]


@pytest.mark.parametrize("action", ["confirm", "downgrade", "stand-down"])
def test_a_decision_ends_the_ladder(world: World, action: str) -> None:
    exam = world.sent(RED)
    run(world, 10)
    case = world.case_of(exam)["id"]
    world.do("cardiologist", "acknowledge", case)
    world.do("cardiologist", action, case, reason="other", colour="GREEN")
    alert = alert_of(world, exam)
    assert (alert["state"], alert["next_step_at"]) == ("decided", None)
    assert run(world, 60, 20) == []


@pytest.mark.parametrize("back_s", [5, 300, 3600, 400_000_000])
def test_a_clock_set_back_delays_no_rung(world: World, back_s: float) -> None:
    world.sent(RED)
    world.climb()
    world.clock.advance(30)
    world.climb()
    world.clock.set_back(back_s)
    assert run(world, 400) == [30, 90, 150, 270, 390]


def test_a_clock_set_forward_climbs_early_and_then_goes_on(world: World) -> None:
    world.sent(RED)
    world.climb()
    world.clock.at += 3600_000_000
    assert run(world, 300, 1)[0] == 1
    assert len(world.events("alert.climbed")) <= 4


def test_a_clock_set_back_while_no_server_ran_delays_no_rung_for_long(world: World) -> None:
    exam = world.sent(RED)
    world.clock.set_back(400_000_000)
    world.watch = escalation.Watch(Deadlines(world.clock))
    assert run(world, 200)[:3] == [1, 61, 121]
    assert steps(world, alert_of(world, exam)["id"])[1][0] == 1


def test_after_a_downtime_one_rung_is_called(world: World) -> None:
    everybody(world)
    exam = world.sent(RED)
    world.clock.advance(1000)
    assert [world.climb(), world.climb()] == [1, 0]
    (alert,) = world.rows(schema.alert)
    assert (alert["step"], alert["next_step_at"]) == (9, alert["raised_at"] + 1020_000_000)
    assert len(steps(world, alert_of(world, exam)["id"])) == 2


def test_an_empty_roster_calls_every_coordinator_and_says_so(world: World) -> None:
    exam = world.sent(RED)
    run(world, 60)
    assert [step[2] for step in steps(world, alert_of(world, exam)["id"])] == [["coordinator"], ["coordinator"]]
    called = world.rows(schema.ladder_step)[0]["called"]
    assert [call["person"]["id"] for call in called] == [world.actors["coordinator"].id]
    gaps = world.events("roster.gap")
    assert [gap["data"]["slots"] for gap in gaps] == [["first"], ["first", "backup"]]
    assert all(gap["data"]["exam"] == exam and gap["site_id"] == world.site for gap in gaps)


def test_a_rung_with_nobody_goes_to_the_next_at_once_and_the_others_keep_their_times(world: World) -> None:
    world.on_duty(chief="chief")
    exam = world.sent(RED)
    assert run(world, 200) == [60, 120, 180]
    assert [step[2] for step in steps(world, alert_of(world, exam)["id"])] == [["chief"]] * 4


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_two_servers_climb_once(world: World, url: str, request: pytest.FixtureRequest) -> None:
    other = other_ledger(world, url)
    request.addfinalizer(other.ledger.close)
    exams = [world.sent(RED) for _ in range(5)]
    for _ in range(3):
        world.clock.advance(60)
        servers = [threading.Thread(target=one.climb) for one in (world, other)]
        for server in servers:
            server.start()
        for server in servers:
            server.join(20)
    for exam in exams:
        assert [step for step, _, _ in steps(world, alert_of(world, exam)["id"])] == [0, 1, 2, 3]
    assert len(world.events("alert.climbed")) == 15


def test_one_ladder_that_fails_stops_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = world.sent(RED), world.sent(RED)
    poisoned = alert_of(world, bad)["id"]
    real = escalation.climb

    def climb(transaction: Any, county: str, alert_id: str, deadline: int) -> int:
        if alert_id == poisoned:
            raise RuntimeError("poisoned")
        return real(transaction, county, alert_id, deadline)

    monkeypatch.setattr(escalation, "climb", climb)
    assert run(world, 61) == [60]
    assert len(steps(world, alert_of(world, good)["id"])) == 2
    monkeypatch.setattr(escalation, "climb", real)
    assert run(world, 1) == [1]
    assert len(steps(world, poisoned)) == 2
