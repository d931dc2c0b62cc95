"""Signing in and out, over HTTP and on a websocket: what opens, what does not, and what a stranger learns."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, WebSocket

from county import counties, devices, guesses, passwords, people, rosters, secrets, signin
from county.access import Action, Actor
from county.http import CurrentActor, check_routes, current_actor, install, permit
from county.problem import PROBLEM, Problem
from county.routes import router
from ledger import schema
from ledger.clock import SECOND, iso
from ledger.ids import new_id
from tests.county.browser import Browser
from tests.county.world import PASSWORD, World, on_sqlite

HERE = "http://ecg.test"


def in_a_loop(test: Callable[[World], Coroutine[Any, Any, None]]) -> Callable[[World], None]:
    """Run an asynchronous test."""

    def run(world: World) -> None:
        asyncio.run(test(world))

    return run


def make_app(world: World) -> FastAPI:
    """The county's routes, one route that changes something, and a websocket."""
    app = FastAPI()
    app.state.ledger = world.ledger
    app.include_router(router)

    @app.post("/v1/change", dependencies=[permit(Action.OWN_SESSION)])
    async def change(actor: CurrentActor) -> str:
        return actor.name

    @app.post("/v1/send", dependencies=[permit(Action.SEND)])
    async def send(actor: CurrentActor) -> str:
        return actor.name

    async def feed(websocket: WebSocket) -> None:
        try:
            actor = await current_actor(websocket)
        except Problem as problem:
            await websocket.close(4400 + problem.status % 100)
            return
        await websocket.accept()
        await websocket.send_text(actor.name)
        await websocket.close()

    feed.checks_actor = True  # type: ignore[attr-defined]
    app.add_api_websocket_route("/v1/feed", feed)
    install(app)
    check_routes(app)
    return app


@pytest.fixture
def client(world: World) -> Iterator[Browser]:
    """A browser that has just opened the page."""
    with Browser(make_app(world), origin=HERE) as opened:
        yield opened


def sign_in(client: Browser, name: str = "心内", password: str = PASSWORD, **more: str) -> httpx.Response:
    return client.post("/v1/session", json={"name": name, "password": password, **more})


def bearer(secret: str) -> dict[str, str]:
    return {"authorization": f"Bearer {secret}"}


def greeting(client: Browser, **headers: str) -> str:
    """What the websocket answers at once: whom it knows, or why it closed."""
    sent = client.websocket("/v1/feed", **headers)
    return sent[1]["text"] if len(sent) > 1 else f"closed {sent[0]['code']}"


def assert_problem(answer: Any, status: int, kind: str) -> None:
    assert (answer.status_code, answer.headers["content-type"], answer.json()["type"]) == (status, PROBLEM, kind)


# --- in --------------------------------------------------------------------------------------------------------------


def test_a_person_signs_in_and_the_cookie_and_the_token_open_the_same(client: Browser, world: World) -> None:
    answer = sign_in(client)
    body, person = (
        answer.json(),
        {"id": world.people["cardiologist"], "name": "心内", "role": "cardiologist", "sites": []},
    )
    expires_at = iso(world.clock.now() + signin.SESSION_S * SECOND)
    assert body == {"token": body["token"], "expires_at": expires_at, "person": person}
    cookie = answer.headers["set-cookie"]
    assert f"{signin.COOKIE}={body['token']}" in cookie
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    county = {"id": world.county, "name": "青石县", "phone": "0996-120"}
    by_cookie = client.get("/v1/session")
    assert by_cookie.json() == {"person": person, "expires_at": expires_at, "county": county, "site": None}
    client.cookies.clear()
    assert client.get("/v1/session", headers=bearer(body["token"])).json() == by_cookie.json()
    assert_problem(client.get("/v1/session"), 401, "not-signed-in")


@on_sqlite
def test_a_clinic_sees_its_site(client: Browser, world: World) -> None:
    assert sign_in(client, "村医").json()["person"]["sites"] == [world.site]
    site = {"id": world.site, "name": "上坪村卫生室", "township": "上坪乡", "phone": "0996-1"}
    assert client.get("/v1/session").json()["site"] == site


@on_sqlite
def test_the_cookie_is_secure_under_tls(world: World) -> None:
    secure = "https://ecg.test"
    with Browser(make_app(world), secure, origin=secure) as client:
        assert "Secure" in sign_in(client).headers["set-cookie"].split("; ")


