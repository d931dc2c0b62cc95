"""The file of a backup: what is in it, how it is written so that it is surely there, and how it is read.

A plain zip (stored, so that any tool can open it) of two members: ``manifest.json``, which says what it is
(:class:`Manifest`: schema, digest, and where each county's audit chain stood), and the database: SQLite's own file, or
PostgreSQL's custom-format dump. It is written under a temporary name and read back from the disk before it is renamed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from ledger import verify

FORMAT = "ecgnet.backup/1"
MANIFEST = "manifest.json"
MEMBERS = {"sqlite": "ecgnet.db", "postgresql": "ecgnet.dump"}
PREFIX, SUFFIX, PART = "ecgnet-", ".zip", ".part"
BLOCK = 1 << 20


class BackupError(Exception):
    """A backup cannot be made, read or restored; the sentence says why and what to do."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


@dataclass(frozen=True, slots=True)
class CountyCopy:
    """A county as the backup holds it; ``audit_head`` is where its chain stood."""

    id: str
    name: str
    epoch: str
    last_seq: int
    audit_seq: int
    audit_head: str
    exams: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself; ``sha256`` and ``bytes`` are of ``member``, the database in it."""

    format: str
    software: str
    schema: str
    engine: str
    begun_at: str
    member: str
    bytes: int
    sha256: str
    counties: tuple[CountyCopy, ...]

    def heads(self) -> list[verify.Head]:
        """The audit's heads, to be compared with."""
        return [verify.Head(one.id, one.audit_seq, one.audit_head) for one in self.counties]


# --- writing ---------------------------------------------------------------------------------------------------------


def pack(copied: Path, manifest: Manifest, to: Path) -> tuple[int, str]:
    """Both members in one file, on the disk and read back from it; its size and digest."""
    said = json.dumps(asdict(manifest), ensure_ascii=False, indent=1).encode()
    with os.fdopen(os.open(to, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "wb") as stream:
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(_info(MANIFEST, manifest), said)
            with (
                copied.open("rb") as source,
                archive.open(_info(manifest.member, manifest), "w", force_zip64=True) as out,
            ):
                shutil.copyfileobj(source, out, BLOCK)
        stream.flush()
        os.fsync(stream.fileno())
        if hasattr(os, "posix_fadvise"):  # read back from the disk, not from memory
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    check(to)
    with to.open("rb") as stream:
        return to.stat().st_size, digest(stream)


def _info(name: str, manifest: Manifest) -> zipfile.ZipInfo:
    begun = manifest.begun_at
    date = (int(begun[:4]), int(begun[5:7]), int(begun[8:10]), int(begun[11:13]), int(begun[14:16]), int(begun[17:19]))
    info = zipfile.ZipInfo(name, date)
    info.external_attr = 0o600 << 16
    return info


@contextmanager
def temporary(target: Path, kind: str) -> Generator[Path]:
    """A name beside ``target`` that nobody takes for a backup; whatever is there at the end is removed."""
    path = target.with_name(f".{target.stem}-{os.getpid()}{kind}{PART}")
    path.unlink(missing_ok=True)
    try:
        yield path
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def need_room(folder: Path, need: float) -> None:
    """:class:`BackupError` unless ``need`` bytes are free there."""
    free = shutil.disk_usage(folder).free
    if free < need:
        raise BackupError(
            f"{folder} 空间不足：需要 {need / 1e6:.0f} MB，只剩 {free / 1e6:.0f} MB。请清理或换一个磁盘。",
            f"{folder} has too little room: {need / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free. "
            "Free some, or take another disk.",
        )


# --- reading ---------------------------------------------------------------------------------------------------------


def read(path: Path) -> Manifest:
    """The manifest of a backup; :class:`BackupError` if the file is none of ours."""
    try:
        with zipfile.ZipFile(path) as archive:
            said = json.loads(archive.read(MANIFEST))
        counties = tuple(CountyCopy(**one) for one in said.pop("counties"))
        manifest = Manifest(**said, counties=counties)
    except FileNotFoundError as error:
        raise BackupError(f"没有文件 {path}。", f"There is no file {path}.") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise BackupError(
            f"{path} 不是 ecgnet 的备份，或已损坏。", f"{path} is no backup of ecgnet, or damaged."
        ) from error
    if manifest.format != FORMAT or MEMBERS.get(manifest.engine) != manifest.member:
        raise BackupError(
            f"{path} 是更新版本的备份（{manifest.format}）：请安装新版 ecgnet。",
            f"{path} was made by a newer ecgnet ({manifest.format}): install it.",
        )
    return manifest


def check(path: Path) -> Manifest:
    """The manifest, once the database in the file is known to have its digest."""
    manifest = read(path)
    with member(path, manifest) as stream:
        if digest(stream) != manifest.sha256:
            raise _damaged(path)
    return manifest


@contextmanager
def member(path: Path, manifest: Manifest) -> Generator[IO[bytes]]:
    """The database in the file; :class:`BackupError` if it cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(manifest.member) as stream:
            yield stream
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> BackupError:
    return BackupError(f"备份 {path} 已损坏：请用另一份。", f"The backup {path} is damaged: take another one.")


def digest(stream: IO[bytes]) -> str:
    """SHA-256 of what is left in ``stream`` (hex)."""
    found = hashlib.sha256()
    while block := stream.read(BLOCK):
        found.update(block)
    return found.hexdigest()


# --- the disk --------------------------------------------------------------------------------------------------------


def sync(path: Path) -> None:
    """The file's bytes are on the disk."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """The new name is on the disk too; Windows has no such call and writes it with the file."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
