"""Keeping a ledger by the command line, beside a real server: backed up while ECGs come in, and brought back whole."""

from __future__ import annotations

import itertools
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger import backup_file, schema
from ledger.verify import read_heads
from server.commands import keeping
from server.refusal import Refusal
from tests.server.commands import ecgnet
from tests.support import postgres
from tests.support.serving import Clinic, Doctor, Server, World, make_world, wait_until

PAUSE_S = 0.1


class Sending(threading.Thread):
    """A clinic that sends one ECG after the other; each is the same tracing in bytes of its own."""

    def __init__(self, clinic: Clinic) -> None:
        super().__init__(daemon=True)
        self.clinic = clinic
        self.receipts: list[dict[str, Any]] = []
        self.ended = threading.Event()

    def run(self) -> None:
        for number in itertools.count():
            if self.ended.wait(PAUSE_S):
                return
            self.receipts.append(self.clinic.send(b"no ECG %d" % number + os.urandom(3000), f"{number}.dat"))

    def stop(self) -> None:
        self.ended.set()
        self.join(30)


def where(world: World) -> tuple[str, ...]:
    return ("--data", str(world.folder), "--database", world.url)


@pytest.fixture(autouse=True)
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """pg_dump and pg_restore of the server that the tests run."""
    binaries = postgres.find_binaries()
    if binaries is not None:
        monkeypatch.setenv("PATH", f"{binaries}{os.pathsep}{os.environ['PATH']}")


@dataclass(frozen=True, slots=True)
class Kept:
    """A backup that was made while ECGs came in, and what the clinic was told of each ECG, in order."""

    path: Path
    receipts: list[dict[str, Any]]
    epoch: str
    seq: int

    @property
    def held(self) -> list[dict[str, Any]]:
        """The receipts of what it holds: a snapshot has the first so many, and none half."""
        return self.receipts[: backup_file.check(self.path).counties[0].exams]


def backed_up_beside(world: World) -> Kept:
    """`admin backup` as a process of its own, beside `serve`, which takes one ECG after the other."""
    server = Server(world).start()
    sending = Sending(Clinic(server.address, world.key))
    sending.start()
    try:
        wait_until(lambda: sending.receipts, 20, "the first ECG")
        done = ecgnet("admin", "backup", "--to", str(world.folder / "kept"), "--keep", "2", *where(world))
    finally:
        sending.stop()
    before = Doctor(server.address, "周敏")
    before.close()
    server.stop()
    world.close()
    assert done.returncode == 0, done.stderr
    assert "whole" in done.stderr
    return Kept(Path(done.stdout.strip()), sending.receipts, before.hello["epoch"], before.hello["seq"])


FIELDS = ("exam", "sha256", "bytes", "received_at")


def test_backed_up_while_ecgs_come_in_and_restored_into_an_empty_folder(tmp_path: Path) -> None:
    world = make_world(f"sqlite:///{tmp_path / 'ecgnet.db'}", tmp_path)
    kept = backed_up_beside(world)
    assert kept.held
    folder = tmp_path / "new"
    assert keeping.restore(kept.path, folder, None, damaged=False) == 0
    new = World(f"sqlite:///{folder / 'ecgnet.db'}", folder)
    assert len(new.rows(schema.exam)) == len(kept.held)
    again = Server(new).start()
    try:
        shown = [Clinic(again.address, world.key).exam(one["exam"]) for one in kept.held]
        assert [[one[f] for f in FIELDS] for one in shown] == [[one[f] for f in FIELDS] for one in kept.held]
        after = Doctor(again.address, "周敏", after=kept.seq, epoch=kept.epoch)
        assert after.until(lambda frame: frame["type"] == "resync")["why"] == "epoch"
        assert after.hello["epoch"] != kept.epoch
        after.close()
        with pytest.raises(Refusal) as refused:  # a server has it
            keeping.restore(kept.path, folder, None, damaged=False)
        assert refused.value.zh
    finally:
        again.stop()
        new.close()


