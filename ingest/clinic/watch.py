"""The cart's folder, looked at again and again: what :mod:`ingest.clinic.finished` calls ready is read and kept.

A look is a listing; a hint of the operating system (watchfiles) only makes the next one come sooner, so a network share
that gives no hints costs one interval. Files are only read: nothing in the cart's folder is moved, changed or deleted.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from ingest.clinic import grade
from ingest.clinic.finished import HEADER, Finder, Ready, Seen, is_wanted
from ingest.clinic.spool import DiskFullError, Spool

LOOK_S = 1.0
"""While something is being written, or the folder gives hints of itself; see :meth:`Watcher.next_look_s`."""

IDLE_S = 2.0
"""Otherwise. A longer listing (a share with thousands of files) takes at most a tenth of the time."""

LARGEST_BYTES = 64 * 2**20
"""The instrument reads no more; the county takes half of it."""

OLD_S = 24 * 3600.0
"""At the very first start, files older than this are known and not sent: a folder may hold years."""


class HeldError(OSError):
    """Another program still has the file open."""


@dataclass(slots=True)
class Watcher:
    """One folder and the spool that it fills."""

    folder: Path
    spool: Spool
    finder: Finder = field(default_factory=Finder)
    on_kept: Callable[[int], None] = lambda _: None
    with_old: bool = False
    """At the very first start also send what is older than :data:`OLD_S`."""
    is_full: bool = False
    """The last ECG found no room on the disk."""
    is_gone: bool = False
    """The folder cannot be listed: a share or a stick that is away."""
    _headers: dict[str, tuple[Seen, tuple[str, ...]]] = field(default_factory=dict[str, tuple[Seen, tuple[str, ...]]])
    _took_s: float = 0.0
    _has_begun: bool = False

    def start(self) -> None:
        """Recall what was taken before."""
        self.finder.know(self.spool.known_files())

    def _begin(self, found: Mapping[str, Seen]) -> None:
        """The very first look at this folder passes over what is old."""
        self._has_begun = True
        if self.spool.recall(f"folder {self.folder}") is not None:
            return
        limit = time.time_ns() - int(OLD_S * 1e9)
        known = self.finder.known
        old = [(path, seen) for path, seen in found.items() if seen.mtime_ns < limit and path not in known]
        if self.with_old:
            old = []
        self.spool.note_old(old)
        self.finder.know(old)
        self.spool.remember(f"folder {self.folder}", {"old": len(old)})

    def look(self, now: float) -> list[int]:
        """One look; the spool's numbers of what was kept."""
        began = time.monotonic()
        found = self._list()
        self.is_gone = found is None
        if found is None:
            return []
        if not self._has_begun:
            self._begin(found)
        headers = self._named(found)
        kept = [number for ready in self.finder.look(now, found, headers) if (number := self._taken(ready, now))]
        self._took_s = time.monotonic() - began
        return kept

    @property
    def next_look_s(self) -> float:
        """How long until the next look."""
        return max(LOOK_S if self.finder.is_waiting else IDLE_S, 10 * self._took_s)

    def _list(self) -> dict[str, Seen] | None:
        found: dict[str, Seen] = {}
        taken = dict(self.finder.known)
        try:
            for entry in _files(self.folder):
                if not is_wanted(entry.path):
                    continue
                with contextlib.suppress(OSError):
                    seen = _seen(entry.stat())
                    # a Windows listing may show an old size until the writer closes the file: ask the file itself
                    found[entry.path] = seen if taken.get(entry.path) == seen else _seen(os.stat(entry.path))
        except OSError:
            return None
        return {path: seen for path, seen in found.items() if seen.size <= LARGEST_BYTES}

    def _named(self, found: Mapping[str, Seen]) -> dict[str, tuple[str, ...]]:
        """The signal files that each WFDB header names, read again only when the header has changed."""
        headers = {path: seen for path, seen in found.items() if Path(path).suffix.lower() == HEADER}
        for path in self._headers.keys() - headers.keys():
            del self._headers[path]
        for path, seen in headers.items():
            if self._headers.get(path, (None,))[0] != seen:
                with contextlib.suppress(OSError):
                    self._headers[path] = seen, named_in(Path(path))
        return {path: named for path, (_, named) in self._headers.items()}

    def _taken(self, ready: Ready, now: float) -> int | None:
        """One recording; what goes wrong with it must not hold up the next."""
        try:
            return self._take(ready, now)
        except Exception as error:  # noqa: BLE001
            print(f"watch: {type(error).__name__}", file=sys.stderr, flush=True)  # no name, no path
            self.finder.busy(ready, now)
            return None

    def _take(self, ready: Ready, now: float) -> int | None:
        try:
            is_patient = self.finder.still_s(ready, now) >= self.finder.rules.patience_s
            parts = _read(ready, even_if_held=is_patient)
        except OSError:
            self.finder.busy(ready, now)
            return None
        if grade.looks_unfinished(parts) and self.finder.doubtful(ready):
            return None
        try:
            kept = self.spool.put(Path(ready.paths[0]).stem, parts, ready.files)
        except DiskFullError:
            if not self._made_room():
                self.is_full = True
            self.finder.busy(ready, now)
            return None
        self.is_full = False
        self.finder.taken(ready)
        self.on_kept(kept.id)
        return kept.id

    def _made_room(self) -> bool:
        """Remove what the county has; whether there was anything."""
        with contextlib.suppress(DiskFullError):
            return self.spool.remove_kept(0) > 0
        return False


