"""Promise 4: any split, repeat, reorder or interleaving of PATCHes gives the same bytes.

A Hypothesis state machine plays the client's side of several requests at once on the real protocol (:mod:`ingest.tus`)
and the real ledger. A request is begun with what was known at any earlier time, gets its bytes in any chunks, each at
any later time, and ends, breaks off, or is never heard of again. The model is as simple as may be: the bytes of the
file. Whatever has been taken up to an offset is the file's beginning, and no acknowledged byte is asked for again.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ingest import tus, uploads
from ingest.body import Body
from ingest.tus import BYTES, Append, Create, Mark, Refuse
from ledger import schema
from ledger.database import Ledger
from tests.ingest.kit import World, make_world, prepare_database
from tests.promises.soaking import SOAK_S, tell

MOST = 1 << 20
LONGEST = 180_000
"""Three pieces of 64 KiB, almost."""

SIZES = st.integers(0, LONGEST) | st.sampled_from([1, 65_535, 65_536, 65_537])


class Handed(Body):
    """A body whose chunks the test hands over when it likes."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[bytes | Mark] = asyncio.Queue()
        self.has_come = asyncio.Event()

    async def next(self, patience_s: float = 0) -> bytes | Mark:
        if self.waiting.empty():
            self.has_come.set()  # everything before has been dealt with
        return await self.waiting.get()


@dataclass
class Request:
    """One PATCH under way: what it still has to send, and when it ends."""

    body: Handed
    task: asyncio.Task[Any]
    left: bytes


