"""A backup of the whole ledger, made while everybody works, and read back before it counts.

1. Copy: SQLite by ``VACUUM INTO`` (a reader's snapshot; whoever writes goes on), PostgreSQL by ``pg_dump`` in an
   exported snapshot. 2. Open the copy and verify all of it (:mod:`ledger.verify`); of a dump, that it can be restored
   (:mod:`ledger.postgresql_tools`). 3. Pack it under a temporary name, sync, read the packed bytes back from the disk
   against their digest (:mod:`ledger.backup_file`). 4. Rename, sync the folder, put it on record.

A backup that was killed leaves a temporary file, which the next one removes, and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, Engine, NullPool, bindparam, create_engine, func, insert, select

from ledger import backup_file, engines, postgresql_tools, schema, verify
from ledger.backup_file import PART, PREFIX, SUFFIX, BackupError, CountyCopy, Manifest
from ledger.clock import instant, iso
from ledger.database import Ledger, Transaction
from ledger.ids import new_id

STALE_S = 86400.0  # a temporary file older than this belongs to nobody that still runs
ROOM = 2.2  # of the database's size that must be free beside a backup: the copy, and the packed copy

_C = schema.county.c
_FACTS = select(_C.id, _C.name, _C.epoch, _C.last_seq, _C.audit_seq, _C.audit_head).order_by(_C.id)
_COUNT = select(func.count()).select_from(schema.exam).where(schema.exam.c.county_id == bindparam("county"))
_RECORD = insert(schema.backup)


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was made: its file with size and digest, and what verifying the copy found.

    ``trial``: how a dump was tried, ``restored`` or ``decoded`` (:func:`ledger.postgresql_tools.try_out`); of SQLite
    the copy itself was opened: ``opened``.
    """

    path: Path
    bytes: int
    sha256: str
    manifest: Manifest
    report: verify.Report
    trial: str

    @property
    def is_whole(self) -> bool:
        """Whether everything in it is whole; else it is as damaged as the ledger that it was taken from."""
        return not self.report.broken


def target_in(to: Path, now: int) -> Path:
    """The file that is meant: ``to`` itself if it ends in ``.zip``, else one named by the time in the folder ``to``."""
    if to.suffix == SUFFIX:
        return to
    stamp = (iso(now) or "")[:19].replace("-", "").replace(":", "").replace("T", "-")
    return to / f"{PREFIX}{stamp}Z{SUFFIX}"


def make(ledger: Ledger, target: Path, software: str) -> Made:
    """Write a backup of ``ledger`` to ``target`` and put it on record in every county.

    :class:`BackupError` if it cannot be made; nothing is then left behind. A backup of a damaged ledger is kept (it is
    all there is), but not recorded as verified.
    """
    if target.exists():
        raise BackupError(f"{target} 已经存在：请换一个文件名。", f"{target} is there already: take another name.")
    begun_at = ledger.clock.now()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target.parent)
        backup_file.need_room(target.parent, _size(ledger) * ROOM)
        with backup_file.temporary(target, ".db") as copied, backup_file.temporary(target, "") as packed:
            if ledger.is_postgresql:
                facts, report, trial = postgresql_tools.dump(ledger.engine, copied, _look)
            else:
                _copy_sqlite(ledger.engine, copied)
                with opened_copy(copied) as connection:
                    (facts, report), trial = _look(connection), "opened"
            manifest = _manifest(facts, copied, ledger.engine.dialect.name, begun_at, software)
            size, digest = backup_file.pack(copied, manifest, packed)
            os.replace(packed, target)
            backup_file.sync_folder(target.parent)
    except OSError as error:
        raise _not_written(target, error) from error
    made = Made(target, size, digest, manifest, report, trial)
    ledger.write(lambda tx: _record(tx, made))
    return made


