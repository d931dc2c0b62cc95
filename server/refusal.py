"""One clear sentence instead of a traceback: what stands in the way and what to do, in Chinese and English."""

from __future__ import annotations


class Refusal(Exception):
    """A command cannot be carried out; its reader can act on the sentence. The command ends with exit code 1."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en

    def __str__(self) -> str:
        return f"{self.zh} {self.en}".strip()
