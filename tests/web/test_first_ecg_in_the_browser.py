"""The first ECG walks from a village telephone to the county's desk and back, in a real Chromium, on a real server.

LUDB 55 is a real acute infarction. Each test is named after the accident that it prevents.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from ledger import schema
from ledger.clock import SECOND
from tests.support.serving import ludb_55
from tests.web.acting import (
    PHONE,
    Held,
    Stage,
    choose,
    expect_done,
    expect_drawn,
    healthy_ecg,
    sign_in_by_form,
    slow_feed,
    step,
    until,
)

pytestmark = pytest.mark.browser

SAMPLES = re.compile("/v1/exams/[^/]+/samples$")
MS = SECOND // 1000


def unreadable(number: int) -> bytes:
    """Bytes that are no ECG, each number other ones."""
    return b"no ECG in here " + str(number).encode()


def start_duty(desk: Page) -> None:
    """A person's own click unlocks the sound; the test tone proves it."""
    expect(desk.get_by_text("无声", exact=True)).to_be_visible()
    desk.get_by_role("button", name="接班").click()
    expect(desk.get_by_text("有声", exact=True)).to_be_visible()
    expect(desk.get_by_text("无声", exact=True)).to_have_count(0)


def send_from_the_village(page: Page) -> None:
    """吴医生 signs in, chooses LUDB 55, says chest pain and the name, sends."""
    sign_in_by_form(page, "吴医生")
    page.wait_for_url("**/clinic/")
    choose(page, ludb_55())
    pain = page.get_by_role("button", name="胸痛")
    pain.click()
    expect(pain).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="填姓名").click()
    page.get_by_label("病人姓名").fill("李秀英")
    page.get_by_role("button", name="发送").click()


def test_no_stemi_stays_in_the_village_and_no_answer_stays_in_the_county(stage: Stage) -> None:
    world = stage.server.world
    desk = stage.page()
    sign_in_by_form(desk, "周敏")
    desk.wait_for_url("**/reader/")
    expect(desk.get_by_text("已连接")).to_be_visible()
    start_duty(desk)
    tracing = Held(desk, SAMPLES).start()

    clinic = stage.page(PHONE)
    send_from_the_village(clinic)
    expect_done(clinic, "已保存")
    expect_done(clinic, "已送达")

    bar = desk.locator("section.alert")
    expect(bar).to_be_visible()
    expect(bar).to_contain_text("危急")
    expect(bar).to_contain_text("石桥村卫生室")
    expect(bar).to_contain_text("V2 +0.1")
    # whoever passes the desk may read the bar, the tab and the address: no name there
    expect(desk.locator("nav.list")).to_contain_text("李秀英")
    expect(bar).not_to_contain_text("李秀英")
    assert "李秀英" not in desk.title() + desk.url
    back = bar.get_by_role("link", name="回拨 000-5550-101")
    assert back.get_attribute("href") == "tel:0005550101"
    rung = desk.evaluate("({ state: window.audio.state, tones: window.tones })")
    assert rung["state"] == "running"
    assert rung["tones"] == 3 + 10, "the test tone, and the first burst of the alarm"

    # it is opened, and the line is slow: nobody has seen anything yet
    desk.keyboard.press("a")
    expect(bar.get_by_role("button", name="正在取图…")).to_be_visible()
    until(desk, lambda: tracing.waiting, "the tracing was asked for")
    expect(desk.get_by_role("main", name="病例")).to_contain_text("胸痛")
    assert desk.evaluate("window.seen.sent") == []
    assert world.rows(schema.case)[0]["acknowledged_at"] is None
    assert world.rows(schema.case)[0]["seen_at"] is None, "the village must not read that a doctor has seen it"

    tracing.release()
    expect_drawn(desk)
    expect(bar).to_have_count(0)
    sent = desk.evaluate("window.seen.sent")
    assert [one["what"] for one in sent] == ["acknowledge"]
    until(desk, lambda: world.rows(schema.case)[0]["acknowledged_at"], "the acknowledgement is committed")
    assert sent[0]["drawnAt"] is not None
    assert sent[0]["drawnAt"] <= sent[0]["at"]
    case = world.rows(schema.case)[0]
    assert case["acknowledged_at"] >= sent[0]["drawnAt"] * MS
    assert case["owner_id"] == world.people["周敏"]

    # the village sees who, without asking again
    expect_done(clinic, "医生已看到")
    expect(step(clinic, "医生已看到")).to_contain_text("周敏")
    expect(step(clinic, "医生已看到")).to_contain_text(re.compile(r"\d\d:\d\d:\d\d"))

    desk.get_by_role("button", name="确认危急").click()
    expect(desk.get_by_text("已确认：危急")).to_be_visible()
    expect(desk.get_by_text("卫生室还没回读")).to_be_visible()

    answer = clinic.locator(".told")
    expect(clinic.get_by_text(re.compile("周敏 医师 .* 回复"))).to_be_visible()
    assert answer.locator("h1").count() == answer.locator(".act").count() == 1, "one sentence, one action"
    expect(answer.locator(".act")).to_contain_text("平卧")
    expect(answer).not_to_contain_text("STEMI")
    for said in (answer.locator("h1"), answer.locator(".act")):
        assert float(said.evaluate("e => parseFloat(getComputedStyle(e).fontSize)")) >= 24
    clinic.get_by_role("button", name="我读到了，正在做").click()
    expect(clinic.get_by_text("已告诉县医院：你在做")).to_be_visible()

    expect(desk.get_by_text("已回读")).to_be_visible()
    expect(desk.locator("ol.line")).to_contain_text("村医回读")
    alerts = world.rows(schema.alert)
    assert len(alerts) == 1
    assert alerts[0]["acknowledged_by"] == world.people["周敏"]


