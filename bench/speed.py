"""How soon a heart attack is on the doctor's screen, and what one analysis costs.

(a) A real ``ecgnet serve`` on SQLite in a temporary folder, with its default number of analysers; distinct ECGs with an
anterior infarction, made before the clock starts; they are posted at fixed instants whatever the server does (an open
loop), and one websocket waits. Counted is from the instant at which the POST was due to begin until the frame
``alert.raised`` is in the client's hands. An exam without exactly one such frame is a loss, and the bench fails.

(b) ``ecg.analyze`` on real 12-lead records, one after the other, each in turn with NeuroKit2 on the same samples:
``ecg_process`` of lead II, then ``ecg_clean`` and ``ecg_delineate(method="dwt")`` of all twelve leads with lead II's
R peaks. NeuroKit2 is no dependency of ours; this puts it where the bench looks, beside the environment:

    .venv/bin/uv pip install --target .make/neurokit2 neurokit2

    python bench/speed.py [--uploads 200] [--per-second 5] [--records 200] [--peer-records 40]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import random
import statistics
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy: one core is measured
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx

import ecg
from ecg.formats.wfdb_write import wfdb_zip
from ecg.recording import Recording
from ecg.signal import calibrate
from ecg.synthesis import TERRITORIES, Heart, Noise, synthesise
from ledger.database import sqlite_module
from tests.support.serving import Clinic, Doctor, Server, make_world, wait_until

REPOSITORY = Path(__file__).resolve().parents[1]
NEUROKIT = REPOSITORY / ".make" / "neurokit2"
PATIENCE_S = 60.0  # after the last upload; an alert that has not come by then is lost
WARM = 3


# --- figures ---------------------------------------------------------------------------------------------------------


def quantile(values: Sequence[float], part: float) -> float:
    """The smallest value that at least ``part`` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def row(what: str, values: Sequence[float]) -> str:
    """One line of the table; ``values`` in seconds, shown in ms."""
    ms = [value * 1000 for value in values]
    return (
        f"| {what} | {len(ms)} | {statistics.median(ms):.0f} | {quantile(ms, 0.9):.0f} "
        f"| {quantile(ms, 0.99):.0f} | {max(ms):.0f} |"
    )


def machine() -> str:
    """What it ran on, and how busy that was before we began."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return (
        f"{time.strftime('%Y-%m-%d')} · {os.cpu_count()} × {model} · {platform.system()} {platform.release()} · "
        f"Python {platform.python_version()} · SQLite {sqlite_module().sqlite_version} · "
        f"fsync {fsync_s() * 1000:.2f} ms · load before {load}"
    )


def fsync_s(rounds: int = 60) -> float:
    """Median time that 4 KiB need to be durable where temporary files are: it bounds every receipt."""
    taken: list[float] = []
    with tempfile.TemporaryFile() as file:
        for _ in range(rounds):
            began = time.perf_counter()
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)


# --- (a) file to alert -----------------------------------------------------------------------------------------------


def infarction(seed: int) -> bytes:
    """One patient's device file: ten seconds with an anterior infarction, as a WFDB zip."""
    dice = random.Random(seed)
    heart = Heart(
        rate_bpm=dice.uniform(60, 100), st_mv=TERRITORIES["anterior"], t_scale=1.1, individual=dice.uniform(0.1, 0.5)
    )
    return wfdb_zip(synthesise(heart, Noise(), seed=seed).recording, f"ecg{seed:05d}")


class Listener:
    """A doctor's websocket in a thread of its own: when each exam's first alert came, and how often each alert.

    An exam that waits 20 s for its analysis is alerted unread and, once it is read, in its higher colour: two alerts.
    """

    def __init__(self, doctor: Doctor) -> None:
        self._doctor = doctor
        self._stop = threading.Event()
        self.came: dict[str, float] = {}
        self.frames: Counter[tuple[str, str]] = Counter()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                frame = self._doctor.receive(0.5)
            except TimeoutError:
                continue
            if frame.get("kind") == "alert.raised":
                exam = frame["data"]["exam"]
                self.came.setdefault(exam, time.perf_counter())
                self.frames[exam, frame["data"]["colour"]] += 1

    def wrong(self, uploads: int) -> int:
        """How many of so many uploads had no alert, or one of them twice."""
        doubled = {exam for (exam, _), times in self.frames.items() if times > 1}
        return uploads - len(self.came.keys() - doubled)

    def alerted_twice(self) -> int:
        """How many exams had a second alert, of another colour."""
        colours = Counter(exam for exam, _ in self.frames)
        return sum(times > 1 for times in colours.values())

    def stop(self) -> None:
        """No more frames."""
        self._stop.set()
        self._thread.join()


