"""docs/structure.md is drawn from the imports: who may use whom, floor by floor, without a circle."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from tests.support.needs import REPOSITORY

FLOORS = (
    ("floor 4", ("server",)),
    ("floor 3", ("ingest", "ingest.clinic", "triage")),
    ("floor 2", ("county",)),
    ("floor 1", ("ledger", "ecg")),
)
ROOMS = tuple(room for _, rooms in FLOORS for room in rooms)
HEIGHT = {room: len(FLOORS) - number for number, (_, rooms) in enumerate(FLOORS) for room in rooms}
PAGE = REPOSITORY / "docs" / "structure.md"


def _room_of(dotted: str) -> str | None:
    """The room that a module belongs to; the clinic's program is one of its own."""
    inside = [room for room in ROOMS if f"{dotted}.".startswith(f"{room}.")]
    return max(inside, key=len, default=None)


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def uses() -> dict[str, set[str]]:
    """Room → the rooms that its modules import."""
    found: dict[str, set[str]] = {room: set() for room in ROOMS}
    for top in {room.split(".")[0] for room in ROOMS}:
        for path in (REPOSITORY / top).rglob("*.py"):
            room = _room_of(".".join(path.relative_to(REPOSITORY).with_suffix("").parts))
            assert room is not None
            found[room] |= {other for name in _imports(path) if (other := _room_of(name)) is not None}
    return {room: others - {room} for room, others in found.items()}


def picture() -> str:
    """The rooms on their floors, an arrow from who imports to what is imported."""
    lines = ["flowchart TB"]
    for floor, rooms in FLOORS:
        lines.append(f'    subgraph "{floor}"')
        lines += [f'        {room.replace(".", "_")}["{room.replace(".", "/")}/"]' for room in rooms]
        lines.append("    end")
    for room, others in uses().items():
        lines += [f"    {room.replace('.', '_')} --> {other.replace('.', '_')}" for other in sorted(others)]
    return "\n".join(lines)


def test_the_picture_shows_the_imports_as_they_are() -> None:
    drawn = re.search(r"```mermaid\n(.*?)\n```", PAGE.read_text("utf-8"), re.DOTALL)
    assert drawn is not None
    assert drawn[1] == picture()


def test_no_room_reaches_up_and_there_is_no_circle() -> None:
    used = uses()
    assert [(room, other) for room, others in used.items() for other in others if HEIGHT[other] > HEIGHT[room]] == []
    tuple(TopologicalSorter(used).static_order())  # raises on a circle
