"""metadata of series and files.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KEY = sa.String(length=255).with_variant(sa.String(length=255, collation="C"), "postgresql")
_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Bring the catalogue to this revision."""
    op.create_table(
        "fields",
        sa.Column("id", _ID, autoincrement=True, nullable=False, comment="the field"),
        sa.Column("name", _KEY, nullable=False, comment="DICOM keyword, or as its file type or a profile calls it"),
        sa.Column(
            "indexed", sa.SmallInteger(), nullable=False, comment="1: `archimed query --index` made an index of it; else 0"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fields")),
        sa.UniqueConstraint("name", name=op.f("uq_fields_name")),
        comment="what metadata there are: a new one needs no migration",
        sqlite_autoincrement=True,
    )
    op.create_table(
        "series_values",
        sa.Column("series_id", _ID, nullable=False, comment="the series"),
        sa.Column("field_id", _ID, nullable=False, comment="the field"),
        sa.Column(
            "spread",
            sa.SmallInteger(),
            nullable=False,
            comment="0: every file has this one value; 1: every file has a number from low to high; 2: anything else",
        ),
        sa.Column("low", sa.Double(), nullable=True, comment="smallest number in it, in the field's unit; null if it has none"),
        sa.Column("high", sa.Double(), nullable=True, comment="largest number in it; null if it has none"),
        sa.Column(
            "text",
            _TEXT,
            nullable=True,
            comment="the text that every file has, as published; null if it is no text, or differs",
        ),
        sa.ForeignKeyConstraint(["field_id"], ["fields.id"], name=op.f("fk_series_values_field_id")),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_series_values_series_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("series_id", "field_id", name=op.f("pk_series_values")),
        comment="metadata of the files of a series, once for all of them; covers also files that are gone since",
        sqlite_with_rowid=False,
    )
    op.create_table(
        "series_columns",
        sa.Column("series_id", _ID, nullable=False, comment="the series"),
        sa.Column(
            "packed",
            sa.LargeBinary(),
            nullable=False,
            comment="values that differ between its files, a column a field: catalog.metadata.columns",
        ),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_series_columns_series_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("series_id", name=op.f("pk_series_columns")),
        comment="metadata of files, for series in which not all are the same",
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Take the catalogue back to the revision before."""
    op.drop_table("series_columns")
    op.drop_table("series_values")
    op.drop_table("fields")
