"""Damaged signals by number through the whole instrument, 100,000 by default; stops at the first that ends it.

    python scripts/soak_ecg.py [--first 0] [--count 100000] [--minutes 0]

``--minutes`` ends the run early and says where to resume with ``--first``; 0 is without limit.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import ecg
from ecg.document import document
from tests.support.damage import signal

COUNT = 100_000


def main(first: int, count: int, minutes: float) -> int:
    warnings.simplefilter("error")
    began, slowest = time.monotonic(), (0.0, first)
    number = first
    for number in range(first, first + count):
        if minutes and time.monotonic() - began > minutes * 60:
            print(f"soak: time is over; resume with --first {number}")
            break
        recording, started = signal(number), time.process_time()
        try:
            json.dumps(document(ecg.analyze(recording), recording, "x"), allow_nan=False)
        except Exception as error:  # noqa: BLE001 (the very thing that is sought)
            print(f"soak: signal {number} ended an analysis: {error!r}")
            return 1
        slowest = max(slowest, ((time.process_time() - started), number))
    else:
        number += 1
    print(f"soak: {number - first} damaged signals, none ended an analysis; slowest {slowest[0]:.2f} s ({slowest[1]})")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Damaged signals by number through the whole instrument.")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--minutes", type=float, default=0.0)
    given = parser.parse_args()
    raise SystemExit(main(given.first, given.count, given.minutes))
