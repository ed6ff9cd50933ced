"""whose files an import brought, as keyed digests.

Revision ID: 0021
Revises: 0020
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the catalogue to this revision."""
    whose = "digest of whose files are in that series, keyed by staging's secret, never handed out; none: they do not say"
    op.create_table(
        "batch_subjects",
        sa.Column("batch_id", _ID, nullable=False, comment="the batch"),
        sa.Column("series", sa.String(24), nullable=False, comment="label of a series in it"),
        sa.Column("subject", sa.LargeBinary(16), nullable=False, comment=whose),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_batch_subjects_batch_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("batch_id", "series", "subject", name=op.f("pk_batch_subjects")),
        comment="whether two imports are of one person; rows stay with what is published, so that the next import is compared",
    )
    op.create_index("ix_batch_subjects_subject", "batch_subjects", ["subject"])


def downgrade() -> None:
    """Take the catalogue back to the revision before."""
    op.drop_table("batch_subjects")
