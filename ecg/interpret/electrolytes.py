"""Potassium and calcium on the ECG (CLINICAL.md §3.6).

Potassium narrows T at its base and lifts it, then flattens and loses P while the sinus node still leads
(sinoventricular conduction), then widens QRS everywhere until QRS and T make one sine wave. Its lack flattens T and
raises U over it. Calcium moves the beginning of T: its excess takes the ST segment away, its lack stretches it and
leaves T as it was. None of them is a laboratory: each rule is a reason to measure the ion, and says so.

Sources: Surawicz & Knilans, Chou's Electrocardiography; Rautaharju 2009 (P4), doi:10.1161/CIRCULATIONAHA.108.191096;
CV17. Numbers that no source fixes are [project] in the rule set.
"""

from __future__ import annotations

from ecg.analysis import Argument, Certainty, Evidence, Grade
from ecg.interpret.facts import Verdict
from ecg.interpret.logic import all3, any3, least3, rounded
from ecg.interpret.patterns import Pattern
from ecg.interpret.repolarisation import qtc
from ecg.interpret.sheet import BROAD, CHEST, FALSE, LOST, TWELVE, Outcome, Sheet, lacking
from ecg.recording import Text

NAMES = {
    "S_HYPERK": Text("高钾血症样改变，立即查血钾", "Hyperkalaemia pattern: check potassium now"),
    "S_HYPOK": Text("低钾血症样改变，查血钾", "Hypokalaemia pattern: check potassium"),
    "S_HYPERCA": Text("ST段缩短，可能为高钙血症", "Short ST segment, possible hypercalcaemia"),
    "S_HYPOCA": Text("ST段平直延长，可能为低钙血症", "Long straight ST segment, possible hypocalcaemia"),
}
LIMB = ("I", "II", "III", "aVL", "aVF")
MIDDLE = ("V2", "V3", "V4")
U_LEADS = ("V2", "V3", "V4", "II")
WITHOUT_ORDER = ("R_AF", "R_AFL")


# --- potassium in excess ---------------------------------------------------------------------------------------------


def _tall(sheet: Sheet, lead: str, slack: float) -> bool | None:
    limit = sheet.limit("electrolytes", "k_t_limb_mv" if lead in LIMB else "k_t_chest_mv")
    return sheet.holds(lead, "t_positive_mv", ">", limit - slack)


def _pointed(sheet: Sheet, lead: str) -> bool | None:
    """T at half its height is no broader than a quarter of QT."""
    width, qt = sheet.value(lead, "t_width_half_ms"), sheet.facts.measurements.qt_ms
    if width is None or not qt:
        return None
    return width <= round(sheet.limit("electrolytes", "k_t_width_share") * qt, 1)


def _over_r(sheet: Sheet, lead: str, slack: float) -> bool | None:
    """T above an R that is no small wave: an rS complex has T above r in health."""
    t, r = sheet.value(lead, "t_positive_mv"), sheet.value(lead, "r_mv")
    if t is None or r is None:
        return None
    return t > round(r - slack, 4) and r >= sheet.limit("electrolytes", "k_r_mv")


def _peaked(sheet: Sheet, slack: float) -> tuple[bool | None, list[str], list[str]]:
    """Whether T is tall and narrow enough, where, and what could not be told."""
    leads = (*LIMB, *CHEST)
    tall = {n: _tall(sheet, n, slack) for n in leads}
    over = {n: _over_r(sheet, n, slack) for n in MIDDLE}
    if least3(tall.values(), 3) is False and least3(over.values(), 2) is False:
        return False, [], []
    narrow = {n: _pointed(sheet, n) for n in leads}
    both = {n: all3([tall[n], narrow[n]]) for n in leads}
    second = {n: all3([over[n], narrow[n]]) for n in MIDDLE}
    least = int(sheet.limit("electrolytes", "k_leads"))
    true = any3([least3(both.values(), least), least3(second.values(), 2)])
    hit = [n for n in leads if both[n] or second.get(n)]
    lost = [n for n in leads if both[n] is None or (n in second and second[n] is None)]
    return true, hit, lost


