"""Which artery an infarction suggests, and which leads to add (CLINICAL.md §4.3): hints beside the finding.

An artery is never stated without "suggests": the rules of thumb keep little of their performance outside the cohort
that they come from, and every pattern but the isolated lateral one occurs with both culprits (Eerdekens 2018,
doi:10.4244/EIJ-D-17-00345). Hints change no finding, no certainty and no colour. Extra leads are asked for where they
were not recorded: right ones beside every inferior elevation, V7–V9 beside a depression in V1–V4 (CSC19: 18 leads).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from ecg.analysis import Finding, State
from ecg.interpret.facts import Verdict
from ecg.interpret.infarction import POSTERIOR, RIGHT
from ecg.interpret.logic import all3, any3
from ecg.interpret.q_waves import pathological
from ecg.interpret.sheet import CHEST, INFERIOR, Sheet
from ecg.recording import Text

ONLY = Text("；仅为提示，以造影为准。", "; a suggestion only, angiography decides.")
ADD_RIGHT = Text("请加做右胸导联V3R–V5R。", "Record the right chest leads V3R–V5R.")
ADD_POSTERIOR = Text("请加做后壁导联V7–V9。", "Record the posterior leads V7–V9.")
ANTERIOR = ("STEMI_ANTSEPT", "STEMI_ANT")
LAD = Text("前降支", "the left anterior descending artery")


def add(sheet: Sheet, verdict: Verdict) -> None:
    """Gives the infarctions found their hints."""
    for place, finding in enumerate(verdict.findings):
        if finding.state is State.TRUE and (finding.code.startswith("STEMI_") or finding.code == "E_POST"):
            explained = any(not a.kept for a in finding.argued)
            hints = tuple(_prompts(sheet, finding) if explained else _hints(sheet, verdict, finding))
            if hints:
                verdict.findings[place] = replace(finding, hints=hints)


def _hints(sheet: Sheet, verdict: Verdict, finding: Finding) -> Iterator[Text]:
    if finding.code in ANTERIOR:
        yield from _anterior(sheet, verdict)
    elif finding.code == "STEMI_INF":
        yield from _inferior(sheet)
    elif finding.code == "STEMI_RV":
        yield _suggests(Text("右冠状动脉近段", "the proximal right coronary artery"), ())
    elif finding.code in ("STEMI_POST", "E_POST"):
        yield _suggests(
            Text("回旋支或右冠状动脉后侧支", "the circumflex or a posterolateral branch of the right one"), ()
        )
    elif finding.code in ("STEMI_LAT", "STEMI_HLAT"):
        high = Text("第一对角支、回旋支或钝缘支", "the first diagonal, the circumflex or an obtuse marginal branch")
        low = Text("回旋支、对角支或钝缘支", "the circumflex, a diagonal or an obtuse marginal branch")
        yield _suggests(high if finding.code == "STEMI_HLAT" else low, ())
    yield from _prompts(sheet, finding)


def _prompts(sheet: Sheet, finding: Finding) -> Iterator[Text]:
    """Leads to add; asked for whatever explains the elevation."""
    if finding.code == "STEMI_INF" and not any(sheet.facts.readable(n) for n in RIGHT):
        yield ADD_RIGHT
    behind = finding.code == "E_POST" or (finding.code == "STEMI_INF" and _low(sheet, CHEST[:3], "depression_mv"))
    if behind and not any(sheet.facts.readable(n) for n in POSTERIOR):
        yield ADD_POSTERIOR


def _suggests(artery: Text, why: Iterable[tuple[str, str]]) -> Text:
    said = list(why)
    zh = "（" + "，".join(z for z, _ in said) + "）" if said else ""
    en = " (" + ", ".join(e for _, e in said) + ")" if said else ""
    return Text(f"提示{artery.zh}{zh}{ONLY.zh}", f"Suggests {artery.en}{en}{ONLY.en}")


def _low(sheet: Sheet, leads: Iterable[str], limit: str) -> list[str]:
    return [n for n in leads if sheet.holds(n, "st_j_mv", "<=", sheet.limit("culprit", limit))]


def _anterior(sheet: Sheet, verdict: Verdict) -> Iterator[Text]:
    limit = sheet.limit
    septal: list[tuple[str, str]] = []
    if sheet.holds("V1", "st_j_mv", ">", limit("culprit", "v1_mv")):
        septal.append(("V1抬高大于0.25 mV", "V1 raised over 0.25 mV"))
    if sheet.holds("aVR", "st_j_mv", ">=", limit("culprit", "elevation_mv")):
        septal.append(("aVR抬高", "aVR raised"))
    if _low(sheet, ("V5",), "depression_mv"):
        septal.append(("V5压低", "V5 depressed"))
    if verdict.has("C_RBBB"):
        septal.append(("右束支阻滞，如为新发", "right bundle branch block, if new"))
    deep = _low(sheet, INFERIOR, "inferior_mv")
    if septal:
        yield _suggests(Text("前降支近段（第一间隔支之前）", "the LAD proximal to the first septal branch"), septal)
    if deep:
        why = ("、".join(deep) + "压低不小于0.1 mV", ", ".join(deep) + " depressed by 0.1 mV or more")
        yield _suggests(Text("前降支近段（第一对角支之前）", "the LAD proximal to the first diagonal"), (why,))
    distal: list[tuple[str, str]] = []
    if _low(sheet, ("aVL",), "depression_mv"):
        distal.append(("aVL压低", "aVL depressed"))
    if any3(pathological(sheet, n) for n in CHEST[3:]):
        distal.append(("V4–V6有Q波", "Q in V4–V6"))
    if distal and not septal and not deep:
        yield _suggests(Text("前降支第一对角支之后", "the LAD distal to the first diagonal"), distal)
    raised = [n for n in INFERIOR if sheet.holds(n, "st_j_mv", ">=", limit("stemi", "other_mv"))]
    if len(raised) >= 2:
        why = ("、".join(raised) + "同时抬高", ", ".join(raised) + " raised as well")
        yield _suggests(Text("绕过心尖的前降支", "an LAD that wraps around the apex"), (why,))
    if not (septal or deep or distal or len(raised) >= 2):
        yield _suggests(LAD, ())


def _inferior(sheet: Sheet) -> Iterator[Text]:
    second, third, first = sheet.st("II"), sheet.st("III"), sheet.st("I")
    right_low = _low(sheet, CHEST[:3], "depression_mv")
    if second is not None and third is not None and first is not None:
        depressed = bool(_low(sheet, ("I",), "depression_mv"))
        lateral = [n for n in CHEST[4:] if sheet.holds(n, "st_j_mv", ">=", sheet.limit("culprit", "elevation_mv"))]
        if third > second and depressed:
            why = (f"ST III {third:.2f}＞II {second:.2f} mV", f"ST III {third:.2f} above II {second:.2f} mV")
            yield _suggests(Text("右冠状动脉", "the right coronary artery"), (why, ("I压低", "I depressed")))
        elif second >= third and not depressed and (lateral or right_low):
            why = (f"ST II {second:.2f}≥III {third:.2f} mV", f"ST II {second:.2f}, III {third:.2f} mV")
            side = "、".join(lateral or right_low)
            more = (side + ("抬高" if lateral else "压低"), side.replace("、", ", ")
                    + (" raised" if lateral else " depressed"))  # fmt: skip
            yield _suggests(Text("回旋支", "the circumflex artery"), (why, ("I不压低", "I not depressed"), more))
        else:
            yield Text(
                "罪犯血管不能由本图提示（下壁梗死约80%为右冠状动脉）。",
                "This tracing suggests no artery (about 80 % of inferior infarctions are the right coronary's).",
            )
    if all3(
        [sheet.holds("V1", "st_j_mv", ">=", sheet.limit("stemi", "other_mv")), sheet.holds("V2", "st_j_mv", "<=", 0.0)]
    ):
        yield Text(
            "V1抬高而V2不抬高：提示可能累及右室。",
            "V1 is raised and V2 is not: suggests that the right ventricle is involved.",
        )
