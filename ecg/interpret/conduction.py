"""Intraventricular conduction (CLINICAL.md §3.3): what makes QRS wide, because it decides whether ST may be read.

Pacing and pre-excitation are decided first (``pacing.py``, :func:`excitation`), then the bundle branches by their
shapes, the fascicles by the axis, and what is wide and none of these is C_IVCD. Criteria: Surawicz 2009 (P3).
"""

from __future__ import annotations

import numpy as np

from ecg.analysis import Argument, Certainty, Evidence
from ecg.interpret.facts import WHY_CHILD, WHY_QUALITY, Facts, Verdict
from ecg.interpret.logic import Test, all3, any3, compare, not3
from ecg.recording import Sex, Text
from ecg.signal.filters import smooth

NAMES = {
    "C_LBBB": Text("完全性左束支阻滞", "Left bundle branch block"),
    "C_LBBB_STRAUSS": Text("完全性左束支阻滞（Strauss严格标准）", "Left bundle branch block, strict (Strauss)"),
    "C_ILBBB": Text("不完全性左束支阻滞", "Incomplete left bundle branch block"),
    "C_RBBB": Text("完全性右束支阻滞", "Right bundle branch block"),
    "C_IRBBB": Text("不完全性右束支阻滞", "Incomplete right bundle branch block"),
    "C_RSR_NARROW": Text("V1–V2导联rSr′图形（正常变异）", "rSr′ in V1–V2, normal variant"),
    "C_LAFB": Text("左前分支阻滞", "Left anterior fascicular block"),
    "C_LPFB": Text("左后分支阻滞", "Left posterior fascicular block"),
    "C_IVCD": Text("非特异性室内传导阻滞", "Non-specific intraventricular conduction delay"),
    "C_BIFASC": Text("双分支阻滞", "Bifascicular block"),
    "C_TRIFASC": Text("可能三分支阻滞", "Trifascicular pattern, possible"),
    "C_WPW": Text("心室预激", "Ventricular pre-excitation"),
}
CHILD = ("C_LBBB", "C_RBBB", "C_LAFB", "C_LPFB", "C_IVCD")
LEFT = ("I", "V5", "V6")
STRAUSS = ("V1", "V2", "V5", "V6", "I", "aVL")
BENT = ("I", "aVL", "V5", "V6")
"""Where the R of LBBB is notched or slurred."""
DELTA_LEADS = ("I", "V4", "V5", "V6")
DOUBTFUL_DELTAS = 3
"""Leads with a delta wave without which a PR that is not short says nothing of pre-excitation [project]."""
NO_Q_MV = -0.05
"""A first negative wave shallower than this is no q of note [project]."""
SOURCE = "P3; CLINICAL §3.3"
WHY_WIDE = Text("有束支阻滞、起搏或预激时不判断。", "Not judged with bundle branch block, pacing or pre-excitation.")

NODAL = Argument(
    "AV_NODE",
    True,
    Text(
        "PR延长也可能源于房室结，单凭心电图不能证明第三支受累。",
        "PR may be long in the AV node: the ECG alone does not prove a third fascicle.",
    ),
)


def excitation(facts: Facts, verdict: Verdict) -> bool:
    """Pre-excitation: short PR, a slurred beginning in at least two leads, QRS of at least 110 ms; one missing makes it
    possible, if what is there is plain enough."""
    m, limit = facts.measurements, facts.rules.limit
    slurred = _delta_leads(facts)
    count = float(len(slurred)) if slurred is not None else None
    if slurred is not None and not set(slurred) & set(DELTA_LEADS):
        count = 0.0
    short = compare(None, "pr_ms", m.pr_ms, "<", limit("conduction", "short_pr_ms"))
    wide = compare(None, "qrs_ms", m.qrs_ms, ">=", limit("conduction", "wpw_qrs_ms"))
    delta = compare(None, "delta_leads", count, ">=", 2)
    tests = [short, wide, delta]
    true = all3(t.true for t in tests)
    if true:
        certainty = Certainty.PROBABLE
    elif _nearly(facts, short, wide, delta):
        true, certainty = True, Certainty.POSSIBLE
    else:
        if true is None and delta.true is not False:
            verdict.skip("C_WPW", tuple(t.evidence.measure for t in tests if t.true is None), WHY_QUALITY)
        return False
    shares = [
        Evidence(n, "delta_share", s, "<", limit("conduction", "delta_share")) for n, s in (slurred or {}).items()
    ]
    evidence = [t.evidence for t in tests if t.true] + shares
    verdict.add(facts.finding("C_WPW", NAMES["C_WPW"], evidence, "P3; ESC-SVT19; CLINICAL §3.3", certainty))
    return True


