"""imports have random ids, which the store knows them by.

Revision ID: 0027
Revises: 0025
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0025"
branch_labels = None
depends_on = None

_COMMENT = (
    "what the store calls the import: 32 random hexadecimal digits, never given twice, whatever becomes of numbers; "
    "before revision 0027 the name of its manifest"
)


def upgrade() -> None:
    """Bring the catalogue to this revision."""
    op.add_column(
        "batches", sa.Column("import_id", sa.String(32), nullable=False, server_default=sa.text("''"), comment=_COMMENT)
    )
    connection = op.get_bind()
    # Manifests keep their names: the store is not written to.
    batches = sa.table("batches", *map(sa.column, ("id", "opened", "import_id")))
    named = (
        sa.func.lpad(sa.cast(batches.c.opened, sa.Text), 10, "0") + "-" + sa.func.lpad(sa.cast(batches.c.id, sa.Text), 8, "0")
        if connection.dialect.name == "postgresql"
        else sa.func.printf("%010d-%08d", batches.c.opened, batches.c.id)
    )
    connection.execute(batches.update().values(import_id=named))
    op.create_index("uq_batches_import_id", "batches", ["import_id"], unique=True)


def downgrade() -> None:
    """Take the catalogue back to the revision before."""
    op.drop_index("uq_batches_import_id", "batches")
    op.drop_column("batches", "import_id")
