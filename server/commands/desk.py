"""``ecgnet admin roster|contact|policy|drill``: what a coordinator sets up, beside a running server or without one."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from server.commands.administration import in_county
from server.refusal import Refusal

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from county.sites import Site
    from ledger.database import Ledger, Transaction

GAPS_DAYS = 30
MOST_BYTES = 1 << 20


def _person(connection: Connection, county: str, named: str) -> str:
    """The id of a person named by id or name; the word itself if nobody is (it is refused later, in words)."""
    from county import people

    known = (one.id for one in people.all_people(connection, county) if named in (one.id, one.name))
    return next(known, named)


# --- roster -----------------------------------------------------------------------------------------------------------


def swap(ledger: Ledger, county: str | None, shift: str, person: str | None, other: str | None) -> list[str]:
    """The ids of the new shifts: ``person`` takes it over, or two are exchanged."""
    from county import rosters

    def work(tx: Transaction, which: str) -> list[str]:
        if (person is None) == (other is None):
            raise Refusal("换给谁：--person 或 --with 二选一。", "To whom: --person or --with, one of them.")
        if other is not None:
            made = list(rosters.exchange(tx, which, shift, other))
        else:
            made = [rosters.swap(tx, which, shift, _person(tx.connection, which, person or ""))]
        rosters.tell(tx, which)
        return made

    return in_county(ledger, county, work)


def withdraw(ledger: Ledger, county: str | None, shift: str, reason: str) -> None:
    """Nobody has this shift any more."""
    from county import rosters

    def work(tx: Transaction, which: str) -> None:
        rosters.withdraw(tx, which, shift, reason)
        rosters.tell(tx, which)

    in_county(ledger, county, work)


def import_roster(ledger: Ledger, county: str | None, file: Path, *, dry_run: bool) -> str:
    """One line: how many shifts are new, how many were there."""
    from county import roster_import, rosters

    lines = roster_import.read(_text(file))

    def work(tx: Transaction, which: str) -> roster_import.Imported:
        if dry_run:
            return roster_import.try_out(tx, which, lines)
        taken = roster_import.take(tx, which, lines)
        rosters.tell(tx, which)
        return taken

    try:
        found = in_county(ledger, county, work)
    except roster_import.Tried as tried:
        found = tried.found
    return f"{found.added} new, {found.known} known{' (dry run: nothing was kept)' if dry_run else ''}"


def gaps(ledger: Ledger, county: str | None) -> Iterator[str]:
    """One line a gap of the next days: slot, from, to."""
    from county import rosters
    from county.counties import only_county
    from county.rosters import Slot
    from ledger.clock import SECOND, iso
    from triage import policies

    now = ledger.clock.now()

    def found(connection: Connection) -> list[rosters.Gap]:
        which = only_county(connection, county).id
        watched = [Slot(slot) for slot in policies.of(connection, which, now).watched]
        return rosters.gaps(connection, which, watched, now, now + GAPS_DAYS * 86400 * SECOND)

    for gap in ledger.read(found):
        yield f"{gap.slot.value}\t{iso(gap.from_at)}\t{iso(gap.to_at) or '-'}"


# --- contacts ---------------------------------------------------------------------------------------------------------


def add_contact(
    ledger: Ledger, county: str | None, channel: str, address: str, person: str | None, slot: str | None
) -> str:
    """The new contact's id. The address is checked, and nothing is sent."""
    from county import contacts
    from triage import channels

    problem = channels.check(address)
    if problem is not None:
        raise Refusal(f"这个地址不能用（{problem}）。", f"This address cannot be used ({problem}).")

    def work(tx: Transaction, which: str) -> str:
        who = None if person is None else _person(tx.connection, which, person)
        return contacts.add(tx, which, channel, address, person=who, slot=slot)

    return in_county(ledger, county, work)


def list_contacts(ledger: Ledger, county: str | None) -> Iterator[str]:
    """One line a contact: id, whose, channel, the scheme of its address and no more of it."""
    from county import contacts
    from county.counties import only_county

    known = ledger.read(lambda connection: contacts.all_contacts(connection, only_county(connection, county).id))
    for one, name in known:
        yield f"{one.id}\t{name or one.slot}\t{one.channel}\t{one.scheme}://…"


