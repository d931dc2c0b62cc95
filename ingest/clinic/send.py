"""Sending ECGs to the county: by tus, resuming, until the county has said that it has committed them.

A small file goes whole with the request that begins its upload; a larger one in pieces, and after a broken connection
from where the county says it is (:mod:`ingest.clinic.upload`). A repeat is always safe: the same bytes are the same
exam. What can be answered only by a person (a wrong key, a file that is too large) is not repeated.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.clinic.pack import zip_of
from ingest.clinic.upload import (
    Parcel,
    PassingError,
    Progress,
    RefusedError,
    SendError,
    TooLargeError,
    Upload,
    WrongKeyError,
    client,
)

if TYPE_CHECKING:
    import httpx

__all__ = [
    "LocalFileError",
    "Parcel",
    "RefusedError",
    "SendError",
    "TooLargeError",
    "UnreachableError",
    "WrongKeyError",
    "groups",
    "pack",
    "send",
]

GIVE_UP_AFTER_S = 120.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 10.0

_PAIRED = (".hea", ".dat", ".mat")


class UnreachableError(SendError):
    """No answer within the time limit."""


class LocalFileError(SendError):
    """A file on this computer cannot be read."""


def send(
    files: Sequence[Path],
    to: str,
    key: str,
    *,
    urgent: bool = False,
    symptoms: Sequence[str] = (),
    patient: Mapping[str, str] | None = None,
    progress: bool = False,
    limit_s: float = GIVE_UP_AFTER_S,
) -> list[dict[str, Any]]:
    """Send each ECG; the receipts, in order: ``{"exam", "sha256", "bytes", "received_at", "status"}``.

    ``to``: the county's address (``https://…``). ``progress``: a bar on standard error. ``limit_s``: how long one ECG
    is tried. Raises :class:`SendError` at the first that was not received; those before it were.
    """
    context: dict[str, Any] = {"urgent": urgent, "symptoms": list(symptoms), "patient": dict(patient or {})}
    context = {name: value for name, value in context.items() if value}
    parcels = [pack(group) for group in groups(files)]
    with client(to, key) as line, _bar(progress) as told:
        return [_delivered(line, parcel, context, told, limit_s) for parcel in parcels]


# --- what belongs together -------------------------------------------------------------------------------------------


def groups(files: Sequence[Path]) -> list[list[Path]]:
    """The files of each ECG: a WFDB header with its signal files, given or found beside it; all others alone.

    Grouping each group again gives the same group.
    """
    found: dict[Path, list[Path]] = {}
    for path in files:
        if path.suffix.lower() not in _PAIRED:
            found.setdefault(path, [path])
            continue
        together = found.setdefault(path.with_suffix(""), [])
        together += [one for one in (path, *_beside(path)) if one not in together]
    together = [set(group) for group in found.values()]
    return [group for group in found.values() if not any(set(group) < other for other in together)]


def _beside(path: Path) -> list[Path]:
    """The other files of a WFDB record that are there: those its header names, and those of the same name."""
    others = [path.with_suffix(suffix) for suffix in _PAIRED]
    header = path.with_suffix(".hea")
    with contextlib.suppress(OSError):
        lines = header.read_text("latin-1").splitlines()
        named = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")][1:]
        others += [path.parent / name for name in named if "/" not in name and "\\" not in name]
    return [other for other in dict.fromkeys(others) if other != path and other.is_file()]


def pack(group: Sequence[Path]) -> Parcel:
    """The bytes to send; :class:`LocalFileError` if one cannot be read."""
    parts: list[tuple[str, bytes]] = []
    for path in group:
        try:
            parts.append((path.name, path.read_bytes()))
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise LocalFileError("FILE", f"文件读不出来：{path}({why})。", f"{path} cannot be read: {why}.") from error
    if len(parts) == 1:
        return Parcel(*parts[0])
    return Parcel(f"{group[0].stem}.zip", zip_of(parts))


# --- one exam --------------------------------------------------------------------------------------------------------


def _delivered(
    line: httpx.Client, parcel: Parcel, context: Mapping[str, Any], told: Progress, limit_s: float
) -> dict[str, Any]:
    """Step by step, each tried again until the time is over; the receipt."""
    import httpx

    upload = Upload(line, parcel, context, told)
    give_up_at = time.monotonic() + limit_s
    attempt = 0
    while True:
        before = upload.offset
        asked_to_wait: float | None = None
        try:
            receipt = upload.step()
            if receipt is not None:
                return receipt
            attempt = 0
            continue
        except httpx.TransportError as error:
            why = type(error).__name__
        except PassingError as passing:
            why, asked_to_wait = str(passing), passing.wait_s
        attempt = 0 if upload.offset > before else attempt + 1
        _wait(line.base_url.host, attempt, asked_to_wait, why, give_up_at)


def _wait(host: str, attempt: int, asked_s: float | None, why: str, give_up_at: float) -> None:
    """Back off, with jitter so that a county's clinics do not all return at once; give up when the time is over."""
    longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(attempt, 10))
    wait_s = max(asked_s or 0.0, random.uniform(longest / 4, longest))  # noqa: S311 (no secret)
    if time.monotonic() + wait_s > give_up_at:
        raise UnreachableError(
            "UNREACHABLE",
            f"连不上县服务器 {host}({why})：文件没有送达，请检查网络后再试，急的话请打电话。",
            f"The county's server {host} cannot be reached ({why}): nothing was received. Check the network and "
            "try again; if it is urgent, telephone.",
        )
    time.sleep(wait_s)


# --- the bar ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _bar(is_wanted: bool) -> Generator[Progress]:
    """A progress bar on standard error, one line a file."""
    if not is_wanted:
        yield lambda _name, _sent, _all: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def told(name: str, sent: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=sent)

        yield told
