"""Make `.venv`: the project's own environment with `ecgnet` and every tool, in a few seconds, twice in none.

Runs on the machine's Python and its standard library; everything after the venv is uv's work, which comes by pip and
by the hash in `constraints.txt` like all the rest. A stamp in `.venv` makes the second call free. What is missing is
said in one sentence; that Python itself is old or absent is said by the Makefile.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

#: What the environment holds; the wheels of Node, PostgreSQL and a font come only where the machine has none.
EXTRAS = ".[server,postgres]"
GROUPS = ("env", "test", "check")
_CA_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
_UNREACHABLE = (
    "connection",
    "could not connect",
    "dns",
    "failed to fetch",
    "network",
    "no matching distribution",
    "retrying",
    "temporary failure",
    "timed out",
)

NO_VENV = (
    "这个 Python 没有 venv 模块：在 Debian/Ubuntu 上请运行 apt-get install python3-venv，然后重试。\n"
    "This Python has no venv: on Debian or Ubuntu run apt-get install python3-venv, then try again."
)
NO_NETWORK = (
    "连不上 Python 软件源，环境没有建好：请检查网络或 pip/uv 镜像设置，然后重试。\n"
    "The Python package index cannot be reached, so the environment is not ready: check the network or the mirror "
    "setting of pip and uv, then try again."
)
FAILED = "环境没有建好，原因见上。\nThe environment is not ready; the reason stands above."


class EnvError(RuntimeError):
    """The environment could not be made; the message is what the person at the terminal reads."""


def venv_python(root: Path) -> Path:
    """The environment's own interpreter."""
    return root / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def uv_install(root: Path, *what: str, python: Path | None = None) -> None:
    """`uv pip install` into `.venv` or that `python`'s environment, each file checked against `constraints.txt`.

    Raises `EnvError`.
    """
    constraints = ["--constraints", str(root / "constraints.txt"), *build_constraints(root)]
    uv(root, "pip", "install", "--quiet", "--python", str(python or venv_python(root)), *constraints, *what)


def uv(root: Path, *arguments: str) -> None:
    """The environment's own uv, run in the repository. Raises `EnvError`."""
    _run([str(venv_python(root).with_name("uv.exe" if os.name == "nt" else "uv")), *arguments], root)


def build_constraints(root: Path) -> list[str]:
    """What holds a package's own build tools to the same versions and hashes."""
    return ["--build-constraints", str(root / "constraints.txt")]


def make(root: Path) -> bool:
    """Make or renew `.venv`; whether there was anything to do. Raises `EnvError`."""
    mark = root / ".venv" / ".ecgnet-env"
    wanted = _stamp(root)
    if mark.exists() and mark.read_text(encoding="utf-8") == wanted and _works(venv_python(root)):
        return False
    print("env: 建立 .venv / making .venv …", flush=True)
    if not _works(venv_python(root), "pip"):
        _make_venv(root)
    _bring_uv(root)
    uv_install(root, "--editable", EXTRAS, *(word for group in GROUPS for word in ("--group", group)))
    mark.write_text(wanted, encoding="utf-8")
    return True


def _stamp(root: Path) -> str:
    digest = hashlib.sha256(str(root).encode())
    for name in ("pyproject.toml", "constraints.txt", "scripts/env.py"):
        digest.update((root / name).read_bytes())
    return digest.hexdigest()


def _works(python: Path, *modules: str) -> bool:
    """Whether the environment's interpreter starts, is new enough, and has these modules; its Python may be gone."""
    ask = f"import {', '.join(('sys', *modules))}; raise SystemExit(sys.version_info < (3, 11))"
    return python.exists() and not subprocess.run([python, "-c", ask], capture_output=True, check=False).returncode


def _make_venv(root: Path) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(root / ".venv")], capture_output=True, text=True, check=False
    )
    if made.returncode:
        said = made.stdout + made.stderr
        shutil.rmtree(root / ".venv", ignore_errors=True)
        no_venv = "ensurepip" in said or "No module named" in said
        raise EnvError(NO_VENV if no_venv else f"{said.strip()}\n\n{FAILED}")


def _bring_uv(root: Path) -> None:
    """uv itself, by pip, at the version and hash of `constraints.txt`."""
    block = _block((root / "constraints.txt").read_text(encoding="utf-8"), "uv")
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder, "uv.txt")
        wanted.write_text(block, encoding="utf-8")
        pip = [
            str(venv_python(root)),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--retries",
            "1",
        ]
        _run([*pip, "--require-hashes", "--requirement", str(wanted)], root)


def _block(constraints: str, name: str) -> str:
    """The lines of one package in `constraints.txt`: its version and the hashes under it."""
    lines = constraints.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith(f"{name}=="))
    last = next((i for i in range(first + 1, len(lines)) if not lines[i].startswith("    --hash")), len(lines))
    return "\n".join(lines[first:last]) + "\n"


def _run(command: list[str], root: Path) -> None:
    environment = {"ECGNET_SKIP_WEB": "1", **os.environ, "UV_PYTHON_DOWNLOADS": "never", "PIP_NO_INPUT": "1"}
    if any(Path(bundle).exists() for bundle in _CA_BUNDLES):
        environment.setdefault("UV_SYSTEM_CERTS", "1")
    done = subprocess.run(
        command, cwd=root, env=environment, text=True, errors="replace", stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    if done.returncode:
        said = done.stdout[-4000:].strip()
        if any(word in said.lower() for word in _UNREACHABLE):
            raise EnvError(f"{said.splitlines()[-1].strip()}\n{NO_NETWORK}")
        raise EnvError(f"{said}\n\n{FAILED}")


def main() -> int:
    try:
        make(Path(__file__).resolve().parents[1])
    except EnvError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
