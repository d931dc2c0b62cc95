"""One commit makes the exam; a repeat is the same exam and drops nothing."""

from __future__ import annotations

import asyncio
import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from county import devices
from county.clocks import Sample
from ingest.clinic.pack import zip_of
from ingest.context import Context
from ingest.identity import Identity
from ingest.receive import NoFileError, Submission, accept, add_context, file_name, prepare, receive
from ledger import chain, schema
from ledger.clock import SECOND, iso
from ledger.database import Ledger, Transaction
from tests.ingest.kit import World, make_world

ECG = b"not really an ECG" * 1000
PAIN = Context(urgent=True, symptoms=("chest_pain",))


def _send(world: World, submission: Submission):
    return asyncio.run(receive(world.ledger, submission))


def test_original_exam_event_site_and_audit_are_one_commit(world: World) -> None:
    receipt = _send(world, world.submission(("a.hea", ECG), context=PAIN))
    exam = world.only_exam()
    assert receipt.is_new
    assert receipt.document().keys() == {"exam", "sha256", "bytes", "received_at", "status"}
    assert world.original(receipt.sha256) == ECG
    assert (exam["id"], exam["status"], exam["attempts"], exam["rate_at"]) == (receipt.exam, "received", 0, None)
    assert exam["work_at"] == exam["received_at"] == exam["unread_at"] - 20_000_000
    said = {"exam": receipt.exam, "site": world.site, "urgent": True, "symptoms": ["chest_pain"]}
    assert world.events("exam.received") == [said]
    heard = {row["id"]: row["last_exam_at"] for row in world.rows(schema.site)}
    assert heard == {world.site: exam["received_at"], world.other_site: None}
    (county,) = world.rows(schema.county)
    assert chain.first_break(world.rows(schema.audit), county["audit_head"], county["audit_seq"]) is None
    assert world.rows(schema.audit)[-1]["detail"]["exam"] == receipt.exam


def test_a_failure_in_the_commit_leaves_nothing(world: World) -> None:
    ready = prepare(world.submission(("a", ECG)))

    def fail(transaction: Transaction) -> None:
        accept(transaction, ready)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        world.ledger.write(fail)
    assert not world.rows(schema.exam) + world.rows(schema.original) + world.events("exam.received")


def test_the_same_bytes_from_the_same_site_are_the_same_exam_and_from_another_site_another(world: World) -> None:
    first = _send(world, world.submission(("a.hea", ECG)))
    again = _send(world, world.submission(("other-name.hea", ECG)))
    elsewhere = _send(world, world.submission(("a.hea", ECG), site=world.other_site))
    assert (again.exam, again.is_new, again.received_at) == (first.exam, False, first.received_at)
    assert elsewhere.exam != first.exam
    assert len(world.rows(schema.original)) == 1
    assert len(world.events("exam.received")) == 2
    assert not world.events("exam.changed")


def test_a_repeat_never_drops_its_context(world: World) -> None:
    _send(world, world.submission(("a", ECG), context=Context(symptoms=("none",), fmc_at=50)))
    _send(world, world.submission(("a", ECG), context=replace(PAIN, onset_at=7, fmc_at=60)))
    _send(world, world.submission(("a", ECG), context=Context(symptoms=("none",))))
    exam = world.only_exam()
    assert (exam["urgent"], exam["symptoms"], exam["onset_at"], exam["fmc_at"]) == (True, ["chest_pain"], 7, 50)
    assert exam["rate_at"] is None  # not analysed yet: the first rating will know it
    assert [event["urgent"] for event in world.events("exam.changed")] == [True]


@pytest.mark.parametrize("change", [{"status": "analysed"}, {"case_id": "c1"}])
def test_an_exam_that_was_rated_is_rated_again_when_something_rose_and_only_then(
    world: World, change: dict[str, str]
) -> None:
    receipt = _send(world, world.submission(("a", ECG)))
    marked = schema.exam.update().where(schema.exam.c.id == receipt.exam).values(**change)
    world.ledger.write(lambda tx: tx.connection.execute(marked).rowcount)

    def say(context: Context) -> None:
        world.ledger.write(lambda tx: add_context(tx, world.county, receipt.exam, context, world.device))

    say(Context())
    assert world.only_exam()["rate_at"] is None
    say(PAIN)
    rated_at = world.only_exam()["rate_at"]
    assert rated_at is not None
    say(PAIN)
    assert world.only_exam()["rate_at"] == rated_at


def test_an_exam_that_is_not_there_gets_no_context(world: World) -> None:
    with pytest.raises(KeyError):
        world.ledger.write(lambda tx: add_context(tx, world.county, "none", PAIN, world.device))


def test_a_patient_named_later_is_added_and_another_identity_is_a_conflict_without_a_name_in_the_event(
    world: World,
) -> None:
    def send(identity: Identity) -> None:
        _send(world, world.submission(("a", ECG), context=Context(identity=identity)))

    send(Identity())
    send(Identity(name="张三"))
    send(Identity(name="张三", sex="male"))
    send(Identity(name="李四"))
    send(Identity(name="李四"))
    exam = world.only_exam()
    (patient,) = world.rows(schema.patient)
    assert (exam["patient_id"], patient["name"], patient["sex"]) == (patient["id"], "张三", "male")
    assert [conflict["name"] for conflict in exam["conflicts"]] == ["李四"]
    told = world.events("exam.changed")
    assert [event["conflicts"] for event in told] == [0, 0, 1]
    assert "李四" not in str(world.rows(schema.event)) + str(world.rows(schema.audit))


