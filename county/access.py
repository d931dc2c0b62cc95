"""Who may do what: one table, one gate.

:func:`may` is the only place where a role is compared. A place is the county, or a site in it (a case is where it came
from). What one may not see does not exist: the caller answers 404 with the same bytes as for an id that never was.
ARCHITECTURE.md §7 is the table in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a person is in the county; a device acts as ``clinic`` at its site."""

    CLINIC = "clinic"
    CARDIOLOGIST = "cardiologist"
    COORDINATOR = "coordinator"
    ADMINISTRATOR = "administrator"


class Action(StrEnum):
    """What can be done; each route names one."""

    PUBLIC = "public"
    """Open to everyone: signing in."""
    OWN_SESSION = "own-session"
    """Look at or end one's own session, be on the feed."""
    SEND = "send"
    """Send an ECG or add what is known of the patient."""
    SEE_EXAM = "see-exam"
    """See an exam, its trace and its analysis."""
    SEE_CASES = "see-cases"
    """See the worklist and cases."""
    ACKNOWLEDGE = "acknowledge"
    """Answer an alert: I am looking at it."""
    DECIDE = "decide"
    """Confirm, downgrade or stand down."""
    MESSAGE = "message"
    """Send the clinic a message about a case."""
    MERGE = "merge"
    """Hold two records for one patient, or undo that."""
    READ_BACK = "read-back"
    """The clinic says that it has read the answer."""
    SEE_ROSTER = "see-roster"
    """See who is on call."""
    EDIT_ROSTER = "edit-roster"
    """Put people on call, swap and withdraw shifts."""
    STOP_LADDER = "stop-ladder"
    """End the ladder of an alert, with a reason."""
    SEE_FIGURES = "see-figures"
    """See the county's figures."""
    SEE_SITES = "see-sites"
    """See the county's clinics."""
    QUARANTINE = "quarantine"
    """See the ECGs that no analyser could finish; retry or release them."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or a device whose key was checked.

    ``site``: ``None`` for a person of the whole county. ``session``: the session's id; ``None`` for a device.
    """

    county: str
    id: str
    name: str
    role: Role
    site: str | None
    is_device: bool = False
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is: the county, or one site in it."""

    county: str
    site: str | None = None


_C, _D, _K, _A = Role.CLINIC, Role.CARDIOLOGIST, Role.COORDINATOR, Role.ADMINISTRATOR
_ROLES: dict[Action, frozenset[Role]] = {
    Action.PUBLIC: frozenset(Role),
    Action.OWN_SESSION: frozenset(Role),
    Action.SEND: frozenset({_C}),
    Action.SEE_EXAM: frozenset({_C, _D, _K}),
    Action.SEE_CASES: frozenset({_D, _K}),
    Action.ACKNOWLEDGE: frozenset({_D, _K}),
    Action.DECIDE: frozenset({_D}),
    Action.MESSAGE: frozenset({_D, _K}),
    Action.MERGE: frozenset({_K}),
    Action.READ_BACK: frozenset({_C}),
    Action.SEE_ROSTER: frozenset({_D, _K}),
    Action.EDIT_ROSTER: frozenset({_K}),
    Action.STOP_LADDER: frozenset({_K}),
    Action.SEE_FIGURES: frozenset({_K}),
    Action.SEE_SITES: frozenset({_D, _K}),
    Action.QUARANTINE: frozenset({_K}),
}


def may(actor: Actor, action: Action, place: Place) -> bool:
    """Whether ``actor`` may do ``action`` at ``place``: the role allows it, and the place is the actor's own."""
    if actor.county != place.county or actor.role not in _ROLES[action]:
        return False
    return actor.site is None or actor.site == place.site


def has_role(actor: Actor, action: Action) -> bool:
    """Whether the actor's role could do ``action`` anywhere at all (403 if not, 404 if only not here)."""
    return actor.role in _ROLES[action]
