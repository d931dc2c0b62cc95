"""Sending ECGs to the county: by tus, resuming, until the county has said that it has committed them.

A file up to :data:`SMALL_BYTES` goes whole with the request that begins its upload; a larger one in pieces, and after a
broken connection from where the county says it is. A repeat is always safe: the same bytes are the same exam. What can
be answered only by a person (a wrong key, a file that is too large) is not repeated.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import ipaddress
import json
import random
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from ingest.clinic.pack import zip_of

if TYPE_CHECKING:
    import httpx

SMALL_BYTES = 64 * 1024
PIECE_BYTES = 256 * 1024
"""Of one PATCH: on 64 kbit/s half a minute; the county keeps what came of a broken one."""

BLOCK_BYTES = 16 * 1024
"""How finely the bar moves."""

GIVE_UP_AFTER_S = 120.0
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 10.0
CONNECT_S, SILENCE_S = 10.0, 30.0

_PAIRED = (".hea", ".dat", ".mat")
_PASSING = frozenset({408, 409, 425, 429, 460, 500, 502, 503, 504})
"""Answers that another attempt may change."""

_GONE = frozenset({404, 410})

Progress = Callable[[str, int, int], None]
"""Told (file, bytes sent, bytes in all)."""


class SendError(Exception):
    """It was not received. ``code`` is stable; ``zh`` and ``en`` say what the person can do."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(f"{en} {zh}")
        self.code, self.zh, self.en = code, zh, en


class WrongKeyError(SendError):
    """The county does not know the key."""


class UnreachableError(SendError):
    """No answer within the time limit."""


class TooLargeError(SendError):
    """The county does not take files of this size."""


class RefusedError(SendError):
    """The county refused, and a repeat would not change that."""


class LocalFileError(SendError):
    """A file on this computer cannot be read."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is sent as one exam: one file, or the zip of those that belong together."""

    name: str
    data: bytes


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
    with _client(to, key) as client, _bar(progress) as told:
        return [_Sending(client, parcel, context, told, limit_s).run() for parcel in parcels]


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


class _Sending:
    """One parcel on its way; each step may fail and is tried again until the time is over."""

    def __init__(
        self, client: httpx.Client, parcel: Parcel, context: Mapping[str, Any], told: Progress, limit_s: float
    ) -> None:
        self.client, self.parcel, self.told = client, parcel, told
        self.sha256 = hashlib.sha256(parcel.data).hexdigest()
        self.metadata = _metadata(parcel.name, context)
        self.give_up_at = time.monotonic() + limit_s
        self.address: str | None = None
        self.offset = 0
        self.is_unsure = False

    def run(self) -> dict[str, Any]:
        import httpx

        attempt = 0
        while True:
            before = self.offset
            asked_to_wait: float | None = None
            why = ""
            try:
                receipt = self._step()
                if receipt is not None:
                    return receipt
                attempt = 0
                continue
            except httpx.TransportError as error:
                why = type(error).__name__
            except _PassingError as passing:
                why, asked_to_wait = f"HTTP {passing.status}", passing.wait_s
            self.is_unsure = self.address is not None
            attempt = 0 if self.offset > before else attempt + 1
            self._wait(attempt, asked_to_wait, why)

    def _step(self) -> dict[str, Any] | None:
        """The next request; the receipt once there is one."""
        if self.address is None:
            return self._begin()
        if self.is_unsure:
            return self._ask()
        return self._continue()

    def _begin(self) -> dict[str, Any] | None:
        is_small = len(self.parcel.data) <= SMALL_BYTES
        headers = {"Upload-Length": str(len(self.parcel.data)), "Upload-Metadata": self.metadata}
        if is_small:
            headers["Content-Type"] = "application/offset+octet-stream"
        body = self.parcel.data if is_small else b""
        answer = self._request("POST", urljoin(str(self.client.base_url), "v1/uploads"), headers, body)
        self.address = urljoin(str(answer.url), answer.headers["Location"])
        return self._reached(answer)

    def _ask(self) -> dict[str, Any] | None:
        assert self.address is not None
        answer = self._request("HEAD", self.address, {}, b"")
        self.is_unsure = False
        return self._reached(answer)

    def _continue(self) -> dict[str, Any] | None:
        assert self.address is not None
        piece = self.parcel.data[self.offset : self.offset + PIECE_BYTES]
        headers = {"Upload-Offset": str(self.offset), "Content-Type": "application/offset+octet-stream"}
        return self._reached(self._request("PATCH", self.address, headers, piece))

    def _reached(self, answer: httpx.Response) -> dict[str, Any] | None:
        """Note how far it is; the receipt if it is finished."""
        self.offset = int(answer.headers.get("Upload-Offset", "0"))
        self.told(self.parcel.name, self.offset, len(self.parcel.data))
        exam = answer.headers.get("Ecgnet-Exam")
        if exam is None:
            return None
        if answer.headers.get("Ecgnet-Sha256") != self.sha256:
            raise RefusedError(
                "DIGEST",
                "县里收到的内容与本机文件不一致，请重发并联系县管理员。",
                "The county received other bytes than were sent: send again, and tell the county's administrator.",
            )
        receipt: dict[str, Any] = {"exam": exam, "sha256": self.sha256, "bytes": len(self.parcel.data)}
        receipt["received_at"] = answer.headers.get("Ecgnet-Received-At")
        receipt["status"] = answer.headers.get("Ecgnet-Status", "received")
        return receipt

    def _request(self, method: str, address: str, headers: Mapping[str, str], body: bytes) -> httpx.Response:
        lengths = {"Content-Length": str(len(body))} if method != "HEAD" else {}
        content = self._blocks(body) if body else None
        answer = self.client.request(method, address, headers={**headers, **lengths}, content=content)
        if answer.is_success:
            return answer
        if answer.status_code in _GONE and self.address is not None:  # forgotten there: begin anew
            self.address, self.offset = None, 0
            raise _PassingError(answer.status_code, None)
        if answer.status_code in _PASSING:
            raise _PassingError(answer.status_code, _seconds(answer.headers.get("Retry-After")))
        raise _refusal(answer, len(self.parcel.data))

    def _blocks(self, body: bytes) -> Iterator[bytes]:
        """The body in blocks, each told as it goes."""
        for at in range(0, len(body), BLOCK_BYTES):
            yield body[at : at + BLOCK_BYTES]
            self.told(self.parcel.name, self.offset + min(at + BLOCK_BYTES, len(body)), len(self.parcel.data))

    def _wait(self, attempt: int, asked_s: float | None, why: str) -> None:
        """Back off, with jitter so that a county's clinics do not all return at once; give up when the time is over."""
        longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(attempt, 10))
        wait_s = max(asked_s or 0.0, random.uniform(longest / 4, longest))  # noqa: S311 (no secret)
        if time.monotonic() + wait_s > self.give_up_at:
            host = self.client.base_url.host
            raise UnreachableError(
                "UNREACHABLE",
                f"连不上县服务器 {host}({why})：文件没有送达，请检查网络后再试，急的话请打电话。",
                f"The county's server {host} cannot be reached ({why}): nothing was received. Check the network and "
                "try again; if it is urgent, telephone.",
            )
        time.sleep(wait_s)


