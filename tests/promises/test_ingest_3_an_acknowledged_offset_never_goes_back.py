"""Promise 3: an acknowledged offset never goes back.

Several senders push the same uploads at once, over real sockets: whole bodies, bodies that are cut or hang in the
middle, repeats of old pieces, jumps ahead; others only ask. On PostgreSQL there are two nodes. Servers are killed in
between. Each answer that named an offset (201, 204, 409, HEAD) is written down with its instants; no answer to a later
request may name a smaller one, and in the end each upload is one exam with exactly its bytes.
"""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from ingest.tus import BYTES
from tests.promises.ingest_house import (
    Answer,
    CutError,
    Line,
    Nursery,
    Parcel,
    assert_nothing_lost_or_doubled,
    create_headers,
    nodes,
    patch_headers,
)
from tests.promises.soaking import SOAK_S, seed_of, tell
from tests.support.serving import World, free_port, make_world

UPLOADS, SENDERS, KILLS = 3, 2, 3
BYTES_OF_ONE = 400_000


@dataclass
class Upload:
    """One upload with many senders, and every answer that named its offset: (asked, answered, offset)."""

    parcel: Parcel
    told: list[tuple[float, float, int]] = field(default_factory=list[tuple[float, float, int]])
    is_over: threading.Event = field(default_factory=threading.Event)

    def note(self, asked: float, answer: Answer) -> None:
        """An answer to what was asked at ``asked``."""
        if answer.offset is not None:
            self.told.append((asked, time.monotonic(), answer.offset))
        if exam := answer.headers.get("ecgnet-exam"):
            self.parcel.receipts.append(exam)
            self.is_over.set()

    def assert_never_back(self) -> int:
        """No answer names less than another that had come before it was asked; how many answers there were."""
        asked_in_order, answered = sorted(self.told), sorted(self.told, key=lambda one: one[1])
        known, place = 0, 0
        for asked, _, offset in asked_in_order:
            while place < len(answered) and answered[place][1] < asked:
                known = max(known, answered[place][2])
                place += 1
            assert offset >= known, f"{offset} after {known} had been acknowledged"
        return len(self.told)


class Sender(threading.Thread):
    """Pushes one upload in its own way, over any node, until it is finished."""

    def __init__(self, seed: int, world: World, upload: Upload, ports: list[int]) -> None:
        super().__init__(daemon=True)
        self.dice, self.upload, self.key, self.ports = random.Random(seed), upload, world.key, ports
        self.lines = {port: Line(port, world.key) for port in ports}
        self.hanging: list[socket.socket] = []
        self.broken: BaseException | None = None

    def run(self) -> None:
        try:
            while not self.upload.is_over.is_set():
                with contextlib.suppress(CutError, OSError):
                    self._one()
        except BaseException as error:  # noqa: BLE001 - the test raises it
            self.broken = error
        finally:
            for line in [*self.lines.values(), *self.hanging]:
                line.close()

    def _ask(self, method: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
        port, began = self.dice.choice(self.ports), time.monotonic()
        assert self.upload.parcel.address is not None
        try:
            answer = self.lines[port].ask(method, self.upload.parcel.address, headers, body)
        except CutError:
            time.sleep(0.005)  # it was killed
            raise
        self.upload.note(began, answer)
        assert answer.status in (200, 204, 409, 503), answer
        return answer

    def _one(self) -> None:
        offset, data = self._ask("HEAD").offset, self.upload.parcel.data
        if offset is None or self.upload.is_over.is_set():
            return
        way = self.dice.choice(("whole", "whole", "cut", "cut", "hang", "repeat", "jump", "ask"))
        size = self.dice.randint(1, 70_000)
        if way == "whole":
            self._ask("PATCH", patch_headers(offset), data[offset : offset + size])
        elif way in ("cut", "hang"):
            self._break_off(offset, data[offset : offset + size], hang=way == "hang")
        elif way in ("repeat", "jump"):
            wrong = max(0, offset + (1 if way == "jump" else -1) * self.dice.randint(1, 70_000))
            self._ask("PATCH", patch_headers(wrong), data[wrong : wrong + size])

    def _break_off(self, offset: int, data: bytes, *, hang: bool) -> None:
        """A PATCH that declares more than it sends; then the line is reset, or says nothing more."""
        line = socket.create_connection(("127.0.0.1", self.dice.choice(self.ports)), timeout=30)
        head = (
            f"PATCH {self.upload.parcel.address} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.key}\r\n"
            f"Tus-Resumable: 1.0.0\r\nContent-Type: {BYTES}\r\nUpload-Offset: {offset}\r\n"
            f"Content-Length: {len(self.upload.parcel.data) - offset}\r\n\r\n"
        )
        self.hanging.append(line)
        line.sendall(head.encode() + data[: self.dice.randint(0, len(data))])
        if not hang:
            time.sleep(self.dice.uniform(0, 0.02))
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.hanging.remove(line)
            line.close()


def test_an_acknowledged_offset_never_goes_back(nursery: Nursery, engine_url: str, tmp_path: Path) -> None:
    engine = "sqlite" if engine_url.startswith("sqlite") else "postgresql"
    seed = seed_of("promise 3")
    dice, world = random.Random(seed), make_world(engine_url, tmp_path)
    ports = [free_port() for _ in range(2 if engine == "postgresql" else 1)]
    until, answers, parcels, rounds = time.monotonic() + SOAK_S / 2, 0, list[Parcel](), 0
    with nodes(nursery, world, *ports) as servers:
        while not rounds or time.monotonic() < until:
            uploads = [_begun(world, ports[0], dice) for _ in range(UPLOADS)]
            parcels += [upload.parcel for upload in uploads]
            senders = [
                Sender(seed + 10 * number + rounds * 1000 + k, world, upload, ports)
                for number, upload in enumerate(uploads)
                for k in range(SENDERS)
            ]
            for sender in senders:
                sender.start()
            for _ in range(KILLS):
                time.sleep(dice.uniform(0.05, 0.3))
                servers.kill(port := dice.choice(ports))
                servers.start(port)
            for sender in senders:
                sender.join(60)
                assert not sender.is_alive(), "an upload does not come to its end"
                assert sender.broken is None, sender.broken
            answers += sum(upload.assert_never_back() for upload in uploads)
            rounds += 1
        receipts = assert_nothing_lost_or_doubled(world, parcels)
        assert receipts == UPLOADS * rounds
        tell("ingest 3", engine, kills=servers.kills, uploads=receipts, answers=answers, losses=0, duplicates=0)
    world.close()


def _begun(world: World, port: int, dice: random.Random) -> Upload:
    upload = Upload(Parcel(dice.randbytes(BYTES_OF_ONE)))
    with Line(port, world.key) as line:
        began = time.monotonic()
        answer = line.ask("POST", "/v1/uploads", create_headers(BYTES_OF_ONE))
        assert answer.status == 201, answer
        upload.parcel.address = answer.headers["location"]
        upload.note(began, answer)
    return upload
