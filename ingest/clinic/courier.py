"""The one who carries: bytes, what is said beside them, and that an answer was read, each until the county has it.

:meth:`Courier.turn` does one thing and says how long to wait for the next; a thread calls it for ever. What is urgent
goes first, in the middle of another upload too: the request that is under way is broken off between two blocks, and the
county keeps what came of it. Nothing is given up but what a person must decide (a file that is too large).
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any

from ingest.clinic import upload as uploads
from ingest.clinic.patience import URGENT_LONGEST_S, Backoff
from ingest.clinic.spool import Ecg, Spool, State
from ingest.clinic.upload import PassingError, SendError, TooLargeError, Upload, WrongKeyError

if TYPE_CHECKING:
    import httpx

IDLE_S = 5.0
"""A missed hint costs this much."""

ITEM_LONGEST_S = 600.0
"""Of an ECG that fails by itself while others do not."""

_OF_THE_LINE = frozenset({408, 425, 429, 502, 503, 504, 507})
"""Answers that the next ECG would get too."""


class _UrgentFirst(Exception):
    """Something more urgent has come: break off."""


@dataclass(slots=True)
class Courier:
    """Carries what the spool owes to the county."""

    spool: Spool
    client: httpx.Client
    chance: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic
    on_change: Callable[[int], None] = lambda _: None
    line: Backoff = field(default_factory=Backoff)
    trouble: dict[str, str] | None = None
    """Why the line does not carry, in both languages; ``None`` while it does."""
    progress: dict[int, float] = field(default_factory=dict[int, float])
    """Of what is being uploaded: the share that is there, 0 to 1."""
    _items: dict[int, Backoff] = field(default_factory=dict[int, Backoff])
    _upload: tuple[int, Upload] | None = None

    def turn(self) -> float:
        """Do the most urgent thing; seconds until the next turn (0: at once)."""
        now = self.clock()
        later = {which for which, backoff in self._items.items() if backoff.left(now) > 0}
        ecg, duty = self._duty(later)
        if ecg is None:
            return self._soonest(now)
        left = self.line.left(now, URGENT_LONGEST_S if ecg.rank else None)
        if left > 0:
            return left
        return self._try(ecg, duty)

    def _duty(self, later: set[int]) -> tuple[Ecg | None, Callable[[Ecg], None]]:
        """What is owed first: small words before long uploads of no higher rank."""
        waiting = self.spool.next(later)
        words = [one for one in self.spool.owed() if one.id not in later]
        if words and (waiting is None or words[0].rank >= waiting.rank):
            return words[0], self._tell
        reads = [one for one in self.spool.owed_reads() if one.id not in later]
        if reads and (waiting is None or not waiting.rank):
            return reads[0], self._tell_read
        return waiting, self._send

    def _soonest(self, now: float) -> float:
        return min([IDLE_S, *(left for one in self._items.values() if (left := one.left(now)) > 0)])

    def _try(self, ecg: Ecg, duty: Callable[[Ecg], None]) -> float:
        import httpx

        try:
            duty(ecg)
        except _UrgentFirst:
            return 0.0
        except httpx.TransportError as error:
            name = type(error).__name__
            self.trouble = {
                "code": "CUT",
                "zh": "连不上县中心",
                "en": "The county cannot be reached",
                "kind": name,
            }
            return self._line_failed(ecg, None)
        except PassingError as passing:
            if passing.status in _OF_THE_LINE:
                zh, en = f"县中心正忙（{passing}）", f"The county is busy ({passing})"
                self.trouble = {"code": "BUSY", "zh": zh, "en": en}
                return self._line_failed(ecg, passing.wait_s)
            self._item_failed(ecg)
            return 0.0
        except WrongKeyError as error:
            self.trouble = {"code": error.code, "zh": error.zh, "en": error.en}
            return self._line_failed(ecg, None)
        except TooLargeError as error:
            self._upload = None
            self.spool.refused(ecg.id, {"code": error.code, "zh": error.zh, "en": error.en})
        except SendError as error:
            # an address that is wrong, a county that answers what we do not know: never the ECG's end
            self._upload = None
            self.trouble = {"code": error.code, "zh": error.zh, "en": error.en}
            self._item_failed(ecg)
            return 0.0
        self.line.succeeded()
        self._items.pop(ecg.id, None)
        self.trouble = None
        self.on_change(ecg.id)
        return 0.0

    def _line_failed(self, ecg: Ecg, least_s: float | None) -> float:
        self.on_change(ecg.id)
        return self.line.failed(self.clock(), self.chance(), least_s, URGENT_LONGEST_S if ecg.rank else None)

    def _item_failed(self, ecg: Ecg) -> None:
        self._items.setdefault(ecg.id, Backoff(ITEM_LONGEST_S)).failed(self.clock(), self.chance())
        self.on_change(ecg.id)

    # --- the three duties ---------------------------------------------------------------------------------------------

    def _send(self, ecg: Ecg) -> None:
        """One request of its upload."""
        upload = self._upload_of(ecg)
        if upload is None:
            return
        said = ecg.said if ecg.address is None else ecg.address_said
        if ecg.state is not State.SENDING:
            self.spool.began(ecg.id, None, said)
        receipt = upload.step()
        if receipt is not None:
            self._upload = None
            self.progress.pop(ecg.id, None)
            self.spool.received(ecg.id, receipt["exam"], said)
        elif upload.address != ecg.address:
            self.spool.began(ecg.id, upload.address, said)

    def _upload_of(self, ecg: Ecg) -> Upload | None:
        if self._upload is not None and self._upload[0] == ecg.id:
            upload = self._upload[1]
            if upload.address is not None or upload.said == ecg.said:
                return upload
        parcel = self.spool.parcel(ecg.id)
        if parcel is None:
            return None

        def told(_name: str, sent: int, total: int) -> None:
            self.progress[ecg.id] = sent / total if total else 1.0
            self.on_change(ecg.id)
            current = self.spool.one(ecg.id)
            if current is None or sent >= total or current.address != upload.address:
                return  # done, or its address is not kept yet
            if self.spool.highest_rank() > current.rank:
                raise _UrgentFirst

        self.progress = {ecg.id: 0.0}
        upload = Upload(self.client, parcel, ecg.what.context(), told, ecg.address)
        upload.said = ecg.said
        self._upload = ecg.id, upload
        return upload

    def _tell(self, ecg: Ecg) -> None:
        """What was said since the upload was begun."""
        answer = self.client.post(f"v1/exams/{ecg.exam}/context", json=ecg.what.context())
        if not answer.is_success:
            raise uploads.refusal(answer)
        self.spool.told(ecg.id, ecg.said)

    def _tell_read(self, ecg: Ecg) -> None:
        """That an answer or a message was read here; its id makes a repeat harmless."""
        item = ecg.to_read[0]
        body: dict[str, Any] = {"seen": item["seen"], "id": item["id"]}
        if item.get("message"):
            body["message"] = item["message"]
        answer = self.client.post(f"v1/cases/{item['case']}/read-back", json=body)
        if answer.is_success or answer.status_code in (404, 409, 422):  # not to be read back any more: ask what is
            self.spool.read_told(ecg.id, item["id"])
            return
        raise uploads.refusal(answer)


def read_item(exam: dict[str, Any], message: str | None) -> dict[str, Any]:
    """What is owed once somebody has read the county's answer, or one message of it."""
    stages: dict[str, Any] = exam.get("stages") or {}
    which = message or stages.get("answered_at")
    identity = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{exam['exam']}/{which}"))  # pressed twice is read once
    return {"id": identity, "case": exam["case"], "seen": exam.get("case_seq") or 0, "message": message}


def carry(courier: Courier, stop: Event, wake: Event) -> None:
    """Take turns until ``stop``; ``wake``: something new is owed."""
    while not stop.is_set():
        wake.clear()
        wait_s = courier.turn()
        if wait_s > 0:
            wake.wait(wait_s)
