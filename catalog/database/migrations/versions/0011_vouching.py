"""what a reviewer vouches for.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_PIXELS = "1: who accepted it looked at pixels that may show identities; else 0"
_SUM = "sum of 1: who accepted it looked at pixels that may show identities; 2: vouches for files nothing can look through"


def upgrade() -> None:
    """Bring the catalogue to this revision."""
    _say(_SUM, _PIXELS)


def downgrade() -> None:
    """Take the catalogue back to the revision before: what nobody could vouch for then, nobody does."""
    op.execute("update batches set approved = approved % 2")
    _say(_PIXELS, _SUM)


def _say(comment: str, before: str) -> None:
    if op.get_bind().dialect.name == "postgresql":  # SQLite keeps no comments
        op.alter_column(
            "batches",
            "approved",
            existing_type=sa.SmallInteger(),
            existing_nullable=False,
            comment=comment,
            existing_comment=before,
        )
