"""What a person may do with a case now: the moves of its table, less what its facts forbid.

The table says what the state allows and the role may; here stand the few conditions that no state holds: whose hand is
on the case, whether it is held for another patient's name, how far its report is, whether there is anything to read
back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select

from county.access import Actor, Place
from ledger import schema
from triage import states

_REPORT = (
    select(schema.report.c.state)
    .where(schema.report.c.county_id == bindparam("county"), schema.report.c.case_id == bindparam("case"))
    .order_by(schema.report.c.number.desc())
    .limit(1)
)
_UNREAD = (
    select(func.count())
    .select_from(schema.message)
    .where(
        schema.message.c.county_id == bindparam("county"),
        schema.message.c.case_id == bindparam("case"),
        schema.message.c.read_back_at.is_(None),
    )
)
_CALLING = (
    select(func.count())
    .select_from(schema.alert)
    .where(
        schema.alert.c.county_id == bindparam("county"),
        schema.alert.c.case_id == bindparam("case"),
        schema.alert.c.next_step_at.is_not(None),
    )
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What decides beside the state. ``report``: the state of the newest one; ``is_anothers``: another cardiologist's
    lease has not ended.
    """

    is_own: bool
    is_anothers: bool
    is_held: bool
    report: str | None
    has_unread: bool
    is_calling: bool


_CONDITIONS: Mapping[str, Callable[[Facts], bool]] = {
    "release": lambda facts: facts.is_own or facts.is_held,
    "confirm": lambda facts: not facts.is_held,
    "downgrade": lambda facts: not facts.is_held,
    "statements": lambda facts: not facts.is_anothers and facts.report in (None, states.Report.DRAFT),
    "sign": lambda facts: not facts.is_anothers and not facts.is_held and facts.report == states.Report.DRAFT,
    "amend": lambda facts: not facts.is_anothers and not facts.is_held and facts.report == states.Report.SIGNED,
    "read-back": lambda facts: facts.has_unread,
    "stop": lambda facts: facts.is_calling,
}


def actions(connection: Connection, case: Row[Any], actor: Actor, now: int) -> list[str]:
    """What ``actor`` may do with ``case`` at ``now``, in the order of the table."""
    possible = states.CASE.legal_for(case.state, actor, Place(case.county_id, case.site_id))
    if not possible:
        return []
    facts = _facts(connection, case, actor, now)
    return [action for action in possible if _CONDITIONS.get(action, _always)(facts)]


def is_anothers(case: Row[Any], actor: Actor, now: int) -> bool:
    """Whether another person's lease on the case has not ended."""
    until = case.owner_until_at
    return until is not None and until > now and case.owner_id not in (None, actor.id)


def _always(_facts: Facts) -> bool:
    return True


def _facts(connection: Connection, case: Row[Any], actor: Actor, now: int) -> Facts:
    key = {"county": case.county_id, "case": case.id}
    unread = case.answer is not None and case.read_back_at is None
    return Facts(
        is_own=case.owner_id == actor.id,
        is_anothers=is_anothers(case, actor, now),
        is_held=case.held is not None,
        report=connection.execute(_REPORT, key).scalar_one_or_none(),
        has_unread=unread or connection.execute(_UNREAD, key).scalar_one() > 0,
        is_calling=connection.execute(_CALLING, key).scalar_one() > 0,
    )
