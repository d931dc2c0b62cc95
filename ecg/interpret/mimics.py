"""What else could lift the ST segment: arguments beside a STEMI finding (CLINICAL.md §4.8).

A mimic never deletes a finding. It *explains* the elevation only if all its conditions are true (not assessed explains
nothing) and it covers every contiguous pair that fulfils §4.1: ``kept=False``. Otherwise the finding stands against it.

Early repolarisation is the hardest of them, because its elevation is real. By CLINICAL.md §2.1 a notch or slur inside
QRS's end makes J ambiguous, and by §4.1 elevation over an ambiguous J counts as explained; so it explains here, but
only where nothing at all speaks for an occlusion: the notch in two contiguous leads, ST concave and rising everywhere,
no reciprocal depression, no Q, no distortion of QRS's end, a low ST/T in V6 and the four-variable value below its band.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ecg.analysis import Argument
from ecg.interpret import subtle_lad
from ecg.interpret.facts import Verdict
from ecg.interpret.logic import all3, any3, not3
from ecg.interpret.q_waves import pathological
from ecg.interpret.sheet import CHEST, INFERIOR, TWELVE, Sheet
from ecg.recording import Sex, Text

FRONT = CHEST[:4]
SIDE = ("I", "aVL", "V5", "V6")
COVERED = frozenset(CHEST)

J_AMBIGUOUS = Argument(
    "J_AMBIGUOUS",
    False,
    Text(
        "J后20毫秒没有相邻导联仍达标：J点位置存疑。",
        "No contiguous pair still meets its limits 20 ms after J: the J point is in doubt.",
    ),
)


@dataclass(frozen=True, slots=True)
class Elevated:
    """What §4.1 found: the leads of one finding, and those of every contiguous pair that fulfils it."""

    leads: frozenset[str]
    all_leads: frozenset[str]

    @property
    def ordered(self) -> list[str]:
        """The leads of every pair in the order of the twelve, then the others."""
        return sorted(self.all_leads, key=lambda n: TWELVE.index(n) if n in TWELVE else len(TWELVE))


def argue(sheet: Sheet, verdict: Verdict, elevated: Elevated) -> tuple[Argument, ...]:
    """The mimics that were weighed for a finding; only those whose question arises."""
    out = [weigh(sheet, verdict, elevated) for weigh in WEIGHED]
    return tuple(a for a in out if a is not None)


def hypertrophied(sheet: Sheet, verdict: Verdict) -> bool | None:
    """Left ventricular voltage: Sokolow–Lyon, Cornell, or R of aVL over 1.1 mV without anterior fascicular block."""
    limit = sheet.limit
    s1, s3, avl = _depth(sheet, "V1"), _depth(sheet, "V3"), sheet.value("aVL", "r_mv")
    tall = max((r for n in ("V5", "V6") if (r := sheet.value(n, "r_mv")) is not None), default=None)
    sex, age = sheet.facts.sex, sheet.facts.age
    old = age is None or age >= limit("lvh", "sokolow_age_years")
    sokolow = None if s1 is None or tall is None else old and round(s1 + tall, 4) >= limit("lvh", "sokolow_mv")
    least = limit("lvh", "cornell_men_mv" if sex == Sex.MALE else "cornell_women_mv")
    cornell = None if s3 is None or avl is None or sex is None else round(s3 + avl, 4) > least
    high = None if avl is None else avl > limit("lvh", "avl_mv") and not verdict.has("C_LAFB")
    return any3([sokolow, cornell, high])


def _depth(sheet: Sheet, lead: str) -> float | None:
    """Deepest negative wave of a lead's QRS, as a positive number."""
    parts = [sheet.value(lead, m) for m in ("q_mv", "s_mv", "s2_mv")]
    held = [p for p in parts if p is not None]
    return -min(held) if len(held) == len(parts) else None


# --- aneurysm --------------------------------------------------------------------------------------------------------


def aneurysm_ratios(sheet: Sheet) -> tuple[float, float] | None:
    """ΣT/ΣQRS over V1–V4 and the largest T/QRS of them; ``None`` where a value is missing."""
    t = [sheet.value(n, "t_positive_mv") for n in FRONT]
    qrs = [sheet.value(n, "qrs_pp_mv") for n in FRONT]
    if any(v is None for v in t + qrs) or not all(qrs):
        return None
    heights, sizes = [v or 0.0 for v in t], [v or 1.0 for v in qrs]
    return round(sum(heights) / sum(sizes), 4), round(max(h / s for h, s in zip(heights, sizes, strict=True)), 4)


