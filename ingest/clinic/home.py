"""Where the program keeps what it has: the county's address and the device key, the spool, the page's address."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.clinic.upload import PassingError, RefusedError, SendError, is_loopback, refusal

NAME = "ecgnet"
SETTINGS = "clinic.json"
PAGE = "page.json"


class WrongCodeError(SendError):
    """The one-time code is wrong, used or too old."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a start needs and does not have to be told again."""

    to: str
    key: str
    folder: str = ""


def config_folder(home: Path | None) -> Path:
    """Of the key: the platform's place for settings, or ``home``."""
    if home is not None:
        return home
    import platformdirs

    return Path(platformdirs.user_config_dir(NAME, appauthor=False))


def data_folder(home: Path | None) -> Path:
    """Of the spool: the platform's place for data that stays on this computer, or ``home``."""
    if home is not None:
        return home
    import platformdirs

    return Path(platformdirs.user_data_dir(NAME, appauthor=False)) / "clinic"


def load(home: Path | None) -> Settings | None:
    """The kept settings, or ``None``."""
    try:
        kept: Any = json.loads((config_folder(home) / SETTINGS).read_text("utf-8"))
        return Settings(str(kept["to"]), str(kept["key"]), str(kept.get("folder", "")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save(home: Path | None, settings: Settings) -> Path:
    """Keep the settings, readable by this account alone; where."""
    text = json.dumps({"to": settings.to, "key": settings.key, "folder": settings.folder}, ensure_ascii=False)
    return _write(config_folder(home) / SETTINGS, text)


def note_page(home: Path | None, address: str) -> Path:
    """Keep where the page is, for ``ecgnet clinic status``."""
    return _write(data_folder(home) / PAGE, json.dumps({"address": address}))


def page_address(home: Path | None) -> str | None:
    """Where the page of a running program is, if one noted it."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads((data_folder(home) / PAGE).read_text("utf-8"))["address"])
    return None


def _write(path: Path, text: str) -> Path:
    """Whole or not at all, synced, mode 0600 from its first byte (on Windows the profile's own rights)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with_new = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(with_new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    with_new.replace(path)
    return path


def enrol(to: str, code: str, name: str) -> str:
    """Exchange a one-time code for this device's key; :class:`SendError` says why there is none."""
    from urllib.parse import urlsplit

    import httpx

    host = urlsplit(to).hostname
    if not host or urlsplit(to).scheme not in ("http", "https"):
        raise RefusedError("ADDRESS", "地址应以 https:// 开头。", "The address must begin with https://.")
    said = {"code": code.strip(), "name": name}
    same = {"Idempotency-Key": secrets.token_urlsafe(32)}  # should the answer be lost, a repeat gets the same key

    def ask() -> httpx.Response:
        where = f"{to.rstrip('/')}/v1/devices/enrol"
        return httpx.post(where, json=said, headers=same, timeout=30, trust_env=not is_loopback(host))

    try:
        try:
            answer = ask()
        except httpx.TransportError:
            answer = ask()
    except httpx.TransportError as error:
        why = type(error).__name__
        raise SendError(
            "UNREACHABLE",
            f"连不上县服务器 {host}（{why}）：请检查网络和地址。",
            f"The county's server {host} cannot be reached ({why}): check the network and the address.",
        ) from error
    if answer.status_code in (401, 422):
        raise WrongCodeError(
            "CODE",
            "开通码不对、已用过或已过期：请向县管理员要新的开通码。",
            "The code is wrong, used or too old: ask the county's administrator for a new one.",
        )
    if answer.is_success:
        return str(answer.json()["key"])
    found = refusal(answer)
    if isinstance(found, PassingError):
        zh, en = f"县服务器正忙（{found}）：请稍后再试。", f"The county's server is busy ({found}): try again later."
        raise SendError("BUSY", zh, en)
    raise found
