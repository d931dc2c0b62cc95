"""A real Chromium on a real `ecgnet serve`: the built screens, a county, and people with a browser context each."""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.support import chromium as browsers
from tests.support import needs
from tests.support.serving import REPOSITORY, Server, make_world
from tests.web.acting import Stage


@pytest.fixture(scope="session")
def screens() -> None:
    """The screens as `web/` would build them now; nothing is done where they are."""
    script = REPOSITORY / "scripts" / "build_web.py"
    built = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    if built.returncode != 0:
        pytest.fail(f"the screens could not be built:\n{built.stdout}{built.stderr}", pytrace=False)


@pytest.fixture(scope="module")
def browser(screens: None) -> Iterator[Browser]:
    """One Chromium for the file; each person gets a context of their own in it.

    Not for the folder: Playwright keeps an event loop running, which other tests of the same worker could not bear.
    """
    found = browsers.find_chromium()
    if found is None:
        needs.missing(needs.CHROMIUM, "no chromium, chromium-browser or google-chrome; try `make test`")
    if not browsers.has_chinese_font():
        needs.missing(needs.CHINESE_FONT, "fontconfig knows none; try `make test`, or install fonts-wqy-microhei")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(found), args=browsers.flags())
        yield browser
        browser.close()


class Wings:
    """Servers for the stories, each with a county of its own; the next one starts while a story plays."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.template = make_world(f"sqlite:///{folder / 'ecgnet.db'}", folder)
        self.pool = ThreadPoolExecutor(1)
        self.next = self.pool.submit(self._start, 0)
        self.given = 0

    def _start(self, number: int) -> Server:
        folder = self.folder / str(number)
        folder.mkdir()
        shutil.copy(self.template.folder / "ecgnet.db", folder)
        world = dataclasses.replace(self.template, url=f"sqlite:///{folder / 'ecgnet.db'}", folder=folder, started=[])
        return Server(world).start()

    def take(self) -> Server:
        """A started server; the one after it is begun."""
        server = self.next.result()
        self.given += 1
        self.next = self.pool.submit(self._start, self.given)
        return server

    def close(self) -> None:
        """End the one that nobody took."""
        leave(self.next.result())
        self.pool.shutdown()


def leave(server: Server) -> None:
    """Stop a server and let go of its county."""
    try:
        server.stop()
    finally:
        server.world.close()


@pytest.fixture(scope="module")
def wings(screens: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wings]:
    """Where the next story's server waits."""
    wings = Wings(tmp_path_factory.mktemp("county"))
    yield wings
    wings.close()


@pytest.fixture
def server(wings: Wings, browser: Browser) -> Iterator[Server]:
    """`ecgnet serve` of one story."""
    server = wings.take()
    yield server
    leave(server)


@pytest.fixture
def stage(server: Server, browser: Browser) -> Iterator[Stage]:
    """The people of a story; a page that threw, or wrote an error into its console, fails the story at its end."""
    stage = Stage(browser, server)
    yield stage
    stage.close()
    assert stage.faults == [], stage.faults
