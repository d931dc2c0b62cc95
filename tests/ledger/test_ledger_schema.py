"""The migrations make exactly the schema, once, whoever comes first; a database from the future is refused."""

from __future__ import annotations

import warnings

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Engine, Text, inspect, select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import IntegrityError

from ledger import migrate as migrations
from ledger import schema
from ledger.database import make_engine
from ledger.migrate import NewerSchema, migrate

from .conftest import migrated
from .processes import go, said, workers


def definition(engine: Engine) -> list[tuple[object, ...]]:
    """Everything the database says about its tables."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            rows = connection.execute(text("SELECT type, name, sql FROM sqlite_master ORDER BY name"))
        else:
            rows = connection.execute(
                text(
                    "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns"
                    " WHERE table_schema = 'public' ORDER BY 1, 2"
                )
            )
        return [tuple(row) for row in rows]


def test_the_migrations_make_the_schema(engine_url: str) -> None:
    engine = make_engine(migrated(engine_url))
    with engine.connect() as connection, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
    engine.dispose()


def test_every_constraint_has_the_name_by_which_a_migration_finds_it(engine_url: str) -> None:
    engine = make_engine(migrated(engine_url))
    found = inspect(engine)
    for table in schema.metadata.sorted_tables:
        assert found.get_pk_constraint(table.name)["name"] == f"pk_{table.name}"
        names = {key["name"] for key in found.get_foreign_keys(table.name)}
        names |= {key["name"] for key in found.get_unique_constraints(table.name)}
        expected = {str(c.name) for c in table.constraints if c is not table.primary_key}
        assert names == expected
    engine.dispose()


def test_every_key_begins_with_the_county() -> None:
    for table in schema.metadata.sorted_tables:
        if table is schema.county:
            continue
        assert next(iter(table.primary_key.columns)).name == "county_id"
        for key in table.foreign_key_constraints:
            assert key.column_keys[0] == "county_id", key.name


def test_sqlite_tables_are_strict(engine_url: str) -> None:
    engine = make_engine(migrated(engine_url))
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            lax = connection.execute(text("SELECT name FROM pragma_table_list WHERE type = 'table' AND strict = 0"))
            assert set(lax.scalars()) <= {"alembic_version", "sqlite_schema", "sqlite_temp_schema"}
        else:
            packed = connection.execute(text("SELECT attrelid::regclass || '.' || attname FROM pg_attribute a"
                " JOIN pg_class c ON c.oid = a.attrelid WHERE attstorage = 'e' AND relkind = 'r'"
                " AND relnamespace = 'public'::regnamespace"))  # fmt: skip
            expected = {"original_piece.data", "upload_piece.data", "analysis.document", "analysis.samples"}
            assert set(packed.scalars()) == expected
    engine.dispose()


def test_migrating_twice_changes_nothing(engine_url: str) -> None:
    engine = make_engine(migrated(engine_url))
    before = definition(engine)
    migrate(engine)
    assert definition(engine) == before
    engine.dispose()


def test_two_processes_that_migrate_at_once_make_one_schema(engine_url: str) -> None:
    with workers(("migrate", engine_url), ("migrate", engine_url)) as processes:
        go(*processes)
        for process in processes:
            said(process)
    engine = make_engine(engine_url)
    assert "exam" in inspect(engine).get_table_names()
    engine.dispose()


def test_a_database_from_the_future_is_refused_and_left_alone(engine_url: str) -> None:
    engine = make_engine(migrated(engine_url))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    before = definition(engine)
    with pytest.raises(NewerSchema, match=r"9999.*新版"):
        migrate(engine)
    assert definition(engine) == before
    engine.dispose()


def test_a_migration_that_fails_leaves_nothing_behind(engine_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(connection: object) -> None:
        raise RuntimeError("half way")

    monkeypatch.setattr(migrations, "_check_references", fail)
    engine = make_engine(engine_url)
    with pytest.raises(RuntimeError, match="half way"):
        migrate(engine)
    assert inspect(engine).get_table_names() == []
    monkeypatch.undo()
    migrate(engine)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            assert connection.execute(text("PRAGMA foreign_keys")).scalar_one() == 1
    engine.dispose()


@pytest.mark.parametrize("value", [None, True, False])
def test_a_flag_is_a_flag_again(value: bool | None) -> None:
    flag, dialect = schema.Flag(), sqlite.dialect()
    kept = flag.process_bind_param(value, dialect)
    assert kept in (None, 0, 1)
    assert flag.process_result_value(kept, dialect) is value


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
BRANCHES = st.lists(LEAVES, max_size=3) | st.dictionaries(st.text(), LEAVES, max_size=3)
JSON = LEAVES | st.lists(BRANCHES, max_size=3) | st.dictionaries(st.text(), BRANCHES, max_size=3)


@pytest.mark.parametrize("value", ["\udcff.hea", {"name": "图\ud800"}])
def test_half_a_character_in_a_file_name_fails_no_upload(value: object) -> None:
    json, dialect = schema.Json(), sqlite.dialect()
    kept = json.process_bind_param(value, dialect)
    assert kept is not None
    assert kept.encode()
    assert json.process_result_value(kept, dialect) == value


def test_a_number_that_no_browser_can_read_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        schema.Json().process_bind_param(float("nan"), sqlite.dialect())


@given(JSON.filter(lambda value: value is not None))
def test_json_is_the_same_again(value: object) -> None:
    json, dialect = schema.Json(), sqlite.dialect()
    kept = json.process_bind_param(value, dialect)
    assert kept is not None
    assert json.process_result_value(kept, dialect) == value


def test_a_table_that_others_refer_to_can_be_made_anew(url: str) -> None:
    """SQLite changes a table by copying it; dropping the old one must not count as deleting its rows."""
    engine = make_engine(url)
    with migrations._alone(engine) as connection:  # pyright: ignore[reportPrivateUsage]
        recreate = "always" if engine.dialect.name == "sqlite" else "auto"
        with Operations(MigrationContext.configure(connection)).batch_alter_table(
            "county", recreate=recreate
        ) as county:
            county.add_column(Column("note", Text))
        migrations._check_references(connection)  # pyright: ignore[reportPrivateUsage]
        assert connection.execute(text("SELECT county_id FROM site")).scalars().all() == ["c"]
        if engine.dialect.name == "postgresql":
            connection.execute(text("ALTER TABLE county DROP COLUMN note"))  # other tests use this database
    engine.dispose()


def test_a_migration_may_leave_no_row_that_refers_to_nothing(engine_url: str) -> None:
    engine = make_engine(migrated(engine_url))
    orphan = "INSERT INTO site (county_id, id, name, township, phone, created_at) VALUES ('x', 's', '', '', '', 0)"

    def leave_an_orphan() -> None:
        with migrations._alone(engine) as connection:  # pyright: ignore[reportPrivateUsage]
            connection.execute(text(orphan))
            migrations._check_references(connection)  # pyright: ignore[reportPrivateUsage]

    with pytest.raises((RuntimeError, IntegrityError)):
        leave_an_orphan()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM site")).scalar_one() == 0
    engine.dispose()


def test_a_database_of_the_first_schema_keeps_its_alert(engine_url: str) -> None:
    engine = make_engine(engine_url)
    rows = {
        "county": {"id": "c", "name": "", "phone": "", "epoch": "", "last_seq": 0, "audit_seq": 0, "audit_head": "",
                   "created_at": 0},
        "site": {"county_id": "c", "id": "s", "name": "", "township": "", "phone": "", "created_at": 0},
        "original": {"county_id": "c", "sha256": "0", "bytes": 0, "encoding": "plain", "created_at": 0},
        "exam": {"county_id": "c", "id": "e", "site_id": "s", "sender": "", "sha256": "0", "bytes": 0, "files": "[]",
                 "status": "analysed", "received_at": 0, "urgent": 0, "symptoms": "[]", "conflicts": "[]",
                 "context_problem": 0, "advice": "[]", "attempts": 0},
        "case_": {"county_id": "c", "id": "k", "site_id": "s", "exam_id": "e", "state": "open", "rank": 0,
                  "reason": "{}", "seq": 1, "opened_at": 0, "due_at": 0},
        "alert": {"county_id": "c", "id": "a", "case_id": "k", "exam_id": "e", "colour": "RED", "reason": "{}",
                  "evidence": "[]", "state": "raised", "step": 0, "next_step_at": 60, "raised_at": 0},
        "ladder_step": {"county_id": "c", "alert_id": "a", "number": 0, "step": 0, "at": 0, "called": "[]", "why": ""},
    }  # fmt: skip
    with migrations._alone(engine) as connection:  # pyright: ignore[reportPrivateUsage]
        settings = migrations.config()
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0001")
        for table, row in rows.items():
            names = ", ".join(f'"{name}"' for name in row)
            connection.execute(
                text(f"INSERT INTO {table} ({names}) VALUES ({', '.join(f':{name}' for name in row)})"), row
            )
    migrate(engine)
    with engine.connect() as connection:
        alert = connection.execute(select(schema.alert)).one()
        assert (alert.id, alert.next_step_at, alert.topic, alert.drill) == ("a", 60, "", False)
        assert connection.execute(select(schema.ladder_step.c.alert_id)).scalars().all() == ["a"]
    engine.dispose()
