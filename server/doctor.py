"""``ecgnet admin doctor``: is everything well that keeps a county's ECGs safe, in some ten lines with what to do.

Each line is one function of what is there (:class:`Patient`), so that one that fails hides no other. It reads and
changes nothing, not even an old schema. A line is ``OK``, ``LOOK`` (this week), or ``LOOK!`` (today: exit code 1).
"""

from __future__ import annotations

import platform
import shutil
import ssl
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, make_url, select

from ecg.analysis import VERSION
from ledger import engines, migrate, schema
from ledger.clock import SECOND
from ledger.database import Ledger, counties, sqlite_module
from server.settings import Settings

DAY_S, HOUR_S = 86400, 3600
GIB = 1 << 30
CHINA = timedelta(hours=8)


class Level(StrEnum):
    """How much a line wants a human."""

    OK = "OK"
    LOOK = "LOOK"
    """This week."""
    NOW = "LOOK!"
    """Today: it is serious."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the examination: what was looked at (``zh en``), how it is, and what to do."""

    what: str
    level: Level
    zh: str
    en: str

    def __str__(self) -> str:
        return f"{self.level.value:5} {self.what}: {self.zh} {self.en}"


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined. ``peer``: another server's address, to compare clocks with."""

    ledger: Ledger
    settings: Settings
    peer: str | None = None

    @property
    def now(self) -> int:
        return self.ledger.clock.now()

    def ask(self, statement: Any) -> Any:
        """The one value of a query."""
        return self.ledger.read(lambda connection: connection.execute(statement).scalar_one_or_none())

    def age_s(self, at: int) -> float:
        """Seconds since an instant."""
        return (self.now - at) / SECOND


def examine(patient: Patient) -> list[Line]:
    """Every line, in order. With another schema than ours, only what needs no table of ours."""
    current = _revision(patient.ledger) == _head()
    return [_guarded(look, patient) for look, needs_tables in LOOKS if current or not needs_tables]


def _guarded(look: Callable[[Patient], Line], patient: Patient) -> Line:
    try:
        return look(patient)
    except Exception as error:  # noqa: BLE001 (whatever it is, the other lines are still wanted)
        said = engines.describe(error) or type(error).__name__
        name = look.__name__
        return Line(name, Level.NOW, f"没有查成：{said}。", f"This could not be looked at: {said}.")


# --- the machine -----------------------------------------------------------------------------------------------------


def disk(patient: Patient) -> Line:
    """Room where the ledger is (PostgreSQL: on this machine; its server's own disk is its administrator's)."""
    folder = patient.settings.data
    if patient.settings.is_sqlite:
        folder = Path(make_url(patient.settings.database_url).database or folder).parent
    usage = shutil.disk_usage(folder if folder.exists() else Path.cwd())
    share = usage.free / usage.total
    zh, en = f"剩余 {usage.free / GIB:.1f} GB（{share:.0%}）。", f"{usage.free / GIB:.1f} GB free ({share:.0%})."
    if usage.free < GIB or share < 0.05:
        zh, en = zh + "请马上清理或扩容：写满后不能再收图。", f"{en} Free some at once: a full disk takes no ECG."
        return Line("磁盘 disk", Level.NOW, zh, en)
    if share < 0.10:
        return Line("磁盘 disk", Level.LOOK, f"{zh}请本周清理或扩容。", f"{en} Free some or add some this week.")
    return Line("磁盘 disk", Level.OK, zh, en)


def clock(patient: Patient) -> Line:
    """This machine's clock against the database's, a peer's, the devices', and our own past."""
    what, found = "时钟 clock", _differences(patient)
    worst = max(found, key=lambda one: abs(one[1]), default=None)
    if worst is None:
        return Line(what, Level.OK, "没有可比的时钟（可加 --peer URL）。", "Nothing to compare with (--peer URL).")
    (name, seconds), least = worst, 2.0
    zh, en = f"与{name}相差 {seconds:+.1f} 秒。", f"{seconds:+.1f} s against {_OF[name]}."
    if abs(seconds) > 60:
        return Line(what, Level.NOW, f"{zh}请马上检查对时（chrony）。", f"{en} Set the time service right now.")
    if abs(seconds) > least:
        return Line(what, Level.LOOK, f"{zh}请检查对时服务。", f"{en} Check the time service.")
    return Line(what, Level.OK, zh, en)


_OF = {
    "数据库": "the database",
    "对方服务器": "the peer",
    "各设备（中位数）": "the devices (median)",
    "最近的记录": "the newest event",
}


