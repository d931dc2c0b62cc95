"""A drill goes the whole way of a real ECG, is known for one everywhere, and is in no figure."""

from __future__ import annotations

from typing import Any

from county import contacts
from ledger import schema
from server.commands import desk
from server.health import Histogram, Tally, _drills
from tests.triage.kit import RED, World
from triage import deliveries, drills, figures


def begin(world: World) -> str:
    exam = world.ledger.write(lambda tx: desk.begin_drill(tx, world.county, world.site))
    world.clock.advance(2)
    world.analyse(exam, RED)
    world.rate()
    return exam


def board(world: World) -> dict[str, Any]:
    now = world.clock.now()
    return world.ledger.read(lambda connection: figures.board(connection, world.actors["coordinator"], now))


def test_it_is_marked_in_every_row_event_and_message_and_measured(world: World) -> None:
    world.on_duty(first="cardiologist", backup="second")
    doctor = world.actors["cardiologist"].id
    world.ledger.write(lambda tx: contacts.add(tx, world.county, "sms", "ntfy://x", person=doctor))
    before = world.row(schema.site, id=world.site)["last_exam_at"]
    exam = begin(world)
    assert world.row(schema.site, id=world.site)["last_exam_at"] == before, "a drill ends no silence"
    case = world.case_of(exam)
    (alert,) = world.alerts(case["id"])
    assert case["drill"]
    assert alert["drill"]
    assert world.row(schema.patient, id=case["patient_id"])["name"] is None
    world.clock.advance(60)
    world.climb()
    (row,) = world.rows(schema.delivery)
    assert row["drill"]
    assert (row["words"]["body"][:2], row["words"]["body"][-2:]) == ("演练", "演练")
    told = [event for event in world.events() if event["kind"].split(".")[0] in ("alert", "case")]
    assert all(event["data"]["drill"] for event in told)
    reason = world.events("alert.raised")[0]["data"]["reason"]["zh"].split()
    assert (reason[0], reason[-1]) == ("演练", "演练")
    for job in world.ledger.write(lambda tx: deliveries.take(tx, 9)):
        world.clock.advance(1)
        world.ledger.write(lambda tx, job=job: deliveries.finish(tx, job, deliveries.Outcome(True)))
    world.do("cardiologist", "acknowledge", case["id"])
    world.clock.advance(5)
    world.do("cardiologist", "confirm", case["id"])
    found = world.ledger.read(lambda connection: drills.measured(connection, world.county, exam))
    assert found == drills.Measured(2.0, 2.0, 63.0, 63.0, 68.0, 1, 1, 1)


def test_no_figure_counts_it(world: World) -> None:
    empty = board(world)
    exam = begin(world)
    world.do("cardiologist", "acknowledge", world.case_of(exam)["id"])
    assert board(world) | {"at": 0, "seq": 0} == empty | {"at": 0, "seq": 0}
    real = world.sent(RED)
    tally = Tally()
    world.ledger.read(tally.catch_up)
    counted = tally.kinds - world.ledger.read(_drills)
    assert (counted["exam.received"], counted["alert.raised"], counted["alert.acknowledged"]) == (1, 1, 0)
    assert sum(tally.answer.counts) == 0 == sum(Histogram((1.0,)).counts)
    assert board(world)["open"][0]["exam"] == real


def test_two_drills_are_two_and_join_no_patients_case(world: World) -> None:
    cases = {world.case_of(begin(world))["id"], world.case_of(begin(world))["id"], world.case_of(world.sent(RED))["id"]}
    assert len(cases) == 3
