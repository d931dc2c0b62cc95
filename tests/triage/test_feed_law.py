"""The law of the feed: snapshot(n) + events after n = snapshot(now), for every action and every reader.

Whatever people, clinics and the engine do to a county, a screen that has the worklist of some moment and then only
hears its events must end with the worklist of now: an event that names too few cases, or that somebody who sees the
case does not hear, breaks it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from county.access import Actor, Role
from county.problem import Problem
from ecg.fingerprint import fingerprint
from ecg.synthesis import synthesise
from ingest.identity import Identity
from ledger import events, schema
from ledger.clock import ManualClock
from ledger.database import Ledger
from ledger.ids import new_id
from tests.triage.kit import GREEN, LI, ORANGE, PASSWORD, RED, WANG, YELLOW, World, make_world
from triage import merging, states, views
from triage.feed import Feed, reduced

ACTIONS = sorted({move.action for move in states.CASE.moves if move.who is not None})
PRINT = fingerprint(synthesise(seed=1).recording).data
FOUND = (RED, ORANGE, YELLOW, GREEN)
PATIENTS = (WANG, LI, None)


def snapshot(world: World, actor: Actor) -> dict[str, dict[str, Any]]:
    page = world.ledger.read(lambda connection: views.worklist(connection, actor, None, 1_000))
    return {item["case"]: item for item in page["items"]}


def may_do(world: World, kind: str, one: int, two: int) -> None:
    """One thing that happens; what is refused does nothing."""
    cases = sorted(row["id"] for row in world.rows(schema.case))
    exams = sorted(row["id"] for row in world.rows(schema.exam))
    site = world.site if two % 2 else world.other_site
    if kind == "sent":
        world.sent(FOUND[one % 4], patient=PATIENTS[two % 3], site=site, print_=PRINT if one % 3 == 0 else b"")
    elif kind == "unread":
        world.unread(urgent=bool(one % 2), site=site)
    elif kind == "said" and exams:
        said: list[dict[str, Any]] = [
            {"urgent": True},
            {"symptoms": ("chest_pain",)},
            {"patient": LI},
            {"patient": Identity(name="新名", card=new_id())},
        ]
        world.say(exams[one % len(exams)], **said[two % 4])
        world.rate()
    elif kind == "climb":
        world.clock.advance(61)
        world.climb()
    elif kind == "look" and cases:
        world.opened(cases[one % len(cases)], ("cardiologist", "second")[two % 2])
    elif kind in ("merge", "unmerge"):
        _merge(world, kind, one)
    elif kind in ACTIONS and cases:
        _act(world, kind, cases[one % len(cases)], two)


def _act(world: World, action: str, case: str, two: int) -> None:
    who = {"stop": "coordinator", "read-back": ("clinic", "neighbour")[two % 2]}.get(
        action, ("cardiologist", "second")[two % 2]
    )
    reason = {"retake": "noise", "claim": "take_over", "release": ("same_patient", None)[two % 2]}.get(action, "other")
    said: dict[str, Any] = {"reason": reason, "colour": "GREEN", "note": "x", "text": "词", "password": PASSWORD}
    if action in ("statements", "amend"):
        report = world.opened(case)["report"] or {"statements": []}
        said["statements"] = tuple({"code": one["code"], "accepted": True} for one in report["statements"])
    world.do(who, action, case, **said)


def _merge(world: World, kind: str, one: int) -> None:
    patients = sorted(row["id"] for row in world.rows(schema.patient))
    if len(patients) < 2:
        return
    who = world.actors[("coordinator", "deputy")[one % 2]]
    a, b = patients[one % len(patients)], patients[(one + 1) % len(patients)]
    if kind == "merge":
        world.ledger.write(lambda tx: merging.merge(tx, who, a, b, "同一人"))
    else:
        world.ledger.write(lambda tx: merging.unmerge(tx, who, a, "不是"))


KINDS = ["sent", "sent", "sent", "unread", "said", "climb", "look", "merge", "unmerge", *ACTIONS]
_walk = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 11), st.integers(0, 11)), min_size=4, max_size=12)


@pytest.fixture(scope="module")
def county(triage_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("law")
    (folder / "ecgnet.db").write_bytes(triage_template.read_bytes())
    clock = ManualClock()
    ledger = Ledger.open(f"sqlite:///{folder / 'ecgnet.db'}", clock)
    yield make_world(ledger, clock)
    ledger.close()


def _readers(world: World) -> list[Actor]:
    county = world.county
    return [
        world.actors["cardiologist"],
        world.actors["coordinator"],
        Actor(county, "l1", "驻点", Role.CARDIOLOGIST, world.site),
        Actor(county, "l2", "驻点", Role.COORDINATOR, world.other_site),
    ]


@given(_walk)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_snapshot_and_events_are_the_snapshot_of_now(county: World, walk: list[tuple[str, int, int]]) -> None:
    world = county
    if "deputy" not in world.actors:
        world.passwords()
        world.actors["deputy"] = world.actors["coordinator"].__class__(
            world.county, world.actors["chief"].id, "副", Role.COORDINATOR, None
        )
    readers = _readers(world)
    for kind, one, two in walk:
        last = world.ledger.read(lambda connection: events.last(connection, world.county))
        before = [snapshot(world, actor) for actor in readers]
        with contextlib.suppress(Problem):
            may_do(world, kind, one, two)
        rows = world.ledger.read(lambda connection, n=last: events.after(connection, world.county, n, 10_000))
        for actor, had in zip(readers, before, strict=True):
            now = snapshot(world, actor)
            feed = Feed(actor, "e", position=last)
            heard = [row for row in rows if feed.shown(row) is not None]
            assert reduced(had, heard, now.get) == now, (kind, actor.role, actor.site)
    # what is open after a walk is closed, so that the next one begins with a list of its own size
    for item in snapshot(world, world.actors["cardiologist"]).values():
        seen = world.opened(item["case"])
        if seen["held"] is not None:
            world.do("cardiologist", "release", item["case"], reason="same_patient")
        world.do("cardiologist", "confirm", item["case"])


def test_who_may_see_something_else_now_reads_anew() -> None:
    doctor = Actor("c", "p", "n", Role.CARDIOLOGIST, None)
    feed = Feed(doctor, "e", position=9, prev=9)
    assert feed.moved(doctor, 9, 9) is None
    local = Actor("c", "p", "n", Role.CARDIOLOGIST, "s1")
    assert feed.moved(local, 4, 9) == {"type": "resync", "why": "rights"}
    row = {"county_id": "c", "seq": 10, "at": 0, "kind": "k", "case_id": None, "data": {}}
    assert feed.shown({**row, "site_id": "s2"}) is None
    following = feed.shown({**row, "seq": 11, "site_id": "s1"})
    assert following is not None
    assert following["prev"] == 4
