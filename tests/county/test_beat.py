"""A device's beat: what it says is kept, and it learns the county's number, the time, the newest version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from county import devices, sites
from county.http import install
from county.routes import router
from ledger import schema
from ledger.clock import SECOND, iso
from tests.county.browser import Browser
from tests.county.world import World, on_sqlite

FAST = 300 * SECOND  # its clock is five minutes ahead


@pytest.fixture
def client(world: World) -> Iterator[Browser]:
    app = FastAPI(version="1.2.3")
    app.state.ledger = world.ledger
    app.include_router(router)
    install(app)
    with Browser(app, authorization=f"Bearer {world.key}") as opened:
        yield opened


def beat(client: Browser, world: World, **more: Any) -> httpx.Response:
    said = {"version": "0.1.0", "waiting": 0, "oldest_waiting_at": None, "sent_at": iso(world.clock.now() + FAST)}
    return client.post("/v1/devices/beat", json={**said, **more})


def row(world: World) -> dict[str, Any]:
    (found,) = world.rows(schema.device)
    return found


@on_sqlite
def test_a_beat_is_kept_and_answered(world: World, client: Browser) -> None:
    now = world.clock.now()
    answer = beat(client, world, waiting=2, oldest_waiting_at=iso(now + FAST - 90 * SECOND))
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "received_at": iso(now),
        "version": "1.2.3",
        "county": {"name": "青石县", "phone": "0996-120"},
        "site": {"id": world.site, "name": "上坪村卫生室"},
    }
    kept = row(world)
    assert (kept["seen_at"], kept["version"], kept["waiting"]) == (now, "0.1.0", 2)
    # one way alone: somewhere within the delay that is assumed
    assert abs(kept["clock_offset_us"] - FAST) <= kept["clock_uncertainty_us"] <= SECOND + 2_000
    assert abs(kept["waiting_since_at"] - (now - 90 * SECOND)) <= SECOND + 2_000, "by our clock, not by its own"
    assert world.rows(schema.event) == [], "a beat each minute of 384 devices is no event"


def test_the_county_sees_when_a_clinic_was_heard_and_what_waits_there(world: World, client: Browser) -> None:
    other, key = world.ledger.write(lambda tx: devices.add(tx, world.county, world.site))
    now = world.clock.now()
    beat(client, world, waiting=2, sent_at=iso(now), oldest_waiting_at=iso(now - 90 * SECOND))
    world.clock.advance(60)
    client.headers["authorization"] = f"Bearer {key}"
    beat(client, world, waiting=1, sent_at=iso(now + 60 * SECOND), oldest_waiting_at=iso(now))

    def seen() -> dict[str, sites.SiteToday]:
        known = world.ledger.read(lambda connection: sites.all_sites(connection, world.county, world.clock.now()))
        return {one.site.id: one for one in known}

    here, there = seen()[world.site], seen()[world.other_site]
    assert (here.heard_at, here.waiting) == (now + 60 * SECOND, 3)
    assert here.waiting_since_at is not None
    assert abs(here.waiting_since_at - (now - 90 * SECOND)) <= SECOND + 2_000
    assert (there.heard_at, there.waiting, there.waiting_since_at) == (None, 0, None)
    world.ledger.write(lambda tx: devices.revoke(tx, world.county, other))
    assert (seen()[world.site].heard_at, seen()[world.site].waiting) == (now, 2)


@on_sqlite
def test_a_measured_round_trip_tells_the_clock_better(world: World, client: Browser) -> None:
    sent = iso(world.clock.now() + FAST - SECOND // 50)  # 20 ms on the way
    heard = beat(client, world, sent_at=sent).json()
    world.clock.advance(60)
    last = {"sent_at": sent, "received_at": heard["received_at"], "round_trip_s": 0.04}
    assert beat(client, world, last=last).status_code == 200
    kept = row(world)
    assert kept["clock_uncertainty_us"] <= 20_000 + 1_010 + 60 * 200
    assert abs(kept["clock_offset_us"] - FAST) <= kept["clock_uncertainty_us"]
    assert beat(client, world, waiting=0).status_code == 200
    assert row(world)["waiting_since_at"] is None


@on_sqlite
def test_a_last_beat_of_long_ago_or_of_the_time_to_come_says_nothing(world: World, client: Browser) -> None:
    for hours in (-2, 1):
        at = iso(world.clock.now() + hours * 3600 * SECOND)
        assert beat(client, world, last={"sent_at": at, "received_at": at, "round_trip_s": 0}).status_code == 200
    assert abs(row(world)["clock_offset_us"] - FAST) <= SECOND + 2_000


@on_sqlite
@pytest.mark.parametrize(
    "bad",
    [{"sent_at": "2026-11-24T08:00:00"}, {"waiting": -1}, {"version": "v" * 101}, {"sent_at": None}, {"last": {}}],
)
def test_what_cannot_be_a_beat_is_refused_and_changes_nothing(world: World, client: Browser, bad: Any) -> None:
    assert beat(client, world, **bad).status_code == 422
    assert row(world)["seen_at"] is None


@on_sqlite
def test_only_a_device_beats(world: World, client: Browser) -> None:
    del client.headers["authorization"]
    assert beat(client, world).status_code == 401
    for name in ("村医", "心内"):
        signed = client.post("/v1/session", json={"name": name, "password": "correct horse battery"})
        client.headers["authorization"] = f"Bearer {signed.json()['token']}"
        assert beat(client, world).status_code == 403
    world.ledger.write(lambda tx: devices.revoke(tx, world.county, world.device))
    client.headers["authorization"] = f"Bearer {world.key}"
    assert beat(client, world).status_code == 401
