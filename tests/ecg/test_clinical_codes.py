"""Every code of the contract's tables has a rule and its three kinds of case, or stands in docs/not-implemented.md.

``tests/data/clinical-codes.csv`` is the contract's list (``scripts/clinical_codes.py``). *Stated* means: the code is a
key of a ``NAMES`` table of a rule module (quality codes: a literal of the signal's modules). *Cases*: a test module
under ``tests/ecg`` may hold ``CASES``, a table from code to the names of three of its test functions (positive,
negative, boundary: a value exactly at the limit; ``other_module.py::function`` points elsewhere); each must exist and
name the code, in its body or parametrisation, or use a table of the module that does. Or ``CASES`` is a tuple of
``Case("CODE", …)`` that at least three functions run through: at the limits, one step beside, without a need.
"""

from __future__ import annotations

import ast
import csv
import importlib.util
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.needs import DATA_FOLDER, REPOSITORY, missing

CONTRACT = REPOSITORY.parent / "shared" / "CLINICAL.md"
LIST = REPOSITORY / "tests" / "data" / "clinical-codes.csv"
PAGE = REPOSITORY / "docs" / "not-implemented.md"
OPEN = "## Acute findings and critical values still open"
KINDS = ("positive", "negative", "boundary")
# Rows of §4.9 by the codes of the contract's own list; R_SVT, AT, AFL, AF stand for "supraventricular ≥ 200".
CRITICAL = ("R_VFL", "R_VF", "R_VT", "R_VT_POLY", "R_TDP", "R_VT_BIDIR", "R_SVT", "R_AT", "R_AFL", "R_AF", "C_WPW_AF",
            "R_AVB3", "R_AVB_HG", "R_PAUSE", "S_HYPERK", "S_HYPOK", "S_PE", "S_LQT", "R_ALT", "R_PVC_PAT", "R_ASYS",
            "C_PACE_MAL", "T_ISCH_ST", "T_ISCH_T", "E_WEL_A", "E_WEL_B", "E_AVR")  # fmt: skip


@cache
def contract() -> dict[str, str]:
    """Section by code, as the repository's copy has it."""
    with LIST.open(encoding="utf-8", newline="") as stream:
        return {row["code"]: row["section"] for row in csv.DictReader(stream)}


