"""The roster: nobody's shift is lost in a swap, and a time with nobody is seen before it comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from county import errors, hand_over, http, people, roster_import, rosters
from county.rosters import Slot
from county.routes import router
from ledger import schema
from ledger.clock import SECOND, instant
from tests.county.browser import Browser
from tests.county.world import PASSWORD, World, on_sqlite

HOUR = 3600 * SECOND
WATCHED = (Slot.FIRST, Slot.BACKUP)


@pytest.fixture
def client(world: World) -> Iterator[Browser]:
    """A browser at the county's routes."""
    app = FastAPI()
    app.state.ledger = world.ledger
    app.include_router(router)
    http.install(app)
    with Browser(app, origin="http://ecg.test") as browser:
        yield browser


@pytest.fixture
def second(world: World) -> str:
    """A second cardiologist."""
    return people.create(world.ledger, world.county, "心内乙", "cardiologist", PASSWORD)


def add(world: World, slot: str, person: str, from_h: float, to_h: float) -> str:
    now = world.clock.now()
    begins, ends = now + round(from_h * HOUR), now + round(to_h * HOUR)
    return world.ledger.write(lambda tx: rosters.add(tx, world.county, slot, person, begins, ends))


def on_duty(world: World, slot: Slot = Slot.FIRST) -> list[str]:
    now = world.clock.now()
    found = world.ledger.read(lambda connection: rosters.on_duty(connection, world.county, now))
    return [who.id for who in found[slot]]


def gaps(world: World, hours: float) -> list[tuple[str, float, float | None]]:
    """Slot, from, to in hours from now."""
    now = world.clock.now()
    found = world.ledger.read(
        lambda connection: rosters.gaps(connection, world.county, WATCHED, now, now + round(hours * HOUR))
    )
    return [(gap.slot.value, (gap.from_at - now) / HOUR, gap.to_at and (gap.to_at - now) / HOUR) for gap in found]


def test_a_swap_in_the_middle_of_a_shift_leaves_no_minute_without_a_doctor(world: World, second: str) -> None:
    first = world.people["cardiologist"]
    shift = add(world, "first", first, -4, 8)
    taken = world.ledger.write(lambda tx: rosters.swap(tx, world.county, shift, second, reason="ill"))
    assert on_duty(world) == [second]
    rows = {row["id"]: row for row in world.rows(schema.shift)}
    assert rows[shift]["cancelled_at"] == rows[taken]["from_at"] == world.clock.now()
    assert (rows[taken]["replaces_id"], rows[taken]["to_at"]) == (shift, rows[shift]["to_at"])
    assert rows[shift]["person_id"] == first, "who was on call before stays on record"
    with pytest.raises(errors.UnknownShift):
        world.ledger.write(lambda tx: rosters.swap(tx, world.county, shift, first))


def test_two_exchange_their_shifts(world: World, second: str) -> None:
    first = world.people["cardiologist"]
    one, other = add(world, "first", first, 1, 9), add(world, "backup", second, 10, 18)
    world.ledger.write(lambda tx: rosters.exchange(tx, world.county, one, other))
    now = world.clock.now()
    coming = world.ledger.read(lambda c: rosters.next_shifts(c, world.county, now, now + 24 * HOUR))
    assert [(shift.slot, shift.person.id) for shift in coming] == [(Slot.FIRST, second), (Slot.BACKUP, first)]


def test_who_cannot_read_an_ecg_takes_no_doctors_shift(world: World) -> None:
    shift = add(world, "first", world.people["cardiologist"], 0, 8)
    with pytest.raises(errors.BadShift):
        world.ledger.write(lambda tx: rosters.swap(tx, world.county, shift, world.people["coordinator"]))
    assert on_duty(world) == [world.people["cardiologist"]], "a swap that is refused changes nothing"


