"""A night, five seconds by five: the desk's loops take their turns, telephones ring, people do what the story says."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from county import contacts, rosters
from county import duty as feeds
from county.sites import CHINA
from ledger import schema
from ledger.clock import SECOND, instant
from tests.triage.kit import World
from triage import cases, deliveries, duty, escalation
from triage.channels import Outcome

DAY = "2026-11-24"
STEP_S = 5  # every time of a story is a multiple of it
TELEPHONES = ("cardiologist", "second", "coordinator", "chief")


@dataclass
class Night:
    """``rang``: (time, who) of each telephone that rang; ``at_screen``: whose feed lives."""

    world: World
    rang: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    at_screen: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        for who in TELEPHONES:
            person, address = self.world.actors[who].id, f"gateway+http://sms.example/#{who}"
            self.world.ledger.write(
                lambda tx, person=person, address=address: contacts.add(
                    tx, self.world.county, "sms", address, person=person
                )
            )

    @property
    def clock(self) -> str:
        """What the clock on the wall says."""
        at = datetime.fromtimestamp(self.world.clock.at / SECOND, UTC).astimezone(CHINA)
        return at.strftime("%H:%M:%S")

    def on_call(self, slot: str, who: str, begins: str, ends: str) -> str:
        """A shift, by the clock on the wall (``ends`` may be the next day's)."""
        from_at, to_at = self._instant(begins), self._instant(ends)
        to_at += 86_400 * SECOND if to_at <= from_at else 0
        person = self.world.actors[who].id
        return self.world.ledger.write(lambda tx: rosters.add(tx, self.world.county, slot, person, from_at, to_at))

    def until(self, clock: str) -> None:
        """Let the night go on to this time."""
        end = self._instant(clock)
        while True:
            self._turn()
            if self.world.clock.at >= end:
                return
            self.world.clock.advance(STEP_S)

    def at(self, clock: str) -> Night:
        """:meth:`until`, to say what somebody then does."""
        self.until(clock)
        return self

    def called(self, exam: str) -> list[tuple[str, list[str], str]]:
        """The ladder of an exam's newest alert: time, slots, why."""
        alert = self.world.alerts(self.world.case_of(exam)["id"])[-1]
        rows = sorted(self.world.rows(schema.ladder_step, alert_id=alert["id"]), key=lambda row: row["number"])
        return [(self._wall(row["at"]), [call["slot"] for call in row["called"]], row["why"]) for row in rows]

    def people_called(self, exam: str) -> list[set[str]]:
        """Who was called at each rung, by their names in the story."""
        names = {actor.id: who for who, actor in self.world.actors.items()}
        alert = self.world.alerts(self.world.case_of(exam)["id"])[-1]
        rows = sorted(self.world.rows(schema.ladder_step, alert_id=alert["id"]), key=lambda row: row["number"])
        return [{names[call["person"]["id"]] for call in row["called"]} for row in rows]

    def _turn(self) -> None:
        for who in self.at_screen:
            if self.world.clock.at // SECOND % 20 == 0:
                asyncio.run(feeds.feeds_live(self.world.ledger, [self.world.actors[who]]))
        while cases.rate_due(self.world.ledger):
            pass
        escalation.climb_due(self.world.ledger, self.world.watch)
        for job in self.world.ledger.write(lambda tx: deliveries.take(tx, 50)):
            self.rang.append((self.clock, job.address.partition("#")[2]))
            self.world.ledger.write(lambda tx, job=job: deliveries.finish(tx, job, Outcome(True)))
        duty.check_reach(self.world.ledger)

    def _wall(self, at: int) -> str:
        return datetime.fromtimestamp(at / SECOND, UTC).astimezone(CHINA).strftime("%H:%M:%S")

    def _instant(self, clock: str) -> int:
        return instant(f"{DAY}T{clock}+08:00")


def answer_of(night: Night, exam: str) -> dict[str, Any]:
    """What the clinic reads of its exam."""
    return night.world.shown(exam)["stages"]
