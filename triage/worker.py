"""What one analyser process does: bytes in, an outcome out. It holds no database and no network."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

RULESET = "udmi-2018"  # triage always runs it; a county's own labels come on top (CLINICAL.md §4.2)


@dataclass(frozen=True, slots=True)
class Job:
    """One exam's file."""

    data: bytes
    name: str
    ruleset: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it: a result, or the problem that the file has ({code, zh, en})."""

    document: bytes = b""
    samples: bytes = b""
    ruleset: str = ""
    software: str = ""
    problem: dict[str, str] | None = None


def run(pipe: Connection) -> None:
    """The process: warm up, say so, then answer one job after another until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    warm_up()
    pipe.send("ready")
    while True:
        try:
            job: Job = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(outcome_of(job))


def warm_up() -> None:
    """Import what an analysis needs by making one: the first real ECG must not wait for it."""
    from ecg import synthesis
    from ecg.formats.wfdb_write import wfdb_zip

    outcome_of(Job(wfdb_zip(synthesis.synthesise().recording), "warm.zip", RULESET))


def outcome_of(job: Job) -> Outcome:
    """Read and analyse one file."""
    import ecg
    from ecg.errors import Unreadable

    try:
        recording = ecg.read(job.data, name=job.name)
    except Unreadable as error:
        return Outcome(problem={"code": error.code, "zh": error.text.zh, "en": error.text.en})
    return _analysed(job, recording)


def _analysed(job: Job, recording: Any) -> Outcome:
    import zstandard

    import ecg
    from ecg.document import document
    from ecg.samples import viewer_document
    from ecg.signal import calibrate

    recording = calibrate(recording)
    analysis = ecg.analyze(recording, ruleset=job.ruleset)
    return Outcome(
        document=zstandard.compress(_json(document(analysis, recording, job.name)), 3),
        samples=zstandard.compress(_json(viewer_document(recording, analysis)), 3),
        ruleset=analysis.ruleset,
        software=analysis.version,
    )


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