def scarred(sheet: Sheet) -> bool | None:
    """QS, QR or lost R in V1–V4: the aneurysm rule's question arises."""
    least = sheet.limit("aneurysm", "no_r_mv")
    lost = (all3([sheet.holds(n, "r_mv", "<", least), _goes_down(sheet, n)]) for n in FRONT)
    return any3([*(pathological(sheet, n) for n in FRONT), *lost])


def _goes_down(sheet: Sheet, lead: str) -> bool | None:
    return any3([sheet.holds(lead, "q_mv", "<", 0.0), sheet.holds(lead, "s_mv", "<", 0.0)])


def _aneurysm(sheet: Sheet, _verdict: Verdict, elevated: Elevated) -> Argument | None:
    """QS or pathological Q under the elevation: an old aneurysm has small T (rules A and B must both say so)."""
    if not elevated.leads <= COVERED or not scarred(sheet):
        return None
    ratios = aneurysm_ratios(sheet)
    if ratios is None:
        why = Text(
            "缺T波或QRS振幅，室壁瘤规则不能解释抬高。", "T or QRS is missing: the aneurysm rule explains nothing."
        )
        return Argument("ANEURYSM", True, why)
    a, b = ratios
    numbers = f"ΣT/ΣQRS {a:.2f} (0.22), max T/QRS {b:.2f} (0.36)"
    zh = f"ΣT/ΣQRS {a:.2f}（界值0.22），最大T/QRS {b:.2f}（界值0.36）"
    if a > sheet.limit("aneurysm", "t_sum_ratio") or b >= sheet.limit("aneurysm", "t_lead_ratio"):
        return Argument(
            "ANEURYSM",
            True,
            Text(f"有Q/QS但T波高：{zh}，支持急性梗死。", f"Q or QS but tall T, {numbers}: fits an acute infarction."),
        )
    if not elevated.all_leads <= COVERED:
        return Argument(
            "ANEURYSM",
            True,
            Text(
                f"有Q/QS且T波低：{zh}，但胸前导联以外也有抬高，室壁瘤不能解释。",
                f"Q or QS with low T, {numbers}, but leads outside the chest are raised too: not explained.",
            ),
        )
    return Argument(
        "ANEURYSM",
        False,
        Text(
            f"有Q/QS且T波低：{zh}，符合室壁瘤；不能排除亚急性梗死。",
            f"Q or QS with low T, {numbers}: fits an old aneurysm; a subacute infarction is not excluded.",
        ),
    )


# --- hypertrophy -----------------------------------------------------------------------------------------------------


def _hypertrophy(sheet: Sheet, verdict: Verdict, elevated: Elevated) -> Argument | None:
    """LVH voltage explains elevation only with strain, without Q in the elevated leads, and below Armstrong's ratio."""
    if not elevated.leads <= COVERED or not hypertrophied(sheet, verdict):
        return None
    limit = sheet.limit
    strain = any3(
        all3(
            [
                sheet.holds(n, "st_j80_mv", "<=", limit("lvh", "strain_st_mv")),
                sheet.holds(n, "t_mv", "<=", limit("lvh", "strain_t_mv")),
            ]
        )
        for n in SIDE
    )
    scar = any3(pathological(sheet, n) for n in elevated.ordered if n != "V1")
    ratios = {n: _st_of_qrs(sheet, n) for n in CHEST[:3]}
    known = {n: r for n, r in ratios.items() if r is not None}
    acute = None if len(known) < len(ratios) else sum(r >= limit("lvh", "armstrong_ratio") for r in known.values()) >= 2
    said = ", ".join(f"{n} {r:.2f}" for n, r in known.items())
    zh = said.replace(", ", "、")
    if strain is True and scar is False and acute is False and elevated.all_leads <= COVERED:
        return Argument(
            "H_LVH",
            False,
            Text(
                f"左室肥大伴劳损，ST/QRS {zh}（均不达0.25标准）：继发性抬高。",
                f"LVH with strain, ST/QRS {said} (short of 0.25 in two leads): secondary elevation.",
            ),
        )
    reasons = (
        (strain is not True, "无劳损改变", "no strain"),
        (scar is not False, "抬高导联有Q波", "Q waves where ST is raised"),
        (acute is not False, f"ST/QRS {zh}（≥0.25）", f"ST/QRS {said} (0.25 or more)"),
        (True, "胸前导联以外也有抬高", "leads outside the chest are raised too"),
    )
    why = next((cn, en) for holds, cn, en in reasons if holds)
    return Argument(
        "H_LVH",
        True,
        Text(
            f"有左室高电压，但{why[0]}：不能解释抬高。",
            f"LVH voltage, but {why[1]}: it does not explain the elevation.",
        ),
    )


