"""Evidence in words: names, units, signs, limits that were not reached, arguments."""

from __future__ import annotations

from typing import Any

import pytest

from server.commands import words

ZH, EN = 0, 1


def item(lead: str | None, measure: str, value: Any, op: str = ">=", limit: Any = None) -> dict[str, Any]:
    return {"lead": lead, "measure": measure, "value": value, "op": op, "limit": limit}


@pytest.mark.parametrize(
    ("evidence", "zh", "en"),
    [
        (item("V2", "st_j_mv", 0.1659, ">=", 0.15), "V2 ST(J) 0.17 ≥ 0.15 mV", "V2 ST(J) 0.17 ≥ 0.15 mV"),
        (item("aVL", "st_j80_mv", -0.16, "<=", -0.05), "aVL ST(J+80) −0.16 ≤ −0.05 mV",
         "aVL ST(J+80) −0.16 ≤ −0.05 mV"),
        (item(None, "heart_rate_bpm", 103.2, ">", 100.0), "心率 103 > 100 次/分", "rate 103 > 100 /min"),
        (item(None, "p_share", 1.0, ">=", 0.75), "有P波的心搏比例 1 ≥ 0.75", "share of beats with P 1 ≥ 0.75"),
        (item("V5", "q_ms", 29.0, ">=", 30.0), "V5 Q波时限 29 ms（界值≥ 30 ms）", "V5 Q duration 29 (limit ≥ 30) ms"),
        (item("III", "st_j_mv", -0.0535, "<=", -0.05), "III ST(J) −0.0535 ≤ −0.05 mV", "III ST(J) −0.0535 ≤ −0.05 mV"),
        (item("V2", "st_shape", "convex", "==", "convex"), "V2 ST形态 弓背向上", "V2 form of ST convex"),
        (item(None, "rhythm", "AF", "!=", "SINUS"), "心律 心房颤动 ≠ 窦性", "rhythm atrial fibrillation ≠ sinus"),
        (item(None, "finding", "C_RBBB", "not in", "prior"), "项目 C_RBBB 不见于 前图",
         "finding C_RBBB not in the prior ECG"),
        (item("II", "new_measure_mv", 0.2), "II new measure 0.20 mV", "II new measure 0.20 mV"),
        (item(None, "qt_ms", None, ">=", 450.0), "QT间期 – ≥ 450 ms", "QT – ≥ 450 ms"),
    ],
)  # fmt: skip
def test_one_comparison(evidence: dict[str, Any], zh: str, en: str) -> None:
    assert words.evidence(evidence, ZH) == zh
    assert words.evidence(evidence, EN) == en


@pytest.mark.parametrize(
    ("kept", "zh", "en"), [(True, "已考虑，本条保留", "the finding stands"), (False, "可解释", "explains it")]
)
def test_an_argument_says_which_mimic_and_whether_it_explains(kept: bool, zh: str, en: str) -> None:
    argued = {"mimic": "ANEURYSM", "kept": kept, "why": {"zh": "甲。", "en": "because."}}
    assert words.argument(argued, ZH) == f"鉴别室壁瘤（{zh}）：甲。"
    assert en in words.argument(argued, EN)
    assert words.argument(argued | {"mimic": "OTHER"}, ZH).startswith("鉴别OTHER")
