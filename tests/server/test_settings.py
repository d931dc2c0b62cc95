"""Settings: flags before environment before file before default, and each is documented."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.settings import Settings, SettingsError, load
from tests.support.needs import REPOSITORY


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"ECGNET_{name.upper()}", raising=False)


def test_a_flag_wins_over_the_environment_over_the_file_over_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load({"data": tmp_path}).port == 8765
    (tmp_path / "ecgnet.toml").write_text('port = 1001\nhost = "::1"\nworkers = 3\n')
    assert load({"data": tmp_path}).port == 1001
    monkeypatch.setenv("ECGNET_PORT", "1002")
    monkeypatch.setenv("ECGNET_HOST", "127.0.0.2")
    assert load({"data": tmp_path}).port == 1002
    found = load({"data": tmp_path, "port": 1003, "host": None})
    assert (found.port, found.host, found.workers) == (1003, "127.0.0.2", 3)


def test_the_file_is_read_in_the_folder_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ecgnet.toml").write_text("port = 1004\n")
    monkeypatch.setenv("ECGNET_DATA", str(tmp_path))
    assert load({}).port == 1004


@pytest.mark.parametrize(
    "written", ["prot = 1\n", 'port = "many"\n', "port = \n", 'cert = "a.pem"\n', "workers = 0\n", 'log = "loud"\n']
)
def test_a_setting_that_cannot_be_used_is_named(tmp_path: Path, written: str) -> None:
    (tmp_path / "ecgnet.toml").write_text(written)
    with pytest.raises(SettingsError) as refused:
        load({"data": tmp_path})
    named = written.split(" ", maxsplit=1)[0]
    assert named in refused.value.en or "ecgnet.toml" in refused.value.en
    assert refused.value.zh


def test_the_database_lies_in_the_data_folder_unless_named(tmp_path: Path) -> None:
    assert load({"data": tmp_path}).database_url == f"sqlite:///{tmp_path / 'ecgnet.db'}"
    assert load({"data": tmp_path}).is_sqlite
    assert not load({"data": tmp_path, "database": "postgresql+psycopg://db/x"}).is_sqlite


def test_every_setting_is_documented_with_its_own_sentence() -> None:
    text = (REPOSITORY / "docs" / "settings.md").read_text(encoding="utf-8")
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert f"| `{name}` |" in text, name
        assert field.description in text, name
