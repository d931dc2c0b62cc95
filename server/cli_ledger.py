"""Commands that work on a ledger: one decorator adds the three options that find it, and opens it while they work."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, ParamSpec, get_type_hints

import typer

if TYPE_CHECKING:
    from ledger.database import Ledger

P = ParamSpec("P")

Data = Annotated[Path | None, typer.Option(metavar="DIR", help="The data folder (or ECGNET_DATA).")]
Database = Annotated[
    str | None, typer.Option(metavar="URL", help="The database; the default is SQLite in the data folder.")
]
County = Annotated[str | None, typer.Option(metavar="C", help="The county's name or id, where there are several.")]

_OPTIONS = {"county": County, "data": Data, "database": Database}


def need_data(data: Path | None, database: str | None) -> None:
    """Nothing is created in whatever folder one happens to be in."""
    if not (data or database or os.environ.get("ECGNET_DATA") or os.environ.get("ECGNET_DATABASE")):
        raise typer.BadParameter("需要 --data DIR 或 --database URL。 Give --data DIR or --database URL.")


def on_ledger(work: Callable[Concatenate[Ledger, str | None, P], None]) -> Callable[..., None]:
    """A command of ``work``'s own options, then ``--county``, ``--data`` and ``--database``.

    ``work`` gets the ledger, open and migrated, and the county's name first; its imports stay inside it, so that a
    command that is not run costs nothing.
    """

    @functools.wraps(work)
    def command(
        *given: Any, county: str | None = None, data: Path | None = None, database: str | None = None, **options: Any
    ) -> None:
        from server.commands import administration

        need_data(data, database)
        with administration.opened(data, database) as ledger:
            work(ledger, county, *given, **options)

    hints = get_type_hints(work, localns={"Ledger": object}, include_extras=True)
    own = list(inspect.signature(work).parameters.values())[2:]
    shown = [one.replace(annotation=hints[one.name]) for one in own]
    added = [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=option)
        for name, option in _OPTIONS.items()
    ]
    command.__signature__ = inspect.Signature([*shown, *added])  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in (*shown, *added)}
    return command
