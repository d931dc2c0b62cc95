"""What an operator does for clinics and devices on the command line."""

from __future__ import annotations

import csv
import io
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from county import counties, devices, sites
from county.errors import CountyError
from county.sites_import import BadSites
from ledger.database import Ledger
from server import cli
from server.commands import administration
from server.commands import devices as work
from server.refusal import Refusal
from tests.county.test_enrolment import FORM

FILE = "乡镇,名称,设备\n柳河镇,石桥村卫生室,心电图机\n柳河镇,<大湾村>,心电图机\n"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with administration.opened(tmp_path, None) as opened:
        opened.write(lambda tx: sites.add(tx, counties.add_county(tx, "青石县"), "上坪村", "上坪乡"))
        yield opened


def only_site(ledger: Ledger) -> str:
    (line,) = work.list_sites(ledger, None)
    return line.split("\t")[0]


def test_enrol_prints_the_code_alone_into_a_pipe_and_a_qr_at_a_terminal(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["ecgnet", "admin", "enrol", "--data", str(tmp_path), "--site", only_site(ledger)]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    piped = capsys.readouterr()
    assert (ended.value.code, piped.err) == (0, "")
    assert FORM.fullmatch(piped.out.strip())
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with pytest.raises(SystemExit):
        cli.main()
    seen = capsys.readouterr()
    assert FORM.fullmatch(seen.out.strip())
    assert "▄" in seen.err
    assert "有效期至" in seen.err


def test_a_spreadsheet_is_tried_then_taken_and_its_codes_are_for_our_eyes_alone(ledger: Ledger, tmp_path: Path) -> None:
    file, codes = tmp_path / "sites.csv", tmp_path / "codes.csv"
    file.write_bytes(FILE.encode("gbk"))
    tried = list(work.import_sites(ledger, None, file, dry_run=True, codes=codes, hours=24))
    assert tried[-1] == "2 new sites, 0 changed, 2 new devices, 1 not in the file (dry run: nothing was kept)"
    assert not codes.exists()
    done = list(work.import_sites(ledger, None, file, dry_run=False, codes=codes, hours=24))
    assert done[:-1] == tried[:-1]
    assert stat.S_IMODE(codes.stat().st_mode) == 0o600
    head, *rows = csv.reader(io.StringIO(codes.read_text("utf-8-sig")))
    assert head[4] == "开通码"
    assert [row[:3] for row in rows] == [["柳河镇", "石桥村卫生室", "心电图机"], ["柳河镇", "<大湾村>", "心电图机"]]
    assert all(FORM.fullmatch(row[4]) for row in rows)
    with pytest.raises(Refusal, match="cannot be made"):
        list(work.import_sites(ledger, None, file, dry_run=False, codes=codes, hours=24))
    listed = [line.split("\t") for line in work.list_sites(ledger, None)]
    assert [line[2] for line in listed] == ["上坪村", "<大湾村>", "石桥村卫生室"]
    assert {line[5] for line in listed} == {"waits for training and test"}


def test_codes_can_be_printed_and_a_file_that_fails_leaves_none(ledger: Ledger, tmp_path: Path) -> None:
    file, codes = tmp_path / "sites.csv", tmp_path / "codes.html"
    file.write_text(FILE + "柳河镇,\n", "utf-8")
    with pytest.raises(BadSites):
        list(work.import_sites(ledger, None, file, dry_run=False, codes=codes, hours=24))
    assert not codes.exists()
    file.write_text(FILE, "utf-8-sig")
    list(work.import_sites(ledger, None, file, dry_run=False, codes=codes, hours=24))
    page = codes.read_text("utf-8")
    assert (page.count("<section>"), page.count("<svg")) == (2, 2)
    assert "<大湾村>" not in page
    assert "&lt;大湾村&gt;" in page
    with pytest.raises(Refusal, match="cannot be read"):
        list(work.import_sites(ledger, None, tmp_path / "no.csv", dry_run=True, codes=None, hours=24))


def test_a_device_is_listed_gets_another_key_and_is_taken_out_of_use(ledger: Ledger) -> None:
    key = administration.add_device(ledger, None, only_site(ledger))
    (line,) = work.list_devices(ledger, None)
    device = line.split("\t")[0]
    assert line.split("\t")[1:] == ["上坪乡", "上坪村", "-", "in use", "-", "-", "-", "-"]
    other = work.rotate(ledger, None, device, "lost")
    assert [ledger.read(lambda c, k=k: devices.by_key(c, k)) is None for k in (key, other)] == [True, False]
    work.revoke(ledger, None, device, "broken")
    assert ledger.read(lambda c: devices.by_key(c, other)) is None
    assert "revoked" in next(work.list_devices(ledger, None))
    with pytest.raises(CountyError):
        work.revoke(ledger, None, device, "again")


def test_a_clinic_is_trained_and_waits_for_its_test(ledger: Ledger) -> None:
    site = only_site(ledger)
    assert work.trained(ledger, None, site, "吴医生") == "waits for test"
    with pytest.raises(CountyError):
        work.passed(ledger, None, site, None)
