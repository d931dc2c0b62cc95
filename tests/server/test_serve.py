"""`ecgnet serve` and what is done beside it, as real processes on free ports."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from ledger import schema
from ledger.database import Ledger, UnsafeSqlite
from ledger.ids import new_id
from server import cli, serve
from server.refusal import Refusal
from server.settings import Settings
from tests.server.commands import assert_one_sentence, ecgnet
from tests.support.needs import REPOSITORY
from tests.support.serving import Clinic, Doctor, Server, World, ludb_55, make_world, wait_until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests of this file that do not end it."""
    folder = tmp_path_factory.mktemp("served")
    running = Server(make_world(f"sqlite:///{folder / 'ecgnet.db'}", folder), cold=True).start()
    yield running
    running.stop()


def refused(*words: str) -> str:
    """Run `ecgnet serve`, which must end with one sentence and exit code 1."""
    done = ecgnet("serve", *words)
    assert done.returncode == 1, done
    assert_one_sentence(done)
    return done.stderr


# --- what stands in the way ------------------------------------------------------------------------------------------


def test_plain_http_beyond_this_machine_is_refused(tmp_path: Path) -> None:
    assert "--trusted-proxy" in refused("--data", str(tmp_path), "--host", "0.0.0.0")
    serve.refuse_plain_http(Settings(data=tmp_path, host="0.0.0.0", trusted_proxy="10.0.0.2"))
    serve.refuse_plain_http(Settings(data=tmp_path, host="0.0.0.0", cert=Path("c.pem"), key=Path("k.pem")))
    serve.refuse_plain_http(Settings(data=tmp_path, host="::1"))


def test_a_second_server_on_the_same_folder_is_refused_and_the_first_goes_on(server: Server) -> None:
    assert str(server.world.folder) in refused("--data", str(server.world.folder), "--port", "0")
    assert httpx.get(f"{server.address}/livez").status_code == 200


def test_a_port_in_use_is_one_sentence(server: Server, tmp_path: Path) -> None:
    assert str(server.port) in refused("--data", str(tmp_path), "--port", str(server.port))


