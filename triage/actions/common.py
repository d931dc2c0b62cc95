"""What every action shares: its request, the locked case, what refuses it, and the event that tells of it.

``seen`` is the last number of the case that was on the screen. What came after it is looked up by what it was: a newer
exam or a raised colour, another's hand on the case, a change of the report, a decision. Each action says which of them
it must have seen; what does not matter to it holds it up by nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, bindparam, select, update

from county.access import Actor
from county.problem import Problem
from ledger import events, schema
from ledger.clock import SECOND, iso
from ledger.database import Transaction
from triage import legal, states

UNNUMBERED = 2**62
"""A case's ``seq`` while its newest event has no number yet: the batch that commits it gives one. Nobody can have seen
it, and an action in the same batch finds it so.
"""

LEASE_US = 300 * SECOND
"""A claim lasts so long after the last thing that its owner did; then others may take the case [project]."""

MAX_TEXT = 2_000  # letters of a free text

_UPDATE = update(schema.case).where(
    schema.case.c.county_id == bindparam("county"), schema.case.c.id == bindparam("which")
)
_ALERTS = (
    select(schema.alert)
    .where(
        schema.alert.c.county_id == bindparam("county"),
        schema.alert.c.case_id == bindparam("case"),
        schema.alert.c.state != states.Alert.DECIDED.value,
    )
    .order_by(schema.alert.c.raised_at)
    .with_for_update()
)
UPDATE_ALERT = update(schema.alert).where(
    schema.alert.c.county_id == bindparam("county"), schema.alert.c.id == bindparam("which")
)

Event = Mapping[str, Any]
_RATED = frozenset({"case.opened", "alert.raised", "exam.analysed"})


@dataclass(frozen=True, slots=True)
class Request:
    """One action of a person: what, on which case, what was on the screen, and the client's own id for it."""

    action: str
    case: str
    seen: int
    id: str | None = None
    colour: str | None = None
    """Of a downgrade: the less urgent colour; of an amendment, the new one."""
    upgrade: str | None = None
    """Of a confirmation: the more urgent colour that the doctor sees."""
    reason: str | None = None
    note: str | None = None
    text: str | None = None
    """Of a message, a report, a read-back: its words."""
    message: str | None = None
    """Of a read-back: which message; without it, the answer."""
    electrodes: tuple[str, ...] = ()
    """Of a retake: which electrodes to see to."""
    statements: tuple[Mapping[str, Any], ...] | None = None
    """Of a report: each statement with its code and whether it is accepted."""
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Doing:
    """An action under way: its transaction, who does it, and the case, locked."""

    transaction: Transaction
    actor: Actor
    request: Request
    case: Row[Any]

    @property
    def now(self) -> int:
        """The instant of the commit (UTC µs)."""
        return self.transaction.now

    @property
    def by(self) -> dict[str, str]:
        """Who does it, as events and answers name them."""
        return {"id": self.actor.id, "name": self.actor.name}

    @property
    def key(self) -> dict[str, str]:
        """The case's key as most statements bind it."""
        return {"county": self.case.county_id, "case": self.case.id}

    def moved(self) -> states.Case:
        """The state that the action leads to; 409 with what would be legal."""
        try:
            return states.Case(states.CASE.move(self.case.state, self.request.action).target)
        except states.Illegal:
            zh, en = "这个病例现在不能这样操作。", "This is not possible in the case's present state."
            raise self.refused(zh, en) from None

    def legal(self) -> list[str]:
        """What the actor could do now."""
        return legal.actions(self.transaction.connection, self.case, self.actor, self.now)

    def refused(self, zh: str, en: str, **more: Any) -> Problem:
        """409, with what would be legal."""
        return refused(self.legal(), zh, en, **more)

    def must_have_seen(self, *kinds: Callable[[Doing, Event], bool]) -> None:
        """:class:`Changed` if anything of these kinds came after ``seen``. What came in this very batch has no number
        yet: it may be of any kind.
        """
        if self.case.seq == UNNUMBERED:
            raise Changed(self.legal())
        if self.case.seq <= self.request.seen:
            return
        newer = events.of_case(self.transaction.connection, self.case.county_id, self.case.id, after=self.request.seen)
        if any(kind(self, event) for kind in kinds for event in newer):
            raise Changed(self.legal())

    def change(self, **values: Any) -> None:
        """Change the case. Every change comes with an event, which gets its number at the end of the batch."""
        key = {"county": self.case.county_id, "which": self.case.id}
        self.transaction.connection.execute(_UPDATE.values(**values, seq=UNNUMBERED), key)

    def tell(self, kind: str, **data: Any) -> None:
        """The event of a change: ``exam``, ``site``, who and when, and what it was."""
        whole = {"exam": self.case.exam_id, "site": self.case.site_id, "by": self.by, "at": iso(self.now), **data}
        self.transaction.event(self.case.county_id, kind, whole, site=self.case.site_id, case=self.case.id)

    def alerts(self) -> list[Row[Any]]:
        """The case's alerts that no decision has ended, locked, in order of time."""
        return list(self.transaction.connection.execute(_ALERTS, self.key).all())

    def held(self) -> dict[str, Any]:
        """What the actor's hand on the case is: its owner, for as long as a lease lasts. A coordinator's look is no
        reading, and has none.
        """
        until = self.now + LEASE_US if states.reads(self.actor) else None
        return {"owner_id": self.actor.id, "owner_at": self.now, "owner_until_at": until}

    def kept(self) -> dict[str, Any]:
        """The lease renewed by what its owner just did; the case taken where nobody has it."""
        if self.case.owner_id == self.actor.id:
            return {"owner_until_at": self.now + LEASE_US}
        return {} if legal.is_anothers(self.case, self.actor, self.now) else self.held()

    def free_text(self, text: str | None, most: int = MAX_TEXT) -> str:
        """The text without what only disturbs: control characters, blank lines at the ends, excess length."""
        plain = "".join(c for c in text or "" if c == "\n" or c.isprintable())
        return plain.strip()[:most]


class Changed(Exception):
    """The case has changed since what was on the screen; ``legal``: what would be possible now."""

    def __init__(self, legal_: list[str]) -> None:
        self.legal = legal_
        super().__init__("changed since")


def refused(legal_: list[str], zh: str, en: str, **more: Any) -> Problem:
    """409, with what would be legal."""
    return Problem(409, "not-legal-now", zh, en, legal=legal_, **more)


# --- what may have come after ``seen`` -------------------------------------------------------------------------------


def rated(_doing: Doing, event: Event) -> bool:
    """A newer exam, a raised colour, another patient behind the name."""
    return event["kind"] in _RATED or "rated" in event["data"] or "held" in event["data"] or "merged" in event["data"]


def owned(doing: Doing, event: Event) -> bool:
    """Another person took the case."""
    owner = event["data"].get("owner")
    return owner is not None and owner["id"] != doing.actor.id


def decided(_doing: Doing, event: Event) -> bool:
    """Somebody decided."""
    return "decision" in event["data"]


def reported(_doing: Doing, event: Event) -> bool:
    """The report was changed, by whomever: one signs what one has on the screen."""
    return "report" in event["data"]
