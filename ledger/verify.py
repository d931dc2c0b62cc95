"""Is the ledger whole: originals, exams, references, audit chains, and the heads that were printed before.

Everything is looked at in one snapshot, a page at a time. What is broken is a :class:`Damage` that names the exam where
there is one. A part that cannot be read at all is a damage too, and the rest is still looked at: a torn page hides no
other. The audit is held against itself and against heads kept elsewhere (:func:`read_heads`): whoever can write to the
database could make the whole chain anew, but not the line in yesterday's log.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import Connection, ForeignKeyConstraint, Table, bindparam, exists, select
from sqlalchemy.exc import DBAPIError

from ledger import chain, engines, originals, schema

PAGE = 500  # rows that are held at a time
MOST = 20  # damages of one kind that are listed; a broken table would fill the screen

_O, _E, _A, _C = schema.original.c, schema.exam.c, schema.audit.c, schema.county.c
_COUNTIES = select(_C.id, _C.name, _C.audit_seq, _C.audit_head).order_by(_C.id)
# Every original of a county, a page at a time.
_ORIGINALS = (
    select(_O.sha256)
    .where(_O.county_id == bindparam("county"), _O.sha256 > bindparam("after"))
    .order_by(_O.sha256)
    .limit(PAGE)
)
# Every exam with what its original says of itself, a page at a time.
_EXAMS = (
    select(_E.id, _E.sha256, _E.bytes, _E.files, _O.bytes.label("kept"))
    .outerjoin(schema.original, (_O.county_id == _E.county_id) & (_O.sha256 == _E.sha256))
    .where(_E.county_id == bindparam("county"), _E.id > bindparam("after"))
    .order_by(_E.id)
    .limit(PAGE)
)
# A county's whole chain, in order.
_CHAIN = (
    select(schema.audit).where(_A.county_id == bindparam("county")).order_by(_A.seq).execution_options(yield_per=PAGE)
)


@dataclass(frozen=True, slots=True)
class Head:
    """Where a county's audit chain stood once, as a log, a backup or an earlier :func:`verify` says."""

    county: str
    seq: int
    hash: str

    def __str__(self) -> str:
        return f"audit head county={self.county} seq={self.seq} hash={self.hash}"


@dataclass(frozen=True, slots=True)
class Damage:
    """What is not whole: where, and what is wrong with it."""

    where: str
    zh: str
    en: str

    def __str__(self) -> str:
        return f"{self.where}: {self.zh} {self.en}"


@dataclass(slots=True)
class Report:
    """How much was looked at, where each audit chain ends, and whatever is broken."""

    counties: int = 0
    originals: int = 0
    exams: int = 0
    audit_rows: int = 0
    compared: int = 0
    heads: list[Head] = field(default_factory=list[Head])
    broken: list[Damage] = field(default_factory=list[Damage])

    def damage(self, where: str, zh: str, en: str) -> None:
        """One more that is broken."""
        self.broken.append(Damage(where, zh, en))

    def summary(self) -> str:
        """One line for people."""
        seen = f"{self.counties} counties, {self.exams} exams, {self.originals} originals"
        seen += f", {self.audit_rows} audit rows, {self.compared} heads compared"
        if self.broken:
            return f"发现 {len(self.broken)} 处损坏 {len(self.broken)} broken: {seen}"
        return f"完好 whole: {seen}"


def verify(connection: Connection, printed: Sequence[Head] = ()) -> Report:
    """Look at everything in the connection's snapshot; ``printed``: heads that the chains must still hold."""
    report = Report()
    if connection.dialect.name == "sqlite":
        with _guarded(connection, report, "database"):
            _check_file(connection, report)
    for table in schema.metadata.sorted_tables:
        with _guarded(connection, report, table.name):
            _check_references(connection, table, report)
    rows = _read(connection, report, "county", lambda: connection.execute(_COUNTIES).all())
    for county in rows:
        report.counties += 1
        damaged = _check_originals(connection, county.id, report)
        with _guarded(connection, report, f"exams of {county.id}"):
            _check_exams(connection, county.id, damaged, report)
        with _guarded(connection, report, f"audit of {county.id}"):
            _check_chain(connection, county, [one for one in printed if one.county == county.id], report)
    known = {row.id for row in rows}
    for head in (one for one in printed if one.county not in known):
        report.damage(f"audit of {head.county}", "整个县不见了", f"the county is gone: its head {head.seq} was printed")
    return report