def remove_contact(ledger: Ledger, county: str | None, contact: str) -> None:
    """It is used no more."""
    from county import contacts

    in_county(ledger, county, lambda tx, which: contacts.remove(tx, which, contact))


# --- policy -----------------------------------------------------------------------------------------------------------


def check_policy(file: Path) -> None:
    """Refused in words if the county could not have it."""
    from county.errors import BadPolicy
    from triage import policies

    try:
        policies.parse(_text(file))
    except BadPolicy as error:
        raise Refusal(error.zh, error.en) from error


def set_policy(ledger: Ledger, county: str | None, file: Path) -> int:
    """The number of the county's new version."""
    from triage import policies

    text = _text(file)
    return in_county(ledger, county, lambda tx, which: policies.put(tx, which, text))


def show_policy(ledger: Ledger, county: str | None) -> str:
    """The text in force."""
    from county.counties import only_county
    from triage import policies

    now = ledger.clock.now()
    text = ledger.read(lambda connection: policies.text_of(connection, only_county(connection, county).id, now))
    return "# CLINICAL.md §5.7" if text is None else text.rstrip("\n")


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise Refusal(f"{file} 太大。", f"{file} is too large.")
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(f"{file} 读不了（要 UTF-8）。", f"{file} cannot be read (UTF-8 is needed).") from error


# --- drill ------------------------------------------------------------------------------------------------------------


def drill(ledger: Ledger, county: str | None, site: str | None, wait_s: float) -> Iterator[str]:
    """The exam's id at once, then a line with each stage as it is reached, until it is decided or time is over."""
    from county.counties import only_county
    from triage import drills

    which = ledger.read(lambda connection: only_county(connection, county)).id
    exam = ledger.write(lambda tx: begin_drill(tx, which, site))
    yield exam
    until = time.monotonic() + wait_s
    shown: dict[str, object] = {}
    while True:
        now = asdict(ledger.read(lambda connection: drills.measured(connection, which, exam)))
        for stage, value in now.items():
            if stage.endswith("_s") and value is not None and stage not in shown:
                yield f"{stage.removesuffix('_s')}\t{value:.3f} s"
                shown[stage] = value
        if "decided_s" in shown or time.monotonic() >= until:
            yield f"rungs {now['rungs']}, messages {now['delivered']} of {now['sent']} delivered"
            return
        time.sleep(0.5)


def begin_drill(tx: Transaction, county: str, site: str | None) -> str:
    """A made-up infarction at a site (the first one without a name), as ingest would take it; the exam's id."""
    from sqlalchemy import select, update

    from county import sites
    from ingest import receive
    from ingest.context import Context
    from ledger import schema
    from triage import drills

    where = sites.need(tx.connection, county, site) if site else _first_site(tx, county)
    ready = receive.prepare(
        receive.Submission(county, where.id, "drill", [("drill.zip", infarction())], Context(symptoms=("chest_pain",)))
    )
    heard = select(schema.site.c.last_exam_at).where(schema.site.c.county_id == county, schema.site.c.id == where.id)
    before = tx.connection.execute(heard).scalar_one()
    exam = receive.accept(tx, ready).exam
    drills.mark(tx, county, exam)
    quiet = update(schema.site).where(schema.site.c.county_id == county, schema.site.c.id == where.id)
    tx.connection.execute(quiet.values(last_exam_at=before))  # a drill ends no clinic's silence
    return exam


def _first_site(tx: Transaction, county: str) -> Site:
    from county import sites

    known = sites.all_sites(tx.connection, county, tx.now)
    if not known:
        raise Refusal("这个县还没有站点。", "This county has no clinic yet.")
    return known[0].site


def infarction() -> bytes:
    """A made-up acute anterior infarction as a zip; no two are the same bytes."""
    from ecg.formats.wfdb_write import wfdb_zip
    from ecg.synthesis import TERRITORIES, Heart, Noise, synthesise

    heart = Heart(rate_bpm=84.0, st_mv=TERRITORIES["anterior"], t_scale=1.1)
    return wfdb_zip(synthesise(heart, Noise(), seed=random.SystemRandom().randrange(2**31)).recording, "drill")
