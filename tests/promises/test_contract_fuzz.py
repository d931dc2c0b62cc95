"""The contract under fire: requests made from /openapi.json and odd bytes; never a 500, only documented answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import content_type_conformance, not_a_server_error, status_code_conformance

from county import signin
from ledger import schema
from ledger.clock import ManualClock
from ledger.database import Ledger, make_engine
from ledger.migrate import migrate
from server.app import make_app
from server.settings import Settings
from tests.triage.kit import GREEN, RED, WANG, World, make_world

MIB = 1 << 20
EXAMPLES = 6  # of each operation and role: about 40 operations in some ten seconds
WHO = ("cardiologist", "coordinator", "clinic")
NOT_ATTACKED = {
    ("DELETE", "/v1/session"),  # ends the session that asks
    ("GET", "/readyz"),  # 503 here: the desk does not run
    ("POST", "/v1/uploads/{upload}"),  # only with X-HTTP-Method-Override, and 405 without
}


@schemathesis.serializer("application/offset+octet-stream")
def _as_it_is(_context: Any, value: Any) -> bytes:
    data = getattr(value, "data", value)
    return data if isinstance(data, bytes) else str(data).encode("utf-8", "replace")


@pytest.fixture
def world(engine_url: str) -> Iterator[World]:
    engine = make_engine(engine_url)
    migrate(engine)
    engine.dispose()
    clock = ManualClock()
    ledger = Ledger.open(engine_url, clock)
    yield make_world(ledger, clock)
    ledger.close()


@pytest.fixture
def app(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    monkeypatch.setattr(signin, "WRONG_AFTER_S", 0.01)  # wrong passwords and codes are tried by the dozen
    return make_app(world.ledger, Settings(data=tmp_path, max_body_bytes=MIB))


def without_lifespan(app: FastAPI) -> Any:
    """The application without its desk: the client would start analyser processes for each request."""

    async def bare(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    return bare


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("who", WHO)
def test_every_request_made_from_the_schema_gets_a_documented_answer(world: World, app: FastAPI, who: str) -> None:
    world.sent(RED, patient=WANG)
    world.sent(GREEN)
    headers = {"Authorization": f"Bearer {world.tokens[who]}"}
    contract = schemathesis.openapi.from_asgi("/openapi.json", without_lifespan(app))
    tried = 0
    for found in contract.get_all_operations():
        operation = found.ok()  # pyright: ignore[reportAttributeAccessIssue] (an Err would raise, as it should)
        if (operation.method.upper(), operation.path) in NOT_ATTACKED:
            continue

        @given(case=operation.as_strategy())
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
        )
        def attack(case: Any) -> None:
            nonlocal tried
            tried += 1
            case.call_and_validate(
                headers=headers, checks=[not_a_server_error, status_code_conformance, content_type_conformance]
            )

        attack()
    assert tried > 25 * EXAMPLES // 2


ODD = ["%00", "a%00b", "%ED%A0%80", "%FF", "x" * 5000, "%F0%9F%92%80", "'%20OR%201=1--", "..", "1e400"]


@pytest.mark.parametrize("path", [
    "/v1/cases/{}", "/v1/exams/{}", "/v1/exams/{}/original", "/v1/exams/{}/analysis", "/v1/exams/{}/samples",
    "/v1/exams/{}/drawing.svg", "/v1/worklist?cursor={}", "/v1/exams?cursor={}",
])  # fmt: skip
def test_odd_ids_and_cursors_never_were(world: World, app: FastAPI, path: str) -> None:
    wanted = 422 if "cursor" in path else 404
    for odd in ODD:
        assert _ask(world, app, "GET", path.format(odd)).status_code == wanted, odd


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        ".",
        "..",
        "1",
        "1.2",
        "1.2.3.4",
        "-1.2.a",
        "0.0.",
        f"{2**63}.1.a",
        f"1.{2**63}.a",
        "1_0.x.a",
        "1.2.%00",
        "a.b.c",
    ],
)
def test_a_cursor_that_is_none_of_ours(world: World, app: FastAPI, cursor: str) -> None:
    for path in ("/v1/worklist", "/v1/exams"):
        answer = _ask(world, app, "GET", f"{path}?cursor={cursor}")
        if path == "/v1/exams" and cursor == "1.2":
            assert answer.json()["items"] == []
            continue
        assert (answer.status_code, answer.json()["type"]) == (422, "bad-cursor"), path


def test_pages_follow_each_other_without_gap_or_repeat(world: World, app: FastAPI) -> None:
    from triage import views

    exams = [world.sent(finding) for finding in (RED, GREEN, RED, GREEN, RED)]
    actor = world.actors["cardiologist"]
    for list_ in (views.worklist, views.exams):
        seen: list[str] = []
        cursor: str | None = None
        while True:
            page = world.ledger.read(lambda connection, c=cursor, one=list_: one(connection, actor, c, 2))
            seen += [item["exam"] for item in page["items"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert sorted(seen) == sorted(exams)
    assert _ask(world, app, "GET", "/v1/worklist").json()["seq"] == world.events()[-1]["seq"]


BODIES: list[Any] = [
    None, [], "x", 1, {}, {"seen": None}, {"seen": "1"}, {"seen": -1}, {"seen": 2**70}, {"seen": True},
    {"seen": 1, "id": 7}, {"seen": 1, "id": ""}, {"seen": 1, "id": "\u0000"}, {"seen": 1, "id": "x" * 10_000},
    {"seen": 1, "reason": ["other"]}, {"seen": 1, "reason": "\u0000"}, {"seen": 1, "note": 1, "reason": "other"},
]  # fmt: skip


def test_odd_actions_are_refused_in_words(world: World, app: FastAPI) -> None:
    case = world.case_of(world.sent(RED))["id"]
    for body in BODIES:
        for action in ("acknowledge", "confirm", "downgrade", "stand-down"):
            answer = _ask(world, app, "POST", f"/v1/cases/{case}/{action}", json=body)
            assert answer.status_code in (409, 422), (action, body, answer.text)
            assert answer.json()["detail"]
    half = b'{"seen": 1, "id": "\\ud800", "reason": "other"}'
    headers = {"Content-Type": "application/json"}
    for content in (half, b"", b"{", b"\xff", b"[" * 3000):
        answer = _ask(world, app, "POST", f"/v1/cases/{case}/stand-down", content=content, headers=headers)
        assert answer.status_code in (400, 422), content
    assert world.row(schema.case, id=case)["state"] == "open"


def _ask(world: World, app: FastAPI, method: str, path: str, **more: Any) -> httpx.Response:
    headers = more.pop("headers", {}) | {"Authorization": f"Bearer {world.tokens['cardiologist']}"}

    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://ecg.test") as client:
            return await client.request(method, path, headers=headers, **more)

    return asyncio.run(once())
