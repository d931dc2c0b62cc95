"""Every state machine of the desk, as tables.

A machine is a list of moves: from which state, by which action, to which state, and who may. A move that is not in the
table is refused with what would be legal (HTTP 409). Nothing else in the code compares a state with a string, and the
diagrams in ``docs/states.md`` are drawn from these tables.

``who`` names the right that a person needs (``county.access``); ``None`` marks a move of the engine itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from county.access import Action, Actor, Place, has_role, may


class Exam(StrEnum):
    """What became of an exam's file."""

    RECEIVED = "received"
    """Its bytes are safe; nothing has read them yet."""
    ANALYSED = "analysed"
    """The instrument has measured it."""
    UNREADABLE = "unreadable"
    """The file cannot be read as an ECG: the file's fault."""
    FAILED = "failed"
    """The instrument did not finish three times: our fault."""


class Case(StrEnum):
    """What humans have done with it."""

    OPEN = "open"
    """Nobody has answered."""
    ACKNOWLEDGED = "acknowledged"
    """A named person is looking at it; no decision yet."""
    CONFIRMED = "confirmed"
    """A cardiologist holds the colour to be right."""
    DOWNGRADED = "downgraded"
    """A cardiologist gave it a less urgent colour."""
    STOOD_DOWN = "stood_down"
    """A cardiologist found that there is nothing to do."""


class Alert(StrEnum):
    """One call for a human."""

    RAISED = "raised"
    """It rings and climbs."""
    ACKNOWLEDGED = "acknowledged"
    """Somebody answered; without a decision the ladder goes on."""
    DECIDED = "decided"
    """A cardiologist has decided: the ladder has ended."""
    STOPPED = "stopped"
    """A coordinator ended the ladder, with a reason; the case still waits for its decision."""


class Report(StrEnum):
    """What a named physician states of a case."""

    DRAFT = "draft"
    """Being written; no statement of the machine is anybody's yet."""
    SIGNED = "signed"
    """A named physician stands for it; it is never changed."""
    AMENDED = "amended"
    """Signed, and replaced by a later one that says why."""


class Merge(StrEnum):
    """Two records that are held to be one patient."""

    PROPOSED = "proposed"
    """One person says so; nothing has moved."""
    MERGED = "merged"
    """Another person has confirmed it: the exams and cases belong to the one that was kept."""
    UNDONE = "undone"
    """Taken back: every exam and case is where it was."""


class Delivery(StrEnum):
    """One message to one contact (``triage.deliveries``)."""

    WAITING = "waiting"
    """To be sent."""
    TRIED = "tried"
    """Handed to the channel; nothing has come back yet."""
    DELIVERED = "delivered"
    """The channel says that it has it; that is no answer (CLINICAL.md §6)."""
    FAILED = "failed"
    """It did not go through; perhaps it is tried again."""
    SEEN = "seen"
    """The person has acknowledged the alert that it was about."""
    WITHDRAWN = "withdrawn"
    """Answered before it was sent."""


@dataclass(frozen=True, slots=True)
class Move:
    """One row of a machine's table."""

    source: str
    action: str
    target: str
    who: Action | None = None
    needs: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """A named table of moves."""

    name: str
    start: str
    moves: tuple[Move, ...]

    def move(self, state: str, action: str) -> Move:
        """The move, or :class:`Illegal`, which changes nothing and names what would be legal."""
        for move in self.moves:
            if move.source == state and move.action == action:
                return move
        raise Illegal(self, state, action)

    def legal(self, state: str) -> tuple[str, ...]:
        """Every action that the state allows, engine's moves left out."""
        return tuple(move.action for move in self.moves if move.source == state and move.who is not None)

    def legal_for(self, state: str, actor: Actor, place: Place) -> list[str]:
        """What ``actor`` may do now."""
        moves = (move for move in self.moves if move.source == state and move.who is not None)
        return [move.action for move in moves if move.who is not None and may(actor, move.who, place)]


def reads(actor: Actor) -> bool:
    """Whether the actor is one who reads tracings, so that a case in their hand is being read."""
    return has_role(actor, Action.DECIDE)


