"""The one error of reading: what was found, what was needed, whose fault, in words a village doctor can act on."""

from __future__ import annotations

from ecg.recording import Text


class Unreadable(Exception):
    """The bytes cannot be read as an ECG.

    ``code`` is stable (``EMPTY``, ``UNKNOWN_FORMAT``, ``CUT_SHORT``, ``DAMAGED``, ``NO_ECG``, ``PART_MISSING``);
    ``text`` says in Chinese and English what was found and what to do.
    """

    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(f"{code}: {en}")
        self.code = code
        self.text = Text(zh, en)
