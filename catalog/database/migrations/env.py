"""Alembic's way in: it is always handed a connection by `catalog.database.migrate`."""

from alembic import context

from catalog.database.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transaction_per_migration=False,
)
context.run_migrations()
