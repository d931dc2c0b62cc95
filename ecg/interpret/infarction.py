"""ST-elevation myocardial infarction by the Universal Definition (CLINICAL.md §4.1, §4.3).

New ST elevation at J in at least two contiguous leads: 0.10 mV in all leads but V2–V3, where it is 0.20 mV in men of
40 and over, 0.25 mV in younger men and 0.15 mV in women; 0.05 mV in V7–V9 and V3R–V4R. One finding a territory. The
table presumes that QRS is not LBBB-shaped, paced, pre-excited or a ventricular tachycardia: with those it is not
assessed, and said so. Reciprocal depression is evidence, never a condition. Mimics are argued (``mimics.py``), never
deleted.
"""

from __future__ import annotations

from dataclasses import dataclass

from ecg.analysis import Certainty, Evidence, Grade, State
from ecg.interpret import mimics
from ecg.interpret.facts import WHY_CHILD, WHY_LEADS, WHY_QUALITY, Facts, Verdict
from ecg.interpret.logic import any3
from ecg.interpret.sheet import BROAD, LOST, NAMED, WHY_ST, Sheet, initial
from ecg.recording import Sex, Text

SOURCE = "UDMI4; ESC-ACS23; CLINICAL §4.1"
NAMES = {
    "STEMI_ANTSEPT": Text("急性前间壁心肌梗死（STEMI）", "Acute anteroseptal MI (STEMI)"),
    "STEMI_ANT": Text("急性前壁心肌梗死（STEMI）", "Acute anterior MI (STEMI)"),
    "STEMI_HLAT": Text("急性高侧壁心肌梗死（STEMI）", "Acute high lateral MI (STEMI)"),
    "STEMI_LAT": Text("急性侧壁心肌梗死（STEMI）", "Acute lateral MI (STEMI)"),
    "STEMI_INF": Text("急性下壁心肌梗死（STEMI）", "Acute inferior MI (STEMI)"),
    "STEMI_RV": Text("急性右室心肌梗死（STEMI）", "Acute right ventricular MI (STEMI)"),
    "STEMI_POST": Text("急性正后壁心肌梗死（STEMI）", "Acute posterior MI (STEMI)"),
    "STEMI_BORDERLINE": Text("ST段抬高接近标准", "ST elevation close to the limit"),
    "STE_NONCONTIG": Text("非相邻导联ST段抬高", "ST elevation in a single, non-contiguous lead"),
}
TERRITORIES = tuple(code for code in NAMES if code.startswith("STEMI_") and code != "STEMI_BORDERLINE")
POSTERIOR, RIGHT = ("V7", "V8", "V9"), ("V3R", "V4R", "V5R")
ANTERIOR = {("V1", "V2"), ("V2", "V3"), ("V3", "V4"), ("V4", "V5")}
WIDE = {
    **{
        code: Text(
            f"{NAMED[code].zh}：本表不适用，须用§4.5标准，由医师判读。",
            f"{initial(NAMED[code].en)}: this table does not apply (§4.5 does); a physician must read.",
        )
        for code in BROAD
    },
    **{
        code: Text(
            f"{NAMED[code].zh}：ST段不能判断。",
            f"{initial(NAMED[code].en)}: ST cannot be assessed.",
        )
        for code in LOST
    },
}
WHY_EXTRA = {
    "STEMI_POST": Text("没有V7–V9：如有怀疑请加做。", "No V7–V9: record them if in doubt."),
    "STEMI_RV": Text(
        "没有V3R–V4R：下壁抬高时请加做右胸导联。", "No V3R–V4R: record right chest leads with inferior elevation."
    ),
}


@dataclass(frozen=True, slots=True)
class Elevation:
    """One lead against its own limit: ``true`` at J, ``near`` in the borderline band, ``at20`` 20 ms later."""

    lead: str
    value: float | None
    limit: float
    true: bool | None
    near: bool
    at20: bool | None

    @property
    def evidence(self) -> Evidence:
        """As it is printed."""
        return Evidence(self.lead, "st_j_mv", self.value, ">=", self.limit)


