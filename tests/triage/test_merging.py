"""Two records of one patient: two people, nothing lowered or postponed, and undone exactly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from county.problem import Problem
from ingest.identity import Identity
from ledger import schema
from tests.triage.kit import LI, ORANGE, RED, WANG, YELLOW, World
from triage import merging
from triage.documents import Merges

SAME = Identity(name="王建国", birth_date="1958-03-02", sex="male", card="C-77")


def refused(work: Callable[[], Any]) -> Problem:
    with pytest.raises(Problem) as found:
        work()
    return found.value


def merge(world: World, who: str, merged: str, kept: str, reason: str = "同一人") -> dict[str, Any]:
    return world.ledger.write(lambda tx: merging.merge(tx, world.actors[who], merged, kept, reason))


def unmerge(world: World, who: str, merged: str, reason: str = "不是同一人") -> dict[str, Any]:
    return world.ledger.write(lambda tx: merging.unmerge(tx, world.actors[who], merged, reason))


def patient_of(world: World, exam: str) -> str:
    return world.row(schema.exam, id=exam)["patient_id"]


def second_coordinator(world: World) -> None:
    world.actors["deputy"] = replace(world.actors["coordinator"], id=world.actors["chief"].id, name="副协调")


def everything(world: World) -> list[Any]:
    """What a merge might touch, whole."""
    return [sorted(map(str, world.rows(table))) for table in (schema.exam, schema.patient, schema.case, schema.alert)]


def without_seq(rows: list[Any]) -> list[Any]:
    import re

    return [[re.sub(r"'seq': \d+", "", row) for row in table] for table in rows]


def test_two_people_merge_and_one_undoes_exactly(world: World) -> None:
    second_coordinator(world)
    one, two = world.sent(RED, patient=WANG), world.sent(ORANGE, patient=LI)
    kept, merged = patient_of(world, one), patient_of(world, two)
    before = without_seq(everything(world))
    proposed = merge(world, "coordinator", merged, kept)
    assert (proposed["state"], proposed["kept"], proposed["merged"]) == ("proposed", kept, merged)
    assert without_seq(everything(world)) == before
    assert refused(lambda: merge(world, "coordinator", merged, kept)).type == "two-people"
    done = merge(world, "deputy", merged, kept)
    assert (done["state"], done["confirmed_by"]["id"]) == ("merged", world.actors["deputy"].id)
    assert patient_of(world, two) == world.case_of(two)["patient_id"] == kept
    assert refused(lambda: merge(world, "coordinator", merged, kept)).type == "merged-already"
    undone = unmerge(world, "coordinator", merged)
    assert undone["state"] == "undone"
    assert without_seq(everything(world)) == before
    assert refused(lambda: unmerge(world, "coordinator", merged)).type == "not-merged"
    actions = [row["action"] for row in world.rows(schema.audit) if row["action"].startswith("patient.")]
    assert sorted(actions) == ["patient.merge.confirm", "patient.merge.propose", "patient.merge.undo"]


def test_a_merge_moves_no_deadline_and_lowers_no_colour(world: World) -> None:
    second_coordinator(world)
    one, two = world.sent(YELLOW, patient=WANG), world.sent(RED, patient=LI)

    def waits() -> list[Any]:
        rows = sorted(world.rows(schema.case), key=lambda row: row["id"])
        alerts = [(row["colour"], row["state"], row["next_step_at"]) for row in world.rows(schema.alert)]
        return [*((row["colour"], row["rank"], row["due_at"], row["state"]) for row in rows), *alerts]

    before = waits()
    merged, kept = patient_of(world, one), patient_of(world, two)
    for who in ("coordinator", "deputy"):
        merge(world, who, merged, kept)
        assert waits() == before
    unmerge(world, "deputy", merged)
    assert waits() == before


def test_an_exam_under_the_merged_record_belongs_to_the_kept_one_until_it_is_undone(world: World) -> None:
    second_coordinator(world)
    one, two = world.sent(YELLOW, patient=WANG), world.sent(YELLOW, patient=LI)
    kept, merged = patient_of(world, one), patient_of(world, two)
    for case in world.rows(schema.case):
        world.do("cardiologist", "confirm", case["id"])
    merge(world, "coordinator", merged, kept)
    merge(world, "deputy", merged, kept)
    third = world.sent(YELLOW, patient=LI)
    assert world.case_of(third)["patient_id"] == kept
    fourth = world.sent(YELLOW, patient=WANG)
    assert world.case_of(fourth)["id"] == world.case_of(third)["id"]  # one patient, one episode
    unmerge(world, "deputy", merged)
    assert patient_of(world, third) == patient_of(world, two) == merged
    assert world.case_of(two)["patient_id"] == merged


def test_every_open_case_of_a_merge_says_so_in_the_feed(world: World) -> None:
    second_coordinator(world)
    one, two = world.sent(YELLOW, patient=WANG), world.sent(YELLOW, patient=LI)
    cases = {world.case_of(exam)["id"] for exam in (one, two)}
    for who in ("coordinator", "deputy"):
        last = world.events()[-1]["seq"]
        merge(world, who, patient_of(world, two), patient_of(world, one))
        assert {event["case_id"] for event in world.events() if event["seq"] > last} == cases


def test_the_second_person_finds_what_waits_with_both_records_and_no_more_of_a_number_than_its_end(
    world: World,
) -> None:
    second_coordinator(world)
    card = Identity(name="李秀英", id_number="330102194001011234")
    one, two = world.sent(YELLOW, patient=WANG), world.sent(YELLOW, patient=card)
    kept, merged = patient_of(world, one), patient_of(world, two)

    def listed(who: str) -> list[dict[str, Any]]:
        return world.ledger.read(lambda connection: merging.listed(connection, world.actors[who]))

    assert listed("deputy") == []
    merge(world, "coordinator", merged, kept)
    (waiting,) = listed("deputy")
    Merges.model_validate({"items": [waiting]})
    assert (waiting["state"], waiting["kept"], waiting["merged"]) == ("proposed", kept, merged)
    assert (waiting["records"]["kept"]["name"], waiting["records"]["merged"]["id_tail"]) == (WANG.name, "1234")
    assert "330102194001011234" not in str(waiting)
    elsewhere = replace(world.actors["coordinator"], site="another")
    assert world.ledger.read(lambda connection: merging.listed(connection, elsewhere)) == []
    merge(world, "deputy", merged, kept)
    assert [one["state"] for one in listed("coordinator")] == ["merged"]
    unmerge(world, "coordinator", merged)
    assert listed("coordinator") == []


@pytest.mark.parametrize(("who", "status"), [("cardiologist", 403), ("clinic", 403), ("administrator", 403)])
def test_only_a_coordinator_merges(world: World, who: str, status: int) -> None:
    one, two = world.sent(YELLOW, patient=WANG), world.sent(YELLOW, patient=LI)
    assert refused(lambda: merge(world, who, patient_of(world, two), patient_of(world, one))).status == status
    assert refused(lambda: merge(world, "coordinator", "0" * 26, patient_of(world, one))).status == 404
    assert refused(lambda: merge(world, "coordinator", patient_of(world, one), patient_of(world, one))).status == 422
    assert (
        refused(lambda: merge(world, "coordinator", patient_of(world, one), patient_of(world, two), " ")).status == 422
    )