class Illegal(Exception):
    """The state does not allow the action."""

    def __init__(self, machine: Machine, state: str, action: str) -> None:
        self.machine, self.state, self.action = machine, state, action
        self.legal = machine.legal(state)
        super().__init__(
            f"{machine.name} is {state}: {action} is not possible, only {', '.join(self.legal) or 'nothing'}"
        )


def _from_each(sources: Iterable[str], action: str, target: str, who: Action | None, needs: str = "") -> list[Move]:
    return [Move(source, action, target, who, needs) for source in sources]


EXAM = Machine(
    "exam",
    Exam.RECEIVED,
    (
        Move(Exam.RECEIVED, "analyse", Exam.ANALYSED),
        Move(Exam.RECEIVED, "cannot-read", Exam.UNREADABLE),
        Move(Exam.RECEIVED, "give-up", Exam.FAILED),
        *(Move(ended, "retry", Exam.RECEIVED, Action.QUARANTINE) for ended in (Exam.UNREADABLE, Exam.FAILED)),
    ),
)

_DECIDED = (Case.CONFIRMED, Case.DOWNGRADED, Case.STOOD_DOWN)

_UNDECIDED = (Case.OPEN, Case.ACKNOWLEDGED)


def _staying(sources: Iterable[str], action: str, who: Action, needs: str = "") -> list[Move]:
    """Moves that change something of the case, and its state not."""
    return [Move(source, action, source, who, needs) for source in sources]


CASE = Machine(
    "case",
    Case.OPEN,
    (
        Move(Case.OPEN, "acknowledge", Case.ACKNOWLEDGED, Action.ACKNOWLEDGE),
        *_staying(Case, "claim", Action.DECIDE),
        *_staying(Case, "release", Action.DECIDE),
        *_from_each(_UNDECIDED, "confirm", Case.CONFIRMED, Action.DECIDE),
        *_from_each(_UNDECIDED, "downgrade", Case.DOWNGRADED, Action.DECIDE, "colour, reason"),
        *_from_each(_UNDECIDED, "stand-down", Case.STOOD_DOWN, Action.DECIDE, "reason"),
        *_staying(_UNDECIDED, "retake", Action.DECIDE, "reason, electrodes"),
        *_staying(Case, "statements", Action.DECIDE, "statements"),
        *_from_each(_UNDECIDED, "sign", Case.CONFIRMED, Action.DECIDE, "password"),
        *_staying(_DECIDED, "sign", Action.DECIDE, "password"),
        *_staying(_DECIDED, "amend", Action.DECIDE, "statements, note, password"),
        *_staying(Case, "message", Action.MESSAGE, "text"),
        *_staying(Case, "read-back", Action.READ_BACK),
        *_staying(_UNDECIDED, "stop", Action.STOP_LADDER, "reason"),
        *_from_each((Case.ACKNOWLEDGED, *_DECIDED), "raise", Case.OPEN, None),
    ),
)

_CALLING = (Alert.RAISED, Alert.ACKNOWLEDGED)

ALERT = Machine(
    "alert",
    Alert.RAISED,
    (
        Move(Alert.RAISED, "acknowledge", Alert.ACKNOWLEDGED),
        *_from_each((*_CALLING, Alert.STOPPED), "decide", Alert.DECIDED, None),
        Move(Alert.RAISED, "climb", Alert.RAISED),
        Move(Alert.ACKNOWLEDGED, "climb", Alert.ACKNOWLEDGED),
        *_from_each(_CALLING, "stop", Alert.STOPPED, None),
        *_from_each((Alert.DECIDED, Alert.STOPPED), "raise", Alert.RAISED, None),
    ),
)

REPORT = Machine(
    "report",
    Report.DRAFT,
    (
        Move(Report.DRAFT, "statements", Report.DRAFT, Action.DECIDE),
        Move(Report.DRAFT, "sign", Report.SIGNED, Action.DECIDE, "every finding accepted or rejected"),
        Move(Report.SIGNED, "amend", Report.AMENDED, Action.DECIDE, "why"),
    ),
)

MERGE = Machine(
    "merge",
    Merge.PROPOSED,
    (
        Move(Merge.PROPOSED, "confirm", Merge.MERGED, Action.MERGE, "another person"),
        Move(Merge.PROPOSED, "undo", Merge.UNDONE, Action.MERGE, "reason"),
        Move(Merge.MERGED, "undo", Merge.UNDONE, Action.MERGE, "reason"),
    ),
)

