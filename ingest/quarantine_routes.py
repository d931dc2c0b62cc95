"""HTTP of the quarantine: what is in it, try again, leave it as it is."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from county.access import Action, Actor, Place, may
from county.http import CurrentActor, CurrentLedger, permit
from county.once import IdempotencyKey, once
from county.problem import Problem, not_found, problems
from ingest import quarantine
from ledger.database import Transaction

router = APIRouter(tags=["quarantine"])


class Why(BaseModel):
    """Why no analyser could finish it."""

    code: str | None
    zh: str | None
    en: str | None


class QuarantinedExam(BaseModel):
    """An ECG in quarantine; `software`: the version that could not finish it."""

    exam: str
    site: str
    site_name: str
    case: str | None
    filename: str | None
    bytes: int
    received_at: str
    quarantined_at: str
    released_at: str | None
    reason: Why
    software: str | None
    attempts: int


class Quarantine(BaseModel):
    """A page of it, the oldest first."""

    items: list[QuarantinedExam]
    next: str | None


class Dealt(BaseModel):
    """What was done with an exam: `retry` or `release`."""

    exam: str
    done: str


class Release(BaseModel):
    """Why nothing more can be done."""

    model_config = ConfigDict(hide_input_in_errors=True)

    reason: str = Field(max_length=quarantine.MAX_REASON, examples=["不是心电图"])


def _check(actor: Actor) -> None:
    """The quarantine is the county's, not a clinic's."""
    if not may(actor, Action.QUARANTINE, Place(actor.county)):
        raise not_found()


@router.get("/v1/quarantine", dependencies=[permit(Action.QUARANTINE)], responses=problems(401, 403, 422))
async def list_quarantine(
    actor: CurrentActor, ledger: CurrentLedger, cursor: Annotated[str | None, Query(max_length=100)] = None
) -> Quarantine:
    """ECGs that no analyser could finish, the oldest first; a doctor has them as unread all the same."""
    _check(actor)
    try:
        page = await ledger.aread(lambda connection: quarantine.listed(connection, actor.county, cursor))
    except ValueError:
        raise Problem(422, "bad-cursor", "页码不对，请从第一页开始。", "No such page: begin with the first.") from None
    return Quarantine(**page)


@router.post(
    "/v1/quarantine/{exam}/retry",
    dependencies=[permit(Action.QUARANTINE)],
    responses=problems(401, 403, 404, 409, 422, 503),
)
async def retry(exam: str, actor: CurrentActor, ledger: CurrentLedger, key: IdempotencyKey = None) -> Dealt:
    """Try to read it again, now."""
    _check(actor)

    def work(transaction: Transaction) -> dict[str, Any]:
        return quarantine.retry(transaction, actor.county, exam, actor.id)

    return Dealt(**await once(ledger, actor, key, f"quarantine.retry {exam}", None, work))


@router.post(
    "/v1/quarantine/{exam}/release",
    dependencies=[permit(Action.QUARANTINE)],
    responses=problems(401, 403, 404, 409, 422, 503),
)
async def release(
    exam: str, body: Release, actor: CurrentActor, ledger: CurrentLedger, key: IdempotencyKey = None
) -> Dealt:
    """Leave it as it is, with a reason."""
    _check(actor)

    def work(transaction: Transaction) -> dict[str, Any]:
        return quarantine.release(transaction, actor.county, exam, actor.id, body.reason)

    return Dealt(**await once(ledger, actor, key, f"quarantine.release {exam}", body.model_dump(), work))
