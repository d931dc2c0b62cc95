"""A comparison as JSON, schema ``ecgnet.comparison/1``. Adding a field is free; renaming one is a new schema."""

from __future__ import annotations

from typing import Any

from ecg.compare import Comparison
from ecg.document import finding

SCHEMA = "ecgnet.comparison/1"


def comparison(c: Comparison, now: str, prior: str, minutes_between: float | None = None) -> dict[str, Any]:
    """A dictionary that ``json.dumps`` accepts as it is; ``now`` and ``prior`` are what the ECGs are called."""
    return {
        "schema": SCHEMA,
        "now": now,
        "prior": prior,
        "minutes_between": None if minutes_between is None else round(minutes_between, 1),
        "identity": c.identity.value,
        "counts": c.counts,
        "same_qrs": c.same_qrs,
        "qrs_correlation": c.correlation,
        "lead_correlation": dict(c.lead_correlation),
        "st_j_mv": dict(c.st_j_mv),
        "t_mv": dict(c.t_mv),
        "overall": dict(c.overall),
        "rhythm": {"prior": c.rhythm[0], "now": c.rhythm[1]},
        "changes": [finding(f) for f in c.changes],
        "unchanged": c.unchanged,
        "proven_unchanged": c.proven_unchanged,
        "not_assessed": [
            {"code": n.code, "missing": list(n.missing), "why": {"zh": n.why.zh, "en": n.why.en}}
            for n in c.not_assessed
        ],
        "rulesets": {"prior": c.rulesets[0], "now": c.rulesets[1]},
    }
