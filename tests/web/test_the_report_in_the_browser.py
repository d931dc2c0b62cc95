"""A report, a message and a retake between desk and village, in a real Chromium on a real server."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from ledger import schema
from tests.support.serving import PASSWORD, ludb_55
from tests.web.acting import PHONE, Stage, choose, expect_drawn, save, violations

pytestmark = pytest.mark.browser


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
