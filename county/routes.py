"""HTTP of the county's room: one's own session, who is on call, the clinics."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from county import counties, device_routes, roster_routes, signin, sites
from county.access import Action, Actor, Place, Role, may
from county.http import CurrentActor, CurrentLedger, permit
from county.people import Person
from county.problem import not_permitted, not_signed_in, problems
from ledger.clock import iso

router = APIRouter(tags=["county"])
router.include_router(roster_routes.router)
router.include_router(device_routes.router)

COOKIE_S = 7 * 86400  # the row says when a session ends; the cookie only must not end before an extended one

Time = Annotated[str, Field(description="UTC, ISO 8601 with microseconds.", examples=["2026-11-24T03:10:05.000000Z"])]


class Credentials(BaseModel):
    """Who signs in; ``county`` (name or id) only where the server has several."""

    model_config = ConfigDict(hide_input_in_errors=True)

    name: str = Field(max_length=200)
    password: str = Field(max_length=1000, json_schema_extra={"format": "password"})
    county: str | None = Field(default=None, max_length=200)


class PersonDocument(BaseModel):
    """A person; ``sites`` is empty for somebody of the whole county."""

    id: str
    name: str
    role: Role
    sites: list[str]


class SignedInDocument(BaseModel):
    """A new session; the cookie holds the same token."""

    token: str
    expires_at: Time
    person: PersonDocument


class CountyDocument(BaseModel):
    """The county, with the number to ring when nothing else works."""

    id: str
    name: str
    phone: str


class SiteDocument(BaseModel):
    """The clinic at which a person works."""

    id: str
    name: str
    township: str
    phone: str


class SessionDocument(BaseModel):
    """Whose session this is, and until when."""

    person: PersonDocument
    expires_at: Time
    county: CountyDocument
    site: SiteDocument | None


class SiteTodayDocument(SiteDocument):
    """A clinic and its day; ``x`` and ``y`` from 0 to 1 on the county's map."""

    x: float | None
    y: float | None
    last_exam_at: Time | None
    sent_today: int
    open_colour: str | None = Field(description="Of its most urgent open case that was analysed.")
    live_at: Time | None = Field(description="Since when it counts for coverage and silence.")
    expected_every_s: int | None = Field(description="How often it sends, where that was set; else it is learned.")
    silent_at: Time | None = Field(description="Since when it is held to be silent.")
    heard_at: Time | None = Field(description="The last beat of its devices: quiet, or switched off?")
    waiting: int = Field(description="ECGs that its devices hold and could not send yet.")
    waiting_since_at: Time | None = Field(description="The oldest of them.")
    trained_at: Time | None = Field(description="When somebody there was trained; with a test ECG it goes live.")
    test_exam: str | None = Field(description="The test ECG that came through.")


class SitesDocument(BaseModel):
    """The clinics that one may see."""

    items: list[SiteTodayDocument]


@router.post("/v1/session", dependencies=[permit(Action.PUBLIC)], responses=problems(401, 403, 422, 429, 503))
async def begin_session(
    body: Credentials, request: Request, response: Response, ledger: CurrentLedger
) -> SignedInDocument:
    """Sign in. A wrong name and a wrong password get the same answer, after the same time."""
    if "origin" in request.headers:  # another site's page must not sign a browser in as somebody else
        signin.check_origin(request)
    address = request.client.host if request.client else ""
    begun = await signin.sign_in(ledger, body.name, body.password, body.county, address)
    response.set_cookie(
        signin.COOKIE,
        begun.token,
        max_age=COOKIE_S,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    response.headers["Cache-Control"] = "no-store"
    return SignedInDocument(token=begun.token, expires_at=_time(begun.expires_at), person=_person(begun.person))


@router.get("/v1/session", dependencies=[permit(Action.OWN_SESSION)], responses=problems(401, 403))
async def see_session(actor: CurrentActor, ledger: CurrentLedger, response: Response) -> SessionDocument:
    """Who am I, where, and until when."""
    if actor.is_device:
        raise not_permitted()
    now = ledger.clock.now()
    response.headers["Cache-Control"] = "no-store"
    return await ledger.aread(lambda connection: _session(connection, actor, now))


@router.delete(
    "/v1/session", status_code=204, dependencies=[permit(Action.OWN_SESSION)], responses=problems(401, 403, 503)
)
async def end_session(actor: CurrentActor, ledger: CurrentLedger, request: Request, response: Response) -> None:
    """Sign out everywhere: every session of the person ends, and their feeds close (4401)."""
    if actor.is_device:
        raise not_permitted()
    await signin.sign_out(ledger, actor)
    is_tls = request.url.scheme == "https"
    response.delete_cookie(signin.COOKIE, path="/", secure=is_tls, httponly=True, samesite="strict")


@router.get("/v1/sites", dependencies=[permit(Action.SEE_SITES)], responses=problems(401, 403))
async def see_sites(actor: CurrentActor, ledger: CurrentLedger) -> SitesDocument:
    """The clinics, by township, with their day."""
    now = ledger.clock.now()
    known = await ledger.aread(lambda connection: sites.all_sites(connection, actor.county, now))
    seen = [one for one in known if may(actor, Action.SEE_SITES, Place(actor.county, one.site.id))]
    return SitesDocument(items=[_site_today(one) for one in seen])


def _session(connection: Connection, actor: Actor, now: int) -> SessionDocument:
    found, county = signin.session(connection, actor, now), counties.get(connection, actor.county)
    if found is None or county is None:
        raise not_signed_in()  # ended between the two reads
    site = sites.get(connection, actor.county, actor.site) if actor.site else None
    return SessionDocument(
        person=_person(found.person),
        expires_at=_time(found.expires_at),
        county=CountyDocument(id=county.id, name=county.name, phone=county.phone),
        site=SiteDocument(id=site.id, name=site.name, township=site.township, phone=site.phone) if site else None,
    )


def _site_today(one: sites.SiteToday) -> SiteTodayDocument:
    site = one.site
    return SiteTodayDocument(
        id=site.id,
        name=site.name,
        township=site.township,
        phone=site.phone,
        x=site.map_x,
        y=site.map_y,
        last_exam_at=iso(site.last_exam_at),
        sent_today=one.sent_today,
        open_colour=one.open_colour,
        live_at=iso(one.live_at),
        expected_every_s=one.expected_every_s,
        silent_at=iso(one.silent_at),
        heard_at=iso(one.heard_at),
        waiting=one.waiting,
        waiting_since_at=iso(one.waiting_since_at),
        trained_at=iso(one.trained_at),
        test_exam=one.test_exam,
    )


def _person(person: Person) -> PersonDocument:
    return PersonDocument(id=person.id, name=person.name, role=person.role, sites=person.sites)


def _time(instant: int) -> str:
    at = iso(instant)
    assert at is not None
    return at
