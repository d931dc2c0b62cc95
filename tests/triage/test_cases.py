"""From the rated exam to the case and its alert, on both engines: no tracing without a human, none twice."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import update

from ledger import schema
from ledger.clock import SECOND, iso
from tests.triage.kit import GREEN, LI, ORANGE, RED, WANG, YELLOW, World, finding, other_ledger
from triage import cases, rating, states


def assert_alerted(world: World, exam: str, *colours: str) -> dict[str, Any]:
    """The case of an exam has raised these alerts, in this order, each with one event and its number."""
    case = world.case_of(exam)
    alerts = world.alerts(case["id"])
    assert [alert["colour"] for alert in alerts] == list(colours)
    raised = [event for event in world.events("alert.raised") if event["case_id"] == case["id"]]
    assert [event["seq"] for event in raised] == [alert["seq"] for alert in alerts]
    seqs = [event["seq"] for event in world.events()]
    assert seqs == list(range(1, len(seqs) + 1))
    return case


def test_a_red_exam_opens_a_case_with_one_alert(world: World) -> None:
    exam = world.sent(RED, patient=WANG, symptoms=("chest_pain",))
    case = assert_alerted(world, exam, "RED")
    assert (case["colour"], case["state"], case["rank"], case["exam_id"]) == ("RED", "open", 0, exam)
    assert case["due_at"] == world.row(schema.exam, id=exam)["received_at"] + 180 * SECOND
    (alert,) = world.alerts(case["id"])
    assert (alert["ruleset"], alert["step"], alert["state"]) == ("udmi-2018", 0, "raised")
    assert alert["next_step_at"] == alert["raised_at"] + 60 * SECOND
    (told,) = world.events("alert.raised")
    assert told["data"]["evidence"][0]["lead"] == "V2"
    assert told["data"]["phone"] == "0996-1"
    assert "王建国" not in str(world.events())
    assert world.rate() == 0


def test_the_exam_shows_grade_advice_and_colour(world: World) -> None:
    exam = world.sent(YELLOW, grade="B", patient=WANG, symptoms=("none",), urgent=False)
    shown = world.shown(exam)
    assert (shown["status"], shown["grade"], shown["colour"], shown["symptoms"]) == (
        "analysed",
        "B",
        "YELLOW",
        ["none"],
    )
    assert shown["advice"] == [{"code": "Q_BW", "zh": "请平躺", "en": "Lie still"}]
    assert shown["reason"]["code"] == "C_LBBB"
    assert shown["patient"] == {"name": "王建国", "number": None, "sex": "male", "age_years": 68, "id_tail": None}
    assert shown["stages"]["analysed_at"] == iso(world.clock.at)
    assert shown["instruction"]["zh"] == rating.VILLAGE[rating.Colour.YELLOW]["answer"]["zh"]
    assert world.shown(world.exam())["instruction"] is None


def test_a_green_exam_opens_a_case_without_an_alert_due_in_a_day(world: World) -> None:
    exam = world.sent(GREEN)
    case = assert_alerted(world, exam)
    assert case["due_at"] - world.row(schema.exam, id=exam)["received_at"] == 24 * 3600 * SECOND
    assert [item["case"] for item in world.worklist()] == [case["id"]]


# --- unread ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "colour", "alerts"),
    [
        ({}, None, ()),
        ({"symptoms": ("chest_pain",)}, "ORANGE", ("ORANGE",)),
        ({"urgent": True}, "RED", ("RED",)),
        ({"symptoms": ("none",)}, None, ()),
    ],
)
def test_what_nothing_has_read_after_20_seconds_is_a_humans(
    world: World, said: dict[str, Any], colour: str | None, alerts: tuple[str, ...]
) -> None:
    exam = world.exam(**said)
    world.clock.advance(19.9)
    assert world.rate() == 0
    world.clock.advance(0.1)
    assert world.rate() == 1
    case = assert_alerted(world, exam, *alerts)
    assert (case["colour"], case["exam_id"]) == (colour, exam)
    shown = world.shown(exam)
    assert (shown["status"], shown["colour"]) == ("received", colour)
    assert "改变" not in shown["instruction"]["zh"]  # nothing has seen one


def test_unread_stands_directly_under_orange(world: World) -> None:
    exams = [world.sent(GREEN), world.sent(YELLOW), world.unread(), world.sent(ORANGE), world.sent(RED)]
    assert [item["exam"] for item in world.worklist()] == exams[::-1]


def test_unread_then_read_takes_the_colour_of_the_reading(world: World) -> None:
    exam = world.unread()
    world.analyse(exam, GREEN)
    world.rate()
    case = assert_alerted(world, exam)
    assert (case["colour"], case["state"], world.shown(exam)["colour"]) == ("GREEN", "open", "GREEN")
    red = world.unread()
    world.analyse(red, RED)
    world.rate()
    assert_alerted(world, red, "RED")


def test_a_reading_never_lowers_what_was_called_for(world: World) -> None:
    exam = world.unread(symptoms=("chest_pain",))
    world.analyse(exam, GREEN)
    world.rate()
    assert assert_alerted(world, exam, "ORANGE")["colour"] == "ORANGE"
    assert world.shown(exam)["colour"] == "ORANGE"


def test_the_reason_follows_the_reading_of_the_same_colour(world: World) -> None:
    exam = world.unread(symptoms=("chest_pain",))
    assert world.case_of(exam)["reason"]["code"] == "UNREAD"
    world.analyse(exam, finding("E_AVR"))
    world.rate()
    case = assert_alerted(world, exam, "ORANGE")
    assert case["reason"]["code"] == world.shown(exam)["reason"]["code"] == "E_AVR"


def test_a_read_exam_hides_no_unread_one_of_the_same_patient(world: World) -> None:
    unread = world.unread(patient=WANG)
    second = world.exam(patient=WANG)
    world.analyse(second, GREEN)
    world.rate()
    case = world.case_of(unread)
    assert world.case_of(second)["id"] == case["id"]
    assert (case["colour"], case["rank"], case["exam_id"]) == (None, 2, unread)
    world.analyse(unread, YELLOW)
    world.rate()
    case = world.case_of(unread)
    assert (case["colour"], case["exam_id"]) == ("YELLOW", unread)


def test_the_last_unread_exam_of_a_case_leaves_the_most_urgent_colour(world: World) -> None:
    yellow = world.unread(patient=WANG)
    green = world.unread(patient=WANG)
    world.analyse(yellow, YELLOW)
    world.rate()
    assert world.case_of(green)["colour"] is None
    world.analyse(green, GREEN)
    world.rate()
    case = world.case_of(green)
    assert (case["colour"], case["rank"], case["exam_id"], case["reason"]["code"]) == ("YELLOW", 3, yellow, "C_LBBB")


def test_unreadable_and_failed_exams_reach_a_human(world: World) -> None:
    from triage import analyser

    for action, status in (("cannot-read", "unreadable"), ("give-up", "failed")):
        exam = world.exam(symptoms=("syncope",))
        problem = {"problem": {"code": "X", "zh": "不行", "en": "no"}}
        world.ledger.write(lambda tx, e=exam, a=action, p=problem: analyser.finish(tx, world.county, e, a, p))
        world.rate()
        assert_alerted(world, exam, "ORANGE")
        shown = world.shown(exam)
        assert (shown["status"], shown["problem"]["zh"], shown["grade"]) == (status, "不行", None)


# --- joining ---------------------------------------------------------------------------------------------------------


def test_a_patients_exams_within_30_minutes_are_one_case(world: World) -> None:
    first = world.sent(YELLOW, patient=WANG)
    opened = world.case_of(first)
    world.clock.advance(30 * 60 - 1)
    second = world.sent(YELLOW, patient=WANG)
    case = world.case_of(second)
    assert case["id"] == opened["id"]
    assert (case["exam_id"], case["due_at"], case["opened_at"]) == (second, opened["due_at"], opened["opened_at"])
    world.clock.advance(2)
    assert world.case_of(world.sent(YELLOW, patient=WANG))["id"] != opened["id"]


def test_without_a_sure_identity_nothing_is_joined(world: World) -> None:
    exams = [world.sent(YELLOW), world.sent(YELLOW), world.sent(YELLOW, patient=WANG), world.sent(YELLOW, patient=LI)]
    assert len({world.case_of(exam)["id"] for exam in exams}) == 4


def test_a_join_never_lowers_and_a_higher_colour_calls_again(world: World) -> None:
    exam = world.sent(ORANGE, patient=WANG)
    before = world.case_of(exam)
    world.sent(GREEN, patient=WANG)
    case = assert_alerted(world, exam, "ORANGE")
    assert (case["colour"], case["exam_id"], case["due_at"]) == ("ORANGE", exam, before["due_at"])
    world.clock.advance(1)
    red = world.sent(RED, patient=WANG)
    case = assert_alerted(world, red, "ORANGE", "RED")
    assert (case["colour"], case["exam_id"], case["due_at"]) == ("RED", red, world.clock.at + 180 * SECOND)
    world.sent(ORANGE, patient=WANG)
    world.sent(RED, patient=WANG)
    assert_alerted(world, red, "ORANGE", "RED")


def test_a_higher_colour_opens_an_acknowledged_case_again(world: World) -> None:
    exam = world.sent(ORANGE, patient=WANG)
    case = world.case_of(exam)["id"]
    world.do("cardiologist", "acknowledge", case)
    world.sent(RED, patient=WANG)
    again = assert_alerted(world, exam, "ORANGE", "RED")
    assert (again["state"], again["acknowledged_at"], again["owner_id"]) == ("open", None, None)
    assert again["seen_by"] == world.actors["cardiologist"].id  # the first look never changes


@pytest.mark.parametrize("decision", ["confirm", "downgrade", "stand-down"])
def test_a_tracing_after_the_decision_is_not_hidden_behind_it(world: World, decision: str) -> None:
    first = world.sent(RED, patient=WANG)
    case = world.case_of(first)["id"]
    world.do("cardiologist", decision, case, reason="artefact", colour="GREEN")
    second = world.sent(RED, patient=WANG)
    opened = assert_alerted(world, second, "RED")
    assert (opened["id"] != case, opened["state"]) == (True, "open")
    third = world.sent(GREEN, patient=LI)
    world.do("cardiologist", "confirm", world.case_of(third)["id"])
    fourth = world.sent(GREEN, patient=LI)
    assert world.case_of(fourth)["id"] in {item["case"] for item in world.worklist()}


# --- facts that come later -------------------------------------------------------------------------------------------


def test_context_added_later_rates_upward_only(world: World) -> None:
    exam = world.sent(GREEN, patient=WANG)
    assert world.shown(exam)["colour"] == "GREEN"
    world.say(exam, symptoms=("chest_pain",))
    assert world.rate() == 1
    assert world.shown(exam)["colour"] == world.case_of(exam)["colour"] == "YELLOW"
    world.say(exam, urgent=True)
    world.rate()
    case = assert_alerted(world, exam, "RED")
    assert (case["colour"], world.shown(exam)["colour"]) == ("RED", "RED")
    assert "急性" not in world.shown(exam)["instruction"]["zh"]
    world.say(exam, symptoms=("none",))
    world.rate()
    assert (world.case_of(exam)["colour"], world.shown(exam)["colour"]) == ("RED", "RED")
    assert_alerted(world, exam, "RED")


def test_a_patient_named_later_is_the_cases_patient_too(world: World) -> None:
    exam = world.sent(YELLOW)
    shown = world.worklist()[0]["patient"]
    assert shown.pop("number") is not None
    assert shown == {"name": None, "sex": "male", "age_years": 64, "id_tail": None}
    world.say(exam, patient=LI)
    world.rate()
    assert world.worklist()[0]["patient"]["name"] == "李桂兰"
    assert world.case_of(world.sent(GREEN, patient=LI))["id"] == world.case_of(exam)["id"]


def test_an_emergency_call_after_the_stand_down_rings_again(world: World) -> None:
    exam = world.sent(RED, patient=WANG)
    case = world.case_of(exam)["id"]
    world.do("cardiologist", "stand-down", case, reason="artefact")
    world.clock.advance(60)
    world.say(exam, urgent=True)
    world.rate()
    again = world.case_of(exam)
    assert (again["state"], again["closed_at"], again["answer"]) == ("open", None, None)
    assert again["due_at"] == world.clock.at + 180 * SECOND
    (alert,) = world.alerts(case)
    assert (alert["state"], alert["step"], alert["raised_at"]) == ("raised", 0, world.clock.at)
    assert [event["case_id"] for event in world.events("alert.raised")] == [case, case]
    assert world.events("alert.raised")[-1]["seq"] == alert["seq"]
    assert world.shown(exam)["stages"]["answer"] is None
    world.do("cardiologist", "acknowledge", case)
    world.do("cardiologist", "confirm", case)


def test_an_emergency_call_after_red_was_confirmed_calls_nobody_twice(world: World) -> None:
    exam = world.sent(RED)
    case = world.case_of(exam)["id"]
    world.do("cardiologist", "confirm", case)
    world.clock.advance(60)
    world.say(exam, urgent=True)
    world.rate()
    assert assert_alerted(world, exam, "RED")["state"] == "confirmed"


def test_a_late_reading_opens_a_decided_case_only_when_it_asks_for_more(world: World) -> None:
    calm, grave = world.unread(), world.unread()
    for exam in (calm, grave):
        world.do("cardiologist", "stand-down", world.case_of(exam)["id"], reason="other")
    world.clock.advance(1)
    world.analyse(calm, YELLOW)
    world.analyse(grave, RED)
    world.rate()
    assert (world.case_of(calm)["state"], world.case_of(calm)["colour"]) == ("stood_down", "YELLOW")
    assert assert_alerted(world, grave, "RED")["state"] == "open"


# --- whatever fails --------------------------------------------------------------------------------------------------


def test_a_rating_that_fails_is_the_rating_of_an_unread_tracing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(rating, "rate", fails)
    plain, pain, pressed = world.sent(GREEN), world.sent(RED, symptoms=("chest_pain",)), world.sent(RED, urgent=True)
    assert [world.case_of(exam)["colour"] for exam in (plain, pain, pressed)] == [None, "ORANGE", "RED"]
    assert_alerted(world, pressed, "RED")
    assert world.rate() == 0


def test_an_analysis_that_cannot_be_unpacked_is_an_unread_tracing(world: World) -> None:
    exam = world.exam(symptoms=("chest_pain",))
    world.analyse(exam, RED)
    broken = update(schema.analysis).where(schema.analysis.c.exam_id == exam).values(document=b"\x00cut")
    world.ledger.write(lambda tx: tx.connection.execute(broken) and None)
    world.rate()
    assert_alerted(world, exam, "ORANGE")


def test_an_exam_whose_commit_fails_keeps_none_behind_it_and_is_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cases, "BATCH", 2)
    poisoned = [world.exam(urgent=True) for _ in range(20)]
    for exam in poisoned:
        world.analyse(exam, RED)
    world.clock.advance(1)
    good = world.exam()
    world.analyse(good, RED)
    real = cases.rate_one

    def rate_one(transaction: Any, county: str, exam: str, twins: Any) -> int:
        if exam in poisoned:
            raise RuntimeError("poisoned")
        return real(transaction, county, exam, twins)

    monkeypatch.setattr(cases, "rate_one", rate_one)
    for _ in range(4):
        cases.rate_due(world.ledger)
    assert_alerted(world, good, "RED")
    monkeypatch.setattr(cases, "rate_one", real)
    world.clock.advance(5)
    assert world.rate() == 20
    assert_alerted(world, poisoned[0], "RED")


@pytest.mark.parametrize("back_s", [1, 15, 3600, 400_000_000])
def test_a_clock_set_back_hides_no_analysed_exam(world: World, back_s: float) -> None:
    exam = world.exam()
    world.analyse(exam, RED)
    world.clock.set_back(back_s)
    assert world.rate() == 1
    assert_alerted(world, exam, "RED")


@pytest.mark.parametrize("back_s", [21, 3600, 400_000_000])
def test_a_clock_set_back_hides_no_unread_exam(world: World, back_s: float) -> None:
    exam = world.exam(urgent=True)
    world.clock.set_back(back_s)
    world.rate()
    assert_alerted(world, exam, "RED")


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_two_servers_open_one_case_for_a_patients_two_exams(
    world: World, url: str, request: pytest.FixtureRequest
) -> None:
    other = other_ledger(world, url)
    request.addfinalizer(other.ledger.close)
    for patient in (WANG, LI):
        exams = [world.exam(patient=patient) for _ in range(2)]
        for exam in exams:
            world.analyse(exam, RED)
        servers = [threading.Thread(target=cases.rate_due, args=(one.ledger,)) for one in (world, other)]
        for server in servers:
            server.start()
        for server in servers:
            server.join(20)
        world.rate()
        assert len({world.case_of(exam)["id"] for exam in exams}) == 1
        assert_alerted(world, exams[0], "RED")


def test_states_of_the_ledger_are_those_of_the_tables(world: World) -> None:
    exam = world.sent(RED)
    assert world.row(schema.exam, id=exam)["status"] in set(states.Exam)
    assert world.case_of(exam)["state"] in set(states.Case)


# --- another territory -----------------------------------------------------------------------------------------------

INFERIOR, ANTERIOR = finding("STEMI_INF"), finding("STEMI_ANT")


def test_another_territory_in_the_same_colour_calls_anew(world: World) -> None:
    first = world.sent(INFERIOR, patient=WANG)
    case = world.case_of(first)["id"]
    world.do("cardiologist", "acknowledge", case)
    world.clock.advance(60)
    world.sent(INFERIOR, patient=WANG)  # the same territory: heard already
    assert [alert["topic"] for alert in world.alerts(case)] == ["STEMI_INF"]
    assert world.case_of(first)["state"] == "acknowledged"
    third = world.sent(INFERIOR, ANTERIOR, patient=WANG)
    assert world.case_of(third)["id"] == case
    assert [alert["topic"] for alert in world.alerts(case)] == ["STEMI_INF", "STEMI_ANT+STEMI_INF"]
    assert world.case_of(first)["state"] == "open"  # somebody must look again
    world.sent(ANTERIOR, patient=WANG)
    assert len(world.alerts(case)) == 2


def test_the_first_territory_belongs_to_the_call_before_it(world: World) -> None:
    exam = world.unread(urgent=True)
    case = world.case_of(exam)["id"]
    world.do("cardiologist", "acknowledge", case)
    world.analyse(exam, INFERIOR)
    world.rate()
    assert (len(world.alerts(case)), world.case_of(exam)["state"]) == (1, "acknowledged")
    assert world.case_of(exam)["reason"]["code"] == "STEMI_INF"


def test_an_exam_of_another_clinic_tells_the_cases_own_people_and_its_own_clinic(world: World) -> None:
    world.sent(YELLOW, patient=WANG)
    last = world.events()[-1]["seq"]
    beside = world.sent(RED, patient=WANG, site=world.other_site)
    case = world.case_of(beside)
    assert case["site_id"] == world.site
    told = [(event["kind"], event["site_id"], event["case_id"]) for event in world.events() if event["seq"] > last]
    assert ("case.changed", world.site, case["id"]) in told
    assert ("alert.raised", world.site, case["id"]) in told
    assert ("exam.changed", world.other_site, None) in told
