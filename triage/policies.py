"""Escalation policies: the ladders of CLINICAL.md §5.7 as data, and a county's own: quicker perhaps, never slower.

A county's policy is a TOML text kept as a version of its file ``policy`` (``ecgnet admin policy set``); what it leaves
out is CLINICAL.md's. It is checked before it counts, and the check names the place in both languages::

    language = "zh"                # of messages: zh, en, both
    names_in_messages = false      # whether a message to a phone may carry the patient's name
    watched = ["first", "backup"]  # slots whose empty hours are told beforehand

    [ladder.RED]
    repeat_s = 60
    [[ladder.RED.rung]]
    at_s = 0
    slots = ["first"]
    channels = ["screen", "sound"]

Quicker or equal means: whoever CLINICAL.md calls by a time is called by then, by telephone or text message where it
says so, and the repeats are no rarer (§5.7: "ECG2DX ≤ 10 min leaves 600 s").
"""

from __future__ import annotations

import functools
import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import Connection, bindparam, func, insert, select

from county.contacts import Channel
from county.errors import BadPolicy
from county.rosters import Slot
from ledger import schema
from ledger.database import Transaction
from triage.rating import Colour

KIND = "policy"
SCREENS = ("screen", "sound")  # what the feed does; the other channels are contacts'
PHONES = ("sms", "call")
MOST_RUNGS = 20
MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Rung:
    """At ``at_s`` after the alert these slots of the roster are called, by these channels."""

    at_s: int
    slots: tuple[str, ...]
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ladder:
    """Rungs in order, then a repeat; ``then`` is the ladder that takes over at ``ends_s``."""

    rungs: tuple[Rung, ...]
    repeat_s: int
    ends_s: int | None = None
    then: str | None = None


LADDERS: Mapping[str, Ladder] = {
    Colour.RED: Ladder(
        (
            Rung(0, ("first",), ("screen", "sound")),
            Rung(60, ("first", "backup"), ("screen", "sms")),
            Rung(120, ("first", "backup", "coordinator"), ("screen", "call")),
            Rung(180, ("first", "backup", "coordinator", "chief"), ("screen", "call", "group")),
            Rung(300, ("first", "backup", "coordinator", "chief", "director"), ("screen", "call", "conference")),
        ),
        repeat_s=120,
    ),
    Colour.ORANGE: Ladder(
        (
            Rung(0, ("first",), ("screen", "sound")),
            Rung(300, ("first", "backup"), ("screen", "sms")),
            Rung(600, ("first", "backup", "coordinator"), ("screen", "sms")),
        ),
        repeat_s=300,
        ends_s=1800,
        then=Colour.RED,
    ),
}


@dataclass(frozen=True, slots=True)
class Policy:
    """How a county escalates. ``version`` 0 is CLINICAL.md's own."""

    version: int = 0
    ladders: Mapping[str, Ladder] = field(default_factory=lambda: LADDERS)
    watched: tuple[str, ...] = ("first", "backup")
    names_in_messages: bool = False
    language: str = "zh"


CLINICAL = Policy()


# --- reading ---------------------------------------------------------------------------------------------------------


def parse(text: str, version: int = 0) -> Policy:
    """The policy that a text says; :class:`BadPolicy` names what cannot be."""
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise BadPolicy("文件太大（最多 64 KiB）。", "The file is too large (64 KiB at most).")
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadPolicy(f"TOML 读不懂：{error}。", f"This is no TOML: {error}.") from error
    _only(found, "", ("language", "names_in_messages", "watched", "ladder"))
    language = found.get("language", CLINICAL.language)
    if language not in ("zh", "en", "both"):
        raise _wrong("language", "应为 zh、en 或 both", "is zh, en or both")
    names = found.get("names_in_messages", False)
    if not isinstance(names, bool):
        raise _wrong("names_in_messages", "应为 true 或 false", "is true or false")
    own = _table(found.get("ladder", {}), "ladder")
    _only(own, "ladder.", tuple(LADDERS))
    ladders = {colour: _ladder(own[colour], colour) if colour in own else LADDERS[colour] for colour in LADDERS}
    watched = _words(found.get("watched", list(CLINICAL.watched)), "watched", tuple(Slot))
    if Slot.FIRST not in watched:
        raise _wrong("watched", "必须包含 first", "must hold first")
    return Policy(version, ladders, watched, names, language)


