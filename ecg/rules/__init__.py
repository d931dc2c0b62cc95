"""Rulesets: every threshold as a cited, versioned table in TOML beside this file (CLINICAL.md §4.2)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

RESERVED = {"cn-2017": "cn-2017 is reserved and does not exist as a STEMI guideline (CLINICAL.md §4.2)"}


@dataclass(frozen=True, slots=True)
class Ruleset:
    """One table of thresholds; ``rules["stemi"]["other_mv"]`` is 0.10."""

    id: str
    version: str
    rules: dict[str, dict[str, Any]]

    def limit(self, table: str, name: str) -> float:
        """One threshold as a number; ``KeyError`` if the ruleset lacks it."""
        return float(self.rules[table][name])


def known() -> tuple[str, ...]:
    """The ids that :func:`load` accepts."""
    names = (entry.name for entry in resources.files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


@cache
def load(ruleset: str) -> Ruleset:
    """The ruleset of this id; ``ValueError`` names the known ones."""
    if ruleset not in known():
        raise ValueError(f"{RESERVED.get(ruleset, f'no ruleset {ruleset!r}')}; known: {', '.join(known())}")
    table = tomllib.loads(resources.files(__name__).joinpath(f"{ruleset}.toml").read_text(encoding="utf-8"))
    return Ruleset(table["id"], table["version"], {k: v for k, v in table.items() if isinstance(v, dict)})
