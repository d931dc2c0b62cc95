"""A person's POST done once: a repeat with the same ``Idempotency-Key`` gets the first answer.

The key and the answer are one row of ``action``, in the commit of the change itself; of two requests at once the second
finds the first's. The desk's actions share the table (``triage.review``), so a key is one space for both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Header
from sqlalchemy import bindparam, insert, select
from sqlalchemy.exc import IntegrityError

from county.access import Actor
from county.problem import Problem
from ledger import schema
from ledger.database import Ledger, Transaction

IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)]

_RACES = 3  # repeats after another server kept the same key first
_A = schema.action.c
# What this person did under this key.
_DONE = select(schema.action).where(
    _A.county_id == bindparam("county"), _A.actor == bindparam("who"), _A.key == bindparam("key")
)
_KEEP = insert(schema.action)


async def once(
    ledger: Ledger, actor: Actor, key: str | None, what: str, body: Any, work: Callable[[Transaction], dict[str, Any]]
) -> dict[str, Any]:
    """Commit ``work`` and return its answer; the first answer where ``key`` was used for the same before.

    ``what`` and ``body`` say what was asked: another request under the same key is refused (422 ``id-used``).
    """
    if key is None:
        return await ledger.awrite(work)
    asked = f"{what} {hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]}"
    for _ in range(_RACES):
        try:
            return await ledger.awrite(lambda tx: _once(tx, actor, key, asked, work))
        except IntegrityError:  # another server has just kept this key: now it is there to be found
            continue
    return await ledger.awrite(lambda tx: _once(tx, actor, key, asked, work))


def _once(
    tx: Transaction, actor: Actor, key: str, asked: str, work: Callable[[Transaction], dict[str, Any]]
) -> dict[str, Any]:
    done = tx.connection.execute(_DONE, {"county": actor.county, "who": actor.id, "key": key}).one_or_none()
    if done is not None:
        if done.what != asked:
            raise Problem(422, "id-used", "这个操作编号已用于另一操作。", "This id was used for another action.")
        return done.answer
    answer = work(tx)
    row = {"county_id": actor.county, "actor": actor.id, "key": key, "at": tx.now, "what": asked, "answer": answer}
    tx.connection.execute(_KEEP, row)
    return answer
