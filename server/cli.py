"""The command line. Each command is declared here and does its work in a module that is imported only when it runs.

`docs/cli.md` documents every command and option; a test compares. What cannot be done is one sentence in Chinese and
English on standard error and exit code 1; a wrong use is exit code 2.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from server import cli_clinic, cli_desk, cli_devices, cli_keeping, cli_rating
from server.refusal import Refusal

OLDEST_PYTHON = (3, 11)

app = typer.Typer(
    name="ecgnet",
    help="A county's ECG network. 县域心电一张网。",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
admin = typer.Typer(help="Set up and check a server's ledger; works while serve runs.", no_args_is_help=True)
county = typer.Typer(help="Counties.", no_args_is_help=True)
site = typer.Typer(help="Clinics.", no_args_is_help=True)
device = typer.Typer(help="Devices and their keys.", no_args_is_help=True)
person = typer.Typer(help="People, roles, passwords.", no_args_is_help=True)
roster = typer.Typer(help="Who is on call.", no_args_is_help=True)
rules = typer.Typer(help="A county's own rule file.", no_args_is_help=True)
bench = typer.Typer(help="Measure the instrument.", no_args_is_help=True)
app.add_typer(admin, name="admin")
app.add_typer(bench, name="bench")
app.add_typer(rules, name="rules")
for _name, _group in (("county", county), ("site", site), ("device", device), ("person", person), ("roster", roster)):
    admin.add_typer(_group, name=_name)
cli_clinic.register(app)
cli_desk.register(app, admin, roster)
cli_rating.register(admin)
cli_keeping.register(admin)
cli_devices.register(admin, site, device)


def main() -> None:
    """The entry point ``ecgnet``."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # Chinese on a console of any code page, and in a pipe
            reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        refuse_old_python(sys.version_info[:2])
        app()
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        raise SystemExit(1) from None


def refuse_old_python(version: tuple[int, ...]) -> None:
    """:class:`Refusal` below :data:`OLDEST_PYTHON`."""
    if version < OLDEST_PYTHON:
        have, need = ".".join(map(str, version)), ".".join(map(str, OLDEST_PYTHON))
        raise Refusal(
            f"Python {have} 太旧，需要 {need} 或更新版本。", f"Python {have} is too old: {need} or newer is needed."
        )


# --- the instrument ------------------------------------------------------------------------------------------------


@app.command()
def analyze(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="ECG files of any format that is known.")],
    json: Annotated[bool, typer.Option("--json", help="One JSON line a file (ecgnet.analysis/1), in order.")] = False,
    ruleset: Annotated[
        str | None, typer.Option(metavar="ID|FILE.toml", help="A rule set, or a county's file; else udmi-2018.")
    ] = None,
    language: Annotated[str | None, typer.Option(metavar="zh|en", help="Of the text; the default is LANG's.")] = None,
) -> None:
    """Measure ECG files and say what was found, with the evidence."""
    from server.commands import instrument

    raise typer.Exit(
        instrument.analyze([str(file) for file in files], as_json=json, ruleset=ruleset, language=language)
    )


@app.command()
def draw(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An ECG file of any format that is known.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT.svg", help="Where the drawing goes.")],
) -> None:
    """Draw an ECG true to scale as SVG: 25 mm/s, 10 mm/mV."""
    from server.commands import instrument

    instrument.draw(file, output)


@app.command()
def compare(
    now: Annotated[Path, typer.Argument(metavar="NOW", help="The ECG that is to be judged.")],
    prior: Annotated[Path, typer.Argument(metavar="PRIOR", help="An earlier ECG of the same patient.")],
    proven: Annotated[bool, typer.Option("--proven", help="It is proven that both are of one person.")] = False,
    pain: Annotated[bool | None, typer.Option("--pain/--no-pain", help="Chest pain now; unknown without it.")] = None,
    after_lysis: Annotated[
        float | None, typer.Option(metavar="MIN", help="Minutes from thrombolysis to NOW; PRIOR was before it.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON line (ecgnet.comparison/1).")] = False,
    language: Annotated[str | None, typer.Option(metavar="zh|en", help="Of the text; the default is LANG's.")] = None,
) -> None:
    """Say what has changed since an earlier ECG: ST, T, QRS, rhythm."""
    from server.commands import comparing

    comparing.compare(now, prior, proven=proven, pain=pain, after_lysis=after_lysis, as_json=json, language=language)


