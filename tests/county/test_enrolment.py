"""A one-time code becomes a key, once; a key is replaced, taken away, and on record when it is tried after that."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI

from county import counties, devices, enrolment, errors, guesses, refusals, secrets
from county.access import Action
from county.http import CurrentActor, install, permit
from county.problem import Problem
from county.routes import router
from ledger import schema
from tests.county.browser import Browser
from tests.county.world import World, on_sqlite

FORM = re.compile(r"[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}")


@pytest.fixture
def client(world: World) -> Iterator[Browser]:
    app = FastAPI()
    app.state.ledger = world.ledger
    app.include_router(router)

    @app.get("/v1/who", dependencies=[permit(Action.SEND)])
    async def who(actor: CurrentActor) -> str:
        return f"{actor.id} {actor.site}"

    install(app)
    with Browser(app) as opened:
        yield opened


def begin(world: World, **more: Any) -> enrolment.Code:
    return world.ledger.write(lambda tx: enrolment.begin(tx, world.county, world.site, **more))


def enrol(client: Browser, code: str, **more: str) -> httpx.Response:
    return client.post("/v1/devices/enrol", json={"code": code, **more})


def opens(client: Browser, key: str) -> bool:
    answer = client.get("/v1/who", headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code in (200, 401)
    return answer.status_code == 200


def audits(world: World, action: str) -> list[dict[str, Any]]:
    return [row for row in world.rows(schema.audit) if row["action"] == action]


def test_a_code_is_exchanged_for_a_key_that_opens_and_neither_is_kept(world: World, client: Browser) -> None:
    made = begin(world)
    assert FORM.fullmatch(made.code)
    answer = enrol(client, made.code, name="ECG-PC 1")
    assert answer.status_code == 201, answer.text
    got = answer.json()
    assert got["site"] == {"id": world.site, "name": "上坪村卫生室"}
    assert got["county"] == {"name": "青石县", "phone": "0996-120"}
    known = world.ledger.read(lambda connection: devices.need(connection, world.county, got["device"]))
    assert (known.name, known.site) == ("ECG-PC 1", world.site)
    assert opens(client, got["key"])
    (row,) = world.rows(schema.enrolment)
    assert (row["device_id"], row["used_at"]) == (got["device"], world.clock.now())
    kept = str([world.rows(table) for table in (schema.enrolment, schema.device, schema.audit)])
    assert made.code not in kept
    assert made.code.replace("-", "") not in kept
    assert got["key"] not in kept
    assert audits(world, "device.enrol")[0]["actor"] == got["device"]


@on_sqlite
@pytest.mark.parametrize("as_typed", [str.lower, lambda code: code.replace("-", " "), lambda code: f" {code} "])
def test_a_code_is_read_as_people_type_it(world: World, client: Browser, as_typed: Any) -> None:
    assert enrol(client, as_typed(begin(world).code)).status_code == 201


def test_letters_that_look_alike_are_one() -> None:
    assert enrolment.plain("oO0o-lI1i uv") == "0000" + "1111" + "UV"
    assert not set("ILOU") & set(enrolment.ALPHABET)


def test_of_two_exchanges_at_once_one_gets_the_key(world: World) -> None:
    code = begin(world).code

    async def both() -> list[Any]:
        exchanges = (enrolment.exchange(world.ledger, code, "", f"203.0.113.{k}") for k in (1, 2, 3))
        return await asyncio.gather(*exchanges, return_exceptions=True)

    done = asyncio.run(both())
    assert sorted(type(one).__name__ for one in done) == ["Enrolled", "Problem", "Problem"]
    assert len(world.rows(schema.device)) == 2, "the world's own, and one"


def test_an_answer_that_was_lost_is_given_again_by_the_same_nonce_and_by_no_other(
    world: World, client: Browser
) -> None:
    code, mine, others = begin(world, hours=1).code, "n" * 43, "m" * 43

    def ask(nonce: str | None) -> httpx.Response:
        headers = {} if nonce is None else {"Idempotency-Key": nonce}
        return client.post("/v1/devices/enrol", json={"code": code}, headers=headers)

    first = ask(mine)
    assert first.status_code == 201
    assert first.json()["key"].startswith("ek_")
    assert opens(client, first.json()["key"])
    assert ask(mine).json() == first.json()
    assert [ask(nonce).status_code for nonce in (others, None, "short")] == [401] * 3
    assert len(audits(world, "device.enrol")) == 1
    assert len(world.rows(schema.device)) == 2, "the world's own, and one"
    world.ledger.write(lambda tx: devices.rotate(tx, world.county, first.json()["device"]))
    assert ask(mine).status_code == 401, "its key was replaced since"
    code = begin(world, hours=1).code
    assert ask(mine).status_code == 201
    world.clock.advance(3601)
    assert ask(mine).status_code == 401, "a code that has expired opens nothing, whoever asks"


@on_sqlite
def test_two_codes_or_two_nonces_make_two_keys(world: World, client: Browser) -> None:
    keys = {
        client.post("/v1/devices/enrol", json={"code": begin(world).code}, headers={"Idempotency-Key": nonce}).json()[
            "key"
        ]
        for nonce in ("n" * 43, "n" * 43, "m" * 43)
    }
    assert len(keys) == 3
    assert {len(key) for key in keys} == {len(secrets.new(secrets.Kind.DEVICE))}


def test_a_wrong_an_expired_and_a_used_code_learn_nothing_and_are_on_record(world: World, client: Browser) -> None:
    used, expired = begin(world).code, begin(world, hours=1).code
    assert enrol(client, used).status_code == 201
    world.clock.advance(3601)
    before = world.rows(schema.device)
    refused = [enrol(client, code) for code in (used, expired, "7K3M-QX2P-9RTD-4HVB", "", "💀\0")]
    assert {answer.status_code for answer in refused} == {401}
    assert len({answer.content for answer in refused}) == 1
    assert len({str(answer.headers) for answer in refused}) == 1
    assert refused[0].json()["type"] == "wrong-code"
    assert world.rows(schema.device) == before
    on_record = [(row["place"], row["detail"]["why"]) for row in audits(world, "enrolment.refused")]
    assert on_record == [(world.site, "used"), (world.site, "expired"), *[(world.county, "unknown")] * 3]
    assert used not in str(world.rows(schema.audit))


@on_sqlite
def test_guessing_codes_is_limited_for_an_address_and_for_no_other(world: World, client: Browser) -> None:
    for _ in range(guesses.MOST["address"]):
        assert enrol(client, enrolment.new_code()).status_code == 401
    code = begin(world).code
    answer = enrol(client, code)
    assert (answer.status_code, answer.json()["type"]) == (429, "too-often")
    assert int(answer.headers["retry-after"]) > 0
    elsewhere = asyncio.run(enrolment.exchange(world.ledger, code, "", "198.51.100.9"))
    assert opens(client, elsewhere.key)


def test_a_code_for_a_known_device_replaces_its_key_and_its_newer_code_ends_the_older(
    world: World, client: Browser
) -> None:
    older, newer = begin(world, device=world.device).code, begin(world, device=world.device).code
    assert opens(client, world.key), "a code alone changes nothing"
    assert enrol(client, older).status_code == 401
    got = enrol(client, newer).json()
    assert got["device"] == world.device
    assert (opens(client, world.key), opens(client, got["key"])) == (False, True)


@on_sqlite
def test_a_code_of_a_device_that_was_taken_out_of_use_opens_nothing(world: World, client: Browser) -> None:
    code = begin(world, device=world.device).code
    world.ledger.write(lambda tx: devices.revoke(tx, world.county, world.device))
    assert enrol(client, code).status_code == 401
    assert not opens(client, world.key)
    with pytest.raises(errors.UnknownDevice):
        begin(world, device=world.device)


@on_sqlite
def test_a_code_needs_a_site_of_the_county_and_hours(world: World) -> None:
    other = world.ledger.write(lambda tx: counties.add_county(tx, "白水县"))
    with pytest.raises(errors.UnknownSite):
        world.ledger.write(lambda tx: enrolment.begin(tx, other, world.site))
    with pytest.raises(errors.UnknownDevice):
        world.ledger.write(lambda tx: enrolment.begin(tx, world.county, world.other_site, device=world.device))
    for hours in (0, enrolment.MOST_H + 1):
        with pytest.raises(errors.BadHours):
            begin(world, hours=hours)


# --- keys ------------------------------------------------------------------------------------------------------------


@on_sqlite
def test_a_rotated_key_opens_and_the_one_before_does_not(world: World, client: Browser) -> None:
    key = world.ledger.write(lambda tx: devices.rotate(tx, world.county, world.device, reason="laptop lost"))
    assert (opens(client, world.key), opens(client, key)) == (False, True)
    (row,) = audits(world, "device.rotate")
    assert (row["reason"], row["detail"]) == ("laptop lost", {"device": world.device})
    assert key not in str(world.rows(schema.audit)) + str(world.rows(schema.device))
    world.ledger.write(lambda tx: devices.revoke(tx, world.county, world.device))
    with pytest.raises(errors.UnknownDevice):
        world.ledger.write(lambda tx: devices.rotate(tx, world.county, world.device))


def refuse(world: World, recorder: refusals.Recorder, *tried: tuple[str, str]) -> list[Any]:
    """What the log says of secrets that were refused, once their recording has ended."""

    async def note() -> None:
        for secret, address in tried:
            refusals.note(world.ledger, secret, address, recorder)
            await asyncio.gather(*recorder.under_way)

    with structlog.testing.capture_logs() as said:
        asyncio.run(note())
    return said


@on_sqlite
def test_a_revoked_key_is_on_record_when_it_is_tried_and_once_in_a_while(world: World) -> None:
    world.ledger.write(lambda tx: devices.revoke(tx, world.county, world.device))
    recorder = refusals.Recorder()
    said = refuse(world, recorder, *[(world.key, "203.0.113.7")] * 3, (world.key, "203.0.113.8"))
    rows = audits(world, "device.refused")
    assert [(row["actor"], row["place"]) for row in rows] == [(world.device, world.site)] * 2
    assert [row["detail"]["address"] for row in rows] == ["203.0.113.7", "203.0.113.8"]
    assert len(said) == 2
    assert world.key not in str(said) + str(rows)


def test_a_replaced_key_is_on_record_when_it_is_tried(world: World) -> None:
    first = world.ledger.write(lambda tx: devices.rotate(tx, world.county, world.device))
    world.ledger.write(lambda tx: devices.rotate(tx, world.county, world.device))
    refuse(world, refusals.Recorder(), (world.key, "203.0.113.7"), (first, "203.0.113.8"))
    assert [row["detail"]["address"] for row in audits(world, "device.refused")] == ["203.0.113.7", "203.0.113.8"]
    assert {row["detail"]["device"] for row in audits(world, "device.refused")} == {world.device}


@on_sqlite
def test_any_other_key_is_a_line_of_the_log_an_address_with_how_many_there_were(world: World) -> None:
    recorder = refusals.Recorder()
    tried = [(secrets.new(kind), "203.0.113.7") for kind in (*secrets.Kind, secrets.Kind.DEVICE)]
    (line,) = refuse(world, recorder, *tried)
    assert (line["address"], line["log_level"]) == ("203.0.113.7", "warning")
    assert not any(secret in str(line) for secret, _ in tried)
    now = recorder.said["address 203.0.113.7"][0]
    assert recorder.due("address 203.0.113.7", now + refusals.EVERY_S) == len(tried)
    assert audits(world, "device.refused") == []


def test_what_is_remembered_of_refusals_is_bounded() -> None:
    recorder = refusals.Recorder()
    for k in range(refusals.MOST + 10):
        assert recorder.due(f"address {k}", 0.0) == 1
    assert len(recorder.said) == refusals.MOST


@on_sqlite
def test_over_http_a_revoked_key_gets_what_a_wrong_one_gets(world: World, client: Browser) -> None:
    world.ledger.write(lambda tx: devices.revoke(tx, world.county, world.device))
    answers = [
        client.get("/v1/who", headers={"Authorization": f"Bearer {key}"})
        for key in (world.key, secrets.new(secrets.Kind.DEVICE))
    ]
    assert len({(answer.status_code, answer.content, str(answer.headers)) for answer in answers}) == 1
    for _ in range(200):  # the loop goes on a little: recording follows the answer
        if audits(world, "device.refused"):
            break
        client.get("/v1/who")
    assert [row["detail"]["device"] for row in audits(world, "device.refused")] == [world.device]


def test_the_problem_says_what_to_do_in_both_languages() -> None:
    problem = enrolment.wrong()
    assert isinstance(problem, Problem)
    assert "开通码" in problem.zh
    assert "administrator" in problem.en
