"""find the batches that lie in the same dropped folder.

Revision ID: 0016
Revises: 0015
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the catalogue to this revision."""
    op.create_index("ix_batches_drop_folder", "batches", ["drop_folder"])


def downgrade() -> None:
    """Take the catalogue back to the revision before."""
    op.drop_index("ix_batches_drop_folder", "batches")
