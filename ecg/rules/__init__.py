"""Rulesets: every threshold as a cited, versioned table in TOML beside this file (CLINICAL.md §4.2).

Two sorts. A *full* table (``udmi-2018``, the default, and ``udmi-cabrera``) holds every threshold. *Labels*
(``cn-2019``, ``cn-ecgmi``, ``cn-lysis``, ``cn-prov``, and a county's own file) stand on the default: they add
statements under codes ``L_…`` beside it and can neither change nor remove one of its findings, so that a label never
lowers a colour.
``overlay.py`` holds the schema of labels and says what is wrong with a file.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from ecg.analysis import RulesUsed
from ecg.rules.labels import Label
from ecg.rules.overlay import RulesError, checked

__all__ = ["DEFAULT", "Label", "RulesError", "Ruleset", "known", "load", "load_file", "resolve", "table"]

DEFAULT = "udmi-2018"
RESERVED = {"cn-2017": "cn-2017 is reserved and does not exist as a STEMI guideline (CLINICAL.md §4.2)"}
MAX_FILE_BYTES = 1 << 20
"""A county's rule file is a few kilobytes; a megabyte is somebody's mistake."""


@dataclass(frozen=True, slots=True)
class Ruleset:
    """One table of thresholds; ``rules["stemi"]["other_mv"]`` is 0.10.

    ``sha256`` is that of the file, so that an analysis can name exactly what it was made with. With ``labels`` the
    thresholds are those of ``base``, which is the ruleset that its findings are made under.
    """

    id: str
    version: str
    rules: dict[str, dict[str, Any]]
    sha256: str = ""
    labels: tuple[Label, ...] = ()
    base: Ruleset | None = None

    def limit(self, table: str, name: str) -> float:
        """One threshold as a number; ``KeyError`` if the ruleset lacks it."""
        return float(self.rules[table][name])

    @property
    def used(self) -> tuple[RulesUsed, ...]:
        """Every file that an analysis under this ruleset rests on, the base first."""
        own = RulesUsed(self.id, self.version, self.sha256)
        return (own,) if self.base is None else (*self.base.used, own)


def known() -> tuple[str, ...]:
    """The ids that :func:`load` accepts."""
    return tuple(sorted(name for name in _files() if _parsed(name).get("kind") != "table"))


@cache
def load(ruleset: str) -> Ruleset:
    """The ruleset of this id; ``ValueError`` names the known ones."""
    if ruleset not in known():
        raise ValueError(f"{RESERVED.get(ruleset, f'no ruleset {ruleset!r}')}; known: {', '.join(known())}")
    held = _parsed(ruleset)
    digest = hashlib.sha256(_bytes(ruleset)).hexdigest()
    if held.get("kind") == "labels":
        return _with_labels(held, digest, f"{ruleset}.toml")
    return Ruleset(held["id"], held["version"], {k: v for k, v in held.items() if isinstance(v, dict)}, digest)


def load_file(path: Path) -> Ruleset:
    """A county's own rule file; :class:`RulesError` says in both languages what is wrong with it, all at once."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RulesError.unreadable(path.name, error.strerror or type(error).__name__) from error
    if len(data) > MAX_FILE_BYTES:
        raise RulesError.unreadable(path.name, f"{len(data)} > {MAX_FILE_BYTES} bytes")
    return load_bytes(data, path.name)


def load_bytes(data: bytes, name: str) -> Ruleset:
    """The same from the bytes of a file, e.g. as the ledger keeps them; ``name`` is what messages call it."""
    try:
        held = tomllib.loads(data.decode("utf-8-sig"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RulesError.unreadable(name, str(error)) from error
    return _with_labels(held, hashlib.sha256(data).hexdigest(), name)


def resolve(said: str) -> Ruleset:
    """A ruleset by id, or a file by its path (it ends in ``.toml``); ``ValueError`` for neither."""
    return load_file(Path(said)) if said.endswith(".toml") else load(said)


@cache
def table(name: str) -> dict[str, dict[str, Any]]:
    """A table of thresholds that is no ruleset, the same for all: ``serial`` (CLINICAL.md §4.10)."""
    return {k: v for k, v in _parsed(name).items() if isinstance(v, dict)}


def _with_labels(held: dict[str, Any], digest: str, name: str) -> Ruleset:
    base = load(DEFAULT)
    labels = checked(held, name, taken=frozenset(_files()) if not _is_own(name, digest) else frozenset())
    return Ruleset(held["id"], held["version"], base.rules, digest, labels, base)


def _is_own(name: str, digest: str) -> bool:
    """Whether these bytes are one of our own files (whose id is therefore not taken by another)."""
    stem = name.removesuffix(".toml")
    return stem in _files() and hashlib.sha256(_bytes(stem)).hexdigest() == digest


@cache
def _files() -> tuple[str, ...]:
    names = (entry.name for entry in resources.files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


@cache
def _bytes(name: str) -> bytes:
    return resources.files(__name__).joinpath(f"{name}.toml").read_bytes()


@cache
def _parsed(name: str) -> dict[str, Any]:
    return tomllib.loads(_bytes(name).decode("utf-8"))
