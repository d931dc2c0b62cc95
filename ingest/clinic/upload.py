"""One upload by tus, a request at a time: what to ask next, and what the county's answer means.

:class:`Upload` knows how far it is; whoever drives it decides when to go on, to wait or to let another go first (a
county's PATCH keeps what came of a broken one). A repeat is always safe: the same bytes are the same exam.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import ipaddress
import json
import socket
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

if TYPE_CHECKING:
    import httpx

SMALL_BYTES = 16 * 1024
"""Goes whole with the request that begins its upload, the first time: on 30 kbit/s in four seconds, lost if the line
breaks. A larger one pays a round trip more, and what came of it is kept."""

PIECE_BYTES = 256 * 1024
"""Of one PATCH: on 64 kbit/s half a minute; the county keeps what came of a broken one."""

PROBE_BYTES = 1024
"""Of the first PATCH after a broken one, some of which may still be under way: it takes the upload over before much is
sent that would be refused."""

BLOCK_BYTES = 16 * 1024
"""How finely the bar moves, and how soon an urgent ECG may go first: on 30 kbit/s after some four seconds."""

CONNECT_S, SILENCE_S = 10.0, 30.0

PASSING = frozenset({408, 409, 425, 429, 460, 500, 502, 503, 504, 507})
"""Answers that another attempt may change."""

_GONE = frozenset({404, 410})
_CONFLICT = 409

# Linger for no time: two ints, on Windows two shorts.
_NO_LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)

Progress = Callable[[str, int, int], None]
"""Told (file, bytes sent, bytes in all); what it raises breaks the request off."""


class SendError(Exception):
    """It was not received. ``code`` is stable; ``zh`` and ``en`` say what the person can do."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(f"{en} {zh}")
        self.code, self.zh, self.en = code, zh, en


class WrongKeyError(SendError):
    """The county does not know the key."""


class TooLargeError(SendError):
    """The county does not take files of this size."""


class RefusedError(SendError):
    """The county refused, and a repeat would not change that."""


class PassingError(Exception):
    """An answer that another attempt may change. ``wait_s``: what the county asked for (Retry-After); ``offset``: how
    far it says the upload is (Upload-Offset of a 409)."""

    def __init__(self, status: int, wait_s: float | None = None, offset: int | None = None) -> None:
        super().__init__(f"HTTP {status}")
        self.status, self.wait_s, self.offset = status, wait_s, offset


@dataclass(frozen=True, slots=True)
class Parcel:
    """What is sent as one exam: one file, or the zip of those that belong together."""

    name: str
    data: bytes


