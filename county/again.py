"""Saying one's password once more before what only the person may do: signing.

It takes the same steps as signing in and is limited like it (:mod:`county.guesses`): whoever finds a screen open cannot
guess there what they could not guess at the door.
"""

from __future__ import annotations

import asyncio

from sqlalchemy import Connection, bindparam, select

from county import guesses, passwords
from county.access import Actor
from county.problem import Problem
from ledger import schema
from ledger.database import Ledger

_P = schema.person.c
_HASH = select(_P.password_hash).where(
    _P.county_id == bindparam("county"), _P.id == bindparam("person"), _P.disabled_at.is_(None)
)


async def authenticate(ledger: Ledger, actor: Actor, password: str | None) -> None:
    """The problem ``password-needed`` (422) without one, ``wrong-password`` (403), ``too-often`` (429)."""
    if not password:
        raise Problem(422, "password-needed", "签名需要再次输入密码。", "To sign, give your password once more.")
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, _checked, ledger, actor, password)


def _checked(ledger: Ledger, actor: Actor, password: str) -> None:
    """One attempt, in a thread of its own: argon2 takes some 50–100 ms."""
    keys = guesses.buckets(actor.id, actor.session or actor.id)
    now = ledger.clock.now()

    def look_up(connection: Connection) -> tuple[str | None, int]:
        kept = connection.execute(_HASH, {"county": actor.county, "person": actor.id}).scalar_one_or_none()
        return kept, guesses.wait_s(connection, actor.county, keys, now)

    kept, wait = ledger.read(look_up)
    if wait:
        raise Problem(
            429,
            "too-often",
            f"失败次数太多，请 {wait} 秒后再试。",
            f"Too many failures: try again in {wait} seconds.",
            headers={"Retry-After": str(wait)},
        )
    known = passwords.nobodys_hash() if kept is None else passwords.PasswordHash(kept)
    if passwords.verify(known, password) and kept is not None:
        return
    ledger.write(lambda tx: guesses.count(tx, actor.county, keys))
    raise Problem(403, "wrong-password", "密码不对，没有签名。", "The password is wrong: nothing was signed.")
