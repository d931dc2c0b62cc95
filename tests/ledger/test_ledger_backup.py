"""A backup is whole or not there; it comes back into an empty place only, and nothing of it is lost."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text, update

from ledger import backup, backup_file, restore, schema, verify
from ledger.backup_file import BackupError
from ledger.clock import ManualClock
from ledger.database import Ledger, make_engine
from ledger.ids import new_id
from tests.ledger.conftest import tell
from tests.ledger.test_ledger_verify import add, flipped
from tests.support import postgres

VERSION = "9.9"
SAME = [table for table in schema.metadata.sorted_tables if table.name not in ("county", "audit", "session", "backup")]


@pytest.fixture(autouse=True)
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """pg_dump and pg_restore of the server that the tests run."""
    binaries = postgres.find_binaries()
    if binaries is not None:
        monkeypatch.setenv("PATH", f"{binaries}{os.pathsep}{os.environ['PATH']}")


def filled(ledger: Ledger, exams: int = 3) -> list[str]:
    for number in range(exams):
        ledger.write(lambda tx, number=number: tell(tx, number))
    return [ledger.write(lambda tx, n=n: add(tx, b"ecg %d" % n * 400, [("a", b"")])) for n in range(exams)]


def rows(ledger: Ledger, table: Any) -> list[dict[str, Any]]:
    ordered = select(table).order_by(*table.primary_key)
    return ledger.read(lambda connection: [dict(row) for row in connection.execute(ordered).mappings()])


@contextlib.contextmanager
def empty_place(url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty folder's database, or an empty database, of the same engine."""
    if url.startswith("sqlite"):
        yield f"sqlite:///{tmp_path / 'new' / 'ecgnet.db'}"
        return
    cluster = request.getfixturevalue("_postgres_cluster")
    fresh = cluster.create_database()
    yield fresh
    cluster.drop_database(fresh)


def refused(*given: Any, **more: Any) -> BackupError:
    with pytest.raises(BackupError) as found:
        restore.restore(*given, **more)
    assert found.value.zh
    return found.value