class Upload:
    """One parcel on its way. ``address``: where the county keeps what it has of it, if it was begun before."""

    def __init__(
        self,
        client: httpx.Client,
        parcel: Parcel,
        context: Mapping[str, Any],
        told: Progress,
        address: str | None = None,
    ) -> None:
        self.client, self.parcel, self.told, self.address = client, parcel, told, address
        self.sha256 = hashlib.sha256(parcel.data).hexdigest()
        self.metadata = _metadata(parcel.name, context)
        self.offset = 0
        self.is_unsure = address is not None
        self.said = 0
        """How much had been said when this was made: for whoever drives it."""
        self._began = 0
        self._is_wary = False

    def step(self) -> dict[str, Any] | None:
        """The next request; the receipt once there is one.

        Raises ``httpx.TransportError`` and :class:`PassingError` where a repeat may help, :class:`SendError` where not.
        """
        unsure, self.is_unsure = self.is_unsure, True  # until an answer says how far it is
        if self.address is None:
            return self._begin()
        if unsure:
            self._is_wary = True
            return self._ask()
        return self._continue()

    def _begin(self) -> dict[str, Any] | None:
        """Whole with the first request if it is small; where that broke, by pieces, which are kept."""
        is_whole = len(self.parcel.data) <= SMALL_BYTES and self._began == 0
        self._began += 1
        headers = {"Upload-Length": str(len(self.parcel.data)), "Upload-Metadata": self.metadata}
        if is_whole:
            headers["Content-Type"] = "application/offset+octet-stream"
        body = self.parcel.data if is_whole else b""
        answer = self._request("POST", urljoin(str(self.client.base_url), "v1/uploads"), headers, body)
        self.address = urljoin(str(answer.url), answer.headers["Location"])
        return self._reached(answer)

    def _ask(self) -> dict[str, Any] | None:
        assert self.address is not None
        return self._reached(self._request("HEAD", self.address, {}, b""))

    def _continue(self) -> dict[str, Any] | None:
        assert self.address is not None
        piece = self.parcel.data[self.offset : self.offset + (PROBE_BYTES if self._is_wary else PIECE_BYTES)]
        headers = {"Upload-Offset": str(self.offset), "Content-Type": "application/offset+octet-stream"}
        try:
            receipt = self._reached(self._request("PATCH", self.address, headers, piece))
            self._is_wary = False
            return receipt
        except PassingError as passing:
            if passing.offset is None or passing.offset <= self.offset:
                raise
            self.offset, self.is_unsure = passing.offset, False  # a broken request had brought more: on from there
            return None

    def _reached(self, answer: httpx.Response) -> dict[str, Any] | None:
        """Note how far it is; the receipt if it is finished."""
        self.is_unsure = False
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
        answer = self.client.request(
            method, address, headers={**headers, **lengths}, content=content, extensions={"trace": _end_at_once}
        )
        if answer.is_success:
            return answer
        if body:
            _end(answer)
        if answer.status_code in _GONE and self.address is not None:  # forgotten there: begin anew
            self.address, self.offset = None, 0
            raise PassingError(answer.status_code)
        raise refusal(answer, len(self.parcel.data))

    def _blocks(self, body: bytes) -> Iterator[bytes]:
        """The body in blocks, each told as it goes."""
        for at in range(0, len(body), BLOCK_BYTES):
            yield body[at : at + BLOCK_BYTES]
            self.told(self.parcel.name, self.offset + min(at + BLOCK_BYTES, len(body)), len(self.parcel.data))


def refusal(answer: httpx.Response, size: int = 0) -> PassingError | SendError:
    """What an answer without success means for whoever sent ``size`` bytes."""
    status = answer.status_code
    if status in PASSING:
        offset = answer.headers.get("Upload-Offset", "") if status == _CONFLICT else ""
        wait_s = _seconds(answer.headers.get("Retry-After"))
        return PassingError(status, wait_s, int(offset) if offset.isdecimal() else None)
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
    with contextlib.suppress(ValueError):
        return float(value) if value is not None and value.isdecimal() else None
    return None


def _end_at_once(event: str, info: Mapping[str, Any]) -> None:
    """A connection that is given up takes its unsent bytes with it.

    The system would still send them, before whatever the next connection has to say: on 30 kbit/s that is ten seconds,
    and the county would take bytes from two requests at once.
    """
    if event == "connection.connect_tcp.complete":
        held: socket.socket | None = info["return_value"].get_extra_info("socket")
        if held is not None:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)


def _end(answer: httpx.Response) -> None:
    """Give up the connection of an answer that came before its body was sent: the next request would wait for it."""
    stream = answer.extensions.get("network_stream")
    held: socket.socket | None = stream.get_extra_info("socket") if stream is not None else None
    if held is not None:
        held.close()


# --- the line --------------------------------------------------------------------------------------------------------


def client(to: str, key: str) -> httpx.Client:
    """A client for the county at ``to`` with a device key; :class:`RefusedError` if either cannot be one."""
    import httpx

    address = urlsplit(to)
    if address.scheme not in ("http", "https") or not address.hostname or not key.isascii() or not key.strip():
        zh = "地址应以 https:// 开头，密钥不能为空。"
        raise RefusedError("ADDRESS", zh, "The address must begin with https://, and a key is needed.")
    return httpx.Client(
        base_url=f"{to.rstrip('/')}/",
        headers={"Authorization": f"Bearer {key.strip()}", "Tus-Resumable": "1.0.0"},
        timeout=httpx.Timeout(SILENCE_S, connect=CONNECT_S),
        verify=address.scheme == "https",  # reading the certificates takes a while, and plain http has none
        trust_env=not is_loopback(address.hostname),  # a proxy for the outside does not know this computer
    )


def is_loopback(host: str) -> bool:
    """Whether a host is this computer."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
