"""ST–T and QT without acute infarction (CLINICAL.md §3.6)."""

from __future__ import annotations

from ecg.analysis import Argument, Certainty
from ecg.interpret.facts import WHY_CHILD, Facts, Verdict
from ecg.interpret.logic import Test, all3, any3, compare, least3
from ecg.recording import Sex, Text

NAMES = {
    "T_ISCH_ST": Text("ST段压低，提示心肌缺血", "ST depression, suggests ischaemia"),
    "T_ISCH_T": Text("T波倒置，提示心肌缺血", "T-wave inversion, suggests ischaemia"),
    "T_NONSPEC": Text("非特异性ST-T改变", "Non-specific ST–T change"),
    "T_TALL": Text("T波高耸", "Tall T waves"),
    "T_ER": Text("早期复极", "Early repolarisation pattern"),
    "S_LQT": Text("QT间期延长", "Long QT interval"),
    "S_SQT": Text("QT间期缩短", "Short QT interval"),
    "S_CNS": Text("T波深倒置伴QT延长，须考虑颅内病变", "Deep T inversion with long QT: consider an intracranial event"),
    "S_HCM_AP": Text("巨大倒置T波，须考虑心尖肥厚型心肌病", "Giant negative T: consider apical hypertrophy"),
    "S_DEX": Text("疑似右位心", "Suspected dextrocardia"),
}
ST_T = ("T_ISCH_ST", "T_ISCH_T", "T_NONSPEC", "T_TALL", "T_ER")
SUPPRESSED_BY = ("C_LBBB", "C_PACE_V", "C_PACE_AV", "C_WPW", "C_WPW_AF", "R_VT", "R_AFL", "R_VF")
LIMB_PAIRS = (("I", "aVL"), ("II", "aVF"), ("III", "aVF"), ("II", "III"))
PAIRS = (*LIMB_PAIRS, ("V1", "V2"), ("V2", "V3"), ("V3", "V4"), ("V4", "V5"), ("V5", "V6"))
LEFT = ("I", "II", "V4", "V5", "V6")
EARLY = (("II", "aVF"), ("III", "aVF"), ("II", "III"), ("I", "aVL"), ("V4", "V5"), ("V5", "V6"))
CHEST = ("V1", "V2", "V3", "V4", "V5", "V6")
LIMB = ("I", "II", "III", "aVL", "aVF")
RIGHT = frozenset(("V1", "V2", "V3"))
WHY_BARRED = Text(
    "左束支阻滞、起搏、预激、室速或房扑时ST-T不作判断。",
    "ST–T is not judged with LBBB, pacing, pre-excitation, VT or flutter.",
)
WHY_ST = Text("ST段不能判断（滤波、增益或心搏不足）。", "ST cannot be judged (filter, gain, or too few beats).")
WHY_QT = Text("心率过快、T波过低或终点不明，QT不作判断。", "Too fast, T too flat or its end unsure: QT is not judged.")
STRAIN = Argument(
    "H_LVH",
    True,
    Text("左室肥大的继发改变也可如此，须结合临床。", "Left ventricular hypertrophy may do the same."),
)
RATE = Argument(
    "RATE",
    True,
    Text("心率过快可引起ST压低，控制心率后复查。", "A fast rate may depress ST: repeat after rate control."),
)


def interpret(facts: Facts, verdict: Verdict) -> None:
    """Adds the ST–T and QT findings."""
    if facts.child:
        for code in NAMES:
            verdict.skip(code, ("age",), WHY_CHILD)
        return
    barred = next((code for code in SUPPRESSED_BY if verdict.has(code)), None)
    if barred or not facts.st_usable:
        for code in ST_T:
            verdict.skip(code, (barred or "ST",), WHY_BARRED if barred else WHY_ST)
    else:
        _depression(facts, verdict)
        _inversion(facts, verdict)
        _minor(facts, verdict)
        _tall(facts, verdict)
        _early(facts, verdict)
        _deep(facts, verdict)
    _qt(facts, verdict)
    _mirror(facts, verdict)


