"""What no analyser could finish waits for an operator with its reason, and is never hidden from a doctor by it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from county.problem import Problem
from ecg.analysis import VERSION
from ingest import quarantine
from ledger import due, schema
from server.commands import keeping
from server.refusal import Refusal
from tests.triage.kit import GREEN, LI, RED, WANG, World
from triage import analyser


def listed(world: World, cursor: str | None = None, most: int = 50) -> dict[str, Any]:
    return world.ledger.read(lambda connection: quarantine.listed(connection, world.county, cursor, most))


def retried(world: World, exam: str) -> dict[str, Any]:
    return world.ledger.write(lambda tx: quarantine.retry(tx, world.county, exam, "operator"))


def refused(work: Any) -> Problem:
    with pytest.raises(Problem) as found:
        work()
    return found.value


def test_an_unreadable_file_waits_with_its_reason_and_a_doctor_has_it(world: World) -> None:
    exam = world.unreadable(patient=WANG, symptoms=("chest_pain",))
    (item,) = listed(world)["items"]
    assert (item["exam"], item["reason"]["code"], item["software"]) == (exam, "NOT_AN_ECG", VERSION)
    assert item["reason"]["zh"]
    assert "王建国" not in json.dumps(item, ensure_ascii=False)
    assert [one["exam"] for one in world.worklist()] == [exam]


def test_an_analyser_that_died_three_times_puts_it_there(world: World) -> None:
    exam = world.exam()
    for _ in range(analyser.MAX_ATTEMPTS):
        assert world.ledger.write(lambda tx: due.claim(tx, analyser.QUEUE, 1))
        world.clock.advance(10)

    def give_up(tx: Any) -> None:
        for county, spent in due.spent(tx, analyser.QUEUE, 10):
            analyser.finish(tx, county, spent, "give-up", {"problem": analyser.FAILED})

    world.ledger.write(give_up)
    (item,) = listed(world)["items"]
    assert (item["exam"], item["reason"]["code"], item["attempts"]) == (exam, "FAILED", analyser.MAX_ATTEMPTS)


def test_what_a_newer_software_can_read_is_read_and_calls(world: World) -> None:
    exam = world.unreadable(patient=WANG)
    case = world.case_of(exam)["id"]
    assert retried(world, exam) == {"exam": exam, "done": "retry"}
    assert listed(world)["items"] == []
    (claim,) = world.ledger.write(lambda tx: due.claim(tx, analyser.QUEUE, 1))
    assert (claim.id, claim.attempt) == (exam, 1)
    world.analyse(exam, RED)
    world.rate()
    assert world.case_of(exam)["id"] == case  # the same case, now with a colour
    assert (world.case_of(exam)["colour"], [one["colour"] for one in world.alerts(case)]) == ("RED", ["RED"])
    assert world.shown(exam)["status"] == "analysed"
    assert [row["action"] for row in world.rows(schema.audit) if "quarantine" in row["action"]] == ["quarantine.retry"]


def test_a_retry_lowers_nothing_that_was_asked_for(world: World) -> None:
    exam = world.unreadable(patient=LI, urgent=True)
    assert world.case_of(exam)["colour"] == "RED"
    retried(world, exam)
    world.analyse(exam, GREEN)
    world.rate()
    assert world.case_of(exam)["colour"] == "RED"


def test_a_retry_that_fails_again_is_there_again(world: World) -> None:
    exam = world.unreadable()
    retried(world, exam)
    problem = {"code": "STILL_NOT", "zh": "仍然读不出", "en": "still not"}
    world.ledger.write(lambda tx: analyser.finish(tx, world.county, exam, "cannot-read", {"problem": problem}))
    (item,) = listed(world)["items"]
    assert item["reason"]["code"] == "STILL_NOT"


def test_released_with_a_reason_it_is_out_of_the_list_and_as_it_was(world: World) -> None:
    exam = world.unreadable()
    before = world.row(schema.exam, id=exam)

    def out(reason: str) -> dict[str, Any]:
        return world.ledger.write(lambda tx: quarantine.release(tx, world.county, exam, "operator", reason))

    assert refused(lambda: out(" ")).type == "reason-needed"
    out("不是心电图")
    assert listed(world)["items"] == []
    after = world.row(schema.exam, id=exam)
    assert {name for name in after if after[name] != before[name]} == {"released_at"}
    (audited,) = (row for row in world.rows(schema.audit) if row["action"] == "quarantine.release")
    assert audited["reason"] == "不是心电图"
    for again in (lambda: out("again"), lambda: retried(world, exam)):
        assert (refused(again).status, refused(again).type) == (409, "not-in-quarantine")
    assert refused(lambda: retried(world, "nothing")).status == 404


def test_it_is_listed_a_page_at_a_time_the_oldest_first(world: World) -> None:
    exams = []
    for _ in range(5):
        exams.append(world.unreadable())
        world.clock.advance(1)
    seen, cursor = [], None
    for _ in range(3):
        page = listed(world, cursor, most=2)
        seen += [item["exam"] for item in page["items"]]
        cursor = page["next"]
    assert (seen, cursor) == (exams, None)
    with pytest.raises(ValueError, match="x"):
        listed(world, "x.y")


def test_the_operators_commands(world: World) -> None:
    one, other = world.unreadable(patient=WANG), world.unreadable()
    lines = list(keeping.quarantined(world.ledger, world.county))
    assert [line.split("\t")[0] for line in lines] == sorted([one, other])
    assert json.loads(keeping.quarantined_exam(world.ledger, world.county, one))["reason"]["code"] == "NOT_AN_ECG"
    keeping.release(world.ledger, world.county, one, "不是心电图")
    assert list(keeping.retry(world.ledger, world.county, None)) == [other]
    with pytest.raises(Refusal) as found:
        list(keeping.retry(world.ledger, world.county, other))
    assert found.value.zh
