"""Q waves and old infarction (CLINICAL.md §3.5; Universal Definition, "prior MI").

A Q over 20 ms or QS in V2–V3; a Q of at least 30 ms and 0.1 mV, or QS, in two contiguous leads of one group; a broad
tall R with an upright T in V1–V2 is the back wall's Q. A smaller Q with an inverted T beside it is only "possible".
Infarctions labelled acute look like this once their first hours are past: with some elevation left, or T inverted, in
the same territory, the finding says "age undetermined, may be recent", never "old".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ecg.analysis import Argument, Certainty, Evidence, State
from ecg.interpret.facts import WHY_LEADS, WHY_QUALITY, Verdict
from ecg.interpret.logic import all3
from ecg.interpret.sheet import BROAD, CHEST, INFERIOR, LOST, Sheet, barred
from ecg.recording import Text

SOURCE = "UDMI4; CLINICAL §3.5"
BACK = ("V7", "V8", "V9")
GROUPS: tuple[tuple[str, ...], ...] = (("I", "aVL"), CHEST, INFERIOR, BACK)
WALLS = {
    "Q_SEPT": Text("间壁", "Septal"),
    "Q_ANT": Text("前壁", "Anterior"),
    "Q_EXTANT": Text("广泛前壁", "Extensive anterior"),
    "Q_LAT": Text("侧壁", "Lateral"),
    "Q_HLAT": Text("高侧壁", "High lateral"),
    "Q_INF": Text("下壁", "Inferior"),
    "Q_POST": Text("正后壁", "Posterior"),
}
TERRITORY = {
    "Q_SEPT": CHEST[:4],
    "Q_ANT": CHEST,
    "Q_EXTANT": (*CHEST, "I", "aVL"),
    "Q_LAT": ("V4", "V5", "V6", "I", "aVL"),
    "Q_HLAT": ("I", "aVL"),
    "Q_INF": INFERIOR,
    "Q_POST": BACK,
}
"""Leads of each wall: where a T or an ST that shows its age is sought."""
ACUTE = {
    "Q_SEPT": ("STEMI_ANTSEPT", "STEMI_ANT"),
    "Q_ANT": ("STEMI_ANTSEPT", "STEMI_ANT"),
    "Q_EXTANT": ("STEMI_ANTSEPT", "STEMI_ANT"),
    "Q_LAT": ("STEMI_LAT",),
    "Q_HLAT": ("STEMI_HLAT",),
    "Q_INF": ("STEMI_INF",),
    "Q_POST": ("STEMI_POST",),
}
RECENT, OLD, ACUTE_OR_ANEURYSM = "MAY_BE_RECENT", "AGE_UNDETERMINED", "ACUTE_OR_ANEURYSM"
AGES = {
    RECENT: Text("心肌梗死，时间不明，可能为近期", "infarction, age undetermined, may be recent"),
    OLD: Text("心肌梗死，陈旧性或时间不明", "infarction, old or of undetermined age"),
    ACUTE_OR_ANEURYSM: Text("异常Q波，急性心肌梗死或室壁瘤", "Q waves: acute infarction or aneurysm"),
}
MAYBE = Text("异常Q波（可能）", "possible Q-wave infarction")


@dataclass(frozen=True, slots=True)
class _Wall:
    """A wall with the leads that show it, whether for certain, and whether only within the borderline band."""

    code: str
    leads: tuple[str, ...]
    certainty: Certainty
    near: bool = False


def pathological(sheet: Sheet, lead: str, slack_mv: float = 0.0, slack_ms: float = 0.0) -> bool | None:
    """Q or QS of §3.5 in one lead."""
    q, r, width = sheet.value(lead, "q_mv"), sheet.value(lead, "r_mv"), sheet.value(lead, "q_ms")
    if q is None or r is None or width is None:
        return None
    if q >= 0.0:
        return _lost_r(sheet, lead)
    if r == 0.0:
        return True
    if lead in ("V2", "V3"):
        return width > round(sheet.limit("q", "v2_v3_ms") - slack_ms, 1)
    return width >= round(sheet.limit("q", "other_ms") - slack_ms, 1) and q <= round(
        slack_mv - sheet.limit("q", "depth_mv"), 4
    )


def _lost_r(sheet: Sheet, lead: str) -> bool:
    """A first r within the smallest tolerance of an amplitude (25 µV, IEC) before an S five times as deep: QS."""
    r, s, least = sheet.value(lead, "r_mv"), sheet.value(lead, "s_mv"), sheet.limit("q", "lost_r_mv")
    if not r or s is None:
        return False
    return r <= least and s <= -sheet.limit("q", "depth_mv") and r <= -s * sheet.limit("q", "lost_r_share")


def interpret(sheet: Sheet, verdict: Verdict) -> None:
    """Adds the Q-wave findings; to be asked after §4.1, whose elevation changes their words."""
    facts = sheet.facts
    held = barred(facts, verdict, by=(*BROAD, *LOST), narrow=not verdict.has("C_RBBB"))
    if held is not None:
        for code in WALLS:
            verdict.skip(code, *held)
        return
    bars = frozenset(("V1", "V2")) if verdict.has("C_RBBB") else frozenset[str]()
    band_mv, band_ms = sheet.limit("bands", "amplitude_mv"), sheet.limit("bands", "duration_ms")
    q = {n: False if n in bars else pathological(sheet, n) for group in GROUPS for n in group}
    walls = _unsure(sheet, _walls(q)) + _tall_r(sheet, bool(bars)) + _minor(sheet, q)
    found = {w.code for w in walls}
    wider = {n: False if n in bars else pathological(sheet, n, band_mv, band_ms) for group in GROUPS for n in group}
    near = [_Wall(w.code, w.leads, Certainty.POSSIBLE, True) for w in _walls(wider) if not _covered(w, walls)]
    for wall in (*walls, *near):
        _add(sheet, verdict, wall)
    for code, leads in TERRITORY.items():
        if (
            code not in found
            and code not in ("Q_POST", "Q_EXTANT")
            and (lost := [n for n in leads if q.get(n) is None])
        ):
            _say_missing(sheet, verdict, code, q, lost)


def _covered(wall: _Wall, walls: Iterable[_Wall]) -> bool:
    """Whether what the band adds is only a wall that is found already, or part of one."""
    group = next(g for g in GROUPS if wall.leads[0] in g)
    return any(set(w.leads) & set(group) for w in walls)


def _walls(q: Mapping[str, bool | None]) -> list[_Wall]:
    """From the leads with a pathological Q to the walls."""
    out: list[_Wall] = []
    chest = [n for n in CHEST if q[n]]
    pairs = [(a, b) for a, b in zip(CHEST, CHEST[1:], strict=False) if q[a] and q[b]]
    here = {n for pair in pairs for n in pair}
    front, side = here & {"V3", "V4"}, here & {"V5", "V6"}
    if front and side and here & {"V1", "V2"}:
        out.append(_Wall("Q_EXTANT", tuple(n for n in CHEST if n in here), Certainty.DEFINITE))
    elif here - {"V5", "V6"}:
        anterior = tuple(n for n in CHEST if n in here)
        code = "Q_ANT" if front and (here & {"V4"} or ({"V2", "V3"} <= here and "V1" not in here)) else "Q_SEPT"
        out.append(_Wall(code, anterior, Certainty.DEFINITE))
    elif side:
        out.append(_Wall("Q_LAT", ("V5", "V6"), Certainty.DEFINITE))
    if not here and (alone := [n for n in chest if n in ("V2", "V3")]):
        # One lead suffices by the letter of the Universal Definition; a high electrode makes one, too.
        out.append(_Wall("Q_SEPT" if alone[0] == "V2" else "Q_ANT", tuple(alone), Certainty.POSSIBLE))
    inferior = [n for n in INFERIOR if q[n]]
    if len(inferior) >= 2 and q["aVF"]:
        out.append(_Wall("Q_INF", tuple(inferior), Certainty.DEFINITE))
    if q["I"] and q["aVL"]:
        out.append(_Wall("Q_HLAT", ("I", "aVL"), Certainty.DEFINITE))
    back = [n for n in BACK if q[n]]
    if len(back) >= 2 and "V8" in back:
        out.append(_Wall("Q_POST", tuple(back), Certainty.DEFINITE))
    return out


def _unsure(sheet: Sheet, walls: list[_Wall]) -> list[_Wall]:
    """A wall that rests on a lead whose r is only next to nothing is possible."""
    return [replace(w, certainty=Certainty.POSSIBLE) if any(_lost_r(sheet, n) for n in w.leads) else w for w in walls]


def _tall_r(sheet: Sheet, barred_here: bool) -> list[_Wall]:
    """R over 40 ms in V1–V2, larger than S, with an upright T and no conduction defect (rule c)."""
    if barred_here or (sheet.facts.measurements.qrs_ms or 999.0) >= sheet.limit("stemi", "qrs_ms"):
        return []
    leads = ("V1", "V2")
    for n in leads:
        r, s = sheet.value(n, "r_mv"), sheet.value(n, "s_mv")
        tests = [
            sheet.holds(n, "r_ms", ">", sheet.limit("q", "tall_r_ms")),
            None if r is None or s is None else r > -s,
            sheet.holds(n, "t_mv", ">", 0.0),
            sheet.holds(n, "r2_mv", "<=", 0.0),
        ]
        if all3(tests) is not True:
            return []
    return [_Wall("Q_POST", leads, Certainty.POSSIBLE)]


def _minor(sheet: Sheet, q: Mapping[str, bool | None]) -> list[_Wall]:
    """Q of 20 to 30 ms and 0.1 mV with T inverted in the same group: possible."""
    out: list[_Wall] = []
    limits = sheet.limit("q", "minor_ms"), sheet.limit("q", "depth_mv"), sheet.limit("q", "t_mv")
    for code, leads in (("Q_INF", INFERIOR), ("Q_HLAT", ("I", "aVL")), ("Q_LAT", CHEST[3:])):
        small = [
            n
            for n in leads
            if q[n] or (sheet.holds(n, "q_ms", ">=", limits[0]) and sheet.holds(n, "q_mv", "<=", -limits[1]))
        ]
        inverted = any(sheet.holds(n, "t_mv", "<=", limits[2]) for n in small)
        enough = len(small) >= 2 and (code != "Q_INF" or "aVF" in small)
        done = sum(q[n] is True for n in leads) >= 2 and (code != "Q_INF" or q["aVF"])
        if enough and inverted and not done:
            out.append(_Wall(code, tuple(small), Certainty.POSSIBLE))
    return out


def _add(sheet: Sheet, verdict: Verdict, wall: _Wall) -> None:
    age, signs = _age(sheet, verdict, wall)
    name = WALLS[wall.code]
    words = AGES[age] if wall.certainty == Certainty.DEFINITE or age != OLD else MAYBE
    evidence = [e for n in wall.leads for e in _q_evidence(sheet, wall.code, n)]
    argued = _argued(sheet, verdict, wall)
    certainty = Certainty.POSSIBLE if any(not a.kept for a in argued) else wall.certainty
    verdict.add(
        sheet.facts.finding(
            wall.code,
            Text(f"{name.zh}{words.zh}", f"{name.en} {words.en}"),
            [*evidence, *signs],
            SOURCE,
            certainty,
            State.BORDERLINE if wall.near else State.TRUE,
            argued,
            (age,),
        )
    )


def _age(sheet: Sheet, verdict: Verdict, wall: _Wall) -> tuple[str, list[Evidence]]:
    """What the tracing says of the infarction's age, and by which values."""
    if any(verdict.has(code) for code in ACUTE[wall.code]):
        return ACUTE_OR_ANEURYSM, []
    up, down = sheet.limit("q", "recent_st_mv"), sheet.limit("q", "t_mv")
    raised = [n for n in wall.leads if sheet.holds(n, "st_j_mv", ">=", up)]
    if len(raised) >= 2:
        return RECENT, sheet.evidence(raised, "st_j_mv", ">=", up)
    leads = TERRITORY[wall.code]
    inverted = [n for n in leads if sheet.holds(n, "t_negative_mv", "<=", down)]
    beside = [
        n
        for n in inverted
        if any(
            abs(leads.index(n) - leads.index(m)) == 1 or leads in (INFERIOR, ("I", "aVL")) for m in inverted if m != n
        )
    ]
    if len(beside) >= 2:
        return RECENT, sheet.evidence(beside, "t_negative_mv", "<=", down)
    return OLD, []


