"""The doctor says in a line each what is wrong and what to do; what it cannot look at hides no other line."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import namedtuple
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, text, update

from county import rosters
from ledger import schema
from ledger.clock import SECOND, SystemClock
from ledger.database import Ledger, Transaction
from ledger.ids import new_id
from server import doctor
from server.commands import keeping
from server.doctor import Level, Line, Patient
from server.refusal import Refusal
from server.settings import Settings
from tests.support.serving import World, make_world

HOUR = 3600 * SECOND
DAY = 24 * HOUR


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One county on each engine; each test undoes what it did by rolling its own rows back."""
    folder = tmp_path_factory.mktemp("doctor")
    if request.param == "sqlite":
        world = make_world(f"sqlite:///{folder / 'ecgnet.db'}", folder)
    else:
        cluster = request.getfixturevalue("_postgres_cluster")
        if cluster is None:
            pytest.skip("no PostgreSQL")
        world = make_world(cluster.create_database(), folder)
    with world.ledger() as ledger:
        ledger.write(lambda tx: _fill(tx, world))
    yield world
    world.close()


def _fill(tx: Transaction, world: World) -> None:
    """A county that is well: its clinic live, rostered for a fortnight, backed up an hour ago."""
    tx.connection.execute(update(schema.site).values(live_at=1))
    for slot, name in (("first", "周敏"), ("backup", "何立"), ("coordinator", "林协调")):
        rosters.add(
            tx, world.county, slot, world.people[name], tx.now + 24 * HOUR - SECOND * 3600 * 2, tx.now + 14 * DAY
        )
    tx.event(world.county, "roster.changed", {})
    row = {"county_id": world.county, "id": new_id(), "place": "x.zip", "bytes": 1, "sha256": "0" * 64, "audit_seq": 0}
    row |= {"audit_head": "0" * 64, "begun_at": tx.now - HOUR, "verified_at": tx.now - HOUR}
    tx.connection.execute(insert(schema.backup), row)


@pytest.fixture
def patient(made: World) -> Iterator[Patient]:
    with made.ledger() as ledger:
        yield Patient(ledger, Settings(data=made.folder, database=made.url))


def line(patient: Patient, name: str) -> Line:
    (found,) = (one for one in doctor.examine(patient) if one.what.endswith(f" {name}"))
    return found


def changed(ledger: Ledger, work: Callable[[Transaction], Any]) -> None:
    ledger.write(lambda tx: work(tx) and None)


def test_a_county_that_is_well_is_some_ten_lines_in_both_languages(patient: Patient) -> None:
    lines = doctor.examine(patient)
    assert 9 <= len(lines) <= 12
    serious = [str(one) for one in lines if one.level is not Level.OK and not one.what.endswith(" disk")]
    assert serious == []
    for one in lines:
        assert re.search(r"[\u4e00-\u9fff]", one.zh), one
        assert re.search(r"[A-Za-z]{2,}", one.en), one


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    ("total", "free", "level"), [(100, 50, "OK"), (100, 8, "LOOK"), (100, 4, "LOOK!"), (5, 0.9, "LOOK!")]
)
def test_disk(patient: Patient, monkeypatch: pytest.MonkeyPatch, total: float, free: float, level: str) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: Usage(total * doctor.GIB, 0, free * doctor.GIB))
    assert line(patient, "disk").level == level


@pytest.mark.parametrize(("hours", "level"), [(25, "OK"), (30, "LOOK"), (200, "LOOK!")])
def test_backup_age(patient: Patient, hours: float, level: str) -> None:
    at = patient.now - round(hours * HOUR)
    changed(patient.ledger, lambda tx: tx.connection.execute(update(schema.backup).values(begun_at=at)))
    assert line(patient, "backup").level == level
    changed(patient.ledger, lambda tx: tx.connection.execute(update(schema.backup).values(begun_at=tx.now)))


