"""years of the audit are closed into files.

Revision ID: 0040
Revises: 0035
"""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0035"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_LAST = "coalesce((select max(last) from audit_closed), 0)"
_GUARDED = {"audit": ("id", "the audit is append-only"), "reads": ("entry", "the audit of reads is append-only")}
_CLOSED = "the list of closed years is append-only"


def upgrade() -> None:
    """Bring the catalogue to this revision: what was closed may go from the catalogue, and nothing else."""
    op.create_table(
        "audit_closed",
        sa.Column("year", _ID, autoincrement=False, nullable=False, comment="the year, as of UTC"),
        sa.Column("first", sa.BigInteger(), nullable=False, comment="number of its first entry"),
        sa.Column("last", sa.BigInteger(), nullable=False, comment="number of its last entry"),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False, comment="hash of that one: the next entry follows it"),
        sa.Column("sha256", sa.String(64), nullable=False, comment="digest of the file of its entries, hexadecimal"),
        sa.Column("reads_sha256", sa.String(64), nullable=False, comment="digest of the file of its reads, hexadecimal"),
        sa.Column("closed", sa.BigInteger(), nullable=False, comment="time it was closed"),
        sa.PrimaryKeyConstraint("year", name=op.f("pk_audit_closed")),
        comment="append-only by triggers: years of the audit that lie in files",
    )
    if op.get_bind().dialect.name == "postgresql":
        _guard_postgresql()
    else:
        _guard_sqlite()


def downgrade() -> None:
    """Take the catalogue back to the revision before; closed years stay in their files."""
    if op.get_bind().dialect.name == "postgresql":
        for table in _GUARDED:
            op.execute(f"drop trigger {table}_closed_only on {table}")
        op.execute("drop trigger reads_no_truncate on reads")
        op.execute("drop trigger audit_append_only on audit")
        op.execute(
            "create trigger audit_append_only before update or delete or truncate on audit "
            "for each statement execute function archimed_append_only()"
        )
        op.execute(
            "create trigger reads_append_only before delete or truncate on reads "
            "for each statement execute function archimed_append_only()"
        )
    else:
        for table, (_, refused) in _GUARDED.items():
            op.execute(f"drop trigger {table}_no_delete")
            op.execute(f"create trigger {table}_no_delete before delete on {table} begin select raise(abort, '{refused}'); end")
    op.drop_table("audit_closed")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("drop function archimed_closed_only()")


def _guard_sqlite() -> None:
    for table, (column, refused) in _GUARDED.items():
        op.execute(f"drop trigger {table}_no_delete")
        op.execute(
            f"create trigger {table}_no_delete before delete on {table} "
            f"when old.{column} is null or old.{column} > {_LAST} begin select raise(abort, '{refused}'); end"
        )
    for event in ("update", "delete"):
        op.execute(
            f"create trigger audit_closed_no_{event} before {event} on audit_closed begin select raise(abort, '{_CLOSED}'); end"
        )


def _guard_postgresql() -> None:
    op.execute(
        "create function archimed_closed_only() returns trigger language plpgsql as $$ "
        "declare number bigint := (to_jsonb(old) ->> tg_argv[0])::bigint; "
        f"begin if number is null or number > {_LAST} then raise exception '%', tg_argv[1]; end if; return old; end $$"
    )
    op.execute("drop trigger audit_append_only on audit")
    op.execute(
        "create trigger audit_append_only before update or truncate on audit "
        "for each statement execute function archimed_append_only()"
    )
    op.execute("drop trigger reads_append_only on reads")
    op.execute(
        "create trigger reads_no_truncate before truncate on reads for each statement execute function archimed_append_only()"
    )
    for table, (column, refused) in _GUARDED.items():
        op.execute(
            f"create trigger {table}_closed_only before delete on {table} "
            f"for each row execute function archimed_closed_only('{column}', '{refused}')"
        )
    op.execute(
        "create trigger audit_closed_append_only before update or delete or truncate on audit_closed "
        "for each statement execute function archimed_append_only()"
    )
