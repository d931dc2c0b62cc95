"""The program on the village PC, put together: one thread watches, one reads what was kept, one carries, one asks.

Each may be killed at any instant: what it had finished is in the spool, and the next start goes on from there.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from ingest.clinic import grade, upload
from ingest.clinic.asking import Asking, ask, stages_of
from ingest.clinic.courier import Courier, carry, read_item
from ingest.clinic.finished import Finder, Rules
from ingest.clinic.patience import Alarm
from ingest.clinic.said import NONE, Said
from ingest.clinic.spool import KEPT_S, DiskFullError, Ecg, IllegalMove, Spool, State
from ingest.clinic.watch import Watcher, hints, watch

LOW_BYTES = 500 * 2**20
"""Less free than this is announced: some 2,500 ECGs."""

SHOWN = 60
CLEAN_S = 3600.0


def now_us() -> int:
    """UTC microseconds by this computer's clock; only shown and sent, never waited by."""
    return time.time_ns() // 1000


@dataclass(slots=True)
class Program:
    """Everything that runs, and what the page shows of it."""

    folder: Path
    home: Path
    to: str
    key: str
    version: str
    with_old: bool = False
    kept_s: float = KEPT_S
    rules: Rules = field(default_factory=Rules)
    spool: Spool = field(init=False)
    watcher: Watcher = field(init=False)
    courier: Courier = field(init=False)
    asking: Asking = field(init=False)
    alarm: Alarm = field(default_factory=Alarm)
    changes: int = 0
    """Grows with every change: the page asks what is new."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _wake: threading.Event = field(default_factory=threading.Event)
    _hint: threading.Event = field(default_factory=threading.Event)
    _to_grade: SimpleQueue[int] = field(default_factory=SimpleQueue[int])
    _changed: threading.Condition = field(default_factory=threading.Condition)

    @contextlib.contextmanager
    def running(self) -> Generator[Program]:
        """Run until the block ends."""
        self.spool = Spool(self.home / "spool.db", now_us)
        with contextlib.ExitStack() as stack:
            stack.callback(self.spool.close)
            lines = [stack.enter_context(upload.client(self.to, self.key)) for _ in range(2)]
            self.watcher = Watcher(
                self.folder, self.spool, Finder(self.rules), on_kept=self._kept, with_old=self.with_old
            )
            self.watcher.start()
            self.courier = Courier(self.spool, lines[0], on_change=self._carried)
            self.asking = Asking(self.spool, lines[1], self.version, now_us, on_change=lambda _: self.change())
            for ecg in reversed(self.spool.newest(SHOWN)):
                if ecg.grade is None:
                    self._to_grade.put(ecg.id)
            threads = [
                self._thread("watch", lambda: watch(self.watcher, self._stop, self._hint)),
                self._thread("grade", self._grade),
                self._thread("carry", lambda: carry(self.courier, self._stop, self._wake)),
                self._thread("ask", lambda: ask(self.asking, self._stop)),
            ]
            self._thread("hints", lambda: hints(self.folder, self._stop, self._hint))
            try:
                yield self
            finally:
                for event in (self._stop, self._wake, self._hint):
                    event.set()
                for line in lines:
                    line.close()
                for thread in threads:
                    thread.join(5)

    def _thread(self, name: str, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=self._ever, args=(name, work), name=name, daemon=True)
        thread.start()
        return thread

    def _ever(self, name: str, work: Callable[[], None]) -> None:
        """A thread that ends by our mistake is begun again: an ECG must not wait for a person to notice."""
        import sys

        while not self._stop.is_set():
            try:
                work()
                if name == "hints":
                    return
            except Exception as error:  # noqa: BLE001
                if not self._stop.is_set():
                    print(f"{name}: {type(error).__name__}", file=sys.stderr, flush=True)  # no name, no path
            self._stop.wait(1)

    # --- what the threads tell ----------------------------------------------------------------------------------------

    def change(self) -> None:
        """Something is new: the page hears of it at once."""
        with self._changed:
            self.changes += 1
            self._changed.notify_all()

    def wait_for_change(self, known: int, seconds: float) -> int:
        """Until there was a change after ``known``, or for ``seconds``; its number."""
        with self._changed:
            self._changed.wait_for(lambda: self.changes != known or self._stop.is_set(), seconds)
            return self.changes

    def _kept(self, which: int) -> None:
        self._to_grade.put(which)
        self._wake.set()
        self.change()

    def _carried(self, which: int) -> None:
        if which not in self.courier.progress:  # received, told, read back: what the county now says is asked at once
            self.asking.again(which)
        self.change()

    def _grade(self) -> None:
        """Say on the spot what the instrument sees; meanwhile the ECG is already on its way."""
        grade.warm()
        cleaned = -CLEAN_S
        while not self._stop.is_set():
            if time.monotonic() - cleaned > CLEAN_S:
                cleaned = time.monotonic()
                self.spool.remove_kept(self.kept_s)
            try:
                which = self._to_grade.get(timeout=0.5)
            except Empty:
                continue
            parcel = self.spool.parcel(which)
            if parcel is not None:
                with contextlib.suppress(DiskFullError):
                    self.spool.graded(which, grade.grade(parcel.name, parcel.data))
                self.change()

    # --- what the page does -------------------------------------------------------------------------------------------

    def say(self, which: int, more: Said) -> None:
        """胸痛, 急救, who it is: kept first, then carried."""
        self.spool.say(which, more)
        self._wake.set()
        self.change()

    def read(self, which: int, message: str | None) -> None:
        """Somebody here has read the answer, or a message."""
        ecg = self.spool.one(which)
        if ecg is None or not ecg.answer or not ecg.answer.get("case"):
            raise IllegalMove("there is no answer to read back")
        self.spool.read(which, read_item(ecg.answer, message))
        self.asking.again(which)
        self._wake.set()
        self.change()

    def again(self, which: int) -> None:
        """Try a refused one again."""
        self.spool.again(which)
        self._wake.set()
        self.change()

    def drawing(self, which: int, language: str) -> str | None:
        """The tracing as SVG."""
        parcel = self.spool.parcel(which)
        return None if parcel is None else grade.drawing(parcel.name, parcel.data, language)

    # --- what the page shows ------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All of the page: JSON."""
        ecgs = self.spool.newest(SHOWN)
        late = self.late()
        asked, now = self.asking, time.monotonic()
        folder: dict[str, Any] = self.spool.recall(f"folder {self.folder}") or {}
        return {
            "change": self.changes,
            "version": self.version,
            "now": now_us() // 1000,
            "site": self.spool.recall("site"),
            "county": self.spool.recall("county"),
            "line": {
                "trouble": self.courier.trouble,
                "heard_s": None if asked.heard_at is None else round(now - asked.heard_at),
            },
            "folder": {"path": str(self.folder), "is_gone": self.watcher.is_gone, "old": folder.get("old", 0)},
            "disk": {"is_full": self.watcher.is_full, "is_low": is_low(self.home)},
            "late": late,
            "counts": self.spool.counts(),
            "ecgs": [self._shown(ecg) for ecg in ecgs],
        }

    def late(self) -> list[int]:
        """Urgent ECGs, or words that made one urgent, that the county does not have after a minute."""
        urgent = {ecg.id: ecg.urgent_at for ecg in self.spool.urgent_unknown() if ecg.urgent_at is not None}
        return self.alarm.late(time.monotonic(), now_us(), urgent)

    def _shown(self, ecg: Ecg) -> dict[str, Any]:
        answer, stages = ecg.answer or {}, stages_of(ecg)
        file_patient: dict[str, Any] = (ecg.grade or {}).get("patient") or {}
        seen_by: dict[str, Any] = stages.get("seen_by") or {}
        return {
            "id": ecg.id,
            "name": ecg.name,
            "found_at": ecg.found_at // 1000,
            "state": ecg.state,
            "progress": self.courier.progress.get(ecg.id),
            "may_lower": ecg.state is State.WAITING,
            "is_owed": ecg.said > ecg.told,
            "urgent": bool(ecg.what.urgent or answer.get("urgent")),
            "symptoms": _both(ecg.what.symptoms, answer.get("symptoms") or []),
            "patient": {**file_patient, **(answer.get("patient") or {}), **ecg.what.patient},
            "grade": ecg.grade,
            "problem": ecg.problem,
            "received_at": None if ecg.received_at is None else ecg.received_at // 1000,
            "colour": answer.get("colour"),
            "instruction": answer.get("instruction"),
            "advice": answer.get("advice") or [],
            "messages": answer.get("messages") or [],
            "seen_at": stages.get("seen_at"),
            "seen_by": seen_by.get("name"),
            "answer": stages.get("answer"),
            "read_back_at": stages.get("read_back_at"),
            "reading": [one.get("message") for one in ecg.to_read],
        }


def _both(ours: tuple[str, ...], theirs: list[str]) -> list[str]:
    both = list(dict.fromkeys([*ours, *theirs]))
    real = [one for one in both if one != NONE]
    return real or both


def is_low(home: Path) -> bool:
    """Whether the disk of the spool has little room left."""
    with contextlib.suppress(OSError):
        return shutil.disk_usage(home).free < LOW_BYTES
    return False
