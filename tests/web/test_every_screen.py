"""Every screen in every state, in both languages and all widths: rules of WCAG, nothing cut off, pictures to look at.

The walk follows one ECG through a county of 384 clinics. One picture of each state goes to `tests/shots/`; with
`ECGNET_PICTURES=1` all sizes do, and the few that the README shows go to `docs/pictures/` as well.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import update

from county import devices, passwords, people, rosters, sites
from county.access import Role
from ledger import schema
from ledger.clock import SECOND
from ledger.database import Transaction
from server import demo_county, demo_patients
from tests.support.serving import HOUR, PASSWORD, REPOSITORY, Clinic, Doctor, Server, World, ludb_55, make_world
from tests.web.acting import Stage, choose, expect_done, expect_drawn, violations

pytestmark = pytest.mark.browser

WIDE, OLD, TABLET = (1920, 1080), (1366, 768), (1024, 768)
NARROW, PHONE = (360, 740), (390, 844)
LANGUAGES = ("zh", "en")
ALL_PICTURES = os.environ.get("ECGNET_PICTURES") == "1"
README = {
    "desk-alert-zh-1366": "reader-desk-alert",
    "desk-case-zh-1366": "reader-case",
    "clinic-result-zh-390": "clinic-result",
    "board-zh-1920": "board",
}
#: Seconds from alert to acknowledgement that the made-up day has had before the walk begins.
ANSWERED_S = (22, 31, 35, 41, 48, 66)
#: What a page says of itself: how far it scrolls sideways, and controls whose words do not fit.
_CUT_OFF = """() => {
  const wide = document.documentElement.scrollWidth - innerWidth;
  const seen = e => e.getClientRects().length > 0;
  const cut = [...document.querySelectorAll('button, a.btn, h1, h2, h3, label, .chip, .u, .timer')]
    .filter(seen).filter(e => e.scrollWidth > e.clientWidth + 1)
    .filter(e => { const s = getComputedStyle(e); return s.display !== 'inline' && s.textOverflow !== 'ellipsis' })
    .map(e => `${e.tagName} ${e.className}: ${e.textContent.trim().slice(0, 40)}`);
  const off = [...document.querySelectorAll('button, a')].filter(seen).map(e => [e, e.getBoundingClientRect()])
    .filter(([e, r]) => r.width > 0 && (r.right > innerWidth + 1 || r.left < -1) && !e.closest('.rows, .sr'))
    .map(([e]) => `off the window: ${e.textContent.trim().slice(0, 40)}`);
  return [...(wide > 0 ? [`scrolls sideways by ${wide} px`] : []), ...cut, ...off];
}"""


@dataclass(slots=True)
class Gallery:
    """The pictures, and what is wrong with them."""

    faults: list[str] = field(default_factory=list[str])

    def look(self, page: Page, name: str, *sizes: tuple[int, int]) -> None:
        """Look at a state of a page at some sizes."""
        for size in sizes:
            page.set_viewport_size({"width": size[0], "height": size[1]})
            page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            shot = f"{name}-{size[0]}"
            self.faults += [f"{shot}: {fault}" for fault in page.evaluate(_CUT_OFF)]
            if size is sizes[0] or ALL_PICTURES:
                picture = page.screenshot(animations="disabled")
                self._keep(REPOSITORY / "tests" / "shots" / f"{shot}.png", picture)
                if ALL_PICTURES and shot in README:
                    self._keep(REPOSITORY / "docs" / "pictures" / f"{README[shot]}.png", picture)

    @staticmethod
    def _keep(file: Path, picture: bytes) -> None:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(picture)

    def judge(self, page: Page, name: str, *, twice: bool | None = None) -> None:
        """Hold a state against WCAG 2.2 A and AA; in Chinese in the dark too: only colours differ there."""
        was = page.evaluate("document.documentElement.dataset.theme")
        twice = "-zh" in name if twice is None else twice
        for theme in ("light", "dark") if twice or ALL_PICTURES else (was,):
            page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
            self.faults += [f"{name} {theme}: {fault}" for fault in violations(page)]
            if ALL_PICTURES and theme != was:
                self._keep(REPOSITORY / "tests" / "shots" / f"{name}-{theme}.png", page.screenshot())
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", was)


def _fill_county(transaction: Transaction, world: World) -> list[str]:
    """The demonstration's 382 other clinics on the map; device keys of a few."""
    made = demo_county.clinics(1)
    for site, place in zip((world.site, world.other_site), made, strict=False):
        where = {"map_x": place.x, "map_y": place.y}
        transaction.connection.execute(update(schema.site).where(schema.site.c.id == site).values(**where))
    added = [sites.add(transaction, world.county, one.name, one.township, one.phone, one.x, one.y) for one in made[2:]]
    live = {"live_at": transaction.now - 900 * HOUR, "expected_every_s": 43_200}
    for number, site in enumerate(added[:300]):  # all but some count, three of them are too quiet
        silent = {"silent_at": transaction.now - 7 * HOUR} if number % 110 == 55 else {}
        transaction.connection.execute(update(schema.site).where(schema.site.c.id == site).values(**live, **silent))
    keys = [devices.add(transaction, world.county, site)[1] for site in added[::40]]
    beat = {"seen_at": transaction.now, "waiting": 2, "waiting_since_at": transaction.now - HOUR}
    trained = {"trained_at": transaction.now}
    transaction.connection.execute(update(schema.site).where(schema.site.c.id == added[-1]).values(**trained))
    transaction.connection.execute(update(schema.device).where(schema.device.c.site_id == added[0]).values(**beat))
    secret = passwords.hash_password(PASSWORD)
    people.add(transaction, world.county, "沈主任", Role.CARDIOLOGIST, secret, phone="000-5550-130")
    people.add(transaction, world.county, "唐协调", Role.COORDINATOR, secret)
    now = transaction.now
    rosters.add(transaction, world.county, "first", world.people["何立"], now + 9 * HOUR, now + 21 * HOUR)
    rosters.add(transaction, world.county, "first", world.people["周敏"], now + 40 * HOUR, now + 100 * HOUR)
    rosters.add(transaction, world.county, "backup", world.people["何立"], now + 23 * HOUR, now + 168 * HOUR)
    return keys


