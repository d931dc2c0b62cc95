"""Rhythm (CLINICAL.md §3.1, §3.2, §4.9): what must not be missed first, then sinus rhythm and its rates.

Order: ventricular fibrillation and asystole (no QRS to speak of), pauses, ventricular beats and runs, atrial
fibrillation, regular tachycardias, sinus rhythm. A wide regular tachycardia without sinus P is ventricular until proven
otherwise (ESC-SVT19 §10).
"""

from __future__ import annotations

import numpy as np

from ecg.analysis import Certainty, Evidence, Kind
from ecg.arrays import Flags, Floats
from ecg.interpret import (
    alternans,
    av_block,
    escape,
    foci,
    junctional,
    p_profile,
    regular_af,
    sinoatrial,
    storm,
)
from ecg.interpret.atrial import alternation, calm_p_likeness, flutter, lead_pr_ms, p_repeats
from ecg.interpret.facts import Facts, Verdict, ventricular_runs
from ecg.interpret.logic import all3, compare, rounded
from ecg.interpret.p_profile import Wave
from ecg.interpret.p_train import Train, search
from ecg.interpret.ventricular import patterns
from ecg.recording import Text
from ecg.waves import P_LIKE

NAMES = {
    "R_SINUS": Text("窦性心律", "Sinus rhythm"),
    "R_SBRAD": Text("窦性心动过缓", "Sinus bradycardia"),
    "R_STACH": Text("窦性心动过速", "Sinus tachycardia"),
    "R_SARR": Text("窦性心律不齐", "Sinus arrhythmia"),
    "R_AF": Text("心房颤动", "Atrial fibrillation"),
    "R_AF_FAST": Text("心房颤动伴快速心室率", "Atrial fibrillation with rapid ventricular response"),
    "R_AF_SLOW": Text("心房颤动伴缓慢心室率", "Atrial fibrillation with slow ventricular response"),
    "R_AFL": Text("心房扑动", "Atrial flutter"),
    "R_PAC": Text("房性早搏", "Premature atrial complex"),
    "R_AVB1": Text("一度房室阻滞", "First-degree AV block"),
    "C_SPR": Text("短PR间期", "Short PR interval"),
    "R_PAUSE": Text("长RR间期", "Long RR interval (pause)"),
    "R_ASYS": Text("心室停搏", "Asystole"),
    "R_VF": Text("心室颤动", "Ventricular fibrillation"),
    "R_VT": Text("室性心动过速", "Ventricular tachycardia"),
    "R_VT_NS": Text("非持续性室性心动过速", "Ventricular tachycardia, unsustained"),
    "R_SVT": Text("室上性心动过速", "Supraventricular tachycardia"),
    "R_PVC": Text("室性早搏", "Premature ventricular complex"),
    "C_WPW_AF": Text("房颤伴预激", "Pre-excited atrial fibrillation"),
    "VF_ASYSTOLE_CHECK": Text("请立即看病人：可能室颤或停搏", "Look at the patient: VF or asystole cannot be excluded"),
}
WHY_P = Text("看不清P波或心搏不足5个。", "P waves cannot be judged, or fewer than five beats.")
WHY_ELECTRODES = Text(
    "电极可能脱落：先看病人和电极。", "Electrodes may be off: look at the patient and the electrodes first."
)
WHY_UNLIKE = Text("QRS波形互不相似，可能是干扰。", "No QRS repeats itself: perhaps nothing but noise.")
LEAST_SHARE = 0.4
"""The dominant shape holds at least this share of the beats, or there is no rhythm to name [project]."""
ENTROPY_BIN = 0.05
"""Width of the RR classes, as a share of the mean RR."""
VF_LEADS = 3


def interpret(facts: Facts, verdict: Verdict) -> None:
    """Adds the rhythm findings."""
    if storm.interpret(facts, verdict) or _chaos(facts, verdict):
        return
    _asystole(facts, verdict)
    if len(facts.rhythm.beats) < 2:
        verdict.skip("R_SINUS", ("QRS",), WHY_P)
        return
    alternans.interpret(facts, verdict)
    if facts.rhythm.dominant_share < LEAST_SHARE:
        for code in ("R_SINUS", "R_AF"):
            verdict.skip(code, ("QRS",), WHY_UNLIKE)
        return
    paced = verdict.has("C_PACE_V") or verdict.has("C_PACE_AV")
    fluttering = not paced and _flutter(facts, verdict)
    several = not paced and not fluttering and foci.multifocal(facts, verdict)
    fibrillation = not (paced or fluttering or several) and _fibrillation(facts, verdict)
    if paced:
        av_block.unsought(verdict, av_block.WHY_PACED, "C_PACE_V")
    blocked = not (paced or fluttering or fibrillation or several) and _blocked(facts, verdict)
    fibrillation = fibrillation or verdict.has("R_AF")
    _pause(facts, verdict, fibrillation)
    _ventricular(facts, verdict)
    if fibrillation or fluttering or paced or blocked or several:
        return
    _premature(facts, verdict)
    if _sinus(facts, verdict):
        _av_delay(facts, verdict)
        _paused(facts, verdict)
    else:
        _elsewhere(facts, verdict)


def _paused(facts: Facts, verdict: Verdict) -> None:
    """Why a sinus rhythm pauses, and what ends the pause."""
    early = not verdict.has("R_PAC") and foci.early_blocked(facts, verdict)
    sinoatrial.interpret(facts, verdict, early)
    escape.beats(facts, verdict)
    if early or any(verdict.has(code) for code in (*sinoatrial.NAMES, "R_ESC")):
        # A pause that has its reason is no sinus arrhythmia.
        verdict.findings[:] = [f for f in verdict.findings if f.code != "R_SARR"]


def _elsewhere(facts: Facts, verdict: Verdict) -> None:
    """A rhythm whose P is not the sinus node's, or was not seen: read from what the beats share before QRS."""
    wave = p_profile.before(facts)
    if _regular(facts):
        if _fast_sinus(facts, verdict, wave):
            return
        narrow = compare(None, "qrs_ms", facts.measurements.qrs_ms, "<", facts.rules.limit("conduction", "bbb_ms"))
        if narrow.true and foci.tachycardia(facts, verdict, wave):
            return
        if junctional.interpret(facts, verdict, wave):
            return
    if not escape.rhythm(facts, verdict, wave):
        _tachycardia(facts, verdict)


def _fast_sinus(facts: Facts, verdict: Verdict, wave: Wave | None) -> bool:
    """Sinus tachycardia so fast that P had no room to be measured: an upright P, once a cycle."""
    m, limit = facts.measurements, facts.rules.limit
    tests = [
        compare(None, "heart_rate_bpm", m.heart_rate_bpm, ">", limit("rhythm", "tachy_bpm")),
        compare(None, "qrs_ms", m.qrs_ms, "<", limit("conduction", "bbb_ms")),
    ]
    if facts.rhythm.p_share is not None or not all(t.true for t in tests):
        return False
    if wave is None or wave.axis_deg is None or not foci.fast_sinus(facts, wave):
        return False
    low = facts.rules.rules["rhythm"]["p_axis_wide_deg"][0]
    evidence = [tests[0].evidence, compare(None, "p_axis_deg", wave.axis_deg, ">=", low).evidence]
    name, argued = NAMES["R_STACH"], (foci.FLUTTER,)
    verdict.add(facts.finding("R_STACH", name, evidence, "ESC-SVT19; CLINICAL §3.1", Certainty.PROBABLE, argued=argued))
    return True


def _regular(facts: Facts) -> bool:
    """Whether RR is regular (ESC-SVT19 §9)."""
    rr, limit = facts.rhythm.rr_ms, facts.rules.limit
    spread = float(rr.std()) if rr.size >= 4 else float("inf")
    return spread < limit("rhythm", "regular_sd_ms") or spread < limit("rhythm", "regular_sd") * float(rr.mean())


def _steady(facts: Facts) -> Flags:
    """Which beats are neither premature nor ventricular, bool [beat]."""
    return np.array([b.kind == Kind.DOMINANT for b in facts.rhythm.beats], dtype=np.bool_)


