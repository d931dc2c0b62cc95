"""A roster from a spreadsheet: one CSV line a shift, a month or a whole holiday at once, tried before it counts.

Columns, in any order, English or Chinese: ``slot`` 岗位, ``person`` 人员 (name or id), ``from`` 开始, ``to`` 结束.
Times are ISO 8601 (``2026-10-01T08:00+08:00``) or ``2026-10-01 08:00``, which is China's time. Either every line is
taken or none; the first that cannot be is named.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from county import people, rosters
from county.errors import BadRoster, CountyError
from county.sites import CHINA
from ledger import schema
from ledger.clock import instant
from ledger.database import Transaction

MOST_LINES = 5_000  # some four years of three shifts a day
MOST_BYTES = 1 << 20

_COLUMNS = {
    "slot": "slot",
    "岗位": "slot",
    "person": "person",
    "人员": "person",
    "姓名": "person",
    "from": "from",
    "开始": "from",
    "to": "to",
    "结束": "to",
}
_SLOTS = {"一线": "first", "二线": "backup", "协调": "coordinator", "协调员": "coordinator", "主任": "chief"} | {
    "医务值班": "director"
}
_F = schema.shift.c
# The same shift, if it is there already: a file that is read twice adds nothing.
_SAME = select(_F.id).where(
    _F.county_id == bindparam("county"),
    _F.slot == bindparam("slot"),
    _F.person_id == bindparam("person"),
    _F.from_at == bindparam("from_at"),
    _F.to_at == bindparam("to_at"),
    _F.cancelled_at.is_(None),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One shift of the file; ``number`` counts from 1 at the header."""

    number: int
    slot: str
    person: str
    from_at: int
    to_at: int


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of a file: how many shifts are new, how many were there already."""

    added: int
    known: int


def read(text: str) -> list[Line]:
    """The lines of a file; :class:`BadRoster` names the first that cannot be read."""
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise BadRoster("文件太大（最多 1 MiB）。", "The file is too large (1 MiB at most).")
    rows = csv.reader(io.StringIO(text.lstrip("\ufeff")))
    try:
        header = [_COLUMNS.get(cell.strip().lower(), "") for cell in next(rows, list[str]())]
        missing = [name for name in ("slot", "person", "from", "to") if name not in header]
        if missing:
            raise BadRoster(
                f"第 1 行缺少列：{'、'.join(missing)}（岗位、人员、开始、结束）。",
                f"Line 1 lacks the columns: {', '.join(missing)}.",
            )
        lines = list(_lines(rows, header))
    except csv.Error as error:
        raise BadRoster(f"不是 CSV 文件：{error}。", f"This is no CSV file: {error}.") from error
    if len(lines) > MOST_LINES:
        raise BadRoster(f"最多 {MOST_LINES} 行。", f"At most {MOST_LINES} lines.")
    return lines


def _lines(rows: Iterator[list[str]], header: list[str]) -> Iterator[Line]:
    for number, cells in enumerate(rows, 2):
        if not any(cell.strip() for cell in cells):
            continue
        values = dict(zip(header, (cell.strip() for cell in cells), strict=False))
        if any(not values.get(name) for name in ("slot", "person", "from", "to")):
            raise BadRoster(f"第 {number} 行不完整。", f"Line {number} is incomplete.")
        slot = _SLOTS.get(values["slot"], values["slot"])
        yield Line(number, slot, values["person"], _time(values["from"], number), _time(values["to"], number))


def _time(text: str, number: int) -> int:
    try:
        at = datetime.fromisoformat(text.replace("/", "-"))
        return instant((at if at.tzinfo else at.replace(tzinfo=CHINA)).isoformat())
    except (ValueError, OverflowError):
        raise BadRoster(
            f"第 {number} 行的时间“{text}”读不懂：要写成 2026-10-01 08:00。",
            f"Line {number}: the time “{text}” is not understood; write it like 2026-10-01 08:00.",
        ) from None


def take(tx: Transaction, county: str, lines: list[Line], *, actor: str = "operator") -> Imported:
    """Every line becomes a shift, or none does: :class:`BadRoster` names the line that cannot be."""
    named = {name: one.id for one in people.all_people(tx.connection, county) for name in (one.name, one.id)}
    added = known = 0
    for line in lines:
        person = named.get(line.person, line.person)
        if _is_known(tx.connection, county, line, person):
            known += 1
            continue
        try:
            rosters.add(tx, county, line.slot, person, line.from_at, line.to_at, actor=actor)
        except CountyError as error:
            raise BadRoster(f"第 {line.number} 行：{error.zh}", f"Line {line.number}: {error.en}") from error
        added += 1
    return Imported(added, known)


class Tried(Exception):
    """A dry run ended well: nothing of it is kept."""

    def __init__(self, found: Imported) -> None:
        super().__init__("a dry run")
        self.found = found


def try_out(tx: Transaction, county: str, lines: list[Line]) -> Imported:
    """:func:`take`, undone: raises :class:`Tried` with what would come of it."""
    raise Tried(take(tx, county, lines))


def _is_known(connection: Connection, county: str, line: Line, person: str) -> bool:
    key = {"county": county, "slot": line.slot, "person": person, "from_at": line.from_at, "to_at": line.to_at}
    return connection.execute(_SAME, key).first() is not None
