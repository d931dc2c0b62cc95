"""The paper: a millivolt is 10 mm, a second 25 mm, no spike is lost, no name is printed, both languages."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg import analyze
from ecg.drawing import Language, Layout, signed, svg, trace_path
from ecg.formats import read
from ecg.recording import STANDARD_LEADS, PatientFacts, Recording, Sex

HERE = Path(__file__).resolve().parents[1] / "data"
SVG = "{http://www.w3.org/2000/svg}"
NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)")


def recording(millivolts: Any, leads: tuple[str, ...] = STANDARD_LEADS, rate_hz: float = 500.0) -> Recording:
    return Recording(leads, np.asarray(millivolts, dtype=float), rate_hz, "synthetic")


def points(data: str) -> np.ndarray:
    """Absolute points [point, (x, y)] of a path of M and l."""
    found: list[tuple[float, float]] = []
    for letter, body in re.findall(r"([Ml])([^Ml]*)", data):
        x, y = (float(word) for word in NUMBER.findall(body))
        found.append((x, y) if letter == "M" else (found[-1][0] + x, found[-1][1] + y))
    return np.array(found)


def traces(text: str) -> dict[str, list[np.ndarray]]:
    root = ElementTree.fromstring(text)
    found: dict[str, list[np.ndarray]] = {}
    for path in root.iter(f"{SVG}path"):
        if lead := path.get("data-lead"):
            found.setdefault(lead, []).append(points(path.get("d", "")))
    return found


def words(text: str) -> str:
    return "\n".join(node.text or "" for node in ElementTree.fromstring(text).iter(f"{SVG}text"))


def test_a_user_unit_is_a_millimetre() -> None:
    root = ElementTree.fromstring(svg(read(HERE / "55.hea")))
    width, height = (float(root.get(key, "").removesuffix("mm")) for key in ("width", "height"))
    assert root.get("viewBox") == f"0 0 {width:g} {height:g}"
    assert (width, height) == (297, 208)
    assert height <= 210


def test_a_millivolt_is_ten_and_a_second_twenty_five_millimetres() -> None:
    millivolts = np.zeros((12, 5000))
    millivolts[:, 500] = 1.0  # a spike at 1 s
    millivolts[:, 1000] = -0.5  # and one at 2 s
    first = traces(svg(recording(millivolts)))["I"][0]
    top, bottom = first[first[:, 1].argmin()], first[first[:, 1].argmax()]
    level = float(np.median(first[:, 1]))
    assert level - top[1] == pytest.approx(10.0, abs=0.02)
    assert bottom[1] - level == pytest.approx(5.0, abs=0.02)
    assert bottom[0] - top[0] == pytest.approx(25.0, abs=0.02)
    assert top[0] - first[0, 0] == pytest.approx(25.0, abs=0.02)


def test_the_calibration_pulse_stands_before_each_row_and_the_grid_is_true() -> None:
    root = ElementTree.fromstring(svg(read(HERE / "55.hea")))
    pulses = [path.get("d", "") for path in root.iter(f"{SVG}path") if path.get("data-calibration")]
    assert len(pulses) == 4
    assert all(re.search(r"v-10h5v10", pulse) for pulse in pulses)
    grid = [path.get("d", "") for path in root.iter(f"{SVG}path") if path.get("stroke") in ("#f7e1dd", "#ecc0b8")]
    down = sorted({float(x) for data in grid for x in re.findall(r"M([\d.]+) [\d.]+V", data)})
    assert np.allclose(np.diff(down), 1.0)
    assert (down[0], down[-1]) == (10, 285)


def test_columns_follow_each_other_in_time_above_the_rhythm_strip() -> None:
    times = np.tile(np.arange(5000) / 500 / 10, (12, 1))
    found = traces(svg(recording(times)))
    strip = found["II"][1]
    for lead, column in (("I", 0), ("aVL", 1), ("V3", 2), ("V6", 3)):
        part = found[lead][0]
        assert part[0, 0] == pytest.approx(25 + column * 62.5, abs=0.02)
        at = np.interp(part[0, 0], strip[:, 0], strip[:, 1])
        baseline_shift = float(np.median(strip[:, 1]) - at)
        assert baseline_shift == pytest.approx(float((column - 2) * 2.5), abs=0.05)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([250.0, 500.0, 1000.0, 2000.0]))
def test_no_spike_is_lost_and_every_point_is_a_sample(seed: int, rate_hz: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 0.05, int(rate_hz * 2))
    spikes = rng.integers(0, len(values), 5)
    values[spikes] = rng.choice([-3.0, 3.0], 5)
    drawn = points(trace_path(values, rate_hz, 0.0, 0.0))
    x, y = np.arange(len(values)) * 25 / rate_hz, -10 * values
    for spike in spikes:
        assert np.hypot(drawn[:, 0] - x[spike], drawn[:, 1] - y[spike]).min() < 0.11
    nearest = np.abs(drawn[:, 0][:, None] - x[None, :]).argmin(axis=1)
    assert np.abs(drawn[:, 1] - y[nearest]).max() < 0.02 or rate_hz > 1000
    assert np.diff(drawn[:, 0]).min() >= 0


def test_a_gap_stays_a_gap() -> None:
    values = np.zeros(100)
    values[40:60] = np.nan
    assert trace_path(values, 500.0, 0.0, 0.0).count("M") == 2
    assert trace_path(np.full(10, np.nan), 500.0, 0.0, 0.0) == ""
    assert trace_path(np.zeros(0), 500.0, 0.0, 0.0) == ""


@pytest.mark.parametrize("language", ["zh", "en"])
def test_it_prints_scale_filter_facts_and_that_no_doctor_has_confirmed(language: Language) -> None:
    ecg = read(HERE / "Example.dcm")
    said = words(svg(ecg, analyze(ecg), language=language))
    for word in ("25 mm/s", "10 mm/mV", *STANDARD_LEADS, "2002-11-22 09:10:00"):
        assert word in said
    expected = {
        "zh": ("男 49 岁", "未经医师确认", "滤波未注明", "设备时间"),
        "en": ("Male, 49 y", "not confirmed by a physician", "filter not stated", "Device time"),
    }
    for word in expected[language]:
        assert word in said
    assert not any(word in said for word in ("Clark", "SBJ"))
    chinese = any("\u4e00" <= char <= "\u9fff" for char in said)
    assert chinese == (language == "zh")


def test_without_an_analysis_nothing_is_claimed() -> None:
    said = words(svg(read(HERE / "55.hea")))
    assert "未经医师判读" in said
    assert "机器所见" not in said


def test_a_false_gain_is_drawn_at_its_true_size_and_said() -> None:
    text = svg(read(HERE / "55.hea"))
    strip = traces(text)["II"][1]
    assert np.ptp(strip[:, 1]) / 10 == pytest.approx(1.5, abs=0.4)
    assert "增益" in words(text)


def test_what_was_not_recorded_is_named_and_not_drawn() -> None:
    text = svg(recording(np.zeros((3, 5000)), ("I", "II", "V2")))
    assert set(traces(text)) == {"I", "II", "III", "aVR", "aVL", "aVF", "V2"}
    assert words(text).count("未记录") == 5


def test_further_chest_leads_get_a_row_and_a_single_lead_its_strip() -> None:
    leads = (*STANDARD_LEADS, "V7", "V8", "V9")
    assert {"V7", "V8", "V9"} <= set(traces(svg(recording(np.zeros((15, 5000)), leads))))
    assert set(traces(svg(recording(np.zeros((1, 5000)), ("ECG",))))) == {"ECG"}


@pytest.mark.parametrize("layout", ["3x4+1", "12x1"])
def test_every_layout_draws_all_leads_below_300_kilobytes(layout: Layout) -> None:
    rng = np.random.default_rng(0)
    noisy = recording(rng.normal(0, 0.05, (12, 10_000)), rate_hz=1000.0)
    text = svg(noisy, layout=layout)
    assert set(traces(text)) == set(STANDARD_LEADS)
    assert len(text) < (300_000 if layout == "3x4+1" else 900_000)
    assert len(svg(read(HERE / "55.hea"), layout="3x4+1")) < 200_000


def test_words_in_a_file_cannot_become_markup() -> None:
    ecg = replace(recording(np.zeros((1, 5000)), ("<script>",)), patient=PatientFacts(50, Sex.MALE))
    root = ElementTree.fromstring(svg(ecg))
    assert not list(root.iter(f"{SVG}script"))


@pytest.mark.parametrize(
    ("value", "said"), [(0.274, "+0.27"), (-0.155, "−0.16"), (0.004, "0.00"), (0.005, "+0.01"), (-0.001, "0.00")]
)
def test_numbers_are_rounded_half_away_from_zero(value: float, said: str) -> None:
    assert signed(value) == said