@on_sqlite
def test_nothing_secret_is_kept_or_logged(
    client: Browser, world: World, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    token = sign_in(client).json()["token"]
    sign_in(client, password="my other secret")
    sign_in(client, name="my secret in the wrong field")
    malformed = client.post("/v1/session", json={"name": {"my": "secret"}, "password": ["my secret"]})
    assert_problem(malformed, 422, "invalid")
    kept = "".join(str(world.rows(table)) for table in schema.metadata.sorted_tables)
    seen = caplog.text + "".join(capfd.readouterr()) + malformed.text
    for secret in (token, PASSWORD, "my other secret", "my secret"):
        assert secret not in kept + seen
    (row,) = world.rows(schema.session)
    assert row["token_hash"] == secrets.fingerprint(token)


def test_an_unknown_name_takes_the_steps_of_a_wrong_password(
    client: Browser, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified: list[passwords.PasswordHash] = []
    real = passwords.verify

    def counting(kept: passwords.PasswordHash, password: str) -> bool:
        verified.append(kept)
        return real(kept, password)

    monkeypatch.setattr(passwords, "verify", counting)
    monkeypatch.setattr(signin, "WRONG_AFTER_S", 0.15)
    world.ledger.write(lambda tx: people.disable(tx, world.county, world.people["administrator"]))
    answers: list[httpx.Response] = []
    # a wrong password, and five who are not there: unknown, no name at all, no text, another county's, who has left
    for name, more in (
        ("心内", {}),
        ("谁", {}),
        ("", {}),
        ("a\x00b", {}),
        ("心内", {"county": "别处"}),
        ("管理", {}),
    ):
        began = time.monotonic()
        answers.append(sign_in(client, name, "wrong password", **more))
        assert time.monotonic() - began >= 0.15
    assert {answer.content for answer in answers} == {answers[0].content}
    assert_problem(answers[0], 401, "wrong-name-or-password")
    assert len(verified) == 6
    assert set(verified[1:]) == {passwords.nobodys_hash()}
    refused = [row for row in world.rows(schema.audit) if row["action"] == "session.refused"]
    known = world.people["cardiologist"]
    assert [row["actor"] for row in refused] == [known, *[signin.MISTYPED] * 4], "another county has another audit"


def test_a_lone_surrogate_is_a_wrong_password_and_no_crash(client: Browser) -> None:
    body = b'{"name": "\\ud800", "password": "\\ud800"}'
    answer = client.post("/v1/session", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (401, 422)
    assert client.get("/v1/session", headers={"authorization": b"Bearer es_\x80\xff"}).status_code == 401


def test_guessing_ends_after_ten_failures_and_begins_again_after_the_window(client: Browser, world: World) -> None:
    sign_in(client, password="wrong password")
    assert sign_in(client).status_code == 200, "who gets in at last is forgiven the typing errors"
    for _ in range(guesses.MOST["pair"]):
        assert sign_in(client, password="wrong password").status_code == 401
    world.clock.advance(60)
    refused = sign_in(client)
    assert_problem(refused, 429, "too-often")
    assert refused.headers["retry-after"] == str(guesses.WINDOW_S - 60)
    assert sign_in(client, "协调").status_code == 200, "a colleague at the same address is not locked out"
    world.clock.advance(guesses.WINDOW_S - 60)
    assert sign_in(client).status_code == 200


@in_a_loop
async def test_failures_of_a_name_and_of_an_address_are_counted_too(world: World) -> None:
    async def guess(name: str, address: str) -> int:
        try:
            await signin.sign_in(world.ledger, name, "wrong password", address=address)
        except Problem as problem:
            return problem.status
        return 200

    for number in range(guesses.MOST["address"]):
        assert await guess(f"name {number}", f"2001:db8::{number + 1}") == 401
    assert await guess("another", "2001:db8::ffff") == 429, "a /64 is one machine"
    assert await guess("another", "2001:db8:0:1::1") == 401
    for number in range(guesses.MOST["name"]):
        assert await guess("心内", f"10.0.0.{number}") == 401
    assert await guess("心内", "10.0.1.1") == 429
    world.clock.advance(guesses.WINDOW_S)
    await guess("x", "10.0.0.1")
    assert len(world.rows(schema.signin_failure)) == 3, "windows that have passed leave no row"


@in_a_loop
async def test_many_guesses_at_once_do_not_pass_the_limit(world: World) -> None:
    tries = [signin.sign_in(world.ledger, "心内", "wrong password", address="10.0.0.1") for _ in range(40)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    statuses = [outcome.status for outcome in outcomes if isinstance(outcome, Problem)]
    assert len(statuses) == 40
    assert guesses.MOST["pair"] <= statuses.count(401) <= guesses.MOST["pair"] + 1


def test_where_there_are_several_counties_one_says_which(client: Browser, world: World) -> None:
    other = world.ledger.write(lambda tx: counties.add_county(tx, "白水县"))
    people.create(world.ledger, other, "心内", "cardiologist", "another password")
    unsaid = sign_in(client)
    assert_problem(unsaid, 422, "which-county")
    assert "青石县" not in unsaid.text, "a stranger is not told what there is"
    assert sign_in(client, county="青石县").status_code == 200
    assert client.get("/v1/session").json()["county"]["id"] == world.county
    assert sign_in(client, county=other).status_code == 401
    assert sign_in(client, password="another password", county=other).status_code == 200


# --- what opens ------------------------------------------------------------------------------------------------------


@on_sqlite
def test_what_opens_nothing(client: Browser, world: World) -> None:
    token = sign_in(client).json()["token"]
    client.cookies.clear()
    nothing = client.get("/v1/session")
    assert nothing.headers["www-authenticate"] == "Bearer"
    tries = [
        {},
        bearer(""),
        bearer("es_"),
        bearer(new_id()),
        bearer(token[:-1]),
        bearer(token.upper()),
        bearer(f"ek_{token[3:]}"),
    ]
    tries += [{"authorization": token}, {"authorization": f"Basic {token}"}, {"cookie": f"{signin.COOKIE}={world.key}"}]
    for headers in tries:
        answer = client.get("/v1/session", headers=headers)
        assert (answer.status_code, answer.content) == (401, nothing.content), headers


def test_a_device_acts_as_its_clinic_until_its_key_is_revoked(client: Browser, world: World) -> None:
    headers = bearer(world.key)
    assert client.post("/v1/send", headers=headers).json() == "上坪村卫生室"
    assert_problem(client.get("/v1/session", headers=headers), 403, "not-permitted")
    assert_problem(client.delete("/v1/session", headers=headers), 403, "not-permitted")
    assert greeting(client, **headers) == "上坪村卫生室"
    actor = actor_of(world, world.key)
    assert is_live(world, actor)
    world.ledger.write(lambda tx: devices.revoke(tx, world.county, world.device))
    assert_problem(client.post("/v1/send", headers=headers), 401, "not-signed-in")
    assert not is_live(world, actor)


def test_a_session_expires(client: Browser, world: World) -> None:
    sign_in(client)
    world.clock.advance(signin.SESSION_S - 1)
    assert client.get("/v1/session").status_code == 200
    world.clock.advance(1)
    assert_problem(client.get("/v1/session"), 401, "not-signed-in")


@in_a_loop
async def test_a_session_with_an_open_feed_does_not_expire_in_the_middle_of_the_night(world: World) -> None:
    begun = await signin.sign_in(world.ledger, "心内", PASSWORD)
    actor = actor_of(world, begun.token)
    for _ in range(signin.SESSION_S // 600 + 12):
        world.clock.advance(600)
        going = going_on(world, actor)
        assert going.keys() == {actor}
        await signin.extend(world.ledger, going.values())
    last = going_on(world, actor)
    world.clock.advance(signin.FEED_S)
    await signin.extend(world.ledger, last.values())
    assert not is_live(world, actor), "nobody calls it back once it has ended"


def test_signing_out_ends_every_session_of_the_person_at_once(client: Browser, world: World) -> None:
    first = sign_in(client).json()["token"]
    sign_in(client, "协调")
    colleague = client.cookies[signin.COOKIE]
    client.cookies.clear()
    sign_in(client)
    actors = [actor_of(world, token) for token in (first, colleague, client.cookies[signin.COOKIE])]
    answer = client.delete("/v1/session")
    assert (answer.status_code, answer.content) == (204, b"")
    assert signin.COOKIE not in client.cookies
    for token, status in ((first, 401), (colleague, 200)):
        assert client.get("/v1/session", headers=bearer(token)).status_code == status
    assert going_on(world, *actors).keys() == {actors[1]}
    assert [row["action"] for row in world.rows(schema.audit)][-1] == "session.end"


@on_sqlite
def test_who_has_left_is_out_at_once(client: Browser, world: World) -> None:
    sign_in(client)
    world.ledger.write(lambda tx: people.disable(tx, world.county, world.people["cardiologist"]))
    assert client.get("/v1/session").status_code == 401


@on_sqlite
def test_another_sites_page_can_do_nothing_with_the_cookie(client: Browser) -> None:
    token = sign_in(client).json()["token"]
    assert client.post("/v1/change").json() == "心内"
    del client.headers["origin"]
    assert_problem(client.post("/v1/change"), 403, "wrong-origin")
    for origin in ("http://evil.test", "null", "http://ecg.test.evil.test", "http://ecg.test:8080", "ftp://ecg.test"):
        headers = {"origin": origin}
        assert_problem(client.post("/v1/change", headers=headers), 403, "wrong-origin")
        assert_problem(client.delete("/v1/session", headers=headers), 403, "wrong-origin")
        assert client.get("/v1/session", headers=headers).status_code == 200, "reading is the browser's to refuse"
        assert client.post("/v1/change", headers={**headers, **bearer(token)}).status_code == 200
        assert greeting(client, **headers) == "closed 4403"
        wrong = client.post("/v1/session", json={"name": "心内", "password": PASSWORD}, headers=headers)
        assert_problem(wrong, 403, "wrong-origin")
    assert greeting(client) == "closed 4403", "no origin is no browser: it has no cookie of ours"
    assert greeting(client, origin=HERE) == "心内"


@pytest.mark.parametrize(
    ("origin", "host", "is_tls", "ours"),
    [
        ("https://ecg.test", "ecg.test", True, True),
        ("https://ecg.test", "ECG.test:443", True, True),
        ("https://ecg.test:8765", "ecg.test:8765", True, True),
        ("https://ecg.test", "ecg.test", False, True),  # a proxy that is not trusted ends TLS
        ("http://ecg.test", "ecg.test", True, False),
        ("http://ecg.test:80", "ecg.test", False, True),
        ("http://[::1]:8765", "[::1]:8765", False, True),
        ("http://ecg.test", "", False, False),
        ("http://", "", False, False),
        ("", "ecg.test", False, False),
        ("https://partner.test", "ecg.test", True, True),
    ],
)
def test_whose_page_it_is(origin: str, host: str, is_tls: bool, ours: bool) -> None:
    assert signin.is_ours(origin, host, is_tls, ["https://partner.test"]) is ours


# --- what one sees ---------------------------------------------------------------------------------------------------


@on_sqlite
def test_who_sees_the_roster_and_the_sites(client: Browser, world: World) -> None:
    now, hour = world.clock.now(), 3600 * SECOND
    doctor = world.people["cardiologist"]
    world.ledger.write(lambda tx: rosters.add(tx, world.county, "first", doctor, now - hour, now + hour))
    world.ledger.write(lambda tx: rosters.add(tx, world.county, "backup", doctor, now + hour, now + 2 * hour))
    people.create(world.ledger, world.county, "站医", "cardiologist", PASSWORD, world.site)
    person = {"id": doctor, "name": "心内", "phone": "13800001"}
    shift = {"slot": "backup", "person": person, "from_at": iso(now + hour), "to_at": iso(now + 2 * hour)}
    running = {"slot": "first", "person": person, "to_at": iso(now + hour)}
    for name in ("心内", "协调"):
        sign_in(client, name)
        roster = client.get("/v1/rosters").json()
        assert [{**one, "id": None} for one in roster["now"]] == [{**running, "id": None}]
        assert [{**one, "id": None} for one in roster["next"]] == [{**shift, "id": None}]
        assert [one["id"] for one in client.get("/v1/sites").json()["items"]] == [world.site, world.other_site]
    sign_in(client, "站医")
    assert client.get("/v1/rosters").status_code == 404
    (seen,) = client.get("/v1/sites").json()["items"]
    figures = {"x": 0.25, "y": 0.75, "last_exam_at": None, "sent_today": 0, "open_colour": None}
    figures |= {"live_at": None, "expected_every_s": None, "silent_at": None}
    figures |= {"heard_at": None, "waiting": 0, "waiting_since_at": None}
    figures |= {"trained_at": None, "test_exam": None}
    assert seen == {"id": world.site, "name": "上坪村卫生室", "township": "上坪乡", "phone": "0996-1", **figures}
    for name in ("村医", "管理"):
        sign_in(client, name)
        for path in ("/v1/rosters", "/v1/sites"):
            assert_problem(client.get(path), 403, "not-permitted")


def actor_of(world: World, secret: str) -> Actor:
    now = world.clock.now()
    found = world.ledger.read(lambda connection: signin.by_secret(connection, secret, now))
    assert found is not None
    return found


def going_on(world: World, *actors: Actor) -> dict[Actor, signin.Going]:
    now = world.clock.now()
    return world.ledger.read(lambda connection: signin.going_on(connection, actors, now))


def is_live(world: World, actor: Actor) -> bool:
    now = world.clock.now()
    return world.ledger.read(lambda connection: signin.is_live(connection, actor, now))