def test_backed_up_while_ecgs_come_in_and_restored_into_an_empty_database(
    postgres_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    world = make_world(postgres_url, tmp_path)
    kept = backed_up_beside(world)
    assert kept.held
    fresh = request.getfixturevalue("_postgres_cluster").create_database()
    assert keeping.restore(kept.path, tmp_path, fresh, damaged=False) == 0
    new = World(fresh, tmp_path)
    rows = {row["id"]: row for row in new.rows(schema.exam)}
    assert [rows[one["exam"]]["sha256"] for one in kept.held] == [one["sha256"] for one in kept.held]
    assert len(rows) == len(kept.held)
    assert new.rows(schema.county)[0]["epoch"] != kept.epoch
    with pytest.raises(Refusal):  # it is not empty any more
        keeping.restore(kept.path, tmp_path, fresh, damaged=False)
    new.close()


def test_verify_names_the_exam_and_finds_a_cut_tail(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    world = make_world(f"sqlite:///{tmp_path / 'ecgnet.db'}", tmp_path)
    exams = [_sent(world, os.urandom(3000)) for _ in range(2)]

    def verified(heads: Path | None = None) -> tuple[int, str, str]:
        with world.ledger() as ledger:
            code = keeping.verify(ledger, heads)
        said = capfd.readouterr()
        return code, said.out, said.err

    whole = ecgnet("admin", "verify", "--data", str(tmp_path))
    assert whole.returncode == 0, whole.stderr
    heads = tmp_path / "heads.log"
    heads.write_text(whole.stdout, encoding="utf-8")
    assert [head.county for head in read_heads(whole.stdout)] == [world.county]
    _flip_a_byte(world, exams[0])
    code, _, said = verified(heads)
    assert (code, len(said.splitlines())) == (1, 1)
    assert said.startswith(f"exam {exams[0]}: 原件损坏")
    _cut_the_tail(world)
    assert "tail" not in verified()[2]
    code, _, said = verified(heads)
    assert (code, "the tail is cut" in said) == (1, True)
    with pytest.raises(Refusal):
        verified(tmp_path / "none.log")
    world.close()


def _sent(world: World, data: bytes) -> str:
    from ingest import receive

    ready = receive.prepare(receive.Submission(world.county, world.site, "d", [("a.dat", data)]))
    with world.ledger() as ledger:
        return ledger.write(lambda tx: receive.accept(tx, ready)).exam


def _flip_a_byte(world: World, exam: str) -> None:
    """In the file itself, as a disk would: no statement of SQL sees it."""
    sha256 = next(row["sha256"] for row in world.rows(schema.exam) if row["id"] == exam)
    (piece,) = (row["data"] for row in world.rows(schema.original_piece) if row["sha256"] == sha256)
    with world.ledger() as ledger, ledger.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    world.close()
    world.engine = None
    path = world.folder / "ecgnet.db"
    changed = piece[:100] + bytes([piece[100] ^ 1]) + piece[101:200]
    # everywhere: a page that was rearranged keeps what it held before, where nothing reads it
    path.write_bytes(path.read_bytes().replace(piece[:200], changed))


def _cut_the_tail(world: World) -> None:
    rows = sorted(world.rows(schema.audit), key=lambda row: row["seq"])
    with world.ledger() as ledger, ledger.engine.connect() as connection, connection.begin():
        connection.execute(schema.audit.delete().where(schema.audit.c.seq == rows[-1]["seq"]))
        connection.execute(schema.county.update().values(audit_seq=rows[-2]["seq"], audit_head=rows[-2]["hash"]))


def test_wrong_use_is_told(tmp_path: Path) -> None:
    assert ecgnet("admin", "backup", "--to", "x.zip", "--keep", "2", "--data", str(tmp_path)).returncode == 2
    with pytest.raises(Refusal, match="no file"):
        keeping.restore(tmp_path / "none.zip", tmp_path / "new", None, damaged=False)
