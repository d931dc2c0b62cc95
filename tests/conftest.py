"""Fixtures that every room's tests share: engines, browser, recordings; and the line that says what was missing."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.support import chromium as browsers
from tests.support import needs, postgres

#: The suite starts some hundred processes: one that may not keep what it compiled compiles all of SciPy each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

if needs.FONTS_CONF.exists():
    os.environ.setdefault("FONTCONFIG_FILE", str(needs.FONTS_CONF))


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The real recordings: `ECGNET_RECORDINGS`, else `../shared/data` beside the repository. Read-only."""
    folder = Path(os.environ.get("ECGNET_RECORDINGS") or needs.REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        needs.missing(needs.DATA_FOLDER, "neither ECGNET_RECORDINGS nor ../shared/data beside the repository is there")
    return folder


@pytest.fixture(scope="session")
def _postgres_cluster() -> Iterator[postgres.Cluster | None]:
    binaries = postgres.find_binaries()
    if binaries is None:
        yield None
        return
    with postgres.running(binaries) as cluster:
        yield cluster


@pytest.fixture
def postgres_url(_postgres_cluster: postgres.Cluster | None) -> Iterator[str]:
    """A fresh, empty PostgreSQL database: `postgresql+psycopg://…`, dropped after the test."""
    if _postgres_cluster is None:
        needs.missing(needs.POSTGRESQL, "no server on PATH or in /usr/lib/postgresql, and no wheel; try `make test`")
    url = _postgres_cluster.create_database()
    yield url
    _postgres_cluster.drop_database(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh, empty database on each engine in turn, as a SQLAlchemy URL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ecgnet.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def chromium() -> str:
    """The path of a Chromium: give it to Playwright with `tests.support.chromium.flags()`."""
    found = browsers.find_chromium()
    if found is None:
        needs.missing(needs.CHROMIUM, "no chromium, chromium-browser or google-chrome; try `make test`")
    return str(found)


@pytest.fixture
def chinese_font() -> None:
    """Asked for by tests whose pictures show Chinese."""
    if not browsers.has_chinese_font():
        needs.missing(needs.CHINESE_FONT, "fontconfig knows none; try `make test`, or install fonts-wqy-microhei")


#: What takes longest begins first, so that two workers end together; a file goes to one worker whole.
_LONGEST_FIRST = (
    "promises/test_first_ecg_killed.py",
    "web/test_every_screen.py",
    "promises/test_first_ecg.py",
    "web/test_first_ecg_in_the_browser.py",
    "web/test_the_desk_in_the_browser.py",
    "web/test_the_clinic_program_in_the_browser.py",
    "ecg/test_damage.py",
    "tests/promises/",
    "tests/web/",
    "tests/stories/",
    "tests/server/",
    "tests/ecg/",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files ahead of the short; the order within a file stays."""
    last = len(_LONGEST_FIRST)
    items.sort(key=lambda item: next((k for k, part in enumerate(_LONGEST_FIRST) if part in item.nodeid), last))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
    """What the machine lacked, one line each, just above pytest's own closing line."""
    yield
    stats = terminalreporter.stats
    reports = [*stats.get("skipped", []), *stats.get("failed", []), *stats.get("error", [])]
    for line in needs.lines(_outcome(report) for report in reports):
        terminalreporter.write_line(line, yellow=True)


def _outcome(report: pytest.TestReport) -> str:
    """Why this test did not pass; a skip's report is (file, line, reason)."""
    return report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
