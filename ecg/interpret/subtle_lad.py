"""Anterior elevation below STEMI: subtle LAD occlusion or normal variant (CLINICAL.md §4.7), and the distorted end of
QRS (§4.4, E_TQRSD).

The four-variable value (Driver 2017) speaks only inside a gate: elevation of 0.1 mV in one of V2–V4, and no feature
that decides by itself. Outside it the rule is not assessed, never "benign". A convex ST inside the gate decides without
the formula.
"""

from __future__ import annotations

from ecg.analysis import Certainty, Evidence, State
from ecg.interpret import hyperacute
from ecg.interpret.facts import WHY_LEADS, WHY_QUALITY, Verdict
from ecg.interpret.logic import all3, any3, rounded
from ecg.interpret.q_waves import pathological
from ecg.interpret.sheet import BROAD, CHEST, INFERIOR, LOST, Sheet, barred
from ecg.recording import Text

NAMES = {
    "E_SUBLAD": Text("隐匿性前降支闭塞", "Subtle LAD occlusion"),
    "E_TQRSD": Text(
        "V2–V3导联终末QRS波畸变伴ST段抬高（前降支闭塞）", "Terminal QRS distortion in V2–V3 (LAD occlusion)"
    ),
}
SOURCES = {
    "E_SUBLAD": "Driver 2017, doi:10.1016/j.jelectrocard.2017.04.005; Smith 2012, "
    "doi:10.1016/j.annemergmed.2012.02.015; CLINICAL §4.7",
    "E_TQRSD": "Lee 2016, doi:10.1016/j.ajem.2016.08.053; CLINICAL §4.4",
}
GATE = CHEST[1:4]
FEATURES = {
    "st": Text("ST段抬高达0.5 mV，由STEMI规则判断。", "ST of 0.5 mV or more: the STEMI rules decide."),
    "q": Text("V2–V4导联有Q波，由其他规则判断。", "Q in V2–V4: other rules decide."),
    "lvh": Text("左室高电压时公式不适用。", "With left ventricular voltage the formula does not apply."),
    "depression": Text(
        "下壁或V2–V6导联有ST段压低，由其他规则判断。", "Depression in inferior or V2–V6 leads: other rules decide."
    ),
    "inversion": Text("V2–V6导联T波倒置，由其他规则判断。", "Inverted T in V2–V6: other rules decide."),
    "distorted": Text("已有终末QRS波畸变。", "The end of QRS is distorted already."),
    "convex": Text("V5–V6导联ST段弓背向上，由医师判读。", "Convex ST outside V2–V4: a physician must read."),
    "age": Text("18岁以下公式不适用。", "Below 18 years the formula does not apply."),
}
WHY_QT = Text("QT不能测量，公式不能计算。", "QT could not be measured: no formula.")


def value(sheet: Sheet) -> float | None:
    """1.062·STE60V3 + 0.052·QTc − 0.151·QRSV2 − 0.268·RV4, in mm and ms; Bazett, below 60/min the plain QT."""
    m = sheet.facts.measurements
    st, size, r = sheet.value("V3", "st_j60_mv"), sheet.value("V2", "qrs_pp_mv"), sheet.value("V4", "r_mv")
    slow = m.heart_rate_bpm is not None and m.heart_rate_bpm < sheet.limit("subtle_lad", "slow_bpm")
    qt = m.qt_ms if slow else None if m.qtc_ms is None else m.qtc_ms.bazett
    if st is None or size is None or r is None or qt is None:
        return None
    a, b, c, d = sheet.facts.rules.rules["subtle_lad"]["driver"]
    return rounded(a * st * 10 + b * qt - c * size * 10 - d * r * 10, "formula_bpm")


def distorted(sheet: Sheet) -> bool | None:
    """No S wave and no J wave in V2 or V3 with 0.1 mV of elevation in it."""
    return any3(_distorted_in(sheet, n) for n in ("V2", "V3"))