def test_a_backup_that_was_never_verified_does_not_count(patient: Patient) -> None:
    changed(patient.ledger, lambda tx: tx.connection.execute(update(schema.backup).values(verified_at=None)))
    assert line(patient, "backup").level is Level.LOOK  # nothing was received yet, so nothing can be lost
    changed(patient.ledger, lambda tx: tx.connection.execute(update(schema.backup).values(verified_at=tx.now)))


def test_clinics_of_which_none_is_live_are_no_good_news(patient: Patient) -> None:
    every = update(schema.site)
    changed(patient.ledger, lambda tx: tx.connection.execute(every.values(live_at=None)))
    found = line(patient, "clinics")
    assert (found.level, "none of them live" in found.en) == (Level.LOOK, True)
    changed(patient.ledger, lambda tx: tx.connection.execute(every.values(live_at=1)))


def test_silent_clinics_are_named(made: World, patient: Patient) -> None:
    silent = update(schema.site).where(schema.site.c.id == made.site)
    changed(patient.ledger, lambda tx: tx.connection.execute(silent.values(silent_at=tx.now)))
    found = line(patient, "clinics")
    assert (found.level, "石桥村卫生室" in found.zh) == (Level.LOOK, True)
    changed(patient.ledger, lambda tx: tx.connection.execute(silent.values(silent_at=None)))


def _exam(made: World, tx: Transaction, **values: Any) -> None:
    digest = new_id() * 2
    original = {"county_id": made.county, "sha256": digest, "bytes": 0, "encoding": "plain", "created_at": tx.now}
    tx.connection.execute(insert(schema.original), original)
    row = {
        "county_id": made.county, "id": new_id(), "site_id": made.site, "sender": "d", "sha256": digest, "bytes": 0,
        "files": [], "status": "received", "received_at": tx.now, "urgent": False, "symptoms": [], "conflicts": [],
        "context_problem": False, "advice": [], "attempts": 0,
    }  # fmt: skip
    tx.connection.execute(insert(schema.exam), {**row, **values})


@pytest.mark.parametrize(("seconds", "level"), [(20, "OK"), (100, "LOOK"), (400, "LOOK!")])
def test_ecgs_that_wait(made: World, patient: Patient, seconds: int, level: str) -> None:
    def put(tx: Transaction) -> None:
        _exam(made, tx, work_at=tx.now - seconds * SECOND, received_at=tx.now - seconds * SECOND)

    changed(patient.ledger, put)
    assert line(patient, "work").level == level
    changed(patient.ledger, lambda tx: tx.connection.execute(delete(schema.exam)))


def test_what_lies_in_quarantine(made: World, patient: Patient) -> None:
    changed(patient.ledger, lambda tx: _exam(made, tx, quarantined_at=tx.now))
    assert line(patient, "quarantine").level is Level.LOOK
    changed(patient.ledger, lambda tx: tx.connection.execute(update(schema.exam).values(released_at=tx.now)))
    assert line(patient, "quarantine").level is Level.OK
    changed(patient.ledger, lambda tx: tx.connection.execute(delete(schema.exam)))


def test_messages_that_were_given_up(made: World, patient: Patient) -> None:
    def put(tx: Transaction) -> None:
        row = {"county_id": made.county, "id": new_id(), "key": new_id(), "channel": "sms", "words": {}}
        tx.connection.execute(
            insert(schema.delivery), {**row, "state": "failed", "created_at": tx.now, "attempts": 4, "work_at": None}
        )

    changed(patient.ledger, put)
    found = line(patient, "messages")
    assert (found.level, "sms 1" in found.en) == (Level.NOW, True)  # and none was delivered
    changed(patient.ledger, lambda tx: tx.connection.execute(delete(schema.delivery)))


