"""The measures of senders and of the disk, without a server: what one device does is its own affair."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import space
from ingest.limits import HOUR_S, KEPT_SHARE, Gate, Limits, Measure, Sender, TooManyError
from ingest.space import MIB, Level, Space

SMALL = Limits(Measure(40, 1000, 8), Measure(60, 1500, 12), 16)
WILD, CALM, FAR = Sender("c", "a", "wild"), Sender("c", "a", "calm"), Sender("c", "b", "far")
#: who, seconds since the attempt before, bytes, pressing
ATTEMPTS = st.lists(
    st.tuples(st.sampled_from([WILD, CALM, FAR]), st.floats(0, 600), st.integers(0, 100), st.booleans()), max_size=120
)


def admitted(gate: Gate, now: float, sender: Sender, size: int = 1, *, pressing: bool = False) -> bool:
    try:
        gate.admit(now, sender, size, pressing=pressing)
    except TooManyError:
        return False
    return True


@settings(max_examples=100, deadline=None)
@given(ATTEMPTS)
def test_in_any_time_no_more_is_taken_than_the_measure_and_what_flowed_back(
    attempts: list[tuple[Sender, float, int, bool]],
) -> None:
    gate, now = Gate(SMALL), 0.0
    taken: list[tuple[float, Sender, int, bool]] = []
    for sender, pause, size, pressing in attempts:
        now += pause
        if admitted(gate, now, sender, size, pressing=pressing):
            taken.append((now, sender, size, pressing))
    for first in range(len(taken)):
        since = taken[first][0]
        for key, measure in ((WILD.device, SMALL.device), (FAR.device, SMALL.device), (WILD.site, SMALL.site)):
            mine = [one for one in taken[first:] if key in (one[1].device, one[1].site)]
            if not mine:
                continue
            flowed = (mine[-1][0] - since) / HOUR_S
            assert len(mine) <= measure.uploads_per_hour * (1 + flowed) + 1e-6
            assert sum(size for _, _, size, _ in mine) <= measure.bytes_per_hour * (1 + flowed) + 1e-6


@settings(max_examples=60, deadline=None)
@given(ATTEMPTS)
def test_what_others_send_changes_nothing_for_a_device_of_another_site(
    attempts: list[tuple[Sender, float, int, bool]],
) -> None:
    together, alone, now = Gate(SMALL), Gate(SMALL), 0.0
    for sender, pause, size, pressing in attempts:
        now += pause
        found = admitted(together, now, sender, size, pressing=pressing)
        if sender is FAR:
            assert found == admitted(alone, now, sender, size, pressing=pressing)


def test_a_flood_of_routine_leaves_its_own_site_and_what_is_pressing_their_share() -> None:
    gate = Gate(SMALL)
    assert sum(admitted(gate, 0.0, WILD) for _ in range(1000)) == 30, "three quarters of 40"
    assert admitted(gate, 0.0, WILD, pressing=True)
    assert sum(admitted(gate, 0.0, CALM) for _ in range(1000)) == 14, "of the site's 60 less the 15 that are kept"
    assert sum(admitted(gate, 0.0, WILD, pressing=True) for _ in range(1000)) == 9
    assert gate.refused == 970 + 986 + 991
    assert admitted(gate, 0.0, FAR)


@settings(deadline=None)
@given(st.integers(1, 2000), st.booleans())
def test_who_comes_back_when_told_is_taken(size: int, pressing: bool) -> None:
    gate = Gate(SMALL)
    gate.admit(0.0, WILD, 999, pressing=True)
    with pytest.raises(TooManyError) as told:
        gate.admit(0.0, WILD, size + 1, pressing=pressing)
    gate.admit(float(told.value.retry_s), WILD, size + 1, pressing=pressing)


def test_a_file_larger_than_the_measure_is_taken_when_nothing_was_sent_before_and_paid_for_after() -> None:
    gate = Gate(SMALL)
    assert admitted(gate, 0.0, WILD, 5000)
    assert not admitted(gate, HOUR_S, WILD, 1, pressing=True)
    assert admitted(gate, 6 * HOUR_S, WILD, 1)
    gate.charge(6 * HOUR_S, WILD, 5000)
    assert not admitted(gate, 6 * HOUR_S, WILD, 1, pressing=True)
    with pytest.raises(TooManyError):
        gate.check(6 * HOUR_S, WILD)


def test_bodies_under_way_are_counted_for_device_site_and_all_and_given_back() -> None:
    gate = Gate(SMALL)
    with ExitStack() as open_:
        for _ in range(6):  # three quarters of 8
            open_.enter_context(gate.open(WILD, pressing=False))
        with pytest.raises(TooManyError):
            open_.enter_context(gate.open(WILD, pressing=False))
        open_.enter_context(gate.open(WILD, pressing=True))
        for _ in range(2):  # the site has three quarters of 12
            open_.enter_context(gate.open(CALM, pressing=False))
        with pytest.raises(TooManyError):
            open_.enter_context(gate.open(CALM, pressing=False))
        for _ in range(3):  # all have three quarters of 16
            open_.enter_context(gate.open(FAR, pressing=False))
        with pytest.raises(TooManyError):
            open_.enter_context(gate.open(FAR, pressing=False))
        open_.enter_context(gate.open(FAR, pressing=True))
        assert gate.under_way == 13
    assert gate.under_way == 0
    with gate.open(WILD, pressing=False):
        assert gate.under_way == 1


def test_memory_of_forms_is_shared_so_that_no_device_can_end_the_process() -> None:
    gate = Gate(Limits(held_bytes=400))
    with ExitStack() as open_:
        open_.enter_context(gate.open(WILD, pressing=True, holds=60))
        open_.enter_context(gate.open(WILD, pressing=True, holds=40))
        with pytest.raises(TooManyError):
            open_.enter_context(gate.open(WILD, pressing=True, holds=1))
        open_.enter_context(gate.open(WILD, pressing=False))  # piece by piece: it holds nothing
        others = [Sender("c", "b", f"device {k}") for k in range(4)]
        for other in others[:2]:
            open_.enter_context(gate.open(other, pressing=False, holds=100))
        with pytest.raises(TooManyError):
            open_.enter_context(gate.open(others[2], pressing=False, holds=1))
        open_.enter_context(gate.open(others[2], pressing=True, holds=100))
        assert gate.held == 400
    assert (gate.held, gate.under_way, gate._held) == (0, 0, {})
    with gate.open(WILD, pressing=False, holds=5000):  # the only one: the limit of a body is another setting
        assert gate.held == 5000


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.limits.MOST_BUCKETS", 100)
    gate = Gate(SMALL)
    for k in range(200):
        gate.admit(k * HOUR_S, Sender("c", "a", f"device {k}"), 1, pressing=False)
    assert len(gate._buckets) <= 104
    assert KEPT_SHARE == 0.25


# --- the disk --------------------------------------------------------------------------------------------------------


def test_the_levels_of_a_disk() -> None:
    for free, level in ((2048, 0), (2047, 1), (512, 1), (511, 2), (128, 2), (127, 3), (0, 3)):
        assert space.level_of(free * MIB, 2048 * MIB, 512 * MIB) is Level(level), free
    assert space.level_of(0, 0, 0) is Level.ENOUGH, "who sets no marks is told nothing"


def test_routine_is_refused_first_what_was_begun_later_and_what_is_pressing_last() -> None:
    refused = {
        level: [
            what
            for what, (pressing, is_new) in {
                "new routine": (False, True),
                "routine that was begun": (False, False),
                "new pressing": (True, True),
            }.items()
            if space.refuses(level, pressing=pressing, is_new=is_new)
        ]
        for level in Level
    }
    assert refused == {
        Level.ENOUGH: [],
        Level.LOW: [],
        Level.KEPT: ["new routine"],
        Level.LAST: ["new routine", "routine that was begun", "new pressing"],
    }


def test_each_change_of_the_level_is_said_once(tmp_path: Path) -> None:
    free = [3000, 1000, 1000, 300, 50, 3000]
    disk = Space(tmp_path, probe=lambda _folder: free[0] * MIB)
    with structlog.testing.capture_logs() as said:
        while free:
            disk.say()
            free.pop(0)
    assert [(line["level"], line["log_level"]) for line in said] == [
        ("low", "warning"),
        ("kept", "error"),
        ("last", "error"),
        ("enough", "info"),
    ]


def test_a_disk_that_cannot_be_asked_or_is_elsewhere_refuses_nothing(tmp_path: Path) -> None:
    def broken(_folder: Path) -> int:
        raise OSError("gone")

    for disk in (Space(None), Space(tmp_path, probe=broken)):
        assert (disk.free(), disk.level()) == (None, Level.ENOUGH)
    assert (Space(tmp_path).free() or 0) > 0