def test_a_data_folder_that_cannot_be_written_to_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Refusal):
        serve.prepare_folder(_not_writable(tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(Refusal):
        serve.prepare_folder(tmp_path / "file")


def _not_writable(tmp_path: Path) -> Path:
    if os.geteuid() == 0:  # whom no rights stop, but no folder is made there
        return Path("/proc/ecgnet")
    tmp_path.chmod(0o500)
    return tmp_path


def test_an_unsafe_sqlite_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsafe(*_: object) -> Ledger:
        raise UnsafeSqlite("SQLite 3.40.1 can damage … 可能损坏")

    monkeypatch.setattr(Ledger, "open", unsafe)
    with pytest.raises(Refusal) as refusal:
        serve.open_ledger(Settings(data=tmp_path))
    assert "3.40.1" in str(refusal.value)


def test_a_newer_schema_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    ledger = serve.open_ledger(settings)
    serve.migrate(ledger)
    with ledger.engine.connect() as connection, connection.begin():
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Refusal) as refusal:
        serve.migrate(ledger)
    assert "9999" in str(refusal.value)
    with ledger.engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"
    ledger.close()


def test_a_database_that_does_not_answer_is_one_sentence(tmp_path: Path) -> None:
    gone = f"postgresql+psycopg://nobody@/none?host={tmp_path}&connect_timeout=2"
    with pytest.raises(Refusal):
        serve.open_ledger(Settings(data=tmp_path, database=gone))


def test_a_certificate_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("no certificate")
    name = str(tmp_path / "none.pem")
    assert "--cert" in refused("--data", str(tmp_path), "--port", "0", "--cert", name, "--key", name)


# --- while it runs ---------------------------------------------------------------------------------------------------


def test_admin_works_beside_a_running_server_and_prints_only_the_id(server: Server) -> None:
    folder = str(server.world.folder)
    site = only_line(ecgnet("admin", "site", "add", "--data", folder, "--name", "东湾村卫生室", "--township", "柳河镇"))
    key = only_line(ecgnet("admin", "device", "add", "--data", folder, "--site", site))
    answer = httpx.post(f"{server.address}/v1/exams", headers={"Authorization": f"Bearer {key}"}, files={"file": b"?"})
    assert answer.status_code == 201
    assert re.fullmatch(r"[0-9a-z]{26}", site)


def test_the_password_comes_from_standard_input_and_opens_the_door(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("a new password\n"))
    administer(server, "person", "add", "--name", "新医生", "--role", "cardiologist")
    asked = {"name": "新医生", "password": "a new password"}
    assert httpx.post(f"{server.address}/v1/session", json=asked).status_code == 200


def test_a_clinic_person_needs_a_site(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("a new password\n"))
    with pytest.raises(Refusal):
        administer(server, "person", "add", "--name", "x", "--role", "clinic")


def test_the_roster_is_added_to_and_listed(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    soon = datetime.fromtimestamp(time.time() + 86400, UTC).isoformat()
    add = ("roster", "add", "--slot", "chief", "--person", "何立", "--to")
    administer(server, *add, soon)
    capsys.readouterr()
    administer(server, "roster", "list")
    assert ["chief", "何立"] in [line.split("\t")[:2] for line in capsys.readouterr().out.splitlines()]
    with pytest.raises(Refusal) as refusal:
        administer(server, *add, "tomorrow")
    assert "tomorrow" in refusal.value.en


def administer(server: Server, *words: str) -> None:
    """`ecgnet admin …` on the running server's folder, in this process."""
    cli.app(["admin", *words, "--data", str(server.world.folder)], standalone_mode=False)


def test_send_prints_the_receipt_and_the_figures_move(server: Server) -> None:
    before = figure(server, "ecgnet_exams_received_total")
    to = ("--to", server.address, "--key", server.world.key)
    done = ecgnet("send", str(REPOSITORY / "tests" / "data" / "55.hea"), *to, "--symptom", "chest_pain")
    assert done.returncode == 0, done.stderr
    receipt = json.loads(only_line(done))
    assert set(receipt) >= {"exam", "sha256", "bytes", "received_at", "status"}
    clinic = Clinic(server.address, server.world.key)
    clinic.wait_for(receipt["exam"], lambda exam: exam["colour"] == "RED", 20, "RED")
    assert figure(server, "ecgnet_exams_received_total") == before + 1
    assert figure(server, 'ecgnet_analyses_total{outcome="analysed"}') >= 1
    assert figure(server, "ecgnet_exam_to_analysis_seconds_count") >= 1
    wait_until(lambda: figure(server, "ecgnet_alerts_unanswered") == 1, 5, "one alert unanswered")
    assert "青禾县" not in httpx.get(f"{server.address}/metrics").text


def test_a_wrong_key_or_a_missing_file_is_exit_one(server: Server) -> None:
    file = str(REPOSITORY / "tests" / "data" / "55.hea")
    assert ecgnet("send", file, "--to", server.address, "--key", "ek_wrong").returncode == 1
    assert ecgnet("send", "none.scp", "--to", server.address, "--key", server.world.key).returncode == 1


def test_a_running_server_is_ready(server: Server) -> None:
    checks = wait_until(lambda: ready(server), 20, "ready")
    assert checks == {"ledger": True, "writer": True, "desk": True, "analysers": True}


def ready(server: Server) -> dict[str, bool] | None:
    answer = httpx.get(f"{server.address}/readyz")
    return answer.json()["checks"] if answer.status_code == 200 else None


def figure(server: Server, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", httpx.get(f"{server.address}/metrics").text, re.MULTILINE)
    assert found is not None, name
    return float(found[1])


def only_line(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    return line


# --- the end ---------------------------------------------------------------------------------------------------------


def test_sigterm_ends_it_within_ten_seconds_with_exit_code_zero_and_nobody_left(tmp_path: Path) -> None:
    world = make_world(f"sqlite:///{tmp_path / 'ecgnet.db'}", tmp_path)
    server = Server(world, cold=True).start()
    children = server.children()
    sent = Clinic(server.address, world.key).send(ludb_55(), "55.zip")
    assert server.process is not None
    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        stack.callback(Doctor(server.address, "周敏").close)
        stalled = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        head = f"POST /v1/exams HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.key}\r\n"
        stalled.sendall(
            f"{head}Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 900\r\n\r\n--b".encode()
        )
        wait_until(lambda: figure(server, "ecgnet_open_feeds") == 1, 20, "the doctor's feed")
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(10) == 0
    assert time.monotonic() - began < 10
    assert "Traceback" not in server.log()
    wait_until(lambda: not any(_lives(pid) for pid in children), 20, "no analyser left")
    assert [row["id"] for row in world.rows(schema.exam)] == [sent["exam"]]
    done = ecgnet("admin", "verify", "--data", str(tmp_path))
    assert done.returncode == 0, done


def test_verify_finds_a_changed_original_and_a_changed_audit_row(tmp_path: Path) -> None:
    from ledger.verify import verify

    world = make_world(f"sqlite:///{tmp_path / 'ecgnet.db'}", tmp_path)
    _break(world)
    with world.ledger() as ledger:
        report = ledger.read(verify)
    assert len(report.broken) == 2
    assert any("original" in line.en for line in report.broken)
    assert any("audit" in line.where for line in report.broken)


def _break(world: World) -> None:
    """Somebody changes a stored byte and a line of the audit behind our back."""
    from ledger import originals

    prepared = originals.Prepared(os.urandom(2000))
    with world.ledger() as ledger:
        ledger.write(lambda tx: originals.put(tx, world.county, prepared))
        with ledger.engine.connect() as connection, connection.begin():
            connection.execute(schema.original_piece.update().values(data=os.urandom(2000)))
            connection.execute(schema.audit.update().where(schema.audit.c.seq == 2).values(actor=new_id()))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
