"""``ecgnet serve``: the settings, the server, and the one line that says where it answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from server import serve as server


def serve(flags: Mapping[str, Any]) -> None:
    """Run the server; prints its address on standard output once it answers."""
    server.serve(server.settings_of(flags), _say)


def _say(address: str) -> None:
    from ecg.analysis import VERSION

    print(f"ecgnet {VERSION} 已就绪 ready: {address}", flush=True)
