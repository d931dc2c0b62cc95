"""What the first ECG's two files of promises share."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from ledger import schema
from tests.support.serving import Server, World


@contextlib.contextmanager
def serving(world: World, *, cold: bool = False) -> Iterator[Server]:
    """A server for the block."""
    server = Server(world, cold=cold).start()
    try:
        yield server
    finally:
        server.stop()


def assert_alerted_once(world: World, exam: str) -> None:
    """One alert row, one `alert.raised` event, and numbers without a gap."""
    alerts = [row for row in world.rows(schema.alert) if row["exam_id"] == exam]
    assert len(alerts) == 1, alerts
    raised = [row for row in world.events() if row["kind"] == "alert.raised" and row["data"]["exam"] == exam]
    assert len(raised) == 1
    assert raised[0]["seq"] == alerts[0]["seq"]
    seqs = [row["seq"] for row in world.events()]
    assert seqs == list(range(1, len(seqs) + 1))
