"""The feed's protocol without I/O: nothing invisible, nothing twice, no silent gap, whatever the interleaving."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from county.access import Actor, Role
from triage import feed
from triage.feed import Act, Feed, Refuse, refused

COUNTY, EPOCH = "c", "e1"
CLINIC = Actor(COUNTY, "p1", "村医", Role.CLINIC, "s1")
DEVICE = Actor(COUNTY, "d1", "上坪村卫生室", Role.CLINIC, "s1", is_device=True)
DOCTOR = Actor(COUNTY, "p2", "心内", Role.CARDIOLOGIST, None)
LOCAL = Actor(COUNTY, "p3", "驻点", Role.CARDIOLOGIST, "s2")
ADMINISTRATOR = Actor(COUNTY, "p4", "管理", Role.ADMINISTRATOR, None)
STRANGER = Actor("other", "p5", "邻县", Role.CARDIOLOGIST, None)
ACTORS = (CLINIC, DEVICE, DOCTOR, LOCAL, ADMINISTRATOR, STRANGER)


def row(seq: int, site: str | None) -> dict[str, Any]:
    plain = {"county_id": COUNTY, "seq": seq, "at": 1_790_000_000_000_000 + seq, "kind": "exam.received"}
    return {**plain, "site_id": site, "case_id": None, "data": {"n": seq}}


def visible(actor: Actor, rows: list[dict[str, Any]]) -> list[int]:
    """By hand: the county's people see all of it, the others their site, administrators nothing."""
    if actor.role is Role.ADMINISTRATOR or actor.county != COUNTY:
        return []
    return [one["seq"] for one in rows if actor.site is None or one["site_id"] == actor.site]


def open_feed(actor: Actor, rows: list[dict[str, Any]], after: int | None, epoch: str | None = None) -> Any:
    one = Feed(actor, EPOCH)
    seen = visible(actor, rows)
    frames = one.open(seen[-1] if seen else 0, rows[-1]["seq"] if rows else 0, after, epoch)
    return one, frames


_sites = st.lists(st.sampled_from(["s1", "s2", "s3", None]), max_size=30)


@given(st.sampled_from(ACTORS), _sites, st.lists(st.integers(0, 8), max_size=8), st.data())
@settings(max_examples=200, deadline=None)
def test_replay_and_live_show_everything_visible_once(
    actor: Actor, sites: list[str | None], pieces: list[int], data: st.DataObject
) -> None:
    """A client that reconnects again and again with the last number that it has, while events go on."""
    rows = [row(seq, site) for seq, site in enumerate(sites, 1)]
    shown: list[int] = []
    last = 0
    done = 0
    for piece in [*pieces, len(rows)]:
        one, frames = open_feed(actor, rows[:done], last, EPOCH)
        assert [frame["type"] for frame in frames] == ["hello"]
        assert frames[0]["seq"] == max(visible(actor, rows[:done]), default=0)
        done = min(done + piece, len(rows))
        again = data.draw(st.integers(0, done))  # the hub may hand over rows that were served before
        for event in [*rows[again:done], *rows[:done]]:
            if event["seq"] <= one.position + 1:
                frame = one.shown(event)
                if frame is not None:
                    assert frame["prev"] == last
                    shown.append(frame["seq"])
                    last = frame["seq"]
        assert one.beat() == {"type": "beat", "seq": last}
    assert shown == visible(actor, rows)


@given(st.sampled_from(ACTORS), _sites, _sites)
@settings(max_examples=100, deadline=None)
def test_without_a_number_only_what_comes_after_hello_is_shown(
    actor: Actor, before: list[str | None], after: list[str | None]
) -> None:
    old = [row(seq, site) for seq, site in enumerate(before, 1)]
    new = [row(seq, site) for seq, site in enumerate(after, len(old) + 1)]
    one, (hello,) = open_feed(actor, old, None)
    frames = [frame for event in [*old, *new] if (frame := one.shown(event)) is not None]
    assert [frame["seq"] for frame in frames] == visible(actor, new)
    assert [frame["prev"] for frame in frames] == [hello["seq"], *(frame["seq"] for frame in frames)][: len(frames)]


