"""The feed over a real uvicorn and the `websockets` client: replay, actions, sign-out, a reader that does not read."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import websockets.exceptions
from fastapi import FastAPI
from websockets.sync.client import ClientConnection, connect

from county import signin
from ledger import schema
from server.app import make_app
from server.settings import Settings
from tests.support.serving import wait_until
from tests.triage.kit import ORANGE, RED, WANG, World, make_world
from triage import attendance, live

# what does not depend on the database is told once
on_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


@contextlib.contextmanager
def serving(app: FastAPI, port: int = 0) -> Generator[str]:
    """A real uvicorn on loopback, in a thread; yields host and port."""
    listener = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(
        app, log_level="error", ws="websockets-sansio", timeout_graceful_shutdown=1, ws_ping_interval=None
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started and time.monotonic() < until:
        time.sleep(0.005)
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


class Quiet:
    """No analyser processes, no loops but the feed's: the tests move the rest."""

    def start(self) -> None: ...
    def stop(self) -> None: ...

    def wake(self) -> None: ...


@pytest.fixture
def app(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    monkeypatch.setattr(attendance, "CHECK_S", 0.1)
    made = make_app(world.ledger, Settings(data=tmp_path, heartbeat_s=0.4, poll_s=0.2))
    made.state.desk.analyser = Quiet()
    monkeypatch.setattr(made.state.desk, "_rate_forever", lambda: None)
    monkeypatch.setattr(made.state.desk, "_climb_forever", lambda: None)
    return made


@pytest.fixture
def address(app: FastAPI) -> Iterator[str]:
    with serving(app) as place:
        yield place


class Screen:
    """A websocket with its frames."""

    def __init__(self, address: str, token: str, **query: Any) -> None:
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        self._exit = contextlib.ExitStack()
        connecting = connect(
            f"ws://{address}/v1/feed?{asked}",
            additional_headers={"Authorization": f"Bearer {token}"},
            subprotocols=["ecgnet.feed.1"],  # type: ignore[list-item]
            proxy=None,
        )
        self.socket: ClientConnection = self._exit.enter_context(connecting)

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def next(self, *types: str, within_s: float = 10) -> dict[str, Any]:
        """The next frame of these types."""
        until = time.monotonic() + within_s
        while True:
            frame = json.loads(self.socket.recv(max(until - time.monotonic(), 0.01)))
            if frame["type"] in types:
                return frame

    def events(self, count: int) -> list[int]:
        """The numbers of the next events; their chain is unbroken."""
        return [self.next("event")["seq"] for _ in range(count)]

    def nothing_but_beats(self, beats: int = 2) -> int:
        """No event comes before so many beats; what the last of them says."""
        frame: dict[str, Any] = {}
        for _ in range(beats):
            frame = self.next("event", "beat")
            assert frame["type"] == "beat", frame
        return frame["seq"]

    def do(self, **frame: Any) -> dict[str, Any]:
        self.socket.send(json.dumps({"id": "x", **frame}))
        return self.next("done", "refused")


def closed_with(screen: Screen, within_s: float = 10) -> int:
    """The code with which the server closes."""
    until = time.monotonic() + within_s
    with contextlib.suppress(websockets.exceptions.ConnectionClosed):
        while True:
            screen.socket.recv(max(until - time.monotonic(), 0.01))
    code = screen.socket.close_code
    assert code is not None
    return code


def test_an_alert_comes_live_and_its_acknowledgement_goes_back(world: World, address: str) -> None:
    with Screen(address, world.tokens["cardiologist"]) as doctor, Screen(address, world.key) as clinic:
        hello = doctor.next("hello")
        assert (hello["heartbeat_s"], doctor.socket.subprotocol) == (0.4, "ecgnet.feed.1")
        clinic.next("hello")
        exam = world.sent(RED, patient=WANG)
        kinds = []
        while "alert.raised" not in kinds:
            frame = doctor.next("event")
            kinds.append(frame["kind"])
        assert kinds == ["exam.received", "exam.analysed", "case.opened", "alert.raised"]
        done = doctor.do(do="acknowledge", case=frame["case"], seen=frame["seq"])
        assert (done["type"], done["case"]["state"]) == ("done", "acknowledged")
        while frame["kind"] != "alert.acknowledged":
            frame = clinic.next("event")
        assert frame["data"]["exam"] == exam
        assert world.shown(exam)["stages"]["seen_by"]["id"] == world.actors["cardiologist"].id


def test_beats_say_the_last_number_that_one_may_see(world: World, address: str) -> None:
    exam = world.sent(RED)
    last = world.events()[-1]["seq"]
    with (
        Screen(address, world.tokens["cardiologist"]) as doctor,
        Screen(address, world.tokens["neighbour"]) as neighbour,
        Screen(address, world.tokens["administrator"], after=0) as administrator,
    ):
        assert [screen.next("hello")["seq"] for screen in (doctor, neighbour, administrator)] == [last, 0, 0]
        world.say(exam, urgent=True)
        world.rate()
        assert doctor.events(2) == [last + 1, last + 2]
        assert [screen.nothing_but_beats() for screen in (doctor, neighbour, administrator)] == [last + 2, 0, 0]


def test_a_site_sees_itself_and_no_other(world: World, address: str) -> None:
    mine = world.sent(RED)
    with Screen(address, world.tokens["neighbour"], after=0) as neighbour:
        world.sent(RED)
        theirs = world.sent(ORANGE, site=world.other_site)
        seen = [neighbour.next("event") for _ in range(4)]
        assert {frame["data"]["exam"] for frame in seen} == {theirs}
        assert seen[0]["prev"] == 0
        assert [frame["prev"] for frame in seen[1:]] == [frame["seq"] for frame in seen[:-1]]
        assert mine not in str(seen)


def test_events_older_than_the_hub_keeps_are_replayed_from_the_ledger(
    world: World, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "KEPT", 3)
    monkeypatch.setattr(live, "PAGE", 4)

    def tell(count: int) -> None:
        world.ledger.write(lambda tx: [tx.event(world.county, "site.silent", {"n": n}) for n in range(count)] and None)

    tell(5)
    with Screen(address, world.tokens["cardiologist"], after=0) as early:
        assert early.events(5) == [1, 2, 3, 4, 5]
        tell(20)
        assert early.events(20) == list(range(6, 26))
        with Screen(address, world.tokens["coordinator"], after=2) as late:
            assert late.events(23) == list(range(3, 26))
            tell(1)
            assert [late.next("event")["prev"], early.next("event")["prev"]] == [25, 25]


def test_another_epoch_and_a_number_beyond_the_last_are_told(world: World, address: str) -> None:
    for query in ({"after": 1, "epoch": "another"}, {"after": 10_000}):
        with Screen(address, world.tokens["cardiologist"], **query) as doctor:
            hello = doctor.next("hello")
            assert doctor.next("resync")["why"] in {"epoch", "beyond-last"}
            world.ledger.write(lambda tx: tx.event(world.county, "site.silent", {}))
            assert doctor.next("event")["prev"] == hello["seq"]


@on_sqlite
@pytest.mark.parametrize("after", ["x", "-1", "1.5", ""])
def test_a_bad_number_closes_with_4400(world: World, address: str, after: str) -> None:
    with Screen(address, world.tokens["cardiologist"], after=after) as doctor:
        assert closed_with(doctor) == 4400
    with connect(  # a client that offers no subprotocol is told too
        f"ws://{address}/v1/feed?after={after}",
        additional_headers={"Authorization": f"Bearer {world.key}"},
        proxy=None,
    ) as plain:
        with pytest.raises(websockets.exceptions.ConnectionClosed) as closed:
            plain.recv(10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4400


def test_signing_out_closes_every_feed_with_4401(world: World, address: str) -> None:
    import asyncio

    with Screen(address, world.tokens["second"]) as doctor, Screen(address, world.tokens["cardiologist"]) as other:
        doctor.next("hello")
        asyncio.run(signin.sign_out(world.ledger, world.actors["second"]))
        assert closed_with(doctor) == 4401
        assert other.next("beat")["type"] == "beat"


@on_sqlite
def test_whoever_works_elsewhere_now_reads_anew_and_hears_only_that_place(world: World, address: str) -> None:
    with Screen(address, world.tokens["second"]) as doctor:
        doctor.next("hello")
        world.set(schema.person, world.actors["second"].id, site_id=world.other_site)
        assert doctor.next("resync")["why"] == "rights"
        world.sent(RED)
        there = world.sent(RED, site=world.other_site)
        assert doctor.next("event")["data"]["exam"] == there


@on_sqlite
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer es_nobody"}, 401),
        ({"Authorization": "Basic eA=="}, 401),
        ({"Cookie": "ecgnet_session=es_nobody", "Origin": "http://127.0.0.1"}, 403),
        ({"Cookie": "ecgnet_session={token}", "Origin": "http://evil.example"}, 403),
        ({"Cookie": "ecgnet_session={token}"}, 403),
    ],
)
def test_refused_before_the_upgrade(world: World, address: str, headers: dict[str, str], status: int) -> None:
    token = world.tokens["cardiologist"]
    given = {name: value.replace("{token}", token) for name, value in headers.items()}
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
        connect(f"ws://{address}/v1/feed", additional_headers=given, proxy=None).__enter__()
    answer = refused.value.response
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert json.loads(answer.body or b"")["status"] == status


