"""How long a promise is tried: a few kills in `make test`, as long as wanted in `make soak`; seeds, figures printed."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

SOAK_S = float(os.environ.get("ECGNET_SOAK_S", "0"))
"""The seconds that `scripts/soak.py` gives each test; 0 in `make test`."""

_MEMORY = Path("/dev/shm")


def seed_of(name: str) -> int:
    """A seed nobody has chosen, printed so that a failure can be repeated with ``ECGNET_SEED``."""
    seed = int(os.environ.get("ECGNET_SEED") or secrets.randbelow(1_000_000))
    print(f"{name}: ECGNET_SEED={seed}")
    return seed


def tell(promise: str | int, engine: str = "sqlite", **figures: int) -> None:
    """A line of figures: the soak adds up the lines of its rounds. A bare number is one of ingest's promises."""
    name = promise if isinstance(promise, str) else f"ingest {promise}"
    print("SOAK", json.dumps({"promise": name, "engine": engine, **figures}))


def memory() -> str | None:
    """A folder in memory, where there is one: for a database whose disk is not in question."""
    return str(_MEMORY) if os.access(_MEMORY, os.W_OK) else None
