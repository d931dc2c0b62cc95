"""The watchdog: a blink is none, a trouble is told once and again with pauses, its end once; by a way of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from server import watchdog
from server.refusal import Refusal
from server.watchdog import Judge, Say
from tests.server.commands import assert_one_sentence, ecgnet
from tests.support.needs import REPOSITORY
from tests.support.serving import free_port, wait_until
from tests.triage.gateway import Gateway


def said(seen: list[tuple[float, str | None]], patience_s: float = 30) -> list[tuple[float, str | None]]:
    judge = Judge(patience_s)
    found = [(now, judge.seen(now, trouble)) for now, trouble in seen]
    return [(now, say.trouble) for now, say in found if say is not None]


def test_a_restart_is_a_blink() -> None:
    assert said([(0, None), (10, "no-answer"), (20, "not-ready"), (30, None), (40, "no-answer"), (60, None)]) == []


def test_what_lasts_is_told_once_then_with_growing_pauses_and_its_end_once() -> None:
    looks: list[tuple[float, str | None]] = [(at, "no-answer" if at < 3000 else None) for at in range(0, 4000, 10)]
    assert said(looks) == [(30, "no-answer"), (330, "no-answer"), (930, "no-answer"), (2130, "no-answer"), (3000, None)]


def test_a_second_trouble_begins_anew() -> None:
    looks: list[tuple[float, str | None]] = [(0, "x"), (30, "x"), (40, None), (50, "x"), (70, "x"), (80, "ladder-late")]
    assert said(looks) == [(30, "x"), (40, None), (80, "ladder-late")]


@pytest.mark.parametrize("trouble", [None, "no-answer", "not-ready", "ladder-late"])
def test_what_it_says_is_in_both_languages(trouble: str | None) -> None:
    words = watchdog.words(Say(trouble, 90), "https://county.example")
    assert "心电网" in words.title
    assert "https://county.example" in words.body
    assert "2" in words.body


def test_without_anybody_to_alarm_it_does_not_start() -> None:
    done = ecgnet("watchdog", "--to", "http://127.0.0.1:9", ECGNET_WATCHDOG_ALARM="")
    assert done.returncode == 1
    assert_one_sentence(done)
    with pytest.raises(Refusal, match="1"):
        watchdog.check(["gateway+ftp://secret-key"])


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    opened = Gateway()
    yield opened
    opened.close()


def test_a_server_that_is_gone_rings_its_own_telephone(gateway: Gateway) -> None:
    """A real process; nobody listens where it looks."""
    command = [sys.executable, "-m", "server.cli", "watchdog", "--to", f"http://127.0.0.1:{free_port()}"]
    process = subprocess.Popen(
        [*command, "--every", "0.1", "--patience", "0.3"],
        cwd=REPOSITORY,
        env={**os.environ, "ECGNET_WATCHDOG_ALARM": gateway.address("999")},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(lambda: gateway.to("999"), 20, "the watchdog's alarm")
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "no-answer: 1/1 alarms delivered"
    finally:
        process.kill()
        process.communicate(timeout=10)
    assert "停摆" in gateway.to("999")[0]["title"]
