"""What the clinic says beside an ECG, in the contract's words (ARCHITECTURE.md §6 "Sending"). Pure.

What was said only rises once the county may have heard of it: a later word adds urgency, symptoms and facts and takes
nothing away. Before the upload is begun a slip of the finger can be undone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

SYMPTOMS = (
    "chest_pain", "chest_tightness", "radiating_pain", "dyspnoea", "sweating", "syncope", "presyncope",
)  # fmt: skip
NONE = "none"
"""Explicitly no symptom."""

PATIENT = ("name", "id_number", "card", "birth_date", "sex")
LONGEST = 100
"""Letters of one fact."""


@dataclass(frozen=True, slots=True)
class Said:
    """One thing said, or all of it together.

    ``urgent``: 急救. ``symptoms``: words of :data:`SYMPTOMS`, or ``("none",)``; ``()`` is unknown. ``patient``: facts
    by the names of :data:`PATIENT`. ``denied``: symptoms that were taken back; only heard while nothing was sent.
    """

    urgent: bool | None = None
    symptoms: tuple[str, ...] = ()
    patient: Mapping[str, str] = field(default_factory=dict[str, str])
    denied: tuple[str, ...] = ()

    @property
    def rank(self) -> int:
        """What goes first: 2 for 急救, 1 for any symptom, else 0."""
        return 2 if self.urgent else 1 if any(one != NONE for one in self.symptoms) else 0

    def with_(self, more: Said, *, may_lower: bool) -> Said:
        """Both together; ``may_lower``: what is taken back is taken back."""
        urgent = more.urgent if may_lower and more.urgent is not None else bool(self.urgent or more.urgent)
        both = {*self.symptoms, *more.symptoms}
        if may_lower:
            both -= set(more.denied)
            if NONE in more.symptoms:
                both = {NONE}
        real = tuple(one for one in SYMPTOMS if one in both)
        symptoms = real or ((NONE,) if NONE in both else ())
        return Said(bool(urgent), symptoms, {**self.patient, **more.patient})

    def nameless(self) -> Said:
        """Without who it is."""
        return replace(self, patient={})

    def context(self) -> dict[str, Any]:
        """The contract's JSON, only with what was said."""
        said = {"urgent": bool(self.urgent), "symptoms": list(self.symptoms), "patient": dict(self.patient)}
        return {name: value for name, value in said.items() if value}

    def json(self) -> str:
        """For the spool."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @staticmethod
    def of_json(text: str) -> Said:
        """From the spool."""
        return Said.of_document(json.loads(text))

    @staticmethod
    def of_document(document: Any) -> Said:
        """From a page's JSON: what is known of it; ``ValueError`` if it is no object."""
        if not isinstance(document, dict):
            raise ValueError("an object is needed")
        said = cast("dict[str, Any]", document)
        urgent = said.get("urgent")
        facts: Any = said.get("patient")
        patient = cast("dict[str, Any]", facts) if isinstance(facts, dict) else {}
        return Said(
            urgent if isinstance(urgent, bool) else None,
            _words(said.get("symptoms")),
            {
                name: str(patient[name]).strip()[:LONGEST]
                for name in PATIENT
                if isinstance(patient.get(name), str) and str(patient[name]).strip()
            },
            _words(said.get("denied")),
        )


def _words(value: Any) -> tuple[str, ...]:
    said = cast("list[Any]", value) if isinstance(value, (list, tuple)) else []
    real = tuple(one for one in SYMPTOMS if one in said)
    return real or ((NONE,) if NONE in said else ())