def _steady_p(facts: Facts) -> tuple[float | None, float | None]:
    """Share of the dominant beats that have a P like the others', and the median likeness; early beats apart, whose P
    is another's."""
    r, marks = facts.rhythm, facts.marks
    if r.p_share is None or marks is None or marks.p_alike.size != len(r.beats):
        return r.p_share, r.p_share
    alike = marks.p_alike[_steady(facts)]
    alike = alike[np.isfinite(alike)]
    if alike.size < 3 or facts.measurements.pr_ms is None:
        return r.p_share, r.p_share
    return float((alike >= P_LIKE).mean()), float(np.median(alike))


def _flutter(facts: Facts, verdict: Verdict) -> bool:
    """Waves at 240–340/min without rest, where no sinus P stands before the beats."""
    r, m, limit = facts.rhythm, facts.measurements, facts.rules.limit
    share, _ = _steady_p(facts)
    if share is not None and share >= limit("rhythm", "sinus_share"):
        return False
    found = flutter(facts)
    if found is None:
        verdict.skip("R_AFL", ("II", "III", "aVF", "V1"), WHY_P)
        return False
    rate, alike = found
    ratio = 60.0 * rate / m.heart_rate_bpm if m.heart_rate_bpm else None
    # So fast that one wave hides in QRS: only a regular rhythm at half the atrial rate is taken for flutter.
    hidden = r.p_share is None
    least = limit("rhythm", "flutter_hidden_likeness" if hidden else "flutter_likeness")
    tests = [
        compare(None, "atrial_hz", rate, ">=", limit("rhythm", "flutter_low_hz")),
        compare(None, "flutter_likeness", alike, ">=", least),
        compare(None, "seconds", r.seconds, ">=", 5.0),
    ]
    if not all(t.true for t in tests):
        return False
    if hidden:
        steady = float(r.rr_ms.std()) < limit("rhythm", "regular_sd") * float(r.rr_ms.mean())
        if not steady or ratio is None or abs(ratio - 2.0) > 0.12:
            return False
        if foci.fast_sinus(facts, p_profile.before(facts)):
            return False
    else:
        calm = calm_p_likeness(facts)
        if calm is not None and calm >= limit("rhythm", "af_calm_p"):
            return False
    evidence = [t.evidence for t in tests]
    if ratio is not None:
        evidence.append(Evidence(None, "conduction_ratio", round(ratio, 1), ">=", 1.0))
    verdict.add(facts.finding("R_AFL", NAMES["R_AFL"], evidence, "ESC-SVT19 §11; CLINICAL §3.1", Certainty.PROBABLE))
    return True


def _blocked(facts: Facts, verdict: Verdict) -> bool:
    """AV block, which names the rhythm: the atria's own rate is the sinus node's."""
    share, _ = _steady_p(facts)
    tied = share is not None and share >= facts.rules.limit("av_block", "search_tied_share")
    found = search(facts, tied)
    if found.train is not None and av_block.interpret(facts, verdict, found.train) is not None:
        _sinus_above(facts, verdict, found.train)
        return True
    if found.train is not None and not av_block.locked(facts, found.train):
        return False
    if regular_af.complete_block(facts, verdict, NAMES):
        return True
    slow = compare(
        None, "heart_rate_bpm", facts.measurements.heart_rate_bpm, "<", facts.rules.limit("av_block", "search_bpm")
    )
    if found.asked and not tied and (slow.true or not found.possible):
        av_block.unsought(verdict, av_block.WHY_P, "P")
    return False