@rules.command("check")
def rules_check(file: Annotated[Path, typer.Argument(metavar="FILE", help="A county's rule file (TOML).")]) -> None:
    """Check a county's rule file: every fault with its key, or what the file adds."""
    from server.commands import rules as work

    work.check(file)


@rules.command("try")
def rules_try(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A county's rule file (TOML).")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="ECG files, also in folders below it.")],
    json: Annotated[bool, typer.Option("--json", help="One JSON line an ECG that changes, then the counts.")] = False,
    language: Annotated[str | None, typer.Option(metavar="zh|en", help="Of the text; the default is LANG's.")] = None,
) -> None:
    """Try a rule file on a folder: which ECGs would get a label, and on what evidence."""
    from server.commands import rules as work

    raise typer.Exit(work.try_on(file, folder, as_json=json, language=language))


@app.command()
def send(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="ECG files; a .hea takes its .dat with it.")],
    to: Annotated[str, typer.Option(metavar="URL", help="The county's server.")],
    key: Annotated[str, typer.Option(metavar="KEY", help="The device key.")],
    urgent: Annotated[bool, typer.Option("--urgent", help="A human is asked for a human: RED.")] = False,
    symptom: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="chest_pain, dyspnoea, …; none: asked, and there is none.")
    ] = None,
) -> None:
    """Send ECG files to the county; prints each receipt as one JSON line."""
    from server.commands import sending

    raise typer.Exit(sending.send([str(file) for file in files], to, key, urgent=urgent, symptoms=symptom or []))


@bench.command("accuracy")
def bench_accuracy(
    data: Annotated[Path, typer.Option(metavar="DIR", help="The folder of published records.")] = Path(
        "../shared/data"
    ),
    out: Annotated[Path, typer.Option(metavar="PAGE.md", help="The page that is written.")] = Path("docs/accuracy.md"),
    peers: Annotated[
        bool, typer.Option("--peers/--no-peers", help="Other libraries beside it, if they are there.")
    ] = True,
    pictures: Annotated[bool, typer.Option("--pictures", help="Also draw the worst marks, beside the page.")] = False,
    records: Annotated[int | None, typer.Option(metavar="N", help="Only so many records a set.", min=1)] = None,
) -> None:
    """Measure the instrument on published records and write the page."""
    from server.commands import accuracy

    accuracy.run(data, out, peers=peers, pictures=pictures, records=records)


# --- the server ----------------------------------------------------------------------------------------------------

Data = Annotated[Path | None, typer.Option(metavar="DIR", help="The data folder (or ECGNET_DATA).")]
Database = Annotated[
    str | None, typer.Option(metavar="URL", help="The database; the default is SQLite in the data folder.")
]
County = Annotated[str | None, typer.Option(metavar="C", help="The county's name or id, where there are several.")]


def _need_data(data: Path | None, database: str | None) -> None:
    """Nothing is created in whatever folder one happens to be in."""
    if not (data or database or os.environ.get("ECGNET_DATA") or os.environ.get("ECGNET_DATABASE")):
        raise typer.BadParameter("需要 --data DIR 或 --database URL。 Give --data DIR or --database URL.")


@app.command()
def serve(
    data: Data = None,
    database: Database = None,
    host: Annotated[str | None, typer.Option(metavar="ADDRESS", help="The default is 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(metavar="N", help="The default is 8765; 0 takes a free one.")] = None,
    cert: Annotated[Path | None, typer.Option(metavar="F", help="Certificate with its chain (PEM).")] = None,
    key: Annotated[Path | None, typer.Option(metavar="F", help="The certificate's private key (PEM).")] = None,
    trusted_proxy: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="The reverse proxy that ends TLS in front.")
    ] = None,
) -> None:
    """Run the server: migrates the ledger, then answers until SIGTERM."""
    from server.commands import serving

    _need_data(data, database)
    flags = {"data": data, "database": database, "host": host, "port": port, "cert": cert, "key": key}
    serving.serve({**flags, "trusted_proxy": trusted_proxy})


