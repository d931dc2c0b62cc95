"""The engines that other tests stand on: both are there, fresh for each test, and safe to kill."""

from __future__ import annotations

import sqlalchemy as sa


def test_postgres_gives_each_test_an_empty_database(postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url)
    try:
        with engine.begin() as connection:
            assert connection.scalar(sa.text("select count(*) from pg_tables where schemaname = 'public'")) == 0
            assert connection.scalar(sa.text("show server_version_num")) >= "150000"
            assert connection.scalar(sa.text("show server_encoding")) == "UTF8"
    finally:
        engine.dispose()


def test_both_engines_are_offered(engine_url: str) -> None:
    assert engine_url.startswith(("sqlite:///", "postgresql+psycopg://"))
