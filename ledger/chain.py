"""The audit chain: each row's hash covers the row and the hash before it.

``hash(n) = SHA-256(hash(n-1) + "\\n" + canonical JSON of row n)``, where the canonical JSON has the fields of
:data:`FIELDS` in that order, no spaces, and non-ASCII letters as themselves (UTF-8); ``hash(0)`` is :data:`GENESIS`.
The head stands in the county's row and is advanced by the same commit, so a changed row breaks the chain and a cut
tail differs from the head.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

FIELDS = ("county_id", "seq", "at", "actor", "action", "place", "reason", "detail")
GENESIS = "0" * 64


def link(head: str, row: Mapping[Any, Any]) -> str:
    """The hash of ``row`` behind ``head`` (hex)."""
    canonical = json.dumps({name: row[name] for name in FIELDS}, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(f"{head}\n{canonical}".encode()).hexdigest()


def first_break(rows: Iterable[Mapping[Any, Any]], head: str, last_seq: int) -> str | None:
    """Where the chain is broken, in words; ``None`` if ``rows`` (in order) lead to ``head`` at number ``last_seq``."""
    reached, seq = GENESIS, 0
    for row in rows:
        if row["seq"] != seq + 1:
            return f"row {seq + 1} is missing: the next one is {row['seq']}"
        reached, seq = link(reached, row), row["seq"]
        if reached != row["hash"]:
            return f"row {seq} was changed: its hash does not follow from row {seq - 1}"
    if (seq, reached) != (last_seq, head):
        return f"the tail is cut: the chain ends at row {seq}, the county's head is row {last_seq}"
    return None
