"""How good is the tracing: defects per lead, the grade, and what the village should do (CLINICAL.md §1.5).

Each defect forces a worst grade; the recording's grade is the worst of them. The sentences are the contract's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ecg.analysis import Advice, Grade, LeadMeasurements, LeadQuality, Quality
from ecg.arrays import Flags, Floats, Ints, ints
from ecg.recording import CHEST_LEADS, LIMB_LEADS, Text

OFF_PP_MV, OFF_S = 0.020, 1.0
FLAT_MV, OTHERS_MV = 0.050, 0.300
CLIP_MS, CLIP_ONCE_MS, CLIP_FAR_MV = 8.0, 20.0, 0.5
CLIP_LONGEST_MS, CLIP_SHARE = 150.0, 0.10
"""A dwell longer than any QRS is a lost contact, no cut-off peak, unless it takes up a tenth of the recording
[project, half of CinC 2011]."""
STEP_MV, STEP_MS = 0.5, 8.0
BANDS: dict[str, tuple[float, float, float]] = {
    "Q_HF": (0.020, 0.035, 0.070),
    "Q_AC": (0.020, 0.050, 0.150),
    "Q_BW": (0.2, 0.5, 1.5),
}
"""mV above which the defect forces B, C, D."""

_S = Text
SENTENCES: dict[str, Text] = {
    "Q_OFF limb": _S(
        "{where}电极脱落或接触不良：请用酒精擦净皮肤，重新固定后再做一次。",
        "{where} electrode is off or loose: clean the skin with alcohol, re-attach, record again.",
    ),
    "Q_OFF V": _S(
        "胸导联{where}没有信号：检查该吸球/贴片和导线，再做一次。",
        "No signal in {where}: check its cup/patch and wire, record again.",
    ),
    "Q_FLAT": _S(
        "{where}几乎是直线：检查电极是否接好、是否接错。",
        "{where} is nearly flat: check that the electrode is attached and in the right place.",
    ),
    "Q_CLIP": _S(
        "波形顶部被切掉：检查增益设置，让电极贴紧后重做。",
        "Peaks are cut off: check the gain, press electrodes firmly, repeat.",
    ),
    "Q_HF": _S(
        "肌肉抖动干扰：让病人放松、保暖、手臂放平，安静30秒后重做。",
        "Muscle tremor: relax and warm the patient, arms resting, wait 30 s, repeat.",
    ),
    "Q_AC": _S(
        "交流电干扰：拔掉充电器，远离电器和电热毯，检查右腿（地线）电极后重做。",
        "Mains interference: unplug the charger, move away from appliances, check the right-leg electrode, repeat.",
    ),
    "Q_BW": _S(
        "基线漂移：请病人平静呼吸、不要说话，压紧电极后重做。",
        "Baseline wander: quiet breathing, no talking, firm electrodes, repeat.",
    ),
    "Q_STEP": _S(
        "信号跳动：导线被拉扯或电极松动，固定导线后重做。", "Signal jumps: a wire is pulled or loose, fix it, repeat."
    ),
    "Q_SHORT": _S("记录时间太短：请连续记录至少10秒。", "Recording too short: record at least 10 s."),
    "Q_BEATS": _S("干净的心搏太少：请重做，时间延长到20秒。", "Too few clean beats: repeat for 20 s."),
    "Q_REV arms": _S(
        "左右手电极可能接反：红色接右手、黄色接左手，核对后立即重做。",
        "Arm electrodes may be swapped: red = right arm, yellow = left arm (IEC colours); check, repeat at once.",
    ),
    "Q_REV leg": _S(
        "手和脚的电极可能接反：红右手、黄左手、绿左脚、黑右脚，核对后重做。",
        "An arm and a leg electrode may be swapped: red RA, yellow LA, green LL, black RL; check, repeat.",
    ),
    "Q_REV V": _S(
        "{where}可能接反：按V1（胸骨右缘第4肋间）到V6顺序核对后重做。",
        "{where} may be swapped: check the order from V1 (4th space, right sternal edge) to V6, repeat.",
    ),
    "Q_REV limb-V": _S(
        "肢体导线和胸导联导线可能插错（注意同色导线），核对后重做。",
        "A limb and a chest wire may be swapped (same colours!); check, repeat.",
    ),
    "Q_HIGHV": _S(
        "V1、V2可能贴得太高：应在第4肋间，请下移后重做。",
        "V1/V2 may be too high: they belong in the 4th intercostal space; move down, repeat.",
    ),
    "Q_BAND": _S(
        "机器设在监护滤波，不能判断ST段：请改为诊断模式（0.05–150Hz）重做。",
        "Device is in monitor filter mode, ST cannot be judged: switch to diagnostic (0.05–150 Hz), repeat.",
    ),
    "Q_LEADSET": _S(
        "导联不全，只能看心律：请接好12个导联后重做。",
        "Leads are missing, only the rhythm can be read: connect all 12 leads, repeat.",
    ),
    "Q_GAIN": _S(
        "文件里的增益有误，已按推定值显示：请用标准增益（10mm/mV）重做一次。",
        "The gain in the file is wrong and was inferred: repeat with standard gain (10 mm/mV).",
    ),
    "Q_ALGEBRA": _S(
        "导联数据不一致，机器或接线有错：请重新接线再做，仍不行请报修。",
        "Leads contradict each other: re-connect and repeat; if it persists report the device.",
    ),
}
ADVICE_SHOWN = 3
FULL_SCALE_MV = 5.0
"""A lead that rests beyond this is held at its amplifier's end and records nothing (CLINICAL.md §1.4, full scale)."""
HIGH_R2_MV = 0.3
LOOSE_MAINS_MV = 0.3
"""Peak-to-peak of mains that only an electrode without contact picks up [project]."""
LIMB_TRIANGLE = {"RA": ("I", "II", "III"), "LA": ("I", "III", "II"), "LL": ("II", "III", "I")}
"""Each limb electrode: the two leads that it makes, and the one that it does not touch."""


