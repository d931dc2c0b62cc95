"""What tests need from the machine and may not find: named once, counted, never silent.

A fixture that cannot have PostgreSQL, Chromium or a Chinese font calls `missing`: the test is skipped and the end of
the run says in one line what was missing, why, and how many tests that cost. With `CI` set it is a failure instead.
The licensed and large recordings of the data folder are different: absent, they are a visible skip everywhere.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
#: Written by `scripts/test_needs.py`: what it could not obtain, and why.
REPORT = REPOSITORY / ".make" / "test-needs.json"
#: Written there too, where the Chinese font is a wheel's: what fontconfig reads.
FONTS_CONF = REPOSITORY / ".make" / "fonts.conf"

#: What each need is called in the report of the run.
POSTGRESQL = "PostgreSQL"
CHROMIUM = "Chromium"
CHINESE_FONT = "a Chinese font"
TUS_JS_CLIENT = "Node with tus-js-client"
DATA_FOLDER = "the data folder"

_SENTENCE = "{need} could not be had: {why}"
_NEEDS = (POSTGRESQL, CHROMIUM, CHINESE_FONT, TUS_JS_CLIENT, DATA_FOLDER)


def _reason(need: str, why: str) -> str:
    try:
        return str(json.loads(REPORT.read_text(encoding="utf-8"))[need])
    except (OSError, ValueError, KeyError):
        return why


def missing(need: str, why: str) -> NoReturn:
    """End the running test because the machine lacks `need`; `why` is one clause a reader can act on."""
    sentence = _SENTENCE.format(need=need, why=_reason(need, why))
    if os.environ.get("CI") and need != DATA_FOLDER:
        pytest.fail(sentence, pytrace=False)
    pytest.skip(sentence)


def lines(outcomes: Iterable[str]) -> list[str]:
    """One line for each need that was missing, with the number of tests it cost; `outcomes`: why each did not pass."""
    cost: Counter[str] = Counter()
    for outcome in outcomes:
        for need in _NEEDS:
            before, found, why = outcome.partition(_SENTENCE.format(need=need, why=""))
            if found and before in {"", "Skipped: "}:
                cost[f"{need} could not be had ({why.splitlines()[0]})"] += 1
    return [f"{what}: {count} {'test' if count == 1 else 'tests'} did not run" for what, count in cost.items()]
