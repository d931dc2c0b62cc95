"""The command line: quick, documented, and clear about what it could not do."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from server import cli, serve
from server.commands import instrument
from server.refusal import Refusal
from tests.server.commands import assert_one_sentence, ecgnet
from tests.support.needs import REPOSITORY

ECG = REPOSITORY / "tests" / "data" / "55.hea"
#: Words of later issues: absent, not stubs.
ABSENT = ("dicom", "hl7")


def commands(group: Any = None, before: tuple[str, ...] = ("ecgnet",)) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Every command as its words, with its options."""
    group = group or typer.main.get_command(cli.app)
    for name, command in sorted(group.commands.items()):
        words = (*before, name)
        if hasattr(command, "commands"):
            yield from commands(command, words)
        else:
            yield (
                words,
                [option for parameter in command.params for option in parameter.opts if option.startswith("--")],
            )


def test_help_answers_at_once() -> None:
    spent = []
    for _ in range(5):
        began = os.times()
        assert ecgnet("--help").returncode == 0
        ended = os.times()
        # processor time, so that a busy machine fails nobody
        spent.append(ended.children_user + ended.children_system - began.children_user - began.children_system)
    assert min(spent) < 0.3, spent


def test_help_imports_no_heavy_library() -> None:
    heavy = ("fastapi", "httpx", "numpy", "pydantic", "rich", "scipy", "sqlalchemy", "wfdb")
    code = f"import sys, server.cli; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_command_and_option_is_documented() -> None:
    text = (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8")
    missing = []
    for words, options in commands():
        if " ".join(words) not in text:
            missing.append(" ".join(words))
        missing += [
            f"{' '.join(words)} {option}" for option in options if f"`{option}" not in text and option not in text
        ]
    assert not missing


def test_every_documented_command_exists() -> None:
    text = (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8")
    known = {" ".join(words) for words, _ in commands()}
    named = re.findall(r"`(ecgnet(?: [a-z]+)+)", text)
    assert named
    assert {name for name in named if name not in known} <= {"ecgnet admin"}


def test_commands_of_later_issues_are_absent() -> None:
    words = {word for found, _ in commands() for word in found}
    assert words.isdisjoint(ABSENT)
    done = ecgnet("dicom")
    assert done.returncode == 2


def test_analyze_prints_one_json_line_a_file_in_order_and_goes_on_past_what_it_cannot_read(tmp_path: Path) -> None:
    broken = tmp_path / "broken.dat"
    broken.write_bytes(b"no ECG")
    done = ecgnet("analyze", str(broken), str(ECG), "no-such-file.hea", "--json")
    assert done.returncode == 1
    first, second, third = (json.loads(line) for line in done.stdout.splitlines())
    assert first["file"] == str(broken)
    assert set(first["error"]) == {"code", "zh", "en"}
    assert second["schema"] == "ecgnet.analysis/1"
    assert second["file"] == str(ECG)
    assert any(finding["code"].startswith("STEMI_") for finding in second["findings"])
    assert third["file"] == "no-such-file.hea"
    assert third["error"]["code"] == "PART_MISSING"


def test_analyze_speaks_the_language_of_its_reader(capsys: pytest.CaptureFixture[str]) -> None:
    assert instrument.analyze([str(ECG)], as_json=False, ruleset=None, language="zh") == 0
    assert "未经医师确认" in capsys.readouterr().out
    assert instrument.analyze([str(ECG)], as_json=False, ruleset=None, language="en") == 0
    said = capsys.readouterr().out
    assert "no physician has confirmed" in said
    assert "STEMI_" in said


def test_an_unknown_ruleset_or_no_file_is_wrong_use() -> None:
    assert ecgnet("analyze", str(ECG), "--ruleset", "nonsense").returncode == 2
    assert ecgnet("analyze").returncode == 2
    assert (
        ecgnet("send", str(ECG), "--to", "http://127.0.0.1:9", "--key", "k", "--symptom", "toothache").returncode == 2
    )
    assert ecgnet("admin", "migrate", ECGNET_DATA="", ECGNET_DATABASE="").returncode == 2


def test_draw_writes_a_drawing_or_says_why_not(tmp_path: Path) -> None:
    out = tmp_path / "out.svg"
    instrument.draw(ECG, out)
    assert out.read_text(encoding="utf-8").startswith("<svg")
    done = ecgnet("draw", "nothing.hea", "-o", str(tmp_path / "x.svg"))
    assert done.returncode == 1
    assert_one_sentence(done)


def test_a_base_install_is_told_which_part_the_server_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Refusal) as refused:
        serve.need_server()
    assert "ecgnet[server]" in str(refused.value)
    with pytest.raises(Refusal) as refused:
        serve.need_postgres("postgresql+psycopg://x/y")
    assert "postgres" in str(refused.value)


def test_an_old_python_is_one_sentence() -> None:
    cli.refuse_old_python((3, 11))
    with pytest.raises(Refusal) as refused:
        cli.refuse_old_python((3, 10))
    assert "3.10" in refused.value.en
    assert "3.11" in refused.value.zh


def test_send_to_nobody_is_exit_one(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from ingest.clinic import send as sender
    from server.commands import sending

    def unreachable(*_: object, **__: object) -> list[dict[str, str]]:
        raise sender.UnreachableError("UNREACHABLE", "连不上", "cannot be reached")

    monkeypatch.setattr(sender, "send", unreachable)
    assert sending.send([str(ECG)], "http://127.0.0.1:9", "key", urgent=False, symptoms=[]) == 1
    assert "cannot be reached" in capsys.readouterr().err