def test_hello_says_who_you_are_and_how_often_it_beats() -> None:
    one = Feed(DOCTOR, EPOCH, heartbeat_s=7)
    assert one.open(3, 5, None, None) == [
        {"type": "hello", "epoch": EPOCH, "seq": 3, "you": {"id": "p2", "name": "心内"}, "heartbeat_s": 7}
    ]


def test_an_event_frame_is_the_contracts() -> None:
    one = Feed(DOCTOR, EPOCH)
    one.open(0, 0, None, None)
    assert one.shown(row(1, "s1")) == {
        "type": "event",
        "seq": 1,
        "prev": 0,
        "at": "2026-09-21T14:13:20.000001Z",
        "kind": "exam.received",
        "case": None,
        "data": {"n": 1},
    }


@pytest.mark.parametrize(
    ("after", "epoch", "why"),
    [
        (3, "another", "epoch"),
        (9, "another", "epoch"),
        (4, EPOCH, "beyond-last"),
        (10**17, None, "beyond-last"),
        (3, EPOCH, None),
        (0, None, None),
        (None, "another", None),
    ],
)
def test_resync(after: int | None, epoch: str | None, why: str | None) -> None:
    rows = [row(seq, "s1") for seq in (1, 2, 3)]
    one, frames = open_feed(DOCTOR, rows, after, epoch)
    assert [frame.get("why") for frame in frames[1:]] == ([] if why is None else [why])
    replayed = [frame["seq"] for event in rows if (frame := one.shown(event)) is not None]
    assert replayed == ([] if why is not None or after is None else [seq for seq in (1, 2, 3) if seq > after])
    following = one.shown(row(4, "s1"))
    assert following is not None
    assert following["prev"] == 3


@pytest.mark.parametrize("after", ["", "-1", "x", "1.0", "1e3", "0x1", "9" * 19, " 1", "1 ", "²", "None"])
def test_a_bad_number(after: str) -> None:
    with pytest.raises(feed.BadNumber):
        feed.number(after)


def test_a_good_number() -> None:
    assert [feed.number(after) for after in (None, "0", "17", "9" * 18)] == [None, 0, 17, 10**18 - 1]


BAD_FRAMES = ["", "x", "[]", "null", "1", '"beat"', "{", "[" * 50_000, '{"id": 1}' + " " * 20_000, "NaN", "\0"]


@pytest.mark.parametrize("text", BAD_FRAMES, ids=range(len(BAD_FRAMES)))
def test_a_frame_that_is_no_object_is_refused_with_no_id(text: str) -> None:
    asked = Feed(DOCTOR, EPOCH).received(text)
    assert isinstance(asked, Refuse)
    frame = refused(asked.id, asked.problem, "en")
    assert (frame["type"], frame["id"], frame["problem"]["status"]) == ("refused", None, 422)
    assert frame["problem"]["detail"] == "The frame is no JSON object."


@pytest.mark.parametrize(
    ("frame", "identity"),
    [({}, None), ({"id": "a"}, "a"), ({"do": "x"}, None), ({"id": 1, "do": "x"}, None), ({"id": "a", "do": 1}, "a")],
)
def test_an_object_that_is_no_action_is_refused_with_its_id(frame: dict[str, Any], identity: str | None) -> None:
    asked = Feed(DOCTOR, EPOCH).received(json.dumps(frame))
    assert isinstance(asked, Refuse)
    assert (asked.id, asked.problem.type) == (identity, "unknown-action")


def test_an_action_and_a_beat() -> None:
    one = Feed(DOCTOR, EPOCH)
    assert one.received('{"type": "beat"}') is None
    frame = {"id": "a", "do": "acknowledge", "case": "k", "seen": 7}
    assert one.received(json.dumps(frame)) == Act("a", "acknowledge", frame)


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_frame_raises(text: str) -> None:
    Feed(DOCTOR, EPOCH).received(text)
