"""HTTP of devices: a one-time code for a key, and the beat by which a silent device is told from a quiet one."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from county import counties, devices, enrolment, sites
from county.access import Action, Place, may
from county.clocks import Sample
from county.http import CurrentActor, CurrentLedger, permit
from county.once import IdempotencyKey
from county.problem import not_permitted, not_signed_in, problems
from ledger.clock import SECOND, instant, iso
from ledger.database import Transaction

router = APIRouter(tags=["devices"])

LAST_WITHIN_S = 3600  # an older beat says less of the clock than this one


class EnrolmentDocument(BaseModel):
    """A one-time code, and what the device calls itself."""

    model_config = ConfigDict(hide_input_in_errors=True)

    code: str = Field(max_length=100, examples=["7K3M-QX2P-9RTD-4HVB"])
    name: str = Field(default="", max_length=200, description="The computer's own name.")


class PlaceDocument(BaseModel):
    """The clinic that a device belongs to."""

    id: str
    name: str


class ContactDocument(BaseModel):
    """The county, with the number to ring when nothing else works."""

    name: str
    phone: str


class EnrolledDocument(BaseModel):
    """A device's key; it is nowhere else."""

    device: str
    key: str
    site: PlaceDocument
    county: ContactDocument


@router.post(
    "/v1/devices/enrol",
    status_code=201,
    dependencies=[permit(Action.PUBLIC)],
    responses=problems(401, 422, 429, 503),
)
async def enrol(
    body: EnrolmentDocument, request: Request, ledger: CurrentLedger, key: IdempotencyKey = None
) -> EnrolledDocument:
    """Exchange a one-time code for the device's key, once; a repeat by the same long random key gets the same."""
    address = request.client.host if request.client else ""
    done = await enrolment.exchange(ledger, body.code, body.name, address, key)
    return EnrolledDocument(
        device=done.device,
        key=done.key,
        site=PlaceDocument(id=done.site.id, name=done.site.name),
        county=ContactDocument(name=done.county.name, phone=done.county.phone),
    )


# --- the beat --------------------------------------------------------------------------------------------------------


class LastBeatDocument(BaseModel):
    """How the beat before went: what tells the clock best, for its round trip is known."""

    sent_at: AwareDatetime
    received_at: AwareDatetime = Field(description="As the answer said.")
    round_trip_s: float = Field(ge=0, le=3600, description="From sending to the answer, by a clock that is never set.")


class BeatDocument(BaseModel):
    """What a device says of itself, each minute."""

    version: str = Field(max_length=100)
    waiting: int = Field(ge=0, le=1_000_000, description="ECGs in its spool.")
    oldest_waiting_at: AwareDatetime | None = Field(default=None, description="By its own clock.")
    sent_at: AwareDatetime = Field(description="By its own clock.")
    last: LastBeatDocument | None = None


class HeardDocument(BaseModel):
    """When the beat came, and whom to ring; ``version``: the newest, the server's own."""

    received_at: str
    version: str
    county: ContactDocument
    site: PlaceDocument


@router.post("/v1/devices/beat", dependencies=[permit(Action.SEND)], responses=problems(401, 403, 422, 503))
async def beat(body: BeatDocument, request: Request, actor: CurrentActor, ledger: CurrentLedger) -> HeardDocument:
    """Say that a device is alive, what waits in it, and what its clock shows."""
    received_at = ledger.clock.now()
    if not actor.is_device or actor.site is None or not may(actor, Action.SEND, Place(actor.county, actor.site)):
        raise not_permitted()
    said, site = _said(body, received_at), actor.site

    def keep(tx: Transaction) -> tuple[counties.County | None, sites.Site | None]:
        devices.beat(tx, actor.county, actor.id, said)
        return counties.get(tx.connection, actor.county), sites.get(tx.connection, actor.county, site)

    county, place = await ledger.awrite(keep)
    if county is None or place is None:
        raise not_signed_in()
    return HeardDocument(
        received_at=iso(received_at) or "",
        version=request.app.version,
        county=ContactDocument(name=county.name, phone=county.phone),
        site=PlaceDocument(id=place.id, name=place.name),
    )


def _said(body: BeatDocument, received_at: int) -> devices.Beat:
    samples = [Sample(_us(body.sent_at), received_at)]
    if (last := body.last) is not None and 0 <= received_at - _us(last.received_at) <= LAST_WITHIN_S * SECOND:
        samples.insert(0, Sample(_us(last.sent_at), _us(last.received_at), round(last.round_trip_s * SECOND)))
    oldest = None if body.oldest_waiting_at is None else _us(body.oldest_waiting_at)
    return devices.Beat("".join(filter(str.isprintable, body.version)), body.waiting, oldest, tuple(samples))


def _us(at: datetime) -> int:
    return instant(at.isoformat())
