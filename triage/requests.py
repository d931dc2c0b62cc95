"""A person's action as it comes over HTTP or the feed, checked before it reaches the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from county.problem import Problem
from triage.review import Request


def request_of(action: str, identity: str | None, body: Mapping[str, Any]) -> Request:
    """The action with its parts; 422 in words if one is missing or of the wrong kind."""
    case, seen = body.get("case"), body.get("seen")
    if not isinstance(case, str) or not case:
        raise Problem(422, "case-needed", "缺少病例编号(case)。", "The case is missing (case).")
    if not isinstance(seen, int) or isinstance(seen, bool) or seen < 0:
        zh, en = "缺少屏上最后一个序号(seen)。", "The last number that was on the screen is missing (seen)."
        raise Problem(422, "seen-needed", zh, en)
    words = {name: body.get(name) for name in ("colour", "reason", "note")}
    for name, value in words.items():
        if value is not None and not isinstance(value, str):
            raise Problem(422, f"{name}-kind", f"{name} 应为文字。", f"{name} must be text.")
    return Request(action, case, seen, identity, **words)  # type: ignore[arg-type]
