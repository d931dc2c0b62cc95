"""Original bytes: the same again, once, in small pieces; damage is seen."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from ledger import originals, schema
from ledger.database import Ledger

MIB = 1 << 20


def keep(ledger: Ledger, data: bytes, county: str = "c") -> str:
    """Keep the bytes; their digest."""
    prepared = originals.Prepared(data)
    ledger.write(lambda tx: originals.put(tx, county, prepared))
    return prepared.sha256


def kept(ledger: Ledger, sha256: str) -> bytes:
    """The bytes."""
    return ledger.read(lambda connection: originals.get(connection, "c", sha256))


def pieces(ledger: Ledger) -> list[int]:
    """The lengths of all pieces."""
    query = select(func.length(schema.original_piece.c.data)).order_by(schema.original_piece.c.number)
    return list(ledger.read(lambda connection: connection.execute(query).scalars().all()))


@given(data=st.binary(max_size=3000) | st.binary(max_size=20).map(lambda part: part * 500))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bytes_are_the_same_again(ledger: Ledger, data: bytes) -> None:
    assert kept(ledger, keep(ledger, data)) == data


@pytest.mark.parametrize("length", [0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB + 5])
def test_no_piece_is_larger_than_a_mebibyte(ledger: Ledger, length: int) -> None:
    data = os.urandom(length)
    assert kept(ledger, keep(ledger, data)) == data
    assert all(0 < piece <= MIB for piece in pieces(ledger))
    assert sum(pieces(ledger)) == length
    assert len(pieces(ledger)) == -(-length // MIB)


def test_what_can_be_packed_is(ledger: Ledger) -> None:
    data = b"\x00\x01" * MIB
    assert kept(ledger, keep(ledger, data)) == data
    assert sum(pieces(ledger)) < 10_000


def test_the_same_bytes_are_kept_once(ledger: Ledger) -> None:
    data = os.urandom(10_000)
    assert keep(ledger, data) == keep(ledger, data)
    assert pieces(ledger) == [10_000]


def test_unknown_bytes_are_no_bytes(ledger: Ledger) -> None:
    with pytest.raises(KeyError):
        kept(ledger, "0" * 64)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE original_piece SET data = {some}",
        "DELETE FROM original_piece WHERE number = 1",
        "UPDATE original_piece SET number = 3 WHERE number = 0",
        "DELETE FROM original_piece",
        "UPDATE original SET bytes = bytes + 1",
        "UPDATE original SET encoding = {other}",
    ],
)
@pytest.mark.parametrize("packs", [False, True])
def test_damage_is_seen_and_never_served(ledger: Ledger, damage: str, packs: bool) -> None:
    data = os.urandom(MIB + 500_000) if not packs else os.urandom(MIB + 100_000) + bytes(MIB)
    sha256 = keep(ledger, data)
    assert len(pieces(ledger)) == 2
    some = "'\\x00'::bytea" if ledger.is_postgresql else "x'00'"
    other = "'plain'" if packs else "'zstd'"
    statement = damage.format(some=some, other=other)
    ledger.write(lambda tx: tx.connection.exec_driver_sql(statement) and None)
    with pytest.raises(originals.OriginalDamaged, match=sha256):
        kept(ledger, sha256)


def test_a_packed_piece_that_claims_a_terabyte_takes_no_memory(ledger: Ledger) -> None:
    sha256 = keep(ledger, bytes(100_000))
    # a zstd frame header with a content size of 2**40
    header = "28b52ffde00000000000010000010000"
    some = f"'\\x{header}'::bytea" if ledger.is_postgresql else f"x'{header}'"
    ledger.write(lambda tx: tx.connection.exec_driver_sql(f"UPDATE original_piece SET data = {some}") and None)
    with pytest.raises(originals.OriginalDamaged):
        kept(ledger, sha256)
