"""Tachycardias whose beats have no level between them (CLINICAL.md §3.1, §4.9; VA22): flutter of the ventricles,
torsades de pointes, polymorphic and bidirectional tachycardia, and the monomorphic one that is so fast or so broad.

One spell of swings (``ecg.interpret.spells``) is named by what its beats do: all alike and a pure sine at 240–340/min
is flutter; all alike otherwise ventricular tachycardia; the axis thrown to and fro by more than 90° with every beat,
bidirectional; the axis turning by half a circle within 5–20 beats after a long QT, torsades; whatever else changes from
beat to beat, polymorphic. Swings without order are left to fibrillation.
"""

from __future__ import annotations

import numpy as np

from ecg.analysis import Argument, Certainty, Evidence, Kind
from ecg.interpret import spells
from ecg.interpret.facts import WHY_LEADS, Facts, Verdict
from ecg.interpret.logic import compare
from ecg.interpret.spells import Spell
from ecg.marks import NOWHERE
from ecg.recording import Text

NAMES = {
    "R_VFL": Text("心室扑动", "Ventricular flutter"),
    "R_TDP": Text("尖端扭转型室性心动过速", "Torsades de pointes"),
    "R_VT_POLY": Text("多形性室性心动过速", "Polymorphic ventricular tachycardia"),
    "R_VT_BIDIR": Text("双向性室性心动过速", "Bidirectional ventricular tachycardia"),
}
VT_NAMES = {
    "R_VT": Text("室性心动过速", "Ventricular tachycardia"),
    "R_VT_NS": Text("非持续性室性心动过速", "Ventricular tachycardia, unsustained"),
}
SOURCE = "VA22 §3; CLINICAL §3.1"
WHY_QT = Text(
    "发作前后没有可测QT的心搏：不能与其他多形性室速区分。",
    "No beat before or after the run shows QT: it cannot be told from other polymorphic tachycardia.",
)
ARTEFACT = Argument(
    "ARTEFACT",
    True,
    Text(
        "多数导联同时出现同一摆动，期间没有窄QRS，不像震颤或导线移动；仍请先看病人。",
        "Most leads swing together and no narrow QRS shows through: unlike tremor or a moving wire. "
        "Look at the patient all the same.",
    ),
)
FIBRILLATION = Argument(
    "R_VF",
    True,
    Text("波形规则、形态一致，不是心室颤动。", "The waves are regular and alike: not ventricular fibrillation."),
)
PREEXCITED = Argument(
    "C_WPW_AF",
    True,
    Text(
        "节律规则，电轴逐搏改变，不像房颤伴预激。",
        "The rhythm is regular and the axis changes from beat to beat: unlike pre-excited atrial fibrillation.",
    ),
)
BIGEMINY = Argument(
    "R_PVC_PAT",
    True,
    Text(
        "间期规则，各搏前无P波，不是二联律。",
        "The intervals are equal and no beat has a level or a P before it: not bigeminy.",
    ),
)
ABERRANT = Argument(
    "R_SVT",
    True,
    Text(
        "QRS宽钝，与T波相连；未证实为室上性者按室速处理。",
        "QRS is broad and runs into T: what is not proven supraventricular is treated as ventricular.",
    ),
)


def interpret(facts: Facts, verdict: Verdict) -> bool:
    """Adds at most one of these tachycardias; whether one was found."""
    if not spells.wanted(facts):
        return False
    leads = spells.readable(facts)
    if not leads:
        for code in NAMES:
            verdict.skip(code, ("I", "II", "V1"), WHY_LEADS)
        return False
    spell = spells.longest(facts, leads)
    if spell is None or spell.rate_bpm <= facts.rules.limit("rhythm", "tachy_bpm"):
        return False
    return spell.beats >= 4 and _named(facts, verdict, spell)


def _named(facts: Facts, verdict: Verdict, spell: Spell) -> bool:
    limit = facts.rules.limit
    if spell.variation > limit("spells", "variation"):
        return False
    if float(np.median(spell.likeness)) >= limit("spells", "same_likeness") and _span(spell) < limit(
        "spells", "twist_smooth_deg"
    ):
        return _flutter(facts, verdict, spell) or _monomorphic(facts, verdict, spell)
    if _alike_inside(facts, spell):
        return False
    return any(rule(facts, verdict, spell) for rule in (_bidirectional, _twisting, _polymorphic))