@dataclass(frozen=True, slots=True)
class Sent:
    """One upload: when its POST was due, when its receipt was there, and which exam it is."""

    due: float
    receipt: float
    exam: str


class Uploads:
    """POSTs at fixed instants, each in a thread of its own, so that a slow answer delays no other."""

    def __init__(self, clinic: Clinic, client: httpx.Client) -> None:
        self._clinic, self._client = clinic, client
        self.sent: list[Sent] = []
        self.failed: list[str] = []

    def run(self, files: Sequence[bytes], per_second: float) -> None:
        """Send them all; returns when every answer is there."""
        begin = time.perf_counter() + 0.5
        threads: list[threading.Thread] = []
        for number, data in enumerate(files):
            due = begin + number / per_second
            time.sleep(max(0.0, due - time.perf_counter()))
            threads.append(threading.Thread(target=self._send, args=(due, data, number)))
            threads[-1].start()
        for thread in threads:
            thread.join()

    def _send(self, due: float, data: bytes, number: int) -> None:
        parts = {"file": (f"{number}.zip", data), "context": (None, '{"symptoms":["chest_pain"]}')}
        try:
            answer = self._client.post("/v1/exams", headers=self._clinic.headers, files=parts)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            self.failed.append(repr(error))
            return
        self.sent.append(Sent(due, time.perf_counter(), answer.json()["exam"]))


def file_to_alert(uploads: int, per_second: float) -> int:
    """Run part (a) and print its lines; how many were lost."""
    files = [infarction(seed) for seed in range(uploads + 1)]
    with tempfile.TemporaryDirectory(prefix="ecgnet-bench-") as folder, contextlib.ExitStack() as stack:
        world = make_world(f"sqlite:///{folder}/ecgnet.db", Path(folder))
        stack.callback(world.close)
        server = Server(world, environment={"ECGNET_WORKERS": str(_default_workers())}).start()
        stack.callback(server.stop)
        wait_until(lambda: httpx.get(f"{server.address}/readyz").status_code == 200, 60, "a ready server")
        clinic, doctor = Clinic(server.address, world.key), Doctor(server.address, "周敏")
        stack.callback(doctor.close)
        clinic.send(files.pop(), symptoms=["chest_pain"])  # the first one pays for what is loaded late
        doctor.event("alert.raised", 60)
        sent, listener = _measure(Uploads(clinic, _client(stack, server)), doctor, files, per_second)
    kilobytes = round(sum(map(len, files)) / len(files) / 1000)
    print(row(f"file → alert, {kilobytes} KB at {per_second:g}/s", [listener.came[one.exam] - one.due for one in sent]))
    print(row("of it, file → receipt", [one.receipt - one.due for one in sent]))
    return listener.wrong(uploads)


def _measure(
    uploads: Uploads, doctor: Doctor, files: Sequence[bytes], per_second: float
) -> tuple[list[Sent], Listener]:
    """Everything sent, and what came of it: uploads whose alert came, and the listener."""
    listener = Listener(doctor)
    uploads.run(files, per_second)
    with contextlib.suppress(AssertionError):  # what is missing then is counted as lost
        wait_until(lambda: all(one.exam in listener.came for one in uploads.sent), PATIENCE_S, "every alert")
    time.sleep(1.0)  # a second frame of one alert would come now
    listener.stop()
    for error in uploads.failed[:3]:
        print(f"not received: {error}")
    return [one for one in uploads.sent if one.exam in listener.came], listener


def _client(stack: contextlib.ExitStack, server: Server) -> httpx.Client:
    return stack.enter_context(httpx.Client(base_url=server.address, timeout=60, trust_env=False))