def test_a_withdrawn_shift_is_a_gap_and_a_shift_that_is_over_stays_as_it_was(world: World) -> None:
    doctor = world.people["cardiologist"]
    for slot in WATCHED:
        add(world, slot, doctor, -10, -1)
    shift = add(world, "first", doctor, -1, 8)
    add(world, "backup", doctor, -1, 8)
    assert gaps(world, 4) == []
    world.ledger.write(lambda tx: rosters.withdraw(tx, world.county, shift, "ill"))
    assert gaps(world, 4) == [("first", -1.0, None)]
    over = world.rows(schema.shift)[0]["id"]
    with pytest.raises(errors.BadShift):
        world.ledger.write(lambda tx: rosters.withdraw(tx, world.county, over, "late"))


def test_gaps_are_where_no_shift_covers_and_overlaps_are_none(world: World, second: str) -> None:
    doctor = world.people["cardiologist"]
    for from_h, to_h in ((0, 8), (6, 10), (12, 20), (12, 14)):
        add(world, "first", doctor, from_h, to_h)
    add(world, "backup", second, 0, 30)
    assert gaps(world, 48) == [("first", 10.0, 12.0), ("first", 20.0, None), ("backup", 30.0, None)]
    assert gaps(world, 10) == []
    assert gaps(world, 10.01) == [("first", 10.0, 12.0)]
    world.ledger.write(lambda tx: people.disable(tx, world.county, second))
    assert gaps(world, 1)[0][0] == "backup", "who has left covers nothing"


def test_a_running_gap_keeps_its_beginning(world: World) -> None:
    assert gaps(world, 1) == [("first", 0.0, None), ("backup", 0.0, None)]
    world.clock.advance(3600)
    assert gaps(world, 1) == [("first", -1.0, None), ("backup", -1.0, None)]


# --- a spreadsheet ---------------------------------------------------------------------------------------------------

GOLDEN_WEEK = """岗位,人员,开始,结束
一线,心内,2026-10-01 08:00,2026-10-02 08:00
二线,心内乙,2026/10/01 08:00,2026/10/02 08:00

backup,心内,2026-10-02T00:00Z,2026-10-03T00:00Z
协调,协调,2026-10-01T08:00+08:00,2026-10-08T08:00+08:00
"""


def test_a_holiday_is_read_in_one_piece_and_twice_adds_nothing(world: World, second: str) -> None:
    lines = roster_import.read("\ufeff" + GOLDEN_WEEK)
    assert [line.number for line in lines] == [2, 3, 5, 6]
    assert lines[0].from_at == instant("2026-10-01T00:00:00Z"), "a time without a zone is China's"
    with pytest.raises(roster_import.Tried) as tried:
        world.ledger.write(lambda tx: roster_import.try_out(tx, world.county, lines))
    assert tried.value.found == roster_import.Imported(4, 0)
    assert world.rows(schema.shift) == [], "a dry run keeps nothing"
    assert world.ledger.write(lambda tx: roster_import.take(tx, world.county, lines)).added == 4
    assert world.ledger.write(lambda tx: roster_import.take(tx, world.county, lines)) == roster_import.Imported(0, 4)
    assert len(world.rows(schema.shift)) == 4


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Line 1"),
        ("slot,person\nfirst,心内\n", "Line 1"),
        ("slot,person,from,to\nfirst,心内,2026-10-01 08:00\n", "Line 2"),
        ("slot,person,from,to\nfirst,心内,tomorrow,2026-10-02 08:00\n", "Line 2"),
        ("slot,person,from,to\nfirst,心内,2026-10-01,2026-10-02\nfirst,谁,2026-10-01,2026-10-02\n", "Line 3"),
        ("slot,person,from,to\nnight,心内,2026-10-01 08:00,2026-10-02 08:00\n", "Line 2"),
        ("slot,person,from,to\nfirst,协调,2026-10-01 08:00,2026-10-02 08:00\n", "Line 2"),
        ("slot,person,from,to\nfirst,心内,2026-10-02 08:00,2026-10-01 08:00\n", "Line 2"),
        ('slot,person,from,to\n"first,心内', "Line 2"),
    ],
)  # fmt: skip
@on_sqlite
def test_a_spreadsheet_with_one_bad_line_is_refused_whole_and_the_line_is_named(
    world: World, text: str, says: str
) -> None:
    with pytest.raises(errors.BadRoster) as refused:
        world.ledger.write(lambda tx: roster_import.take(tx, world.county, roster_import.read(text)))
    assert says in refused.value.en
    assert "行" in refused.value.zh
    assert world.rows(schema.shift) == []