def _nearly(facts: Facts, short: Test, wide: Test, delta: Test) -> bool:
    """One of the three missing: PR just not short before a plain delta wave, or a QRS just not wide."""
    m, limit = facts.measurements, facts.rules.limit
    plain = delta.evidence.value
    if not isinstance(plain, float) or plain < DOUBTFUL_DELTAS or m.pr_ms is None:
        return False
    if short.true:
        return (m.qrs_ms or 0.0) >= limit("conduction", "wpw_doubtful_qrs_ms")
    # With a PR that is not short, QRS must be plainly wide and P to J no longer than a normal heart's: the accessory
    # pathway takes from PR what it gives to QRS, a bundle branch block does not.
    broad = (m.qrs_ms or 0.0) >= limit("conduction", "bbb_ms")
    brief = m.pr_ms + (m.qrs_ms or 0.0) <= limit("conduction", "wpw_pj_ms")
    return bool(wide.true) and broad and brief and m.pr_ms <= limit("conduction", "wpw_doubtful_pr_ms")


def interpret(facts: Facts, verdict: Verdict) -> None:
    """Adds the bundle branches and fascicles. Needs the pacing, pre-excitation and rhythm findings before it."""
    width = compare(None, "qrs_ms", facts.measurements.qrs_ms, ">=", facts.rules.limit("conduction", "bbb_ms"))
    barred = facts.child or any(verdict.has(code) for code in ("C_PACE_V", "C_PACE_AV", "C_WPW", "R_VT"))
    if width.true is None or barred:
        why = WHY_QUALITY if width.true is None else WHY_CHILD if facts.child else WHY_WIDE
        for code in NAMES:
            if code != "C_WPW":
                verdict.skip(code, ("QRS",) if width.true is None else ("age",) if facts.child else ("QRS",), why)
        return
    if not _bundles(facts, verdict, width):
        _delayed(facts, verdict)
    _fascicles(facts, verdict)


def _bundles(facts: Facts, verdict: Verdict, width: Test) -> bool:
    """Complete or incomplete blocks and the normal rSr′; whether the QRS width is explained."""
    limit = facts.rules.limit
    part = compare(None, "qrs_ms", facts.measurements.qrs_ms, ">=", limit("conduction", "incomplete_ms"))
    band = compare(
        None,
        "qrs_ms",
        facts.measurements.qrs_ms,
        ">=",
        limit("conduction", "bbb_ms"),
        facts.rules.limit("bands", "duration_ms"),
    )
    left, right = _left(facts), _right(facts)
    explained = False
    for code, lesser, (tests, shape) in (("C_LBBB", "C_ILBBB", left), ("C_RBBB", "C_IRBBB", right)):
        seen = [t for t in tests if t.true is not False]
        if width.true or band.borderline:
            true = all3([width.true, shape])
            near = bool(band.borderline and shape)
            argued = _weighed(facts, verdict, code)
            explained |= verdict.decide(facts, code, NAMES[code], [band, *seen], true, SOURCE, argued=argued, near=near)
        if not width.true:
            whole = _left_voltage(facts) if lesser == "C_ILBBB" else Test(part.evidence, True)
            true = all3([part.true, shape, whole.true])
            explained |= verdict.decide(facts, lesser, NAMES[lesser], [part, *seen], true, SOURCE, near=False)
    if verdict.has("C_LBBB"):
        tests, source = _strict(facts), "Strauss 2011, doi:10.1016/j.amjcard.2010.11.010; CLINICAL §3.3"
        code = "C_LBBB_STRAUSS"
        verdict.decide(facts, code, NAMES[code], tests, all3(t.true for t in tests), source)
    if part.true is False:
        _narrow(facts, verdict)
    return explained


