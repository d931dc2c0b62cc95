"""A tracing under the wrong name is seen before it is answered."""

from __future__ import annotations

import pytest

from triage import doubt
from triage.rating import Colour, Facts, rate

FILE = {"age_years": 54, "sex": "female"}


@pytest.mark.parametrize(
    ("sex", "age", "told"),
    [
        (None, None, None),
        ("female", 54, None),
        ("female", 63, None),
        ("male", 54, "another sex"),
        ("female", 64, "another age"),
        ("male", 70, "another sex and age"),
    ],
)
def test_a_file_that_states_another_person_is_said(sex: str | None, age: float | None, told: str | None) -> None:
    found = doubt.about([], FILE, sex, age)
    assert (found is None) == (told is None)
    assert told is None or told in (found or {})["en"]


def test_a_file_that_states_nothing_contradicts_nobody() -> None:
    assert doubt.about([], None, "male", 30) is None
    assert doubt.about([], {"age_years": None, "sex": None}, "male", 30) is None


def test_one_tracing_under_two_patients_calls_a_human() -> None:
    assert doubt.about([{"name": "x"}], FILE, "female", 54) == doubt.TWO_IDENTITIES
    normal = {
        "findings": [{"code": "N_NORMAL", "state": "true", "name": {"zh": "正常", "en": "normal"}, "evidence": []}],
        "not_assessed": [],
        "measurements": {},
        "quality": {"grade": "A"},
    }
    assert rate(normal, Facts(symptoms=("none",))).colour is Colour.GREEN
    rated = rate(normal, Facts(symptoms=("none",), identities=2))
    assert (rated.colour, rated.code) == (Colour.ORANGE, "IDENTITY")
    assert rate(None, Facts(identities=2)).colour is Colour.ORANGE
