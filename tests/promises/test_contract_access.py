"""Who may: every route of the whole application × who asks × where it is, against ARCHITECTURE.md §7, written by hand.

A route that is not in the table fails the test until somebody has decided who may use it. What one may not see is 404
with exactly the bytes of an id that never was.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import insert, update

from county import passwords, people, rosters, secrets
from county.http import routes_of
from ingest.identity import Identity
from ledger import schema
from ledger.clock import ManualClock
from ledger.database import Ledger, make_engine
from ledger.ids import new_id
from ledger.migrate import migrate
from server.app import make_app
from server.settings import Settings
from tests.triage.kit import HOUR, NO_PASSWORD, RED, World, make_world
from triage import merging, routes

NEVER = "0" * 26
WHO = (
    "clinic",  # of the site where everything is
    "device",  # there
    "neighbour",  # clinic of another site
    "other-device",  # there
    "cardiologist",
    "coordinator",
    "administrator",
    "local",  # a coordinator of the other site alone
    "stranger",  # a cardiologist of another county
    "strange-device",  # there
    "nobody",
)


@dataclass
class House:
    """Two counties behind one application."""

    app: FastAPI
    world: World
    other: World
    local: str
    exam: str

    def token(self, who: str) -> str | None:
        return {
            "device": self.world.key,
            "other-device": self.world.other_key,
            "local": self.local,
            "stranger": self.other.tokens["cardiologist"],
            "strange-device": self.other.key,
            "nobody": None,
        }.get(who, self.world.tokens.get(who))

    def ask(self, who: str, method: str, path: str, **more: Any) -> httpx.Response:
        token = self.token(who)
        headers = more.pop("headers", {}) | ({} if token is None else {"Authorization": f"Bearer {token}"})

        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://ecg.test") as client:
                return await client.request(method, path, headers=headers, **more)

        return asyncio.run(once())


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("contract")
    url = f"sqlite:///{folder / 'ecgnet.db'}"
    engine = make_engine(url)
    migrate(engine)
    engine.dispose()
    clock = ManualClock()
    ledger = Ledger.open(url, clock)
    world, other = make_world(ledger, clock), make_world(ledger, clock, "邻县")
    _can_sign(world)
    yield House(
        make_app(ledger, Settings(data=folder)), world, other, _local_coordinator(world), world.sent(RED, urgent=True)
    )
    ledger.close()


def _can_sign(world: World) -> None:
    kept = passwords.hash_password(PASSWORD).encoded
    who = schema.person.c.id == world.actors["cardiologist"].id
    world.ledger.write(lambda tx: tx.connection.execute(update(schema.person).where(who).values(password_hash=kept)))


def _local_coordinator(world: World) -> str:
    token = secrets.new(secrets.Kind.SESSION)

    def add(tx: Any) -> None:
        person = people.add(tx, world.county, "驻点协调", "coordinator", NO_PASSWORD, world.other_site)
        row = {"county_id": world.county, "id": new_id(), "person_id": person, "created_at": tx.now}
        kept = {"token_hash": secrets.fingerprint(token), "expires_at": tx.now + 24 * HOUR}
        tx.connection.execute(insert(schema.session), {**row, **kept})

    world.ledger.write(add)
    return token


# --- the table -------------------------------------------------------------------------------------------------------


def row(*statuses: int) -> dict[str, int]:
    return dict(zip(WHO, statuses, strict=True))


def all_of(status: int) -> dict[str, int]:
    return dict.fromkeys(WHO, status)


#                    clin  dev neig oDev card coor admi loca stra sDev nobody
SEND = row(          201, 201, 201, 201, 403, 403, 403, 403, 403, 201, 401)  # fmt: skip
BEAT = row(          403, 200, 403, 200, 403, 403, 403, 403, 403, 200, 401)  # fmt: skip
SENT = row(          200, 200, 404, 404, 403, 403, 403, 403, 403, 404, 401)  # fmt: skip
SEE_EXAM = row(      200, 200, 404, 404, 200, 200, 403, 404, 404, 404, 401)  # fmt: skip
SEE_EXAMS = row(     200, 200, 200, 200, 200, 200, 403, 200, 200, 200, 401)  # fmt: skip
SEE_CASE = row(      403, 403, 403, 403, 200, 200, 403, 404, 404, 403, 401)  # fmt: skip
SEE_CASES = row(     403, 403, 403, 403, 200, 200, 403, 200, 200, 403, 401)  # fmt: skip
SEE_COUNTY = row(    403, 403, 403, 403, 200, 200, 403, 404, 200, 403, 401)  # fmt: skip
FIGURES = row(       403, 403, 403, 403, 403, 200, 403, 404, 403, 403, 401)  # fmt: skip
SEE_MERGES = row(    403, 403, 403, 403, 403, 200, 403, 200, 403, 403, 401)  # fmt: skip
ACKNOWLEDGE = row(   403, 403, 403, 403, 200, 200, 403, 404, 404, 403, 401)  # fmt: skip
DECIDE = row(        403, 403, 403, 403, 200, 403, 403, 403, 404, 403, 401)  # fmt: skip
READ_BACK = row(     200, 200, 404, 404, 403, 403, 403, 403, 403, 404, 401)  # fmt: skip
SESSION = row(       200, 403, 200, 403, 200, 200, 200, 200, 200, 403, 401)  # fmt: skip
FORGET = row(        204, 204, 404, 404, 403, 403, 403, 403, 403, 404, 401)  # fmt: skip
OVERRIDE = row(      405, 405, 405, 405, 403, 403, 403, 403, 403, 405, 401)  # fmt: skip

MESSAGE = ACKNOWLEDGE
STOP = row(          403, 403, 403, 403, 403, 200, 403, 404, 403, 403, 401)  # fmt: skip
EDIT_COUNTY = row(   403, 403, 403, 403, 403, 200, 403, 404, 403, 403, 401)  # fmt: skip
MAKE_COUNTY = row(   403, 403, 403, 403, 403, 201, 403, 404, 403, 403, 401)  # fmt: skip
HAND_OVER = row(     403, 403, 403, 403, 201, 201, 403, 404, 201, 403, 401)  # fmt: skip

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = TUS | {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}


def plain(_house: House) -> dict[str, Any]:
    return {}


def action(house: House) -> dict[str, Any]:
    return {"json": {"seen": house.world.events()[-1]["seq"], "reason": "other", "colour": "GREEN"}}


def a_shift(house: House) -> dict[str, Any]:
    person = house.world.actors["cardiologist"].id
    return {"json": {"slot": "first", "person": person, "from_at": "2030-01-01T00:00Z", "to_at": "2030-01-02T00:00Z"}}


def a_swap(house: House) -> dict[str, Any]:
    return {"json": {"person": house.world.actors["second"].id}}


PASSWORD = "a password of the test"


def doctors_action(house: House) -> dict[str, Any]:
    """Enough for every action of a report, a message, a retake."""
    said = {"text": "窦性心律", "statements": [{"code": RED["code"], "accepted": True}], "password": PASSWORD}
    more = {"note": "补充", "reason": "noise", "seen": house.world.events()[-1]["seq"]}
    return {"json": {**said, **more}}


def another_patient(house: House) -> dict[str, Any]:
    return {"json": {"into": _patient(house), "reason": "同一人"}}


def _patient(house: House) -> str:
    return house.world.row(schema.exam, id=house.world.exam(patient=Identity(name="某", card=new_id())))["patient_id"]


def a_beat(_house: House) -> dict[str, Any]:
    return {"json": {"version": "0.1.0", "waiting": 0, "sent_at": "2026-11-24T08:00:00Z"}}


def a_file(_house: House) -> dict[str, Any]:
    return {"files": {"file": ("a.zip", new_id().encode())}}


Ask = Callable[[House], dict[str, Any]]
TABLE: dict[tuple[str, str], tuple[dict[str, int], Ask]] = {
    ("POST", "/v1/session"): (all_of(422), lambda _: {"json": {}}),  # public: the form is looked at first
    ("GET", "/v1/session"): (SESSION, plain),
    ("POST", "/v1/devices/enrol"): (all_of(422), lambda _: {"json": {}}),  # public: a code opens it
    ("GET", "/v1/rosters"): (SEE_COUNTY, plain),
    ("POST", "/v1/rosters"): (MAKE_COUNTY, a_shift),
    ("POST", "/v1/rosters/import"): (EDIT_COUNTY, lambda _: {"json": {"csv": "slot,person,from,to\n"}}),
    ("POST", "/v1/rosters/hand-over"): (HAND_OVER, lambda _: {"json": {"text": "一切正常"}}),
    ("POST", "/v1/rosters/{shift}/swap"): (EDIT_COUNTY, a_swap),
    ("POST", "/v1/rosters/{shift}/withdraw"): (EDIT_COUNTY, lambda _: {"json": {"reason": "ill"}}),
    ("GET", "/v1/sites"): (SEE_CASES, plain),
    ("POST", "/v1/devices/beat"): (BEAT, a_beat),
    ("POST", "/v1/exams"): (SEND, a_file),
    ("GET", "/v1/exams"): (SEE_EXAMS, plain),
    ("GET", "/v1/exams/{exam}"): (SEE_EXAM, plain),
    ("GET", "/v1/exams/{exam}/original"): (SEE_EXAM, plain),
    ("GET", "/v1/exams/{exam}/analysis"): (SEE_EXAM, plain),
    ("GET", "/v1/exams/{exam}/samples"): (SEE_EXAM, plain),
    ("GET", "/v1/exams/{exam}/drawing.svg"): (SEE_EXAM, plain),
    ("POST", "/v1/exams/{exam}/context"): (SENT, lambda _: {"json": {"symptoms": ["chest_pain"]}}),
    ("OPTIONS", "/v1/uploads"): (all_of(204), plain),
    ("OPTIONS", "/v1/uploads/{upload}"): (all_of(204), plain),
    ("POST", "/v1/uploads"): (SEND, lambda _: {"headers": TUS | {"Upload-Length": "9"}}),
    ("HEAD", "/v1/uploads/{upload}"): (SENT, lambda _: {"headers": TUS}),
    ("PATCH", "/v1/uploads/{upload}"): (FORGET, lambda _: {"headers": PIECE, "content": b"piece"}),
    ("DELETE", "/v1/uploads/{upload}"): (FORGET, lambda _: {"headers": TUS}),
    ("POST", "/v1/uploads/{upload}"): (OVERRIDE, lambda _: {"headers": TUS}),
    ("GET", "/v1/worklist"): (SEE_CASES, plain),
    ("GET", "/v1/cases/{case}"): (SEE_CASE, plain),
    ("GET", "/v1/cases/{case}/ladder"): (SEE_CASE, plain),
    ("POST", "/v1/cases/{case}/acknowledge"): (ACKNOWLEDGE, action),
    ("POST", "/v1/cases/{case}/confirm"): (DECIDE, action),
    ("POST", "/v1/cases/{case}/downgrade"): (DECIDE, action),
    ("POST", "/v1/cases/{case}/stand-down"): (DECIDE, action),
    ("POST", "/v1/cases/{case}/read-back"): (READ_BACK, action),
    ("POST", "/v1/cases/{case}/claim"): (DECIDE, action),
    ("POST", "/v1/cases/{case}/release"): (DECIDE, lambda house: {"json": {"seen": house.world.events()[-1]["seq"]}}),
    ("POST", "/v1/cases/{case}/retake"): (DECIDE, doctors_action),
    ("POST", "/v1/cases/{case}/statements"): (DECIDE, doctors_action),
    ("POST", "/v1/cases/{case}/sign"): (DECIDE, doctors_action),
    ("POST", "/v1/cases/{case}/amend"): (DECIDE, doctors_action),
    ("POST", "/v1/cases/{case}/message"): (MESSAGE, doctors_action),
    ("POST", "/v1/cases/{case}/stop"): (STOP, action),
    ("POST", "/v1/patients/{patient}/merge"): (EDIT_COUNTY, another_patient),
    ("POST", "/v1/patients/{patient}/unmerge"): (EDIT_COUNTY, lambda _: {"json": {"reason": "不是同一人"}}),
    ("GET", "/v1/merges"): (SEE_MERGES, plain),
    ("GET", "/v1/statements"): (SEE_CASES, plain),
    ("GET", "/v1/figures"): (FIGURES, plain),
    ("GET", "/v1/quarantine"): (FIGURES, plain),
    ("POST", "/v1/quarantine/{exam}/retry"): (EDIT_COUNTY, plain),
    ("POST", "/v1/quarantine/{exam}/release"): (EDIT_COUNTY, lambda _: {"json": {"reason": "不是心电图"}}),
    ("GET", "/livez"): (all_of(200), plain),
    ("GET", "/readyz"): (all_of(503), plain),  # the desk does not run here
    ("GET", "/metrics"): (all_of(200), plain),
    ("GET", "/openapi.json"): (all_of(200), plain),
}
# looked at elsewhere: the feed (tests/triage/test_live.py), the pages (tests/server), signing out (tests/county)
ELSEWHERE = {
    ("GET", "/v1/feed"), ("DELETE", "/v1/session"), ("HEAD", "/openapi.json"), ("GET", "/assets"),
    *((method, path) for method in ("GET", "HEAD") for path in ("/", "/reader/", "/clinic/", "/board/")),
}  # fmt: skip


def declared(app: FastAPI) -> set[tuple[str, str]]:
    """Every method and path of the application; a mount or a websocket counts as GET."""
    return {(method, path) for path, one in routes_of(app) for method in (getattr(one, "methods", None) or {"GET"})}


def test_somebody_has_decided_who_may_use_each_route(house: House) -> None:
    assert declared(house.app) == set(TABLE) | ELSEWHERE


# --- the walk --------------------------------------------------------------------------------------------------------


_BEFORE = {"release": ("claim",), "sign": ("statements",), "amend": ("statements", "sign")}


def _prepared(house: House, method: str, path: str) -> dict[str, str]:
    """What the path's ids stand for, in the state that the action needs."""
    ids = {"exam": house.exam}
    if "/quarantine/" in path:
        ids["exam"] = house.world.unreadable()
    if "{case}" in path:
        ids["case"] = house.world.case_of(house.world.sent(RED))["id"]
        if path.endswith("/read-back"):
            house.world.do("cardiologist", "confirm", ids["case"])
        for needed in _BEFORE.get(path.rsplit("/", 1)[1], ()):
            said = {"statements": ({"code": RED["code"], "accepted": True},), "password": PASSWORD}
            house.world.do("cardiologist", needed, ids["case"], **said)
    if "{patient}" in path:
        ids["patient"] = _patient(house)
        if path.endswith("/unmerge"):
            actor, into = house.world.actors["coordinator"], _patient(house)
            house.world.ledger.write(lambda tx: merging.merge(tx, actor, ids["patient"], into, "同一人"))
    if "{shift}" in path:
        person, now = house.world.actors["cardiologist"].id, house.world.clock.now()
        ids["shift"] = house.world.ledger.write(
            lambda tx: rosters.add(tx, house.world.county, "first", person, now, now + HOUR)
        )
    if "{upload}" in path:
        created = house.ask("device", "POST", "/v1/uploads", headers=TUS | {"Upload-Length": "9"})
        ids["upload"] = created.headers["Location"].rsplit("/", 1)[1]
    return ids


