"""Promise 2: every accepted upload yields exactly one exam and one analysis.

Clinics send different ECGs in all three ways and repeat themselves, also at once, while the server and its analyser
(a process of its own) are killed at instants drawn from a printed seed. Afterwards each file is one exam, each exam has
one analysis of its ruleset and was told once (`exam.received`, `exam.analysed`), and nothing was given up.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from ecg.formats.wfdb_write import wfdb_zip
from ecg.synthesis import Heart, Noise, synthesise
from ledger import schema
from tests.promises.ingest_house import CutError, Line, Nodes, Nursery, Parcel, assert_nothing_lost_or_doubled, nodes
from tests.promises.soaking import SOAK_S, seed_of, tell
from tests.support import needs, postgres
from tests.support.serving import World, free_port, make_world, wait_until

CLINICS, OF_EACH, TIMES = 5, 4, 2
"""Clinics at work, files of each, and how often each file is sent."""

WAYS = ("post", "whole", "pieces")
_KILLS = {True: ("analyser",), False: ("server",)}
"""While an analyser works, by whether it is SQLite; one takes seconds to start: `make test` has one on each engine."""


def an_ecg(dice: random.Random) -> bytes:
    """A readable file of ten seconds; no two are alike."""
    heart = Heart(rate_bpm=dice.uniform(55, 100), individual=dice.random())
    recording = synthesise(heart, Noise(), seconds=10, seed=dice.randrange(1 << 30)).recording
    return wfdb_zip(recording)


def sends(world: World, port: int, dice: random.Random, parcels: list[Parcel], errors: list[BaseException]) -> None:
    """A clinic: each file until it has a receipt, then again as if it had none."""
    try:
        with Line(port, world.key) as line:
            for parcel in parcels * TIMES:
                wanted = len(parcel.receipts) + 1
                while len(parcel.receipts) < wanted:
                    try:
                        parcel.send(line, dice.choice(WAYS), dice)
                    except CutError:
                        time.sleep(0.01)
    except BaseException as error:  # noqa: BLE001 - the test raises it
        errors.append(error)


def kill_all_of_it(servers: Nodes, port: int, dice: random.Random, clinics: list[threading.Thread]) -> None:
    """The server while clinics send; then, with ECGs waiting, its analyser at work, and the server again."""
    for _ in range(2 if SOAK_S else 1):
        time.sleep(dice.uniform(0.03, 0.2))
        servers.kill(port)
        servers.start(port)
    for clinic in clinics:
        clinic.join(60)
    kills = ("analyser", "server") if SOAK_S else _KILLS[servers.world.url.startswith("sqlite")]
    for what in kills:
        left = wait_until(lambda: _left(servers.world), 30, "ECGs that wait for their analysis")
        wait_until(lambda left=left: _left(servers.world) < left, 120, "an analyser at work")
        time.sleep(dice.uniform(0, 0.1))
        if what == "server":
            servers.kill(port)
            servers.start(port)
        else:
            servers.kill_analyser(port)


def _left(world: World) -> int:
    return sum(row["status"] == "received" for row in world.rows(schema.exam))


def a_night(nursery: Nursery, world: World) -> None:
    """Send, kill, count; for some minutes in the soak."""
    engine = "sqlite" if world.url.startswith("sqlite") else "postgresql"
    dice, port = random.Random(seed_of(f"promise 2, {engine}")), free_port()
    parcels, until = list[Parcel](), time.monotonic() + SOAK_S
    with nodes(nursery, world, port, desk=True) as servers:
        while not parcels or time.monotonic() < until:
            batches = [[Parcel(an_ecg(dice)) for _ in range(OF_EACH)] for _ in range(CLINICS)]
            batches[1][0] = batches[0][0]  # two programs have the same file
            parcels += {id(parcel): parcel for batch in batches for parcel in batch}.values()
            _one_round(servers, port, world, dice, batches)
            _assert_each_once(world, parcels)
        receipts = assert_nothing_lost_or_doubled(world, parcels)
        assert receipts == len(parcels)
        tell("ingest 2", engine, kills=servers.kills, uploads=receipts, analyses=receipts, losses=0, duplicates=0)
    world.close()


@pytest.fixture(scope="module")
def nights(
    nursery: Nursery, tmp_path_factory: pytest.TempPathFactory, _postgres_cluster: postgres.Cluster | None
) -> Iterator[dict[str, Future[None]]]:
    """One on each engine, both at the same time: what a killed server had in hand waits for the end of its lease."""
    folders = {engine: tmp_path_factory.mktemp(engine) for engine in ("sqlite", "postgresql")}
    urls = {"sqlite": f"sqlite:///{folders['sqlite'] / 'ecgnet.db'}"}
    if _postgres_cluster is not None:
        urls["postgresql"] = _postgres_cluster.create_database()
    worlds = {engine: make_world(url, folders[engine]) for engine, url in urls.items()}
    with ThreadPoolExecutor(2) as threads:
        yield {engine: threads.submit(a_night, nursery, world) for engine, world in worlds.items()}
    if _postgres_cluster is not None:
        _postgres_cluster.drop_database(urls["postgresql"])


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_every_upload_is_one_exam_and_one_analysis(nights: dict[str, Future[None]], engine: str) -> None:
    if engine not in nights:
        needs.missing(needs.POSTGRESQL, "no server on PATH or in /usr/lib/postgresql, and no wheel; try `make test`")
    nights[engine].result()


def _one_round(servers: Nodes, port: int, world: World, dice: random.Random, batches: list[list[Parcel]]) -> None:
    errors: list[BaseException] = []
    clinics = [
        threading.Thread(target=sends, args=(world, port, random.Random(dice.random()), batch, errors), daemon=True)
        for batch in batches
    ]
    for clinic in clinics:
        clinic.start()
    kill_all_of_it(servers, port, dice, clinics)
    assert not errors, errors


def _assert_each_once(world: World, parcels: list[Parcel]) -> None:
    wait_until(lambda: not _left(world), 120, "every exam has its analysis")
    exams = {row["id"]: row for row in world.rows(schema.exam)}
    assert len(exams) == len(parcels)
    assert {row["status"] for row in exams.values()} == {"analysed"}, "an ECG was given up"
    assert Counter(row["exam_id"] for row in world.rows(schema.analysis)) == Counter(exams.keys())
    for kind in ("exam.received", "exam.analysed"):
        told = Counter(event["data"]["exam"] for event in world.events() if event["kind"] == kind)
        assert told == Counter(exams.keys()), f"{kind} was not told once for each"
