"""What people do with a case, on both engines: once, by whom it may be, and only on what was on the screen."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from county.access import Role
from county.problem import Problem
from ledger import schema
from ledger.clock import iso
from ledger.database import Transaction
from tests.triage.kit import GREEN, ORANGE, RED, WANG, YELLOW, World, finding, other_ledger
from triage import cases, review
from triage.actions.common import Changed
from triage.requests import request_of


def refused(work: Callable[[], Any]) -> Problem:
    """The problem that an action ends with."""
    with pytest.raises(Problem) as found:
        work()
    assert found.value.zh
    assert found.value.en
    return found.value


def opened(world: World, *findings: dict[str, Any], **said: Any) -> str:
    return world.case_of(world.sent(*(findings or (RED,)), **said))["id"]


def audited(world: World) -> list[tuple[str, str, str | None]]:
    rows = sorted(world.rows(schema.audit), key=lambda row: row["seq"])
    return [(row["actor"], row["action"], row["reason"]) for row in rows if row["action"].startswith("case.")]


# --- the way through -------------------------------------------------------------------------------------------------


def test_acknowledge_confirm_read_back(world: World) -> None:
    exam = world.sent(RED, patient=WANG)
    case = world.case_of(exam)["id"]
    doctor = {"id": world.actors["cardiologist"].id, "name": "青石县cardiologist"}

    world.clock.advance(12)
    taken = world.do("cardiologist", "acknowledge", case)
    assert (taken["state"], taken["owner"], taken["acknowledged_at"]) == (
        "acknowledged",
        doctor,
        iso(world.clock.at),
    )
    assert {"confirm", "downgrade", "stand-down", "release", "retake"} <= set(taken["legal"])
    assert "acknowledge" not in taken["legal"]
    assert taken["seq"] == world.events()[-1]["seq"]
    told = world.events("alert.acknowledged")[-1]["data"]
    assert {"exam": exam, "site": world.site, "owner": doctor, "seconds": 12.0}.items() <= told.items()
    assert told["at"] == iso(world.clock.at)
    assert world.shown(exam)["stages"]["seen_by"] == doctor
    assert world.shown(exam)["stages"]["answer"] is None

    world.clock.advance(60)
    decided = world.do("cardiologist", "confirm", case)
    assert (decided["state"], decided["answer"]["colour"], decided["answer"]["by"]) == ("confirmed", "RED", doctor)
    assert decided["legal"] == ["claim", "release", "statements", "message"]
    answer = world.shown(exam)["stages"]["answer"]
    assert "平卧" in answer["action"]["zh"]
    assert world.worklist() == []

    read = world.do("clinic", "read-back", case)
    assert read["read_back_at"] == iso(world.clock.at) == world.shown(exam)["stages"]["read_back_at"]
    assert world.events("message.read_back")[-1]["data"]["exam"] == exam
    who = world.actors
    assert audited(world) == [
        (who["cardiologist"].id, "case.acknowledge", None),
        (who["cardiologist"].id, "case.confirm", None),
        (who["clinic"].id, "case.read-back", None),
    ]


def test_the_answer_is_read_back_once_and_by_the_clinic_only(world: World) -> None:
    case = opened(world)
    assert refused(lambda: world.do("clinic", "read-back", case)).status == 409  # there is no answer yet
    world.do("cardiologist", "confirm", case)
    for who, status in (("cardiologist", 403), ("coordinator", 403), ("administrator", 403), ("neighbour", 404)):
        assert refused(lambda who=who: world.do(who, "read-back", case)).status == status
    world.do("clinic", "read-back", case)
    assert refused(lambda: world.do("clinic", "read-back", case)).status == 409


def test_an_answer_that_was_not_on_the_screen_is_not_read_back(world: World) -> None:
    exam = world.sent(ORANGE)
    case = world.case_of(exam)["id"]
    world.do("cardiologist", "confirm", case)
    first = world.shown(exam)["case_seq"]
    world.clock.advance(1)
    world.say(exam, urgent=True)
    world.rate()
    world.do("second", "confirm", case)
    assert refused(lambda: world.do("clinic", "read-back", case, seen=first)).status == 409
    assert world.do("clinic", "read-back", case)["read_back_at"] is not None


@pytest.mark.parametrize(
    ("reason", "colour", "words"),
    [
        ("artefact", "YELLOW", "重做"),
        ("lead_reversal", "YELLOW", "重做"),
        ("known_unchanged", "YELLOW", "旧"),
        ("old_infarction", "YELLOW", "旧"),
        ("early_repolarisation", "GREEN", "未见明显异常"),
        ("other", "GREEN", "未见明显异常"),
    ],
)
def test_a_stand_down_tells_the_village_nothing_untrue(world: World, reason: str, colour: str, words: str) -> None:
    case = opened(world)
    answer = world.do("cardiologist", "stand-down", case, reason=reason, note="电话已告知")["answer"]
    assert (answer["colour"], answer["reason"]["code"], answer["note"]) == (colour, reason, "电话已告知")
    assert words in answer["zh"] + answer["action"]["zh"]
    assert audited(world)[-1][2] == reason


def test_a_downgrade_gives_a_lower_colour_and_no_other(world: World) -> None:
    case = opened(world, ORANGE)
    for colour in ("RED", "ORANGE", "BLUE", None):
        problem = refused(
            lambda colour=colour: world.do("cardiologist", "downgrade", case, reason="other", colour=colour)
        )
        assert (problem.status, problem.more["colours"]) == (422, ["YELLOW", "GREEN"])
    assert refused(lambda: world.do("cardiologist", "downgrade", case, colour="GREEN")).status == 422
    assert refused(lambda: world.do("cardiologist", "downgrade", case, colour="GREEN", reason="tired")).status == 422
    assert world.case_of(world.row(schema.exam)["id"])["state"] == "open"
    done = world.do("cardiologist", "downgrade", case, reason="known_unchanged", colour="YELLOW")
    assert (done["state"], done["answer"]["colour"], done["colour"]) == ("downgraded", "YELLOW", "ORANGE")


def test_a_doctor_who_sees_more_than_the_machine_says_it_by_confirming(world: World) -> None:
    case = opened(world, GREEN)
    done = world.do("cardiologist", "confirm", case, upgrade="RED")
    assert (done["state"], done["answer"]["colour"], done["colour"]) == ("confirmed", "RED", "GREEN")
    assert "平卧" in done["answer"]["action"]["zh"]


def test_what_nothing_has_read_can_be_answered_red(world: World) -> None:
    case = world.case_of(world.unread())["id"]
    done = world.do("cardiologist", "confirm", case, upgrade="RED")
    assert (done["answer"]["colour"], done["colour"]) == ("RED", None)


def test_confirming_never_lowers_a_colour(world: World) -> None:
    case = opened(world, ORANGE)
    for colour in ("YELLOW", "GREEN", "BLUE"):
        problem = refused(lambda colour=colour: world.do("cardiologist", "confirm", case, upgrade=colour))
        assert (problem.status, problem.more["colours"]) == (422, ["RED", "ORANGE"])
    assert world.do("cardiologist", "confirm", case)["answer"]["colour"] == "ORANGE"


def test_a_decided_case_says_so_whatever_the_form_of_the_action(world: World) -> None:
    case = opened(world)
    world.do("cardiologist", "confirm", case)
    for action, more in (("downgrade", {}), ("stand-down", {}), ("confirm", {}), ("acknowledge", {})):
        problem = refused(lambda action=action, more=more: world.do("second", action, case, **more))
        assert (problem.status, problem.more["legal"]) == (409, ["claim", "statements", "message"])


# --- seen ------------------------------------------------------------------------------------------------------------


def test_an_alert_raised_after_what_was_on_the_screen_is_not_acknowledged(world: World) -> None:
    case = opened(world, ORANGE, patient=WANG)
    seen = world.row(schema.case)["seq"]
    red = world.sent(RED, patient=WANG)
    problem = refused(lambda: world.do("cardiologist", "acknowledge", case, seen=seen))
    assert (problem.status, problem.type) == (409, "not-legal-now")
    assert {"acknowledge", "confirm", "downgrade", "stand-down"} <= set(problem.more["legal"])
    assert (problem.more["case"]["colour"], problem.more["case"]["exam"]) == ("RED", red)
    assert {alert["state"] for alert in world.alerts(case)} == {"raised"}
    assert audited(world) == []
    world.do("cardiologist", "acknowledge", case, seen=problem.more["case"]["seq"])
    assert {alert["state"] for alert in world.alerts(case)} == {"acknowledged"}


@pytest.mark.parametrize("action", ["confirm", "downgrade", "stand-down"])
def test_a_decision_on_a_case_with_a_newer_exam_is_refused(world: World, action: str) -> None:
    case = opened(world, YELLOW, patient=WANG)
    seen = world.row(schema.case)["seq"]
    world.sent(GREEN, patient=WANG)
    problem = refused(lambda: world.do("cardiologist", action, case, seen=seen, reason="other", colour="GREEN"))
    assert (problem.status, len(problem.more["case"]["exams"])) == (409, 2)
    assert world.row(schema.case)["state"] == "open"
    now = problem.more["case"]["seq"]
    world.do("cardiologist", action, case, seen=now, reason="other", colour="GREEN")


def test_a_climbed_ladder_and_a_coordinators_look_hold_no_decision_up(world: World) -> None:
    case = opened(world)
    seen = world.row(schema.case)["seq"]
    world.clock.advance(60)
    assert world.climb() == 1
    world.do("coordinator", "message", case, text="病人到了吗？")
    assert world.do("cardiologist", "confirm", case, seen=seen)["state"] == "confirmed"


def test_nobody_decides_without_knowing_that_another_reads_it(world: World) -> None:
    case = opened(world)
    seen = world.row(schema.case)["seq"]
    world.do("second", "acknowledge", case)
    problem = refused(lambda: world.do("cardiologist", "confirm", case, seen=seen))
    assert (problem.status, problem.more["case"]["owner"]["id"]) == (409, world.actors["second"].id)
    now = problem.more["case"]["seq"]
    assert world.do("cardiologist", "confirm", case, seen=now)["state"] == "confirmed"  # knowing it, one may


def in_one_batch(world: World, *works: Callable[[Transaction], Any]) -> list[Any]:
    """Hand several requests to the writer so that they are committed together: results or errors."""
    go = threading.Event()
    blocker = world.ledger.submit(lambda _tx: go.wait(10))
    waiting = [world.ledger.submit(work) for work in works]
    go.set()
    blocker.result(10)
    outcomes: list[Any] = []
    for one in waiting:
        error = one.exception(10)
        outcomes.append(one.result() if error is None else error)
    return outcomes


@pytest.mark.parametrize("action", ["acknowledge", "confirm"])
def test_an_alert_raised_in_the_same_commit_is_not_silenced(world: World, action: str) -> None:
    """Group commit: what another request of the batch has raised has no number yet, and was on no screen."""
    case = opened(world, ORANGE, patient=WANG)
    red = world.exam(patient=WANG)
    world.analyse(red, RED)
    request = review.Request(action, case, world.row(schema.case)["seq"], "id-1")
    actor = world.actors["cardiologist"]
    rated, acted = in_one_batch(
        world, lambda tx: cases.rate_one(tx, world.county, red), lambda tx: review._act(tx, actor, request)
    )
    assert rated == 1
    assert isinstance(acted, Changed)
    assert [(alert["colour"], alert["state"]) for alert in world.alerts(case)] == [
        ("ORANGE", "raised"),
        ("RED", "raised"),
    ]
    assert world.row(schema.case)["seq"] == world.events()[-1]["seq"]
    assert world.do("cardiologist", action, case)["seq"] == world.events()[-1]["seq"]


# --- once ------------------------------------------------------------------------------------------------------------


def test_the_same_id_gets_the_same_first_answer(world: World) -> None:
    case = opened(world)
    first = world.do("cardiologist", "acknowledge", case, id="a-1")
    world.clock.advance(60)
    world.climb()
    world.do("cardiologist", "confirm", case, id="a-2")
    again = world.do("cardiologist", "acknowledge", case, seen=1, id="a-1")
    assert json.dumps(again) == json.dumps(first)
    assert len(world.events("alert.acknowledged")) == 1
    assert [action for _, action, _ in audited(world)] == ["case.acknowledge", "case.confirm"]


def test_an_id_is_a_persons_own_and_of_one_action(world: World) -> None:
    case, other = opened(world), opened(world)
    world.do("cardiologist", "acknowledge", case, id="a-1")
    assert refused(lambda: world.do("cardiologist", "confirm", case, id="a-1")).type == "id-used"
    assert refused(lambda: world.do("cardiologist", "acknowledge", other, id="a-1")).status == 422
    assert world.do("second", "acknowledge", other, id="a-1")["state"] == "acknowledged"


def test_a_refused_action_keeps_no_id(world: World) -> None:
    case = opened(world)
    assert (
        refused(lambda: world.do("cardiologist", "downgrade", case, id="a-1", reason="x", colour="GREEN")).status == 422
    )
    assert world.rows(schema.action) == []
    assert (
        world.do("cardiologist", "downgrade", case, id="a-1", reason="other", colour="GREEN")["state"] == "downgraded"
    )


def test_an_answer_lost_with_the_server_is_the_case_as_it_is_now(world: World) -> None:
    """Killed between the two commits: the change is there, its answer was kept by nobody."""
    case = opened(world)
    request = review.Request("acknowledge", case, world.row(schema.case)["seq"], "a-1")
    world.ledger.write(lambda tx: review._act(tx, world.actors["cardiologist"], request))
    first = world.do("cardiologist", "acknowledge", case, id="a-1")
    assert first["state"] == "acknowledged"
    world.do("cardiologist", "confirm", case)
    assert world.do("cardiologist", "acknowledge", case, id="a-1") == first
    assert len(world.events("alert.acknowledged")) == 1


# --- two at once -----------------------------------------------------------------------------------------------------


def race(*works: Callable[[], Any]) -> list[Any]:
    outcomes: list[Any] = [None] * len(works)
    start = threading.Barrier(len(works))

    def run(number: int) -> None:
        start.wait()
        try:
            outcomes[number] = works[number]()
        except Problem as problem:
            outcomes[number] = problem

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return outcomes


def two_servers(world: World, url: str, request: pytest.FixtureRequest) -> World:
    """On PostgreSQL another server's ledger, else the same."""
    if not world.ledger.is_postgresql:
        return world
    other = other_ledger(world, url)
    request.addfinalizer(other.ledger.close)
    return other