def same_for_all(answer: httpx.Response) -> tuple[Any, ...]:
    """An answer without what differs from one request to the next."""
    headers = {name: value for name, value in answer.headers.items() if name not in {"x-request-id", "date"}}
    return answer.status_code, answer.content, headers


@pytest.mark.parametrize(("method", "path"), list(TABLE), ids=[" ".join(key) for key in TABLE])
def test_who_may(house: House, method: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "_drawn", lambda *_: "<svg/>")
    expected, asks = TABLE[method, path]
    found: dict[str, int] = {}
    for who in WHO:
        ids = _prepared(house, method, path)
        answer = house.ask(who, method, path.format(**ids), **asks(house))
        found[who] = answer.status_code
        if answer.status_code == 404:
            never = house.ask(who, method, path.format(**dict.fromkeys(ids, NEVER)), **asks(house))
            assert same_for_all(answer) == same_for_all(never)
        if answer.status_code >= 400 and method != "HEAD" and path != "/readyz":
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == answer.status_code
    assert found == expected


def test_lists_hold_nothing_of_another_site_or_county(house: House) -> None:
    theirs = house.other.sent(RED)
    beside = house.world.sent(RED, site=house.world.other_site)
    listed = {who: house.ask(who, "GET", "/v1/exams").json()["items"] for who in ("clinic", "neighbour", "stranger")}
    assert {item["site"] for item in listed["clinic"]} == {house.world.site}
    assert {item["site"] for item in listed["neighbour"]} == {house.world.other_site}
    assert {item["site"] for item in listed["stranger"]} == {house.other.site}
    assert theirs in {item["exam"] for item in listed["stranger"]}
    local = house.ask("local", "GET", "/v1/worklist").json()
    assert {item["site"] for item in local["items"]} == {house.world.other_site}
    assert beside in {item["exam"] for item in local["items"]}
    assert [item["id"] for item in house.ask("local", "GET", "/v1/sites").json()["items"]] == [house.world.other_site]
    strange = house.ask("stranger", "GET", "/v1/worklist")
    assert house.world.county not in strange.text
    assert [item["exam"] for item in strange.json()["items"]] == [theirs]


def test_a_case_outside_says_nothing_by_its_actions(house: House) -> None:
    """The same bytes whether the case is another county's, another site's, decided, or never was."""
    case = house.world.case_of(house.exam)["id"]
    body = {"seen": 1, "id": "one", "reason": "other", "colour": "GREEN"}
    for who, name in (("stranger", "confirm"), ("local", "acknowledge"), ("other-device", "read-back")):
        answers = {
            same_for_all(house.ask(who, "POST", f"/v1/cases/{which}/{name}", json=body))[:2]
            for which in (case, NEVER, "%00", "x", "%F0%9F%92%80", "..%2f", "a" * 3000)
        }
        assert len(answers) == 1
        assert json.loads(next(iter(answers))[1])["type"] == "not-found"


def test_the_language_asked_for_is_answered(house: House) -> None:
    english = house.ask("cardiologist", "GET", f"/v1/cases/{NEVER}", headers={"Accept-Language": "en-GB,en"}).json()
    chinese = house.ask("cardiologist", "GET", f"/v1/cases/{NEVER}").json()
    assert english["detail"].startswith("Not found")
    assert chinese["detail"].startswith("没有找到")
    assert english["type"] == chinese["type"] == "not-found"