@dataclass(slots=True)
class Defects:
    """Defects as they are found; ``lead`` ones by lead, ``whole`` ones by code, with the worst grade each forces;
    ``electrode``: the limb electrode that is off, ``swap``: the electrodes that may be exchanged, if known.
    """

    lead: dict[str, dict[str, Grade]] = field(default_factory=dict[str, dict[str, Grade]])
    whole: dict[str, Grade] = field(default_factory=dict[str, Grade])
    electrode: str | None = None
    swap: str | None = None

    def mark(self, lead: str, code: str, grade: Grade) -> None:
        """Notes a defect of one lead, keeping the worse grade."""
        held = self.lead.setdefault(lead, {})
        held[code] = max(held.get(code, Grade.A), grade)

    def force(self, code: str, grade: Grade) -> None:
        """Notes a defect of the recording, keeping the worse grade."""
        self.whole[code] = max(self.whole.get(code, Grade.A), grade)


def examine_raw(names: tuple[str, ...], raw: Floats, rate_hz: float, step_mv: float) -> tuple[Defects, Flags]:
    """Defects seen before any filtering, and which leads carry signal, bool [lead].

    ``raw``: float [lead, sample], NaN where invalid; ``step_mv``: the size of one count, 0 if unknown.
    """
    defects = Defects()
    gap = ~np.isfinite(raw)
    filled = np.where(gap, 0.0, raw)
    dead = _off(filled, gap, rate_hz, step_mv)
    clipped = _clipped(filled, rate_hz)
    for k, name in enumerate(names):
        if dead[k]:
            defects.mark(name, "Q_OFF", Grade.C)
        elif clipped[k]:
            defects.mark(name, "Q_CLIP", Grade.C)
    _spread_off(names, dead, defects)
    if int(clipped.sum()) >= 3:
        defects.force("Q_CLIP", Grade.D)
    return defects, ~dead