def test_of_two_who_acknowledge_one_has_it(world: World, url: str, request: pytest.FixtureRequest) -> None:
    other = two_servers(world, url, request)
    for _ in range(4):
        case = opened(world)
        outcomes = race(
            lambda case=case: world.do("cardiologist", "acknowledge", case),
            lambda case=case: other.do("second", "acknowledge", case),
        )
        won = [outcome for outcome in outcomes if isinstance(outcome, dict)]
        lost = [outcome for outcome in outcomes if isinstance(outcome, Problem)]
        assert (len(won), [problem.status for problem in lost]) == (1, [409])
        assert {"confirm", "downgrade", "stand-down"} <= set(lost[0].more["legal"])
        assert world.row(schema.case, id=case)["owner_id"] == won[0]["owner"]["id"]


def test_one_persons_action_sent_twice_at_once_is_done_once(
    world: World, url: str, request: pytest.FixtureRequest
) -> None:
    other = two_servers(world, url, request)
    for number in range(4):
        case = opened(world)
        one, two = race(
            lambda case=case, n=number: world.do("cardiologist", "confirm", case, id=f"c-{n}"),
            lambda case=case, n=number: other.do("cardiologist", "confirm", case, id=f"c-{n}"),
        )
        assert one == two
        assert one["state"] == "confirmed"
    assert len([action for _, action, _ in audited(world) if action == "case.confirm"]) == 4


