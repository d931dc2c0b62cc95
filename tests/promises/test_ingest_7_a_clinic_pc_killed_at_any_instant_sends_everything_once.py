"""Promise 7: a clinic PC killed at any instant sends everything after restart, once, and no repeat drops its context.

A cart writes ECGs, a village doctor presses 胸痛, 急救 and types names on the program's own page, before, during and
after sending; the program is killed with SIGKILL again and again at instants drawn from a printed seed, and so is the
county's server. In the end every file is one exam with those very bytes, and every word that the page had accepted is
in its exam.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest.clinic import home
from ingest.clinic.pack import small_of
from ledger import originals, schema
from tests.promises.ingest_house import Nursery, nodes
from tests.promises.soaking import SOAK_S, seed_of, tell
from tests.support.nursery import nursery
from tests.support.serving import World, free_port, make_world, wait_until

KILLS = 8
SERVER_KILLS = 2
FILES = 9
HEADERS = {"X-Ecgnet": "1"}
WORDS = ({"urgent": True}, {"symptoms": ["chest_pain"]}, {"symptoms": ["sweating"]}, {"patient": {"name": "王建国"}})


@dataclass
class Pc:
    """The village PC: one folder, one home, a program that is killed and started again."""

    folder: Path
    home: Path
    to: str
    key: str
    pid: int | None = None
    kills: int = 0

    def __post_init__(self) -> None:
        self.nursery = nursery(Path(__file__).with_name("clinic_child.py"))

    def start(self) -> None:
        """Switch it on; its page answers when this returns."""
        assert self.nursery.stdin is not None
        assert self.nursery.stdout is not None
        asked = {"folder": str(self.folder), "home": str(self.home), "to": self.to, "key": self.key}
        self.nursery.stdin.write(json.dumps(asked) + "\n")
        self.nursery.stdin.flush()
        self.pid = int(self.nursery.stdout.readline())

    def kill(self) -> None:
        """Pull the plug."""
        assert self.pid is not None
        os.kill(self.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            while True:
                os.kill(self.pid, 0)
                time.sleep(0.001)
        self.pid, self.kills = None, self.kills + 1

    def ask(self, method: str, path: str, body: Any = None) -> httpx.Response | None:
        """One request to its page; ``None`` where no whole answer came."""
        address = home.page_address(self.home)
        if address is None:
            return None
        try:
            with httpx.Client(headers=HEADERS, timeout=5, trust_env=False, verify=False) as line:  # plain http
                return line.request(method, f"{address}{path}", json=body)
        except httpx.TransportError:
            return None

    def close(self) -> None:
        with self.nursery:
            self.nursery.kill()
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


@dataclass
class Village:
    """What the cart wrote, and what the page had accepted of what was said."""

    pc: Pc
    dice: random.Random
    wrote: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict[str, list[tuple[str, bytes]]])
    said: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    number: int = 0
    speaking: threading.Lock = field(default_factory=threading.Lock)

    def record(self) -> None:
        """The cart saves an ECG: renamed in, or a pair whose parts come in any order; sometimes an old one again."""
        if self.wrote and self.dice.random() < 0.15:
            name = self.dice.choice(list(self.wrote))
            for part, data in self.wrote[name]:
                self._write(f"again-{part}" if len(self.wrote[name]) == 1 else part, data)
            return
        name = f"e{self.number}"
        self.number += 1
        data = self.dice.randbytes(self.dice.choice((700, 20_000, 150_000, 700_000)))
        parts = [(f"{name}.bin", data)]
        if self.dice.random() < 0.3:
            parts = [(f"{name}.hea", f"{name} 1 500 10\n{name}.dat 16\n".encode()), (f"{name}.dat", data)]
        self.wrote[name] = parts
        for part, content in self.dice.sample(parts, len(parts)):
            self._write(part, content)

    def _write(self, name: str, data: bytes) -> None:
        temporary = self.pc.folder / f"{name}.tmp"
        temporary.write_bytes(data)
        temporary.replace(self.pc.folder / name)

    def press(self) -> None:
        """Say something of some ECG on the page; it counts if the page said yes."""
        ecgs = self.shown()
        if not ecgs:
            return
        ecg = self.dice.choice(ecgs)
        more: dict[str, Any] = dict(self.dice.choice(WORDS))
        done = self.pc.ask("POST", "say", {"id": ecg["id"], **more})
        if done is not None and done.status_code == 200:
            known = self.said.setdefault(name_of(ecg), {"symptoms": []})
            known["symptoms"] = [*known["symptoms"], *more.pop("symptoms", [])]
            known |= more

    def shown(self) -> list[dict[str, Any]]:
        """The page's ECGs of this village; none where it does not answer."""
        answer = self.pc.ask("GET", "state")
        return [] if answer is None else [ecg for ecg in answer.json()["ecgs"] if name_of(ecg) in self.wrote]

    def is_done(self) -> bool:
        """Nothing is owed."""
        ecgs = self.shown()
        return len({name_of(ecg) for ecg in ecgs}) == len(self.wrote) and all(
            ecg["state"] == "kept" and not ecg["is_owed"] for ecg in ecgs
        )


