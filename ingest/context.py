"""What the clinic says beside the ECG: urgency, symptoms, times, who the patient is (ARCHITECTURE.md §6 "Sending").

Two rules. A bad context never loses the ECG: what can be understood is used, ``problem`` says that something could not
be, unknown fields are ignored. And what was said only ever rises: a later context may add urgency, symptoms, times and
facts, and takes nothing away; ``["none"]`` (explicitly absent) gives way to any symptom, unknown (``[]``) to both.
Everything here is pure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

from ingest.identity import Identity, read_identity

SYMPTOMS = (
    "chest_pain",
    "chest_tightness",
    "radiating_pain",
    "dyspnoea",
    "sweating",
    "syncope",
    "presyncope",
)
"""The contract's words, in its order (胸痛, 胸闷, 放射痛, 呼吸困难, 出汗, 晕厥, 先兆晕厥)."""

NONE = "none"
"""Explicitly no symptom: the only word beside it would contradict it."""

MAX_BYTES = 64 * 1024
"""A longer context is not read. The contract's longest has some 500 bytes; an HTTP header, which carries it in tus,
ends at 64 KiB in our server too."""

_TRUE = frozenset({"true", "yes", "1", "是"})
_FALSE = frozenset({"false", "no", "0", "否", ""})


@dataclass(frozen=True, slots=True)
class Context:
    """What is known beside the ECG.

    ``symptoms``: ``()`` unknown, ``("none",)`` explicitly absent, else words of :data:`SYMPTOMS` in their order.
    ``onset_at``, ``fmc_at`` (first medical contact, 首次医疗接触): UTC microseconds. ``recorded_at``: when the ECG was
    recorded, by the clock of who sends. ``problem``: something that was said could not be understood.
    """

    urgent: bool = False
    symptoms: tuple[str, ...] = ()
    onset_at: int | None = None
    fmc_at: int | None = None
    identity: Identity = field(default_factory=Identity)
    problem: bool = False
    recorded_at: int | None = None

    @property
    def is_pressing(self) -> bool:
        """Whether somebody is unwell now: the emergency button, or a symptom. Such an ECG is the last to be refused."""
        return self.urgent or any(word != NONE for word in self.symptoms)


def parse(data: bytes | str | None) -> Context:
    """The context of its JSON text; never raises. Nothing at all is no problem: everything is then unknown."""
    if data is None or not data.strip():
        return Context()
    if len(data) > MAX_BYTES:
        return Context(problem=True)
    try:
        document: Any = json.loads(_text(data))
    except (ValueError, RecursionError):
        return Context(problem=True)
    if not isinstance(document, dict):
        return Context(problem=True)
    return of_document(cast("dict[str, Any]", document))


def of_document(document: Mapping[str, Any]) -> Context:
    """The context of a JSON object: each field by itself, so that one that is bad takes no other with it."""
    problems: list[str] = []

    def take(name: str, read: Callable[[Any], Any], missing: Any) -> Any:
        value = document.get(name)
        if value is None:
            return missing
        try:
            return read(value)
        except (ValueError, OverflowError, OSError):
            problems.append(name)
            return missing

    symptoms, unknown = _symptoms(document.get("symptoms"))
    identity, misread = read_identity(document.get("patient"))
    return Context(
        urgent=take("urgent", _flag, False),
        symptoms=symptoms,
        onset_at=take("onset_at", _instant, None),
        fmc_at=take("fmc_at", _instant, None),
        identity=identity,
        recorded_at=take("recorded_at", _instant, None),
        problem=bool(problems) or unknown or misread,
    )


def merge_symptoms(known: Iterable[str], said: Iterable[str]) -> tuple[str, ...]:
    """Both together; only ever rises: unknown → ``("none",)`` → symptoms."""
    both = {*known, *said}
    real = tuple(word for word in SYMPTOMS if word in both)
    return real or ((NONE,) if NONE in both else ())


def merge(known: Context, said: Context) -> Context:
    """What is known once ``said`` has been heard too. Of two times the earlier stands, of two
    recordings' the one that was said first."""
    return replace(
        known,
        urgent=known.urgent or said.urgent,
        symptoms=merge_symptoms(known.symptoms, said.symptoms),
        onset_at=earlier(known.onset_at, said.onset_at),
        fmc_at=earlier(known.fmc_at, said.fmc_at),
        identity=known.identity.filled_from(said.identity),
        problem=known.problem or said.problem,
        recorded_at=said.recorded_at if known.recorded_at is None else known.recorded_at,
    )


def earlier(one: int | None, other: int | None) -> int | None:
    """The earlier of two instants, of which either may be unknown."""
    known = [at for at in (one, other) if at is not None]
    return min(known) if known else None


def _text(data: bytes | str) -> str:
    if isinstance(data, str):
        return data
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gb18030")  # what older Chinese programs write; a UnicodeDecodeError is a ValueError


def _flag(value: Any) -> bool:
    word = str(value).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError(f"neither yes nor no: {word}")


def _symptoms(value: Any) -> tuple[tuple[str, ...], bool]:
    """The words we know, and whether there were others."""
    if value is None:
        return (), False
    said: list[Any] = cast("list[Any]", value) if isinstance(value, list) else [value]
    words = [word.strip().lower() for word in said if isinstance(word, str)]
    known = merge_symptoms((), (word for word in words if word == NONE or word in SYMPTOMS))
    return known, len(words) < len(said) or any(word not in SYMPTOMS and word != NONE for word in words)


def _instant(value: Any) -> int:
    """UTC microseconds of an ISO text with its zone."""
    if not isinstance(value, str):
        raise ValueError("a time is a text")
    at = datetime.fromisoformat(value.strip())
    if at.tzinfo is None:
        raise ValueError("a time needs its zone")
    since = at.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds
