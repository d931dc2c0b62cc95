"""No county's table rates below the default's RED: it is tried, not trusted.

Every code, in every form that a row of the default asks for, with every symptom, and every measured value at the
default's own limits, is rated by both tables (:func:`lowered`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from triage.colours import RANK, Colour
from triage.rating import Facts, rate
from triage.rating_table import LIMITS, BadTable, Row, Table, default, names, parsed

MOST_LOWERED = 10  # lines that say what a table lowers


def checked(text: str) -> Table:
    """A county's table: :func:`parsed`, and nowhere below the default's RED; :class:`BadTable` otherwise."""
    table = parsed(text)
    below = list(lowered(table))
    if below:
        raise BadTable(
            [(f"不得把默认的 RED 降低：{what}", f"lowers what the default makes RED: {what}") for what in below]
        )
    return table


@lru_cache(maxsize=64)
def usable(text: str) -> Table | None:
    """A county's table in force, or ``None`` where it does not fit this version: then the default rates."""
    try:
        return checked(text)
    except BadTable:
        return None


def lowered(table: Table) -> Iterable[str]:
    """What the default makes RED and ``table`` does not: one line each, at most a few."""
    found: dict[str, str] = {}
    for what, document, facts in _red():
        if what in found:
            continue
        colour = rate(document, facts, table).colour
        if RANK[colour] > RANK[Colour.RED]:
            found[what] = f"{what}, {'+'.join(facts.symptoms) or 'symptoms unknown'}: {colour}"
        if len(found) == MOST_LOWERED:
            break
    return list(found.values())


@cache
def _red() -> list[tuple[str, dict[str, Any], Any]]:
    """Everything that the default makes RED: what it is, its document, what the clinic said."""
    now, hour = 1_790_000_000_000_000, 3_600_000_000
    said: list[tuple[tuple[str, ...], int | None, float | None]] = [
        ((), None, None),
        (("none",), None, None),
        (("chest_pain",), now - hour, None),
        (("chest_pain",), None, 80.0),
        (("syncope",), None, None),
        (("presyncope",), None, None),
    ]
    around = [Facts(symptoms=symptoms, onset_at=onset, now=now, age_years=age) for symptoms, onset, age in said]
    return [
        (what, document, facts)
        for what, document in _probes()
        for facts in around
        if rate(document, facts, default()).colour is Colour.RED
    ]


def _probes() -> Iterable[tuple[str, dict[str, Any]]]:
    """Documents that reach every row of the default table: each code in each form, each limit, each pair."""
    known = default()
    rows = (*known.acute, *known.graded, *known.modifiers)
    codes = {_example(code) for row in rows for code in row["codes"]}
    codes |= {_example(code) for listed in known.other.values() for code in listed}
    for code in sorted(codes):
        for form in ({}, *(_form(row) for row in rows if names(row["codes"], code))):
            yield code, _document([_probe(code, form)])
    for row in known.modifiers:
        for beside in row.get("with", ()):
            pair = [_probe(_example(row["codes"][0]), _form(row)), _probe(_example(beside), {})]
            yield f"{row['codes'][0]} + {beside}", _document(pair)
            explained = [pair[0], _probe(_example(beside), {"explained": True})]
            yield f"{row['codes'][0]} + {beside}", _document(explained)
        measured = {name: row[key] for key, name in (("qtc_from", "qtc"), ("pause_from", "max_rr_ms")) if key in row}
        if measured:
            yield str(row["codes"][0]), _document([_probe(_example(row["codes"][0]), _form(row))], **measured)
    for row in known.measured:
        limit = next(row[key] for key in LIMITS if key in row)
        beside = [_probe(_example(code), {}) for code in row.get("codes", ())[:1]]
        step = -0.1 if "below" in row else 0.0
        name = "qtc" if row["measure"] == "qtc_used_ms" else row["measure"]
        for value in (limit + step, limit * (1.3 if "at_least" in row else 0.7)):
            yield f"{row['measure']} {value:g}", _document(beside, **{name: value})


def _example(code: str) -> str:
    return code.removesuffix("*") + "X" if code.endswith("*") else code


def _form(row: Row) -> dict[str, Any]:
    return {key: row[key] for key in ("explained", "certainty", "notes", "grade_from") if key in row}


def _probe(code: str, form: Row) -> dict[str, Any]:
    argued = [{"mimic": "X", "kept": not form.get("explained", False)}]
    evidence = [{"lead": None, "measure": "grade", "value": form.get("grade_from", 1), "op": ">=", "limit": 1}]
    certainty = (form.get("certainty") or ["definite"])[0]
    more = {"argued": argued, "evidence": evidence, "notes": list(form.get("notes", ()))[:1]}
    return {"code": code, "name": {"zh": code, "en": code}, "state": "true", "certainty": certainty, **more}


def _document(findings: Sequence[Mapping[str, Any]], qtc: float | None = None, **measured: float) -> dict[str, Any]:
    corrected = None if qtc is None else {"bazett": qtc, "fridericia": qtc}
    measurements = {"heart_rate_bpm": 72.0, "qtc_ms": corrected, **measured}
    return {
        "quality": {"grade": "A"},
        "measurements": measurements,
        "findings": list(findings),
        "not_assessed": [],
    }
