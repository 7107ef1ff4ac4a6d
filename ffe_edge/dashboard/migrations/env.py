"""What Alembic runs: the steps that are missing, on the connection and in the transaction that it is handed."""

from __future__ import annotations

from alembic import context

from ffe_edge.dashboard.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
