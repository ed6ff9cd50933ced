"""how often the worker of a job died with it, so that a job that kills its worker is set aside.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the catalogue to this revision."""
    comment = "how often its worker died with it since it last came further than before"
    op.add_column("jobs", sa.Column("deaths", sa.Integer(), nullable=False, server_default=sa.text("0"), comment=comment))


def downgrade() -> None:
    """Take the catalogue back to the revision before."""
    op.drop_column("jobs", "deaths")
