"""Dates and times as HL7 and DICOM write them: ``YYYYMMDDHHMMSS.FFFFFF±ZZZZ``, cut anywhere after the year."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone

_STAMP = re.compile(r"^(\d{4})(\d{2})?(\d{2})?(\d{2})?(\d{2})?(\d{2})?(?:\.(\d{1,6})\d*)?([+-]\d{4})?$")
DAYS_A_YEAR = 365.2425


def instant(said: object, zone: object = None) -> datetime | None:
    """An instant that names at least the minute; aware where the text or ``zone`` (``±HHMM``) names an offset."""
    match = _STAMP.match(str(said or "").strip())
    if match is None or match[5] is None:
        return None
    year, month, day, hour, minute = (int(match[index]) for index in range(1, 6))
    offset = match[8] or str(zone or "").strip()
    try:
        return datetime(
            year,
            month,
            day,
            hour,
            minute,
            int(match[6] or 0),
            int((match[7] or "0").ljust(6, "0")),
            tzinfo=_zone(offset),
        )
    except ValueError:
        return None


def day(said: object) -> date | None:
    """The date at the beginning of a text; ``None`` where it does not name a day."""
    match = re.match(r"^(\d{4})(\d{2})(\d{2})", str(said or "").strip())
    try:
        return date(int(match[1]), int(match[2]), int(match[3])) if match else None
    except ValueError:
        return None


def age_between(birth: date | None, recorded: date | None) -> float | None:
    """Age in whole years on the day of the recording; ``None`` where a date is missing or they contradict."""
    if birth is None or recorded is None or not birth <= recorded:
        return None
    years = recorded.year - birth.year - ((recorded.month, recorded.day) < (birth.month, birth.day))
    return float(years) if years >= 1 else (recorded - birth).days / DAYS_A_YEAR


def _zone(offset: str) -> timezone | None:
    if not re.fullmatch(r"[+-]\d{4}", offset):
        return None
    minutes = int(offset[1:3]) * 60 + int(offset[3:])
    return timezone(timedelta(minutes=-minutes if offset[0] == "-" else minutes)) if minutes < 24 * 60 else None
