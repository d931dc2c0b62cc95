"""What the program keeps for its next start, how it is enrolled, how it is installed, and its commands."""

from __future__ import annotations

import plistlib
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from xml.etree import ElementTree

import pytest
import typer

from ingest.clinic import home as places
from ingest.clinic import install
from ingest.clinic.home import Settings, WrongCodeError
from ingest.clinic.upload import SendError
from server.commands import clinic
from server.refusal import Refusal
from tests.support.needs import REPOSITORY

FOLDER = r"C:\Carts & Co\心电 图"
COMMAND = [r"C:\Program Files\ecgnet\pythonw.exe", "-m", "server.cli", "clinic", "watch", FOLDER]


def test_the_key_is_kept_for_this_account_alone_and_found_again(tmp_path: Path) -> None:
    assert places.load(tmp_path) is None
    path = places.save(tmp_path, Settings("https://county", "ek_1", "/cart"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert places.load(tmp_path) == Settings("https://county", "ek_1", "/cart")
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    path.write_text("{")
    assert places.load(tmp_path) is None


def test_the_platforms_places_are_used_without_a_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "c"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "d"))
    assert places.config_folder(None) == tmp_path / "c" / "ecgnet"
    assert places.data_folder(None) == tmp_path / "d" / "ecgnet" / "clinic"


# --- enrolment -------------------------------------------------------------------------------------------------------


class County(BaseHTTPRequestHandler):
    """A county that knows one code."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        known = self.path == "/v1/devices/enrol" and b'"7K3M-QX2P"' in body
        answer = b'{"device": "d", "key": "ek_new", "site": {}, "county": {}}' if known else b"{}"
        self.send_response(201 if known else 401 if b"code" in body else 500)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base class's name)
        """Quiet."""


@pytest.fixture
def county() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), County)
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_a_code_becomes_the_key_once_and_a_wrong_one_says_what_to_do(county: str, tmp_path: Path) -> None:
    settings = clinic._settings(tmp_path / "cart", county, None, " 7K3M-QX2P ", tmp_path)
    assert settings == places.load(tmp_path) == Settings(county, "ek_new", str(tmp_path / "cart"))
    assert clinic._settings(None, None, None, None, tmp_path) == settings, "it is not asked for again"
    with pytest.raises(WrongCodeError) as told:
        places.enrol(county, "wrong", "PC")
    assert "开通码" in told.value.zh
    with pytest.raises(Refusal):
        clinic._settings(tmp_path, county, None, "wrong", tmp_path)
    assert places.load(tmp_path) == settings
    for address in ("ftp://county", "http://127.0.0.1:1"):
        with pytest.raises(SendError):
            places.enrol(address, "x", "PC")


# --- started with the computer ---------------------------------------------------------------------------------------


def test_the_windows_task_starts_at_sign_in_again_after_an_end_and_on_battery() -> None:
    what = install.plan(COMMAND, "win32", Path("home"), Path("data"))
    assert what.encoding == "utf-16"
    text = what.text.encode(what.encoding).decode(what.encoding)
    task = ElementTree.fromstring(text.split("?>", 1)[1])
    space = {"t": "http://schemas.microsoft.com/windows/2004/02/mit/task"}
    found = {
        name: task.findtext(f".//t:{name}", None, space) for name in ("Command", "Arguments", "ExecutionTimeLimit")
    }
    assert found["Command"] == COMMAND[0]
    assert found["Arguments"] == f'-m server.cli clinic watch "{FOLDER}"'
    assert found["ExecutionTimeLimit"] == "PT0S"
    assert task.find(".//t:LogonTrigger", space) is not None
    assert task.findtext(".//t:StopIfGoingOnBatteries", None, space) == "false"
    assert task.findtext(".//t:RestartOnFailure/t:Interval", None, space) == "PT1M"
    assert what.commands[0][:3] == ("schtasks", "/Create", "/TN")


def test_the_systemd_unit_names_its_words_as_they_are(tmp_path: Path) -> None:
    odd = ["/usr/bin/python", "-m", "x", '/a b/100%/"$HOME"\\']
    what = install.plan(odd, "linux", tmp_path, tmp_path / "data")
    assert what.path == tmp_path / ".config" / "systemd" / "user" / install.UNIT
    assert 'ExecStart="/usr/bin/python" "-m" "x" "/a b/100%%/\\"$$HOME\\"\\\\"' in what.text
    assert "Restart=always" in what.text
    install.write(what)
    assert what.path.read_text("utf-8") == what.text
    assert install.run(install.Installed(what.path, "", "utf-8", (("false",),))) == "false: "
    assert install.run(install.Installed(what.path, "", "utf-8", (("true",),))) is None


def test_the_launchd_agent_is_kept_alive(tmp_path: Path) -> None:
    what = install.plan(["python", "a&b"], "darwin", tmp_path, tmp_path)
    agent = plistlib.loads(what.text.encode())
    assert (agent["ProgramArguments"], agent["KeepAlive"]) == (["python", "a&b"], True)


# --- the commands ----------------------------------------------------------------------------------------------------


def test_status_says_that_nothing_runs_and_install_shows_what_it_would_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert clinic.status(as_json=False, home=tmp_path) == 1
    places.note_page(tmp_path, "http://127.0.0.1:1/")
    assert clinic.status(as_json=True, home=tmp_path) == 1
    assert "没有在运行" in capsys.readouterr().err
    assert clinic.install(Path("/cart"), None, None, None, dry_run=True, home=tmp_path) == 0
    shown = capsys.readouterr().out
    assert "/cart" in shown
    assert str(tmp_path) in shown


def test_the_first_start_needs_a_folder_an_address_and_a_key(tmp_path: Path) -> None:
    cart, to = tmp_path / "cart", "http://127.0.0.1:1"
    for folder, address, key, code in (
        (None, None, None, None),
        (cart, None, None, None),
        (cart, to, None, None),
        (cart, to, "k", "c"),
    ):
        with pytest.raises(typer.BadParameter):
            clinic._settings(folder, address, key, code, tmp_path)
    with pytest.raises(Refusal):
        clinic._settings(cart, "county", "k", None, tmp_path)
    assert places.load(tmp_path) is None


def test_it_runs_once_says_how_it_is_and_ends_when_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "cart").mkdir()
    words = [sys.executable, "-m", "server.cli", "clinic", "watch", str(tmp_path / "cart"), "--port", "0"]
    words += ["--to", "http://127.0.0.1:1", "--key", "ek_1", "--home", str(tmp_path)]
    with subprocess.Popen(words, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        try:
            said = running.stdout.readline()
            assert "已就绪 ready: http://127.0.0.1:" in said
            assert clinic.status(as_json=False, home=tmp_path) == 0
            assert "waiting: 0" in capsys.readouterr().out
            with pytest.raises(Refusal, match="running already"):
                clinic.watch(None, None, None, None, 0, open_page=False, with_old=False, home=tmp_path)
        finally:
            running.terminate()
        assert running.wait(20) == 0
        assert running.stderr.read() == ""
    assert places.load(tmp_path) == Settings("http://127.0.0.1:1", "ek_1", str(tmp_path / "cart"))


def test_the_program_needs_nothing_of_the_server() -> None:
    code = (
        "import sys; import ingest.clinic.program, ingest.clinic.page, ingest.clinic.install, server.commands.clinic; "
        "bad = {'fastapi', 'sqlalchemy', 'zstandard', 'uvicorn', 'pydantic', 'ledger', 'county'} & set(sys.modules); "
        "sys.exit(repr(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=True)
