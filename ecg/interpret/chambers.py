"""Ventricular hypertrophy by voltage and atrial abnormality (CLINICAL.md §3.4).

No single voltage criterion proves hypertrophy (P5): H_LVH sums them up and says how many families agree.
"""

from __future__ import annotations

from ecg.analysis import Argument, Certainty, Evidence, Grade
from ecg.interpret.facts import WHY_CHILD, WHY_LEADS, WHY_QUALITY, Facts, Verdict
from ecg.interpret.logic import Test, all3, any3, compare, least3
from ecg.recording import Sex, Text

NAMES = {
    "H_LVH_SL": Text("左室高电压（Sokolow-Lyon）", "LVH voltage, Sokolow–Lyon"),
    "H_LVH_CV": Text("左室高电压（Cornell）", "LVH voltage, Cornell"),
    "H_LVH_CP": Text("左室高电压（Cornell乘积）", "LVH, Cornell product"),
    "H_LVH_PLP": Text("左室高电压（Peguero-Lo Presti）", "LVH voltage, Peguero–Lo Presti"),
    "H_LVH_RE": Text("左室肥大（Romhilt-Estes计分）", "LVH, Romhilt–Estes score"),
    "H_LVH": Text("左室肥大", "Left ventricular hypertrophy"),
    "H_RVH": Text("右室肥大", "Right ventricular hypertrophy"),
    "H_BVH": Text("双室肥大", "Biventricular hypertrophy"),
}
VOLTAGE_ALONE = Text("左室高电压（仅一项电压标准）", "LVH voltage criteria alone")
"""What one family of voltage criteria is called: no single one proves hypertrophy (P5; CLINICAL.md §3.4)."""
ATRIA = {
    "H_LAA": Text("左房异常", "Left atrial abnormality"),
    "H_RAA": Text("右房异常", "Right atrial abnormality"),
    "H_BAA": Text("双房异常", "Biatrial abnormality"),
}
SUPPRESSED_BY = ("C_LBBB", "C_WPW", "C_PACE_V", "C_PACE_AV", "R_VT")
WHY_WIDE = Text(
    "宽QRS（左束支阻滞、起搏、预激或室速）时不判断。", "Not judged with LBBB, pacing, pre-excitation or VT."
)
WHY_AGE = Text("年龄未知。", "Age unknown.")
WHY_P = Text("看不清P波。", "P cannot be judged.")
LIMB = ("I", "II", "III", "aVR", "aVL", "aVF")
CHEST = ("V1", "V2", "V3", "V4", "V5", "V6")
LATERAL = ("I", "aVL", "V5", "V6")
VOLTAGE = "P5; CLINICAL §3.4"


def sokolow(facts: Facts) -> list[Test]:
    """S(V1) + the larger R of V5, V6; and R in aVL."""
    deep = _depth(facts, "V1")
    tall = max(
        (facts.value(n, "r_mv") or 0.0 for n in ("V5", "V6") if facts.value(n, "r_mv") is not None), default=None
    )
    total = None if deep is None or tall is None else deep + tall
    return [
        compare(None, "sokolow_mv", total, ">=", facts.rules.limit("lvh", "sokolow_mv")),
        compare("aVL", "r_mv", facts.value("aVL", "r_mv"), ">", facts.rules.limit("lvh", "avl_mv")),
    ]


def cornell(facts: Facts) -> Test:
    """R(aVL) + S(V3); needs the sex."""
    r, s = facts.value("aVL", "r_mv"), _depth(facts, "V3")
    total = None if r is None or s is None or facts.sex is None else r + s
    limit = facts.rules.limit("lvh", "cornell_men_mv" if facts.sex == Sex.MALE else "cornell_women_mv")
    return compare(None, "cornell_mv", total, ">", limit)


def interpret(facts: Facts, verdict: Verdict) -> None:
    """Adds the chambers."""
    poor = facts.quality.grade >= Grade.D or not facts.amplitude_usable
    wide = any(verdict.has(code) for code in SUPPRESSED_BY)
    if facts.child or poor or wide:
        why = (("age",), WHY_CHILD) if facts.child else (("quality",), WHY_QUALITY) if poor else (("QRS",), WHY_WIDE)
        for code in NAMES:
            verdict.skip(code, *why)
    else:
        _left(facts, verdict)
        _right(facts, verdict)
        _both(facts, verdict)
    if facts.child or poor:
        for code in ATRIA:
            verdict.skip(code, ("age",) if facts.child else ("quality",), WHY_CHILD if facts.child else WHY_QUALITY)
    else:
        _atria(facts, verdict)