def _usable(facts: Facts, verdict: Verdict, pair: tuple[str, str]) -> bool:
    """RBBB bars V1–V3: its ST and T there are its own."""
    return not (verdict.has("C_RBBB") and set(pair) & RIGHT)


def _paired(
    facts: Facts, verdict: Verdict, tests: dict[str, Test], pairs: tuple[tuple[str, str], ...]
) -> tuple[list[Test], bool | None]:
    held = [p for p in pairs if _usable(facts, verdict, p)]
    both = {p: all3([tests[p[0]].true, tests[p[1]].true]) for p in held}
    leads = dict.fromkeys(n for p, true in both.items() if true is not False for n in p)
    return [tests[n] for n in leads], any3(both.values())


def _argued(facts: Facts, verdict: Verdict) -> tuple[Argument, ...]:
    fast = (facts.measurements.heart_rate_bpm or 0.0) > 130.0
    strained = verdict.has("H_LVH*")
    return (*((STRAIN,) if strained else ()), *((RATE,) if fast else ()))


def _depression(facts: Facts, verdict: Verdict) -> None:
    limit = facts.rules.limit("repolarisation", "st_mv")
    band = facts.rules.limit("bands", "amplitude_mv")
    tests: dict[str, Test] = {}
    for lead in dict.fromkeys(n for p in PAIRS for n in p):
        j, late = facts.value(lead, "st_j_mv"), facts.value(lead, "st_j80_mv")
        worst = None if j is None or late is None else max(j, late)
        sloping = None if j is None or late is None else late - j <= 0.04
        test = compare(lead, "st_j80_mv", worst, "<=", limit, band)
        tests[lead] = Test(test.evidence, all3([test.true, sloping]), test.borderline and bool(sloping))
    seen, true = _paired(facts, verdict, tests, PAIRS)
    near = any(_usable(facts, verdict, p) and all(tests[n].true or tests[n].borderline for n in p) for p in PAIRS)
    shown = seen if true is not False else [t for t in tests.values() if t.borderline]
    verdict.decide(
        facts, "T_ISCH_ST", NAMES["T_ISCH_ST"], shown, true, "UDMI4; P6; CLINICAL §3.6", Certainty.PROBABLE,
        _argued(facts, verdict), near=near,
    )  # fmt: skip


def _inversion(facts: Facts, verdict: Verdict) -> None:
    limit = facts.rules.limit("repolarisation", "t_mv")
    tests: dict[str, Test] = {}
    for lead in dict.fromkeys(n for p in PAIRS for n in p):
        r, s = facts.value(lead, "r_mv"), facts.value(lead, "s_mv")
        prominent = None if r is None or s is None else r > -s
        test = compare(lead, "t_mv", facts.value(lead, "t_mv"), "<", limit)
        tests[lead] = Test(test.evidence, all3([test.true, prominent]))
    seen, true = _paired(facts, verdict, tests, PAIRS)
    verdict.decide(
        facts, "T_ISCH_T", NAMES["T_ISCH_T"], seen, true, "UDMI4; CLINICAL §3.6", Certainty.PROBABLE,
        _argued(facts, verdict), near=False,
    )  # fmt: skip


def _minor(facts: Facts, verdict: Verdict) -> None:
    """Flat T or slight depression in two left leads, where nothing more was said."""
    if verdict.has("T_ISCH_ST") or verdict.has("T_ISCH_T"):
        return
    limit = facts.rules.limit
    tests: list[Test] = []
    for lead in LEFT:
        t, r, j = (facts.value(lead, m) for m in ("t_mv", "r_mv", "st_j80_mv"))
        flat = None
        if t is not None and r is not None:
            share, most = round(limit("repolarisation", "flat_t_share") * r, 4), limit("repolarisation", "flat_t_mv")
            flat = abs(t) < share if r >= limit("repolarisation", "flat_r_mv") else abs(t) < most and r > 0.1
        low = None if j is None else j <= limit("repolarisation", "minor_st_mv")
        test = compare(lead, "t_mv", t, "<", limit("repolarisation", "flat_t_mv"))
        tests.append(Test(test.evidence, any3([flat, low])))
    seen = [t for t in tests if t.true is not False]
    verdict.decide(
        facts,
        "T_NONSPEC",
        NAMES["T_NONSPEC"],
        seen,
        least3((t.true for t in tests), 2),
        "P4; CLINICAL §3.6",
        near=False,
    )


