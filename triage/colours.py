"""How soon a human must look: the four colours, their order, and how long each may wait (CLINICAL.md §5.6)."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Colour(StrEnum):
    """How soon a human must look."""

    RED = "RED"
    """Possible occlusion or lethal rhythm: now, within 3 minutes."""
    ORANGE = "ORANGE"
    """High risk, may worsen within hours: within 10 minutes."""
    YELLOW = "YELLOW"
    """Abnormal: the same day, within 60 minutes."""
    GREEN = "GREEN"
    """Nothing signalled by the ECG: within 24 hours."""


class Symptoms(IntEnum):
    """What is known of acute symptoms; the column of the acute table."""

    ONGOING = 0
    UNKNOWN = 1
    ABSENT = 2


# Position in the worklist; unread stands directly under ORANGE.
RANK: dict[Colour | None, int] = {
    Colour.RED: 0,
    Colour.ORANGE: 1,
    None: 2,
    Colour.YELLOW: 3,
    Colour.GREEN: 4,
}


def due_after_us(colour: Colour | None) -> int:
    """How long a human may take, from CLINICAL.md §5.6."""
    minutes = {Colour.RED: 3, Colour.ORANGE: 10, None: 10, Colour.YELLOW: 60, Colour.GREEN: 24 * 60}
    return minutes[colour] * 60_000_000
