"""Now against a prior ECG of the same patient (CLINICAL.md §4.10, the serial rule of §4.6).

ST and T of two ECGs compare only where QRS is the same: a new bundle branch block moves ST by itself. The same means a
correlation ≥ 0.90 in the median lead, the marks allowed to lie 30 ms apart, and the same wide-QRS findings. The median
[project]: one chest electrode a rib lower spoils a correlation over all leads together. Of PTB-XL's seven pairs of one
patient days apart it holds five, all leads together two; of 378 pairs of strangers 13 %, which is why this is never a
proof of identity. A lead whose own QRS correlates below 0.70 was recorded elsewhere on the chest (or exchanged): its
change is shown and decides nothing. What is new is stated by pairs of neighbouring leads;
every lead's change is shown. "No significant change" needs every lead, the same QRS and the same rhythm.

**Identity.** A prior ECG whose patient is not proven to be the same person is shown and nothing more: it neither lowers
nor raises (CLINICAL.md §6, 6), so its changes are "possible" and carry ``IDENTITY_DOUBTFUL``. The default is doubtful.
Even a proven, unchanged prior lowers no RED: that is §5.6's to say, of this module's ``proven_unchanged``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from ecg.analysis import Analysis, AverageBeat, Certainty, Evidence, Finding, NotAssessed, State
from ecg.arrays import Floats, typical
from ecg.interpret.logic import compare as tested
from ecg.interpret.logic import rounded
from ecg.recording import STANDARD_LEADS, PatientFacts, Sex, Text
from ecg.rules import load, table
from ecg.side import Side, side

SOURCE = "CLINICAL §4.10"
NAMES = {
    "D_STE_NEW": Text("新出现的ST段抬高", "New ST elevation"),
    "D_STD_NEW": Text("新出现的ST段压低", "New ST depression"),
    "D_T_INV": Text("新出现的T波倒置", "New T-wave inversion"),
    "D_T_PSEUDO": Text("T波伪性正常化（胸痛时原倒置的T波转为直立）", "Pseudonormalised T (upright with pain)"),
    "D_ST_RESOLVED": Text("ST段回落≥50%，提示再通", "ST resolution of 50 % or more: suggests reperfusion"),
    "D_ST_PERSISTS": Text("ST段回落不足50%，需讨论补救性PCI", "ST resolution below 50 %: discuss rescue PCI"),
    "D_QRS_NEW": Text("新出现的传导异常或Q波", "New conduction disorder or Q wave"),
    "D_RHYTHM": Text("心律改变", "The rhythm has changed"),
    "D_HAT": Text("超急性T波（T波进行性增大）", "Hyperacute T, growing from tracing to tracing"),
    "D_CONDUCTION": Text("两份心电图QRS形态不同，ST-T不可比", "QRS differs: ST and T cannot be compared"),
    "D_UNCHANGED": Text("与前次心电图相比无明显变化", "No significant change from the prior ECG"),
}
WHY_BEAT = Text("缺少平均心搏波形，须重新读取原始文件。", "The average beat is missing: re-read the original file.")
WHY_QRS = Text("QRS形态不同，ST-T不可比。", "QRS differs, so ST and T cannot be compared.")
WHY_QUALITY = Text(
    "其中一份信号质量或滤波不允许判断ST-T。", "The quality or filter of one of them does not allow ST and T."
)
WHY_LEADS = Text("缺少可比的导联。", "Leads that could be compared are missing.")
WHY_PAIN = Text("不知道现在是否胸痛：请询问病人。", "Whether there is chest pain now is unknown: ask the patient.")
WHY_LYSIS = Text("没有溶栓后60–90分钟这一时间信息。", "This is not known to be 60–90 minutes after thrombolysis.")
WHY_PRIOR = Text(
    "前次心电图未评估此项，不能确定是否新出现。", "The prior ECG was not assessed for it: new or not is open."
)
WHY_RHYTHM = Text("其中一份心律未确定。", "The rhythm of one of them was not determined.")
WHY_INTERVAL = Text("不知道两份心电图相隔多久。", "The time between the two is not known.")

_RHYTHMS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("VF", ("R_VF", "R_VFL")),
    ("ASYSTOLE", ("R_ASYS",)),
    ("VT", ("R_TDP", "R_VT_POLY", "R_VT_BIDIR", "R_VT")),
    ("PACED", ("C_PACE_V", "C_PACE_A", "C_PACE_AV")),
    ("AF", ("C_WPW_AF", "R_AF", "R_AF_FAST", "R_AF_SLOW")),
    ("FLUTTER", ("R_AFL",)),
    ("AVB3", ("R_AVB3",)),
    ("SVT", ("R_MAT", "R_AT", "R_SVT", "R_AVNRT", "R_AVRT")),
    ("VENTRICULAR", ("R_AIVR", "R_IVR")),
    ("JUNCTIONAL", ("R_JT", "R_AJR", "R_JUNC", "R_JESC")),
    ("WANDERING", ("R_WAP",)),
    ("SINUS", ("R_SINUS", "R_SBRAD", "R_STACH", "R_SARR")),
)
"""Kinds of rhythm, the one that rules first, with the findings that mean them."""
_CONDUCTION = ("C_LBBB", "C_RBBB", "C_BIFASC", "C_TRIFASC", "C_LAFB", "C_LPFB")
_WIDE = ("C_LBBB", "C_RBBB", "C_WPW", "C_PACE_V", "C_PACE_AV", "R_VT")
_Q_WAVES = ("Q_SEPT", "Q_ANT", "Q_EXTANT", "Q_LAT", "Q_HLAT", "Q_INF", "Q_POST")
_BLOCK = "R_AVB"
_OVERALL = {"heart_rate_bpm": "bpm", "pr_ms": "ms", "qrs_ms": "ms", "qtcf_ms": "ms", "axis_deg": "deg"}
RATE_HZ = 500.0


class Identity(StrEnum):
    """Whether both ECGs are known to be of one person."""

    PROVEN = "proven"
    """Identity card, insurance card or a human confirmed it."""
    DOUBTFUL = "doubtful"
    """Only a name, a device's number or a fingerprint says so."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the ECGs themselves do not say; ``None`` is unknown, never "no".

    ``pain``: ischaemic pain now. ``minutes_between``: from prior to now. ``minutes_after_lysis``: from thrombolysis to
    now, the prior having been recorded before it.
    """

    patient: PatientFacts = field(default_factory=PatientFacts)
    pain: bool | None = None
    minutes_between: float | None = None
    minutes_after_lysis: float | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changed.

    ``correlation`` of QRS, that of each lead, and whether it is the ``same_qrs``; ``st_j_mv`` and ``t_mv``: change by
    lead, now − prior, in mV; ``overall``: change of heart rate, PR, QRS, QTc, axis; ``rhythm``: kind before and now
    (``None``: undetermined); ``changes``: what is stated; ``not_assessed``: what could not be; ``unchanged``:
    three-valued; ``rulesets``: of the prior and of now.
    """

    identity: Identity
    correlation: float | None
    same_qrs: bool | None
    lead_correlation: Mapping[str, float]
    st_j_mv: Mapping[str, float | None]
    t_mv: Mapping[str, float | None]
    overall: Mapping[str, float | None]
    rhythm: tuple[str | None, str | None]
    changes: tuple[Finding, ...]
    not_assessed: tuple[NotAssessed, ...]
    unchanged: bool | None
    rulesets: tuple[str, str]

    @property
    def proven_unchanged(self) -> bool:
        """The "unchanged prior ECG" of §5.6: nothing changed, and it is known to be the same person."""
        return self.identity is Identity.PROVEN and self.unchanged is True

    @property
    def counts(self) -> bool:
        """Whether the desk may act on what is stated here, in either direction."""
        return self.identity is Identity.PROVEN

    def change(self, code: str) -> Finding | None:
        """The stated change with this code."""
        return next((c for c in self.changes if c.code == code), None)


