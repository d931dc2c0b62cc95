"""The ledger's side of tus: an upload's rows, the pieces it commits, and the commit that turns them into an exam.

Each commit is a compare-and-set on (offset, fence). A PATCH takes the upload over by raising its fence, on whichever
node it runs; an older one, stalled or still sending, then writes nothing and is told so (409). A small file that comes
whole in one request needs no fence and no piece rows: it is one commit.
"""

from __future__ import annotations

import asyncio
import io
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from county import advice
from ingest import context as contexts
from ingest import receive, tus
from ingest.body import STALL_S, Body
from ingest.tus import Mark, Metadata, Receiving, Refuse, State, Write
from ledger import schema
from ledger.clock import SECOND, iso
from ledger.database import Ledger, LedgerBusy, LedgerUnavailable, Transaction
from ledger.ids import new_id
from ledger.originals import PIECE_BYTES as ROW_BYTES

log = logging.getLogger(__name__)

COMMIT_AFTER_S = 1.0
"""A byte that arrived is committed after this time, though no whole piece has come."""

KEPT_US = 7 * 86_400 * SECOND
"""How long an upload can be resumed, and a finished one is known: a clinic may be cut off for a long weekend."""

SWEEP_EVERY_S = 3600.0
_SWEPT_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload's row; ``receipt`` is of a finished one."""

    county: str
    id: str
    site: str
    sender: str
    length: int | None
    offset: int
    fence: int
    metadata: str
    expires_at: int
    exam: str | None = None
    sha256: str | None = None
    facts: Mapping[str, str] | None = None

    @property
    def state(self) -> State:
        """What the protocol needs to know."""
        expires_at = self.expires_at if self.exam is None else 0
        return State(
            self.offset, self.length, self.metadata, expires_at, self.exam, self.sha256, dict(self.facts or {})
        )

    @property
    def key(self) -> dict[str, str]:
        return {"county": self.county, "which": self.id}


class TakenOverError(Exception):
    """Another request has moved the upload on; this one wrote nothing."""


_U, _P, _X = schema.upload.c, schema.upload_piece.c, schema.exam.c
_KEY = (_U.county_id == bindparam("county"), _U.id == bindparam("which"))
_PIECE_KEY = (_P.county_id == bindparam("county"), _P.upload_id == bindparam("which"))
# An upload that has not expired, with what became of its exam.
_FIND = (
    select(schema.upload, _X.received_at, _X.status, _X.context_problem)
    .select_from(schema.upload.outerjoin(schema.exam, (_X.county_id == _U.county_id) & (_X.id == _U.exam_id)))
    .where(*_KEY, _U.expires_at > bindparam("now"))
)
_INSERT = insert(schema.upload)
_INSERT_PIECE = insert(schema.upload_piece)
# The newest request takes the upload over.
_TAKE_OVER = (
    update(schema.upload)
    .where(*_KEY, _U.offset == bindparam("at_offset"), _U.exam_id.is_(None))
    .values(fence=_U.fence + 1, length=bindparam("to_length"))
    .returning(_U.fence)
)
# Move the offset, if nobody else did and nobody has taken the upload over.
_MOVE = (
    update(schema.upload)
    .where(*_KEY, _U.offset == bindparam("at_offset"), _U.fence == bindparam("at_fence"), _U.exam_id.is_(None))
    .values(offset=bindparam("to_offset"))
)
_FINISHED = (
    update(schema.upload)
    .where(*_KEY)
    .values(exam_id=bindparam("to_exam"), sha256=bindparam("to_sha256"), length=bindparam("to_length"))
)
_PIECES = select(_P.data).where(*_PIECE_KEY, _P.offset < bindparam("before")).order_by(_P.offset)
_DROP_PIECES = delete(schema.upload_piece).where(*_PIECE_KEY)
_DROP = delete(schema.upload).where(*_KEY)
_EXPIRED = (
    select(_U.county_id, _U.id)
    .where(_U.expires_at <= bindparam("now"))
    .limit(_SWEPT_AT_ONCE)
    .with_for_update(skip_locked=True)
)


# --- requests --------------------------------------------------------------------------------------------------------


async def find(ledger: Ledger, county: str, upload: str) -> Upload:
    """The upload; ``KeyError`` if there is none, or it has expired."""
    key = {"county": county, "which": upload, "now": ledger.clock.now()}
    found = await ledger.aread(lambda connection: _find(connection, key))
    if found is None:
        raise KeyError(upload)
    return found