def _alike_inside(facts: Facts, spell: Spell) -> bool:
    """Whether the beats that were found within the run are of one shape and regular: then nothing changes from beat to
    beat, and the swings are the two or three waves of each."""
    marks = facts.marks
    if marks is None:
        return False
    on = marks.qrs_global[:, 0] / facts.rate_hz
    inside = np.flatnonzero((on >= spell.first_s) & (on <= spell.last_s))
    if inside.size < 5:
        return False
    usual = np.array([facts.rhythm.beats[k].kind in (Kind.DOMINANT, Kind.PREMATURE) for k in inside], dtype=np.bool_)
    rr = np.diff(on[inside])
    steady = float(np.abs(rr - np.median(rr)).mean()) < facts.rules.limit("rhythm", "regular_sd") * float(rr.mean())
    return bool(steady and usual.mean() >= facts.rules.limit("spells", "alike_share"))


def _run(facts: Facts, spell: Spell) -> list[Evidence]:
    return [
        compare(None, "run_beats", float(spell.beats), ">=", 3.0).evidence,
        compare(None, "run_rate_bpm", spell.rate_bpm, ">", facts.rules.limit("rhythm", "tachy_bpm")).evidence,
    ]


def _span(spell: Spell) -> float:
    """How far the axis turns in all, in degrees."""
    return float(np.ptp(np.concatenate([[0.0], np.cumsum(spell.steps_deg)])))


def _flutter(facts: Facts, verdict: Verdict, spell: Spell) -> bool:
    """A regular sine of 240–340/min, neither QRS nor T."""
    limit = facts.rules.limit
    tests = [
        compare(None, "run_rate_bpm", spell.rate_bpm, ">=", limit("spells", "flutter_low_bpm")),
        compare(None, "run_rate_bpm", spell.rate_bpm, "<=", limit("spells", "flutter_high_bpm")),
        compare(None, "sine_share", spell.purity, ">=", limit("spells", "flutter_purity")),
        compare(None, "run_variation", spell.variation, "<=", limit("spells", "flutter_variation")),
    ]
    if not all(t.true for t in tests):
        return False
    evidence = [t.evidence for t in tests]
    verdict.add(
        facts.finding("R_VFL", NAMES["R_VFL"], evidence, SOURCE, Certainty.PROBABLE, argued=(FIBRILLATION, ARTEFACT))
    )
    return True


def _monomorphic(facts: Facts, verdict: Verdict, spell: Spell) -> bool:
    """One broad shape without a level: ventricular until proven otherwise."""
    whole = spell.seconds >= facts.rules.limit("spells", "whole_share") * facts.rhythm.seconds
    code = "R_VT" if whole else "R_VT_NS"
    argued = (ABERRANT, ARTEFACT)
    evidence = _run(facts, spell)
    verdict.add(facts.finding(code, VT_NAMES[code], evidence, SOURCE, Certainty.PROBABLE, argued=argued))
    return True


def _bidirectional(facts: Facts, verdict: Verdict, spell: Spell) -> bool:
    """The axis thrown by more than 90° with every beat, every second beat alike."""
    limit = facts.rules.limit
    if spell.beats < 3:
        return False
    far = np.abs(spell.steps_deg) > limit("spells", "alternating_deg")
    again = (spell.vectors[2:] * spell.vectors[:-2]).sum(axis=1) >= limit("spells", "unlike")
    run = best = 0
    for k in range(far.size):
        run = run + 1 if far[k] and (k == 0 or run == 0 or again[k - 1]) else int(far[k])
        best = max(best, run)
    beats = compare(None, "alternating_beats", float(best + 1), ">=", limit("spells", "alternating_beats"))
    most = compare(None, "alternating_share", (best + 1) / spell.beats, ">=", limit("spells", "alternating_share"))
    if not beats.true or not most.true:
        return False
    least = compare(
        None, "axis_step_deg", float(np.median(np.abs(spell.steps_deg))), ">", limit("spells", "alternating_deg")
    )
    evidence = [beats.evidence, least.evidence, _run(facts, spell)[1]]
    argued = (BIGEMINY, ARTEFACT)
    verdict.add(facts.finding("R_VT_BIDIR", NAMES["R_VT_BIDIR"], evidence, SOURCE, Certainty.PROBABLE, argued=argued))
    return True