def _differences(patient: Patient) -> list[tuple[str, float]]:
    """Whose clock, and how many seconds ours is behind it."""
    found: list[tuple[str, float]] = []
    if patient.ledger.is_postgresql:
        found.append(("数据库", getattr(patient.ledger.clock, "offset_us", 0) / SECOND))
    if patient.peer is not None:
        import httpx

        before = time.time()
        said = httpx.get(f"{patient.peer.rstrip('/')}/livez", timeout=5).headers["date"]
        ours = (before + time.time()) / 2
        found.append(("对方服务器", _beyond_rounding(parsedate_to_datetime(said).timestamp() - ours)))
    newest = patient.ask(select(func.max(schema.event.c.at)))
    if newest is not None and newest > patient.now:
        found.append(("最近的记录", (newest - patient.now) / SECOND))  # ours was set back since
    offsets = patient.ledger.read(lambda connection: connection.execute(_device_clocks(patient)).scalars().all())
    if len(offsets) >= MANY_DEVICES:
        found.append(("各设备（中位数）", statistics.median(offsets) / SECOND))
    return found


MANY_DEVICES = 5  # one device with a wrong clock says nothing of ours


def _device_clocks(patient: Patient) -> Any:
    device = schema.device.c
    return select(device.clock_offset_us).where(
        device.clock_offset_us.is_not(None), device.clock_at > patient.now - DAY_S * SECOND
    )


def _beyond_rounding(seconds: float) -> float:
    """HTTP's date has whole seconds, cut off: it lies up to one behind."""
    return 0.0 if -1.0 <= seconds <= 0.5 else seconds


def version(patient: Patient) -> Line:
    """Ours, and whether the database has our schema."""
    kept, ours = _revision(patient.ledger), _head()
    zh = f"ecgnet {VERSION}，数据库结构 {kept}，Python {platform.python_version()}。"
    en = f"ecgnet {VERSION}, schema {kept}, Python {platform.python_version()}."
    if kept == ours:
        return Line("版本 version", Level.OK, zh, en)
    zh += f"本程序需要 {ours}：备份后重启 serve（或 admin migrate）；若数据库更新，请装新版。"
    en += f" This program has {ours}: back up and restart serve (or admin migrate); if it is newer, install that."
    return Line("版本 version", Level.NOW, zh, en)


def _revision(ledger: Ledger) -> str | None:
    return ledger.read(lambda connection: MigrationContext.configure(connection).get_current_revision())


def _head() -> str | None:
    return ScriptDirectory.from_config(migrate.config()).get_current_head()


OLDEST_POSTGRESQL = 150000


def database(patient: Patient) -> Line:
    """The engine's own version."""
    if not patient.ledger.is_postgresql:  # an unsafe one was refused when the ledger was opened
        said = str(sqlite_module().sqlite_version)
        return Line("数据库 database", Level.OK, f"SQLite {said}，安全。", f"SQLite {said}, safe for WAL.")
    number = int(
        patient.ledger.read(lambda connection: connection.exec_driver_sql("SHOW server_version_num").scalar_one())
    )
    name = f"PostgreSQL {number // 10000}.{number % 10000}"
    if number < OLDEST_POSTGRESQL:
        return Line("数据库 database", Level.NOW, f"{name} 太旧，需要 15 以上。", f"{name} is too old: 15 is needed.")
    return Line("数据库 database", Level.OK, f"{name}，可用。", f"{name} will do.")


# --- the certificate -------------------------------------------------------------------------------------------------


def certificate(patient: Patient) -> Line:
    """How long the server's certificate is good for."""
    path, what = patient.settings.cert, "证书 certificate"
    if path is None:
        return Line(what, Level.OK, "不由本服务器管理（未设 cert）。", "Not this server's: no cert is set.")
    text = path.read_text(encoding="ascii", errors="replace")
    left = not_after(text[text.index("-----BEGIN CERTIFICATE-----") :]) - datetime.now(UTC)
    zh, en = f"还有 {left.days} 天到期。", f"Good for {left.days} days."
    if left < timedelta(days=7):
        return Line(what, Level.NOW, f"{zh}请马上更换并重启 serve。", f"{en} Renew it now and restart serve.")
    if left < timedelta(days=30):
        return Line(what, Level.LOOK, f"{zh}请本周更换。", f"{en} Renew it this week.")
    return Line(what, Level.OK, zh, en)


