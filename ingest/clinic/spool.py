"""What the clinic has and the county may not have yet: one SQLite file that survives the plug being pulled.

An ECG is in the spool once :meth:`Spool.put` has returned: its bytes, as they will be sent, are in the same commit as
its row. It stays until the county's receipt, then for :data:`KEPT_S`; then its bytes and the patient's name go, and the
row stays, so that a file that still lies in the cart's folder is known. Nothing that was not received is ever removed.

Two things travel apart: the bytes, and what is said beside them (胸痛, 急救, symptoms, who it is). ``said`` counts what
was said, ``told`` what of it the county has committed; as long as they differ something is owed, whatever the state.

One connection in exclusive mode: a second program on one spool is refused, and with a single connection the WAL of
older SQLite libraries is safe too (their fault needs two; FIELD.md §2). Times are UTC microseconds of this computer,
only to be shown; order is by number, so that a clock that jumps changes nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

from ingest.clinic.finished import Seen
from ingest.clinic.pack import small_of, zip_of
from ingest.clinic.said import Said
from ingest.clinic.upload import Parcel

KEPT_S = 30 * 24 * 3600.0
"""After the receipt; then the county's copy is the only one."""

FULL_CODES = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})


class State(StrEnum):
    """Where an ECG is; the page's four steps begin with these."""

    WAITING = "waiting"
    """Kept here; its turn has not come."""
    SENDING = "sending"
    """Its upload was begun; what the county has of it is at ``address``."""
    RECEIVED = "received"
    """The county has committed the bytes; something that was said is still owed."""
    KEPT = "kept"
    """The county has everything; the bytes are kept here for a while."""
    REMOVED = "removed"
    """The bytes are gone here."""
    REFUSED = "refused"
    """The county refused the bytes; a person has to decide."""


MOVES: Mapping[tuple[State, str], State] = {
    (State.WAITING, "begin"): State.SENDING,
    (State.SENDING, "begin"): State.SENDING,
    (State.SENDING, "receipt"): State.RECEIVED,
    (State.WAITING, "receipt"): State.RECEIVED,
    (State.SENDING, "refuse"): State.REFUSED,
    (State.WAITING, "refuse"): State.REFUSED,
    (State.REFUSED, "again"): State.WAITING,
    (State.RECEIVED, "told"): State.KEPT,
    (State.KEPT, "told"): State.KEPT,
    (State.REMOVED, "told"): State.REMOVED,
    (State.KEPT, "say"): State.RECEIVED,
    (State.KEPT, "remove"): State.REMOVED,
}
"""From a state by an act to the next; every state but those named takes ``say`` and stays."""


class IllegalMove(Exception):
    """An act that a state does not allow; nothing was changed."""


class DiskFullError(Exception):
    """There is no room: the ECG is not kept here, and lies in the cart's folder alone."""


class InUseError(Exception):
    """Another program has this spool."""


def moved(state: State, act: str) -> State:
    """The state after an act; :class:`IllegalMove` names what would be legal."""
    to = MOVES.get((state, act), state if act == "say" else None)
    if to is None:
        legal = sorted(one for (at, one) in MOVES if at is state)
        raise IllegalMove(f"{act} of one that is {state}; legal: {', '.join(legal)}")
    return to


