"""``ecgnet send``: files to the county, on a base install; each receipt is printed as soon as it is there."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

#: the words of `POST /v1/exams`; `none`: somebody asked, and there is none
SYMPTOMS = (
    "chest_pain",
    "chest_tightness",
    "radiating_pain",
    "dyspnoea",
    "sweating",
    "syncope",
    "presyncope",
    "none",
)


def send(files: Sequence[str], to: str, key: str, *, urgent: bool, symptoms: Sequence[str]) -> int:
    """0 if the county has every file. A file that is itself the trouble does not hold up the others."""
    from ingest.clinic import send as sending

    _check(symptoms)
    failed = 0
    for group in sending.groups([Path(file) for file in files]):
        try:
            receipts = sending.send(group, to, key, urgent=urgent, symptoms=symptoms, progress=True)
        except (sending.LocalFileError, sending.TooLargeError) as error:
            print(f"{error.zh} {error.en}", file=sys.stderr)
            failed = 1
            continue
        except sending.SendError as error:
            print(f"{error.zh} {error.en}", file=sys.stderr)
            return 1
        for receipt in receipts:
            print(json.dumps(receipt, ensure_ascii=False), flush=True)
    return failed


def _check(symptoms: Sequence[str]) -> None:
    import typer

    unknown = [name for name in symptoms if name not in SYMPTOMS]
    if unknown:
        raise typer.BadParameter(f"没有这个症状 unknown symptom: {unknown[0]}. {', '.join(SYMPTOMS)}")
    if "none" in symptoms and len(symptoms) > 1:
        raise typer.BadParameter("none 不能与其他症状同用。 none stands alone.")
