"""Due work: each row to one worker, a dead worker's row again, nobody waits behind another site's heap."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, update

from ledger import due, schema
from ledger.clock import ManualClock
from ledger.database import Ledger, Transaction

from .conftest import add_exam, add_site
from .processes import go, said, workers
from .worker import EXAMS

LEASE_S = EXAMS.lease_us / 1_000_000


@pytest.fixture
def clock() -> ManualClock:
    """A clock that the test moves."""
    return ManualClock()


@pytest.fixture
def desk(opened: Callable[..., Ledger], clock: ManualClock) -> Ledger:
    """A ledger on that clock."""
    return opened(clock)


def take(ledger: Ledger, most: int = 10) -> list[due.Claim]:
    """Claim."""
    return ledger.write(lambda tx: due.claim(tx, EXAMS, most))


def finish(tx: Transaction, held: due.Claim) -> bool:
    """Complete the row, as a worker does that checks its claim."""
    if not due.holds(tx, EXAMS, held):
        return False
    row = update(schema.exam).where(schema.exam.c.county_id == held.county, schema.exam.c.id == held.id)
    tx.connection.execute(row.values(work_at=None, status="analysed"))
    return True


def test_nothing_due_is_nothing_claimed(desk: Ledger, clock: ManualClock) -> None:
    desk.write(lambda tx: add_exam(tx, "later", work_at=clock.now() + 1))
    assert take(desk) == []
    clock.advance(0.001)
    assert [held.id for held in take(desk)] == ["later"]


def test_many_claimers_never_get_the_same_row(url: str, opened: Callable[..., Ledger]) -> None:
    ledger = opened()
    ledger.write(lambda tx: [add_exam(tx, f"e{n:03}") for n in range(120)])
    ledgers = [ledger, opened()]
    got: list[str] = []

    def claimer(n: int) -> list[str]:
        mine: list[str] = []
        while taken := take(ledgers[n % 2], 3):
            mine += [held.id for held in taken]
        return mine

    with workers(("claims", url)) as [other]:
        go(other)
        with ThreadPoolExecutor(6) as pool:
            got += [exam for mine in pool.map(claimer, range(6)) for exam in mine]
        got += said(other)
    assert sorted(got) == [f"e{n:03}" for n in range(120)]


def test_a_claimer_is_not_stopped_by_what_another_holds(shared_postgres_url: str) -> None:
    first, second = Ledger.open(shared_postgres_url), Ledger.open(shared_postgres_url)
    first.write(lambda tx: [add_exam(tx, f"e{n}") for n in range(6)])

    def inside(tx: Transaction) -> tuple[list[str], list[str]]:
        mine = due.claim(tx, EXAMS, 2)
        return [held.id for held in mine], [held.id for held in take(second, 2)]

    mine, others = first.write(inside)
    assert (mine, others) == (["e0", "e1"], ["e2", "e3"])
    first.close()
    second.close()


def test_a_dead_workers_row_is_due_again(desk: Ledger, clock: ManualClock) -> None:
    desk.write(lambda tx: add_exam(tx, "e"))
    [first] = take(desk)
    assert take(desk) == []
    clock.advance(LEASE_S - 1)
    assert take(desk) == []
    clock.advance(1)
    [second] = take(desk)
    assert (first.attempt, second.attempt) == (1, 2)
    assert first.lease != second.lease


def test_a_worker_that_was_given_up_cannot_overwrite_its_successor(desk: Ledger, clock: ManualClock) -> None:
    desk.write(lambda tx: add_exam(tx, "e"))
    [slow] = take(desk)
    clock.advance(LEASE_S)
    [quick] = take(desk)
    assert desk.write(lambda tx: finish(tx, slow)) is False
    assert desk.write(lambda tx: finish(tx, quick)) is True
    assert desk.write(lambda tx: finish(tx, quick)) is False
    clock.advance(LEASE_S * 10)
    assert take(desk) == []


def test_a_slow_worker_whom_nobody_replaced_may_still_finish(desk: Ledger, clock: ManualClock) -> None:
    desk.write(lambda tx: add_exam(tx, "e"))
    [slow] = take(desk)
    clock.advance(LEASE_S * 2)
    assert desk.write(lambda tx: finish(tx, slow)) is True


def test_a_poison_row_is_left_alone_and_shown(desk: Ledger, clock: ManualClock) -> None:
    desk.write(lambda tx: [add_exam(tx, "poison"), add_exam(tx, "good")])
    for _ in range(EXAMS.max_attempts):
        taken = take(desk)
        for held in taken:
            if held.id == "good":
                desk.write(lambda tx, held=held: finish(tx, held))
        clock.advance(LEASE_S - 1)
        assert desk.write(lambda tx: due.spent(tx, EXAMS, 10)) == []  # the last worker still has its lease
        clock.advance(1)
    assert take(desk) == []
    assert desk.write(lambda tx: due.spent(tx, EXAMS, 10)) == [("c", "poison")]


def test_a_runaway_site_delays_no_other(desk: Ledger) -> None:
    def fill(tx: Transaction) -> None:
        for site in ("busy", "quiet", "calm"):
            add_site(tx, site)
        for n in range(100):
            add_exam(tx, f"busy-{n:03}", "busy", work_at=n)
        add_exam(tx, "calm-0", "calm", work_at=1_000)
        add_exam(tx, "quiet-0", "quiet", work_at=2_000)
        add_exam(tx, "quiet-1", "quiet", work_at=2_001)

    desk.write(fill)
    assert [held.id for held in take(desk, 6)] == ["calm-0", "quiet-0", "busy-000", "quiet-1", "busy-001", "busy-002"]
    assert [held.id for held in take(desk, 2)] == ["busy-003", "busy-004"]


def test_a_runaway_site_delays_no_other_where_workers_take_one_at_a_time(desk: Ledger) -> None:
    """As the analysers do: each site has a first row then, and the runaway's is the oldest."""

    def fill(tx: Transaction) -> None:
        for site in ("busy", "quiet"):
            add_site(tx, site)
        for n in range(100):
            add_exam(tx, f"busy-{n:03}", "busy", work_at=n)
        for n in range(2):
            add_exam(tx, f"quiet-{n}", "quiet", work_at=2_000 + n)

    desk.write(fill)
    assert [take(desk, 1)[0].id for _ in range(4)] == ["quiet-0", "quiet-1", "busy-000", "busy-001"]


