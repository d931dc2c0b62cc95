"""Promise 1: a receipt survives SIGKILL at any instant, and the end of the machine at any instant.

First, clinics send over real sockets, by POST, by one tus request and in pieces, while the server is killed again and
again at instants that the parent draws from a printed seed; each receipt must be there afterwards. A kill takes nothing
that was written, only what was not: so, second, a real server's writes and syncs are taken down by ``strace``, and the
disk is put together as it may be after a power cut behind each of them: with nothing that no sync had covered, with any
part of it, with all of it. Whatever the server had answered by then must be in the database that SQLite recovers.
"""

from __future__ import annotations

import random
import shutil
import threading
import time
from pathlib import Path

import pytest

from tests.promises import ingest_disk
from tests.promises.ingest_house import CutError, Line, Nursery, Parcel, assert_nothing_lost_or_doubled, nodes
from tests.promises.soaking import SOAK_S, seed_of, tell
from tests.support.serving import World, free_port, make_world, wait_until

CLINICS = 6
KILLS = {"sqlite": 10, "postgresql": 6}
WAYS = ("post", "whole", "pieces")


class Clinic(threading.Thread):
    """Sends one file after the other until told to stop; sometimes one that it has sent before."""

    def __init__(self, seed: int, world: World, port: int) -> None:
        super().__init__(daemon=True)
        self.dice, self.line = random.Random(seed), Line(port, world.key)
        self.parcels: list[Parcel] = []
        self.stopped, self.broken = threading.Event(), None

    def run(self) -> None:
        try:
            while not self.stopped.is_set():
                self._one()
        except BaseException as error:  # noqa: BLE001 - the test raises it
            self.broken = error
        finally:
            self.line.close()

    def _one(self) -> None:
        if self.parcels and (not self.parcels[-1].receipts or self.dice.random() < 0.2):
            parcel = self.parcels[-1]
        else:
            parcel = Parcel(self.dice.randbytes(self.dice.choice((500, 9_000, 60_000, 140_000))))
            self.parcels.append(parcel)
        try:
            parcel.send(self.line, self.dice.choice(WAYS), self.dice)
        except CutError:
            time.sleep(0.005)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_a_receipt_survives_sigkill_at_any_instant(
    nursery: Nursery, engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    on_disk = f"sqlite:///{tmp_path / 'ecgnet.db'}"
    engine_url = on_disk if engine == "sqlite" else str(request.getfixturevalue("postgres_url"))
    dice, world, port = random.Random(seed := seed_of("promise 1")), make_world(engine_url, tmp_path), free_port()
    until = time.monotonic() + SOAK_S / 2
    with nodes(nursery, world, port) as servers:
        clinics = [Clinic(seed + number, world, port) for number in range(CLINICS)]
        for clinic in clinics:
            clinic.start()
        while servers.kills < KILLS[engine] or time.monotonic() < until:
            if servers.kills % 2:  # every other kill comes only after a receipt, however slow the machine is
                before = _receipts(clinics)
                wait_until(lambda before=before: _receipts(clinics) > before, 60, "another receipt")
            time.sleep(dice.uniform(0, 0.2))
            servers.kill(port)
            if servers.kills % 4 == 0:
                _look_at(world, clinics)  # as the dead server left it
            servers.start(port)
        for clinic in clinics:
            clinic.stopped.set()
        for clinic in clinics:
            clinic.join(30)
            assert clinic.broken is None, clinic.broken
        receipts = _look_at(world, clinics)
        assert receipts >= servers.kills // 2
        tell("ingest 1", engine, kills=servers.kills, uploads=receipts, losses=0, duplicates=0)
    world.close()


def _receipts(clinics: list[Clinic]) -> int:
    return sum(bool(parcel.receipts) for clinic in clinics for parcel in list(clinic.parcels))


def _look_at(world: World, clinics: list[Clinic]) -> int:
    return assert_nothing_lost_or_doubled(world, [parcel for clinic in clinics for parcel in list(clinic.parcels)])


def test_a_receipt_survives_the_end_of_the_machine_behind_each_write(tmp_path: Path) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: lost un-synced writes cannot be replayed (apt-get install strace)")
    seed = seed_of("promise 1, writes and syncs")
    until = time.monotonic() + SOAK_S / 2
    trace = _power_cuts(tmp_path / "0", seed)
    rounds = 1
    while time.monotonic() < until:
        _power_cuts(tmp_path / f"{rounds}", seed + rounds)
        rounds += 1
    never_synced = [step for step in trace.steps if step.kind not in ("sync-begins", "synced")]
    with pytest.raises(AssertionError, match="a receipt without an exam"):  # a server that does not sync is found out
        ingest_disk.Replay(trace.before, trace.told, random.Random(seed)).play(never_synced)


def _power_cuts(folder: Path, seed: int) -> ingest_disk.Trace:
    """One traced server, and every disk that its writes and syncs may have left behind."""
    folder.mkdir()
    world = make_world(f"sqlite:///{folder / ingest_disk.DATABASE}", folder)
    world.close()
    trace = ingest_disk.trace_of(world, folder / "trace", seed)
    replay = ingest_disk.Replay(trace.before, trace.told, random.Random(seed))
    replay.play(trace.steps)
    assert [step.file for step in trace.steps if step.kind == "gone"] == [ingest_disk.WAL]  # it ended in good order
    assert replay.receipts >= 8
    assert replay.offsets >= 3
    assert replay.checkpoints >= 1, "the trace holds no checkpoint: the database file itself was never written"
    tell("ingest 1", "sqlite", power_cuts=replay.states, uploads=replay.receipts, losses=0)
    return trace