@dataclass(slots=True)
class _Pair:
    """Both ECGs, the rules, and what has been said so far."""

    now: Side
    prior: Side
    around: Circumstances
    identity: Identity
    limits: Mapping[str, Mapping[str, Any]]
    pairs: tuple[tuple[str, str], ...]
    fits: dict[str, float] = field(default_factory=dict[str, float])
    changes: list[Finding] = field(default_factory=list[Finding])
    not_assessed: list[NotAssessed] = field(default_factory=list[NotAssessed])

    def shown(self, lead: str, measure: str) -> float | None:
        """Now − prior in one lead, rounded as it is compared."""
        now, prior = self.now.value(lead, measure), self.prior.value(lead, measure)
        return None if now is None or prior is None else rounded(now - prior, measure)

    def delta(self, lead: str, measure: str) -> float | None:
        """The same, as the rules use it: ``None`` where this lead's own QRS differs (electrode moved)."""
        own = self.fits.get(lead)
        moved = own is not None and own < self.limits["match"]["lead_correlation"]
        return None if moved else self.shown(lead, measure)

    def state(
        self,
        code: str,
        evidence: Iterable[Evidence],
        notes: tuple[str, ...] = (),
        state: State = State.TRUE,
        certainty: Certainty = Certainty.DEFINITE,
    ) -> None:
        """Adds a change; with a doubtful identity it is only possible."""
        if self.identity is Identity.DOUBTFUL:
            certainty, notes = Certainty.POSSIBLE, (*notes, "IDENTITY_DOUBTFUL")
        self.changes.append(
            Finding(code, NAMES[code], state, certainty, tuple(evidence), SOURCE, self.now.ruleset, notes=notes)
        )

    def skip(self, code: str, missing: tuple[str, ...], why: Text) -> None:
        """Notes what could not be decided."""
        self.not_assessed.append(NotAssessed(code, missing, why))


