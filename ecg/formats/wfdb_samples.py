"""WFDB sample formats (``signal(5)``): the codecs that resting ECGs use, as a table.

The other formats (8, 310, 311, FLAC), several samples a frame, skew and multi-segment records are rare in resting ECGs
and go to the ``wfdb`` package, which takes seconds to import; these here need only numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Codec:
    """How ``samples`` interleaved values are packed: bytes needed, decoder, and the value that means "invalid"."""

    bytes_needed: Callable[[int], int]
    samples_in: Callable[[int], int]
    decode: Callable[[bytes, int], Counts]
    invalid: int


def _plain(dtype: str, offset: int, invalid: int) -> Codec:
    width = np.dtype(dtype).itemsize

    def decode(data: bytes, samples: int) -> Counts:
        return np.frombuffer(data, dtype=dtype, count=samples).astype(np.int32) - np.int32(offset)

    return Codec(lambda n: n * width, lambda size: size // width, decode, invalid)


def _decode_212(data: bytes, samples: int) -> Counts:
    """Two 12-bit two's-complement samples in three bytes."""
    padded = np.zeros((samples + 1) // 2 * 3, dtype=np.int32)
    raw = np.frombuffer(data, dtype=np.uint8, count=min(len(data), len(padded)))
    padded[: len(raw)] = raw
    low, middle, high = padded.reshape(-1, 3).T
    pairs = np.stack([low | (middle & 0x0F) << 8, high | (middle & 0xF0) << 4], axis=1).ravel()[:samples]
    return np.where(pairs > 2047, pairs - 4096, pairs).astype(np.int32)


def _decode_24(data: bytes, samples: int) -> Counts:
    """Three bytes, little-endian two's complement."""
    raw = np.frombuffer(data, dtype=np.uint8, count=samples * 3).reshape(-1, 3).astype(np.int32)
    values = raw[:, 0] | raw[:, 1] << 8 | raw[:, 2] << 16
    return np.where(values >= 1 << 23, values - (1 << 24), values).astype(np.int32)


CODECS: dict[str, Codec] = {
    "16": _plain("<i2", 0, -(1 << 15)),
    "61": _plain(">i2", 0, -(1 << 15)),
    "160": _plain("<u2", 1 << 15, -(1 << 15)),
    "80": _plain("u1", 128, -128),
    "32": _plain("<i4", 0, -(1 << 31)),
    "24": Codec(lambda n: n * 3, lambda size: size // 3, _decode_24, -(1 << 23)),
    "212": Codec(lambda n: (n * 3 + 1) // 2, lambda size: size * 2 // 3, _decode_212, -(1 << 11)),
}


def checksum(counts: Counts) -> int:
    """The header's 16-bit checksum of one signal's samples, unsigned."""
    return int(counts.sum(dtype=np.int64)) & 0xFFFF
