"""The tus 1.0.0 protocol without I/O: a request and what is known of the upload go in, a decision comes out.

One upload is a row of bytes with an offset: HEAD asks for it, PATCH adds at it, and nothing that was acknowledged is
ever taken back. Served are the core protocol and the extensions creation, creation-with-upload, creation-defer-length,
expiration, termination and checksum (https://tus.io/protocols/resumable-upload, 1.0.0, 2016-03-25); concatenation is
not: one file, one ECG. Names are the standard's own.

:class:`Receiving` decides each byte of a body: what is committed when (64 KiB, 1 s, the end of the connection), and
what is refused. A body with ``Upload-Checksum`` is committed whole or not at all, as the standard wants. The ledger's
side is :mod:`ingest.uploads`, the HTTP side :mod:`ingest.routes`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import Enum, auto

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,creation-defer-length,expiration,termination,checksum"
CHECKSUMS = ("sha1", "sha256")
BYTES = "application/offset+octet-stream"

PIECE_BYTES = 64 * 1024
"""What is committed at a time. On a slow line the second limit comes first: 64 kbit/s bring 8 KiB a second."""

MAX_DIGITS = 15
"""Of a length or offset in a header; 2^53 is the largest that every client can count."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """``Upload-Metadata``: the header as it came (HEAD gives it back), and what we use of it."""

    header: str = ""
    filename: str | None = None
    context: bytes | None = None


@dataclass(frozen=True, slots=True)
class State:
    """What is known of an upload. ``length``: ``None`` while its client has deferred it. ``exam``, ``sha256``: of a
    finished one. ``expires_at``: UTC microseconds."""

    offset: int
    length: int | None
    metadata: str = ""
    expires_at: int = 0
    exam: str | None = None
    sha256: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict[str, str])  # further headers of a finished upload

    @property
    def is_finished(self) -> bool:
        return self.exam is not None


# --- decisions -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer so; nothing is stored."""

    status: int
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with a problem; nothing is stored. ``code`` is the problem's type."""

    status: int
    code: str
    zh: str
    en: str
    headers: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Create:
    """Begin an upload, ``length`` ``None`` if it is told later. ``receiving``: the body that came with the POST;
    ``is_whole``: surely all of it, and small."""

    length: int | None
    metadata: Metadata
    receiving: Receiving | None
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Append:
    """Take the body at the upload's offset. ``is_whole``: it is small and will complete the upload."""

    receiving: Receiving
    is_whole: bool

    @property
    def length(self) -> int | None:
        """The upload's length as it is known from now on."""
        return self.receiving.length


@dataclass(frozen=True, slots=True)
class Terminate:
    """Forget the upload; an exam that was made of it stays."""


# --- requests --------------------------------------------------------------------------------------------------------


def options(max_size: int) -> Answer:
    """OPTIONS: what this server can do; no ``Tus-Resumable`` is needed to ask."""
    told = {"Tus-Version": VERSION, "Tus-Extension": EXTENSIONS, "Tus-Max-Size": str(max_size)}
    return Answer(204, {**told, "Tus-Resumable": VERSION, "Tus-Checksum-Algorithm": ",".join(CHECKSUMS)})


def create(headers: Mapping[str, str], max_size: int) -> Create | Refuse:
    """POST to the collection (creation, creation-with-upload)."""
    if refused := _other_version(headers):
        return refused
    if "upload-concat" in headers:
        return _malformed("Upload-Concat", "不支持分段拼接", "concatenation is not served")
    length = _length(headers, max_size)
    if isinstance(length, Refuse):
        return length
    metadata = parse_metadata(headers.get("upload-metadata", ""))
    if not _has_body(headers):
        return Create(length, metadata, None, is_whole=False)
    found = _body(headers, 0, length, max_size)
    if isinstance(found, Refuse):
        return found
    return Create(length, metadata, found, _is_whole(headers, 0, length))


def _length(headers: Mapping[str, str], max_size: int) -> int | Refuse | None:
    """``Upload-Length``, or ``None`` for ``Upload-Defer-Length: 1``; exactly one of the two is there."""
    if "upload-defer-length" in headers:
        if headers["upload-defer-length"].strip() != "1" or "upload-length" in headers:
            return _malformed("Upload-Defer-Length", "只能是 1，且不能同时有 Upload-Length", "1, without Upload-Length")
        return None
    length = _whole(headers.get("upload-length"))
    if length is None:
        return _malformed("Upload-Length", "缺少或不是整数", "missing, or not a whole number")
    return _too_large(max_size) if length > max_size else length


def head(headers: Mapping[str, str], state: State) -> Answer | Refuse:
    """HEAD: how far it is; a finished upload also says what became of it."""
    if refused := _other_version(headers):
        return refused
    length = {"Upload-Defer-Length": "1"} if state.length is None else {"Upload-Length": str(state.length)}
    told = {**length, "Cache-Control": "no-store"}
    if state.metadata:
        told["Upload-Metadata"] = state.metadata
    return Answer(200, {**told, **reached(state)})