def _morning(world: World, address: str, keys: list[str]) -> None:
    """A few alerts that were answered in some time, so that the board has something to count."""
    doctor = Doctor(address, "周敏")
    for number, key in zip(range(len(ANSWERED_S)), keys, strict=False):
        Clinic(address, key).send(f"no ECG, number {number}".encode(), "export.bin", urgent=True)
        alert = doctor.event("alert.raised", 30)
        taken = doctor.do("acknowledge", alert["case"], alert["seq"])
        doctor.do("confirm", alert["case"], taken["case"]["seq"])
    doctor.close()
    with world.ledger() as ledger:

        def earlier(transaction: Transaction) -> None:
            for row, seconds in zip(world.rows(schema.alert), ANSWERED_S, strict=True):
                when = {"raised_at": row["acknowledged_at"] - seconds * SECOND}
                transaction.connection.execute(
                    update(schema.alert).where(schema.alert.c.id == row["id"]).values(**when)
                )

        ledger.write(earlier)


def _patients(address: str, keys: list[str]) -> None:
    """Some who came this morning: mostly healthy, none in danger."""
    coming = (one for one in demo_patients.visits(1, 384, 2026) if one.complaint != "stemi")
    for visit, key in zip(islice(coming, 6), keys, strict=False):
        context = {"symptoms": list(visit.symptoms), "patient": visit.patient.facts()}
        Clinic(address, key).send(demo_patients.ecg_of(visit), "ecg.zip", **context)


@pytest.fixture
def county(screens: None, tmp_path: Path) -> Iterator[Server]:
    """A county of 384 clinics in the middle of its day."""
    world = make_world(f"sqlite:///{tmp_path / 'ecgnet.db'}", tmp_path)
    with world.ledger() as ledger:
        keys = ledger.write(lambda transaction: _fill_county(transaction, world))
    server = Server(world).start()
    _morning(world, server.address, keys)
    _patients(server.address, keys)
    yield server
    server.stop()
    world.close()


