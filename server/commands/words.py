"""Evidence as a cardiologist reads it: "V2 ST(J) 0.17 ≥ 0.15 mV", "P波电轴 57 ≥ 0 °", and the arguments beside it."""

from __future__ import annotations

import re
from typing import Any

_OPS = {">=": "≥", "<=": "≤", "==": "=", "!=": "≠"}
_UNITS = (
    ("_mv_ms", ("mV·ms", "mV·ms")),
    ("_mv", ("mV", "mV")),
    ("_ms", ("ms", "ms")),
    ("_bpm", ("次/分", "/min")),
    ("_hz", ("Hz", "Hz")),
    ("_deg", ("°", "°")),
    ("_s", ("s", "s")),
)
_DECIMALS = {"_mv": 2, "_ms": 0, "_mv_ms": 0, "_bpm": 0, "_deg": 0, "_hz": 1, "_s": 1}
#: measure → what it is called
_SAID: dict[str, tuple[str, str]] = {
    "heart_rate_bpm": ("心率", "rate"),
    "run_rate_bpm": ("连发频率", "rate of the run"),
    "run_beats": ("连发心搏数", "beats in the run"),
    "atrial_hz": ("心房波频率", "atrial frequency"),
    "flutter_likeness": ("F波规则度", "regularity of F waves"),
    "bigeminal_share": ("二联律心搏比例", "share of bigeminy"),
    "couplets": ("成对早搏数", "couplets"),
    "pp_range_ms": ("PP间期差", "range of PP"),
    "pp_range_share": ("PP间期差/平均PP", "range of PP/mean PP"),
    "left_voltage_mv": ("左室电压", "left ventricular voltage"),
    "spikes_without_wave": ("无夺获的起搏钉", "spikes without capture"),
    "spikes_in_wave": ("落在波内的起搏钉", "spikes inside a wave"),
    "seconds": ("时长（秒）", "seconds"),
    "r2_r_ratio": ("R′/R比值", "R′/R"),
    "premature_beats": ("早搏数", "premature beats"),
    "ventricular_beats": ("室性心搏数", "ventricular beats"),
    "p_share": ("有P波的心搏比例", "share of beats with P"),
    "p_axis_deg": ("P波电轴", "P axis"),
    "qrs_axis_deg": ("QRS电轴", "QRS axis"),
    "t_axis_deg": ("T波电轴", "T axis"),
    "axis_deg": ("QRS电轴", "QRS axis"),
    "pr_ms": ("PR间期", "PR"),
    "qrs_ms": ("QRS时限", "QRS"),
    "qt_ms": ("QT间期", "QT"),
    "qtc_ms": ("QTc", "QTc"),
    "qtcb_ms": ("QTcB", "QTcB"),
    "qtcf_ms": ("QTcF", "QTcF"),
    "p_ms": ("P波时限", "P duration"),
    "p_mv": ("P波振幅", "P"),
    "q_ms": ("Q波时限", "Q duration"),
    "q_mv": ("Q波深度", "Q"),
    "qs_mv": ("QS波深度", "QS"),
    "r_ms": ("R波时限", "R duration"),
    "r_mv": ("R波振幅", "R"),
    "r2_mv": ("R′波振幅", "R′"),
    "s_ms": ("S波时限", "S duration"),
    "s_mv": ("S波深度", "S"),
    "r_peak_ms": ("R峰时间", "R peak time"),
    "qrs_pp_mv": ("QRS峰峰值", "QRS peak to peak"),
    "qrs_area_mv_ms": ("QRS面积", "QRS area"),
    "t_mv": ("T波振幅", "T"),
    "t_positive_mv": ("T波正向部分", "positive part of T"),
    "t_negative_mv": ("T波负向部分", "negative part of T"),
    "t_qrs_ratio": ("T/QRS比值", "T/QRS"),
    "t_area_qrs_ms": ("T波面积/QRS振幅", "T area/QRS"),
    "t_area_growth": ("T波面积增大倍数", "growth of T area"),
    "st_s_ratio": ("ST/S比值", "ST/S"),
    "st_t_ratio": ("ST/T比值", "ST/T"),
    "r_s_ratio": ("R/S比值", "R/S"),
    "st_shape": ("ST形态", "form of ST"),
    "st_j_delta_mv": ("ST段变化", "change of ST"),
    "t_delta_mv": ("T波变化", "change of T"),
    "st_fall_share": ("ST段回落比例", "fall of ST"),
    "qrs_correlation": ("QRS相关系数", "correlation of QRS"),
    "minutes_between": ("两图间隔（分钟）", "minutes between"),
    "rhythm": ("心律", "rhythm"),
    "finding": ("项目", "finding"),
    "max_rr_ms": ("最长RR间期", "longest RR"),
    "min_rr_ms": ("最短RR间期", "shortest RR"),
    "rr_sd_ms": ("RR间期标准差", "SD of RR"),
    "rr_rmssd_ratio": ("RMSSD/平均RR", "RMSSD/mean RR"),
    "rr_entropy": ("RR间期熵", "entropy of RR"),
    "rr_typical_step": ("相邻RR间期典型差异", "typical step of RR"),
    "p_repeats": ("P波重现比例", "share of P that comes back"),
    "pr_lead_ms": ("各导联PR中位数", "median PR of the leads"),
    "locked_spike_share": ("QRS起始处有起搏钉的心搏比例", "share of beats with a spike at the onset of QRS"),
    "last_gap_s": ("末次心搏后间隔", "time since the last beat"),
    "cornell_mv": ("RaVL+SV3", "RaVL+SV3"),
    "sokolow_mv": ("SV1+RV5/V6", "SV1+RV5/V6"),
    "delta_share": ("δ波斜率比", "slope of the delta wave"),
    "delta_leads": ("有δ波的导联数", "leads with a delta wave"),
    "notched_leads": ("有切迹的导联数", "notched leads"),
    "paced_share": ("心室起搏心搏比例", "share of paced beats"),
    "paced_p_share": ("心房起搏心搏比例", "share of paced P waves"),
    "sgarbossa_points": ("Sgarbossa评分", "Sgarbossa points"),
    "driver4": ("四变量公式", "four-variable formula"),
    "dominant_hz": ("主频", "main frequency"),
    "quiet_share": ("静息段比例", "quiet share"),
    "leads_chaotic": ("紊乱导联数", "chaotic leads"),
    "jp_mv": ("J波峰", "J wave peak"),
    "sine_share": ("正弦成分比例", "share of one sine"),
    "run_variation": ("周期变异", "variation of the cycle"),
    "alternating_beats": ("电轴交替心搏数", "beats of alternating axis"),
    "axis_step_deg": ("逐搏电轴改变", "turn of the axis from beat to beat"),
    "axis_turn_deg": ("电轴转动", "turn of the axis"),
    "changed_share": ("形态改变心搏比例", "share of beats of another shape"),
    "qrs_alternation_share": ("QRS交替幅度", "alternation of QRS"),
    "t_alternation_mv": ("T波交替幅度", "alternation of T"),
    "alternating_row": ("连续心搏数", "beats in a row"),
    "p_shared": ("QRS前各搏共有波形比例", "what the beats share before QRS"),
    "p_shapes": ("P波形态数", "shapes of P"),
    "blocked_early_p": ("未下传房早数", "blocked early P"),
    "escape_beats": ("逸搏数", "escape beats"),
    "escape_interval_share": ("逸搏间期/平均RR", "escape interval/mean RR"),
    "pause_share": ("长间歇/PP", "pause/PP"),
    "multiple_deviation": ("与PP整倍数之差", "distance from a multiple of PP"),
    "pp_step_share": ("PP最大偏离比例", "largest deviation of PP"),
    "pp_shrinks_ms": ("间歇前PP缩短", "shortening of PP before the pause"),
    "pauses": ("长间歇数", "pauses"),
    "atrial_rate_bpm": ("心房率", "atrial rate"),
    "pr_range_ms": ("PR间期差", "range of PR"),
    "rr_deviation_share": ("RR间期最大偏离比例", "largest deviation of RR"),
    "atrial_excess": ("心房率/心室率", "atrial/ventricular rate"),
    "blocked_in_row": ("连续未下传P波数", "P in a row not conducted"),
    "blocked_p": ("未下传P波数", "P not conducted"),
    "conducted_beats": ("固定PR下传心搏数", "beats conducted at one PR"),
    "two_to_one_share": ("2:1下传比例", "share of 2:1"),
    "pr_growth_ms": ("阻滞前PR延长", "growth of PR before the block"),
    "pr_change_ms": ("阻滞前后PR差", "change of PR across the block"),
    "rr_sd_share": ("RR标准差/平均RR", "SD/mean of RR"),
    "f_wave_mv": ("f波振幅", "f waves"),
    "k_grade": ("高钾改变分级", "grade of the potassium pattern"),
    "cornell_product_mv_ms": ("Cornell乘积", "Cornell product"),
    "peguero_mv": ("最深S+SV4", "deepest S+SV4"),
    "estes_points": ("Romhilt-Estes计分", "Romhilt–Estes points"),
    "lvh_families": ("符合的左室肥大标准数", "criteria of LVH that agree"),
    "katz_wachtel_mv": ("R+S", "R+S"),
    "r_v1_s_v6_mv": ("RV1+SV6", "RV1+SV6"),
    "qr_shape": ("qR型", "qR shape"),
    "r_step_mv": ("R波较前一导联增减", "step of R from the lead before"),
    "p1_mv": ("P波起始部振幅", "first part of P"),
    "p_terminal_mv_ms": ("P波终末电势", "P-terminal force"),
    "coupling_qt": ("联律间期/QT", "coupling/QT"),
    "trigeminal_share": ("三联律心搏比例", "share of trigeminy"),
    "conduction_ratio": ("房室传导比例", "atrioventricular ratio"),
    "t_width_qt": ("T波半高宽/QT", "width of T at half height/QT"),
    "u_mv": ("U波振幅", "U"),
    "qat_ms": ("QaTc", "QaTc"),
    "t_onset_ms": ("J点至T波起点", "J to onset of T"),
    "pr_segment_mv": ("PR段（对TP段）", "PR segment against TP"),
    "take_off_mv": ("ST起点振幅", "take-off of ST"),
    "take_off_80_mv": ("起点后80 ms的ST", "ST 80 ms after the take-off"),
    "r2_base_ms": ("r′三角形底宽", "base of the triangle of r′"),
    "epsilon_mv": ("QRS后切迹", "notch behind QRS"),
}
_FORMS = {"convex": ("弓背向上", "convex"), "straight": ("平直", "straight"), "concave": ("凹面向上", "concave")}
_KINDS = {
    "SINUS": ("窦性", "sinus"), "AF": ("心房颤动", "atrial fibrillation"), "FLUTTER": ("心房扑动", "atrial flutter"),
    "VT": ("室性心动过速", "VT"), "VF": ("室颤或室扑", "VF"), "SVT": ("室上性心动过速", "SVT"),
    "PACED": ("起搏", "paced"), "AVB3": ("三度房室阻滞", "complete AV block"), "ASYSTOLE": ("心室停搏", "asystole"),
    "VENTRICULAR": ("室性自主心律", "idioventricular"), "JUNCTIONAL": ("交界性", "junctional"),
    "WANDERING": ("游走心律", "wandering pacemaker"),
    "prior": ("前图", "the prior ECG"), "now": ("本图", "the new ECG"),
}  # fmt: skip
_MIMICS = {
    "ANEURYSM": ("室壁瘤", "LV aneurysm"), "H_LVH": ("左室肥大", "LV hypertrophy"),
    "T_ER": ("早期复极", "early repolarisation"),
    "T_NVSTE": ("正常变异ST段抬高", "normal variant"), "T_PERI": ("心包炎", "pericarditis"),
    "S_BRU1": ("Brugada波1型", "Brugada type 1"), "S_HYPERK": ("高钾血症", "hyperkalaemia"),
    "AV_NODE": ("房室结病变", "AV node"), "C_LBBB": ("左束支阻滞", "LBBB"), "C_RBBB": ("右束支阻滞", "RBBB"),
    "C_PACE_V": ("心室起搏", "ventricular pacing"), "H_RVH": ("右室肥大", "RV hypertrophy"),
    "RATE": ("心率过快", "rate"),
    "ISORHYTHMIC": ("等频性房室分离", "isorhythmic dissociation"), "VAGAL": ("迷走神经性阻滞", "vagal block"),
    "R_PAC": ("未下传房性早搏", "blocked premature atrial beat"), "R_SAB2": ("窦房阻滞", "sinoatrial block"),
    "R_ESC": ("逸搏干扰", "escape beats"), "R_JESC": ("交界性逸搏心律", "junctional escape"),
    "R_STACH": ("窦性心动过速", "sinus tachycardia"), "R_AFL": ("心房扑动", "flutter"), "R_AF": ("心房颤动", "AF"),
    "LOW_ATRIAL": ("低位房性心律", "low atrial rhythm"), "R_AVB3": ("三度房室阻滞", "complete AV block"),
    "R_SARR": ("窦性心律不齐", "sinus arrhythmia"),
    "RESPIRATION": ("呼吸影响", "respiration"),
    "ARTEFACT": ("伪差", "artefact"), "R_VF": ("心室颤动", "VF"), "R_SVT": ("室上速伴差传", "aberrant SVT"),
    "R_PVC_PAT": ("室早二联律", "bigeminy"), "C_WPW_AF": ("房颤伴预激", "pre-excited AF"),
    "R_AVB2_I": ("二度I型房室阻滞", "Mobitz I"), "R_VT": ("室性心动过速", "VT"),
    "S_TAKO": ("应激性心肌病", "takotsubo"), "J_AMBIGUOUS": ("J点位置", "the J point"),
    "STEMI": ("ST段抬高型心肌梗死", "STEMI"), "ACS": ("急性冠脉综合征", "acute coronary syndrome"),
    "E_HAT": ("超急性期T波", "hyperacute T"), "E_SUBLAD": ("前降支隐匿闭塞", "subtle LAD occlusion"),
    "S_DIG": ("洋地黄作用", "digitalis"), "S_LQT": ("长QT综合征", "long QT"), "S_SQT": ("短QT", "short QT"),
    "NA_BLOCKER": ("钠通道阻滞剂", "sodium-channel blocker"), "TRIGGER": ("诱因", "what brings it out"),
    "C_IRBBB": ("不完全性右束支阻滞", "incomplete RBBB"), "C_LPFB": ("左后分支阻滞", "left posterior block"),
    "Q_HIGHV": ("电极位置偏高", "electrode placed high"), "Q_HF": ("肌电干扰", "muscle noise"),
    "T_ISCH": ("心肌缺血", "ischaemia"), "S_HYPOK": ("低钾血症", "hypokalaemia"), "S_PE": ("肺栓塞", "embolism"),
    "S_CNS": ("颅脑病变", "brain injury"), "S_HCM_AP": ("心尖肥厚", "apical hypertrophy"),
    "S_OSB": ("低体温", "hypothermia"), "S_HYPOCA": ("低钙血症", "hypocalcaemia"),
    "S_HYPERCA": ("高钙血症", "hypercalcaemia"), "E_WEL": ("Wellens综合征", "Wellens"),
    "JUVENILE": ("持续性幼年型T波", "juvenile T"),
    "R_SBRAD": ("心动过缓", "slow rate"), "T_ISCH_ST": ("心肌缺血", "ischaemia"),
}  # fmt: skip
_ARGUED = (("鉴别", ""), ("已考虑，本条保留", "considered, the finding stands"), ("可解释", "explains it"))


