"""The spool: durable, in order, nothing said is lost, nothing unsent is removed."""

from __future__ import annotations

import io
import itertools
import random
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.clinic.finished import Seen
from ingest.clinic.said import PATIENT, SYMPTOMS, Said
from ingest.clinic.spool import (
    KEPT_S,
    MOVES,
    DiskFullError,
    IllegalMove,
    InUseError,
    Spool,
    State,
    content_of,
    moved,
)

PAIN, SOS = Said(symptoms=("chest_pain",)), Said(urgent=True)
NOISE = random.Random(3).randbytes(3_000)


class Clock:
    """UTC microseconds that move when they are told to."""

    def __init__(self) -> None:
        self.now = 1_000_000_000_000

    def __call__(self) -> int:
        self.now += 1
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spool(tmp_path: Path, clock: Clock) -> Iterator[Spool]:
    opened = Spool(tmp_path / "spool.db", clock)
    yield opened
    opened.close()


def sent(spool: Spool, which: int, exam: str = "e") -> None:
    """Through to the receipt, with what has been said."""
    ecg = spool.one(which)
    assert ecg is not None
    spool.began(which, None, ecg.said)
    spool.received(which, exam, ecg.said)


def test_what_was_put_is_there_after_another_start_byte_for_byte(tmp_path: Path, clock: Clock) -> None:
    first = Spool(tmp_path / "spool.db", clock)
    put = first.put("1", [("1.hea", b"header"), ("1.dat", bytes(9_000))], [("/cart/1.hea", Seen(6, 1))])
    first.say(put.id, Said(urgent=True, symptoms=("chest_pain",), patient={"name": "王建国"}))
    parcel = first.parcel(put.id)
    first.close()
    again = Spool(tmp_path / "spool.db", clock)
    ecg = again.one(put.id)
    assert ecg is not None
    assert parcel == again.parcel(put.id)
    assert parcel is not None
    archive = zipfile.ZipFile(io.BytesIO(parcel.data))
    assert {name: archive.read(name) for name in archive.namelist()} == {"1.hea": b"header", "1.dat": bytes(9_000)}
    assert ecg.what.context() == {"urgent": True, "symptoms": ["chest_pain"], "patient": {"name": "王建国"}}
    assert again.known_files() == [("/cart/1.hea", Seen(6, 1))]
    assert {path.name: path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {"spool.db": 0, "spool.db-wal": 0}
    again.close()


def test_every_commit_is_synced(spool: Spool) -> None:
    assert spool._db.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL
    assert spool._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_a_second_program_on_one_spool_is_refused(spool: Spool, tmp_path: Path, clock: Clock) -> None:
    spool.put("a", [("a", b"1")])
    with pytest.raises(InUseError):
        Spool(tmp_path / "spool.db", clock)


def test_the_same_file_twice_is_one_and_its_context_stays(spool: Spool) -> None:
    first = spool.put("a", [("a.xml", b"1")], [("/cart/a.xml", Seen(1, 1))])
    spool.say(first.id, PAIN)
    second = spool.put("copy", [("copy.xml", b"1")], [("/stick/copy.xml", Seen(1, 5))])
    assert (second.id, second.what.symptoms, len(spool.newest())) == (first.id, ("chest_pain",), 1)
    assert len(spool.known_files()) == 2


def test_a_packed_parcel_is_sent_only_where_it_saves(spool: Spool) -> None:
    packed, plain = spool.put("p", [("p.xml", b"<x/>" * 500)]), spool.put("n", [("n.scp", NOISE)])
    assert (packed.parcel_name, plain.parcel_name, plain.bytes) == ("p.zip", "n.scp", len(NOISE))
    assert packed.bytes < 400


def test_urgent_first_then_symptoms_then_the_oldest_whatever_the_clock_says(spool: Spool, clock: Clock) -> None:
    ids = {name: spool.put(name, [(name, name.encode())]).id for name in ("a", "b", "c", "d")}
    clock.now -= 10**12  # the clock was set back
    ids["e"] = spool.put("e", [("e", b"e")]).id
    spool.say(ids["d"], PAIN)
    spool.say(ids["c"], SOS)
    spool.graded(ids["a"], {"problem": {"code": "X", "zh": "", "en": ""}})  # what cannot be read goes after the others
    order: list[str] = []
    while (ecg := spool.next()) is not None:
        order.append(ecg.name)
        sent(spool, ecg.id)
    assert order == ["c", "d", "b", "e", "a"]


def test_what_is_said_before_during_and_after_sending_reaches_the_county_once(spool: Spool) -> None:
    which = spool.put("a", [("a", b"1")]).id
    spool.say(which, PAIN)
    spool.began(which, "http://county/v1/uploads/1", 1)
    spool.say(which, SOS)  # during
    assert spool.received(which, "e1", 1).state is State.RECEIVED
    assert [one.what.urgent for one in spool.owed()] == [True]
    assert [one.id for one in spool.urgent_unknown()] == [which], "the county does not know that it is urgent"
    assert spool.told(which, 2).state is State.KEPT
    assert spool.urgent_unknown() == spool.owed() == []
    assert spool.say(which, Said(patient={"name": "李秀英"})).state is State.RECEIVED  # after
    assert spool.urgent_unknown() == [], "a name that is owed is no emergency"
    assert len(spool.owed()) == 1
    spool.told(which, 3)
    assert spool.say(which, SOS).said == 3, "what is known already is not said again"


def test_a_slip_of_the_finger_is_undone_only_while_nothing_was_sent(spool: Spool) -> None:
    which = spool.put("a", [("a", b"1")]).id
    spool.say(which, Said(urgent=True, symptoms=("chest_pain",)))
    undone = spool.say(which, Said(urgent=False, denied=("chest_pain",)))
    assert (undone.what.urgent, undone.what.symptoms, undone.rank, undone.urgent_at) == (False, (), 0, None)
    spool.say(which, SOS)
    spool.began(which, None, 3)
    assert spool.say(which, Said(urgent=False)).what.urgent is True


def test_a_grown_file_takes_the_place_of_its_unsent_half_and_keeps_what_was_said(spool: Spool) -> None:
    half = spool.put("a", [("a.xml", NOISE[:1000])], [("/cart/a.xml", Seen(1000, 1))])
    spool.say(half.id, PAIN)
    whole = spool.put("a", [("a.xml", NOISE)], [("/cart/a.xml", Seen(3000, 2))])
    assert (whole.id, whole.bytes, whole.what.symptoms) == (half.id, 3000, ("chest_pain",))
    parcel = spool.parcel(whole.id)
    assert parcel is not None
    assert parcel.data == NOISE


def test_a_grown_file_whose_half_was_sent_is_another_with_what_was_said(spool: Spool) -> None:
    half = spool.put("1", [("1.hea", b"h")], [("/cart/1.hea", Seen(1, 1))])
    spool.say(half.id, SOS)
    sent(spool, half.id)
    whole = spool.put("1", [("1.hea", b"h"), ("1.dat", NOISE)], [("/cart/1.hea", Seen(1, 1))])
    assert whole.id != half.id
    assert (whole.what.urgent, whole.rank, whole.state) == (True, 2, State.WAITING)


def test_another_patient_under_an_old_file_name_takes_nothing_over(spool: Spool) -> None:
    first = spool.put("ecg", [("ecg.dat", b"one patient")], [("/cart/ecg.dat", Seen(11, 1))])
    spool.say(first.id, Said(urgent=True, patient={"name": "王建国"}))
    other = spool.put("ecg", [("ecg.dat", b"another one")], [("/cart/ecg.dat", Seen(11, 2))])
    assert other.id != first.id
    assert other.what == Said(symptoms=(), urgent=None) or other.what.context() == {}


def test_only_what_was_received_and_told_is_removed_and_the_name_goes_with_it(spool: Spool, clock: Clock) -> None:
    ids = [spool.put(str(n), [(str(n), str(n).encode())]).id for n in range(5)]
    spool.say(ids[0], Said(patient={"name": "王建国"}, symptoms=("sweating",)))
    for which in ids[:3]:
        sent(spool, which)
    spool.say(ids[1], PAIN)  # owed
    spool.began(ids[3], None, 0)
    clock.now += int(KEPT_S * 1e6) - 1_000
    assert spool.remove_kept() == 0
    clock.now += 2_000
    assert spool.remove_kept() == 2
    states = {ecg.id: ecg.state for ecg in spool.newest()}
    assert states == dict(zip(ids, ("removed", "received", "removed", "sending", "waiting"), strict=True))
    gone = spool.one(ids[0])
    assert gone is not None
    assert (spool.parcel(ids[0]), gone.what.patient, gone.what.symptoms) == (None, {}, ("sweating",))
    assert spool.put("again", [("again", b"0")]).id == ids[0], "a file that still lies there is not sent again"


def test_a_full_disk_takes_nothing_new_loses_nothing_and_room_is_made_of_what_was_received(spool: Spool) -> None:
    kept = spool.put("kept", [("kept", random.Random(3).randbytes(12_000))]).id
    waiting = spool.put("waiting", [("waiting", NOISE[::-1] * 4)]).id
    sent(spool, kept)
    pages = spool._db.execute("PRAGMA page_count").fetchone()[0]
    spool._db.execute(f"PRAGMA max_page_count = {pages}")  # SQLite answers as on a full disk
    new = [("new", random.Random(4).randbytes(6_000))]
    with pytest.raises(DiskFullError):
        spool.put("new", [("new", random.Random(5).randbytes(90_000))])
    assert [ecg.id for ecg in spool.newest()] == [waiting, kept]
    assert spool.remove_kept(0) == 1
    assert spool.put("new", new).state is State.WAITING
    assert spool.parcel(waiting) is not None


def test_an_illegal_move_changes_nothing_and_names_what_is_legal(spool: Spool) -> None:
    which = spool.put("a", [("a", b"1")]).id
    with pytest.raises(IllegalMove, match="begin, receipt, refuse"):
        spool.again(which)
    assert spool.one(which) == spool.newest()[0]
    for state, act in itertools.product(State, {act for _, act in MOVES} - {"say"}):
        if (state, act) not in MOVES:
            with pytest.raises(IllegalMove):
                moved(state, act)
    unsent = {State.WAITING, State.SENDING, State.REFUSED}
    assert not [move for move, to in MOVES.items() if to is State.REMOVED and move[0] in unsent]


def test_read_here_is_kept_until_the_county_knows(spool: Spool) -> None:
    which = spool.put("a", [("a", b"1")]).id
    spool.read(which, {"id": "r1", "case": "c", "seen": 4, "message": None})
    spool.read(which, {"id": "r1", "case": "c", "seen": 4, "message": None})
    assert [len(one.to_read) for one in spool.owed_reads()] == [1]
    spool.read_told(which, "r1")
    assert spool.owed_reads() == []


def test_a_disk_that_fails_is_told_as_full_and_other_faults_are_not_hidden(spool: Spool) -> None:
    with pytest.raises(sqlite3.OperationalError), spool._write() as db:
        db.execute("SELECT nonsense FROM nowhere")
    assert spool.put("a", [("a", b"1")]).id == 1, "the transaction was ended"


def test_the_digest_of_a_pair_does_not_depend_on_the_order() -> None:
    assert content_of([("a", b"1"), ("b", b"2")]) == content_of([("b", b"2"), ("a", b"1")])


# --- what is said ----------------------------------------------------------------------------------------------------

_words = st.lists(st.sampled_from([*SYMPTOMS, "none", "hiccups"]), max_size=4).map(tuple)
_said = st.builds(
    lambda urgent, symptoms, patient: Said.of_document({"urgent": urgent, "symptoms": symptoms, "patient": patient}),
    st.sampled_from([None, True, False]),
    _words,
    st.dictionaries(st.sampled_from([*PATIENT, "x"]), st.text(max_size=5), max_size=3),
)


@given(first=_said, second=_said)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_what_was_said_only_rises_once_it_was_sent(first: Said, second: Said) -> None:
    both = Said().with_(first, may_lower=False).with_(second, may_lower=False)
    assert bool(both.urgent) == bool(first.urgent or second.urgent)
    real = ({*first.symptoms} | {*second.symptoms}) - {"none"}
    assert set(both.symptoms) == (real or ({*first.symptoms} | {*second.symptoms}))
    assert both.rank >= max(first.rank, second.rank)
    assert set(both.patient) == {*first.patient} | {*second.patient}
    assert Said.of_json(both.json()) == both