# --- who, and what is not there --------------------------------------------------------------------------------------


def test_a_role_that_cannot_and_a_case_that_is_not_there(world: World) -> None:
    case = opened(world)
    assert refused(lambda: world.do("coordinator", "confirm", case)).status == 403
    assert refused(lambda: world.do("clinic", "acknowledge", case)).status == 403
    assert refused(lambda: world.do("cardiologist", "acknowledge", "0" * 26, seen=1)).status == 404
    assert refused(lambda: world.do("cardiologist", "adjudicate", case)).type == "unknown-action"
    assert world.do("coordinator", "acknowledge", case)["seen_at"] is None  # seen is a cardiologist's look


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({}, "case-needed"),
        ({"case": 7, "seen": 1}, "case-needed"),
        ({"case": "c"}, "seen-needed"),
        ({"case": "c", "seen": True}, "seen-needed"),
        ({"case": "c", "seen": -1}, "seen-needed"),
        ({"case": "c", "seen": 2**80}, "seen-needed"),
        ({"case": "c", "seen": 1, "reason": 7}, "reason-kind"),
        ({"case": "c", "seen": 1, "note": "a\0b"}, "note-kind"),
        ({"case": "c", "seen": 1, "note": "\ud800"}, "note-kind"),
        ({"case": "c\0", "seen": 1}, "not-found"),
        ({"case": "\udfff", "seen": 1}, "not-found"),
    ],
)
def test_a_form_that_no_ledger_could_hold_is_refused_in_words(body: dict[str, Any], kind: str) -> None:
    assert refused(lambda: request_of("confirm", "id", body)).type == kind


