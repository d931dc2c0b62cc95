"""The desk in a real Chromium on a real server: report, message and retake between doctor and village; and a
coordinator's hour: the roster is changed, calls are stopped, two records become one patient.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import update

from county import passwords, people
from county.access import Role
from ledger import schema
from ledger.clock import SECOND
from tests.support.serving import HOUR, PASSWORD, World, ludb_55
from tests.web.acting import PHONE, Stage, choose, expect_drawn, save, until, violations
from triage import silence

pytestmark = pytest.mark.browser

WANG = {"name": "王建国", "sex": "male", "birth_date": "1956-03-02"}


def sent_by_the_village(clinic: Page) -> None:
    """LUDB 55 with chest pain, from the clinic's own page."""
    clinic.goto("/clinic/")
    choose(clinic, ludb_55())
    clinic.get_by_role("button", name="胸痛").click()
    clinic.get_by_role("button", name="发送").click()


def decide_every_finding(desk: Page) -> None:
    """Y on the first row, and on with the arrow: the keyboard alone."""
    rows = desk.locator(".report .rows li")
    expect(rows.first).to_be_visible()
    rows.first.get_by_role("button", name="接受").focus()
    for _ in range(rows.count()):
        desk.keyboard.press("y")
        desk.keyboard.press("ArrowDown")
    expect(desk.get_by_text(re.compile("还有 .* 条没有决定"))).to_have_count(0)


def test_what_is_said_and_signed_at_the_desk_is_read_in_the_village(stage: Stage) -> None:
    world = stage.server.world
    clinic = stage.page(PHONE, person="吴医生")
    sent_by_the_village(clinic)
    desk = stage.desk("周敏", size=(1366, 768))
    expect(desk.locator("section.alert")).to_be_visible()
    desk.keyboard.press("a")
    expect_drawn(desk)

    # V3 is to be recorded again
    desk.get_by_role("button", name="请重做…").click()
    desk.get_by_label("电极脱落或接触不良").check()
    desk.get_by_role("button", name="V3", exact=True).click()
    asked = "医生请您重做一次心电图：请检查V3电极是否脱落或接触不良。"
    expect(desk.get_by_text(asked)).to_be_visible()
    desk.get_by_role("button", name="请重做", exact=True).click()
    expect(clinic.get_by_role("heading", name="医生请您重做")).to_be_visible()
    expect(clinic.get_by_text(asked)).to_be_visible()

    # a message, read back
    desk.get_by_role("button", name="发消息…").click()
    desk.get_by_label("说什么").fill("请让病人嚼服阿司匹林前先电话联系我")
    desk.get_by_role("button", name="发送，要求回读").click()
    expect(clinic.get_by_text("请让病人嚼服阿司匹林前先电话联系我")).to_be_visible()
    save(clinic, "clinic-retake-message")
    assert violations(clinic) == []
    clinic.get_by_role("button", name="我读到了", exact=True).click()
    expect(desk.get_by_text(re.compile("已回读"))).to_be_visible()

    # the report: every finding decided, one added by pinyin, signed with the password
    desk.keyboard.press("r")
    decide_every_finding(desk)
    desk.get_by_label("加一条结论").fill("fc")
    desk.get_by_role("button", name=re.compile("^心房颤动 Atrial")).click()
    save(desk, "desk-report")
    assert violations(desk) == []
    desk.get_by_role("button", name="签发…").click()
    password = desk.get_by_label("请再输一次密码")
    password.fill("not this one")
    desk.get_by_role("button", name="签发", exact=True).click()
    expect(desk.get_by_role("dialog").get_by_role("alert")).to_be_visible()
    save(desk, "desk-sign")
    assert world.rows(schema.report)[0]["signed_at"] is None
    password.fill(PASSWORD)
    desk.get_by_role("button", name="签发", exact=True).click()
    expect(desk.get_by_text(re.compile("周敏 .* 签发"))).to_be_visible()
    report = world.rows(schema.report)[0]
    assert report["signed_by"] == world.people["周敏"]
    assert "R_AF" in [s["code"] for s in report["statements"] if s["accepted"]]
    expect(clinic.get_by_text(re.compile("周敏 医师 .* 回复"))).to_be_visible()


# --- a coordinator's hour ------------------------------------------------------------------------------------------


def second_coordinator_and_a_silent_clinic(world: World) -> None:
    """唐协调; and the second clinic counts for a month, should send twice a day, and has sent nothing."""
    with world.ledger() as ledger:
        secret = passwords.hash_password(PASSWORD)
        add = lambda tx: people.add(tx, world.county, "唐协调", Role.COORDINATOR, secret)  # noqa: E731
        world.people["唐协调"] = ledger.write(add)
        live = {"live_at": ledger.clock.now() - 720 * HOUR, "expected_every_s": 12 * 3600}
        quiet = update(schema.site).where(schema.site.c.id == world.other_site).values(**live)
        ledger.write(lambda tx: tx.connection.execute(quiet) and None)


def dialog(page: Page, button: str, within: str) -> Page:
    """Press a button of a place; its dialog stands open."""
    page.locator(within).get_by_role("button", name=button).first.click()
    expect(page.locator("dialog[open]")).to_be_visible()
    return page


