"""From a backup to a ledger again: into an empty place only, checked first, all of it or nothing.

The numbers of the feed then mean nothing to those who have seen later ones, so every county begins a new epoch and
clients read their lists anew. Everybody signs in again: a sign-out after the backup must not be undone by it.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, inspect, select, update
from sqlalchemy.exc import SQLAlchemyError

from ledger import backup_file, engines, migrate, postgresql_tools, schema, verify
from ledger.backup_file import BLOCK, BackupError, Manifest
from ledger.database import Ledger, Transaction, make_engine
from ledger.ids import new_id

ROOM = 1.1  # of the database's size that must be free

_C = schema.county.c
_COUNTIES = select(_C.id, _C.epoch, _C.last_seq).order_by(_C.id)
_EPOCH = update(schema.county).where(_C.id == bindparam("which")).values(epoch=bindparam("to_epoch"))
_END_SESSIONS = (
    update(schema.session)
    .where(schema.session.c.county_id == bindparam("which"), schema.session.c.ended_at.is_(None))
    .values(ended_at=bindparam("now"))
)


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back: the backup's manifest, what verifying it found, and each county's new epoch."""

    manifest: Manifest
    report: verify.Report
    epochs: dict[str, str]


def restore(path: Path, url: str, *, damaged: bool = False) -> Restored:
    """Bring a backup back into the empty database at ``url``; all of it or nothing.

    It is checked first: its digest, then everything in it (:mod:`ledger.verify`, and that every audit chain ends where
    the manifest says). :class:`BackupError` for a target that is not empty, another engine, a newer schema, or a
    damage (unless ``damaged``: the only backup there is).
    """
    manifest = backup_file.check(path)
    if not migrate.knows(manifest.schema):
        raise BackupError(
            f"备份的数据库结构 {manifest.schema} 来自更新的版本：请先安装新版 ecgnet。",
            f"The backup has schema {manifest.schema}, which this ecgnet does not know: install the newer ecgnet.",
        )
    engine = "sqlite" if url.startswith("sqlite") else "postgresql"
    if manifest.engine != engine:
        raise BackupError(
            f"这是 {manifest.engine} 的备份，不能恢复到 {engine}。",
            f"This is a backup of {manifest.engine}; it cannot be restored into {engine}.",
        )
    back = _restore_sqlite if engine == "sqlite" else _restore_postgresql
    try:
        return back(path, manifest, url, damaged)
    except OSError as error:
        raise BackupError(
            f"不能恢复：{error.strerror or error}。", f"It cannot be restored: {error.strerror or error}."
        ) from error


def _restore_sqlite(path: Path, manifest: Manifest, url: str, damaged: bool) -> Restored:
    """Under another name, and renamed when everything is done: a kill leaves no half ledger."""
    database = _file_of(url)
    _refuse_used(database)
    database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    backup_file.need_room(database.parent, manifest.bytes * ROOM)
    with backup_file.temporary(database, ".db") as work:
        try:
            with (
                os.fdopen(os.open(work, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "wb") as out,
                backup_file.member(path, manifest) as stream,
            ):
                shutil.copyfileobj(stream, out, BLOCK)
            restored = _awaken(f"sqlite:///{work.absolute()}", manifest, path, damaged)
            backup_file.sync(work)
            os.replace(work, database)
            backup_file.sync_folder(database.parent)
        finally:
            for left in ("-wal", "-shm"):
                work.with_name(work.name + left).unlink(missing_ok=True)
    return restored


def _file_of(url: str) -> Path:
    """The file of a SQLite URL."""
    return Path(url.removeprefix("sqlite:///"))


def _refuse_used(database: Path) -> None:
    for name in (database.name, f"{database.name}-wal"):
        found = database.with_name(name)
        if found.exists() and found.stat().st_size:
            raise BackupError(
                f"{found} 已有数据：备份只恢复到空的文件夹，请换一个，或先把它移走。",
                f"{found} holds data: a backup is restored into an empty folder only. Take another, or move it away.",
            )


def _restore_postgresql(path: Path, manifest: Manifest, url: str, damaged: bool) -> Restored:
    """In one transaction; what turns out not to be whole is taken away again, for the place was empty before."""
    engine = make_engine(url)
    try:
        with engine.connect() as connection:
            if inspect(connection).get_table_names():
                raise BackupError(
                    "目标数据库已有数据：备份只恢复到空的数据库，请新建一个。",
                    "The database holds tables: a backup is restored into an empty database only. Create another.",
                )
        with backup_file.member(path, manifest) as stream:
            postgresql_tools.restore(engine, stream)
        try:
            return _awaken(url, manifest, path, damaged)
        except BaseException:
            postgresql_tools.empty(engine)
            raise
    except SQLAlchemyError as error:
        said = engines.describe(error)
        raise BackupError(f"目标数据库打不开：{said}", f"The database cannot be opened: {said}") from error
    finally:
        engine.dispose()


def _awaken(url: str, manifest: Manifest, path: Path, damaged: bool) -> Restored:
    """Migrate, verify, and begin a new epoch in every county; the backup itself was not touched."""
    engine = make_engine(url)
    try:
        migrate.migrate(engine)
    finally:
        engine.dispose()
    ledger = Ledger.open(url)
    try:
        report = ledger.read(lambda connection: verify.verify(connection, manifest.heads()))
        if report.broken and not damaged:
            first = report.broken[0]
            raise BackupError(
                f"备份中有 {len(report.broken)} 处损坏（{first.where}：{first.zh}）："
                "请用另一份；没有别的就加 --damaged。",
                f"{len(report.broken)} damages in the backup ({first.where}: {first.en}): take another one; "
                "if there is none, add --damaged.",
            )
        epochs = ledger.write(lambda tx: _begin_anew(tx, manifest, path, len(report.broken)))
    finally:
        ledger.close()  # empties the WAL too
    return Restored(manifest, report, epochs)


def _begin_anew(transaction: Transaction, manifest: Manifest, path: Path, broken: int) -> dict[str, str]:
    """A new epoch and no session: a sign-out after the backup must not be undone by it."""
    epochs: dict[str, str] = {}
    for one in transaction.connection.execute(_COUNTIES).all():
        epochs[one.id] = new_id()
        transaction.connection.execute(_EPOCH, {"which": one.id, "to_epoch": epochs[one.id]})
        transaction.connection.execute(_END_SESSIONS, {"which": one.id, "now": transaction.now})
        detail: dict[str, Any] = {"file": path.name, "begun_at": manifest.begun_at, "sha256": manifest.sha256}
        detail |= {"epoch_before": one.epoch, "epoch": epochs[one.id], "last_seq": one.last_seq, "broken": broken}
        transaction.audit(one.id, "operator", "restore", one.id, detail=detail)
    return epochs