@pytest.mark.parametrize("identity", ["", "x" * 201, "a\0", "\ud800"])
def test_an_id_that_no_ledger_could_hold_is_refused(identity: str) -> None:
    assert refused(lambda: request_of("confirm", identity, {"case": "c", "seen": 1})).type == "id-kind"


def test_every_action_of_the_table_has_its_code_and_its_route() -> None:
    from triage import states
    from triage.routes import router

    actions = {move.action for move in states.CASE.moves if move.who is not None}
    assert actions == set(review.ACTIONS)
    paths = {getattr(route, "path", "") for route in router.routes}
    assert {f"/v1/cases/{{case}}/{action}" for action in actions} <= paths


def test_the_first_look_of_a_cardiologist_is_seen_and_stays(world: World) -> None:
    import asyncio

    exam = world.sent(finding("E_AVR"))
    case = world.case_of(exam)["id"]
    looks = ("coordinator", "cardiologist", "second")
    for who in looks:
        world.clock.advance(1)
        found = asyncio.run(review.open_case(world.ledger, world.actors[who], case))
    assert found["seen_by"]["id"] == world.actors["cardiologist"].id
    assert world.actors["cardiologist"].role is Role.CARDIOLOGIST
    assert [(actor, action) for actor, action, _ in audited(world)] == [
        (world.actors[who].id, "case.read") for who in looks
    ]
    assert len([event for event in world.events("case.changed") if "seen_by" in event["data"]]) == 1
    with pytest.raises(Problem):
        asyncio.run(review.open_case(world.ledger, world.actors["clinic"], case))


