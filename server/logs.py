"""Log lines: one a request, without query, names or keys; errors with a traceback that shows no statement's values."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog
from sqlalchemy.exc import StatementError
from structlog.typing import EventDict, Processor, WrappedLogger

# what uvicorn and alembic say at their INFO level, nobody needs
_QUIET = ("uvicorn", "uvicorn.error", "uvicorn.access", "alembic", "websockets", "asyncio", "httpx")


def configure(kind: str) -> None:
    """Send everything to standard error: text for people (``console``), one JSON object a line (``json``), or as text
    only what went wrong (``warnings``)."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _hide_values,
    ]
    if kind == "json":
        as_json = structlog.processors.JSONRenderer(ensure_ascii=False)
        ending: list[Processor] = [structlog.processors.format_exc_info, as_json]
    else:
        plain = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
        )
        ending = [plain]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    strip = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    formatter = structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[strip, *ending])
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING if kind == "warnings" else logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _hide_values(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A failed statement's message would print what it wrote: names and numbers of patients."""
    found: Any = event.get("exc_info")
    if found is True:
        found = sys.exc_info()
    error = found[1] if isinstance(found, tuple) else found  # pyright: ignore[reportUnknownVariableType]
    seen: set[int] = set()
    while isinstance(error, BaseException) and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, StatementError):
            error.hide_parameters = True
        error = error.__cause__ or error.__context__
    return event