def _off(filled: Floats, gap: Flags, rate_hz: float, step_mv: float) -> Flags:
    """Leads that are flat (or invalid) for at least half of their seconds, or flat as a whole."""
    size = max(2, int(OFF_S * rate_hz))
    count = filled.shape[1] // size
    limit = max(OFF_PP_MV, 2.5 * step_mv)
    if count == 0:
        spread = np.ptp(filled, axis=1) if filled.shape[1] else np.zeros(filled.shape[0])
        return (spread < limit) | (gap.mean(axis=1) > 0.5 if gap.shape[1] else True)
    blocks = filled[:, : count * size].reshape(filled.shape[0], count, size)
    flat = (blocks.max(axis=2) - blocks.min(axis=2)) < limit
    lost = gap[:, : count * size].reshape(flat.shape[0], count, size).mean(axis=2) > 0.5
    bad = (flat | lost).mean(axis=1)
    return bad >= 0.5


def _clipped(filled: Floats, rate_hz: float) -> Flags:
    """Leads that dwell at their own extreme for 8 ms at least twice, or once for 20 ms, far from the middle.

    One such dwell is the round top of a coarsely quantised R wave; an amplifier at its end is there with every beat.
    """
    need, long = (max(3, round(ms * rate_hz / 1000.0) + 1) for ms in (CLIP_MS, CLIP_ONCE_MS))
    longest = max(long, round(CLIP_LONGEST_MS * rate_hz / 1000.0))
    out = np.zeros(filled.shape[0], dtype=np.bool_)
    if filled.shape[1] <= need:
        return out
    middle = np.median(filled[:, ::8], axis=1)
    for extreme in (filled.max(axis=1), filled.min(axis=1)):
        for k in np.flatnonzero(np.abs(extreme - middle) > CLIP_FAR_MV):
            at = np.flatnonzero(filled[k] == extreme[k])
            runs = np.diff(np.flatnonzero(np.concatenate([[True], np.diff(at) > 1, [True]])))
            peaks = runs[runs <= longest]
            cut = (peaks >= need).sum() >= 2 or (peaks >= long).any() or at.size >= CLIP_SHARE * filled.shape[1]
            out[k] |= bool(cut)
    return out


def _spread_off(names: tuple[str, ...], dead: Flags, defects: Defects) -> None:
    lost = {n for k, n in enumerate(names) if dead[k]}
    chest = len(lost & set(CHEST_LEADS))
    if lost & set(LIMB_LEADS):
        limb = len(lost & set(LIMB_LEADS))
        # One flat limb lead beside five good ones is no lost electrode: it is a vector at right angles, or a swap.
        if limb > 1:
            defects.force("Q_OFF", Grade.E)
    if chest:
        defects.force("Q_OFF", Grade.C if chest == 1 else Grade.D if chest == 2 else Grade.E)
    if dead.size and dead.all():
        defects.force("Q_OFF", Grade.E)


def examine_held(dead: Floats, defects: Defects) -> None:
    """Whether one of the ``dead`` chest leads, float [lead, sample] in mV as the file has them, was held at the
    amplifier's end for at least half of the recording: that is no electrode that is off (Q_OFF, C) but a lead that was
    never recorded, and fewer than eight independent leads are left (Q_LEADSET)."""
    if dead.shape[1] and ((np.abs(dead) >= FULL_SCALE_MV).mean(axis=1) >= 0.5).any():
        defects.force("Q_LEADSET", Grade.D)


