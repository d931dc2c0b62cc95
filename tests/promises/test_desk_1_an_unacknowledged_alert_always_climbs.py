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
from collections.abc import Iterator
from dataclasses import dataclass
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
from tests.promises.ingest_house import Nodes, Nursery, nodes
from tests.support.serving import REPOSITORY, World, free_port, make_world, wait_until
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
QUICK = {"poll_s": 0.2}


@dataclass
class House:
    """Servers, database, watchdog and gateway, and how each of them is killed."""

    world: World
    gateway: Gateway
    servers: Nodes
    ports: list[int]
    watchdog: subprocess.Popen[bytes] | None = None

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
            for port in self.ports[:1] if what == "one server" else list(self.servers.pids):
                self.servers.kill(port)

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
        for port in self.ports:
            if port not in self.servers.pids:
                wait_until(lambda port=port: self._started(port), 20, "a server that opens its database")
        if self.watchdog is None:
            self.watch()

    def _started(self, port: int) -> bool:
        """Whether it could begin; a database that still recovers refuses it, and a supervisor tries again."""
        try:
            self.servers.start(port)
        except AssertionError:
            return False
        return True

    def watch(self) -> None:
        command = [sys.executable, "-m", "server.cli", "watchdog", "--to", f"http://127.0.0.1:{self.ports[0]}"]
        self.watchdog = subprocess.Popen(
            [*command, "--every", "0.2", "--patience", "0.4", "--alarm", self.gateway.address("watchdog")],
            cwd=REPOSITORY,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.world.started.append(self.watchdog)


@pytest.fixture
def house(nursery: Nursery, engine_url: str, quick_folder: Path) -> Iterator[House]:
    gateway = Gateway()
    world = make_world(engine_url, quick_folder)
    quicken(world, gateway)
    ports = [free_port() for _ in range(2 if engine_url.startswith("postgresql") else 1)]
    with nodes(nursery, world, desk=True) as servers:
        servers.settings = QUICK
        made = House(world, gateway, servers, ports)
        made.mend()
        yield made
        if made.watchdog is not None:
            made.kill("watchdog")
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
