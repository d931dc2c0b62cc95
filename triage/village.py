"""What the village reads of a colour: one sentence of what is known, and one action (CLINICAL.md §5.6)."""

from __future__ import annotations

from triage.colours import Colour


def village(colour: Colour | None, code: str | None) -> dict[str, dict[str, str]]:
    """The village's sentence and action for a machine's rating: it names no finding that nothing has seen."""
    words = VILLAGE[colour]
    if code == "URGENT":
        return {**words, "answer": CALLED}
    if code == "UNREAD":
        return {**words, "answer": VILLAGE[None]["answer"]}
    return words


CALLED = {"zh": "急救呼叫已送达县医院", "en": "Your emergency call has reached the county"}

# What the village reads: one sentence of what is known, one action (CLINICAL.md §5.6).
VILLAGE: dict[Colour | None, dict[str, dict[str, str]]] = {
    Colour.RED: {
        "answer": {
            "zh": "心电图提示可能急性心梗或危险心律",
            "en": "The ECG suggests a possible heart attack or a dangerous rhythm",
        },
        "action": {
            "zh": "让病人平卧不动、备好除颤仪、准备转运，不要离开，县医院马上来电",
            "en": "Keep the patient lying still, defibrillator ready, prepare transfer, stay: the county is calling",
        },
    },
    Colour.ORANGE: {
        "answer": {"zh": "心电图有危险改变", "en": "The ECG shows a dangerous change"},
        "action": {
            "zh": "病人不要走动，10分钟内医生回复，胸痛加重立即呼120",
            "en": "Keep the patient at rest; a doctor answers within 10 minutes; if the pain gets worse call 120",
        },
    },
    Colour.YELLOW: {
        "answer": {"zh": "心电图有异常，医生将尽快回复", "en": "The ECG is abnormal; a doctor will answer soon"},
        "action": {
            "zh": "若仍胸痛，10–20分钟后再做一次心电图",
            "en": "If chest pain goes on, record again in 10–20 minutes",
        },
    },
    Colour.GREEN: {
        "answer": {"zh": "目前心电图未见明显异常", "en": "Nothing abnormal stands out in the ECG at present"},
        "action": {
            "zh": "如有胸痛，正常心电图不能排除心梗，请再做一次",
            "en": "With chest pain a normal ECG does not exclude a heart attack: record again",
        },
    },
    None: {
        "answer": {
            "zh": "图已收到，机器未能判读，医生会看",
            "en": "Received; the machine could not read it, a doctor will look",
        },
        "action": {"zh": "病人不适加重请打县医院电话", "en": "If the patient gets worse, call the county"},
    },
}
