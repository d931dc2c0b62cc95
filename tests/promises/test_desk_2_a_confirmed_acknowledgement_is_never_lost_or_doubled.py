"""Promise 2: what the doctor was told is done is done, once, whatever is killed.

A desk acknowledges many cases at once and is killed with SIGKILL in the middle, several times, at another place each
time. What it had answered must be in the ledger; a repeat with the same id gets the same first answer and changes
nothing; and no case is acknowledged twice.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ledger import schema
from tests.promises.desk_town import town
from tests.promises.soaking import SOAK_S, seed_of, tell
from tests.support.nursery import nursery
from tests.support.serving import wait_until
from tests.triage.kit import RED, World

CASES = 24
KILLED_AFTER = (2, 9)  # answers of each run before it is killed; random ones in the soak


class Desks:
    """The process whose forks are desks to be killed."""

    def __init__(self) -> None:
        self._process = nursery(Path(__file__).with_name("desk_child.py"))

    def run(self, asked: dict[str, Any], killed_after: int | None) -> dict[str, Any]:
        """The answers of a new desk that came before its kill."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        waiting: list[dict[str, Any]] = []
        while (said := self._said()).get("is") != "made":
            waiting.append(said)  # the new desk was quicker than its parent, or a dead one had said more
        pid, answers = said["pid"], dict[str, Any]()
        waiting = [one for one in waiting if one["pid"] == pid]
        while (said := waiting.pop(0) if waiting else self._said()).get("is") != "done":
            if said["pid"] == pid:
                answers[said["case"]] = said["answer"]
            if len(answers) == killed_after:
                with contextlib.suppress(ProcessLookupError):  # it had done everything meanwhile
                    os.kill(pid, signal.SIGKILL)
                wait_until(lambda: not Path(f"/proc/{pid}").exists(), 10, "the killed desk is gone")
                break
        return answers

    def _said(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        with self._process:
            self._process.kill()


@pytest.fixture(scope="module")
def desks() -> Iterator[Desks]:
    made = Desks()
    yield made
    made.close()


@pytest.mark.parametrize("engine_url", ["sqlite", "postgresql"], indirect=True)
def test_a_confirmed_acknowledgement_is_never_lost_or_doubled(desks: Desks, engine_url: str) -> None:
    engine = "sqlite" if engine_url.startswith("sqlite") else "postgresql"
    dice, until = random.Random(seed_of("desk 2")), time.monotonic() + SOAK_S / 2
    with town(engine_url) as world:
        world.clock.at = 1_000_000  # the desk's own clock is the real one: every alert is older
        kills = a_night(world, desks, engine_url, KILLED_AFTER)
        nights = 1
        while time.monotonic() < until:
            kills += a_night(world, desks, engine_url, [dice.randint(1, CASES - 1) for _ in range(4)])
            nights += 1
        tell("desk 2", engine, kills=kills, acknowledged=nights * CASES, losses=0, duplicates=0)


def a_night(world: World, desks: Desks, url: str, killed_after: Sequence[int]) -> int:
    """All of the night's new cases are acknowledged by desks that are killed, then by one that is not; the kills."""
    opened = [world.case_of(world.sent(RED)) for _ in range(CASES)]
    mine = {case["id"] for case in opened}
    asked = {
        "url": url,
        "county": world.county,
        "person": world.actors["cardiologist"].id,
        "cases": [(case["id"], case["seq"]) for case in opened],
    }
    told: dict[str, Any] = {}
    for kill in killed_after:
        for case, answer in desks.run(asked, kill).items():
            assert told.setdefault(case, answer) == answer, "a repeat got another answer"
        rows = {row["id"]: row for row in world.rows(schema.case)}
        assert {rows[case]["state"] for case in told} == {"acknowledged"}, "a confirmed one is lost"
    last = desks.run(asked, None)
    assert last.keys() == mine
    assert {case: last[case] for case in told} == told
    counted = Counter(event["case_id"] for event in world.events("alert.acknowledged") if event["case_id"] in mine)
    assert set(counted.values()) == {1}
    assert len(counted) == CASES
    audited = Counter(row["place"] for row in world.rows(schema.audit, action="case.acknowledge"))
    assert set(audited.values()) == {1}
    return len(killed_after)