def _distorted_in(sheet: Sheet, lead: str, slack: float = 0.0) -> bool | None:
    jp = sheet.value(lead, "jp_mv")
    plain = None if jp is None else sheet.word(lead, "j_wave") is None
    return all3(
        [
            sheet.holds(lead, "st_j_mv", ">=", sheet.limit("subtle_lad", "elevation_mv") - slack),
            sheet.holds(lead, "r_mv", ">", 0.0),
            sheet.holds(lead, "s_mv", ">=", 0.0),
            sheet.holds(lead, "s2_mv", ">=", 0.0),
            plain,
        ]
    )


def interpret(sheet: Sheet, verdict: Verdict, voltage: bool | None) -> None:
    """Adds E_TQRSD and E_SUBLAD. ``voltage``: whether the left ventricle is hypertrophied by §4.8's gate."""
    held = barred(sheet.facts, verdict, by=(*BROAD, *LOST))
    if held is not None:
        for code in NAMES:
            verdict.skip(code, *held)
        return
    raised = {n: sheet.holds(n, "st_j_mv", ">=", sheet.limit("subtle_lad", "elevation_mv")) for n in GATE}
    if any3(raised.values()) is None:
        lost = tuple(n for n, true in raised.items() if true is None)
        why = WHY_LEADS if any(n not in sheet.facts.leads for n in lost) else WHY_QUALITY
        for code in NAMES:
            verdict.skip(code, lost, why)
        return
    _terminal(sheet, verdict, voltage)
    if any3(raised.values()):
        _subtle(sheet, verdict, voltage, [n for n in GATE if raised[n]])


def _terminal(sheet: Sheet, verdict: Verdict, voltage: bool | None) -> None:
    """E_TQRSD, inside the gate that it was described in: no Q in V2–V4, no hypertrophy."""
    hit = distorted(sheet)
    if hit is False:
        near = any3(_distorted_in(sheet, n, sheet.limit("bands", "amplitude_mv")) for n in ("V2", "V3"))
        if not near:
            return
    clear = all3([*((None if (q := pathological(sheet, n)) is None else not q) for n in GATE)])
    if hit is None or clear is None or voltage is None:
        lost = sheet.missing(GATE, "q_ms") + sheet.missing(("V2", "V3"), "jp_mv")
        missing = lost or (("LVH",) if voltage is None else ("J",))
        verdict.skip("E_TQRSD", missing, WHY_QUALITY)
        return
    if not clear or voltage:
        verdict.skip("E_TQRSD", ("gate",), FEATURES["q" if not clear else "lvh"])
        return
    slack = 0.0 if hit else sheet.limit("bands", "amplitude_mv")
    leads = [n for n in ("V2", "V3") if _distorted_in(sheet, n, slack)]
    evidence = [
        *sheet.evidence(leads, "st_j_mv", ">=", sheet.limit("subtle_lad", "elevation_mv")),
        *sheet.evidence(leads, "s_mv", ">=", 0.0),
        *sheet.evidence(leads, "jp_mv", "<=", 0.0),
    ]
    certainty = Certainty.DEFINITE if hit else Certainty.POSSIBLE
    held = State.TRUE if hit else State.BORDERLINE
    verdict.add(sheet.facts.finding("E_TQRSD", NAMES["E_TQRSD"], evidence, SOURCES["E_TQRSD"], certainty, held))


