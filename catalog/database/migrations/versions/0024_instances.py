"""find an instance in all exams.

Revision ID: 0024
Revises: 0023
"""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the catalogue to this revision."""
    op.create_index("ix_files_identity", "files", ["identity"])


def downgrade() -> None:
    """Take the catalogue back to the revision before."""
    op.drop_index("ix_files_identity", "files")
