"""Counties, sites, devices, people, shifts, and the audit of them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from county import audit, counties, devices, errors, passwords, people, rosters, secrets, sites
from county.names import checked
from county.rosters import Slot
from county.sites import midnight
from ledger import schema
from ledger.chain import GENESIS
from ledger.clock import SECOND, instant
from ledger.database import Ledger
from tests.county.world import PASSWORD, World, on_sqlite


def assert_both_languages(error: errors.CountyError) -> None:
    assert any("\u4e00" <= letter <= "\u9fff" for letter in error.zh)
    assert error.en.isprintable()
    assert error.code != errors.CountyError.code


def test_a_county_begins_at_number_zero_of_its_own_epoch(ledger: Ledger) -> None:
    one = ledger.write(lambda tx: counties.add_county(tx, "青石县"))
    two = ledger.write(lambda tx: counties.add_county(tx, "白水县", "0996-120"))
    rows = ledger.read(lambda connection: connection.execute(schema.county.select()).mappings().all())
    assert [row["last_seq"] for row in rows] == [0, 0]
    assert len({row["epoch"] for row in rows}) == 2
    assert all(row["audit_head"] != GENESIS for row in rows), "the county's making is the first row of its audit"
    assert [county.id for county in ledger.read(counties.all_counties)] == [one, two]


def test_the_county_that_is_meant_is_the_one_named_or_the_only_one(ledger: Ledger) -> None:
    with pytest.raises(errors.NoCounty) as none:
        ledger.read(counties.only_county)
    assert_both_languages(none.value)
    one = ledger.write(lambda tx: counties.add_county(tx, "青石县"))
    assert ledger.read(counties.only_county).id == one
    two = ledger.write(lambda tx: counties.add_county(tx, "白水县"))
    with pytest.raises(errors.ManyCounties) as many:
        ledger.read(counties.only_county)
    assert one in many.value.zh
    assert "白水县" in many.value.en
    assert ledger.read(lambda connection: counties.only_county(connection, "白水县")).id == two
    assert ledger.read(lambda connection: counties.only_county(connection, one)).name == "青石县"
    with pytest.raises(errors.UnknownCounty, match="白水县"):
        ledger.read(lambda connection: counties.only_county(connection, "黑山县"))
    with pytest.raises(errors.NameTaken):
        ledger.write(lambda tx: counties.add_county(tx, " 青石县 "))


def test_a_name_that_cannot_be_shown_is_refused() -> None:
    for name in ("", "   ", "a\x00b", "x" * 81, "\ud800"):
        with pytest.raises(errors.BadName) as refused:
            checked(name)
        assert_both_languages(refused.value)
    assert checked("  A\u030a  村 ") == "Å 村", "one spelling of what looks the same"


@on_sqlite
def test_a_place_off_the_map_is_refused(world: World) -> None:
    for x, y in ((0.5, None), (None, 0.5), (1.5, 0.5), (0.5, -0.1), (float("nan"), 0.5)):
        with pytest.raises(errors.OffTheMap):
            world.ledger.write(lambda tx, x=x, y=y: sites.add(tx, world.county, "某村", "某乡", "", x, y))


def test_a_site_is_found_only_in_its_county(world: World) -> None:
    other = world.ledger.write(lambda tx: counties.add_county(tx, "白水县"))
    found = world.ledger.read(lambda connection: sites.get(connection, world.county, world.site))
    assert found is not None
    assert (found.name, found.township, found.map_x, found.map_y) == ("上坪村卫生室", "上坪乡", 0.25, 0.75)
    assert world.ledger.read(lambda connection: sites.get(connection, other, world.site)) is None
    with pytest.raises(errors.UnknownSite):
        world.ledger.write(lambda tx: devices.add(tx, other, world.site))


def test_what_a_site_sent_today_is_counted_from_midnight_in_china(world: World) -> None:
    now = world.clock.now()
    begin = midnight(now)
    sent = {"a": begin - 1, "b": begin, "c": now}
    world.ledger.write(lambda tx: [send(tx, world, name, at) for name, at in sent.items()])
    today = world.ledger.read(lambda connection: sites.all_sites(connection, world.county, now))
    assert {one.site.id: one.sent_today for one in today} == {world.site: 2, world.other_site: 0}
    assert {one.site.id: one.open_colour for one in today} == {world.site: "RED", world.other_site: None}


def test_midnight_is_chinas() -> None:
    assert midnight(instant("2026-11-24T15:59:59.5Z")) == instant("2026-11-24T00:00:00+08:00")
    assert midnight(instant("2026-11-24T16:00:00Z")) == instant("2026-11-25T00:00:00+08:00")


def test_a_device_key_is_shown_once_kept_as_a_hash_and_can_be_revoked(world: World) -> None:
    assert world.key.startswith("ek_")
    assert len(world.key) > 40
    (row,) = world.rows(schema.device)
    assert row["key_hash"] == secrets.fingerprint(world.key)
    assert world.key not in str(world.rows(schema.audit)) + str(row)
    found = world.ledger.read(lambda connection: devices.by_key(connection, world.key))
    assert found == devices.Device(world.county, world.device, world.site, "上坪村卫生室")
    assert world.ledger.read(lambda connection: devices.by_key(connection, world.key[:-1])) is None
    world.ledger.write(lambda tx: devices.revoke(tx, world.county, world.device, reason="lost"))
    assert world.ledger.read(lambda connection: devices.by_key(connection, world.key)) is None
    with pytest.raises(errors.UnknownDevice) as again:
        world.ledger.write(lambda tx: devices.revoke(tx, world.county, world.device))
    assert_both_languages(again.value)


@on_sqlite
def test_a_password_is_kept_as_argon2_and_nowhere_in_clear(world: World) -> None:
    rows = world.rows(schema.person)
    assert all(row["password_hash"].startswith("$argon2id$") for row in rows)
    assert len({row["password_hash"] for row in rows}) == len(rows), "each with its own salt"
    assert PASSWORD not in str(rows) + str(world.rows(schema.audit))


NOBODY = (
    ("心内", "cardiologist", PASSWORD, None, errors.NameTaken),
    (" 心内 ", "coordinator", PASSWORD, None, errors.NameTaken),
    ("新人", "clinic", PASSWORD, None, errors.SiteNeeded),
    ("新人", "clinic", PASSWORD, "nowhere", errors.UnknownSite),
    ("新人", "surgeon", PASSWORD, None, errors.UnknownRole),
    ("新人", "cardiologist", "short", None, errors.BadPassword),
    ("新人", "cardiologist", "x" * 257, None, errors.BadPassword),
    ("", "cardiologist", PASSWORD, None, errors.BadName),
)


def test_a_person_who_cannot_be_added_is_refused_in_words(world: World) -> None:
    before = world.rows(schema.person)
    for name, role, password, site, kind in NOBODY:
        with pytest.raises(kind) as refused:
            people.create(world.ledger, world.county, name, role, password, site)
        assert_both_languages(refused.value)
    assert world.rows(schema.person) == before
    people.create(world.ledger, world.county, "新人", "clinic", PASSWORD, world.other_site)


def test_the_same_password_from_another_keyboard_is_the_same() -> None:
    kept = passwords.hash_password("Ｐassword１２")
    assert passwords.verify(kept, "Password12")
    assert not passwords.verify(kept, "Password13")
    assert not passwords.verify(passwords.PasswordHash("no hash"), "Password12")


def test_who_has_left_is_nobody(world: World) -> None:
    person = world.people["cardiologist"]
    world.ledger.write(lambda tx: people.disable(tx, world.county, person))
    assert world.ledger.read(lambda connection: people.get(connection, world.county, person)) is None
    known = world.ledger.read(lambda connection: people.all_people(connection, world.county))
    assert {one.role for one in known} == {"clinic", "coordinator", "administrator"}
    with pytest.raises(errors.UnknownPerson):
        world.ledger.write(lambda tx: people.disable(tx, world.county, person))


def test_the_roster_says_who_is_on_call(world: World) -> None:
    now, hour = world.clock.now(), 3600 * SECOND
    doctor, coordinator = world.people["cardiologist"], world.people["coordinator"]

    def fill(tx: Any) -> None:
        rosters.add(tx, world.county, "first", doctor, now - hour, now + hour)
        rosters.add(tx, world.county, "first", doctor, now, now + hour)
        rosters.add(tx, world.county, "coordinator", coordinator, now - 2 * hour, now)
        rosters.add(tx, world.county, "backup", doctor, now + hour, now + 2 * hour)
        rosters.add(tx, world.county, "director", world.people["administrator"], now, now + hour)

    world.ledger.write(fill)
    duty = world.ledger.read(lambda connection: rosters.on_duty(connection, world.county, now))
    assert {slot: [who.id for who in people] for slot, people in duty.items()} == {
        Slot.FIRST: [doctor],  # two shifts at once are one person
        Slot.BACKUP: [],
        Slot.COORDINATOR: [],  # a shift ends at its end
        Slot.CHIEF: [],
        Slot.DIRECTOR: [world.people["administrator"]],
    }
    assert duty[Slot.FIRST][0].phone == "13800001"
    coming = world.ledger.read(lambda connection: rosters.next_shifts(connection, world.county, now, now + hour))
    assert [(one.slot, one.person.id) for one in coming] == [(Slot.BACKUP, doctor)]
    everyone = world.ledger.read(lambda connection: rosters.coordinators(connection, world.county))
    assert [who.id for who in everyone] == [coordinator]
    world.ledger.write(lambda tx: people.disable(tx, world.county, doctor))
    later = world.ledger.read(lambda connection: rosters.on_duty(connection, world.county, now))
    assert later[Slot.FIRST] == [], "who has left is not called"


IMPOSSIBLE = (
    ("first", "cardiologist", 0, errors.BadShift),
    ("first", "cardiologist", -1, errors.BadShift),
    ("night", "cardiologist", 1, errors.BadShift),
    ("first", "coordinator", 1, errors.BadShift),
    ("coordinator", "clinic", 1, errors.BadShift),
    ("first", "nobody", 1, errors.UnknownPerson),
)


def test_a_shift_that_nobody_could_keep_is_refused(world: World) -> None:
    now = world.clock.now()
    for slot, role, hours, kind in IMPOSSIBLE:
        person, until = world.people.get(role, role), now + hours * 3600 * SECOND
        with pytest.raises(kind) as refused:
            add_shift(world, slot, person, now, until)
        assert_both_languages(refused.value)
    assert world.rows(schema.shift) == []


def add_shift(world: World, slot: str, person: str, from_at: int, to_at: int) -> str:
    return world.ledger.write(lambda tx: rosters.add(tx, world.county, slot, person, from_at, to_at))


def test_a_changed_audit_row_and_a_cut_tail_are_seen(world: World) -> None:
    assert world.ledger.read(lambda connection: audit.verify(connection, world.county)) is None
    (head,) = world.ledger.read(audit.heads)
    assert (head.county, head.name, head.seq) == (world.county, "青石县", 8)
    rows = schema.audit
    world.ledger.write(
        lambda tx: tx.connection.execute(update(rows).where(rows.c.seq == 3).values(actor="somebody else"))
    )
    broken = world.ledger.read(lambda connection: audit.verify(connection, world.county))
    assert broken is not None
    assert "row 3" in broken
    world.ledger.write(lambda tx: tx.connection.execute(rows.delete()))
    cut = world.ledger.read(lambda connection: audit.verify(connection, world.county))
    assert cut is not None
    assert "tail" in cut
    with pytest.raises(KeyError):
        world.ledger.read(lambda connection: audit.verify(connection, "nowhere"))


def send(tx: Any, world: World, name: str, at: int) -> None:
    """An exam of the site with an open RED case, as the other rooms would leave it; no patient in it."""
    key = {"county_id": world.county}
    tx.connection.execute(
        schema.original.insert(), {**key, "sha256": name, "bytes": 1, "encoding": "plain", "created_at": at}
    )
    given = {"id": name, "site_id": world.site, "sender": world.device, "sha256": name, "bytes": 1, "files": []}
    state = {"status": "received", "received_at": at, "urgent": False, "symptoms": [], "conflicts": [], "advice": []}
    tx.connection.execute(schema.exam.insert(), {**key, **given, **state, "context_problem": False, "attempts": 0})
    of = {"id": name, "site_id": world.site, "exam_id": name, "state": "open", "reason": {}, "seq": 0}
    colour, rank = {"a": ("GREEN", 9), "b": ("RED", 0), "c": ("YELLOW", 5)}[name]
    times = {"opened_at": at, "due_at": at, "closed_at": None}
    tx.connection.execute(schema.case.insert(), {**key, **of, **times, "colour": colour, "rank": rank})