def _st_of_qrs(sheet: Sheet, lead: str) -> float | None:
    st, size = sheet.st(lead), sheet.value(lead, "qrs_pp_mv")
    return None if st is None or not size else round(st / size, 4)


# --- early repolarisation --------------------------------------------------------------------------------------------


def j_waves(sheet: Sheet) -> list[str]:
    """Inferior and lateral leads whose QRS ends in a notch or slur of 0.1 mV or more (Macfarlane 2015)."""
    return [n for n in (*INFERIOR, "I", "aVL", *CHEST[3:]) if _has_j_wave(sheet, n)]


def _has_j_wave(sheet: Sheet, lead: str) -> bool:
    """A J wave as it is measured, or a notch on R's way down in the second half of a QRS that never falls below 0."""
    if sheet.word(lead, "j_wave") in ("notch", "slur"):
        return sheet.holds(lead, "jp_mv", ">=", sheet.limit("early_repolarisation", "jp_mv")) is True
    held = sheet.facts.measurements.leads.get(lead)
    top, width = sheet.value(lead, "r_peak_ms"), sheet.facts.measurements.qrs_ms
    if held is None or top is None or width is None or not sheet.holds(lead, "s_mv", ">=", 0.0):
        return False
    after = max(top, sheet.limit("early_repolarisation", "late_share") * width)
    return any(notch.kind == "notch" and notch.at_ms > after for notch in held.notches)


def early(sheet: Sheet, verdict: Verdict) -> bool:
    """Whether the pattern is there: T_ER was found, or two contiguous leads carry such a notch."""
    if verdict.has("T_ER"):
        return True
    here = set(j_waves(sheet))
    groups = sheet.facts.rules.rules["stemi"]["pairs"]
    return any(a in here and b in here for name in ("chest", "limb") for a, b in groups[name])


def _early_repolarisation(sheet: Sheet, verdict: Verdict, elevated: Elevated) -> Argument | None:
    """Explains only where every sign of an occlusion was looked for and is absent."""
    if not elevated.leads <= set(TWELVE) or not early(sheet, verdict):
        return None
    against = _against_early(sheet, verdict, elevated)
    if against is not None:
        return Argument(
            "T_ER",
            True,
            Text(
                f"有早期复极的J波，但{against.zh}：不能解释抬高。",
                f"J waves of early repolarisation, but {against.en}: they do not explain the elevation.",
            ),
        )
    value = subtle_lad.value(sheet)
    score = "" if value is None else f"{value:.1f}"
    return Argument(
        "T_ER",
        False,
        Text(
            f"QRS终末有J波，ST段凹面向上，无对应性压低、无Q波，四变量公式{score}（<17.2）："
            "符合早期复极；仍须结合症状并动态复查。",
            f"J waves, concave ST, no reciprocal depression, no Q, four-variable value {score} (< 17.2): fits early "
            "repolarisation; symptoms and a second tracing still decide.",
        ),
    )