def name_of(ecg: dict[str, Any]) -> str:
    """Of a file that was saved twice either may be found first."""
    return ecg["name"].removeprefix("again-")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(f"sqlite:///{tmp_path / 'ecgnet.db'}", tmp_path)
    yield made
    made.close()


def test_a_clinic_pc_killed_at_any_instant_sends_everything_once(
    nursery: Nursery, world: World, tmp_path: Path
) -> None:
    dice, port = random.Random(seed_of("promise 7")), free_port()
    (tmp_path / "cart").mkdir()
    pc = Pc(tmp_path / "cart", tmp_path / "home", f"http://127.0.0.1:{port}", world.key)
    village, until, stopped = Village(pc, dice), time.monotonic() + SOAK_S, threading.Event()
    with contextlib.closing(pc), nodes(nursery, world, port) as servers:

        def live() -> None:
            presses = random.Random(dice.random())
            while not stopped.is_set():
                with village.speaking:
                    village.press()
                stopped.wait(presses.uniform(0.0, 0.05))

        doctor = threading.Thread(target=live, daemon=True)
        pc.start()
        doctor.start()
        while pc.kills < KILLS or len(village.wrote) < FILES or time.monotonic() < until:
            if len(village.wrote) < FILES or time.monotonic() < until:
                village.record()
            time.sleep(dice.uniform(0.01, 0.3))
            if servers.kills < pc.kills * SERVER_KILLS / KILLS:
                servers.kill(port)
                servers.start(port)
            pc.kill()
            pc.start()
            if len(village.wrote) >= 50:  # the page shows the newest sixty
                with village.speaking:
                    wait_until(village.is_done, 60, "everything sent")
                    _assert_sent_once(world, village)
                    village.wrote.clear()
                    village.said.clear()
        stopped.set()
        doctor.join(10)
        wait_until(village.is_done, 60, "everything sent")
        exams = _assert_sent_once(world, village)
        tell(7, "sqlite", kills=pc.kills, server_kills=servers.kills, uploads=exams, losses=0, duplicates=0)


def _assert_sent_once(world: World, village: Village) -> int:
    """Every file is one exam with its bytes and with every word that was accepted; the exams there are."""
    exams = {row["sha256"]: row for row in world.rows(schema.exam)}
    counted = Counter(row["sha256"] for row in world.rows(schema.exam))
    assert set(counted.values()) == {1}
    patients = {row["id"]: row["name"] for row in world.rows(schema.patient)}
    for name, parts in village.wrote.items():
        _, parcel = small_of(name, parts)
        exam = exams[hashlib.sha256(parcel).hexdigest()]
        with world.ledger() as ledger:
            data = ledger.read(lambda connection, e=exam: originals.get(connection, world.county, e["sha256"]))
        assert data == parcel
        said = village.said.get(name, {})
        assert exam["urgent"] >= said.get("urgent", False), f"{name}: 急救 was dropped"
        assert set(exam["symptoms"]) >= set(said.get("symptoms", [])), f"{name}: a symptom was dropped"
        if "patient" in said:
            assert patients[exam["patient_id"]] == "王建国"
    told = Counter(event["data"]["exam"] for event in world.events() if event["kind"] == "exam.received")
    assert set(told.values()) == {1}
    return len(exams)
