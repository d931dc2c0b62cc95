"""What the desk's promises share: a quick ladder, telephones behind a fake gateway, an alert without an ECG's work."""

from __future__ import annotations

from functools import partial
from typing import Any

from sqlalchemy import update

from county import contacts
from ingest import receive
from ingest.context import Context
from ledger import schema
from ledger.clock import SECOND, ManualClock, SystemClock
from ledger.database import Ledger, Transaction
from ledger.ids import new_id
from tests.support.serving import World
from tests.triage.gateway import Gateway
from triage import analyser, cases, escalation, policies

RUNG_S = 1
RUNGS = 5
SLOTS = ("first", "backup", "coordinator", "chief", "director")
#: The ladder of CLINICAL.md §5.7 with a second between two rungs: a county may be quicker.
POLICY = "[ladder.RED]\nrepeat_s = 1\n" + "".join(
    f'[[ladder.RED.rung]]\nat_s = {step * RUNG_S}\nslots = {list(SLOTS[: step + 1])}\nchannels = ["screen", "sms"]\n'
    for step in range(RUNGS)
)


def quicken(world: World, gateway: Gateway) -> None:
    """The quick ladder, and a telephone for everybody who is on call."""
    with world.ledger() as ledger:
        # alerts that were raised seconds ago climb by it from the first
        ledger.write(lambda tx: policies.put(tx, world.county, POLICY, active_from_at=tx.now - 60 * SECOND))
        for name in ("周敏", "何立", "林协调"):
            person, address = world.people[name], gateway.address(name)
            ledger.write(
                lambda tx, person=person, address=address: contacts.add(tx, world.county, "sms", address, person=person)
            )


def calls_of(world: World, alert: str) -> list[dict[str, Any]]:
    """Every call of an alert, in order."""
    rows = (row for row in world.rows(schema.ladder_step) if row["alert_id"] == alert)
    return sorted(rows, key=lambda row: row["number"])


def assert_climbs_without_a_hole(world: World, alert: str) -> None:
    """Calls are numbered without a gap, each goes higher, none is made twice, and each is told by one event."""
    calls = calls_of(world, alert)
    assert [call["number"] for call in calls] == list(range(len(calls)))
    steps = [call["step"] for call in calls]
    assert steps == sorted(set(steps)), steps
    told = [row for row in world.events() if row["kind"] == "alert.climbed" and row["data"]["alert"] == alert]
    assert [row["data"]["step"] for row in told] == steps[1:]


def assert_rung_once(world: World, gateway: Gateway) -> None:
    """Each message that the ledger holds to be delivered rang, by the gateway's own log, once."""
    rows = world.rows(schema.delivery)
    delivered = {row["id"] for row in rows if row["state"] == "delivered"}
    assert delivered <= set(gateway.rung)
    rang = {message["id"] for message in gateway.rung.values() if message["to"] != "watchdog"}
    assert rang <= {row["id"] for row in rows}
    keys = [row["key"] for row in rows]
    assert len(keys) == len(set(keys))


# --- alerts at every rung, as if they had been raised seconds ago -----------------------------------------------------


def alerts_at_every_rung(world: World) -> list[str]:
    """One unanswered RED alert at each rung of the quick ladder now, each climbed by the real functions; their ids.

    A village's emergency button without a readable ECG is RED (CLINICAL.md §5.6), so no analysis is waited for.
    """
    now = SystemClock().now()
    made: list[str] = []
    for rung in reversed(range(RUNGS)):
        clock = ManualClock(now - rung * RUNG_S * SECOND - SECOND // 2)
        ledger = Ledger.open(world.url, clock)
        try:
            made.append(_raised(ledger, world))
            for _ in range(rung):
                clock.advance(RUNG_S)
                alert = next(row for row in world.rows(schema.alert) if row["id"] == made[-1])
                ledger.write(
                    partial(escalation.climb, county=world.county, alert_id=made[-1], deadline=alert["next_step_at"])
                )
        finally:
            ledger.close()
    return made


def receive_button(ledger: Ledger, world: World, *, rated: bool = False) -> str:
    """The emergency button with a file that is no ECG, as ingest and an analyser leave it; due to be rated, or rated in
    the same commit (a server that runs beside it finds it done). The exam's id.
    """
    said = receive.Submission(world.county, world.site, "d", [("a.zip", new_id().encode())], Context(urgent=True))
    ready = receive.prepare(said)

    def came(tx: Transaction) -> str:
        exam = receive.accept(tx, ready).exam
        analyser.finish(tx, world.county, exam, "cannot-read", {"problem": {"code": "X", "zh": "无", "en": "none"}})
        if rated:
            cases.rate_one(tx, world.county, exam)
        return exam

    return ledger.write(came)


def _raised(ledger: Ledger, world: World) -> str:
    """Its alert."""
    exam = receive_button(ledger, world, rated=True)
    return next(row["id"] for row in world.rows(schema.alert) if row["exam_id"] == exam)


def end(world: World, alerts: list[str]) -> None:
    """Their ladders have done their part."""
    ended = update(schema.alert).where(schema.alert.c.id.in_(alerts)).values(next_step_at=None, state="decided")
    with world.ledger() as ledger:
        ledger.write(lambda tx: tx.connection.execute(ended) and None)
