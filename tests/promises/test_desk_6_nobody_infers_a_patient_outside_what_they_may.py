"""Promise 6: nobody sees, hears of, or can infer a patient outside what they may.

One generated walk. The county has a patient at the upper clinic with a name, numbers and words that stand nowhere else.
Everybody who may not see that clinic asks every route of the application (with the secret's own ids in its path, its
query, its body), hears every event, reads the metrics and what went to telephones. Their answers must hold none of the
secret's words and ids, in body, headers or file names; and they must be, byte for byte, the answers that they get in a
county in which the secret never was: not a count, a page, an ETag, a `legal` or an error may differ.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import insert

from county import people, secrets
from county.http import routes_of
from ingest.identity import Identity
from ledger import events, schema
from ledger.clock import ManualClock
from ledger.database import Ledger, make_engine
from ledger.ids import new_id
from ledger.migrate import migrate
from server.app import make_app
from server.settings import Settings
from tests.promises.soaking import tell
from tests.support import needs, postgres
from tests.triage.kit import GREEN, HOUR, LI, NO_PASSWORD, PASSWORD, RED, World, make_world
from triage.feed import Feed

SECRET = Identity(
    name="欧阳秘密", id_number="11010519491231002X", card="SECRETCARD", birth_date="1949-12-31", sex="female"
)
WORDS = ("欧阳秘密", "SECRETCARD", "11010519491231002X", "002X", "1949-12-31", "密语", "secret-file")
OUTSIDERS = ("neighbour", "other-device", "local-doctor", "administrator", "stranger", "strange-device", "nobody")
SKIPPED = ("/assets", "/openapi.json", "/livez", "/readyz", "/v1/feed", "/metrics")  # the operator has totals
NOT_ASKED = {("DELETE", "/v1/session"), ("POST", "/v1/exams"), ("POST", "/v1/uploads"), ("POST", "/v1/session")}


@dataclass
class Town:
    """A county with or without the secret, a second county, and somebody who works at the lower clinic alone."""

    app: FastAPI
    world: World
    other: World
    tokens: dict[str, str | None]
    secret: dict[str, str]
    """The secret's ids by the name that a path gives them; ids that never were where there is none."""

    def ask(self, who: str, method: str, path: str, **more: Any) -> httpx.Response:
        token = self.tokens[who]
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}

        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://ecg.test") as client:
                return await client.request(method, path, headers=headers, **more)

        return asyncio.run(once())


def build(url: str, folder: Path, *, with_secret: bool) -> tuple[Town, Ledger]:
    engine = make_engine(url)
    migrate(engine)
    engine.dispose()
    clock = ManualClock()
    ledger = Ledger.open(url, clock)
    world, other = make_world(ledger, clock), make_world(ledger, clock, "邻县")
    world.passwords()
    world.on_duty(first="cardiologist")
    tokens: dict[str, str | None] = {
        "neighbour": world.tokens["neighbour"],
        "other-device": world.other_key,
        "local-doctor": _local(world),
        "administrator": world.tokens["administrator"],
        "stranger": other.tokens["cardiologist"],
        "strange-device": other.key,
        "nobody": None,
    }
    world.sent(GREEN, site=world.other_site, patient=LI)  # what the neighbours may see
    other.sent(GREEN)
    never = {name: new_id() for name in ("exam", "case", "patient", "upload", "shift", "merge", "message")}
    secret = _secret(world) if with_secret else never
    return Town(make_app(ledger, Settings(data=folder)), world, other, tokens, {**never, **secret}), ledger


def _local(world: World) -> str:
    token = secrets.new(secrets.Kind.SESSION)

    def add(tx: Any) -> None:
        person = people.add(tx, world.county, "驻点医生", "cardiologist", NO_PASSWORD, world.other_site)
        row = {"county_id": world.county, "id": new_id(), "person_id": person, "created_at": tx.now}
        kept = {"token_hash": secrets.fingerprint(token), "expires_at": tx.now + 24 * HOUR}
        tx.connection.execute(insert(schema.session), {**row, **kept})

    world.ledger.write(add)
    return token


def _secret(world: World) -> dict[str, str]:
    """The whole life of a case at the upper clinic, without a minute passing."""
    exam = world.sent(RED, patient=SECRET, symptoms=("chest_pain",))
    case = world.case_of(exam)["id"]
    world.do("cardiologist", "acknowledge", case)
    world.do("cardiologist", "message", case, text="密语：王医生已出发")
    world.do("cardiologist", "retake", case, reason="reversed", electrodes=("RA", "LA"))
    world.draft(case, "STEMI_INF", text="密语报告")
    world.do("cardiologist", "sign", case, password=PASSWORD)
    world.do("clinic", "read-back", case, text="密语读回")
    open_exam = world.sent(RED, patient=SECRET, urgent=True)
    patient = world.row(schema.exam, id=exam)["patient_id"]
    message = world.rows(schema.message)[0]["id"]
    return {"exam": open_exam, "case": world.case_of(open_exam)["id"], "patient": patient, "message": message}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def towns(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, _postgres_cluster: postgres.Cluster | None
) -> Iterator[tuple[Town, Town]]:
    folder = tmp_path_factory.mktemp("walk")
    if request.param == "postgresql" and _postgres_cluster is None:
        needs.missing(needs.POSTGRESQL, "no server on PATH or in /usr/lib/postgresql, and no wheel; try `make test`")
    cluster = _postgres_cluster if request.param == "postgresql" else None
    urls = [f"sqlite:///{folder / f'{n}.db'}" if cluster is None else cluster.create_database() for n in range(2)]
    made = [build(url, folder, with_secret=number == 0) for number, url in enumerate(urls)]
    yield made[0][0], made[1][0]
    for _, ledger in made:
        ledger.close()
    if cluster is not None:
        for url in urls:
            cluster.drop_database(url)


