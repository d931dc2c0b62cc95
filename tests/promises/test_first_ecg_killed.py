"""Nothing of the first ECG is lost, and its alert comes once, when the server is killed in between.

Real `ecgnet serve` processes, real SIGKILL, LUDB 55 (a real acute infarction), on both engines.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from ledger import schema
from ledger.database import make_engine
from tests.promises.first_house import assert_alerted_once, serving
from tests.support.serving import Clinic, Doctor, Server, World, ludb_55, make_world, wait_until


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
    clinic.wait_for(warm["exam"], lambda exam: exam["status"] == "unreadable", 60, "the first file is answered")
    computing = server.children()
    for child in computing:
        os.kill(child, signal.SIGSTOP)
    receipt = clinic.send(ludb_55(), symptoms=["chest_pain"])
    wait_until(lambda: _row(world, receipt["exam"])["attempts"] == 1, 60, "a worker has the exam")
    server.kill()
    _bury(computing)
    assert _status(world, receipt["exam"]) == "received"
    _alert_after_restart(world, receipt["exam"])


def test_killed_after_the_analysis_and_before_the_case_the_alert_comes_once(world: World) -> None:
    _forbid_cases(world)
    server = Server(world).start()
    receipt = Clinic(server.address, world.key).send(ludb_55(), symptoms=["chest_pain"])
    wait_until(lambda: _status(world, receipt["exam"]) == "analysed", 60, "the analysis row")
    assert world.rows(schema.analysis)
    assert not world.rows(schema.case)
    server.kill()
    _allow_cases(world)
    assert not world.rows(schema.alert)
    _alert_after_restart(world, receipt["exam"])


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
        wanted.discard(doctor.event("alert.raised", 60)["data"]["exam"])
    doctor.close()
    assert second.stop() == 0
    for receipt in receipts:
        assert_alerted_once(world, receipt["exam"])


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
        alert = doctor.event("alert.raised", 60)
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
