"""``ecgnet clinic``: the program on the village PC, on a base install."""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from server.refusal import Refusal

ASK_S = 10.0


def watch(
    folder: Path | None,
    to: str | None,
    key: str | None,
    code: str | None,
    port: int,
    *,
    open_page: bool,
    with_old: bool,
    home: Path | None,
) -> int:
    """Until SIGTERM or Ctrl-C; 0."""
    from ecg.analysis import VERSION
    from ingest.clinic import home as places
    from ingest.clinic.page import Page
    from ingest.clinic.program import Program
    from ingest.clinic.spool import DiskFullError, InUseError

    settings = _settings(folder, to, key, code, home)
    program = Program(
        Path(settings.folder), places.data_folder(home), settings.to, settings.key, VERSION, with_old=with_old
    )
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    try:
        with program.running():
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, end)
            page = Page(program, port)
            places.note_page(home, page.address)
            print(f"ecgnet clinic {VERSION} 已就绪 ready: {page.address}", flush=True)
            if open_page:
                import webbrowser

                webbrowser.open(page.address)
            while not ended.wait(1.0):  # a wait without an end cannot be interrupted on Windows
                pass
            page.close()
    except InUseError:
        raise Refusal(
            "心电程序已经在运行：请看它的页面（ecgnet clinic status）。",
            "The program is running already: look at its page (ecgnet clinic status).",
        ) from None
    except DiskFullError as error:
        zh, en = f"硬盘写不进去：{error}。请清理硬盘。", f"The disk takes nothing: {error}. Free some space."
        raise Refusal(zh, en) from None
    return 0


def install(
    folder: Path | None, to: str | None, key: str | None, code: str | None, *, dry_run: bool, home: Path | None
) -> int:
    """0: it runs; 1: written, but it has to be started by hand."""
    from ingest.clinic import home as places
    from ingest.clinic import install as installing

    at = str(folder.absolute()) if dry_run and folder is not None else _settings(folder, to, key, code, home).folder
    command = installing.watch_command(at, home)
    what = installing.plan(command, sys.platform, Path.home(), places.data_folder(home))
    if dry_run:
        print(f"{what.path}\n{what.text}")
        for line in what.commands:
            print(" ".join(line))
        return 0
    installing.write(what)
    print(what.path)
    failed = installing.run(what)
    if failed is None:
        return 0
    print(f"文件已写好，但没有启动：{failed}\nWritten, but not started: {failed}", file=sys.stderr)
    return 1


def status(*, as_json: bool, home: Path | None) -> int:
    """0: it runs and nothing is wrong; 1 else."""
    state = _running(home)
    if state is None:
        print("心电程序没有在运行。 The program is not running.", file=sys.stderr)
        return 1
    if as_json:
        print(json.dumps(state, ensure_ascii=False))
    else:
        for line in _lines(state):
            print(line)
    return 1 if _wrong(state) else 0


def _running(home: Path | None) -> dict[str, Any] | None:
    import httpx

    from ingest.clinic import home as places
    from ingest.clinic.page import HEADER

    address = places.page_address(home)
    if address is None:
        return None
    try:
        answer = httpx.get(f"{address}state", headers={HEADER: "1"}, timeout=ASK_S, trust_env=False)
        return answer.json() if answer.is_success else None
    except (httpx.HTTPError, ValueError):
        return None


def _lines(state: dict[str, Any]) -> list[str]:
    counts: dict[str, int] = state["counts"]
    unsent = counts.get("waiting", 0) + counts.get("sending", 0)
    sent = sum(counts.get(name, 0) for name in ("received", "kept", "removed"))
    site: dict[str, Any] = state["site"] or {}
    county: dict[str, Any] = state["county"] or {}
    lines = [
        f"卫生室 clinic: {site.get('name', '–')}   县 county: {county.get('name', '–')} {county.get('phone', '')}",
        f"文件夹 folder: {state['folder']['path']}",
        f"待发 waiting: {unsent}   已送达 delivered: {sent}   被拒 refused: {counts.get('refused', 0)}",
    ]
    return [*lines, *_wrong(state)]


def _wrong(state: dict[str, Any]) -> list[str]:
    found: list[str] = []
    if state["late"]:
        found.append("急的图还没送到：请马上打电话。 An urgent ECG has not reached the county: call now.")
    if state["line"]["trouble"]:
        found.append(f"{state['line']['trouble']['zh']} {state['line']['trouble']['en']}")
    if state["folder"]["is_gone"]:
        found.append("打不开心电图机的文件夹。 The cart's folder cannot be opened.")
    if state["disk"]["is_full"]:
        found.append("硬盘满了，新图存不下来。 The disk is full: new ECGs cannot be kept.")
    elif state["disk"]["is_low"]:
        found.append("硬盘快满了。 The disk is nearly full.")
    if state["counts"].get("refused"):
        found.append("有图县里没有收，请看页面。 The county did not take some: look at the page.")
    return found


def _settings(folder: Path | None, to: str | None, key: str | None, code: str | None, home: Path | None) -> Any:
    """What was given now, and else what was kept; kept for the next start."""
    import typer

    from ingest.clinic import home as places
    from ingest.clinic.upload import SendError, client

    if key and code:
        raise typer.BadParameter("--key 与 --code 只用一个。 Give --key or --code, not both.")
    kept = places.load(home)
    address = to or (kept.to if kept else "")
    where = str(folder.absolute()) if folder else kept.folder if kept else ""
    if not where or not address:
        raise typer.BadParameter("第一次需要 DIR 和 --to URL。 The first time DIR and --to URL are needed.")
    try:
        if code:
            import platform

            key = places.enrol(address, code, platform.node())
        settings = places.Settings(address, key or (kept.key if kept else ""), where)
        if not settings.key:
            raise typer.BadParameter("第一次需要 --key 或 --code。 The first time --key or --code is needed.")
        client(settings.to, settings.key).close()
    except SendError as error:
        raise Refusal(error.zh, error.en) from None
    if settings != kept:
        places.save(home, settings)
    return settings
