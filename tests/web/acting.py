"""People at their screens, for the stories: each in a browser context of their own, with what only a browser knows.

A page's own click is the only thing that unlocks sound, but `page.evaluate` grants user activation too: nothing here
calls it before a story has looked at the sound.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, WebSocketRoute, expect

from tests.support.serving import PASSWORD, REPOSITORY, Clinic, Server, sign_in, wait_until

DESK = (1920, 1080)
PHONE = (360, 740)
#: What a page may say about itself; the mechanism of each is in the comment beside it.
WATCH = """
  // what the sheet's first picture and each acknowledgement's way out have to do with each other
  window.seen = { drawnAt: null, sent: [] };
  const put = CanvasRenderingContext2D.prototype.drawImage;
  CanvasRenderingContext2D.prototype.drawImage = function (...with_) {
    if (this.canvas.getAttribute('role') === 'img') window.seen.drawnAt ??= Date.now();
    return put.apply(this, with_);
  };
  const send = WebSocket.prototype.send;
  WebSocket.prototype.send = function (text) {
    const frame = JSON.parse(text);
    if (frame.do) window.seen.sent.push({ what: frame.do, at: Date.now(), drawnAt: window.seen.drawnAt });
    return send.call(this, text);
  };
  // how many tones were given to the loudspeaker, and whether it runs
  window.tones = 0;
  const start = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (...with_) {
    window.tones += 1;
    window.audio = this.context;
    return start.apply(this, with_);
  };
"""
#: A console line that a cut line makes: the browser's own, not the page's.
_CUT = re.compile(r"net::ERR_|WebSocket connection to")
#: A refusal that the page puts into words is a line of the browser's too.
_REFUSED = re.compile(r"Failed to load resource: the server responded with a status of (401|404|409|422)")

Scheme = Literal["light", "dark"]


@dataclass(slots=True)
class Stage:
    """Opens browser contexts for people and keeps what went wrong in their pages."""

    browser: Browser
    server: Server
    faults: list[str] = field(default_factory=list[str])
    _contexts: list[BrowserContext] = field(default_factory=list[BrowserContext])

    def page(
        self,
        size: tuple[int, int] = DESK,
        *,
        person: str | None = None,
        pixels: float = 1,
        still: bool = False,
        kept: dict[str, str] | None = None,
    ) -> Page:
        """A blank page in a fresh context; with ``person`` it is signed in, ``kept`` goes to its local storage."""
        context = self.browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            screen={"width": size[0], "height": size[1]},
            device_scale_factor=pixels,
            has_touch=size[0] < 800,
            locale="zh-CN",
            timezone_id="Asia/Shanghai",
            reduced_motion="reduce" if still else "no-preference",
            service_workers="block",
            base_url=self.server.address,
        )
        self._contexts.append(context)
        context.set_default_timeout(15_000)
        context.add_init_script(WATCH)
        for key, value in (kept or {}).items():
            context.add_init_script(f"localStorage.getItem({key!r}) ?? localStorage.setItem({key!r}, {value!r})")
        if person is not None:
            token = sign_in(self.server.address, person)
            context.add_cookies([{"name": "ecgnet_session", "value": token, "url": self.server.address}])
        page = context.new_page()
        page.on("pageerror", lambda error: self.faults.append(f"{person}: {error}"))
        page.on("console", lambda line: self._note(person, line.type, line.text))
        return page

    def _note(self, person: str | None, kind: str, text: str) -> None:
        if kind == "error" and not _CUT.search(text) and not _REFUSED.search(text):
            self.faults.append(f"{person}: {text}")

    def close(self) -> None:
        """Close every browser context."""
        for context in self._contexts:
            context.close()

    def clinic(self) -> Clinic:
        """The first clinic's device."""
        return Clinic(self.server.address, self.server.world.key)

    def other_clinic(self) -> Clinic:
        """The second clinic's device."""
        return Clinic(self.server.address, self.server.world.other_key)

    def desk(self, person: str = "周敏", size: tuple[int, int] = DESK, connected: bool = True, **more: Any) -> Page:
        """A reader's page of somebody signed in; ``connected`` false does not wait for it to say so."""
        page = self.page(size, person=person, **more)
        page.goto("/reader/")
        if connected:
            expect(page.get_by_text(re.compile("^已连接$|^Connected$"))).to_be_visible()
        return page


def sign_in_by_form(page: Page, name: str) -> None:
    """Type name and password at `/`, and send them."""
    page.goto("/")
    page.get_by_label("姓名或账号").fill(name)
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录").click()