def _q_evidence(sheet: Sheet, code: str, lead: str) -> list[Evidence]:
    if code == "Q_POST" and lead not in BACK:
        return [Evidence(lead, "r_ms", sheet.value(lead, "r_ms"), ">", sheet.limit("q", "tall_r_ms"))]
    if sheet.value(lead, "r_mv") == 0.0:
        return [Evidence(lead, "qs_mv", sheet.value(lead, "q_mv"), "<", 0.0)]
    if _lost_r(sheet, lead):
        return [Evidence(lead, "r_mv", sheet.value(lead, "r_mv"), "<=", sheet.limit("q", "lost_r_mv"))]
    strict = lead in ("V2", "V3")
    limit = sheet.limit("q", "v2_v3_ms" if strict else "other_ms")
    return [Evidence(lead, "q_ms", sheet.value(lead, "q_ms"), ">" if strict else ">=", limit)]


def _say_missing(sheet: Sheet, verdict: Verdict, code: str, q: Mapping[str, bool | None], lost: list[str]) -> None:
    """A wall is only without Q if no pair of it can hide one."""
    leads = TERRITORY[code]
    open_pair = any(q.get(n) is not False and q.get(m) is not False for n in lost for m in leads if m != n)
    if open_pair:
        absent = any(n not in sheet.facts.leads for n in lost)
        verdict.skip(code, tuple(lost), WHY_LEADS if absent else WHY_QUALITY)


