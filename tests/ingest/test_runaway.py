"""One runaway device cannot delay another's chest pain: a real server, flooded from one key, while another sends."""

from __future__ import annotations

import io
import threading
import time
import zipfile
from collections import Counter
from pathlib import Path

import httpx

from ledger import schema
from tests.support.serving import Clinic, Server, World, ludb_55, make_world, wait_until

HANDS = 3
PER_HOUR = 80  # three quarters of it for what is not pressing


class Flood:
    """A device that sends the same ECG under another name again and again, as fast as it can."""

    def __init__(self, address: str, key: str) -> None:
        self.answers: Counter[int] = Counter()
        self._stop = threading.Event()
        self._hands = [
            threading.Thread(target=self._send, args=(address, key, hand), daemon=True) for hand in range(HANDS)
        ]
        for hand in self._hands:
            hand.start()

    def _send(self, address: str, key: str, hand: int) -> None:
        number = 0
        with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}"}, trust_env=False) as client:
            while not self._stop.is_set():
                number += 1
                answer = client.post("/v1/exams", files={"file": ("a.zip", renamed(f"{hand}-{number}"))}, timeout=30)
                self.answers[answer.status_code] += 1
                if answer.status_code == 429:
                    time.sleep(0.01)  # it heeds no Retry-After, and leaves the test's machine some breath
                assert answer.status_code in (201, 429), answer.text

    def stop(self) -> None:
        self._stop.set()
        for hand in self._hands:
            hand.join(30)


def renamed(comment: str) -> bytes:
    """LUDB 55, in a file that is another one."""
    out = io.BytesIO(ludb_55())
    with zipfile.ZipFile(out, "a") as archive:
        archive.comment = comment.encode()
    return out.getvalue()


def unread(world: World) -> int:
    """How many of the flood's ECGs nothing has read yet."""
    return sum(row["site_id"] == world.other_site and row["analysed_at"] is None for row in world.rows(schema.exam))


def test_while_one_device_floods_another_ones_chest_pain_is_received_and_alerted_before_the_floods_backlog(
    tmp_path: Path,
) -> None:
    world = make_world(f"sqlite:///{tmp_path / 'ecgnet.db'}", tmp_path)
    server = Server(world, environment={"ECGNET_DEVICE_UPLOADS_PER_HOUR": str(PER_HOUR)}).start()
    try:
        flood = Flood(server.address, world.other_key)
        wait_until(lambda: flood.answers[429] > 20, 30, "the flood is beyond its measure")
        received = flood.answers[201]
        assert received <= PER_HOUR * 3 // 4 + HANDS + 1
        clinic = Clinic(server.address, world.key)
        exam = clinic.send(ludb_55(), symptoms=["chest_pain"])["exam"]
        told = clinic.wait_for(exam, lambda known: known["colour"] == "RED", 30, "the chest pain has its colour")
        behind = unread(world)
        still = dict(flood.answers)
        flood.stop()
        assert told["case"]
        raised = [event for event in world.events() if event["kind"] == "alert.raised"]
        assert exam in [event["data"]["exam"] for event in raised]
        assert behind >= received // 2, "the flood's own were read first"
        assert flood.answers[429] >= still[429] > 20, "it went on all the while"
        late = Clinic(server.address, world.other_key)
        assert late.send(renamed("in earnest"), symptoms=["chest_pain"])["status"] == "received", (
            "its own comes through"
        )
    finally:
        world.close()