def _against_early(sheet: Sheet, verdict: Verdict, elevated: Elevated) -> Text | None:
    """The first thing that speaks against early repolarisation, or is not known; ``None`` if nothing does."""
    leads = elevated.ordered
    limit = sheet.limit
    most = limit("early_repolarisation", "st_mv")
    low = [n for n in TWELVE if n not in ("aVR", "V1")]
    scar = any3(pathological(sheet, n) for n in dict.fromkeys([*leads, *CHEST[1:]]))
    concave = all3(_concave(sheet, n) for n in leads)
    depressed = any3(sheet.holds(n, "st_j_mv", "<=", limit("early_repolarisation", "reciprocal_mv")) for n in low)
    value = subtle_lad.value(sheet)
    tests: tuple[tuple[bool | None, str, str], ...] = (
        (
            not3(any3(sheet.holds(n, "st_j_mv", ">=", most) for n in leads)),
            f"抬高达{most:g} mV",
            f"ST reaches {most:g} mV",
        ),
        (concave, "ST段不呈凹面向上", "ST is not concave"),
        (not3(depressed), "有对应性ST段压低", "reciprocal depression"),
        (not3(scar), "有异常Q波", "Q waves"),
        (all3(sheet.holds(n, "t_mv", ">", 0.0) for n in leads), "T波不直立", "T is not upright"),
        (not3(subtle_lad.distorted(sheet)), "有终末QRS波畸变", "the end of QRS is distorted"),
        (_low_st_t(sheet), "V6导联ST/T达0.25", "ST/T of V6 reaches 0.25"),
        (
            None if value is None else value < limit("subtle_lad", "possible") - limit("subtle_lad", "band"),
            "四变量公式不低于17.2",
            "the four-variable value is 17.2 or more",
        ),
        (not verdict.has("E_HAT"), "有超急性期T波", "hyperacute T"),
    )
    for holds, zh, en in tests:
        if holds is not True:
            return Text(
                zh if holds is False else f"{zh}未能排除", en if holds is False else f"“{en}” could not be excluded"
            )
    return None


def _concave(sheet: Sheet, lead: str) -> bool | None:
    """Shape of ST in one lead is concave, or straight and rising."""
    shape = sheet.word(lead, "st_shape")
    return None if shape is None else shape != "convex"


def _low_st_t(sheet: Sheet) -> bool | None:
    st, t = sheet.st("V6"), sheet.value("V6", "t_mv")
    if st is None or t is None or t <= 0:
        return None
    return round(st / t, 4) < sheet.limit("early_repolarisation", "st_t_v6")


# --- the others ------------------------------------------------------------------------------------------------------


def _variant(sheet: Sheet, verdict: Verdict, _elevated: Elevated) -> Argument | None:
    if not verdict.has("T_NVSTE"):
        return None
    value = subtle_lad.value(sheet)
    said = "" if value is None else f"{value:.1f}"
    return Argument(
        "T_NVSTE",
        True,
        Text(
            f"正常变异不能解释达到STEMI标准的抬高（四变量公式{said}）。",
            f"A normal variant does not explain elevation that fulfils §4.1 (four-variable value {said}).",
        ),
    )


def _pericarditis(sheet: Sheet, verdict: Verdict, elevated: Elevated) -> Argument | None:
    """Explains with T_PERI and nothing against it."""
    if not verdict.has("T_PERI"):
        return None
    second, third = sheet.st("II"), sheet.st("III")
    low = sheet.limit("stemi", "reciprocal_mv")
    tests: tuple[tuple[bool | None, str, str], ...] = (
        (None if second is None or third is None else second >= third, "ST III高于ST II", "ST III is above ST II"),
        (
            not3(any3(sheet.holds(n, "st_j_mv", "<=", low) for n in TWELVE if n not in ("aVR", "V1"))),
            "有对应性ST段压低",
            "reciprocal depression",
        ),
        (all3(_concave(sheet, n) for n in elevated.ordered if n in TWELVE), "ST段弓背向上", "ST is not concave"),
        (not3(any3(pathological(sheet, n) for n in elevated.ordered)), "有异常Q波", "Q waves"),
        (_several_territories(elevated.all_leads), "抬高局限于一个区域", "one territory alone is raised"),
    )
    for holds, zh, en in tests:
        if holds is not True:
            why = Text(f"有心包炎样改变，但{zh}：不支持。", f"Pericarditis pattern, but {en}: not explained.")
            return Argument("T_PERI", True, why)
    return Argument(
        "T_PERI",
        False,
        Text(
            "ST段广泛凹面向上抬高，无对应性压低、无Q波，PR段偏移：符合急性心包炎；胸痛时仍按危险处理。",
            "Diffuse concave elevation with PR shift, no reciprocal depression, no Q: fits pericarditis; with pain "
            "still treated as high risk.",
        ),
    )


def _several_territories(leads: Iterable[str]) -> bool:
    held = set(leads)
    groups = ({"V1", "V2", "V3", "V4"}, set(INFERIOR), {"I", "aVL", "V5", "V6"})
    return sum(bool(held & g) for g in groups) >= 2