def _left(facts: Facts) -> tuple[list[Test], bool | None]:
    """No q and a late, notched or slurred R on the left, V1 negative."""
    peak = facts.rules.limit("conduction", "lbbb_r_peak_ms")
    no_q = [compare(n, "q_mv", facts.value(n, "q_mv"), ">", NO_Q_MV) for n in LEFT]
    late = [compare(n, "r_peak_ms", _r_peak(facts, n), ">", peak) for n in ("V5", "V6")]
    negative = compare("V1", "qrs_area_mv_ms", facts.value("V1", "qrs_area_mv_ms"), "<", 0.0)
    positive = [compare(n, "qrs_area_mv_ms", facts.value(n, "qrs_area_mv_ms"), ">", 0.0) for n in ("I", "V6")]
    bent = compare(None, "notched_leads", _notched(facts, BENT, 0.0), ">=", 1)
    shapes = [any3(t.true for t in late), bent.true, negative.true, any3(t.true for t in positive)]
    # A scar may leave a q on the left: what is as broad and as notched as strict LBBB is one with it, too.
    free = any3([all3(t.true for t in no_q), all3(t.true for t in _strict(facts))])
    return [*no_q, *late, bent, negative, *positive], all3([free, *shapes])


def _r_peak(facts: Facts, lead: str) -> float | None:
    """Time of the R peak in a lead whose R is its main deflection: an r′ in the wake of S would come too late."""
    r, r2 = facts.value(lead, "r_mv"), facts.value(lead, "r2_mv")
    s, peak = facts.value(lead, "s_mv"), facts.value(lead, "r_peak_ms")
    if r is None or r2 is None or s is None or peak is None:
        return None
    return peak if max(r, r2) > -s else 0.0


def _left_voltage(facts: Facts) -> Test:
    """Incomplete LBBB wants the pattern of left ventricular hypertrophy: S in V1 or V2 deep, R in V5 or V6 tall."""
    depth = [facts.value(n, "s_mv") for n in ("V1", "V2")]
    height = [facts.value(n, "r_mv") for n in ("V5", "V6")]
    held = [-v for v in depth if v is not None], [v for v in height if v is not None]
    total = max(held[0]) + max(held[1]) if held[0] and held[1] else None
    return compare(None, "left_voltage_mv", total, ">=", facts.rules.limit("conduction", "ilbbb_voltage_mv"))


def _right(facts: Facts) -> tuple[list[Test], bool | None]:
    """rsR′ (or one broad R) in V1 or V2, broad S in I and V6; one of them where V1's R′ is higher than its r."""
    limit = facts.rules.limit
    prime: list[Test] = []
    plain = None
    for name in ("V1", "V2"):
        first, second, deep = (facts.value(name, m) for m in ("r_mv", "r2_mv", "s_mv"))
        least = max(limit("conduction", "r2_mv"), limit("conduction", "r2_share") * (first or 0.0))
        tall = compare(name, "r2_mv", second, ">", least)
        # An r′ far below its S is the tail of a deep S, not the late right ventricle.
        small = second is not None and deep is not None and second < limit("conduction", "r2_s_share") * -deep
        prime.append(Test(tall.evidence, False) if tall.true and small else tall)
        if name == "V1":
            plain = None if first is None or second is None else bool(prime[0].true) and second > first > 0
    prime += _broad_r(facts)
    slurred = [_broad_s(facts, n) for n in ("I", "V6")]
    both, one = all3(t.true for t in slurred), any3(t.true for t in slurred)
    return [*prime, *slurred], all3([any3(t.true for t in prime), any3([both, all3([plain, one])])])


def _broad_r(facts: Facts) -> list[Test]:
    """V1 with no S: its R broad; V1 mainly positive: its R late."""
    limit = facts.rules.limit
    r, s, broad = (facts.value("V1", m) for m in ("r_mv", "s_mv", "r_ms"))
    peak, area = facts.value("V1", "r_peak_ms"), facts.value("V1", "qrs_area_mv_ms")
    pure = None if broad is None or r is None or s is None else broad if r > 0 and not s else 0.0
    late = None if peak is None or area is None else peak if area > 0 else 0.0
    return [
        compare("V1", "r_ms", pure, ">=", limit("conduction", "v1_broad_r_ms")),
        compare("V1", "r_peak_ms", late, ">=", limit("conduction", "v1_late_r_ms")),
    ]


def _broad_s(facts: Facts, lead: str) -> Test:
    """S longer than R or than 40 ms; of a q-R-s with a second R, whichever negative wave follows the first R."""
    limit = facts.rules.limit("conduction", "wide_s_ms")
    r = facts.value(lead, "r_ms")
    return compare(lead, "s_ms", facts.value(lead, "s_ms"), ">", limit if r is None else min(limit, r))


