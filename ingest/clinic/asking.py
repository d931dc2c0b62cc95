"""What comes back: what became of each ECG, and the county's name and number; and the beat that says we are alive.

A clinic that is quiet and one whose PC is off look alike from the county; a beat a minute tells them apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from threading import Event
from typing import TYPE_CHECKING, Any

from ingest.clinic.patience import ask_every_s
from ingest.clinic.spool import Ecg, Spool

if TYPE_CHECKING:
    import httpx

BEAT_S = 60.0
OLDER_SERVER_S = 600.0
"""A server that does not know beats is asked again after this."""

LOOK_S = 1.0
MOST = 100
"""So many of the newest are asked after."""


@dataclass(slots=True)
class Asking:
    """Asks and beats; :meth:`turn` does what is due, one request at most."""

    spool: Spool
    client: httpx.Client
    version: str
    now_us: Callable[[], int]
    on_change: Callable[[int], None] = lambda _: None
    heard_at: float | None = None
    """When the county last answered anything (monotonic)."""
    _asked: dict[int, float] = field(default_factory=dict[int, float])
    _beat_at: float = -inf
    _last: dict[str, Any] | None = None

    def turn(self, now: float) -> float:
        """Do what is due; seconds until the next turn."""
        import httpx

        try:
            if now >= self._beat_at:
                self._beat_at = now + BEAT_S
                self._beat(now)
                return 0.0
            due = self._due(now)
            if due is not None:
                self._asked[due.id] = now
                self._ask(due, now)
                return 0.0
        except (httpx.TransportError, ValueError, KeyError):  # the courier says that the line is cut
            return LOOK_S
        return LOOK_S

    def _due(self, now: float) -> Ecg | None:
        """The one that is overdue most."""
        overdue: list[tuple[float, Ecg]] = []
        for ecg in self.spool.newest(MOST):
            every_s = self._every_s(ecg)
            if every_s is not None:
                overdue.append((now - self._asked.get(ecg.id, -inf) - every_s, ecg))
        late, ecg = max(overdue, key=lambda one: one[0], default=(-1.0, None))
        return ecg if late >= 0 else None

    def _every_s(self, ecg: Ecg) -> float | None:
        if ecg.exam is None or ecg.received_at is None:
            return None
        stages = stages_of(ecg)
        unread = any(not one.get("read_back_at") for one in (ecg.answer or {}).get("messages", []))
        return ask_every_s(
            (self.now_us() - ecg.received_at) / 1e6,
            is_pressing=ecg.rank > 0 or (ecg.answer or {}).get("colour") in ("RED", "ORANGE"),
            is_answered=stages.get("answered_at") is not None,
            is_read=stages.get("read_back_at") is not None and not unread and not ecg.to_read,
        )

    def again(self, which: int) -> None:
        """Ask about this one soon: something was done to it."""
        self._asked.pop(which, None)

    def _ask(self, ecg: Ecg, now: float) -> None:
        answer = self.client.get(f"v1/exams/{ecg.exam}")
        if not answer.is_success:
            return
        self.heard_at = now
        told = answer.json()
        if isinstance(told, dict) and told != ecg.answer:
            self.spool.answered(ecg.id, told)  # type: ignore[arg-type]
            self.on_change(ecg.id)

    def _beat(self, now: float) -> None:
        counts = self.spool.counts()
        oldest = self.spool.oldest_waiting_at()
        body: dict[str, Any] = {
            "version": self.version,
            "waiting": counts.get("waiting", 0) + counts.get("sending", 0),
            "oldest_waiting_at": None if oldest is None else iso(oldest),
            "sent_at": (sent_at := iso(self.now_us())),
        }
        if self._last is not None:
            body["last"] = self._last
        began = time.monotonic()
        answer = self.client.post("v1/devices/beat", json=body)
        round_trip_s = time.monotonic() - began
        if answer.status_code in (404, 405):
            self.heard_at = now
            self._beat_at = now + OLDER_SERVER_S
        if not answer.is_success:
            return
        self.heard_at = now
        told: Any = answer.json()
        # what tells the county most of this computer's clock: both clocks of one beat, and how long it was on its way
        self._last = {"sent_at": sent_at, "received_at": told["received_at"], "round_trip_s": round(round_trip_s, 6)}
        for name in ("county", "site"):
            if isinstance(told.get(name), dict) and told[name] != self.spool.recall(name):
                self.spool.remember(name, told[name])
                self.on_change(0)


def stages_of(ecg: Ecg) -> Mapping[str, Any]:
    """The county's stages of an ECG; empty while there are none."""
    return (ecg.answer or {}).get("stages") or {}


def iso(us: int) -> str:
    """UTC microseconds as ISO 8601."""
    return datetime.fromtimestamp(us / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ask(asking: Asking, stop: Event) -> None:
    """Take turns until ``stop``."""
    while not stop.is_set():
        wait_s = asking.turn(time.monotonic())
        if wait_s > 0:
            stop.wait(wait_s)
