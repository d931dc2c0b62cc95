"""A key that was replaced is known again when it is tried: it is put on record like a revoked one."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """The keys that devices had before."""
    op.create_table(
        "former_key",
        sa.Column("county_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["county_id", "device_id"], ["device.county_id", "device.id"], name="fk_former_key_county_id_device_id"
        ),
        sa.PrimaryKeyConstraint("county_id", "id", name="pk_former_key"),
        sqlite_strict=True,
    )
    op.create_index("ix_former_key_key_hash", "former_key", ["key_hash"])