def _subtle(sheet: Sheet, verdict: Verdict, voltage: bool | None, raised: list[str]) -> None:
    feature = _decided_elsewhere(sheet, voltage)
    if feature is not None:
        verdict.skip("E_SUBLAD", *feature)
        return
    convex = [n for n in raised if sheet.word(n, "st_shape") == "convex"]
    notes = () if sheet.facts.age is not None else ("assumed_age",)
    lifted = sheet.evidence(raised, "st_j_mv", ">=", sheet.limit("subtle_lad", "elevation_mv"))
    if convex:
        evidence = [*lifted, *(Evidence(n, "st_shape", "convex", "=", "convex") for n in convex)]
        _say(sheet, verdict, evidence, Certainty.PROBABLE, (*notes, "CONVEX"))
        return
    found = value(sheet)
    if found is None:
        verdict.skip("E_SUBLAD", ("QT",) if sheet.facts.measurements.qtc_ms is None else ("V2", "V3", "V4"), WHY_QT)
        return
    possible, band, likely = (sheet.limit("subtle_lad", n) for n in ("possible", "band", "likely"))
    if found < round(possible - band, 1):
        return
    sure = found >= likely or (verdict.has("E_HAT") and any(hyperacute.in_lead(sheet, n) for n in GATE))
    if found < possible + band and not sure:
        notes = (*notes, "INDETERMINATE")
    cut = likely if found >= likely else possible
    evidence = [Evidence(None, "driver4", found, ">=", cut if found >= possible else round(possible - band, 1))]
    _say(
        sheet, verdict, [*evidence, *_inputs(sheet), *lifted], Certainty.PROBABLE if sure else Certainty.POSSIBLE, notes
    )


def _say(
    sheet: Sheet, verdict: Verdict, evidence: list[Evidence], certainty: Certainty, notes: tuple[str, ...]
) -> None:
    verdict.add(
        sheet.facts.finding("E_SUBLAD", NAMES["E_SUBLAD"], evidence, SOURCES["E_SUBLAD"], certainty, notes=notes)
    )


def _inputs(sheet: Sheet) -> list[Evidence]:
    """The formula's four inputs, printed."""
    m = sheet.facts.measurements
    slow = m.heart_rate_bpm is not None and m.heart_rate_bpm < sheet.limit("subtle_lad", "slow_bpm")
    qt = m.qt_ms if slow or m.qtc_ms is None else m.qtc_ms.bazett
    return [
        Evidence("V3", "st_j60_mv", sheet.value("V3", "st_j60_mv"), "=", None),
        Evidence(None, "qt_ms" if slow else "qtc_ms", rounded(qt, "qt_ms"), "=", None),
        Evidence("V2", "qrs_pp_mv", sheet.value("V2", "qrs_pp_mv"), "=", None),
        Evidence("V4", "r_mv", sheet.value("V4", "r_mv"), "=", None),
    ]


def _decided_elsewhere(sheet: Sheet, voltage: bool | None) -> tuple[tuple[str, ...], Text] | None:
    """What closes the gate: the first feature that is there, else the first that could not be looked for."""
    limit = sheet.limit
    age = sheet.facts.age
    low = (*INFERIOR, *CHEST[1:])
    features: dict[str, bool | None] = {
        "age": age is not None and age < limit("subtle_lad", "age_years"),
        "st": any3(sheet.holds(n, "st_j_mv", ">=", limit("subtle_lad", "obvious_mv")) for n in CHEST),
        "q": any3(pathological(sheet, n) for n in GATE),
        "lvh": voltage,
        "depression": any3(sheet.holds(n, "st_j_mv", "<=", limit("equivalents", "depression_mv")) for n in low),
        "inversion": any3(sheet.holds(n, "t_mv", "<=", limit("subtle_lad", "inverted_mv")) for n in CHEST[1:]),
        "distorted": distorted(sheet),
        "convex": _convex_elsewhere(sheet),
    }
    for name, there in features.items():
        if there:
            return ("gate",), FEATURES[name]
    for name, there in features.items():
        if there is None:
            return (name,), FEATURES[name]
    return None


def _convex_elsewhere(sheet: Sheet) -> bool:
    """A convex and raised ST outside V2–V4: not the formula's patient."""
    least = sheet.limit("subtle_lad", "elevation_mv")
    return any(sheet.word(n, "st_shape") == "convex" and sheet.holds(n, "st_j_mv", ">=", least) for n in CHEST[4:])