def test_two_doctors_on_one_patient_the_second_is_told_what_is_left_to_do(stage: Stage) -> None:
    world = stage.server.world
    late = stage.page(person="周敏")
    line = slow_feed(late)
    late.goto("/reader/")
    first = stage.desk("何立")
    stage.clinic().send(ludb_55(), "55.zip", symptoms=["chest_pain"])
    expect(late.locator("section.alert")).to_be_visible()
    expect(first.locator("section.alert")).to_be_visible()

    # from here on the county's news reach 周敏 late; her own words still get through
    line.is_slow = True
    documents = Held(late, re.compile("/v1/(cases/[^/]+|worklist)$")).start()
    first.keyboard.press("a")
    expect(first.locator("section.alert")).to_have_count(0)
    until(first, lambda: world.rows(schema.case)[0]["owner_id"] == world.people["何立"], "何立 has it")

    late.keyboard.press("a")
    refused = late.get_by_role("alert").filter(has_text="没有办成")
    expect(refused).to_be_visible()
    expect(refused).to_contain_text("现在可以：接手、确认、降级、解除")
    expect(refused).not_to_contain_text("acknowledge")
    documents.release()
    line.release()
    expect(late.locator("section.alert")).to_have_count(0)
    expect(late.locator("nav.list .row")).to_contain_text("何立 在看")
    assert world.rows(schema.alert)[0]["acknowledged_by"] == world.people["何立"]


def test_a_dead_server_is_a_telephone_number_and_nothing_is_sent_twice(stage: Stage) -> None:
    world, server = stage.server.world, stage.server
    desk = stage.desk()
    feeds: list[str] = []
    desk.on("websocket", lambda socket: feeds.append(socket.url))
    clinic = stage.page(PHONE, person="吴医生")
    clinic.goto("/clinic/")
    expect(clinic.get_by_text("石桥村卫生室")).to_be_visible()
    number = world.events()[-1]["seq"] if world.events() else 0

    server.kill()
    choose(clinic, ludb_55())
    clinic.get_by_role("button", name="胸痛").click()
    clinic.get_by_role("button", name="发送").click()
    expect_done(clinic, "已保存")
    expect(clinic.get_by_text("连不上县中心")).to_be_visible()
    expect(clinic.get_by_text("图已存在本机")).to_be_visible()
    assert clinic.locator("a.call").get_attribute("href") == "tel:0005550120"
    expect(clinic.locator("a.call")).to_contain_text("000-5550-120")
    expect(step(clinic, "已送达")).not_to_have_class(re.compile("done"))
    assert clinic.locator("[class*=spin], [role=progressbar]").count() == 0
    expect(desk.get_by_text("与县中心的连接断了")).to_be_visible()
    expect(desk.get_by_text(re.compile(r"屏上内容停在 \d\d:\d\d:\d\d"))).to_be_visible()
    expect(desk.get_by_text("未连接")).to_be_visible()
    assert world.rows(schema.exam) == []

    server.start()
    expect_done(clinic, "已送达", 30)
    expect(desk.locator("section.alert")).to_be_visible(timeout=30_000)
    expect(desk.get_by_text("与县中心的连接断了")).to_have_count(0)
    assert f"after={number}" in feeds[-1], feeds
    exams = world.rows(schema.exam)
    assert len(exams) == 1
    assert exams[0]["symptoms"] == ["chest_pain"]
    raised = [event for event in world.events() if event["kind"] == "alert.raised"]
    assert len(raised) == 1
    desk.keyboard.press("a")
    expect_drawn(desk)
    expect_done(clinic, "医生已看到", 30)