def evidence(item: dict[str, Any], which: int) -> str:
    """One comparison; ``which``: 0 Chinese, 1 English. A comparison without a limit shows its value alone."""
    measure, lead = item["measure"], item["lead"]
    words = [lead or "", _name(measure, which), _value(measure, item["value"], which)]
    value, limit = item["value"], item["limit"]
    close = value != limit and _value(measure, value, which) == _value(measure, limit, which)
    if close and isinstance(value, int | float) and isinstance(limit, int | float):
        words[-1] = f"{value:g}".replace(
            "-", "−"
        )  # rounded, it would seem to be its limit: every digit that was compared is shown
    if limit is not None and not (measure == "st_shape" and limit == value):
        op = item["op"] if item["op"] != "not in" else ("不见于", "not in")[which]
        missed = isinstance(value, int | float) and isinstance(limit, int | float) and not _holds(value, op, limit)
        shown = [_OPS.get(op, op), _value(measure, limit, which)]
        # What was not reached (a borderline value, a lead beside the pair) must not read as if it were.
        if missed and which == 0:
            unit = _unit(measure, which)
            return " ".join(word for word in (*words, unit) if word) + f"（界值{' '.join((*shown, unit)).strip()}）"
        words += [f"(limit {' '.join(shown)})"] if missed else shown
    return " ".join(word for word in (*words, _unit(measure, which)) if word)


