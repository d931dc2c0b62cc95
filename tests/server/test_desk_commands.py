"""What a coordinator does on the command line: rosters, contacts, policies, a drill; refusals in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from county import counties, people, rosters, sites
from county.errors import CountyError
from ledger import schema
from ledger.clock import SECOND, iso
from ledger.database import Ledger
from server.commands import administration, desk
from server.refusal import Refusal
from tests.triage.kit import NO_PASSWORD

ROSTER = "岗位,人员,开始,结束\n一线,甲,2030-10-01 08:00,2030-10-02 08:00\n"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with administration.opened(tmp_path, None) as opened:
        opened.write(_fill)
        yield opened


def _fill(tx: object) -> None:
    county = counties.add_county(tx, "青石县")  # type: ignore[arg-type]
    sites.add(tx, county, "上坪村", "上坪乡")  # type: ignore[arg-type]
    for name in ("甲", "乙"):
        people.add(tx, county, name, "cardiologist", NO_PASSWORD)  # type: ignore[arg-type]


def test_a_roster_is_tried_read_swapped_and_its_gaps_are_listed(ledger: Ledger, tmp_path: Path) -> None:
    file = tmp_path / "roster.csv"
    file.write_text(ROSTER, "utf-8")
    assert desk.import_roster(ledger, None, file, dry_run=True).startswith("1 new, 0 known (dry run")
    assert desk.import_roster(ledger, None, file, dry_run=False) == "1 new, 0 known"
    assert [line.split("\t")[0] for line in desk.gaps(ledger, None)] == ["first", "backup"]
    now = ledger.clock.now()
    shift = administration.add_shift(ledger, None, "first", "甲", None, iso(now + 3600 * SECOND) or "")
    (made,) = desk.swap(ledger, None, shift, "乙", None)
    county = ledger.read(counties.only_county).id
    (running,) = ledger.read(lambda connection: rosters.shifts_at(connection, county, ledger.clock.now()))
    assert (running.person.name, running.id) == ("乙", made)
    with pytest.raises(Refusal, match="--person"):
        desk.swap(ledger, None, made, None, None)
    desk.withdraw(ledger, None, made, "ill")
    assert [line.split("\t")[0] for line in desk.gaps(ledger, None)] == ["first", "backup"]
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(Refusal, match="UTF-8"):
        desk.import_roster(ledger, None, file, dry_run=True)


def test_a_contact_is_checked_listed_without_its_address_and_removed(ledger: Ledger) -> None:
    added = desk.add_contact(ledger, None, "sms", "gateway+https://sms.example/k?token=secret#138", "甲", None)
    assert list(desk.list_contacts(ledger, None)) == [f"{added}\t甲\tsms\tgateway+https://…"]
    for channel, address, person, slot in (
        ("sms", "gateway+ftp://x", "甲", None),
        ("pigeon", "gateway+https://x", "甲", None),
        ("sms", "gateway+https://x", None, None),
        ("sms", "gateway+https://x", "谁", None),
        ("sms", "gateway+https://x", None, "night"),
    ):
        with pytest.raises((Refusal, CountyError)):
            desk.add_contact(ledger, None, channel, address, person, slot)
    desk.remove_contact(ledger, None, added)
    assert list(desk.list_contacts(ledger, None)) == []


def test_a_policy_is_checked_set_and_shown(ledger: Ledger, tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    assert desk.show_policy(ledger, None) == "# CLINICAL.md §5.7"
    file.write_text("[ladder.RED]\nrepeat_s = 500\n")
    with pytest.raises(Refusal, match="120"):
        desk.check_policy(file)
    file.write_text("[ladder.RED]\nrepeat_s = 60\n")
    desk.check_policy(file)
    assert [desk.set_policy(ledger, None, file), desk.set_policy(ledger, None, file)] == [1, 2]
    assert desk.show_policy(ledger, None) == "[ladder.RED]\nrepeat_s = 60"


def test_a_drill_begins_with_its_exam_and_ends_with_what_was_reached(ledger: Ledger) -> None:
    exam, *_, last = list(desk.drill(ledger, None, None, 0))
    (row,) = ledger.read(lambda connection: connection.execute(schema.exam.select()).mappings().all())
    assert (row["id"], row["drill"], row["symptoms"]) == (exam, True, ["chest_pain"])
    assert last == "rungs 0, messages 0 of 0 delivered"
    with pytest.raises(CountyError):
        list(desk.drill(ledger, None, "nowhere", 0))