async def create(
    ledger: Ledger, county: str, site: str, sender: str, decided: tus.Create, body: Body
) -> Upload | Refuse:
    """Begin an upload and take the body that came with it; finished at once where that was all."""
    now = ledger.clock.now()
    upload = Upload(county, new_id(), site, sender, decided.length, 0, 0, decided.metadata.header, now + KEPT_US)
    if decided.length == 0:
        return await _finish(ledger, upload, Write(0, b"", finishes=True), is_new=True)
    if decided.receiving is not None and decided.is_whole:
        return await _whole(ledger, upload, decided.receiving, body)
    await ledger.awrite(lambda transaction: _begin(transaction, upload))
    if decided.receiving is None:
        return upload
    return await append(ledger, upload, tus.Append(decided.receiving, is_whole=False), body)


async def append(ledger: Ledger, upload: Upload, decided: tus.Append, body: Body) -> Upload | Refuse:
    """Take a body at the upload's offset, committing as it comes; the upload as it is then."""
    receiving = decided.receiving
    try:
        if not decided.is_whole:
            upload = await _take_over(ledger, replace(upload, length=decided.length))
        patience = _Patience()
        while True:
            event = await patience.next(body, receiving)
            found = receiving.on(event)
            if isinstance(found, Write):
                upload = await (_finish if found.finishes else _commit)(ledger, upload, found)
            elif found is not None:
                return found
            if upload.exam is not None or event in (Mark.ENDED, Mark.CUT):
                return upload
    except TakenOverError:
        return tus.other_offset((await find(ledger, upload.county, upload.id)).offset)


async def terminate(ledger: Ledger, upload: Upload) -> None:
    """Forget an upload and its pieces."""
    await ledger.awrite(lambda transaction: _drop(transaction, upload.key))


async def sweep(ledger: Ledger) -> int:
    """Forget uploads that have expired; how many."""
    swept = 0
    while batch := await ledger.awrite(_sweep):
        swept += batch
    return swept


async def sweep_forever(ledger: Ledger, every_s: float = SWEEP_EVERY_S) -> None:
    """For the application's lifespan: :func:`sweep` now and then, until cancelled."""
    while True:
        try:
            await sweep(ledger)
        except (LedgerBusy, LedgerUnavailable, SQLAlchemyError) as error:  # it is done the next time
            log.warning("expired uploads wait: %s", type(error).__name__)
        await asyncio.sleep(every_s)


# --- the bytes -------------------------------------------------------------------------------------------------------


async def _whole(ledger: Ledger, upload: Upload, receiving: Receiving, body: Body) -> Upload | Refuse:
    """A small file that comes whole with its POST: one commit. Cut before its end, it leaves nothing, for its client
    was told no address under which it could go on."""
    while True:
        event = await body.next()
        if event in (Mark.CUT, Mark.WAITED):
            return _cut()
        found = receiving.on(event)
        if isinstance(found, Write):
            return await _finish(ledger, upload, found, is_new=True)
        if found is not None:
            return found


class _Patience:
    """Waits for a body: at most a second after the first byte that is not committed, and a stall is a cut."""

    def __init__(self) -> None:
        self._commit_by: float | None = None

    async def next(self, body: Body, receiving: Receiving) -> bytes | Mark:
        if not receiving.holds:
            self._commit_by = None
            event = await body.next(STALL_S)
            return Mark.CUT if event is Mark.WAITED else event
        now = time.monotonic()
        if self._commit_by is None:
            self._commit_by = now + COMMIT_AFTER_S
        return await body.next(max(0.0, self._commit_by - now))


async def _take_over(ledger: Ledger, upload: Upload) -> Upload:
    def take(transaction: Transaction) -> int | None:
        values = {**upload.key, "at_offset": upload.offset, "to_length": upload.length}
        return transaction.connection.execute(_TAKE_OVER, values).scalar_one_or_none()

    fence = await ledger.awrite(take)
    if fence is None:
        raise TakenOverError
    return replace(upload, fence=fence)


async def _commit(ledger: Ledger, upload: Upload, write: Write) -> Upload:
    """One piece, durable when this returns."""

    def commit(transaction: Transaction) -> None:
        _move(transaction, upload, write)
        for at in range(0, len(write.data), ROW_BYTES):
            row = {"county_id": upload.county, "upload_id": upload.id, "offset": write.offset + at}
            transaction.connection.execute(_INSERT_PIECE, {**row, "data": write.data[at : at + ROW_BYTES]})

    await ledger.awrite(commit)
    return replace(upload, offset=write.offset + len(write.data))


