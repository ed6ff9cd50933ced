"""who reads what.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OPEN = ["series_id", "login", "actor", "face", "program", "study", "exam", "series"]
_KEPT = ("id", *_OPEN)
_REFUSED = "the audit of reads is append-only"


def upgrade() -> None:
    """Bring the catalogue to this revision."""
    op.create_table(
        "reads",
        sa.Column("id", _ID, autoincrement=True, nullable=False, comment="the row"),
        sa.Column("login", sa.String(64), nullable=False, comment="archive login whose grants were used"),
        sa.Column("actor", sa.String(64), nullable=False, comment="Unix login that used that user's tree; '' if nobody else"),
        sa.Column("face", sa.String(16), nullable=False, comment="catalog.audit.reads.Face: mount, webdav, cli or python"),
        sa.Column(
            "program", sa.String(32), nullable=False, comment="program that read, as it calls itself; (unknown), (several)"
        ),
        sa.Column(
            "series_id", _ID, nullable=False, comment="the series; no foreign key: it may go; 0: more than were told apart"
        ),
        sa.Column("study", sa.String(64), nullable=False, comment="study code at that time; '' if unknown"),
        sa.Column("exam", sa.String(64), nullable=False, comment="exam code at that time; '' if unknown"),
        sa.Column("series", sa.String(255), nullable=False, comment="series folder at that time; '' if unknown"),
        sa.Column("first", sa.BigInteger(), nullable=False, comment="time of the first read"),
        sa.Column("last", sa.BigInteger(), nullable=False, comment="time of the last read"),
        sa.Column("files", sa.Integer(), nullable=False, comment="how often a file was opened"),
        sa.Column("bytes", sa.BigInteger(), nullable=False, comment="bytes handed out; the kernel keeps some and asks no more"),
        sa.Column(
            "entry", _ID, nullable=True, comment="entry of the audit that closed it and holds its hash; null: still grows"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reads")),
        comment="who read what: a row for reader, program, series and day; closed rows are guarded by triggers",
        sqlite_autoincrement=True,
    )
    open_rows = sa.text("entry is null")
    op.create_index("uq_reads_open", "reads", _OPEN, unique=True, sqlite_where=open_rows, postgresql_where=open_rows)
    op.create_index("ix_reads_entry", "reads", ["entry"])
    op.add_column(
        "exams",
        sa.Column(
            "last_read", sa.BigInteger(), nullable=True, comment="time one of its files was opened last; null: never yet"
        ),
    )
    if op.get_bind().dialect.name == "postgresql":
        _guard_postgresql()
    else:
        _guard_sqlite()


def downgrade() -> None:
    """Take the catalogue back to the revision before."""
    op.drop_table("reads")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("drop function archimed_only_grows()")
    op.execute("alter table exams drop column last_read")


def _shrinks(differs: str) -> str:
    kept = " or ".join(f"old.{name} {differs} new.{name}" for name in _KEPT)
    counts = "new.files < old.files or new.bytes < old.bytes or new.first > old.first or new.last < old.last"
    return f"old.entry is not null or {kept} or {counts}"


def _guard_sqlite() -> None:
    for name, when in (
        ("reads_no_update", f"update on reads when {_shrinks('is not')}"),
        ("reads_no_delete", "delete on reads"),
        # INSERT OR REPLACE deletes without asking the trigger above.
        ("reads_no_replace", "insert on reads when exists (select 1 from reads where id = new.id)"),
    ):
        op.execute(f"create trigger {name} before {when} begin select raise(abort, '{_REFUSED}'); end")


def _guard_postgresql() -> None:
    op.execute(
        "create function archimed_only_grows() returns trigger language plpgsql as "
        f"$$ begin if {_shrinks('is distinct from')} then raise exception '{_REFUSED}'; end if; return new; end $$"
    )
    op.execute("create trigger reads_only_grow before update on reads for each row execute function archimed_only_grows()")
    op.execute(
        "create trigger reads_append_only before delete or truncate on reads "
        "for each statement execute function archimed_append_only()"
    )
