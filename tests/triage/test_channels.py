"""What a channel says became of a message: delivered, surely not, or who knows. No network beyond loopback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.triage.gateway import Gateway
from triage import channels, paging
from triage.channels import Outcome, Words

WORDS = Words("标题", "正文")


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    opened = Gateway()
    yield opened
    opened.close()


def test_a_gateway_gets_whom_what_and_an_id_and_its_receipt_is_kept(gateway: Gateway) -> None:
    assert channels.send(gateway.address("138%200"), WORDS, "id-1") == Outcome(True, "r-id-1")
    assert gateway.asked == [{"id": "id-1", "to": "138 0", "title": "标题", "text": "正文"}]


REFUSALS: list[tuple[int, dict[str, Any], str]] = [
    (503, {}, "http-503"),
    (404, {"x": 1}, "http-404"),
    (200, {"errcode": 45009}, "refused-45009"),
    (200, {"ok": False}, "refused-0"),
]


@pytest.mark.parametrize(("status", "body", "problem"), REFUSALS)
def test_a_refusal_is_known_also_one_that_comes_as_200(
    gateway: Gateway, status: int, body: dict[str, Any], problem: str
) -> None:
    gateway.status, gateway.body = status, body
    assert channels.send(gateway.address("1"), WORDS, "id") == Outcome(False, problem=problem, known=True)


def test_nobody_there_is_known_and_a_line_that_breaks_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    found = channels.send("gateway+http://127.0.0.1:9/#1", WORDS, "id")
    assert (found.delivered, found.known) == (False, True)

    def breaks(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("gateway+http://secret")

    monkeypatch.setattr(channels, "_post", breaks)
    found = channels.send("gateway+http://127.0.0.1:9/#1", WORDS, "id")
    assert found == Outcome(False, problem="ZeroDivisionError", known=False)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Apprise's own
def test_apprise_sends_json_to_a_webhook_and_says_no_when_it_is_refused(gateway: Gateway) -> None:
    pytest.importorskip("apprise", reason="apprise is not installed here: make env")
    address = gateway.address("").removeprefix("gateway+http://").removesuffix("#")
    assert channels.send(f"json://{address}", WORDS, "id").delivered
    assert gateway.asked[0]["title"] == "标题"
    gateway.status = 500
    found = channels.send(f"json://{address}", WORDS, "id")
    assert (found.delivered, found.problem, found.known) == (False, "refused", True)


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("gateway+https://sms.example/send#138", None),
        ("gateway+ftp://sms.example", "not-http"),
        ("wecombotkey://not a key", "not-an-address"),
        ("nonsense://x", "not-an-address"),
        ("ntfy://topic", None),
        ("mailto://user:pass@example.org", None),
    ],
)
def test_an_address_is_checked_without_sending(address: str, problem: str | None) -> None:
    pytest.importorskip("apprise", reason="apprise is not installed here: make env")
    assert channels.check(address) == problem


@pytest.mark.parametrize("language", ["zh", "en", "both"])
def test_a_drill_is_known_from_either_end(language: str) -> None:
    page = paging.Page("RED", "甲村", "乙乡", "0996-1", {"zh": "急性", "en": "acute"}, 2, undecided=False, drill=True)
    words = paging.of_alert(page, language)
    assert words.title.startswith("演练")
    assert words.body.startswith("演练")
    assert words.body.endswith("演练")
    assert paging.marked_reason({"zh": "急性", "en": "acute", "code": "X"}) == {
        "zh": "演练 急性 演练", "en": "演练 acute 演练", "code": "X",
    }  # fmt: skip


def test_a_page_fits_a_text_message_and_names_colour_place_and_telephone() -> None:
    reason = {"zh": "可能急性前间壁心肌梗死（STEMI）", "en": "Possible acute anteroseptal MI"}
    page = paging.Page("RED", "上坪村卫生室", "上坪乡", "0996-1", reason, 1, undecided=False, drill=False)
    words = paging.of_alert(page, "zh")
    assert "红色" in words.title
    for part in ("上坪村卫生室", "上坪乡", "0996-1", "STEMI"):
        assert part in words.body
    assert len(words.title + words.body) <= 140  # two text messages of 70 Chinese characters
