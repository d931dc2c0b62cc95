"""The docs name what is there: functions that can be imported, every route, every problem, files that exist."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.needs import REPOSITORY

DOCS = REPOSITORY / "docs"
ROOMS = ("county", "ecg", "ingest", "ledger", "server", "triage")
PAGES = sorted(DOCS.rglob("*.md"))
_NAME = re.compile(rf"`((?:{'|'.join(ROOMS)})(?:\.[A-Za-z_]\w*)+)`")
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_FILE = re.compile(r"`((?:[\w-]+/)+[\w.-]+\.(?:py|ts|vue|toml|md))`")
# What docs/twelve-steps.md says is not there yet; when it comes, the page is to be rewritten.
LATER = ("triage.clocks", "triage.referral")


def _ids(path: Path) -> str:
    return path.relative_to(DOCS).as_posix()


def _named(dotted: str) -> Any:
    """The module, or what is in it; AttributeError or ModuleNotFoundError if there is none."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        name = ".".join(parts[:length])
        try:
            if importlib.util.find_spec(name) is None:
                continue
        except ModuleNotFoundError:
            continue
        found: Any = importlib.import_module(name)
        for part in parts[length:]:
            found = _member(found, part)
        return found
    raise ModuleNotFoundError(dotted)


def _member(owner: Any, name: str) -> Any:
    """An attribute, or a dataclass's field without a default."""
    if name in getattr(owner, "__annotations__", {}):
        return None
    return getattr(owner, name)


@pytest.mark.parametrize("page", PAGES, ids=_ids)
def test_every_function_that_the_docs_name_can_be_imported(page: Path) -> None:
    missing: list[str] = []
    for dotted in dict.fromkeys(_NAME.findall(page.read_text("utf-8"))):
        try:
            _named(dotted)
        except (AttributeError, ModuleNotFoundError):
            missing.append(dotted)
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=_ids)
def test_every_file_that_the_docs_name_or_link_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    linked = [(page.parent / link) for link in _LINK.findall(text) if "://" not in link]
    named = [REPOSITORY / name for name in _FILE.findall(text)]
    assert [path for path in (*linked, *named) if not path.exists()] == []


def test_twelve_steps_names_a_function_for_every_step() -> None:
    rows = re.findall(r"^\| (\d+) \|.*$", (DOCS / "twelve-steps.md").read_text("utf-8"), re.MULTILINE)
    assert [int(number) for number in rows] == list(range(1, 13))


@pytest.mark.parametrize("name", LATER)
def test_what_the_docs_call_later_is_not_there_yet(name: str) -> None:
    assert importlib.util.find_spec(name) is None, f"{name} is there now: rewrite docs/twelve-steps.md"


def test_the_index_has_every_page() -> None:
    index = (DOCS / "README.md").read_text("utf-8")
    linked = {(DOCS / link).resolve() for link in _LINK.findall(index)}
    assert {page for page in PAGES if page.name != "README.md"} - linked == set()


@pytest.mark.parametrize("page", sorted((DOCS / "decisions").glob("*.md")), ids=_ids)
def test_a_decision_says_what_would_change_our_mind(page: Path) -> None:
    headings = re.findall(r"^## (.+)$", page.read_text("utf-8"), re.MULTILINE)
    assert headings == ["Question", "What we weighed", "What we chose", "What would change our mind"]


# --- docs/api.md -----------------------------------------------------------------------------------------------------


def _routes(tmp_path: Path) -> Iterator[str]:
    from starlette.routing import Mount

    from county.http import routes_of
    from ledger.database import Ledger
    from ledger.migrate import migrate
    from server.app import make_app
    from server.settings import Settings

    ledger = Ledger.open(f"sqlite:///{tmp_path / 'ecgnet.db'}")
    try:
        migrate(ledger.engine)
        app = make_app(ledger, Settings(data=tmp_path))
        for path, route in routes_of(app):
            if isinstance(route, Mount):
                yield path
                continue
            methods: set[str] = getattr(route, "methods", None) or {"GET"}
            yield from (f"{method} {path}" for method in methods - {"HEAD" if "GET" in methods else ""})
    finally:
        ledger.close()


def test_every_route_is_in_the_api_page(tmp_path: Path) -> None:
    text = (DOCS / "api.md").read_text("utf-8")
    assert [route for route in _routes(tmp_path) if f"`{route}`" not in text] == []


def test_every_route_of_the_api_page_is_there(tmp_path: Path) -> None:
    rows = re.findall(
        r"^\| `((?:GET|HEAD|POST|PATCH|DELETE|OPTIONS) /[^`?]*)`", (DOCS / "api.md").read_text("utf-8"), re.M
    )
    assert len(rows) > 20
    assert set(rows) - set(_routes(tmp_path)) == set()


def _constants(node: ast.Call, position: int) -> str | None:
    if len(node.args) <= position or not isinstance(node.args[position], ast.Constant):
        return None
    value = node.args[position].value  # type: ignore[attr-defined]
    return value if isinstance(value, str) else None


def _problem_types() -> set[str]:
    """The stable types in the code: second argument of Problem and Refuse, third of feed.refused, county's codes."""
    from county.errors import CountyError

    found = {kind.code for kind in CountyError.__subclasses__()}
    for room in ("county", "ingest", "triage", "server"):
        for path in (REPOSITORY / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if not isinstance(node, ast.Call):
                    continue
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                position = {"Problem": 1, "Refuse": 1, "refused": 2}.get(called)
                if (
                    position is not None
                    and (kind := _constants(node, position))
                    and re.fullmatch(r"[a-z][a-z-]+", kind)
                ):
                    found.add(kind)
    return found


def test_every_problem_type_is_in_the_api_page() -> None:
    text = (DOCS / "api.md").read_text("utf-8")
    assert sorted(kind for kind in _problem_types() if f"`{kind}`" not in text) == []


# --- docs/glossary.md ------------------------------------------------------------------------------------------------


def test_the_glossary_has_both_languages_and_a_place_for_every_word() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (DOCS / "glossary.md").read_text("utf-8").splitlines()
        if line.startswith("| ") and not line.startswith("| English")
    ]
    assert len(rows) > 60
    for row in rows:
        assert len(row) == 4, row
        english, chinese, _, where = row
        assert english, row
        assert re.search(r"[\u4e00-\u9fff]", chinese), row
        assert "`" in where, row


def _finding_codes() -> set[str]:
    """Codes that the rules name: keys of the tables of sentences in ecg/interpret."""
    pattern = re.compile(r'"([A-Z]+_[A-Z0-9_]+)": Text\(')
    return {
        code
        for path in (REPOSITORY / "ecg" / "interpret").glob("*.py")
        for code in pattern.findall(path.read_text("utf-8"))
    }


def test_every_finding_is_in_the_glossary_and_no_other() -> None:
    text = (DOCS / "glossary.md").read_text("utf-8")
    named = set(re.findall(r"`((?:[CEHNQRSTVX]|STEMI|STE|VF)_[A-Z0-9_]+)`", text))
    assert _finding_codes() == named