def _sinus_above(facts: Facts, verdict: Verdict, train: Train) -> None:
    """Sinus rhythm above a block: P upright in II at a rate of its own."""
    limit = facts.rules.limit
    if train.upright <= 0:
        low = compare(None, "atrial_rate_bpm", train.rate_bpm, ">", limit("foci", "at_low_bpm"))
        if train.upright < 0 and low.true and train.rate_bpm <= limit("foci", "at_high_bpm"):
            argued = (foci.SINUS, foci.FLUTTER)
            verdict.add(
                facts.finding(
                    "R_AT", foci.NAMES["R_AT"], [low.evidence], foci.SOURCE, Certainty.POSSIBLE, argued=argued
                )
            )
        return
    slow = compare(None, "atrial_rate_bpm", train.rate_bpm, "<", limit("rhythm", "brady_bpm"))
    fast = compare(None, "atrial_rate_bpm", train.rate_bpm, ">", limit("rhythm", "tachy_bpm"))
    code = "R_SBRAD" if slow.true else "R_STACH" if fast.true else "R_SINUS"
    evidence = [t.evidence for t in (slow, fast) if t.true]
    evidence = evidence or [
        Evidence(None, "atrial_rate_bpm", round(train.rate_bpm, 1), ">=", limit("rhythm", "brady_bpm"))
    ]
    verdict.add(facts.finding(code, NAMES[code], evidence, "P2; ESC-SVT19; CLINICAL §3.1", Certainty.PROBABLE))


def _premature(facts: Facts, verdict: Verdict) -> None:
    """Early beats of the dominant shape, or aberrant ones, in a rhythm with P."""
    junction = junctional.premature(facts)
    junctional.add_premature(facts, verdict, junction)
    early = sum(b.kind in (Kind.PREMATURE, Kind.ABERRANT) for b in facts.rhythm.beats) - len(junction)
    test = compare(None, "premature_beats", float(early), ">=", 1.0)
    if test.true:
        verdict.add(facts.finding("R_PAC", NAMES["R_PAC"], [test.evidence], "P2; CLINICAL §3.1", Certainty.PROBABLE))


def _av_delay(facts: Facts, verdict: Verdict) -> None:
    """PR too long or too short in sinus rhythm."""
    _long_pr(facts, verdict)
    short = compare(None, "pr_ms", facts.measurements.pr_ms, "<", facts.rules.limit("conduction", "short_pr_ms"))
    if short.true and not verdict.has("C_WPW"):
        verdict.add(facts.finding("C_SPR", NAMES["C_SPR"], [short.evidence], "P2; CLINICAL §3.3"))


def _long_pr(facts: Facts, verdict: Verdict) -> None:
    """First-degree block. The global PR is longer than any lead's own, by which 200 ms was found: both must be long."""
    limit, pr, own = facts.rules.limit("rhythm", "long_pr_ms"), facts.measurements.pr_ms, lead_pr_ms(facts)
    band = facts.rules.limit("bands", "duration_ms")
    tests = [
        compare(None, "pr_ms", pr, ">", limit, band),
        compare(None, "pr_lead_ms", pr if own is None else own, ">", limit, 2 * band),
    ]
    verdict.decide(facts, "R_AVB1", NAMES["R_AVB1"], tests, all3(t.true for t in tests), "BRADY18; CLINICAL §3.1")


def _arrhythmia(facts: Facts, verdict: Verdict) -> None:
    """PP varies without any early beat."""
    steady, rr, limit = _steady(facts), facts.rhythm.rr_ms, facts.rules.limit
    if rr.size < 6 or not steady[1:-1].all():
        return
    spread = float(rr.max() - rr.min())
    tests = [
        compare(None, "pp_range_ms", spread, ">", limit("rhythm", "arrhythmia_ms")),
        compare(None, "pp_range_share", spread / float(rr.mean()), ">", limit("rhythm", "arrhythmia_share")),
    ]
    if all(t.true for t in tests):
        verdict.add(facts.finding("R_SARR", NAMES["R_SARR"], [t.evidence for t in tests], "SURA; CLINICAL §3.1"))


