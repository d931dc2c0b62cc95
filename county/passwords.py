"""Passwords: argon2id (RFC 9106, the profile for little memory: 64 MiB, 3 passes), never kept or logged in clear.

Hashing takes some 50–100 ms and 64 MiB on purpose. It never runs in the writer's thread: every receipt of the county
would wait. :class:`PasswordHash` is a type of its own so that a password cannot be handed on in its place.
"""

from __future__ import annotations

import functools
import secrets
import unicodedata
from dataclasses import dataclass

import argon2

from county.errors import BadPassword

SHORTEST = 8  # letters; NIST SP 800-63B §5.1.1.2, which also advises against rules on what letters
LONGEST = 256  # letters; a longer one only costs us time

HASHER = argon2.PasswordHasher()


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """The argon2 hash of a password, as it is kept."""

    encoded: str


def hash_password(password: str) -> PasswordHash:
    """The hash to keep (slow; not in the writer's thread). :class:`BadPassword` if it is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadPassword(
            f"密码要有 {SHORTEST} 到 {LONGEST} 个字符。", f"A password has {SHORTEST} to {LONGEST} letters."
        )
    return PasswordHash(HASHER.hash(_octets(password)))


def verify(kept: PasswordHash, password: str) -> bool:
    """Whether ``password`` is the one that was hashed (slow)."""
    try:
        return HASHER.verify(kept.encoded, _octets(password))
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


@functools.cache
def nobodys_hash() -> PasswordHash:
    """A hash that no password fits: an unknown name is verified against it, and so takes as long as a known one."""
    return PasswordHash(HASHER.hash(secrets.token_bytes(32)))


def _octets(password: str) -> bytes:
    # NFKC: the same password typed on another keyboard is the same password (NIST SP 800-63B §5.1.1.2)
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
