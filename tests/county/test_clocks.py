"""A device's clock: whatever it shows and however slow the line, the offset is within what is said of it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from county.clocks import ASSUMED_DELAY_US, DRIFT_PPM, RESOLUTION_US, Estimate, Sample, estimate

S = 1_000_000
NOW = 1_790_000_000 * S
OFFSET = st.integers(-(10**15), 10**15)  # thirty years: a PC whose battery is flat
#: pause before the beat, delay on the way there, the rest of the round trip (None: it was not measured)
BEATS = st.lists(
    st.tuples(
        st.integers(0, 3 * 86_400 * S),
        st.integers(0, ASSUMED_DELAY_US),
        st.one_of(st.none(), st.integers(0, 60 * S)),
    ),
    min_size=1,
    max_size=12,
)


def beats(
    start: int, offset: int, drift_ppm: int, line: list[tuple[int, int, int | None]], cut: int = 1
) -> list[tuple[Sample, int]]:
    """What the server gets of a clock that runs ``drift_ppm`` fast, each with the true offset when it came; ``cut``:
    what the device's times are cut to (µs).
    """
    found: list[tuple[Sample, int]] = []
    at = start
    for pause, delay, rest in line:
        at += pause + delay
        sent = at - delay
        true = offset + (at - start) * drift_ppm // 1_000_000
        shows = sent + offset + (sent - start) * drift_ppm // 1_000_000
        found.append((Sample(shows // cut * cut, at, None if rest is None else delay + rest), true))
    return found


def width_of(sample: Sample) -> int:
    """How far an offset can be off that this beat alone told: its round trip, its drift meanwhile, milliseconds."""
    trip = ASSUMED_DELAY_US if sample.round_trip_us is None else sample.round_trip_us
    return trip + 2 * (RESOLUTION_US + trip * DRIFT_PPM // 1_000_000)


@settings(max_examples=40, deadline=None)
@given(offset=OFFSET, drift=st.integers(-DRIFT_PPM + 1, DRIFT_PPM - 1), line=BEATS, cut=st.sampled_from([1, 1000]))
def test_the_true_offset_is_always_within_the_uncertainty_and_that_is_no_worse_than_the_last_beats(
    offset: int, drift: int, line: list[tuple[int, int, int | None]], cut: int
) -> None:
    known: Estimate | None = None
    for sample, true in beats(NOW, offset, drift, line, cut):
        known = estimate(known, sample)
        assert abs(known.offset_us - true) <= known.uncertainty_us + 1  # microseconds are whole
        assert known.uncertainty_us <= width_of(sample) // 2 + 1


@settings(max_examples=40, deadline=None)
@given(offset=OFFSET, line=BEATS)
def test_the_fastest_beat_decides_and_slower_ones_after_it_cost_nothing_but_drift(
    offset: int, line: list[tuple[int, int, int | None]]
) -> None:
    fast, *slow = [sample for sample, _ in beats(NOW, offset, 0, [(0, 20_000, 20_000), *line])]
    known = estimate(None, fast)
    for sample in slow:
        known = estimate(known, sample)
    drifted = (known.at - fast.received_at) * DRIFT_PPM // 1_000_000
    assert known.uncertainty_us <= 20_000 + 1_010 + drifted + 2 * len(slow)


@settings(max_examples=40, deadline=None)
@given(offset=OFFSET, to=OFFSET, before=BEATS, after=BEATS)
def test_a_clock_that_was_set_is_off_by_more_than_a_beats_round_trip_at_one_beat_at_most(
    offset: int, to: int, before: list[tuple[int, int, int | None]], after: list[tuple[int, int, int | None]]
) -> None:
    known: Estimate | None = None
    for sample, _ in beats(NOW, offset, 0, before):
        known = estimate(known, sample)
    assert known is not None
    off, holds = 0, False
    for sample, true in beats(known.at, to, 0, after):
        known = estimate(known, sample)
        off += abs(known.offset_us - true) > width_of(sample)
        held, holds = holds, abs(known.offset_us - true) <= known.uncertainty_us
        assert holds or not held, "what was known again is not forgotten"
    assert off <= 1


def test_a_clock_that_is_five_minutes_fast_over_a_quick_line() -> None:
    known = estimate(None, Sample(NOW + 300 * S - 15_000, NOW, 30_000))
    assert known == Estimate(300 * S, 16_006, NOW), "half the round trip, a millisecond, and 6 of drift on the way"
    assert known.ours(NOW + 400 * S) == NOW + 100 * S
    assert known.uncertainty_at(NOW + 3600 * S) == 16_006 + 720_000, "200 parts in a million are 0.72 s an hour"
