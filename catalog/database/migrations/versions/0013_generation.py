"""whose catalogue this is and how old, so that an older copy of catalogue, staging or store is noticed.

Revision ID: 0013
Revises: 0012
"""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the catalogue to this revision: each catalogue gets an id of its own."""
    archive = "the archive's random id, 32 hexadecimal digits; staging and store know it"
    number = "grows while the archive works; staging and store are never ahead of it"
    table = op.create_table(
        "generation",
        sa.Column("archive", sa.String(32), primary_key=True, comment=archive),
        sa.Column("number", sa.BigInteger(), nullable=False, comment=number),
        comment="one row: whose catalogue this is, and how old (catalog/generation.py)",
    )
    op.bulk_insert(table, [{"archive": secrets.token_hex(16), "number": 1}])


def downgrade() -> None:
    """Take the catalogue back to the revision before."""
    op.drop_table("generation")
