"""The command line's part for keeping a ledger: backup, restore, verify, doctor, quarantine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli_ledger import Data, Database, need_data, on_ledger

if TYPE_CHECKING:
    from ledger.database import Ledger


quarantine = typer.Typer(help="ECGs that no analyser could finish.", no_args_is_help=True)
Exam = Annotated[str, typer.Argument(metavar="EXAM", help="The exam's id.")]


def register(admin: typer.Typer) -> None:
    """Put the commands where they belong."""
    for name, command in (("backup", backup), ("restore", restore), ("verify", verify), ("doctor", doctor)):
        admin.command(name)(command)
    admin.add_typer(quarantine, name="quarantine")


def backup(
    to: Annotated[Path, typer.Option(metavar="DIR|FILE.zip", help="A folder, or the file's own name.")],
    keep: Annotated[
        int | None, typer.Option(metavar="N", help="Of this ledger's backups there, keep the newest N.", min=1)
    ] = None,
    data: Data = None,
    database: Database = None,
) -> None:
    """Copy the whole ledger while everybody works, verify the copy, and print its path."""
    from server.commands import administration, keeping

    need_data(data, database)
    if keep is not None and to.suffix == ".zip":
        raise typer.BadParameter("--keep 只用于文件夹。 --keep goes with a folder.")
    with administration.opened(data, database) as ledger:
        raise typer.Exit(keeping.backup(ledger, to, keep))


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.")],
    damaged: Annotated[
        bool, typer.Option("--damaged", help="Also if something in it is broken; what is, is listed.")
    ] = False,
    data: Data = None,
    database: Database = None,
) -> None:
    """Bring a backup back into an empty folder or database; verified first, all of it or nothing."""
    from server.commands import keeping

    need_data(data, database)
    raise typer.Exit(keeping.restore(file, data, database, damaged=damaged))


def verify(
    heads: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Heads of the audit kept elsewhere: a log, or a backup.")
    ] = None,
    data: Data = None,
    database: Database = None,
) -> None:
    """Check every original against its digest, every exam against its original, and every audit chain."""
    from server.commands import administration, keeping

    need_data(data, database)
    with administration.opened(data, database) as ledger:
        raise typer.Exit(keeping.verify(ledger, heads))


def doctor(
    peer: Annotated[str | None, typer.Option(metavar="URL", help="Another server, to compare clocks with.")] = None,
    data: Data = None,
    database: Database = None,
) -> None:
    """Say in some ten lines whether all is well: disk, clock, certificate, backup, silent clinics, roster, and more."""
    from server.commands import keeping

    need_data(data, database)
    raise typer.Exit(keeping.doctor(data, database, peer))


@quarantine.command("list")
@on_ledger
def quarantine_list(ledger: Ledger, county: str | None) -> None:
    """Print what is in it: exam, since when, clinic, file, reason, version."""
    from server.commands import keeping

    for line in keeping.quarantined(ledger, county):
        print(line)


@quarantine.command("show")
@on_ledger
def quarantine_show(ledger: Ledger, county: str | None, exam: Exam) -> None:
    """Print all that is known of one, as JSON."""
    from server.commands import keeping

    print(keeping.quarantined_exam(ledger, county, exam))


@quarantine.command("retry")
@on_ledger
def quarantine_retry(
    ledger: Ledger,
    county: str | None,
    exam: Annotated[str | None, typer.Argument(metavar="EXAM", help="The exam's id.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every one that is in it.")] = False,
) -> None:
    """Analyse it again, after an upgrade; prints the exams."""
    from server.commands import keeping

    if (exam is None) != every:
        raise typer.BadParameter("EXAM 和 --all 二选一。 Give EXAM or --all.")
    for one in keeping.retry(ledger, county, exam):
        print(one)


@quarantine.command("release")
@on_ledger
def quarantine_release(
    ledger: Ledger,
    county: str | None,
    exam: Exam,
    reason: Annotated[str, typer.Option(metavar="WHY", help="Kept in the audit.")],
) -> None:
    """Leave it as it is: it was looked at, and nothing more can be done."""
    from server.commands import keeping

    keeping.release(ledger, county, exam, reason)
