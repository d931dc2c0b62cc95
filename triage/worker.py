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
class Prior:
    """An earlier ECG of the same patient. ``is_proven``: a card or a valid number says that it is theirs."""

    data: bytes
    name: str
    exam: str
    minutes: float
    is_proven: bool
    pain: bool | None


@dataclass(frozen=True, slots=True)
class Job:
    """One exam's file."""

    data: bytes
    name: str
    ruleset: str
    prior: Prior | None = None
    """The patient's ECG before this one, to compare with."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it: a result, or the problem that the file has ({code, zh, en})."""

    document: bytes = b""
    samples: bytes = b""
    ruleset: str = ""
    software: str = ""
    fingerprint: bytes = b""
    """The curve itself, small; empty for what cannot be read as an ECG of anybody."""
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
    from ecg.fingerprint import fingerprint
    from ecg.samples import viewer_document
    from ecg.signal import calibrate

    recording = calibrate(recording)
    analysis = ecg.analyze(recording, ruleset=job.ruleset)
    found = document(analysis, recording, job.name)
    if job.prior is not None:
        found["comparison"] = _compared(analysis, job.prior, job.ruleset)
    readable = analysis.quality.grade not in ("D", "E")
    return Outcome(
        document=zstandard.compress(_json(found), 3),
        samples=zstandard.compress(_json(viewer_document(recording, analysis)), 3),
        ruleset=analysis.ruleset,
        software=analysis.version,
        fingerprint=fingerprint(recording, analysis).data if readable else b"",
    )


def _compared(now: Any, prior: Prior, ruleset: str) -> dict[str, Any] | None:
    """What is new since the earlier ECG; ``None`` where that cannot be read any more, for it keeps no analysis back."""
    import ecg
    from ecg.compare import Circumstances, Identity, compare
    from ecg.signal import calibrate

    try:
        then = ecg.analyze(calibrate(ecg.read(prior.data, name=prior.name)), ruleset=ruleset)
        identity = Identity.PROVEN if prior.is_proven else Identity.DOUBTFUL
        found = compare(now, then, identity, Circumstances(pain=prior.pain, minutes_between=prior.minutes))
    except Exception:  # noqa: BLE001 (the earlier ECG is a help; this one's analysis must not wait for it)
        return None
    return {"exam": prior.exam, "minutes": round(prior.minutes, 1), **_comparison(found)}


def _comparison(found: Any) -> dict[str, Any]:
    """The comparison as JSON, its changes like the findings of the analysis."""

    def say(text: Any) -> dict[str, str]:
        return {"zh": text.zh, "en": text.en}

    def line(one: Any) -> dict[str, Any]:
        return {"lead": one.lead, "measure": one.measure, "value": one.value, "op": one.op, "limit": one.limit}

    changes = [
        {
            "code": one.code,
            "name": say(one.name),
            "state": one.state.value,
            "certainty": one.certainty.value,
            "evidence": [line(evidence) for evidence in one.evidence],
            "notes": list(one.notes),
        }
        for one in found.changes
    ]
    skipped = [{"code": one.code, "why": say(one.why)} for one in found.not_assessed]
    return {
        "identity": found.identity.value,
        "correlation": found.correlation,
        "same_qrs": found.same_qrs,
        "unchanged": found.unchanged,
        "st_j_mv": dict(found.st_j_mv),
        "rhythm": list(found.rhythm),
        "changes": changes,
        "not_assessed": skipped,
    }


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