async def _finish(ledger: Ledger, upload: Upload, write: Write, *, is_new: bool = False) -> Upload:
    """The last bytes: pieces become original, exam and event, and the upload knows them, in one commit."""
    data = write.data
    if write.offset:
        data = await ledger.aread(lambda connection: _gathered(connection, upload, write))
    length = write.offset + len(write.data)
    metadata = tus.parse_metadata(upload.metadata)
    ready = await asyncio.to_thread(receive.prepare, _submission(upload, metadata, data))

    def finish(transaction: Transaction) -> receive.Receipt:
        if is_new:  # one row that is finished from its beginning: no offset to move, no piece to drop
            receipt = receive.accept(transaction, ready)
            known = replace(upload, offset=length, length=length, exam=receipt.exam, sha256=receipt.sha256)
            _begin(transaction, known)
            return receipt
        _move(transaction, upload, write)
        receipt = receive.accept(transaction, ready)
        done = {**upload.key, "to_exam": receipt.exam, "to_sha256": receipt.sha256, "to_length": length}
        transaction.connection.execute(_FINISHED, done)
        transaction.connection.execute(_DROP_PIECES, upload.key)
        return receipt

    receipt = await receive.raced(ledger, finish)
    facts = _facts(receipt.received_at, receipt.status, receipt.context_problem)
    return replace(upload, offset=length, length=length, exam=receipt.exam, sha256=receipt.sha256, facts=facts)


def _submission(upload: Upload, metadata: Metadata, data: bytes) -> receive.Submission:
    said = contexts.parse(metadata.context)
    return receive.Submission(upload.county, upload.site, upload.sender, [(metadata.filename or "", data)], said)


def _facts(received_at: int, status: str, context_problem: bool) -> dict[str, str]:
    """What the receipt has beside exam and digest, as headers."""
    facts = {"Ecgnet-Received-At": iso(received_at) or "", "Ecgnet-Status": status}
    return facts | ({"Ecgnet-Advice": advice.CONTEXT["code"]} if context_problem else {})


def _cut() -> Refuse:
    zh, en = "数据没有传完，没有保存，请重发。", "The body did not come whole and was not kept: send it again."
    return Refuse(408, "cut-short", zh, en, {"Tus-Resumable": tus.VERSION, "Connection": "close"})


# --- rows ------------------------------------------------------------------------------------------------------------


def _find(connection: Connection, key: Mapping[str, object]) -> Upload | None:
    row = connection.execute(_FIND, key).mappings().one_or_none()
    if row is None:
        return None
    facts = None if row["exam_id"] is None else _facts(row["received_at"], row["status"], row["context_problem"])
    return Upload(
        row["county_id"],
        row["id"],
        row["site_id"],
        row["sender"],
        row["length"],
        row["offset"],
        row["fence"],
        row["metadata"]["header"],
        row["expires_at"],
        row["exam_id"],
        row["sha256"],
        facts,
    )


def _begin(transaction: Transaction, upload: Upload) -> None:
    row = {
        "county_id": upload.county,
        "id": upload.id,
        "site_id": upload.site,
        "sender": upload.sender,
        "length": upload.length,
        "offset": upload.offset,
        "fence": upload.fence,
        "metadata": {"header": upload.metadata},
        "exam_id": upload.exam,
        "sha256": upload.sha256,
        "created_at": transaction.now,
        "expires_at": upload.expires_at,
    }
    transaction.connection.execute(_INSERT, row)


def _move(transaction: Transaction, upload: Upload, write: Write) -> None:
    values = {"at_offset": write.offset, "at_fence": upload.fence, "to_offset": write.offset + len(write.data)}
    if transaction.connection.execute(_MOVE, {**upload.key, **values}).rowcount != 1:
        raise TakenOverError


def _gathered(connection: Connection, upload: Upload, write: Write) -> bytes:
    """All of an upload's bytes: its pieces, then the last ones."""
    whole = io.BytesIO()
    for piece in connection.execute(_PIECES, {**upload.key, "before": write.offset}).scalars():
        whole.write(piece)
    if whole.tell() != write.offset:  # the pieces are gone: another request has finished or ended it
        raise TakenOverError
    whole.write(write.data)
    return whole.getvalue()


def _drop(transaction: Transaction, key: Mapping[str, str]) -> None:
    transaction.connection.execute(_DROP_PIECES, key)
    transaction.connection.execute(_DROP, key)


def _sweep(transaction: Transaction) -> int:
    expired = transaction.connection.execute(_EXPIRED, {"now": transaction.now}).all()
    for row in expired:
        _drop(transaction, {"county": row.county_id, "which": row.id})
    return len(expired)
