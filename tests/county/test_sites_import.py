"""A county's sites and devices from a spreadsheet: tried line by line, all or nothing, as Chinese Windows writes it."""

from __future__ import annotations

from typing import Any

import pytest

from county import devices, errors, readiness, sites, sites_import
from ledger import schema
from ledger.ids import new_id
from tests.county.world import World, on_sqlite

FILE = (
    "乡镇,名称,电话,横坐标,纵坐标,设备\n"
    "上坪乡,上坪村卫生室,0996-9,0.25,0.75,心电图机\n"
    "下坪乡,下坪村卫生室,,,,\n"
    "柳河镇,石桥村卫生室,0996-3,0.1,0.2,心电图机\n"
    "柳河镇,石桥村卫生室,,,,备用机\n"
    "\n"
)


def take(world: World, text: str, **more: Any) -> sites_import.Imported:
    return world.ledger.write(lambda tx: sites_import.take(tx, world.county, sites_import.read(text), **more))


def try_out(world: World, text: str) -> sites_import.Imported:
    with pytest.raises(sites_import.Tried) as tried:
        world.ledger.write(lambda tx: sites_import.try_out(tx, world.county, sites_import.read(text)))
    return tried.value.found


def everything(world: World) -> list[Any]:
    return [world.rows(table) for table in (schema.site, schema.device, schema.enrolment, schema.audit, schema.county)]


def test_a_dry_run_says_each_line_and_keeps_nothing_and_the_run_then_does_that(world: World) -> None:
    before = everything(world)
    tried = try_out(world, FILE)
    assert everything(world) == before
    assert [step.en for step in tried.steps] == [
        "上坪乡 上坪村卫生室: phone 0996-1 → 0996-9; new device 心电图机",
        "下坪乡 下坪村卫生室: no change",
        "柳河镇 石桥村卫生室: new site; new device 心电图机",
        "柳河镇 石桥村卫生室: no change; new device 备用机",
    ]
    assert [step.number for step in tried.steps] == [2, 3, 4, 5]
    assert tried.steps[0].zh == "上坪乡 上坪村卫生室：电话 0996-1 → 0996-9；新设备 心电图机"
    done = take(world, FILE)
    assert [(step.zh, step.en) for step in done.steps] == [(step.zh, step.en) for step in tried.steps]
    assert (done.new_sites, done.changed, done.new_devices, done.untouched) == (1, 1, 3, 0)
    (new,) = [row for row in world.rows(schema.site) if row["id"] not in (world.site, world.other_site)]
    assert (new["name"], new["township"], new["phone"], new["map_x"], new["map_y"], new["live_at"]) == (
        "石桥村卫生室", "柳河镇", "0996-3", 0.1, 0.2, None,
    )  # fmt: skip
    changes = [row["detail"] for row in world.rows(schema.audit) if row["action"] == "site.change"]
    assert changes == [{"phone": ["0996-1", "0996-9"]}]
    again = take(world, FILE)
    assert (again.new_sites, again.changed, again.new_devices) == (0, 0, 0)


@on_sqlite
def test_a_new_devices_key_is_nobodys_until_its_code_is_exchanged(world: World) -> None:
    made = [step.code for step in take(world, FILE, hours=24).steps if step.code]
    assert len({code.code for code in made}) == 3
    waiting = world.rows(schema.enrolment)
    assert {row["device_id"] for row in waiting} == {row["id"] for row in world.rows(schema.device)} - {world.device}
    assert all(code.code not in str(everything(world)) for code in made)


@on_sqlite
def test_384_clinics_at_once(world: World) -> None:
    lines = "".join(f"乡{k % 42},村{k}卫生室,0996-{k},心电图机\n" for k in range(384))
    done = take(world, "township,name,phone,device\n" + lines)
    assert (done.new_sites, done.new_devices, done.untouched) == (384, 384, 2)
    assert len(world.rows(schema.site)) == 386


@on_sqlite
@pytest.mark.parametrize(
    ("bad", "number", "code"),
    [
        ("乡镇,名称\n上坪乡,\n", 2, "bad-name"),
        ("乡镇,名称,横坐标\n上坪乡,甲,0.5\n", 2, "off-the-map"),
        ("乡镇,名称,横坐标,纵坐标\n上坪乡,甲,0.5,東\n", 2, "number"),
        ("乡镇,名称,横坐标,纵坐标\n上坪乡,乙,,\n上坪乡,甲,nan,0.5\n", 3, "off-the-map"),
        ("编号,乡镇,名称\nno-such-site,上坪乡,甲\n", 2, "unknown-site"),
        ("乡镇,名称,电话\n新乡,甲,1\n新乡,甲,2\n", 3, "differ"),
    ],
)
def test_one_bad_line_is_named_and_nothing_of_the_file_counts(world: World, bad: str, number: int, code: str) -> None:
    before = everything(world)
    with pytest.raises(errors.BadSites) as refused:
        take(world, bad)
    assert str(number) in refused.value.en
    assert str(number) in refused.value.zh
    assert code
    assert everything(world) == before


