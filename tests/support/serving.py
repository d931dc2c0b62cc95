"""A real county on a real `ecgnet serve`: set up, start, kill, start again; a clinic and a websocket for stories."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Engine
from websockets.sync.client import ClientConnection, connect

from county import counties, devices, passwords, people, rosters, sites
from county.access import Role
from ledger import schema
from ledger.clock import SECOND
from ledger.database import Ledger, Transaction, make_engine
from ledger.migrate import migrate
from tests.support import forked
from tests.support.needs import REPOSITORY

PASSWORD = "a long enough password"
PHONE = "000-5550-120"
HOUR = 3600 * SECOND


@dataclass(slots=True)
class World:
    """A county with two clinics, two cardiologists, a coordinator and an administrator, on one database."""

    url: str
    folder: Path
    county: str = ""
    site: str = ""
    key: str = ""
    other_site: str = ""
    other_key: str = ""
    people: dict[str, str] = field(default_factory=dict[str, str])
    engine: Engine | None = None
    started: list[forked.Process] = field(default_factory=list[forked.Process])

    def close(self) -> None:
        """End what a failed story left running, and let go of the database."""
        for process in self.started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)
        if self.engine is not None:
            self.engine.dispose()

    @contextlib.contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The database, opened beside the server."""
        ledger = Ledger.open(self.url)
        try:
            yield ledger
        finally:
            ledger.close()

    def rows(self, table: Any) -> list[dict[str, Any]]:
        """Every row of a table."""
        if self.engine is None:
            self.engine = make_engine(self.url)
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(table.select()).mappings()]

    def events(self) -> list[dict[str, Any]]:
        """Every event, in order."""
        return sorted(self.rows(schema.event), key=lambda row: row["seq"])


def make_world(url: str, folder: Path) -> World:
    """A migrated database with people in it; the first cardiologist and the backup are on call for a day."""
    engine = make_engine(url)
    migrate(engine)
    engine.dispose()
    world = World(url, folder)
    with world.ledger() as ledger:
        ledger.write(lambda transaction: _fill(transaction, world))
    return world


def _fill(transaction: Transaction, world: World) -> None:
    world.county = counties.add_county(transaction, "青禾县", PHONE)
    world.site = sites.add(transaction, world.county, "石桥村卫生室", "柳河镇", "000-5550-101")
    world.other_site = sites.add(transaction, world.county, "大湾村卫生室", "白杨镇", "000-5550-102")
    world.key = devices.add(transaction, world.county, world.site)[1]
    world.other_key = devices.add(transaction, world.county, world.other_site)[1]
    secret = passwords.hash_password(PASSWORD)
    for name, role, site in (
        ("周敏", Role.CARDIOLOGIST, None),
        ("何立", Role.CARDIOLOGIST, None),
        ("林协调", Role.COORDINATOR, None),
        ("管理员", Role.ADMINISTRATOR, None),
        ("吴医生", Role.CLINIC, world.site),
        ("邻村医生", Role.CLINIC, world.other_site),
    ):
        world.people[name] = people.add(transaction, world.county, name, role, secret, site)
    now = transaction.now
    for slot, name in (("first", "周敏"), ("backup", "何立"), ("coordinator", "林协调")):
        rosters.add(transaction, world.county, slot, world.people[name], now - HOUR, now + 24 * HOUR)


def free_port() -> int:
    """A port that nobody listens on. It is none that a kernel gives to outgoing connections (from 32768 on): one of
    those could have it before the server begins, or while a killed server is away.
    """
    dice = random.SystemRandom()
    while True:
        port = dice.randrange(15_000, 32_700)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass(slots=True)