DELIVERY = Machine(
    "delivery",
    Delivery.WAITING,
    (
        *_from_each((Delivery.WAITING, Delivery.FAILED), "try", Delivery.TRIED, None),
        Move(Delivery.TRIED, "deliver", Delivery.DELIVERED),
        *_from_each((Delivery.WAITING, Delivery.TRIED, Delivery.FAILED), "fail", Delivery.FAILED, None),
        *_from_each((Delivery.TRIED, Delivery.DELIVERED), "see", Delivery.SEEN, None),
        *_from_each((Delivery.WAITING, Delivery.FAILED), "withdraw", Delivery.WITHDRAWN, None),
    ),
)

MACHINES = (EXAM, CASE, ALERT, DELIVERY, REPORT, MERGE)


def mermaid(machine: Machine) -> str:
    """The machine as a Mermaid state diagram for the docs."""
    lines = ["stateDiagram-v2", f"    [*] --> {machine.start}"]
    for move in machine.moves:
        who = "engine" if move.who is None else move.who.value
        lines.append(f"    {move.source} --> {move.target}: {move.action} ({who})")
    return "\n".join(lines)


# What each state means, for the docs.
_WORDS: dict[str, str] = {
    "exam received": "Its bytes are safe; nothing has read them yet. 已收到，尚未判读。",
    "exam analysed": "The instrument has measured it. 机器已判读。",
    "exam unreadable": "The file cannot be read as an ECG: the file's fault. 文件读不出心电图。",
    "exam failed": "The instrument did not finish three times: our fault. 机器三次未能完成。",
    "case open": "Nobody has answered. 无人应答。",
    "case acknowledged": "A named person is looking at it; no decision yet. 有人在看，尚未决定。",
    "case confirmed": "A cardiologist holds the colour to be right. 医生确认。",
    "case downgraded": "A cardiologist gave it a less urgent colour. 医生降级。",
    "case stood_down": "A cardiologist found that there is nothing to do. 医生解除。",
    "alert raised": "It rings and climbs. 正在呼叫并逐级升级。",
    "alert acknowledged": "Somebody answered; without a decision the ladder goes on. 已应答；不决定则继续升级。",
    "alert decided": "A cardiologist has decided: the ladder has ended. 已决定，升级结束。",
    "alert stopped": "A coordinator ended the ladder, with a reason; the case waits. 协调员已停止呼叫（附原因）。",
    "report draft": "Being written; no statement of the machine is anybody's yet. 草稿。",
    "report signed": "A named physician stands for it; it is never changed. 已签发，不再改动。",
    "report amended": "Signed, and replaced by a later one that says why. 已被更正报告取代。",
    "merge proposed": "One person says so; nothing has moved. 一人提出，尚未生效。",
    "merge merged": "Another person has confirmed it. 另一人已确认，合并生效。",
    "merge undone": "Taken back: everything is where it was. 已撤销，全部还原。",
    "delivery waiting": "To be sent. 待发送。",
    "delivery tried": "Handed to the channel; nothing has come back yet. 已交渠道，尚无回执。",
    "delivery delivered": "The channel says that it has it; that is no answer. 渠道已收，不等于应答。",
    "delivery failed": "It did not go through; perhaps it is tried again. 未送达，可能重试。",
    "delivery seen": "The person has acknowledged the alert that it was about. 本人已应答该警报。",
    "delivery withdrawn": "Answered before it was sent. 发送前已有人应答。",
}


_PAGE = """# States

Drawn from the tables of `triage/states.py` by `python -m triage.states > docs/states.md`; a test fails when this page
is stale. In brackets: the right that a person needs, or *engine*. A move that is not here is refused with what would be
legal.
"""


def page() -> str:
    """``docs/states.md``."""
    parts = [_PAGE]
    for machine in MACHINES:
        found = dict.fromkeys([machine.start, *(move.target for move in machine.moves)])
        lines = "\n".join(f"- `{state}`: {_WORDS[f'{machine.name} {state}']}" for state in found)
        parts.append(f"## {machine.name}\n\n```mermaid\n{mermaid(machine)}\n```\n\n{lines}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    print(page(), end="")
