"""Axis, voltage and R progression (CLINICAL.md §3.4)."""

from __future__ import annotations

from ecg.analysis import Certainty
from ecg.interpret.facts import WHY_CHILD, WHY_QUALITY, Facts, Verdict
from ecg.interpret.logic import all3, any3, compare, least3
from ecg.recording import Text

NAMES = {
    "X_LAD": Text("电轴左偏", "Left axis deviation"),
    "X_RAD": Text("电轴右偏", "Right axis deviation"),
    "X_NWAD": Text("电轴极度右偏（无人区电轴）", "Extreme axis deviation"),
    "V_LOW_L": Text("肢体导联低电压", "Low voltage, limb leads"),
    "V_LOW_P": Text("胸导联低电压", "Low voltage, precordial leads"),
    "X_PRWP": Text("胸导联R波递增不良", "Poor R-wave progression"),
    "X_TRANS": Text("胸导联移行区改变", "Abnormal precordial transition"),
    "X_TALLRV1": Text("V1导联R波增高", "Tall R in V1"),
}
REVERSED = Text("胸导联R波逆递增", "Reversed R-wave progression")
EARLY = Text("逆钟向转位（移行区提前）", "Early precordial transition")
LATE = Text("顺钟向转位（移行区延迟）", "Late precordial transition")
LIMB = ("I", "II", "III", "aVR", "aVL", "aVF")
CHEST = ("V1", "V2", "V3", "V4", "V5", "V6")
SOURCE = "P2; P3; CLINICAL §3.4"


def interpret(facts: Facts, verdict: Verdict) -> None:
    """Adds axis, low voltage, R progression, transition and tall R in V1."""
    if facts.child:
        for code in NAMES:
            verdict.skip(code, ("age",), WHY_CHILD)
        return
    _axis(facts, verdict)
    if not facts.amplitude_usable:
        for code in ("V_LOW_L", "V_LOW_P", "X_PRWP", "X_TRANS", "X_TALLRV1"):
            verdict.skip(code, ("gain",), WHY_QUALITY)
        return
    _low(facts, verdict)
    if not any(verdict.has(c) for c in ("C_LBBB", "C_WPW", "C_PACE_V", "C_PACE_AV", "R_VT")):
        _progression(facts, verdict)


def _axis(facts: Facts, verdict: Verdict) -> None:
    axis, limit = facts.measurements.axis_deg.qrs, facts.rules.limit
    left, right = limit("axis", "left_deg"), limit("axis", "right_deg")
    ranges = {
        "X_LAD": [("<", left), (">=", -90.0)],
        "X_RAD": [(">", right), ("<=", 180.0)],
        "X_NWAD": [("<", -90.0), (">", -180.0)],
    }
    for code, bounds in ranges.items():
        tests = [compare(None, "qrs_axis_deg", axis, op, value) for op, value in bounds]
        marked = {"X_LAD": axis is not None and axis <= limit("axis", "marked_left_deg"),
                  "X_RAD": axis is not None and axis >= limit("axis", "marked_right_deg")}.get(code, False)  # fmt: skip
        notes = ("MARKED",) if marked else ()
        verdict.decide(facts, code, NAMES[code], tests, all3(t.true for t in tests), SOURCE, notes=notes, near=False)


def _low(facts: Facts, verdict: Verdict) -> None:
    for code, leads, name in (("V_LOW_L", LIMB, "low_limb_mv"), ("V_LOW_P", CHEST, "low_chest_mv")):
        most = facts.rules.limit("voltage", name)
        tests = [compare(n, "qrs_pp_mv", facts.value(n, "qrs_pp_mv"), "<", most) for n in leads]
        verdict.decide(
            facts, code, NAMES[code], tests, all3(t.true for t in tests), "P2; SURA; CLINICAL §3.4", near=False
        )


def _progression(facts: Facts, verdict: Verdict) -> None:
    limit = facts.rules.limit
    r = {n: facts.value(n, "r_mv") for n in CHEST}
    s = {n: facts.value(n, "s_mv") for n in CHEST}

    def step(first: str, second: str) -> float | None:
        a, b = r[first], r[second]
        return None if a is None or b is None else b - a

    poor = [
        compare("V3", "r_mv", r["V3"], "<=", limit("voltage", "poor_r_mv")),
        compare("V3", "r_step_mv", step("V2", "V3"), ">=", 0.0),
    ]
    back = [
        compare(b, "r_step_mv", step(a, b), "<=", -limit("voltage", "reversed_mv"))
        for a, b in (("V1", "V2"), ("V2", "V3"), ("V3", "V4"))
    ]
    true = any3([all3(t.true for t in poor), any3(t.true for t in back)])
    poorly = all3(t.true for t in poor)
    seen, name = (poor, NAMES["X_PRWP"]) if poorly or true is not True else (back, REVERSED)
    verdict.decide(facts, "X_PRWP", name, seen, true, "Zema 1982; P2; CLINICAL §3.4", near=False)

    def ratio(lead: str) -> float | None:
        up, down = r[lead], s[lead]
        if up is None or down is None:
            return None
        return up / -down if down < 0 else 10.0 if up > 0 else 0.0

    early = compare("V1", "r_s_ratio", ratio("V1"), ">", 1.0)
    late = compare("V5", "r_s_ratio", ratio("V5"), "<", 1.0)
    verdict.decide(
        facts,
        "X_TRANS",
        NAMES["X_TRANS"] if early.true == late.true else EARLY if early.true else LATE,
        [early, late],
        any3([early.true, late.true]),
        "SURA; CLINICAL §3.4",
        near=False,
    )
    tall = [
        compare("V1", "r_s_ratio", ratio("V1"), ">=", 1.0),
        compare("V1", "r_mv", r["V1"], ">=", limit("voltage", "tall_r_v1_mv")),
    ]
    broad = compare("V1", "r_ms", facts.value("V1", "r_ms"), ">=", limit("voltage", "tall_r_v1_ms"))
    true = all3([least3((t.true for t in tall), 1), broad.true])
    verdict.decide(
        facts,
        "X_TALLRV1",
        NAMES["X_TALLRV1"],
        [*tall, broad],
        true,
        "SURA; CLINICAL §3.4",
        Certainty.POSSIBLE,
        near=False,
    )
