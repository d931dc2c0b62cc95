"""Promise 7: any change of the audit trail is detected, a cut tail too.

The verifier here is a stand-alone one, written from the words of ``ledger/chain.py`` alone: SHA-256 over the hash
before, a line end, and the row as JSON. It is asked, with the server's own, about a real county's trail after every
kind of change: a field, a row taken out, put in, moved, the tail cut; and a tail cut together with the county's head is
seen against the head that was copied into the operator's log.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from county import audit
from ledger import chain, schema
from tests.promises.desk_town import town
from tests.promises.soaking import SOAK_S, tell
from tests.triage.kit import PASSWORD, RED, WANG, World

FIELDS = ("county_id", "seq", "at", "actor", "action", "place", "reason", "detail")
Rows = list[dict[str, Any]]


def is_whole(rows: Rows, head: str, seq: int) -> bool:
    """The stand-alone verifier."""
    reached = "0" * 64
    for number, row in enumerate(rows, 1):
        plain = json.dumps({name: row[name] for name in FIELDS}, ensure_ascii=False, separators=(",", ":"))
        reached = hashlib.sha256(f"{reached}\n{plain}".encode()).hexdigest()
        if row["seq"] != number or row["hash"] != reached:
            return False
    return (len(rows), reached) == (seq, head)


def a_trail(world: World) -> tuple[Rows, str, int]:
    case = world.case_of(world.sent(RED, patient=WANG))["id"]
    world.opened(case)
    world.do("cardiologist", "acknowledge", case)
    world.draft(case, "STEMI_INF")
    world.do("cardiologist", "sign", case, password=PASSWORD)
    world.do("clinic", "read-back", case, text="已读，准备转运")
    rows = sorted(world.rows(schema.audit), key=lambda row: row["seq"])
    county = world.ledger.read(audit.heads)[0]
    return rows, county.hash, county.seq


def changed(value: Any) -> Any:
    if isinstance(value, int):
        return value + 1
    if isinstance(value, dict):
        return {**value, "x": 1}
    return (value or "") + "x"


@pytest.mark.parametrize("engine_url", ["sqlite", "postgresql"], indirect=True)
def test_any_change_of_the_audit_is_detected(engine_url: str) -> None:
    with town(engine_url) as world:
        rows, head, seq = a_trail(world)
        assert len(rows) >= 12
        assert is_whole(rows, head, seq)
        assert world.ledger.read(lambda connection: audit.verify(connection, world.county)) is None
        ways = st.sampled_from(["field", "hash", "out", "twice", "swap", "cut", "cut-with-head", "forge"])

        @given(ways, st.integers(0, len(rows) - 1), st.sampled_from(FIELDS))
        @settings(max_examples=150 + int(100 * SOAK_S), deadline=None)
        def tampered(way: str, at: int, name: str) -> None:
            now, end, last = [dict(row) for row in rows], head, seq
            if way == "field":
                now[at][name] = changed(now[at][name])
            elif way == "hash":
                now[at]["hash"] = now[at]["hash"][::-1]
            elif way == "out":
                del now[at]
            elif way == "twice":
                now.insert(at, dict(now[at]))
            elif way == "swap":
                other = (at + 1) % len(now)
                now[at], now[other] = now[other], now[at]
            elif way == "cut":
                now = now[:at]
            elif way == "cut-with-head":
                now, last = now[:at], at
                end = now[-1]["hash"] if now else "0" * 64
                assert is_whole(now, end, last)  # by itself it looks whole …
                assert (last, end) != (seq, head)  # … and is not what the operator's log says
                return
            else:  # a forger who hashes everything anew reaches another head
                now[at][name] = changed(now[at][name])
                reached = "0" * 64
                for row in now:
                    reached = row["hash"] = chain.link(reached, row)
            assert not is_whole(now, end, last)
            assert chain.first_break(now, end, last) is not None

        tampered()
        # and in the database itself
        table = schema.audit
        middle = update(table).where(table.c.county_id == world.county, table.c.seq == 5)
        world.ledger.write(lambda tx: tx.connection.execute(middle.values(actor="nobody")) and None)
        broken = world.ledger.read(lambda connection: audit.verify(connection, world.county))
        assert broken is not None
        assert "row 5" in broken
        world.ledger.write(lambda tx: tx.connection.execute(middle.values(actor=rows[4]["actor"])) and None)
        tail = table.delete().where(table.c.county_id == world.county, table.c.seq == seq)
        world.ledger.write(lambda tx: tx.connection.execute(tail) and None)
        cut = world.ledger.read(lambda connection: audit.verify(connection, world.county))
        assert cut is not None
        assert "tail is cut" in cut
        engine = "sqlite" if engine_url.startswith("sqlite") else "postgresql"
        tell("desk 7", engine, changes=152 + int(100 * SOAK_S), undetected=0)
