"""Promise 1: an unacknowledged RED alert always climbs, whatever is killed.

Alerts stand at every rung of a quick ladder; then server, database and watchdog are killed, alone and in pairs.
The database of a SQLite server is the server's own process; PostgreSQL is made to crash and recover by a SIGKILL to one
of its processes. The proof is what others wrote down: the rows of the ladder, and the log of a fake SMS gateway.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psycopg
import pytest

from tests.promises.desk import (
    alerts_at_every_rung,
    assert_climbs_without_a_hole,
    assert_rung_once,
    calls_of,
    end,
    quicken,
)
from tests.support.serving import REPOSITORY, Server, World, make_world, wait_until
from tests.triage.gateway import Gateway

SOAK = "ECGNET_SOAK" in os.environ  # `make soak`: every kill and every pair; `make test`: those that cover the others
KILLS = {
    "sqlite": (("server",), ("server", "watchdog"), ("watchdog",)) if SOAK else (("server",), ("watchdog",)),
    "postgresql": (
        ("one server",),
        ("database",),
        ("watchdog",),
        ("database", "watchdog"),
        ("server", "database"),
        ("server", "watchdog"),
    )
    if SOAK
    else (("one server",), ("database", "watchdog"), ("server", "database")),
}
QUICK = {"ECGNET_POLL_S": "0.2"}


@dataclass
class House:
    """Servers, database, watchdog and gateway, and how each of them is killed."""

    world: World
    gateway: Gateway
    servers: list[Server]
    watchdog: subprocess.Popen[bytes] | None = None
    dead: list[Server] = field(default_factory=list[Server])

    @property
    def postgres(self) -> bool:
        return self.world.url.startswith("postgresql")

    def kill(self, what: str) -> None:
        if what == "watchdog":
            assert self.watchdog is not None
            self.watchdog.kill()
            self.watchdog.wait(10)
            self.watchdog = None
        elif what == "database":
            self._crash()
        else:
            for server in self.servers[:1] if what == "one server" else list(self.servers):
                server.kill()
                self.servers.remove(server)
                self.dead.append(server)

    def _crash(self) -> None:
        """SIGKILL to a server process of PostgreSQL: it throws every connection out and recovers from its log."""
        where = self.world.url.replace("+psycopg", "", 1)
        with psycopg.connect(where, autocommit=True) as connection:
            os.kill(connection.info.backend_pid, signal.SIGKILL)
        wait_until(lambda: _answers(where), 20, "PostgreSQL has recovered")
        if self.world.engine is not None:
            self.world.engine.dispose()  # our own connections were cut as well

    def mend(self) -> None:
        """What a supervisor does: start again what is not there."""
        starting = [threading.Thread(target=server.start) for server in self.dead]
        self.servers += self.dead
        self.dead = []
        for thread in starting:
            thread.start()
        for thread in starting:
            thread.join(40)
        if self.watchdog is None:
            self.watch()

    def watch(self) -> None:
        command = [sys.executable, "-m", "server.cli", "watchdog", "--to", self.servers[0].address]
        self.watchdog = subprocess.Popen(
            [*command, "--every", "0.2", "--patience", "0.4", "--alarm", self.gateway.address("watchdog")],
            cwd=REPOSITORY,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.world.started.append(self.watchdog)


@pytest.fixture
def house(engine_url: str, tmp_path: Path) -> Iterator[House]:
    gateway = Gateway()
    world = make_world(engine_url, tmp_path)
    quicken(world, gateway)
    count = 2 if engine_url.startswith("postgresql") else 1
    made = House(world, gateway, [], dead=[Server(world, environment=QUICK) for _ in range(count)])
    made.mend()
    yield made
    if made.watchdog is not None:
        made.kill("watchdog")
    for server in made.servers:
        server.kill()
    world.close()
    gateway.close()


def _answers(where: str) -> bool:
    try:
        psycopg.connect(where, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _have_climbed(world: World, before: dict[str, int]) -> bool:
    return all(len(calls_of(world, alert)) > calls for alert, calls in before.items())


def test_an_unacknowledged_red_alert_always_climbs_whatever_is_killed(house: House) -> None:
    for kill in KILLS["postgresql" if house.postgres else "sqlite"]:
        alerts = alerts_at_every_rung(house.world)
        before = {alert: len(calls_of(house.world, alert)) for alert in alerts}
        for what in kill:
            house.kill(what)
        if kill == ("server",):
            wait_until(lambda: house.gateway.to("watchdog"), 30, "the watchdog's alarm that the engine stands still")
        if kill != ("one server",):  # the other goes on without it
            house.mend()
        wait_until(partial(_have_climbed, house.world, before), 40, f"every alert climbs after {kill}")
        end(house.world, alerts)
        for alert in alerts:
            assert_climbs_without_a_hole(house.world, alert)
    assert {message["to"] for message in house.gateway.rung.values()} >= {"周敏", "何立", "林协调"}
    assert_rung_once(house.world, house.gateway)
