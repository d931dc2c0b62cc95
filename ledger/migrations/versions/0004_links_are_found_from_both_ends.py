"""The links of an exam are found from both of their ends."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """The index that every exam's document asks."""
    op.create_index("ix_exam_link_county_id_other_id", "exam_link", ["county_id", "other_id"])
