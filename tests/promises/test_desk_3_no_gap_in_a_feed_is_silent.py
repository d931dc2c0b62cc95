"""Promise 3: whoever misses an event knows it from the next frame, be it an event or a beat.

Real events of a real ledger pass through the feed of each kind of reader; any of its frames may be lost on the way,
and the line may be cut and taken up again anywhere. A client as simple as may be (it compares ``prev`` and the beat's
``seq`` with the last number it has) must notice every loss, and must end up with everything after coming back.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import events
from tests.promises.desk_town import town
from tests.promises.soaking import SOAK_S, tell
from tests.triage.kit import GREEN, LI, ORANGE, RED, WANG, World
from triage.feed import Feed

READERS = ("cardiologist", "coordinator", "clinic", "neighbour", "administrator")


def a_busy_hour(world: World) -> list[dict[str, Any]]:
    red, orange = world.sent(RED, patient=WANG), world.sent(ORANGE, patient=LI, site=world.other_site)
    world.sent(GREEN, site=world.other_site)
    world.clock.advance(61)
    world.climb()
    case, other = world.case_of(red)["id"], world.case_of(orange)["id"]
    world.do("cardiologist", "acknowledge", case)
    world.do("cardiologist", "message", case, text="准备转运")
    world.do("cardiologist", "confirm", case)
    world.do("clinic", "read-back", case)
    world.do("second", "claim", other)
    world.do("second", "stand-down", other, reason="artefact")
    return world.events()


class Client:
    """The last number it has, what it was shown, and whether it noticed that something is missing."""

    def __init__(self, last: int) -> None:
        self.last, self.shown, self.noticed = last, list[int](), False

    def hears(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "event":
            self.noticed |= frame["prev"] != self.last
            self.last = frame["seq"]
            self.shown.append(frame["seq"])
        elif frame["type"] == "beat":
            self.noticed |= frame["seq"] != self.last


@pytest.mark.parametrize("engine_url", ["sqlite", "postgresql"], indirect=True)
def test_no_gap_in_a_feed_is_silent(engine_url: str) -> None:
    with town(engine_url) as world:
        a_busy_hour(world)
        epoch = world.ledger.read(lambda connection: events.epoch(connection, world.county))
        rows = world.ledger.read(lambda connection: events.after(connection, world.county, 0, 10_000))
        assert len(rows) > 20

        @given(st.sampled_from(READERS), st.sets(st.integers(0, 80), max_size=6), st.integers(0, len(rows)))
        @settings(max_examples=120 + int(100 * SOAK_S), deadline=None, suppress_health_check=[HealthCheck.too_slow])
        def lossy(who: str, lost: set[int], cut: int) -> None:
            actor = world.actors[who]
            sees_all = actor.site is None and who != "administrator"
            visible = [row["seq"] for row in rows if sees_all or (row["site_id"] == actor.site and actor.site)]
            client, feed = Client(0), Feed(actor, epoch)
            feed.open(visible[-1] if visible else 0, len(rows), 0, epoch)
            sent = [frame for row in rows if (frame := feed.shown(row)) is not None]
            frames = [*sent, feed.beat()]
            for number, frame in enumerate(frames[:-1]):
                if number not in lost:
                    client.hears(frame)
            client.hears(frames[-1])
            missing = set(visible) - set(client.shown)
            assert client.noticed == bool(missing), "a gap was silent, or an alarm false"
            # cut anywhere, back with the last number: nothing twice, nothing missing
            whole = Client(0)
            for frame in sent[:cut]:
                whole.hears(frame)
            again = Feed(actor, epoch)
            again.open(visible[-1] if visible else 0, len(rows), whole.last, epoch)
            for row in rows:
                if (frame := again.shown(row)) is not None:
                    whole.hears(frame)
            assert (whole.shown, whole.noticed) == (visible, False)

        lossy()
        engine = "sqlite" if engine_url.startswith("sqlite") else "postgresql"
        tell("desk 3", engine, feeds=120 + int(100 * SOAK_S), silent_gaps=0)
