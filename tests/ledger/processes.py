"""Starts :mod:`worker` processes that begin together."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WORKER = Path(__file__).with_name("worker.py")


@contextmanager
def workers(*commands: tuple[object, ...]) -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are ready; give each a line to begin."""
    pipe = subprocess.PIPE
    running = [
        subprocess.Popen([sys.executable, WORKER, *map(str, command)], stdin=pipe, stdout=pipe, text=True)
        for command in commands
    ]
    try:
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        yield running
    finally:
        for process in running:
            process.kill()
            process.communicate()


def go(*processes: subprocess.Popen[str]) -> None:
    """Let them begin."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def said(process: subprocess.Popen[str]) -> list[str]:
    """What it said until its end, which must be a good one."""
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return output.split()