def routes(app: FastAPI) -> list[tuple[str, str]]:
    """Every method and path, pages and health aside."""
    found = {
        (method, path)
        for path, route in routes_of(app)
        for method in (getattr(route, "methods", None) or ())
        if not path.startswith(SKIPPED)
    }
    return sorted(found - NOT_ASKED - {pair for pair in found if pair[0] in ("OPTIONS", "HEAD")})


def bodies(town: Town) -> dict[str, Any]:
    """A body that most actions would take, full of the secret's ids."""
    ids = town.secret
    said = {"seen": 999, "reason": "other", "colour": "GREEN", "text": "x", "note": "x", "password": PASSWORD}
    asked = {"message": ids["message"], "into": ids["patient"], "person": ids["patient"], "electrodes": ["RA"]}
    return {**said, **asked, "statements": [], "symptoms": ["none"], "seen_exam": ids["exam"]}


_VARIES = re.compile(
    rb'"(seq|case_seq|at|token|expires_at|[a-z_]+_at)": ?("[^"]*"|\d+|null)|"next": ?"[^"]*"'
    rb"|[0-9a-f]{64}|[0-9a-hjkmnp-tv-z]{26}"
    rb"|\d{8}-\d{4}-[0-9A-Z]{2}"  # a temporary number: of the minute, with two letters by chance
)


def plain(answer: httpx.Response) -> tuple[Any, ...]:
    """An answer without what two counties never share: ids, instants, temporary and event numbers of their own."""
    headers = {k: v for k, v in answer.headers.items() if k not in {"x-request-id", "date", "content-length", "etag"}}
    return answer.status_code, _VARIES.sub(b"*", answer.content), _VARIES.sub(b"*", json.dumps(headers).encode())


def test_nobody_infers_a_patient_outside_what_they_may(towns: tuple[Town, Town]) -> None:
    there, _ = towns
    ids = [there.secret[name] for name in ("exam", "case", "patient", "message")]
    walked = 0
    for method, path in routes(there.app):
        for who in OUTSIDERS:
            answers: list[httpx.Response] = []
            for town in towns:
                where = re.sub(r"\{(\w+)\}", lambda name, t=town: t.secret.get(name.group(1), t.secret["exam"]), path)
                more = {"json": bodies(town)} if method in ("POST", "PUT", "PATCH", "DELETE") else {}
                answers.append(town.ask(who, method, where, **more))
            walked += 1
            told = answers[0].content.decode("utf-8", "replace") + str(answers[0].headers)
            assert not [word for word in WORDS if word in told], (method, path, who)
            assert not [one for one in ids if one in told], (method, path, who)
            assert plain(answers[0]) == plain(answers[1]), (method, path, who)
    assert walked > 250
    engine = "postgresql" if towns[0].world.ledger.is_postgresql else "sqlite"
    tell("desk 6", engine, answers=2 * walked, inferred=0)


def test_no_event_tells_an_outsider(towns: tuple[Town, Town]) -> None:
    there, _ = towns
    epoch = there.world.ledger.read(lambda connection: events.epoch(connection, there.world.county))
    rows = there.world.ledger.read(lambda connection: events.after(connection, there.world.county, 0, 10_000))
    assert [row for row in rows if row["case_id"] == there.secret["case"]]
    heard = {
        who: [frame for row in rows if (frame := Feed(there.world.actors[who], epoch).shown(row)) is not None]
        for who in ("neighbour", "administrator")
    }
    assert heard["administrator"] == []
    assert {frame["data"]["site"] for frame in heard["neighbour"] if "site" in frame["data"]} == {
        there.world.other_site
    }
    for frames in heard.values():
        told = json.dumps(frames, ensure_ascii=False)
        assert not [word for word in (*WORDS, *there.secret.values()) if word in told]
    strange = [frame for row in rows if (frame := Feed(there.other.actors["cardiologist"], epoch).shown(row))]
    assert strange == []


def test_no_event_metric_or_notification_names_a_patient_to_anybody(towns: tuple[Town, Town]) -> None:
    """Those who may see the case read its patient on the screen of the case, and nowhere else."""
    there, _ = towns
    names = [word for word in WORDS if word != "密语"]
    feed = json.dumps(there.world.events(), ensure_ascii=False)
    metrics = there.ask("nobody", "GET", "/metrics").text
    sent = json.dumps([row["words"] for row in there.world.rows(schema.delivery)], ensure_ascii=False)
    for told in (feed, metrics, sent):
        assert not [word for word in names if word in told]
    assert "密语" not in feed + metrics + sent  # nor what was said about them
    assert not [one for one in there.secret.values() if one in metrics]


def test_who_may_see_it_does(towns: tuple[Town, Town]) -> None:
    """The walk would prove nothing if the secret were nowhere."""
    there, _ = towns
    shown = json.dumps(there.world.opened(there.secret["case"]), ensure_ascii=False)
    assert "欧阳秘密" in shown
