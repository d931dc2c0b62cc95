"""A machine that lacks something must say so, with the number of tests it cost; in CI that is a failure."""

from __future__ import annotations

import pytest

from tests.support import needs


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
    assert needs.lines([*skipped, "Skipped: only on Windows"]) == [
        "Chromium could not be had (no apt): 3 tests did not run",
        "the data folder could not be had (gone): 1 test did not run",
    ]
