"""Keys and tokens that we make ourselves: 32 random bytes, shown once, kept as a hash.

SHA-256 without salt or stretching is right here and would be wrong for a password: nobody can try 2²⁵⁶ keys, so a slow
hash would buy nothing, and a plain one can be looked up by an index in one read. The prefix says what a string is, to
people, to the look-up, and to scanners that search logs and repositories for leaked keys.
"""

from __future__ import annotations

import hashlib
import secrets
from enum import StrEnum

BYTES = 32


class Kind(StrEnum):
    """What a secret opens; its prefix."""

    DEVICE = "ek_"
    """A device's key: until it is revoked."""
    SESSION = "es_"
    """A person's session: until it expires or is ended."""


def new(kind: Kind) -> str:
    """A new secret."""
    return f"{kind}{secrets.token_urlsafe(BYTES)}"


def fingerprint(secret: str) -> str:
    """What is kept of a secret: SHA-256, hexadecimal."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
