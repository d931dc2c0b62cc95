"""Group commit: each request once, alone in its failure, and a writer that survives whatever happens to it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import IntegrityError

from ledger import originals, schema, writer
from ledger.database import Ledger, LedgerBusy, LedgerUnavailable, Transaction
from ledger.ids import new_id

from .conftest import add_exam, add_site, numbers, tell, values


def held(ledger: Ledger) -> tuple[threading.Event, Future[None]]:
    """Stop the writer inside a request until the event is set: what is submitted meanwhile is one batch."""
    entered, go = threading.Event(), threading.Event()

    def work(tx: Transaction) -> None:
        entered.set()
        assert go.wait(10)

    answer = ledger.submit(work)
    assert entered.wait(5)
    return go, answer


def commits(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the batches from here on."""
    sizes: list[int] = []
    run = writer.Writer._run  # pyright: ignore[reportPrivateUsage]

    def counted(self: writer.Writer, batch: list[Any]) -> Any:
        done = run(self, batch)
        sizes.append(len(done.outcomes))
        return done

    monkeypatch.setattr(writer.Writer, "_run", counted)
    return sizes


def test_concurrent_requests_are_committed_once_each(ledger: Ledger) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: ledger.write(lambda tx: tell(tx, n)), range(300)))
    assert answers == list(range(300))
    assert sorted(values(ledger)) == list(range(300))
    assert numbers(ledger) == list(range(1, 301))


def test_tasks_get_their_own_answers(ledger: Ledger) -> None:
    async def run() -> list[int]:
        return await asyncio.gather(*(ledger.awrite(lambda tx, n=n: tell(tx, n)) for n in range(300)))

    assert asyncio.run(run()) == list(range(300))
    assert sorted(values(ledger)) == list(range(300))


