"""Complete AV block in atrial fibrillation (CLINICAL.md §3.1): there is no P to follow, but f waves on the baseline and
ventricles that beat slowly and as regularly as a clock, which nothing that comes through the AV node in fibrillation
does."""

from __future__ import annotations

import numpy as np

from ecg.analysis import Argument, Certainty, Kind
from ecg.arrays import Floats
from ecg.interpret import av_block
from ecg.interpret.facts import Facts, Verdict
from ecg.interpret.logic import compare
from ecg.marks import NOWHERE
from ecg.recording import Text

LEADS_OF_F = ("V1", "II", "III", "aVF")
RMS_TO_PEAKS = 2.8
"""Peak to peak of a sine of root mean square 1."""
ESCAPE_RHYTHM = Argument(
    "R_JESC",
    True,
    Text("基线上有f波，不是单纯的交界性心律。", "There are f waves on the baseline: not merely a junctional rhythm."),
)


def complete_block(facts: Facts, verdict: Verdict, names: dict[str, Text]) -> bool:
    """Complete block in atrial fibrillation: f waves, and ventricles slow and regular. Adds R_AF and R_AVB3.

    ``names``: what R_AF is called.
    """
    r, m, limit = facts.rhythm, facts.measurements, facts.rules.limit
    if r.rr_ms.size < 3 or m.heart_rate_bpm is None or any(b.kind == Kind.VENTRICULAR for b in r.beats):
        return False
    tests = [
        compare(None, "heart_rate_bpm", m.heart_rate_bpm, "<", limit("av_block", "af_bpm")),
        compare(None, "rr_sd_share", float(r.rr_ms.std() / r.rr_ms.mean()), "<", limit("av_block", "af_rr_sd")),
        compare(None, "p_share", r.p_share, "<=", limit("av_block", "af_p_share")),
    ]
    if not all(t.true for t in tests):
        return False
    size, slow = f_waves(facts)
    waves = [
        compare(None, "f_wave_mv", size, ">=", limit("av_block", "f_wave_mv")),
        compare(None, "f_wave_share", slow, ">=", limit("av_block", "f_wave_share")),
    ]
    if not all(t.true for t in waves):
        return False
    if r.seconds < limit("rhythm", "af_seconds"):
        verdict.skip("R_AVB3", ("seconds",), av_block.WHY_BRIEF)
        return False
    found = [t.evidence for t in (*tests, waves[0])]
    verdict.add(
        facts.finding(
            "R_AF", names["R_AF"], [tests[2].evidence, waves[0].evidence], "AF24 §3; CLINICAL §3.1", Certainty.PROBABLE
        )
    )
    verdict.add(
        facts.finding(
            "R_AVB3", av_block.NAMES["R_AVB3"], found, av_block.SOURCE, Certainty.PROBABLE, argued=(ESCAPE_RHYTHM,)
        )
    )
    return True


def f_waves(facts: Facts) -> tuple[float | None, float]:
    """Size of what moves between T and the next QRS (mV peak to peak of a sine of that power, in the clearest of V1,
    II, III, aVF; the calmest quarter of the intervals), and the share of it below 12 Hz. ``None`` without room."""
    marks = facts.marks
    rows = [facts.leads.index(n) for n in LEADS_OF_F if n in facts.leads and facts.readable(n)]
    if marks is None or not rows or not facts.signal.size:
        return None, 0.0
    step = max(1, round(0.010 * facts.rate_hz))
    x = facts.signal[rows, : facts.signal.shape[1] // step * step].reshape(len(rows), -1, step).mean(axis=2)
    sizes: list[Floats] = []
    shares: list[Floats] = []
    for k in range(marks.qrs_global.shape[0] - 1):
        end, after = int(marks.t_global[k, 2]), int(marks.qrs_global[k + 1, 0])
        part = x[:, end // step + 6 : after // step - 4]
        if NOWHERE in (end, after) or part.shape[1] < 30:
            continue
        soft, fast = _split(_level(part))
        sizes.append(RMS_TO_PEAKS * soft.std(axis=1))
        power = (soft**2).mean(axis=1)
        # Of white noise the mean of three keeps a third.
        shares.append(power / (power + 2.0 * (fast**2).mean(axis=1) + 1e-12))
    if len(sizes) < 2:
        return None, 0.0
    calm = np.quantile(np.stack(sizes), 0.25, axis=0)
    best = int(np.argmax(calm))
    return float(calm[best]), float(np.median(np.stack(shares)[:, best]))


def _level(part: Floats) -> Floats:
    """Without level, slope and curvature."""
    t = np.linspace(-1.0, 1.0, part.shape[1])
    base: Floats = np.linalg.qr(np.stack([np.ones(t.size), t, t * t], axis=1))[0]
    out: Floats = part - (part @ base) @ base.T
    return out


def _split(part: Floats) -> tuple[Floats, Floats]:
    """The mean of three samples each, and what it leaves."""
    soft: Floats = (part[:, :-2] + part[:, 1:-1] + part[:, 2:]) / 3.0
    return soft, part[:, 1:-1] - soft
