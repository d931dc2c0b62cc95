"""HTTP of ingest: an ECG by one POST or by tus, what is known of it later, and its original bytes.

A body is read only after the key was checked and only up to the limit; nothing is gathered on a disk.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from sqlalchemy import Connection, RowMapping, bindparam, select

from county.access import Action, Actor, Place, may
from county.http import CurrentActor, CurrentLedger, permit
from county.problem import Problem, not_found, not_permitted, problems, too_large
from ingest import admission, context, receive, tus, uploads
from ingest.body import Body
from ingest.form import Form, FormError
from ingest.tus import Answer, Append, Mark, Refuse, Terminate
from ingest.uploads import Upload
from ledger import originals, schema
from ledger.database import Ledger, Transaction

router = APIRouter(tags=["ingest"])

# Where an exam is, and what its original is called.
_EXAM = select(schema.exam.c.id, schema.exam.c.site_id, schema.exam.c.sha256, schema.exam.c.files).where(
    schema.exam.c.county_id == bindparam("county"), schema.exam.c.id == bindparam("which")
)

_FORM = {
    "type": "object",
    "properties": {
        "file": {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1},
        "context": {"type": "string", "description": "JSON: urgent, symptoms, onset_at, fmc_at, patient"},
    },
    "required": ["file"],
}
_SENT = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}}
_SAID = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}
_BYTES_SENT = {"requestBody": {"content": {tus.BYTES: {"schema": {"type": "string", "format": "binary"}}}}}

# --- one POST --------------------------------------------------------------------------------------------------------


@router.post(
    "/v1/exams",
    status_code=201,
    dependencies=[permit(Action.SEND)],
    responses=problems(400, 401, 403, 408, 413, 415, 422, 429, 503, 507),
    openapi_extra=_SENT,
)
async def send(request: Request, actor: CurrentActor, ledger: CurrentLedger) -> JSONResponse:
    """Send an ECG: one or more ``file`` parts and an optional ``context``. 201, or 200 for the same bytes again."""
    site = _site(actor)
    door = admission.of(request, actor, site)
    with door.unknown():
        form = await _form(request)
    said = context.parse(form.context)
    door.admit(sum(len(data) for _, data in form.files), pressing=said.is_pressing)
    submission = receive.Submission(actor.county, site, actor.id, form.files, said)
    try:
        receipt = await receive.receive(ledger, submission)
    except receive.NoFileError:
        raise Problem(422, "no-file", "没有收到文件，请选择心电图文件。", "There is no part named file.") from None
    return JSONResponse(receipt.document(), 201 if receipt.is_new else 200)


@router.post(
    "/v1/exams/{exam}/context",
    dependencies=[permit(Action.SEND)],
    responses=problems(401, 403, 404, 408, 413, 503),
    openapi_extra=_SAID,
)
async def add_context(exam: str, request: Request, actor: CurrentActor, ledger: CurrentLedger) -> JSONResponse:
    """Say later what is known beside an ECG; urgency and symptoms only ever rise."""
    await _visible(ledger, actor, Action.SEND, exam)
    said = context.parse(await _small(request))

    def add(transaction: Transaction) -> receive.Receipt:
        return receive.add_context(transaction, actor.county, exam, said, actor.id)

    return JSONResponse((await receive.raced(ledger, add)).document())


@router.get(
    "/v1/exams/{exam}/original",
    dependencies=[permit(Action.SEE_EXAM)],
    responses=problems(401, 403, 404),
    response_class=Response,
)
async def original(exam: str, actor: CurrentActor, ledger: CurrentLedger) -> Response:
    """The bytes as they were sent; of several files, the zip of them."""
    row = await _visible(ledger, actor, Action.SEE_EXAM, exam)
    data = await ledger.aread(lambda connection: originals.get(connection, actor.county, row["sha256"]))
    detail = {"exam": exam, "sha256": row["sha256"]}
    place = row["site_id"]
    await ledger.awrite(lambda tx: tx.audit(actor.county, actor.id, "original.read", place, detail=detail))
    name = row["files"][0]["name"] if len(row["files"]) == 1 else f"{exam}.zip"
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "ETag": f'"{row["sha256"]}"',
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(data, media_type="application/octet-stream", headers=headers)


def _site(actor: Actor) -> str:
    if actor.site is None or not may(actor, Action.SEND, Place(actor.county, actor.site)):
        raise not_permitted()
    return actor.site


async def _visible(ledger: Ledger, actor: Actor, action: Action, exam: str) -> RowMapping:
    """The exam's row, if the actor may do this there; else it does not exist."""

    def look(connection: Connection) -> RowMapping | None:
        return connection.execute(_EXAM, {"county": actor.county, "which": exam}).mappings().one_or_none()

    row = await ledger.aread(look)
    if row is None or not may(actor, action, Place(actor.county, row["site_id"])):
        raise not_found()
    return row


# --- bodies ----------------------------------------------------------------------------------------------------------


def _most(request: Request) -> int:
    return int(request.app.state.settings.max_body_bytes)


async def _form(request: Request) -> Form:
    most = _most(request)
    _check_declared(request, most)
    try:
        form = Form(request.headers.get("content-type", ""))
    except FormError:
        zh, en = "请用 multipart/form-data 发送文件。", "Send multipart/form-data with a part named file."
        raise Problem(415, "content-type", zh, en, headers=admission.closing(request)) from None
    try:
        await _read(request, most, form.feed)
        form.end()
    except FormError as error:
        zh, en = "发送的表单不完整或有误，请重发。", f"The form cannot be read: {error}."
        raise Problem(400, "bad-form", zh, en, headers=admission.closing(request)) from None
    return form


