"""One ECG in two files is read once; what adds anything calls as if there were no copy; a repeat is linked."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.identity import Identity
from ledger import schema
from tests.triage.kit import GREEN, LI, ORANGE, RED, WANG, World, finding
from tests.triage.test_wrong_patient import print_of
from triage import duplicates


def links(world: World) -> list[tuple[str, str, str]]:
    return [(row["how"], row["exam_id"], row["other_id"]) for row in world.rows(schema.exam_link)]


def answered(world: World, *findings: dict[str, Any], **said: Any) -> tuple[str, str]:
    """An exam whose case a doctor has answered, and that case."""
    exam = world.sent(*(findings or (RED,)), print_=print_of(1), **said)
    case = world.case_of(exam)["id"]
    world.do("cardiologist", "confirm", case)
    return exam, case


@pytest.mark.parametrize("patient", [WANG, None])
def test_another_file_of_an_answered_ecg_calls_nobody_and_shows_the_answer(
    world: World, patient: Identity | None
) -> None:
    first, case = answered(world, patient=patient)
    before = world.row(schema.case, id=case)
    world.clock.advance(600)
    second = world.sent(RED, patient=patient, print_=print_of(1))
    assert links(world) == [("duplicate", second, first)]
    assert world.row(schema.exam, id=second)["case_id"] == case
    assert len(world.alerts(case)) == 1
    after = world.row(schema.case, id=case)
    assert {name for name in after if after[name] != before[name]} == {"seq"}  # nothing of it, its deadline neither
    shown = world.shown(second)
    assert shown["stages"]["answered_at"] == world.shown(first)["stages"]["answered_at"]
    assert shown["stages"]["answered_at"] is not None
    assert [(one["how"], one["exam"], one["other"]) for one in shown["links"]] == links(world)
    assert world.shown(first)["links"] == shown["links"]
    assert world.worklist() == []


def test_two_files_of_a_nameless_ecg_are_one_case_until_somebody_answers(world: World) -> None:
    first = world.sent(ORANGE, print_=print_of(1))
    due_at = world.case_of(first)["due_at"]
    world.clock.advance(60)
    second = world.sent(RED, print_=print_of(1), urgent=True)
    case = world.case_of(second)
    assert case["id"] == world.case_of(first)["id"]
    assert (case["colour"], case["due_at"] <= due_at) == ("RED", True)  # more urgent: raised, and sooner
    assert [alert["colour"] for alert in world.alerts(case["id"])] == ["ORANGE", "RED"]


@pytest.mark.parametrize(
    ("findings", "said"),
    [
        ((RED,), {"symptoms": ("chest_pain",)}),
        ((RED,), {"urgent": True}),
        ((finding("STEMI_INF"), finding("STEMI_ANT")), {}),
    ],
    ids=["a symptom", "the emergency button", "another territory"],
)
def test_a_copy_that_adds_anything_calls_as_if_there_were_none(
    world: World, findings: tuple[dict[str, Any], ...], said: dict[str, Any]
) -> None:
    _, case = answered(world)
    second = world.sent(*findings, print_=print_of(1), **said)
    own = world.case_of(second)
    assert own["id"] != case
    assert [alert["colour"] for alert in world.alerts(own["id"])] == ["RED"]
    assert [link[0] for link in links(world)] == ["duplicate"]


def test_a_copy_that_is_rated_higher_calls(world: World) -> None:
    _, case = answered(world, GREEN)
    second = world.sent(RED, print_=print_of(1))
    assert world.case_of(second)["id"] != case
    assert len(world.alerts(world.case_of(second)["id"])) == 1


def test_a_symptom_that_comes_later_opens_the_answered_case_again(world: World) -> None:
    exam = world.sent(RED, print_=print_of(1))
    case = world.case_of(exam)["id"]
    world.do("cardiologist", "downgrade", case, colour="GREEN", reason="artefact")
    second = world.sent(RED, print_=print_of(1))
    assert len(world.alerts(case)) == 1
    world.clock.advance(5)
    world.say(second, symptoms=("chest_pain",))
    world.rate()
    reopened = world.row(schema.case, id=case)
    assert (reopened["colour"], reopened["closed_at"]) == ("RED", None)
    assert len(world.alerts(case)) == 2


def test_a_copy_joins_no_case_of_another_clinic_or_of_another_day(world: World) -> None:
    _, case = answered(world)
    strange = world.sent(RED, print_=print_of(1), site=world.other_site)
    assert world.case_of(strange)["id"] != case
    world.clock.advance(86401)
    late = world.sent(RED, print_=print_of(1))
    assert world.case_of(late)["id"] != case
    assert links(world) == []


def test_another_name_is_no_copy_but_held(world: World) -> None:
    answered(world, patient=WANG)
    other = world.sent(RED, patient=LI, print_=print_of(1))
    assert [link[0] for link in links(world)] == ["wrong-patient"]
    assert world.case_of(other)["held"] is not None


def test_another_ecg_of_the_same_patient_is_no_copy(world: World) -> None:
    _, case = answered(world, patient=WANG)
    second = world.sent(RED, patient=WANG, print_=print_of(2))
    assert world.case_of(second)["id"] != case
    assert links(world) == []


def test_a_clinic_sees_no_link_to_another_clinics_exam(world: World) -> None:
    first = world.sent(GREEN, patient=WANG, print_=print_of(1))
    second = world.sent(GREEN, patient=WANG, print_=print_of(1), site=world.other_site)
    assert links(world) == [("duplicate", second, first)]
    assert world.shown(first)["links"] == []
    assert len(world.shown(first, "cardiologist")["links"]) == 1


@pytest.mark.parametrize(
    ("grade", "minutes", "linked"), [("D", 29, True), ("E", 5, True), ("C", 5, False), ("D", 31, False)]
)
def test_a_repeat_soon_after_a_poor_one_is_its_retake(world: World, grade: str, minutes: int, linked: bool) -> None:
    poor = world.sent(GREEN, patient=WANG, grade=grade, print_=print_of(1))
    world.clock.advance(60 * minutes)
    again = world.sent(GREEN, patient=WANG, print_=print_of(2))
    assert links(world) == ([(duplicates.RETAKE, again, poor)] if linked else [])


def test_a_copy_of_a_poor_one_is_no_retake_of_it(world: World) -> None:
    poor = world.sent(GREEN, patient=WANG, grade="E", print_=print_of(1))
    again = world.sent(GREEN, patient=WANG, grade="E", print_=print_of(1))
    assert links(world) == [("duplicate", again, poor)]
