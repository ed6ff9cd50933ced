"""folders within a series that is a result.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_KEY = sa.String(length=255).with_variant(sa.String(length=255, collation="C"), "postgresql")
_OF_FILES = "folded file name, decided at publish"


def upgrade() -> None:
    """Bring the catalogue to this revision."""
    op.create_table(
        "folders",
        sa.Column("id", _ID, autoincrement=True, nullable=False, comment="the folder"),
        sa.Column("series_id", _ID, nullable=False, comment="the series it lies in, at any depth"),
        sa.Column("parent_id", _ID, nullable=True, comment="the folder it lies in; null: the series itself"),
        sa.Column("name", sa.String(length=255), nullable=False, comment="folder name, decided at publish"),
        sa.Column("name_key", _KEY, nullable=False, comment="folded name; in a folder, catalog.pure.names.nested_key of it"),
        sa.Column("added", sa.BigInteger(), nullable=False, comment="time of publish"),
        sa.ForeignKeyConstraint(["parent_id"], ["folders.id"], name=op.f("fk_folders_parent_id")),
        sa.ForeignKeyConstraint(["series_id"], ["series.id"], name=op.f("fk_folders_series_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_folders")),
        sa.UniqueConstraint("series_id", "name_key", name=op.f("uq_folders_series_id_name_key")),
        comment="folders within a series that is a result",
        sqlite_autoincrement=True,
    )
    _say_of_files(f"{_OF_FILES}; in a folder of its series, catalog.pure.names.nested_key of it", _OF_FILES)


def downgrade() -> None:
    """Take the catalogue back to the revision before."""
    _say_of_files(_OF_FILES, f"{_OF_FILES}; in a folder of its series, catalog.pure.names.nested_key of it")
    op.drop_table("folders")


def _say_of_files(comment: str, before: str) -> None:
    if op.get_bind().dialect.name == "postgresql":  # SQLite keeps no comments
        op.alter_column("files", "name_key", existing_type=_KEY, comment=comment, existing_comment=before)
