"""The audit chain: a row changed, removed, cut or swapped is seen; a verifier of its own needs docs/ledger.md only."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from ledger import chain, schema
from ledger.database import Ledger

Row = dict[str, Any]

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON = LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(TEXT, LEAVES | st.lists(LEAVES, max_size=2), max_size=3)
ROW = st.fixed_dictionaries(
    {
        "at": st.integers(0, 2**62),
        "actor": TEXT,
        "action": TEXT,
        "place": TEXT,
        "reason": st.none() | TEXT,
        "detail": st.dictionaries(TEXT, JSON, max_size=3),
    }
)


def linked(contents: list[Row]) -> tuple[list[Row], str]:
    """A chain of rows, and its head."""
    head, rows = chain.GENESIS, list[Row]()
    for seq, content in enumerate(contents, 1):
        row = {"county_id": "c", "seq": seq, **content}
        head = chain.link(head, row)
        rows.append({**row, "hash": head})
    return rows, head


@given(st.lists(ROW, max_size=5))
@settings(max_examples=50, deadline=None)
def test_a_chain_that_nobody_touched_is_whole(contents: list[Row]) -> None:
    rows, head = linked(contents)
    assert chain.first_break(rows, head, len(rows)) is None


@given(st.lists(ROW, min_size=1, max_size=5), st.data())
@settings(max_examples=60, deadline=None)
def test_a_changed_field_is_seen(contents: list[Row], data: st.DataObject) -> None:
    rows, head = linked(contents)
    which = data.draw(st.integers(0, len(rows) - 1))
    name = data.draw(st.sampled_from([*contents[0], "county_id", "hash"]))
    other: Any = data.draw(ROW)[name] if name in contents[0] else "x"
    if json.dumps(other) != json.dumps(rows[which][name]):
        rows[which] = {**rows[which], name: other}
        assert chain.first_break(rows, head, len(rows)) is not None


@given(st.lists(ROW, min_size=2, max_size=5), st.data())
@settings(max_examples=60, deadline=None)
def test_removed_cut_swapped_and_added_rows_are_seen(contents: list[Row], data: st.DataObject) -> None:
    rows, head = linked(contents)
    which = data.draw(st.integers(0, len(rows) - 2))
    removed = rows[:which] + rows[which + 1 :]
    swapped = [*rows[:which], rows[which + 1], rows[which], *rows[which + 2 :]]
    renumbered = [{**row, "seq": seq} for seq, row in enumerate(removed, 1)]
    added = [*rows, linked([*contents, contents[0]])[0][-1]]
    for changed in (removed, swapped, renumbered, rows[:-1], [], added):
        assert chain.first_break(changed, head, len(rows)) is not None
    assert chain.first_break(rows[:-1], head, len(rows) - 1) is not None


# --- from the documentation alone -----------------------------------------------------------------------------------


def documented() -> Callable[[list[Any], str, int], int | None]:
    """The verifier that stands in docs/ledger.md."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "ledger.md").read_text(encoding="utf-8")
    program = page.partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {}
    exec(program, names)
    return names["verify"]


RAW = text("SELECT county_id, seq, at, actor, action, place, reason, detail, hash FROM audit ORDER BY seq")
HEAD = text("SELECT audit_head, audit_seq FROM county WHERE id = 'c'")


def fill(ledger: Ledger) -> None:
    """Audit rows with everything that a text may hold."""
    ledger.write(lambda tx: tx.audit("c", "p1", "see", "case/k"))
    ledger.write(lambda tx: tx.audit("c", "p1", "sign", "案例/k", reason='胸痛 "\\\n\x01\x7f\u2028😀'))
    detail = {"from": None, "to": [1, 1.5, 1e300, -0.0, True, {"名": "值\n"}], "2": {}}
    ledger.write(lambda tx: [tx.audit("c", "", "", "", reason="", detail=detail) for _ in range(3)])


def test_the_documentation_is_enough_to_verify_the_chain(ledger: Ledger) -> None:
    fill(ledger)
    rows = ledger.read(lambda connection: list(connection.execute(RAW)))
    head, last = ledger.read(lambda connection: connection.execute(HEAD).one())
    assert last == len(rows) == 5
    verify = documented()
    assert verify(rows, head, last) is None
    assert verify(rows[:-1], head, last) == 5
    assert verify([rows[0], rows[2], *rows[3:]], head, last) == 2
    assert verify([*rows[:3], (*rows[3][:3], "other", *rows[3][4:]), rows[4]], head, last) == 4


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE audit SET reason = 'x' WHERE seq = 2",
        "UPDATE audit SET reason = '' WHERE seq = 1",
        "UPDATE audit SET at = at + 1 WHERE seq = 5",
        "UPDATE audit SET detail = '{}' WHERE seq = 3",
        "DELETE FROM audit WHERE seq = 1",
        "DELETE FROM audit WHERE seq = 5",
        "DELETE FROM audit",
        "UPDATE county SET audit_seq = 4",
    ],
)
def test_tampering_with_the_database_is_seen(ledger: Ledger, tampering: str) -> None:
    fill(ledger)

    def broken() -> str | None:
        query = select(schema.audit).order_by(schema.audit.c.seq)
        rows = ledger.read(lambda connection: connection.execute(query).mappings().all())
        head, last = ledger.read(lambda connection: connection.execute(HEAD).one())
        return chain.first_break(rows, head, last)

    assert broken() is None
    ledger.write(lambda tx: tx.connection.execute(text(tampering)) and None)
    assert broken() is not None
