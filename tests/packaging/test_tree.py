"""What a newcomer and a mirror rely on: the tree names no registry and no machine, and explains itself."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.support.needs import REPOSITORY

ROOMS = ("county", "ecg", "ingest", "ingest/clinic", "ledger", "server", "triage")
# Spelled so that this file does not find itself.
_HOSTS = re.compile(
    r"r[e]gistry\.(npm|yarn)[a-z]*\.|p[y]pi\.org/simple|files\.p[y]thonhosted|d[e]b\.debian|\"resolved\": \"h[t]tp"
)
_MACHINE = re.compile(r"/w[o]rk/(main|steering|shared|\.library)|/f[a]rm/in|/tmp/st[u]dio|/r[o]ot/")
_UNFINISHED = re.compile(r"T[O]DO|F[I]XME|raise NotImplemented[E]rror")


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [REPOSITORY / name for name in listed.stdout.split("\0") if name]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
        return ""


def _lines_with(pattern: re.Pattern[str], suffixes: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{path.relative_to(REPOSITORY)}:{number}: {line.strip()[:120]}"
        for path in _tracked()
        if not suffixes or path.suffix in suffixes
        for number, line in enumerate(_text(path).splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_registry_is_named_in_the_tree() -> None:
    assert _lines_with(_HOSTS) == []


def test_no_path_of_a_developers_machine_is_in_the_tree() -> None:
    assert _lines_with(_MACHINE) == []


def test_nothing_in_the_tree_says_that_it_is_unfinished() -> None:
    assert _lines_with(_UNFINISHED, (".py", ".ts", ".vue", ".toml", ".js")) == []


def test_nothing_that_is_built_is_committed() -> None:
    built = ("server/static/", "web/node_modules/", "dist/", ".venv/")
    names = [path.relative_to(REPOSITORY).as_posix() for path in _tracked()]
    assert [name for name in names if name.startswith(built)] == []


def test_no_folder_of_tests_shadows_a_room() -> None:
    assert list((REPOSITORY / "tests").rglob("__init__.py")) == []


def test_the_readmes_first_two_commands_are_what_a_newcomer_tries() -> None:
    block = (REPOSITORY / "README.md").read_text(encoding="utf-8").split("```")[1]
    commands = [line.split("#")[0].strip() for line in block.splitlines()[1:] if line.strip()]
    assert commands == ["make run", "make test"]


@pytest.mark.parametrize("room", ROOMS)
def test_each_room_says_what_it_is_for(room: str) -> None:
    docstring = ast.get_docstring(ast.parse((REPOSITORY / room / "__init__.py").read_text(encoding="utf-8")))
    assert docstring is not None
    assert len(docstring.splitlines()) >= 3


def test_the_clinics_program_imports_only_the_instrument() -> None:
    """import-linter cannot say "nothing of ingest but clinic", so the floor plan's line is checked here."""
    strangers: set[str] = set()
    for path in (REPOSITORY / "ingest" / "clinic").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            ours = [name for name in names if name.split(".")[0] in {"county", "ingest", "ledger", "server", "triage"}]
            strangers |= {name for name in ours if not (name + ".").startswith("ingest.clinic.")}
            if isinstance(node, ast.ImportFrom):
                assert node.level < 2, f"{path}: a relative import that leaves the program"
    assert strangers == set()


def test_every_locked_package_has_hashes_and_no_address() -> None:
    lock = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8")
    packages = re.findall(r"^[A-Za-z0-9_.\-]+==", lock, re.MULTILINE)
    assert len(packages) > 50
    assert "://" not in lock
    assert all(
        "--hash=sha256:" in entry for entry in re.split(r"^(?=[A-Za-z])", lock, flags=re.MULTILINE) if entry.strip()
    )


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*project["project"]["dependencies"]]
    for group in (project["project"]["optional-dependencies"], project["dependency-groups"]):
        wanted += [requirement for requirements in group.values() for requirement in requirements]
    names = {re.split(r"[\[<>=;~! ]", requirement, maxsplit=1)[0].lower() for requirement in wanted}
    lock = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8")
    assert {name for name in names if f"\n{name}==" not in f"\n{lock}"} == set()