_ST_T = ("D_STE_NEW", "D_STD_NEW", "D_T_INV", "D_T_PSEUDO", "D_HAT")


def compare(
    now: Analysis | Mapping[str, Any],
    prior: Analysis | Mapping[str, Any],
    identity: Identity = Identity.DOUBTFUL,
    around: Circumstances | None = None,
) -> Comparison:
    """What is new since ``prior``. Each is an analysis, or a stored ``ecgnet.analysis/1`` document, from which QRS
    cannot be matched and ST–T is therefore not assessed. ``ValueError`` for a document of another schema."""
    held = _Pair(
        side(now), side(prior), around or Circumstances(), identity, table("serial"), _pairs(load("udmi-2018").rules)
    )
    correlation = _correlation(held)
    same = _same_qrs(held, correlation)
    rhythm = _rhythm_change(held)
    _new_qrs(held)
    blocked = _blocked(held, same)
    if same is False:
        held.state("D_CONDUCTION", _why_different(held, correlation))
    if blocked is None:
        _elevation(held)
        _depression(held)
        _inversion(held)
        _pseudonormal(held)
        _hyperacute(held, correlation or 0.0)
        _resolution(held)
    else:
        for code in _ST_T:
            held.skip(code, *blocked)
    unchanged = _unchanged(held, blocked, rhythm)
    leads = tuple(dict.fromkeys((*held.now.leads, *held.prior.leads)))
    return Comparison(
        identity=identity,
        correlation=correlation,
        same_qrs=same,
        lead_correlation=dict(held.fits),
        st_j_mv={lead: held.shown(lead, "st_j_mv") for lead in leads},
        t_mv={lead: held.shown(lead, "t_mv") for lead in leads},
        overall={name: _overall(held, name) for name in _OVERALL},
        rhythm=(_rhythm(held.prior), _rhythm(held.now)),
        changes=tuple(held.changes),
        not_assessed=tuple(held.not_assessed),
        unchanged=unchanged,
        rulesets=(held.prior.ruleset, held.now.ruleset),
    )


