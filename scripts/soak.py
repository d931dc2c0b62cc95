"""The promises at length: kills, bad lines, power cuts, and what came of them.

    python scripts/soak.py [MINUTES] [--only ingest_1 desk_2 …] [--each SECONDS] [--signals N]

Rounds until the minutes are over (one at least), ending at the first promise that is broken, with its output and the
seed that repeats it (``ECGNET_SEED=… pytest FILE``). Each test gets ``--each`` seconds a round; a test that is no
matter of time runs as long as it runs. First come ``--signals`` damaged signals through the instrument
(``scripts/soak_ecg.py``; none with ``--only``). The end is a table: kills, power cuts, uploads, losses, duplicates.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROMISES = ROOT / "tests" / "promises"
SIGNALS = 100_000
EACH_S = 60.0

Figures = dict[tuple[str, str], Counter[str]]


def chosen(only: Sequence[str]) -> list[Path]:
    """The test files of some promises (``ingest_1``, ``desk``), all of them without."""
    every = sorted(PROMISES.glob("test_*.py"))
    found = [path for path in every if not only or any(path.name.startswith(f"test_{one}") for one in only)]
    if not found:
        raise SystemExit(f"soak: no promise is called {' or '.join(only)}")
    return found


def run(path: Path, each_s: float, figures: Figures) -> bool:
    """One file, its figures added up; whether its promise held."""
    print(f"soak: {path.stem} …", flush=True)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", str(path), "--quiet", "-n0", "--capture=tee-sys"],
        cwd=ROOT,
        env={**os.environ, "ECGNET_SOAK": "1", "ECGNET_SOAK_S": str(each_s)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    for line in done.stdout.splitlines():
        _, marked, told = line.partition("SOAK {")
        if marked:
            add(figures, json.loads("{" + told))
            print(f"  {told.rstrip('}')}")
        elif "ECGNET_SEED=" in line and done.returncode == 0:
            print(f"  {line.lstrip('.')}")
    print(f"  {'held' if done.returncode == 0 else 'BROKEN'}, {time.monotonic() - began:.0f} s", flush=True)
    if done.returncode:
        print(done.stdout)
    return done.returncode == 0


def add(figures: Figures, told: dict[str, int | str]) -> None:
    """Numbers of one line to those of its promise and engine."""
    mine = figures.setdefault((str(told.pop("promise")), str(told.pop("engine"))), Counter())
    mine["runs"] += 1
    mine.update({name: value for name, value in told.items() if isinstance(value, int)})


def table(figures: Figures) -> str:
    """Markdown, a row a promise and engine; what a promise counts beyond the usual stands in its last cell."""
    usual = ("runs", "kills", "power_cuts", "uploads", "losses", "duplicates")
    rows = [f"| promise | engine | {' | '.join(name.replace('_', ' ') for name in usual)} | also |"]
    rows.append("|---|---|" + "---|" * (len(usual) + 1))
    for (promise, engine), counted in sorted(figures.items()):
        cells = [f"{counted[name]:,}" if name in counted else "" for name in usual]
        also = ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in counted.items() if name not in usual)
        rows.append(f"| {promise} | {engine} | {' | '.join(cells)} | {also} |")
    total = sum(figures.values(), Counter[str]())
    sums = ", ".join(f"{total[name]:,} {name.replace('_', ' ')}" for name in usual[1:])
    return "\n".join([*rows, "", f"soak: {sums}"])


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if every promise held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("minutes", type=float, nargs="?", default=0.0)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--each", type=float, default=EACH_S)
    parser.add_argument("--signals", type=int, default=SIGNALS)
    given = parser.parse_args(arguments)
    files = chosen(given.only)
    if not given.only and given.signals:
        damaged = [sys.executable, str(ROOT / "scripts" / "soak_ecg.py"), "--count", str(given.signals)]
        if subprocess.run(damaged, cwd=ROOT, check=False).returncode:
            return 1
    began, rounds, held = time.monotonic(), 0, True
    figures: Figures = {}
    with contextlib.suppress(KeyboardInterrupt):  # what was shown until then is shown
        while held and (rounds == 0 or time.monotonic() - began < given.minutes * 60):
            held = all(run(path, given.each, figures) for path in files)
            rounds += 1
    print(table(figures))
    minutes = (time.monotonic() - began) / 60
    print(f"soak: {rounds} rounds in {minutes:.1f} min, {'all kept' if held else 'broken in the last'}")
    return 0 if held else 1


if __name__ == "__main__":
    raise SystemExit(main())
