"""what is wrong with objects of the store, how far each study is proved, and finding files by their digest.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the catalogue to this revision: the index takes some 25 s for ten million files."""
    op.create_index("ix_files_sha256", "files", ["sha256"])
    op.create_table(
        "object_findings",
        sa.Column("study_id", _ID, sa.ForeignKey("studies.id"), primary_key=True, autoincrement=False, comment="the study"),
        sa.Column("digest", sa.LargeBinary(32), primary_key=True, comment="SHA-256 of the bytes as they were archived"),
        sa.Column("fault", sa.String(16), nullable=False, comment="catalog.lifecycle.verify.Fault"),
        sa.Column("found", sa.BigInteger(), nullable=False, comment="time it was found"),
        comment="what is wrong with objects of the store; a row goes when it is repaired",
    )
    began = "time the round through all studies began that this is part of"
    position = "digest of the last object that was proved; empty: none yet"
    ended = "time all its objects were proved; null: under way, or broken off"
    op.create_table(
        "verifications",
        sa.Column("study_id", _ID, sa.ForeignKey("studies.id"), primary_key=True, autoincrement=False, comment="the study"),
        sa.Column("round_began", sa.BigInteger(), nullable=False, comment=began),
        sa.Column("position", sa.LargeBinary(32), nullable=False, comment=position),
        sa.Column("ended", sa.BigInteger(), nullable=True, comment=ended),
        sa.Column("objects", sa.BigInteger(), nullable=False, comment="objects that were proved in this round"),
        sa.Column("bytes", sa.BigInteger(), nullable=False, comment="their size"),
        comment="how far each study's objects are proved",
    )


def downgrade() -> None:
    """Take the catalogue back to the revision before."""
    op.drop_table("verifications")
    op.drop_table("object_findings")
    op.drop_index("ix_files_sha256", "files")
