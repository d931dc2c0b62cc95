"""Infarction behind left bundle branch block or a pacemaker (CLINICAL.md §4.5).

Such a QRS moves ST the other way by itself (discordance). ST in QRS's own direction, or far more than QRS explains,
is ischaemia. All rules are printed; SMITH or three points of Sgarbossa make the finding, Barcelona alone only a
possible one. A paced QRS has its level before the spike; where that is not known, a window that is not quiet slides
earlier until it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ecg.analysis import Argument, Certainty, Evidence, Grade
from ecg.interpret.facts import WHY_CHILD, WHY_LEADS, WHY_QUALITY, Verdict
from ecg.interpret.logic import any3
from ecg.interpret.sheet import CHEST, LOST, PACED, TWELVE, WHY_ST, Sheet, because
from ecg.recording import Text

NAMES = {
    "E_LBBB_MI": Text("左束支阻滞合并急性心肌梗死", "Acute infarction with left bundle branch block"),
    "E_PACE_MI": Text("心室起搏合并急性心肌梗死", "Acute infarction with ventricular pacing"),
}
SOURCES = {
    "E_LBBB_MI": "Sgarbossa 1996, doi:10.1056/NEJM199602223340801; Smith 2012, doi:10.1016/j.annemergmed.2012.07.119; "
    "Di Marco 2020, doi:10.1161/JAHA.119.015573; CLINICAL §4.5",
    "E_PACE_MI": "Dodd 2021, doi:10.1016/j.annemergmed.2021.03.036; Sgarbossa 1996, doi:10.1056/NEJM199602223340801; "
    "CLINICAL §4.5",
}
J_AMBIGUOUS = Argument(
    "J_AMBIGUOUS",
    False,
    Text("J后20毫秒已不达标：J点位置存疑。", "The rule is no longer met 20 ms after J: the J point is in doubt."),
)
WHY_REFERENCE = Text("起搏QRS前没有平稳的基线。", "No quiet level before the paced QRS.")
WINDOW_MS = 20.0
STEP_MS = 4.0


@dataclass(frozen=True, slots=True)
class _Lead:
    """One lead: ST, its dominant deflection's sign, the depth of S and the largest deflection; ``None``: unreadable."""

    st: float
    up: bool
    s: float
    largest: float


Leads = Mapping[str, _Lead | None]


def interpret(sheet: Sheet, verdict: Verdict) -> None:
    """Adds E_LBBB_MI or E_PACE_MI, if the conduction asks for them."""
    facts = sheet.facts
    paced = any(verdict.has(code) for code in PACED)
    if not paced and not verdict.has("C_LBBB"):
        return
    code = "E_PACE_MI" if paced else "E_LBBB_MI"
    lost = next((c for c in LOST if verdict.has(c)), None)
    if facts.child or lost or not facts.st_usable or facts.quality.grade >= Grade.D:
        why = WHY_CHILD if facts.child else because(lost) if lost else WHY_ST if not facts.st_usable else WHY_QUALITY
        verdict.skip(code, ("age",) if facts.child else (lost,) if lost else ("ST",), why)
        return
    shift = _levels(sheet) if paced else {}
    if shift is None:
        verdict.skip(code, ("REF_UNSURE",), WHY_REFERENCE)
        return
    now, later = _leads(sheet, "st_j_mv", shift), _leads(sheet, "st_j20_mv", shift)
    rules = _rules(sheet, paced)
    said = {name: rule(now) for name, rule in rules.items()}
    strong = any3(said[name] for name in rules if name != "BARCA")
    if any3(said.values()):
        _add(sheet, verdict, code, now, said, rules, later, bool(strong))
    elif any3(said.values()) is None:
        missing = tuple(n for n in TWELVE if now[n] is None)
        verdict.skip(code, missing, WHY_LEADS if any(n not in facts.leads for n in missing) else WHY_QUALITY)


def _add(
    sheet: Sheet,
    verdict: Verdict,
    code: str,
    now: Leads,
    said: Mapping[str, bool | None],
    rules: Mapping[str, Callable[[Leads], bool | None]],
    later: Leads,
    strong: bool,
) -> None:
    names = [name for name, true in said.items() if true and (name != "BARCA" or not strong)]
    stays = any3(rules[name](later) for name in names)
    notes = tuple(name for name, true in said.items() if true)
    argued: tuple[Argument, ...] = ()
    if stays is False:
        notes, argued = (*notes, "J_AMBIGUOUS"), (J_AMBIGUOUS,)
    certainty = Certainty.DEFINITE if strong and not argued else Certainty.POSSIBLE
    evidence = [Evidence(None, "sgarbossa_points", _points(sheet, now)[0], ">=", sheet.limit("bundle", "points"))]
    evidence += _evidence(sheet, now, strong)
    verdict.add(sheet.facts.finding(code, NAMES[code], evidence, SOURCES[code], certainty, argued=argued, notes=notes))


def _rules(sheet: Sheet, paced: bool) -> dict[str, Callable[[Leads], bool | None]]:
    least = sheet.limit("bundle", "points")
    depressed = CHEST if paced else CHEST[:3]

    def sgarbossa(leads: Leads) -> bool | None:
        points, most = _points(sheet, leads)
        return True if points >= least else None if most >= least else False

    def smith(leads: Leads) -> bool | None:
        return any3([_raised(sheet, leads), _lowered(sheet, leads, depressed), _excessive(sheet, leads)])

    def barcelona(leads: Leads) -> bool | None:
        return any3(_barcelona(sheet, leads[n]) for n in TWELVE)

    return {"SGARB": sgarbossa, "SMITH_PACED" if paced else "SMITH": smith, "BARCA": barcelona}