def _chaos(facts: Facts, verdict: Verdict) -> bool:
    """Ventricular fibrillation: no repeated QRS, one broad frequency of 3–9 Hz, never quiet, in three leads or more."""
    r, limit = facts.rhythm, facts.rules.limit
    if r.spread_mv.size < VF_LEADS or r.seconds < 2.0:
        return False
    coarse = r.spread_mv >= limit("rhythm", "vf_coarse_mv")
    rate = (r.peak_hz >= limit("rhythm", "vf_low_hz")) & (r.peak_hz <= limit("rhythm", "vf_high_hz"))
    restless = (r.quiet_share < limit("rhythm", "vf_quiet")) & (r.concentration >= limit("rhythm", "vf_concentration"))
    hit = coarse & rate & restless
    repeated = r.dominant_share >= 0.7 and r.mean_fit >= 0.93
    if int(hit.sum()) < VF_LEADS or int(hit.sum()) < 0.6 * r.spread_mv.size or repeated or r.coherence < 0.3:
        return False
    typical = float(np.median(r.peak_hz[hit]))
    evidence = [
        Evidence(None, "leads_chaotic", int(hit.sum()), ">=", VF_LEADS),
        Evidence(None, "dominant_hz", round(typical, 1), ">=", limit("rhythm", "vf_low_hz")),
        Evidence(None, "quiet_share", round(float(np.median(r.quiet_share[hit])), 2), "<", limit("rhythm", "vf_quiet")),
        Evidence(
            None, "peak_to_peak_mv", round(float(np.median(r.spread_mv[hit])), 3), ">=", limit("rhythm", "vf_coarse_mv")
        ),
    ]
    verdict.add(facts.finding("R_VF", NAMES["R_VF"], evidence, "VA22; CLINICAL §3.1", Certainty.PROBABLE))
    return True


def _asystole(facts: Facts, verdict: Verdict) -> None:
    """No QRS in the whole record, or none in its last five seconds.

    No file tells whether its electrodes were connected, and a loose wire is the usual reason; only a QRS earlier in
    the same record shows that they were. Without one, somebody must look at the patient.
    """
    test = compare(None, "last_gap_s", facts.rhythm.last_beat_gap_s, ">=", facts.rules.limit("rhythm", "asystole_s"))
    if not test.true:
        return
    seen = len(facts.rhythm.beats) > 0 and facts.readable("I") and facts.readable("II")
    code = "R_ASYS" if seen else "VF_ASYSTOLE_CHECK"
    verdict.add(facts.finding(code, NAMES[code], [test.evidence], "BLS; VA22; CLINICAL §1.5, §3.1", Certainty.POSSIBLE))
    if not seen:
        verdict.skip("R_ASYS", ("electrodes",), WHY_ELECTRODES)


def entropy(rr_ms: Floats) -> float:
    """Shannon entropy of the RR intervals in classes of 5 % of their mean, divided by its largest possible value; 0 …
    1."""
    if rr_ms.size < 3:
        return 0.0
    _, counts = np.unique(np.floor(rr_ms / (ENTROPY_BIN * rr_ms.mean())), return_counts=True)
    share = counts / rr_ms.size
    return float(-(share * np.log(share)).sum() / np.log(rr_ms.size))


