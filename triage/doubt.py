"""Whether a tracing may be another patient's: shown beside the name, until a human has looked (FIELD.md §1).

Two signs are known: the same bytes were sent under two identities, or the file itself states another sex or age than
the clinic. Neither is corrected; both are said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

AGE_YEARS = 10  # a typed age is often a few years off; a decade is another person

TWO_IDENTITIES = {
    "zh": "同一份图登记在两位病人名下，请核对病人",
    "en": "One tracing under two patients: check who it is",
}

TWO_NAMES = {
    "zh": "同一份心电图出现在两位病人名下，请先核对是谁的图",
    "en": "The same tracing stands under two names: check whose it is",
}


def about(
    conflicts: Sequence[Any], file: Mapping[str, Any] | None, sex: str | None, age: float | None
) -> dict[str, str] | None:
    """One sentence {zh, en}, or ``None``. ``file``: what the file states; ``sex``, ``age``: what the clinic said."""
    if conflicts:
        return TWO_IDENTITIES
    stated = file or {}
    others = [
        ("性别", "sex") if sex and stated.get("sex") and stated["sex"] != sex else None,
        ("年龄", "age") if _far(stated.get("age_years"), age) else None,
    ]
    named = [other for other in others if other is not None]
    if not named:
        return None
    zh, en = "和".join(zh for zh, _ in named), " and ".join(en for _, en in named)
    return {
        "zh": f"文件里的{zh}与填写的不同，图可能属于另一位病人",
        "en": f"The file states another {en} than the clinic: it may be another patient's tracing",
    }


def _far(stated: float | None, said: float | None) -> bool:
    return stated is not None and said is not None and abs(stated - said) >= AGE_YEARS
