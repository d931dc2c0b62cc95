"""The sentences of :class:`ecg.errors.Unreadable`: one function a fault, so that every reader says it alike."""

from __future__ import annotations

from ecg.errors import Unreadable

FORMAT_NAMES = "WFDB, HL7 aECG, DICOM, SCP-ECG, Philips ECG XML"


def empty(name: str) -> Unreadable:
    """Nothing in it: the device's or the copy's fault."""
    return Unreadable(
        "EMPTY",
        f"文件 {name} 是空的（0 字节）：请在心电图机上重新导出后再发送。",
        f"The file {name} is empty (0 bytes): export it again from the ECG device and send it again.",
    )


def unknown_format(name: str) -> Unreadable:
    """No reader recognises the content."""
    return Unreadable(
        "UNKNOWN_FORMAT",
        f"不认识文件 {name} 的格式：请在心电图机上改用 {FORMAT_NAMES} 之一导出后再发送。",
        f"The format of {name} is not known: set the ECG device to export one of {FORMAT_NAMES} and send it again.",
    )


def several_recordings(names: list[str]) -> Unreadable:
    """More than one ECG in one parcel."""
    shown = ", ".join(names[:4])
    return Unreadable(
        "UNKNOWN_FORMAT",
        f"这个包里有 {len(names)} 份心电图（{shown}）：请每次只发送一份。",
        f"This parcel holds {len(names)} recordings ({shown}): send one at a time.",
    )


def too_large(name: str, limit: int) -> Unreadable:
    """Larger than any ECG that we read."""
    mib = limit // 2**20
    return Unreadable(
        "UNKNOWN_FORMAT",
        f"{name} 展开后超过 {mib} MiB，不像一份静息心电图：请只导出 10 秒的 12 导联记录。",
        f"{name} unpacks to more than {mib} MiB, which no resting ECG does: export the 10 s 12-lead recording only.",
    )


def part_missing(name: str) -> Unreadable:
    """The recording consists of several files and one was not sent."""
    return Unreadable(
        "PART_MISSING",
        f"缺少文件 {name}：请把它和其余文件一起（或打成一个 zip）发送。",
        f"The file {name} is missing: send it together with the others (or all of them in one zip).",
    )


def cut_short(name: str, there: int, needed: int, unit_zh: str = "字节", unit_en: str = "bytes") -> Unreadable:
    """The file ends before what it announces: usually a copy that was interrupted."""
    return Unreadable(
        "CUT_SHORT",
        f"{name} 不完整：应有 {needed} {unit_zh}，只有 {there} {unit_zh}。请重新复制或重新导出后再发送。",
        f"{name} is cut short: {needed} {unit_en} announced, {there} there. Copy or export it again and send it again.",
    )


def damaged(name: str, zh: str, en: str) -> Unreadable:
    """The content contradicts itself; ``zh`` and ``en`` say where."""
    return Unreadable(
        "DAMAGED",
        f"{name} 已损坏（{zh}）：请重新导出后再发送；若仍不行，请联系设备厂家。",
        f"{name} is damaged ({en}): export it again and send it again; if it persists, call the device's maker.",
    )


def no_ecg(name: str, zh: str, en: str) -> Unreadable:
    """The file is sound and holds no ECG samples; ``zh`` and ``en`` say what it holds instead."""
    return Unreadable(
        "NO_ECG",
        f"{name} 里没有心电波形（{zh}）：请导出带波形的 12 导联心电图。",
        f"{name} holds no ECG waveform ({en}): export the 12-lead ECG with its waveform.",
    )


def unfinished(name: str) -> Unreadable:
    """An XML text that breaks off: usually a copy that was interrupted."""
    return Unreadable(
        "CUT_SHORT",
        f"{name} 不完整（XML 没有结尾）：请重新复制或重新导出后再发送。",
        f"{name} is cut short (its XML does not end): copy or export it again and send it again.",
    )


def version(name: str, found: str, known: str) -> Unreadable:
    """A known format in a version or with an encoding that this reader does not hold."""
    return Unreadable(
        "UNKNOWN_FORMAT",
        f"{name} 的版本或编码（{found}）不受支持，只支持 {known}：请在心电图机上改选后重新导出再发送。",
        f"The version or encoding of {name} ({found}) is not known; known is {known}: change the export and send it "
        "again.",
    )
