"""Messages to telephones: once each, whoever dies; a dead channel moves on at once; never a name, never an address."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import update

from county import contacts
from ledger import due, schema
from tests.triage.gateway import Gateway
from tests.triage.kit import RED, WANG, World, steps
from triage import channels, deliveries, ladder_routes, policies
from triage.channels import Outcome
from triage.deliveries import Deliverer, Job

NUMBERS = {"cardiologist": "1380001", "second": "1380002", "coordinator": "1380003", "chief": "1380004"}


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    opened = Gateway()
    yield opened
    opened.close()


@pytest.fixture
def phones(world: World, gateway: Gateway) -> World:
    """Everybody on call, each with a telephone for messages and one for calls."""
    world.on_duty(first="cardiologist", backup="second", coordinator="coordinator", chief="chief")
    for who, number in NUMBERS.items():
        for channel in ("sms", "call"):
            contact(world, who, channel, gateway.address(f"{channel}-{number}"))
    return world


def contact(world: World, who: str, channel: str, address: str) -> str:
    person = world.actors[who].id
    return world.ledger.write(lambda tx: contacts.add(tx, world.county, channel, address, person=person))


def jobs(world: World) -> list[Job]:
    return world.ledger.write(lambda tx: deliveries.take(tx, 100))


def deliver(world: World, send: Callable[[Job], Outcome] | None = None) -> int:
    """Send all that is due now, one after another."""
    done = 0
    while found := jobs(world):
        for job in found:
            outcome = send(job) if send else channels.send(job.address, job.words, job.claim.id)
            assert world.ledger.write(lambda tx, job=job, outcome=outcome: deliveries.finish(tx, job, outcome))
            done += 1
    return done


def state_of(world: World) -> list[tuple[str, str]]:
    names = {actor.id: who for who, actor in world.actors.items()}
    order = list(world.actors)
    rows = sorted(
        world.rows(schema.delivery), key=lambda row: (row["created_at"], order.index(names[row["person_id"]]))
    )
    return [(names[row["person_id"]], row["state"]) for row in rows]


def test_each_rung_rings_whom_it_names_once(phones: World, gateway: Gateway) -> None:
    phones.sent(RED, patient=WANG)
    assert deliver(phones) == 0, "the first rung is the screen"
    phones.clock.advance(60)
    assert (phones.climb(), deliver(phones), deliver(phones)) == (1, 2, 0)
    assert {message["to"] for message in gateway.asked} == {"sms-1380001", "sms-1380002"}
    phones.clock.advance(60)
    assert (phones.climb(), deliver(phones)) == (1, 3)
    assert {message["to"] for message in gateway.asked[2:]} == {"call-1380001", "call-1380002", "call-1380003"}
    row = phones.rows(schema.delivery)[0]
    assert (row["state"], row["receipt"]) == ("delivered", f"r-{row['id'][-6:]}")
    said = gateway.asked[0]
    assert said["text"].startswith("上坪村卫生室（上坪乡）：")
    assert "王建国" not in str(gateway.asked) + str(phones.rows(schema.delivery))
    assert "第3次呼叫" in gateway.asked[2]["text"]


def test_the_screen_shows_every_call_and_what_became_of_it(phones: World) -> None:
    exam = phones.sent(RED)
    phones.clock.advance(60)
    phones.climb()
    deliver(phones)
    case = phones.case_of(exam)["id"]
    seen = phones.ledger.read(lambda c: ladder_routes.ladders(c, phones.actors["coordinator"], case))
    assert seen is not None
    (shown,) = seen.items
    assert [(call.step, len(call.messages)) for call in shown.calls] == [(0, 0), (1, 2)]
    assert {message.state for message in shown.calls[1].messages} == {"delivered"}
    assert "127.0.0.1" not in seen.model_dump_json()
    for who in ("clinic", "neighbour", "administrator"):
        other = phones.actors[who]
        assert phones.ledger.read(lambda c, other=other: ladder_routes.ladders(c, other, case)) is None


def test_a_patients_name_is_sent_only_where_the_county_allows_it(phones: World, gateway: Gateway) -> None:
    phones.ledger.write(lambda tx: policies.put(tx, phones.county, "names_in_messages = true"))
    phones.sent(RED, patient=WANG)
    phones.clock.advance(60)
    phones.climb()
    deliver(phones)
    assert "王建国" in gateway.asked[0]["text"]


def test_what_is_acknowledged_is_seen_and_rings_nobody_more(phones: World, gateway: Gateway) -> None:
    exam = phones.sent(RED)
    phones.clock.advance(60)
    phones.climb()
    deliver(phones)
    phones.clock.advance(60)
    phones.climb()
    phones.clock.advance(1)
    phones.do("second", "acknowledge", phones.case_of(exam)["id"])
    assert deliver(phones) == 0
    assert state_of(phones) == [
        ("cardiologist", "delivered"), ("second", "seen"),
        ("cardiologist", "withdrawn"), ("second", "withdrawn"), ("coordinator", "withdrawn"),
    ]  # fmt: skip
    phones.clock.advance(420)
    assert (phones.climb(), deliver(phones)) == (1, 3), "undecided, it rings again"
    assert "已应答但未决定" in gateway.asked[-1]["text"]


def test_a_dead_channel_reaches_the_next_one_at_once_and_is_tried_again(phones: World, gateway: Gateway) -> None:
    phones.sent(RED)
    phones.clock.advance(60)
    phones.climb()

    def sms_is_dead(job: Job) -> Outcome:
        if "#sms" in job.address:
            return Outcome(False, problem="http-503")
        return channels.send(job.address, job.words, job.claim.id)

    assert deliver(phones, sms_is_dead) == 4
    assert {message["to"] for message in gateway.asked} == {"call-1380001", "call-1380002"}
    assert steps(phones, phones.rows(schema.alert)[0]["id"])[-1][0] == 1, "they were reached: the ladder keeps its time"
    phones.clock.advance(5)
    assert deliver(phones) == 2, "after a pause the gateway is asked again"
    assert len(gateway.to("sms-1380001")) == 1


def test_where_no_channel_reaches_anybody_the_ladder_climbs_at_once(phones: World) -> None:
    exam = phones.sent(RED)
    phones.clock.advance(60)
    phones.climb()
    deliver(phones, lambda _: Outcome(False, problem="ConnectError"))
    alert = phones.alerts(phones.case_of(exam)["id"])[0]
    called = steps(phones, alert["id"])
    assert [step for step, _, _ in called] == [0, 1, 2, 3, 4], "without a minute's wait, to the end of the list"
    assert {why for _, why, _ in called[2:]} == {"unreachable"}
    assert phones.climb() == 0


def test_a_worker_that_died_after_sending_rings_no_telephone_twice(phones: World, gateway: Gateway) -> None:
    phones.sent(RED)
    phones.clock.advance(60)
    phones.climb()
    for job in jobs(phones):  # sent, and killed before the commit
        channels.send(job.address, job.words, job.claim.id)
    phones.clock.advance(deliveries.QUEUE.lease_us / 1_000_000)
    assert deliver(phones) == 2
    assert len(gateway.asked) == 4
    assert len(gateway.rung) == 2
    assert [state for _, state in state_of(phones)] == ["delivered", "delivered"]


def test_a_channel_that_cannot_be_asked_twice_is_not_and_the_next_is_used(phones: World, gateway: Gateway) -> None:
    gone = phones.ledger.read(lambda c: contacts.of(c, phones.county, [phones.actors["cardiologist"].id]))
    phones.ledger.write(lambda tx: contacts.remove(tx, phones.county, gone[0].id))
    contact(phones, "cardiologist", "sms", "ntfy://topic")
    phones.sent(RED)
    phones.clock.advance(60)
    phones.climb()
    assert len([job for job in jobs(phones) if job.address.startswith("ntfy")]) == 1
    phones.clock.advance(deliveries.QUEUE.lease_us / 1_000_000)
    again = jobs(phones)
    assert not [job for job in again if job.address.startswith("ntfy")], "it may have rung"
    deliver(phones)
    assert gateway.to("call-1380001"), "so the next contact rings instead"


def test_what_never_goes_through_is_given_up_and_stays_on_record(phones: World) -> None:
    for who in ("second", "coordinator", "chief"):
        for one in phones.ledger.read(lambda c, who=who: contacts.of(c, phones.county, [phones.actors[who].id])):
            phones.ledger.write(lambda tx, one=one: contacts.remove(tx, phones.county, one.id))
    phones.sent(RED)
    phones.clock.advance(60)
    phones.climb()
    tried = 0
    for _ in range(20):
        tried += deliver(phones, lambda _: Outcome(False, problem="http-500"))
        phones.clock.advance(300)
    rows = phones.rows(schema.delivery)
    assert {row["attempts"] for row in rows} == {deliveries.QUEUE.max_attempts}
    assert {(row["state"], row["work_at"], row["problem"]) for row in rows} == {("failed", None, "http-500")}
    assert tried == len(rows) * deliveries.QUEUE.max_attempts


def test_a_lease_that_was_given_up_overwrites_nothing(phones: World) -> None:
    phones.sent(RED)
    phones.clock.advance(60)
    phones.climb()
    slow = jobs(phones)[0]
    phones.clock.advance(deliveries.QUEUE.lease_us / 1_000_000)
    deliver(phones)
    assert not phones.ledger.write(lambda tx: deliveries.finish(tx, slow, Outcome(False, problem="late")))
    assert {state for _, state in state_of(phones)} == {"delivered"}


def test_the_worker_sends_while_one_gateway_hangs(
    phones: World, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = threading.Event()
    real = channels.send

    def send(address: str, words: Any, key: str) -> Outcome:
        if address.endswith("1380001"):
            let_go.wait(20)
        return real(address, words, key)

    monkeypatch.setattr(channels, "send", send)
    woken = threading.Event()
    worker = Deliverer(phones.ledger, woken)
    phones.sent(RED)
    phones.clock.advance(60)
    phones.climb()
    assert worker.send_due() == 2
    until = time.monotonic() + 20
    while not gateway.to("sms-1380002") and time.monotonic() < until:
        time.sleep(0.01)
    assert gateway.to("sms-1380002")
    assert not gateway.to("sms-1380001")
    let_go.set()
    worker.close()
    assert {state for _, state in state_of(phones)} == {"delivered"}


def test_no_log_event_or_audit_row_holds_an_address(
    phones: World, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    phones.sent(RED)
    phones.clock.advance(60)
    phones.climb()
    worker = Deliverer(phones.ledger, threading.Event())
    phones.ledger.write(
        lambda tx: (
            tx.connection.execute(update(schema.contact).values(address="gateway+http://127.0.0.1:9/k#99")) and None
        )
    )
    worker.send_due()
    worker.close()
    said = "".join(capsys.readouterr()) + caplog.text
    kept = str([phones.rows(table) for table in (schema.event, schema.audit, schema.delivery)])
    assert "127.0.0.1:9" not in said + kept
    assert "#99" not in said + kept
    listed = phones.ledger.read(lambda connection: contacts.all_contacts(connection, phones.county))
    assert "127.0.0.1" not in repr(listed)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_two_servers_take_each_delivery_once(phones: World, gateway: Gateway) -> None:
    for _ in range(4):
        phones.sent(RED)
    phones.clock.advance(60)
    phones.climb()
    workers = [Deliverer(phones.ledger, threading.Event()) for _ in range(2)]
    taking = [threading.Thread(target=worker.send_due) for worker in workers]
    for one in taking:
        one.start()
    for one in taking:
        one.join(20)
    until = time.monotonic() + 20  # closing cancels what no thread has begun yet
    while len(gateway.rung) < 8 and time.monotonic() < until:
        time.sleep(0.01)
    for worker in workers:
        worker.close()
    assert len(gateway.asked) == len(gateway.rung) == 8
    assert due.claim  # the queue is the ledger's own
