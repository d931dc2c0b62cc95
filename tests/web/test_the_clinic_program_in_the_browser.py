"""The page of the program on the village PC, in a real Chromium: from the cart's file to the answer that is read back,
and the alarm when an urgent ECG does not arrive."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ingest.clinic.finished import Rules
from ingest.clinic.page import Page as Served
from ingest.clinic.patience import Alarm
from ingest.clinic.program import Program
from ledger import schema
from tests.support.serving import PHONE, REPOSITORY, Doctor, Server
from tests.web.acting import save as picture
from tests.web.acting import violations

pytestmark = pytest.mark.browser

PAIR = {name: (REPOSITORY / "tests" / "data" / name).read_bytes() for name in ("55.hea", "55.dat")}


@pytest.fixture
def cart(tmp_path: Path) -> Path:
    folder = tmp_path / "cart"
    folder.mkdir()
    return folder


@pytest.fixture
def shown(server: Server, browser: Browser, cart: Path, tmp_path: Path) -> Iterator[Page]:
    """The running program's page, in Chinese, on a village's screen."""
    quick = Rules(quiet_s=0.2, patience_s=0.5, pair_s=0.5)
    program = Program(cart, tmp_path / "home", server.address, server.world.key, "0", rules=quick, alarm=Alarm(2.0))
    with program.running(), contextlib.closing(Served(program, 0)) as served:
        context = browser.new_context(viewport={"width": 1366, "height": 768}, locale="zh-CN", color_scheme="light")
        page = context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        page.goto(served.address)
        yield page
        context.close()
        assert faults == []


def save(cart: Path, name: str = "55") -> None:
    """What a cart does: the signals, then the header."""
    (cart / f"{name}.dat").write_bytes(PAIR["55.dat"] + name.encode() * (name != "55"))
    (cart / f"{name}.hea").write_bytes(PAIR["55.hea"].replace(b"55", name.encode()))


def test_from_the_cart_to_the_answer_that_is_read_back_and_the_alarm(
    shown: Page, server: Server, cart: Path, browser: Browser
) -> None:
    doctor = Doctor(server.address, "周敏")
    expect(shown.get_by_text("还没有新的心电图")).to_be_visible()
    expect(shown.get_by_text("石桥村卫生室").first).to_be_visible()
    expect(shown.get_by_role("link", name=PHONE)).to_have_attribute("href", f"tel:{PHONE.replace('-', '')}")
    save(cart)
    card = shown.locator("section.card").first
    expect(card).to_contain_text("12 导联")
    card.get_by_role("button", name="胸痛").click()
    card.get_by_role("button", name="急救").click()
    expect(card.get_by_role("button", name="急救")).to_have_attribute("aria-pressed", "true")
    expect(card.locator(".steps .done")).to_have_count(2)
    alert = doctor.event("alert.raised", 20)
    expect(card).to_contain_text("机器先行提示，未经医师确认")
    done = doctor.do("acknowledge", alert["case"], alert["seq"])
    expect(card.locator(".steps .done").nth(2)).to_contain_text("周敏")
    told = doctor.do("message", alert["case"], done["case"]["seq"], text="请加做 V7–V9")
    doctor.do("confirm", alert["case"], told["case"]["seq"])
    expect(card.locator(".steps .done")).to_have_count(4)
    expect(card).to_contain_text("请加做 V7–V9")
    assert violations(shown) == []
    picture(shown, "clinic-program-answer-zh-1366")
    card.get_by_role("button", name="读到了", exact=True).click()
    card.get_by_role("button", name="我读到了，正在做").click()
    doctor.event("message.read_back")
    expect(shown.locator("#sent .row")).to_contain_text("女 54 岁")
    (exam,) = server.world.rows(schema.exam)
    assert (exam["urgent"], exam["symptoms"]) == (True, ["chest_pain"])
    doctor.close()
    assert_alarm_without_a_line(shown, server, cart)


def assert_alarm_without_a_line(shown: Page, server: Server, cart: Path) -> None:
    """The county is away: the ECG is kept, 急救 is taken, and after its minute (here 2 s) the page says: call."""
    server.kill()
    save(cart, "66")
    card = shown.locator("section.card").first
    expect(card).to_contain_text("66")
    card.get_by_role("button", name="急救").click()
    alarm = shown.get_by_role("alert").filter(has_text="急的图还没送到县里")
    expect(alarm).to_be_visible(timeout=30_000)
    expect(alarm.get_by_role("link")).to_have_text(PHONE)
    expect(card.locator(".steps .done")).to_have_count(1)
    shown.get_by_role("button", name="English").click()
    expect(shown.get_by_role("alert").first).to_contain_text("call now")
    card.get_by_role("button", name="Symptoms and name").click()
    card.get_by_role("button", name="Sweating").click()
    card.get_by_label("Name").fill("李秀英")
    card.get_by_role("button", name="Save").click()
    expect(card.get_by_role("heading").first).to_contain_text("李秀英")
    expect(card.get_by_role("button", name="Sweating")).to_have_attribute("aria-pressed", "true")
    card.get_by_role("button", name="Show tracing").click()
    expect(card.get_by_role("img")).to_be_visible()
    shown.get_by_role("button", name="Dark").click()
    shown.set_viewport_size({"width": 390, "height": 844})
    assert violations(shown) == []
    picture(shown, "clinic-program-alarm-en-390")
    assert shown.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
        "nothing reaches over a telephone's edge"
    )
    assert not re.search(r"[\u4e00-\u9fff]", shown.locator("main .pair").first.inner_text())
