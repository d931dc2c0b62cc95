"""The instrument: from the bytes of a device to an analysis with evidence. Pure: no clock, network, database or global
state.

``read`` turns a file into a :class:`~ecg.recording.Recording`, ``analyze`` turns that into an
:class:`~ecg.analysis.Analysis`. Both are imported when first used, so that ``import ecg`` stays cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ecg.formats import read
    from ecg.instrument import analyze

__all__ = ["analyze", "read"]


def __getattr__(name: str) -> Any:
    if name == "read":
        from ecg.formats import read

        return read
    if name == "analyze":
        from ecg.instrument import analyze

        return analyze
    raise AttributeError(f"module 'ecg' has no attribute {name!r}")
