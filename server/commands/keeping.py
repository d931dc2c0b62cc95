"""``ecgnet admin backup|restore|verify|doctor|quarantine``: what keeps a ledger safe, beside a running server."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from server import serve as server
from server.commands.administration import in_county
from server.refusal import Refusal

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ledger.database import Ledger, Transaction
    from ledger.verify import Head, Report

T = TypeVar("T")

MOST_SHOWN = 50  # damages that are listed; the count is always whole


def backup(ledger: Ledger, to: Path, keep: int | None) -> int:
    """Make one and print its path; 1 if what it holds is as damaged as the ledger."""
    from ecg.analysis import VERSION
    from ledger import backup as backups
    from ledger.backup_file import BackupError

    try:
        made = backups.make(ledger, backups.target_in(to, ledger.clock.now()), VERSION)
    except BackupError as error:
        raise Refusal(error.zh, error.en) from error
    print(made.path)
    _say(f"{made.bytes / 1e6:.1f} MB, sha256 {made.sha256}, {_TRIED[made.trial]}: {made.report.summary()}")
    if not made.is_whole:
        _list(made.report)
        _say("没有删除旧备份。 No older backup was removed.")
        return 1
    for path in backups.prune(made, keep) if keep is not None else ():
        _say(f"已删除旧备份 removed: {path}")
    return 0


_TRIED = {
    "opened": "已打开核对 opened and verified",
    "restored": "已试恢复并核对 restored on trial and verified",
    "decoded": "已读到末尾（没有权限新建数据库来试恢复） read to its end (our role may create no database to try it)",
}


def restore(file: Path, data: Path | None, database: str | None, *, damaged: bool) -> int:
    """Bring a backup back into an empty place; 1 if it was damaged and restored all the same."""
    settings = server.settings_of({"data": data, "database": database})
    from ledger.backup_file import BackupError
    from ledger.database import CannotOpen, UnsafeSqlite
    from ledger.restore import restore as bring_back

    server.need_postgres(settings.database_url)
    lock = None
    if settings.is_sqlite:
        server.prepare_folder(settings.data)
        lock = server.take_folder(settings.data)
    try:
        restored = bring_back(file, settings.database_url, damaged=damaged)
    except BackupError as error:
        raise Refusal(error.zh, error.en) from error
    except (CannotOpen, UnsafeSqlite) as error:
        raise Refusal("", str(error)) from error  # says it in both languages
    finally:
        if lock is not None:
            lock.release()
    _list(restored.report)
    print(f"{restored.report.summary()}; {restored.manifest.begun_at}")
    _say(
        "已恢复：每个屏幕会重新读取，人员需要重新登录；备份之后吊销的设备密钥和停用的人员请再处理一次。 "
        "Restored: every screen reads anew, and people sign in again; device keys that were revoked and people who "
        "were disabled after the backup must be so again."
    )
    return 1 if restored.report.broken else 0


def verify(ledger: Ledger, heads: Path | None) -> int:
    """0 if everything is whole; what is not, is one line each on standard error."""
    from ledger import verify as whole

    printed: Sequence[Head] = () if heads is None else _printed(heads)
    report = ledger.read(lambda connection: whole.verify(connection, printed))
    _list(report)
    for head in report.heads:
        print(head)
    print(report.summary())
    return 1 if report.broken else 0


def _printed(file: Path) -> Sequence[Head]:
    """The heads in a log, an earlier output of ``verify``, or a backup."""
    import zipfile

    from ledger import backup_file
    from ledger.verify import read_heads

    try:
        if zipfile.is_zipfile(file):
            found = backup_file.read(file).heads()
        else:
            found = read_heads(file.read_text(encoding="utf-8", errors="replace"))
    except backup_file.BackupError as error:
        raise Refusal(error.zh, error.en) from error
    except OSError as error:
        raise Refusal(f"{file} 读不出：{error.strerror}。", f"{file} cannot be read: {error.strerror}.") from error
    if not found:
        raise Refusal(
            f"{file} 里没有审计链头（audit head county=… seq=… hash=…）。",
            f"There is no audit head in {file} (audit head county=… seq=… hash=…).",
        )
    return found


def _list(report: Report) -> None:
    for one in report.broken[:MOST_SHOWN]:
        _say(str(one))
    if len(report.broken) > MOST_SHOWN:
        _say(f"… {len(report.broken) - MOST_SHOWN}")


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def doctor(data: Path | None, database: str | None, peer: str | None) -> int:
    """One line for each thing that keeps a county safe; 1 if one of them is serious."""
    settings = server.settings_of({"data": data, "database": database})
    from sqlalchemy import make_url

    file = make_url(settings.database_url).database
    if settings.is_sqlite and (file is None or not Path(file).is_file()):
        raise Refusal(f"{file} 不存在：这里没有数据。", f"{file} is not there: there is no ledger here.")
    ledger = server.open_ledger(settings)
    from server.doctor import Level, Patient, examine

    try:
        lines = examine(Patient(ledger, settings, peer))
    finally:
        ledger.close()
    for line in lines:
        print(line)
    return 1 if any(line.level is Level.NOW for line in lines) else 0


# --- the quarantine --------------------------------------------------------------------------------------------------


def quarantined(ledger: Ledger, county: str | None) -> Iterator[str]:
    """One line an exam, the oldest first, parted by tabs."""
    for item in _items(ledger, county):
        why = item["reason"]
        said = f"{why['code']} {why['zh']} {why['en']}"
        words = (item["exam"], item["quarantined_at"], item["site_name"], item["filename"] or "-", said)
        yield "\t".join((*words, item["software"] or "-"))


def _items(ledger: Ledger, county: str | None) -> Iterator[dict[str, Any]]:
    from county.counties import only_county
    from ingest import quarantine

    which = ledger.read(lambda connection: only_county(connection, county)).id
    cursor: str | None = None
    while True:

        def page(connection: Connection, cursor: str | None = cursor) -> dict[str, Any]:
            return quarantine.listed(connection, which, cursor)

        found = ledger.read(page)
        yield from found["items"]
        cursor = found["next"]
        if cursor is None:
            return


def quarantined_exam(ledger: Ledger, county: str | None, exam: str) -> str:
    """All that is known of one, as JSON."""
    from county.counties import only_county
    from ingest import quarantine

    def look(connection: Connection) -> dict[str, Any]:
        return quarantine.shown(connection, only_county(connection, county).id, exam)

    return json.dumps(_refusing(lambda: ledger.read(look)), ensure_ascii=False, indent=1)


def retry(ledger: Ledger, county: str | None, exam: str | None) -> Iterator[str]:
    """Make one due again, or all of them; their ids."""
    from ingest import quarantine

    for one in [item["exam"] for item in _items(ledger, county)] if exam is None else [exam]:

        def again(tx: Transaction, which: str, one: str = one) -> str:
            return quarantine.retry(tx, which, one, "operator")["exam"]

        yield _refusing(lambda work=again: in_county(ledger, county, work))


def release(ledger: Ledger, county: str | None, exam: str, reason: str) -> None:
    """Leave one as it is."""
    from ingest import quarantine

    def out(tx: Transaction, which: str) -> None:
        quarantine.release(tx, which, exam, "operator", reason)

    _refusing(lambda: in_county(ledger, county, out))


def _refusing(work: Callable[[], T]) -> T:
    """What a room answers as a problem, a command says as a sentence."""
    from county.problem import Problem

    try:
        return work()
    except Problem as problem:
        raise Refusal(problem.zh, problem.en) from problem