@on_sqlite
def test_the_cookie_opens_a_feed_from_our_own_page(world: World, address: str) -> None:
    given = {"Cookie": f"ecgnet_session={world.tokens['cardiologist']}", "Origin": f"http://{address}"}
    with connect(f"ws://{address}/v1/feed", additional_headers=given, proxy=None) as page:
        assert json.loads(page.recv(10))["type"] == "hello"


def test_what_is_refused_says_why_and_keeps_the_socket_open(world: World, address: str) -> None:
    exam = world.sent(RED, site=world.other_site)
    case = world.case_of(exam)["id"]
    with (
        Screen(address, world.key) as clinic,
        Screen(address, world.tokens["coordinator"]) as coordinator,
        Screen(address, world.tokens["cardiologist"]) as doctor,
    ):
        unseen = clinic.do(do="read-back", case=case, seen=1)["problem"]
        unknown = clinic.do(do="read-back", case="0" * 26, seen=1)["problem"]
        assert (
            json.dumps(unseen)
            == json.dumps(unknown)
            == json.dumps(clinic.do(do="read-back", case="a\0", seen=1)["problem"])
        )
        assert unseen["status"] == 404
        assert clinic.do(do="acknowledge", case=case, seen=1)["problem"]["status"] == 403
        assert coordinator.do(do="confirm", case=case, seen=1)["problem"]["status"] == 403
        assert doctor.do(do="sing", case=case, seen=1)["problem"]["type"] == "unknown-action"
        assert doctor.do(do="confirm", case=case)["problem"]["type"] == "seen-needed"
        assert doctor.do(do="confirm", case=case, seen=10**30)["problem"]["status"] == 422
        late = doctor.do(do="confirm", case=case, seen=1)["problem"]
        assert (late["status"], late["legal"][0], late["case"]["case"]) == (409, "acknowledge", case)
        for text in ("x", "[]", "null"):
            doctor.socket.send(text)
            assert doctor.next("refused")["id"] is None
        doctor.socket.send(b"\x00\x01")
        assert doctor.next("refused")["problem"]["status"] == 422
        assert doctor.do(do="confirm", case=case, seen=late["case"]["seq"])["type"] == "done"