def test_no_state_of_any_screen_is_cut_off_or_breaks_the_rules_of_access(browser: Browser, county: Server) -> None:
    stage, gallery = Stage(browser, county), Gallery()
    desks, phones, clinics, boards = ({} for _ in range(4))
    for lang in LANGUAGES:
        kept = {"ecgnet.lang": lang}
        sign_in = stage.page(OLD, still=True, kept=kept)
        sign_in.goto("/")
        gallery.look(sign_in, f"signin-{lang}", OLD, NARROW)
        gallery.judge(sign_in, f"signin-{lang}")
        sign_in.get_by_role("button", name=re.compile("^登录$|^Sign in$")).click()
        expect(sign_in.get_by_role("alert")).to_be_visible()
        gallery.look(sign_in, f"signin-refused-{lang}", NARROW)
        # the sheet takes its scale from the screen that it is first drawn on
        desks[lang] = stage.desk("周敏", OLD if lang == "zh" else WIDE, still=True, kept=kept)
        clinics[lang] = stage.page(NARROW, person="吴医生", still=True, kept=kept)
        clinics[lang].goto("/clinic/")
        boards[lang] = stage.page(WIDE, person="林协调", still=True, kept=kept)
        boards[lang].goto("/board/")
    for lang in LANGUAGES:
        desk, clinic = desks[lang], clinics[lang]
        expect(desk.locator("nav.list .row").first).to_be_visible()
        gallery.look(desk, f"desk-rest-{lang}", *((WIDE, OLD) if lang == "zh" else (OLD, WIDE)))
        if lang == "zh":  # the English one stays without sound
            desk.get_by_role("button", name="接班").click()
            expect(desk.get_by_text("有声", exact=True)).to_be_visible()
        desk.keyboard.press("j")  # an alert comes while another case is read
        expect_drawn(desk)
        gallery.look(clinic, f"clinic-choose-{lang}", NARROW, PHONE, OLD)
        gallery.judge(clinic, f"clinic-choose-{lang}")

    clinic = clinics["zh"]
    choose(clinic, ludb_55())
    clinic.get_by_role("button", name="胸痛").click()
    clinic.get_by_role("button", name="填姓名").click()
    clinic.get_by_label("病人姓名").fill("李秀英")
    gallery.look(clinic, "clinic-chosen-zh", NARROW, OLD)
    gallery.judge(clinic, "clinic-chosen-zh")
    clinic.get_by_role("button", name="发送").click()
    expect_done(clinic, "已送达")
    for lang in LANGUAGES:
        phones[lang] = stage.desk("周敏", NARROW, still=True, kept={"ecgnet.lang": lang}, connected=False)
        desk, phone, board = desks[lang], phones[lang], boards[lang]
        expect(desk.locator("section.alert")).to_be_visible()
        expect(phone.locator("main.alarm canvas")).to_have_count(4)
        expect(phone.locator("body")).not_to_contain_text("李秀英")
        expect(board.locator("ol.ladder")).to_be_visible()
        gallery.look(desk, f"desk-alert-{lang}", WIDE, OLD, TABLET)
        gallery.judge(desk, f"desk-alert-{lang}")
        gallery.look(phone, f"phone-alarm-{lang}", NARROW, PHONE)
        gallery.judge(phone, f"phone-alarm-{lang}")
        gallery.look(board, f"board-{lang}", WIDE, OLD, NARROW)
        gallery.judge(board, f"board-{lang}")
    recent = clinics["en"].locator("ul.sent button").first
    expect(recent).to_contain_text("李秀英")
    recent.click()
    for lang in LANGUAGES:
        gallery.look(clinics[lang], f"clinic-sent-{lang}", NARROW, PHONE, OLD)
        gallery.judge(clinics[lang], f"clinic-sent-{lang}")

    for lang in LANGUAGES:
        desk = desks[lang]
        desk.set_viewport_size({"width": OLD[0], "height": OLD[1]})
        desk.locator("nav.list .row").first.click()
        expect(desk.locator("main h1")).to_contain_text("李秀英")
        expect_drawn(desk)
        expect(desk.locator("section.alert")).to_have_count(0)
        gallery.look(desk, f"desk-case-{lang}", WIDE, OLD, TABLET)
        gallery.judge(desk, f"desk-case-{lang}")
    desk = desks["zh"]
    _tools(gallery, desk)
    _asked(gallery, desk, clinics)
    _coordination(gallery, stage)
    for lang in LANGUAGES:
        phone = phones[lang]
        expect(phone.locator("main.alarm")).to_have_count(0)
        phone.locator("nav.list .row").first.click()
        expect_drawn(phone)
        gallery.look(phone, f"phone-case-{lang}", NARROW, PHONE)
        gallery.judge(phone, f"phone-case-{lang}")
        expect_done(clinics[lang], "医生已看到" if lang == "zh" else "Doctor saw")
        gallery.look(clinics[lang], f"clinic-seen-{lang}", NARROW)

    desk.get_by_role("button", name="确认危急").click()
    expect(desk.get_by_text("已确认：危急")).to_be_visible()
    for lang in LANGUAGES:
        expect(clinics[lang].locator(".result")).to_be_visible()
        gallery.look(clinics[lang], f"clinic-result-{lang}", NARROW, PHONE, OLD)
        gallery.judge(clinics[lang], f"clinic-result-{lang}")
        gallery.look(phones[lang], f"phone-signed-{lang}", NARROW)
        gallery.look(desks[lang], f"desk-signed-{lang}", WIDE, OLD)

    _report(gallery, desks["en"])
    _held(gallery, county, desks)

    county.kill()
    for lang in LANGUAGES:
        clinic = clinics[lang]
        clinic.get_by_role("button", name=re.compile("再发一份|Send another")).click()
        expect(clinic.locator(".strip")).to_be_visible()
        gallery.look(clinic, f"clinic-cut-{lang}", NARROW, OLD)
        choose(clinic, ludb_55() + lang.encode(), "later.zip")
        clinic.get_by_role("button", name=re.compile("^发送$|^Send$")).click()
        expect_done(clinic, "已保存" if lang == "zh" else "Saved")
        gallery.look(clinic, f"clinic-offline-{lang}", NARROW, PHONE)
        gallery.judge(clinic, f"clinic-offline-{lang}")
        expect(desks[lang].locator("section.cut")).to_be_visible()
        gallery.look(desks[lang], f"desk-offline-{lang}", OLD)
        gallery.judge(desks[lang], f"desk-offline-{lang}")
    stage.close()
    assert gallery.faults + stage.faults == []