def _fibrillation(facts: Facts, verdict: Verdict) -> bool:
    r, limit = facts.rhythm, facts.rules.limit
    rr = r.dominant_rr_ms
    if rr.size < 5:
        verdict.skip("R_AF", ("RR",), WHY_P)
        return False
    steps: Floats = np.abs(np.diff(rr)) / rr.mean()
    irregular = float(np.sqrt(np.mean(steps**2)))
    tests = [
        compare(None, "rr_rmssd_ratio", irregular, ">=", limit("rhythm", "af_rmssd")),
        compare(None, "rr_entropy", entropy(rr), ">=", limit("rhythm", "af_entropy")),
        compare(
            None, "p_repeats", None if r.p_share is None else p_repeats(facts), "<", limit("rhythm", "af_p_repeats")
        ),
    ]
    # A few early beats in a steady rhythm make RMSSD large too, but not the typical step.
    typical = compare(None, "rr_typical_step", float(np.median(steps)), ">=", limit("rhythm", "af_typical_step"))
    if not (tests[0].true and tests[1].true and typical.true) or tests[2].true is False:
        return False
    # Irregular, but by a rule: long and short intervals by turns are bigeminy.
    if (turns := alternation(rr)) is not None and turns < limit("rhythm", "af_alternation"):
        return False
    # So fast that P has no room of its own: irregularity alone makes it probable.
    sure = Certainty.DEFINITE if r.seconds >= limit("rhythm", "af_seconds") and tests[2].true else Certainty.PROBABLE
    evidence = [t.evidence for t in (*tests, typical) if t.true]
    qrs = facts.measurements.qrs_ms
    fastest = compare(None, "min_rr_ms", facts.measurements.min_rr_ms, "<=", limit("rhythm", "wpw_af_ms"))
    if fastest.true and qrs is not None and qrs >= limit("conduction", "bbb_ms") and r.dominant_share < 0.8:
        verdict.add(
            facts.finding(
                "C_WPW_AF", NAMES["C_WPW_AF"], [*evidence, fastest.evidence], "ESC-SVT19 §11.4", Certainty.POSSIBLE
            )
        )
    calm = calm_p_likeness(facts) if r.p_share is not None else None
    if calm is not None and calm >= limit("rhythm", "af_calm_p"):
        # P stands before every unhurried beat: early beats, not fibrillation.
        return False
    verdict.add(facts.finding("R_AF", NAMES["R_AF"], evidence, "AF24 §3", sure))
    rate = facts.measurements.heart_rate_bpm
    for code, op, name in (("R_AF_FAST", ">", "af_fast_bpm"), ("R_AF_SLOW", "<", "af_slow_bpm")):
        test = compare(None, "heart_rate_bpm", rate, op, limit("rhythm", name))
        if test.true:
            verdict.add(facts.finding(code, NAMES[code], [test.evidence], "AF24 §3; CLINICAL §3.1", sure))
    return True


def _pause(facts: Facts, verdict: Verdict, fibrillation: bool) -> None:
    limit = facts.rules.limit("rhythm", "pause_note_af_ms" if fibrillation else "pause_note_ms")
    test = compare(None, "max_rr_ms", facts.measurements.max_rr_ms, ">=", limit)
    usual = float(np.median(facts.rhythm.rr_ms)) if facts.rhythm.rr_ms.size else 0.0
    # A steady slow rhythm is a bradycardia, not a pause, until an interval is long by itself.
    if test.true and (
        (facts.measurements.max_rr_ms or 0.0) > 1.3 * usual or (facts.measurements.max_rr_ms or 0.0) >= 3000.0
    ):
        verdict.add(facts.finding("R_PAUSE", NAMES["R_PAUSE"], [test.evidence], "BRADY18; CV17"))


def _ventricular(facts: Facts, verdict: Verdict) -> None:
    beats = facts.rhythm.beats
    wide = [b for b in beats if b.kind == Kind.VENTRICULAR]
    if not wide:
        return
    escape.runs(facts, verdict)
    late = escape.late(facts)
    if len(late) == len(wide):
        return
    runs = [(a, b) for a, b in ventricular_runs(beats) if b - a >= 3]
    for first, stop in runs:
        rr = facts.rhythm.rr_ms[first : stop - 1]
        rate = compare(None, "run_rate_bpm", 60000.0 / float(rr.mean()), ">", facts.rules.limit("rhythm", "tachy_bpm"))
        if rate.true:
            evidence = [Evidence(None, "run_beats", stop - first, ">=", 3), rate.evidence]
            verdict.add(facts.finding("R_VT_NS", NAMES["R_VT_NS"], evidence, "VA22 §3", Certainty.PROBABLE))
            break
    early = Evidence(None, "ventricular_beats", len(wide) - len(late), ">=", 1)
    verdict.add(facts.finding("R_PVC", NAMES["R_PVC"], [early], "P2"))
    patterns(facts, verdict)