def test_a_gap_tomorrow_is_serious_and_one_next_week_is_not(patient: Patient) -> None:
    change = update(schema.shift).where(schema.shift.c.slot == "first", schema.shift.c.to_at > patient.now + 2 * DAY)
    changed(patient.ledger, lambda tx: tx.connection.execute(change.values(to_at=tx.now + 3 * DAY)))
    assert line(patient, "roster").level is Level.LOOK
    changed(patient.ledger, lambda tx: tx.connection.execute(change.values(from_at=tx.now + 2 * DAY)))
    assert line(patient, "roster").level is Level.NOW
    changed(patient.ledger, lambda tx: tx.connection.execute(change.values(from_at=tx.now, to_at=tx.now + 14 * DAY)))


def test_a_clock_that_was_set_back_or_differs_from_the_devices(made: World, patient: Patient) -> None:
    behind = SystemClock(-300 * SECOND)
    opened = Ledger.open(made.url, behind)
    try:
        found = line(Patient(opened, patient.settings), "clock")
    finally:
        opened.close()
    assert found.level is Level.NOW
    assert line(patient, "clock").level is Level.OK
    device = {"county_id": made.county, "site_id": made.site, "key_hash": "x"}

    def put(tx: Transaction) -> None:
        for number in range(doctor.MANY_DEVICES):
            row = {**device, "id": f"clock{number}", "created_at": tx.now, "clock_at": tx.now}
            tx.connection.execute(insert(schema.device), {**row, "clock_offset_us": 20 * SECOND})

    changed(patient.ledger, put)
    assert line(patient, "clock").level is Level.LOOK
    changed(
        patient.ledger, lambda tx: tx.connection.execute(delete(schema.device).where(schema.device.c.id.like("clock%")))
    )


def test_another_schema_is_said_and_hides_no_line_that_needs_no_table(patient: Patient) -> None:
    changed(patient.ledger, lambda tx: tx.connection.execute(text("UPDATE alembic_version SET version_num = '0001'")))
    lines = doctor.examine(patient)
    assert [one.what.split()[1] for one in lines] == ["disk", "version", "database", "certificate"]
    assert line(patient, "version").level is Level.NOW
    head = doctor._head()  # pyright: ignore[reportPrivateUsage]
    changed(
        patient.ledger,
        lambda tx: tx.connection.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": head}),
    )


def test_what_cannot_be_looked_at_is_a_line_of_its_own(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: Any) -> Any:
        raise OSError("the disk has gone")

    monkeypatch.setattr(doctor.shutil, "disk_usage", fails)
    lines = doctor.examine(patient)
    assert (lines[0].level, "the disk has gone" in lines[0].en, len(lines) > 8) == (Level.NOW, True, True)


def test_the_command_prints_the_lines_and_ends_with_one_if_one_is_serious(
    made: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: Usage(100 * doctor.GIB, 0, 50 * doctor.GIB))
    assert keeping.doctor(made.folder, made.url, None) == 0
    assert all(one.startswith("OK ") for one in capsys.readouterr().out.splitlines())
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: Usage(100 * doctor.GIB, 0, 1))
    assert keeping.doctor(made.folder, made.url, None) == 1
    with pytest.raises(Refusal):
        keeping.doctor(tmp_path / "nothing", None, None)
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(("days", "level"), [(3, "LOOK!"), (20, "LOOK"), (400, "OK"), (12_000, "OK")])
def test_the_end_of_a_certificate_is_what_openssl_says(tmp_path: Path, days: int, level: str) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    cert, key = tmp_path / "c.pem", tmp_path / "k.pem"
    made_ = [
        openssl,
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=a",
    ]
    subprocess.run(
        [*made_, "-days", str(days), "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True
    )
    said = subprocess.run([openssl, "x509", "-noout", "-enddate", "-in", str(cert)], check=True, capture_output=True)
    end = datetime.strptime(said.stdout.decode().strip(), "notAfter=%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)
    assert doctor.not_after(cert.read_text()) == end  # beyond 2049 it is written in another form
    settings = Settings(data=tmp_path, cert=cert, key=key)
    assert doctor.certificate(Patient(None, settings)).level == level  # type: ignore[arg-type]


def test_what_is_no_certificate_is_an_error_and_no_crash(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="substring"):
        doctor.not_after("no certificate")
