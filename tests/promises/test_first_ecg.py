"""The first ECG goes all the way through the house, and nothing of it is lost when the server is killed in between.

Real `ecgnet serve` processes, real SIGKILL, a real websocket, LUDB 55 (a real acute infarction), on both engines.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from ledger import schema
from ledger.database import make_engine
from tests.support.serving import REPOSITORY, Clinic, Doctor, Server, World, ludb_55, make_world, wait_until


@pytest.fixture
def world(engine_url: str, tmp_path: Path) -> Iterator[World]:
    world = make_world(engine_url, tmp_path)
    yield world
    world.close()


@contextlib.contextmanager
def serving(world: World, *, cold: bool = False) -> Iterator[Server]:
    server = Server(world, cold=cold).start()
    try:
        yield server
    finally:
        server.stop()


def assert_alerted_once(world: World, exam: str) -> None:
    """One alert row, one `alert.raised` event, and numbers without a gap."""
    alerts = [row for row in world.rows(schema.alert) if row["exam_id"] == exam]
    assert len(alerts) == 1, alerts
    raised = [row for row in world.events() if row["kind"] == "alert.raised" and row["data"]["exam"] == exam]
    assert len(raised) == 1
    assert raised[0]["seq"] == alerts[0]["seq"]
    seqs = [row["seq"] for row in world.events()]
    assert seqs == list(range(1, len(seqs) + 1))


def test_a_stemi_reaches_the_doctor_and_the_answer_reaches_the_clinic(world: World) -> None:
    with serving(world, cold=True) as server:
        clinic, doctor = Clinic(server.address, world.key), Doctor(server.address, "周敏")
        assert doctor.hello["you"] == {"id": world.people["周敏"], "name": "周敏"}
        receipt = clinic.send(ludb_55(), "55.zip", symptoms=["chest_pain"], patient={"name": "王建国", "sex": "male"})
        assert receipt["status"] == "received"

        alert = doctor.event("alert.raised", 20)
        assert alert["data"]["colour"] == "RED"
        assert alert["data"]["exam"] == receipt["exam"]
        assert alert["data"]["phone"] == "000-5550-101"
        assert {"lead": "V2", "measure": "st_j_mv"}.items() <= next(
            item for item in alert["data"]["evidence"] if item["lead"] == "V2"
        ).items()
        assert "王建国" not in str(alert)

        done = doctor.do("acknowledge", alert["case"], alert["seq"])
        assert done["type"] == "done"
        assert done["case"]["owner"] == {"id": world.people["周敏"], "name": "周敏"}
        assert done["case"]["acknowledged_at"] is not None
        seen = clinic.exam(receipt["exam"])["stages"]
        assert seen["seen_by"] == {"id": world.people["周敏"], "name": "周敏"}
        assert seen["answer"] is None

        confirmed = doctor.do("confirm", alert["case"], done["case"]["seq"])
        assert confirmed["case"]["state"] == "confirmed"
        answer = clinic.exam(receipt["exam"])["stages"]["answer"]
        assert answer["colour"] == "RED"
        assert answer["by"]["name"] == "周敏"
        assert "平卧" in answer["action"]["zh"]
        read = httpx.post(
            f"{server.address}/v1/cases/{alert['case']}/read-back",
            headers=clinic.headers,
            json={"seen": confirmed["case"]["seq"], "id": "rb-1"},
            timeout=10,
        )
        assert read.status_code == 200, read.text
        assert doctor.event("message.read_back")["case"] == alert["case"]
        doctor.close()
    assert_alerted_once(world, receipt["exam"])
    assert "王建国" not in server.log()


def test_the_sender_program_delivers_and_prints_the_receipt(world: World, tmp_path: Path) -> None:
    file = tmp_path / "55.zip"
    file.write_bytes(ludb_55())
    with serving(world) as server:
        command = [sys.executable, "-m", "server.cli", "send", str(file), "--to", server.address, "--key", world.key]
        sent = subprocess.run(
            [*command, "--symptom", "chest_pain"],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert sent.returncode == 0, sent.stderr
        doctor = Doctor(server.address, "周敏", after=0)
        alert = doctor.event("alert.raised", 20)
        assert alert["data"]["exam"] in sent.stdout
        doctor.close()


# --- killed at three named points ------------------------------------------------------------------------------------


def test_killed_after_the_receipt_the_alert_comes_once(world: World) -> None:
    server = Server(world).start()
    stopped = server.children()
    for child in stopped:  # the worker cannot answer before the kill
        os.kill(child, signal.SIGSTOP)
    receipt = Clinic(server.address, world.key).send(ludb_55(), symptoms=["chest_pain"])
    server.kill()
    _bury(stopped)
    assert _status(world, receipt["exam"]) == "received"
    _alert_after_restart(world, receipt["exam"])


def test_killed_while_the_worker_computes_the_alert_comes_once(world: World) -> None:
    server = Server(world).start()
    clinic = Clinic(server.address, world.key)
    warm = clinic.send(b"warms the worker", "note.txt")
    clinic.wait_for(warm["exam"], lambda exam: exam["status"] == "unreadable", 30, "the first file is answered")
    computing = server.children()
    for child in computing:
        os.kill(child, signal.SIGSTOP)
    receipt = clinic.send(ludb_55(), symptoms=["chest_pain"])
    wait_until(lambda: _row(world, receipt["exam"])["attempts"] == 1, 10, "a worker has the exam")
    server.kill()
    _bury(computing)
    assert _status(world, receipt["exam"]) == "received"
    _alert_after_restart(world, receipt["exam"])


def test_killed_after_the_analysis_and_before_the_case_the_alert_comes_once(world: World) -> None:
    _forbid_cases(world)
    server = Server(world).start()
    receipt = Clinic(server.address, world.key).send(ludb_55(), symptoms=["chest_pain"])
    wait_until(lambda: _status(world, receipt["exam"]) == "analysed", 30, "the analysis row")
    assert world.rows(schema.analysis)
    assert not world.rows(schema.case)
    server.kill()
    _allow_cases(world)
    assert not world.rows(schema.alert)
    _alert_after_restart(world, receipt["exam"])


def test_a_client_that_was_away_gets_everything_by_replay(world: World) -> None:
    server = Server(world).start()
    doctor = Doctor(server.address, "周敏")
    epoch, last = doctor.hello["epoch"], doctor.hello["seq"]
    doctor.close()
    receipt = Clinic(server.address, world.key).send(ludb_55(), symptoms=["chest_pain"])
    wait_until(lambda: world.rows(schema.alert), 30, "the alert")
    server.kill()
    with serving(world) as again:
        back = Doctor(again.address, "周敏", after=last, epoch=epoch)
        assert back.hello["epoch"] == epoch
        alert = back.event("alert.raised")
        shown = [frame for frame in back.frames if frame["type"] == "event"]
        assert [frame["prev"] for frame in shown] == [last, *(frame["seq"] for frame in shown[:-1])]
        assert alert["data"]["exam"] == receipt["exam"]
        assert back.do("acknowledge", alert["case"], alert["seq"])["type"] == "done"
        back.close()


def test_two_servers_on_one_database_raise_one_alert_and_survive_each_other(
    postgres_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    world = make_world(postgres_url, tmp_path)
    request.addfinalizer(world.close)
    first, second = Server(world).start(), Server(world).start()
    doctor = Doctor(second.address, "周敏")
    receipts = [Clinic(first.address, world.key).send(ludb_55(), symptoms=["chest_pain"])]
    first.kill()
    receipts.append(Clinic(second.address, world.other_key).send(ludb_55(), symptoms=["chest_pain"]))
    wanted = {receipt["exam"] for receipt in receipts}
    while wanted:
        wanted.discard(doctor.event("alert.raised", 30)["data"]["exam"])
    doctor.close()
    assert second.stop() == 0
    for receipt in receipts:
        assert_alerted_once(world, receipt["exam"])


# --- a human has it in any case --------------------------------------------------------------------------------------


def test_an_exam_that_nothing_analyses_reaches_a_human_unread(world: World) -> None:
    server = Server(world).start()
    for child in server.children():
        os.kill(child, signal.SIGSTOP)
    with world.ledger() as ledger:
        receipt = Clinic(server.address, world.key).send(ludb_55(), symptoms=["chest_pain"])
        ledger.write(  # 20 s are over
            lambda tx: tx.connection.execute(
                schema.exam.update().where(schema.exam.c.id == receipt["exam"]).values(unread_at=tx.now)
            )
        )
    doctor = Doctor(server.address, "周敏", after=0)
    alert = doctor.event("alert.raised", 10)
    assert (alert["data"]["colour"], alert["data"]["exam"]) == ("ORANGE", receipt["exam"])
    doctor.close()
    server.kill()


def test_a_worker_that_dies_is_replaced_and_the_exam_goes_on(world: World) -> None:
    with serving(world) as server:
        clinic = Clinic(server.address, world.key)
        warm = clinic.send(b"warms the worker", "note.txt")
        told = clinic.wait_for(warm["exam"], lambda exam: exam["status"] == "unreadable", 30, "unreadable")
        assert told["problem"]["zh"]
        assert told["problem"]["en"]
        before = server.children()
        for child in before:
            os.kill(child, signal.SIGKILL)
        receipt = clinic.send(ludb_55(), symptoms=["chest_pain"])
        clinic.wait_for(receipt["exam"], lambda exam: exam["status"] == "analysed", 30, "analysed by a new worker")
        assert not set(before) & set(server.children())


def _row(world: World, exam: str) -> dict[str, Any]:
    return next(row for row in world.rows(schema.exam) if row["id"] == exam)


def _status(world: World, exam: str) -> str:
    return _row(world, exam)["status"]


def _bury(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _alert_after_restart(world: World, exam: str) -> None:
    with serving(world) as server:
        doctor = Doctor(server.address, "周敏", after=0)
        alert = doctor.event("alert.raised", 30)
        assert alert["data"]["exam"] == exam
        assert alert["data"]["colour"] == "RED"
        doctor.close()
    assert_alerted_once(world, exam)


_TRIGGERS = {
    "sqlite": (
        ["CREATE TRIGGER no_case BEFORE INSERT ON case_ BEGIN SELECT RAISE(ABORT, 'held by the test'); END"],
        ["DROP TRIGGER no_case"],
    ),
    "postgresql": (
        [
            "CREATE FUNCTION no_case() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'held'; END $$",
            "CREATE TRIGGER no_case BEFORE INSERT ON case_ FOR EACH ROW EXECUTE FUNCTION no_case()",
        ],
        ["DROP TRIGGER no_case ON case_", "DROP FUNCTION no_case"],
    ),
}


def _forbid_cases(world: World) -> None:
    """Hold the server between its two commits: whatever it tries, no case can be written."""
    _run(world, 0)


def _allow_cases(world: World) -> None:
    _run(world, 1)


def _run(world: World, which: int) -> None:
    engine = make_engine(world.url)
    with engine.connect().execution_options(ledger_writer=True) as connection, connection.begin():
        for statement in _TRIGGERS[engine.dialect.name][which]:
            connection.execute(text(statement))
    engine.dispose()
