"""Shapes from first principles: curves whose notches, bends, humps and ends are known (CLINICAL.md §2.2, §2.4)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ecg.morphology import form
from ecg.waves import Outline

HZ, MS = 1000.0, 1.0
ON, J, T_ON, T_TOP, T_OFF = 500, 600, 680, 800, 900
TIME = np.arange(1250.0)


def bell(centre: float, sigma: float, height: float = 1.0) -> np.ndarray:
    return height * np.exp(-0.5 * ((TIME - centre) / sigma) ** 2)


def line(*knots: tuple[float, float]) -> np.ndarray:
    """Straight lines through (sample, mV); level outside."""
    at, mv = zip(*knots, strict=True)
    return np.interp(TIME, at, mv)


def shape(curve: np.ndarray, j: int = J, p: tuple[int, int, int] | None = (340, 390, 440)) -> dict[str, Any]:
    """What is measured of one lead whose marks are given; RR 1 s."""
    one = np.ones(1, dtype=np.bool_)
    marks = np.array([[ON, ON + 40, j]])
    t = np.array([[T_ON, T_TOP, T_OFF]])
    waves = None if p is None else np.array([p])
    outline = Outline(marks, marks[0], waves, None if waves is None else waves[0], one, t, t[0], one, False)
    return form(curve[None, :], outline, MS, 1000.0).leads[0]


T = bell(T_TOP, 40, 0.3)


@pytest.mark.parametrize("sigma", [8.0, 10.0, 12.0, 15.0, 20.0])
@pytest.mark.parametrize("height", [0.6, 1.5, 3.0])
def test_a_smooth_r_has_neither_notch_nor_slur_nor_j_wave(sigma: float, height: float) -> None:
    j = round(540 + 2.6 * sigma)
    found = shape(bell(540, sigma, height) + T, j)
    assert found["j_wave"] is None
    assert found["notches"] == ()


def test_a_descent_that_breaks_into_a_slow_one_is_a_slur_of_known_height() -> None:
    """R of 1 mV falls in 22 ms to 0.25 mV, then in 26 ms to 0: Jp is where it breaks (smoothing rounds it a little)."""
    found = shape(line((500, 0), (552, 1.0), (574, 0.25), (600, 0.0)) + T)
    assert found["j_wave"] == "slur"
    assert found["jp_mv"] == pytest.approx(0.25, abs=0.05)
    assert found["jp_ms"] == pytest.approx(74, abs=5)


def test_a_hook_on_the_descent_is_a_notch_with_its_peak_and_its_end() -> None:
    found = shape(line((500, 0), (535, 1.0), (565, 0.10), (580, 0.25), (600, 0.05), (640, 0.05)) + T)
    assert found["j_wave"] == "notch"
    assert found["jp_mv"] == pytest.approx(0.25, abs=0.04)
    assert found["jt_mv"] == pytest.approx(0.05, abs=0.03)
    assert found["jp_ms"] == pytest.approx(80, abs=4)


def test_the_r_behind_a_deep_s_is_no_j_wave() -> None:
    """rSr′ of V1: what rises again comes from below the line; the hook behind a small s of a tall R is one."""
    prime = line((500, 0), (515, 0.35), (545, -0.8), (575, 0.15), (600, 0.0))
    assert shape(prime + T)["j_wave"] is None
    hook = line((500, 0), (530, 2.0), (555, -0.2), (580, 0.25), (610, 0.10), (660, 0.10))
    assert shape(hook + T, 585)["j_wave"] == "notch"


def test_a_notch_is_as_deep_as_it_is() -> None:
    found = shape(line((500, 0), (530, 1.0), (545, 0.6), (560, 0.9), (600, 0.0)) + T)
    assert [n.kind for n in found["notches"]] == ["notch"]
    assert found["notches"][0].at_ms == pytest.approx(45, abs=2)
    assert found["notches"][0].depth_mv == pytest.approx(0.3, abs=0.07)


@pytest.mark.parametrize("top_mv", [0.06, 0.10, 0.20, 0.40])
def test_st_is_straight_where_it_is_and_bent_where_it_bends(top_mv: float) -> None:
    """From J to T's peak along the chord, 30 µV (or a tenth of the height) above it, and as much below it."""
    qrs = line((500, 0), (540, 1.0), (590, 0.0))
    chord = line((600, 0.0), (800, top_mv), (900, 0.0))
    bow = max(0.03, 0.1 * top_mv) * np.sin(np.pi * np.clip((TIME - 600) / 200, 0, 1))
    assert shape(qrs + chord)["st_shape"] == "straight"
    assert shape(qrs + chord + bow)["st_shape"] == "convex"
    assert shape(qrs + chord - bow)["st_shape"] == "concave"


