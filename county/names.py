"""Names as they are kept and compared: one spelling for what looks the same, and nothing that cannot be shown."""

from __future__ import annotations

import unicodedata

from county.errors import BadName

LONGEST = 80  # letters; the longest official name of a village clinic is about half of that


def tidy(name: str) -> str:
    """``name`` with one spelling (NFC) and single spaces; two that look the same are then the same."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def is_usable(name: str) -> bool:
    """Whether a tidy name can be kept: not empty, not too long, every letter printable."""
    return 0 < len(name) <= LONGEST and name.isprintable()


def checked(name: str) -> str:
    """The tidy name; :class:`BadName` if it cannot be kept."""
    found = tidy(name)
    if not is_usable(found):
        raise BadName(
            f"名称要有 1 到 {LONGEST} 个可见字符。", f"A name has 1 to {LONGEST} letters, all of which can be shown."
        )
    return found
