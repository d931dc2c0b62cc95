"""The tables of states: what is not in them is refused and changes nothing, and nothing else compares a state."""

from __future__ import annotations

import ast
from enum import StrEnum
from itertools import product
from pathlib import Path

import pytest

from county.access import Action, Actor, Place, Role
from tests.support.needs import REPOSITORY
from triage import states
from triage.states import ALERT, CASE, EXAM, MACHINES, Illegal, Machine

STATES: dict[str, type[StrEnum]] = {
    "exam": states.Exam,
    "case": states.Case,
    "alert": states.Alert,
    "delivery": states.Delivery,
    "report": states.Report,
    "merge": states.Merge,
}
DOCS = REPOSITORY / "docs" / "states.md"


def every_move() -> list[tuple[Machine, str, str]]:
    found: list[tuple[Machine, str, str]] = []
    for machine in MACHINES:
        actions = [*sorted({move.action for move in machine.moves}), "no-such-action"]
        found += [(machine, state.value, action) for state, action in product(STATES[machine.name], actions)]
    return found


@pytest.mark.parametrize(("machine", "state", "action"), every_move())
def test_a_move_is_in_the_table_or_names_what_would_be_legal(machine: Machine, state: str, action: str) -> None:
    listed = [move for move in machine.moves if (move.source, move.action) == (state, action)]
    if listed:
        assert [machine.move(state, action)] == listed  # once: a state and an action decide
        assert machine.move(state, action).target in set(STATES[machine.name])
        return
    with pytest.raises(Illegal) as refused:
        machine.move(state, action)
    assert refused.value.legal == machine.legal(state)
    assert machine.name in str(refused.value)
    assert state in str(refused.value)


ALWAYS = {"claim", "release", "statements", "sign", "message", "read-back"}
UNDECIDED = {"confirm", "downgrade", "stand-down", "retake", "stop"}


def test_what_a_person_may_do_next() -> None:
    assert set(CASE.legal("open")) == {"acknowledge", *ALWAYS, *UNDECIDED}
    assert set(CASE.legal("acknowledged")) == {*ALWAYS, *UNDECIDED}
    for decided in ("confirmed", "downgraded", "stood_down"):
        assert set(CASE.legal(decided)) == {"amend", *ALWAYS}
    assert EXAM.legal("received") == ()
    assert ALERT.legal("raised") == ()


def test_what_each_role_may_do_next() -> None:
    def legal(role: Role, state: str, site: str | None = None) -> set[str]:
        return set(CASE.legal_for(state, Actor("c", "p", "n", role, site), Place("c", "s")))

    doctors = ALWAYS - {"read-back"}
    assert legal(Role.CARDIOLOGIST, "open") == {"acknowledge", *doctors, *UNDECIDED} - {"stop"}
    assert legal(Role.COORDINATOR, "open") == {"acknowledge", "message", "stop"}
    assert legal(Role.ADMINISTRATOR, "open") == set()
    assert legal(Role.CLINIC, "open", "s") == legal(Role.CLINIC, "confirmed", "s") == {"read-back"}
    assert legal(Role.CLINIC, "confirmed", "other") == set()
    assert legal(Role.CARDIOLOGIST, "confirmed") == {"amend", *doctors}
    assert legal(Role.COORDINATOR, "confirmed") == {"message"}


def test_a_decided_case_is_moved_by_nothing_but_a_new_alarm() -> None:
    decided = {"confirmed", "downgraded", "stood_down"}
    leaving = {
        (move.action, move.target) for move in CASE.moves if move.source in decided and move.target not in decided
    }
    assert leaving == {("raise", "open")}


def test_a_signed_report_is_only_amended() -> None:
    signed = [move for move in states.REPORT.moves if move.source == "signed"]
    assert [(move.action, move.target) for move in signed] == [("amend", "amended")]
    assert not [move for move in states.REPORT.moves if move.source == "amended"]


def test_every_state_can_be_reached() -> None:
    for machine in MACHINES:
        reached = {machine.start}
        for _ in machine.moves:
            reached |= {move.target for move in machine.moves if move.source in reached}
        assert reached == set(STATES[machine.name])


def test_every_action_of_a_person_has_its_right() -> None:
    for machine in MACHINES:
        for move in machine.moves:
            assert move.who is None or move.who in set(Action)


# --- nothing else compares a state -----------------------------------------------------------------------------------

WORDS = {state.value for kind in STATES.values() for state in kind}


def state_comparisons(source: str) -> list[int]:
    """Lines where something is compared with a state's own word."""

    def words(node: ast.expr) -> set[object]:
        return {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}

    lines: list[int] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
            names = {ast.unparse(part).rsplit(".", 1)[-1].strip("\"']") for part in operands}
            if names & {"state", "status"} or any("status" in name or "state" in name for name in names):
                lines += [node.lineno for part in operands if WORDS & words(part)]
        if isinstance(node, ast.match_case) and WORDS & {
            part.value for part in ast.walk(node.pattern) if isinstance(part, ast.Constant)
        }:
            lines.append(node.pattern.lineno)
    return lines


def test_the_search_finds_a_comparison() -> None:
    assert state_comparisons('x = row.state == "open"') == [1]
    assert state_comparisons('x = found["status"] != "analysed"') == [1]
    assert state_comparisons('x = row.status in ("failed", "unreadable")') == [1, 1][:1]
    assert state_comparisons("x = row.state == states.CASE.start") == []


@pytest.mark.parametrize("file", sorted((REPOSITORY / "triage").glob("*.py")), ids=lambda file: file.name)
def test_no_code_compares_a_state_with_a_word(file: Path) -> None:
    assert state_comparisons(file.read_text("utf-8")) == []


@pytest.mark.parametrize("file", sorted((REPOSITORY / "ingest").glob("*.py")), ids=lambda file: file.name)
def test_ingest_knows_no_state_but_the_first(file: Path) -> None:
    assert state_comparisons(file.read_text("utf-8")) == []


# --- the docs are drawn from the tables ------------------------------------------------------------------------------


def test_the_diagrams_in_the_docs_are_those_of_the_tables() -> None:
    written = DOCS.read_text("utf-8")
    assert written == states.page(), "docs/states.md is stale: .venv/bin/python -m triage.states > docs/states.md"


def test_every_state_and_move_is_in_the_docs() -> None:
    page = states.page()
    for machine in MACHINES:
        assert states.mermaid(machine) in page
        assert all(f"`{state.value}`" in page for state in STATES[machine.name])