def test_a_bad_context_is_noted_until_a_good_one_comes(world: World) -> None:
    receipt = _send(world, world.submission(("a", ECG), context=Context(problem=True)))
    assert [one["code"] for one in receipt.document()["advice"]] == ["CONTEXT"]
    _send(world, world.submission(("a", ECG)))
    assert world.only_exam()["context_problem"] is True
    again = _send(world, world.submission(("a", ECG), context=PAIN))
    assert "advice" not in again.document()
    assert world.only_exam()["context_problem"] is False


def test_the_order_of_the_parts_does_not_matter_and_the_zip_is_plain(world: World) -> None:
    parts = [("b.dat", b"samples"), ("C:\\ecg\\b.hea", b"header")]
    one = _send(world, world.submission(*parts))
    two = _send(world, world.submission(*reversed(parts)))
    assert (one.exam, one.is_new, two.is_new) == (two.exam, True, False)
    assert [part["name"] for part in one.document()["files"]] == ["b.dat", "b.hea"]
    with zipfile.ZipFile(io.BytesIO(world.original(one.sha256))) as archive:
        members = [(m.filename, m.compress_type, m.date_time) for m in archive.infolist()]
    assert members == [(name, zipfile.ZIP_STORED, (1980, 1, 1, 0, 0, 0)) for name in ("b.dat", "b.hea")]


def test_two_parts_of_one_name_are_both_kept() -> None:
    with zipfile.ZipFile(io.BytesIO(zip_of([("a", b"2"), ("a", b"1"), ("a", b"1")]))) as archive:
        assert sorted(archive.read(name) for name in archive.namelist()) == [b"1", b"2"]
    assert zip_of([("a", b"2"), ("a", b"1")]) == zip_of([("a", b"1"), ("a", b"2")])


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("../../etc/passwd", "passwd"), ("..", "ecg"), ("", "ecg"), (None, "ecg"), ("心电\n图.xml", "心电图.xml")],
)
def test_a_name_cannot_reach_anywhere(sent: str | None, kept: str) -> None:
    assert file_name(sent) == kept


def test_nothing_sent_is_no_exam_and_an_empty_file_is_one(world: World) -> None:
    with pytest.raises(NoFileError):
        prepare(world.submission())
    receipt = _send(world, world.submission(("a", b"")))
    assert world.original(receipt.sha256) == b""


def test_two_processes_that_receive_the_same_bytes_at_once_make_one_exam(database_url: str) -> None:
    servers = [Ledger.open(database_url) for _ in range(2)]
    try:
        world = make_world(servers[0])
        contexts = [Context(urgent=True), Context(symptoms=("syncope",))]

        def send(turn: int) -> list[str]:
            async def both() -> list[str]:
                sent = [
                    receive(server, world.submission(("a", b"%d" % turn), context=said))
                    for server, said in zip(servers, contexts, strict=True)
                ]
                return [receipt.exam for receipt in await asyncio.gather(*sent)]

            return asyncio.run(both())

        with ThreadPoolExecutor(4) as pool:
            exams = list(pool.map(send, range(12)))
        assert all(one == other for one, other in exams)
        assert len(world.rows(schema.exam)) == len(world.events("exam.received")) == 12
        assert all(row["urgent"] and row["symptoms"] == ["syncope"] for row in world.rows(schema.exam))
    finally:
        for server in servers:
            server.close()


def test_when_it_was_recorded_is_by_our_clock_with_what_was_said_beside_it(world: World) -> None:
    said_at = 1_790_000_300 * SECOND
    said = Context(recorded_at=said_at)
    _send(world, world.submission(("a", b"unknown clock"), context=said))
    assert world.only_exam()["stamps"] == {
        "recorded": {"at": iso(said_at), "said": iso(said_at), "source": "sender", "uncertainty_s": None}
    }
    exam = world.only_exam()["id"]
    now = world.ledger.clock.now()
    fast = Sample(now + 300 * SECOND, now, 0)  # five minutes ahead
    beat = devices.Beat("0.1.0", 0, None, (fast,))
    world.ledger.write(lambda tx: devices.beat(tx, world.county, world.device, beat))
    _send(world, world.submission(("b", b"known clock")))
    (later,) = [row["id"] for row in world.rows(schema.exam) if row["id"] != exam]
    for at in (said_at, said_at + SECOND):  # what was said first stands
        world.ledger.write(
            lambda tx, at=at: add_context(tx, world.county, later, Context(recorded_at=at), world.device)
        )
    (stamps,) = [row["stamps"] for row in world.rows(schema.exam) if row["id"] == later]
    assert stamps["recorded"]["source"] == "device-clock"
    assert stamps["recorded"]["at"] == iso(said_at - 300 * SECOND)
    assert stamps["recorded"]["said"] == iso(said_at)
    assert 0 <= stamps["recorded"]["uncertainty_s"] < 1