# --- over HTTP -------------------------------------------------------------------------------------------------------


def sign_in(client: Browser, name: str) -> None:
    assert client.post("/v1/session", json={"name": name, "password": PASSWORD}).status_code == 200


@on_sqlite
def test_the_coordinator_edits_the_roster_and_a_repeat_does_it_once(client: Browser, world: World, second: str) -> None:
    sign_in(client, "协调")
    body: dict[str, Any] = {"slot": "first", "person": world.people["cardiologist"]}
    body |= {"from_at": "2026-09-21T00:00:00+08:00", "to_at": "2036-01-01T00:00:00+08:00"}
    once = {"Idempotency-Key": "k1"}
    made = client.post("/v1/rosters", json=body, headers=once)
    assert (made.status_code, client.post("/v1/rosters", json=body, headers=once).json()) == (201, made.json())
    assert len(world.rows(schema.shift)) == 1
    other = client.post("/v1/rosters", json={**body, "slot": "backup"}, headers=once)
    assert (other.status_code, other.json()["type"]) == (422, "id-used")
    (shift,) = made.json()["shifts"]
    swapped = client.post(f"/v1/rosters/{shift}/swap", json={"person": second})
    assert swapped.status_code == 200, swapped.text
    (now,) = client.get("/v1/rosters").json()["now"]
    assert (now["person"]["id"], now["id"]) == (second, swapped.json()["shifts"][0])
    assert client.post(f"/v1/rosters/{now['id']}/withdraw", json={"reason": "ill"}).status_code == 200
    roster = client.get("/v1/rosters").json()
    assert roster["now"] == []
    assert {gap["slot"] for gap in roster["gaps"]} == {"first", "backup"}
    assert client.post(f"/v1/rosters/{now['id']}/withdraw", json={"reason": "ill"}).json()["type"] == "unknown-shift"
    assert client.post("/v1/rosters/never/withdraw", json={"reason": "ill"}).status_code == 404
    kinds = [row["kind"] for row in world.rows(schema.event)]
    assert kinds == ["roster.changed"] * 3, "each change is told once"


@on_sqlite
def test_who_can_be_put_on_call_is_told_to_those_who_may_do_it(client: Browser, world: World, second: str) -> None:
    sign_in(client, "心内")
    assert client.get("/v1/rosters").json()["people"] == []
    sign_in(client, "协调")
    told = {one["id"]: one["slots"] for one in client.get("/v1/rosters").json()["people"]}
    assert told[second] == told[world.people["cardiologist"]] == ["first", "backup", "coordinator", "chief", "director"]
    assert told[world.people["coordinator"]] == ["coordinator", "director"]
    assert world.people["clinic"] not in told, "somebody of one clinic"
    for who, slots in told.items():
        for slot in Slot:
            body = {"slot": slot, "person": who, "from_at": "2036-01-01T00:00:00Z", "to_at": "2036-01-02T00:00:00Z"}
            assert (client.post("/v1/rosters", json=body).status_code == 201) == (slot in slots), (who, slot)


@on_sqlite
def test_a_hand_over_note_is_read_with_the_roster_and_told_to_nobody_else(client: Browser, world: World) -> None:
    sign_in(client, "心内")
    assert client.get("/v1/rosters").json()["hand_over"] is None
    for text in ("第一条", "5床王某待复查"):
        assert client.post("/v1/rosters/hand-over", json={"text": text}).status_code == 201
    note = client.get("/v1/rosters").json()["hand_over"]
    assert (note["text"], note["by"]["name"]) == ("5床王某待复查", "心内")
    assert "王某" not in str(world.rows(schema.event)) + str(world.rows(schema.audit))
    latest = world.ledger.read(lambda connection: hand_over.latest(connection, world.county))
    assert latest is not None
    assert latest.number == 2