def test_what_waits_together_is_committed_together(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    go, _ = held(ledger)
    sizes = commits(ledger, monkeypatch)
    answers = [ledger.submit(lambda tx, n=n: tell(tx, n)) for n in range(100)]
    go.set()
    assert [answer.result(5) for answer in answers] == list(range(100))
    assert sizes == [64, 36]


def test_a_failing_request_undoes_only_itself(ledger: Ledger) -> None:
    go, _ = held(ledger)

    def half(tx: Transaction) -> None:
        add_site(tx, "half")
        tell(tx, 99)
        raise ValueError("no")

    def twice(tx: Transaction) -> None:
        add_site(tx, "s")

    answers = [ledger.submit(lambda tx, n=n: tell(tx, n)) for n in range(3)]
    failing, doubled = ledger.submit(half), ledger.submit(twice)
    last = ledger.submit(lambda tx: tell(tx, 3))
    go.set()
    with pytest.raises(ValueError, match="no"):
        failing.result(5)
    with pytest.raises(IntegrityError):
        doubled.result(5)
    assert [answer.result(5) for answer in [*answers, last]] == [0, 1, 2, 3]
    assert values(ledger) == [0, 1, 2, 3]
    sites = ledger.read(lambda connection: connection.execute(select(schema.site.c.id)).scalars().all())
    assert sites == ["s"]


@pytest.mark.parametrize(
    ("work", "error"),
    [
        (lambda tx: tx.event("nowhere", "site.silent", {}), KeyError),
        (lambda tx: tx.event("c", "site.silent", {"n": object()}), Exception),
        (lambda tx: tx.event("c", "alert.raised", {}), KeyError),
        (lambda tx: tx.audit("c", "a", "b", "p", detail={"n": object()}), TypeError),
        (lambda tx: tx.audit("c", "a", "b", "p", reason="\udc80"), UnicodeEncodeError),
    ],
)
def test_an_event_that_cannot_be_written_spoils_no_neighbour(
    ledger: Ledger, work: Callable[[Transaction], None], error: type[Exception]
) -> None:
    go, _ = held(ledger)
    before = ledger.submit(lambda tx: tell(tx, 1))
    bad = ledger.submit(work)
    after = ledger.submit(lambda tx: tell(tx, 2))
    go.set()
    with pytest.raises(error):
        bad.result(5)
    assert (before.result(5), after.result(5)) == (1, 2)
    assert values(ledger) == [1, 2]
    assert numbers(ledger) == [1, 2]


def test_work_that_hides_a_failed_statement_is_kept_or_refused_as_one(ledger: Ledger) -> None:
    def work(tx: Transaction) -> None:
        try:
            add_site(tx, "s")
        except IntegrityError:
            tell(tx, 7)

    go, _ = held(ledger)
    hidden, neighbour = ledger.submit(work), ledger.submit(lambda tx: tell(tx, 8))
    go.set()
    assert neighbour.result(5) == 8
    kept = hidden.exception(5) is None
    assert kept is not ledger.is_postgresql  # PostgreSQL refuses what follows a failed statement
    assert values(ledger) == ([7, 8] if kept else [8])


def test_a_request_that_ends_the_thread_does_not(ledger: Ledger) -> None:
    def work(tx: Transaction) -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        ledger.write(work)
    assert ledger.write(lambda tx: tell(tx, 1)) == 1


def test_a_caller_that_took_its_request_back_stops_nobody(ledger: Ledger) -> None:
    go, _ = held(ledger)
    taken_back, other = ledger.submit(lambda tx: tell(tx, 1)), ledger.submit(lambda tx: tell(tx, 2))
    assert taken_back.cancel()
    go.set()
    assert other.result(5) == 2
    assert values(ledger) == [2]


def test_a_task_that_goes_away_does_not_undo_its_commit(ledger: Ledger) -> None:
    go, _ = held(ledger)

    async def run() -> None:
        task = asyncio.ensure_future(ledger.awrite(lambda tx: tell(tx, 1)))
        await asyncio.sleep(0.01)
        task.cancel()
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await ledger.awrite(lambda tx: tell(tx, 2)) == 2

    asyncio.run(run())
    assert values(ledger) == [1, 2]


def test_an_event_loop_that_ended_does_not_stop_the_writer(ledger: Ledger) -> None:
    go, _ = held(ledger)

    async def leave() -> None:
        asyncio.get_running_loop().call_soon(asyncio.get_running_loop().stop)
        await ledger.awrite(lambda tx: tell(tx, 1))

    loop = asyncio.new_event_loop()
    task = loop.create_task(leave())
    loop.call_later(0.02, loop.stop)
    loop.run_forever()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.close()
    go.set()
    assert ledger.write(lambda tx: tell(tx, 2)) == 2
    assert values(ledger) == [1, 2]


def test_a_full_queue_says_so(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MAX_WAITING", 3)
    go, _ = held(ledger)
    answers = [ledger.submit(lambda tx, n=n: tell(tx, n)) for n in range(3)]
    with pytest.raises(LedgerBusy):
        ledger.submit(tell)
    go.set()
    assert [answer.result(5) for answer in answers] == [0, 1, 2]
    assert ledger.write(lambda tx: tell(tx, 3)) == 3


def test_a_long_request_does_not_make_a_whole_batch_wait(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    go, _ = held(ledger)
    sizes = commits(ledger, monkeypatch)

    def slow(tx: Transaction) -> int:
        time.sleep(0.03)
        return tell(tx, 0)

    answers = [ledger.submit(slow) for _ in range(5)]
    go.set()
    assert [answer.result(5) for answer in answers] == [0] * 5
    assert sum(sizes) == 5
    assert max(sizes) <= 2
    assert numbers(ledger) == [1, 2, 3, 4, 5]


def test_closing_finishes_what_waits_and_takes_nothing_more(opened: Callable[[], Ledger]) -> None:
    ledger = opened()
    go, _ = held(ledger)
    answers = [ledger.submit(lambda tx, n=n: tell(tx, n)) for n in range(200)]
    closing = threading.Thread(target=ledger.close)
    closing.start()
    time.sleep(0.05)
    with pytest.raises(LedgerUnavailable):
        ledger.submit(tell)
    go.set()
    closing.join(10)
    assert [answer.result(0) for answer in answers] == list(range(200))
    ledger.close()
    assert values(opened()) == list(range(200))


def test_a_reader_cannot_write(ledger: Ledger) -> None:
    row = {"county_id": "c", "id": "x", "name": "x", "township": "t", "phone": "", "created_at": 0}
    with pytest.raises(Exception, match=r"read-?only"):
        ledger.read(lambda connection: connection.execute(insert(schema.site), row))
    assert ledger.write(lambda tx: tell(tx, 1)) == 1


def test_a_read_sees_one_state(ledger: Ledger) -> None:
    def work(connection: Any) -> tuple[int, int]:
        before = connection.execute(text("SELECT count(*) FROM event")).scalar_one()
        ledger.write(tell)
        return before, connection.execute(text("SELECT count(*) FROM event")).scalar_one()

    assert ledger.read(work) == (0, 0)


# --- PostgreSQL: other writers, lost connections ---


@pytest.fixture
def two(shared_postgres_url: str) -> Iterator[tuple[Ledger, Ledger]]:
    """Two ledgers on one PostgreSQL, as two processes have them."""
    first, second = Ledger.open(shared_postgres_url), Ledger.open(shared_postgres_url)
    first.write(lambda tx: add_site(tx, "t"))
    yield first, second
    first.close()
    second.close()


def _touch(tx: Transaction, site: str) -> None:
    tx.connection.execute(update(schema.site).where(schema.site.c.id == site).values(last_exam_at=tx.now))


def test_a_deadlock_costs_a_repeat_and_no_request(two: tuple[Ledger, Ledger]) -> None:
    meet, runs = threading.Barrier(2), {"s": 0, "t": 0}

    def work(mine: str, other: str) -> Callable[[Transaction], None]:
        def run(tx: Transaction) -> None:
            runs[mine] += 1
            _touch(tx, mine)
            if runs[mine] == 1:
                meet.wait(5)
            _touch(tx, other)
            tell(tx, runs[mine])

        return run

    answers: list[Future[Any]] = []
    for ledger, names in zip(two, (("s", "t"), ("t", "s")), strict=True):
        go, _ = held(ledger)
        answers += [ledger.submit(tell), ledger.submit(work(*names)), ledger.submit(tell)]
        go.set()
    for answer in answers:
        answer.result(10)
    assert sum(runs.values()) > 2  # there was a deadlock
    assert numbers(two[0]) == [1, 2, 3, 4, 5, 6]


def test_two_processes_that_tell_of_each_others_cases_do_not_deadlock(two: tuple[Ledger, Ledger]) -> None:
    undone: list[BaseException] = []
    original = writer._Undone.__init__  # pyright: ignore[reportPrivateUsage]

    def noted(self: Any, cause: BaseException, *, transient: bool) -> None:
        undone.append(cause)
        original(self, cause, transient=transient)

    def work(n: int) -> Callable[[Transaction], None]:
        def run(tx: Transaction) -> None:
            if n % 2:
                tx.connection.execute(update(schema.case).where(schema.case.c.id == "k").values(rank=n))
            tx.event("c", "case.changed", {"n": n}, case="k")

        return run

    two[0].write(lambda tx: _add_case(tx, "k"))
    writer._Undone.__init__ = noted  # pyright: ignore[reportPrivateUsage]
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: two[n // 2 % 2].write(work(n)), range(200)))
    finally:
        writer._Undone.__init__ = original  # pyright: ignore[reportPrivateUsage]
    assert undone == []
    assert numbers(two[0]) == list(range(1, 201))


def _add_case(tx: Transaction, case: str) -> None:
    add_exam(tx, f"exam-{case}")
    row = {
        "county_id": "c", "id": case, "site_id": "s", "exam_id": f"exam-{case}", "state": "open", "rank": 0,
        "reason": {}, "seq": 0, "opened_at": tx.now, "due_at": tx.now,
    }  # fmt: skip
    tx.connection.execute(insert(schema.case), row)


def test_the_same_original_from_two_processes_at_once_is_one(two: tuple[Ledger, Ledger]) -> None:
    prepared = originals.Prepared(b"same" * 1000)
    meet = threading.Barrier(2)

    def work(tx: Transaction) -> None:
        if not meet.broken:
            meet.wait(5)
        originals.put(tx, "c", prepared)
        tell(tx)

    answers = [ledger.submit(work) for ledger in two]
    for answer in answers:
        answer.result(10)
    assert two[0].read(lambda connection: originals.get(connection, "c", prepared.sha256)) == b"same" * 1000
    assert numbers(two[0]) == [1, 2]


def _pid(tx: Transaction) -> int:
    return tx.connection.execute(text("SELECT pg_backend_pid()")).scalar_one()


def _kill(ledger: Ledger, pid: int) -> None:
    with ledger.engine.connect() as connection:
        connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})


def test_a_connection_that_dies_in_a_batch_is_told_and_replaced(two: tuple[Ledger, Ledger]) -> None:
    ledger, other = two

    def work(tx: Transaction) -> None:
        _kill(other, _pid(tx))
        tell(tx, 1)
        tx.connection.execute(text("SELECT 1"))

    go, _ = held(ledger)
    before, dying, after = ledger.submit(tell), ledger.submit(work), ledger.submit(tell)
    go.set()
    for answer in (before, dying, after):
        with pytest.raises(LedgerUnavailable):
            answer.result(10)
    assert ledger.write(lambda tx: tell(tx, 5)) == 5
    assert values(ledger) == [5]


def test_work_that_hides_a_dead_connection_is_not_taken_for_done(two: tuple[Ledger, Ledger]) -> None:
    ledger, other = two

    def work(tx: Transaction) -> None:
        tell(tx, 1)
        _kill(other, _pid(tx))

    go, _ = held(ledger)
    answers = [ledger.submit(work), ledger.submit(lambda tx: tell(tx, 2))]
    go.set()
    for answer in answers:
        with pytest.raises(LedgerUnavailable):
            answer.result(10)
    assert ledger.write(lambda tx: tell(tx, 3)) == 3
    assert values(ledger) == [3]


def test_a_connection_that_died_while_nobody_wrote_costs_nothing(
    two: tuple[Ledger, Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "IDLE_S", 0.05)
    ledger, other = two
    pid = ledger.write(_pid)
    time.sleep(0.3)
    _kill(other, pid)
    assert ledger.write(lambda tx: tell(tx, 1)) == 1


def test_a_frozen_process_gives_up_the_county(two: tuple[Ledger, Ledger]) -> None:
    frozen, other = two
    holds, go = threading.Event(), threading.Event()

    def freeze(tx: Transaction) -> None:
        tx.connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '200ms'"))
        tx.connection.execute(text("SELECT 1 FROM county FOR UPDATE"))
        holds.set()
        assert go.wait(30)

    answer = frozen.submit(freeze)
    assert holds.wait(30)
    assert other.write(lambda tx: tell(tx, 1)) == 1
    assert not answer.done()  # it holds still, and has lost the county all the same
    go.set()
    with pytest.raises(LedgerUnavailable):
        answer.result(30)


def test_ids_are_of_our_time(ledger: Ledger) -> None:
    ids = [new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert [i[:10] for i in ids] == sorted(i[:10] for i in ids)
