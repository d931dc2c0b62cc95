"""Alembic's entry: migrations run on the connection that ``ledger.migrate`` holds under its lock."""

from alembic import context

from ledger.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
context.run_migrations()