def _tools(gallery: Gallery, desk: Page) -> None:
    """The sheet's tools and the dialogs, in Chinese."""
    desk.get_by_role("group", name="增益").get_by_role("button", name="5", exact=True).click()
    gallery.look(desk, "desk-gain5-zh", OLD)
    gallery.judge(desk, "desk-gain5-zh")
    desk.keyboard.press("g")
    desk.get_by_role("button", name="12×1").click()
    gallery.look(desk, "desk-12x1-zh", WIDE)
    desk.get_by_role("button", name="3×4+1").click()
    desk.get_by_role("button", name="深色").click()
    gallery.look(desk, "desk-dark-zh", WIDE)
    desk.get_by_role("button", name="浅色").click()
    for button, name in (
        ("降级…", "downgrade"), ("解除…", "stand-down"), ("校准屏幕", "calibrate"), ("按键", "keys"),
        ("请重做…", "retake"), ("发消息…", "message"),
    ):  # fmt: skip
        desk.get_by_role("button", name=button).click()
        gallery.look(desk, f"desk-{name}-zh", OLD)
        gallery.judge(desk, f"desk-{name}-zh", twice=False)
        desk.keyboard.press("Escape")
        expect(desk.locator("dialog")).to_have_count(0)
    _dialog(gallery, desk, "一线值班 周敏", "desk-on-call-zh", OLD, NARROW)
    desk.set_viewport_size({"width": OLD[0], "height": OLD[1]})


def _asked(gallery: Gallery, desk: Page, clinics: dict[str, Page]) -> None:
    """A retake and a message at the clinic, before there is an answer."""
    desk.get_by_role("button", name="请重做…").click()
    desk.get_by_label("电极脱落或接触不良").check()
    desk.get_by_role("button", name="V3", exact=True).click()
    desk.get_by_role("button", name="请重做", exact=True).click()
    expect(desk.locator("dialog")).to_have_count(0)
    desk.get_by_role("button", name="发消息…").click()
    desk.get_by_label("说什么").fill("请让病人平卧，先测血压再打给我")
    desk.get_by_role("button", name="发送，要求回读").click()
    for lang in LANGUAGES:
        expect(clinics[lang].locator(".ask")).to_have_count(2)
        gallery.look(clinics[lang], f"clinic-asked-{lang}", NARROW, OLD)
    gallery.judge(clinics["zh"], "clinic-asked-zh")
    clinics["en"].get_by_role("button", name="I have read it").click()
    expect(desk.get_by_text(re.compile("已回读"))).to_be_visible()


def _dialog(gallery: Gallery, page: Page, button: str, name: str, *sizes: tuple[int, int]) -> None:
    """What a button asks, and away again."""
    page.get_by_role("button", name=button).first.click()
    expect(page.locator("dialog[open]")).to_be_visible()
    gallery.look(page, name, *sizes)
    gallery.judge(page, name, twice=False)
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)