def interpret(sheet: Sheet, verdict: Verdict) -> None:
    """Adds the STEMI findings, or says why there can be none."""
    facts = sheet.facts
    blocked = next((code for code in WIDE if verdict.has(code)), None)
    if facts.child or blocked or not facts.st_usable:
        why = WHY_CHILD if facts.child else WIDE[blocked] if blocked else WHY_ST
        missing = ("age",) if facts.child else (blocked,) if blocked else ("ST",)
        for code in TERRITORIES:
            verdict.skip(code, missing, why)
        return
    pairs = _pairs(facts)
    elevation = {lead: _elevation(sheet, lead) for lead in dict.fromkeys(n for pair in pairs for n in pair)}
    fulfilled = [p for p in pairs if elevation[p[0]].true and elevation[p[1]].true]
    groups = _by_territory(fulfilled, elevation)
    stays = any3(_pair_at20(elevation, pair) for pair in fulfilled)
    everywhere = frozenset(lead for pair in fulfilled for lead in pair)
    for code, mine in groups.items():
        _state(sheet, verdict, code, mine, elevation, everywhere, stays is False)
    if facts.quality.grade >= Grade.D:
        # What is true on readable leads stays; nothing else is said of a poor tracing (CLINICAL.md §1.5).
        for code in TERRITORIES:
            if code not in groups:
                verdict.skip(code, ("quality",), WHY_QUALITY)
        return
    _near(facts, verdict, pairs, fulfilled, elevation)
    for code in TERRITORIES:
        if code not in groups:
            _say_missing(facts, verdict, code, pairs, elevation)


def threshold(facts: Facts, lead: str) -> tuple[float, tuple[str, ...]]:
    """The limit of §4.1 for this lead and patient, and what had to be assumed for it."""
    limit = facts.rules.limit
    woman, man = facts.sex == Sex.FEMALE, facts.sex == Sex.MALE
    if lead in ("V2", "V3"):
        if not man:
            return limit("stemi", "v2_v3_women_mv"), () if woman else ("assumed_sex",)
        return _by_age(facts, "v2_v3_men_under_40_mv", "v2_v3_men_40_mv", "young_man_years")
    for group, name in ((POSTERIOR, "posterior"), (RIGHT, "right")):
        if lead in group:
            if not man:
                return limit("stemi", f"{name}_mv"), ()
            young = {
                "posterior": ("posterior_men_under_40_mv", "young_man_years"),
                "right": ("right_men_under_30_mv", "young_man_right_years"),
            }[name]
            return _by_age(facts, young[0], f"{name}_mv", young[1])
    return limit("stemi", "other_mv"), ()


def _by_age(facts: Facts, young: str, old: str, border: str) -> tuple[float, tuple[str, ...]]:
    if facts.age is None:
        return facts.rules.limit("stemi", old), ("assumed_age",)
    return facts.rules.limit("stemi", young if facts.age < facts.rules.limit("stemi", border) else old), ()


def _pairs(facts: Facts) -> list[tuple[str, str]]:
    groups = facts.rules.rules["stemi"]["pairs"]
    return [(str(a), str(b)) for name in ("chest", "limb", "right") for a, b in groups[name]]


def _elevation(sheet: Sheet, lead: str) -> Elevation:
    """A lead against its limit; ``-aVR`` is the inverted aVR."""
    limit, _ = threshold(sheet.facts, lead)
    name, sign = lead.removeprefix("-"), -1.0 if lead.startswith("-") else 1.0
    at, then = sheet.st(name), sheet.value(name, "st_j20_mv")
    if at is None:
        return Elevation(lead, None, limit, None, False, None)
    at *= sign
    near = at < limit and round(limit - at, 4) <= sheet.limit("bands", "amplitude_mv")
    return Elevation(lead, at, limit, at >= limit, near, None if then is None else then * sign >= limit)


def _by_territory(
    fulfilled: list[tuple[str, str]], elevation: dict[str, Elevation]
) -> dict[str, list[tuple[str, str]]]:
    groups: dict[str, list[tuple[str, str]]] = {}
    anterior = [p for p in fulfilled if p in ANTERIOR]
    if anterior:
        reached = {lead for pair in anterior for lead in pair}
        septal = reached <= {"V1", "V2", "V3"} or ("V1" in reached and reached <= {"V1", "V2", "V3", "V4"})
        groups["STEMI_ANTSEPT" if septal else "STEMI_ANT"] = anterior
    for pair in fulfilled:
        code = _territory(pair)
        if code:
            groups.setdefault(code, []).append(pair)
    if "STEMI_RV" not in groups and "STEMI_INF" in groups:
        beside = [lead for lead in ("V4R", "V3R") if elevation[lead].true]
        if beside:
            groups["STEMI_RV"] = [(beside[0], beside[0])]
    return groups


