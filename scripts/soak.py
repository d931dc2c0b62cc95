"""100,000 damaged signals through the instrument, then the promises again and again for some minutes; stop at the first
that is broken. Called by `make soak`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main(minutes: float) -> int:
    signals = subprocess.run([sys.executable, str(ROOT / "scripts" / "soak_ecg.py")], cwd=ROOT, check=False)
    if signals.returncode:
        return 1
    started, rounds = time.monotonic(), 0
    while rounds == 0 or time.monotonic() - started < minutes * 60:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "tests/promises", "--quiet"],
            cwd=ROOT,
            env={**os.environ, "ECGNET_SOAK": "1"},  # every kill and pair, many more crash orders
            check=False,
        )
        if done.returncode:
            print(f"soak: broken in round {rounds + 1} after {(time.monotonic() - started) / 60:.1f} min")
            return 1
        rounds += 1
    print(f"soak: {rounds} rounds in {(time.monotonic() - started) / 60:.1f} min, all kept")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(float(sys.argv[1])))
