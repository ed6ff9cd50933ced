"""where results come from.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the catalogue to this revision."""
    op.create_table(
        "results",
        sa.Column("series_id", _ID, autoincrement=False, nullable=False, comment="the series that is a result"),
        sa.Column("source_id", _ID, nullable=True, comment="the series it was made of; null: none of its number"),
        sa.Column(
            "program",
            sa.Text(),
            nullable=False,
            comment="program and version that made it, as who brought it says; '' if not said",
        ),
        sa.Column(
            "sources", sa.Text(), nullable=False, comment="JSON array: names of series it was made of, as who brought it says"
        ),
        sa.Column("brought_by", sa.String(length=64), nullable=False, comment="login of who brought it"),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_results_series_id")),
        sa.ForeignKeyConstraint(["source_id"], ["series.id"], name=op.f("fk_results_source_id")),
        sa.PrimaryKeyConstraint("series_id", name=op.f("pk_results")),
        comment="where results come from",
    )


def downgrade() -> None:
    """Take the catalogue back to the revision before."""
    op.drop_table("results")
