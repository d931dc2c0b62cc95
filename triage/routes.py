"""HTTP of the desk's room: worklist, cases and their actions, exams as they are read, figures, the feed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Header, Query, Response, WebSocket
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from county.access import Action, Actor, Place, may
from county.http import CurrentActor, CurrentLedger, permit
from county.problem import Problem, not_found, problems
from ledger import originals
from ledger.database import Ledger
from triage import analyser, figures, live, merging, review, statements, states, views
from triage.documents import (
    CaseDocument,
    ExamDocument,
    Exams,
    Figures,
    MergeDocument,
    Merges,
    StatementsFound,
    Worklist,
    answers,
)
from triage.requests import known_form, request_of

router = APIRouter(tags=["desk"])

Cursor = Annotated[str | None, Query(description="`next` of the page before.", max_length=100)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", max_length=200)]
ActionBody = Annotated[
    dict[str, Any],
    Body(
        description="`seen`: the last number of the case that was on the screen; `id`: the client's own; "
        "`colour` and `reason` of a downgrade, `upgrade` of a confirmation to a more urgent colour, `note`; "
        "`electrodes` of a retake; `statements` (`[{code, accepted, text}]`) and `text` of a report, `password` of its "
        "signature; `text` of a message; `message` and `text` of a read-back.",
        examples=[{"seen": 42, "id": "8b0c…", "reason": "artefact"}],
    ),
]


@router.get(
    "/v1/worklist",
    dependencies=[permit(Action.SEE_CASES)],
    response_model=None,
    responses={**answers(Worklist), **problems(401, 403, 422, 503)},
)
async def worklist(actor: CurrentActor, ledger: CurrentLedger, cursor: Cursor = None) -> dict[str, Any]:
    """The open cases, most urgent first; the list and `seq` are of one snapshot."""

    def page(connection: Connection) -> dict[str, Any]:
        return _paged(lambda: views.worklist(connection, actor, cursor))

    await ledger.awrite(lambda transaction: transaction.audit(actor.county, actor.id, "worklist.read", "worklist"))
    return await ledger.aread(page)


@router.get(
    "/v1/cases/{case}",
    dependencies=[permit(Action.SEE_CASES)],
    response_model=None,
    responses={**answers(CaseDocument), **problems(401, 403, 404, 503)},
)
async def case(case: str, actor: CurrentActor, ledger: CurrentLedger) -> dict[str, Any]:
    """One case; a cardiologist's first look is kept as *seen*."""
    return await review.open_case(ledger, actor, known_form(case))


def _add_action(action: str, right: Action, summary: str) -> None:
    """One route for each action of the case's table."""

    async def act(
        case: str, actor: CurrentActor, ledger: CurrentLedger, body: ActionBody, key: Key = None
    ) -> dict[str, Any]:
        identity = key if key is not None else body.get("id")
        if identity is not None and not isinstance(identity, str):
            raise Problem(422, "id-kind", "id 应为文字。", "id must be text.")
        return await review.act(ledger, actor, request_of(action, identity, {**body, "case": case}))

    router.add_api_route(
        f"/v1/cases/{{case}}/{action}",
        act,
        methods=["POST"],
        summary=summary,
        operation_id=f"case_{action.replace('-', '_')}",
        dependencies=[permit(right)],
        response_model=None,
        responses={**answers(CaseDocument), **problems(400, 401, 403, 404, 409, 422, 429, 503)},
    )


for _action, _right, _summary in (
    ("acknowledge", Action.ACKNOWLEDGE, "I am looking at it"),
    ("claim", Action.DECIDE, "I am reading it; again, to go on"),
    ("release", Action.DECIDE, "I read it no longer; with a reason, lift the hold of a case under two names"),
    ("confirm", Action.DECIDE, "The colour is right; the clinic gets the answer"),
    ("downgrade", Action.DECIDE, "A less urgent colour, with a coded reason"),
    ("stand-down", Action.DECIDE, "Nothing to do, with a coded reason"),
    ("retake", Action.DECIDE, "Ask the clinic to record again, naming the electrodes"),
    ("statements", Action.DECIDE, "Keep the draft of the report"),
    ("sign", Action.DECIDE, "Sign the report, with the password"),
    ("amend", Action.DECIDE, "Replace a signed report, saying why, with the password"),
    ("message", Action.MESSAGE, "Tell the clinic something that it reads back"),
    ("read-back", Action.READ_BACK, "The clinic has read the answer, or a message"),
    ("stop", Action.STOP_LADDER, "End the calling of an alert, with a coded reason"),
):
    _add_action(_action, _right, _summary)


