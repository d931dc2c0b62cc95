"""What a county installs: packages that carry the screens, built when their source changed, or one clear sentence."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from scripts import build_web, env
from tests.support.needs import REPOSITORY


@pytest.fixture
def built_tree(tmp_path: Path) -> Path:
    """A copy of what the packages are made from, whose screens count as built."""
    tree = tmp_path / "tree"
    skipped = shutil.ignore_patterns("node_modules", "static", "__pycache__")
    for name in ("county", "ecg", "ingest", "ledger", "server", "triage", "web"):
        shutil.copytree(REPOSITORY / name, tree / name, ignore=skipped)
    for name in (
        ".gitignore",
        "CHANGELOG.md",
        "LICENSE",
        "NOTICE",
        "README.md",
        "constraints.txt",
        "hatch_build.py",
        "pyproject.toml",
    ):
        shutil.copy(REPOSITORY / name, tree / name)
    (tree / "scripts").mkdir()
    shutil.copy(REPOSITORY / "scripts" / "build_web.py", tree / "scripts")
    static = tree / "server" / "static"
    static.mkdir()
    (static / "index.html").write_text("<!doctype html>", encoding="utf-8")
    (static / ".stamp").write_text(build_web.stamp(tree / "web"), encoding="utf-8")
    return tree


@pytest.fixture
def _no_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PATH on which nothing but git is found."""
    folder = tmp_path / "bin"
    folder.mkdir()
    git = shutil.which("git")
    if git:
        (folder / "git").symlink_to(git)
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.usefixtures("_no_node")
def test_an_sdist_carries_the_screens_and_installs_without_node(
    built_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECGNET_SKIP_WEB", "0")
    out = tmp_path / "dist"
    env.uv(REPOSITORY, "build", "--quiet", "--out-dir", str(out), *env.build_constraints(REPOSITORY), str(built_tree))
    (sdist,) = out.glob("*.tar.gz")
    (wheel,) = out.glob("*.whl")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"server/static/index.html", "server/static/.stamp", "web/package.json", "scripts/build_web.py"} <= names
    with zipfile.ZipFile(wheel) as archive:
        shipped = set(archive.namelist())
    assert {"server/static/index.html", "server/__init__.py", "ecg/__init__.py", "ledger/schema.py"} <= shipped
    data = {
        path.relative_to(REPOSITORY).as_posix()
        for room in ("ecg", "triage")
        for path in (REPOSITORY / room).rglob("*.toml")
    }
    migrations = {
        path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "ledger" / "migrations").rglob("*.py")
    }
    assert data | migrations <= shipped
    strangers = ("bench/", "docs/", "scripts/", "tests/", "web/")
    assert [name for name in shipped if name.startswith(strangers)] == []


def test_the_screens_are_built_anew_only_when_their_source_changed(
    built_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(build_web.SKIP, raising=False)
    assert not build_web.is_needed(built_tree)
    (built_tree / "web" / "node_modules").mkdir()
    (built_tree / "web" / "node_modules" / "x.js").write_text("1", encoding="utf-8")
    assert not build_web.is_needed(built_tree)
    (built_tree / "web" / "index.html").write_text("changed", encoding="utf-8")
    assert build_web.is_needed(built_tree)
    monkeypatch.setenv(build_web.SKIP, "1")
    assert not build_web.is_needed(built_tree)


def test_a_tree_without_screens_needs_no_node(tmp_path: Path) -> None:
    assert not build_web.is_needed(tmp_path)
    assert build_web.build(tmp_path) is False


@pytest.mark.usefixtures("_no_node")
def test_without_any_node_the_reader_is_told_in_both_languages(
    built_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(build_web.SKIP, raising=False)
    monkeypatch.setattr(build_web, "_node_of_wheel", lambda: None)
    (built_tree / "server" / "static" / ".stamp").unlink()
    with pytest.raises(build_web.WebBuildError, match=r"没有 Node 20\.19[\s\S]*There is no Node 20\.19"):
        build_web.build(built_tree)


def test_without_a_network_npm_is_named_in_both_languages(built_tree: Path, tmp_path: Path) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho npm error code ECONNREFUSED\nexit 1\n", encoding="utf-8")
    npm.chmod(0o755)
    with pytest.raises(build_web.WebBuildError, match=r"连不上 npm[\s\S]*npm cannot be reached"):
        build_web.install(build_web.Node((str(npm),), tmp_path), built_tree / "web")
