"""Sites: the village clinics and township hospitals that send."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from sqlalchemy import Connection, bindparam, func, insert, select, update

from county.errors import OffTheMap, UnknownSite
from county.names import checked
from ledger import schema
from ledger.clock import SECOND
from ledger.database import Transaction
from ledger.ids import new_id

CHINA = timezone(timedelta(hours=8))  # one zone for the whole country, no summer time; "today" begins at its midnight

_S, _E, _K, _D = schema.site.c, schema.exam.c, schema.case.c, schema.device.c
_FIELDS = (_S.id, _S.name, _S.township, _S.phone, _S.map_x, _S.map_y, _S.last_exam_at)
_WATCH = (_S.live_at, _S.expected_every_s, _S.silent_at)
_ADD = insert(schema.site)
# One site by its id.
_ONE = select(*_FIELDS).where(_S.county_id == bindparam("county"), _S.id == bindparam("site"))
# Every site, by township and name, with what it sent since an instant: one probe of the exam's index a site.
_ALL = (
    select(
        *_FIELDS,
        *_WATCH,
        _S.trained_at,
        _S.test_exam_id,
        select(func.count())
        .select_from(schema.exam)
        .where(_E.county_id == _S.county_id, _E.site_id == _S.id, _E.received_at >= bindparam("since"))
        .scalar_subquery()
        .label("sent"),
    )
    .where(_S.county_id == bindparam("county"))
    .order_by(_S.township, _S.name, _S.id)
)
# What a person may set of a site.
_CHANGE = (
    update(schema.site)
    .where(_S.county_id == bindparam("county"), _S.id == bindparam("site"))
    .values(
        name=bindparam("to_name"),
        township=bindparam("to_township"),
        phone=bindparam("to_phone"),
        map_x=bindparam("to_map_x"),
        map_y=bindparam("to_map_y"),
    )
)
# What the devices of each site last said of themselves; one that was taken out of use says nothing any more.
_HEARD = (
    select(_D.site_id, func.max(_D.seen_at), func.coalesce(func.sum(_D.waiting), 0), func.min(_D.waiting_since_at))
    .where(_D.county_id == bindparam("county"), _D.revoked_at.is_(None), _D.seen_at.is_not(None))
    .group_by(_D.site_id)
)
# The colours of the open cases, the most urgent first.
_OPEN = (
    select(_K.site_id, _K.colour)
    .where(_K.county_id == bindparam("county"), _K.closed_at.is_(None), _K.colour.is_not(None))
    .order_by(_K.rank, _K.due_at, _K.id)
)


@dataclass(frozen=True, slots=True)
class Site:
    """A clinic; ``map_x`` and ``map_y`` count from 0 to 1 from the west and the north edge of the county's map."""

    id: str
    name: str
    township: str
    phone: str
    map_x: float | None
    map_y: float | None
    last_exam_at: int | None


@dataclass(frozen=True, slots=True)
class SiteToday:
    """A clinic and its day: exams sent since midnight, and the colour of its most urgent open case.

    ``live_at``: since when it counts; ``expected_every_s``: how often it sends, where that was set; ``silent_at``:
    since when it is held to be silent. ``heard_at``: the last beat of its devices, by which a quiet clinic is told from
    one whose PC is off; ``waiting``: ECGs that they hold, the oldest since ``waiting_since_at``. ``trained_at``: when
    somebody there was trained; ``test_exam``: the test ECG that came through. With both it goes live.
    """

    site: Site
    sent_today: int
    open_colour: str | None
    live_at: int | None
    expected_every_s: int | None
    silent_at: int | None
    heard_at: int | None = None
    waiting: int = 0
    waiting_since_at: int | None = None
    trained_at: int | None = None
    test_exam: str | None = None


def add(
    tx: Transaction,
    county: str,
    name: str,
    township: str,
    phone: str = "",
    map_x: float | None = None,
    map_y: float | None = None,
    *,
    actor: str = "operator",
) -> str:
    """A new site; its id. :class:`BadName`, :class:`OffTheMap`."""
    _check_place(map_x, map_y)
    site = new_id()
    row = {"county_id": county, "id": site, "name": checked(name), "township": checked(township)}
    place = {"phone": phone.strip(), "map_x": map_x, "map_y": map_y}
    tx.connection.execute(_ADD, {**row, **place, "last_exam_at": None, "created_at": tx.now})
    tx.audit(county, actor, "site.add", site, detail={"name": row["name"], "township": row["township"]})
    return site


def change(
    tx: Transaction,
    county: str,
    site: str,
    name: str,
    township: str,
    phone: str,
    map_x: float | None,
    map_y: float | None,
    *,
    actor: str = "operator",
) -> dict[str, tuple[object, object]]:
    """Set what a person may set of a site; what changed, as field → (before, now). :class:`UnknownSite`,
    :class:`BadName`, :class:`OffTheMap`.
    """
    _check_place(map_x, map_y)
    known = need(tx.connection, county, site)
    now = {"name": checked(name), "township": checked(township), "phone": phone.strip(), "map_x": map_x, "map_y": map_y}
    changed: dict[str, tuple[object, object]] = {
        field: (getattr(known, field), value) for field, value in now.items() if getattr(known, field) != value
    }
    if changed:
        key = {"county": county, "site": site}
        tx.connection.execute(_CHANGE, key | {f"to_{field}": value for field, value in now.items()})
        tx.audit(county, actor, "site.change", site, detail={field: list(pair) for field, pair in changed.items()})
    return changed


def _check_place(map_x: float | None, map_y: float | None) -> None:
    if (map_x is None) != (map_y is None) or not all(0 <= at <= 1 for at in (map_x, map_y) if at is not None):
        raise OffTheMap(
            "地图位置要有 x 和 y，都在 0 到 1 之间。", "A place on the map needs x and y, each between 0 and 1."
        )


def get(connection: Connection, county: str, site: str) -> Site | None:
    """The site with this id in this county."""
    row = connection.execute(_ONE, {"county": county, "site": site}).one_or_none()
    return None if row is None else Site(*row)


def need(connection: Connection, county: str, site: str) -> Site:
    """The site with this id; :class:`UnknownSite` otherwise."""
    found = get(connection, county, site)
    if found is None:
        raise UnknownSite(
            f"没有编号为“{site}”的站点：请核对 ecgnet admin site add 打印的编号。",
            f"There is no site “{site}”: check the id that ecgnet admin site add printed.",
        )
    return found


def all_sites(connection: Connection, county: str, now: int) -> list[SiteToday]:
    """Every site of the county, by township and name, with its day as it is at ``now``."""
    worst: dict[str, str] = {}
    for site, colour in connection.execute(_OPEN, {"county": county}):
        worst.setdefault(site, colour)
    rows = connection.execute(_ALL, {"county": county, "since": midnight(now)})
    heard = {row[0]: (row[1], int(row[2]), row[3]) for row in connection.execute(_HEARD, {"county": county})}
    never = (None, 0, None)
    return [
        SiteToday(
            Site(*row[:7]),
            row.sent,
            worst.get(row.id),
            *row[7:10],
            *heard.get(row.id, never),
            trained_at=row.trained_at,
            test_exam=row.test_exam_id,
        )
        for row in rows
    ]


def midnight(now: int) -> int:
    """The last midnight in China before ``now`` (UTC microseconds)."""
    here = datetime.fromtimestamp(now // SECOND, UTC).astimezone(CHINA)
    return round(here.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()) * SECOND
