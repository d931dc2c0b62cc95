"""``ecgnet admin``: short transactions on the ledger, beside a running server or without one."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeVar

from server import serve as server
from server.refusal import Refusal

if TYPE_CHECKING:
    from ledger.database import Ledger, Transaction

T = TypeVar("T")

LISTED_DAYS = 7


@contextmanager
def opened(data: Path | None, database: str | None) -> Generator[Ledger]:
    """The ledger of these settings, migrated; what the county refuses becomes a :class:`Refusal`."""
    settings = server.settings_of({"data": data, "database": database})
    from county.errors import CountyError

    if settings.is_sqlite:
        server.prepare_folder(settings.data)
    ledger = server.open_ledger(settings)
    try:
        server.migrate(ledger)
        yield ledger
    except CountyError as error:
        raise Refusal(error.zh, error.en) from error
    finally:
        ledger.close()


def add_county(ledger: Ledger, name: str, phone: str) -> str:
    """The new county's id."""
    from county.counties import add_county

    return ledger.write(lambda tx: add_county(tx, name, phone))


def add_site(ledger: Ledger, county: str | None, name: str, township: str, phone: str) -> str:
    """The new site's id."""
    from county import sites

    return in_county(ledger, county, lambda tx, which: sites.add(tx, which, name, township, phone))


def add_device(ledger: Ledger, county: str | None, site: str) -> str:
    """The new device's key; it is not kept, so this is the only time it is seen."""
    from county import devices

    return in_county(ledger, county, lambda tx, which: devices.add(tx, which, site)[1])


def password_from(stream: TextIO) -> str:
    """The password: the first line of standard input, without its line end; asked for without echo at a terminal."""
    if stream.isatty():
        import getpass

        return getpass.getpass("密码 password: ")
    return stream.readline().rstrip("\r\n")


def add_person(
    ledger: Ledger, county: str | None, name: str, role: str, password: str, site: str | None, phone: str
) -> str:
    """The new person's id."""
    from county import people
    from county.passwords import hash_password

    kept = hash_password(password)  # slow: outside the transaction
    return in_county(ledger, county, lambda tx, which: people.add(tx, which, name, role, kept, site, phone))


def add_shift(ledger: Ledger, county: str | None, slot: str, person: str, from_: str | None, to: str) -> str:
    """The new shift's id."""
    from county import people, rosters

    begins = None if from_ is None else _instant(from_)
    ends = _instant(to)

    def add(tx: Transaction, which: str) -> str:
        named = [known.id for known in people.all_people(tx.connection, which) if person in (known.id, known.name)]
        who = named[0] if named else person
        return rosters.add(tx, which, slot, who, tx.now if begins is None else begins, ends)

    return in_county(ledger, county, add)


def shifts(ledger: Ledger, county: str | None) -> Iterator[str]:
    """One line a shift of now and the next days: slot, person, from, to, parted by tabs."""
    from county import rosters
    from county.counties import only_county
    from ledger.clock import SECOND, iso

    now = ledger.clock.now()
    until = now + LISTED_DAYS * 86400 * SECOND
    which = ledger.read(lambda connection: only_county(connection, county)).id
    running = ledger.read(lambda connection: rosters.on_duty(connection, which, now))
    coming = ledger.read(lambda connection: rosters.next_shifts(connection, which, now, until))
    for slot, people in running.items():
        yield from (f"{slot.value}\t{person.name}\t{person.id}\tnow" for person in people)
    for shift in coming:
        yield f"{shift.slot.value}\t{shift.person.name}\t{shift.person.id}\t{iso(shift.from_at)}\t{iso(shift.to_at)}"


def in_county(ledger: Ledger, county: str | None, work: Callable[[Transaction, str], T]) -> T:
    """One transaction on the county that is meant."""
    from county.counties import only_county

    return ledger.write(lambda tx: work(tx, only_county(tx.connection, county).id))


def _instant(text: str) -> int:
    from ledger.clock import instant

    try:
        return instant(text)
    except ValueError as error:
        raise Refusal(
            f"时间“{text}”不能用：要写成 2026-11-24T20:00:00+08:00 这样，带时区。",
            f"The time “{text}” cannot be used: write it like 2026-11-24T20:00:00+08:00, with its zone.",
        ) from error
