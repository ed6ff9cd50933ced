"""when folders changed.

Revision ID: 0023
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

_COMMENT = "time something appeared in it or left it last; null: not since it is there"
_TABLES = ("studies", "exams", "series", "folders", "bin_exams", "bin_series", "bin_folders")


def upgrade() -> None:
    """Bring the catalogue to this revision."""
    for table in _TABLES:
        op.add_column(table, sa.Column("changed", sa.BigInteger(), nullable=True, comment=_COMMENT))
    # What arrived before was not noted; of what there are few rows of, the newest tells it.
    op.execute(sa.text("update studies set changed = (select max(added) from exams where exams.study_id = studies.id)"))
    op.execute(sa.text("update exams set changed = (select max(added) from series where series.exam_id = exams.id)"))


def downgrade() -> None:
    """Take the catalogue back to the revision before."""
    for table in _TABLES:
        op.drop_column(table, "changed")