def _tall(facts: Facts, verdict: Verdict) -> None:
    limit = facts.rules.limit
    tests = [compare(n, "t_mv", facts.value(n, "t_mv"), ">", limit("repolarisation", "tall_limb_mv")) for n in LIMB]
    tests += [compare(n, "t_mv", facts.value(n, "t_mv"), ">", limit("repolarisation", "tall_chest_mv")) for n in CHEST]
    seen = [t for t in tests if t.true is not False]
    verdict.decide(
        facts, "T_TALL", NAMES["T_TALL"], seen, any3(t.true for t in tests), "Collins 1990; CLINICAL §3.6", near=False
    )


def _early(facts: Facts, verdict: Verdict) -> None:
    limit = facts.rules.limit
    narrow = compare(None, "qrs_ms", facts.measurements.qrs_ms, "<", limit("conduction", "bbb_ms"))
    tests: dict[str, Test] = {}
    for lead in dict.fromkeys(n for p in EARLY for n in p):
        tests[lead] = compare(
            lead, "jp_mv", facts.value(lead, "jp_mv"), ">=", limit("repolarisation", "er_jp_mv"),
            limit("bands", "amplitude_mv"),
        )  # fmt: skip
    seen, paired = _paired(facts, verdict, tests, EARLY)
    true = all3([narrow.true, paired])
    verdict.decide(
        facts, "T_ER", NAMES["T_ER"], [narrow, *seen], true, "Macfarlane 2015, doi:10.1016/j.jacc.2015.05.033",
        Certainty.PROBABLE, notes=_after_jt(facts, [t.evidence.lead for t in seen if t.true]), near=False,
    )  # fmt: skip


def _after_jt(facts: Facts, leads: list[str | None]) -> tuple[str, ...]:
    """Whether ST rises from Jt in every lead of the pattern: the benign form (Macfarlane 2015). ST 80 ms after J is the
    point that is measured next to Jt + 100 ms, and the lower one on a rising ST."""
    pairs = [(facts.value(n, "jt_mv"), facts.value(n, "st_j80_mv")) for n in leads if n is not None]
    if not pairs or any(jt is None or late is None for jt, late in pairs):
        return ()
    rising = all(late > jt for jt, late in pairs if jt is not None and late is not None)
    return ("ASCENDING",) if rising else ("HORIZONTAL_OR_DESCENDING",)


def _deep(facts: Facts, verdict: Verdict) -> None:
    limit = facts.rules.limit
    deep = [compare(n, "t_mv", facts.value(n, "t_mv"), "<=", limit("special", "cns_t_mv")) for n in (*LIMB, *CHEST)]
    long = compare(None, "qtc_ms", qtc(facts), ">=", limit("special", "cns_qtc_ms"))
    true = all3([least3((t.true for t in deep), 5), long.true])
    seen = [t for t in deep if t.true is not False]
    verdict.decide(
        facts, "S_CNS", NAMES["S_CNS"], [*seen, long], true, "P2 204; CLINICAL §3.6", Certainty.POSSIBLE, near=False
    )
    giant = [
        compare(n, "t_mv", facts.value(n, "t_mv"), "<=", limit("special", "apical_t_mv")) for n in ("V3", "V4", "V5")
    ]
    tall = compare("V5", "r_mv", facts.value("V5", "r_mv"), ">", limit("special", "apical_r_mv"))
    true = all3([any3(t.true for t in giant), tall.true])
    seen = [t for t in giant if t.true is not False]
    verdict.decide(
        facts, "S_HCM_AP", NAMES["S_HCM_AP"], [*seen, tall], true, "SURA; CLINICAL §3.6", Certainty.POSSIBLE, near=False
    )