def choose(page: Page, data: bytes, name: str = "55.zip") -> None:
    """Choose a file at the clinic's page, as a person does: the button, then the system's dialog."""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name=re.compile("选心电图文件|Choose the ECG file")).click()
    chooser.value.set_files({"name": name, "mimeType": "application/octet-stream", "buffer": data})


def healthy_ecg() -> bytes:
    """A made-up ECG in which nothing is wrong, as a device sends it."""
    from ecg.formats.wfdb_write import wfdb_zip
    from ecg.synthesis import Heart, Noise, synthesise

    return wfdb_zip(synthesise(Heart(individual=0.3), Noise(muscle_mv=0.005), seed=7).recording, "healthy")


def step(page: Page, name: str) -> Locator:
    """One of 已保存 → 已送达 → 医生已看到 → 结果."""
    return page.locator("ol.steps > li", has_text=name)


def expect_done(page: Page, name: str, timeout_s: float = 15) -> None:
    """The step has its tick."""
    expect(step(page, name)).to_have_class(re.compile(r"\bdone\b"), timeout=timeout_s * 1000)


def sheet(page: Page) -> Locator:
    """The canvas of the twelve leads."""
    return page.locator("figure canvas")


def expect_drawn(page: Page) -> None:
    """The sheet's picture is on the canvas: paper, and ink of the trace on it."""
    expect(sheet(page)).to_be_visible()
    wait_until(lambda: page.evaluate("window.seen.drawnAt") is not None, 10, "the sheet is drawn")


@dataclass(slots=True)
class Held:
    """Requests of a page that wait on the line until they are let go."""

    page: Page
    pattern: str | re.Pattern[str]
    waiting: list[Route] = field(default_factory=list[Route])
    is_open: bool = False

    def start(self) -> Held:
        """From now on they wait."""

        # Playwright keeps notes on a bound method's object, which has no room for them: a function of its own
        def handle(route: Route) -> None:
            self._handle(route)

        self.page.route(self.pattern, handle)
        return self

    def _handle(self, route: Route) -> None:
        if self.is_open:
            route.continue_()
        else:
            self.waiting.append(route)

    def release(self) -> None:
        """Let them all go, and the later ones too."""
        self.is_open = True
        for route in self.waiting:
            route.continue_()


@dataclass(slots=True)
class SlowFeed:
    """The feed of one page on a line where the county's news come late; answers and beats still get through."""

    is_slow: bool = False
    page_side: WebSocketRoute | None = None
    late: list[str | bytes] = field(default_factory=list[str | bytes])

    def carry(self, page_side: WebSocketRoute) -> None:
        """Stand between the page and the county."""
        county = page_side.connect_to_server()
        self.page_side = page_side

        def from_county(message: str | bytes) -> None:
            self._from_county(message)

        county.on_message(from_county)

    def _from_county(self, message: str | bytes) -> None:
        assert self.page_side is not None
        if self.is_slow and json.loads(message)["type"] == "event":
            self.late.append(message)
        else:
            self.page_side.send(message)

    def release(self) -> None:
        """The line is well again."""
        assert self.page_side is not None
        self.is_slow = False
        for message in self.late:
            self.page_side.send(message)


def slow_feed(page: Page) -> SlowFeed:
    """Call it before the page opens its feed."""
    line = SlowFeed()

    def carry(route: WebSocketRoute) -> None:
        line.carry(route)

    page.route_web_socket(re.compile("/v1/feed"), carry)
    return line


#: A busy machine may take its time; a wait that is fulfilled costs nothing.
expect.set_options(timeout=30_000)

AXE = REPOSITORY / "web" / "node_modules" / "axe-core" / "axe.min.js"
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


def violations(page: Page) -> list[str]:
    """What axe-core finds against the A and AA rules, one line each."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate(
        "tags => axe.run(document, { runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'] })", _TAGS
    )
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


def save(page: Page, name: str) -> Path:
    """A picture of the window in `tests/shots/`."""
    file = REPOSITORY / "tests" / "shots" / f"{name}.png"
    file.parent.mkdir(exist_ok=True)
    page.screenshot(path=file)
    return file


def until(page: Page, condition: Callable[[], Any], what: str, seconds: float = 30) -> Any:
    """Poll while the page goes on living: Playwright's own events are only handled while it waits."""
    found: list[Any] = []

    def asked() -> bool:
        page.wait_for_timeout(20)
        value = condition()
        if value:
            found.append(value)
        return bool(value)

    wait_until(asked, seconds, what)
    return found[0]
