"""What was handed over: one file, a folder's neighbours, several parts, or a zip of them, behind one small interface.

Nothing is unpacked to disk and no name that a file mentions can reach outside what was handed over: only plain names
are looked up. Limits stand here with their reasons.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ecg.formats import faults

MAX_FILE_BYTES = 64 * 2**20
"""One file, and all of a zip unpacked. A 10 s ECG has 20–300 KB, half an hour of two leads 2 MB; the server takes
bodies up to 32 MiB. A zip that announces or yields more is refused before it fills the memory."""

MAX_ZIP_MEMBERS = 256
"""Files in one zip. A WFDB record has two; a multi-segment record of PhysioNet some dozens."""

ZIP_MAGIC = b"PK\x03\x04"
_EMPTY_ZIP_MAGIC = b"PK\x05\x06"


@dataclass(frozen=True, slots=True)
class Parts:
    """The files at hand: ``names`` in order, and ``fetch(name)`` that returns the bytes of one or ``None``."""

    names: tuple[str, ...]
    fetch: Callable[[str], bytes | None]

    def need(self, name: str) -> bytes:
        """The bytes of a part; ``Unreadable`` ``PART_MISSING`` names it when it was not handed over."""
        data = self.fetch(name)
        if data is None:
            raise faults.part_missing(name)
        return data


def from_path(path: Path) -> Parts:
    """A file on disk with its neighbours; a zip is opened."""
    try:
        data = _load(path)
    except OSError as error:
        raise faults.part_missing(str(path)) from error
    if _is_zip(data):
        return from_zip(data, path.name)

    def fetch(name: str) -> bytes | None:
        if name == path.name:
            return data
        if PurePosixPath(name).name != name or "\\" in name or name in (".", ".."):
            return None
        try:
            return _load(path.parent / name)
        except (OSError, ValueError):
            return _load_in_other_case(path.parent, name)

    return Parts((path.name,), fetch)


def from_bytes(data: bytes, name: str) -> Parts:
    """One file in memory; a zip is opened."""
    return from_zip(data, name) if _is_zip(data) else from_mapping({name: data})


def from_mapping(files: Mapping[str, bytes]) -> Parts:
    """Several files in memory by name; folders in the names are dropped, as files refer to each other without."""
    if len(files) == 1:
        ((name, data),) = files.items()
        if _is_zip(data):
            return from_zip(data, name)
    plain = {PurePosixPath(name.replace("\\", "/")).name or name: data for name, data in files.items()}
    return Parts(tuple(plain), _whatever_case(plain))


def from_zip(data: bytes, name: str) -> Parts:
    """The members of a zip, without folders and the hidden files that some systems add. Nested zips are not opened."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [member for member in archive.infolist() if _is_wanted(member)]
            if len(members) > MAX_ZIP_MEMBERS or sum(member.file_size for member in members) > MAX_FILE_BYTES:
                raise faults.too_large(name, MAX_FILE_BYTES)
            files = {PurePosixPath(member.filename).name: _unpack(archive, member, name) for member in members}
    except (
        zipfile.BadZipFile,
        EOFError,
        OSError,
        ValueError,
        RuntimeError,
        NotImplementedError,
        OverflowError,
    ) as error:
        raise faults.damaged(name, "压缩包打不开", f"the zip cannot be opened: {error}") from error
    except Exception as error:
        if type(error).__name__ in ("error", "LZMAError"):  # zlib and lzma name their own
            raise faults.damaged(name, "压缩包打不开", f"the zip cannot be opened: {error}") from error
        raise
    if not files:
        raise faults.empty(name)
    return Parts(tuple(files), _whatever_case(files))


def _whatever_case(files: Mapping[str, bytes]) -> Callable[[str], bytes | None]:
    """Look a name up as it is, else in any case: copies through Windows turn ``1.dat`` into ``1.DAT``."""
    folded = {name.casefold(): data for name, data in files.items()}
    return lambda name: files[name] if name in files else folded.get(name.casefold())


def _load_in_other_case(folder: Path, name: str) -> bytes | None:
    try:
        found = next((path for path in folder.iterdir() if path.name.casefold() == name.casefold()), None)
        return _load(found) if found is not None else None
    except (OSError, ValueError):
        return None


def _is_zip(data: bytes) -> bool:
    return data.startswith((ZIP_MAGIC, _EMPTY_ZIP_MAGIC))


def _is_wanted(member: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(member.filename)
    return not member.is_dir() and not path.name.startswith(".") and "__MACOSX" not in path.parts


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> bytes:
    with archive.open(member) as stream:
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise faults.too_large(name, MAX_FILE_BYTES)
    return data


def _load(path: Path) -> bytes:
    with path.open("rb") as stream:
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise faults.too_large(path.name, MAX_FILE_BYTES)
    return data