def _pairs(rules: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    groups: dict[str, list[list[str]]] = rules["stemi"]["pairs"]
    return tuple((a, b) for name in ("chest", "limb", "right") for a, b in groups[name])


# --- whether QRS is the same ----------------------------------------------------------------------------------------


def _correlation(held: _Pair) -> float | None:
    """Correlation of both QRS complexes in the median shared readable lead at the best shift, to four decimals."""
    now, prior = held.now.beat, held.prior.beat
    if now is None or prior is None or not (held.now.readable and held.prior.readable):
        return None
    shared = [n for n in now.leads if n in prior.leads and n in held.now.leads and n in held.prior.leads]
    if len(shared) < held.limits["match"]["least_leads"]:
        return None
    one, two = _at_common_rate(now, shared), _at_common_rate(prior, shared)
    length = max(_duration(now), _duration(prior))
    first = round(now.qrs_on * RATE_HZ / now.rate_hz)
    window = one[:, first : first + length]
    reach = round(held.limits["match"]["shift_ms"] * RATE_HZ / 1000.0)
    centre = round(prior.qrs_on * RATE_HZ / prior.rate_hz)
    best: float | None = None
    for begin in range(max(0, centre - reach), centre + reach + 1):
        other = two[:, begin : begin + window.shape[1]]
        if other.shape != window.shape or not window.size:
            continue
        fits = {n: fit for n, a, b in zip(shared, window, other, strict=True) if (fit := _pearson(a, b)) is not None}
        middle = float(typical(list(fits.values()))) if fits else None
        if middle is not None and (best is None or middle > best):
            best, held.fits = middle, {name: round(fit, 4) for name, fit in fits.items()}
    return None if best is None else round(best, 4)


def _same_qrs(held: _Pair, correlation: float | None) -> bool | None:
    width = _overall(held, "qrs_ms")
    if _wide(held.now) != _wide(held.prior) and (width is None or abs(width) >= held.limits["match"]["width_ms"]):
        return False  # the same block on both sides of 120 ms is none that came or went
    return None if correlation is None else correlation >= held.limits["match"]["qrs_correlation"]


def _why_different(held: _Pair, correlation: float | None) -> list[Evidence]:
    limit = held.limits["match"]["qrs_correlation"]
    differ = sorted(_wide(held.now) ^ _wide(held.prior))
    found = [Evidence(None, "finding", code, "not in", "prior" if code in held.now.found else "now") for code in differ]
    below = correlation is not None and correlation < limit
    return [*found, *([Evidence(None, "qrs_correlation", correlation, "<", limit)] if below else [])]


def _wide(one: Side) -> set[str]:
    return {code for code in _WIDE if code in one.found}


def _duration(beat: AverageBeat) -> int:
    return max(1, round((beat.qrs_off - beat.qrs_on) * RATE_HZ / beat.rate_hz))


def _at_common_rate(beat: AverageBeat, leads: list[str]) -> Floats:
    """Float [lead, sample] at :data:`RATE_HZ`, linearly interpolated."""
    rows = beat.millivolts[[beat.leads.index(name) for name in leads]]
    if beat.rate_hz == RATE_HZ:
        return rows
    count = int((rows.shape[1] - 1) * RATE_HZ / beat.rate_hz) + 1
    old: Floats = np.arange(rows.shape[1], dtype=np.float64) / beat.rate_hz
    new: Floats = np.arange(count, dtype=np.float64) / RATE_HZ
    resampled: list[Floats] = [np.interp(new, old, row) for row in rows]
    return np.stack(resampled)


def _pearson(one: Floats, two: Floats) -> float | None:
    a, b = one - one.mean(), two - two.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else None


def _blocked(held: _Pair, same: bool | None) -> tuple[tuple[str, ...], Text] | None:
    """Why ST and T cannot be compared, if they cannot."""
    if not (held.now.st_usable and held.prior.st_usable):
        return ("ST",), WHY_QUALITY
    if same is None:
        missing_beat = held.now.beat is None or held.prior.beat is None
        return (("average_beat",), WHY_BEAT) if missing_beat else (("leads",), WHY_LEADS)
    return None if same else (("qrs_match",), WHY_QRS)


# --- ST and T -------------------------------------------------------------------------------------------------------


def _by_pairs(held: _Pair, code: str, holds: Callable[[str], bool | None]) -> list[str] | None:
    """The leads of the neighbouring pairs in which ``holds``; ``None`` (and said) where none does but one might."""
    truths = {lead: holds(lead) for pair in held.pairs for lead in pair}
    found = [p for p in held.pairs if truths[p[0]] and truths[p[1]]]
    if found:
        return list(dict.fromkeys(lead for pair in found for lead in pair))
    known = held.now.leads.keys() | held.prior.leads.keys()
    lost = {
        lead
        for a, b in held.pairs
        if {a, b} <= known and truths[a] is not False and truths[b] is not False
        for lead in (a, b)
        if truths[lead] is None
    }
    if lost or not any(value is not None for value in truths.values()):
        held.skip(code, tuple(sorted(lost)) or ("leads",), WHY_LEADS)
        return None
    return []


def _elevation(held: _Pair) -> None:
    limits = held.limits["st"]
    sex = held.around.patient.sex

    def limit(lead: str) -> float:
        if lead not in ("V2", "V3"):
            return float(limits["new_mv"])
        return float(limits["new_v2_v3_men_mv" if sex == Sex.MALE else "new_v2_v3_women_mv"])

    def test(lead: str, by: float = 0.0) -> bool | None:
        return tested(lead, "st_j_delta_mv", held.delta(lead, "st_j_mv"), ">=", limit(lead) - by).true

    leads = _by_pairs(held, "D_STE_NEW", test)
    state = State.TRUE
    if leads == []:
        band = float(limits["band_mv"])
        near = [p for p in held.pairs if test(p[0], band) and test(p[1], band)]
        leads, state = list(dict.fromkeys(lead for pair in near for lead in pair)), State.BORDERLINE
    if not leads:
        return
    reached = [code for code in held.now.found if code.startswith("STEMI_")]
    assumed = ("assumed_sex",) if sex is None and {"V2", "V3"} & set(leads) else ()
    notes = (*(("REACHES_STEMI",) if reached and state is State.TRUE else ()), *assumed)
    evidence = [Evidence(n, "st_j_delta_mv", held.delta(n, "st_j_mv"), ">=", limit(n)) for n in leads]
    held.state("D_STE_NEW", evidence, notes, state)


def _depression(held: _Pair) -> None:
    """Further down by the limit, and depressed now: a falling elevation is no new depression."""
    limit, band = float(held.limits["st"]["depression_mv"]), float(held.limits["st"]["band_mv"])

    def test(lead: str, by: float = 0.0) -> bool | None:
        further = tested(lead, "st_j_delta_mv", held.delta(lead, "st_j_mv"), "<=", limit + by).true
        below = tested(lead, "st_j_mv", held.now.value(lead, "st_j_mv"), "<=", limit + by).true
        return False if False in (further, below) else None if None in (further, below) else True

    leads = _by_pairs(held, "D_STD_NEW", test)
    state = State.TRUE
    if leads == []:
        near = [p for p in held.pairs if test(p[0], band) and test(p[1], band)]
        leads, state = list(dict.fromkeys(lead for pair in near for lead in pair)), State.BORDERLINE
    if leads:
        evidence = [Evidence(n, "st_j_delta_mv", held.delta(n, "st_j_mv"), "<=", limit) for n in leads]
        held.state("D_STD_NEW", evidence, (), state)


def _inversion(held: _Pair) -> None:
    limit = float(held.limits["t"]["inversion_mv"])

    def test(lead: str) -> bool | None:
        further = tested(lead, "t_delta_mv", held.delta(lead, "t_mv"), "<=", limit).true
        below = tested(lead, "t_mv", held.now.value(lead, "t_mv"), "<", 0.0).true
        return False if False in (further, below) else None if None in (further, below) else True

    leads = _by_pairs(held, "D_T_INV", test)
    if leads:
        held.state("D_T_INV", [Evidence(n, "t_delta_mv", held.delta(n, "t_mv"), "<=", limit) for n in leads])


def _pseudonormal(held: _Pair) -> None:
    limit = float(held.limits["t"]["was_inverted_mv"])

    def test(lead: str) -> bool | None:
        if held.delta(lead, "t_mv") is None:
            return None
        before = tested(lead, "t_mv", held.prior.value(lead, "t_mv"), "<", limit).true
        upright = tested(lead, "t_mv", held.now.value(lead, "t_mv"), ">", 0.0).true
        return False if False in (before, upright) else None if None in (before, upright) else True

    leads = _by_pairs(held, "D_T_PSEUDO", test)
    if not leads or held.around.pain is False:
        return
    if held.around.pain is None:
        held.skip("D_T_PSEUDO", ("symptoms",), WHY_PAIN)
        return
    held.state("D_T_PSEUDO", [Evidence(n, "t_mv", held.now.value(n, "t_mv"), ">", 0.0) for n in leads])


def _hyperacute(held: _Pair, correlation: float) -> None:
    """T area over QRS grown by half within a day on the same QRS; or the area rule true on two tracings within ten
    minutes (§4.4)."""
    limits, minutes = held.limits["hyperacute"], held.around.minutes_between
    shares = {n: (_t_share(held.prior, n), _t_share(held.now, n)) for pair in held.pairs for n in pair}

    def test(lead: str) -> bool | None:
        before, now = shares[lead]
        if before is None or now is None or held.delta(lead, "t_mv") is None:
            return None
        return now >= limits["least_share_ms"] and now >= limits["growth"] * max(before, 0.0)

    twice = "E_HAT" in held.now.found and "E_HAT" in held.prior.found
    if minutes is None or not 0 <= minutes <= limits["within_min"]:
        if minutes is None:
            held.skip("D_HAT", ("minutes_between",), WHY_INTERVAL)
        return
    if twice and minutes <= limits["pair_within_min"]:
        held.state("D_HAT", [Evidence(None, "minutes_between", minutes, "<=", limits["pair_within_min"])])
        return
    if correlation < limits["qrs_correlation"]:
        held.skip("D_HAT", ("qrs_match",), WHY_QRS)
        return
    leads = _by_pairs(held, "D_HAT", test)
    if leads:
        # A T that was flat or negative has no growth to print: its share is taken as at least 1 ms.
        growth = {n: round((shares[n][1] or 0.0) / max(shares[n][0] or 0.0, 1.0), 2) for n in leads}
        held.state("D_HAT", [Evidence(n, "t_area_growth", g, ">=", limits["growth"]) for n, g in growth.items()])


def _t_share(one: Side, lead: str) -> float | None:
    """T area over QRS peak to peak, in ms (§4.6)."""
    area, size = one.value(lead, "t_area_mv_ms"), one.value(lead, "qrs_pp_mv")
    return None if area is None or not size else area / size


def _resolution(held: _Pair) -> None:
    limits, minutes = held.limits["resolution"], held.around.minutes_after_lysis
    before = {n: v for n in held.prior.leads if n != "aVR" and (v := held.prior.value(n, "st_j_mv")) is not None}
    lead = max(before, key=lambda n: before[n], default=None)
    if lead is None or before[lead] < limits["elevation_mv"]:
        return
    low, high = limits["after_lysis_min"]
    now = held.now.value(lead, "st_j_mv")
    if minutes is None or not low <= minutes <= high or now is None:
        why = (("minutes_after_lysis",), WHY_LYSIS) if now is not None else ((lead,), WHY_LEADS)
        held.skip("D_ST_RESOLVED", *why)
        return
    share = round((before[lead] - now) / before[lead], 4)
    code, op = ("D_ST_RESOLVED", ">=") if share >= limits["share"] else ("D_ST_PERSISTS", "<")
    held.state(code, [Evidence(lead, "st_fall_share", share, op, limits["share"])])


# --- QRS, rhythm, nothing -------------------------------------------------------------------------------------------


def _rhythm(one: Side) -> str | None:
    return next((kind for kind, codes in _RHYTHMS if any(code in one.found for code in codes)), None)


def _rhythm_change(held: _Pair) -> bool | None:
    before, now = _rhythm(held.prior), _rhythm(held.now)
    if before is None or now is None:
        held.skip("D_RHYTHM", ("rhythm",), WHY_RHYTHM)
        return None
    if before == now:
        return False
    held.state("D_RHYTHM", [Evidence(None, "rhythm", now, "!=", before)])
    return True


def _new_qrs(held: _Pair) -> None:
    """Findings of conduction and Q waves that the prior was assessed for and did not have."""
    watched = [c for c in held.now.found if c in _CONDUCTION or c in _Q_WAVES or c.startswith(_BLOCK)]
    fresh = [code for code in watched if code not in held.prior.found]
    open_now = [code for code in fresh if _was_skipped(held.prior, code)]
    new = [code for code in fresh if code not in open_now]
    if new:
        held.state("D_QRS_NEW", [Evidence(None, "finding", code, "not in", "prior") for code in new])
    if open_now:
        held.skip("D_QRS_NEW", tuple(open_now), WHY_PRIOR)


def _was_skipped(prior: Side, code: str) -> bool:
    """Whether the code, or a family it belongs to (``R_AVB``, ``Q``), stands among what was not assessed."""
    return not prior.readable or any(code == held or code.startswith(f"{held}_") or (
        held == _BLOCK and code.startswith(_BLOCK)) for held in prior.skipped)  # fmt: skip


def _overall(held: _Pair, name: str) -> float | None:
    now, prior = held.now.overall[name], held.prior.overall[name]
    if now is None or prior is None:
        return None
    change = now - prior
    if name == "axis_deg":
        change = (change + 180.0) % 360.0 - 180.0
    return round(change, 1)


def _unchanged(held: _Pair, blocked: tuple[tuple[str, ...], Text] | None, rhythm: bool | None) -> bool | None:
    """Every ΔST below the limit in the twelve leads, same QRS, same rhythm, and nothing stated; ``None`` where one of
    these is open."""
    limit = float(held.limits["st"]["unchanged_mv"])
    if any(change.state is State.TRUE for change in held.changes):
        return False
    deltas = {lead: held.delta(lead, "st_j_mv") for lead in STANDARD_LEADS}
    if any(d is not None and abs(d) >= limit for d in deltas.values()):
        return False
    missing = tuple(lead for lead, d in deltas.items() if d is None)
    new_open = any(n.code == "D_QRS_NEW" for n in held.not_assessed)
    if blocked is not None or missing or rhythm is None or new_open:
        reason = blocked or ((missing, WHY_LEADS) if missing else (("rhythm",), WHY_RHYTHM) if rhythm is None else (
            ("QRS",), WHY_PRIOR))  # fmt: skip
        held.skip("D_UNCHANGED", *reason)
        return None
    largest = max(deltas, key=lambda lead: abs(deltas[lead] or 0.0))
    held.state("D_UNCHANGED", [Evidence(largest, "st_j_delta_mv", deltas[largest], "<", limit)])
    return True
