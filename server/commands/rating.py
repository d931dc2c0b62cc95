"""``ecgnet admin rating``: a county's own table of colours is checked, tried on its last month, and put in force."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.commands.instrument import say
from server.refusal import Refusal

if TYPE_CHECKING:
    from ledger.database import Ledger

OPERATOR = "operator"


def check(file: Path) -> None:
    """:class:`Refusal` with every fault of the file."""
    from triage import rating_floor, rating_table

    try:
        rating_floor.checked(_text(file))
    except rating_table.BadTable as error:
        raise _refused(file, error) from error


def try_on(ledger: Ledger, county: str | None, file: Path) -> int:
    """Try the file on the county's last month; its version, kept and not yet in force."""
    from county.counties import only_county
    from triage import rating_table, rating_trial

    text = _text(file)
    which = ledger.read(lambda connection: only_county(connection, county)).id
    now = ledger.clock.now()
    try:
        tried = ledger.read(lambda connection: rating_trial.trial(connection, which, text, now))
    except rating_table.BadTable as error:
        raise _refused(file, error) from error
    for line in report(tried):
        say(line)
    return ledger.write(lambda tx: rating_trial.keep(tx, which, text, tried, OPERATOR))


def report(tried: dict[str, Any]) -> list[str]:
    """What the trial found, a line each."""
    before, after = tried["red"]
    lines = [f"{tried['exams']} ECG / {tried['days']} d    RED {before} → {after}"]
    lines += [f"{count:6d}  {change}" for change, count in tried["changed"].items()]
    return lines if tried["changed"] else [*lines, "没有变化。 Nothing changes."]


def activate(ledger: Ledger, county: str | None, version: int) -> None:
    """Put a version in force that was tried."""
    from county.counties import only_county
    from triage import rating_trial

    ledger.write(lambda tx: rating_trial.activate(tx, only_county(tx.connection, county).id, version, OPERATOR))


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(f"{file} 读不出来。", f"{file} cannot be read: {error}") from error


def _refused(file: Path, error: Any) -> Refusal:
    faults = error.faults
    return Refusal(
        f"{file} 不能用：" + "；".join(zh for zh, _ in faults),
        f"{file} cannot be used: " + "; ".join(en for _, en in faults),
    )