def watch(watcher: Watcher, stop: Event, hint: Event) -> None:
    """Look until ``stop``; ``hint`` makes the next look come at once."""
    while not stop.is_set():
        watcher.look(time.monotonic())
        hint.wait(watcher.next_look_s)
        hint.clear()


def hints(folder: Path, stop: Event, hint: Event) -> None:
    """Set ``hint`` when the operating system tells of a change; where it cannot, return: looking goes on without."""
    from watchfiles import watch as changes

    with contextlib.suppress(Exception):  # no notice on this file system, too many folders: the looks remain
        for _ in changes(folder, stop_event=stop, debounce=200, step=100, rust_timeout=2000, yield_on_timeout=False):
            hint.set()


def named_in(header: Path) -> tuple[str, ...]:
    """The paths of the signal files that a WFDB header names, beside it; none of any that would lie elsewhere."""
    lines = header.read_text("latin-1").splitlines()
    named = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")][1:]
    plain = [name for name in dict.fromkeys(named) if name != "~" and "/" not in name and "\\" not in name]
    return tuple(str(header.parent / name) for name in plain)


def _files(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    """Every file in a folder and below it; a folder below that cannot be listed is passed over."""
    with os.scandir(folder) as entries:
        below: list[str] = []
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                below.append(entry.path)
            elif entry.is_file():
                yield entry
    for path in below:
        with contextlib.suppress(OSError):
            yield from _files(path)


def _seen(stat: os.stat_result) -> Seen:
    return Seen(stat.st_size, stat.st_mtime_ns)


def _read(ready: Ready, *, even_if_held: bool) -> list[tuple[str, bytes]]:
    """The files' bytes; ``OSError`` if one cannot be read, is held, or is not what was seen."""
    parts: list[tuple[str, bytes]] = []
    for path, seen in ready.files:
        if not even_if_held:
            _refuse_held(path)
        data = Path(path).read_bytes()
        if len(data) != seen.size or _seen(os.stat(path)) != seen:
            raise HeldError(path)
        parts.append((Path(path).name, data))
    return parts


def _refuse_held(path: str) -> None:
    """On Windows a file that another program has open for writing can mostly be read; it cannot be renamed."""
    if sys.platform == "win32":
        os.rename(path, path)
