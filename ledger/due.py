"""Rows whose time has come: no queue, a query.

A :class:`Queue` names a table with an instant ``work_at`` (when somebody must look at the row; null when nothing is
left to do), a ``lease`` and ``attempts``. :func:`claim` takes rows that are due and moves ``work_at`` to the end of the
lease: a worker that dies simply becomes due again. :func:`holds` checks the lease's token on completion, so a worker
that was given up cannot overwrite its successor. After ``max_attempts`` a row is parked where a human sees it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, bindparam, func, select, tuple_, update
from sqlalchemy.sql.dml import ReturningUpdate

from ledger.clock import SECOND
from ledger.database import Transaction
from ledger.ids import new_id

WAITING_US = SECOND
"""Each row that waits in a turn holds the turn's next one back by so much against other turns': of two sites the one
with the shorter queue goes first, and none waits for ever."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A table seen as due work.

    ``first``: what comes first among due rows. ``turn``: columns within which rows take turns (one row of each turn,
    then the next of each), whoever has many rows waiting behind whoever has few: a runaway site cannot push another's
    behind its own. ``max_attempts``: claims after which a row is left alone.
    """

    table: Table
    first: tuple[ColumnElement[Any], ...]
    turn: tuple[ColumnElement[Any], ...]
    max_attempts: int
    lease_us: int


@dataclass(frozen=True, slots=True)
class Claim:
    """One row taken by one worker, until its lease ends."""

    county: str
    id: str
    lease: str
    attempt: int


def claim(transaction: Transaction, queue: Queue, most: int) -> list[Claim]:
    """Take at most ``most`` due rows, the first of :class:`Queue` first; each is taken by one worker only."""
    find, take, _ = _statements(queue)
    connection = transaction.connection
    ids = [(row.county_id, row.id) for row in connection.execute(find, {"now": transaction.now, "most": most})]
    if not ids:
        return []
    lease = new_id()
    values = {"which": ids, "new_lease": lease, "until": transaction.now + queue.lease_us}
    attempts = {(row.county_id, row.id): row.attempts for row in connection.execute(take, values)}
    return [Claim(county, row_id, lease, attempts[county, row_id]) for county, row_id in ids]


@functools.cache
def _statements(queue: Queue) -> tuple[Select[Any, Any], ReturningUpdate[Any, Any, Any], Select[Any, Any]]:
    """To find and lock what is due, to take it, to find what is spent."""
    table = queue.table
    due = and_(table.c.work_at <= bindparam("now"), table.c.attempts < queue.max_attempts)
    # a window cannot be locked, so the turns are counted beside the rows
    turn = func.row_number().over(partition_by=queue.turn, order_by=(table.c.work_at, table.c.id)).label("turn")
    # without it a claim of one row would always take the oldest turn's: each has a first row
    since = (table.c.work_at + func.count().over(partition_by=queue.turn) * WAITING_US).label("since")
    turns = select(table.c.county_id, table.c.id, turn, since).where(due).subquery("turns")
    find = (
        select(table.c.county_id, table.c.id)
        .join(turns, and_(turns.c.county_id == table.c.county_id, turns.c.id == table.c.id))
        .where(due)
        .order_by(*queue.first, turns.c.turn, turns.c.since, table.c.id)
        .limit(bindparam("most"))
        # only the rows that are returned are locked; what another has is passed over
        .with_for_update(of=table, skip_locked=True, key_share=True)
    )
    take = (
        update(table)
        .where(tuple_(table.c.county_id, table.c.id).in_(bindparam("which", expanding=True)))
        .values(lease=bindparam("new_lease"), attempts=table.c.attempts + 1, work_at=bindparam("until"))
        .returning(table.c.county_id, table.c.id, table.c.attempts)
    )
    spent = (
        select(table.c.county_id, table.c.id)
        .where(table.c.work_at <= bindparam("now"), table.c.attempts >= queue.max_attempts)
        .order_by(table.c.work_at)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True, key_share=True)
    )
    return find, take, spent


def spent(transaction: Transaction, queue: Queue, most: int) -> Sequence[tuple[str, str]]:
    """Rows whose last permitted attempt ended without a result: (county, id); the caller parks them."""
    ended = transaction.connection.execute(_statements(queue)[2], {"now": transaction.now, "most": most})
    return [(row.county_id, row.id) for row in ended]


def holds(transaction: Transaction, queue: Queue, held: Claim) -> bool:
    """Whether the claim still stands; the row is then locked until the commit."""
    table = queue.table
    row = select(table.c.id).where(
        table.c.county_id == held.county,
        table.c.id == held.id,
        table.c.lease == held.lease,
        table.c.work_at.is_not(None),
    )
    return transaction.connection.execute(row.with_for_update(key_share=True)).first() is not None


def renew(transaction: Transaction, queue: Queue, held: Claim) -> bool:
    """Hold the lease for another while; ``False`` if it was given up. A short lease that is renewed lets a dead
    worker's row go on within seconds."""
    if not holds(transaction, queue, held):
        return False
    table = queue.table
    row = update(table).where(table.c.county_id == held.county, table.c.id == held.id)
    transaction.connection.execute(row.values(work_at=transaction.now + queue.lease_us))
    return True
