"""The clinics of the demonstration: a process that knows the county's address and the device keys, and nothing else.

Started by ``ecgnet demo`` as ``python -m server.demo_clinics``: the first line on standard input is a JSON object with
``to``, ``seed`` and ``senders`` ([clinic, township, key]); when standard input closes, the process ends. ECGs go out
through the clinic program's own sender; answers are read back like a village doctor does, except at the first clinic,
where the visitor is the village doctor.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import threading
import time
import uuid
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from ingest.clinic import send as sending
from server.demo_patients import Visit, ecg_of, visits

SENDERS = 4  # at once: as many as two cores can make ECGs for
GIVE_UP_S = 60.0  # on one ECG
LOOK_EVERY_S = 5.0
WATCHED = 40  # the newest sent ECGs whose answers are looked for
READS_AFTER_S = (6.0, 20.0)  # how long a village doctor takes to read an answer


@dataclass(slots=True)
class Sent:
    """An ECG that the county has, until its answer was read back."""

    exam: str
    key: str
    read_at: float | None = None


@dataclass(slots=True)
class Clinics:
    """All clinics of the county."""

    to: str
    keys: list[str]
    folder: Path
    dice: random.Random
    sent: deque[Sent] = field(default_factory=lambda: deque[Sent](maxlen=WATCHED))

    def send(self, visit: Visit) -> None:
        """Record one ECG and send it; what cannot be sent is dropped, as the demonstration ends with its server."""
        key = self.keys[visit.clinic]
        file = self.folder / f"{visit.seed:08d}-{uuid.uuid4().hex[:6]}.zip"
        file.write_bytes(ecg_of(visit))
        try:
            patient = visit.patient.facts()
            receipts = sending.send([file], self.to, key, symptoms=visit.symptoms, patient=patient, limit_s=GIVE_UP_S)
        except sending.SendError:
            return
        finally:
            file.unlink()
        if visit.clinic != 0:
            self.sent.append(Sent(receipts[0]["exam"], key))

    def read_answers(self, client: httpx.Client) -> None:
        """Look for answers to what was sent, and read back those that have been there long enough to be read."""
        for sent in list(self.sent):
            try:
                if self._has_read(client, sent):
                    self.sent.remove(sent)
            except (httpx.HTTPError, ValueError):
                return  # the server is away: later

    def _has_read(self, client: httpx.Client, sent: Sent) -> bool:
        headers = {"Authorization": f"Bearer {sent.key}"}
        exam: dict[str, Any] = client.get(f"/v1/exams/{sent.exam}", headers=headers).raise_for_status().json()
        if exam["case"] is None or exam["stages"]["answered_at"] is None:
            return False
        now = time.monotonic()
        if sent.read_at is None:
            sent.read_at = now + self.dice.uniform(*READS_AFTER_S)
        if now < sent.read_at:
            return False
        told = {"seen": exam["case_seq"], "id": str(uuid.uuid4())}
        client.post(f"/v1/cases/{exam['case']}/read-back", headers=headers, json=told)
        return True


def run(to: str, seed: int, keys: list[str]) -> None:
    """Send and read back until the process ends."""
    began = time.monotonic()
    # the day differs from start to start: the same file from the same clinic would be the same exam
    dice = random.Random()  # noqa: S311
    with tempfile.TemporaryDirectory(prefix="ecgnet-demo-") as folder, ThreadPoolExecutor(SENDERS) as pool:
        clinics = Clinics(to, keys, Path(folder), dice)
        threading.Thread(target=_read_forever, args=(clinics,), daemon=True).start()
        for visit in visits(seed + dice.randrange(10**9), len(keys), datetime.now(UTC).year):
            time.sleep(max(0.0, began + visit.at_s - time.monotonic()))
            pool.submit(clinics.send, visit)


def _read_forever(clinics: Clinics) -> None:
    with httpx.Client(base_url=clinics.to, timeout=10, trust_env=False) as client:
        while True:
            time.sleep(LOOK_EVERY_S)
            clinics.read_answers(client)


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    """The process."""
    told: dict[str, Any] = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    run(told["to"], told["seed"], [key for _, _, key in told["senders"]])


if __name__ == "__main__":
    main()
