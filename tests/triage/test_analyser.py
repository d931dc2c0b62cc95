"""The analyser with processes that hang, die and answer nonsense: the exam goes on, and reaches a human in any case."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ingest import receive
from ledger import due, schema
from tests.support.serving import wait_until
from tests.triage import workers
from tests.triage.kit import World
from triage import analyser
from triage.analyser import Analyser
from triage.worker import Job, Outcome


@dataclass(frozen=True)
class Few:
    """Settings of an analyser."""

    workers: int = 1
    analyse_timeout_s: float = 0.3
    poll_s: float = 0.05


class Moving:
    """The clock of the test goes on by itself, as leases need it."""

    def __init__(self, world: World) -> None:
        self._world, self._began = world, time.monotonic()

    def tick(self) -> bool:
        passed = time.monotonic() - self._began
        self._began += passed
        self._world.clock.advance(passed)
        return True


@pytest.fixture
def misbehaving(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Starts an analyser with these processes; ends it."""
    started: list[Analyser] = []

    def start(target: Any = workers.obeys, count: int = 1, limit_s: float = 0.3) -> Analyser:
        monkeypatch.setattr(analyser, "run", target)
        one = Analyser(world.ledger, Few(count, limit_s), lambda: None)
        started.append(one)
        one.start()
        return one

    yield start
    for one in started:
        one.stop()


def exam_called(world: World, name: str, **more: Any) -> str:
    ready = receive.prepare(
        receive.Submission(world.county, world.site, "d", [(name, str(more).encode() + name.encode())])
    )
    return world.ledger.write(lambda tx: receive.accept(tx, ready)).exam


def status(world: World, exam: str) -> str:
    return world.row(schema.exam, id=exam)["status"]


@pytest.mark.parametrize("name", ["hang.zip", "die.zip"])
@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_three_attempts_lead_to_failed_and_to_a_human(world: World, misbehaving: Any, name: str) -> None:
    exam = exam_called(world, name)
    one = misbehaving()
    first = one.workers[0].process.pid
    clock = Moving(world)
    wait_until(lambda: clock.tick() and status(world, exam) == "failed", 30, "failed")
    row = world.row(schema.exam, id=exam)
    assert (row["attempts"], row["work_at"], row["problem"]["code"]) == (3, None, "FAILED")
    assert world.row(schema.exam, id=exam)["rate_at"] is not None
    wait_until(lambda: one.alive == 1, 10, "replaced")
    assert one.workers[0].process.pid != first
    world.rate()
    assert [item["exam"] for item in world.worklist()] == [exam]
    assert [event["kind"] for event in world.events()][1:2] == ["exam.failed"]
    after = exam_called(world, "good.zip")
    wait_until(lambda: clock.tick() and status(world, after) == "analysed", 20, "the next one is analysed")


def test_nonsense_from_a_worker_is_no_analysis(world: World, misbehaving: Any) -> None:
    exam = exam_called(world, "odd.zip")
    misbehaving()
    clock = Moving(world)

    def passes() -> bool:
        clock.tick()
        world.clock.advance(1)  # each lease ends by itself: nobody tells that this attempt failed
        return status(world, exam) == "failed"

    wait_until(passes, 30, "failed")
    assert world.rows(schema.analysis) == []


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_one_that_hangs_holds_no_other_up(world: World, misbehaving: Any) -> None:
    hanging = exam_called(world, "hang.zip")
    misbehaving(count=2, limit_s=30)
    clock = Moving(world)
    wait_until(lambda: clock.tick() and world.row(schema.exam, id=hanging)["attempts"] == 1, 20, "it hangs")
    others = [exam_called(world, "good.zip", n=n) for n in range(5)]
    wait_until(
        lambda: clock.tick() and all(status(world, exam) == "analysed" for exam in others),
        20,
        "the others are analysed",
    )
    assert status(world, hanging) == "received"


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_worker_that_cannot_start_loses_no_exam(world: World, misbehaving: Any) -> None:
    exam = exam_called(world, "good.zip")
    misbehaving(workers.never_ready)
    clock = Moving(world)
    wait_until(lambda: clock.tick() and status(world, exam) == "failed", 30, "failed")
    world.rate()
    assert [item["exam"] for item in world.worklist()] == [exam]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_stopping_ends_every_process_and_starts_none(world: World, misbehaving: Any) -> None:
    exam = exam_called(world, "hang.zip")
    one = misbehaving(limit_s=30)
    wait_until(lambda: world.row(schema.exam, id=exam)["attempts"] == 1, 20, "it hangs")
    one.stop()
    assert one.alive == 0
    time.sleep(0.2)
    assert one.alive == 0
    assert status(world, exam) == "received"
    again = misbehaving()  # SQLite: one server, which takes back what its predecessor held
    clock = Moving(world)
    wait_until(lambda: clock.tick() and world.row(schema.exam, id=exam)["attempts"] == 2, 20, "it is tried again")
    assert again.alive == 1


# --- leases, without processes ---------------------------------------------------------------------------------------


def claim(world: World) -> due.Claim:
    (held,) = world.ledger.write(lambda tx: due.claim(tx, analyser.QUEUE, 1))
    return held


def complete(world: World, held: due.Claim, outcome: Outcome) -> bool:
    return world.ledger.write(lambda tx: analyser.complete(tx, held, outcome))


OUTCOME = workers.good(Job(b"", "x", "udmi-2018"))


def test_a_stale_lease_overwrites_nothing(world: World) -> None:
    exam = world.exam()
    first = claim(world)
    world.clock.advance(6)
    second = claim(world)
    assert complete(world, first, Outcome(problem={"code": "X", "zh": "", "en": ""})) is False
    assert (status(world, exam), world.rows(schema.analysis)) == ("received", [])
    assert complete(world, second, OUTCOME) is True
    assert complete(world, second, OUTCOME) is False
    assert complete(world, first, OUTCOME) is False
    assert status(world, exam) == "analysed"
    assert len(world.rows(schema.analysis)) == 1
    assert [event["kind"] for event in world.events()] == ["exam.received", "exam.analysed"]


def test_an_unreadable_file_says_why(world: World) -> None:
    exam = world.exam()
    held = claim(world)
    assert complete(world, held, Outcome(problem={"code": "FORMAT", "zh": "不是心电图", "en": "no ECG"}))
    assert world.shown(exam)["problem"] == {"code": "FORMAT", "zh": "不是心电图", "en": "no ECG"}
    assert world.events()[-1]["data"]["problem"]["code"] == "FORMAT"


def test_a_clock_set_back_keeps_no_exam_from_the_analyser(world: World) -> None:
    exam = world.exam()
    claim(world)
    world.clock.set_back(3600)
    one = Analyser(world.ledger, Few(0), lambda: None)
    held = one._claim()
    assert held is not None
    assert (held.id, held.attempt) == (exam, 2)


def test_an_analysis_names_its_findings_and_grade_beside_the_document(world: World) -> None:
    from tests.triage.kit import RED, finding

    exam = world.sent(RED, finding("T_PERI", state="borderline"), grade="C")
    row = world.row(schema.analysis, exam_id=exam)
    assert (row["grade"], row["findings"]) == ("C", ["STEMI_INF"])


def test_several_files_are_read_as_one_zip() -> None:
    assert analyser.name_of([{"name": "7.hea"}]) == "7.hea"
    assert analyser.name_of([{"name": "7.dat"}, {"name": "7.hea"}]) == "ecg.zip"