def argument(item: dict[str, Any], which: int) -> str:
    """A mimic that was weighed: whether it explains the finding, and why."""
    verdict = _ARGUED[1 if item["kept"] else 2][which]
    mimic = _MIMICS.get(item["mimic"], (item["mimic"],) * 2)[which]
    why = item["why"][("zh", "en")[which]]
    return f"{_ARGUED[0][0]}{mimic}（{verdict}）：{why}" if which == 0 else f"{mimic}: {verdict}. {why}"


def _holds(value: float, op: str, limit: float) -> bool:
    held = {">=": value >= limit, "<=": value <= limit, ">": value > limit, "<": value < limit}
    return held.get(op, True)


def _name(measure: str, which: int) -> str:
    point = re.fullmatch(r"st_j(\d*)_mv", measure)
    if point:
        return f"ST(J+{point[1]})" if point[1] else "ST(J)"
    said = _SAID.get(measure)
    return said[which] if said else re.sub(r"_(mv|ms|bpm|deg|hz|s)$", "", measure).replace("_", " ")


def _unit(measure: str, which: int) -> str:
    return next((unit[which] for end, unit in _UNITS if measure.endswith(end)), "")


def _value(measure: str, value: Any, which: int) -> str:
    if value is None:
        return "–"
    if not isinstance(value, int | float):
        word = str(value)
        return (_FORMS.get(word) or _KINDS.get(word) or (word, word))[which]
    digits = next((_DECIMALS[end] for end, _ in _UNITS if measure.endswith(end)), 2)
    shown = f"{value:.{digits}f}".replace("-", "−")
    return shown.rstrip("0").rstrip(".") if digits == 2 and not measure.endswith("_mv") else shown