def examine_height(leads: Mapping[str, LeadMeasurements], defects: Defects) -> None:
    """V1 and V2 placed an intercostal space too high (García-Niebla 2009): P wholly negative in V2, or wholly negative
    in V1 with rSr′ and a small r′."""
    v1, v2 = leads.get("V1"), leads.get("V2")
    if v2 is not None and _inverted_p(v2):
        defects.force("Q_HIGHV", Grade.B)
    if v1 is not None and _inverted_p(v1) and _rsr(v1) and (v1.r2_mv or 0.0) < HIGH_R2_MV:
        defects.force("Q_HIGHV", Grade.B)


def _rsr(lead: LeadMeasurements) -> bool:
    """r, then S, then r′, with no q before them."""
    return (lead.q_mv or 0.0) == 0 and (lead.r_mv or 0.0) > 0 > (lead.s_mv or 0.0) and (lead.r2_mv or 0.0) > 0


def _inverted_p(lead: LeadMeasurements) -> bool:
    return (lead.p1_mv or 0.0) < 0 and (lead.p2_mv or 0.0) <= 0


def examine_swap(kind: str, grade: Grade, defects: Defects) -> None:
    """Notes suspected exchanged electrodes, as :func:`ecg.signal.reversal.recognised` names and grades them."""
    defects.swap = kind
    defects.force("Q_REV", grade)


def examine_mains(names: tuple[str, ...], mains_pp: Floats, defects: Defects) -> None:
    """A limb electrode without contact: mains of the size of a QRS in its two limb leads and next to none in the
    third."""
    if not {"I", "II", "III"} <= set(names):
        return
    size = {n: float(mains_pp[names.index(n)]) for n in ("I", "II", "III")}
    for electrode, (first, second, spared) in LIMB_TRIANGLE.items():
        if min(size[first], size[second]) >= LOOSE_MAINS_MV and size[spared] < 0.2 * min(size[first], size[second]):
            defects.electrode = electrode
            defects.force("Q_OFF", Grade.E)
            for n in (first, second):
                defects.mark(n, "Q_OFF", Grade.E)


def examine_noise(
    names: tuple[str, ...],
    alive: Flags,
    wander_pp: Floats,
    tremor_rms: Floats,
    mains_pp: Floats,
    steps: Ints,
    defects: Defects,
) -> None:
    """Defects of noise, from their sizes per lead (mV) and the number of steps per ten seconds."""
    for code, values in (("Q_BW", wander_pp), ("Q_HF", tremor_rms), ("Q_AC", mains_pp)):
        limits = np.array(BANDS[code])
        grades = (Grade.A, Grade.B, Grade.C, Grade.D)
        levels = (values[:, None] > limits[None, :]).sum(axis=1)
        for k, name in enumerate(names):
            if alive[k] and levels[k]:
                defects.mark(name, code, grades[int(levels[k])])
    for k, name in enumerate(names):
        if alive[k] and steps[k] >= 2:
            defects.mark(name, "Q_STEP", Grade.C)
    if int((steps >= 2).sum()) >= 3:
        defects.force("Q_STEP", Grade.D)


def examine_flat(names: tuple[str, ...], alive: Flags, qrs_pp: Floats, defects: Defects) -> None:
    """Leads without QRS while at least three others have one."""
    for k, name in enumerate(names):
        if alive[k] and qrs_pp[k] < FLAT_MV and int((qrs_pp >= OTHERS_MV).sum()) >= 3:
            defects.mark(name, "Q_FLAT", Grade.C)


def count_steps(filled: Floats, rate_hz: float, quiet: Flags) -> Ints:
    """Jumps of more than 0.5 mV within 8 ms outside QRS, per lead and ten seconds."""
    reach = max(1, round(STEP_MS * rate_hz / 1000.0))
    if filled.shape[1] <= 2 * reach:
        return ints(np.zeros(filled.shape[0]))
    jump = np.abs(filled[:, reach:] - filled[:, :-reach]) > STEP_MV
    jump &= (quiet[reach:] & quiet[:-reach])[None, :]
    starts = (jump[:, 1:] & ~jump[:, :-1]).sum(axis=1)
    return ints(np.rint(starts * min(1.0, 10.0 * rate_hz / filled.shape[1])))