def _concordant(sheet: Sheet, lead: _Lead | None, up: bool) -> bool | None:
    """ST of 0.1 mV or more in QRS's own direction ``up`` (or down)."""
    if lead is None:
        return None
    limit = sheet.limit("bundle", "concordant_mv")
    return lead.up == up and (lead.st >= limit if up else lead.st <= -limit)


def _raised(sheet: Sheet, leads: Leads) -> bool | None:
    return any3(_concordant(sheet, leads[n], up=True) for n in TWELVE)


def _lowered(sheet: Sheet, leads: Leads, where: tuple[str, ...]) -> bool | None:
    return any3(_concordant(sheet, leads[n], up=False) for n in where)


def _ratio(sheet: Sheet, lead: _Lead | None) -> float | None:
    """ST against the depth of S where both count; negative as Smith writes it, 0 where they do not."""
    if lead is None:
        return None
    least = sheet.limit("bundle", "concordant_mv")
    if lead.up or lead.st < least or lead.s < sheet.limit("bundle", "s_mv"):
        return 0.0
    return round(-lead.st / lead.s, 4)


def _excessive(sheet: Sheet, leads: Leads) -> bool | None:
    limit = sheet.limit("bundle", "ratio")
    return any3(None if (r := _ratio(sheet, leads[n])) is None else r <= limit for n in TWELVE)


def _points(sheet: Sheet, leads: Leads) -> tuple[int, int]:
    """Sgarbossa's points, and what they could be if the unreadable leads held them all."""
    far = sheet.limit("bundle", "discordant_mv")
    discordant = any3(None if (x := leads[n]) is None else not x.up and x.st >= far for n in TWELVE)
    parts = ((5, _raised(sheet, leads)), (3, _lowered(sheet, leads, CHEST[:3])), (2, discordant))
    return sum(p for p, true in parts if true), sum(p for p, true in parts if true is not False)


def _barcelona(sheet: Sheet, lead: _Lead | None) -> bool | None:
    if lead is None:
        return None
    limit = sheet.limit("bundle", "concordant_mv")
    if abs(lead.st) < limit:
        return False
    return (lead.st > 0) == lead.up or lead.largest <= sheet.limit("bundle", "small_mv")


def _evidence(sheet: Sheet, leads: Leads, strong: bool) -> list[Evidence]:
    limit, ratio = sheet.limit("bundle", "concordant_mv"), sheet.limit("bundle", "ratio")
    out: list[Evidence] = []
    for n in TWELVE:
        lead = leads[n]
        if lead is None:
            continue
        if abs(lead.st) >= limit and (lead.st > 0) == lead.up:
            out.append(Evidence(n, "st_j_mv", lead.st, ">=" if lead.up else "<=", limit if lead.up else -limit))
        elif (r := _ratio(sheet, lead)) is not None and r <= ratio:
            out.append(Evidence(n, "st_s_ratio", r, "<=", ratio))
        elif not strong and _barcelona(sheet, lead):
            out.append(Evidence(n, "st_j_mv", lead.st, ">=" if lead.st > 0 else "<=", limit if lead.st > 0 else -limit))
    return out


def _leads(sheet: Sheet, measure: str, shift: Mapping[str, float]) -> Leads:
    out: dict[str, _Lead | None] = {}
    for n in TWELVE:
        values = [sheet.value(n, m) for m in (measure, "q_mv", "r_mv", "s_mv", "r2_mv", "s2_mv")]
        if any(v is None for v in values):
            out[n] = None
            continue
        st, q, r, s, r2, s2 = (v or 0.0 for v in values)
        by = shift.get(n, 0.0)
        high, low = max(r, r2) - by, -(min(q, s, s2) - by)
        out[n] = _Lead(round(st - by, 4), high > low, round(max(low, 0.0), 4), round(max(high, low), 4))
    return out


def _levels(sheet: Sheet) -> dict[str, float] | None:
    """How far each lead's quiet level before the paced QRS lies from the one it was measured against, mV.

    The 20 ms before QRS may hold the spike: a window of more than 0.1 mV in any lead slides earlier, at most 60 ms
    (CLINICAL.md §2.2). ``None`` if it is never quiet; no shift where there is no average beat to look at.
    """
    facts = sheet.facts
    if facts.beat is None or facts.qrs is None:
        return {}
    ms = facts.rate_hz / 1000.0
    width, step = max(2, round(WINDOW_MS * ms)), max(1, round(STEP_MS * ms))
    rows = [k for k, n in enumerate(facts.leads) if facts.readable(n)]
    farthest = round(sheet.limit("bundle", "slide_ms") * ms)
    for back in range(0, farthest + 1, step):
        stop = facts.qrs[0] - back
        if stop - width < 0 or not rows:
            break
        part = facts.beat[rows, stop - width : stop]
        if float(np.ptp(part, axis=1).max()) <= sheet.limit("bundle", "quiet_mv"):
            levels = part.mean(axis=1)
            return {facts.leads[k]: round(float(v), 4) for k, v in zip(rows, levels, strict=True)}
    return None
