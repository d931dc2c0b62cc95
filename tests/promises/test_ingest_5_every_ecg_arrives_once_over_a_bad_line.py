"""Promise 5: over a line of 64 kbit/s with resets every few seconds 100 of 100 ECGs arrive, each once.

A hundred villages, each with a line of its own (:mod:`tests.support.flaky_line`), send at the same time with the
clinic's own sender: resets, stalls and half-closes come from a printed seed. Each village has its receipt, and the
county one exam of it with exactly those bytes.
"""

from __future__ import annotations

import functools
import io
import random
import ssl
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ecg.synthesis import Heart, Noise, synthesise
from ingest.clinic.send import send
from ledger import schema
from tests.promises.ingest_house import Nursery, Parcel, assert_nothing_lost_or_doubled, nodes
from tests.promises.soaking import SOAK_S, seed_of, tell
from tests.support.flaky_line import Lines, Weather
from tests.support.serving import World, free_port, make_world

VILLAGES = 100
LEADS, RATE_HZ, SECONDS = 8, 200, 10
WEATHER = Weather(bits_per_s=64_000, calm_s=(1.0, 3.0))


def ecgs(count: int) -> list[bytes]:
    """Ten seconds of eight leads as a device writes them, zipped; no two are the same."""
    recording = synthesise(Heart(), Noise(0.01, 0.02, 50.0, 0.1), seconds=SECONDS, rate_hz=RATE_HZ, seed=1).recording
    counts = np.round(recording.millivolts[:LEADS] * 200).astype("<i2")
    return [_zipped(np.roll(counts, number, axis=1).T.tobytes(), number) for number in range(count)]


def _zipped(samples: bytes, number: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(f"{number}.dat", (2026, 1, 1, 0, 0, 0)), samples, zipfile.ZIP_DEFLATED)
    return out.getvalue()


@pytest.fixture(autouse=True)
def one_set_of_roots(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred programs in one process: the certificates of the outside, which nobody asks for here, are read once."""
    monkeypatch.setattr(ssl, "create_default_context", functools.cache(ssl.create_default_context))


def test_every_ecg_arrives_once_over_a_bad_line(nursery: Nursery, quick_folder: Path) -> None:
    seed = seed_of("promise 5")
    world, port = make_world(f"sqlite:///{quick_folder / 'ecgnet.db'}", quick_folder), free_port()
    count = VILLAGES * (max(1, int(SOAK_S) // 30))
    parcels = [Parcel(data) for data in ecgs(count)]
    dice = random.Random(seed)
    with nodes(nursery, world, port), Lines() as lines:
        for first in range(0, count, VILLAGES):
            together = parcels[first : first + VILLAGES]
            ports = [lines.open(port, dice.randrange(1 << 30), WEATHER).port for _ in together]
            _send_all(world, together, ports, quick_folder)
        receipts = assert_nothing_lost_or_doubled(world, parcels)
        assert receipts == count
        assert len(world.rows(schema.exam)) == count
        happened = lines.happened
        assert happened["reset"] >= count // 10, happened
        assert min(happened["stall"], happened["half-close"]) >= 3, happened
        tell("ingest 5", "sqlite", uploads=receipts, losses=0, duplicates=0, **happened)
    world.close()


def _send_all(world: World, parcels: list[Parcel], ports: list[int], folder: Path) -> None:
    """Each over its line, at once."""
    errors: list[BaseException] = []

    def village(number: int, parcel: Parcel, port: int) -> None:
        path = folder / f"{number}.zip"
        path.write_bytes(parcel.data)
        try:
            (receipt,) = send([path], f"http://127.0.0.1:{port}", world.key, limit_s=90)
            parcel.receipts.append(receipt["exam"])
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    threads = [
        threading.Thread(target=village, args=(number, parcel, port), daemon=True)
        for number, (parcel, port) in enumerate(zip(parcels, ports, strict=True))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not errors, errors
