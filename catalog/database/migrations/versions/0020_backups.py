"""when backups ran, and which runs now: nothing is purged meanwhile.

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the catalogue to this revision."""
    damaged = "objects that could not be copied: damaged or missing in the store"
    op.create_table(
        "backups",
        sa.Column("id", _ID, primary_key=True, autoincrement=True, comment="the backup"),
        sa.Column("began", sa.BigInteger(), nullable=False, comment="time it began"),
        sa.Column("beat", sa.BigInteger(), nullable=False, comment="time it was last seen at work"),
        sa.Column("ended", sa.BigInteger(), nullable=True, comment="time it was complete; null: it runs, or was broken off"),
        sa.Column("objects", sa.BigInteger(), nullable=False, comment="objects that were copied"),
        sa.Column("bytes", sa.BigInteger(), nullable=False, comment="their size"),
        sa.Column("damaged", sa.BigInteger(), nullable=False, comment=damaged),
        comment="backups that were begun: while one runs nothing is purged",
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Take the catalogue back to the revision before."""
    op.drop_table("backups")