def _left(facts: Facts, verdict: Verdict) -> None:
    limit = facts.rules.limit
    voltage = sokolow(facts)
    old_enough = facts.age is not None and facts.age >= limit("lvh", "sokolow_age_years")
    true = any3(t.true for t in voltage)
    families = 0
    if true and old_enough:
        evidence = [t.evidence for t in voltage if t.true]
        verdict.add(facts.finding("H_LVH_SL", NAMES["H_LVH_SL"], evidence, VOLTAGE, Certainty.POSSIBLE))
        families += 1
    elif true is None or (true and facts.age is None):
        missing = ("age",) if facts.age is None else ("V1", "V5", "V6", "aVL")
        verdict.skip("H_LVH_SL", missing, WHY_LEADS if true is None else WHY_AGE)
    argued = (_HEMIBLOCK,) if verdict.has("C_LAFB") else ()
    singles = (
        ("H_LVH_CV", cornell(facts), "Casale 1987, Circulation 75:565; P5"),
        ("H_LVH_CP", _product(facts), "Molloy 1992, JACC 20:1180; CLINICAL §3.4"),
        ("H_LVH_PLP", _peguero(facts), "doi:10.1016/j.jacc.2017.01.037; CLINICAL §3.4"),
    )
    said = [
        verdict.decide(facts, code, NAMES[code], [test], test.true, source, Certainty.POSSIBLE, argued, near=False)
        if facts.sex is not None
        else verdict.skip(code, ("sex",), WHY_QUALITY)
        for code, test, source in singles
    ]
    families += int(bool(said[0] or said[1])) + int(bool(said[2]))
    points = _estes(facts)
    score = compare(None, "estes_points", points, ">=", limit("lvh", "estes_probable"))
    sure = points is not None and points >= limit("lvh", "estes_definite")
    estes = verdict.decide(
        facts,
        "H_LVH_RE",
        NAMES["H_LVH_RE"],
        [score],
        score.true,
        "Romhilt 1968, Am Heart J 75:752; CLINICAL §3.4",
        Certainty.DEFINITE if sure else Certainty.PROBABLE,
        near=False,
    )
    # four points come together without any voltage (P in V1, a QRS of 90 ms): they are a score, no summary
    if families or sure:
        probable = families >= 2 or sure
        counted = Evidence(None, "lvh_families", float(families + estes), ">=", 1.0)
        strained = [t.evidence for t in strain(facts) if t.true]
        notes = ("STRAIN",) if strained else ()
        certainty = Certainty.PROBABLE if probable else Certainty.POSSIBLE
        verdict.add(
            facts.finding(
                "H_LVH",
                NAMES["H_LVH"] if probable else VOLTAGE_ALONE,
                [counted, *strained],
                VOLTAGE,
                certainty,
                argued=argued,
                notes=notes,
            )
        )


_HEMIBLOCK = Argument(
    "C_LAFB",
    True,
    Text(
        "左前分支阻滞使aVL导联R波增高，须谨慎。",
        "Left anterior fascicular block makes R in aVL tall: use with caution.",
    ),
)


_HIGH = Argument(
    "Q_HIGHV",
    True,
    Text(
        "V1电极位置偏高时P波也可倒置：核对位置后复查。",
        "A V1 electrode placed high turns P down too: check its place and record again.",
    ),
)


def strain(facts: Facts) -> list[Test]:
    """ST80 depressed and T inverted in I, aVL, V5 or V6."""
    limit = facts.rules.limit
    out: list[Test] = []
    for lead in LATERAL:
        st = compare(lead, "st_j80_mv", facts.value(lead, "st_j80_mv"), "<=", limit("lvh", "strain_st80_mv"))
        t = compare(lead, "t_mv", facts.value(lead, "t_mv"), "<=", limit("lvh", "strain_t_mv"))
        out.append(Test(st.evidence, all3([st.true, t.true])))
    return out