def test_a_runaway_sites_own_wait_too_but_not_for_ever(desk: Ledger, clock: ManualClock) -> None:
    def fill(tx: Transaction) -> None:
        for site in ("busy", "quiet"):
            add_site(tx, site)
        for n in range(10):
            add_exam(tx, f"busy-{n:03}", "busy", work_at=clock.now())

    desk.write(fill)
    clock.advance(60)
    desk.write(lambda tx: add_exam(tx, "quiet-0", "quiet", work_at=clock.now()))
    assert [take(desk, 1)[0].id for _ in range(2)] == ["busy-000", "busy-001"]


def test_urgent_comes_first(desk: Ledger) -> None:
    def fill(tx: Transaction) -> None:
        add_site(tx, "t")
        for n in range(3):
            add_exam(tx, f"calm-{n}", "t", work_at=n)
        add_exam(tx, "urgent-late", "s", urgent=True, work_at=500)
        add_exam(tx, "urgent-early", "s", urgent=True, work_at=400)

    desk.write(fill)
    ids = [held.id for held in take(desk, 4)]
    assert ids[:2] == ["urgent-early", "urgent-late"]


def test_claims_of_one_batch_do_not_meet(desk: Ledger) -> None:
    desk.write(lambda tx: [add_exam(tx, f"e{n}") for n in range(9)])
    answers = [desk.submit(lambda tx: due.claim(tx, EXAMS, 2)) for _ in range(6)]
    ids = [held.id for answer in answers for held in answer.result(5)]
    assert sorted(ids) == [f"e{n}" for n in range(9)]
    leased = select(func.count(schema.exam.c.lease.distinct()))
    assert desk.read(lambda connection: connection.execute(leased).scalar_one()) == 5