def _weighed(facts: Facts, verdict: Verdict, code: str) -> tuple[Argument, ...]:
    """What else could look like it, where the question arises."""
    out: list[Argument] = []
    if code == "C_RBBB":
        axis = facts.measurements.axis_deg.qrs
        if axis is not None and 90 < axis <= 180:
            out.append(
                Argument(
                    "H_RVH",
                    True,
                    Text(
                        "电轴右偏可见于右室肥大，但S波增宽和终末R′支持右束支阻滞。",
                        "A right axis may be right ventricular hypertrophy; broad S and late R′ speak for RBBB.",
                    ),
                )
            )
    if code == "C_LBBB":
        out.append(
            Argument(
                "C_PACE_V",
                True,
                Text("未见起搏钉，V5–V6不呈QS形。", "No pacing spike is seen and V5–V6 are not QS."),
            )
        )
    return tuple(out)


def _strict(facts: Facts) -> list[Test]:
    """Strauss 2011: wider by sex, QS or rS in V1 and V2, mid-QRS notch or slur in two of six leads."""
    limit = facts.rules.limit
    men = facts.sex == Sex.MALE
    least = limit("conduction", "strauss_men_ms" if men else "strauss_women_ms")
    width = compare(None, "qrs_ms", facts.measurements.qrs_ms if facts.sex is not None else None, ">=", least)
    deep = [compare(n, "qrs_area_mv_ms", facts.value(n, "qrs_area_mv_ms"), "<", 0.0) for n in ("V1", "V2")]
    notched = _notched(facts, STRAUSS, limit("conduction", "notch_margin_ms"))
    return [width, *deep, compare(None, "notched_leads", notched, ">=", 2)]


def _notched(facts: Facts, leads: tuple[str, ...], margin: float) -> float | None:
    """How many of the leads have a notch or slur from ``margin`` ms after QRS onset to as long before its end."""
    width = facts.measurements.qrs_ms
    if width is None:
        return None
    held = [facts.measurements.leads[n].notches for n in leads if facts.readable(n) and n in facts.measurements.leads]
    if not held:
        return None
    return float(sum(any(margin < notch.at_ms < width - margin for notch in notches) for notches in held))


def _narrow(facts: Facts, verdict: Verdict) -> None:
    """rSr′ in V1 or V2 with a narrow QRS, r′ below r, S in I and V6 not broad.

    r′ is a wave only if it falls back: where QRS ends in a raised ST, the beginning of that ST is none.
    """
    tests: list[Test] = []
    least, wave = facts.rules.limit("conduction", "r2_mv"), facts.rules.limit("conduction", "r2_above_st_mv")
    for name in ("V1", "V2"):
        r, r2, st = (facts.value(name, m) for m in ("r_mv", "r2_mv", "st_j_mv"))
        stands = r2 is not None and st is not None and r2 >= least and round(r2 - st, 4) >= wave
        ratio = None if r is None or r2 is None or st is None else r2 / r if r > 0 and stands else 0.0
        between = compare(name, "r2_r_ratio", ratio, "<", 1.0)
        tests.append(Test(between.evidence, None if ratio is None else 0.0 < ratio < 1.0))
    slim = [not3(_broad_s(facts, n).true) for n in ("I", "V6")]
    true = all3([any3(t.true for t in tests), any3(slim)])
    held = [t for t in tests if t.true is not False]
    verdict.decide(facts, "C_RSR_NARROW", NAMES["C_RSR_NARROW"], held, true, SOURCE, near=False)


def _fascicles(facts: Facts, verdict: Verdict) -> None:
    limit, width, axis = facts.rules.limit, facts.measurements.qrs_ms, facts.measurements.axis_deg.qrs
    right = verdict.has("C_RBBB")
    narrow = compare(None, "qrs_ms", width, "<", limit("conduction", "bbb_ms"))
    wide_enough = Test(narrow.evidence, True) if right else narrow
    if verdict.has("C_LBBB"):
        for code in ("C_LAFB", "C_LPFB"):
            verdict.skip(code, ("C_LBBB",), WHY_WIDE)
        return
    initial = _initial_axis(facts) if right else axis
    anterior = [
        compare(None, "qrs_axis_deg", initial, "<=", limit("conduction", "lafb_axis_deg")),
        compare(None, "qrs_axis_deg", initial, ">=", -90.0),
        compare("aVL", "q_mv", facts.value("aVL", "q_mv"), "<", 0.0),
        compare("aVL", "r_mv", facts.value("aVL", "r_mv"), ">", 0.0),
        compare("aVL", "r_peak_ms", facts.value("aVL", "r_peak_ms"), ">=", limit("conduction", "lafb_peak_ms")),
        wide_enough,
    ]
    held = verdict.decide(
        facts, "C_LAFB", NAMES["C_LAFB"], anterior, all3(t.true for t in anterior), SOURCE, near=False
    )
    posterior = [
        compare(None, "qrs_axis_deg", initial, ">=", limit("conduction", "lpfb_axis_deg")),
        compare("I", "s_mv", _deeper(facts, "I"), "<", 0.0),
        compare("aVL", "s_mv", _deeper(facts, "aVL"), "<", 0.0),
        *(compare(n, "q_mv", facts.value(n, "q_mv"), "<", 0.0) for n in ("III", "aVF")),
        wide_enough,
    ]
    clinical = Argument(
        "H_RVH",
        True,
        Text(
            "须由临床排除右室肥大、侧壁梗死和肺气肿。",
            "Right ventricular hypertrophy, lateral infarction and emphysema must be excluded clinically.",
        ),
    )
    true = all3(t.true for t in posterior)
    held |= verdict.decide(
        facts, "C_LPFB", NAMES["C_LPFB"], posterior, true, SOURCE, Certainty.POSSIBLE, (clinical,), near=False
    )
    if right and held:
        _several(facts, verdict)