def _coordination(gallery: Gallery, stage: Stage) -> None:
    """The coordinator: a case's calls, stopping them, two records of one patient; roster and clinics."""
    desk = stage.desk("林协调", OLD, still=True)
    desk.locator("nav.list .row").first.click()
    expect_drawn(desk)
    desk.locator("details summary", has_text="呼叫经过").click()
    expect(desk.locator("details ol li").first).to_be_visible()
    desk.locator("details ol").first.scroll_into_view_if_needed()
    gallery.look(desk, "desk-calls-zh", OLD)
    gallery.judge(desk, "desk-calls-zh", twice=False)
    _dialog(gallery, desk, "停止呼叫…", "desk-stop-zh", OLD, NARROW)
    desk.get_by_role("button", name="合并病人…").click()
    desk.locator("dialog .radio").first.click()
    desk.get_by_label("原因").fill("同一张身份证")
    gallery.look(desk, "desk-merge-zh", OLD)
    gallery.judge(desk, "desk-merge-zh", twice=False)
    desk.get_by_role("button", name="提出合并").click()
    expect(desk.get_by_text("有合并在等另一人确认")).to_be_visible()
    gallery.look(desk, "desk-merge-waits-zh", OLD)
    desk.close()
    work = stage.page(WIDE, person="唐协调", still=True)
    for lang in LANGUAGES:
        for tab, there in (("duty", ".roster .gap"), ("clinics", "li.silent"), ("merges", ".merge")):
            work.goto(f"/board/#{tab}")
            expect(work.locator(there).first).to_be_visible()
            gallery.look(work, f"board-{tab}-{lang}", *((WIDE, OLD, NARROW) if lang == "zh" else (OLD, NARROW)))
            if lang == "zh":
                gallery.judge(work, f"board-{tab}-zh")
        if lang == "zh":
            work.goto("/board/#duty")
            for button, name in (("排班…", "put-on"), ("换班…", "swap"), ("撤班…", "withdraw")):
                _dialog(gallery, work, button, f"board-{name}-zh", OLD, NARROW)
            work.get_by_role("button", name="English").click()


def _report(gallery: Gallery, desk: Page) -> None:
    """The English report: every finding decided, signed, amended."""
    desk.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    desk.keyboard.press("r")
    rows = desk.locator(".report .rows li")
    expect(rows.first).to_be_visible()
    rows.first.get_by_role("button", name="Accept").focus()
    for number in range(rows.count()):
        desk.keyboard.press("n" if number == 1 else "y")
        desk.keyboard.press("ArrowDown")
    desk.get_by_label("Add a statement").fill("fc")
    expect(desk.locator(".found .btn").first).to_be_visible()
    gallery.look(desk, "desk-report-en", WIDE, OLD)
    gallery.judge(desk, "desk-report-en")
    desk.get_by_label("Add a statement").fill("")
    desk.get_by_role("button", name="Sign…").click()
    desk.get_by_label("Your password once more").fill(PASSWORD)
    gallery.look(desk, "desk-sign-en", OLD)
    desk.get_by_role("button", name="Sign", exact=True).click()
    expect(desk.get_by_text(re.compile("signed by 周敏"))).to_be_visible()
    desk.get_by_role("button", name="Amend…").click()
    desk.get_by_label("In words").fill("Compared with the chart: new since yesterday.")
    desk.get_by_role("button", name="Amend and sign").click()
    gallery.look(desk, "desk-amend-en", OLD)
    gallery.judge(desk, "desk-amend-en")
    desk.keyboard.press("Escape")


def _held(gallery: Gallery, county: Server, desks: dict[str, Page]) -> None:
    """The same tracing under another name: nobody decides before a human has looked."""
    other = {"patient": {"name": "王建国", "sex": "male", "birth_date": "1956-03-02"}, "symptoms": ["chest_pain"]}
    Clinic(county.address, county.world.other_key).send(ludb_55(), "again.zip", **other)
    for lang in LANGUAGES:
        desk = desks[lang]
        desk.set_viewport_size({"width": OLD[0], "height": OLD[1]})
        if lang == "zh":
            expect(desk.locator("section.alert")).to_be_visible()
            desk.locator("section.alert .go").click()
        else:
            desk.locator("nav.list .row.red").click()
        expect(desk.locator("section.held")).to_contain_text("李秀英")
        expect(desk.locator("section.held button")).to_have_count(3)
        expect_drawn(desk)
        expect(desk.locator("section.alert")).to_have_count(0)
        gallery.look(desk, f"desk-held-{lang}", *((OLD, WIDE, NARROW) if lang == "zh" else (OLD,)))
    gallery.judge(desks["zh"], "desk-held-zh")