# --- the file and its references -----------------------------------------------------------------------------------


def _check_file(connection: Connection, report: Report) -> None:
    """SQLite looks through its own pages and indexes."""
    for line in connection.exec_driver_sql(f"PRAGMA integrity_check({MOST})").scalars():
        if line != "ok":
            report.damage("database", "数据库文件损坏", str(line).strip())


def _check_references(connection: Connection, table: Table, report: Report) -> None:
    """Rows of a table that refer to nothing."""
    for constraint in sorted(table.foreign_key_constraints, key=lambda one: str(one.name)):
        for row in connection.execute(_dangling(table, constraint)).mappings():
            exam = row.get("id") if table is schema.exam else row.get("exam_id")
            key = "/".join(str(row[column.name]) for column in table.primary_key)
            where = f"exam {exam}" if exam is not None else f"{table.name} {key}"
            there = constraint.referred_table.name
            report.damage(
                where, f"引用的 {there} 不存在", f"its {table.name} row refers to a {there} that is not there"
            )


def _dangling(table: Table, constraint: ForeignKeyConstraint) -> Any:
    """Rows whose reference is stated and leads nowhere (the others are none: SQL's MATCH SIMPLE)."""
    parent = constraint.referred_table.alias("parent")
    pairs = [(pair.parent, parent.c[pair.column.name]) for pair in constraint.elements]
    found = exists().where(*(there == here for here, there in pairs))
    shown = {column.name: column for column in table.primary_key}
    if "exam_id" in table.c:
        shown["exam_id"] = table.c.exam_id
    stated = [here.is_not(None) for here, _ in pairs]
    return select(*shown.values()).where(*stated, ~found).limit(MOST)


# --- originals and exams ---------------------------------------------------------------------------------------------


def _check_originals(connection: Connection, county: str, report: Report) -> dict[str, str]:
    """Each original against its digest; those that are damaged, and how."""
    damaged: dict[str, str] = {}
    for sha256 in _pages(connection, report, f"originals of {county}", _ORIGINALS, county):
        report.originals += 1
        try:
            with _saved(connection):
                originals.get(connection, county, sha256)
        except originals.OriginalDamaged as error:
            damaged[sha256] = str(error)
        except DBAPIError as error:
            damaged[sha256] = f"original {sha256} cannot be read: {engines.describe(error)}"
    return damaged


def _pages(connection: Connection, report: Report, where: str, statement: Any, county: str) -> Iterator[str]:
    """The first column of every row, a page at a time, ordered by it."""
    after = ""
    while True:
        key = {"county": county, "after": after}
        page = _read(connection, report, where, lambda key=key: connection.execute(statement, key).scalars().all())
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1]


def _check_exams(connection: Connection, county: str, damaged: Mapping[str, str], report: Report) -> None:
    """Each exam against its original: there, whole, of the length and the files that its receipt said."""
    unnamed, after = dict(damaged), ""
    while True:
        rows = connection.execute(_EXAMS, {"county": county, "after": after}).all()
        for row in rows:
            report.exams += 1
            unnamed.pop(row.sha256, None)
            found = _fault(connection, county, row, damaged)
            if found is not None:
                report.damage(f"exam {row.id}", *found)
        if len(rows) < PAGE:
            break
        after = rows[-1].id
    for why in unnamed.values():
        report.damage(f"county {county}", "原件损坏（没有检查用到它）", f"{why}; no exam has it")


def _fault(connection: Connection, county: str, exam: Any, damaged: Mapping[str, str]) -> tuple[str, str] | None:
    if exam.kept is None:
        return "原件缺失", f"its original {exam.sha256} is missing"
    if exam.sha256 in damaged:
        return "原件损坏", damaged[exam.sha256]
    if exam.kept != exam.bytes:
        return "原件长度不符", f"its receipt says {exam.bytes} bytes, its original has {exam.kept}"
    if len(exam.files) > 1 and not _holds(originals.get(connection, county, exam.sha256), exam.files):
        return "原件与收条所列文件不符", "its original does not hold the files that its receipt lists"
    return None


