"""When is a file on a village PC finished? Pure: what was seen of a folder goes in, what may be read comes out.

Nobody tells us when a cart has written its file. It may write in bursts, over a slow network share, under a temporary
name that it then renames, with the signals of a WFDB record before or after the header; and the size that a folder
listing shows on Windows may be old until the writer closes the file. So a recording is *ready* once

- every file of it is there and not empty: of a WFDB header the signal files it names, of signals their header;
  without them, after :attr:`Rules.pair_s` (some carts write a ``.dat`` of their own, and a lost part will not come);
- size and time of each have stood still for :attr:`Rules.quiet_s`;
- after it was *busy* (another program holds it) or *doubtful* (it was read, and looks cut short), it has stood still
  for :attr:`Rules.patience_s`: then it is taken as it is, for an unreadable ECG is sent too.

Time is monotonic (seconds, any zero): a clock that jumps changes nothing. What was taken is offered again only if it
has changed. Losing a hint costs one look, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import PurePath

SIGNALS = (".dat", ".mat")
HEADER = ".hea"

_TEMPORARY_ENDS = (
    ".tmp", ".temp", ".part", ".partial", ".crdownload", ".download", ".filepart", ".swp", ".lock", ".lck", ".writing",
    ".bak", "~",
)  # fmt: skip
_TEMPORARY_STARTS = (".", "~", "$")
_NEVER = frozenset(
    {
        *(".exe", ".dll", ".sys", ".bat", ".cmd", ".com", ".msi", ".lnk", ".url", ".ini", ".cfg", ".config", ".inf"),
        *(".log", ".db", ".db-wal", ".db-shm", ".db-journal", ".sqlite", ".mdb", ".ldb", ".chm", ".hlp", ".manifest"),
        *(".py", ".js", ".html", ".htm", ".css", ".ico", ".ttf", ".mp3", ".mp4", ".avi", ".wav", ".rar", ".7z"),
    }
)
"""Endings of programs, their settings and logs: a cart's folder holds them too, and none of them is an ECG."""

_NEVER_NAMES = frozenset({"thumbs.db", "desktop.ini", "records", "annotators"})


@dataclass(frozen=True, slots=True)
class Rules:
    """How long to wait (seconds)."""

    quiet_s: float = 2.0
    """FAT keeps times to 2 s; a writer that pauses longer is caught by what it has written (doubtful)."""

    patience_s: float = 10.0
    """For what looks cut short or is held; then it is taken as it is."""

    pair_s: float = 10.0
    """For the other part of a pair."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look shows of one file: bytes, and the time of its last change."""

    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Ready:
    """A recording that may be read: its files in order, each as it was seen."""

    files: tuple[tuple[str, Seen], ...]

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(path for path, _ in self.files)


def is_wanted(path: str) -> bool:
    """Whether a file can be part of an ECG by its name: no temporary file, no program."""
    name = PurePath(path).name.lower()
    if name.startswith(_TEMPORARY_STARTS) or name.endswith(_TEMPORARY_ENDS) or name in _NEVER_NAMES:
        return False
    return PurePath(name).suffix not in _NEVER


def key_of(path: str, headers: Mapping[str, Sequence[str]]) -> str:
    """What a file belongs to: the header that names it or has its name, else itself.

    ``headers``: path of a header → the paths that it names.
    """
    pure = PurePath(path)
    if pure.suffix.lower() == HEADER:
        return path
    if pure.suffix.lower() not in SIGNALS:
        return path
    naming = sorted(header for header, named in headers.items() if path in named)
    same = [header for header in headers if PurePath(header).with_suffix("") == pure.with_suffix("")]
    return next(iter([*naming, *same]), path)


@dataclass(slots=True)
class _Watched:
    """One recording that is not taken yet, as it was last seen, and since when it is so."""

    files: tuple[tuple[str, Seen], ...]
    since: float
    is_doubtful: bool = False
    again_at: float = -inf


@dataclass(slots=True)
class Finder:
    """Looks at a folder again and again; :meth:`look` gives what is ready, each recording once for each content."""

    rules: Rules = field(default_factory=Rules)
    _watched: dict[str, _Watched] = field(default_factory=dict[str, _Watched])
    _taken: dict[str, Seen] = field(default_factory=dict[str, Seen])

    def know(self, files: Iterable[tuple[str, Seen]]) -> None:
        """These were taken before (a restart): they are offered again only if they have changed."""
        self._taken.update(files)

    def look(self, now: float, found: Mapping[str, Seen], headers: Mapping[str, Sequence[str]]) -> list[Ready]:
        """What is ready at ``now``. ``found``: the wanted files of the folder; ``headers``: what each header names."""
        whole: dict[str, list[str]] = {}
        for path in sorted(found):
            whole.setdefault(key_of(path, headers), []).append(path)
        for key in self._watched.keys() - whole.keys():
            del self._watched[key]
        return [
            ready for key, paths in whole.items() if (ready := self._one(now, key, paths, found, headers)) is not None
        ]

    def _one(
        self,
        now: float,
        key: str,
        paths: Sequence[str],
        found: Mapping[str, Seen],
        headers: Mapping[str, Sequence[str]],
    ) -> Ready | None:
        files = tuple((path, found[path]) for path in sorted(paths, key=lambda path: (path != key, path)))
        if all(self._taken.get(path) == seen for path, seen in files):
            self._watched.pop(key, None)
            return None
        watched = self._watched.get(key)
        if watched is None or watched.files != files:
            watched = self._watched[key] = _Watched(files, now)
        for_s = now - watched.since
        least_s = self.rules.quiet_s
        if watched.is_doubtful:
            least_s = max(least_s, self.rules.patience_s)
        if not _is_complete(key, paths, headers):
            least_s = max(least_s, self.rules.pair_s)
        if any(seen.size == 0 for _, seen in files) or for_s < least_s or now < watched.again_at:
            return None
        return Ready(files)

    def taken(self, ready: Ready) -> None:
        """It is kept in the spool: not again, unless it changes."""
        self._taken.update(ready.files)

    def busy(self, ready: Ready, now: float) -> None:
        """It could not be read, or changed while it was: look again, and wait until it has stood still."""
        for watched in self._of(ready):
            watched.again_at = now + self.rules.quiet_s

    def still_s(self, ready: Ready, now: float) -> float:
        """For how long it has stood still."""
        return max((now - watched.since for watched in self._of(ready)), default=0.0)

    def doubtful(self, ready: Ready) -> bool:
        """It looks cut short. Whether to wait longer: not once it has been doubted and stood still since."""
        for watched in self._of(ready):
            if not watched.is_doubtful:
                watched.is_doubtful = True
                return True
        return False

    def _of(self, ready: Ready) -> list[_Watched]:
        return [watched for watched in self._watched.values() if watched.files == ready.files]

    @property
    def known(self) -> Mapping[str, Seen]:
        """What was taken, as it was then."""
        return self._taken

    @property
    def is_waiting(self) -> bool:
        """Whether something is seen that is not taken yet: then it is worth looking soon."""
        return bool(self._watched)


def _is_complete(key: str, paths: Sequence[str], headers: Mapping[str, Sequence[str]]) -> bool:
    """A header with all that it names; signals never without a header; anything else by itself."""
    suffix = PurePath(key).suffix.lower()
    if suffix in SIGNALS:
        return False
    if suffix != HEADER:
        return True
    named = headers.get(key, ())
    return bool(named) and set(named) <= set(paths)