@pytest.mark.parametrize("bad", ["", "站点名\nx\n", "名称\n甲\n", 'name,township\n"a,b\n'])
def test_a_file_without_its_columns_is_refused(bad: str) -> None:
    with pytest.raises(errors.BadSites) as refused:
        sites_import.read(bad)
    assert any("\u4e00" <= letter <= "\u9fff" for letter in refused.value.zh)


@on_sqlite
def test_a_site_is_renamed_by_its_id_and_of_two_namesakes_the_id_decides(world: World) -> None:
    done = take(world, f"id,township,name\n{world.site},新坪乡,新坪村卫生室\n")
    assert done.steps[0].en == "新坪乡 新坪村卫生室: name 上坪村卫生室 → 新坪村卫生室; township 上坪乡 → 新坪乡"
    known = world.ledger.read(lambda connection: sites.need(connection, world.county, world.site))
    assert (known.name, known.phone, known.map_x) == ("新坪村卫生室", "0996-1", 0.25), "what is not said stays"
    world.ledger.write(lambda tx: sites.add(tx, world.county, "新坪村卫生室", "新坪乡"))
    with pytest.raises(errors.BadSites, match="several sites"):
        take(world, "township,name,phone\n新坪乡,新坪村卫生室,1\n")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030", "utf-16"])
def test_what_spreadsheets_on_chinese_windows_write_is_read(encoding: str) -> None:
    lines = sites_import.read(sites_import.decode(FILE.encode(encoding)))
    assert [line.device for line in lines] == ["心电图机", None, "心电图机", "备用机"]
    tabbed = sites_import.read(sites_import.decode(FILE.replace(",", "\t").encode(encoding)))
    assert tabbed == lines


def test_what_is_no_text_or_too_long_is_refused() -> None:
    for data in (b"\xff\xff\xff\x81", b"x" * (sites_import.MOST_BYTES + 1)):
        with pytest.raises(errors.BadSites):
            sites_import.decode(data)
    with pytest.raises(errors.BadSites, match="5000"):
        sites_import.read("name,township\n" + "a,b\n" * (sites_import.MOST_LINES + 1))


@on_sqlite
def test_a_device_that_was_taken_out_of_use_is_new_when_the_file_names_it_again(world: World) -> None:
    take(world, FILE)
    (old,) = [row["id"] for row in world.rows(schema.device) if row["name"] == "备用机"]
    world.ledger.write(lambda tx: devices.revoke(tx, world.county, old))
    assert take(world, FILE).new_devices == 1


# --- going live ------------------------------------------------------------------------------------------------------


def send(world: World, grade: str | None, site: str | None = None, *, drill: bool = False) -> str:
    """The row of an ECG that was measured with this grade."""
    exam, place = new_id(), site or world.site

    def put(tx: Any) -> None:
        original = {"county_id": world.county, "sha256": exam, "bytes": 1, "encoding": "plain", "created_at": tx.now}
        tx.connection.execute(schema.original.insert().values(**original))
        row = {"county_id": world.county, "id": exam, "site_id": place, "sender": "d", "sha256": exam, "bytes": 1}
        said = {"files": [], "urgent": False, "symptoms": [], "conflicts": [], "context_problem": False, "advice": []}
        status = {"status": "received" if grade is None else "analysed", "grade": grade, "attempts": 0, "drill": drill}
        tx.connection.execute(schema.exam.insert().values(**row, **said, **status, received_at=tx.now))

    world.ledger.write(put)
    return exam


def train(world: World) -> readiness.Readiness:
    return world.ledger.write(lambda tx: readiness.record_training(tx, world.county, world.site, who="吴医生"))


def record_test(world: World, exam: str | None = None) -> readiness.Readiness:
    return world.ledger.write(lambda tx: readiness.record_test(tx, world.county, world.site, exam))


@pytest.mark.parametrize("trained_first", [True, False])
@on_sqlite
def test_a_site_is_live_once_somebody_was_trained_and_a_test_ecg_came_through(
    world: World, trained_first: bool
) -> None:
    exam = send(world, "B")
    first = train(world) if trained_first else record_test(world, exam)
    assert first.live_at is None
    world.clock.advance(60)
    second = record_test(world, exam) if trained_first else train(world)
    assert (second.live_at, second.test_exam) == (world.clock.now(), exam)
    listed = world.ledger.read(lambda connection: sites.all_sites(connection, world.county, world.clock.now()))
    on_its_way = {one.site.id: (one.trained_at is not None, one.test_exam) for one in listed}
    assert on_its_way == {world.site: (True, exam), world.other_site: (False, None)}
    world.clock.advance(60)
    assert train(world).live_at == second.live_at, "it has been live since then"
    actions = [row["action"] for row in world.rows(schema.audit)]
    assert actions.count("site.live") == 1


def test_only_a_measured_ecg_of_the_site_itself_is_a_test(world: World) -> None:
    others = (send(world, "A", world.other_site), send(world, "D"), send(world, "E"), send(world, None), "none")
    drill = send(world, "A", drill=True)
    for exam in (None, *others, drill):
        with pytest.raises(errors.NoTestEcg):
            record_test(world, exam)
    good = send(world, "C")
    assert record_test(world).test_exam == good