@app.command()
def demo(
    data: Annotated[Path, typer.Option(metavar="DIR", help="Where the county is kept.")] = Path("demo-data"),
    port: Annotated[int, typer.Option(metavar="N", help="0 takes a free one.")] = 8765,
    seed: Annotated[int, typer.Option(metavar="N", help="Another number is another county.")] = 1,
) -> None:
    """Run a demonstration county: 42 townships, 384 clinics, and patients who come all day."""
    from server import demo as demonstration

    demonstration.run(data, port, seed)


# --- administration ------------------------------------------------------------------------------------------------


@county.command("add")
def county_add(
    name: Annotated[str, typer.Option(metavar="N", help="The county's name.")],
    phone: Annotated[str, typer.Option(metavar="P", help="What a clinic rings when nothing else works.")] = "",
    data: Data = None,
    database: Database = None,
) -> None:
    """Add a county; prints its id."""
    from server.commands import administration as work

    _need_data(data, database)
    with work.opened(data, database) as ledger:
        print(work.add_county(ledger, name, phone))


@site.command("add")
def site_add(
    name: Annotated[str, typer.Option(metavar="N", help="The clinic's name.")],
    township: Annotated[str, typer.Option(metavar="T", help="Its township.")],
    phone: Annotated[str, typer.Option(metavar="P", help="Its telephone, for the doctor who rings back.")] = "",
    county: County = None,
    data: Data = None,
    database: Database = None,
) -> None:
    """Add a clinic; prints its id."""
    from server.commands import administration as work

    _need_data(data, database)
    with work.opened(data, database) as ledger:
        print(work.add_site(ledger, county, name, township, phone))


@device.command("add")
def device_add(
    site: Annotated[str, typer.Option(metavar="ID", help="The clinic's id.")],
    county: County = None,
    data: Data = None,
    database: Database = None,
) -> None:
    """Add a device to a clinic; prints its key, this once."""
    from server.commands import administration as work

    _need_data(data, database)
    with work.opened(data, database) as ledger:
        print(work.add_device(ledger, county, site))


@person.command("add")
def person_add(
    name: Annotated[str, typer.Option(metavar="N", help="The name to sign in with.")],
    role: Annotated[str, typer.Option(metavar="R", help="clinic, cardiologist, coordinator or administrator.")],
    site: Annotated[str | None, typer.Option(metavar="ID", help="The clinic; without it, the whole county.")] = None,
    phone: Annotated[str, typer.Option(metavar="P", help="The telephone that the ladder rings.")] = "",
    county: County = None,
    data: Data = None,
    database: Database = None,
) -> None:
    """Add a person, with the password on standard input; prints the id."""
    from server.commands import administration as work

    _need_data(data, database)
    password = work.password_from(sys.stdin)
    with work.opened(data, database) as ledger:
        print(work.add_person(ledger, county, name, role, password, site, phone))


@roster.command("add")
def roster_add(
    slot: Annotated[str, typer.Option(metavar="S", help="first, backup, coordinator, chief or director.")],
    person: Annotated[str, typer.Option(metavar="P", help="The person's id or name.")],
    to: Annotated[str, typer.Option(metavar="TIME", help="When the shift ends: ISO 8601 with its zone.")],
    from_: Annotated[str | None, typer.Option("--from", metavar="TIME", help="When it begins; now without it.")] = None,
    county: County = None,
    data: Data = None,
    database: Database = None,
) -> None:
    """Add a shift; prints its id."""
    from server.commands import administration as work

    _need_data(data, database)
    with work.opened(data, database) as ledger:
        print(work.add_shift(ledger, county, slot, person, from_, to))


@roster.command("list")
def roster_list(county: County = None, data: Data = None, database: Database = None) -> None:
    """Print the shifts of now and of the next seven days: slot, person, from, to."""
    from server.commands import administration as work

    _need_data(data, database)
    with work.opened(data, database) as ledger:
        for line in work.shifts(ledger, county):
            print(line)


@admin.command("migrate")
def admin_migrate(data: Data = None, database: Database = None) -> None:
    """Bring the ledger to this version's schema, as serve does at its start."""
    from server.commands import administration as work

    _need_data(data, database)
    with work.opened(data, database):
        pass


if __name__ == "__main__":
    main()
