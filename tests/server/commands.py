"""The command line as a process of its own, and what a refusal must look like."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from tests.support.needs import REPOSITORY


def ecgnet(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "server.cli", *words],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **environment},
    )


def assert_one_sentence(done: subprocess.CompletedProcess[str]) -> None:
    """Chinese and English on standard error, no traceback, nothing on standard output."""
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert re.search(r"[\u4e00-\u9fff]", done.stderr), done.stderr
    assert re.search(r"[A-Za-z]{3,} [a-z]+", done.stderr), done.stderr
