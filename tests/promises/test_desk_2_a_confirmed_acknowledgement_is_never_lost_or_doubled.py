"""Promise 2: what the doctor was told is done is done, once, whatever is killed.

A desk acknowledges many cases at once and is killed with SIGKILL in the middle, several times, at another place each
time. What it had answered must be in the ledger; a repeat with the same id gets the same first answer and changes
nothing; and no case is acknowledged twice.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from ledger import schema
from tests.promises.desk_town import town
from tests.support.needs import REPOSITORY
from tests.triage.kit import RED

CASES = 24
KILLED_AFTER = (2, 9)  # answers of each run before it is killed


def run(asked: dict[str, Any], killed_after: int | None) -> dict[str, Any]:
    """The answers that came before the kill."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, str(Path(__file__).with_name("desk_child.py"))]
    answers: dict[str, Any] = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as desk:
        assert desk.stdin is not None
        assert desk.stdout is not None
        desk.stdin.write(json.dumps(asked) + "\n")
        desk.stdin.flush()
        for line in desk.stdout:
            told = json.loads(line)
            answers[told["case"]] = told["answer"]
            if len(answers) == killed_after:
                desk.kill()
                break
    return answers


@pytest.mark.parametrize("engine_url", ["sqlite", "postgresql"], indirect=True)
def test_a_confirmed_acknowledgement_is_never_lost_or_doubled(engine_url: str) -> None:
    with town(engine_url) as world:
        world.clock.at = 1_000_000  # the desk's own clock is the real one: every alert is older
        opened = [world.case_of(world.sent(RED)) for _ in range(CASES)]
        asked = {
            "url": engine_url,
            "county": world.county,
            "person": world.actors["cardiologist"].id,
            "cases": [(case["id"], case["seq"]) for case in opened],
        }
        told: dict[str, Any] = {}
        for killed_after in KILLED_AFTER:
            for case, answer in run(asked, killed_after).items():
                assert told.setdefault(case, answer) == answer, "a repeat got another answer"
            rows = {row["id"]: row for row in world.rows(schema.case)}
            assert {rows[case]["state"] for case in told} == {"acknowledged"}, "a confirmed one is lost"
        last = run(asked, None)
        assert len(last) == CASES
        assert {case: last[case] for case in told} == told
        counted = Counter(event["case_id"] for event in world.events("alert.acknowledged"))
        assert set(counted.values()) == {1}
        assert len(counted) == CASES
        audited = Counter(row["place"] for row in world.rows(schema.audit, action="case.acknowledge"))
        assert set(audited.values()) == {1}
