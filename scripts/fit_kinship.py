"""Writes the tables of ecg/signal/kinship.py: how the leads of one heart go together.

From LUDB's development half (tests/data/holdout.txt names the other) and PTB-XL's odd numbers, never from the rest.

    python scripts/fit_kinship.py DATA_FOLDER
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import ecg
from ecg.signal.kinship import ROWS, WAVES, pieces
from ecg.signal.units import calibrate

ROOT = Path(__file__).resolve().parents[1]
RIDGE, SPREAD_FLOOR = 0.02, 0.02
TABLES = ROOT / "ecg" / "signal" / "kinship_tables.py"


def development(data: Path) -> Iterator[Path]:
    """The records that may be tuned on."""
    held = set(re.findall(r"^\d+$", (ROOT / "tests" / "data" / "holdout.txt").read_text("utf-8"), re.MULTILINE))
    yield from (f for f in sorted((data / "ludb").glob("*.hea")) if f.stem not in held)
    yield from (f for f in sorted((data / "ptbxl" / "records500").rglob("*.hea")) if int(f.stem[:5]) % 2)


def main(data: Path) -> None:
    """Fit, and write the module."""
    seen: dict[str, list[tuple[Any, Any]]] = {wave: [] for wave in WAVES}
    for path in development(data):
        average = ecg.analyze(calibrate(ecg.read(path))).average
        if average is None or not set(ROWS) <= set(average.leads):
            continue
        beat = average.millivolts[[average.leads.index(name) for name in ROWS]]
        spans = {"qrs": (average.qrs_on, average.qrs_off)}
        if average.p_on is not None and average.p_off is not None:
            spans["p"] = (average.p_on, average.p_off)
        end = average.t_off if average.t_off is not None else average.qrs_off + round(0.3 * average.rate_hz)
        spans["t"] = (average.qrs_off, end)
        for wave, piece in pieces(beat, spans, average.rate_hz).items():
            seen[wave].append(piece)
    lines = [
        '"""Written by scripts/fit_kinship.py; read by ecg.signal.kinship."""\n',
        "from __future__ import annotations\n",
    ]
    for wave in WAVES:
        together = np.mean([product / np.trace(product) for product, _ in seen[wave]], axis=0)
        together += RIDGE * np.trace(together) / 8 * np.eye(8)
        nets = np.array([net / np.linalg.norm(net) for _, net in seen[wave]])
        spread = nets.var(axis=0) + SPREAD_FLOOR * nets.var(axis=0).sum()
        for name, table in (("TOGETHER", together), ("NET", nets.mean(axis=0)[None]), ("SPREAD", spread[None])):
            rows = ",\n".join("    (" + ", ".join(f"{v:.5f}" for v in row) + ")" for row in table)
            lines.append(f"{name}_{wave.upper()} = (\n{rows},\n)")
    TABLES.write_text("\n".join(lines) + "\n", "utf-8")
    print({wave: len(held) for wave, held in seen.items()})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