class _PassingError(Exception):
    """An answer that another attempt may change."""

    def __init__(self, status: int, wait_s: float | None) -> None:
        super().__init__(status)
        self.status, self.wait_s = status, wait_s


def _refusal(answer: httpx.Response, size: int) -> SendError:
    status = answer.status_code
    if status in (401, 403):
        zh = "密钥不对或已失效：请向县管理员要新的设备密钥。"
        return WrongKeyError(
            "KEY", zh, "The key is wrong or was revoked: ask the county's administrator for a new one."
        )
    if status == 413:
        zh = f"文件太大({size} 字节)，县服务器不接收：请确认选择的是心电图文件。"
        return TooLargeError("TOO_LARGE", zh, f"{size} bytes are more than the county takes: is this file an ECG?")
    zh = f"县服务器拒绝接收(HTTP {status})：请确认地址是否正确。"
    return RefusedError("REFUSED", zh, f"The county's server refused it (HTTP {status}): is the address right?")


def _metadata(name: str, context: Mapping[str, Any]) -> str:
    pairs = {"filename": name}
    if context:
        pairs["context"] = json.dumps(context, ensure_ascii=False)
    encoded = {key: base64.b64encode(value.encode("utf-8", "replace")).decode() for key, value in pairs.items()}
    return ",".join(f"{key} {value}" for key, value in encoded.items())


def _seconds(value: str | None) -> float | None:
    return float(value) if value is not None and value.isdecimal() else None


# --- the line and the bar --------------------------------------------------------------------------------------------


def _client(to: str, key: str) -> httpx.Client:
    import httpx

    address = urlsplit(to)
    if address.scheme not in ("http", "https") or not address.hostname or not key.isascii() or not key.strip():
        zh = "地址应以 https:// 开头，密钥不能为空。"
        raise RefusedError("ADDRESS", zh, "The address must begin with https://, and a key is needed.")
    return httpx.Client(
        base_url=f"{to.rstrip('/')}/",
        headers={"Authorization": f"Bearer {key.strip()}", "Tus-Resumable": "1.0.0"},
        timeout=httpx.Timeout(SILENCE_S, connect=CONNECT_S),
        trust_env=not _is_loopback(address.hostname),  # a proxy for the outside does not know this computer
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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
