"""What a clinic installs: the base alone, without server or database, reads an ECG."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import env
from tests.support.needs import REPOSITORY

_SERVER_ONLY = ("alembic", "argon2", "fastapi", "sqlalchemy", "structlog", "uvicorn", "zstandard")


@pytest.fixture
def base_install(tmp_path: Path) -> Path:
    """The `bin` of a fresh environment that holds the base install and nothing else."""
    env.uv(REPOSITORY, "venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv"))
    python = tmp_path / "venv" / "bin" / "python"
    env.uv_install(REPOSITORY, str(REPOSITORY), python=python)
    return python.parent


def test_the_base_install_alone_analyzes_an_ecg(base_install: Path, tmp_path: Path) -> None:
    header = REPOSITORY / "tests" / "data" / "55.hea"
    done = subprocess.run(
        [base_install / "ecgnet", "analyze", header, "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    analysis = json.loads(line)
    assert analysis["schema"] == "ecgnet.analysis/1"
    assert analysis["recording"]["format"] == "wfdb"
    ask = f"import importlib.util as u; print([m for m in {_SERVER_ONLY!r} if u.find_spec(m)])"
    there = subprocess.run(
        [base_install / "python", "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert there.stdout.strip() == "[]"
