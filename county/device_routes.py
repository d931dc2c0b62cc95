"""HTTP of devices: a one-time code for a key."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from county import enrolment
from county.access import Action
from county.http import CurrentLedger, permit
from county.problem import problems

router = APIRouter(tags=["devices"])


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
async def enrol(body: EnrolmentDocument, request: Request, ledger: CurrentLedger) -> EnrolledDocument:
    """Exchange a one-time code for the device's key, once."""
    address = request.client.host if request.client else ""
    done = await enrolment.exchange(ledger, body.code, body.name, address)
    return EnrolledDocument(
        device=done.device,
        key=done.key,
        site=PlaceDocument(id=done.site.id, name=done.site.name),
        county=ContactDocument(name=done.county.name, phone=done.county.phone),
    )