@router.get(
    "/v1/statements",
    dependencies=[permit(Action.SEE_CASES)],
    response_model=None,
    responses={**answers(StatementsFound), **problems(401, 403, 422)},
)
async def statement_search(q: Annotated[str, Query(max_length=60)] = "") -> dict[str, Any]:
    """The catalogue of statements, by code, Chinese, pinyin (initials too) or English, the closest first."""
    return {"items": [known.document() for known in statements.search(q)]}


@router.get(
    "/v1/merges",
    dependencies=[permit(Action.MERGE)],
    response_model=None,
    responses={**answers(Merges), **problems(401, 403, 503)},
)
async def merges(actor: CurrentActor, ledger: CurrentLedger) -> dict[str, Any]:
    """What waits for a second person, and what was merged; with both records, so that it can be judged."""
    await ledger.awrite(lambda transaction: transaction.audit(actor.county, actor.id, "merges.read", "merges"))
    return {"items": await ledger.aread(lambda connection: merging.listed(connection, actor))}


class MergeBody(BaseModel):
    """Into which record, and why."""

    into: str = Field(max_length=60)
    reason: str = Field(max_length=500)


class UnmergeBody(BaseModel):
    """Why it is undone."""

    reason: str = Field(max_length=500)


@router.post(
    "/v1/patients/{patient}/merge",
    dependencies=[permit(Action.MERGE)],
    response_model=None,
    responses={**answers(MergeDocument), **problems(401, 403, 404, 409, 422, 503)},
)
async def merge(patient: str, actor: CurrentActor, ledger: CurrentLedger, body: MergeBody) -> dict[str, Any]:
    """Propose that this record is another's patient; by a second person, confirm it."""
    which, into = known_form(patient), known_form(body.into)
    reason = known_form(body.reason)
    return await ledger.awrite(lambda transaction: merging.merge(transaction, actor, which, into, reason))


@router.post(
    "/v1/patients/{patient}/unmerge",
    dependencies=[permit(Action.MERGE)],
    response_model=None,
    responses={**answers(MergeDocument), **problems(401, 403, 404, 409, 422, 503)},
)
async def unmerge(patient: str, actor: CurrentActor, ledger: CurrentLedger, body: UnmergeBody) -> dict[str, Any]:
    """Undo the merge of this record, or withdraw the proposal: everything is where it was."""
    which, reason = known_form(patient), known_form(body.reason)
    return await ledger.awrite(lambda transaction: merging.unmerge(transaction, actor, which, reason))


@router.get(
    "/v1/exams",
    dependencies=[permit(Action.SEE_EXAM)],
    response_model=None,
    responses={**answers(Exams), **problems(401, 403, 422)},
)
async def exams(actor: CurrentActor, ledger: CurrentLedger, cursor: Cursor = None) -> dict[str, Any]:
    """The newest exams that one may see."""

    def page(connection: Connection) -> dict[str, Any]:
        return _paged(lambda: views.exams(connection, actor, cursor))

    return await ledger.aread(page)


@router.get(
    "/v1/exams/{exam}",
    dependencies=[permit(Action.SEE_EXAM)],
    response_model=None,
    responses={**answers(ExamDocument), **problems(401, 403, 404)},
)
async def exam(exam: str, actor: CurrentActor, ledger: CurrentLedger) -> dict[str, Any]:
    """The receipt, what became of it, and who has seen and answered it."""
    which = known_form(exam)
    found = await ledger.aread(lambda connection: views.exam(connection, actor, which))
    if found is None:
        raise not_found()
    return found