def test_the_same_action_by_http_and_feed_is_one(world: World, address: str) -> None:
    case = world.case_of(world.sent(RED))["id"]
    headers = {"Authorization": f"Bearer {world.tokens['cardiologist']}", "Idempotency-Key": "one"}
    body = {"seen": world.events()[-1]["seq"], "id": "ignored beside the header"}
    answers = [
        httpx.post(f"http://{address}/v1/cases/{case}/acknowledge", headers=headers, json=body, trust_env=False)
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].content == answers[1].content
    with Screen(address, world.tokens["cardiologist"]) as doctor:
        done = doctor.do(do="acknowledge", case=case, seen=1, id="one")
        assert done["case"] == answers[0].json()


@on_sqlite
def test_a_reader_that_does_not_read_is_closed_and_others_are_served(
    world: World, app: FastAPI, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "SEND_TIMEOUT_S", 0.5)
    monkeypatch.setattr(live, "CLOSE_TIMEOUT_S", 0.2)
    hub = app.state.desk.hub
    with contextlib.closing(socket.socket()) as deaf, Screen(address, world.key, after=0) as doctor:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(tuple_of(address))
        deaf.sendall(
            (
                f"GET /v1/feed?after=0 HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                f"Authorization: Bearer {world.key}\r\n\r\n"
            ).encode()
        )
        wait_until(lambda: hub.sessions == 2, 10, "both are there")
        big = {"text": "心" * 60_000}
        for _ in range(60):
            world.ledger.write(lambda tx: tx.event(world.county, "site.silent", big, site=world.site))
        assert doctor.events(60) == list(range(1, 61))
        wait_until(lambda: hub.sessions == 1, 10, "the deaf one is given up")
        assert doctor.next("beat")["seq"] == 60
    wait_until(lambda: hub.sessions == 0, 10, "nobody is left")


def tuple_of(address: str) -> tuple[str, int]:
    host, port = address.split(":")
    return host, int(port)


@on_sqlite
def test_a_mistake_of_ours_in_an_action_ends_no_feed(
    world: World, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from triage import review

    case = world.case_of(world.sent(RED))["id"]

    async def fails(*_: Any) -> Any:
        raise ZeroDivisionError

    with Screen(address, world.tokens["cardiologist"]) as doctor:
        with monkeypatch.context() as broken:
            broken.setattr(review, "act", fails)
            assert doctor.do(do="acknowledge", case=case, seen=99)["problem"]["status"] == 500
        assert doctor.do(do="acknowledge", case=case, seen=99)["type"] == "done"


def test_two_counties_on_one_ledger_see_nothing_of_each_other(world: World, address: str) -> None:
    other = make_world(world.ledger, world.clock, "邻县")
    with Screen(address, other.tokens["cardiologist"], after=0) as stranger:
        stranger.next("hello")
        world.sent(RED)
        theirs = other.sent(RED)
        seen = [stranger.next("event") for _ in range(5)]
        assert {frame["data"]["exam"] for frame in seen} == {theirs}
        assert seen[-1]["kind"] == "roster.gap"
        assert stranger.nothing_but_beats() == other.events()[-1]["seq"]
