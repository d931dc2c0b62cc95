"""What the desk and the way in need: contacts, deliveries, reports, messages, merges, enrolment, links, drills."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXT, FLAG, BYTES = sa.Text(), sa.Integer(), sa.LargeBinary()
DRILL = ("drill", FLAG, "0")
# table → columns that are new to it: name, type, and the value that rows which are there already get
ADDED = {
    "site": (
        ("trained_at", WHOLE, None),
        ("test_exam_id", TEXT, None),
        ("live_at", WHOLE, None),
        ("expected_every_s", WHOLE, None),
        ("silent_at", WHOLE, None),
    ),
    "device": (
        ("name", TEXT, None),
        ("seen_at", WHOLE, None),
        ("version", TEXT, None),
        ("waiting", WHOLE, None),
        ("waiting_since_at", WHOLE, None),
        ("clock_offset_us", WHOLE, None),
        ("clock_uncertainty_us", WHOLE, None),
        ("clock_at", WHOLE, None),
    ),
    "session": (("feed_at", WHOLE, None),),
    "shift": (("cancelled_at", WHOLE, None), ("replaces_id", TEXT, None)),
    "patient": (("number", TEXT, None), ("merged_into", TEXT, None)),
    "exam": (
        ("fingerprint", BYTES, None),
        ("stamps", TEXT, None),
        ("quarantine", TEXT, None),
        ("quarantined_at", WHOLE, None),
        ("released_at", WHOLE, None),
        DRILL,
    ),
    "case_": (
        ("owner_until_at", WHOLE, None),
        ("decided_seq", WHOLE, None),
        ("held", TEXT, None),
        DRILL,
    ),
    "alert": (
        ("topic", TEXT, ""),
        ("stopped_at", WHOLE, None),
        ("stopped_by", TEXT, None),
        ("stop_reason", TEXT, None),
        DRILL,
    ),
}


def upgrade() -> None:
    """New tables, new columns; an alert is now one of an exam, its colour and its territories."""
    for table, columns in ADDED.items():
        for name, kind, value in columns:
            default = None if value is None else sa.text(f"'{value}'" if kind is TEXT else value)
            op.add_column(table, sa.Column(name, kind, nullable=value is None, server_default=default))
    op.create_index(
        "ix_exam_quarantined_at",
        "exam",
        ["county_id", "quarantined_at"],
        sqlite_where=sa.text("quarantined_at IS NOT NULL"),
        postgresql_where=sa.text("quarantined_at IS NOT NULL"),
    )
    with op.batch_alter_table("alert", table_kwargs={"sqlite_strict": True}) as alert:
        alert.drop_constraint("uq_alert_county_id_exam_id_colour", type_="unique")
        alert.create_unique_constraint(
            "uq_alert_county_id_exam_id_colour_topic", ["county_id", "exam_id", "colour", "topic"]
        )
    op.create_table(
        "county_file",
        sa.Column("county_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("version", WHOLE, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("tried", sa.Text(), nullable=True),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("active_from_at", WHOLE, nullable=True),
        sa.ForeignKeyConstraint(["county_id"], ["county.id"], name=op.f("fk_county_file_county_id")),
        sa.PrimaryKeyConstraint("county_id", "kind", "version", name=op.f("pk_county_file")),
        sqlite_strict=True,
    )
    op.create_table(
        "contact",
        sa.Column("county_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=True),
        sa.Column("slot", sa.Text(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.Column("disabled_at", WHOLE, nullable=True),
        sa.ForeignKeyConstraint(
            ["county_id", "person_id"], ["person.county_id", "person.id"], name=op.f("fk_contact_county_id_person_id")
        ),
        sa.ForeignKeyConstraint(["county_id"], ["county.id"], name=op.f("fk_contact_county_id")),
        sa.PrimaryKeyConstraint("county_id", "id", name=op.f("pk_contact")),
        sqlite_strict=True,
    )
    with op.batch_alter_table("contact", schema=None) as batch_op:
        batch_op.create_index("ix_contact_county_id_person_id", ["county_id", "person_id"], unique=False)

    op.create_table(
        "enrolment",
        sa.Column("county_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("code_hash", sa.Text(), nullable=False),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("expires_at", WHOLE, nullable=False),
        sa.Column("used_at", WHOLE, nullable=True),
        sa.Column("device_id", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["county_id", "device_id"], ["device.county_id", "device.id"], name=op.f("fk_enrolment_county_id_device_id")
        ),
        sa.ForeignKeyConstraint(
            ["county_id", "site_id"], ["site.county_id", "site.id"], name=op.f("fk_enrolment_county_id_site_id")
        ),
        sa.PrimaryKeyConstraint("county_id", "id", name=op.f("pk_enrolment")),
        sqlite_strict=True,
    )
    with op.batch_alter_table("enrolment", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_enrolment_code_hash"), ["code_hash"], unique=False)

    op.create_table(
        "merge",
        sa.Column("county_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kept_id", sa.Text(), nullable=False),
        sa.Column("merged_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("moved", sa.Text(), nullable=False),
        sa.Column("proposed_at", WHOLE, nullable=False),
        sa.Column("proposed_by", sa.Text(), nullable=False),
        sa.Column("confirmed_at", WHOLE, nullable=True),
        sa.Column("confirmed_by", sa.Text(), nullable=True),
        sa.Column("undone_at", WHOLE, nullable=True),
        sa.Column("undone_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["county_id", "kept_id"], ["patient.county_id", "patient.id"], name=op.f("fk_merge_county_id_kept_id")
        ),
        sa.ForeignKeyConstraint(
            ["county_id", "merged_id"], ["patient.county_id", "patient.id"], name=op.f("fk_merge_county_id_merged_id")
        ),
        sa.PrimaryKeyConstraint("county_id", "id", name=op.f("pk_merge")),
        sqlite_strict=True,
    )
    with op.batch_alter_table("merge", schema=None) as batch_op:
        batch_op.create_index("ix_merge_county_id_merged_id", ["county_id", "merged_id"], unique=False)

    op.create_table(
        "exam_link",
        sa.Column("county_id", sa.Text(), nullable=False),
        sa.Column("exam_id", sa.Text(), nullable=False),
        sa.Column("other_id", sa.Text(), nullable=False),
        sa.Column("how", sa.Text(), nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["county_id", "exam_id"], ["exam.county_id", "exam.id"], name=op.f("fk_exam_link_county_id_exam_id")
        ),
        sa.ForeignKeyConstraint(
            ["county_id", "other_id"], ["exam.county_id", "exam.id"], name=op.f("fk_exam_link_county_id_other_id")
        ),
        sa.PrimaryKeyConstraint("county_id", "exam_id", "other_id", "how", name=op.f("pk_exam_link")),
        sqlite_strict=True,
    )
    op.create_table(
        "message",
        sa.Column("county_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("site_id", sa.Text(), nullable=False),
        sa.Column("from_id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("read_back_at", WHOLE, nullable=True),
        sa.Column("read_back_by", sa.Text(), nullable=True),
        sa.Column("read_back_text", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["county_id", "case_id"], ["case_.county_id", "case_.id"], name=op.f("fk_message_county_id_case_id")
        ),
        sa.PrimaryKeyConstraint("county_id", "id", name=op.f("pk_message")),
        sqlite_strict=True,
    )
    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.create_index("ix_message_county_id_case_id_at", ["county_id", "case_id", "at"], unique=False)

    op.create_table(
        "report",
        sa.Column("county_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("exam_id", sa.Text(), nullable=False),
        sa.Column("number", WHOLE, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("statements", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("ruleset", sa.Text(), nullable=True),
        sa.Column("software", sa.Text(), nullable=True),
        sa.Column("author_id", sa.Text(), nullable=False),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.Column("changed_at", WHOLE, nullable=False),
        sa.Column("signed_at", WHOLE, nullable=True),
        sa.Column("signed_by", sa.Text(), nullable=True),
        sa.Column("amends_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["county_id", "case_id"], ["case_.county_id", "case_.id"], name=op.f("fk_report_county_id_case_id")
        ),
        sa.ForeignKeyConstraint(
            ["county_id", "exam_id"], ["exam.county_id", "exam.id"], name=op.f("fk_report_county_id_exam_id")
        ),
        sa.PrimaryKeyConstraint("county_id", "id", name=op.f("pk_report")),
        sa.UniqueConstraint("county_id", "case_id", "number", name=op.f("uq_report_county_id_case_id_number")),
        sqlite_strict=True,
    )
    op.create_table(
        "delivery",
        sa.Column("county_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("alert_id", sa.Text(), nullable=True),
        sa.Column("case_id", sa.Text(), nullable=True),
        sa.Column("site_id", sa.Text(), nullable=True),
        sa.Column("contact_id", sa.Text(), nullable=True),
        sa.Column("person_id", sa.Text(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.Column("work_at", WHOLE, nullable=True),
        sa.Column("lease", sa.Text(), nullable=True),
        sa.Column("attempts", WHOLE, nullable=False),
        sa.Column("tried_at", WHOLE, nullable=True),
        sa.Column("delivered_at", WHOLE, nullable=True),
        sa.Column("seen_at", WHOLE, nullable=True),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("drill", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["county_id", "alert_id"], ["alert.county_id", "alert.id"], name=op.f("fk_delivery_county_id_alert_id")
        ),
        sa.ForeignKeyConstraint(["county_id"], ["county.id"], name=op.f("fk_delivery_county_id")),
        sa.PrimaryKeyConstraint("county_id", "id", name=op.f("pk_delivery")),
        sa.UniqueConstraint("county_id", "key", name=op.f("uq_delivery_county_id_key")),
        sqlite_strict=True,
    )
    with op.batch_alter_table("delivery", schema=None) as batch_op:
        batch_op.create_index("ix_delivery_county_id_alert_id", ["county_id", "alert_id"], unique=False)
        batch_op.create_index(
            "ix_delivery_work_at",
            ["work_at"],
            unique=False,
            sqlite_where=sa.text("work_at IS NOT NULL"),
            postgresql_where=sa.text("work_at IS NOT NULL"),
        )
