"""Every table of the ledger, on one page.

Rules that hold for all of them: the first column of every primary, foreign and unique key is ``county_id``, so that a
province is many counties in one PostgreSQL and a distributed one shards by the same column; instants are UTC
microseconds (``*_at``); names of constraints are fixed, so that a migration can find them again. SQLite tables are
STRICT, which accepts INTEGER, REAL, TEXT, BLOB only: the column types below have a variant per engine for that reason.
"""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import (
    REAL,
    BigInteger,
    Column,
    Dialect,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Whole = BigInteger().with_variant(Integer(), "sqlite")
Instant = Whole  # UTC microseconds since 1970
Real: TypeEngine[float] = Double[float]().with_variant(REAL(), "sqlite")
Id = Text()
Bytes = LargeBinary()


_PLAIN = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_ESCAPED = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def _json(value: Any) -> str:
    """JSON text. Half a character (a lone surrogate, as a device's file name may hold) is escaped: no engine takes it.

    ``ValueError`` for NaN: no browser could read it.
    """
    text_ = _PLAIN.encode(value)
    try:
        text_.encode()
    except UnicodeEncodeError:
        return _ESCAPED.encode(value)
    return text_


class Json(TypeDecorator[Any]):
    """A JSON value kept as text on both engines, so that both give back the same bytes."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else _json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


class Flag(TypeDecorator[bool]):
    """A yes or no, kept as 0 or 1."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: bool | None, dialect: Dialect) -> int | None:
        return None if value is None else int(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> bool | None:
        return None if value is None else bool(value)


def _key(name: str = "id") -> tuple[Column[Any], Column[Any]]:
    return Column("county_id", Id, primary_key=True), Column(name, Id, primary_key=True)


def _refers(table: str, column: str, key: str = "id") -> ForeignKeyConstraint:
    """A foreign key to ``table``; it begins with the county like every other."""
    return ForeignKeyConstraint(["county_id", column], [f"{table}.county_id", f"{table}.{key}"])


def _of_county() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["county_id"], ["county.id"])


def _drill() -> Column[Any]:
    """Whether this is a drill: marked through and through, in no figure."""
    return Column("drill", Flag, nullable=False, server_default=text("0"))


def _table(name: str, *items: Any) -> Table:
    return Table(name, metadata, *items, sqlite_strict=True)


# --- who is there --------------------------------------------------------------------------------------------------

county = _table(
    "county",
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("phone", Text, nullable=False),
    Column("epoch", Id, nullable=False),  # a restore begins a new one: numbers of another epoch mean nothing
    Column("last_seq", Whole, nullable=False),  # the last event's number
    Column("audit_seq", Whole, nullable=False),
    Column("audit_head", Text, nullable=False),  # the hash of the audit's last row
    Column("created_at", Instant, nullable=False),
)

site = _table(
    "site",
    *_key(),
    Column("name", Text, nullable=False),
    Column("township", Text, nullable=False),
    Column("phone", Text, nullable=False),
    Column("map_x", Real),  # 0..1 from the west edge of the county's map
    Column("map_y", Real),  # 0..1 from the north edge
    Column("last_exam_at", Instant),
    Column("trained_at", Instant),  # a user was trained, and
    Column("test_exam_id", Id),  # a test ECG came through: only then
    Column("live_at", Instant),  # does the site count for coverage and silence
    Column("expected_every_s", Whole),  # it sends about that often; null: learned from what it sent
    Column("silent_at", Instant),  # since when it is held to be silent; null: it is not
    Column("created_at", Instant, nullable=False),
    _of_county(),
)

device = _table(
    "device",
    *_key(),
    Column("site_id", Id, nullable=False),
    Column("key_hash", Text, nullable=False, index=True),
    Column("name", Text),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    # what its program last said of itself
    Column("seen_at", Instant),
    Column("version", Text),
    Column("waiting", Whole),  # ECGs in its spool
    Column("waiting_since_at", Instant),  # the oldest of them
    Column("clock_offset_us", Whole),  # its clock less ours
    Column("clock_uncertainty_us", Whole),
    Column("clock_at", Instant),
    _refers("site", "site_id"),
)

former_key = _table(
    "former_key",  # a key that a device had before it was given another: known again when it is tried
    *_key(),
    Column("device_id", Id, nullable=False),
    Column("key_hash", Text, nullable=False, index=True),
    Column("ended_at", Instant, nullable=False),
    _refers("device", "device_id"),
)

enrolment = _table(
    "enrolment",  # a one-time code that a device exchanges for its key
    *_key(),
    Column("site_id", Id, nullable=False),
    Column("code_hash", Text, nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
    Column("device_id", Id),
    _refers("site", "site_id"),
    _refers("device", "device_id"),
)

person = _table(
    "person",
    *_key(),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("site_id", Id),
    Column("phone", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
    _of_county(),
    _refers("site", "site_id"),
    UniqueConstraint("county_id", "name"),
)

contact = _table(
    "contact",  # how a person, or a group of a slot, is reached beside the screen
    *_key(),
    Column("person_id", Id),
    Column("slot", Text),
    Column("channel", Text, nullable=False),  # "sms", "call", "group", "mail", …
    Column("address", Text, nullable=False),  # as Apprise writes it; holds secrets, so it is never logged
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
    _of_county(),
    _refers("person", "person_id"),
    Index("ix_contact_county_id_person_id", "county_id", "person_id"),
)

session = _table(
    "session",
    *_key(),
    Column("person_id", Id, nullable=False),
    Column("token_hash", Text, nullable=False, index=True),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("feed_at", Instant),  # when an open feed of it was last known to be alive
    _refers("person", "person_id"),
    Index("ix_session_county_id_person_id", "county_id", "person_id"),
)

signin_failure = _table(
    "signin_failure",  # one row a name or an address that failed of late; the limit on guessing
    Column("county_id", Id, primary_key=True),
    Column("bucket", Text, primary_key=True),
    Column("failures", Whole, nullable=False),
    Column("since_at", Instant, nullable=False),
)

shift = _table(
    "shift",  # the on-call roster
    *_key(),
    Column("slot", Text, nullable=False),
    Column("person_id", Id, nullable=False),
    Column("from_at", Instant, nullable=False),
    Column("to_at", Instant, nullable=False),
    Column("cancelled_at", Instant),  # swapped or withdrawn; the row stays on record
    Column("replaces_id", Id),  # the shift that this one was swapped for
    _refers("person", "person_id"),
    Index("ix_shift_county_id_to_at", "county_id", "to_at"),
)

patient = _table(
    "patient",
    *_key(),
    Column("site_id", Id, nullable=False),
    Column("name", Text),
    Column("id_number", Text),
    Column("card", Text),
    Column("birth_date", Text),
    Column("sex", Text),
    Column("created_at", Instant, nullable=False),
    Column("number", Text),  # the temporary number of somebody without a name
    Column("merged_into", Id),  # the patient that this one turned out to be
    _refers("site", "site_id"),
    Index("ix_patient_county_id_id_number", "county_id", "id_number"),
    Index("ix_patient_county_id_card", "county_id", "card"),
    Index("ix_patient_county_id_site_id_name", "county_id", "site_id", "name"),
)

merge = _table(
    "merge",  # two records that are one patient: proposed by one person, confirmed by another, undone exactly
    *_key(),
    Column("kept_id", Id, nullable=False),
    Column("merged_id", Id, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("moved", Json, nullable=False),  # {exams, cases} that changed hands
    Column("proposed_at", Instant, nullable=False),
    Column("proposed_by", Id, nullable=False),
    Column("confirmed_at", Instant),
    Column("confirmed_by", Id),
    Column("undone_at", Instant),
    Column("undone_by", Id),
    _refers("patient", "kept_id"),
    _refers("patient", "merged_id"),
    Index("ix_merge_county_id_merged_id", "county_id", "merged_id"),
)

# --- what was recorded -----------------------------------------------------------------------------------------------

original = _table(
    "original",
    *_key("sha256"),
    Column("bytes", Whole, nullable=False),
    Column("encoding", Text, nullable=False),  # of the pieces: "zstd" or "plain"
    Column("created_at", Instant, nullable=False),
    _of_county(),
)

original_piece = _table(
    "original_piece",
    *_key("sha256"),
    Column("number", Whole, primary_key=True),
    Column("data", Bytes, nullable=False),
    _refers("original", "sha256", key="sha256"),
)

upload = _table(
    "upload",  # a tus upload; its last commit turns it into original + exam + event
    *_key(),
    Column("site_id", Id, nullable=False),
    Column("sender", Text, nullable=False),  # device or person that began it
    Column("length", Whole),
    Column("offset", Whole, nullable=False),
    Column("fence", Whole, nullable=False),  # each newer PATCH raises it; an older one then writes nothing
    Column("metadata", Json, nullable=False),
    Column("exam_id", Id),
    Column("sha256", Text),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    _refers("site", "site_id"),
    Index("ix_upload_expires_at", "expires_at"),
)

upload_piece = _table(
    "upload_piece",
    *_key("upload_id"),
    Column("offset", Whole, primary_key=True),
    Column("data", Bytes, nullable=False),
    _refers("upload", "upload_id"),
)

exam = _table(
    "exam",
    *_key(),
    Column("site_id", Id, nullable=False),
    Column("sender", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("bytes", Whole, nullable=False),
    Column("files", Json, nullable=False),  # [{name, sha256, bytes}] as they were sent
    Column("status", Text, nullable=False),
    Column("received_at", Instant, nullable=False),
    # what the clinic said; urgency and symptoms only ever rise
    Column("urgent", Flag, nullable=False),
    Column("symptoms", Json, nullable=False),
    Column("onset_at", Instant),
    Column("fmc_at", Instant),
    Column("patient_id", Id),
    Column("conflicts", Json, nullable=False),  # other identities sent with the same bytes
    Column("context_problem", Flag, nullable=False),
    # what became of it
    Column("case_id", Id),
    Column("grade", Text),
    Column("advice", Json, nullable=False),
    Column("colour", Text),
    Column("reason", Json),
    Column("problem", Json),  # {code, zh, en}: why it could not be read
    Column("facts", Json),  # age and sex that the file itself states
    Column("fingerprint", Bytes),  # of its waves: the same ECG in another file is recognised by it
    Column("stamps", Json),  # {recorded: {at, source, uncertainty_s}, …}: instants that came from elsewhere
    Column("analysed_at", Instant),
    Column("quarantine", Json),  # {code, zh, en}: why a human must look before it goes on; null: it goes on
    Column("quarantined_at", Instant),
    Column("released_at", Instant),
    _drill(),
    # due work: when the analyser must look (again), and when a human must have it unread
    Column("work_at", Instant),
    Column("lease", Id),
    Column("attempts", Whole, nullable=False),
    Column("unread_at", Instant),
    Column("rate_at", Instant),  # new facts came: rate it again
    _refers("site", "site_id"),
    _refers("original", "sha256", key="sha256"),
    _refers("patient", "patient_id"),
    UniqueConstraint("county_id", "site_id", "sha256"),
    Index("ix_exam_county_id_site_id_received_at", "county_id", "site_id", "received_at"),
    Index("ix_exam_county_id_case_id", "county_id", "case_id"),
    Index("ix_exam_county_id_patient_id", "county_id", "patient_id"),
    Index(
        "ix_exam_quarantined_at",
        "county_id",
        "quarantined_at",
        sqlite_where=text("quarantined_at IS NOT NULL"),
        postgresql_where=text("quarantined_at IS NOT NULL"),
    ),
    Index(
        "ix_exam_work_at",
        "work_at",
        sqlite_where=text("work_at IS NOT NULL"),
        postgresql_where=text("work_at IS NOT NULL"),
    ),
    Index(
        "ix_exam_unread_at",
        "unread_at",
        sqlite_where=text("unread_at IS NOT NULL"),
        postgresql_where=text("unread_at IS NOT NULL"),
    ),
    Index(
        "ix_exam_rate_at",
        "rate_at",
        sqlite_where=text("rate_at IS NOT NULL"),
        postgresql_where=text("rate_at IS NOT NULL"),
    ),
)

exam_link = _table(
    "exam_link",  # the same ECG in another file, a repeat of a poor one
    *_key("exam_id"),
    Column("other_id", Id, primary_key=True),
    Column("how", Text, primary_key=True),  # "duplicate", "retake", "wrong-patient"
    Column("at", Instant, nullable=False),
    Column("detail", Json, nullable=False),
    _refers("exam", "exam_id"),
    _refers("exam", "other_id"),
    Index("ix_exam_link_county_id_other_id", "county_id", "other_id"),
)

analysis = _table(
    "analysis",  # never overwritten: one row an exam, rule set and software version
    *_key("exam_id"),
    Column("ruleset", Text, primary_key=True),
    Column("software", Text, primary_key=True),
    Column("grade", Text, nullable=False),
    Column("findings", Json, nullable=False),  # the codes that are true
    Column("document", Bytes, nullable=False),  # zstd of ecgnet.analysis/1
    Column("samples", Bytes, nullable=False),  # zstd of what the viewer draws
    Column("created_at", Instant, nullable=False),
    _refers("exam", "exam_id"),
)

# --- what a human does with it ---------------------------------------------------------------------------------------

case = _table(
    "case_",
    *_key(),
    Column("site_id", Id, nullable=False),
    Column("patient_id", Id),
    Column("exam_id", Id, nullable=False),  # the exam that gives the case its colour
    Column("state", Text, nullable=False),
    Column("colour", Text),  # null: unread, nothing has analysed it
    Column("rank", Whole, nullable=False),  # order in the worklist: 0 is the most urgent
    Column("reason", Json, nullable=False),
    Column("seq", Whole, nullable=False),  # number of the last event that concerns it
    Column("owner_id", Id),
    Column("owner_at", Instant),
    Column("opened_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("acknowledged_at", Instant),
    Column("seen_at", Instant),
    Column("seen_by", Id),
    Column("answer", Json),
    Column("answered_at", Instant),
    Column("answered_by", Id),
    Column("read_back_at", Instant),
    Column("closed_at", Instant),
    Column("owner_until_at", Instant),  # the claim's lease: then others may take it
    Column("decided_seq", Whole),  # number of the event of its last decision
    Column("held", Json),  # {code, exam, zh, en}: nobody may decide before a human has looked (wrong patient)
    _drill(),
    _refers("site", "site_id"),
    _refers("exam", "exam_id"),
    Index(
        "ix_case_worklist",
        "county_id",
        "rank",
        "due_at",
        "id",
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
    Index("ix_case_county_id_patient_id_opened_at", "county_id", "patient_id", "opened_at"),
)

alert = _table(
    "alert",
    *_key(),
    Column("case_id", Id, nullable=False),
    Column("exam_id", Id, nullable=False),
    Column("ruleset", Text),  # the analysis it rests on; null when there was none
    Column("software", Text),
    Column("colour", Text, nullable=False),
    Column("reason", Json, nullable=False),
    Column("evidence", Json, nullable=False),
    Column("state", Text, nullable=False),
    Column("step", Whole, nullable=False),
    Column("next_step_at", Instant),  # null: the ladder has ended
    Column("why", Text),  # why it climbs again: "undecided"
    Column("seq", Whole),  # number of its alert.raised event
    Column("raised_at", Instant, nullable=False),
    Column("acknowledged_at", Instant),
    Column("acknowledged_by", Id),
    Column("topic", Text, nullable=False, server_default=""),  # the territories; another one calls anew
    Column("stopped_at", Instant),  # a coordinator ended the ladder, and why
    Column("stopped_by", Id),
    Column("stop_reason", Text),
    _drill(),
    _refers("case_", "case_id"),
    UniqueConstraint("county_id", "exam_id", "colour", "topic"),
    Index("ix_alert_county_id_case_id", "county_id", "case_id"),
    Index(
        "ix_alert_next_step_at",
        "next_step_at",
        sqlite_where=text("next_step_at IS NOT NULL"),
        postgresql_where=text("next_step_at IS NOT NULL"),
    ),
)

ladder_step = _table(
    "ladder_step",  # each call of each alert, once: which rung, who was called by what
    *_key("alert_id"),
    Column("number", Whole, primary_key=True),
    Column("step", Whole, nullable=False),
    Column("at", Instant, nullable=False),
    Column("called", Json, nullable=False),  # [{slot, person, channels}]
    Column("why", Text, nullable=False),
    _refers("alert", "alert_id"),
)

delivery = _table(
    "delivery",  # each message to a phone, a group, a mailbox: tried, delivered, seen
    *_key(),
    Column("key", Text, nullable=False),  # what it is for, whom, by what: never twice
    Column("alert_id", Id),
    Column("case_id", Id),
    Column("site_id", Id),
    Column("contact_id", Id),
    Column("person_id", Id),
    Column("channel", Text, nullable=False),
    Column("words", Json, nullable=False),  # {title, body} as sent; no patient name unless the county allows it
    Column("state", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("work_at", Instant),
    Column("lease", Id),
    Column("attempts", Whole, nullable=False),
    Column("tried_at", Instant),
    Column("delivered_at", Instant),
    Column("seen_at", Instant),
    Column("receipt", Text),
    Column("problem", Text),
    _drill(),
    _of_county(),
    _refers("alert", "alert_id"),
    UniqueConstraint("county_id", "key"),
    Index("ix_delivery_county_id_alert_id", "county_id", "alert_id"),
    Index(
        "ix_delivery_work_at",
        "work_at",
        sqlite_where=text("work_at IS NOT NULL"),
        postgresql_where=text("work_at IS NOT NULL"),
    ),
)

report = _table(
    "report",  # what a named physician states of a case; a signed one is never changed, only amended
    *_key(),
    Column("case_id", Id, nullable=False),
    Column("exam_id", Id, nullable=False),
    Column("number", Whole, nullable=False),
    Column("state", Text, nullable=False),
    Column("statements", Json, nullable=False),  # [{code, name, from, accepted, text}]
    Column("text", Text, nullable=False),
    Column("ruleset", Text),  # the analysis that it began from
    Column("software", Text),
    Column("author_id", Id, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("signed_at", Instant),
    Column("signed_by", Id),
    Column("amends_id", Id),
    Column("reason", Text),
    _refers("case_", "case_id"),
    _refers("exam", "exam_id"),
    UniqueConstraint("county_id", "case_id", "number"),
)

message = _table(
    "message",  # from the desk to the clinic, and that it was read back
    *_key(),
    Column("case_id", Id, nullable=False),
    Column("site_id", Id, nullable=False),
    Column("from_id", Id, nullable=False),
    Column("text", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("read_back_at", Instant),
    Column("read_back_by", Id),
    Column("read_back_text", Text),
    _refers("case_", "case_id"),
    Index("ix_message_county_id_case_id_at", "county_id", "case_id", "at"),
)

county_file = _table(
    "county_file",  # the county's own rating table, escalation policy, rule set: each version stays
    Column("county_id", Id, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("version", Whole, primary_key=True),
    Column("text", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("tried", Json),  # what it would have changed on the ECGs that it was tried on
    Column("created_at", Instant, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("active_from_at", Instant),  # null: on trial
    _of_county(),
)

# --- what happened ---------------------------------------------------------------------------------------------------

event = _table(
    "event",
    Column("county_id", Id, primary_key=True),
    Column("seq", Whole, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("kind", Text, nullable=False),
    Column("site_id", Id),
    Column("case_id", Id),
    Column("data", Json, nullable=False),
    _of_county(),
    Index("ix_event_county_id_case_id_seq", "county_id", "case_id", "seq"),
    Index("ix_event_county_id_site_id_seq", "county_id", "site_id", "seq"),
)

action = _table(
    "action",  # each client action's first answer, so that a repeat gets the same
    Column("county_id", Id, primary_key=True),
    Column("actor", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("what", Text, nullable=False),
    Column("answer", Json, nullable=False),
    _of_county(),
)

audit = _table(
    "audit",
    Column("county_id", Id, primary_key=True),
    Column("seq", Whole, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("reason", Text),
    Column("detail", Json, nullable=False),
    Column("hash", Text, nullable=False),
    _of_county(),
)

backup = _table(
    "backup",  # each copy that was made and read back: `doctor` reads its age here
    *_key(),
    Column("place", Text, nullable=False),  # the file's name, without its folder
    Column("bytes", Whole, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("audit_seq", Whole, nullable=False),  # the audit's head that it holds: a cut tail is seen against it
    Column("audit_head", Text, nullable=False),
    Column("begun_at", Instant, nullable=False),
    Column("verified_at", Instant),  # null: made, not yet proved readable
    _of_county(),
    Index("ix_backup_county_id_begun_at", "county_id", "begun_at"),
)
