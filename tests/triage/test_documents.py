"""Every real answer of the desk is of its declared type: no field too many, none too few, in each stage of a case."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pydantic import BaseModel

from county.access import Actor
from ingest.identity import Identity
from tests.triage.kit import GREEN, RED, WANG, YELLOW, World
from triage import analyser, documents, figures, review, routes, views

CONTRACT = {  # ARCHITECTURE.md §6, by hand
    documents.Item: {
        "case", "colour", "reason", "state", "owner", "site", "phone", "patient", "grade", "opened_at", "due_at"
    },
    documents.CaseDocument: {"exam", "exams", "owner_at", "acknowledged_at", "legal", "history"},
    documents.ExamDocument: {
        "exam", "sha256", "bytes", "received_at", "status", "case", "grade", "advice", "colour", "stages"
    },
    documents.Stages: {"received_at", "analysed_at", "seen_at", "seen_by", "answered_at", "answer"},
}  # fmt: skip


def is_of(model: type[BaseModel], answer: Any) -> None:
    """The answer as it goes over the line has exactly the type's fields."""
    over_the_line = json.loads(json.dumps(answer, allow_nan=False))
    model.model_validate(over_the_line)


def everything(world: World) -> None:
    """Every answer that anybody can get now."""

    def read(connection: Any, actor: Actor) -> None:
        is_of(documents.Worklist, views.worklist(connection, actor, None))
        is_of(documents.Exams, views.exams(connection, actor, None))
        is_of(documents.Figures, figures.board(connection, actor, world.clock.at))

    for who in ("cardiologist", "coordinator"):
        world.ledger.read(lambda connection, actor=world.actors[who]: read(connection, actor))
    for row in world.rows(analyser.schema.case):
        found = asyncio.run(review.open_case(world.ledger, world.actors["coordinator"], row["id"]))
        is_of(documents.CaseDocument, found)
    for row in world.rows(analyser.schema.exam):
        is_of(documents.ExamDocument, world.shown(row["id"], "cardiologist"))


def test_every_stage_is_of_its_type(world: World) -> None:
    exams = [world.exam(), world.unread(urgent=True), world.sent(GREEN), world.sent(YELLOW, patient=WANG)]
    world.say(exams[3], patient=Identity(name="李桂兰", sex="female", card="C-9", id_number="110101195803020011"))
    assert world.shown(exams[3])["conflicts"][0]["id_tail"] == "0011"
    problem = {"problem": {"code": "X", "zh": "不行", "en": "no"}}
    broken = world.exam()
    world.ledger.write(lambda tx: analyser.finish(tx, world.county, broken, "cannot-read", problem))
    world.rate()
    everything(world)
    red = world.sent(RED, symptoms=("chest_pain",), onset_at=world.clock.at, fmc_at=world.clock.at)
    case = world.case_of(red)["id"]
    world.clock.advance(61)
    world.climb()
    everything(world)
    world.do("cardiologist", "acknowledge", case)
    everything(world)
    is_of(documents.CaseDocument, world.do("cardiologist", "stand-down", case, reason="other", note="已电话"))
    everything(world)
    is_of(documents.CaseDocument, world.do("clinic", "read-back", case))
    world.do("second", "confirm", world.case_of(exams[1])["id"])
    everything(world)


def test_the_contracts_fields_are_there() -> None:
    for model, fields in CONTRACT.items():
        assert fields <= set(model.model_fields)


@pytest.mark.parametrize("path", ["/v1/worklist", "/v1/cases/{case}", "/v1/exams", "/v1/exams/{exam}", "/v1/figures"])
def test_openapi_names_the_types(path: str) -> None:
    from fastapi import FastAPI

    app = FastAPI()
    app.include_router(routes.router)
    schema = app.openapi()["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema["$ref"].startswith("#/components/schemas/")


def test_figures_have_no_name_and_no_median_of_few(world: World) -> None:
    def board() -> dict[str, Any]:
        return world.ledger.read(
            lambda connection: figures.board(connection, world.actors["coordinator"], world.clock.at)
        )

    assert board()["alert_to_ack"] == {"median_s": None, "n": 0, "values_s": []}
    for seconds in (10, 30, 20, 50, 40):
        case = world.case_of(world.sent(RED, patient=WANG))["id"]
        world.clock.advance(seconds)
        assert board()["alert_to_ack"]["median_s"] is None
        assert "王建国" not in json.dumps(board(), ensure_ascii=False)
        world.do("cardiologist", "confirm", case)
    shown = board()
    assert shown["alert_to_ack"] == {"median_s": 30.0, "n": 5, "values_s": [10.0, 30.0, 20.0, 50.0, 40.0]}
    assert (shown["today"]["exams"], shown["today"]["red"], shown["open"]) == (5, 5, [])


def test_the_first_ecg_counts_a_wrong_stamp_as_not_met(world: World) -> None:
    minute = 60_000_000
    for before in (5 * minute, 10 * minute, 10 * minute + 1, -minute):
        world.sent(GREEN, fmc_at=world.clock.at - before)
    world.sent(GREEN)
    shown = world.ledger.read(lambda connection: figures.board(connection, world.actors["coordinator"], world.clock.at))
    assert shown["today"]["first_ecg_10min"] == {"met": 2, "of": 4}


def test_the_day_begins_at_midnight_in_china() -> None:
    from ledger.clock import instant

    began = figures.day_began(instant("2026-11-24T16:00:00+00:00"))
    assert began == instant("2026-11-25T00:00:00+08:00")
    assert figures.day_began(began - 1) == instant("2026-11-24T00:00:00+08:00")
