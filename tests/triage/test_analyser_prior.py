"""What the worker adds for the desk: the fingerprint, and the comparison with the patient's last ECG."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import zstandard

from ecg.album import Album
from ecg.formats.wfdb_write import wfdb_zip
from ecg.synthesis import Heart, synthesise
from ingest import receive
from ingest.context import Context
from ingest.identity import Identity
from ledger import due, schema
from tests.triage.kit import WANG, World
from triage import analyser
from triage.rating import Colour, Facts, rate
from triage.worker import Job, Outcome, Prior, outcome_of

INFERIOR = {"I": -0.1, "II": 0.25}  # by Einthoven III 0.35


@cache
def file(seed: int, *, elevated: bool = False) -> bytes:
    return wfdb_zip(synthesise(Heart(st_mv=INFERIOR if elevated else {}), seed=seed).recording)


def document(outcome: Outcome) -> dict[str, Any]:
    return json.loads(zstandard.decompress(outcome.document))


def test_the_fingerprint_is_kept_and_finds_its_own_ecg() -> None:
    outcome = outcome_of(Job(file(1), "a.zip", "udmi-2018"))
    album = Album()
    album.add("this", outcome.fingerprint)
    album.add("other", outcome_of(Job(file(2), "b.zip", "udmi-2018")).fingerprint)
    assert album.like(outcome.fingerprint) == ["this"]
    assert album.like(b"\x09 is no fingerprint") == []


def test_new_elevation_is_said_against_a_proven_prior_and_only_possible_against_a_doubtful_one() -> None:
    prior = Prior(file(1), "old.zip", "exam-1", 600.0, is_proven=True, pain=True)
    job = Job(file(2, elevated=True), "new.zip", "udmi-2018", prior)
    found = document(outcome_of(job))["comparison"]
    assert (found["exam"], found["minutes"], found["identity"]) == ("exam-1", 600.0, "proven")
    assert "D_STE_NEW" in {change["code"] for change in found["changes"]}
    assert found["st_j_mv"]["III"] > 0.2  # 0.35 mV were added
    doubtful = document(outcome_of(replace(job, prior=replace(prior, is_proven=False))))["comparison"]
    assert doubtful["identity"] == "doubtful"
    assert {change["certainty"] for change in doubtful["changes"]} == {"possible"}


def test_a_prior_that_cannot_be_read_keeps_no_analysis_back() -> None:
    job = Job(
        file(1), "new.zip", "udmi-2018", Prior(b"not an ECG", "old.zip", "exam-1", 1.0, is_proven=True, pain=None)
    )
    found = document(outcome_of(job))
    assert found["comparison"] is None
    assert found["findings"]
    assert rate(found, Facts()).colour in set(Colour)


def received(world: World, data: bytes, patient: Identity | None) -> str:
    context = Context() if patient is None else Context(identity=patient)
    ready = receive.prepare(receive.Submission(world.county, world.site, "d", [("ecg.zip", data)], context))
    return world.ledger.write(lambda tx: receive.accept(tx, ready)).exam


def next_job(world: World) -> Job:
    """What the analyser would hand to a worker now."""

    def claim(tx: Any) -> due.Claim:
        return due.claim(tx, analyser.QUEUE, 1)[0]

    held = world.ledger.write(claim)
    return world.ledger.read(lambda connection: analyser._job(connection, held))


def test_the_prior_is_the_patients_own_last_analysed_ecg(world: World) -> None:
    first = received(world, b"one", WANG)
    assert next_job(world).prior is None
    world.analyse(first)
    world.rate()
    world.clock.advance(3600)
    received(world, b"strange", Identity(name="赵铁柱", card="C-8"))
    assert next_job(world).prior is None
    received(world, b"nobody", None)
    assert next_job(world).prior is None
    received(world, b"two", WANG)
    prior = next_job(world).prior
    assert prior is not None
    assert (prior.exam, prior.data, prior.minutes, prior.is_proven) == (first, b"one", 60.0, True)
    assert world.row(schema.exam, id=first)["fingerprint"] is None
    world.clock.advance(400 * 86400)
    received(world, b"three", WANG)
    assert next_job(world).prior is None  # older than a year
