"""HTTP of the roster: who is on call, put somebody on call, swap, withdraw, read a spreadsheet, hand over."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from county import hand_over, roster_import, rosters
from county.access import Action, Actor, Place, may
from county.http import CurrentActor, CurrentLedger, permit
from county.once import IdempotencyKey, once
from county.problem import Problem, not_found, problems
from county.rosters import Slot
from ledger.clock import SECOND, instant, iso
from ledger.database import Ledger, Transaction

router = APIRouter(tags=["county"])

NEXT_S = 24 * 3600  # how far ahead shifts are shown
GAPS_S = 7 * 24 * 3600  # and times with nobody
WATCHED = (Slot.FIRST, Slot.BACKUP)  # the doctors: without one of them the ladder loses a rung

Time = Annotated[str, Field(description="UTC, ISO 8601 with microseconds.", examples=["2026-11-24T03:10:05.000000Z"])]


def _usable(text: str) -> str:
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError("no database could hold it")
    return text


def _with_zone(text: str) -> str:
    at = instant(_usable(text))  # ValueError without a zone
    if not 0 <= at < 2**53:
        raise ValueError("not in this age")
    return text


Text = Annotated[str, AfterValidator(_usable)]
Id = Annotated[str, AfterValidator(_usable), Field(min_length=1, max_length=100)]
Reason = Annotated[str, AfterValidator(_usable), Field(min_length=1, max_length=200)]
ZonedTime = Annotated[
    str,
    AfterValidator(_with_zone),
    Field(max_length=40, description="ISO 8601 with its zone.", examples=["2026-11-24T08:00:00+08:00"]),
]


class ReachableDocument(BaseModel):
    """Somebody to call."""

    id: str
    name: str
    phone: str


class OnDutyDocument(BaseModel):
    """Somebody on call now; ``to_at``: when the shift ends."""

    slot: Slot
    person: ReachableDocument
    id: str
    to_at: Time


class ShiftDocument(OnDutyDocument):
    """A shift to come."""

    from_at: Time


class GapDocument(BaseModel):
    """A time in which a slot has nobody; ``to_at``: null if nobody ever comes."""

    slot: Slot
    from_at: Time
    to_at: Time | None


class HandOverDocument(BaseModel):
    """The newest hand-over note."""

    text: str
    at: Time
    by: dict[str, str]


class CandidateDocument(ReachableDocument):
    """Somebody who can be put on call, and where."""

    slots: list[Slot]


class RostersDocument(BaseModel):
    """Who is on call, in the ladder's order; the shifts of the next day; the gaps of the next week; the hand-over.

    ``people``: who can be put on call, for those who may do it; empty for others.
    """

    now: list[OnDutyDocument]
    next: list[ShiftDocument]
    gaps: list[GapDocument]
    hand_over: HandOverDocument | None
    people: list[CandidateDocument]


class NewShift(BaseModel):
    """Put somebody on call."""

    slot: Slot
    person: Id
    from_at: ZonedTime
    to_at: ZonedTime


class Swap(BaseModel):
    """Who takes the shift over: a ``person``, or the person of another ``shift``, who gives theirs in exchange."""

    person: Id | None = None
    shift: Id | None = None
    reason: Reason | None = None


class Withdrawal(BaseModel):
    """Why nobody takes it."""

    reason: Reason


class Spreadsheet(BaseModel):
    """A CSV file with a line a shift; ``dry_run``: only say what would come of it."""

    csv: Annotated[str, AfterValidator(_usable), Field(max_length=roster_import.MOST_BYTES)]
    dry_run: bool = False


class Note(BaseModel):
    """What the next one on call must know."""

    text: Annotated[str, AfterValidator(_usable), Field(min_length=1, max_length=hand_over.MOST_LETTERS)]


class ShiftIds(BaseModel):
    """The shifts that were made."""

    shifts: list[str]


class Imported(BaseModel):
    """What came of a file."""

    added: int
    known: int
    dry_run: bool


class Written(BaseModel):
    """The note's number."""

    number: int


@router.get("/v1/rosters", dependencies=[permit(Action.SEE_ROSTER)], responses=problems(401, 403, 404))
async def see_rosters(actor: CurrentActor, ledger: CurrentLedger) -> RostersDocument:
    """Who is on call now and next, when nobody will be, and what was handed over."""
    _at_the_county(actor, Action.SEE_ROSTER)
    now = ledger.clock.now()
    return await ledger.aread(lambda connection: _rosters(connection, actor, now))


@router.post(
    "/v1/rosters",
    status_code=201,
    dependencies=[permit(Action.EDIT_ROSTER)],
    responses=problems(400, 401, 403, 404, 422, 503),
)
async def add_shift(body: NewShift, actor: CurrentActor, ledger: CurrentLedger, key: IdempotencyKey = None) -> ShiftIds:
    """Put somebody on call."""

    def work(tx: Transaction) -> dict[str, Any]:
        begins, ends = instant(body.from_at), instant(body.to_at)
        return {"shifts": [rosters.add(tx, actor.county, body.slot, body.person, begins, ends, actor=actor.id)]}

    return ShiftIds(**await _edited(ledger, actor, key, "roster.add", body, work))


@router.post(
    "/v1/rosters/import",
    dependencies=[permit(Action.EDIT_ROSTER)],
    responses=problems(400, 401, 403, 404, 422, 503),
)
async def import_shifts(
    body: Spreadsheet, actor: CurrentActor, ledger: CurrentLedger, key: IdempotencyKey = None
) -> Imported:
    """Take a whole spreadsheet: every line, or none."""
    _at_the_county(actor, Action.EDIT_ROSTER)
    lines = roster_import.read(body.csv)
    if body.dry_run:
        try:
            found = await ledger.awrite(lambda tx: roster_import.try_out(tx, actor.county, lines))
        except roster_import.Tried as tried:
            found = tried.found
        return Imported(added=found.added, known=found.known, dry_run=True)

    def work(tx: Transaction) -> dict[str, Any]:
        taken = roster_import.take(tx, actor.county, lines, actor=actor.id)
        return {"added": taken.added, "known": taken.known, "dry_run": False}

    return Imported(**await _edited(ledger, actor, key, "roster.import", body, work))


