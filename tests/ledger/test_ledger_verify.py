"""Whatever is changed behind our back is found, and named by its exam."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text, update

from ingest.clinic.pack import zip_of
from ledger import originals, schema, verify
from ledger.database import Ledger, Transaction
from ledger.ids import new_id
from ledger.verify import Head, Report, read_heads

FILES = [("a.hea", b"header" * 500), ("a.dat", bytes(range(256)) * 30)]


def add(tx: Transaction, data: bytes, files: list[tuple[str, bytes]]) -> str:
    """An exam with its original."""
    prepared = originals.Prepared(data)
    originals.put(tx, "c", prepared)
    exam = new_id()
    listed = [{"name": name, "sha256": hashlib.sha256(one).hexdigest(), "bytes": len(one)} for name, one in files]
    row = {
        "county_id": "c", "id": exam, "site_id": "s", "sender": "d", "sha256": prepared.sha256, "bytes": len(data),
        "files": listed, "status": "received", "received_at": tx.now, "urgent": False, "symptoms": [],
        "conflicts": [], "context_problem": False, "advice": [], "attempts": 0,
    }  # fmt: skip
    tx.connection.execute(insert(schema.exam), row)
    tx.audit("c", "d", "exam.received", "s", detail={"exam": exam})
    return exam


@pytest.fixture
def exams(ledger: Ledger) -> list[str]:
    """Three exams: one file, one file that does not compress, and two files in a zip."""
    noise = hashlib.shake_256(b"noise").digest(3000)
    one = ledger.write(lambda tx: add(tx, FILES[0][1], FILES[:1]))
    other = ledger.write(lambda tx: add(tx, noise, [("b.dat", noise)]))
    both = ledger.write(lambda tx: add(tx, zip_of(FILES), FILES))
    return [one, other, both]


def looked(ledger: Ledger, *heads: Head) -> Report:
    return ledger.read(lambda connection: verify.verify(connection, heads))


def behind_our_back(ledger: Ledger, *statements: Any) -> None:
    """Change the database as nobody should, references too."""
    with ledger.engine.connect() as connection:
        is_sqlite = connection.dialect.name == "sqlite"
        if is_sqlite:
            connection.connection.execute("PRAGMA foreign_keys=OFF")  # type: ignore[attr-defined]
        with connection.begin():
            if not is_sqlite:
                connection.execute(text("SET LOCAL session_replication_role = replica"))
            for statement in statements:
                connection.execute(statement)
        if is_sqlite:
            connection.connection.execute("PRAGMA foreign_keys=ON")  # type: ignore[attr-defined]


def sha256_of(ledger: Ledger, exam: str) -> str:
    query = select(schema.exam.c.sha256).where(schema.exam.c.id == exam)
    return ledger.read(lambda connection: connection.execute(query).scalar_one())


def flipped(ledger: Ledger, exam: str) -> None:
    """One bit of the exam's first piece is another."""
    which = schema.original_piece.c.sha256 == sha256_of(ledger, exam)
    piece = select(schema.original_piece.c.data).where(which)
    data = bytearray(ledger.read(lambda connection: connection.execute(piece).scalar_one()))
    data[len(data) // 2] ^= 0x10
    behind_our_back(ledger, update(schema.original_piece).where(which).values(data=bytes(data)))


def test_a_whole_ledger_is_whole_and_says_where_its_chain_ends(ledger: Ledger, exams: list[str]) -> None:
    report = looked(ledger)
    assert report.broken == []
    assert (report.counties, report.exams, report.originals, report.audit_rows) == (1, 3, 3, 3)
    (head,) = report.heads
    assert (head.county, head.seq) == ("c", 3)
    assert looked(ledger, *read_heads(str(head))).compared == 1


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_flipped_bit_names_its_exam(ledger: Ledger, exams: list[str], number: int) -> None:
    flipped(ledger, exams[number])
    (damage,) = looked(ledger).broken
    assert damage.where == f"exam {exams[number]}"
    assert damage.zh == "原件损坏"


def _lost_piece(sha256: str) -> list[Any]:
    return [delete(schema.original_piece).where(schema.original_piece.c.sha256 == sha256)]


def _lost_original(sha256: str) -> list[Any]:
    return [*_lost_piece(sha256), delete(schema.original).where(schema.original.c.sha256 == sha256)]


def _other_length(sha256: str) -> list[Any]:
    return [update(schema.exam).where(schema.exam.c.sha256 == sha256).values(bytes=7)]


def _other_files(sha256: str) -> list[Any]:
    listed = [{"name": "a", "sha256": "0" * 64, "bytes": 1}, {"name": "b", "sha256": "1" * 64, "bytes": 1}]
    return [update(schema.exam).where(schema.exam.c.sha256 == sha256).values(files=listed)]


@pytest.mark.parametrize("change", [_lost_piece, _lost_original, _other_length, _other_files])
def test_an_exam_that_its_original_does_not_bear_out_is_named(
    ledger: Ledger, exams: list[str], change: Callable[[str], list[Any]]
) -> None:
    behind_our_back(ledger, *change(sha256_of(ledger, exams[2])))
    assert {damage.where for damage in looked(ledger).broken} == {f"exam {exams[2]}"}


def test_a_reference_that_leads_nowhere_is_found(ledger: Ledger, exams: list[str]) -> None:
    link = {"county_id": "c", "exam_id": exams[0], "other_id": "gone", "how": "retake", "at": 0, "detail": {}}
    behind_our_back(
        ledger,
        insert(schema.exam_link).values(link),
        update(schema.exam).where(schema.exam.c.id == exams[1]).values(patient_id="nobody"),
    )
    found = looked(ledger).broken
    assert {damage.where for damage in found} == {f"exam {exams[0]}", f"exam {exams[1]}"}
    assert any("patient" in damage.en for damage in found)


def test_a_cut_tail_is_found_by_a_head_that_was_kept(ledger: Ledger, exams: list[str]) -> None:
    kept = looked(ledger).heads
    hashes = select(schema.audit.c.seq, schema.audit.c.hash)
    chain = {row.seq: row.hash for row in ledger.read(lambda connection: connection.execute(hashes).all())}
    behind_our_back(
        ledger,
        delete(schema.audit).where(schema.audit.c.seq == 3),
        update(schema.county).values(audit_seq=2, audit_head=chain[2]),
    )
    assert looked(ledger).broken == []  # alone, the chain looks whole: that is why heads are kept elsewhere
    (damage,) = looked(ledger, *kept).broken
    assert "the tail is cut" in damage.en
    ledger.write(lambda tx: tx.audit("c", "d", "something.else", "s"))  # and covered up by another row
    (damage,) = looked(ledger, *kept).broken
    assert "made anew" in damage.en


def test_a_county_that_is_gone_is_found_by_its_head(ledger: Ledger) -> None:
    (damage,) = looked(ledger, Head("gone", 4, "a" * 64)).broken
    assert damage.where == "audit of gone"


def test_heads_are_read_from_any_log() -> None:
    one, other = Head("c1", 12, "ab" * 32), Head("c2", 7, "cd" * 32)
    console = "\x1b[2m2026-11-24T20:00:00Z\x1b[0m [info] audit head \x1b[36mcounty\x1b[0m=\x1b[35mc1\x1b[0m "
    console += f"hash={one.hash} seq=12"
    collected = f'{{"event": "audit head", "county": "c2", "seq": 7, "hash": "{other.hash}"}}'
    text_ = f"{console}\nsomething else seq=3\n{collected}\n{one}\n{{no json\n"
    assert read_heads(text_) == [one, other]
