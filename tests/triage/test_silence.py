"""A clinic that falls silent is told once, by what it usually sends; and once that it is heard again."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from county import contacts, sites
from ledger import schema
from ledger.clock import SECOND
from tests.triage.kit import GREEN, HOUR, World
from triage import silence
from triage.silence import CEILING_S, FLOOR_S, UNLEARNED_S, learned_s

DAY_US = 24 * HOUR


@pytest.mark.parametrize(
    ("gaps_h", "expected_h"),
    [
        ([1] * 9, UNLEARNED_S // 3600),  # nine pauses are too few to know
        ([1] * 10, FLOOR_S // 3600),  # a busy clinic still sleeps
        ([20] * 17 + [62] * 3, 124),  # a pause in six or seven is a weekend: it is usual
        ([20] * 18 + [62] * 2, 40),  # one in ten is a holiday: it is not
        ([200] * 20, CEILING_S // 3600),
    ],
)  # fmt: skip
def test_learned_from_the_pauses_it_makes(gaps_h: list[int], expected_h: int) -> None:
    came = [0]
    for gap in gaps_h:
        came.append(came[-1] - gap * HOUR)
    assert learned_s(came) == expected_h * 3600


@given(st.lists(st.integers(0, 10**16), min_size=0, max_size=60))
@settings(max_examples=100, deadline=None)
def test_never_below_a_day_nor_beyond_a_fortnight(came: list[int]) -> None:
    assert FLOOR_S <= learned_s(sorted(came, reverse=True)) <= CEILING_S


def test_told_once_and_heard_again_once(world: World) -> None:
    coordinator = world.actors["coordinator"].id
    world.ledger.write(lambda tx: contacts.add(tx, world.county, "sms", "ntfy://x", person=coordinator))
    world.sent(GREEN)
    world.set(schema.site, world.site, live_at=world.clock.now(), expected_every_s=6 * 3600)
    told: list[int] = []
    for hour in range(1, 12):
        world.clock.advance(3600)
        told += [hour] * silence.check(world.ledger)
    assert told == [6]
    (event,) = world.events("site.silent")
    today = world.ledger.read(lambda connection: sites.all_sites(connection, world.county, world.clock.now()))
    assert {one.site.id: one.silent_at is not None for one in today} == {world.site: True, world.other_site: False}
    assert (event["site_id"], event["data"]["expected_every_s"]) == (world.site, 6 * 3600)
    assert [row["words"]["title"] for row in world.rows(schema.delivery)] == ["【站点静默】心电网"]
    world.sent(GREEN)
    assert [silence.check(world.ledger), silence.check(world.ledger)] == [1, 0]
    assert len(world.events("site.heard")) == 1
    assert world.row(schema.site, id=world.site)["silent_at"] is None


def test_a_clinic_that_is_not_live_is_not_missed_and_one_that_never_sent_is(world: World) -> None:
    world.set(schema.site, world.site, live_at=world.clock.now())
    world.clock.advance(UNLEARNED_S - 1)
    assert silence.check(world.ledger) == 0
    world.clock.advance(1)
    assert silence.check(world.ledger) == 1
    assert {event["site_id"] for event in world.events("site.silent")} == {world.site}
    world.set(schema.site, world.site, live_at=None)
    assert silence.check(world.ledger) == 1
    assert world.row(schema.site, id=world.site)["silent_at"] is None


def test_what_it_sent_meanwhile_keeps_it_from_being_told(world: World) -> None:
    world.set(schema.site, world.site, live_at=world.clock.now() - 30 * DAY_US, expected_every_s=3600)
    now = world.clock.now()
    (work,) = world.ledger.read(lambda connection: silence._changes(now, connection))
    world.set(schema.site, world.site, last_exam_at=now + SECOND)
    assert world.ledger.write(work) == 0
    assert world.events("site.silent") == []
