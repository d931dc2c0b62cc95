"""A person's action as it comes over HTTP or the feed, checked before it reaches the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from county.problem import Problem, not_found
from triage.actions.common import MAX_TEXT, Request
from triage.report import MAX_STATEMENTS

MAX_SEEN = 2**62 - 1  # numbers beyond are no event's
MAX_ID = 200  # characters of the client's own id; a UUID has 36


def usable(text: str) -> bool:
    """Whether a database can hold the text: no NUL, no half of a surrogate pair."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def known_form(identity: str) -> str:
    """An id from outside; one that no database could hold never was: 404 like any other."""
    if not usable(identity):
        raise not_found()
    return identity


def request_of(action: str, identity: str | None, body: Mapping[str, Any]) -> Request:
    """The action with its parts; 422 in words if one is missing or of the wrong kind."""
    case, seen = body.get("case"), body.get("seen")
    if not isinstance(case, str) or not case:
        raise Problem(422, "case-needed", "缺少病例编号（case）。", "The case is missing (case).")
    if not isinstance(seen, int) or isinstance(seen, bool) or not 0 <= seen <= MAX_SEEN:
        zh, en = "缺少屏上最后一个序号（seen）。", "The last number that was on the screen is missing (seen)."
        raise Problem(422, "seen-needed", zh, en)
    if identity is not None and (not 0 < len(identity) <= MAX_ID or not usable(identity)):
        zh, en = f"操作编号（id）应为 1–{MAX_ID} 个字符。", f"The id of an action has 1 to {MAX_ID} characters."
        raise Problem(422, "id-kind", zh, en)
    words = {name: _word(name, body.get(name)) for name in ("colour", "upgrade", "reason", "note", "text", "message")}
    password = body.get("password")
    if password is not None and not isinstance(password, str):
        raise Problem(422, "password-kind", "password 应为文字。", "password must be text.")
    return Request(
        action,
        known_form(case),
        seen,
        identity,
        **words,
        electrodes=_electrodes(body.get("electrodes")),
        statements=_statements(body.get("statements")),
        password=password,
    )


def _word(name: str, value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or not usable(value)):
        raise Problem(422, f"{name}-kind", f"{name} 应为文字。", f"{name} must be text.")
    return value


def _electrodes(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(name, str) for name in cast("list[Any]", value)):
        raise Problem(422, "electrodes-kind", "electrodes 应为名称列表。", "electrodes must be a list of names.")
    return tuple(dict.fromkeys(cast("list[str]", value)))


def _statements(value: Any) -> tuple[Mapping[str, Any], ...] | None:
    """``[{code, accepted?, text?}]``; what else a statement says is ours to know."""
    if value is None:
        return None
    wrong = Problem(
        422,
        "statements-kind",
        "statements 应为列表，每条有 code，可有 accepted（是或否）和 text。",
        "statements must be a list; each has a code, and may have accepted (true or false) and text.",
    )
    if not isinstance(value, list) or len(cast("list[Any]", value)) > MAX_STATEMENTS:
        raise wrong
    found: list[Mapping[str, Any]] = []
    for one in cast("list[Any]", value):
        if not isinstance(one, Mapping):
            raise wrong
        said = cast("Mapping[str, Any]", one)
        code, accepted, text = said.get("code"), said.get("accepted"), said.get("text")
        plain = isinstance(code, str) and usable(code) and (accepted is None or isinstance(accepted, bool))
        if not plain or not (text is None or (isinstance(text, str) and usable(text) and len(text) <= MAX_TEXT)):
            raise wrong
        found.append({"code": code, "accepted": accepted, "text": text})
    return tuple(found)
