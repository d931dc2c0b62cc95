"""The tests' side of :mod:`tests.support.warm_serve`: one warm process a worker, and servers like a ``Popen``."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from tests.support.nursery import nursery


class Process(Protocol):
    """What the tests do with a server, whether ``Popen`` made it or :func:`fork`."""

    returncode: int | None

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def terminate(self) -> None: ...
    def send_signal(self, sig: int) -> None: ...


@dataclass(slots=True)
class Forked:
    """A server that is nobody's child here; ``told`` appears with its exit code."""

    pid: int
    told: Path
    returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None and self.told.exists():
            self.returncode = int(self.told.read_text())
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        until = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if until is not None and time.monotonic() > until:
                raise subprocess.TimeoutExpired(f"serve ({self.pid})", timeout or 0)
            time.sleep(0.005)
        return code

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, sig)


_one_at_a_time = threading.Lock()


@cache
def _warm() -> subprocess.Popen[str]:
    process = nursery(Path(__file__).with_name("warm_serve.py"))

    def end() -> None:
        with process:
            process.kill()

    atexit.register(end)
    return process


def fork(argv: Sequence[str], environment: Mapping[str, str], log: Path) -> Forked:
    """`ecgnet` with ``argv``, begun; what it says is added to ``log``."""
    with _one_at_a_time:
        process = _warm()
        assert process.stdin is not None
        assert process.stdout is not None
        told = log.with_name(f"{log.stem}-{time.monotonic_ns()}.exit")
        asked = {"argv": list(argv), "environment": dict(environment), "log": str(log), "exit": str(told)}
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        said = process.stdout.readline().strip()
    assert said.isdecimal(), "the warm process ended; what it said is above"
    return Forked(int(said), told)
