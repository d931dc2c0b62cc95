"""A report: proposed by the machine, decided line by line, signed by a person, amended and never changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from county.problem import Problem
from ledger import schema
from ledger.clock import iso
from tests.triage.kit import GREEN, PASSWORD, RED, WANG, World, finding

LAFB = finding("C_LAFB")


def refused(work: Callable[[], Any]) -> Problem:
    with pytest.raises(Problem) as found:
        work()
    assert found.value.zh
    assert found.value.en
    return found.value


@pytest.fixture
def signing(world: World) -> World:
    world.passwords()
    return world


def case_of(world: World, *findings: dict[str, Any], **said: Any) -> str:
    return world.case_of(world.sent(*(findings or (RED, LAFB)), **said))["id"]


def test_the_machine_proposes_and_states_nothing(world: World) -> None:
    report = world.opened(case_of(world))["report"]
    assert (report["state"], report["id"], report["number"]) == (None, None, 0)
    assert [(one["code"], one["from"], one["accepted"]) for one in report["statements"]] == [
        ("STEMI_INF", "finding", None),
        ("C_LAFB", "finding", None),
    ]
    assert world.rows(schema.report) == []
    assert world.opened(world.case_of(world.unread())["id"])["report"] is None


def test_from_the_draft_to_the_signature(signing: World) -> None:
    world = signing
    case = case_of(world, patient=WANG)
    world.do("cardiologist", "acknowledge", case)
    drafted = world.draft(case, "STEMI_INF", "R_SINUS", text="建议立即转运")
    assert [(one["code"], one["from"], one["accepted"]) for one in drafted["report"]["statements"]] == [
        ("STEMI_INF", "finding", True),
        ("C_LAFB", "finding", False),
        ("R_SINUS", "doctor", True),
    ]
    assert (drafted["report"]["state"], drafted["state"]) == ("draft", "acknowledged")
    assert "sign" in drafted["legal"]
    world.clock.advance(30)
    signed = world.do("cardiologist", "sign", case, password=PASSWORD)
    report, doctor = signed["report"], {"id": world.actors["cardiologist"].id, "name": "青石县cardiologist"}
    assert (report["state"], report["signed_by"], report["signed_at"]) == ("signed", doctor, iso(world.clock.at))
    assert (report["text"], report["number"], report["exam"]) == ("建议立即转运", 1, signed["exam"])
    assert (signed["state"], signed["answer"]["colour"], signed["answer"]["decision"]) == ("confirmed", "RED", "sign")
    assert "amend" in signed["legal"]
    assert "sign" not in signed["legal"]
    (told,) = world.events("case.signed")
    assert told["data"]["report"] == {"id": report["id"], "state": "signed"}
    assert {alert["state"] for alert in world.alerts(case)} == {"decided"}
    assert world.worklist() == []
    audits = world.rows(schema.audit, action="case.sign")
    assert len(audits) == 1
    assert PASSWORD not in str(world.rows(schema.audit)) + str(world.rows(schema.action)) + str(world.events())


def test_nobody_signs_what_nobody_decided(signing: World) -> None:
    world = signing
    case = case_of(world)
    world.do("cardiologist", "statements", case, statements=({"code": "STEMI_INF", "accepted": True},))
    problem = refused(lambda: world.do("cardiologist", "sign", case, password=PASSWORD))
    assert (problem.type, problem.more["codes"]) == ("findings-undecided", ["C_LAFB"])
    world.draft(case)  # everything rejected, nothing said
    assert refused(lambda: world.do("cardiologist", "sign", case, password=PASSWORD)).type == "nothing-stated"
    world.do("cardiologist", "statements", case, text="窦性心律，未见异常")
    assert world.do("cardiologist", "sign", case, password=PASSWORD)["report"]["state"] == "signed"


def test_a_signature_takes_the_password_and_guessing_ends(signing: World) -> None:
    world = signing
    case = case_of(world)
    world.draft(case, "STEMI_INF")
    assert refused(lambda: world.do("cardiologist", "sign", case)).type == "password-needed"
    for _ in range(10):
        problem = refused(lambda: world.do("cardiologist", "sign", case, password="guess"))
        assert (problem.status, problem.type) == (403, "wrong-password")
    problem = refused(lambda: world.do("cardiologist", "sign", case, password=PASSWORD))
    assert (problem.status, int(problem.headers["Retry-After"]) > 0) == (429, True)
    world.clock.advance(301)
    assert world.do("cardiologist", "sign", case, password=PASSWORD)["report"]["state"] == "signed"


def test_nobody_signs_what_was_not_on_the_screen(signing: World) -> None:
    world = signing
    case = case_of(world, GREEN, patient=WANG)
    seen = world.draft(case, "N_NORMAL")["seq"]
    world.sent(RED, patient=WANG)  # a newer exam of the same patient
    problem = refused(lambda: world.do("cardiologist", "sign", case, seen=seen, password=PASSWORD))
    assert (problem.status, problem.more["case"]["colour"]) == (409, "RED")
    # even with the new number: the draft is of the exam before
    assert refused(lambda: world.do("cardiologist", "sign", case, password=PASSWORD)).status == 409
    world.draft(case, "STEMI_INF")
    assert world.do("cardiologist", "sign", case, password=PASSWORD)["answer"]["colour"] == "RED"


def test_a_draft_that_another_wrote_is_not_signed_unseen(signing: World) -> None:
    world = signing
    case = case_of(world)
    seen = world.draft(case, "STEMI_INF")["seq"]
    world.clock.advance(301)  # the lease has ended
    world.draft(case, "C_LAFB", who="second")
    problem = refused(lambda: world.do("cardiologist", "sign", case, seen=seen, password=PASSWORD))
    assert problem.status == 409
    assert world.rows(schema.report)[0]["state"] == "draft"


def test_an_amendment_says_why_and_the_first_report_stays(signing: World) -> None:
    world = signing
    case = case_of(world)
    world.draft(case, "STEMI_INF")
    first = world.do("cardiologist", "sign", case, password=PASSWORD)["report"]
    world.do("clinic", "read-back", case)
    said = ({"code": "STEMI_INF", "accepted": False}, {"code": "C_LAFB", "accepted": True}, {"code": "T_ER"})
    amend: dict[str, Any] = {"statements": said, "password": PASSWORD}
    assert refused(lambda: world.do("second", "amend", case, **amend)).type == "note-needed"
    amended = world.do("second", "amend", case, **amend, note="对照旧图", colour="YELLOW")
    report = amended["report"]
    assert (report["number"], report["amends"], report["reason"]) == (2, first["id"], "对照旧图")
    assert report["signed_by"]["id"] == world.actors["second"].id
    (earlier,) = amended["earlier_reports"]
    assert earlier == {**first, "state": "amended"}
    assert (amended["answer"]["colour"], amended["answer"]["decision"], amended["read_back_at"]) == (
        "YELLOW",
        "amend",
        None,
    )
    assert amended["state"] == "confirmed"
    world.do("clinic", "read-back", case)  # the new answer is read back like the first
    assert refused(lambda: world.do("cardiologist", "statements", case)).status == 409


def test_a_statement_is_found_or_of_the_catalogue(world: World) -> None:
    case = case_of(world)
    problem = refused(lambda: world.do("cardiologist", "statements", case, statements=({"code": "X_NEW"},)))
    assert (problem.type, problem.more["code"]) == ("unknown-statement", "X_NEW")


def test_while_another_reads_nobody_writes(world: World) -> None:
    case = case_of(world)
    world.draft(case, "STEMI_INF")
    seen = world.opened(case, "second")
    assert seen["owner"]["id"] == world.actors["cardiologist"].id
    assert not {"statements", "sign"} & set(seen["legal"])
    assert refused(lambda: world.draft(case, "C_LAFB", who="second")).status == 409
    world.do("second", "claim", case, reason="take_over")
    assert world.draft(case, "C_LAFB", who="second")["owner"]["id"] == world.actors["second"].id