class Server:
    """One `ecgnet serve` process. ``cold``: begun as an administrator would; else it is the same command in a fork of
    a process that has loaded everything (:mod:`tests.support.warm_serve`).
    """

    world: World
    port: int = field(default_factory=free_port)
    environment: dict[str, str] = field(default_factory=dict[str, str])
    process: forked.Process | None = None
    cold: bool = not sys.platform.startswith("linux")

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Server:
        """Start it and wait until it answers."""
        argv = ["serve", "--data", str(self.world.folder), "--database", self.world.url, "--port", str(self.port)]
        environment = {**os.environ, "ECGNET_WORKERS": "1", **self.environment}
        log = self.world.folder / f"serve-{self.port}.log"
        self.process = _cold(argv, environment, log) if self.cold else forked.fork(argv, environment, log)
        self.world.started.append(self.process)
        wait_until(self._answers, 60, f"serve on {self.port}")
        return self

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"serve ended with {self.process.returncode}: {self.log()}")
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.address}/livez", timeout=5).status_code == 200
        return False

    def log(self) -> str:
        """What it wrote."""
        return (self.world.folder / f"serve-{self.port}.log").read_text()

    def kill(self) -> None:
        """SIGKILL to its pid, and to nothing else first: its workers must notice by themselves."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(30)

    def children(self) -> list[int]:
        """The pids of its analyser processes, once there are any."""
        assert self.process is not None
        tasks = Path(f"/proc/{self.process.pid}/task")

        def found() -> list[int]:
            pids = [int(pid) for listed in tasks.glob("*/children") for pid in listed.read_text().split()]
            return [pid for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]

        return wait_until(found, 30, "analyser processes")


def _cold(argv: list[str], environment: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "server.cli", *argv],
            cwd=REPOSITORY,
            env=environment,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def wait_until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Poll until ``condition`` is true; its value."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        time.sleep(0.03)
    raise AssertionError(f"not within {seconds} s: {what}")


# --- a clinic --------------------------------------------------------------------------------------------------------


def ludb_55() -> bytes:
    """LUDB 55 (labelled STEMI) as the zip that a clinic sends."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("55.hea", "55.dat"):
            archive.writestr(
                zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), (REPOSITORY / "tests/data" / name).read_bytes()
            )
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class Clinic:
    """A device at a site."""

    address: str
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def send(self, data: bytes, name: str = "ecg.zip", **context: Any) -> dict[str, Any]:
        """POST one file; the receipt."""
        answer = httpx.post(
            f"{self.address}/v1/exams",
            headers=self.headers,
            files={"file": (name, data), "context": (None, json.dumps(context), "application/json")},
            timeout=30,
        )
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def exam(self, exam: str) -> dict[str, Any]:
        """GET one exam."""
        answer = httpx.get(f"{self.address}/v1/exams/{exam}", headers=self.headers, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait_for(
        self, exam: str, condition: Callable[[dict[str, Any]], Any], seconds: float, what: str
    ) -> dict[str, Any]:
        """Poll one exam until ``condition`` holds."""
        wait_until(lambda: condition(self.exam(exam)), seconds, what)
        return self.exam(exam)


# --- people ----------------------------------------------------------------------------------------------------------


def sign_in(address: str, name: str) -> str:
    """A person's token."""
    answer = httpx.post(f"{address}/v1/session", json={"name": name, "password": PASSWORD}, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()["token"]


class Doctor:
    """A person on the feed."""

    def __init__(self, address: str, name: str, after: int | None = None, epoch: str | None = None) -> None:
        self.address = address
        self.token = sign_in(address, name)
        self.frames: list[dict[str, Any]] = []
        query = "" if after is None else f"?after={after}" + ("" if epoch is None else f"&epoch={epoch}")
        self._exit = contextlib.ExitStack()
        self.socket: ClientConnection = self._exit.enter_context(
            connect(
                f"{address.replace('http', 'ws')}/v1/feed{query}",
                additional_headers={"Authorization": f"Bearer {self.token}"},
                subprotocols=["ecgnet.feed.1"],  # type: ignore[list-item]
                compression=None,
            )
        )
        self.hello = self.receive()

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def receive(self, seconds: float = 30) -> dict[str, Any]:
        """The next frame."""
        frame = json.loads(self.socket.recv(timeout=seconds))
        self.frames.append(frame)
        return frame

    def until(self, condition: Callable[[dict[str, Any]], bool], seconds: float = 30) -> dict[str, Any]:
        """Frames up to the first that fulfils ``condition``; that frame."""
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            try:
                frame = self.receive(max(left, 0.01))
            except TimeoutError:
                kinds = [frame.get("kind", frame["type"]) for frame in self.frames]
                raise AssertionError(f"no such frame within {seconds} s; came: {kinds}") from None
            if condition(frame):
                return frame

    def event(self, kind: str, seconds: float = 30) -> dict[str, Any]:
        """The next event of a kind."""
        return self.until(lambda frame: frame.get("kind") == kind, seconds)

    def do(self, action: str, case: str, seen: int, **more: Any) -> dict[str, Any]:
        """Send an action over the feed; its answer."""
        identity = more.pop("id", None) or str(uuid.uuid4())
        self.socket.send(json.dumps({"id": identity, "do": action, "case": case, "seen": seen, **more}))
        return self.until(lambda frame: frame.get("id") == identity)

    def case(self, case: str) -> dict[str, Any]:
        """GET one case."""
        answer = httpx.get(f"{self.address}/v1/cases/{case}", headers=self.headers, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def close(self) -> None:
        """Leave."""
        self._exit.close()
