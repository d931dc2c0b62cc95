"""Settings of a server: flags, then ``ECGNET_*`` in the environment, then ``DIR/ecgnet.toml``, then the default.

Each setting is described by the sentence under it, here and in `docs/settings.md`. The rungs of the ladder are no
setting: they are triage's, with their clinical reasons beside them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from server.refusal import Refusal

PREFIX = "ECGNET_"
FILE = "ecgnet.toml"
DATABASE_FILE = "ecgnet.db"

MIB = 1 << 20


class SettingsError(Refusal):
    """A setting cannot be used; the sentence names it and says what it needs."""


def _analysers() -> int:
    """One analyser for each core but one, at most two: the server itself needs a core."""
    return max(1, min(2, (os.cpu_count() or 2) - 1))


class Settings(BaseSettings):
    """What an operator may set."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", use_attribute_docstrings=True
    )

    data: Path = Field(default=Path("ecgnet-data"))
    """The folder that holds the database and `ecgnet.toml`; on a local disk, never a network drive."""
    database: str | None = None
    """The database's URL, `postgresql+psycopg://…` or `sqlite:///…`; without it, SQLite in the data folder."""
    host: str = "127.0.0.1"
    """The address to listen on; beyond this machine only with TLS or behind a trusted proxy."""
    port: int = Field(default=8765, ge=0, le=65535)
    """The port to listen on; 0 takes a free one."""
    cert: Path | None = None
    """The certificate (PEM, with its chain) for TLS."""
    key: Path | None = None
    """The private key (PEM) of the certificate."""
    trusted_proxy: str | None = None
    """The address of the reverse proxy that ends TLS; only its `X-Forwarded-*` headers are believed."""
    max_body_bytes: int = Field(default=32 * MIB, ge=MIB)
    """The longest body, and the longest upload, that is taken (bytes)."""
    device_uploads_per_hour: int = Field(default=1200, ge=1)
    """How many uploads a device may begin in an hour, all at once or evenly; a quarter is kept for what is pressing."""
    device_mib_per_hour: int = Field(default=1024, ge=1)
    """How much a device may send in an hour (MiB)."""
    device_open_uploads: int = Field(default=128, ge=1)
    """How many uploads of a device may be under way at a time."""
    site_uploads_per_hour: int = Field(default=3000, ge=1)
    """The same for a clinic with all its devices and people: uploads in an hour."""
    site_mib_per_hour: int = Field(default=2048, ge=1)
    """The same for a clinic: MiB in an hour."""
    site_open_uploads: int = Field(default=192, ge=1)
    """The same for a clinic: uploads under way."""
    open_uploads: int = Field(default=1024, ge=1)
    """How many uploads may be under way in this server; a quarter is kept for what is pressing."""
    held_mib: int = Field(default=512, ge=1)
    """How much of forms under way this server holds in memory (MiB); one device has a quarter of it at most."""
    disk_warn_mib: int = Field(default=2048, ge=0)
    """Below so much room for the data folder it is said: log, `/readyz`, `/metrics` (MiB; SQLite only)."""
    disk_keep_mib: int = Field(default=512, ge=0)
    """Below it new routine uploads are refused with 507, below a quarter of it every upload (MiB; SQLite only)."""
    workers: int = Field(default_factory=_analysers, ge=1, le=64)
    """Analyser processes of this server."""
    analyse_timeout_s: float = Field(default=20.0, gt=0)
    """An analyser that needs longer for one ECG is killed and replaced (seconds)."""
    poll_s: float = Field(default=1.0, gt=0, le=60)
    """How often due work is looked for when no hint of a commit comes (seconds)."""
    heartbeat_s: float = Field(default=15.0, gt=0)
    """How often the feed sends a beat, so that a screen knows that it is current (seconds)."""
    log: str = Field(default="console", pattern="^(console|json|warnings)$")
    """How log lines are written: `console` for people, `json` for a collector, `warnings` only what went wrong."""

    # the folder whose ecgnet.toml is read; set by load() alone, while it builds the settings
    _folder: ClassVar[Path | None] = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings  # neither is read
        sources: tuple[PydanticBaseSettingsSource, ...] = (init_settings, env_settings)
        if cls._folder is None:
            return sources
        return (*sources, TomlConfigSettingsSource(settings_cls, toml_file=cls._folder / FILE))

    @property
    def database_url(self) -> str:
        """The database that is used."""
        return self.database or f"sqlite:///{self.data.absolute() / DATABASE_FILE}"

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file that only one server may have open."""
        return self.database_url.startswith("sqlite")


def load(flags: Mapping[str, Any]) -> Settings:
    """The settings; a flag that is ``None`` was not given. :class:`SettingsError` names what cannot be used."""
    given = {name: value for name, value in flags.items() if value is not None}
    folder = Path(given.get("data") or os.environ.get(f"{PREFIX}DATA") or Settings.model_fields["data"].default)
    reading = type("Settings", (Settings,), {"_folder": folder, "__module__": __name__})
    try:
        found: Settings = reading(**given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"设置 {name} 不能用：{first['msg']}。", f"The setting {name}: {first['msg']}.") from error
    except ValueError as error:  # a TOML file that cannot be parsed
        raise SettingsError(
            f"{folder / FILE} 读不懂：{error}。", f"{folder / FILE} cannot be read: {error}."
        ) from error
    if (found.cert is None) != (found.key is None):
        raise SettingsError(
            "cert 和 key 要一起给。", "The settings cert and key belong together: give both or neither."
        )
    return found
