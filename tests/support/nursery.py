"""A process of our own that has loaded what takes long, and forks what is asked of it, a line each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.needs import REPOSITORY


def nursery(script: Path) -> subprocess.Popen[str]:
    """``script``, which reads a line a child and answers each; its caller ends it."""
    return subprocess.Popen(
        [sys.executable, str(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