def patch(headers: Mapping[str, str], state: State, max_size: int) -> Append | Answer | Refuse:
    """PATCH: take the body at the offset, if the client's offset is ours."""
    if refused := _other_version(headers):
        return refused
    if headers.get("content-type", "").split(";")[0].strip().lower() != BYTES:
        return _other_type()
    offset = _whole(headers.get("upload-offset"))
    if offset is None:
        return _malformed("Upload-Offset", "缺少或不是整数", "missing, or not a whole number")
    if offset != state.offset:
        return other_offset(state.offset)
    if state.is_finished and not _has_body(headers):
        return Answer(204, reached(state))
    length = _told_length(headers, state, max_size)
    if isinstance(length, Refuse):
        return length
    found = _body(headers, offset, length, max_size)
    return found if isinstance(found, Refuse) else Append(found, _is_whole(headers, offset, length))


def _told_length(headers: Mapping[str, str], state: State, max_size: int) -> int | Refuse | None:
    """The length of an upload whose client deferred it, once a PATCH tells it; it never changes after that."""
    if "upload-length" not in headers:
        return state.length
    length = _whole(headers["upload-length"])
    if length is None or length < state.offset or state.length not in (None, length):
        known = state.offset if state.length is None else state.length
        return _malformed("Upload-Length", f"与已知的不符（{known}）", f"it contradicts what is known ({known})")
    return _too_large(max_size) if length > max_size else length


def delete(headers: Mapping[str, str]) -> Terminate | Refuse:
    """DELETE (termination)."""
    return _other_version(headers) or Terminate()


def method(sent: str, headers: Mapping[str, str]) -> str:
    """The method that is meant: ``X-HTTP-Method-Override`` is for clients that cannot send PATCH or DELETE."""
    return headers.get("x-http-method-override", sent).strip().upper()


# --- answers ---------------------------------------------------------------------------------------------------------


