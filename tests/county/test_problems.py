"""Every error is a problem document in the language asked for, and OpenAPI says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from county.access import Action
from county.errors import NoCounty
from county.http import check_routes, install, permit, routes_of
from county.problem import PROBLEM, Problem, not_found
from county.routes import router
from ledger.database import LedgerBusy, LedgerUnavailable
from tests.county.browser import Browser

RAISED: dict[str, tuple[Exception, int, str]] = {
    "problem": (Problem(409, "not-now", "现在不行。", "Not now.", legal=["claim"]), 409, "not-now"),
    "hidden": (not_found(), 404, "not-found"),
    "county": (NoCounty("没有县。", "No county."), 422, "no-county"),
    "busy": (LedgerBusy("2000 wait"), 503, "unavailable"),
    "away": (LedgerUnavailable("no answer"), 503, "unavailable"),
    "refused": (OperationalError("SELECT", {"name": "张三"}, Exception("gone")), 503, "unavailable"),
    "media": (HTTPException(415), 415, "unsupported-media-type"),
    "tea": (HTTPException(418), 418, "refused"),
    "bug": (ZeroDivisionError("the name of a patient: 张三"), 500, "our-error"),
}


@pytest.fixture
def app() -> FastAPI:
    """The county's routes, and one that goes wrong in every way."""
    made = FastAPI(title="ecgnet", version="1")
    made.include_router(router)

    @made.get("/v1/wrong/{how}", dependencies=[permit(Action.PUBLIC)])
    async def wrong(how: str, number: int = 0) -> None:
        raise RAISED[how][0]

    install(made)
    return made


@pytest.fixture
def client(app: FastAPI) -> Iterator[Browser]:
    """Whoever asks."""
    with Browser(app) as opened:
        yield opened


@pytest.mark.parametrize("how", RAISED)
@pytest.mark.parametrize("language", ["zh-CN,zh;q=0.9", "en-GB,en;q=0.8"])
def test_an_error_is_a_problem_in_the_language_asked_for(client: Browser, how: str, language: str) -> None:
    _, status, kind = RAISED[how]
    answer = client.get(f"/v1/wrong/{how}", headers={"accept-language": language})
    document = answer.json()
    assert (answer.status_code, answer.headers["content-type"], document["type"]) == (status, PROBLEM, kind)
    assert {"type", "title", "status", "detail"} <= set(document)
    is_chinese = any("\u4e00" <= letter <= "\u9fff" for letter in document["title"] + document["detail"])
    assert is_chinese == language.startswith("zh")
    assert "张三" not in answer.text
    assert ("retry-after" in answer.headers) == (status == 503)


def test_what_would_be_legal_goes_with_the_problem(client: Browser) -> None:
    assert client.get("/v1/wrong/problem").json()["legal"] == ["claim"]


def test_a_route_that_is_not_there_is_as_one_that_is_hidden(client: Browser) -> None:
    assert client.get("/v1/nowhere").content == client.get("/v1/wrong/hidden").content


def test_a_wrong_method_says_which_are_right(client: Browser) -> None:
    answer = client.request("PUT", "/v1/wrong/tea")
    assert (answer.status_code, answer.headers["content-type"]) == (405, PROBLEM)
    assert answer.headers["allow"] == "GET"


def test_a_wrong_field_is_named_and_its_value_is_not_repeated(client: Browser) -> None:
    answer = client.get("/v1/wrong/tea?number=secret")
    assert (answer.status_code, answer.headers["content-type"]) == (422, PROBLEM)
    assert answer.json()["errors"] == [{"field": "query.number", "code": "int_parsing"}]
    assert "secret" not in answer.text


def test_openapi_says_that_errors_are_problems(app: FastAPI) -> None:
    schema: dict[str, Any] = app.openapi()
    assert app.openapi() is schema
    content = schema["paths"]["/v1/session"]["post"]["responses"]
    assert set(content) == {"200", "401", "403", "422", "429", "503"}
    problem = {PROBLEM: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    assert all(content[status]["content"] == problem for status in content if status != "200")
    assert schema["paths"]["/v1/wrong/{how}"]["get"]["responses"]["422"]["content"] == problem
    assert "HTTPValidationError" not in schema["components"]["schemas"]
    assert schema["components"]["schemas"]["ProblemDocument"]["required"] == ["type", "title", "status", "detail"]


async def unguarded(websocket: WebSocket) -> None:
    """Nobody asked who may."""


def test_a_route_that_names_no_action_stops_the_start(app: FastAPI) -> None:
    check_routes(app)
    assert {"/v1/session", "/v1/rosters", "/v1/sites"} <= {path for path, _ in routes_of(app)}
    of_the_app, of_a_router, websocket, plain, mounted = (FastAPI() for _ in range(5))
    of_the_app.get("/v1/open")(unguarded)
    inner, outer = APIRouter(), APIRouter(prefix="/v1")
    inner.get("/open")(unguarded)
    outer.include_router(inner)
    of_a_router.include_router(outer)
    websocket.add_api_websocket_route("/v1/open", unguarded)
    plain.add_route("/v1/open", unguarded)  # type: ignore[arg-type]
    mounted.mount("/v1/open", FastAPI())
    for unsafe in (of_the_app, of_a_router, websocket, plain, mounted):
        with pytest.raises(RuntimeError, match="/v1/open"):
            check_routes(unsafe)
