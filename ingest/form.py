"""A ``multipart/form-data`` body (RFC 7578) in memory as it comes: files, and one context.

Each byte of a file is kept once; what is no file and no context is skipped. How long the whole may be is the caller's
to watch. python-multipart does the syntax.
"""

from __future__ import annotations

import io

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from ingest import context

CONTEXT = "context"
FILE = "file"
MAX_FILES = 64
"""Parts in one ECG. A WFDB record has two; a multi-segment one some dozens."""

MAX_HEADER_BYTES = 4096


class FormError(Exception):
    """The body is not what RFC 7578 says; the message says where."""


class Form:
    """Give it the bytes by :meth:`feed`, then ask for ``files`` and ``context``."""

    def __init__(self, content_type: str) -> None:
        """:class:`FormError` unless ``content_type`` is a form's with its boundary."""
        kind, options = parse_options_header(content_type)
        if kind != b"multipart/form-data" or not options.get(b"boundary"):
            raise FormError("not multipart/form-data with a boundary")
        self.files: list[tuple[str, bytes]] = []
        self.context: bytes | None = None
        self._name, self._value = b"", b""
        self._headers: dict[bytes, bytes] = {}
        self._part: io.BytesIO | None = None
        self._is_context = False
        self._is_ended = False
        self._parser = MultipartParser(
            options[b"boundary"],
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
            max_header_size=MAX_HEADER_BYTES,
        )

    def feed(self, data: bytes) -> None:
        """More of the body; :class:`FormError` if it cannot be a form's."""
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise FormError(str(error)) from error

    def end(self) -> None:
        """The body has ended; :class:`FormError` if the form has not."""
        if not self._is_ended:
            raise FormError("it ends before its last boundary")

    def _on_part_begin(self) -> None:
        self._headers, self._name, self._value = {}, b"", b""

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name, self._value = b"", b""

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        field, filename = _text(options.get(b"name")), _text(options.get(b"filename"))
        self._is_context = field == CONTEXT
        is_file = field == FILE or filename is not None
        if is_file and not self._is_context:
            if len(self.files) == MAX_FILES:
                raise FormError(f"more than {MAX_FILES} files")
            self.files.append((filename or "", b""))
        self._part = io.BytesIO() if is_file or self._is_context else None

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._part is not None and not (self._is_context and self._part.tell() > context.MAX_BYTES):
            self._part.write(memoryview(data)[start:end])

    def _on_part_end(self) -> None:
        if self._part is None:
            return
        data, self._part = self._part.getvalue(), None  # the buffer itself, no copy
        if self._is_context:
            self.context = data
        else:
            self.files[-1] = (self.files[-1][0], data)

    def _on_end(self) -> None:
        self._is_ended = True


def _text(value: bytes | None) -> str | None:
    """A parameter of a header: UTF-8 by RFC 7578 §5.1, or what older Chinese programs write."""
    if value is None:
        return None
    for encoding in ("utf-8", "gb18030"):
        try:
            return value.decode(encoding)
        except UnicodeDecodeError:
            continue
    return value.decode("latin-1")
