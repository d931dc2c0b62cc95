"""What the promises of a worker share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.promises.ingest_house import Nursery


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Where servers that are killed come from."""
    made = Nursery()
    yield made
    made.close()
