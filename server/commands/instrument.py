"""``ecgnet analyze`` and ``ecgnet draw``: the instrument on files, on a base install."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from server.commands import words
from server.refusal import Refusal

LANGUAGES = ("zh", "en")
DEFAULT_RULESET = "udmi-2018"

#: name of a global measurement in the document → its label, and its unit in both languages
_SHOWN = (
    ("heart_rate_bpm", "心率", "rate", ("次/分", "/min")),
    ("pr_ms", "PR", "PR", ("ms", "ms")),
    ("qrs_ms", "QRS", "QRS", ("ms", "ms")),
    ("qt_ms", "QT", "QT", ("ms", "ms")),
)
_WORDS = {
    "grade": ("图质", "quality"),
    "nothing": ("在已评估的项目中未见异常。", "Nothing was found among what was assessed."),
    "not_assessed": ("未评估", "not assessed"),
    "borderline": ("临界", "borderline"),
    "possible": ("可能", "possible"),
    "probable": ("很可能", "probable"),
    "unconfirmed": ("机器所见，未经医师确认。", "What the machine sees; no physician has confirmed it."),
}


def analyze(files: Iterable[str], *, as_json: bool, ruleset: str | None, language: str | None) -> int:
    """One answer a file, in order; 1 if one of them could not be read, else 0."""
    rules = _known_ruleset(ruleset)
    spoken = language_of(language)
    failed = False
    for file in files:
        document = analysis_document(file, rules)
        failed = failed or "error" in document
        if as_json:
            print(json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")), flush=True)
        else:
            print("\n".join(_text(document, spoken)), flush=True)
    return 1 if failed else 0


def draw(file: Path, output: Path) -> None:
    """The drawing of one file, written to ``output``; :class:`Refusal` says why there is none."""
    import ecg
    from ecg.drawing import svg
    from ecg.errors import Unreadable

    try:
        recording = ecg.read(file)
        drawing = svg(recording, ecg.analyze(recording), language="zh" if language_of(None) == "zh" else "en")
    except Unreadable as error:
        raise Refusal(error.text.zh, error.text.en) from error
    try:
        output.write_text(drawing, encoding="utf-8")
    except OSError as error:
        raise Refusal(
            f"{output} 写不进去：{error.strerror}。", f"{output} cannot be written: {error.strerror}."
        ) from error


def _known_ruleset(asked: str | None) -> Any:
    """The ruleset of an id or of a county's file; a usage error names the known ids or the file's faults."""
    import typer

    from ecg import rules

    try:
        return rules.resolve(asked or DEFAULT_RULESET)
    except rules.RulesError as error:
        raise typer.BadParameter("\n".join(error.lines("zh") + error.lines("en"))) from error
    except ValueError as error:
        known = ", ".join(rules.known())
        reserved = " cn-2017是保留名称，不存在这样的指南。" if asked in rules.RESERVED else ""
        raise typer.BadParameter(
            f"没有规则集“{asked}”。{reserved} There is no rule set “{asked}”; there are: {known}."
        ) from error


def analysis_document(file: str, ruleset: Any) -> dict[str, Any]:
    """The document of one file under a loaded ruleset, or why there is none: ``{"file", "error"}``."""
    import ecg
    from ecg.document import document
    from ecg.errors import Unreadable

    try:
        recording = ecg.read(Path(file))
        return document(ecg.analyze(recording, ruleset=ruleset), recording, file)
    except Unreadable as error:
        return _error(file, error.code, error.text.zh, error.text.en)
    except Exception as error:  # noqa: BLE001 (our mistake on one file must not cost the others)
        what = f"{type(error).__name__}: {error}"
        return _error(
            file, "FAILED", f"分析没有完成（软件的问题）:{what}", f"The analysis failed (our mistake): {what}"
        )


def _error(file: str, code: str, zh: str, en: str) -> dict[str, Any]:
    return {"file": file, "error": {"code": code, "zh": zh, "en": en}}


# --- text for people -------------------------------------------------------------------------------------------------


def language_of(asked: str | None) -> str:
    """``zh`` or ``en``: what was asked for, else what the terminal speaks."""
    if asked is not None and asked not in LANGUAGES:
        import typer

        raise typer.BadParameter("--language: zh | en")
    if asked is not None:
        return asked
    spoken = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    return "zh" if spoken.lower().startswith("zh") else "en"


def _text(document: dict[str, Any], language: str) -> Iterator[str]:
    """A few lines: what it is, the numbers, the findings with their evidence, what was not assessed."""
    which = LANGUAGES.index(language)
    if "error" in document:
        yield f"{document['file']}: {document['error']['code']} {document['error'][language]}"
        return
    recording, measured = document["recording"], document["measurements"]
    seconds = recording["samples"] / recording["rate_hz"]
    grade = f"{_WORDS['grade'][which]} {document['quality']['grade']}"
    yield f"{document['file']}: {recording['format']}, {len(recording['leads'])} × {seconds:.1f} s, {grade}"
    yield "  " + ("，", ", ")[which].join(_numbers(measured, which))
    yield from (f"  ! {advice[language]}" for advice in document["quality"]["advice"])
    for finding in document["findings"]:
        yield "  " + finding_line(finding, language)
        yield from (f"    {words.argument(item, which)}" for item in finding["argued"])
        yield from (f"    {hint[language]}" for hint in finding.get("hints", ()))
    if not document["findings"]:
        yield f"  {_WORDS['nothing'][which]}"
    codes = ("、", ", ")[which].join(item["code"] for item in document["not_assessed"])
    if codes:
        yield f"  {_WORDS['not_assessed'][which]}{('：', ': ')[which]}{codes}"
    yield f"  {_WORDS['unconfirmed'][which]}"


def _numbers(measured: dict[str, Any], which: int) -> Iterator[str]:
    for name, zh, en, unit in _SHOWN:
        value = measured.get(name)
        yield f"{(zh, en)[which]} {'–' if value is None else f'{value:.0f} {unit[which]}'}"
    corrected: dict[str, float] | None = measured.get("qtc_ms")
    if corrected is not None:
        yield f"QTcF {corrected['fridericia']:.0f} ms"


def finding_line(finding: dict[str, Any], language: str) -> str:
    """One finding as a person reads it: code, name, evidence, source."""
    which = LANGUAGES.index(language)
    doubt = _WORDS[finding["certainty"]][which] if finding["certainty"] in _WORDS else ""
    marks = [_WORDS["borderline"][which]] if finding["state"] == "borderline" else [doubt] if doubt else []
    left, right = ("（）", "()")[which]
    state = f"{left}{marks[0]}{right}" if marks and marks[0] not in finding["name"][language] else ""
    shown = [words.evidence(item, which) for item in finding["evidence"][:8]]
    name = f"{finding['code']} {finding['name'][language]}{state}"
    return f"{name}{('：', ': ')[which]}{('；', '; ')[which].join(shown)} [{finding['source']}]"


def say(text: str) -> None:
    """A line of progress; standard output stays for results."""
    print(text, file=sys.stderr, flush=True)
