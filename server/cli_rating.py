"""The command line's part for the county's own table of colours (declared as in ``server.cli``)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli_ledger import on_ledger

if TYPE_CHECKING:
    from ledger.database import Ledger

File = Annotated[Path, typer.Argument(metavar="FILE", help="The table, TOML like the one that comes with ecgnet.")]

rating = typer.Typer(help="The county's own table of colours, never below the default's RED.", no_args_is_help=True)


def register(admin: typer.Typer) -> None:
    """Put the commands where they belong."""
    rating.command("check")(check)
    rating.command("try")(try_on)
    rating.command("activate")(activate)
    admin.add_typer(rating, name="rating")


def check(file: File) -> None:
    """Say every fault of a table; exit code 0 if it can be used."""
    from server.commands import rating as work

    work.check(file)


@on_ledger
def try_on(ledger: Ledger, county: str | None, file: File) -> None:
    """Try a table on the county's last month and keep it; print its version."""
    from server.commands import rating

    print(rating.try_on(ledger, county, file))


@on_ledger
def activate(
    ledger: Ledger,
    county: str | None,
    version: Annotated[int, typer.Argument(metavar="VERSION", help="A version that was tried.")],
) -> None:
    """Put a version in force; exams are rated by it from now on."""
    from server.commands import rating

    rating.activate(ledger, county, version)
