"""The analysis as JSON, schema ``ecgnet.analysis/1`` (ARCHITECTURE.md §3). Adding a field is free; renaming one is a
new schema."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

from ecg.analysis import Analysis, Evidence, Finding, LeadMeasurements, Marks, Measurements, Qtc, Waves
from ecg.interpret.logic import rounded
from ecg.recording import Note, Recording, Text

SCHEMA = "ecgnet.analysis/1"
LEAD_FIELDS = tuple(f.name for f in fields(LeadMeasurements))


def document(analysis: Analysis, recording: Recording, file: str) -> dict[str, Any]:
    """A dictionary that ``json.dumps`` accepts as it is: no NaN, no numpy number."""
    return {
        "schema": SCHEMA,
        "file": file,
        "software": {"version": analysis.version, "ruleset": analysis.ruleset},
        "rules": [asdict(used) for used in analysis.rules],
        "recording": _recording(recording),
        "notes": [_note(n) for n in analysis.notes],
        "quality": {
            "grade": analysis.quality.grade.value,
            "leads": {
                n: {"grade": q.grade.value, "defects": list(q.defects)} for n, q in analysis.quality.leads.items()
            },
            "defects": list(analysis.quality.defects),
            "reversal": _reversal(analysis),
            "advice": [{"code": a.code, **_text(a.text)} for a in analysis.quality.advice],
        },
        "beats": [{"index": b.index, "sample": b.sample, "kind": b.kind.value} for b in analysis.beats],
        "waves": {
            "global": [_waves(w) for w in analysis.global_waves],
            "leads": {lead: [_waves(w) for w in waves] for lead, waves in analysis.lead_waves.items()},
        },
        "measurements": measurements(analysis.measurements),
        "findings": [finding(f) for f in analysis.findings],
        "not_assessed": [
            {"code": n.code, "missing": list(n.missing), "why": _text(n.why)} for n in analysis.not_assessed
        ],
    }


def measurements(m: Measurements) -> dict[str, Any]:
    """Measurements with the rounding of the contract: mV to 0.1 µV, ms, bpm and degrees to 0.1."""
    return {
        "heart_rate_bpm": rounded(m.heart_rate_bpm, "x_bpm"),
        "min_rr_ms": rounded(m.min_rr_ms, "x_ms"),
        "max_rr_ms": rounded(m.max_rr_ms, "x_ms"),
        "p_ms": rounded(m.p_ms, "x_ms"),
        "pr_ms": rounded(m.pr_ms, "x_ms"),
        "qrs_ms": rounded(m.qrs_ms, "x_ms"),
        "qt_ms": rounded(m.qt_ms, "x_ms"),
        "qtc_ms": _qtc(m.qtc_ms),
        "axis_deg": {k: rounded(v, "x_deg") for k, v in asdict(m.axis_deg).items()},
        "leads": {n: _lead(lead) for n, lead in m.leads.items()},
        "jt_ms": rounded(m.jt_ms, "x_ms"),
        "t_peak_end_ms": rounded(m.t_peak_end_ms, "x_ms"),
        "qtm_ms": rounded(m.qtm_ms, "x_ms"),
        "qtmc_ms": _qtc(m.qtmc_ms),
        "rr_ms": [rounded(v, "x_ms") for v in m.rr_ms],
        "variability": {f.name: rounded(getattr(m.variability, f.name), f.name) for f in fields(m.variability)},
        "flags": list(m.flags),
        "unmeasured": {name: _text(why) for name, why in m.unmeasured.items()},
    }


def _lead(lead: LeadMeasurements) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name in LEAD_FIELDS:
        value: Any = getattr(lead, name)
        out[name] = rounded(value, name) if isinstance(value, float | int) else value
    out["notches"] = [
        {"at_ms": rounded(n.at_ms, "x_ms"), "depth_mv": rounded(n.depth_mv, "x_mv"), "kind": n.kind}
        for n in lead.notches
    ]
    return out


def _qtc(qtc: Qtc | None) -> dict[str, Any] | None:
    return None if qtc is None else {k: rounded(v, "x_ms") for k, v in asdict(qtc).items()}


def finding(f: Finding) -> dict[str, Any]:
    """One finding."""
    return {
        "code": f.code,
        "name": _text(f.name),
        "state": f.state.value,
        "certainty": f.certainty.value,
        "evidence": [_evidence(e) for e in f.evidence],
        "argued": [{"mimic": a.mimic, "kept": a.kept, "why": _text(a.why)} for a in f.argued],
        "notes": list(f.notes),
        "hints": [_text(hint) for hint in f.hints],
        "source": f.source,
        "ruleset": f.ruleset,
    }


def _evidence(e: Evidence) -> dict[str, Any]:
    return {"lead": e.lead, "measure": e.measure, "value": e.value, "op": e.op, "limit": e.limit}


def _text(text: Text) -> dict[str, str]:
    return {"zh": text.zh, "en": text.en}


def _note(note: Note) -> dict[str, Any]:
    return {"code": note.code, "lead": note.lead, **_text(note.text)}


def _waves(w: Waves) -> dict[str, Any]:
    out: dict[str, Any] = {"beat": w.beat, "p": _marks(w.p), "qrs": _marks(w.qrs), "t": _marks(w.t)}
    if w.confidence is not None:
        sure = (("p", w.confidence.p), ("qrs", w.confidence.qrs), ("t", w.confidence.t))
        out["confidence"] = {name: None if three is None else list(three) for name, three in sure}
    return out


def _marks(marks: Marks | None) -> list[int | None] | None:
    return None if marks is None else list(marks)


def _recording(recording: Recording) -> dict[str, Any]:
    acquired = recording.acquired_at
    sex = recording.patient.sex
    return {
        "format": recording.format,
        "rate_hz": int(recording.rate_hz) if float(recording.rate_hz).is_integer() else recording.rate_hz,
        "samples": recording.samples,
        "leads": list(recording.leads),
        "acquired_at": None if acquired is None else acquired.instant.isoformat(),
        "patient": {"age_years": recording.patient.age_years, "sex": None if sex is None else sex.value},
    }


def _reversal(analysis: Analysis) -> dict[str, Any] | None:
    held = analysis.reversal
    if held is None:
        return None
    return {
        "kind": held.kind,
        "certainty": held.certainty.value,
        "measurements": measurements(held.measurements),
        "findings": [finding(f) for f in held.findings],
    }