@router.post(
    "/v1/rosters/hand-over",
    status_code=201,
    dependencies=[permit(Action.SEE_ROSTER)],
    responses=problems(400, 401, 403, 404, 422, 503),
)
async def write_hand_over(
    body: Note, actor: CurrentActor, ledger: CurrentLedger, key: IdempotencyKey = None
) -> Written:
    """Leave a note for the next one on call."""
    _at_the_county(actor, Action.SEE_ROSTER)

    def work(tx: Transaction) -> dict[str, Any]:
        number = hand_over.write(tx, actor.county, body.text, actor=actor.id)
        rosters.tell(tx, actor.county)
        return {"number": number}

    try:
        return Written(**await once(ledger, actor, key, "roster.hand-over", body.model_dump(), work))
    except IntegrityError:  # another server wrote a note in the same moment: now ours is the next
        return Written(**await once(ledger, actor, key, "roster.hand-over", body.model_dump(), work))


@router.post(
    "/v1/rosters/{shift}/swap",
    dependencies=[permit(Action.EDIT_ROSTER)],
    responses=problems(400, 401, 403, 404, 422, 503),
)
async def swap_shift(
    shift: str, body: Swap, actor: CurrentActor, ledger: CurrentLedger, key: IdempotencyKey = None
) -> ShiftIds:
    """Give a shift to another person, or exchange it for another shift; from now on if it has begun."""
    if (body.person is None) == (body.shift is None):
        raise Problem(422, "invalid", "换给谁：person 或 shift 二选一。", "To whom: person or shift, one of them.")

    def work(tx: Transaction) -> dict[str, Any]:
        _known(tx, actor, shift)
        if body.person is not None:
            made = [rosters.swap(tx, actor.county, shift, body.person, reason=body.reason, actor=actor.id)]
        else:
            other = str(body.shift)
            made = list(rosters.exchange(tx, actor.county, shift, other, reason=body.reason, actor=actor.id))
        return {"shifts": made}

    return ShiftIds(**await _edited(ledger, actor, key, f"roster.swap {shift}", body, work))


@router.post(
    "/v1/rosters/{shift}/withdraw",
    dependencies=[permit(Action.EDIT_ROSTER)],
    responses=problems(400, 401, 403, 404, 422, 503),
)
async def withdraw_shift(
    shift: str, body: Withdrawal, actor: CurrentActor, ledger: CurrentLedger, key: IdempotencyKey = None
) -> ShiftIds:
    """Take somebody off call, with a reason; nobody takes over."""

    def work(tx: Transaction) -> dict[str, Any]:
        _known(tx, actor, shift)
        rosters.withdraw(tx, actor.county, shift, body.reason, actor=actor.id)
        return {"shifts": []}

    return ShiftIds(**await _edited(ledger, actor, key, f"roster.withdraw {shift}", body, work))


async def _edited(
    ledger: Ledger, actor: Actor, key: str | None, what: str, body: BaseModel, work: Any
) -> dict[str, Any]:
    _at_the_county(actor, Action.EDIT_ROSTER)

    def told(tx: Transaction) -> dict[str, Any]:
        answer: dict[str, Any] = work(tx)
        rosters.tell(tx, actor.county)
        return answer

    return await once(ledger, actor, key, what, body.model_dump(), told)


def _known(tx: Transaction, actor: Actor, shift: str) -> None:
    """404 for a shift that never was, or that is another county's."""
    if not rosters.is_known(tx.connection, actor.county, shift):
        raise not_found()


def _at_the_county(actor: Actor, action: Action) -> None:
    """The roster is the county's: somebody of one site sees none (404)."""
    if not may(actor, action, Place(actor.county)):
        raise not_found()


def _rosters(connection: Connection, actor: Actor, now: int) -> RostersDocument:
    county = actor.county
    running = sorted(rosters.shifts_at(connection, county, now), key=lambda one: list(Slot).index(one.slot))
    coming = rosters.next_shifts(connection, county, now, now + NEXT_S * SECOND)
    note = hand_over.latest(connection, county)
    known = rosters.candidates(connection, county) if may(actor, Action.EDIT_ROSTER, Place(county)) else []
    return RostersDocument(
        now=[OnDutyDocument(**_shift(one)) for one in running],
        next=[ShiftDocument(**_shift(one), from_at=_time(one.from_at)) for one in coming],
        gaps=[
            GapDocument(slot=gap.slot, from_at=_time(gap.from_at), to_at=iso(gap.to_at))
            for gap in rosters.gaps(connection, county, WATCHED, now, now + GAPS_S * SECOND)
        ],
        hand_over=None
        if note is None
        else HandOverDocument(text=note.text, at=_time(note.at), by={"id": note.by, "name": note.name}),
        people=[
            CandidateDocument(id=who.id, name=who.name, phone=who.phone, slots=slots) for who, slots in known if slots
        ],
    )


def _shift(one: rosters.Shift) -> dict[str, Any]:
    who = one.person
    person = ReachableDocument(id=who.id, name=who.name, phone=who.phone)
    return {"slot": one.slot, "person": person, "id": one.id, "to_at": _time(one.to_at)}


def _time(at: int) -> str:
    text = iso(at)
    assert text is not None
    return text