def qtc(facts: Facts) -> float | None:
    """QTc as the rules take it: Bazett from 60 to 90/min, Fridericia outside; a wide QRS by its modified QT; ``None``
    above 120/min, where T is flat in nine leads or its end unsure."""
    m, limit = facts.measurements, facts.rules.limit
    rate, wide = m.heart_rate_bpm, (m.qrs_ms or 0.0) >= limit("conduction", "bbb_ms")
    held = m.qtmc_ms if wide else m.qtc_ms
    if held is None or rate is None or rate > limit("repolarisation", "qt_fast_bpm") or "QT_UNSURE" in m.flags:
        return None
    values = [facts.value(n, "t_mv") for n in facts.leads]
    flat = sum(v is not None and abs(v) < limit("repolarisation", "flat_t_mv") for v in values)
    if flat >= limit("repolarisation", "flat_leads"):
        return None
    return held.bazett if 60.0 <= rate <= 90.0 else held.fridericia


def _qt(facts: Facts, verdict: Verdict) -> None:
    limit, value = facts.rules.limit, qtc(facts)
    if value is None or verdict.has("R_AFL"):
        for code in ("S_LQT", "S_SQT"):
            verdict.skip(code, ("QT",), WHY_QT)
        return
    man = facts.sex == Sex.MALE
    notes = () if facts.sex is not None else ("assumed_sex",)
    # Unknown sex takes the limit that alerts earlier (CLINICAL.md, conventions).
    least = limit("repolarisation", "qt_women_ms" if facts.sex == Sex.FEMALE else "qt_men_ms")
    long = compare(None, "qtc_ms", value, ">=", least, limit("bands", "duration_ms"))
    marked = value >= limit("repolarisation", "qt_marked_ms")
    sure = Certainty.DEFINITE if man or facts.sex == Sex.FEMALE else Certainty.PROBABLE
    verdict.decide(
        facts, "S_LQT", NAMES["S_LQT"], [long], long.true, "P4; VA22; CLINICAL §3.6", sure,
        notes=(*notes, *(("MARKED",) if marked else ())),
    )  # fmt: skip
    rate = facts.measurements.heart_rate_bpm or 0.0
    if 50.0 <= rate <= 90.0:
        # P4's 390 ms would call every eighth healthy heart short (§2.5: 2 % lie below 361): 360 decides.
        short = compare(None, "qtc_ms", value, "<=", limit("repolarisation", "qt_short_history_ms"))
        alone = value <= limit("repolarisation", "qt_short_alone_ms")
        sure = Certainty.PROBABLE if alone else Certainty.POSSIBLE
        verdict.decide(facts, "S_SQT", NAMES["S_SQT"], [short], short.true, "P4; VA22 §7.2.4; CLINICAL §3.6", sure)
    else:
        verdict.skip("S_SQT", ("heart_rate_bpm",), WHY_QT)


def _mirror(facts: Facts, verdict: Verdict) -> None:
    """P, QRS and T upside down in I while R falls across the chest."""
    first, last = facts.value("V1", "r_mv"), facts.value("V6", "r_mv")
    fall = None if first is None or last is None else last - first
    tests = [
        compare("I", "p_mv", facts.value("I", "p_mv"), "<", 0.0),
        compare("I", "qrs_area_mv_ms", facts.value("I", "qrs_area_mv_ms"), "<", 0.0),
        compare("I", "t_mv", facts.value("I", "t_mv"), "<", 0.0),
        compare("V6", "r_step_mv", fall, "<", 0.0),
    ]
    verdict.decide(
        facts, "S_DEX", NAMES["S_DEX"], tests, all3(t.true for t in tests), "SURA; P2 230; CLINICAL §3.6",
        Certainty.POSSIBLE, near=False,
    )  # fmt: skip
