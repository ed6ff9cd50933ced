"""indexes of what grows: jobs of a batch or an entry of the bin, the audit of a study.

Revision ID: 0022
Revises: 0021
"""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_INDEXES = (
    ("ix_jobs_batch_id", "jobs", "batch_id"),
    ("ix_jobs_bin_id", "jobs", "bin_id"),
    ("ix_audit_study", "audit", "study"),
)


def upgrade() -> None:
    """Bring the catalogue to this revision."""
    for name, table, column in _INDEXES:
        op.create_index(name, table, [column])


def downgrade() -> None:
    """Take the catalogue back to the revision before."""
    for name, table, _ in _INDEXES:
        op.drop_index(name, table)