# --- whose hand ------------------------------------------------------------------------------------------------------


def test_a_claim_is_seen_by_others_lasts_and_is_renewed(world: World) -> None:
    case = opened(world, YELLOW)
    taken = world.do("cardiologist", "claim", case)
    assert (taken["owner"]["id"], taken["state"]) == (world.actors["cardiologist"].id, "open")
    assert taken["owner_until_at"] == iso(world.clock.at + 300_000_000)
    assert world.worklist("second")[0]["owner"]["id"] == world.actors["cardiologist"].id
    problem = refused(lambda: world.do("second", "claim", case))
    assert (problem.status, problem.more["reasons"]) == (409, ["take_over"])
    world.clock.advance(200)
    world.do("cardiologist", "message", case, text="正在看")
    world.clock.advance(200)  # renewed by what its owner did
    assert refused(lambda: world.do("second", "claim", case)).status == 409
    world.clock.advance(101)
    assert world.do("second", "claim", case)["owner"]["id"] == world.actors["second"].id


def test_a_case_is_taken_over_only_knowingly(world: World) -> None:
    case = opened(world, YELLOW)
    before = world.row(schema.case, id=case)["seq"]
    world.do("cardiologist", "claim", case)
    assert refused(lambda: world.do("second", "claim", case, seen=before, reason="take_over")).status == 409
    mine = world.row(schema.case, id=case)["seq"]
    world.do("second", "claim", case, reason="take_over")
    problem = refused(lambda: world.do("cardiologist", "confirm", case, seen=mine))  # and the first one learns of it
    assert problem.more["case"]["owner"]["id"] == world.actors["second"].id


def test_a_released_case_calls_again_at_once(world: World) -> None:
    world.on_duty(first="cardiologist", backup="second", coordinator="coordinator")
    case = opened(world)
    world.do("cardiologist", "acknowledge", case)
    assert refused(lambda: world.do("second", "release", case)).status == 409
    assert world.climb() == 0
    released = world.do("cardiologist", "release", case)
    assert (released["owner"], released["owner_until_at"]) == (None, None)
    assert world.climb() == 1
    assert world.events("alert.climbed")[-1]["data"]["why"] == "undecided"


# --- to the clinic ---------------------------------------------------------------------------------------------------


