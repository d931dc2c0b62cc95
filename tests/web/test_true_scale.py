"""The paper is true: a cart left at 5 mm/mV once hid an infarction. Measured in the pixels of the canvas itself."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page, expect

from tests.support.serving import ludb_55, sign_in
from tests.web.acting import Stage, expect_drawn, healthy_ecg, sheet, until

pytestmark = pytest.mark.browser

#: where the strip of lead II has its isoelectric line, and where the first column begins (mm); the first row ends
FIRST_ROW_MM = 4 + 26
STRIP_BASE_MM, LEFT_MM = 4 + 3 * 26 + 26 * 0.58, 8.0
_PIXELS = """async canvas => {
  const { width, height } = canvas;
  const bytes = canvas.getContext('2d').getImageData(0, 0, width, height).data;
  const reader = new FileReader();
  await new Promise(done => { reader.onload = done; reader.readAsDataURL(new Blob([bytes])); });
  return { width, height, data: reader.result.split(',')[1] };
}"""


@dataclass(frozen=True, slots=True)
class Paper:
    """The sheet's pixels, and how many of them should be one millimetre."""

    rgb: NDArray[np.uint8]  # (rows, columns, 3)
    px: float

    def majors_across(self) -> NDArray[np.intp]:
        """Where vertical lines of five millimetres begin: in a row between two horizontal lines, above all traces."""
        return _begins(self.rgb[int(0.5 * self.px), :, 1] < 215)

    def majors_down(self) -> NDArray[np.intp]:
        """Where horizontal lines of five millimetres begin: in a column before all traces."""
        return _begins(self.rgb[:, int(0.5 * self.px), 1] < 215)

    def trace_at(self, x_mm: float, until_mm: float) -> float:
        """Height (px from the top) of the one line of ink that crosses a column, weighted by its ink."""
        ink = 1 - self.rgb[: int(until_mm * self.px), int(x_mm * self.px), 1] / 255
        ink[ink < 0.35] = 0  # paper and grid
        assert ink.any()
        return float(np.average(np.arange(ink.size) + 0.5, weights=ink))

    def pulse_mm(self) -> float:
        """Height of the calibration pulse: its roof, against its foot before it."""
        return (self.trace_at(1.7, FIRST_ROW_MM) - self.trace_at(4.0, FIRST_ROW_MM)) / self.px


def _begins(lines: NDArray[np.bool_]) -> NDArray[np.intp]:
    return np.flatnonzero(lines & ~np.concatenate([[False], lines[:-1]]))


def paper(page: Page, px: float) -> Paper:
    """The sheet as it is drawn now."""
    got = sheet(page).evaluate(_PIXELS)
    data = np.frombuffer(base64.b64decode(got["data"]), np.uint8)
    return Paper(data.reshape(got["height"], got["width"], 4)[..., :3], px)


def expect_true_grid(paper: Paper) -> None:
    """Every line of five millimetres within half a pixel of its place: rounding never adds up."""
    for found, length in (
        (paper.majors_across(), paper.rgb.shape[1]),
        (paper.majors_down(), paper.rgb.shape[0]),
    ):
        wanted = np.arange(0, length, 5 * paper.px)
        assert found.size >= wanted.size - 1
        assert np.abs(found - wanted[: found.size]).max() <= 0.5 + 1e-6


def microvolts(stage: Stage, exam: str, lead: str) -> tuple[NDArray[np.float64], float]:
    """The lead's samples (µV) and their rate (Hz), from the county."""
    token = sign_in(stage.server.address, "周敏")
    answer = httpx.get(
        f"{stage.server.address}/v1/exams/{exam}/samples", headers={"Authorization": f"Bearer {token}"}, timeout=10
    )
    found: dict[str, Any] = answer.json()
    every = np.frombuffer(base64.b64decode(found["microvolts"]), "<i2").reshape(len(found["leads"]), -1)
    return every[found["leads"].index(lead)].astype(np.float64), float(found["rate_hz"])


def expect_true_trace(paper: Paper, uv: NDArray[np.float64], rate_hz: float) -> None:
    """The tallest beat of the strip of lead II stands where 25 mm/s and 10 mm/mV put it."""
    seconds = (paper.rgb.shape[1] / paper.px - LEFT_MM - 1) / 25
    # below V6, whose waves do not reach the strip
    first, last = int(0.8 * seconds * rate_hz), int((seconds - 0.2) * rate_hz)
    peak = first + int(np.argmax(uv[first:last]))
    x_px = (LEFT_MM + peak / rate_hz * 25) * paper.px
    y_px = (STRIP_BASE_MM - uv[peak] / 1000 * 10) * paper.px
    from_row = int(y_px - 4 * paper.px)
    window = paper.rgb[from_row : int(STRIP_BASE_MM * paper.px), int(x_px) - 3 : int(x_px) + 4, 1]
    rows = np.flatnonzero((window < 140).any(axis=1))
    columns = np.flatnonzero(window[rows[0]] < 140)
    half_line_px = max(1.25, 0.36 * paper.px) / 2
    assert from_row + rows[0] == pytest.approx(y_px - half_line_px, abs=1.5)
    assert int(x_px) - 3 + columns.mean() == pytest.approx(x_px, abs=2)


def test_a_gain_of_five_hides_no_infarction_and_is_never_kept(stage: Stage) -> None:
    exam = stage.clinic().send(ludb_55(), "55.zip", symptoms=["chest_pain"])["exam"]
    stage.other_clinic().send(healthy_ecg(), "ecg.zip", symptoms=["none"])
    sharp = stage.desk(size=(1366, 768), pixels=2)
    desk = stage.desk(size=(1920, 1080))
    expect(desk.locator("nav.list .row")).to_have_count(2)
    for page, px in ((desk, 4.03), (sharp, 2 * 3.33)):
        page.keyboard.press("j")
        expect_drawn(page)
        drawn = paper(page, px)
        expect_true_grid(drawn)
        assert drawn.pulse_mm() * px == pytest.approx(10 * px, abs=0.25)
        expect_true_trace(drawn, *microvolts(stage, exam, "II"))
    expect(desk.get_by_text("屏幕未校准 · 25 mm/s")).to_be_visible()

    gain = desk.get_by_role("group", name="增益")
    gain.get_by_role("button", name="5", exact=True).click()
    until(desk, lambda: paper(desk, 4.03).pulse_mm() < 6, "the sheet is drawn at gain 5")
    halved = paper(desk, 4.03)
    assert halved.pulse_mm() == pytest.approx(5, abs=0.07)
    expect_true_grid(halved)
    red = (halved.rgb == (0xBF, 0x14, 0x20)).all(axis=-1)
    assert red.sum() > 20 * 4.03**2, "a red label stands on the sheet itself"
    frame = desk.locator("figure.frame")
    assert frame.evaluate("e => getComputedStyle(e).outline") == "rgb(191, 20, 32) solid 3px"
    expect(desk.get_by_text("增益 5 mm/mV，非标准")).to_be_visible()

    desk.keyboard.press("j")
    expect(gain.get_by_role("button", name="10 mm/mV")).to_have_attribute("aria-pressed", "true")
    expect_drawn(desk)
    until(desk, lambda: abs(paper(desk, 4.03).pulse_mm() - 10) < 0.07, "another case opens at 10 mm/mV")
    expect(desk.get_by_text("非标准")).to_have_count(0)
    assert frame.evaluate("e => getComputedStyle(e).outlineStyle") == "none"