# --- normal variants and look-alikes ---------------------------------------------------------------------------------


def _argued(sheet: Sheet, verdict: Verdict, wall: _Wall) -> tuple[Argument, ...]:
    return tuple(
        Argument(mimic, kept, why)
        for mimic, kept, why in LOOKALIKES.get(wall.code, ())
        if verdict.has(mimic) or verdict.has(mimic + "_*")
    )


_LVH = (
    "H_LVH",
    True,
    Text("左室肥大时V1–V3导联r波可消失，须结合既往图。", "In LVH r may be lost in V1–V3: compare an older tracing."),
)
_LAFB = (
    "C_LAFB",
    True,
    Text(
        "左前分支阻滞可使起始r波减小，须结合既往图。",
        "Left anterior fascicular block may hide r: compare an older tracing.",
    ),
)
_SEPTUM = (
    "H_LVH",
    True,
    Text(
        "室间隔肥厚时I、aVL、V5–V6导联可有深而窄的q波，须结合超声。",
        "A thick septum makes deep, narrow q in I, aVL and V5–V6: see the echocardiogram.",
    ),
)
_RVH = (
    "H_RVH",
    False,
    Text("右室肥大可使V1–V2导联R波增高。", "Right ventricular hypertrophy makes R of V1–V2 tall as well."),
)
_PE = (
    "S_PE",
    False,
    Text(
        "有右室负荷过重表现，III导联Q波可由肺栓塞引起。",
        "With right ventricular strain, Q in III may come from embolism.",
    ),
)
LOOKALIKES: dict[str, tuple[tuple[str, bool, Text], ...]] = {
    "Q_SEPT": (_LVH, _LAFB),
    "Q_ANT": (_LVH, _LAFB),
    "Q_EXTANT": (_LVH, _LAFB),
    "Q_INF": (_LAFB, _PE),
    "Q_LAT": (_SEPTUM,),
    "Q_HLAT": (_SEPTUM,),
    "Q_POST": (_RVH,),
}