def _atria(sheet: Sheet, verdict: Verdict) -> tuple[str | None, Evidence | None]:
    """What became of P: "flat", "lost" (with a regular rhythm), "slow" (a long PR), or nothing."""
    m, limit = sheet.facts.measurements, sheet.limit
    if m.pr_ms is None:
        rr = sheet.facts.rhythm.rr_ms
        beats = rr.size >= 2 and float(rr.std()) < limit("rhythm", "regular_sd") * float(rr.mean())
        # noise hides P: its loss is believed on a clean tracing only
        seen = sheet.facts.rhythm.p_share is not None and sheet.facts.quality.grade <= Grade.B
        lost = beats and seen and not any(verdict.has(c) for c in WITHOUT_ORDER)
        return ("lost", Evidence(None, "p_share", sheet.facts.rhythm.p_share, "<", None)) if lost else (None, None)
    pr = rounded(m.pr_ms, "pr_ms") or 0.0
    if pr > limit("electrolytes", "k_pr_ms"):
        return "slow", Evidence(None, "pr_ms", pr, ">", limit("electrolytes", "k_pr_ms"))
    heights = [abs(v) for n in TWELVE if (v := sheet.value(n, "p_mv")) is not None]
    if len(heights) >= 6 and max(heights) < limit("electrolytes", "k_p_mv"):
        return "flat", Evidence("II", "p_mv", sheet.value("II", "p_mv"), "<", limit("electrolytes", "k_p_mv"))
    return None, None


def _excess(sheet: Sheet, verdict: Verdict, slack: float) -> Outcome:
    true, hit, lost = _peaked(sheet, slack)
    width = rounded(sheet.facts.measurements.qrs_ms, "qrs_ms")
    atria, said = (None, None) if true is False and not _merging(sheet) else _atria(sheet, verdict)
    if true is not True and _merging(sheet) and atria == "lost" and not verdict.has("C_RBBB"):
        hit = [n for n in (*LIMB, *CHEST) if _tall(sheet, n, slack)]
        true = True if len(hit) >= int(sheet.limit("electrolytes", "k_leads")) else true
    if true is None:
        return lacking(lost)
    if not true:
        return FALSE
    diffuse = sheet.limit("electrolytes", "k_qrs_ms")
    wide = width is not None and width >= diffuse and not verdict.has("C_RBBB")
    grade = 3 if wide or atria == "lost" else 2 if atria else 1
    evidence = [Evidence(None, "k_grade", float(grade), ">=", 1.0)]
    for lead in hit:
        evidence += sheet.evidence((lead,), "t_positive_mv", ">", _height(sheet, lead))
        share = sheet.value(lead, "t_width_half_ms"), sheet.facts.measurements.qt_ms
        if share[0] is not None and share[1]:
            value = round(share[0] / share[1], 2)
            evidence.append(Evidence(lead, "t_width_qt", value, "<=", sheet.limit("electrolytes", "k_t_width_share")))
    evidence += [said] if said is not None else []
    evidence += [Evidence(None, "qrs_ms", width, ">=", diffuse)] if wide else []
    certainty = Certainty.POSSIBLE if grade == 1 else Certainty.PROBABLE
    return Outcome(True, tuple(evidence), certainty=certainty, notes=(f"GRADE_{grade}",))


def _height(sheet: Sheet, lead: str) -> float | None:
    """What T had to exceed there: its own limit, or R."""
    if lead in MIDDLE and not _tall(sheet, lead, 0.0):
        return sheet.value(lead, "r_mv")
    return sheet.limit("electrolytes", "k_t_limb_mv" if lead in LIMB else "k_t_chest_mv")


def _merging(sheet: Sheet) -> bool:
    """A QRS so broad at a rate so slow that it may be on its way into a sine wave."""
    m, limit = sheet.facts.measurements, sheet.limit
    return (
        m.qrs_ms is not None
        and m.heart_rate_bpm is not None
        and round(m.qrs_ms, 1) > limit("electrolytes", "k_sine_qrs_ms")
        and round(m.heart_rate_bpm, 1) < limit("electrolytes", "k_sine_bpm")
    )


def _excess_argued(sheet: Sheet, verdict: Verdict) -> tuple[Argument, ...]:
    out = [
        Argument(
            "E_HAT",
            True,
            Text(
                "超急性期T波基底宽、多限于一个供血区；本图T波高尖而基底窄。仍须结合胸痛并复查。",
                "A hyperacute T is broad at the base and keeps to one territory; this T is narrow there. With pain "
                "record again.",
            ),
        )
    ]
    for code, why in _TALL_TOO:
        if verdict.has(code) or verdict.has(code + "_*"):
            out.append(Argument(code, True, why))
    width = sheet.facts.measurements.qrs_ms
    if width is not None and width >= sheet.limit("electrolytes", "k_qrs_ms"):
        out.append(
            Argument(
                "NA_BLOCKER",
                True,
                Text(
                    "QRS增宽也可由钠通道阻滞剂引起（aVR导联终末R波增高），须问服药史。",
                    "Sodium-channel blockers widen QRS too (tall late R in aVR): ask about drugs.",
                ),
            )
        )
    return tuple(out)


