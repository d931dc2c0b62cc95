"""``ecgnet admin enrol|site|device``: clinics and devices, beside a running server or without one."""

from __future__ import annotations

import contextlib
import csv
import html
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from server.commands.administration import in_county
from server.refusal import Refusal

if TYPE_CHECKING:
    from county.devices import Known
    from county.enrolment import Code
    from county.readiness import Readiness
    from county.sites_import import Imported, Step
    from ledger.database import Ledger, Transaction


def enrol(ledger: Ledger, county: str | None, site: str, device: str | None, hours: int) -> Code:
    """A new one-time code."""
    from county import enrolment

    return in_county(ledger, county, lambda tx, which: enrolment.begin(tx, which, site, device=device, hours=hours))


def show(made: Code, out: TextIO) -> None:
    """The code as a QR for the terminal, and until when it counts."""
    import segno

    segno.make(made.code, error="m", micro=False).terminal(out=out, compact=True)
    until = _local(made.expires_at)
    print(f"一次性开通码，有效期至 {until}。 A one-time code, valid until {until}.", file=out)


def rotate(ledger: Ledger, county: str | None, device: str, reason: str | None) -> str:
    """The device's new key; it is not kept, so this is the only time it is seen."""
    from county import devices

    return in_county(ledger, county, lambda tx, which: devices.rotate(tx, which, device, reason=reason))


def revoke(ledger: Ledger, county: str | None, device: str, reason: str | None) -> None:
    """The device's key opens nothing any more."""
    from county import devices

    in_county(ledger, county, lambda tx, which: devices.revoke(tx, which, device, reason=reason))


def list_devices(ledger: Ledger, county: str | None) -> Iterator[str]:
    """One line a device, parted by tabs: id, township, clinic, name, state, last beat, version, waiting, clock."""
    from county import devices
    from county.counties import only_county
    from ledger.clock import iso

    which = ledger.read(lambda connection: only_county(connection, county)).id
    for one in ledger.read(lambda connection: devices.all_devices(connection, which)):
        cells = (one.id, one.township, one.site_name, one.name, "revoked" if one.revoked_at else "in use")
        beat = (iso(one.seen_at), one.version, one.waiting, _clock(one))
        yield "\t".join("-" if cell is None else str(cell) for cell in (*cells, *beat))


def _clock(one: Known) -> str | None:
    if one.clock_offset_us is None or one.clock_uncertainty_us is None:
        return None
    return f"{one.clock_offset_us / 1e6:+.1f} s ± {one.clock_uncertainty_us / 1e6:.1f}"


# --- clinics ----------------------------------------------------------------------------------------------------------


def list_sites(ledger: Ledger, county: str | None) -> Iterator[str]:
    """One line a clinic, parted by tabs: id, township, name, telephone, last ECG, live since or what it waits for."""
    from county import readiness, sites
    from county.counties import only_county
    from ledger.clock import iso

    which = ledger.read(lambda connection: only_county(connection, county)).id
    now = ledger.clock.now()
    for one in ledger.read(lambda connection: sites.all_sites(connection, which, now)):
        site = one.site
        ready = ledger.read(lambda connection, site=site: readiness.readiness(connection, which, site.id))
        cells = (site.id, site.township, site.name, site.phone or "-", iso(site.last_exam_at) or "-", _state(ready))
        yield "\t".join(cells)


def trained(ledger: Ledger, county: str | None, site: str, who: str) -> str:
    """Live since when, or what the clinic still waits for."""
    from county import readiness

    return _state(in_county(ledger, county, lambda tx, which: readiness.record_training(tx, which, site, who=who)))


def passed(ledger: Ledger, county: str | None, site: str, exam: str | None) -> str:
    """Live since when, or what the clinic still waits for."""
    from county import readiness

    return _state(in_county(ledger, county, lambda tx, which: readiness.record_test(tx, which, site, exam)))


