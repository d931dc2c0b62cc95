"""The county's figures of the day: what the board shows, each with its n.

Medians are of order statistics (Hyndman–Fan type 7); under five values there is none, the values are listed
(CLINICAL.md §5.4). A day is the local day of Asia/Shanghai.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy import Connection, func, select

from county.access import Actor
from ledger import schema
from ledger.clock import SECOND, iso
from triage import views
from triage.rating import Colour

TNMG_MEDIAN_S = 47  # emergency answers of the public service of Minas Gerais: the number to beat (FIELD.md §1)
LEAST_FOR_MEDIAN = 5
FIRST_ECG_TARGET_US = 10 * 60 * SECOND  # first medical contact to ECG (CLINICAL.md §5.2)
ZONE = ZoneInfo("Asia/Shanghai")


def day_began(now: int) -> int:
    """When the local day of ``now`` began (UTC µs)."""
    local = datetime.fromtimestamp(now / SECOND, UTC).astimezone(ZONE)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return round(midnight.timestamp() * SECOND)


def board(connection: Connection, actor: Actor, now: int) -> dict[str, Any]:
    """What the board shows, in one snapshot; open cases without a patient's name."""
    since = day_began(now)
    answered = _alert_to_ack(connection, actor.county, since)
    opened = views.worklist(connection, actor, None)
    return {
        "at": iso(now),
        "seq": opened["seq"],
        "alert_to_ack": {"median_s": median(answered), "n": len(answered), "values_s": answered},
        "tnmg_s": TNMG_MEDIAN_S,
        "today": {
            **_counts(connection, actor.county, since),
            "first_ecg_10min": _first_ecg(connection, actor.county, since),
        },
        "open": [_nameless(item) for item in opened["items"] if not item["drill"]],
    }


def median(values: list[float]) -> float | None:
    """The median, or ``None`` when there are too few to speak of one."""
    return None if len(values) < LEAST_FOR_MEDIAN else float(np.median(values))


def _nameless(item: dict[str, Any]) -> dict[str, Any]:
    patient = item["patient"]
    kept = (
        None
        if patient is None
        else {"name": None, "number": None, "sex": patient["sex"], "age_years": patient["age_years"], "id_tail": None}
    )
    return {**item, "patient": kept}


def _alert_to_ack(connection: Connection, county: str, since: int) -> list[float]:
    """Seconds from alert to acknowledgement of each RED alert since an instant, in order of time."""
    alert = schema.alert.c
    rows = select(alert.raised_at, alert.acknowledged_at).where(
        alert.county_id == county,
        alert.colour == Colour.RED,
        alert.raised_at >= since,
        alert.acknowledged_at.is_not(None),
        alert.drill.in_([False]),
    )
    found = connection.execute(rows.order_by(alert.raised_at))
    return [(row.acknowledged_at - row.raised_at) / SECOND for row in found]


def _counts(connection: Connection, county: str, since: int) -> dict[str, int]:
    exam = schema.exam.c
    rows = select(exam.colour, exam.grade, func.count()).where(
        exam.county_id == county, exam.received_at >= since, exam.drill.in_([False])
    )
    counted: Iterable[Any] = connection.execute(rows.group_by(exam.colour, exam.grade))
    totals = {"exams": 0, "red": 0, "orange": 0, "poor_quality": 0}
    for colour, grade, number in counted:
        totals["exams"] += number
        totals["red"] += number * (colour == Colour.RED)
        totals["orange"] += number * (colour == Colour.ORANGE)
        totals["poor_quality"] += number * (grade in ("D", "E"))
    return totals


def _first_ecg(connection: Connection, county: str, since: int) -> dict[str, int]:
    """How many of today's exams with a first contact on record were received within ten minutes of it."""
    exam = schema.exam.c
    rows = select(exam.fmc_at, exam.received_at).where(
        exam.county_id == county, exam.received_at >= since, exam.fmc_at.is_not(None), exam.drill.in_([False])
    )
    waits = [row.received_at - row.fmc_at for row in connection.execute(rows)]
    # an ECG before the first contact is a wrong stamp: not met, and counted (CLINICAL.md §5.4, "strict")
    return {"met": sum(0 <= wait <= FIRST_ECG_TARGET_US for wait in waits), "of": len(waits)}
