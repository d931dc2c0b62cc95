"""The county that the room's tests share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from ledger.clock import ManualClock
from ledger.database import Ledger

# what does not depend on the database is told once
on_sqlite = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)

PASSWORD = "correct horse battery"


@dataclass
class World:
    """An open ledger with one county, two sites, a person of each role, and a device."""

    ledger: Ledger
    clock: ManualClock
    county: str
    site: str
    other_site: str
    device: str
    key: str
    people: dict[str, str] = field(default_factory=dict[str, str])

    def rows(self, table: Any) -> list[dict[str, Any]]:
        """Every row of a table."""
        return self.ledger.read(lambda connection: [dict(row) for row in connection.execute(table.select()).mappings()])
