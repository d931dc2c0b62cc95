"""The command line's part for the desk: roster, contacts, policy, drill, watchdog (declared as in ``server.cli``)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli_ledger import on_ledger

if TYPE_CHECKING:
    from ledger.database import Ledger

Shift = Annotated[str, typer.Option(metavar="ID", help="The shift's id.")]

contact = typer.Typer(help="How people are reached beside the screen.", no_args_is_help=True)
policy = typer.Typer(help="The county's own ladder, quicker than CLINICAL.md's or equal.", no_args_is_help=True)


def register(app: typer.Typer, admin: typer.Typer, roster: typer.Typer) -> None:
    """Put the commands where they belong."""
    app.command("watchdog")(watchdog)
    admin.command("drill")(drill)
    for name, command in (
        ("swap", roster_swap),
        ("withdraw", roster_withdraw),
        ("import", roster_import),
        ("gaps", roster_gaps),
    ):
        roster.command(name)(command)
    admin.add_typer(contact, name="contact")
    admin.add_typer(policy, name="policy")


def watchdog(
    to: Annotated[str, typer.Option(metavar="URL", help="The server to watch.")],
    alarm: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="Whom to alarm; or ECGNET_WATCHDOG_ALARM, spaces between."),
    ] = None,
    every: Annotated[float, typer.Option(metavar="S", help="Seconds between two looks.", min=0.1)] = 10.0,
    patience: Annotated[float, typer.Option(metavar="S", help="How long a trouble lasts before it is told.")] = 30.0,
) -> None:
    """Notice a server that stands still, and alarm by a way of one's own; runs until it is ended."""
    from server import watchdog as work

    alarms = alarm or os.environ.get("ECGNET_WATCHDOG_ALARM", "").split()
    work.check(alarms)
    work.watch(to.rstrip("/"), alarms, every, patience, lambda line: print(line, flush=True))


@on_ledger
def drill(
    ledger: Ledger,
    county: str | None,
    site: Annotated[str | None, typer.Option(metavar="ID", help="The clinic; the first one without it.")] = None,
    wait: Annotated[float, typer.Option(metavar="S", help="How long to watch it (seconds).", min=0)] = 600.0,
) -> None:
    """Send a made-up infarction, marked 演练, through the whole house; prints its exam and each stage's seconds."""
    from server.commands import desk

    for line in desk.drill(ledger, county, site, wait):
        print(line, flush=True)


@on_ledger
def roster_swap(
    ledger: Ledger,
    county: str | None,
    shift: Shift,
    person: Annotated[str | None, typer.Option(metavar="P", help="Who takes it over: id or name.")] = None,
    with_: Annotated[str | None, typer.Option("--with", metavar="ID", help="Or the shift to exchange it for.")] = None,
) -> None:
    """Give a shift to another person, or exchange two; prints the ids of the new shifts."""
    from server.commands import desk

    for made in desk.swap(ledger, county, shift, person, with_):
        print(made)


@on_ledger
def roster_withdraw(
    ledger: Ledger,
    county: str | None,
    shift: Shift,
    reason: Annotated[str, typer.Option(metavar="WHY", help="Kept in the audit.")],
) -> None:
    """Take somebody off call; nobody takes over."""
    from server.commands import desk

    desk.withdraw(ledger, county, shift, reason)


@on_ledger
def roster_import(
    ledger: Ledger,
    county: str | None,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV: slot, person, from, to (岗位、人员、开始、结束).")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would come of it.")] = False,
) -> None:
    """Take a whole spreadsheet of shifts: every line, or none."""
    from server.commands import desk

    print(desk.import_roster(ledger, county, file, dry_run=dry_run))


@on_ledger
def roster_gaps(ledger: Ledger, county: str | None) -> None:
    """Print the hours of the next 30 days that have nobody: slot, from, to."""
    from server.commands import desk

    for line in desk.gaps(ledger, county):
        print(line)


@contact.command("add")
@on_ledger
def contact_add(
    ledger: Ledger,
    county: str | None,
    channel: Annotated[str, typer.Option(metavar="C", help="push, sms, call, group, conference or mail.")],
    address: Annotated[
        str | None, typer.Option(metavar="URL", help="As Apprise writes it, or gateway+https://…#NUMBER; else stdin.")
    ] = None,
    person: Annotated[str | None, typer.Option(metavar="P", help="Whose it is: id or name.")] = None,
    slot: Annotated[str | None, typer.Option(metavar="S", help="Or of whoever has this slot.")] = None,
) -> None:
    """Add a contact; prints its id. The address is never shown again."""
    import sys

    from server.commands import desk

    given = address if address is not None else sys.stdin.readline().strip()
    print(desk.add_contact(ledger, county, channel, given, person, slot))


@contact.command("list")
@on_ledger
def contact_list(ledger: Ledger, county: str | None) -> None:
    """Print the contacts: id, whose, channel, and no more of the address than its kind."""
    from server.commands import desk

    for line in desk.list_contacts(ledger, county):
        print(line)


@contact.command("remove")
@on_ledger
def contact_remove(
    ledger: Ledger,
    county: str | None,
    contact: Annotated[str, typer.Option(metavar="ID", help="The contact's id.")],
) -> None:
    """Use a contact no more."""
    from server.commands import desk

    desk.remove_contact(ledger, county, contact)


PolicyFile = Annotated[Path, typer.Argument(metavar="FILE.toml", help="The county's policy (docs/escalation.md).")]


@policy.command("check")
def policy_check(file: PolicyFile) -> None:
    """Say whether a policy could be had; needs no ledger."""
    from server.commands import desk
    from server.serve import need_server

    need_server()
    desk.check_policy(file)
    print("可用 good")


@policy.command("set")
@on_ledger
def policy_set(ledger: Ledger, county: str | None, file: PolicyFile) -> None:
    """Make it the county's, from now on; prints the version's number."""
    from server.commands import desk

    print(desk.set_policy(ledger, county, file))


@policy.command("show")
@on_ledger
def policy_show(ledger: Ledger, county: str | None) -> None:
    """Print the policy in force."""
    from server.commands import desk

    print(desk.show_policy(ledger, county))
