"""XLI, the compression of samples in Philips ECG XML: LZW over bytes, then second differences.

The data are one chunk a lead. A chunk is 4 bytes length (little-endian), 2 bytes that no reader needs, 2 bytes start
value (signed), then LZW codes of 10 bits, most significant bit first: 0–255 stand for themselves, 256 is the first
learnt string, a full dictionary (1022 the last code) learns no more, and there is neither a clear nor an end code.
Unpacked are n high bytes and then n low bytes of n signed 16-bit numbers d. With s the start value, d₀ and d₁ are the
first two samples, and every later one follows from its second difference:

    y₀ = d₀,  y₁ = d₁,  yₖ − 2·yₖ₋₁ + yₖ₋₂ = −cₖ₋₁  with  c₁ = s,  cₖ = dₖ − 64

Facts of the format: the published sample files with their plain-number twin, which decide every detail above.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ecg.errors import Unreadable
from ecg.formats import faults

HEADER_BYTES = 8
CODE_BITS = 10
FIRST_LEARNT = 256
LAST_CODE = (1 << CODE_BITS) - 2
OFFSET = 64
"""What a stored difference is larger than the difference, so that small ones share their high byte."""


def unpacked(data: bytes, leads: int, samples: int, name: str) -> NDArray[np.int64]:
    """The stored numbers of every lead, int64 [lead, sample]; :class:`Unreadable` where they are cut or damaged.

    ``samples`` is what the file announces for a lead; a chunk must hold exactly so many.
    """
    rows = np.empty((leads, samples), dtype=np.int64)
    place = 0
    for lead in range(leads):
        head = data[place : place + HEADER_BYTES]
        size = int.from_bytes(head[:4], "little") if len(head) == HEADER_BYTES else HEADER_BYTES
        start = int.from_bytes(head[6:8], "little", signed=True)
        place += HEADER_BYTES
        chunk = data[place : place + size]
        place += size
        if len(chunk) < size or len(head) < HEADER_BYTES:
            raise faults.cut_short(name, lead, leads, "个导联", "leads")
        rows[lead] = _integrated(_halves(_lzw(chunk, 2 * samples, name), samples, name), start)
    return rows


def _codes(chunk: bytes) -> list[int]:
    """The chunk as codes of 10 bits; what remains of the last byte is padding."""
    bits = np.unpackbits(np.frombuffer(chunk, dtype=np.uint8))
    whole = bits[: bits.size // CODE_BITS * CODE_BITS].reshape(-1, CODE_BITS)
    codes: list[int] = (whole @ (1 << np.arange(CODE_BITS - 1, -1, -1))).tolist()
    return codes


def _lzw(chunk: bytes, most: int, name: str) -> bytes:
    """The unpacked bytes, at most ``most`` and what the last code adds to them."""
    table = [bytes((value,)) for value in range(256)]
    out = bytearray()
    before = b""
    for code in _codes(chunk):
        if code < len(table):
            string = table[code]
        elif code == len(table) and before and code <= LAST_CODE:
            string = before + before[:1]
        elif len(out) >= most:
            break  # padding after the last string
        else:
            raise _broken(name)
        if before and len(table) <= LAST_CODE:
            table.append(before + string[:1])
        out += string
        before = string
        if len(out) >= most:
            break
    return bytes(out)


def _halves(packed: bytes, samples: int, name: str) -> NDArray[np.int64]:
    if len(packed) != 2 * samples:
        if len(packed) > 2 * samples:
            raise _broken(name)
        raise faults.cut_short(name, len(packed) // 2, samples, "个采样", "samples")
    halves = np.frombuffer(packed, dtype=np.uint8).reshape(2, samples)
    return (halves[0].view(np.int8).astype(np.int64) << 8) | halves[1]


def _integrated(stored: NDArray[np.int64], start: int) -> NDArray[np.int64]:
    if stored.size < 3:
        return stored
    bend = np.concatenate([[start], stored[2:-1] - OFFSET])
    slope = (stored[1] - stored[0]) - np.cumsum(bend)
    return np.concatenate([stored[:2], stored[1] + np.cumsum(slope)])


def _broken(name: str) -> Unreadable:
    return faults.damaged(name, "压缩的波形无法展开", "its compressed waveform cannot be unpacked")