_TALL_TOO = (
    ("T_ER", Text("早期复极也可有高大T波。", "Early repolarisation may have tall T waves.")),
    ("H_LVH", Text("左室肥大时V1–V3导联T波可增高。", "In LVH T of V1–V3 may be tall.")),
    ("R_SBRAD", Text("心动过缓及迷走张力高时T波可增高。", "A slow rate and vagal tone make T tall.")),
)


# --- potassium in want -----------------------------------------------------------------------------------------------


def _higher_u(sheet: Sheet, lead: str, slack: float) -> bool | None:
    """U at its limit and above T; or as high as T where ST is depressed.

    Where the next P leaves no room for U it is not seen. A U above T would then be what is measured as T (§2.1), and
    QT would be long: behind an upright T that ends in time there is none.
    """
    limit = sheet.limit
    u, t = sheet.value(lead, "u_mv"), sheet.value(lead, "t_mv")
    if t is None:
        return None
    if u is None:
        ended = (qtc(sheet.facts) or 999.0) < limit("electrolytes", "hypoca_ms")
        return False if t >= limit("electrolytes", "u_mv") and ended else None
    plain = u >= round(limit("electrolytes", "u_mv") - slack, 4) and u > t
    if plain or u <= 0.0 or t <= 0.0 or u < t:
        return plain
    return sheet.holds(lead, "st_j80_mv", "<=", limit("electrolytes", "u_st_mv") + slack)


def _want(sheet: Sheet, verdict: Verdict, slack: float) -> Outcome:
    held = {n: _higher_u(sheet, n, slack) for n in U_LEADS}
    qt, most = rounded(sheet.facts.measurements.qt_ms, "qt_ms"), sheet.limit("electrolytes", "qu_ms")
    fused = qt is not None and qt > most and verdict.has("S_LQT")
    true = any3([fused, *held.values()])
    if true is None:
        return lacking([n for n, one in held.items() if one is None])
    if not true:
        return FALSE
    evidence: list[Evidence] = []
    for lead in (n for n in U_LEADS if held[n]):
        evidence += sheet.evidence((lead,), "u_mv", ">=", sheet.limit("electrolytes", "u_mv"))
        evidence += sheet.evidence((lead,), "t_mv", "<=", sheet.value(lead, "u_mv"))
    evidence += [Evidence(None, "qt_ms", qt, ">", most)] if fused else []
    return Outcome(True, tuple(evidence), certainty=Certainty.PROBABLE if any(held.values()) else Certainty.POSSIBLE)


def _want_argued(_sheet: Sheet, verdict: Verdict) -> tuple[Argument, ...]:
    out = [
        Argument(
            "S_DIG",
            True,
            Text("洋地黄作用也可有U波，但QT缩短；须问服药史。", "Digitalis raises U too, with a short QT: ask."),
        )
    ]
    if verdict.has("S_LQT"):
        why = Text("长QT综合征2型的双峰T波可相似。", "The bifid T of long QT syndrome type 2 may look alike.")
        out.append(Argument("S_LQT", True, why))
    if verdict.has("R_SBRAD"):
        out.append(Argument("R_SBRAD", True, Text("心动过缓时U波可明显。", "A slow rate makes U prominent.")))
    return tuple(out)


# --- calcium ---------------------------------------------------------------------------------------------------------


