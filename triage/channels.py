"""By which a message leaves the house: any address that Apprise knows, or an SMS gateway of one's own.

``gateway+https://host/path#13800000000`` is posted JSON, ``{"id", "to", "title", "text"}``, with the delivery's own id
as ``Idempotency-Key``: a gateway that honours it may be asked again after a crash and rings once. It answers 2xx, and
its ``id`` or ``receipt`` is kept. Everything else goes through Apprise (WeCom, DingTalk, Feishu, ntfy, mail, SMPP, …;
FIELD.md §5), which says yes or no and gives no receipt.

An address holds keys and telephone numbers. It is in no log, and no problem quotes it; Apprise's own log, which does,
is shut.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote

TIMEOUT_S = 4.0  # to connect, and to answer: the ladder's shortest gap is a minute, a dead gateway must not fill it
GATEWAY = "gateway+"
MAX_RECEIPT = 200

logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True)
class Words:
    """What a message says."""

    title: str
    body: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt.

    ``known``: whether it is sure that nothing was delivered. A line that broke while the answer was awaited may have
    rung the telephone: such an attempt is repeated only where a repeat cannot ring it twice.
    """

    delivered: bool
    receipt: str | None = None
    problem: str | None = None
    known: bool = True


def repeats_safely(address: str) -> bool:
    """Whether the same message may be sent again without ringing twice."""
    return address.startswith(GATEWAY)


def send(address: str, words: Words, key: str, timeout_s: float = TIMEOUT_S) -> Outcome:
    """One attempt; never raises. ``key``: the delivery's own id."""
    try:
        if address.startswith(GATEWAY):
            return _post(address.removeprefix(GATEWAY), words, key, timeout_s)
        return _notify(address, words, timeout_s)
    except Exception as error:  # noqa: BLE001 (a channel's mistake is the channel's; its words may quote the address)
        return Outcome(False, problem=type(error).__name__, known=False)


def check(address: str) -> str | None:
    """Why an address cannot be used, as a code; ``None`` if it can (nothing is sent)."""
    if address.startswith(GATEWAY):
        rest = address.removeprefix(GATEWAY)
        return None if rest.startswith(("http://", "https://")) else "not-http"
    if not apprise_is_there():
        return "apprise-missing"
    return None if _apprise().Apprise().add(address) else "not-an-address"


def apprise_is_there() -> bool:
    """Whether the library is installed."""
    return importlib.util.find_spec("apprise") is not None


def _apprise() -> Any:
    return importlib.import_module("apprise")  # slow to import: only when something is sent


# --- a gateway of one's own -------------------------------------------------------------------------------------------


def _post(address: str, words: Words, key: str, timeout_s: float) -> Outcome:
    import httpx

    url, _, to = address.partition("#")
    body = {"id": key, "to": unquote(to), "title": words.title, "text": words.body}
    try:
        answer = httpx.post(url, json=body, headers={"Idempotency-Key": key}, timeout=timeout_s)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
        return Outcome(False, problem=type(error).__name__)
    except httpx.HTTPError as error:
        return Outcome(False, problem=type(error).__name__, known=False)
    if not answer.is_success:
        return Outcome(False, problem=f"http-{answer.status_code}")
    return _said(_json(answer))


def _json(answer: Any) -> Mapping[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _said(found: Mapping[str, Any]) -> Outcome:
    """Many gateways answer 200 and say in the body that they refused."""
    code = next((found[name] for name in ("errcode", "code", "error") if found.get(name)), 0)
    if found.get("ok") is False or str(code) not in ("0", "200", "OK", "ok"):
        return Outcome(False, problem=f"refused-{str(code)[:40]}")
    receipt = next((str(found[name])[:MAX_RECEIPT] for name in ("receipt", "id", "msgid") if found.get(name)), None)
    return Outcome(True, receipt)


# --- Apprise ----------------------------------------------------------------------------------------------------------


def _notify(address: str, words: Words, timeout_s: float) -> Outcome:
    if not apprise_is_there():
        return Outcome(False, problem="apprise-missing")
    sender = _apprise().Apprise()
    if not sender.add(address):
        return Outcome(False, problem="not-an-address")
    for service in sender:
        service.socket_connect_timeout = service.socket_read_timeout = timeout_s
    began = time.monotonic()
    if sender.notify(title=words.title, body=words.body):
        return Outcome(True)
    # a no that took as long as the timeout may be a yes whose answer was lost
    return Outcome(False, problem="refused", known=time.monotonic() - began < 0.9 * timeout_s)