def _ladder(value: Any, colour: str) -> Ladder:
    place, ours = f"ladder.{colour}", LADDERS[colour]
    table = _table(value, place)
    _only(table, f"{place}.", ("repeat_s", "ends_s", "rung"))
    listed = table.get("rung")
    rungs = ours.rungs if listed is None else _rungs(listed, place)
    repeat_s = _seconds(table.get("repeat_s", ours.repeat_s), f"{place}.repeat_s", 1)
    ends_s = None if ours.ends_s is None else _seconds(table.get("ends_s", ours.ends_s), f"{place}.ends_s", 1)
    if ours.ends_s is None and "ends_s" in table:
        raise _wrong(f"{place}.ends_s", "RED 阶梯没有终点", "is not for RED: its ladder has no end")
    if ends_s is not None and ends_s <= rungs[-1].at_s:
        raise _wrong(f"{place}.ends_s", "要晚于最后一级", "is later than the last rung")
    found = Ladder(rungs, repeat_s, ends_s, ours.then)
    _not_slower(found, ours, place)
    return found


def _rungs(value: Any, place: str) -> tuple[Rung, ...]:
    listed = _list(value)
    if not 0 < len(listed) <= MOST_RUNGS:
        raise _wrong(f"{place}.rung", f"需要 1–{MOST_RUNGS} 级", f"needs 1 to {MOST_RUNGS} rungs")
    rungs: list[Rung] = []
    for number, one in enumerate(listed):
        rung = _rung(one, f"{place}.rung[{number}]")
        if rung.at_s != 0 if not rungs else rung.at_s <= rungs[-1].at_s:
            zh = "第一级在 0 秒，以后各级依次更晚"
            raise _wrong(f"{place}.rung[{number}].at_s", zh, "is 0 for the first rung, then later rung by rung")
        if rungs and not set(rungs[-1].slots) <= set(rung.slots):
            zh = "后一级必须包含前一级的所有岗位"
            raise _wrong(f"{place}.rung[{number}].slots", zh, "holds every slot of the rung before")
        rungs.append(rung)
    return tuple(rungs)


def _rung(value: Any, place: str) -> Rung:
    table = _table(value, place)
    _only(table, f"{place}.", ("at_s", "slots", "channels"))
    channels = _words(table.get("channels"), f"{place}.channels", (*SCREENS, *Channel))
    if "screen" not in channels:
        raise _wrong(f"{place}.channels", "必须包含 screen", "must hold screen")
    slots = _words(table.get("slots"), f"{place}.slots", tuple(Slot))
    return Rung(_seconds(table.get("at_s"), f"{place}.at_s", 0), slots, channels)


