"""The words of a page, short enough for a text message: what, where, whom to ring; no patient's name of its own accord.

A drill's words begin and end with 演练 (CLINICAL.md §5.7), so that it is known for one from either end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ledger.clock import SECOND
from triage.channels import Words
from triage.rating import Colour

DRILL = "演练"
_COLOURS = {Colour.RED: ("红色", "RED"), Colour.ORANGE: ("橙色", "ORANGE")}
_SLOTS = {
    "first": ("一线", "first on call"),
    "backup": ("二线", "backup"),
    "coordinator": ("协调员", "coordinator"),
    "chief": ("胸痛中心主任", "chief"),
    "director": ("医务值班", "director"),
}


@dataclass(frozen=True, slots=True)
class Page:
    """What a page of an alert is made of; ``call`` counts from 1; ``patient``: only where the county allows names."""

    colour: str
    site: str
    township: str
    phone: str
    reason: Mapping[str, str]
    call: int
    undecided: bool
    drill: bool
    patient: str | None = None


def of_alert(page: Page, language: str) -> Words:
    """The words of an alert's page in ``zh``, ``en`` or ``both``."""
    zh, en = _alert_zh(page), _alert_en(page)
    return _marked(_in(language, zh, en), drill=page.drill)


def _alert_zh(page: Page) -> Words:
    colour = _COLOURS[Colour(page.colour)][0]
    again = "已应答但未决定" if page.undecided else f"第{page.call}次呼叫，尚无人应答"
    who = f"，{page.patient}" if page.patient else ""
    ring = f"村里电话 {page.phone}。" if page.phone else ""
    first = "" if page.call == 1 else f"{again}。"
    body = f"{page.site}（{page.township}）{who}：{page.reason['zh']}。{first}请立即打开心电网应答。{ring}"
    return Words(f"【{colour}】心电警报", body)


def _alert_en(page: Page) -> Words:
    colour = _COLOURS[Colour(page.colour)][1]
    again = "Acknowledged, not decided" if page.undecided else f"Call {page.call}, nobody has answered"
    who = f", {page.patient}" if page.patient else ""
    ring = f" Clinic's phone {page.phone}." if page.phone else ""
    first = "" if page.call == 1 else f" {again}."
    body = f"{page.site} ({page.township}){who}: {page.reason['en']}.{first} Open ecgnet and answer now.{ring}"
    return Words(f"{colour} ECG alert", body)


def of_gap(slot: str, begins_in_us: int, language: str) -> Words:
    """Somebody must be found for a slot before the hour comes."""
    zh_slot, en_slot = _SLOTS[slot]
    hours = max(round(begins_in_us / (3600 * SECOND)), 0)
    zh_when = f"约{hours}小时后" if hours else ("一小时内" if begins_in_us > 0 else "现在")
    en_when = f"in about {hours} h" if hours else ("within the hour" if begins_in_us > 0 else "now")
    zh = Words("【值班空缺】心电网", f"{zh_when}起{zh_slot}无人值班，请尽快排班。")
    en = Words("ecgnet: nobody on call", f"Nobody is {en_slot} {en_when}: put somebody on the roster.")
    return _in(language, zh, en)


def of_unreachable(slot: str, name: str, language: str) -> Words:
    """Somebody on call is not at the screen."""
    zh_slot, en_slot = _SLOTS[slot]
    zh = Words("【值班失联】心电网", f"{zh_slot}值班 {name} 已离线一分钟以上，请立即电话联系。")
    en = Words(
        "ecgnet: on call, not reachable", f"{name} ({en_slot}) has been off the feed for a minute: ring them now."
    )
    return _in(language, zh, en)


def of_silence(site: str, township: str, hours: int, language: str) -> Words:
    """A clinic that sends has stopped."""
    zh = Words("【站点静默】心电网", f"{site}（{township}）已 {hours} 小时没有心电图，请核实设备和网络。")
    en = Words(
        "ecgnet: a clinic is silent", f"{site} ({township}) has sent nothing for {hours} h: check device and line."
    )
    return _in(language, zh, en)


def marked_reason(reason: dict[str, Any]) -> dict[str, Any]:
    """A drill's reason: 演练 in first and last word, in both languages."""
    return {**reason, **{key: f"{DRILL} {reason[key]} {DRILL}" for key in ("zh", "en") if key in reason}}


def _in(language: str, zh: Words, en: Words) -> Words:
    if language == "both":
        return Words(f"{zh.title} {en.title}", f"{zh.body}\n{en.body}")
    return en if language == "en" else zh


def _marked(words: Words, *, drill: bool) -> Words:
    if not drill:
        return words
    return Words(f"{DRILL} {words.title}", f"{DRILL} {words.body} {DRILL}")