def _twisting(facts: Facts, verdict: Verdict, spell: Spell) -> bool:
    """The axis turns by half a circle within 5–20 beats; torsades where QT was long before, else polymorphic."""
    limit = facts.rules.limit
    least, most = (int(v) for v in facts.rules.rules["spells"]["twist_beats"])
    if (
        spell.beats < least
        or spell.rate_bpm > limit("spells", "changing_bpm")
        or float(np.quantile(np.abs(spell.steps_deg), 0.8)) > limit("spells", "twist_smooth_deg")
    ):
        return False
    turned = np.concatenate([[0.0], np.cumsum(spell.steps_deg)])
    width = min(most, spell.beats)
    within = max(float(np.ptp(turned[k : k + width])) for k in range(spell.beats - width + 1))
    twist = compare(None, "axis_turn_deg", within, ">=", limit("spells", "twist_deg"))
    if not twist.true:
        return False
    qtc, paused = _qtc_outside(facts, spell)
    long = compare(None, "qtc_ms", qtc, ">=", limit("spells", "qtc_pause_ms" if paused else "qtc_ms"))
    evidence = [*_run(facts, spell), twist.evidence]
    code = "R_TDP" if long.true else "R_VT_POLY"
    if long.true is None:
        verdict.skip("R_TDP", ("QT",), WHY_QT)
    else:
        evidence.append(long.evidence)
    argued = (PREEXCITED, ARTEFACT)
    verdict.add(facts.finding(code, NAMES[code], evidence, SOURCE, Certainty.PROBABLE, argued=argued))
    return True


def _polymorphic(facts: Facts, verdict: Verdict, spell: Spell) -> bool:
    """Shape and axis change from beat to beat."""
    limit = facts.rules.limit
    share = float((spell.likeness < limit("spells", "unlike")).mean())
    changed = compare(None, "changed_share", share, ">=", limit("spells", "unlike_share"))
    if not changed.true or spell.beats < 5 or spell.rate_bpm > limit("spells", "changing_bpm"):
        return False
    evidence = [*_run(facts, spell), changed.evidence]
    argued = (PREEXCITED, ARTEFACT)
    verdict.add(facts.finding("R_VT_POLY", NAMES["R_VT_POLY"], evidence, SOURCE, Certainty.PROBABLE, argued=argued))
    if _qtc_outside(facts, spell)[0] is None:
        verdict.skip("R_TDP", ("QT",), WHY_QT)
    return True


def _qtc_outside(facts: Facts, spell: Spell) -> tuple[float | None, bool]:
    """Bazett's QTc of the beats before and after the run, and whether a pause led to it.

    Without beats of the usual shape outside the run QT would be that of the run itself: ``None``.
    """
    marks, beats = facts.marks, facts.rhythm.beats
    if marks is None:
        return None, False
    ms = 1000.0 / facts.rate_hz
    on = marks.qrs_global[:, 0] * ms
    known = (marks.qrs_global[:, 0] != NOWHERE) & np.array([b.kind != Kind.VENTRICULAR for b in beats], dtype=np.bool_)
    before = known & (on < 1000.0 * spell.first_s)
    outside = before | (known & (on > 1000.0 * spell.last_s))
    ends = marks.t_global[:, 2]
    qt = (ends * ms - on)[outside & (ends != NOWHERE)]
    rr = np.diff(on)[outside[1:] & outside[:-1]]
    rr = rr[rr < 1000.0 * spell.seconds]
    if qt.size < 2 or not rr.size:
        return None, False
    last = np.flatnonzero(before)
    gaps = np.diff(on[last]) if last.size > 2 else np.empty(0)
    paused = gaps.size > 1 and gaps[-1] >= facts.rules.limit("spells", "pause_share") * gaps[-2]
    return float(np.median(qt) / np.sqrt(np.median(rr) / 1000.0)), bool(paused)