def judged(names: tuple[str, ...], defects: Defects) -> Quality:
    """Grades and advice from all defects: a lead is as bad as its worst defect, the recording as the worst of all."""
    leads = {
        n: LeadQuality(max(defects.lead.get(n, {"": Grade.A}).values()), tuple(sorted(defects.lead.get(n, {}))))
        for n in names
    }
    worst = [*defects.whole.values(), *_forced(leads), Grade.A]
    codes = dict.fromkeys(defects.whole) | dict.fromkeys(c for held in defects.lead.values() for c in sorted(held))
    return Quality(max(worst), leads, tuple(codes), _advice(names, defects))


def _forced(leads: dict[str, LeadQuality]) -> list[Grade]:
    """The grades that the leads force on the recording. A chest lead that cannot be read is as if it were off, whose
    count §1.5 grades: one leaves the recording at C, two make it D; a limb electrode is in every lead."""
    lost = [n for n in CHEST_LEADS if n in leads and (leads[n].grade >= Grade.D or "Q_OFF" in leads[n].defects)]
    alone = lost[0] if len(lost) == 1 else None
    grades = [Grade.C if n == alone else held.grade for n, held in leads.items()]
    return [*grades, Grade.D] if len(lost) > 1 else grades


def _advice(names: tuple[str, ...], defects: Defects) -> tuple[Advice, ...]:
    ranked: list[tuple[Grade, str, str, str]] = []
    for code, where, text_key, grade in _said(names, defects):
        ranked.append((grade, code, text_key, where))
    ranked.sort(key=lambda r: r[0], reverse=True)
    out: list[Advice] = []
    for grade, code, key, where in ranked:
        if grade == Grade.A or key not in SENTENCES or any(a.code == code for a in out):
            continue
        text = SENTENCES[key]
        zh = text.zh.replace("{where}", ZH_ELECTRODE.get(where, where))
        out.append(Advice(code, Text(zh, text.en.replace("{where}", where))))
    return tuple(out[:ADVICE_SHOWN])


ZH_ELECTRODE = {"RA": "右手", "LA": "左手", "LL": "左脚", "limb": "肢体"}


def _said(names: tuple[str, ...], defects: Defects) -> list[tuple[str, str, str, Grade]]:
    said: list[tuple[str, str, str, Grade]] = []
    off = [n for n in names if "Q_OFF" in defects.lead.get(n, {})]
    chest_off = [n for n in off if n not in LIMB_LEADS]
    limb_off = [n for n in off if n in LIMB_LEADS]
    if limb_off:
        said.append(("Q_OFF", defects.electrode or "limb", "Q_OFF limb", Grade.E))
    elif chest_off:
        said.append(("Q_OFF", ", ".join(chest_off), "Q_OFF V", max(defects.whole.get("Q_OFF", Grade.C), Grade.C)))
    for code, grade in defects.whole.items():
        if code == "Q_REV":
            said.append((code, *_swap_said(defects.swap or "RA-LA"), grade))
        elif code != "Q_OFF":
            said.append((code, "", code, grade))
    for code in ("Q_FLAT", "Q_CLIP", "Q_STEP", "Q_HF", "Q_AC", "Q_BW"):
        having = [n for n in names if code in defects.lead.get(n, {})]
        if having:
            said.append((code, ", ".join(having), code, max(defects.lead[n][code] for n in having)))
    return said


def _swap_said(kind: str) -> tuple[str, str]:
    """Which electrodes, and the sentence for them."""
    if kind == "RA-LA":
        return "", "Q_REV arms"
    chest = sum(part in CHEST_LEADS for part in kind.split("-"))
    return (kind.replace("-", "/"), "Q_REV V") if chest == 2 else ("", "Q_REV limb-V" if chest else "Q_REV leg")
