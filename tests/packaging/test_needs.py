"""A machine that lacks something must say so, with the number of tests it cost; in CI that is a failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import needs


@pytest.fixture(autouse=True)
def _nothing_was_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "REPORT", tmp_path / "test-needs.json")


def test_a_missing_need_skips_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="Chromium could not be had: install it"):
        needs.missing(needs.CHROMIUM, "install it")


def test_in_ci_a_missing_need_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="PostgreSQL could not be had"):
        needs.missing(needs.POSTGRESQL, "install it")


def test_an_absent_data_folder_stays_a_visible_skip_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.skip.Exception):
        needs.missing(needs.DATA_FOLDER, "put it there")


def test_the_cost_is_counted_by_need() -> None:
    skipped = ["Skipped: Chromium could not be had: no apt"] * 3 + ["Skipped: the data folder could not be had: gone"]
    others = ["Skipped: only on Windows", "AssertionError: Chromium could not be had: is what the test expected"]
    assert needs.lines([*skipped, *others]) == [
        "Chromium could not be had (no apt): 3 tests did not run",
        "the data folder could not be had (gone): 1 test did not run",
    ]


def test_what_was_tried_in_vain_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    needs.REPORT.write_text('{"Chromium": "apt-get refused"}', encoding="utf-8")
    with pytest.raises(pytest.skip.Exception, match="Chromium could not be had: apt-get refused"):
        needs.missing(needs.CHROMIUM, "install it")
