"""Alembic's entry: migrations run in the transaction that `Store.migrate` opened."""

from alembic import context

from seed.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
