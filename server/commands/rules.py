"""``ecgnet rules check`` and ``ecgnet rules try``: a county's own rule file, before it is used."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from server.commands import instrument
from server.refusal import Refusal

_BOTH = ("zh", "en")


@dataclass(slots=True)
class Trial:
    """What a file of labels would say of a folder: how many ECGs were read, which would change, what was not one."""

    read: int = 0
    changed: int = 0
    labels: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    unreadable: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def summary(self) -> dict[str, Any]:
        """As the last JSON line."""
        counted = {code: dict(counts) for code, counts in self.labels.items()}
        return {"read": self.read, "changed": self.changed, "labels": counted, "unreadable": len(self.unreadable)}


def check(file: Path) -> None:
    """Says what the file adds; :class:`Refusal` names every fault with its key, what was found and what is needed."""
    rules = _loaded(file)
    print(f"{rules.id} {rules.version} sha256:{rules.sha256}")
    for label in rules.labels:
        critical = " 危急值/critical" if label.critical else ""
        print(f"  + {label.code} {label.name.zh} / {label.name.en}{critical}")
    print("文件可用：只在默认规则之外添加上述标签，不会降低任何分级。")
    print("The file can be used: it adds these labels beside the default and lowers no colour.")


def try_on(file: Path, folder: Path, *, as_json: bool, language: str | None) -> int:
    """Every ECG of the folder under the file: which would get a label and on what evidence; 1 if one was unreadable."""
    rules = _loaded(file)
    if not folder.is_dir():
        raise Refusal(f"{folder} 不是文件夹。", f"{folder} is no folder.")
    spoken = instrument.language_of(language)
    trial = Trial(labels={label.code: Counter() for label in rules.labels})
    for path in _candidates(folder):
        document = instrument.analysis_document(str(path), rules)
        if "error" in document:
            if document["error"]["code"] != "UNKNOWN_FORMAT":
                trial.unreadable.append(document)
                _print(document, as_json, spoken)
            continue
        trial.read += 1
        added = [f for f in document["findings"] if f["ruleset"] == rules.id]
        for finding in added:
            trial.labels[finding["code"]][finding["state"]] += 1
        for item in document["not_assessed"]:
            if item["code"] in trial.labels:
                trial.labels[item["code"]]["not_assessed"] += 1
        if added:
            trial.changed += 1
            _print({"file": document["file"], "added": added}, as_json, spoken)
    _close(trial, as_json, spoken)
    return 1 if trial.unreadable else 0


def _loaded(file: Path) -> Any:
    from ecg.rules import RulesError, load_file

    try:
        return load_file(file)
    except RulesError as error:
        zh, en = ("\n".join(error.lines(language)) for language in _BOTH)
        raise Refusal(f"{zh}\n", en) from error


def _candidates(folder: Path) -> Iterator[Path]:
    """Files of the folder and below, in order; samples whose header is beside them are read with it."""
    for path in sorted(folder.rglob("*")):
        beside = path.suffix != ".hea" and path.with_suffix(".hea").exists()
        if path.is_file() and not path.name.startswith(".") and not beside:
            yield path


def _print(answer: dict[str, Any], as_json: bool, language: str) -> None:
    if as_json:
        print(json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(",", ":")), flush=True)
    elif "error" in answer:
        print(f"{answer['file']}: {answer['error']['code']} {answer['error'][language]}", flush=True)
    else:
        for finding in answer["added"]:
            print(f"{answer['file']}: + {instrument.finding_line(finding, language)}", flush=True)


def _close(trial: Trial, as_json: bool, language: str) -> None:
    if as_json:
        _print(trial.summary(), True, language)
        return
    words = {
        "zh": ("已读{0}份，其中{1}份会增加标签，{2}份无法读取。", "成立{0}，临界{1}，未评估{2}"),
        "en": ("{0} read, {1} would get a label, {2} could not be read.", "true {0}, borderline {1}, not assessed {2}"),
    }[language]
    print(words[0].format(trial.read, trial.changed, len(trial.unreadable)))
    for code, counts in trial.labels.items():
        print(f"  {code}: " + words[1].format(counts["true"], counts["borderline"], counts["not_assessed"]))
