"""One tracing under two names is held until a human has looked; a repeat under one name is not."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from county.problem import Problem
from ecg.fingerprint import fingerprint
from ecg.synthesis import synthesise
from ingest.identity import Identity
from ledger import schema
from tests.triage.kit import GREEN, LI, PASSWORD, RED, WANG, World
from triage import wrong_patient


@cache
def print_of(seed: int) -> bytes:
    """The fingerprint of a synthetic ECG of its own."""
    return fingerprint(synthesise(seed=seed).recording).data


def refused(work: Callable[[], Any]) -> Problem:
    with pytest.raises(Problem) as found:
        work()
    return found.value


def two_names(world: World, *findings: Any, **said: Any) -> tuple[str, str]:
    first = world.sent(*(findings or (GREEN,)), patient=WANG, print_=print_of(1), **said)
    second = world.sent(*(findings or (GREEN,)), patient=LI, site=world.other_site, print_=print_of(1))
    return first, second


def test_the_same_tracing_under_another_name_holds_both_and_calls(world: World) -> None:
    first, second = two_names(world)
    for exam, other in ((first, second), (second, first)):
        case = world.case_of(exam)
        assert (case["held"]["code"], case["held"]["exam"], case["colour"]) == ("WRONG_PATIENT", other, "ORANGE")
        assert [alert["colour"] for alert in world.alerts(case["id"])] == ["ORANGE"]
        shown = world.opened(case["id"])
        assert shown["doubt"]["zh"].startswith("同一份心电图")
        assert not {"confirm", "downgrade", "sign"} & set(shown["legal"])
        assert [(one["how"], {one["exam"], one["other"]}) for one in shown["links"]] == [
            ("wrong-patient", {first, second})
        ]
    assert [event["data"]["held"] for event in world.events("case.changed") if "held" in event["data"]]


def test_nobody_decides_or_signs_a_held_case(world: World) -> None:
    world.passwords()
    first, _ = two_names(world, RED)
    case = world.case_of(first)["id"]
    world.draft(case, "STEMI_INF")
    decisions: tuple[tuple[str, dict[str, Any]], ...] = (
        ("confirm", {}),
        ("downgrade", {"colour": "GREEN", "reason": "other"}),
        ("stand-down", {"reason": "other"}),
        ("sign", {"password": PASSWORD}),
    )
    for action, more in decisions:
        problem = refused(lambda action=action, more=more: world.do("cardiologist", action, case, **more))
        assert (problem.status, problem.more["held"]["code"]) == (409, "WRONG_PATIENT"), action
    assert world.case_of(first)["colour"] == "RED"  # a hold hides no RED
    world.do("cardiologist", "acknowledge", case)
    world.do("cardiologist", "message", case, text="请核对病人")


@pytest.mark.parametrize("reason", sorted(wrong_patient.RELEASE_REASONS))
def test_a_human_lifts_the_hold_with_a_reason_and_it_stays_lifted(world: World, reason: str) -> None:
    first, second = two_names(world)
    case = world.case_of(first)["id"]
    assert refused(lambda: world.do("cardiologist", "release", case, reason="tired")).type == "reason-needed"
    lifted = world.do("cardiologist", "release", case, reason=reason)
    assert (lifted["held"], lifted["links"][0]["resolved"]) == (None, reason)
    world.say(first, symptoms=("chest_pain",))
    world.rate()
    assert world.case_of(first)["held"] is None
    assert world.do("cardiologist", "confirm", case)["state"] == "confirmed"
    assert world.case_of(second)["held"] is not None  # each case has its own human


def test_another_patients_tracing_is_stood_down_as_such(world: World) -> None:
    first, _ = two_names(world)
    done = world.do("cardiologist", "stand-down", world.case_of(first)["id"], reason="wrong_patient")
    assert (done["answer"]["colour"], done["held"]) == ("YELLOW", None)
    assert "不是这位病人的" in done["answer"]["zh"]
    assert "重做" in done["answer"]["action"]["zh"]


@pytest.mark.parametrize(
    "patient",
    [
        WANG,
        None,
        Identity(name="王建国"),
        Identity(card="C-9"),  # states nothing that contradicts
    ],
)
def test_no_contradiction_no_hold(world: World, patient: Identity | None) -> None:
    world.sent(GREEN, patient=WANG if patient != Identity(card="C-9") else Identity(name="王建国"), print_=print_of(1))
    second = world.sent(GREEN, patient=patient, site=world.other_site, print_=print_of(1))
    assert world.case_of(second)["held"] is None
    assert world.rows(schema.exam_link, how=wrong_patient.LINK) == []


def test_another_ecg_is_another_ecg(world: World) -> None:
    for number, patient in enumerate((WANG, LI), 1):
        exam = world.sent(GREEN, patient=patient, print_=print_of(number))
        assert world.case_of(exam)["held"] is None


def test_a_name_that_comes_later_is_looked_at_then(world: World) -> None:
    world.sent(GREEN, patient=WANG, print_=print_of(1))
    nameless = world.sent(GREEN, site=world.other_site, print_=print_of(1))
    assert world.case_of(nameless)["held"] is None
    world.say(nameless, patient=LI)
    world.rate()
    assert world.case_of(nameless)["held"] is not None


def test_a_month_later_it_is_no_twin(world: World) -> None:
    world.sent(GREEN, patient=WANG, print_=print_of(1))
    world.clock.advance(31 * 86400)
    assert world.case_of(world.sent(GREEN, patient=LI, print_=print_of(1)))["held"] is None


def test_a_comparison_that_fails_delays_no_alert(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(world.recent, "twins", fails)
    exam = world.sent(RED, patient=WANG, print_=print_of(1))
    assert [alert["colour"] for alert in world.alerts(world.case_of(exam)["id"])] == ["RED"]