def _holds(packed: bytes, files: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the zip of several files holds just those that the receipt lists, by their digests."""
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            held = [hashlib.sha256(archive.read(one)).hexdigest() for one in archive.infolist()]
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        return False
    return sorted(held) == sorted(str(one["sha256"]) for one in files)


# --- the audit -------------------------------------------------------------------------------------------------------


def _check_chain(connection: Connection, county: Any, printed: Sequence[Head], report: Report) -> None:
    """The chain against itself and its county's head, then against every head that was printed."""
    where = f"audit of {county.id}"
    report.heads.append(Head(county.id, county.audit_seq, county.audit_head))
    asked, passed = {head.seq for head in printed}, {0: chain.GENESIS}

    def walked(rows: Iterable[Mapping[Any, Any]]) -> Iterator[Mapping[Any, Any]]:
        for row in rows:
            report.audit_rows += 1
            if row["seq"] in asked:
                passed[row["seq"]] = row["hash"]
            yield row

    with connection.execute(_CHAIN, {"county": county.id}) as rows:  # a break ends the stream early
        broken = chain.first_break(walked(rows.mappings()), county.audit_head, county.audit_seq)
    if broken is not None:
        report.damage(where, "审计链断开", broken)
    for head in printed:
        report.compared += 1
        if head.seq > county.audit_seq:
            en = f"the tail is cut: head {head.seq} was printed, the chain ends at row {county.audit_seq}"
            report.damage(where, "审计链尾被截断（与留存的链头不符）", en)
        elif head.seq in passed and passed[head.seq] != head.hash:
            en = f"the chain was made anew: row {head.seq} has not the hash that was printed"
            report.damage(where, "审计链被改写（与留存的链头不符）", en)
        elif head.seq not in passed and broken is None:
            report.damage(where, "审计链缺少记录", f"row {head.seq}, whose head was printed, is not there")


_WORDS = {name: re.compile(rf"\b{name}=[\"']?([0-9a-z]+)") for name in ("county", "seq", "hash")}
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def read_heads(text: str) -> list[Head]:
    """The heads in a text: lines of the server's log (console or JSON) or of an earlier ``admin verify``; the rest of
    the text may be anything.
    """
    found: dict[Head, None] = {}
    for line in text.splitlines():
        words = _of_json(line) or {
            name: match.group(1) for name, form in _WORDS.items() if (match := form.search(_COLOURS.sub("", line)))
        }
        seq, hash_ = str(words.get("seq", "")), str(words.get("hash", ""))
        if words.get("county") and seq.isdecimal() and re.fullmatch(r"[0-9a-f]{64}", hash_):
            found[Head(str(words["county"]), int(seq), hash_)] = None
    return list(found)


def _of_json(line: str) -> dict[str, Any] | None:
    if not line.lstrip().startswith("{"):
        return None
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return cast("dict[str, Any]", said) if isinstance(said, dict) else None


# --- what cannot be read at all --------------------------------------------------------------------------------------


@contextmanager
def _saved(connection: Connection) -> Generator[None]:
    """On PostgreSQL a statement that fails spoils the transaction: it is undone to here, and the next part is read."""
    if connection.dialect.name == "sqlite":
        yield
        return
    with connection.begin_nested():
        yield


@contextmanager
def _guarded(connection: Connection, report: Report, where: str) -> Generator[None]:
    """What the engine cannot read is a damage, and the next part is looked at."""
    try:
        with _saved(connection):
            yield
    except DBAPIError as error:
        report.damage(where, "读不出", f"cannot be read: {engines.describe(error)}")


def _read(connection: Connection, report: Report, where: str, ask: Callable[[], Sequence[Any]]) -> Sequence[Any]:
    with _guarded(connection, report, where):
        return ask()
    return ()
