"""Whole nights, by the clock on the wall. Times are CLINICAL.md §5.7's, added up by hand."""

from __future__ import annotations

from dataclasses import replace

from ledger import events, schema
from tests.stories.night import Night, answer_of
from tests.triage.kit import GREEN, LI, ORANGE, RED, WANG
from triage import merging
from triage.feed import Feed

ALL_NIGHT = ("02:00:00", "08:00:00")


def everybody(night: Night) -> None:
    for slot, who in (
        ("first", "cardiologist"),
        ("backup", "second"),
        ("coordinator", "coordinator"),
        ("chief", "chief"),
    ):
        night.on_call(slot, who, *ALL_NIGHT)
    night.at_screen = {"cardiologist", "coordinator"}


def test_a_stemi_at_three_with_the_first_doctor_asleep(night: Night) -> None:
    everybody(night)
    exam = night.at("03:00:00").world.sent(RED, patient=WANG, symptoms=("chest_pain",))
    night.until("03:02:10")
    assert night.called(exam) == [
        ("03:00:00", ["first"], "raised"),
        ("03:01:00", ["first", "backup"], "unanswered"),
        ("03:02:00", ["first", "backup", "coordinator"], "unanswered"),
    ]
    assert sorted(who for at, who in night.rang if at.startswith("03:01")) == ["cardiologist", "second"]
    case = night.world.case_of(exam)["id"]
    night.world.do("second", "acknowledge", case)
    night.at("03:05:00").world.do("second", "confirm", case)
    night.until("03:12:00")
    assert len(night.called(exam)) == 3, "answered and decided, nobody is called any more"
    assert not [at for at, _ in night.rang if at > "03:02:10"]
    stages = answer_of(night, exam)
    assert stages["seen_by"]["name"].endswith("second")
    assert "平卧" in stages["answer"]["action"]["zh"]
    night.world.do("clinic", "read-back", case)
    assert answer_of(night, exam)["read_back_at"] is not None


def test_a_shift_changes_during_an_alert(night: Night) -> None:
    night.on_call("first", "cardiologist", "02:00:00", "03:00:00")
    night.on_call("first", "second", "03:00:00", "08:00:00")
    night.on_call("backup", "chief", *ALL_NIGHT)
    night.on_call("coordinator", "coordinator", *ALL_NIGHT)
    night.at_screen = {"cardiologist", "second", "chief", "coordinator"}
    exam = night.at("02:59:30").world.sent(RED)
    night.until("03:01:40")
    assert night.people_called(exam) == [{"cardiologist"}, {"second", "chief"}, {"second", "chief", "coordinator"}]
    night.world.do("second", "acknowledge", night.world.case_of(exam)["id"])
    night.until("03:05:00")
    assert len(night.called(exam)) == 3
    assert night.world.events("roster.gap") == []


def test_a_false_alarm_is_stood_down(night: Night) -> None:
    everybody(night)
    exam = night.at("03:00:00").world.sent(RED)
    case = night.world.case_of(exam)["id"]
    night.at("03:00:40").world.do("cardiologist", "acknowledge", case)
    night.at("03:02:00").world.do("cardiologist", "stand-down", case, reason="early_repolarisation")
    night.until("03:10:00")
    assert [at for at, _, _ in night.called(exam)] == ["03:00:00"]
    assert night.rang == []
    answer = answer_of(night, exam)["answer"]
    assert answer["reason"]["code"] == "early_repolarisation"
    assert answer["colour"] == "GREEN"


def test_acknowledged_and_fallen_asleep_over_it(night: Night) -> None:
    everybody(night)
    exam = night.at("03:00:00").world.sent(RED)
    night.at("03:00:30").world.do("cardiologist", "acknowledge", night.world.case_of(exam)["id"])
    night.until("03:10:00")
    assert [(at, why) for at, _, why in night.called(exam)] == [
        ("03:00:00", "raised"),
        ("03:07:30", "undecided"),
        ("03:08:30", "undecided"),
    ]
    assert ("03:08:30", "cardiologist") in night.rang


