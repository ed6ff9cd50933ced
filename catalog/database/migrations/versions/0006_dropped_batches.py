"""where the files of a dropped batch are.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_OPEN_DROP = sa.text("state = 'open' and drop_folder is not null")


def upgrade() -> None:
    """Bring the catalogue to this revision."""
    op.add_column(
        "batches",
        sa.Column(
            "drop_folder",
            sa.String(length=16),
            nullable=True,
            comment="its folder in staging where a user dropped the files; null: received, or brought file by file",
        ),
    )
    op.create_index(
        "uq_batches_open_drop",
        "batches",
        ["uploader_id", "study_id", "exam_code"],
        unique=True,
        sqlite_where=_OPEN_DROP,
        postgresql_where=_OPEN_DROP,
    )


def downgrade() -> None:
    """Take the catalogue back to the revision before."""
    op.drop_index("uq_batches_open_drop", table_name="batches")
    op.drop_column("batches", "drop_folder")