def test_a_file_that_nobody_can_read_is_silence_for_neither_side(stage: Stage) -> None:
    desk = stage.desk()
    clinic = stage.page(PHONE, person="吴医生")
    clinic.goto("/clinic/")
    choose(clinic, b"a photograph of the paper would have been better", "export.bin")
    clinic.get_by_role("button", name="发送").click()
    expect_done(clinic, "已送达")
    said = clinic.locator(".tech", has_text="这份文件读不出")
    expect(said).to_be_visible()
    problem = str(stage.server.world.rows(schema.exam)[0]["problem"]["zh"])
    expect(said).to_contain_text(problem)
    expect(said).to_contain_text("请重新导出再发一次")

    row = desk.locator("nav.list .row")
    expect(row).to_contain_text("未判读")
    row.click()
    nothing = desk.locator(".nothing")
    expect(nothing).to_contain_text("这份没有可画的波形")
    expect(nothing).to_contain_text(problem)
    expect(desk.get_by_role("link", name="打电话")).to_have_attribute("href", "tel:0005550101")
    expect_done(clinic, "医生已看到")


def test_a_wall_of_averages_hides_no_waiting_patient_and_shows_no_name(stage: Stage) -> None:
    board = stage.page(person="林协调")
    board.goto("/board/")
    expect(board.get_by_text("没有进行中的病例")).to_be_visible()
    stage.other_clinic().send(healthy_ecg(), "ecg.zip", symptoms=["none"], patient={"name": "李秀英"})
    stage.clinic().send(ludb_55(), "55.zip", symptoms=["chest_pain"], patient={"name": "王建国"})
    first = board.locator("section.open > ul > li").first
    expect(first).to_contain_text("危急")
    expect(first).to_contain_text("石桥村卫生室")
    expect(first).to_contain_text("无人接警")
    expect(first.locator("ol.ladder > li")).to_have_count(5)
    expect(first.locator("ol.ladder > li.now")).to_contain_text("一线 周敏")
    expect(first.locator("ol.ladder")).to_contain_text("二线 何立")
    figures = board.locator("section.panel", has_text="应答")
    expect(figures).to_contain_text("n = 0")
    expect(board.get_by_text("47 秒")).to_be_visible()

    desk = stage.desk()
    expect(desk.locator("section.alert")).to_be_visible()
    desk.keyboard.press("a")
    expect_drawn(desk)
    expect(first).to_contain_text("周敏 在看")
    expect(figures).to_contain_text("n = 1")
    expect(figures).to_contain_text("应答太少，不算中位数")
    assert "王建国" not in board.content()
    assert "李秀英" not in board.content()


def test_no_row_moves_under_the_finger_that_points_at_it_but_red_comes_on_top(stage: Stage) -> None:
    desk = stage.desk()
    clinic, other = stage.clinic(), stage.other_clinic()
    rows = desk.locator("nav.list .row")
    other.send(unreadable(1), "1.bin")
    expect(rows).to_have_count(1)
    desk.locator("nav.list").hover()
    other.send(unreadable(2), "2.bin")
    waiting = desk.get_by_role("button", name="1 份新图，点此排入")
    expect(waiting).to_be_visible()
    expect(rows).to_have_count(1)

    clinic.send(ludb_55(), "55.zip", symptoms=["chest_pain"])
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("危急")
    expect(waiting).to_be_visible()
    waiting.click()
    expect(rows).to_have_count(3)
    expect(waiting).to_have_count(0)
    expect(rows.first).to_contain_text("危急")
