"""At the door: is there room on the disk, and is this within the sender's measure. What is refused is not read.

The rules are :mod:`ingest.limits` and :mod:`ingest.space`; here they meet a request. A multipart form says only at its
end whether it is pressing, so it is read as if it were, and judged before anything of it is stored.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator
from dataclasses import dataclass

from fastapi import Request

from county.access import Actor
from county.problem import Problem
from ingest import space
from ingest.limits import Gate, Sender, TooManyError
from ingest.space import Level, Space
from ingest.tus import BYTES

CLOSES_FROM = 1 << 20
"""An unread body up to this size is let pass after a refusal, so that the connection can go on; beyond, it closes."""


@dataclass(frozen=True, slots=True)
class Door:
    """Where one request is admitted or refused."""

    gate: Gate
    level: Level
    sender: Sender
    closing: dict[str, str]
    holds: int
    """Bytes of the body that are kept in memory until it is whole: a form's, and what a checksum covers."""

    @contextlib.contextmanager
    def begun(self, *, pressing: bool) -> Generator[None]:
        """A new upload whose context is known."""
        with self._refusing(pressing=pressing, is_new=True), self._open(pressing=pressing):
            yield

    @contextlib.contextmanager
    def goes_on(self, *, pressing: bool) -> Generator[None]:
        """More of an upload that was begun."""
        with self._refusing(pressing=pressing, is_new=False), self._open(pressing=pressing):
            yield

    @contextlib.contextmanager
    def unknown(self) -> Generator[None]:
        """A new upload whose context comes with it: refused only if it would be in any case."""
        with self._refusing(pressing=True, is_new=True):
            self.gate.check(time.monotonic(), self.sender)
            with self._open(pressing=True):
                yield

    def admit(self, size: int, *, pressing: bool) -> None:
        """Count a new upload of ``size`` bytes, now that its context is known; the problem otherwise."""
        with self._refusing(pressing=pressing, is_new=True):
            self.gate.admit(time.monotonic(), self.sender, size, pressing=pressing)

    def charge(self, size: int) -> None:
        """Count bytes whose number the client deferred."""
        self.gate.charge(time.monotonic(), self.sender, size)

    def _open(self, *, pressing: bool) -> contextlib.AbstractContextManager[None]:
        return self.gate.open(self.sender, pressing=pressing, holds=self.holds)

    @contextlib.contextmanager
    def _refusing(self, *, pressing: bool, is_new: bool) -> Generator[None]:
        if space.refuses(self.level, pressing=pressing, is_new=is_new):
            raise no_room(self.closing)
        try:
            yield
        except TooManyError as error:
            raise too_many(error.retry_s, self.closing) from None


def of(request: Request, actor: Actor, site: str) -> Door:
    """The door for a request; gate and space are the application's."""
    gate: Gate = request.app.state.gate
    disk: Space = request.app.state.space
    return Door(gate, disk.level(), Sender(actor.county, site, actor.id), closing(request), _held(request))


def _held(request: Request) -> int:
    headers = request.headers
    if headers.get("content-type", "").startswith(BYTES) and "upload-checksum" not in headers:
        return 0  # committed piece by piece
    declared = headers.get("content-length", "")
    return int(declared) if declared.isdecimal() else int(request.app.state.settings.max_body_bytes)


def closing(request: Request) -> dict[str, str]:
    """``Connection: close`` where a body is left unread that is not worth waiting for."""
    declared = request.headers.get("content-length", "0")
    is_small = "transfer-encoding" not in request.headers and declared.isdecimal() and int(declared) <= CLOSES_FROM
    return {} if is_small else {"Connection": "close"}


def too_many(retry_s: int, headers: dict[str, str]) -> Problem:
    """429: the sender is beyond its measure."""
    return Problem(
        429,
        "too-many-uploads",
        f"发送太多，请 {retry_s} 秒后再试；程序会自动重试。急诊和有症状的心电图优先，请按“急救”或“胸痛”。",
        f"Too much was sent: again in {retry_s} seconds. What is pressing goes first: say so by urgent or symptoms.",
        headers={"Retry-After": str(retry_s), **headers},
    )


def no_room(headers: dict[str, str]) -> Problem:
    """507: the disk is nearly full."""
    return Problem(
        507,
        "disk-nearly-full",
        "县里服务器的磁盘快满了，暂不接收。图请先留在本机，稍后自动重发；急的话请打县中心电话。",
        "The county's disk is nearly full. Keep the ECG, it can be sent later; if it is urgent, telephone the county.",
        headers={"Retry-After": str(space.RETRY_S), **headers},
    )