def _product(facts: Facts) -> Test:
    limit = facts.rules.limit
    r, s, width = facts.value("aVL", "r_mv"), _depth(facts, "V3"), facts.measurements.qrs_ms
    total = None
    if r is not None and s is not None and width is not None and facts.sex is not None:
        total = (r + s + (limit("lvh", "cornell_women_add_mv") if facts.sex == Sex.FEMALE else 0.0)) * width
    return compare(None, "cornell_product_mv_ms", total, ">", limit("lvh", "cornell_product_mv_ms"))


def _peguero(facts: Facts) -> Test:
    depths = [_depth(facts, n) for n in (*LIMB, *CHEST) if n != "aVR"]
    v4 = _depth(facts, "V4")
    known = [d for d in depths if d is not None]
    total = None if v4 is None or len(known) < len(depths) or facts.sex is None else max(known) + v4
    limit = facts.rules.limit("lvh", "peguero_men_mv" if facts.sex == Sex.MALE else "peguero_women_mv")
    return compare(None, "peguero_mv", total, ">=", limit)


def _estes(facts: Facts) -> float | None:
    """Romhilt–Estes points; digitalis is not known to the core, so strain counts in full."""
    limit, m = facts.rules.limit, facts.measurements
    limb = [v for n in LIMB for v in (facts.value(n, "r_mv"), _depth(facts, n)) if v is not None]
    deep = [v for n in ("V1", "V2") if (v := _depth(facts, n)) is not None]
    tall = [v for n in ("V5", "V6") if (v := facts.value(n, "r_mv")) is not None]
    peak = [v for n in ("V5", "V6") if (v := facts.value(n, "r_peak_ms")) is not None]
    if not limb or not deep or not tall or m.qrs_ms is None:
        return None
    big = max(limb) >= limit("lvh", "estes_limb_mv") or max(*deep, *tall) >= limit("lvh", "estes_chest_mv")
    force = _terminal(facts)
    return float(
        3 * big
        + 3 * any(t.true for t in strain(facts))
        + 3 * (force is not None and force <= limit("atria", "terminal_mv_ms"))
        + 2 * (m.axis_deg.qrs is not None and -90 <= m.axis_deg.qrs <= limit("lvh", "estes_axis_deg"))
        + (m.qrs_ms >= limit("lvh", "estes_qrs_ms"))
        + (bool(peak) and max(peak) >= limit("lvh", "estes_peak_ms"))
    )


def _ratio(facts: Facts, lead: str) -> float | None:
    r, s = facts.value(lead, "r_mv"), _depth(facts, lead)
    if r is None or s is None:
        return None
    return r / s if s > 0 else 10.0 if r > 0 else 0.0


def _right(facts: Facts, verdict: Verdict) -> None:
    limit, v = facts.rules.limit, facts.value
    r1, s6, q1 = v("V1", "r_mv"), _depth(facts, "V6"), v("V1", "q_mv")
    total = None if r1 is None or s6 is None else r1 + s6
    qr = None if q1 is None or r1 is None else 1.0 if q1 < -0.02 and r1 > -q1 else 0.0
    t1 = [v(n, "t_mv") for n in ("V1", "V2", "V3")]
    strained = None if None in t1 else max(t for t in t1 if t is not None)
    tests = [
        compare(None, "qrs_axis_deg", facts.measurements.axis_deg.qrs, ">=", limit("rvh", "axis_deg")),
        compare("V1", "r_mv", r1, ">=", limit("rvh", "r_v1_mv")),
        compare("V1", "r_s_ratio", _ratio(facts, "V1"), ">", limit("rvh", "r_s_v1")),
        compare("V1", "qr_shape", qr, ">=", 1.0),
        compare(None, "r_v1_s_v6_mv", total, ">", limit("rvh", "r_v1_s_v6_mv")),
        compare("V6", "r_s_ratio", _ratio(facts, "V6"), "<", limit("rvh", "r_s_v6")),
        compare("V6", "s_mv", s6, ">=", limit("rvh", "s_v6_mv")),
        compare("V3", "t_mv", strained, "<=", limit("rvh", "strain_mv")),
    ]
    narrow = compare(None, "qrs_ms", facts.measurements.qrs_ms, "<", limit("conduction", "bbb_ms"))
    true = all3([narrow.true, least3((t.true for t in tests), int(limit("rvh", "least")))])
    seen = [t for t in tests if t.true is not False]
    verdict.decide(facts, "H_RVH", NAMES["H_RVH"], seen, true, VOLTAGE, Certainty.PROBABLE, near=False)


