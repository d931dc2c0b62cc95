"""Backing off, and the alarm, against the rules by hand; the clock on the wall may jump."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.clinic.patience import ALARM_S, Alarm, Backoff, ask_every_s

MINUTE_US = 60_000_000


def test_the_wait_doubles_up_to_a_minute_with_full_jitter() -> None:
    backoff = Backoff()
    longest = [backoff.failed(0.0, 1.0) for _ in range(9)]
    assert longest == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert Backoff().failed(0.0, 0.25) == 0.25
    spread = [Backoff(failures=6).failed(0.0, random.Random(n).random()) for n in range(300)]
    assert min(spread) < 6 and max(spread) > 54  # noqa: PT018 (the whole range is used)


def test_what_the_county_asks_for_is_waited_and_success_forgets() -> None:
    backoff = Backoff()
    assert backoff.failed(10.0, 0.0, least_s=7.0) == 7.0
    assert backoff.left(12.0) == 5.0
    backoff.succeeded()
    assert (backoff.left(12.0), backoff.failures) == (0.0, 0)


def test_an_urgent_one_waits_five_seconds_after_a_failure_however_long_the_others_wait() -> None:
    backoff = Backoff(failures=9)
    backoff.failed(100.0, 1.0)
    assert backoff.left(101.0) == 59.0
    assert backoff.left(101.0, 5.0) == 4.0
    assert backoff.left(105.0, 5.0) == 0.0


def test_the_alarm_is_due_a_minute_after_the_button_and_ends_with_the_receipt() -> None:
    alarm, pressed = Alarm(), 1_000 * MINUTE_US
    assert alarm.late(50.0, pressed, {7: pressed}) == []
    assert alarm.late(50.0 + ALARM_S - 0.1, pressed + MINUTE_US - 1, {7: pressed}) == []
    assert alarm.late(50.0 + ALARM_S, pressed + MINUTE_US, {7: pressed}) == [7]
    assert alarm.late(120.0, pressed + 2 * MINUTE_US, {}) == []


def test_after_a_restart_the_minute_goes_on() -> None:
    assert Alarm().late(0.0, 1_001 * MINUTE_US, {7: 1_000 * MINUTE_US}) == [7]


@given(jumps=st.lists(st.integers(-(10**15), 10**15), min_size=3, max_size=3))
@settings(max_examples=50, deadline=None, derandomize=True)
def test_a_clock_set_back_or_forth_never_delays_the_alarm(jumps: list[int]) -> None:
    alarm, pressed = Alarm(), 0
    for now, jump in zip((0.0, 30.0, 60.0), jumps, strict=True):
        late = alarm.late(now, jump, {1: pressed})
    assert late == [1]


@pytest.mark.parametrize(
    ("age_s", "pressing", "answered", "read", "every_s"),
    [
        (5, True, False, False, 3),
        (5, False, False, False, 5),
        (1_000, False, False, False, 15),
        (5_000, True, False, False, 60),
        (2 * 86_400, False, False, False, 600),
        (5, True, True, False, 60),
        (5, True, True, True, 600),
        (2 * 86_400, True, True, True, None),
        (8 * 86_400, True, False, False, None),
        (-1e9, True, False, False, 3),  # the clock was set back
    ],
)
def test_how_often_is_asked(age_s: float, pressing: bool, answered: bool, read: bool, every_s: float | None) -> None:
    assert ask_every_s(age_s, is_pressing=pressing, is_answered=answered, is_read=read) == every_s
