"""A Chromium for the browser tests, and the fonts it needs: found here, obtained by `scripts/test_needs.py`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

#: Names that distributions give it, ours first.
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: What a test's browser never needs; without them it starts faster and asks nobody anything.
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
)
_FONT_FILES = ("wqy-*.ttc", "NotoSansCJK*", "NotoSansSC*", "NotoSerifCJK*", "SourceHanSans*", "DroidSansFallback*")


def flags() -> list[str]:
    """The command line of a test's browser; root has no sandbox."""
    return [*FLAGS, *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else [])]


def find_chromium() -> Path | None:
    """`ECGNET_CHROMIUM`, then the system's, then the one that `playwright install` fetched."""
    named = os.environ.get("ECGNET_CHROMIUM")
    if named:
        return Path(named) if Path(named).exists() else None
    for name in _NAMES:
        found = shutil.which(name) or shutil.which(name, path="/usr/bin")
        if found:
            return Path(found)
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    fetched = [*cache.glob("chromium-*/chrome-linux*/chrome"), *cache.glob("chromium-*/chrome-mac*/*/*/MacOS/Chromium")]
    return max(fetched, default=None, key=lambda path: path.stat().st_mtime)


def has_chinese_font() -> bool:
    """Whether a browser started from here would draw 心电图 instead of three boxes."""
    if shutil.which("fc-list"):
        listed = subprocess.run(["fc-list", ":lang=zh-cn", "family"], capture_output=True, text=True, check=False)
        if listed.returncode == 0:
            return bool(listed.stdout.strip())
    places = [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path.home() / ".local/share/fonts"]
    shown = Path(os.environ.get("FONTCONFIG_FILE", os.devnull))
    if shown.exists():
        places += [Path(folder) for folder in re.findall("<dir>(.*?)</dir>", shown.read_text(encoding="utf-8"))]
    return any(next(place.rglob(pattern), None) for place in places for pattern in _FONT_FILES if place.is_dir())
