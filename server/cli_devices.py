"""The command line's part for clinics and devices: enrol, keys, a spreadsheet of sites, going live."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from server.cli_ledger import on_ledger

if TYPE_CHECKING:
    from ledger.database import Ledger

Site = Annotated[str, typer.Option(metavar="ID", help="The clinic's id.")]
Device = Annotated[str, typer.Option(metavar="ID", help="The device's id.")]
Reason = Annotated[str | None, typer.Option(metavar="WHY", help="Kept in the audit.")]
Hours = Annotated[int, typer.Option(metavar="N", help="How long a code is valid.", min=1, max=720)]


def register(admin: typer.Typer, site: typer.Typer, device: typer.Typer) -> None:
    """Put the commands where they belong."""
    admin.command("enrol")(enrol)
    for name, command in (
        ("import", site_import),
        ("trained", site_trained),
        ("test", site_test),
        ("list", site_list),
    ):
        site.command(name)(command)
    for name, command in (("rotate", device_rotate), ("revoke", device_revoke), ("list", device_list)):
        device.command(name)(command)


@on_ledger
def enrol(
    ledger: Ledger,
    county: str | None,
    site: Site,
    device: Annotated[
        str | None, typer.Option(metavar="ID", help="A known device: its key is replaced; else it is a new one.")
    ] = None,
    hours: Hours = 72,
) -> None:
    """Print a one-time code that a device exchanges for its key; on a terminal as QR too."""
    from server.commands import devices

    made = devices.enrol(ledger, county, site, device, hours)
    if sys.stdout.isatty():
        devices.show(made, sys.stderr)
    print(made.code)


@on_ledger
def device_rotate(ledger: Ledger, county: str | None, device: Device, reason: Reason = None) -> None:
    """Give a device another key, printed this once; the one before opens nothing."""
    from server.commands import devices

    print(devices.rotate(ledger, county, device, reason))


@on_ledger
def device_revoke(ledger: Ledger, county: str | None, device: Device, reason: Reason = None) -> None:
    """Take a device out of use: its key opens nothing from now on, and is on record when it is tried."""
    from server.commands import devices

    devices.revoke(ledger, county, device, reason)


@on_ledger
def device_list(ledger: Ledger, county: str | None) -> None:
    """Print the devices: id, clinic, name, state, last beat, version, waiting, clock."""
    from server.commands import devices

    for line in devices.list_devices(ledger, county):
        print(line)


@on_ledger
def site_import(
    ledger: Ledger,
    county: str | None,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV: name, township, phone, x, y, device, id.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say, line by line, what would change.")] = False,
    codes: Annotated[
        Path | None, typer.Option(metavar="OUT", help="One-time codes of the new devices: .csv, or .html to print.")
    ] = None,
    hours: Hours = 336,
) -> None:
    """Take a whole county's clinics and devices from a spreadsheet: every line, or none."""
    from server.commands import devices

    for line in devices.import_sites(ledger, county, file, dry_run=dry_run, codes=codes, hours=hours):
        print(line)


@on_ledger
def site_trained(
    ledger: Ledger,
    county: str | None,
    site: Site,
    who: Annotated[str, typer.Option(metavar="NAME", help="Who was trained; kept in the audit.")] = "",
) -> None:
    """Say that somebody at a clinic was trained; with a test ECG too it goes live."""
    from server.commands import devices

    print(devices.trained(ledger, county, site, who))


@on_ledger
def site_test(
    ledger: Ledger,
    county: str | None,
    site: Site,
    exam: Annotated[str | None, typer.Option(metavar="ID", help="The test ECG; the newest without it.")] = None,
) -> None:
    """Say that a clinic's test ECG came through (grade A to C); with a trained user too it goes live."""
    from server.commands import devices

    print(devices.passed(ledger, county, site, exam))


@on_ledger
def site_list(ledger: Ledger, county: str | None) -> None:
    """Print the clinics: id, township, name, telephone, last ECG, and what they wait for before they are live."""
    from server.commands import devices

    for line in devices.list_sites(ledger, county):
        print(line)
