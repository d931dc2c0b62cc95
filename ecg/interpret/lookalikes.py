"""What else an ST–T or QT finding could be, argued once everything was asked (CLINICAL.md §3.6, column "mimics").

ST–T is read before the patterns and the infarctions that it may belong to. So its look-alikes are weighed at the end: a
look-alike is argued where its own finding was made, and the finding stands beside it; none explains another away here
(§4.8 does that, for elevation alone).
"""

from __future__ import annotations

from dataclasses import replace

from ecg.analysis import Argument, Finding, State
from ecg.interpret.facts import Facts, Verdict
from ecg.recording import Text

_RECIPROCAL = Text(
    "有ST段抬高：压低可为其对应性改变，先按抬高处理。",
    "ST is raised elsewhere: the depression may be its reciprocal, and the elevation comes first.",
)
_DIGITALIS = Text("鱼钩样压低：须问洋地黄服药史。", "Sagging ST: ask about digitalis.")
_POTASSIUM_LOW = Text("有低钾样改变：须查血钾。", "Hypokalaemia pattern: check potassium.")
_POTASSIUM_HIGH = Text("T波高尖而基底窄：须查血钾。", "Tall T with a narrow base: check potassium.")
_RIGHT = Text(
    "右室肥大的继发改变可见于V1–V3及下壁。", "Right ventricular strain may do the same in V1–V3 and the inferior leads."
)
_EMBOLISM = Text("有右室负荷过重表现：须鉴别肺栓塞。", "Signs of right ventricular strain: pulmonary embolism.")
_BRAIN = Text("T波广泛深倒伴QT延长：须鉴别颅脑病变。", "Deep T everywhere with a long QT: a brain injury.")
_APEX = Text("R波高大伴巨大倒T：须鉴别心尖肥厚型心肌病。", "Tall R with giant negative T: apical hypertrophy.")
_TAKOTSUBO = Text("不能区分应激性心肌病，按急性冠脉综合征处理。", "Takotsubo cannot be told apart: treat as ACS.")
_HYPERACUTE = Text("T波宽大：须鉴别超急性期改变，立即复查。", "Broad T: hyperacute change, record again at once.")
_EARLY = Text("早期复极也可有高大T波。", "Early repolarisation may have tall T waves.")
_STRAIN = Text("左室肥大时V1–V3导联T波可增高。", "In LVH T of V1–V3 may be tall.")
_INFARCT = Text("有达标的ST段抬高：J波不能排除心肌梗死。", "ST reaches the limits of STEMI: J waves do not exclude it.")
_INFLAMED = Text("有心包炎样改变：结合症状和复查鉴别。", "Pericarditis pattern: symptoms and a second tracing decide.")
_COLD = Text("J波高大伴QT延长：须测体温。", "Tall J waves with a long QT: take the temperature.")
_CALCIUM_LOW = Text("ST段平直延长：须查血钙。", "A long straight ST segment: check calcium.")
_CALCIUM_HIGH = Text("ST段缩短：须查血钙。", "A short ST segment: check calcium.")
_ISCHAEMIA = Text("心肌缺血也可延长QT。", "Ischaemia prolongs QT as well.")
_WELLENS = Text("须鉴别前降支病变（Wellens型）。", "A lesion of the LAD (Wellens) may look alike.")

LOOKALIKES: dict[str, tuple[tuple[str, Text], ...]] = {
    "T_ISCH_ST": (("STEMI_*", _RECIPROCAL), ("S_DIG", _DIGITALIS), ("S_HYPOK", _POTASSIUM_LOW), ("H_RVH", _RIGHT)),
    "T_ISCH_T": (
        ("S_PE", _EMBOLISM),
        ("S_CNS", _BRAIN),
        ("S_HCM_AP", _APEX),
        ("S_TAKO", _TAKOTSUBO),
        ("H_RVH", _RIGHT),
    ),
    "T_TALL": (("E_HAT", _HYPERACUTE), ("S_HYPERK", _POTASSIUM_HIGH), ("T_ER", _EARLY), ("H_LVH", _STRAIN)),
    "T_ER": (("STEMI_*", _INFARCT), ("T_PERI", _INFLAMED), ("S_OSB", _COLD)),
    "S_LQT": (("S_HYPOK", _POTASSIUM_LOW), ("S_HYPOCA", _CALCIUM_LOW), ("S_CNS", _BRAIN), ("T_ISCH_*", _ISCHAEMIA)),
    "S_SQT": (("S_HYPERCA", _CALCIUM_HIGH), ("S_DIG", _DIGITALIS)),
    "S_CNS": (("E_WEL_*", _WELLENS), ("S_HCM_AP", _APEX), ("S_TAKO", _TAKOTSUBO)),
    "S_HCM_AP": (("E_WEL_*", _WELLENS), ("S_CNS", _BRAIN)),
}
JUVENILE = Argument(
    "JUVENILE",
    True,
    Text(
        "年轻人V1–V3导联T波倒置可为持续性幼年型，须结合既往图。",
        "In the young, T inverted in V1–V3 may be the persistent juvenile pattern: compare an older tracing.",
    ),
)
RIGHT_CHEST = frozenset(("V1", "V2", "V3"))


def argue(facts: Facts, verdict: Verdict) -> None:
    """Adds to each ST–T and QT finding the look-alikes that were found and not yet argued."""
    for place, finding in enumerate(verdict.findings):
        rows = LOOKALIKES.get(finding.code)
        if rows is None or finding.state is not State.TRUE:
            continue
        done = {a.mimic for a in finding.argued}
        more = [Argument(_plain(m), True, why) for m, why in rows if _plain(m) not in done and verdict.has(m)]
        if finding.code == "T_ISCH_T" and _juvenile(facts, finding):
            more.append(JUVENILE)
        if more:
            verdict.findings[place] = replace(finding, argued=(*finding.argued, *more))


def _plain(mimic: str) -> str:
    """``STEMI_*`` is argued as STEMI, ``T_ISCH_*`` as T_ISCH."""
    return mimic.removesuffix("_*")


def _juvenile(facts: Facts, finding: Finding) -> bool:
    """Whether someone below 30 has T inverted in V1–V3 alone."""
    young = facts.age is not None and facts.age < facts.rules.limit("repolarisation", "juvenile_years")
    return young and {e.lead for e in finding.evidence} <= RIGHT_CHEST
