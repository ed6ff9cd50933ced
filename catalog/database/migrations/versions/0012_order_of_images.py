"""the order in which a reviewer looks through the images of a series.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the catalogue to this revision: files that are checked already are shown in the order in which they came."""
    comment = "its instance number, by which a reviewer turns the pages of a series; null before the checks, and without one"
    op.add_column("staged_files", sa.Column("number", sa.BigInteger(), nullable=True, comment=comment))


def downgrade() -> None:
    """Take the catalogue back to the revision before."""
    op.drop_column("staged_files", "number")
