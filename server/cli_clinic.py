"""The command line's part for the village PC: watch, install, status (declared as in ``server.cli``)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

clinic = typer.Typer(help="The program on the village PC.", no_args_is_help=True)

Folder = Annotated[Path | None, typer.Argument(metavar="DIR", help="Where the cart saves its files.")]
To = Annotated[str | None, typer.Option(metavar="URL", help="The county's server; kept after the first time.")]
Key = Annotated[str | None, typer.Option(metavar="KEY", help="The device key; kept after the first time.")]
Code = Annotated[str | None, typer.Option(metavar="CODE", help="Or the county's one-time code, exchanged for a key.")]
Home = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Where key and unsent ECGs are kept; else the platform's places.")
]


def register(app: typer.Typer) -> None:
    """Put the commands where they belong."""
    app.add_typer(clinic, name="clinic")


@clinic.command("watch")
def watch(
    folder: Folder = None,
    to: To = None,
    key: Key = None,
    code: Code = None,
    port: Annotated[int, typer.Option(metavar="N", help="Of the page on this computer; 0 takes a free one.")] = 8766,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    old: Annotated[bool, typer.Option("--old", help="At the very first start send files older than a day.")] = False,
    home: Home = None,
) -> None:
    """Watch the cart's folder and send every ECG; shows a page on this computer. Ends with Ctrl-C."""
    from server.commands import clinic as work

    raise typer.Exit(work.watch(folder, to, key, code, port, open_page=open_page, with_old=old, home=home))


@clinic.command("install")
def install(
    folder: Folder = None,
    to: To = None,
    key: Key = None,
    code: Code = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be written and run.")] = False,
    home: Home = None,
) -> None:
    """Start watching with this computer, now and after every restart."""
    from server.commands import clinic as work

    raise typer.Exit(work.install(folder, to, key, code, dry_run=dry_run, home=home))


@clinic.command("status")
def status(
    json: Annotated[bool, typer.Option("--json", help="Everything the page knows, as one JSON line.")] = False,
    home: Home = None,
) -> None:
    """Say what waits here, what the county has, and what is wrong; exit code 1 if something is."""
    from server.commands import clinic as work

    raise typer.Exit(work.status(as_json=json, home=home))