@pytest.mark.parametrize(("rise", "word"), [(0.05, "up"), (0.0, "horizontal"), (-0.05, "down")])
def test_the_slope_of_st_is_named_from_40_microvolts_on(rise: float, word: str) -> None:
    found = shape(line((500, 0), (540, 1.0), (590, 0.0), (600, 0.0), (680, rise), (800, 0.3), (900, 0.0)))
    assert found["st_slope"] == word
    assert found["st_rise_mv"] == pytest.approx(rise, abs=0.006)


def test_t_has_the_area_width_symmetry_and_onset_of_a_triangle() -> None:
    """0.4 mV high, from 700 to 900, its peak at 800: area 40 mV·ms, 100 ms wide at half its height."""
    found = shape(line((500, 0), (540, 1.0), (590, 0.0), (700, 0.0), (800, 0.4), (900, 0.0)))
    assert found["t_area_mv_ms"] == pytest.approx(40, abs=1)
    assert found["t_width_half_ms"] == pytest.approx(100, abs=3)
    assert found["t_symmetry"] == pytest.approx(200 / 300, abs=0.01)
    assert found["t_on_ms"] == T_ON - J


def test_u_has_a_height_and_an_end_and_a_flat_line_has_none() -> None:
    """A triangle of 0.1 mV from 950 to 1090: its end is where its side meets the line."""
    qrs = line((500, 0), (540, 1.0), (590, 0.0))
    found = shape(qrs + T + line((960, 0), (1020, 0.1), (1080, 0.0)), p=None)
    assert found["u_mv"] == pytest.approx(0.1, abs=0.02)
    assert found["u_end_ms"] == pytest.approx(1080 - ON, abs=10)
    none = shape(qrs + bell(T_TOP, 30, 0.3), p=None)
    assert none["u_mv"] == 0.0
    assert none["u_end_ms"] is None


def test_p_has_the_two_phases_of_its_halves() -> None:
    """V1: 0.10 mV for 40 ms, then −0.06 mV for 60 ms."""
    p = line((340, 0), (360, 0.10), (380, 0.0), (410, -0.06), (440, 0.0))
    found = shape(p + line((500, 0), (540, 1.0), (590, 0.0)) + T)
    assert (found["p1_mv"], found["p2_mv"]) == (pytest.approx(0.10, abs=0.005), pytest.approx(-0.06, abs=0.005))
    assert (found["p1_ms"], found["p2_ms"]) == (pytest.approx(40, abs=3), pytest.approx(60, abs=3))


def test_the_pr_segment_and_st_stand_against_tp() -> None:
    """TP at 0.02 mV, PR at −0.05, J at 0.12."""
    tp = np.where(TIME < 335, 0.02, 0.0) + np.where((TIME >= 441) & (TIME < 500), -0.05, 0.0)
    curve = tp + np.where((TIME >= 590) & (TIME < 640), 0.12, 0.0) + line((500, 0), (540, 1.0), (588, 0.0))
    found = shape(curve)
    assert found["pr_segment_mv"] == pytest.approx(-0.07, abs=0.005)
    assert found["st_j_tp_mv"] == pytest.approx(0.10, abs=0.005)
