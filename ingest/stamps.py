"""Instants that came from elsewhere, by our clock: each keeps where it came from and how sure it is.

A device says when it recorded an ECG by its own clock, which may be a day wrong. Its beats have told how far that clock
is from ours (:mod:`county.clocks`); what was said stays beside what we make of it.
"""

from __future__ import annotations

import contextlib
from typing import Any

from county import devices
from ledger.clock import SECOND, iso
from ledger.database import Transaction

SAID = "sender"
"""As the sender said it: nothing is known of its clock."""
CORRECTED = "device-clock"
"""By the device's clock, less what that clock is known to be wrong."""


def recorded(transaction: Transaction, county: str, sender: str, said_at: int | None) -> dict[str, Any] | None:
    """``{"recorded": {at, said, source, uncertainty_s}}`` for an exam, or ``None`` where the sender did not say."""
    if said_at is None:
        return None
    stamp: dict[str, Any] = {"at": iso(said_at), "said": iso(said_at), "source": SAID, "uncertainty_s": None}
    clock = devices.clock_of(transaction.connection, county, sender)
    if clock is not None:
        with contextlib.suppress(OverflowError):  # a clock so wrong that the year has no number: as it was said
            uncertainty_s = round(clock.uncertainty_at(transaction.now) / SECOND, 3)
            stamp |= {"at": iso(clock.ours(said_at)), "source": CORRECTED, "uncertainty_s": uncertainty_s}
    return {"recorded": stamp}