def test_a_swap_and_a_withdrawal_are_on_every_screen_and_a_gap_is_told_until_it_is_noted(stage: Stage) -> None:
    world = stage.server.world
    second_coordinator_and_a_silent_clinic(world)
    reader = stage.desk("周敏")
    expect(reader.get_by_text("一线值班 周敏")).to_be_visible()
    page = stage.page(person="林协调")
    page.goto("/board/#duty")

    dialog(page, "换班…", ".now li:nth-child(1)")
    page.get_by_role("button", name="换班", exact=True).click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_have_text("请选人员")
    page.get_by_label("人员").select_option(label="何立")
    page.get_by_label("原因").fill("周敏发热")
    page.get_by_role("button", name="换班", exact=True).click()
    expect(page.locator(".now li:nth-child(1)")).to_contain_text("何立")
    expect(reader.get_by_text("一线值班 何立")).to_be_visible()

    dialog(page, "撤班…", ".now li:nth-child(2)")
    page.get_by_label("原因").fill("出差")
    page.get_by_role("button", name="撤班", exact=True).click()
    gap = page.locator(".now li:nth-child(2)")
    expect(gap).to_contain_text("无人值班")
    strip = page.locator(".notices")
    expect(strip).to_contain_text(re.compile("二线 .*之后没有排班"))

    dialog(page, "补上…", ".roster li.gap:has-text('之后没有排班')")
    page.get_by_label("人员").select_option(label="周敏")
    page.get_by_role("button", name="排上", exact=True).click()
    expect(page.locator(".now li:nth-child(2)")).to_contain_text("周敏")
    page.get_by_role("button", name="写交班记录").click()
    page.get_by_label("下一班要知道的事").fill("大湾村的机器送修")
    page.get_by_role("button", name="交班", exact=True).click()
    expect(page.locator(".note")).to_contain_text("大湾村的机器送修")

    # the clinic that should have sent: told by the desk's own round, on the wall, noted once
    page.goto("/board/#")
    with world.ledger() as ledger:
        assert silence.check(ledger) == 1
    expect(page.locator(".silent")).to_contain_text("大湾村卫生室")
    expect(page.locator("g.quiet")).to_have_count(1)
    strip.get_by_role("button", name="知道了").click()
    expect(strip).to_have_count(0)
    page.reload()
    expect(page.locator(".silent")).to_be_visible()
    expect(strip).to_have_count(0)

    shifts = {(one["slot"], one["person_id"], one["cancelled_at"] is None) for one in world.rows(schema.shift)}
    assert {("first", world.people["周敏"], False), ("first", world.people["何立"], True)} <= shifts
    assert {("backup", world.people["何立"], False), ("backup", world.people["周敏"], True)} <= shifts
    why = {one["action"]: one["reason"] for one in world.rows(schema.audit) if one["action"].startswith("roster.")}
    assert (why["roster.swap"], why["roster.withdraw"]) == ("周敏发热", "出差")


def test_calls_are_stopped_with_a_reason_and_two_people_make_one_patient_of_two_records(stage: Stage) -> None:
    world = stage.server.world
    second_coordinator_and_a_silent_clinic(world)
    stage.other_clinic().send(b"no ECG, an export that broke", "export.bin", patient=WANG)
    clinic = stage.page(PHONE, person="吴医生")
    clinic.goto("/clinic/")
    choose(clinic, ludb_55())
    clinic.get_by_role("button", name="胸痛").click()
    clinic.get_by_role("button", name="填姓名").click()
    clinic.get_by_label("病人姓名").fill("王建国")
    clinic.get_by_role("button", name="发送").click()

    page = stage.desk("林协调", (1366, 768))
    expect(page.locator("section.alert")).to_be_visible()
    page.keyboard.press("a")
    expect_drawn(page)
    page.locator("details summary", has_text="呼叫经过").click()
    expect(page.locator("details ol li").first).to_contain_text("一线 周敏")
    dialog(page, "停止呼叫…", ".act")
    page.get_by_label("已电话处理").check()
    page.get_by_role("button", name="停止呼叫", exact=True).click()
    expect(page.locator("details h3")).to_contain_text("停止：已电话处理")
    (alert,) = (one for one in world.rows(schema.alert) if one["stopped_at"] is not None)
    assert (alert["stop_reason"], alert["next_step_at"]) == ("handled_by_phone", None)
    assert alert["stopped_at"] - alert["raised_at"] < 600 * SECOND

    dialog(page, "合并病人…", ".act")
    page.get_by_role("dialog").get_by_text("王建国").first.click()
    page.get_by_label("原因").fill("同一张医保卡")
    page.get_by_role("button", name="提出合并").click()
    expect(page.get_by_text("有合并在等另一人确认")).to_be_visible()
    page.get_by_role("link", name="去看").click()
    expect(page.get_by_text("你提出的，要由另一人确认")).to_be_visible()
    expect(page.get_by_role("button", name="确认是同一位病人")).to_have_count(0)
    assert [one["state"] for one in world.rows(schema.merge)] == ["proposed"]

    other = stage.page(person="唐协调")
    other.goto("/board/#merges")
    other.get_by_role("button", name="确认是同一位病人").click()
    expect(other.locator(".merge")).to_contain_text("唐协调")
    expect(page.locator(".merge")).to_contain_text("唐协调")
    (merge,) = world.rows(schema.merge)
    assert (merge["state"], merge["proposed_by"], merge["confirmed_by"]) == (
        "merged",
        world.people["林协调"],
        world.people["唐协调"],
    )
    assert len({one["patient_id"] for one in world.rows(schema.exam)}) == 1

    # and it is undone as easily
    other.get_by_role("button", name="撤销合并…").click()
    other.get_by_label("原因").fill("看错了一位")
    other.get_by_role("button", name="撤销", exact=True).click()
    until(other, lambda: world.rows(schema.merge)[0]["state"] == "undone", "the merge is undone")
    expect(other.locator(".merge")).to_have_count(0)
    assert len({one["patient_id"] for one in world.rows(schema.exam)}) == 2