_SCHEMA = """
CREATE TABLE IF NOT EXISTS ecg (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    content TEXT NOT NULL UNIQUE,          -- SHA-256 of what lies in the folder; the same file twice is one
    name TEXT NOT NULL,
    found_at INTEGER NOT NULL,
    parcel_name TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    state TEXT NOT NULL,
    said_what TEXT NOT NULL,               -- JSON of Said
    said INTEGER NOT NULL DEFAULT 0,
    told INTEGER NOT NULL DEFAULT 0,
    urgent_at INTEGER,                     -- since when 急救 or a symptom stands, and its number among what was said
    urgent_said INTEGER NOT NULL DEFAULT 0,
    rank INTEGER NOT NULL DEFAULT 0,
    address TEXT,                          -- of the upload, and what had been said when it was begun
    address_said INTEGER NOT NULL DEFAULT 0,
    exam TEXT,
    received_at INTEGER,
    grade TEXT,                            -- JSON: what the instrument says on the spot
    problem TEXT,                          -- JSON: why the county refused
    answer TEXT,                           -- JSON: the county's exam as last seen
    to_read TEXT NOT NULL DEFAULT '[]',    -- JSON: what was read here and the county does not know yet
    parcel BLOB                            -- what is sent, byte for byte, also after a restart; last, for SQLite reads
                                           -- through it to whatever stands behind it
) STRICT;
CREATE INDEX IF NOT EXISTS ecg_state ON ecg (state, rank, id);
CREATE TABLE IF NOT EXISTS file (
    path TEXT PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    ecg INTEGER REFERENCES ecg (id)        -- NULL: it was there before this program was
) STRICT;
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""
# All but the bytes.
_COLUMNS = (
    "id, content, name, found_at, parcel_name, bytes, state, said_what, said, told, urgent_at, urgent_said, rank, "
    "address, address_said, exam, received_at, grade, problem, answer, to_read"
)
# What goes next: urgent ones first, then the oldest; what the instrument cannot read after the others of its rank.
_NEXT = (
    f"SELECT {_COLUMNS} FROM ecg WHERE state IN ('waiting', 'sending') "  # noqa: S608 (a constant)
    "ORDER BY rank DESC, grade IS NOT NULL AND json_extract(grade, '$.problem') IS NOT NULL, id"
)
# Received, but something that was said is not known there.
_OWED = f"SELECT {_COLUMNS} FROM ecg WHERE exam IS NOT NULL AND said > told ORDER BY rank DESC, id"  # noqa: S608
_UNREAD = f"SELECT {_COLUMNS} FROM ecg WHERE to_read <> '[]' ORDER BY id"  # noqa: S608
# Urgent ones that the county does not have, or does not know to be urgent.
_URGENT = f"SELECT {_COLUMNS} FROM ecg WHERE urgent_at IS NOT NULL AND (exam IS NULL OR urgent_said > told) ORDER BY id"  # noqa: S608
_NEWEST = f"SELECT {_COLUMNS} FROM ecg ORDER BY id DESC LIMIT ?"  # noqa: S608
_ONE = f"SELECT {_COLUMNS} FROM ecg WHERE id = ?"  # noqa: S608
_SAME = f"SELECT {_COLUMNS} FROM ecg WHERE content = ?"  # noqa: S608
# Those whose bytes may go, the oldest first.
_REMOVABLE = "SELECT id FROM ecg WHERE state = 'kept' AND received_at < ? ORDER BY received_at LIMIT ?"


@dataclass(frozen=True, slots=True)
class Ecg:
    """One ECG of the spool, without its bytes."""

    id: int
    content: str
    name: str
    found_at: int
    parcel_name: str
    bytes: int
    state: State
    what: Said
    said: int
    told: int
    urgent_at: int | None
    urgent_said: int
    rank: int
    address: str | None
    address_said: int
    exam: str | None
    received_at: int | None
    grade: dict[str, Any] | None
    problem: dict[str, Any] | None
    answer: dict[str, Any] | None
    to_read: tuple[dict[str, Any], ...]

    @property
    def is_received(self) -> bool:
        return self.exam is not None


def content_of(parts: Sequence[tuple[str, bytes]]) -> str:
    """The digest of what lies in the folder: of one file its own, of several that of their plain zip."""
    return hashlib.sha256(parts[0][1] if len(parts) == 1 else zip_of(parts)).hexdigest()


class Spool:
    """The clinic's store. Every method is one short transaction; safe to call from any thread."""

    def __init__(self, path: Path, now: Callable[[], int]) -> None:
        """Open or make it; :class:`InUseError`: another program has it, :class:`DiskFullError`: there is no room."""
        self._now, self._lock = now, threading.RLock()
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):  # patients' names: for this account alone, the log beside it too
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            path.chmod(0o600)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.5)
        self._db.row_factory = sqlite3.Row
        try:
            with _told():
                for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL", "fullfsync=ON"):
                    self._db.execute(f"PRAGMA {pragma}")
                self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    # --- what was found ----------------------------------------------------------------------------------------------

    def put(self, name: str, parts: Sequence[tuple[str, bytes]], files: Iterable[tuple[str, Seen]] = ()) -> Ecg:
        """Keep an ECG; when this returns it survives a pulled plug. The same content again is the same ECG.

        ``parts``: its files by name; ``files``: where they lie. A file that has grown since it was kept (it was taken
        half-written) takes the place of its shorter self if that was not begun to be sent, and what was said of it in
        any case; another file under an old name takes nothing over.
        """
        content = content_of(parts)
        parcel_name, parcel = small_of(name, parts)
        places = list(files)
        with self._write() as db:
            known = db.execute(_SAME, (content,)).fetchone()
            if known is None:
                row: dict[str, Any] = {"content": content, "name": name, "parcel_name": parcel_name, "parcel": parcel}
                row["bytes"] = len(parcel)
                shorter = self._shorter(db, parts, places)
                if shorter is not None and shorter.state is State.WAITING:
                    _update(db, shorter.id, {**row, "grade": None})
                else:
                    _insert(db, {**row, "found_at": self._now(), "state": State.WAITING, **_carried(shorter)})
                known = db.execute(_SAME, (content,)).fetchone()
            self._note(db, places, known["id"])
            return _ecg(known)

    def _shorter(
        self, db: sqlite3.Connection, parts: Sequence[tuple[str, bytes]], places: Iterable[tuple[str, Seen]]
    ) -> Ecg | None:
        """The ECG that was made of the first part of these very files."""
        for path, _ in places:
            found = db.execute("SELECT ecg FROM file WHERE path = ? AND ecg IS NOT NULL", (path,)).fetchone()
            if found is None:
                continue
            before = self._parts(db, found["ecg"])
            now = dict(parts)
            if before and all(name in now and now[name].startswith(data) for name, data in before.items()):
                return _ecg(db.execute(_ONE, (found["ecg"],)).fetchone())
        return None

    def _parts(self, db: sqlite3.Connection, which: int) -> dict[str, bytes]:
        import io
        import zipfile

        row = db.execute("SELECT parcel_name, parcel, name FROM ecg WHERE id = ?", (which,)).fetchone()
        if row["parcel"] is None:
            return {}
        if not row["parcel"].startswith(b"PK\x03\x04"):
            return {row["parcel_name"]: row["parcel"]}
        with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(row["parcel"])) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
        return {}

    def note_old(self, files: Iterable[tuple[str, Seen]]) -> None:
        """Files that were there before this program: known, and not sent."""
        with self._write() as db:
            self._note(db, files, None)

    def _note(self, db: sqlite3.Connection, files: Iterable[tuple[str, Seen]], which: int | None) -> None:
        db.executemany(
            "INSERT OR REPLACE INTO file (path, size, mtime_ns, ecg) VALUES (?, ?, ?, ?)",
            [(path, seen.size, seen.mtime_ns, which) for path, seen in files],
        )

    def known_files(self) -> list[tuple[str, Seen]]:
        """Every file that was taken or noted, as it was then."""
        with self._read() as db:
            rows = db.execute("SELECT path, size, mtime_ns FROM file").fetchall()
        return [(row["path"], Seen(row["size"], row["mtime_ns"])) for row in rows]

    # --- what is said ------------------------------------------------------------------------------------------------

    def say(self, which: int, more: Said) -> Ecg:
        """Add what the clinic says; kept before, during and after sending."""

        def change(before: Ecg) -> dict[str, Any]:
            what = before.what.with_(more, may_lower=before.state is State.WAITING)
            if what == before.what:
                return {}
            said = before.said + 1
            risen = {"urgent_at": before.urgent_at or self._now(), "urgent_said": said} if what.rank else {}
            if what.rank <= before.rank:  # nothing more urgent than before, or taken back
                risen = {} if what.rank else {"urgent_at": None, "urgent_said": 0}
            state = moved(before.state, "say")
            return {"said_what": what.json(), "said": said, "rank": what.rank, "state": state, **risen}

        return self._change(which, change)

    def told(self, which: int, said: int) -> Ecg:
        """The county has committed what was said up to number ``said``."""

        def change(before: Ecg) -> dict[str, Any]:
            known = max(before.told, said)
            done = {"state": moved(before.state, "told")} if known >= before.said else {}
            return {"told": known, **done}

        return self._change(which, change)

    def read(self, which: int, item: Mapping[str, Any]) -> Ecg:
        """Somebody here has read the answer or a message; kept until the county knows."""
        return self._change(
            which,
            lambda before: (
                {}
                if any(one["id"] == item["id"] for one in before.to_read)
                else {"to_read": json.dumps([*before.to_read, dict(item)], ensure_ascii=False)}
            ),
        )

    def read_told(self, which: int, item_id: str) -> Ecg:
        """The county knows that it was read."""
        return self._change(
            which,
            lambda before: {
                "to_read": json.dumps([one for one in before.to_read if one["id"] != item_id], ensure_ascii=False)
            },
        )

    # --- sending -----------------------------------------------------------------------------------------------------

    def next(self, later: Iterable[int] = ()) -> Ecg | None:
        """What goes next, but those of ``later``: urgent first, then the oldest."""
        skipped = set(later)
        with self._read() as db:
            return next((_ecg(row) for row in db.execute(_NEXT) if row["id"] not in skipped), None)

    def highest_rank(self) -> int:
        """How urgent the most urgent is that waits; 0 without any."""
        with self._read() as db:
            return db.execute("SELECT max(rank) FROM ecg WHERE state IN ('waiting', 'sending')").fetchone()[0] or 0

    def parcel(self, which: int) -> Parcel | None:
        """Its bytes as they are sent; ``None`` once they were removed."""
        with self._read() as db:
            row = db.execute("SELECT parcel_name, parcel FROM ecg WHERE id = ?", (which,)).fetchone()
        return None if row is None or row["parcel"] is None else Parcel(row["parcel_name"], row["parcel"])

    def began(self, which: int, address: str | None, said: int) -> Ecg:
        """Its upload has an address, with what had been said then; ``None``: it is to be begun anew."""
        return self._change(
            which,
            lambda before: {"state": moved(before.state, "begin"), "address": address, "address_said": said},
        )

    def received(self, which: int, exam: str, said: int) -> Ecg:
        """The county's receipt, which also covers what had been said when the upload was begun."""

        def change(before: Ecg) -> dict[str, Any]:
            state = moved(before.state, "receipt")
            told = max(before.told, said)
            if told >= before.said:
                state = moved(state, "told")
            known = {"exam": exam, "received_at": self._now(), "told": told}
            return {**known, "state": state, "address": None, "problem": None}

        return self._change(which, change)

    def refused(self, which: int, problem: Mapping[str, str]) -> Ecg:
        """The county refused the bytes for good."""
        return self._change(
            which,
            lambda before: {
                "state": moved(before.state, "refuse"),
                "problem": json.dumps(dict(problem), ensure_ascii=False),
                "address": None,
            },
        )

    def again(self, which: int) -> Ecg:
        """A person wants a refused one to be tried again."""
        return self._change(which, lambda before: {"state": moved(before.state, "again"), "problem": None})

    def owed(self) -> list[Ecg]:
        """Received ones of which something that was said is not known there."""
        return self._list(_OWED)

    def urgent_unknown(self) -> list[Ecg]:
        """Urgent ones that the county does not have, or of which something that was said is not known there."""
        return self._list(_URGENT)

    def owed_reads(self) -> list[Ecg]:
        """Those of which something was read here and the county does not know."""
        return self._list(_UNREAD)

    # --- what is known ------------------------------------------------------------------------------------------------

    def graded(self, which: int, grade: Mapping[str, Any]) -> Ecg:
        """What the instrument says on the spot."""
        return self._change(which, lambda _: {"grade": json.dumps(dict(grade), ensure_ascii=False)})

    def answered(self, which: int, answer: Mapping[str, Any]) -> Ecg:
        """The county's exam as it is now."""
        return self._change(which, lambda _: {"answer": json.dumps(dict(answer), ensure_ascii=False)})

    def one(self, which: int) -> Ecg | None:
        """One ECG."""
        return next(iter(self._list(_ONE, which)), None)

    def newest(self, most: int = 60) -> list[Ecg]:
        """The newest, the newest first."""
        return self._list(_NEWEST, most)

    def counts(self) -> dict[str, int]:
        """How many there are in each state."""
        with self._read() as db:
            return dict(db.execute("SELECT state, count(*) FROM ecg GROUP BY state").fetchall())

    def oldest_waiting_at(self) -> int | None:
        """When the oldest that the county does not have was found."""
        with self._read() as db:
            row = db.execute("SELECT min(found_at) AS at FROM ecg WHERE exam IS NULL AND state <> 'refused'").fetchone()
        return row["at"]

    def remember(self, name: str, value: Any) -> None:
        """Keep a fact (JSON): the county's telephone number, the clinic's name."""
        text = json.dumps(value, ensure_ascii=False)
        with self._write() as db:
            db.execute("INSERT OR REPLACE INTO fact (name, value) VALUES (?, ?)", (name, text))

    def recall(self, name: str) -> Any:
        """A kept fact, or ``None``."""
        with self._read() as db:
            row = db.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row["value"])

    # --- room --------------------------------------------------------------------------------------------------------

    def remove_kept(self, kept_s: float = KEPT_S, most: int = 50) -> int:
        """Remove the bytes, and the name, of those whose receipt is older than ``kept_s``; how many. ``0``: all that
        were received, the oldest first, because room is needed. Never of one that was not received, or of which
        something is owed."""
        with self._write() as db:
            before = self._now() - int(kept_s * 1_000_000) + 1
            rows = db.execute(_REMOVABLE, (before, most)).fetchall()
            for row in rows:
                ecg = _ecg(db.execute(_ONE, (row["id"],)).fetchone())
                gone = {"state": moved(ecg.state, "remove"), "parcel": None, "answer": None}
                _update(db, ecg.id, {**gone, "said_what": ecg.what.nameless().json()})
        return len(rows)

    # --- transactions -------------------------------------------------------------------------------------------------

    def _change(self, which: int, change: Callable[[Ecg], Mapping[str, Any]]) -> Ecg:
        with self._write() as db:
            row = db.execute(_ONE, (which,)).fetchone()
            if row is None:
                raise KeyError(which)
            values = change(_ecg(row))
            if values:
                _update(db, which, values)
            return _ecg(db.execute(_ONE, (which,)).fetchone())

    def _list(self, statement: str, *values: Any) -> list[Ecg]:
        with self._read() as db:
            return [_ecg(row) for row in db.execute(statement, values)]

    @contextlib.contextmanager
    def _read(self) -> Generator[sqlite3.Connection]:
        with self._lock, _told():
            yield self._db

    @contextlib.contextmanager
    def _write(self) -> Generator[sqlite3.Connection]:
        """One durable transaction: with ``synchronous=FULL`` the log is synced before COMMIT returns."""
        with self._lock, _told():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise


def _update(db: sqlite3.Connection, which: int, values: Mapping[str, Any]) -> None:
    names = ", ".join(f"{name} = ?" for name in values)
    db.execute(f"UPDATE ecg SET {names} WHERE id = ?", (*values.values(), which))  # noqa: S608 (our names)


def _insert(db: sqlite3.Connection, values: Mapping[str, Any]) -> None:
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    db.execute(f"INSERT INTO ecg ({names}) VALUES ({marks})", tuple(values.values()))  # noqa: S608 (our names)


def _carried(shorter: Ecg | None) -> dict[str, Any]:
    """What was said of a file's shorter self is said of it."""
    if shorter is None or not shorter.said:
        return {"said_what": Said().json()}
    what = shorter.what
    return {"said_what": what.json(), "said": 1, "urgent_at": shorter.urgent_at, "urgent_said": 1, "rank": what.rank}


@contextlib.contextmanager
def _told() -> Generator[None]:
    """SQLite's errors in our words."""
    try:
        yield
    except sqlite3.OperationalError as error:
        primary = (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
        if primary in FULL_CODES:
            raise DiskFullError(str(error)) from error
        if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise InUseError(str(error)) from error
        raise


def _ecg(row: sqlite3.Row) -> Ecg:
    values = dict(row)
    for name in ("grade", "problem", "answer"):
        values[name] = None if values[name] is None else json.loads(values[name])
    to_read = cast("list[dict[str, Any]]", json.loads(values.pop("to_read")))
    what = Said.of_json(values.pop("said_what"))
    state = State(values.pop("state"))
    return Ecg(state=state, what=what, to_read=tuple(to_read), **values)
