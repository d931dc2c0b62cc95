"""Heart-rate variability against its definitions (Task Force 1996, Circulation 93:1043)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ecg.analysis import Beat, Kind
from ecg.variability import variability

NONE = np.empty(0)


def beats(*kinds: Kind) -> list[Beat]:
    return [Beat(k, 400 * k, kind) for k, kind in enumerate(kinds)]


def all_dominant(count: int) -> list[Beat]:
    return beats(*[Kind.DOMINANT] * count)


def test_a_clock_does_not_vary() -> None:
    found = variability(all_dominant(11), np.full(10, 800.0), NONE)
    assert (found.nn_count, found.sdnn_ms, found.rmssd_ms, found.pnn50_percent) == (10, 0.0, 0.0, 0.0)


def test_intervals_that_alternate_have_the_figures_of_a_square_wave() -> None:
    """±30 ms by turns over ten intervals: SD 30·√(10/9), every difference 60 ms, all of them above 50."""
    rr = np.array([770.0, 830.0] * 5)
    found = variability(all_dominant(11), rr, NONE)
    assert found.sdnn_ms == pytest.approx(30 * math.sqrt(10 / 9))
    assert found.rmssd_ms == pytest.approx(60)
    assert found.pnn50_percent == 100.0


def test_a_difference_of_exactly_50_ms_is_not_above_it() -> None:
    rr = np.array([800.0, 850.0, 800.0, 851.0, 800.0, 800.0, 800.0])
    found = variability(all_dominant(8), rr, NONE)
    # Differences 50, 50, 51, 51, 0, 0: two of six.
    assert found.pnn50_percent == pytest.approx(100 * 2 / 6)


def test_an_interval_beside_a_beat_that_is_not_normal_does_not_count() -> None:
    """One ventricular beat takes two intervals out, and no difference is made across it."""
    kinds = [Kind.DOMINANT] * 5 + [Kind.VENTRICULAR] + [Kind.DOMINANT] * 6
    rr = np.array([800.0] * 4 + [500.0, 1100.0] + [860.0] * 5)
    found = variability(beats(*kinds), rr, NONE)
    assert found.nn_count == 9
    # Four at 800, five at 860: mean 833.3…, and within each run nothing changes.
    assert found.sdnn_ms == pytest.approx(float(np.std([800.0] * 4 + [860.0] * 5, ddof=1)))
    assert found.rmssd_ms == 0.0


@pytest.mark.parametrize("kind", [k for k in Kind if k is not Kind.DOMINANT])
def test_only_dominant_beats_are_normal(kind: Kind) -> None:
    kinds = [Kind.DOMINANT] * 10
    kinds[4] = kind
    assert variability(beats(*kinds), np.full(9, 800.0), NONE).nn_count == 7


def test_too_few_intervals_have_a_count_and_no_figure() -> None:
    few = variability(all_dominant(6), np.full(5, 800.0), NONE)
    assert (few.nn_count, few.sdnn_ms, few.rmssd_ms, few.pnn50_percent) == (5, None, None, None)
    assert variability(all_dominant(7), np.full(6, 800.0), NONE).sdnn_ms == 0.0


def test_rmssd_wants_intervals_that_follow_one_another() -> None:
    """Seven intervals, but in two runs: five differences are enough, four are not."""
    kinds = [Kind.DOMINANT] * 4 + [Kind.PREMATURE] + [Kind.DOMINANT] * 5
    broken = variability(beats(*kinds), np.full(9, 800.0), NONE)
    assert broken.nn_count == 7
    assert broken.rmssd_ms == 0.0
    kinds = [Kind.DOMINANT] * 3 + [Kind.PREMATURE] + [Kind.DOMINANT] * 3 + [Kind.PREMATURE] + [Kind.DOMINANT] * 3
    scattered = variability(beats(*kinds), np.full(10, 800.0), NONE)
    assert (scattered.nn_count, scattered.rmssd_ms) == (6, None)


def test_the_range_of_pr_wants_three_beats() -> None:
    assert variability(all_dominant(3), np.full(2, 800.0), np.array([160.0, 190.0])).pr_range_ms is None
    assert variability(all_dominant(4), np.full(3, 800.0), np.array([160.0, 190.0, 170.0])).pr_range_ms == 30.0


def test_intervals_that_do_not_fit_the_beats_are_not_guessed_at() -> None:
    assert variability(all_dominant(4), np.full(7, 800.0), NONE).sdnn_ms is None
