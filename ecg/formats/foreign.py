"""Format libraries of others: untyped and slow to import, so each is imported at its first use."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any


def library(name: str) -> Any:
    """The module ``name``, e.g. ``lxml.etree`` (0.05 s), ``pydicom`` (0.4 s), ``wfdb`` (3 s).

    What a library warns of while it is imported (``wfdb`` uses what pandas deprecates) concerns its makers, not us.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module(name)