def _brugada(sheet: Sheet, verdict: Verdict, elevated: Elevated) -> Argument | None:
    """Coved V1–V2 behind an r, elevation no farther than V3, no reciprocal depression: S_BRU1 explains.

    An infarction of the septum takes the r of V1–V2 away; in the Brugada pattern it stays (rSr′, §4.8).
    """
    if not verdict.has("S_BRU1"):
        return None
    low = any3(sheet.holds(n, "st_j_mv", "<=", sheet.limit("stemi", "reciprocal_mv")) for n in INFERIOR)
    kept = all3(all3([sheet.holds(n, "r_mv", ">", 0.0), not3(pathological(sheet, n))]) for n in CHEST[:2])
    if elevated.all_leads <= set(CHEST[:3]) and low is False and kept:
        why = Text(
            "V1–V2导联穹窿型抬高，无对应性压低：符合Brugada 1型。", "Coved V1–V2, no reciprocal change: fits Brugada 1."
        )
        return Argument("S_BRU1", False, why)
    why = Text(
        "有Brugada样改变，但抬高超出V3、有对应性压低或V1–V2有Q波：不能解释。",
        "Brugada pattern, but elevation beyond V3, reciprocal depression, or Q in V1–V2: not explained.",
    )
    return Argument("S_BRU1", True, why)


def _right_block(sheet: Sheet, verdict: Verdict, elevated: Elevated) -> Argument | None:
    """Behind RBBB's broad S, ST rises against it: the block's own, as long as it is small against that S (§4.1).

    As in the left block (Smith 2012) ST up to a quarter of the deflection that it opposes is in proportion.
    """
    if not verdict.has("C_RBBB"):
        return None
    opposed = {n: _against_s(sheet, n) for n in elevated.ordered}
    limb = [n for n in (*INFERIOR, "I", "aVL") if n not in elevated.all_leads]
    low = any3(sheet.holds(n, "st_j_mv", "<=", sheet.limit("stemi", "reciprocal_mv")) for n in limb)
    scar = any3(pathological(sheet, n) for n in elevated.ordered)
    if all3(opposed.values()) is True and low is False and scar is False:
        why = Text(
            "抬高导联QRS以宽S波结束，ST抬高不超过S波的1/4：为右束支阻滞的继发改变。",
            "QRS ends in a broad S where ST is raised, by no more than a quarter of that S: the block's own.",
        )
        return Argument("C_RBBB", False, why)
    why = Text(
        "有右束支阻滞，但抬高与QRS终末波同向、超过S波的1/4、有Q波或对应性压低：不能解释。",
        "Right bundle branch block, but ST goes with the end of QRS or exceeds a quarter of S, or there is Q or "
        "reciprocal depression: not explained.",
    )
    return Argument("C_RBBB", True, why)


def _against_s(sheet: Sheet, lead: str) -> bool | None:
    """Whether QRS ends in a broad S, T is upright, and ST is in proportion to that S."""
    st, s, r2 = sheet.st(lead), sheet.value(lead, "s_mv"), sheet.value(lead, "r2_mv")
    if st is None or s is None or r2 is None:
        return None
    broad = sheet.holds(lead, "s_ms", ">", sheet.limit("conduction", "wide_s_ms"))
    small = s <= -sheet.limit("bundle", "s_mv") and round(st / s, 4) >= sheet.limit("bundle", "ratio")
    late = lead in CHEST[:3] or r2 > sheet.limit("bundle", "rbbb_r2_share") * -s
    return all3([broad, small, not late, sheet.holds(lead, "t_mv", ">", 0.0)])


def _potassium(_sheet: Sheet, verdict: Verdict, _elevated: Elevated) -> Argument | None:
    if not verdict.has("S_HYPERK"):
        return None
    why = Text(
        "有高钾样改变：两者都按危急处理，立即查血钾。",
        "Hyperkalaemia pattern: both are emergencies; check potassium now.",
    )
    return Argument("S_HYPERK", True, why)


def _takotsubo(_sheet: Sheet, verdict: Verdict, _elevated: Elevated) -> Argument | None:
    if not verdict.has("S_TAKO"):
        return None
    why = Text(
        "心电图不能区分应激性心肌病与前壁心肌梗死：按STEMI处理。",
        "Takotsubo cannot be told from anterior infarction on the ECG: treat as STEMI.",
    )
    return Argument("S_TAKO", True, why)


WEIGHED: tuple[Callable[[Sheet, Verdict, Elevated], Argument | None], ...] = (
    _aneurysm,
    _hypertrophy,
    _early_repolarisation,
    _variant,
    _pericarditis,
    _brugada,
    _right_block,
    _potassium,
    _takotsubo,
)
