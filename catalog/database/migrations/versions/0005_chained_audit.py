"""the audit is chained by hash, and append-only.

Revision ID: 0005
Revises: 0004
"""

import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_CONTENT = ("id", "at", "actor", "acting_as", "action", "study", "subject", "detail")
_REFUSED = "the audit is append-only"
_SAID = "append-only: every import, decision, change, grant and refusal"
_SAYS = "append-only by triggers: every import, decision, change, grant and refusal"
_NUMBER = "the order of entries"


def upgrade() -> None:
    """Bring the catalogue to this revision."""
    with op.batch_alter_table("audit") as table:
        table.add_column(
            sa.Column(
                "hash",
                sa.LargeBinary(length=32),
                nullable=True,
                comment="SHA-256 over the hash of the entry before and all of this one: a chain",
            )
        )
    _chain(op.get_bind())
    with op.batch_alter_table("audit", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.alter_column("hash", existing_type=sa.LargeBinary(length=32), nullable=False)
    if op.get_bind().dialect.name == "postgresql":
        _say(_SAID, _SAYS, _NUMBER, f"{_NUMBER}; since revision 0005 without gaps")
        _guard_postgresql()
    else:
        _guard_sqlite()


def downgrade() -> None:
    """Take the catalogue back to the revision before."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("drop trigger audit_append_only on audit")
        op.execute("drop function archimed_append_only()")
        _say(_SAYS, _SAID, f"{_NUMBER}; since revision 0005 without gaps", _NUMBER)
    else:
        for name in ("audit_no_update", "audit_no_delete", "audit_no_replace"):
            op.execute(f"drop trigger {name}")
    with op.batch_alter_table("audit", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.drop_column("hash")


def _chain(connection: sa.Connection) -> None:
    """Chain what stands there, as `catalog.pure.chain` did at this revision."""
    columns: list[sa.ColumnClause[int | str]] = [sa.column(name) for name in _CONTENT]
    audit = sa.table("audit", *columns, sa.column("hash"))
    previous = bytes(32)
    after = 0
    while rows := connection.execute(sa.select(*columns).where(audit.c.id > after).order_by(audit.c.id).limit(10_000)).all():
        hashed = []
        for row in rows:
            text = json.dumps(tuple(row), ensure_ascii=True, separators=(",", ":"))
            previous = hashlib.sha256(previous + text.encode("ascii")).digest()
            hashed.append({"row": row.id, "chained": previous})
        connection.execute(
            sa.update(audit).where(audit.c.id == sa.bindparam("row")).values(hash=sa.bindparam("chained")), hashed
        )
        after = rows[-1].id


def _guard_sqlite() -> None:
    for name, event in (
        ("audit_no_update", "update"),
        ("audit_no_delete", "delete"),
        # INSERT OR REPLACE deletes without asking the trigger above.
        ("audit_no_replace", "insert on audit when exists (select 1 from audit where id >= new.id)"),
    ):
        when = event if " on audit" in event else f"{event} on audit"
        op.execute(f"create trigger {name} before {when} begin select raise(abort, '{_REFUSED}'); end")


def _guard_postgresql() -> None:
    op.execute(
        "create function archimed_append_only() returns trigger language plpgsql as "
        f"$$ begin raise exception '{_REFUSED}'; end $$"
    )
    op.execute(
        "create trigger audit_append_only before update or delete or truncate on audit "
        "for each statement execute function archimed_append_only()"
    )


def _say(old: str, new: str, old_id: str, new_id: str) -> None:
    # SQLite keeps no comments.
    op.create_table_comment("audit", new, existing_comment=old)
    op.alter_column("audit", "id", existing_type=sa.BigInteger(), comment=new_id, existing_comment=old_id)
