"""Rows whose time has come: no queue, a query.

A :class:`Queue` names a table with an instant ``work_at`` (when somebody must look at the row; null when nothing is
left to do), a ``lease`` and ``attempts``. :func:`claim` takes rows that are due and moves ``work_at`` to the end of the
lease: a worker that dies simply becomes due again. :func:`holds` checks the lease's token on completion, so a worker
that was given up cannot overwrite its successor. After ``max_attempts`` a row is parked where a human sees it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, bindparam, func, select, tuple_, update

from ledger.database import Transaction
from ledger.ids import new_id


@dataclass(frozen=True, slots=True)
class Queue:
    """A table seen as due work.

    ``first``: what comes first among due rows. ``turn``: columns within which rows take turns (one row of each turn,
    then the next of each): a runaway site cannot push another's behind its own. ``max_attempts``: claims after which a
    row is left alone.
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
    """Take at most ``most`` due rows; each is taken by one worker only, on whichever machine it runs."""
    ids = _due(transaction, queue, most)
    if not ids:
        return []
    lease, table = new_id(), queue.table
    taken = (
        update(table)
        .where(tuple_(table.c.county_id, table.c.id).in_(ids))
        .values(lease=lease, attempts=table.c.attempts + 1, work_at=transaction.now + queue.lease_us)
        .returning(table.c.county_id, table.c.id, table.c.attempts)
    )
    attempts = {(row.county_id, row.id): row.attempts for row in transaction.connection.execute(taken)}
    return [Claim(county, row_id, lease, attempts[county, row_id]) for county, row_id in ids]


def _due(transaction: Transaction, queue: Queue, most: int) -> list[tuple[str, str]]:
    table = queue.table
    due = and_(table.c.work_at <= bindparam("now"), table.c.attempts < queue.max_attempts)
    turn = func.row_number().over(partition_by=queue.turn, order_by=table.c.work_at)
    ordered = select(table.c.county_id, table.c.id).where(due).order_by(*queue.first, turn, table.c.work_at)
    now = {"now": transaction.now}
    found = [(row.county_id, row.id) for row in transaction.connection.execute(ordered.limit(most * 4), now)]
    if not found:
        return []
    # a window cannot be locked, so the rows found are locked in a second step; what another has is skipped
    locked = (
        select(table.c.county_id, table.c.id)
        .where(due, tuple_(table.c.county_id, table.c.id).in_(found))
        .with_for_update(skip_locked=True)
    )
    free = {(row.county_id, row.id) for row in transaction.connection.execute(locked, now)}
    return [key for key in found if key in free][:most]


def spent(transaction: Transaction, queue: Queue, most: int) -> Sequence[tuple[str, str]]:
    """Rows whose last permitted attempt ended without a result: (county, id); the caller parks them."""
    table = queue.table
    ended = (
        select(table.c.county_id, table.c.id)
        .where(table.c.work_at <= transaction.now, table.c.attempts >= queue.max_attempts)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    return [(row.county_id, row.id) for row in transaction.connection.execute(ended)]


def holds(transaction: Transaction, queue: Queue, held: Claim) -> bool:
    """Whether the claim still stands; the row is then locked until the commit."""
    table = queue.table
    row = select(table.c.id).where(
        table.c.county_id == held.county,
        table.c.id == held.id,
        table.c.lease == held.lease,
        table.c.work_at.is_not(None),
    )
    return transaction.connection.execute(row.with_for_update()).first() is not None


def renew(transaction: Transaction, queue: Queue, held: Claim) -> bool:
    """Hold the lease for another while; ``False`` if it was given up. A short lease that is renewed lets a dead
    worker's row go on within seconds."""
    if not holds(transaction, queue, held):
        return False
    table = queue.table
    row = update(table).where(table.c.county_id == held.county, table.c.id == held.id)
    transaction.connection.execute(row.values(work_at=transaction.now + queue.lease_us))
    return True