def _state(ready: Readiness) -> str:
    from ledger.clock import iso

    if ready.live_at is not None:
        return f"live {iso(ready.live_at)}"
    waits = [what for what, done in (("training", ready.trained_at), ("test", ready.test_exam)) if done is None]
    return f"waits for {' and '.join(waits)}"


# --- a spreadsheet ----------------------------------------------------------------------------------------------------


def import_sites(
    ledger: Ledger, county: str | None, file: Path, *, dry_run: bool, codes: Path | None, hours: int
) -> Iterator[str]:
    """One line for each of the file's, then the sum; the codes of new devices go into ``codes``, for our eyes alone."""
    from county import sites_import

    try:
        lines = sites_import.read(sites_import.decode(file.read_bytes()))
    except OSError as error:
        raise Refusal(f"{file} 读不了：{error.strerror}。", f"{file} cannot be read: {error.strerror}.") from error

    def work(tx: Transaction, which: str) -> Imported:
        if dry_run:
            return sites_import.try_out(tx, which, lines)
        return sites_import.take(tx, which, lines, hours=None if codes is None else hours)

    with contextlib.ExitStack() as stack:
        kept = None if codes is None or dry_run else stack.enter_context(_new_file(codes))
        try:
            found = in_county(ledger, county, work)
        except sites_import.Tried as tried:
            found = tried.found
        except BaseException:
            if kept is not None and codes is not None:
                codes.unlink()
            raise
        if kept is not None and codes is not None:
            made = [step for step in found.steps if step.code is not None]
            kept.write(_sheet(made) if codes.suffix.lower() in (".html", ".htm") else _table(made))
    yield from (f"{step.number}\t{step.zh}\t{step.en}" for step in found.steps)
    yield (
        f"{found.new_sites} new sites, {found.changed} changed, {found.new_devices} new devices, "
        f"{found.untouched} not in the file{' (dry run: nothing was kept)' if dry_run else ''}"
    )


def _new_file(path: Path) -> TextIO:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Refusal(f"{path} 不能新建：{error.strerror}。", f"{path} cannot be made: {error.strerror}.") from error
    return os.fdopen(descriptor, "w", encoding="utf-8", newline="")


def _table(made: list[Step]) -> str:
    """A spreadsheet, with the mark by which Chinese Windows knows UTF-8."""
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(("乡镇", "名称", "设备", "站点编号", "开通码", "有效期至"))
    for step in made:
        assert step.code is not None
        rows.writerow((*_named(step), step.site.id, step.code.code, _local(step.code.expires_at)))
    return "\ufeff" + out.getvalue()


def _sheet(made: list[Step]) -> str:
    """A page to print and to cut: one slip a device, with its code as text and as QR."""
    import segno

    slips: list[str] = []
    for step in made:
        assert step.code is not None
        where, name, device = (html.escape(text) for text in _named(step))
        drawn = segno.make(step.code.code, error="m", micro=False).svg_inline(scale=4)
        slips.append(
            f"<section>{drawn}<div><h2>{name}</h2><p>{where} · {device}</p><p><code>{step.code.code}</code></p>"
            f"<p>一次性开通码，有效期至 {_local(step.code.expires_at)}</p></div></section>"
        )
    style = (
        "body{font:14px sans-serif}section{display:flex;gap:16px;align-items:center;border:1px dashed #888;"
        "padding:12px;margin:8px;break-inside:avoid}code{font-size:20px}h2{margin:0}p{margin:4px 0}"
    )
    head = f'<!doctype html><html lang="zh"><meta charset="utf-8"><title>开通码</title><style>{style}</style>'
    return head + "\n".join(slips)


def _named(step: Step) -> tuple[str, str, str]:
    return step.site.township, step.site.name, step.device or ""


def _local(at: int) -> str:
    """An instant as people in China write it."""
    from datetime import UTC, datetime

    from county.sites import CHINA
    from ledger.clock import SECOND

    return datetime.fromtimestamp(at // SECOND, UTC).astimezone(CHINA).strftime("%Y-%m-%d %H:%M")