def _default_workers() -> int:
    from server.settings import Settings

    return Settings().workers


# --- (b) one analysis ------------------------------------------------------------------------------------------------


def recordings(folder: Path, most: int) -> list[Recording]:
    """The LUDB records of the folder, calibrated, in the order of their numbers."""
    headers = sorted(folder.glob("*.hea"), key=lambda path: (len(path.stem), path.stem))
    return [calibrate(ecg.read(path)) for path in headers[:most]]


def neurokit() -> Any | None:
    """The peer, if it is there; ours is loaded before it, so it brings its own pandas and not its own numpy."""
    if NEUROKIT.is_dir():
        sys.path.insert(0, str(NEUROKIT))
    try:
        import neurokit2  # type: ignore[import-not-found]
    except ImportError:
        return None
    return neurokit2


class Peer:
    """NeuroKit2 on one record: lead II as a whole, then every lead's waves. What it cannot do is counted, with the time
    that it took to fail.
    """

    def __init__(self, peer: Any) -> None:
        self._peer = peer
        self.failed = 0

    def __call__(self, recording: Recording) -> None:
        leads = dict(zip(recording.leads, recording.millivolts, strict=True))
        rate = round(recording.rate_hz)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                _, info = self._peer.ecg_process(leads["II"], sampling_rate=rate)
                for samples in leads.values():
                    clean = self._peer.ecg_clean(samples, sampling_rate=rate)
                    self._peer.ecg_delineate(clean, info["ECG_R_Peaks"], sampling_rate=rate, method="dwt")
            except Exception:  # noqa: BLE001 (it ends in many ways)
                self.failed += 1


def timed(work: Callable[[Recording], Any], one: Recording) -> float:
    """Seconds."""
    began = time.perf_counter()
    work(one)
    return time.perf_counter() - began


def analysis_cost(folder: Path, most: int, peer_most: int) -> None:
    """Run part (b) and print its lines."""
    if not folder.is_dir():
        print(f"no analysis times: the recordings ({folder.name}) are not there; ECGNET_RECORDINGS names their folder")
        return
    records = recordings(folder, most)
    for one in records[:WARM]:
        ecg.analyze(one)
    peer = neurokit()
    run_peer = None if peer is None else Peer(peer)
    if run_peer is not None:
        run_peer(records[0])
        run_peer.failed = 0
    ours: list[float] = []
    theirs: list[float] = []
    for number, one in enumerate(records):
        ours.append(timed(ecg.analyze, one))
        if run_peer is not None and number < peer_most:
            theirs.append(timed(run_peer, one))
    print(row("ecg.analyze, one LUDB record", ours))
    if peer is None or run_peer is None:
        print("NeuroKit2 is not there; the head of this file says how to put it beside the environment.")
        return
    print(row(f"NeuroKit2 {peer.__version__}, the first {len(theirs)} of them", theirs))
    ratio = statistics.median(theirs) / statistics.median(ours[: len(theirs)])
    print(f"\nNeuroKit2: {ratio:.0f} times as long as ecg.analyze on the same records, by the medians; ", end="")
    print(f"{run_peer.failed} of them ended with an error.")


# --- all of it -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def table() -> Iterator[None]:
    """The head of the table, and at its end an empty line."""
    print("| what | n | median ms | p90 | p99 | max |\n|---|---|---|---|---|---|", flush=True)
    yield
    print(flush=True)


def main() -> None:
    """Run it and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uploads", type=int, default=200)
    parser.add_argument("--per-second", type=float, default=5)
    parser.add_argument("--records", type=int, default=200)
    parser.add_argument("--peer-records", type=int, default=40, help="NeuroKit2 is slow")
    options = parser.parse_args()
    folder = Path(os.environ.get("ECGNET_RECORDINGS") or REPOSITORY.parent / "shared" / "data") / "ludb"
    print(machine(), flush=True)
    with table():
        lost = file_to_alert(options.uploads, options.per_second)
    print(f"lost: {lost} of {options.uploads}\n", flush=True)
    with table():
        analysis_cost(folder, options.records, options.peer_records)
    if lost:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
