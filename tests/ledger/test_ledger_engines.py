"""Each engine as the ledger needs it: a safe SQLite, clear words for a full or closed disk, a WAL that is emptied."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from ledger import engines, originals, writer
from ledger.database import CannotOpen, Ledger, LedgerUnavailable, Transaction, UnsafeSqlite, is_safe, make_engine

from .conftest import numbers, tell, values
from .test_ledger_writer import held


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_template: Path) -> str:
    """A copy of the template."""
    copy = tmp_path / "ecgnet.db"
    copy.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{copy}"


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 49, 2), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 0), False),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 52, 0), True),
        ((4, 0, 0), True),
    ],
)
def test_which_sqlite_is_safe(version: tuple[int, int, int], safe: bool) -> None:
    assert is_safe(version) is safe


def test_an_unsafe_sqlite_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 40, 1))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.40.1")
    monkeypatch.setitem(sys.modules, "pysqlite3", None)
    with pytest.raises(UnsafeSqlite, match=r"3\.40\.1.*pysqlite3.*PostgreSQL.*请安装"):
        make_engine("sqlite:////nowhere/x.db")


def test_nobody_else_can_read_a_new_database(tmp_path: Path) -> None:
    path = tmp_path / "data" / "ecgnet.db"
    ledger = Ledger.open(f"sqlite:///{path}")
    ledger.write(lambda tx: tx.connection.execute(text("CREATE TABLE t (x)")) and None)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    ledger.close()


@pytest.mark.parametrize("path", ["{file}/data/ecgnet.db", "/proc/ecgnet/ecgnet.db", "{folder}"])
def test_a_place_that_cannot_hold_a_database_is_named(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("")
    where = path.format(file=tmp_path / "file", folder=tmp_path)
    with pytest.raises(CannotOpen, match="无法"):
        Ledger.open(f"sqlite:///{where}")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(os.urandom(5000))
    with pytest.raises(CannotOpen, match=r"not a database"):
        Ledger.open(f"sqlite:///{tmp_path / 'x.db'}")


def test_a_postgresql_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotOpen, match=r"无法打开数据库.*No such file"):
        Ledger.open(f"postgresql+psycopg://nobody:secret@/none?host={tmp_path}")


def test_a_password_is_not_told(tmp_path: Path) -> None:
    with pytest.raises(CannotOpen) as told:
        Ledger.open(f"postgresql+psycopg://nobody:secret@/none?host={tmp_path}")
    assert "secret" not in str(told.value)


def test_a_full_disk_is_told_to_the_one_whose_file_is_too_large(sqlite_url: str) -> None:
    ledger = Ledger.open(sqlite_url)
    large = originals.Prepared(os.urandom(3_000_000))

    def fill(tx: Transaction) -> None:
        pages = tx.connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        tx.connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 20}")
        try:
            originals.put(tx, "c", large)
        finally:
            tx.connection.exec_driver_sql("PRAGMA max_page_count=1000000")

    go, _ = held(ledger)
    before, full, after = (
        ledger.submit(lambda tx: tell(tx, 1)),
        ledger.submit(fill),
        ledger.submit(lambda tx: tell(tx, 2)),
    )
    go.set()
    assert (before.result(5), after.result(5)) == (1, 2)
    with pytest.raises(LedgerUnavailable, match="磁盘已满"):
        full.result(5)
    assert values(ledger) == [1, 2]
    ledger.close()


def test_a_transaction_that_sqlite_undid_is_not_continued_by_halves(sqlite_url: str) -> None:
    """A full disk may undo the whole transaction; a SAVEPOINT after it would begin, and commit, one of its own."""
    ledger = Ledger.open(sqlite_url)

    def undone(tx: Transaction) -> None:
        tx.connection.exec_driver_sql("ROLLBACK")
        raise OSError("no space")

    def hidden(tx: Transaction) -> None:
        tx.connection.exec_driver_sql("ROLLBACK")

    go, _ = held(ledger)
    answers = [
        ledger.submit(lambda tx: tell(tx, 1)), ledger.submit(undone), ledger.submit(hidden),
        ledger.submit(lambda tx: tell(tx, 2)),
    ]  # fmt: skip
    go.set()
    assert answers[0].result(5) == 1
    assert isinstance(answers[1].exception(5), LedgerUnavailable)
    assert isinstance(answers[2].exception(5), LedgerUnavailable)
    assert answers[3].result(5) == 2
    assert values(ledger) == [1, 2]
    assert numbers(ledger) == [1, 2]
    ledger.close()


def test_an_idle_writer_empties_the_wal(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "IDLE_S", 0.05)
    ledger = Ledger.open(sqlite_url)
    wal = Path(sqlite_url.removeprefix("sqlite:///") + "-wal")
    ledger.write(lambda tx: originals.put(tx, "c", originals.Prepared(os.urandom(200_000))))
    assert wal.stat().st_size > 200_000
    until = time.monotonic() + 30
    while wal.stat().st_size and time.monotonic() < until:
        time.sleep(0.01)
    assert wal.stat().st_size == 0
    assert ledger.write(lambda tx: tell(tx, 1)) == 1
    ledger.close()


def test_a_long_reader_holds_up_no_writer(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "IDLE_S", 0.02)
    ledger = Ledger.open(sqlite_url)
    entered, go = threading.Event(), threading.Event()

    def long(connection: Connection) -> None:
        connection.execute(text("SELECT count(*) FROM event")).scalar_one()
        entered.set()
        assert go.wait(20)

    reader = threading.Thread(target=ledger.read, args=(long,))
    reader.start()
    assert entered.wait(30)
    for n in range(5):
        ledger.write(lambda tx, n=n: tell(tx, n))
        time.sleep(0.05)  # the writer rests, and tries to empty the WAL
    assert reader.is_alive(), "a write waited for the reader"
    go.set()
    reader.join()
    ledger.close()


def test_a_commit_is_durable_on_a_server_that_does_not_wait(postgres_url: str) -> None:
    engine = make_engine(postgres_url)
    name = engine.url.database
    with engine.begin() as connection:
        connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
    engine.dispose()
    with engine.connect() as connection:
        assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
        for setting, value in engines.POSTGRESQL_SETTINGS.items():
            assert connection.execute(text(f"SHOW {setting}")).scalar_one() == value
    engine.dispose()


def test_what_the_settings_of_the_address_say_stands(postgres_url: str) -> None:
    engine = make_engine(postgres_url + "&application_name=desk")
    with engine.connect() as connection:
        assert connection.execute(text("SHOW application_name")).scalar_one() == "desk"
    engine.dispose()


def test_each_connection_to_sqlite_syncs_and_checks_references(sqlite_url: str) -> None:
    """A kill cannot show a missing sync, only a power cut could: so the settings themselves are asked."""
    engine = make_engine(sqlite_url)
    expected = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    with engine.connect() as first, engine.connect() as second:
        for connection in (first, second):
            found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in expected}
            assert found == expected
    engine.dispose()


def test_a_database_that_another_process_is_just_making_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = [True, True]

    class Refusing:
        """A cursor as SQLite behaves then: refused at once, however long one is ready to wait."""

        def execute(self, statement: str) -> None:
            if refusals:
                refusals.pop()
                raise sqlite3.OperationalError("database is locked")

    engines._switch_to_wal(Refusing())  # pyright: ignore[reportPrivateUsage]
    assert refusals == []
    monkeypatch.setattr(engines, "BUSY_S", -1)
    refusals.append(True)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        engines._switch_to_wal(Refusing())  # pyright: ignore[reportPrivateUsage]
