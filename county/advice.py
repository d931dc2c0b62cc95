"""What the village is told when something that it sent along was not understood; the ECG is safe all the same."""

from __future__ import annotations

CONTEXT = {
    "code": "CONTEXT",
    "zh": "心电图已收到，但附带的症状或病人信息没有全部读懂：请在本页补充症状和病人信息。",
    "en": "The ECG was received, but not all of the symptoms or patient details with it could be understood: "
    "add them on this page.",
}
"""Symptoms or patient details that came with an ECG could not be read."""