def reached(state: State) -> dict[str, str]:
    """The headers that tell how far an upload is; they follow a commit, never precede it."""
    told = {"Tus-Resumable": VERSION, "Upload-Offset": str(state.offset)}
    if state.expires_at:
        told["Upload-Expires"] = format_datetime(
            datetime.fromtimestamp(state.expires_at // 1_000_000, UTC), usegmt=True
        )
    if state.exam is not None and state.sha256 is not None:
        told |= {"Ecgnet-Exam": state.exam, "Ecgnet-Sha256": state.sha256, **state.facts}
    return told


def other_offset(offset: int) -> Refuse:
    """409: the upload is not where the client believes it to be, or another request has taken it over."""
    zh = f"续传位置不一致：服务器已收到 {offset} 字节，请先用 HEAD 询问。"
    en = f"The upload is at byte {offset}, or another request has taken it over: ask with HEAD, then go on from there."
    return Refuse(409, "other-offset", zh, en, {"Tus-Resumable": VERSION, "Upload-Offset": str(offset)})


def parse_metadata(header: str) -> Metadata:
    """The pairs of ``Upload-Metadata``. Its values are UTF-8 in base64; one that is not loses itself, never the ECG:
    a ``context`` that cannot be decoded is handed on as it came, for its parser to say so."""
    pairs: dict[str, bytes] = {}
    for item in header.split(","):
        key, _, value = item.strip().partition(" ")
        if key and key not in pairs:
            pairs[key] = _decoded(value.strip())
    filename = pairs.get("filename", pairs.get("name"))
    return Metadata(header, None if filename is None else filename.decode("utf-8", "replace"), pairs.get("context"))


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return value.encode("utf-8", "replace")


# --- the bytes of one body -------------------------------------------------------------------------------------------


class Mark(Enum):
    """What a body does beside bringing bytes."""

    WAITED = auto()
    """A second has passed since the first byte that is not committed."""
    ENDED = auto()
    """The client has sent all of it."""
    CUT = auto()
    """The connection broke, or stalled for too long."""


@dataclass(frozen=True, slots=True)
class Write:
    """Commit ``data`` at ``offset``; ``finishes``: these are the upload's last bytes."""

    offset: int
    data: bytes
    finishes: bool


@dataclass(slots=True)
class Receiving:
    """The bytes of one PATCH or POST as they arrive. ``offset``: of the first byte that was not yet handed out.

    ``length``: the upload's, ``None`` while it is deferred; then ``most`` bounds it, and nothing is its last byte.
    """

    offset: int
    length: int | None
    checksum: tuple[str, bytes] | None = None
    most: int = 0
    _held: bytearray = field(default_factory=bytearray)

    @property
    def holds(self) -> bool:
        """Whether there are bytes that a second of waiting would commit."""
        return bool(self._held) and self.checksum is None

    def on(self, event: bytes | Mark) -> Write | Refuse | None:
        """What follows from more bytes, or from a mark. After a refusal nothing more is taken."""
        if isinstance(event, bytes):
            return self._more(event)
        if event is Mark.CUT and self.checksum is not None:
            self._held.clear()
        if event is Mark.WAITED and not self.holds:
            return None
        if event is Mark.ENDED and not self._is_as_promised():
            self._held.clear()
            zh, en = (
                "数据校验不符，这一段没有保存，请重发。",
                "The checksum does not match: this part was not kept, send it again.",
            )
            return Refuse(460, "checksum-mismatch", zh, en, {"Tus-Resumable": VERSION})
        # a length that was deferred may turn out to be what is there already: no byte is left to come
        return self._write() if self._held or (event is Mark.ENDED and self.length == self.offset) else None

    def _more(self, data: bytes) -> Write | Refuse | None:
        bound = self.most if self.length is None else self.length
        if self.offset + len(self._held) + len(data) > bound:
            self._held.clear()
            return _too_large(bound) if self.length is None else _beyond(bound)
        self._held += data
        if self.checksum is not None:
            return None
        is_all = self.offset + len(self._held) == self.length
        return self._write() if len(self._held) >= PIECE_BYTES and not is_all else None

    def _write(self) -> Write:
        write = Write(self.offset, bytes(self._held), self.offset + len(self._held) == self.length)
        self._held.clear()
        self.offset += len(write.data)
        return write

    def _is_as_promised(self) -> bool:
        if self.checksum is None:
            return True
        algorithm, promised = self.checksum
        return hashlib.new(algorithm, self._held, usedforsecurity=False).digest() == promised


# --- headers ---------------------------------------------------------------------------------------------------------


def _whole(value: str | None) -> int | None:
    """A whole number ≥ 0; ``int`` alone would also take signs, spaces, underscores and other scripts' digits."""
    is_number = value is not None and value.isascii() and value.isdecimal() and len(value) <= MAX_DIGITS
    return int(value) if is_number and value is not None else None


def _has_body(headers: Mapping[str, str]) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _declared(headers: Mapping[str, str]) -> int | None:
    return None if "transfer-encoding" in headers else _whole(headers.get("content-length", "0"))


def _is_whole(headers: Mapping[str, str], offset: int, length: int | None) -> bool:
    declared = _declared(headers)
    return declared is not None and declared <= PIECE_BYTES and offset + declared == length


def _body(headers: Mapping[str, str], offset: int, length: int | None, max_size: int) -> Receiving | Refuse:
    if headers.get("content-type", "").split(";")[0].strip().lower() != BYTES:
        return _other_type()
    reaches = offset + (_declared(headers) or 0)
    if length is not None and reaches > length:
        return _beyond(length)
    if reaches > max_size:
        return _too_large(max_size)
    if "upload-checksum" not in headers:
        return Receiving(offset, length, most=max_size)
    algorithm, _, digest = headers["upload-checksum"].strip().partition(" ")
    try:
        promised = base64.b64decode(digest.strip(), validate=True)
    except (binascii.Error, ValueError):
        promised = b""
    if algorithm not in CHECKSUMS or len(promised) != hashlib.new(algorithm, usedforsecurity=False).digest_size:
        return _malformed("Upload-Checksum", "应为 sha1 或 sha256 加 base64", "sha1 or sha256, then base64")
    return Receiving(offset, length, (algorithm, promised), max_size)


def _other_version(headers: Mapping[str, str]) -> Refuse | None:
    if headers.get("tus-resumable") == VERSION:
        return None
    zh, en = (
        f"上传协议版本不符，需要 tus {VERSION}。",
        f"Another version of the upload protocol: this is tus {VERSION}.",
    )
    return Refuse(412, "tus-version", zh, en, {"Tus-Resumable": VERSION, "Tus-Version": VERSION})


def _other_type() -> Refuse:
    zh, en = f"内容类型应为 {BYTES}。", f"The content type must be {BYTES}."
    return Refuse(415, "content-type", zh, en, {"Tus-Resumable": VERSION})


def _malformed(header: str, zh: str, en: str) -> Refuse:
    return Refuse(
        400, "bad-header", f"请求头 {header}:{zh}。", f"The header {header}: {en}.", {"Tus-Resumable": VERSION}
    )


def _too_large(max_size: int) -> Refuse:
    zh = f"文件太大：最多 {max_size} 字节。请确认选择的是心电图文件。"
    en = f"The file is too large: at most {max_size} bytes. Check that it is an ECG."
    return Refuse(413, "too-large", zh, en, {"Tus-Resumable": VERSION, "Tus-Max-Size": str(max_size)})


def _beyond(length: int) -> Refuse:
    zh = f"数据超出了声明的长度 {length} 字节，多出的没有保存。"
    en = f"More bytes than the Upload-Length of {length}: the rest was not kept."
    return Refuse(413, "beyond-length", zh, en, {"Tus-Resumable": VERSION})
