"""Started with the computer: a systemd user unit, a Windows task, a launchd agent. Texts are pure; writing is apart.

On Windows it is a task that starts when somebody signs in, not a service: a service has no screen, and this program may
have to show an alarm; the task starts it again when it ends, on battery too, without a time limit. What a real Windows
does with it has not been seen by us (docs/clinic.md says so).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

UNIT = "ecgnet-clinic.service"
TASK = "ecgnet clinic"
AGENT = "org.ecgnet.clinic.plist"


@dataclass(frozen=True, slots=True)
class Installed:
    """A file to be written, and the commands that make it work from now on."""

    path: Path
    text: str
    encoding: str
    commands: tuple[tuple[str, ...], ...]


def systemd_unit(command: Sequence[str]) -> str:
    """A user unit that is restarted whatever happens."""
    return f"""[Unit]
Description=ecgnet clinic: sends ECGs to the county
After=network-online.target

[Service]
ExecStart={" ".join(_quoted(word) for word in command)}
Restart=always
RestartSec=3
TimeoutStopSec=15

[Install]
WantedBy=default.target
"""


def _quoted(word: str) -> str:
    """systemd's quoting: its own escapes, ``%`` and ``$`` doubled."""
    plain = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{plain}"'


def windows_task(command: Sequence[str]) -> str:
    """The task's XML: at sign-in, again after a minute if it ended, once at a time, on battery, without an end."""
    arguments = escape(subprocess.list2cmdline(command[1:]))
    return f"""<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>ecgnet: sends ECGs to the county</Description></RegistrationInfo>
  <Triggers><LogonTrigger><Enabled>true</Enabled></LogonTrigger></Triggers>
  <Principals><Principal id="Author"><LogonType>InteractiveToken</LogonType>\
<RunLevel>LeastPrivilege</RunLevel></Principal></Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <RestartOnFailure><Interval>PT1M</Interval><Count>999</Count></RestartOnFailure>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
  </Settings>
  <Actions Context="Author">
    <Exec><Command>{escape(command[0])}</Command><Arguments>{arguments}</Arguments></Exec>
  </Actions>
</Task>
"""


def launchd_agent(command: Sequence[str]) -> str:
    """An agent of this account that is kept alive."""
    words = "".join(f"<string>{escape(word)}</string>" for word in command)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
<key>Label</key><string>org.ecgnet.clinic</string>
<key>ProgramArguments</key><array>{words}</array>
<key>RunAtLoad</key><true/>
<key>KeepAlive</key><true/>
</dict></plist>
"""


def plan(command: Sequence[str], platform: str, home: Path, data: Path) -> Installed:
    """What is written where and then run, for ``sys.platform``. ``home``: the account's; ``data``: the program's."""
    if platform == "win32":
        path = data / "task.xml"
        run = ("schtasks", "/Run", "/TN", TASK)
        made = ("schtasks", "/Create", "/TN", TASK, "/XML", str(path), "/F")
        return Installed(path, windows_task(command), "utf-16", (made, run))
    if platform == "darwin":
        path = home / "Library" / "LaunchAgents" / AGENT
        return Installed(path, launchd_agent(command), "utf-8", (("launchctl", "load", "-w", str(path)),))
    path = home / ".config" / "systemd" / "user" / UNIT
    reload = ("systemctl", "--user", "daemon-reload")
    return Installed(path, systemd_unit(command), "utf-8", (reload, ("systemctl", "--user", "enable", "--now", UNIT)))


def write(what: Installed) -> None:
    """Write the file."""
    what.path.parent.mkdir(parents=True, exist_ok=True)
    what.path.write_text(what.text, encoding=what.encoding)


def run(what: Installed) -> str | None:
    """Run the commands; the first that did not work, as one line, or ``None``."""
    for command in what.commands:
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{' '.join(command)}: {type(error).__name__}"
        if done.returncode:
            return f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}"
    return None


def watch_command(folder: str, home: Path | None) -> list[str]:
    """How this very installation is started: without a console window on Windows."""
    python = Path(sys.executable)
    silent = python.with_name("pythonw.exe")
    program = silent if sys.platform == "win32" and silent.exists() else python
    more = ["--home", str(home)] if home is not None else []
    more += ["--open"] if sys.platform in ("win32", "darwin") else []  # somebody has just signed in there
    return [str(program), "-m", "server.cli", "clinic", "watch", folder, *more]
