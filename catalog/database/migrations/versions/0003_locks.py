"""locks on staged files.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the catalogue to this revision."""
    op.create_table(
        "locks",
        sa.Column("token", sa.String(length=64), nullable=False, comment="what the client shows to use it"),
        sa.Column("user_id", _Id, nullable=False, comment="who holds it"),
        sa.Column("study_id", _Id, nullable=False, comment="study it lies in, granted to its holder: it goes with the grant"),
        sa.Column(
            "root",
            sa.String(length=2048).with_variant(sa.String(length=2048, collation="C"), "postgresql"),
            nullable=False,
            comment="keyed digests of the names that lead to what it is on, joined by /",
        ),
        sa.Column("exclusive", sa.SmallInteger(), nullable=False, comment="1: nobody else may hold one; 0: shared"),
        sa.Column("deep", sa.SmallInteger(), nullable=False, comment="1: it reaches to everything below its root; else 0"),
        sa.Column(
            "owner",
            sa.Text(),
            nullable=False,
            comment="what the client says of its holder, XML, <= 1024 characters; '' if longer or none",
        ),
        sa.Column("expires", sa.BigInteger(), nullable=False, comment="time from which it does not hold any more"),
        sa.ForeignKeyConstraint(
            ["user_id", "study_id"],
            ["grants.user_id", "grants.study_id"],
            name=op.f("fk_locks_user_id_study_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_locks")),
        comment="WebDAV locks on staged files, an hour at most; seen by every worker and gateway",
    )
    with op.batch_alter_table("locks", schema=None) as batch_op:
        batch_op.create_index("ix_locks_root", ["root"], unique=False)
        batch_op.create_index("ix_locks_user_id_study_id", ["user_id", "study_id"], unique=False)


def downgrade() -> None:
    """Take the catalogue back to the revision before."""
    with op.batch_alter_table("locks", schema=None) as batch_op:
        batch_op.drop_index("ix_locks_user_id_study_id")
        batch_op.drop_index("ix_locks_root")

    op.drop_table("locks")
