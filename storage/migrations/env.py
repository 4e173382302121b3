"""Runs the migrations on the connection that `storage.schema` hands over, inside its transaction."""

from alembic import context

from storage.models import Table

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
    transactional_ddl=True,  # both databases can; on SQLite it has to be said
)
with context.begin_transaction():
    context.run_migrations()
