"""The first ECG goes all the way through the house, and a human has it in any case.

Real `ecgnet serve` processes, real SIGKILL, a real websocket, LUDB 55 (a real acute infarction), on both engines; what
a kill at a named point leaves behind is `test_first_ecg_killed.py`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from ledger import schema
from tests.promises.first_house import assert_alerted_once, serving
from tests.support.serving import REPOSITORY, Clinic, Doctor, Server, World, ludb_55, wait_until


def test_a_stemi_reaches_the_doctor_and_the_answer_reaches_the_clinic(world: World) -> None:
    with serving(world, cold=True) as server:
        clinic, doctor = Clinic(server.address, world.key), Doctor(server.address, "周敏")
        assert doctor.hello["you"] == {"id": world.people["周敏"], "name": "周敏"}
        receipt = clinic.send(ludb_55(), "55.zip", symptoms=["chest_pain"], patient={"name": "王建国", "sex": "male"})
        assert receipt["status"] == "received"

        alert = doctor.event("alert.raised", 60)
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
            timeout=30,
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
        alert = doctor.event("alert.raised", 60)
        assert alert["data"]["exam"] in sent.stdout
        doctor.close()


def test_a_client_that_was_away_gets_everything_by_replay(world: World) -> None:
    server = Server(world).start()
    doctor = Doctor(server.address, "周敏")
    epoch, last = doctor.hello["epoch"], doctor.hello["seq"]
    doctor.close()
    receipt = Clinic(server.address, world.key).send(ludb_55(), symptoms=["chest_pain"])
    wait_until(lambda: world.rows(schema.alert), 60, "the alert")
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
    alert = doctor.event("alert.raised", 60)
    assert (alert["data"]["colour"], alert["data"]["exam"]) == ("ORANGE", receipt["exam"])
    doctor.close()
    server.kill()


def test_a_worker_that_dies_is_replaced_and_the_exam_goes_on(world: World) -> None:
    with serving(world) as server:
        clinic = Clinic(server.address, world.key)
        warm = clinic.send(b"warms the worker", "note.txt")
        told = clinic.wait_for(warm["exam"], lambda exam: exam["status"] == "unreadable", 60, "unreadable")
        assert told["problem"]["zh"]
        assert told["problem"]["en"]
        before = server.children()
        for child in before:
            os.kill(child, signal.SIGKILL)
        receipt = clinic.send(ludb_55(), symptoms=["chest_pain"])
        clinic.wait_for(receipt["exam"], lambda exam: exam["status"] == "analysed", 60, "analysed by a new worker")
        assert not set(before) & set(server.children())
