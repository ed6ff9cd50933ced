"""Browsers that are logged in.

Revision ID: 0033
Revises: 0027
"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0027"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Bring the catalogue to this revision."""
    token = "token it began with, and ends with; null: a password"  # noqa: S105 - a comment
    scopes = "what the credentials were good for, as in tokens"
    op.create_table(
        "web_sessions",
        sa.Column("id", _ID, autoincrement=True, nullable=False, comment="the session"),
        sa.Column("user_id", _ID, nullable=False, comment="whose it is"),
        sa.Column("sha256", sa.LargeBinary(32), nullable=False, comment="digest of the secret in the browser's cookie"),
        sa.Column("token_id", _ID, nullable=True, comment=token),
        sa.Column("scopes", sa.String(64), nullable=False, comment=scopes),
        sa.Column("program", sa.String(32), nullable=False, comment="what the browser calls itself; '' if it does not"),
        sa.Column("began", sa.BigInteger(), nullable=False, comment="time of the log-in"),
        sa.Column("used", sa.BigInteger(), nullable=False, comment="time of the last request, to half a minute"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_web_sessions_user_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["token_id"], ["tokens.id"], name=op.f("fk_web_sessions_token_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_web_sessions")),
        sa.UniqueConstraint("sha256", name=op.f("uq_web_sessions_sha256")),
        comment="browsers that are logged in",
        sqlite_autoincrement=True,
    )
    op.create_index("ix_web_sessions_user_id", "web_sessions", ["user_id"])
    op.create_index("ix_web_sessions_token_id", "web_sessions", ["token_id"])


def downgrade() -> None:
    """Take the catalogue back to the revision before."""
    op.drop_table("web_sessions")