def test_what_comes_back_is_what_was_there_under_a_new_epoch(
    ledger: Ledger, url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    filled(ledger)
    made = backup.make(ledger, backup.target_in(tmp_path / "kept", ledger.clock.now()), VERSION)
    assert made.is_whole
    assert made.trial == ("restored" if ledger.is_postgresql else "opened")
    assert made.path.stat().st_mode & 0o077 == 0
    assert list(made.path.parent.iterdir()) == [made.path]
    (on_record,) = rows(ledger, schema.backup)
    assert (on_record["place"], on_record["sha256"], on_record["bytes"]) == (made.path.name, made.sha256, made.bytes)
    assert on_record["verified_at"] is not None
    audited = rows(ledger, schema.audit)[-1]
    assert (audited["action"], audited["detail"]["head"]) == ("backup", made.manifest.counties[0].audit_head)
    with empty_place(url, tmp_path, request) as place:
        done = restore.restore(made.path, place)
        assert done.report.broken == []
        other = Ledger.open(place)
        try:
            assert [rows(other, table) for table in SAME] == [rows(ledger, table) for table in SAME]
            before, after = rows(ledger, schema.county)[0], rows(other, schema.county)[0]
            assert (after["epoch"], after["last_seq"]) == (done.epochs["c"], before["last_seq"])
            assert after["epoch"] != before["epoch"]
            assert rows(other, schema.audit)[-1]["action"] == "restore"
            assert verify_now(other, made.manifest.heads()) == []
            other.write(tell)  # and it goes on from there
        finally:
            other.close()
        assert "empty" in refused(made.path, place).en  # never over what is there


def verify_now(ledger: Ledger, heads: list[verify.Head]) -> list[verify.Damage]:
    return ledger.read(lambda connection: verify.verify(connection, heads)).broken


def test_a_damaged_ledger_is_backed_up_and_said_to_be_so(
    ledger: Ledger, url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    exams = filled(ledger)
    flipped(ledger, exams[1])
    made = backup.make(ledger, tmp_path / "damaged.zip", VERSION)
    assert [damage.where for damage in made.report.broken] == [f"exam {exams[1]}"]
    assert rows(ledger, schema.backup)[0]["verified_at"] is None
    with empty_place(url, tmp_path, request) as place:
        assert exams[1] in refused(made.path, place).en
        done = restore.restore(made.path, place, damaged=True)  # the place was left empty, and it is all there is
        assert len(done.report.broken) == 1


# --- the file itself (SQLite alone: the engine plays no part) ---------------------------------------------------------


@pytest.fixture
def small(sqlite_template: Path, tmp_path: Path) -> Iterator[Ledger]:
    copy = tmp_path / "ecgnet.db"
    copy.write_bytes(sqlite_template.read_bytes())
    opened = Ledger.open(f"sqlite:///{copy}", ManualClock())
    yield opened
    opened.close()


def test_a_flipped_byte_anywhere_in_the_file_is_seen(small: Ledger, tmp_path: Path) -> None:
    filled(small)
    made = backup.make(small, tmp_path / "a.zip", VERSION)
    whole = made.path.read_bytes()
    place = f"sqlite:///{tmp_path / 'new' / 'ecgnet.db'}"
    for at in range(500, len(whole) - 400, len(whole) // 23):
        made.path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        refused(made.path, place)
        assert not (tmp_path / "new" / "ecgnet.db").exists()
    made.path.write_bytes(whole[: len(whole) * 2 // 3])
    refused(made.path, place)


def test_a_session_that_ended_after_the_backup_does_not_come_back(small: Ledger, tmp_path: Path) -> None:
    def sign_in(tx: Any) -> None:
        person = {"county_id": "c", "id": "p", "name": "p", "role": "clinic", "phone": "", "password_hash": ""}
        tx.connection.execute(schema.person.insert(), {**person, "created_at": tx.now})
        session = {"county_id": "c", "id": "i", "person_id": "p", "token_hash": "h", "created_at": tx.now}
        tx.connection.execute(schema.session.insert(), {**session, "expires_at": tx.now + 10**12})

    small.write(sign_in)
    made = backup.make(small, tmp_path / "a.zip", VERSION)
    place = f"sqlite:///{tmp_path / 'new' / 'ecgnet.db'}"
    restore.restore(made.path, place)
    other = Ledger.open(place)
    assert rows(other, schema.session)[0]["ended_at"] is not None
    other.close()


def test_what_is_no_backup_is_refused_in_words(small: Ledger, tmp_path: Path) -> None:
    place = f"sqlite:///{tmp_path / 'new' / 'ecgnet.db'}"
    (tmp_path / "text.zip").write_text("no zip")
    assert "no backup" in refused(tmp_path / "text.zip", place).en
    assert "no file" in refused(tmp_path / "nothing.zip", place).en
    made = backup.make(small, tmp_path / "a.zip", VERSION)
    for field, value, word in (
        ("schema", "9999", "newer"),
        ("engine", "postgresql", "newer"),
        ("format", "x/2", "newer"),
    ):
        other = _changed(made.path, tmp_path / f"{field}.zip", {field: value})
        assert word in refused(other, place).en, field
    as_postgresql = {"engine": "postgresql", "member": backup_file.MEMBERS["postgresql"]}
    assert "cannot be restored into" in refused(_changed(made.path, tmp_path / "pg.zip", as_postgresql), place).en


def _changed(path: Path, to: Path, change: dict[str, Any]) -> Path:
    """The same backup with another manifest (and its database renamed to fit)."""
    manifest = {**asdict(backup_file.read(path)), **change}
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(to, "w") as out:
        out.writestr(backup_file.MANIFEST, json.dumps(manifest))
        out.writestr(str(manifest["member"]), archive.read("ecgnet.db"))
    return to


def test_a_chain_that_was_made_anew_behind_the_manifest_is_refused(small: Ledger, tmp_path: Path) -> None:
    made = backup.make(small, tmp_path / "a.zip", VERSION)
    small.write(lambda tx: tx.audit("c", "d", "x", "s"))
    made = backup.make(small, tmp_path / "b.zip", VERSION)
    counties = [{**asdict(one), "audit_head": "a" * 64} for one in made.manifest.counties]
    forged = _changed(made.path, tmp_path / "c.zip", {"counties": counties})
    assert "made anew" in refused(forged, f"sqlite:///{tmp_path / 'new' / 'ecgnet.db'}").en


def test_only_the_newest_of_this_ledger_are_kept(small: Ledger, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    stranger = folder / "ecgnet-20200101-000000Z.zip"
    stranger.write_bytes(b"somebody else's")
    paths: list[Path] = []
    for _ in range(4):
        made = backup.make(small, backup.target_in(folder, small.clock.now()), VERSION)
        paths.append(made.path)
        small.clock.advance(60)  # type: ignore[attr-defined]
        backup.prune(made, 2)
    assert sorted(folder.iterdir()) == sorted([stranger, *paths[-2:]])
    with pytest.raises(BackupError):
        backup.make(small, paths[-1], VERSION)  # never over another


def test_an_older_schema_is_brought_up_on_the_way_back(small: Ledger, tmp_path: Path) -> None:
    """The copy of a ledger of the schema before this one."""
    from alembic import command

    from ledger.migrate import config

    old = make_engine(f"sqlite:///{tmp_path / 'old.db'}")
    settings = config()
    with old.begin() as connection:
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0002")
    with old.begin() as connection:
        columns = [column for column in schema.county.columns if column.name != "none"]
        row = {"id": "c", "name": "c", "phone": "", "epoch": "e", "last_seq": 0, "audit_seq": 0}
        assert {column.name for column in columns} >= set(row)
        connection.execute(schema.county.insert(), {**row, "audit_head": "0" * 64, "created_at": 0})
    with old.connect() as connection:
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    old.dispose()
    made = backup.make(small, tmp_path / "a.zip", VERSION)
    data = (tmp_path / "old.db").read_bytes()
    manifest = {**asdict(made.manifest), "schema": "0002", "bytes": len(data)}
    manifest |= {"sha256": hashlib.sha256(data).hexdigest()}
    manifest["counties"] = [{**manifest["counties"][0], "audit_head": "0" * 64, "audit_seq": 0}]
    with zipfile.ZipFile(tmp_path / "old.zip", "w") as out:
        out.writestr(backup_file.MANIFEST, json.dumps(manifest))
        out.writestr("ecgnet.db", data)
    place = f"sqlite:///{tmp_path / 'new' / 'ecgnet.db'}"
    restore.restore(tmp_path / "old.zip", place)
    other = Ledger.open(place)
    assert rows(other, schema.backup) == []
    other.close()


def test_a_full_disk_leaves_nothing_behind(small: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backup_file, "sync_folder", full)
    folder = tmp_path / "kept"
    with pytest.raises(BackupError, match="No space"):
        backup.make(small, folder / "ecgnet-x.zip", VERSION)
    monkeypatch.undo()
    monkeypatch.setattr(backup_file, "pack", full)
    with pytest.raises(BackupError, match="No space"):
        backup.make(small, folder / "ecgnet-y.zip", VERSION)
    assert not list(folder.glob(".*"))
    assert not (folder / "ecgnet-y.zip").exists()
    small.write(lambda tx: tx.connection.execute(update(schema.county).values(phone=new_id())) and None)