def not_after(pem: str) -> datetime:
    """When the first certificate of a PEM text ends (RFC 5280 §4.1.2.5); ``ValueError`` if it is none.

    The standard library shows this only of a connection; the way there is short: certificate → tbsCertificate →
    [version,] serialNumber, signature, issuer, validity → notBefore, notAfter.
    """
    end = pem.index("-----END CERTIFICATE-----") + len("-----END CERTIFICATE-----")
    fields = list(_der(next(iter(_der(next(iter(_der(ssl.PEM_cert_to_DER_cert(pem[:end]))))[1])))[1]))
    version_, rest = fields[0], fields[1:]
    validity = rest[3] if version_[0] == 0xA0 else rest[2]
    kind, text = list(_der(validity[1]))[1]
    said = text.decode("ascii")
    if kind == 0x17:  # UTCTime: two digits of the year, 50 is 1950 and 49 is 2049
        said = ("19" if int(said[:2]) >= 50 else "20") + said
    return datetime.strptime(said, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _der(data: bytes) -> Iterable[tuple[int, bytes]]:
    """The elements in ``data``, one behind the other: (tag, contents)."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(data[at : at + count], "big"), at + count
        if at + length > len(data):
            raise ValueError("a certificate that is cut short")
        yield tag, data[at : at + length]
        at += length


# --- what is kept, and what waits ------------------------------------------------------------------------------------


def backup(patient: Patient) -> Line:
    """The age of the newest backup that was verified, of the county that is worst off."""
    what, table = "备份 backup", schema.backup.c
    newest = select(schema.county.c.id, func.max(table.begun_at)).outerjoin(
        schema.backup, (table.county_id == schema.county.c.id) & table.verified_at.is_not(None)
    )
    rows = patient.ledger.read(lambda connection: connection.execute(newest.group_by(schema.county.c.id)).all())
    todo_zh, todo_en = "请运行 ecgnet admin backup，并设定时任务。", "Run ecgnet admin backup, and set a timer."
    if not rows:
        return Line(what, Level.OK, "还没有县。", "There is no county yet.")
    if any(at is None for _, at in rows):
        has_exams = patient.ask(select(schema.exam.c.id).limit(1)) is not None
        level = Level.NOW if has_exams else Level.LOOK
        return Line(what, level, f"从未有过核对过的备份。{todo_zh}", f"There never was a verified one. {todo_en}")
    hours = patient.age_s(min(at for _, at in rows)) / HOUR_S
    zh, en = f"最近一次核对过的备份在 {hours:.0f} 小时前。", f"The newest verified one is {hours:.0f} h old."
    if hours > 26:
        return Line(what, Level.NOW if hours > 7 * 24 else Level.LOOK, zh + todo_zh, f"{en} {todo_en}")
    return Line(what, Level.OK, zh, en)


def sites(patient: Patient) -> Line:
    """Clinics that are live, and those that fell silent."""
    live = patient.ask(select(func.count()).where(schema.site.c.live_at.is_not(None)))
    silent = select(schema.site.c.name).where(schema.site.c.silent_at.is_not(None)).order_by(schema.site.c.silent_at)
    names = patient.ledger.read(lambda connection: connection.execute(silent).scalars().all())
    if not live and (there := patient.ask(select(func.count()).select_from(schema.site))):
        zh = f"{there} 家，还没有一家投入使用：静默了也不会有人知道。请收测试心电图并运行 ecgnet admin site trained。"
        en = (
            f"{there}, none of them live: a silent one is not noticed. Have a test ECG sent; ecgnet admin site trained."
        )
        return Line("卫生室 clinics", Level.LOOK, zh, en)
    if not names:
        return Line("卫生室 clinics", Level.OK, f"{live} 家在用，没有静默的。", f"{live} live, none silent.")
    shown = "、".join(names[:3]) + ("……" if len(names) > 3 else "")
    zh = f"{live} 家在用，{len(names)} 家静默：{shown}。请打电话问一下。"
    return Line("卫生室 clinics", Level.LOOK, zh, f"{live} live, {len(names)} silent: {shown}. Ring them up.")


def work(patient: Patient) -> Line:
    """ECGs that wait for the analyser, and ladders that should have climbed: is anybody serving?"""
    what, exam, alert = "待办 work", schema.exam.c, schema.alert.c
    oldest = patient.ask(select(func.min(exam.received_at)).where(exam.work_at <= patient.now, exam.drill.in_([False])))
    count = patient.ask(select(func.count()).where(exam.work_at <= patient.now, exam.drill.in_([False])))
    rung = patient.ask(select(func.min(alert.next_step_at)))
    if rung is not None and patient.age_s(rung) > 30:
        zh = f"有报警超时 {patient.age_s(rung):.0f} 秒没有升级：serve 没有运行？请马上启动。"
        en = f"An alert should have climbed {patient.age_s(rung):.0f} s ago: does serve run? Start it at once."
        return Line(what, Level.NOW, zh, en)
    waited = 0.0 if oldest is None else patient.age_s(oldest)
    zh, en = (
        f"{count} 份图待分析，最久 {waited:.0f} 秒。",
        f"{count} ECGs wait for analysis, the longest {waited:.0f} s.",
    )
    if waited > 60:
        zh, en = f"{zh}请看 serve 是否运行、日志里有什么。", f"{en} See whether serve runs, and its log."
        return Line(what, Level.NOW if waited > 300 else Level.LOOK, zh, en)
    return Line(what, Level.OK, zh, en)


def messages(patient: Patient) -> Line:
    """Messages to phones and groups of the last day that were given up."""
    from triage.states import Delivery

    what, table, since = "通知 messages", schema.delivery.c, patient.now - DAY_S * SECOND
    recent = (table.created_at > since, table.drill.in_([False]))
    given_up = (table.state == Delivery.FAILED.value, table.work_at.is_(None))
    dead = select(table.channel, func.count()).where(*recent, *given_up).group_by(table.channel)
    rows = patient.ledger.read(lambda connection: connection.execute(dead.order_by(table.channel)).all())
    sent = patient.ask(select(func.count()).where(*recent, table.delivered_at.is_not(None)))
    if not rows:
        return Line(what, Level.OK, f"一天内送达 {sent} 条，没有失败。", f"{sent} delivered within a day, none failed.")
    shown = ", ".join(f"{channel} {count}" for channel, count in rows)
    zh = f"一天内失败：{shown}；送达 {sent} 条。请检查联系方式和网关（admin contact list）。"
    en = f"Failed within a day: {shown}; {sent} delivered. Check contacts and gateway (admin contact list)."
    return Line(what, Level.LOOK if sent else Level.NOW, zh, en)


def roster(patient: Patient) -> Line:
    """Hours of the coming week that have nobody on call."""
    from county import rosters
    from county.rosters import Slot
    from triage import policies

    now = patient.now

    def found(connection: Connection) -> list[rosters.Gap]:
        gaps: list[rosters.Gap] = []
        for county in list(counties(connection)):
            watched = [Slot(slot) for slot in policies.of(connection, county, now).watched]
            gaps += rosters.gaps(connection, county, watched, now, now + 7 * DAY_S * SECOND)
        return sorted(gaps, key=lambda gap: gap.from_at)

    gaps = patient.ledger.read(found)
    if not gaps:
        return Line("排班 roster", Level.OK, "一周内没有空缺。", "No gap within a week.")
    first = gaps[0]
    at = datetime.fromtimestamp(max(first.from_at, now) / SECOND, UTC) + CHINA
    zh = f"一周内有 {len(gaps)} 处空缺，最早 {at:%m-%d %H:%M}（{first.slot.value}）。请补排班（admin roster gaps）。"
    en = f"{len(gaps)} gaps within a week, the first {at:%m-%d %H:%M} ({first.slot.value})."
    en += " Fill them (admin roster gaps)."
    return Line("排班 roster", Level.NOW if first.from_at < now + DAY_S * SECOND else Level.LOOK, zh, en)


def quarantine(patient: Patient) -> Line:
    """ECGs that no analyser could finish; a doctor has them as unread all the same."""
    exam = schema.exam.c
    count = patient.ask(select(func.count()).where(exam.quarantined_at.is_not(None), exam.released_at.is_(None)))
    if not count:
        return Line("隔离 quarantine", Level.OK, "没有。", "Nothing in it.")
    zh = f"{count} 份图没有分析成。请看 admin quarantine list：重试或放行。"
    return Line("隔离 quarantine", Level.LOOK, zh, f"{count} ECGs. See admin quarantine list: retry or release.")


#: every line in order, and whether it needs our tables
LOOKS: tuple[tuple[Callable[[Patient], Line], bool], ...] = (
    (disk, False),
    (clock, True),
    (version, False),
    (database, False),
    (certificate, False),
    (backup, True),
    (sites, True),
    (work, True),
    (messages, True),
    (roster, True),
    (quarantine, True),
)
