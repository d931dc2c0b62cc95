"""A whole county's sites and devices from a spreadsheet: one CSV line a site or a device, tried before it counts.

Columns, in any order, English or Chinese: ``name`` 名称, ``township`` 乡镇; and, where they are there, ``id`` 编号,
``phone`` 电话, ``x`` and ``y`` 横坐标、纵坐标 (0 to 1 on the county's map), ``device`` 设备. A site is known by its id,
else by township and name; a column that is missing and a cell that is empty change nothing. Several lines of one site
name its several devices. What the file does not name stays as it is. Either every line is taken or none; the first
that cannot be is named. UTF-8 with or without its mark, UTF-16 with it, and GBK (GB 18030) are read: what spreadsheets
write on Chinese Windows.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field

from county import devices, enrolment, secrets, sites
from county.errors import BadSites, CountyError
from county.names import checked, tidy
from county.sites import Site
from ledger.database import Transaction

MOST_LINES = 5_000
MOST_BYTES = 1 << 20

_COLUMNS = {
    "id": ("id", "编号", "站点编号"),
    "name": ("name", "名称", "站点", "站点名称", "卫生室", "机构名称"),
    "township": ("township", "乡镇", "所属乡镇", "乡镇街道"),
    "phone": ("phone", "电话", "联系电话"),
    "map_x": ("x", "map_x", "横坐标"),
    "map_y": ("y", "map_y", "纵坐标"),
    "device": ("device", "设备", "设备名称"),
}
_NAMED = {word: column for column, words in _COLUMNS.items() for word in words}
_WORDS = {"name": "名称", "township": "乡镇", "phone": "电话", "map_x": "横坐标", "map_y": "纵坐标"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the file; ``number`` counts from 1 at the header. ``None``: the file does not say."""

    number: int
    name: str
    township: str
    id: str | None = None
    phone: str | None = None
    map_x: float | None = None
    map_y: float | None = None
    device: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What comes of one line, in both languages; ``device``: the name of a new one, ``code``: its one-time code."""

    number: int
    zh: str
    en: str
    site: Site
    device: str | None = None
    code: enrolment.Code | None = None


@dataclass(slots=True)
class Imported:
    """What came of a file."""

    steps: list[Step] = field(default_factory=list[Step])
    new_sites: int = 0
    changed: int = 0
    new_devices: int = 0
    untouched: int = 0
    """Sites of the county that the file does not name."""


class Tried(Exception):
    """A dry run ended well: nothing of it is kept."""

    def __init__(self, found: Imported) -> None:
        super().__init__("a dry run")
        self.found = found


# --- reading ---------------------------------------------------------------------------------------------------------


def decode(data: bytes) -> str:
    """The text of a file as spreadsheets write it; :class:`BadSites`."""
    if len(data) > MOST_BYTES:
        raise BadSites("文件太大（最多 1 MiB）。", "The file is too large (1 MiB at most).")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        tried = ("utf-16",)
    else:
        tried = ("utf-8-sig", "gb18030")
    for encoding in tried:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise BadSites("文件既不是 UTF-8 也不是 GBK。", "The file is neither UTF-8 nor GBK.")


def read(text: str) -> list[Line]:
    """The lines of a file; :class:`BadSites` names the first that cannot be read."""
    first = text.splitlines()[0] if text else ""
    rows = csv.reader(io.StringIO(text), delimiter="\t" if "\t" in first else ",")
    try:
        header = [_NAMED.get(cell.strip().lower(), "") for cell in next(rows, list[str]())]
        missing = [name for name in ("name", "township") if name not in header]
        if missing:
            zh = "、".join(_WORDS[name] for name in missing)
            raise BadSites(f"第 1 行缺少列：{zh}。", f"Line 1 lacks the columns: {', '.join(missing)}.")
        lines = list(_lines(rows, header))
    except csv.Error as error:
        raise BadSites(f"不是 CSV 文件：{error}。", f"This is no CSV file: {error}.") from error
    if len(lines) > MOST_LINES:
        raise BadSites(f"最多 {MOST_LINES} 行。", f"At most {MOST_LINES} lines.")
    return lines


def _lines(rows: Iterator[list[str]], header: list[str]) -> Iterator[Line]:
    for number, cells in enumerate(rows, 2):
        said = {column: cell.strip() for column, cell in zip(header, cells, strict=False) if column and cell.strip()}
        if not said:
            continue
        try:
            yield Line(
                number,
                checked(said.get("name", "")),
                checked(said.get("township", "")),
                said.get("id"),
                said.get("phone"),
                _place(said.get("map_x")),
                _place(said.get("map_y")),
                checked(said["device"]) if "device" in said else None,
            )
        except CountyError as error:
            raise _at(number, error) from error
        except ValueError:
            raise BadSites(
                f"第 {number} 行：坐标要是 0 到 1 之间的数。", f"Line {number}: a coordinate is a number from 0 to 1."
            ) from None


def _place(text: str | None) -> float | None:
    return None if text is None else float(text)


def _at(number: int, error: CountyError) -> BadSites:
    return BadSites(f"第 {number} 行：{error.zh}", f"Line {number}: {error.en}")


# --- taking ----------------------------------------------------------------------------------------------------------


def take(
    tx: Transaction, county: str, lines: list[Line], *, hours: int | None = None, actor: str = "operator"
) -> Imported:
    """Every line counts, or none does: :class:`BadSites` names the line that cannot be.

    ``hours``: how long the one-time code of each new device is valid; without it a device gets its code later.
    """
    known = _Known(tx, county, hours, actor)
    found = Imported()
    for line in lines:
        try:
            known.take(line, found)
        except CountyError as error:
            raise error if isinstance(error, BadSites) else _at(line.number, error) from error
    found.untouched = len(known.before - known.named.keys())
    return found


def try_out(tx: Transaction, county: str, lines: list[Line]) -> Imported:
    """:func:`take`, undone: raises :class:`Tried` with what would come of it."""
    raise Tried(take(tx, county, lines))


class _Known:
    """The county's sites and devices while a file is taken."""

    def __init__(self, tx: Transaction, county: str, hours: int | None, actor: str) -> None:
        self.tx, self.county, self.hours, self.actor = tx, county, hours, actor
        every = [one.site for one in sites.all_sites(tx.connection, county, tx.now)]
        self.by_id = {site.id: site for site in every}
        self.by_name: dict[tuple[str, str], list[str]] = {}
        for site in every:
            self.by_name.setdefault((site.township, site.name), []).append(site.id)
        self.before = set(self.by_id)
        self.devices = {
            (one.site, one.name) for one in devices.all_devices(tx.connection, county) if one.revoked_at is None
        }
        self.named: dict[str, Line] = {}
        """Sites of the file so far, and the line that named each first."""

    def take(self, line: Line, found: Imported) -> None:
        """One line: a new site, a changed one, the same; and its device."""
        which = self._which(line)
        if which is None:
            site, zh, en = self._add(line), "新站点", "new site"
            found.new_sites += 1
        else:
            self._agrees(which, line)
            site, changed = self._change(self.by_id[which], line)
            found.changed += bool(changed)
            zh = "；".join(f"{_WORDS[name]} {_said(a)} → {_said(b)}" for name, (a, b) in changed.items()) or "不变"
            en = "; ".join(f"{name} {_said(a)} → {_said(b)}" for name, (a, b) in changed.items()) or "no change"
        self.by_id[site.id] = site
        self.named.setdefault(site.id, line)
        device = code = None
        if line.device is not None and (site.id, line.device) not in self.devices:
            device, code = line.device, self._new_device(site.id, line.device)
            found.new_devices += 1
            zh, en = f"{zh}；新设备 {line.device}", f"{en}; new device {line.device}"
        where = f"{site.township} {site.name}"
        found.steps.append(Step(line.number, f"{where}：{zh}", f"{where}: {en}", site, device, code))

    def _which(self, line: Line) -> str | None:
        if line.id is not None:
            sites.need(self.tx.connection, self.county, line.id)
            return line.id
        alike = self.by_name.get((tidy(line.township), tidy(line.name)), [])
        if len(alike) > 1:
            ids = ", ".join(alike)
            raise BadSites(
                f"第 {line.number} 行：有几个同名站点（{ids}），请加“编号”列。",
                f"Line {line.number}: several sites have this name ({ids}): add the column id.",
            )
        return alike[0] if alike else None

    def _agrees(self, site: str, line: Line) -> None:
        """A site that the file names twice is said the same."""
        first = self.named.get(site)
        if first is None:
            return
        for name in ("name", "township", "phone", "map_x", "map_y"):
            a, b = getattr(first, name), getattr(line, name)
            if a is not None and b is not None and a != b:
                raise BadSites(
                    f"第 {line.number} 行与第 {first.number} 行是同一站点，但{_WORDS[name]}不同。",
                    f"Lines {first.number} and {line.number} are one site and differ in {name}.",
                )

    def _add(self, line: Line) -> Site:
        phone = line.phone or ""
        which = sites.add(
            self.tx, self.county, line.name, line.township, phone, line.map_x, line.map_y, actor=self.actor
        )
        self.by_name.setdefault((line.township, line.name), []).append(which)
        return Site(which, line.name, line.township, phone, line.map_x, line.map_y, None)

    def _change(self, known: Site, line: Line) -> tuple[Site, dict[str, tuple[object, object]]]:
        phone = known.phone if line.phone is None else line.phone
        x = known.map_x if line.map_x is None else line.map_x
        y = known.map_y if line.map_y is None else line.map_y
        changed = sites.change(self.tx, self.county, known.id, line.name, line.township, phone, x, y, actor=self.actor)
        return Site(known.id, line.name, line.township, phone, x, y, known.last_exam_at), changed

    def _new_device(self, site: str, name: str) -> enrolment.Code | None:
        """A device that waits for its one-time code: until then nobody has its key."""
        nobodys = secrets.fingerprint(secrets.new(secrets.Kind.DEVICE))
        device = devices.put(self.tx, self.county, site, nobodys, name)
        self.devices.add((site, name))
        self.tx.audit(self.county, self.actor, "device.add", site, detail={"device": device})
        if self.hours is None:
            return None
        return enrolment.begin(self.tx, self.county, site, device=device, hours=self.hours, actor=self.actor)


def _said(value: object) -> str:
    return "–" if value in (None, "") else str(value)
