"""Analyser processes that misbehave; each is the target of a spawned process."""

from __future__ import annotations

import json
import os
import time
from multiprocessing.connection import Connection

import zstandard

from triage.worker import RULESET, Job, Outcome

DOCUMENT = {
    "schema": "ecgnet.analysis/1",
    "recording": {"patient": {"age_years": None, "sex": None}},
    "quality": {"grade": "A", "advice": []},
    "measurements": {},
    "findings": [],
    "not_assessed": [],
}


def good(job: Job) -> Outcome:
    """An analysis without findings."""
    packed = zstandard.compress(json.dumps(DOCUMENT).encode())
    return Outcome(packed, zstandard.compress(b"{}"), job.ruleset or RULESET, "0")


def obeys(pipe: Connection) -> None:
    """Answers everything at once; hangs on what is called hang.zip, dies on die.zip, answers nonsense on odd.zip."""
    pipe.send("ready")
    while True:
        try:
            job: Job = pipe.recv()
        except (EOFError, OSError):
            return
        if job.name == "hang.zip":
            time.sleep(60)
        if job.name == "die.zip":
            os._exit(3)
        pipe.send(Outcome(document=b"nonsense") if job.name == "odd.zip" else good(job))


def never_ready(pipe: Connection) -> None:
    """Dies while it warms up."""
    pipe.close()
    os._exit(4)