@router.get("/v1/exams/{exam}/analysis", dependencies=[permit(Action.SEE_EXAM)], responses=problems(401, 403, 404))
async def analysis(exam: str, actor: CurrentActor, ledger: CurrentLedger) -> Response:
    """The newest analysis, `ecgnet.analysis/1`."""
    row = await _stored(ledger, actor, exam)
    return JSONResponse(analyser.unpacked(row.document))


@router.get("/v1/exams/{exam}/samples", dependencies=[permit(Action.SEE_EXAM)], responses=problems(401, 403, 404))
async def samples(exam: str, actor: CurrentActor, ledger: CurrentLedger) -> Response:
    """What a viewer draws: calibrated samples and the average beat in µV."""
    row = await _stored(ledger, actor, exam)
    return JSONResponse(analyser.unpacked(row.samples), headers={"Cache-Control": "private, max-age=86400"})


@router.get(
    "/v1/exams/{exam}/drawing.svg",
    dependencies=[permit(Action.SEE_EXAM)],
    responses={**problems(401, 403, 404), 200: {"content": {"image/svg+xml": {}}}},
    response_class=Response,
)
async def drawing(exam: str, actor: CurrentActor, ledger: CurrentLedger, language: str = "zh") -> Response:
    """The tracing on paper, true to scale: 25 mm/s, 10 mm/mV."""
    which = known_form(exam)
    data, name = await ledger.aread(lambda connection: _original(connection, actor, which))
    svg = await run_in_threadpool(_drawn, data, name, "en" if language == "en" else "zh")
    if svg is None:
        raise not_found()
    return Response(svg, media_type="image/svg+xml")


@router.get(
    "/v1/figures",
    dependencies=[permit(Action.SEE_FIGURES)],
    response_model=None,
    responses={**answers(Figures), **problems(401, 403, 404)},
)
async def board(actor: CurrentActor, ledger: CurrentLedger) -> dict[str, Any]:
    """The day: open cases without names, alert to acknowledgement, counts."""
    if not may(actor, Action.SEE_FIGURES, Place(actor.county)):  # of one site only
        raise not_found()
    now = ledger.clock.now()
    return await ledger.aread(lambda connection: figures.board(connection, actor, now))


@router.websocket("/v1/feed")
async def feed(socket: WebSocket) -> None:
    """The feed (ARCHITECTURE.md §6): events in order, replay by number, actions."""
    await live.serve(socket, socket.app.state.ledger, socket.app.state.desk.hub)


feed.checks_actor = True  # type: ignore[attr-defined]


def _paged(page: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return page()
    except (ValueError, TypeError):
        raise Problem(422, "bad-cursor", "翻页位置（cursor）无效。", "The cursor is not one of ours.") from None


async def _stored(ledger: Ledger, actor: Actor, exam: str) -> Any:
    which = known_form(exam)

    def stored(connection: Connection) -> Any:
        site = views.site_of_exam(connection, actor.county, which)
        if site is None or not may(actor, Action.SEE_EXAM, Place(actor.county, site)):
            return None
        return analyser.stored(connection, actor.county, which)

    row = await ledger.aread(stored)
    if row is None:
        raise not_found()
    return row


def _original(connection: Connection, actor: Actor, exam: str) -> tuple[bytes, str]:
    found = views.exam(connection, actor, exam)
    if found is None or found["status"] != states.Exam.ANALYSED:
        raise not_found()
    return originals.get(connection, actor.county, found["sha256"]), analyser.name_of(found["files"])


def _drawn(data: bytes, name: str, language: Literal["zh", "en"]) -> str | None:
    """The picture, or ``None`` if this version cannot read what an earlier one could."""
    import ecg
    from ecg import drawing as paper
    from ecg.errors import Unreadable
    from ecg.signal import calibrate

    try:
        recording = calibrate(ecg.read(data, name=name))
    except Unreadable:
        return None
    return paper.svg(recording, ecg.analyze(recording), language=language)