def _not_slower(found: Ladder, ours: Ladder, place: str) -> None:
    """:class:`BadPolicy` unless everybody whom CLINICAL.md calls by a time is called by then."""
    for rung in ours.rungs:
        by_then = [own for own in found.rungs if own.at_s <= rung.at_s]
        called = {slot for own in by_then for slot in own.slots}
        missing = [slot for slot in rung.slots if slot not in called]
        if missing:
            zh = f"比临床规范慢：{rung.at_s} 秒内必须呼叫 {'、'.join(missing)}"
            raise _wrong(place, zh, f"is slower than CLINICAL.md §5.7: {', '.join(missing)} by {rung.at_s} s")
        if set(PHONES) & set(rung.channels) and not any(set(PHONES) & set(own.channels) for own in by_then):
            zh = f"比临床规范慢：{rung.at_s} 秒内必须用短信或电话"
            raise _wrong(place, zh, f"is slower than CLINICAL.md §5.7: sms or call by {rung.at_s} s")
    if found.repeat_s > ours.repeat_s:
        zh = f"不得超过 {ours.repeat_s} 秒"
        raise _wrong(f"{place}.repeat_s", zh, f"is at most {ours.repeat_s} s (CLINICAL.md §5.7)")
    if found.ends_s is not None and ours.ends_s is not None and found.ends_s > ours.ends_s:
        zh = f"不得超过 {ours.ends_s} 秒"
        raise _wrong(f"{place}.ends_s", zh, f"is at most {ours.ends_s} s (CLINICAL.md §5.7)")
    gaps = [after.at_s - before.at_s for before, after in zip(found.rungs, found.rungs[1:], strict=False)]
    longest = max(after.at_s - before.at_s for before, after in zip(ours.rungs, ours.rungs[1:], strict=False))
    if any(gap > longest for gap in gaps):
        zh = f"两级之间不得超过 {longest} 秒"
        raise _wrong(f"{place}.rung", zh, f"has at most {longest} s between two rungs (CLINICAL.md §5.7)")


def _words(value: Any, place: str, known: Sequence[str]) -> tuple[str, ...]:
    words = _list(value)
    if not words or any(one not in known for one in words):
        names = [str(one) for one in known]
        raise _wrong(place, f"只能取：{'、'.join(names)}", f"lists some of: {', '.join(names)}")
    return tuple(dict.fromkeys(str(one) for one in words))


def _table(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(place, "应为表", "is a table")
    return cast("dict[str, Any]", value)


def _list(value: Any) -> Sequence[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _seconds(value: Any, place: str, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= 86_400:
        raise _wrong(place, f"应为不小于 {least} 的整数秒", f"is a whole number of seconds, at least {least}")
    return value


def _only(table: Mapping[str, Any], place: str, known: Sequence[str]) -> None:
    for name in table:
        if name not in known:
            raise _wrong(f"{place}{name}", "没有这一项", "is unknown")


def _wrong(place: str, zh: str, en: str) -> BadPolicy:
    return BadPolicy(f"{place} {zh}。", f"{place} {en}.")


# --- the county's ----------------------------------------------------------------------------------------------------

_F = schema.county_file.c
# The newest policy that counts by now.
_IN_FORCE = (
    select(_F.version, _F.text)
    .where(_F.county_id == bindparam("county"), _F.kind == KIND, _F.active_from_at <= bindparam("now"))
    .order_by(_F.version.desc())
    .limit(1)
)
_LAST = select(func.max(_F.version)).where(_F.county_id == bindparam("county"), _F.kind == KIND)
_ADD = insert(schema.county_file)

_parsed = functools.lru_cache(maxsize=256)(parse)


def of(connection: Connection, county: str, now: int) -> Policy:
    """The policy in force; CLINICAL.md's own where the county has none."""
    row = connection.execute(_IN_FORCE, {"county": county, "now": now}).one_or_none()
    return CLINICAL if row is None else _parsed(row.text, row.version)


def text_of(connection: Connection, county: str, now: int) -> str | None:
    """The text of the policy in force; ``None`` where it is CLINICAL.md's."""
    row = connection.execute(_IN_FORCE, {"county": county, "now": now}).one_or_none()
    return None if row is None else row.text


def put(tx: Transaction, county: str, text: str, *, actor: str = "operator", active_from_at: int | None = None) -> int:
    """A new version of the county's policy, from now on or from an instant; its number. :class:`BadPolicy`.

    Alerts that climb go on by it from their next rung.
    """
    parse(text)
    last = tx.connection.execute(_LAST, {"county": county}).scalar_one()
    version = (last or 0) + 1
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    row = {"county_id": county, "kind": KIND, "version": version, "text": text, "sha256": sha256}
    begins = tx.now if active_from_at is None else active_from_at
    tx.connection.execute(_ADD, {**row, "created_at": tx.now, "created_by": actor, "active_from_at": begins})
    tx.audit(county, actor, "policy.put", county, detail={"version": version, "sha256": sha256})
    return version
