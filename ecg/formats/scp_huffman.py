"""Huffman coding of SCP-ECG (EN 1064, section 2 and annex C): the standard's default table, and tables of the file.

A code is a prefix, read most significant bit first. It stands for a value, or announces that the value follows in so
many bits, or switches to another table.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecg.formats import faults

DEFAULT = 19999
"""Number of tables that stands for the standard's own table."""

_COUNT = struct.Struct("<H")
_CODE = struct.Struct("<BBBhI")
MAX_TABLES = 32
MAX_CODES = 4096


@dataclass(frozen=True, slots=True)
class Code:
    """What a prefix means: the ``value``, or one held (signed) in ``extra`` further bits, or go on with ``table``."""

    value: int
    extra: int = 0
    table: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Prefixes as texts of ``0`` and ``1``, and their lengths in ascending order."""

    codes: dict[str, Code]
    lengths: tuple[int, ...]


def _table(codes: dict[str, Code]) -> Table:
    return Table(codes, tuple(sorted({len(prefix) for prefix in codes})))


def _default() -> Table:
    """Annex C: 0 is one bit, ±n are n ones more, then an escape for 8 and one for 16 bits."""
    codes = {"0": Code(0), "1" * 9 + "0": Code(0, extra=8), "1" * 10: Code(0, extra=16)}
    for size in range(1, 9):
        codes |= {"1" * size + "00": Code(size), "1" * size + "01": Code(-size)}
    return _table(codes)


DEFAULT_TABLES = [_default()]


def read_tables(data: bytes, name: str) -> list[Table]:
    """The tables of a section 2."""
    if len(data) < _COUNT.size:
        raise faults.damaged(name, "霍夫曼表为空", "the Huffman section is empty")
    (count,) = _COUNT.unpack_from(data)
    if count == DEFAULT:
        return DEFAULT_TABLES
    if not 0 < count <= MAX_TABLES:
        raise faults.damaged(name, "霍夫曼表数目错误", f"{count} Huffman tables")
    tables: list[Table] = []
    at = _COUNT.size
    for _ in range(count):
        codes, at = _read_table(data, at, name)
        tables.append(_table(codes))
    return tables


def _read_table(data: bytes, at: int, name: str) -> tuple[dict[str, Code], int]:
    if at + _COUNT.size > len(data):
        raise faults.damaged(name, "霍夫曼表不完整", "a Huffman table is cut short")
    (count,) = _COUNT.unpack_from(data, at)
    at += _COUNT.size
    if not 0 < count <= MAX_CODES or at + count * _CODE.size > len(data):
        raise faults.damaged(name, "霍夫曼表不完整", "a Huffman table is cut short")
    codes: dict[str, Code] = {}
    for _ in range(count):
        prefix_bits, total_bits, mode, value, bits = _CODE.unpack_from(data, at)
        at += _CODE.size
        if not 0 < prefix_bits <= 32 or not prefix_bits <= total_bits <= prefix_bits + 32:
            raise faults.damaged(name, "霍夫曼表数值错误", "a Huffman code has impossible lengths")
        prefix = format(bits, "032b")[::-1][:prefix_bits]  # base codes are stored with their bits reversed
        codes[prefix] = Code(value, total_bits - prefix_bits) if mode else Code(0, table=value - 1)
    return codes, at


def decode(coded: bytes, tables: list[Table], wanted: int, name: str) -> NDArray[np.int64]:
    """At most ``wanted`` values from ``coded``; ``DAMAGED`` for a bit pattern that no code begins with."""
    bits = format(int.from_bytes(coded, "big"), f"0{len(coded) * 8}b") if coded else ""
    end, at, table = len(bits), 0, tables[0]
    values: list[int] = []
    while at < end and len(values) < wanted:
        code, at = _next(bits, at, table)
        if code is None:
            if end - at < 8 + max(table.lengths) or set(bits[at:]) <= {"1"}:
                break  # the filling of the last byte
            raise faults.damaged(name, "霍夫曼编码错误", "a Huffman code is unknown")
        if code.table is not None:
            if not 0 <= code.table < len(tables):
                raise faults.damaged(name, "霍夫曼表切换错误", "a switch to a Huffman table that is not there")
            table = tables[code.table]
        elif code.extra:
            if at + code.extra > end:
                break
            raw = int(bits[at : at + code.extra], 2)
            values.append(raw - (1 << code.extra) if raw >> (code.extra - 1) else raw)
            at += code.extra
        else:
            values.append(code.value)
    return np.array(values, dtype=np.int64)


def _next(bits: str, at: int, table: Table) -> tuple[Code | None, int]:
    for length in table.lengths:
        code = table.codes.get(bits[at : at + length])
        if code is not None and at + length <= len(bits):
            return code, at + length
    return None, at
