"""The watcher on a real folder, with the real instrument: pairs, halves, locks, restarts, years of old files."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ecg.formats.wfdb_write import wfdb_zip
from ecg.synthesis import Heart, synthesise
from ingest.clinic import grade
from ingest.clinic import watch as watching
from ingest.clinic.finished import Finder, Rules
from ingest.clinic.spool import Spool
from ingest.clinic.watch import Watcher, named_in
from tests.support.needs import REPOSITORY

DATA = REPOSITORY / "tests" / "data"
HEADER, SIGNALS = (DATA / "55.hea").read_bytes(), (DATA / "55.dat").read_bytes()


@pytest.fixture
def cart(tmp_path: Path) -> Path:
    folder = tmp_path / "cart"
    folder.mkdir()
    return folder


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = Spool(tmp_path / "spool.db", lambda: time.time_ns() // 1000)
    yield opened
    opened.close()


def watcher(cart: Path, spool: Spool, *, with_old: bool = False) -> Watcher:
    made = Watcher(cart, spool, Finder(Rules(quiet_s=2, patience_s=10, pair_s=10)), with_old=with_old)
    made.start()
    return made


def seconds(made: Watcher, *moments: float) -> list[int]:
    """Looks at these moments; what was kept."""
    return [which for now in moments for which in made.look(now)]


def names(spool: Spool) -> list[str]:
    return [ecg.name for ecg in reversed(spool.newest())]


def untouched(cart: Path) -> dict[Path, tuple[int, int, int]]:
    """What a change would show of each file (reading one may move its last access)."""
    return {path: ((at := path.stat()).st_size, at.st_mtime_ns, at.st_ino) for path in cart.rglob("*")}


def test_a_pair_is_kept_whole_and_nothing_in_the_folder_is_touched(cart: Path, spool: Spool) -> None:
    (cart / "sub").mkdir()
    (cart / "sub" / "55.dat").write_bytes(SIGNALS)
    made = watcher(cart, spool)
    assert seconds(made, 0, 5) == []
    (cart / "sub" / "55.hea").write_bytes(HEADER)
    before = untouched(cart)
    (which,) = seconds(made, 6, 8)
    parcel = spool.parcel(which)
    assert parcel is not None
    told = grade.grade(parcel.name, parcel.data)
    assert (told["leads"], told["seconds"]) == (12, 10.0)
    assert untouched(cart) == before
    assert len(parcel.data) < len(SIGNALS) * 0.9, "it is packed for a thin line"


def test_a_half_written_file_is_waited_for_and_a_broken_one_is_kept_all_the_same(cart: Path, spool: Spool) -> None:
    (cart / "55.hea").write_bytes(HEADER)
    (cart / "55.dat").write_bytes(SIGNALS[:50_000])
    made = watcher(cart, spool)
    assert seconds(made, 0, 2, 5) == [], "its content ends too early"
    (cart / "55.dat").write_bytes(SIGNALS)
    (whole,) = seconds(made, 6, 8)
    assert not grade.looks_unfinished([("55.hea", HEADER), ("55.dat", SIGNALS)])
    (cart / "torn.xml").write_bytes(b"<?xml version='1.0'?><AnnotatedECG xmlns='urn:hl7-org:v3'><id")
    (torn,) = seconds(made, 9, 11, 18, 20)
    assert [whole, torn] == [1, 2], "it is sent: a human shall look at it"


def test_what_cannot_be_read_or_changes_meanwhile_is_tried_again(
    cart: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cart / "a.bin").write_bytes(b"some ECG")
    made = watcher(cart, spool)
    held = [True, True]

    def refuse(path: str) -> None:
        if held:
            held.pop()
            raise PermissionError(path)  # what Windows says of a file that its writer still holds

    monkeypatch.setattr(watching, "_refuse_held", refuse)
    assert seconds(made, 0, 2, 3, 4, 5) == []
    assert len(seconds(made, 6)) == 1


def test_after_a_restart_nothing_is_kept_twice_and_what_came_meanwhile_is(cart: Path, spool: Spool) -> None:
    (cart / "a.bin").write_bytes(b"a")
    assert len(seconds(watcher(cart, spool), 0, 2)) == 1
    (cart / "b.bin").write_bytes(b"b")
    again = watcher(cart, spool)
    assert len(seconds(again, 0, 2, 4, 60)) == 1
    assert names(spool) == ["a", "b"]


def test_years_of_old_files_are_known_and_not_sent_unless_asked(cart: Path, spool: Spool, tmp_path: Path) -> None:
    for name, age_h in (("old.bin", 25), ("new.bin", 1)):
        (cart / name).write_bytes(name.encode())
        os.utime(cart / name, (time.time() - age_h * 3600, time.time() - age_h * 3600))
    made = watcher(cart, spool)
    seconds(made, 0, 2)
    (cart / "copied.bin").write_bytes(b"copied from a stick, with its old time")
    os.utime(cart / "copied.bin", (1e9, 1e9))
    seconds(made, 4, 6)
    assert names(spool) == ["new", "copied"]
    assert spool.recall(f"folder {cart}") == {"old": 1}
    other = Spool(tmp_path / "other.db", lambda: 1)
    seconds(watcher(cart, other, with_old=True), 0, 2)
    assert len(other.newest()) == 3
    other.close()


def test_a_folder_that_goes_away_and_comes_back_sends_nothing_twice(cart: Path, spool: Spool) -> None:
    (cart / "a.bin").write_bytes(b"a")
    made = watcher(cart, spool)
    seconds(made, 0, 2)
    moved = cart.with_name("away")
    shutil.move(cart, moved)
    seconds(made, 4)
    assert made.is_gone
    shutil.move(moved, cart)
    assert seconds(made, 6, 8, 20) == []
    assert not made.is_gone


def test_what_goes_wrong_with_one_file_does_not_hold_up_the_next(
    cart: Path, spool: Spool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.bin", "b.bin"):
        (cart / name).write_bytes(name.encode())
    put = Spool.put

    def put_all_but_a(self: Spool, name: str, *more: Any) -> Any:
        if name == "a":
            raise RuntimeError("王建国")
        return put(self, name, *more)

    monkeypatch.setattr(Spool, "put", put_all_but_a)
    monkeypatch.setattr("ecg.read", lambda _: 1 / 0)  # our mistake must not keep the ECG out of the spool
    assert len(seconds(watcher(cart, spool), 0, 2, 4)) == 1
    assert names(spool) == ["b"]
    assert capsys.readouterr().err == "watch: RuntimeError\n" * 2


def test_a_full_disk_is_said_and_the_file_is_kept_as_soon_as_there_is_room(cart: Path, spool: Spool) -> None:
    made = watcher(cart, spool)
    seconds(made, 0)
    pages = spool._db.execute("PRAGMA page_count").fetchone()[0]
    spool._db.execute(f"PRAGMA max_page_count = {pages}")
    (cart / "a.bin").write_bytes(os.urandom(200_000))
    assert seconds(made, 1, 3) == []
    assert made.is_full
    spool._db.execute("PRAGMA max_page_count = 1000000")
    assert len(seconds(made, 4, 5)) == 1
    assert not made.is_full


def test_a_header_names_no_file_elsewhere(cart: Path) -> None:
    header = cart / "a.hea"
    header.write_text("a 3 500 10\n# note\n../secret 16\nb.dat 16\n~ 0\n/etc/passwd 16\n")
    assert named_in(header) == (str(cart / "b.dat"),)


def test_a_hint_of_the_operating_system_makes_the_look_come_at_once(cart: Path) -> None:
    stop, hint = threading.Event(), threading.Event()
    thread = threading.Thread(target=watching.hints, args=(cart, stop, hint))
    thread.start()
    try:
        for number in range(50):  # the notice may need a moment to begin
            (cart / f"{number}.bin").write_bytes(b"x")
            if hint.wait(0.1):
                break
        assert hint.is_set()
    finally:
        stop.set()
        thread.join(10)


def test_what_is_loose_is_said_on_the_spot() -> None:
    recording = synthesise(Heart()).recording
    rows = recording.millivolts.copy()
    rows[recording.leads.index("V3")] = 0.0
    told = grade.grade("ecg.zip", wfdb_zip(replace(recording, millivolts=rows)))
    assert "V3" in told["advice"][0]["zh"]
    assert told["advice"][0]["code"] == "Q_OFF"
    assert grade.grade("x.jpg", b"no ECG")["problem"]["code"] == "UNKNOWN_FORMAT"