@cache
def script() -> Any:
    """scripts/clinical_codes.py as a module."""
    spec = importlib.util.spec_from_file_location("clinical_codes", REPOSITORY / "scripts" / "clinical_codes.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def stated() -> dict[str, str]:
    """The module that states each code."""
    found: dict[str, str] = script().stated(REPOSITORY)
    return found


@cache
def excused() -> dict[str, str]:
    """Codes of the page's first two tables with their reasons."""
    return _table(OPEN) | _table("## Codes without a rule")


def _table(heading: str) -> dict[str, str]:
    text = PAGE.read_text("utf-8")
    part = text[text.index(heading) :].split("\n## ")[0]
    rows = (line.strip("|").split("|") for line in part.splitlines() if line.startswith("| `"))
    return {code: row[1].strip() for row in rows for code in re.findall(r"`([A-Z0-9_*]+)`", row[0])}


def _cases_value(node: ast.stmt) -> ast.expr | None:
    """What is assigned to ``CASES``, if this is that assignment."""
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return None
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return node.value if any(isinstance(t, ast.Name) and t.id == "CASES" for t in targets) else None


@cache
def cases() -> dict[str, tuple[Path, tuple[str, ...]]]:
    """Every ``CASES`` entry: where it stands and the functions that it names (a table) or that run it (``Case``s)."""
    found: dict[str, tuple[Path, tuple[str, ...]]] = {}
    for path in sorted((REPOSITORY / "tests" / "ecg").glob("test_*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for node in tree.body:
            value = _cases_value(node)
            if isinstance(value, ast.Dict):
                table: dict[str, tuple[str, ...]] = ast.literal_eval(value)
                for code, names in table.items():
                    where = path if "::" not in names[0] else path.with_name(names[0].split("::")[0])
                    found[code] = where, tuple(name.split("::")[-1] for name in names)
            elif isinstance(value, ast.Tuple):
                runs = tuple(
                    n.name
                    for n in tree.body
                    if isinstance(n, ast.FunctionDef)
                    and any(isinstance(part, ast.Name) and part.id == "CASES" for part in ast.walk(n))
                )
                calls = [part for part in value.elts if isinstance(part, ast.Call) and part.args]
                firsts = [call.args[0] for call in calls]
                for code in {f.value for f in firsts if isinstance(f, ast.Constant) and isinstance(f.value, str)}:
                    found.setdefault(code, (path, runs[:3]))
    return found


def _mentions(path: Path, function: str, code: str) -> bool:
    """Whether the function, its decorators, or a module table that it uses, names the code."""
    tree = ast.parse(path.read_text("utf-8"))
    body = next((n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == function), None)
    if body is None:
        return False
    used = {n.id for n in ast.walk(body) if isinstance(n, ast.Name)}
    tables = [n for n in tree.body if isinstance(n, ast.Assign | ast.AnnAssign) and used & {
        t.id for t in (n.targets if isinstance(n, ast.Assign) else [n.target]) if isinstance(t, ast.Name)}]  # fmt: skip
    return any(isinstance(n, ast.Constant) and n.value == code for part in (body, *tables) for n in ast.walk(part))


def test_the_copy_of_the_codes_is_the_contract_s() -> None:
    if not CONTRACT.is_file():
        missing(DATA_FOLDER, "../shared/CLINICAL.md is not beside the repository")
    assert script().codes(CONTRACT.read_text("utf-8")) == list(contract().items())


@pytest.mark.parametrize(
    ("cell", "codes"),
    [
        ("R_AF_FAST / SLOW", ["R_AF_FAST", "R_AF_SLOW"]),
        ("C_PACE_A/V/AV", ["C_PACE_A", "C_PACE_V", "C_PACE_AV"]),
        ("Q_OFF limb", ["Q_OFF"]),
        ("SGARB", ["SGARB"]),
        ("any + chest pain", []),
    ],
)
def test_how_a_cell_is_read(cell: str, codes: list[str]) -> None:
    assert script().expanded(cell) == codes


def test_every_code_has_a_rule_or_a_reason() -> None:
    neither = [code for code in contract() if code not in stated() and code not in excused()]
    assert not neither, f"no rule states {neither}, and docs/not-implemented.md does not say why"


def test_reasons_are_given_for_codes_of_the_contract_only() -> None:
    assert set(excused()) <= set(contract())
    assert all(len(reason) >= 20 for reason in excused().values())


def test_acute_findings_and_critical_values_are_open_by_name_only() -> None:
    """The issue wants this list empty: what stands in it is an open fault, and no other row may hide one."""
    acute = {code for code in contract() if code.startswith(("STEMI_", "E_"))} | set(CRITICAL)
    assert len(acute) >= 40
    assert acute <= set(contract())
    other = _table("## Codes without a rule")
    assert not acute & set(other)
    assert set(_table(OPEN)) <= acute


def test_a_page_drops_what_has_got_a_rule() -> None:
    page = "| code | why |\n|---|---|\n| `R_A`, `R_B` | reason |\n| `R_C` | reason |\n| `R_*` | family |\n"
    assert (
        script().without(page, {"R_A", "R_C"}) == "| code | why |\n|---|---|\n| `R_B` | reason |\n| `R_*` | family |\n"
    )


@pytest.mark.parametrize("code", sorted(cases()))
def test_declared_cases_are_there_and_name_their_code(code: str) -> None:
    path, names = cases()[code]
    assert len(names) == len(KINDS), f"{code}: {KINDS} in {path.name}"
    for kind, name in zip(KINDS, names, strict=True):
        assert _mentions(path, name, code), f"{path.name}::{name} does not name {code} ({kind})"


def test_a_rule_has_its_three_cases_or_is_said_to_lack_them() -> None:
    lacking = _table("## Rules whose three cases are not declared yet")
    families = tuple(entry.removesuffix("*") for entry in lacking if entry.endswith("*"))
    open_codes = [
        code
        for code in contract()
        if code in stated() and code not in cases() and code not in lacking and not code.startswith(families or ("-",))
    ]
    assert not open_codes, f"declare CASES (positive, negative, boundary) for {open_codes}"
