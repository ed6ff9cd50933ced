"""What was drawn of staged images for whom.

Revision ID: 0034
Revises: 0033
"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the catalogue to this revision."""
    frame = "which of its pictures, from 0; -1: it was asked for, and could not be drawn"
    frames = "how many pictures the file has, as its type says; 1 where it could not be drawn"
    op.create_table(
        "looks",
        sa.Column("file_id", _ID, nullable=False, comment="the staged file"),
        sa.Column("user_id", _ID, nullable=False, comment="who was shown it"),
        sa.Column("frame", sa.Integer(), nullable=False, comment=frame),
        sa.Column("frames", sa.Integer(), nullable=False, comment=frames),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="time it was shown first"),
        sa.ForeignKeyConstraint(["file_id"], ["staged_files.id"], name=op.f("fk_looks_file_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_looks_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("file_id", "user_id", "frame", name=op.f("pk_looks")),
        comment="what was really drawn of staged images, for whom; rows go with the staged file",
    )
    op.create_index("ix_looks_user_id", "looks", ["user_id"])


def downgrade() -> None:
    """Take the catalogue back to the revision before."""
    op.drop_table("looks")
