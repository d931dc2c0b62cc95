"""Every open feed of a process is looked after: who has ended is told, whoever fails the others go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from county import duty, people, signin
from county.access import Actor, Role
from ledger import schema
from tests.triage.kit import World
from triage import attendance
from triage.attendance import Attendance

on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


class Reader:
    """A session that keeps what it is told."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.heard: list[Actor | None] = []
        self.errors: list[Exception] = []

    def found(self, who: Actor | None) -> None:
        self.heard.append(who)

    def lost(self, error: Exception) -> None:
        self.errors.append(error)


async def until(true: Callable[[], object]) -> None:
    """Waits for what must come."""
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attendance, "CHECK_S", 0.05)


def test_who_has_signed_out_is_told_and_the_others_go_on(world: World) -> None:
    async def play() -> None:
        watched = Attendance(world.ledger)
        doctor, second, clinic = (Reader(world.actors[who]) for who in ("cardiologist", "second", "clinic"))
        for one in (doctor, second, clinic):
            watched.come(one)
        await until(lambda: doctor.heard and second.heard and clinic.heard)
        await signin.sign_out(world.ledger, second.actor)
        await until(lambda: None in second.heard)
        count = len(doctor.heard)
        await until(lambda: len(doctor.heard) > count)
        assert set(doctor.heard) == {doctor.actor}
        assert set(clinic.heard) == {clinic.actor}
        for one in (doctor, second, clinic):
            watched.leave(one)
        assert not len(watched)

    asyncio.run(play())
    stamped = {row["person_id"] for row in world.rows(schema.session) if row["feed_at"] is not None}
    assert world.actors["cardiologist"].id in stamped, "the ladder knows who can be reached at a screen"
    assert world.actors["clinic"].id not in stamped


@on_sqlite
def test_another_role_is_heard_of(world: World) -> None:
    async def play() -> None:
        watched, doctor = Attendance(world.ledger), Reader(world.actors["cardiologist"])
        watched.come(doctor)
        await until(lambda: doctor.heard)
        await world.ledger.awrite(
            lambda tx: (
                tx.connection.execute(
                    schema.person.update().where(schema.person.c.id == doctor.actor.id).values(role="coordinator")
                )
                and None
            )
        )
        await until(lambda: doctor.heard[-1] == replace(doctor.actor, role=Role.COORDINATOR))
        watched.leave(doctor)

    asyncio.run(play())


@on_sqlite
def test_a_session_that_learns_of_its_new_role_during_a_look_is_not_signed_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = signin.going_on
    watched, doctor = Attendance(world.ledger), Reader(world.actors["cardiologist"])
    before = doctor.actor

    def slow(*asked: object) -> dict[Actor, signin.Going]:
        doctor.actor = replace(before, name="another") if doctor.actor is before else doctor.actor
        return look(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(signin, "going_on", slow)

    async def play() -> None:
        watched.come(doctor)
        await until(lambda: doctor.heard)
        watched.leave(doctor)

    asyncio.run(play())
    assert None not in doctor.heard


@on_sqlite
def test_a_write_that_fails_is_not_the_last_look(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(duty, "feeds_live", fails)

    async def play() -> None:
        watched, doctor = Attendance(world.ledger), Reader(world.actors["cardiologist"])
        watched.come(doctor)
        await until(lambda: len(doctor.heard) > 2)
        await world.ledger.awrite(lambda tx: people.disable(tx, world.county, doctor.actor.id))
        await until(lambda: None in doctor.heard)
        watched.leave(doctor)

    asyncio.run(play())


@on_sqlite
def test_a_ledger_that_cannot_be_asked_ends_every_feed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(signin, "going_on", fails)

    async def play() -> None:
        watched, doctor = Attendance(world.ledger), Reader(world.actors["cardiologist"])
        watched.come(doctor)
        await until(lambda: doctor.errors)
        watched.leave(doctor)

    asyncio.run(play())