def _sinus(facts: Facts, verdict: Verdict) -> bool:
    r, m, limit = facts.rhythm, facts.measurements, facts.rules.limit
    if r.p_share is None or m.heart_rate_bpm is None or len(r.beats) < 5:
        verdict.skip("R_SINUS", ("P",) if r.p_share is None else ("QRS",), WHY_P)
        return False
    if _t_for_p(facts):
        verdict.skip("R_SINUS", ("P",), WHY_P)
        return False
    low, high = facts.rules.rules["rhythm"]["p_axis_deg"]
    least, most = facts.rules.rules["rhythm"]["p_axis_wide_deg"]
    share, alike = _steady_p(facts)
    axis = rounded(m.axis_deg.p, "p_axis_deg")
    typical = axis is not None and low <= axis <= high
    plain = share is not None and share >= limit("rhythm", "sinus_share")
    near = alike is not None and alike >= 0.6
    tests = [
        compare(None, "p_share", share, ">=", limit("rhythm", "sinus_probable_share" if near else "sinus_share")),
        compare(None, "p_axis_deg", axis, ">=", low if typical else least),
        compare(None, "p_axis_deg", axis, "<=", high if typical else most),
        compare(None, "pr_ms", m.pr_ms, ">=", limit("rhythm", "sinus_pr_ms")),
    ]
    truths = [t.true for t in tests[:3]] + [tests[3].true or verdict.has("C_WPW")]
    if False in truths:
        return False
    if None in truths:
        verdict.skip("R_SINUS", tuple(t.evidence.measure for t in tests if t.true is None), WHY_P)
        return False
    sure = Certainty.DEFINITE if typical and plain else Certainty.PROBABLE
    evidence = [t.evidence for t in tests if t.true]
    rate = rounded(m.heart_rate_bpm, "heart_rate_bpm") or 0.0
    if rate < limit("rhythm", "brady_bpm"):
        evidence.append(Evidence(None, "heart_rate_bpm", rate, "<", limit("rhythm", "brady_bpm")))
        verdict.add(facts.finding("R_SBRAD", NAMES["R_SBRAD"], evidence, "BRADY18 §4; CLINICAL §3.1", sure))
    elif rate > limit("rhythm", "tachy_bpm"):
        evidence.append(Evidence(None, "heart_rate_bpm", rate, ">", limit("rhythm", "tachy_bpm")))
        verdict.add(facts.finding("R_STACH", NAMES["R_STACH"], evidence, "ESC-SVT19; CLINICAL §3.1", sure))
    else:
        verdict.add(facts.finding("R_SINUS", NAMES["R_SINUS"], evidence, "P2; ESC-SVT19; CLINICAL §3.1", sure))
    _arrhythmia(facts, verdict)
    return True


def _t_for_p(facts: Facts) -> bool:
    """Whether what was taken for P lies within the T of the beat before, in a rhythm of broad QRS."""
    m, rr = facts.measurements, facts.rhythm.rr_ms
    if m.pr_ms is None or m.qt_ms is None or m.qrs_ms is None or not rr.size:
        return False
    broad = m.qrs_ms >= facts.rules.limit("conduction", "bbb_ms")
    return broad and float(np.median(rr)) - m.pr_ms < m.qt_ms - 20.0


def _tachycardia(facts: Facts, verdict: Verdict) -> None:
    """Regular tachycardia without sinus P: supraventricular if narrow, ventricular if wide."""
    r, m, limit = facts.rhythm, facts.measurements, facts.rules.limit
    fast = compare(None, "heart_rate_bpm", m.heart_rate_bpm, ">", limit("rhythm", "tachy_bpm"))
    if (
        not fast.true
        or r.rr_ms.size < 4
        or (r.p_share is not None and r.p_share >= limit("rhythm", "sinus_share") and (m.heart_rate_bpm or 0) < 150)
    ):
        return
    spread = float(r.rr_ms.std())
    if not _regular(facts) or m.qrs_ms is None:
        return
    wide = compare(None, "qrs_ms", m.qrs_ms, ">=", limit("conduction", "bbb_ms"))
    steady = Evidence(None, "rr_sd_ms", rounded(spread, "rr_sd_ms"), "<", limit("rhythm", "regular_sd_ms"))
    code = "R_VT" if wide.true else "R_SVT"
    verdict.add(
        facts.finding(
            code, NAMES[code], [fast.evidence, wide.evidence, steady], "ESC-SVT19 §9, §10", Certainty.PROBABLE
        )
    )