class Uploading(RuleBasedStateMachine):
    """One upload, and any number of requests that work on it."""

    world: World
    counted: list[int]

    @initialize(length=SIZES, deferred=st.booleans(), seed=st.integers(0, 2**32))
    def begin(self, length: int, deferred: bool, seed: int) -> None:
        self.runner = asyncio.Runner()
        self.data = random.Random(seed).randbytes(length)
        self.sha256 = hashlib.sha256(self.data).hexdigest()
        self.acknowledged = 0
        self.requests: list[Request] = []
        told = {"upload-defer-length": "1"} if deferred else {"upload-length": str(length)}
        decided = tus.create({"tus-resumable": tus.VERSION, **told}, MOST)
        assert isinstance(decided, Create)
        made = self.do(uploads.create(self.world.ledger, self.world.county, self.world.site, "d", decided, Handed()))
        self.upload = made.id
        self.old = [made]  # what clients may still believe
        self.counted[0] += 1

    def do(self, work: Any) -> Any:
        return self.runner.run(asyncio.wait_for(work, 20))

    def now(self) -> uploads.Upload:
        return self.do(uploads.find(self.world.ledger, self.world.county, self.upload))

    # --- what clients do ---

    @rule(age=st.integers(0, 3), size=SIZES, checksum=st.sampled_from([None, None, None, "sha1", "sha256", "wrong"]))
    def a_request_begins(self, age: int, size: int, checksum: str | None) -> None:
        """With an offset that was true once; its body holds the file's bytes from there."""
        self.old.append(self.now())
        believed = self.old[-1 - min(age, len(self.old) - 1)]
        data = self.data[believed.offset : believed.offset + size]
        headers = {"tus-resumable": tus.VERSION, "content-type": BYTES, "upload-offset": str(believed.offset)}
        headers |= {"content-length": str(len(data)), "upload-length": str(len(self.data))}
        if checksum is not None:
            algorithm = "sha1" if checksum == "wrong" else checksum
            digest = hashlib.new(algorithm, data + b"x" * (checksum == "wrong")).digest()
            headers["upload-checksum"] = f"{algorithm} {base64.b64encode(digest).decode()}"
        # the state that this node has read may be old too: another node has gone on meanwhile
        decided = tus.patch(headers, believed.state, MOST)
        if not isinstance(decided, Append):
            assert not isinstance(decided, Refuse) or believed.exam is not None or not data, decided
            return
        body = Handed()

        async def start() -> asyncio.Task[Any]:
            task = asyncio.create_task(uploads.append(self.world.ledger, believed, decided, body))
            await self._settled(task, body)
            return task

        self.requests.append(Request(body, self.do(start()), data))
        self._reap()

    @precondition(lambda self: self.requests)
    @rule(which=st.integers(0, 9), size=SIZES, waits=st.booleans())
    def bytes_arrive(self, which: int, size: int, waits: bool) -> None:
        request = self.requests[which % len(self.requests)]
        chunk, request.left = request.left[:size], request.left[size:]
        self._hand(request, *([chunk] if chunk else []), *([Mark.WAITED] if waits else []))
        self._reap()

    @precondition(lambda self: self.requests)
    @rule(which=st.integers(0, 9))
    def a_request_ends(self, which: int) -> None:
        request = self.requests[which % len(self.requests)]
        self._hand(request, *([request.left] if request.left else []), Mark.ENDED)
        self._reap()

    @precondition(lambda self: self.requests)
    @rule(which=st.integers(0, 9))
    def a_request_breaks_off(self, which: int) -> None:
        self._hand(self.requests[which % len(self.requests)], Mark.CUT)
        self._reap()

    # --- the machinery ---

    def _hand(self, request: Request, *events: bytes | Mark) -> None:
        async def hand() -> None:
            request.body.has_come.clear()
            for event in events:
                request.body.waiting.put_nowait(event)
            if events:
                await self._settled(request.task, request.body)

        self.do(hand())

    @staticmethod
    async def _settled(task: asyncio.Task[Any], body: Handed) -> None:
        asked = asyncio.create_task(body.has_come.wait())
        await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()

    def _reap(self) -> None:
        """What the requests that are over told their clients."""
        for request in [one for one in self.requests if one.task.done()]:
            self.requests.remove(request)
            done = request.task.result()
            if isinstance(done, Refuse):
                assert done.status in (409, 460), done
                told = done.headers.get("Upload-Offset")
                self.acknowledged = max(self.acknowledged, int(told) if told else 0)
            else:
                assert done.exam is None or done.sha256 == self.sha256
                self.acknowledged = max(self.acknowledged, done.offset)

    @invariant()
    def what_is_kept_is_the_beginning_of_the_file(self) -> None:
        if not hasattr(self, "upload"):
            return
        now = self.now()
        assert now.offset >= self.acknowledged, "an acknowledged offset went back"
        if now.exam is not None:
            assert now.sha256 == self.sha256
            assert now.offset == len(self.data)
            return
        pieces = self.world.ledger.read(
            lambda connection: connection.execute(
                schema.upload_piece.select()
                .where(schema.upload_piece.c.upload_id == self.upload)
                .order_by(schema.upload_piece.c.offset)
            ).all()
        )
        assert b"".join(row.data for row in pieces) == self.data[: now.offset]

    def teardown(self) -> None:
        if not hasattr(self, "upload"):
            return
        for request in list(self.requests):
            self._hand(request, Mark.CUT)
        self._reap()
        if (now := self.now()).exam is None:  # the client goes on from where the county is
            self.a_request_begins(0, LONGEST, None)
            if self.requests:
                self.a_request_ends(0)
        now = self.now()
        assert now.exam is not None, now
        assert now.sha256 == self.sha256
        assert self.world.original(self.sha256) == self.data
        made = [row for row in self.world.rows(schema.exam) if row["sha256"] == self.sha256]
        assert [row["id"] for row in made] == [now.exam]
        self.runner.close()


@pytest.fixture
def world(engine_url: str) -> Iterator[World]:
    prepare_database(engine_url)
    ledger = Ledger.open(engine_url)
    yield make_world(ledger)
    ledger.close()


def test_any_order_of_patches_gives_the_same_bytes(world: World, engine_url: str) -> None:
    engine = engine_url.partition(":")[0].partition("+")[0]
    counted = [0]
    machine = type("Machine", (Uploading,), {"world": world, "counted": counted})
    examples = {"sqlite": 30, "postgresql": 12}[engine] * (int(SOAK_S) // 2 or 1)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=14,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            derandomize=not SOAK_S,
        ),
    )
    tell("ingest 4", engine, kills=0, uploads=counted[0], losses=0, duplicates=0)
