"""The feed's protocol, without I/O: rows and frames in, frames out.

One :class:`Feed` is one websocket. It knows what its actor may see, which number it was shown last (``prev`` in every
event frame, so that no gap is silent), and what a client's frame asks for. ``triage.live`` moves the frames;
ARCHITECTURE.md §6 is the contract.

    shell                        Feed
    open(last, after, epoch) ──▶ hello, or hello + resync
    shown(row)               ──▶ an event frame, or nothing
    received(text)           ──▶ Act, Nothing, or a refusal
    beat()                   ──▶ a beat frame
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from county.access import Action, Actor, Place, may
from county.problem import Problem
from ledger.clock import iso

SUBPROTOCOL = "ecgnet.feed.1"
HEARTBEAT_S = 15.0  # unless the settings say otherwise
MAX_FRAME = 16_384  # characters of a client's frame; the largest action is some 300

CLOSE_BAD_NUMBER = 4400
CLOSE_SESSION_ENDED = 4401
CLOSE_TOO_SLOW = 4408


class BadNumber(Exception):
    """``after`` is no whole number: the socket closes with 4400."""


@dataclass(frozen=True, slots=True)
class Act:
    """The client asks for an action."""

    id: str
    action: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Refuse:
    """The client's frame cannot be an action: what to answer."""

    id: str | None
    problem: Problem


def sees(actor: Actor, row: Mapping[str, Any]) -> bool:
    """Whether the actor may see an event: who is without a site sees the county, the others their site."""
    return may(actor, Action.SEE_EXAM, Place(row["county_id"], row["site_id"]))


def number(after: str | None) -> int | None:
    """The client's ``after``; :class:`BadNumber` if it is no whole number."""
    if after is None:
        return None
    if not after.isdecimal() or len(after) > 18:
        raise BadNumber(after)
    return int(after)


@dataclass(slots=True)
class Feed:
    """The server's side of one websocket."""

    actor: Actor
    epoch: str
    position: int = 0
    """The county's number up to which this session was served."""
    prev: int = 0
    """The number of the event that it was shown last."""
    heartbeat_s: float = HEARTBEAT_S

    def open(self, last_visible: int, last: int, after: int | None, epoch: str | None) -> list[dict[str, Any]]:
        """The first frames. ``last_visible``: the last number that the actor may see; ``last``: the county's."""
        frames = [self._hello(last_visible)]
        unknown_epoch = epoch is not None and epoch != self.epoch
        if after is not None and (unknown_epoch or after > last):
            frames.append({"type": "resync", "why": "epoch" if unknown_epoch else "beyond-last"})
            after = None
        if after is None:
            self.position, self.prev = last, last_visible
        else:
            self.position = self.prev = after
        return frames

    def _hello(self, last_visible: int) -> dict[str, Any]:
        you = {"id": self.actor.id, "name": self.actor.name}
        return {"type": "hello", "epoch": self.epoch, "seq": last_visible, "you": you, "heartbeat_s": self.heartbeat_s}

    def shown(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        """The frame of one event, or ``None`` if the actor may not see it or was served beyond it."""
        if row["seq"] <= self.position:
            return None
        self.position = row["seq"]
        if not sees(self.actor, row):
            return None
        frame = {
            "type": "event",
            "seq": row["seq"],
            "prev": self.prev,
            "at": iso(row["at"]),
            "kind": row["kind"],
            "case": row["case_id"],
            "data": row["data"],
        }
        self.prev = row["seq"]
        return frame

    def moved(self, actor: Actor, last_visible: int, last: int) -> dict[str, Any] | None:
        """The actor as they are now: a ``resync`` frame if they may see more or less than before, else nothing. What
        the screen holds is then no longer what it may hold: it reads its lists anew, and goes on from here.
        """
        before = self.actor
        self.actor = actor
        if (before.role, before.site, before.county) == (actor.role, actor.site, actor.county):
            return None
        self.position, self.prev = max(self.position, last), last_visible  # what came before is in what it reads
        return {"type": "resync", "why": "rights"}

    def beat(self) -> dict[str, Any]:
        """The last number that the actor may see and was shown."""
        return {"type": "beat", "seq": self.prev}

    def received(self, text: str) -> Act | Refuse | None:
        """What a client's frame asks for; ``None`` for a beat."""
        try:
            frame = json.loads(text) if len(text) <= MAX_FRAME else None
        except ValueError:
            frame = None
        if not isinstance(frame, dict):
            return Refuse(None, Problem(422, "not-a-frame", "这一帧不是 JSON 对象。", "The frame is no JSON object."))
        body: dict[str, Any] = frame  # type: ignore[assignment]
        if body.get("type") == "beat":
            return None
        identity, action = body.get("id"), body.get("do")
        if not isinstance(identity, str) or not isinstance(action, str):
            known = identity if isinstance(identity, str) else None
            return Refuse(known, Problem(422, "unknown-action", "帧里需要 id 和 do。", "A frame needs id and do."))
        return Act(identity, action, body)


def reduced(
    items: Mapping[str, dict[str, Any]], rows: Iterable[Mapping[str, Any]], read: Callable[[str], dict[str, Any] | None]
) -> dict[str, dict[str, Any]]:
    """The worklist after events: every case that one of them names is read anew, no other is touched.

    This is the law that a screen relies on: what it had, reduced by the events after it, is what it would read now.
    ``read`` gives a case's row, or ``None`` where it is no longer on the list.
    """
    touched = {row["case_id"] for row in rows if row["case_id"] is not None}
    kept = {case: item for case, item in items.items() if case not in touched}
    return kept | {case: item for case in touched if (item := read(case)) is not None}


def done(identity: str, case: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to an action that was done."""
    return {"type": "done", "id": identity, "case": case}


def refused(identity: str | None, problem: Problem, language: str) -> dict[str, Any]:
    """The answer to an action that was refused: the problem as HTTP would answer it."""
    return {"type": "refused", "id": identity, "problem": problem.document(language)}