def _t_onset_ms(sheet: Sheet) -> float | None:
    """From J to the beginning of T, the median over the leads where T is seen."""
    facts = sheet.facts
    if facts.outline is None or facts.outline.t is None or facts.qrs is None or not facts.outline.t_seen.any():
        return None
    onsets = sorted(facts.outline.t[facts.outline.t_seen, 0].tolist())
    return rounded((onsets[len(onsets) // 2] - facts.qrs[1]) * 1000.0 / facts.rate_hz, "t_onset_ms")


def _apex_ms(sheet: Sheet) -> float | None:
    """From QRS onset to the top of T, corrected by Bazett (QaTc)."""
    m = sheet.facts.measurements
    if m.qt_ms is None or m.t_peak_end_ms is None or not m.heart_rate_bpm:
        return None
    return rounded((m.qt_ms - m.t_peak_end_ms) / (60.0 / m.heart_rate_bpm) ** 0.5, "qat_ms")


def _calcium(sheet: Sheet, _verdict: Verdict, _slack: float) -> Outcome:
    value, limit = qtc(sheet.facts), sheet.limit
    if value is None:
        return lacking(("QT",))
    if round(value, 1) > limit("electrolytes", "hyperca_ms"):
        return FALSE
    apex, onset = _apex_ms(sheet), _t_onset_ms(sheet)
    early = None if apex is None else apex < limit("electrolytes", "hyperca_apex_ms")
    absent = None if onset is None else onset < limit("electrolytes", "hyperca_st_ms")
    true = all3([early, absent])
    if true is None:
        return lacking(("T",))
    evidence = (
        Evidence(None, "qtc_ms", rounded(value, "qtc_ms"), "<=", limit("electrolytes", "hyperca_ms")),
        Evidence(None, "qat_ms", apex, "<", limit("electrolytes", "hyperca_apex_ms")),
        Evidence(None, "t_onset_ms", onset, "<", limit("electrolytes", "hyperca_st_ms")),
    )
    return Outcome(true, evidence, certainty=Certainty.POSSIBLE)


def _calcium_argued(_sheet: Sheet, _verdict: Verdict) -> tuple[Argument, ...]:
    return (
        Argument(
            "S_SQT",
            True,
            Text(
                "短QT综合征、洋地黄也可使QT缩短；查血钙。",
                "Short QT syndrome and digitalis shorten QT too: check calcium.",
            ),
        ),
    )


def _lack(sheet: Sheet, _verdict: Verdict, _slack: float) -> Outcome:
    value, limit = qtc(sheet.facts), sheet.limit
    if value is None:
        return lacking(("QT",))
    if round(value, 1) < limit("electrolytes", "hypoca_ms"):
        return FALSE
    onset = _t_onset_ms(sheet)
    if onset is None:
        return lacking(("T",))
    evidence = (
        Evidence(None, "qtc_ms", rounded(value, "qtc_ms"), ">=", limit("electrolytes", "hypoca_ms")),
        Evidence(None, "t_onset_ms", onset, ">=", limit("electrolytes", "hypoca_st_ms")),
    )
    upright = limit("repolarisation", "flat_t_mv")
    flat = any3(all3([_level(sheet, n), sheet.holds(n, "t_mv", ">=", upright)]) for n in ("II", "V5", "V6"))
    return Outcome(
        all3([onset >= limit("electrolytes", "hypoca_st_ms"), flat]), evidence,
        missing=() if flat is not None else ("II", "V5", "V6"), certainty=Certainty.POSSIBLE,
    )  # fmt: skip


def _level(sheet: Sheet, lead: str) -> bool | None:
    """ST runs level from J to 80 ms behind it."""
    first, last = sheet.st(lead), sheet.value(lead, "st_j80_mv")
    return (
        None if first is None or last is None else abs(round(last - first, 4)) <= sheet.limit("equivalents", "level_mv")
    )


def _lack_argued(_sheet: Sheet, _verdict: Verdict) -> tuple[Argument, ...]:
    why = Text(
        "长QT综合征3型的ST段也长而平，T波晚现；查血钙。", "Long QT syndrome type 3 has a late T too: check calcium."
    )
    return (Argument("S_LQT", True, why),)


PATTERNS = (
    Pattern("S_HYPERK", NAMES["S_HYPERK"], "SURA; CV17; CLINICAL §3.6", _excess, _excess_argued, narrow=False),
    Pattern(
        "S_HYPOK",
        NAMES["S_HYPOK"],
        "SURA; P4; CV17; CLINICAL §3.6",
        _want,
        _want_argued,
        (*BROAD, *LOST, "R_AFL"),
        False,
    ),
    Pattern("S_HYPERCA", NAMES["S_HYPERCA"], "SURA; CLINICAL §3.6", _calcium, _calcium_argued),
    Pattern("S_HYPOCA", NAMES["S_HYPOCA"], "SURA; CLINICAL §3.6", _lack, _lack_argued),
)