def _territory(pair: tuple[str, str]) -> str | None:
    if pair in ANTERIOR:
        return None
    names = {lead.removeprefix("-") for lead in pair}
    if names & set(POSTERIOR):
        return "STEMI_POST"
    if names & set(RIGHT):
        return "STEMI_RV"
    if names == {"V5", "V6"}:
        return "STEMI_LAT"
    return "STEMI_HLAT" if "I" in names else "STEMI_INF"


def _state(
    sheet: Sheet,
    verdict: Verdict,
    code: str,
    pairs: list[tuple[str, str]],
    elevation: dict[str, Elevation],
    everywhere: frozenset[str],
    gone: bool,
) -> None:
    facts = sheet.facts
    leads = list(dict.fromkeys(lead for pair in pairs for lead in pair))
    evidence = [elevation[lead].evidence for lead in leads]
    low = sheet.limit("stemi", "reciprocal_mv")
    opposite = facts.rules.rules["stemi"]["reciprocal"][code]
    evidence += sheet.evidence([n for n in opposite if sheet.holds(n, "st_j_mv", "<=", low)], "st_j_mv", "<=", low)
    notes = tuple(dict.fromkeys(note for lead in leads for note in threshold(facts, lead)[1]))
    argued = mimics.argue(sheet, verdict, mimics.Elevated(frozenset(leads), everywhere))
    if gone:
        notes = (*notes, "J_AMBIGUOUS")
        argued = (*argued, mimics.J_AMBIGUOUS)
    explained = any(not a.kept for a in argued)
    certainty = Certainty.POSSIBLE if explained else Certainty.DEFINITE
    verdict.add(facts.finding(code, NAMES[code], evidence, SOURCE, certainty, State.TRUE, argued, notes))


def _pair_at20(elevation: dict[str, Elevation], pair: tuple[str, str]) -> bool | None:
    first, second = elevation[pair[0]].at20, elevation[pair[1]].at20
    if first is None or second is None:
        return None
    return first and second


def _near(
    facts: Facts,
    verdict: Verdict,
    pairs: list[tuple[str, str]],
    fulfilled: list[tuple[str, str]],
    elevation: dict[str, Elevation],
) -> None:
    """STEMI_BORDERLINE and STE_NONCONTIG, for what no finding covers already."""
    covered = {lead for pair in fulfilled for lead in pair}
    share = facts.rules.limit("stemi", "neighbour_share")
    near: dict[str, Elevation] = {}
    for a, b in pairs:
        first, second = elevation[a], elevation[b]
        if (a, b) in fulfilled or covered & {a, b} or first.value is None or second.value is None:
            continue
        close = (first.true or first.near) and (second.true or second.near)
        half = (first.true and second.value >= share * second.limit) or (
            second.true and first.value >= share * first.limit
        )
        if close or half:
            near |= {a: first, b: second}
    if near:
        evidence = [e.evidence for e in near.values()]
        notes = tuple(dict.fromkeys(n for lead in near for n in threshold(facts, lead)[1]))
        verdict.add(
            facts.finding(
                "STEMI_BORDERLINE",
                NAMES["STEMI_BORDERLINE"],
                evidence,
                SOURCE,
                Certainty.POSSIBLE,
                State.BORDERLINE,
                (),
                notes,
            )
        )
    alone = [
        e
        for e in elevation.values()
        if e.true and e.lead not in covered and e.lead not in near and not e.lead.startswith("-")
    ]
    if alone:
        verdict.add(
            facts.finding(
                "STE_NONCONTIG", NAMES["STE_NONCONTIG"], [e.evidence for e in alone], SOURCE, Certainty.POSSIBLE
            )
        )


def _say_missing(
    facts: Facts, verdict: Verdict, code: str, pairs: list[tuple[str, str]], elevation: dict[str, Elevation]
) -> None:
    """A territory without finding is only negative if every pair of it could be read."""
    lost: list[str] = []
    for pair in pairs:
        here = code in ("STEMI_ANT", "STEMI_ANTSEPT") if pair in ANTERIOR else _territory(pair) == code
        first, second = elevation[pair[0]], elevation[pair[1]]
        if here and not (first.true is False or second.true is False):
            lost += [e.lead for e in (first, second) if e.true is None]
    if lost:
        why = WHY_EXTRA.get(code, WHY_LEADS if not all(n in facts.leads for n in lost) else WHY_QUALITY)
        verdict.skip(code, tuple(dict.fromkeys(lost)), why)
