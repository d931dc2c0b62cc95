"""Original bytes, kept under their SHA-256 in pieces of at most 1 MiB, compressed where that helps.

They are in the database, not beside it: so they share the commit of their exam, and none can be orphaned.
"""

from __future__ import annotations

import hashlib

import zstandard
from sqlalchemy import Connection, bindparam, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from ledger import schema
from ledger.database import Transaction

PIECE_BYTES = 1 << 20
ZSTD_LEVEL = 3  # on ECG files ×1.8 in 0.7 ms; higher levels gain nothing that is worth their time
WORTHWHILE = 0.95  # compressed pieces are kept only if they are at least 5 % smaller


class OriginalDamaged(Exception):
    """The stored bytes do not give their digest."""


_ROW = select(schema.original).where(
    schema.original.c.county_id == bindparam("county"), schema.original.c.sha256 == bindparam("sha256")
)
_PIECES = (
    select(schema.original_piece.c.data)
    .where(
        schema.original_piece.c.county_id == bindparam("county"),
        schema.original_piece.c.sha256 == bindparam("sha256"),
    )
    .order_by(schema.original_piece.c.number)
)
# The first to bring these bytes keeps them; on PostgreSQL a second one waits here until the first has committed.
_INSERT = {
    "sqlite": sqlite.insert(schema.original).on_conflict_do_nothing().returning(schema.original.c.bytes),
    "postgresql": postgresql.insert(schema.original).on_conflict_do_nothing().returning(schema.original.c.bytes),
}
_INSERT_PIECE = insert(schema.original_piece)


class Prepared:
    """Bytes with their digest and pieces, made outside the writer's thread: hashing and compressing take time."""

    __slots__ = ("encoding", "pieces", "sha256", "size")

    def __init__(self, data: bytes) -> None:
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.size = len(data)
        packed = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(data)
        self.encoding = "zstd" if len(packed) < WORTHWHILE * len(data) else "plain"
        kept = packed if self.encoding == "zstd" else data
        self.pieces = [kept[at : at + PIECE_BYTES] for at in range(0, len(kept), PIECE_BYTES)]


def put(transaction: Transaction, county: str, prepared: Prepared) -> bool:
    """Keep the bytes; the same bytes a second time are one original. Whether they are new to the county."""
    connection = transaction.connection
    row = {"county_id": county, "sha256": prepared.sha256, "bytes": prepared.size}
    row |= {"encoding": prepared.encoding, "created_at": transaction.now}
    if connection.execute(_INSERT[connection.dialect.name], row).first() is None:
        return False
    for number, piece in enumerate(prepared.pieces):
        piece_row = {"county_id": county, "sha256": prepared.sha256, "number": number, "data": piece}
        connection.execute(_INSERT_PIECE, piece_row)
    return True


def get(connection: Connection, county: str, sha256: str) -> bytes:
    """The bytes, checked against their digest; ``KeyError`` if unknown, :class:`OriginalDamaged` if they changed."""
    key = {"county": county, "sha256": sha256}
    row = connection.execute(_ROW, key).one_or_none()
    if row is None:
        raise KeyError(sha256)
    data = b"".join(connection.execute(_PIECES, key).scalars())
    if row.encoding == "zstd":
        try:
            if zstandard.frame_content_size(data) != row.bytes:  # before so much memory is taken
                raise OriginalDamaged(f"original {sha256} has another length than was kept")
            data = zstandard.ZstdDecompressor().decompress(data, max_output_size=row.bytes)
        except zstandard.ZstdError as error:
            raise OriginalDamaged(f"original {sha256}: {error}") from error
    if len(data) != row.bytes or hashlib.sha256(data).hexdigest() != sha256:
        raise OriginalDamaged(f"original {sha256} does not give its length and digest")
    return data
