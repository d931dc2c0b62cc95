"""Backups are on record, with the audit's head that each holds; a patient's exams are found by an index."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """The table of backups, and the index that merging and comparing with a prior ECG ask for."""
    op.create_index("ix_exam_county_id_patient_id", "exam", ["county_id", "patient_id"])
    op.create_table(
        "backup",
        sa.Column("county_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("bytes", WHOLE, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("audit_seq", WHOLE, nullable=False),
        sa.Column("audit_head", sa.Text(), nullable=False),
        sa.Column("begun_at", WHOLE, nullable=False),
        sa.Column("verified_at", WHOLE, nullable=True),
        sa.ForeignKeyConstraint(["county_id"], ["county.id"], name=op.f("fk_backup_county_id")),
        sa.PrimaryKeyConstraint("county_id", "id", name=op.f("pk_backup")),
        sqlite_strict=True,
    )
    op.create_index("ix_backup_county_id_begun_at", "backup", ["county_id", "begun_at"])