async def _small(request: Request) -> bytes:
    _check_declared(request, context.MAX_BYTES)
    data = bytearray()
    await _read(request, context.MAX_BYTES, data.extend)
    return bytes(data)


async def _read(request: Request, most: int, take: Callable[[bytes], None]) -> None:
    """Hand the body on as it comes; one that says no length is cut at ``most``."""
    taken = 0
    async with Body(request.receive) as body:
        while (event := await body.next()) is not Mark.ENDED:
            if isinstance(event, Mark):
                zh, en = "数据没有传完，请重发。", "The body did not come whole: send it again."
                raise Problem(408, "cut-short", zh, en, headers={"Connection": "close"})
            taken += len(event)
            if taken > most:
                raise too_large(most)
            take(event)


def _check_declared(request: Request, most: int) -> None:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise too_large(most)


# --- tus -------------------------------------------------------------------------------------------------------------


class TusRoute(APIRoute):
    """A route whose every answer, also a refusal, carries ``Tus-Resumable``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_tus(request: Request) -> Response:
            try:
                return await handle(request)
            except Problem as problem:
                problem.headers.setdefault("Tus-Resumable", tus.VERSION)
                raise

        return handle_tus


async def tus_options(request: Request) -> Response:
    """What this server's tus can do."""
    return _answered(tus.options(_most(request)))


async def tus_create(request: Request, actor: CurrentActor, ledger: CurrentLedger) -> Response:
    """Begin an upload; with the whole body in it, that is all there is to do."""
    site = _site(actor)
    decided = tus.create(request.headers, _most(request))
    if isinstance(decided, Refuse):
        raise _refused(request, decided)
    door, pressing = admission.of(request, actor, site), context.parse(decided.metadata.context).is_pressing
    with door.begun(pressing=pressing):
        door.admit(decided.length or 0, pressing=pressing)
        async with Body(request.receive) as body:
            done = await uploads.create(ledger, actor.county, site, actor.id, decided, body)
    if isinstance(done, Refuse):
        raise _refused(request, done)
    return Response(status_code=201, headers={"Location": f"/v1/uploads/{done.id}", **tus.reached(done.state)})


async def tus_upload(upload: str, request: Request, actor: CurrentActor, ledger: CurrentLedger) -> Response:
    """Ask how far an upload is (HEAD), go on with it (PATCH), or forget it (DELETE)."""
    meant = tus.method(request.method, request.headers)
    if meant not in {"HEAD", "PATCH", "DELETE"}:
        zh, en = "这个地址不支持这种请求。", "This address does not take this method."
        raise Problem(405, "method-not-allowed", zh, en, headers={"Allow": "OPTIONS, HEAD, PATCH, DELETE"})
    try:
        found = await uploads.find(ledger, actor.county, upload)
        if not may(actor, Action.SEND, Place(actor.county, found.site)):
            raise not_found()
        if meant == "PATCH":
            return await _patch(request, actor, ledger, found)
        decided = tus.delete(request.headers) if meant == "DELETE" else tus.head(request.headers, found.state)
    except KeyError:
        raise not_found() from None
    if isinstance(decided, Refuse):
        raise _refused(request, decided)
    if isinstance(decided, Terminate):
        await uploads.terminate(ledger, found)
        return _answered(Answer(204, {"Tus-Resumable": tus.VERSION}))
    return _answered(decided)


async def _patch(request: Request, actor: Actor, ledger: Ledger, found: Upload) -> Response:
    decided = tus.patch(request.headers, found.state, _most(request))
    done: Upload | Refuse | Answer = decided if not isinstance(decided, Append) else found
    if isinstance(decided, Append):
        door = admission.of(request, actor, found.site)
        said = context.parse(tus.parse_metadata(found.metadata).context)
        with door.goes_on(pressing=said.is_pressing):
            if found.length is None and decided.length is not None:
                door.charge(decided.length)
            async with Body(request.receive) as body:
                done = await uploads.append(ledger, found, decided, body)
    if isinstance(done, Refuse):
        raise _refused(request, done)
    return _answered(done if isinstance(done, Answer) else Answer(204, tus.reached(done.state)))


def _answered(answer: Answer) -> Response:
    return Response(status_code=answer.status, headers=answer.headers)


def _refused(request: Request, refuse: Refuse) -> Problem:
    return Problem(
        refuse.status, refuse.code, refuse.zh, refuse.en, headers={**admission.closing(request), **refuse.headers}
    )


_TUS_PROBLEMS = problems(400, 401, 403, 404, 408, 409, 412, 413, 415, 429, 503, 507)
for _path in ("/v1/uploads", "/v1/uploads/{upload}"):
    router.add_api_route(
        _path,
        tus_options,
        methods=["OPTIONS"],
        status_code=204,
        dependencies=[permit(Action.PUBLIC)],
        route_class_override=TusRoute,
    )
router.add_api_route(
    "/v1/uploads",
    tus_create,
    methods=["POST"],
    status_code=201,
    dependencies=[permit(Action.SEND)],
    responses=_TUS_PROBLEMS,
    openapi_extra=_BYTES_SENT,
    route_class_override=TusRoute,
)
for _method in ("HEAD", "PATCH", "DELETE", "POST"):  # POST for X-HTTP-Method-Override
    router.add_api_route(
        "/v1/uploads/{upload}",
        tus_upload,
        methods=[_method],
        name=f"tus_{_method.lower()}",
        status_code=200 if _method == "HEAD" else 204,
        dependencies=[permit(Action.SEND)],
        responses=_TUS_PROBLEMS,
        openapi_extra=_BYTES_SENT if _method == "PATCH" else None,
        route_class_override=TusRoute,
    )