def test_a_retake_names_the_electrodes_and_the_next_exam_is_linked(world: World) -> None:
    first = world.sent(RED, patient=WANG)
    case = world.case_of(first)["id"]
    problem = refused(lambda: world.do("cardiologist", "retake", case, reason="reversed"))
    assert (problem.type, "RA" in problem.more["electrodes"]) == ("electrodes-needed", True)
    assert refused(lambda: world.do("cardiologist", "retake", case, reason="x")).type == "reason-needed"
    odd: dict[str, Any] = {"reason": "off", "electrodes": ("V77",)}
    assert refused(lambda: world.do("cardiologist", "retake", case, **odd)).type == "electrodes-needed"
    world.do("cardiologist", "retake", case, reason="reversed", electrodes=("RA", "LA"))
    (advice,) = [one for one in world.shown(first)["advice"] if one["code"] == "RETAKE"]
    assert advice["zh"] == "医生请您重做一次心电图：右臂（红）、左臂（黄）电极可能接反，请核对。"
    assert "right arm (red) and left arm (yellow)" in advice["en"]
    seen = world.row(schema.case, id=case)["seq"]
    world.clock.advance(120)
    second = world.sent(GREEN, patient=WANG)
    shown = world.opened(case)
    assert shown["exams"] == [first, second]
    assert [(one["exam"], one["other"], one["how"]) for one in shown["links"]] == [(second, first, "retake")]
    # it came: whoever has not seen it asks for no other
    assert refused(lambda: world.do("cardiologist", "retake", case, seen=seen, reason="noise")).status == 409
    assert shown["colour"] == "RED"  # a better tracing lowers nothing by itself


def test_the_retake_of_a_stood_down_case_is_linked_too(world: World) -> None:
    first = world.sent(RED, patient=WANG)
    case = world.case_of(first)["id"]
    world.do("cardiologist", "retake", case, reason="noise")
    world.do("cardiologist", "stand-down", case, reason="artefact")
    second = world.sent(GREEN, patient=WANG)
    linked = {(row["exam_id"], row["other_id"]) for row in world.rows(schema.exam_link)}
    assert linked == {(second, first)}
    assert world.case_of(second)["id"] != case
    assert world.rows(schema.exam_link, exam_id=world.sent(GREEN)) == []  # nobody's is not


def test_a_message_is_read_back_in_the_clinics_words(world: World) -> None:
    exam = world.sent(ORANGE)
    case = world.case_of(exam)["id"]
    assert refused(lambda: world.do("coordinator", "message", case, text=" \n ")).type == "text-needed"
    sent = world.do("coordinator", "message", case, text="救护车\x00 20 分钟到")
    (message,) = sent["messages"]
    assert (message["text"], message["from"]["id"]) == ("救护车 20 分钟到", world.actors["coordinator"].id)
    assert world.events("message.sent")[-1]["data"]["message"] == message["id"]
    assert "救护车" not in json.dumps(world.events(), ensure_ascii=False)
    assert world.shown(exam)["messages"] == [message]
    before = world.row(schema.case, id=case)["seq"] - 1
    unseen = refused(lambda: world.do("clinic", "read-back", case, seen=before, message=message["id"]))
    assert unseen.status == 409
    assert refused(lambda: world.do("neighbour", "read-back", case, message=message["id"])).status == 404
    read = world.do("clinic", "read-back", case, message=message["id"], text="收到，20 分钟")
    assert (read["messages"][0]["read_back"], read["messages"][0]["read_back_at"]) == (
        "收到，20 分钟",
        iso(world.clock.at),
    )
    assert refused(lambda: world.do("clinic", "read-back", case, message=message["id"])).status == 409
    assert refused(lambda: world.do("clinic", "read-back", case, message="0" * 26)).status == 404
    assert read["read_back_at"] is None  # the answer is another matter


def test_a_coordinator_stops_the_calling_and_the_case_still_waits(world: World) -> None:
    case = opened(world)
    assert refused(lambda: world.do("coordinator", "stop", case, reason="tired")).type == "reason-needed"
    assert refused(lambda: world.do("cardiologist", "stop", case, reason="other")).status == 403
    stopped = world.do("coordinator", "stop", case, reason="handled_by_phone")
    assert (stopped["state"], stopped["alert"]["stop_reason"]) == ("open", "handled_by_phone")
    world.clock.advance(3600)
    assert world.climb() == 0
    assert case in {item["case"] for item in world.worklist()}
    assert refused(lambda: world.do("coordinator", "stop", case, reason="other")).status == 409
    assert world.do("cardiologist", "confirm", case)["state"] == "confirmed"
    assert {alert["state"] for alert in world.alerts(case)} == {"decided"}