def _initial_axis(facts: Facts) -> float | None:
    """Axis of the first 60 ms of QRS: with RBBB the left ventricle's own, before the late right ventricle."""
    if facts.beat is None or facts.qrs is None or not {"I", "aVF"} <= set(facts.leads):
        return facts.measurements.axis_deg.qrs
    on = facts.qrs[0]
    span = slice(on, on + max(2, round(0.060 * facts.rate_hz)))
    i, f = (float(facts.beat[facts.leads.index(n), span].sum()) for n in ("I", "aVF"))
    if i == 0 and f == 0:
        return None
    return float(np.degrees(np.arctan2(2.0 * f / np.sqrt(3.0), i)))


def _deeper(facts: Facts, lead: str) -> float | None:
    """S of an rS lead: the S, if it is larger than the R before it; 0 otherwise."""
    r, s = facts.value(lead, "r_mv"), facts.value(lead, "s_mv")
    if r is None or s is None:
        return None
    return s if r > 0 and -s > r else 0.0


def _several(facts: Facts, verdict: Verdict) -> None:
    side = "C_LAFB" if verdict.has("C_LAFB") else "C_LPFB"
    evidence = [Evidence(None, "finding", "C_RBBB", "==", "C_RBBB"), Evidence(None, "finding", side, "==", side)]
    verdict.add(facts.finding("C_BIFASC", NAMES["C_BIFASC"], evidence, SOURCE))
    long = compare(None, "pr_ms", facts.measurements.pr_ms, ">", facts.rules.limit("conduction", "long_pr_ms"))
    verdict.decide(
        facts,
        "C_TRIFASC",
        NAMES["C_TRIFASC"],
        [long],
        long.true,
        "BRADY18 §6; P3; CLINICAL §3.3",
        Certainty.POSSIBLE,
        (NODAL,),
        near=False,
    )


def _delayed(facts: Facts, verdict: Verdict) -> None:
    wide = compare(
        None,
        "qrs_ms",
        facts.measurements.qrs_ms,
        ">",
        facts.rules.limit("conduction", "ivcd_ms"),
        facts.rules.limit("bands", "duration_ms"),
    )
    if not wide.true and any(verdict.has(c) for c in ("C_RSR_NARROW",)):
        return
    verdict.decide(facts, "C_IVCD", NAMES["C_IVCD"], [wide], wide.true, SOURCE)


def _delta_leads(facts: Facts) -> dict[str, float] | None:
    """Leads whose slope in the first 20 ms or more of QRS is below half of its later maximum, yet not nothing."""
    if facts.beat is None or facts.qrs is None:
        return None
    ms = facts.rate_hz / 1000.0
    on, off = facts.qrs
    slope = np.abs(np.gradient(smooth(facts.beat[:, max(0, on - 5) : off + 6], facts.rate_hz, 40.0), axis=1)) * ms
    lead_in = min(5, on)
    first = slope[:, lead_in + round(6 * ms) : lead_in + round((6 + facts.rules.limit("conduction", "delta_ms")) * ms)]
    most = slope[:, lead_in:].max(axis=1)
    if not first.shape[1]:
        return None
    out: dict[str, float] = {}
    share = (first.max(axis=1) / (most + 1e-12)).tolist()
    for k, name in enumerate(facts.leads):
        if most[k] > 0.01 and 0.08 < share[k] < facts.rules.limit("conduction", "delta_share") and facts.readable(name):
            out[name] = round(share[k], 2)
    return out
