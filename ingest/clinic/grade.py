"""The instrument on the spot: can this ECG be read, how good is it, what should be done again.

It advises and never decides: whatever it says, the ECG is sent. The analysis that counts is made in the county.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

UNFINISHED = frozenset({"EMPTY", "CUT_SHORT", "PART_MISSING", "DAMAGED"})
"""What the instrument says of a file that may still be written (a file of unknown format tells nothing of that)."""

SHOWN = ("heart_rate_bpm", "pr_ms", "qrs_ms", "qt_ms")


def looks_unfinished(parts: Sequence[tuple[str, bytes]]) -> bool:
    """Whether the content ends before it should. Reading costs some milliseconds once the instrument is loaded."""
    import ecg
    from ecg.errors import Unreadable

    try:
        ecg.read(dict(parts))
    except Unreadable as error:
        return error.code in UNFINISHED
    except Exception:  # noqa: BLE001 (our mistake must not keep the ECG out of the spool)
        return False
    return False


def grade(name: str, data: bytes) -> dict[str, Any]:
    """What the page shows of an ECG (the bytes of one file or of a zip): JSON.

    ``{"grade": "A"…"E", "advice": [{"code", "zh", "en"}], "leads": 12, "seconds": 10.0, "acquired_at", "measurements",
    "patient"}``, or ``{"problem": {"code", "zh", "en"}}`` where it cannot be read.
    """
    import ecg
    from ecg.document import document
    from ecg.errors import Unreadable

    try:
        recording = ecg.read(data, name)
        told = document(ecg.analyze(recording), recording, name)
    except Unreadable as error:
        return {"problem": {"code": error.code, "zh": error.text.zh, "en": error.text.en}}
    except Exception as error:  # noqa: BLE001 (our mistake must not keep the ECG here)
        why = type(error).__name__
        return {"problem": {"code": "FAILED", "zh": f"本机没有读出来（{why}）。", "en": f"Not read here ({why})."}}
    return {
        "grade": told["quality"]["grade"],
        "advice": told["quality"]["advice"],
        "leads": len(recording.leads),
        "seconds": round(recording.seconds, 1),
        "acquired_at": told["recording"]["acquired_at"],
        "measurements": {name: told["measurements"][name] for name in SHOWN},
        "patient": told["recording"]["patient"],
    }


def drawing(name: str, data: bytes, language: str) -> str | None:
    """The tracing true to scale as SVG, or ``None`` where it cannot be read."""
    import ecg
    from ecg.drawing import svg
    from ecg.errors import Unreadable

    try:
        recording = ecg.read(data, name)
        return svg(recording, ecg.analyze(recording), language="en" if language == "en" else "zh")
    except Unreadable:
        return None


def warm() -> None:
    """Load the instrument, so that the first ECG does not wait for it (some seconds on an old PC)."""
    import ecg

    assert ecg.read
    assert ecg.analyze
