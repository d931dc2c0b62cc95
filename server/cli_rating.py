"""The command line's part for the county's own table of colours (declared as in ``server.cli``)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path | None, typer.Option(metavar="DIR", help="The data folder (or ECGNET_DATA).")]
Database = Annotated[
    str | None, typer.Option(metavar="URL", help="The database; the default is SQLite in the data folder.")
]
County = Annotated[str | None, typer.Option(metavar="C", help="The county's name or id, where there are several.")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="The table, TOML like the one that comes with ecgnet.")]

rating = typer.Typer(help="The county's own table of colours, never below the default's RED.", no_args_is_help=True)


def register(admin: typer.Typer) -> None:
    """Put the commands where they belong."""
    rating.command("check")(check)
    rating.command("try")(try_on)
    rating.command("activate")(activate)
    admin.add_typer(rating, name="rating")


def _need_data(data: Path | None, database: str | None) -> None:
    if not (data or database or os.environ.get("ECGNET_DATA") or os.environ.get("ECGNET_DATABASE")):
        raise typer.BadParameter("需要 --data DIR 或 --database URL。 Give --data DIR or --database URL.")


def check(file: File) -> None:
    """Say every fault of a table; exit code 0 if it can be used."""
    from server.commands import rating as work

    work.check(file)


def try_on(file: File, county: County = None, data: Data = None, database: Database = None) -> None:
    """Try a table on the county's last month and keep it; print its version."""
    from server.commands import administration, rating

    _need_data(data, database)
    with administration.opened(data, database) as ledger:
        print(rating.try_on(ledger, county, file))


def activate(
    version: Annotated[int, typer.Argument(metavar="VERSION", help="A version that was tried.")],
    county: County = None,
    data: Data = None,
    database: Database = None,
) -> None:
    """Put a version in force; exams are rated by it from now on."""
    from server.commands import administration, rating

    _need_data(data, database)
    with administration.opened(data, database) as ledger:
        rating.activate(ledger, county, version)