def _sweep(folder: Path) -> None:
    """Remove what a killed backup left."""
    for left in folder.glob(f".{PREFIX}*{PART}"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > STALE_S:
                left.unlink()


def _size(ledger: Ledger) -> int:
    """Bytes of the database now."""
    asked = (
        "SELECT pg_database_size(current_database())"
        if ledger.is_postgresql
        else "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    )
    return ledger.read(lambda connection: int(connection.exec_driver_sql(asked).scalar_one()))


def _copy_sqlite(engine: Engine, to: Path) -> None:
    """A consistent copy in a reader's snapshot, without what was deleted; nobody who writes waits."""
    os.close(os.open(to, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))  # names and keys: its owner's alone
    connection = engines.sqlite_module().connect(engine.url.database, isolation_level=None, timeout=engines.BUSY_S)
    try:
        connection.execute("VACUUM INTO ?", (str(to),))
    except Exception as error:
        raise BackupError(
            f"复制数据库失败：{engines.describe(error)}", f"The database was not copied: {engines.describe(error)}"
        ) from error
    finally:
        connection.close()
    backup_file.sync(to)


@contextmanager
def opened_copy(path: Path) -> Generator[Connection]:
    """A SQLite file that nobody writes, opened without changing a byte of it."""
    address = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    module = engines.sqlite_module()
    engine = create_engine(
        "sqlite://",
        module=module,
        creator=lambda: module.connect(address, uri=True, isolation_level=None, check_same_thread=False),
        poolclass=NullPool,
        hide_parameters=True,
    )
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


Facts = tuple[str, tuple[CountyCopy, ...]]


def _look(connection: Connection) -> tuple[Facts, verify.Report]:
    """What the manifest says of this snapshot, and whether all of it is whole."""
    version = MigrationContext.configure(connection).get_current_revision() or ""
    counties = tuple(
        CountyCopy(*row, exams=connection.execute(_COUNT, {"county": row.id}).scalar_one())
        for row in connection.execute(_FACTS).all()
    )
    return (version, counties), verify.verify(connection)


def _manifest(facts: Facts, copied: Path, engine: str, begun_at: int, software: str) -> Manifest:
    version, counties = facts
    begun, member = iso(begun_at) or "", backup_file.MEMBERS[engine]
    with copied.open("rb") as stream:
        digest = backup_file.digest(stream)
    return Manifest(
        backup_file.FORMAT, software, version, engine, begun, member, copied.stat().st_size, digest, counties
    )


def _record(transaction: Transaction, made: Made) -> None:
    """Each county has the backup on record, and in its audit."""
    for one in made.manifest.counties:
        row = {"county_id": one.id, "id": new_id(), "place": made.path.name, "bytes": made.bytes}
        row |= {"sha256": made.sha256, "audit_seq": one.audit_seq, "audit_head": one.audit_head}
        verified = transaction.now if made.is_whole else None
        begun = instant(made.manifest.begun_at)
        transaction.connection.execute(_RECORD, {**row, "begun_at": begun, "verified_at": verified})
        detail = {"file": made.path.name, "bytes": made.bytes, "sha256": made.sha256, "seq": one.audit_seq}
        detail |= {"head": one.audit_head, "exams": one.exams, "whole": made.is_whole, "tried": made.trial}
        transaction.audit(one.id, "operator", "backup", one.id, detail=detail)


def prune(made: Made, keep: int) -> list[Path]:
    """Remove all but the newest ``keep`` backups of this ledger beside ``made``; those that were removed.

    Only files that are named like ours, can be read, and hold one of the same counties are counted and removed.
    """
    mine = {one.id for one in made.manifest.counties}
    found: list[tuple[str, Path]] = []
    for path in made.path.parent.glob(f"{PREFIX}*{SUFFIX}"):
        with contextlib.suppress(BackupError, OSError):
            manifest = backup_file.read(path)
            if mine & {one.id for one in manifest.counties}:
                found.append((manifest.begun_at, path))
    old = [path for _, path in sorted(found, reverse=True)[max(keep, 1) :] if path != made.path]
    for path in old:
        path.unlink()
    return old


def _not_written(target: Path, error: OSError) -> BackupError:
    said = error.strerror or error
    return BackupError(f"备份 {target} 写不进去：{said}。", f"The backup {target} cannot be written: {said}.")