def test_swapped_leads_are_taken_again(night: Night) -> None:
    everybody(night)
    first = night.at("03:00:00").world.sent(RED, patient=WANG)
    case = night.world.case_of(first)["id"]
    night.at("03:00:20").world.do("cardiologist", "acknowledge", case)
    night.world.do("cardiologist", "retake", case, reason="reversed", electrodes=("RA", "LA"))
    told = night.world.shown(first)["advice"]
    assert any("右臂" in one["zh"] and "左臂" in one["zh"] for one in told)
    again = night.at("03:04:00").world.sent(GREEN, patient=WANG)
    assert night.world.case_of(again)["id"] == case, "the same patient's episode"
    assert night.world.case_of(first)["colour"] == "RED", "a machine lowers nothing"
    night.world.do("cardiologist", "stand-down", case, reason="lead_reversal")
    night.until("03:12:00")
    assert [at for at, _, _ in night.called(first)] == ["03:00:00"]


def test_the_feed_is_cut_in_the_middle_and_nothing_is_missed(night: Night) -> None:
    everybody(night)
    doctor, ledger = night.world.actors["cardiologist"], night.world.ledger
    night.until("02:59:50")
    county = night.world.county
    last = ledger.read(lambda connection: events.last(connection, county))
    feed = Feed(doctor, "e")
    feed.open(last, last, None, None)
    exam = night.at("03:00:00").world.sent(RED)
    seen = [feed.shown(row) for row in night.world.events() if row["seq"] > last]
    night.at_screen = {"coordinator"}  # the line is cut here
    night.until("03:02:30")
    resumed = Feed(doctor, "e")
    resumed.open(0, 10**6, feed.prev, "e")
    seen += [resumed.shown(row) for row in night.world.events() if row["seq"] > feed.prev]
    frames = [frame for frame in seen if frame is not None]
    assert [frame["prev"] for frame in frames] == [last, *(frame["seq"] for frame in frames[:-1])], "no gap is silent"
    assert [frame["seq"] for frame in frames] == [row["seq"] for row in night.world.events() if row["seq"] > last]
    kinds = [frame["kind"] for frame in frames]
    assert "alert.raised" in kinds
    assert "duty.unreachable" in kinds, "and that the doctor was gone is told"
    assert night.called(exam)[1][0] <= "03:01:00"


def test_the_doctors_line_was_gone_before_the_alert_came(night: Night) -> None:
    everybody(night)
    night.until("02:58:00")
    night.at_screen = set()
    night.until("02:59:20")
    assert [event["data"]["slot"] for event in night.world.events("duty.unreachable")] == ["first"]
    assert [who for _, who in night.rang] == ["coordinator"], "who can find them"
    exam = night.world.sent(RED)
    night.until("02:59:30")
    assert night.called(exam) == [
        ("02:59:20", ["first"], "raised"),
        ("02:59:20", ["first", "backup"], "unreachable"),
    ], "at once to the telephones; they ring, so the rest keeps its time"
    assert sorted(who for _, who in night.rang[1:]) == ["cardiologist", "second"]


def test_a_patient_is_merged_in_the_middle_of_the_night_and_no_deadline_moves(night: Night) -> None:
    everybody(night)
    red = night.at("03:00:00").world.sent(RED, patient=WANG)
    orange = night.at("03:00:30").world.sent(ORANGE, patient=LI)
    world = night.world
    patients = [world.row(schema.exam, id=exam)["patient_id"] for exam in (orange, red)]
    deputy = replace(world.actors["coordinator"], id=world.actors["chief"].id)
    due = {row["id"]: (row["due_at"], row["colour"]) for row in world.rows(schema.case)}
    steps = {row["id"]: row["next_step_at"] for row in world.rows(schema.alert)}
    for who in (world.actors["coordinator"], deputy):
        world.ledger.write(lambda tx, who=who: merging.merge(tx, who, patients[0], patients[1], "同一人"))
    assert {row["id"]: (row["due_at"], row["colour"]) for row in world.rows(schema.case)} == due
    assert {row["id"]: row["next_step_at"] for row in world.rows(schema.alert)} == steps
    night.until("03:01:05")
    assert [at for at, _, _ in night.called(red)] == ["03:00:00", "03:01:00"], "the ladder climbs on"
    world.ledger.write(lambda tx: merging.unmerge(tx, world.actors["coordinator"], patients[0], "不是同一人"))
    assert [world.row(schema.exam, id=exam)["patient_id"] for exam in (orange, red)] == patients