def _both(facts: Facts, verdict: Verdict) -> None:
    limit = facts.rules.limit
    held = next((f for f in verdict.findings if f.code == "H_LVH"), None)
    probable = held is not None and held.certainty == Certainty.PROBABLE
    axis = compare(None, "qrs_axis_deg", facts.measurements.axis_deg.qrs, ">", limit("axis", "right_deg"))
    ratio = compare("V1", "r_s_ratio", _ratio(facts, "V1"), ">", limit("rvh", "r_s_v1"))
    tall: list[Test] = []
    for lead in ("V2", "V3", "V4"):
        r, s = facts.value(lead, "r_mv"), _depth(facts, lead)
        total = None if r is None or s is None else r + s
        tall.append(compare(lead, "katz_wachtel_mv", total, ">", limit("rvh", "katz_wachtel_mv")))
    true = any3([*(t.true for t in tall), *(all3([probable, t.true]) for t in (axis, ratio))])
    seen = [t for t in (*tall, axis, ratio) if t.true is not False]
    verdict.decide(facts, "H_BVH", NAMES["H_BVH"], seen, true, VOLTAGE, Certainty.POSSIBLE, near=False)


def _terminal(facts: Facts) -> float | None:
    """P-terminal force in V1, mV·ms: depth times duration of its negative second phase; 0 without one.

    Of a P that is negative from its beginning the second half is the terminal part: the first belongs to the right
    atrium, whose wave turns down where V1 is placed high (Morris 1964, Circulation 29:242, measures the terminal part).
    """
    depth, span = facts.value("V1", "p2_mv"), facts.value("V1", "p2_ms")
    if depth is None or span is None:
        return None
    if depth < 0:
        return depth * span
    first, wide = facts.value("V1", "p1_mv"), facts.value("V1", "p1_ms")
    return 0.5 * first * wide if first is not None and wide is not None and first < 0 else 0.0


def _atria(facts: Facts, verdict: Verdict) -> None:
    limit, m = facts.rules.limit, facts.measurements
    if m.p_ms is None or any(verdict.has(c) for c in ("R_AF", "R_AFL")):
        for code in ATRIA:
            verdict.skip(code, ("P",), WHY_P)
        return
    long = compare(None, "p_ms", m.p_ms, ">=", limit("atria", "p_ms"))
    force = compare("V1", "p_terminal_mv_ms", _terminal(facts), "<=", limit("atria", "terminal_mv_ms"))
    turned = compare(None, "p_axis_deg", m.axis_deg.p, "<", limit("atria", "p_axis_deg"))
    true = any3([force.true, all3([long.true, turned.true])])
    seen = [t for t in (force, *((long, turned) if long.true and turned.true else ())) if t.true is not False]
    high = (_HIGH,) if "Q_HIGHV" in facts.quality.defects else ()
    sure = Certainty.POSSIBLE if high and not (long.true and turned.true) else Certainty.DEFINITE
    left = verdict.decide(facts, "H_LAA", ATRIA["H_LAA"], seen, true, VOLTAGE, sure, high, near=False)
    tall = [compare(n, "p_mv", facts.value(n, "p_mv"), ">", limit("atria", "p_ii_mv")) for n in ("II", "III", "aVF")]
    tall.append(compare("V1", "p1_mv", facts.value("V1", "p1_mv"), ">", limit("atria", "p_v1_mv")))
    seen = [t for t in tall if t.true is not False]
    right = verdict.decide(facts, "H_RAA", ATRIA["H_RAA"], seen, any3(t.true for t in tall), VOLTAGE, near=False)
    if left and right:
        evidence = [Evidence(None, "finding", code, "==", code) for code in ("H_LAA", "H_RAA")]
        verdict.add(facts.finding("H_BAA", ATRIA["H_BAA"], evidence, VOLTAGE))


def _depth(facts: Facts, lead: str) -> float | None:
    """Deepest negative wave of a lead's QRS, as a positive number."""
    parts = [facts.value(lead, m) for m in ("q_mv", "s_mv", "s2_mv")]
    held = [p for p in parts if p is not None]
    return -min(held) if len(held) == len(parts) else None
